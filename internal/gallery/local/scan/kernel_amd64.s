#include "textflag.h"

// Both kernels walk over blocks of 16 rows. For each block they add the products of codes (unsigned, 128 added) and probe (signed)
// to the correction, make of the sum a bound, and store a bit for each row whose bound is at least b.least.
//
// SI codes, DI probe, R8 scale, R9 rest, R10 quads, R11 blocks, R12 b, R13 masks.

// func above512(codes *byte, probe *int8, scale, rest *float32, quads, blocks int, b *bound, masks *uint16)
TEXT ·above512(SB), NOSPLIT, $0-64
	MOVQ codes+0(FP), SI
	MOVQ probe+8(FP), DI
	MOVQ scale+16(FP), R8
	MOVQ rest+24(FP), R9
	MOVQ quads+32(FP), R10
	MOVQ blocks+40(FP), R11
	MOVQ b+48(FP), R12
	MOVQ masks+56(FP), R13
	VPBROADCASTD 0(R12), Z16
	VBROADCASTSS 4(R12), Z17
	VBROADCASTSS 8(R12), Z18
	VBROADCASTSS 12(R12), Z19

block512:
	VMOVDQA32 Z16, Z0
	VPXORD    Z1, Z1, Z1
	VPXORD    Z2, Z2, Z2
	VPXORD    Z3, Z3, Z3
	MOVQ      DI, DX
	MOVQ      R10, CX

quads512:
	VMOVDQU32     0(SI), Z4
	VMOVDQU32     64(SI), Z5
	VMOVDQU32     128(SI), Z6
	VMOVDQU32     192(SI), Z7
	VPDPBUSD.BCST 0(DX), Z4, Z0
	VPDPBUSD.BCST 4(DX), Z5, Z1
	VPDPBUSD.BCST 8(DX), Z6, Z2
	VPDPBUSD.BCST 12(DX), Z7, Z3
	ADDQ          $256, SI
	ADDQ          $16, DX
	SUBQ          $4, CX
	JNZ           quads512

	VPADDD      Z1, Z0, Z0
	VPADDD      Z3, Z2, Z2
	VPADDD      Z2, Z0, Z0
	VCVTDQ2PS   Z0, Z0
	VMULPS      0(R8), Z0, Z0
	VMULPS      Z17, Z0, Z0
	VMOVUPS     0(R9), Z1
	VFMADD231PS Z18, Z1, Z0
	VCMPPS      $0x1d, Z19, Z0, K1 // greater or equal
	KMOVW       K1, AX
	MOVW        AX, 0(R13)
	ADDQ        $64, R8
	ADDQ        $64, R9
	ADDQ        $2, R13
	DECQ        R11
	JNZ         block512
	VZEROUPPER
	RET

// func above256(codes *byte, probe *int8, scale, rest *float32, quads, blocks int, b *bound, masks *uint16)
TEXT ·above256(SB), NOSPLIT, $0-64
	MOVQ codes+0(FP), SI
	MOVQ probe+8(FP), DI
	MOVQ scale+16(FP), R8
	MOVQ rest+24(FP), R9
	MOVQ quads+32(FP), R10
	MOVQ blocks+40(FP), R11
	MOVQ b+48(FP), R12
	MOVQ masks+56(FP), R13
	VPBROADCASTD 0(R12), Y12
	VBROADCASTSS 4(R12), Y13
	VBROADCASTSS 8(R12), Y14
	VBROADCASTSS 12(R12), Y11
	VPCMPEQW     Y15, Y15, Y15
	VPSRLW       $15, Y15, Y15 // ones

block256:
	VMOVDQA Y12, Y0
	VMOVDQA Y12, Y1
	MOVQ    DI, DX
	MOVQ    R10, CX

quads256:
	VPBROADCASTD 0(DX), Y2
	VMOVDQU      0(SI), Y3
	VMOVDQU      32(SI), Y4
	VPMADDUBSW   Y2, Y3, Y3
	VPMADDUBSW   Y2, Y4, Y4
	VPMADDWD     Y15, Y3, Y3
	VPMADDWD     Y15, Y4, Y4
	VPADDD       Y3, Y0, Y0
	VPADDD       Y4, Y1, Y1
	ADDQ         $64, SI
	ADDQ         $4, DX
	DECQ         CX
	JNZ          quads256

	VCVTDQ2PS   Y0, Y0
	VCVTDQ2PS   Y1, Y1
	VMULPS      0(R8), Y0, Y0
	VMULPS      32(R8), Y1, Y1
	VMULPS      Y13, Y0, Y0
	VMULPS      Y13, Y1, Y1
	VMOVUPS     0(R9), Y2
	VMOVUPS     32(R9), Y3
	VFMADD231PS Y14, Y2, Y0
	VFMADD231PS Y14, Y3, Y1
	VCMPPS      $0x1d, Y11, Y0, Y0
	VCMPPS      $0x1d, Y11, Y1, Y1
	VMOVMSKPS   Y0, AX
	VMOVMSKPS   Y1, BX
	SHLL        $8, BX
	ORL         BX, AX
	MOVW        AX, 0(R13)
	ADDQ        $64, R8
	ADDQ        $64, R9
	ADDQ        $2, R13
	DECQ        R11
	JNZ         block256
	VZEROUPPER
	RET

package scan

import "golang.org/x/sys/cpu"

// best is nil on a processor without any kernel.
var best = append(kernels(), nil)[0]

// kernels returns those that this processor has, the fastest first.
func kernels() (out []*kernel) {
	x := cpu.X86
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VNNI {
		out = append(out, &kernel{"avx512-vnni", 127, above512})
	}
	if x.HasAVX2 && x.HasFMA {
		// A pair of products, 2·255·63, stays within the 16 bits to which it is added.
		out = append(out, &kernel{"avx2", 63, above256})
	}
	return out
}

//go:noescape
func above512(codes *byte, probe *int8, scale, rest *float32, quads, blocks int, b *bound, masks *uint16)

//go:noescape
func above256(codes *byte, probe *int8, scale, rest *float32, quads, blocks int, b *bound, masks *uint16)

//go:build cgo

package imaging

/*
#cgo CFLAGS: -O3
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { weight_bits = 14, sum_bits = 8 };

// Four sums, of which three are a pixel's. Their memory is aligned like one of them.
typedef uint32_t four __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint8_t four_bytes __attribute__((vector_size(4)));

typedef struct {
	const int32_t *first, *at;
	const uint32_t *weights;
} axis;

static inline __attribute__((always_inline)) void sum_rows(uint32_t *restrict sums, int size, const uint8_t *pix, size_t stride,
		const int32_t *rows, const uint32_t *weights, int taps) {
	const uint32_t half = 1 << (weight_bits - sum_bits - 1);
	if (taps <= 4) { // a row that has no weight is the last one again
		const uint8_t *r0 = pix + rows[0] * stride, *r1 = pix + rows[taps > 1 ? 1 : 0] * stride;
		const uint8_t *r2 = pix + rows[taps > 2 ? 2 : 0] * stride, *r3 = pix + rows[taps > 3 ? 3 : 0] * stride;
		uint32_t w0 = weights[0], w1 = taps > 1 ? weights[1] : 0, w2 = taps > 2 ? weights[2] : 0, w3 = taps > 3 ? weights[3] : 0;
		if (taps <= 2) {
			for (int i = 0; i < size; i++) sums[i] = (w0 * r0[i] + w1 * r1[i] + half) >> (weight_bits - sum_bits);
		} else {
			for (int i = 0; i < size; i++)
				sums[i] = (w0 * r0[i] + w1 * r1[i] + w2 * r2[i] + w3 * r3[i] + half) >> (weight_bits - sum_bits);
		}
		return;
	}
	for (int i = 0; i < size; i++) sums[i] = half;
	int k = 0;
	for (; k + 1 < taps; k += 2) {
		const uint8_t *r0 = pix + rows[k] * stride, *r1 = pix + rows[k + 1] * stride;
		uint32_t w0 = weights[k], w1 = weights[k + 1];
		for (int i = 0; i < size; i++) sums[i] += w0 * r0[i] + w1 * r1[i];
	}
	if (k < taps) {
		const uint8_t *r0 = pix + rows[k] * stride;
		uint32_t w0 = weights[k];
		for (int i = 0; i < size; i++) sums[i] += w0 * r0[i];
	}
	for (int i = 0; i < size; i++) sums[i] >>= weight_bits - sum_bits;
}

static inline __attribute__((always_inline)) void scale(const uint8_t *pix, size_t stride, const int32_t *rows, int range,
		const int32_t *columns, int part, axis vertical, axis horizontal, uint32_t *sums, uint8_t *out, int width, int height) {
	uint32_t *along = part ? sums + 3 * (size_t)range : sums;
	for (int y = 0; y < height; y++) {
		int from = vertical.at[y];
		sum_rows(sums, 3 * range, pix, stride, rows + vertical.first[y], vertical.weights + from, vertical.at[y + 1] - from);
		for (int i = 0; i < part; i++) memcpy(along + 3 * (size_t)i, sums + 3 * (size_t)columns[i], 3 * sizeof *sums);
		uint8_t *to = out + 3 * (size_t)width * y;
		for (int x = 0; x < width; x++, to += 3) {
			const uint32_t *at = along + 3 * (size_t)horizontal.first[x];
			four sum = (four){0} + (1u << (weight_bits + sum_bits - 1));
			for (int k = horizontal.at[x], end = horizontal.at[x + 1]; k < end; k++, at += 3)
				sum += *(const four *)at * horizontal.weights[k];
			four_bytes pixel = __builtin_convertvector(sum >> (weight_bits + sum_bits), four_bytes);
			memcpy(to, &pixel, 3);
		}
	}
}

#define ARGUMENTS const uint8_t *pix, size_t stride, const int32_t *rows, int range, const int32_t *columns, int part, \
	axis vertical, axis horizontal, uint32_t *sums, uint8_t *out, int width, int height
#define GIVEN pix, stride, rows, range, columns, part, vertical, horizontal, sums, out, width, height

#ifdef __x86_64__
static __attribute__((target("avx2"))) void scale_avx2(ARGUMENTS) { scale(GIVEN); }
static __attribute__((target("avx512f,avx512bw,avx512vl,prefer-vector-width=512"))) void scale_avx512(ARGUMENTS) { scale(GIVEN); }
#endif

// The kernels, the one for any processor first.
enum { any, avx2, avx512 };

// fastest is the last kernel that this processor has. It has those before it, too.
static int fastest(void) {
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) return avx512;
	if (__builtin_cpu_supports("avx2")) return avx2;
#endif
	return any;
}

// resize is scaling.runPlain: pix is where the picture's column `left` begins in its first row, range the columns of the picture.
static void resize(const uint8_t *pix, size_t stride, const int32_t *rows, int range, const int32_t *columns, int part,
		const int32_t *vertical_first, const int32_t *vertical_at, const uint32_t *vertical_weights,
		const int32_t *horizontal_first, const int32_t *horizontal_at, const uint32_t *horizontal_weights,
		uint32_t *sums, uint8_t *out, int width, int height, int kernel) {
	axis vertical = {vertical_first, vertical_at, vertical_weights}, horizontal = {horizontal_first, horizontal_at, horizontal_weights};
#ifdef __x86_64__
	if (kernel == avx512) {
		scale_avx512(GIVEN);
		return;
	}
	if (kernel == avx2) {
		scale_avx2(GIVEN);
		return;
	}
#endif
	scale(GIVEN);
}
*/
import "C"

import "unsafe"

// kernels is the number of kernels that this processor has.
var kernels = int(C.fastest()) + 1

// run writes the scaled part of m to out.
func (s *scaling) run(m, out *Image) { s.runBy(kernels-1, m, out) }

// runBy computes the sums of runPlain, in the vectors of a kernel.
func (s *scaling) runBy(kernel int, m, out *Image) {
	ints := func(v []int32) *C.int32_t { return (*C.int32_t)(unsafe.SliceData(v)) }
	values := func(v []uint32) *C.uint32_t { return (*C.uint32_t)(unsafe.SliceData(v)) }
	C.resize((*C.uint8_t)(&m.Pix[3*s.left]), C.size_t(3*m.Width), ints(s.rows), C.int(s.right-s.left), ints(s.columns), C.int(len(s.columns)),
		ints(s.vertical.first), ints(s.vertical.at), values(s.vertical.weights),
		ints(s.horizontal.first), ints(s.horizontal.at), values(s.horizontal.weights),
		values(s.sums), (*C.uint8_t)(&out.Pix[0]), C.int(out.Width), C.int(out.Height), C.int(kernel))
}

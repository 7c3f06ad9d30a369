package imaging

// Fixed point of Resize: a pixel's weights along one axis sum to exactly 1 << weightBits.
const weightBits = 14

// axis is one dimension of a scaling: destination index i is the sum of weights[i][k] · source[first[i]+k].
type axis struct {
	first   []int
	weights [][]uint32
}

// newAxis averages over the area that a destination pixel covers when it shrinks, which is what keeps fine detail from
// turning into false patterns, and interpolates linearly between pixel centres when it enlarges: OpenCV's INTER_AREA and
// INTER_LINEAR.
func newAxis(from, to int) axis {
	a := axis{make([]int, to), make([][]uint32, to)}
	scale := float64(from) / float64(to)
	taps := int(scale) + 2              // the most source pixels that one destination pixel can touch
	store := make([]uint32, 0, to*taps) // all weights, end to end
	share := make([]float64, 0, taps)
	for i := range to {
		var first int
		share = share[:0]
		if scale >= 1 {
			begin, end := float64(i)*scale, min(float64(i+1)*scale, float64(from))
			first = min(int(begin), from-1)
			for p := first; p < from && (float64(p) < end-1e-9 || p == first); p++ {
				share = append(share, (min(float64(p+1), end)-max(float64(p), begin))/scale)
			}
		} else {
			centre := max((float64(i)+0.5)*scale-0.5, 0)
			first = min(int(centre), from-1)
			if t := centre - float64(first); first+1 < from {
				share = append(share, 1-t, t)
			} else {
				share = append(share, 1)
			}
		}
		begin := len(store)
		store = appendFixed(store, share)
		a.first[i], a.weights[i] = first, store[begin:]
	}
	return a
}

// appendFixed rounds shares that sum to about 1; the largest takes what rounding left over.
func appendFixed(weights []uint32, share []float64) []uint32 {
	sum, largest := uint32(0), len(weights)
	for _, s := range share {
		w := uint32(max(s, 0)*(1<<weightBits) + 0.5)
		weights = append(weights, w)
		sum += w
		if w > weights[largest] {
			largest = len(weights) - 1
		}
	}
	weights[largest] += 1<<weightBits - sum
	return weights
}

// Resize returns m scaled to width × height, both at least 1; m itself where it has that size already. The scaled pixel (x, y)
// covers the area of m from (x, y) to (x+1, y+1) times the scale.
func (m *Image) Resize(width, height int) *Image {
	if width == m.Width && height == m.Height {
		return m
	}
	out := New(width, height)
	horizontal, vertical := newAxis(m.Width, width), newAxis(m.Height, height)
	sums := make([]uint32, 3*m.Width) // one source-wide row, already scaled vertically
	for y := range height {
		m.sumRows(sums, vertical.first[y], vertical.weights[y])
		row := out.Pix[3*y*width : 3*(y+1)*width]
		for x := range width {
			var r, g, b uint32
			at := 3 * horizontal.first[x]
			for _, w := range horizontal.weights[x] {
				s := sums[at : at+3 : at+3]
				r, g, b = r+w*s[0], g+w*s[1], b+w*s[2]
				at += 3
			}
			const half = 1 << (weightBits + sumBits - 1)
			row[3*x] = byte((r + half) >> (weightBits + sumBits))
			row[3*x+1] = byte((g + half) >> (weightBits + sumBits))
			row[3*x+2] = byte((b + half) >> (weightBits + sumBits))
		}
	}
	return out
}

// sumBits are the fraction bits that a vertical sum keeps: 8 + sumBits + weightBits must fit in 32.
const sumBits = 8

// sumRows sets sums to the weighted sum of the rows from first on, with sumBits fraction bits.
func (m *Image) sumRows(sums []uint32, first int, weights []uint32) {
	stride := 3 * m.Width
	row := func(k int) []byte { return m.Pix[(first+k)*stride:][:len(sums)] }
	r0, w0 := row(0), weights[0]
	for i := range sums {
		sums[i] = w0 * uint32(r0[i])
	}
	k := 1
	for ; k+1 < len(weights); k += 2 { // two rows a pass halve the traffic on sums
		r0, r1, w0, w1 := row(k), row(k+1), weights[k], weights[k+1]
		for i := range sums {
			sums[i] += w0*uint32(r0[i]) + w1*uint32(r1[i])
		}
	}
	if k < len(weights) {
		r0, w0 := row(k), weights[k]
		for i := range sums {
			sums[i] += w0 * uint32(r0[i])
		}
	}
	for i := range sums {
		sums[i] = (sums[i] + 1<<(weightBits-sumBits-1)) >> (weightBits - sumBits)
	}
}

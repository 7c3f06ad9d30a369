package imaging

import (
	"slices"
	"sync"
)

// Fixed point of Resize: a pixel's weights along one axis sum to exactly 1 << weightBits.
const weightBits = 14

// axis is one dimension of a scaling: destination index i is the sum of weights[at[i]+k] · source[first[i]+k], for k from 0 to
// at[i+1]-at[i]-1.
type axis struct {
	first, at []int32
	weights   []uint32
	share     []float64 // the weights of one destination index before they are rounded
}

// set averages over the area that a destination pixel covers when it shrinks, which is what keeps fine detail from
// turning into false patterns, and interpolates linearly between pixel centres when it enlarges: OpenCV's INTER_AREA and
// INTER_LINEAR.
func (a *axis) set(from, to int) {
	a.first, a.at, a.weights = a.first[:0], append(a.at[:0], 0), a.weights[:0]
	scale := float64(from) / float64(to)
	for i := range to {
		var first int
		share := a.share[:0]
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
		a.share = share
		a.weights = appendFixed(a.weights, share)
		a.first, a.at = append(a.first, int32(first)), append(a.at, int32(len(a.weights)))
	}
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
	return m.ResizePart(0, 0, m.Width, m.Height, width, height)
}

// ResizePart returns what [Image.Crop] with the border Reflect and then [Image.Resize] return, without the copy between them. The
// result is always a picture of its own.
func (m *Image) ResizePart(x0, y0, x1, y1, width, height int) *Image {
	s := scalings.Get().(*scaling)
	defer scalings.Put(s)
	s.set(m, x0, y0, x1, y1, width, height)
	out := unset(width, height)
	s.run(m, out)
	return out
}

// scaling is a part of a picture on its way to another size: each row of the result is a weighted sum of rows of the part, which is
// then summed along the row.
type scaling struct {
	vertical, horizontal axis
	rows                 []int32 // of the picture, for each row of the part
	left, right          int     // the columns of the picture that the part shows: from left on, before right
	// columns are those of the picture, from left on, for each column of the part. They are empty where the part does not reach beyond
	// the picture's sides: they then are in order.
	columns []int32
	sums    []uint32 // the sums of rows: of the picture's columns, and behind them of the part's where columns are not empty
}

var scalings = sync.Pool{New: func() any { return new(scaling) }}

// sumBits are the fraction bits that a vertical sum keeps: 8 + sumBits + weightBits must fit in 32.
const sumBits = 8

// set readies s for a part of m.
func (s *scaling) set(m *Image, x0, y0, x1, y1, width, height int) {
	s.horizontal.set(x1-x0, width)
	s.vertical.set(y1-y0, height)
	s.rows, s.columns = s.rows[:0], s.columns[:0]
	for y := y0; y < y1; y++ {
		at, _ := Reflect.at(y, m.Height)
		s.rows = append(s.rows, int32(at))
	}
	s.left, s.right = x0, x1
	if x0 < 0 || x1 > m.Width {
		for x := x0; x < x1; x++ {
			at, _ := Reflect.at(x, m.Width)
			s.columns = append(s.columns, int32(at))
		}
		s.left, s.right = int(slices.Min(s.columns)), int(slices.Max(s.columns))+1
		for i := range s.columns {
			s.columns[i] -= int32(s.left)
		}
	}
	// One value more: vectors of four values read three.
	size := 3*(s.right-s.left+len(s.columns)) + 1
	s.sums = slices.Grow(s.sums[:0], size)[:size]
}

// runPlain writes the scaled part of m to out, in Go.
func (s *scaling) runPlain(m, out *Image) {
	sums := s.sums[:3*(s.right-s.left)]
	along := sums
	if len(s.columns) > 0 {
		along = s.sums[len(sums) : len(sums)+3*len(s.columns)]
	}
	for y := range out.Height {
		s.sumRows(sums, m, int(s.vertical.first[y]), s.vertical.weights[s.vertical.at[y]:s.vertical.at[y+1]])
		for i, c := range s.columns {
			copy(along[3*i:3*i+3], sums[3*c:3*c+3])
		}
		row := out.Pix[3*y*out.Width : 3*(y+1)*out.Width]
		for x := range out.Width {
			var r, g, b uint32
			at := 3 * s.horizontal.first[x]
			for _, w := range s.horizontal.weights[s.horizontal.at[x]:s.horizontal.at[x+1]] {
				v := along[at : at+3 : at+3]
				r, g, b = r+w*v[0], g+w*v[1], b+w*v[2]
				at += 3
			}
			const half = 1 << (weightBits + sumBits - 1)
			row[3*x] = byte((r + half) >> (weightBits + sumBits))
			row[3*x+1] = byte((g + half) >> (weightBits + sumBits))
			row[3*x+2] = byte((b + half) >> (weightBits + sumBits))
		}
	}
}

// sumRows sets sums to the weighted sum of the part's rows from first on, with sumBits fraction bits.
func (s *scaling) sumRows(sums []uint32, m *Image, first int, weights []uint32) {
	row := func(k int) []byte { return m.Pix[3*(int(s.rows[first+k])*m.Width+s.left):][:len(sums)] }
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

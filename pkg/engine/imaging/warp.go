package imaging

import "math"

// Similarity turns, scales and shifts: (x, y) becomes (A·x − B·y + Tx, B·x + A·y + Ty), where A = s·cos φ and B = s·sin φ.
type Similarity struct{ A, B, Tx, Ty float64 }

// Apply maps a point.
func (s Similarity) Apply(x, y float64) (float64, float64) {
	return s.A*x - s.B*y + s.Tx, s.B*x + s.A*y + s.Ty
}

// Inverse returns the similarity that undoes s. A and B must not both be zero.
func (s Similarity) Inverse() Similarity {
	d := s.A*s.A + s.B*s.B
	a, b := s.A/d, -s.B/d
	return Similarity{A: a, B: b, Tx: -(a*s.Tx - b*s.Ty), Ty: -(b*s.Tx + a*s.Ty)}
}

// WarpSimilarity returns the width × height picture whose pixel s.Apply(x, y) is m's pixel (x, y), interpolated linearly
// between the four nearest pixels, with black outside m. Pixel centres have integer coordinates. It is OpenCV's warpAffine
// with INTER_LINEAR and a constant border of 0, except that OpenCV before version 5 rounds positions to 1/32 of a pixel.
func (m *Image) WarpSimilarity(s Similarity, width, height int) *Image {
	out := black(width, height)
	inverse := s.Inverse()
	for y := range height {
		for x := range width {
			sx, sy := inverse.Apply(float64(x), float64(y))
			if !(sx > -1 && sy > -1 && sx < float64(m.Width) && sy < float64(m.Height)) {
				continue
			}
			fx, fy := math.Floor(sx), math.Floor(sy)
			m.interpolate(out.Pix[3*(y*width+x):][:3], int(fx), int(fy), float32(sx-fx), float32(sy-fy), RGB{})
		}
	}
	return out
}

// interpolate writes the pixel at (x+u, y+v), 0 ≤ u, v < 1, where pixels outside m have the colour beyond.
func (m *Image) interpolate(dst []byte, x, y int, u, v float32, beyond RGB) {
	if x >= 0 && y >= 0 && x+1 < m.Width && y+1 < m.Height {
		upper := m.Pix[3*(y*m.Width+x):][:6]
		lower := m.Pix[3*((y+1)*m.Width+x):][:6]
		for c := range 3 {
			top := (1-u)*float32(upper[c]) + u*float32(upper[c+3])
			bottom := (1-u)*float32(lower[c]) + u*float32(lower[c+3])
			dst[c] = byte((1-v)*top + v*bottom + 0.5)
		}
		return
	}
	var sum [3]float32
	for dy, wy := range [2]float32{1 - v, v} {
		for dx, wx := range [2]float32{1 - u, u} {
			p := beyond[:]
			if x+dx >= 0 && x+dx < m.Width && y+dy >= 0 && y+dy < m.Height {
				p = m.Pix[3*((y+dy)*m.Width+x+dx):][:3]
			}
			w := wy * wx
			sum[0] += w * float32(p[0])
			sum[1] += w * float32(p[1])
			sum[2] += w * float32(p[2])
		}
	}
	for c := range 3 {
		dst[c] = byte(sum[c] + 0.5)
	}
}

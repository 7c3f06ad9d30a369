package imaging

import "math"

// Projective maps the points of one plane to another as a camera does: (x, y) becomes ((P₀x + P₁y + P₂) / d, (P₃x + P₄y + P₅) / d), where
// d = P₆x + P₇y + P₈.
type Projective [9]float64

// NewProjective returns the mapping that takes four points to four others, and whether there is one: no three points of either may lie
// on a line.
func NewProjective(from, to [4][2]float64) (Projective, bool) {
	a, okFrom := ofUnitSquare(from)
	b, okTo := ofUnitSquare(to)
	if !okFrom || !okTo {
		return Projective{}, false
	}
	return b.after(a.adjugate()), true
}

// ofUnitSquare maps (0, 0), (1, 0), (1, 1), (0, 1) to the points (Heckbert, Fundamentals of Texture Mapping, 1989, section 2.2.3).
func ofUnitSquare(p [4][2]float64) (Projective, bool) {
	dx1, dx2, sx := p[1][0]-p[2][0], p[3][0]-p[2][0], p[0][0]-p[1][0]+p[2][0]-p[3][0]
	dy1, dy2, sy := p[1][1]-p[2][1], p[3][1]-p[2][1], p[0][1]-p[1][1]+p[2][1]-p[3][1]
	d := dx1*dy2 - dx2*dy1
	g, h := (sx*dy2-dx2*sy)/d, (dx1*sy-sx*dy1)/d
	m := Projective{
		p[1][0] - p[0][0] + g*p[1][0], p[3][0] - p[0][0] + h*p[3][0], p[0][0],
		p[1][1] - p[0][1] + g*p[1][1], p[3][1] - p[0][1] + h*p[3][1], p[0][1],
		g, h, 1,
	}
	determinant := m[0]*(m[4]*m[8]-m[5]*m[7]) - m[1]*(m[3]*m[8]-m[5]*m[6]) + m[2]*(m[3]*m[7]-m[4]*m[6])
	return m, math.Abs(d) > 1e-9 && math.Abs(determinant) > 1e-9 && !math.IsNaN(determinant) && !math.IsInf(determinant, 0)
}

// after is the mapping that does q first.
func (p Projective) after(q Projective) (m Projective) {
	for row := range 3 {
		for column := range 3 {
			for k := range 3 {
				m[3*row+column] += p[3*row+k] * q[3*k+column]
			}
		}
	}
	return m
}

// adjugate is the inverse mapping, whose scale is another.
func (p Projective) adjugate() Projective {
	return Projective{
		p[4]*p[8] - p[5]*p[7], p[2]*p[7] - p[1]*p[8], p[1]*p[5] - p[2]*p[4],
		p[5]*p[6] - p[3]*p[8], p[0]*p[8] - p[2]*p[6], p[2]*p[3] - p[0]*p[5],
		p[3]*p[7] - p[4]*p[6], p[1]*p[6] - p[0]*p[7], p[0]*p[4] - p[1]*p[3],
	}
}

// Apply maps a point.
func (p Projective) Apply(x, y float64) (float64, float64) {
	d := p[6]*x + p[7]*y + p[8]
	return (p[0]*x + p[1]*y + p[2]) / d, (p[3]*x + p[4]*y + p[5]) / d
}

// WarpProjective returns the width × height picture whose point (x, y) is m's point p.Apply(x, y), of the colour beyond where that lies
// beyond m. A pixel is the mean of the area of m that it covers where that is larger than a pixel, taken at points that lie a pixel of m
// apart or less. The point (x, y) lies in the pixel of the column ⌊x⌋ and the row ⌊y⌋.
func (m *Image) WarpProjective(p Projective, width, height int, beyond RGB) *Image {
	out := unset(width, height)
	for y := range height {
		for x := range width {
			m.average(out.Pix[3*(y*width+x):][:3], p, float64(x), float64(y), beyond)
		}
	}
	return out
}

// mostTaps is the largest number of points along each axis at which a pixel of WarpProjective is sampled.
const mostTaps = 4

// average writes the mean of m over what p maps the pixel at (x, y) to.
func (m *Image) average(dst []byte, p Projective, x, y float64, beyond RGB) {
	cx, cy := p.Apply(x+0.5, y+0.5)
	// What a step along each axis moves in m, which says how many points cover the pixel.
	d := p[6]*(x+0.5) + p[7]*(y+0.5) + p[8]
	along := math.Hypot((p[0]-cx*p[6])/d, (p[3]-cy*p[6])/d)
	down := math.Hypot((p[1]-cx*p[7])/d, (p[4]-cy*p[7])/d)
	across, deep := taps(along), taps(down)
	if across == 1 && deep == 1 {
		m.sample(dst, cx, cy, beyond)
		return
	}
	var sum [3]int
	for j := range deep {
		for i := range across {
			var one [3]byte
			sx, sy := p.Apply(x+(float64(i)+0.5)/float64(across), y+(float64(j)+0.5)/float64(deep))
			m.sample(one[:], sx, sy, beyond)
			for c, v := range one {
				sum[c] += int(v)
			}
		}
	}
	n := across * deep
	for c, s := range sum {
		dst[c] = byte((s + n/2) / n)
	}
}

// taps are the points that cover so many pixels. A pixel that is hardly larger needs one.
func taps(pixels float64) int {
	if !(pixels > 1.2) {
		return 1
	}
	return int(min(math.Ceil(pixels), mostTaps))
}

// sample writes the colour of m at a point.
func (m *Image) sample(dst []byte, x, y float64, beyond RGB) {
	x, y = x-0.5, y-0.5
	if !(x > -1 && y > -1 && x < float64(m.Width) && y < float64(m.Height)) {
		copy(dst, beyond[:])
		return
	}
	fx, fy := math.Floor(x), math.Floor(y)
	m.interpolate(dst, int(fx), int(fy), float32(x-fx), float32(y-fy), beyond)
}

package document

import (
	"math"

	"facestream/pkg/engine/imaging"
)

// line is a straight line through two points.
type line struct{ from, to point }

// meet is where two lines cross, and whether they do.
func (l line) meet(m line) (point, bool) {
	d, e := l.to.minus(l.from), m.to.minus(m.from)
	cross := d.cross(e)
	if math.Abs(cross) < 1e-6*d.length()*e.length() {
		return point{}, false
	}
	return l.from.plus(d.times(m.from.minus(l.from).cross(e) / cross)), true
}

// away is how far p lies from l in pixels.
func (l line) away(p point) float64 {
	d := l.to.minus(l.from)
	return math.Abs(d.cross(p.minus(l.from))) / max(d.length(), 1e-9)
}

const (
	// profiles are how many places along a side are searched for an edge, and ends the share of the side at each of its ends that is left
	// out: corners of cards are round.
	profiles = 48
	ends     = 0.08
	// beside is how far in pixels from an edge, on both sides of it, the colours are compared.
	beside = 2
	// faint is the difference of two colours, of 0..255 in each channel and in the root of the sum of squares, that counts half as much as
	// the largest.
	faint = 16
)

// place is where the i-th profile lies along a side, 0..1.
func place(i int) float64 { return ends + (1-2*ends)*float64(i)/(profiles-1) }

// change is how the colour changes at p in the direction of normal, shorter than 1; 0 where that reaches beyond m.
func change(m *imaging.Image, p, normal point) (c [3]float64) {
	a, okA := colour(m, p.plus(normal.times(-beside)))
	b, okB := colour(m, p.plus(normal.times(beside)))
	if !okA || !okB {
		return c
	}
	for k := range c {
		c[k] = b[k] - a[k]
	}
	scale := 1 / (norm(c) + faint)
	for k := range c {
		c[k] *= scale
	}
	return c
}

func norm(c [3]float64) float64 { return math.Sqrt(c[0]*c[0] + c[1]*c[1] + c[2]*c[2]) }

// colour is that of m at p, and whether p lies in it.
func colour(m *imaging.Image, p point) (c [3]float64, ok bool) {
	x, y := p.x-0.5, p.y-0.5
	if !(x >= 0 && y >= 0 && x < float64(m.Width-1) && y < float64(m.Height-1)) {
		return c, false
	}
	i, j := int(x), int(y)
	u, v := x-float64(i), y-float64(j)
	upper, lower := m.Pix[3*(j*m.Width+i):][:6], m.Pix[3*((j+1)*m.Width+i):][:6]
	for k := range c {
		top := (1-u)*float64(upper[k]) + u*float64(upper[k+3])
		bottom := (1-u)*float64(lower[k]) + u*float64(lower[k+3])
		c[k] = (1-v)*top + v*bottom
	}
	return c, true
}

// settle is the line within reach pixels of both ends of l along which the picture's colours change most in the same way, to a fraction
// of a pixel, and how clearly they do, 0..1. The edge of a document is one: the colours inside and outside differ alike all along it. A
// line of text, whose strokes are as dark, is none.
func settle(m *imaging.Image, l line, reach float64) (found line, clarity float64) {
	along := l.to.minus(l.from)
	length := along.length()
	if length < 1 {
		return l, 0
	}
	normal := point{along.y / length, -along.x / length} // outwards, on the left of the way clockwise
	// Far lines are searched at every other pixel, and then within two pixels of the best.
	if pitch := int(reach / 24); pitch > 0 {
		l, _ = settleAt(m, l, normal, float64(pitch+1), reach)
		return settleAt(m, l, normal, 1, float64(pitch+2))
	}
	return settleAt(m, l, normal, 1, reach)
}

// settleAt is settle for lines whose ends lie whole multiples of pitch pixels from those of l, before the fraction.
func settleAt(m *imaging.Image, l line, normal point, pitch, reach float64) (found line, clarity float64) {
	n := int(reach/pitch + 0.5)
	width := 2*n + 1
	// changes[i*width+t] is that at (t-n) · pitch pixels outwards of the i-th place along the side.
	changes := make([][3]float64, profiles*width)
	for i := range profiles {
		at := l.from.towards(l.to, place(i))
		for t := range width {
			changes[i*width+t] = change(m, at.plus(normal.times(pitch*float64(t-n))), normal)
		}
	}
	// The line by where it begins and ends, outwards of the ends of l.
	first, last := n, n
	for a := range width {
		for b := range width {
			var sum [3]float64
			at, step := float64(a)+float64(b-a)*place(0)+0.5, float64(b-a)*(place(1)-place(0))
			for i := 0; i < profiles*width; i += width {
				c := &changes[i+int(at)]
				sum[0], sum[1], sum[2] = sum[0]+c[0], sum[1]+c[1], sum[2]+c[2]
				at += step
			}
			if c := norm(sum) / profiles; c > clarity {
				clarity, first, last = c, a, b
			}
		}
	}
	// The edge to a fraction of a pixel at each place, by a parabola through the changes, and a straight line through those.
	var w, wx, wy, wxx, wxy float64
	for i := range profiles {
		x := place(i)
		t := int(float64(first) + float64(last-first)*x + 0.5)
		row := changes[i*width : (i+1)*width]
		for k := max(t-1, 0); k <= min(t+1, width-1); k++ {
			if norm(row[k]) > norm(row[t]) {
				t = k
			}
		}
		offset, weight := float64(t), norm(row[t])
		if t > 0 && t+1 < width {
			before, after := norm(row[t-1]), norm(row[t+1])
			if bend := before - 2*weight + after; bend < -1e-9 {
				offset += min(max((before-after)/(2*bend), -0.5), 0.5)
			}
		}
		w, wx, wy, wxx, wxy = w+weight, wx+weight*x, wy+weight*offset, wxx+weight*x*x, wxy+weight*x*offset
	}
	begin, slope := float64(first), float64(last-first)
	if d := w*wxx - wx*wx; d > 1e-9 {
		slope = (w*wxy - wx*wy) / d
		begin = (wy - slope*wx) / w
	}
	out := func(p point, t float64) point { return p.plus(normal.times(pitch * (t - float64(n)))) }
	return line{out(l.from, begin), out(l.to, begin+slope)}, clarity
}

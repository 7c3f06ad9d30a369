package document

import (
	"math"

	"facestream/pkg/schema"
)

// point is a point in pixels.
type point struct{ x, y float64 }

func (p point) minus(q point) point              { return point{p.x - q.x, p.y - q.y} }
func (p point) plus(q point) point               { return point{p.x + q.x, p.y + q.y} }
func (p point) times(k float64) point            { return point{p.x * k, p.y * k} }
func (p point) dot(q point) float64              { return p.x*q.x + p.y*q.y }
func (p point) cross(q point) float64            { return p.x*q.y - p.y*q.x }
func (p point) length() float64                  { return math.Hypot(p.x, p.y) }
func (p point) towards(q point, k float64) point { return p.plus(q.minus(p).times(k)) }

// quad are the corners of a document in pixels, clockwise from its top left one.
type quad [4]point

func quadOf(corners [4]schema.PointF) (q quad) {
	for i, c := range corners {
		q[i] = point{float64(c.X), float64(c.Y)}
	}
	return q
}

func (q quad) corners() (c [4]schema.PointF) {
	for i, p := range q {
		c[i] = schema.PointF{X: float32(p.x), Y: float32(p.y)}
	}
	return c
}

func (q quad) pairs() (p [4][2]float64) {
	for i, c := range q {
		p[i] = [2]float64{c.x, c.y}
	}
	return p
}

// frame is the quad of a whole picture.
func frame(width, height int) quad {
	w, h := float64(width), float64(height)
	return quad{{0, 0}, {w, 0}, {w, h}, {0, h}}
}

// side is the vector from corner i to the next.
func (q quad) side(i int) point { return q[(i+1)%4].minus(q[i%4]) }

// area is that of q in square pixels; 0 if it is not convex or does not run clockwise, as a document's does.
func (q quad) area() (area float64) {
	for i, p := range q {
		if !(q.side(i).cross(q.side(i+1)) > 0) {
			return 0
		}
		area += p.cross(q[(i+1)%4]) / 2
	}
	return area
}

// turned is q whose first corner is the one that lies quarters further clockwise.
func (q quad) turned(quarters int) (t quad) {
	for i := range q {
		t[i] = q[(i+quarters)%4]
	}
	return t
}

// scaled is q in a picture scaled by these factors.
func (q quad) scaled(x, y float64) quad {
	for i := range q {
		q[i] = point{q[i].x * x, q[i].y * y}
	}
	return q
}

// holds reports whether p lies in q, which is convex, or on its sides.
func (q quad) holds(p point) bool {
	for i := range q {
		if q.side(i).cross(p.minus(q[i])) < 0 {
			return false
		}
	}
	return true
}

// clipped is the area of q, which is convex, inside another convex quad (Sutherland and Hodgman, 1974).
func (q quad) clipped(by quad) (area float64) {
	in := q[:]
	for i := range by {
		var out []point
		side := by.side(i)
		for k, p := range in {
			next := in[(k+1)%len(in)]
			a, b := side.cross(p.minus(by[i])), side.cross(next.minus(by[i]))
			if a >= 0 {
				out = append(out, p)
			}
			if (a >= 0) != (b >= 0) {
				out = append(out, p.towards(next, a/(a-b)))
			}
		}
		if in = out; len(in) == 0 {
			return 0
		}
	}
	for k, p := range in {
		area += p.cross(in[(k+1)%len(in)]) / 2
	}
	return area
}

// overlap is the intersection of two convex quads over their union, 0..1.
func (q quad) overlap(r quad) float64 {
	both := q.clipped(r)
	return both / max(q.area()+r.area()-both, 1e-9)
}

const (
	// usualFocal is the focal length of a phone's main camera in multiples of the picture's longer side: 26 mm on a frame of 36 mm are
	// 0.72. It stands in where the quad does not say one, and there the shape hardly depends on it.
	usualFocal = 0.75
	// leastFocal and mostFocal bound what is taken for a camera's.
	leastFocal, mostFocal = 0.4, 4
)

// aspect is how many times as wide as high the document is, according to the perspective in which q shows it in a picture of that size
// (Zhang and He, Whiteboard Scanning and Image Enhancement, Microsoft Research MSR-TR-2003-39, equations 11, 14 and 20). The centre of
// the picture is where the camera looks; a picture that was cut from another has another centre, which matters where perspective is
// strong.
func (q quad) aspect(width, height int) float64 {
	type vector [3]float64
	cross := func(a, b vector) vector {
		return vector{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
	}
	dot := func(a, b vector) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }
	long := float64(max(width, height)) // the unit of length
	at := func(p point) vector {
		return vector{(p.x - float64(width)/2) / long, (p.y - float64(height)/2) / long, 1}
	}
	m1, m2, m3, m4 := at(q[0]), at(q[1]), at(q[3]), at(q[2])
	k2 := dot(cross(m1, m4), m3) / dot(cross(m2, m4), m3)
	k3 := dot(cross(m1, m4), m2) / dot(cross(m3, m4), m2)
	var across, down vector // what the document's sides are before the camera, but for the focal length
	for i := range across {
		across[i], down[i] = k2*m2[i]-m1[i], k3*m3[i]-m1[i]
	}
	// Two vanishing points tell the focal length. One alone, and none, do not.
	focal := math.Sqrt(-(across[0]*down[0] + across[1]*down[1]) / (across[2] * down[2]))
	const weak = 0.005 // of perspective, below which the vanishing points are noise
	if !(math.Abs(across[2]) > weak && math.Abs(down[2]) > weak && focal >= leastFocal && focal <= mostFocal) {
		focal = usualFocal
	}
	size := func(v vector) float64 { return math.Hypot(math.Hypot(v[0], v[1])/focal, v[2]) }
	return size(across) / size(down)
}

// odd is how far the shape of q, in a picture of that size, is from that of the nearest type, as the logarithm of their quotient: 0.01 is 1 %.
func (q quad) odd(width, height int) float64 {
	measured, odd := math.Log(q.aspect(width, height)), math.Inf(1)
	for _, t := range []Type{ID1, ID3} {
		w, h := t.Size()
		shape := math.Log(w / h)
		odd = min(odd, math.Abs(measured-shape), math.Abs(measured+shape))
	}
	return odd
}

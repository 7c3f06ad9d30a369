package drawn

import "math"

// vec is a point, a direction or a linear RGB colour.
type vec struct{ x, y, z float64 }

func (a vec) add(b vec) vec            { return vec{a.x + b.x, a.y + b.y, a.z + b.z} }
func (a vec) sub(b vec) vec            { return vec{a.x - b.x, a.y - b.y, a.z - b.z} }
func (a vec) scale(s float64) vec      { return vec{a.x * s, a.y * s, a.z * s} }
func (a vec) mul(b vec) vec            { return vec{a.x * b.x, a.y * b.y, a.z * b.z} }
func (a vec) dot(b vec) float64        { return a.x*b.x + a.y*b.y + a.z*b.z }
func (a vec) mix(b vec, t float64) vec { return a.scale(1 - t).add(b.scale(t)) }
func (a vec) unit() vec                { return a.scale(1 / math.Sqrt(a.dot(a)+1e-12)) }
func (a vec) cross(b vec) vec {
	return vec{a.y*b.z - a.z*b.y, a.z*b.x - a.x*b.z, a.x*b.y - a.y*b.x}
}

// rotation is a row-major 3x3 matrix.
type rotation [3]vec

// pose turns the head by pitch (nod), then yaw, then roll; radians.
func pose(yaw, pitch, roll float64) rotation {
	sy, cy := math.Sincos(yaw)
	sp, cp := math.Sincos(pitch)
	sr, cr := math.Sincos(roll)
	a, b := vec{cy, sy * sp, sy * cp}, vec{0, cp, -sp}
	return rotation{
		a.scale(cr).sub(b.scale(sr)),
		a.scale(sr).add(b.scale(cr)),
		{-sy, cy * sp, cy * cp},
	}
}

func (r *rotation) apply(v vec) vec { return vec{r[0].dot(v), r[1].dot(v), r[2].dot(v)} }

// rgb takes a colour as displayed, components 0..1, to linear light. The display
// curve is taken as a plain square, which is close enough for drawings.
func rgb(r, g, b float64) vec { return vec{r * r, g * g, b * b} }

// bump is a Gaussian of height 1 and standard deviation s.
func bump(x, s float64) float64 {
	q := x / s
	if q *= q; q < 18 {
		return math.Exp(-q / 2)
	}
	return 0
}

// bump2 is the product bump(x, sx) * bump(y, sy).
func bump2(x, sx, y, sy float64) float64 {
	q, r := x/sx, y/sy
	if q = q*q + r*r; q < 18 {
		return math.Exp(-q / 2)
	}
	return 0
}

// step rises smoothly from 0 at a to 1 at b.
func step(a, b, x float64) float64 {
	t := clamp01((x - a) / (b - a))
	return t * t * (3 - 2*t)
}

func clamp01(x float64) float64 { return min(1, max(0, x)) }

func lerp(a, b, t float64) float64 { return a + (b-a)*t }

// lattice is a hash of an integer cell to 0..1.
func lattice(i, j int64, seed uint64) float64 {
	n := uint64(i)*0x9E3779B97F4A7C15 ^ uint64(j)*0xC2B2AE3D27D4EB4F ^ seed*0x165667B19E3779F9
	n ^= n >> 32
	n *= 0xD6E8FEB86659FD93
	n ^= n >> 32
	n *= 0xD6E8FEB86659FD93
	return float64(n>>40) / (1 << 24)
}

// noise is value noise with cells of size 1, range 0..1.
func noise(x, y float64, seed uint64) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	tx, ty := x-fx, y-fy
	tx, ty = tx*tx*(3-2*tx), ty*ty*(3-2*ty)
	i, j := int64(fx), int64(fy)
	return lerp(
		lerp(lattice(i, j, seed), lattice(i+1, j, seed), tx),
		lerp(lattice(i, j+1, seed), lattice(i+1, j+1, seed), tx), ty)
}

// knot is a point of a curve y -> value.
type knot struct{ at, value float64 }

// curve interpolates knots, ascending in at, by a cubic Hermite spline whose
// tangents are central differences; it is constant outside.
func curve(k []knot, at float64) float64 {
	last := len(k) - 1
	if at <= k[0].at {
		return k[0].value
	}
	if at >= k[last].at {
		return k[last].value
	}
	i := 0
	for at > k[i+1].at {
		i++
	}
	slope := func(j int) float64 {
		if j == 0 || j == last {
			return 0
		}
		return (k[j+1].value - k[j-1].value) / (k[j+1].at - k[j-1].at)
	}
	d := k[i+1].at - k[i].at
	t := (at - k[i].at) / d
	t2, t3 := t*t, t*t*t
	return k[i].value*(2*t3-3*t2+1) + k[i+1].value*(3*t2-2*t3) +
		d*(slope(i)*(t3-2*t2+t)+slope(i+1)*(t3-t2))
}

package drawn

import "math"

// material says how a surface is coloured.
type material uint8

const (
	noMaterial material = iota
	skinMaterial
	earMaterial
	neckMaterial
	hairMaterial
	clothMaterial // a headscarf
	torsoMaterial
)

// point is a mesh's vertex in head coordinates; where cut is negative, between
// vertices too, there is no surface.
type point struct {
	at  vec
	cut float64
}

// mesh is a bent rectangle of rows x cols points with their normals.
type mesh struct {
	rows, cols int
	points     []point
	normals    []vec
	material   material
}

// grid samples a surface f(s)(t), s and t in 0..1; s is the same along a row.
func grid(rows, cols int, m material, f func(s float64) func(t float64) point) *mesh {
	g := &mesh{rows: rows, cols: cols, material: m,
		points: make([]point, rows*cols), normals: make([]vec, rows*cols)}
	for i := range rows {
		row := f(float64(i) / float64(rows-1))
		for j := range cols {
			g.points[i*cols+j] = row(float64(j) / float64(cols-1))
		}
	}
	for i := range rows {
		for j := range cols {
			up, down := max(i-1, 0)*cols+j, min(i+1, rows-1)*cols+j
			left, right := i*cols+max(j-1, 0), i*cols+min(j+1, cols-1)
			du := g.points[right].at.sub(g.points[left].at)
			dv := g.points[down].at.sub(g.points[up].at)
			g.normals[i*cols+j] = du.cross(dv).unit()
		}
	}
	return g
}

// camera maps head coordinates to pixels: it looks along -z from a distance.
type camera struct {
	turn    rotation
	x, y, s float64 // pixels; s per head unit at z = 0
}

// distance of the camera from the head's centre, in head units: a portrait
// from about one metre.
const distance = 9

func (c *camera) project(v vec) vec {
	v = c.turn.apply(v)
	k := c.s * distance / (distance - v.z)
	return vec{c.x + v.x*k, c.y + v.y*k, v.z}
}

// fragment is the surface that a pixel sees.
type fragment struct {
	material material
	depth    float64
	at       vec // head coordinates
	normal   vec // towards the camera, camera coordinates
	cut      float64
}

// frame is a square picture of fragments.
type frame struct {
	size      int
	fragments []fragment
}

// draw rasterises a mesh with a depth test.
func (f *frame) draw(g *mesh, c *camera) {
	screen := make([]vec, len(g.points))
	normals := make([]vec, len(g.points))
	for i := range g.points {
		screen[i] = c.project(g.points[i].at)
		normals[i] = c.turn.apply(g.normals[i])
	}
	for i := range g.rows - 1 {
		for j := range g.cols - 1 {
			a := i*g.cols + j
			b, d := a+1, a+g.cols
			f.triangle(g, screen, normals, a, b, d)
			f.triangle(g, screen, normals, b, d+1, d)
		}
	}
}

func (f *frame) triangle(g *mesh, screen, normals []vec, i, j, k int) {
	p, q, r := &g.points[i], &g.points[j], &g.points[k]
	if p.cut < 0 && q.cut < 0 && r.cut < 0 {
		return
	}
	a, b, c := screen[i], screen[j], screen[k]
	area := (b.x-a.x)*(c.y-a.y) - (b.y-a.y)*(c.x-a.x)
	if area == 0 {
		return
	}
	x0 := max(0, int(math.Ceil(min(a.x, b.x, c.x)-0.5)))
	x1 := min(f.size-1, int(math.Floor(max(a.x, b.x, c.x)-0.5)))
	y0 := max(0, int(math.Ceil(min(a.y, b.y, c.y)-0.5)))
	y1 := min(f.size-1, int(math.Floor(max(a.y, b.y, c.y)-0.5)))
	for y := y0; y <= y1; y++ {
		for x := x0; x <= x1; x++ {
			px, py := float64(x)+0.5, float64(y)+0.5
			u := ((b.x-px)*(c.y-py) - (b.y-py)*(c.x-px)) / area
			v := ((c.x-px)*(a.y-py) - (c.y-py)*(a.x-px)) / area
			w := 1 - u - v
			if u < 0 || v < 0 || w < 0 {
				continue
			}
			to := &f.fragments[y*f.size+x]
			depth := u*a.z + v*b.z + w*c.z
			cut := u*p.cut + v*q.cut + w*r.cut
			if cut < 0 || to.material != noMaterial && depth <= to.depth {
				continue
			}
			n := normals[i].scale(u).add(normals[j].scale(v)).add(normals[k].scale(w)).unit()
			if n.z < 0 {
				n = n.scale(-1)
			}
			*to = fragment{
				material: g.material, depth: depth, cut: cut, normal: n,
				at: p.at.scale(u).add(q.at.scale(v)).add(r.at.scale(w)),
			}
		}
	}
}

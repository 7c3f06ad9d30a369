package drawn

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
)

// Scene is a photograph of identity documents that lie on something, or of that alone.
type Scene struct {
	Picture *image.RGBA
	// Documents are the corners of each document in pixels: top left, top right, bottom right, bottom left as one reads it. (0, 0) is the
	// top left corner of the picture's first pixel.
	Documents [][4][2]float64
	// Passport says of each document that it is a passport's page, 125 × 88 mm, and no card of 85.6 × 53.98 mm.
	Passport []bool
}

// Spread is how documents lie in a scene.
type Spread struct {
	// Documents are none, one or two.
	Documents int
	// Cut moves the document so that the picture's side cuts a part of it off.
	Cut bool
	// Fingers hold the document at its side.
	Fingers bool
}

// scenePixels is the longer side of a scene.
const scenePixels = 800

// NewScene returns the scene of a seed: documents with a drawn portrait and strokes for text on a cluttered or an even surface, seen by
// a camera that is held aslant, with light from one side, shadows, reflections, blur and noise.
func NewScene(seed uint64, s Spread) Scene {
	d := dice{rand.New(rand.NewPCG(seed, 0xD0C))}
	width, height := scenePixels, scenePixels*3/4
	if d.chance(0.35) {
		width, height = height, width
	}
	scene := Scene{Picture: image.NewRGBA(image.Rect(0, 0, width, height))}
	table := d.table(float64(width), float64(height))
	var placed []placedDocument
	for i := range s.Documents {
		p := placedDocument{paper: d.paper(), seed: d.Uint64()}
		p.place(d, float64(width), float64(height), i, s)
		placed = append(placed, p)
		scene.Documents = append(scene.Documents, p.corners())
		scene.Passport = append(scene.Passport, p.passport)
	}
	var fingers []finger
	if s.Fingers && len(placed) > 0 {
		fingers = d.fingers(placed[0])
	}
	light := d.light(float64(width), float64(height))
	noise, soft := d.in(0, 6), d.in(0.3, 1.1)
	scene.photograph(seed, table, placed, fingers, light, noise, soft)
	return scene
}

// photograph fills the picture. noise is the deviation of a value of 0 to 255, soft how far around a pixel is seen, in pixels.
func (scene Scene) photograph(seed uint64, table table, placed []placedDocument, fingers []finger, light lamp, noise, soft float64) {
	grain := rand.New(rand.NewPCG(seed, 0x9A1))
	const taps = 2
	for y := range scene.Picture.Rect.Dy() {
		for x := range scene.Picture.Rect.Dx() {
			var sum vec
			for t := range taps * taps {
				px := float64(x) + 0.5 + ((float64(t%taps)+0.5)/taps-0.5)*(1+soft)
				py := float64(y) + 0.5 + ((float64(t/taps)+0.5)/taps-0.5)*(1+soft)
				sum = sum.add(scenePoint(px, py, table, placed, fingers))
			}
			c := light.on(sum.scale(1./(taps*taps)), float64(x), float64(y))
			n := noise * grain.NormFloat64()
			scene.Picture.SetRGBA(x, y, color.RGBA{level(c.x, n), level(c.y, n), level(c.z, n), 255})
		}
	}
}

func level(v, noise float64) uint8 { return uint8(min(max(255*v+noise+0.5, 0), 255)) }

// scenePoint is the colour of a point of the picture before the light falls on it.
func scenePoint(x, y float64, t table, documents []placedDocument, fingers []finger) vec {
	for _, f := range fingers {
		if c, ok := f.at(x, y); ok {
			return c
		}
	}
	for _, p := range documents {
		if u, v, ok := p.onPaper(x, y); ok {
			return p.sample(u, v)
		}
	}
	c := t.at(x, y)
	for _, p := range documents {
		// The shadow lies below and to the right.
		if _, _, ok := p.onPaper(x-p.shadow, y-1.5*p.shadow); ok {
			c = c.scale(0.6)
		}
	}
	return c
}

// table is what documents lie on.
type table struct {
	base, other vec
	kind        int // 0 even, 1 wood, 2 cloth, 3 blotches
	scale       float64
	seed        uint64
	things      []thing
}

// thing is a rectangle that lies about.
type thing struct {
	x, y, w, h, turn float64
	colour, stripe   vec
	stripes          float64 // pixels; 0: none
}

func (d dice) tone(lo, hi float64) vec {
	v := d.in(lo, hi)
	return vec{clamp01(v * (1 + d.in(-0.25, 0.25))), clamp01(v * (1 + d.in(-0.15, 0.15))), clamp01(v * (1 + d.in(-0.25, 0.25)))}
}

func (d dice) table(width, height float64) table {
	t := table{base: d.tone(0.05, 0.6), kind: d.n(4), scale: d.in(8, 60), seed: d.Uint64()}
	t.other = t.base.scale(d.in(0.7, 1.3))
	for range d.n(5) {
		g := thing{x: d.in(0, width), y: d.in(0, height), w: d.in(20, 250), h: d.in(10, 150), turn: d.in(0, math.Pi), colour: d.tone(0.05, 0.85), stripe: d.tone(0.05, 0.85)}
		if d.chance(0.4) {
			g.stripes = d.in(5, 20)
		}
		t.things = append(t.things, g)
	}
	return t
}

func (t table) at(x, y float64) vec {
	for _, g := range t.things {
		sin, cos := math.Sincos(g.turn)
		u, v := (x-g.x)*cos+(y-g.y)*sin, (y-g.y)*cos-(x-g.x)*sin
		if math.Abs(u) < g.w/2 && math.Abs(v) < g.h/2 {
			if g.stripes > 0 && int(math.Floor(v/g.stripes))%2 == 0 {
				return g.stripe
			}
			return g.colour
		}
	}
	k := 0.0
	switch t.kind {
	case 1:
		k = noise(x/(6*t.scale), y/(t.scale/8), t.seed)
	case 2:
		k = 0.5 + 0.25*math.Sin(x/t.scale*8) + 0.25*math.Sin(y/t.scale*8)
	case 3:
		k = noise(x/t.scale, y/t.scale, t.seed)
	}
	return t.base.mix(t.other, k)
}

// lamp is how light falls on a scene: brighter towards one side, with a reflection.
type lamp struct {
	dx, dy, low, high float64
	tint              vec
	x, y, radius      float64 // of the reflection; radius 0: none
	width, height     float64
}

func (d dice) light(width, height float64) lamp {
	l := lamp{low: d.in(0.75, 1), high: d.in(1, 1.15), width: width, height: height, tint: vec{d.in(0.92, 1.05), 1, d.in(0.88, 1.05)}}
	l.dy, l.dx = math.Sincos(d.in(0, 2*math.Pi))
	if d.chance(0.3) {
		l.x, l.y, l.radius = d.in(0, width), d.in(0, height), d.in(20, 70)
	}
	return l
}

func (l lamp) on(c vec, x, y float64) vec {
	k := clamp01(0.5 + (l.dx*(x/l.width-0.5)+l.dy*(y/l.height-0.5))/1.4)
	k = lerp(l.low, l.high, k)
	c = vec{c.x * l.tint.x * k, c.y * l.tint.y * k, c.z * l.tint.z * k}
	if l.radius > 0 {
		glare := math.Exp(-((x-l.x)*(x-l.x) + (y-l.y)*(y-l.y)) / (l.radius * l.radius))
		c = c.add(vec{glare, glare, glare}.scale(0.7))
	}
	return c
}

// paper is the face of a document, unit the millimetre, paperPixels to each.
type paper struct {
	passport      bool
	width, height float64 // mm
	radius        float64 // of its corners
	pixels        *image.RGBA
}

const (
	paperPixels = 8
	cardWidth   = 85.6
)

// newPaper is an empty page of a passport, or a card.
func newPaper(passport bool) paper {
	p := paper{passport: passport, width: cardWidth, height: 53.98, radius: 3.18}
	if passport {
		p.width, p.height, p.radius = 125, 88, 1
	}
	p.pixels = image.NewRGBA(image.Rect(0, 0, int(p.width*paperPixels), int(p.height*paperPixels)))
	return p
}

// print covers a page with fine lines that swing, on a ground that changes from one corner to the other.
func (d dice) print(m *image.RGBA, from, to, line vec) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	waves, pitch := d.in(20, 90), d.in(9, 25)
	for y := range h {
		for x := range w {
			c := from.mix(to, clamp01((float64(x)/float64(w)+float64(y)/float64(h))/2))
			if s := math.Sin((float64(y) + waves*math.Sin(float64(x)/waves)) / pitch * 2 * math.Pi); s > 0.8 {
				c = c.mix(line, 0.6)
			}
			m.SetRGBA(x, y, color.RGBA{level(c.x, 0), level(c.y, 0), level(c.z, 0), 255})
		}
	}
}

func (d dice) paper() paper {
	p := newPaper(d.chance(0.5))
	if p.passport {
		p.radius = d.in(0, 3.5)
	}
	w, h := p.pixels.Rect.Dx(), p.pixels.Rect.Dy()
	from, to, line := d.tone(0.62, 0.95), d.tone(0.62, 0.95), d.tone(0.4, 0.8)
	d.print(p.pixels, from, to, line)
	ink := d.tone(0.02, 0.25)
	// A portrait at the left, a heading, lines of text, and the machine-readable zone below.
	size := int(0.42 * float64(h))
	face := Render(New(d.Uint64()), NewShot(d.Uint64()), size)
	left, top := int(0.06*float64(w)), int(0.22*float64(h))
	for y := range size {
		for x := range size * 4 / 5 {
			p.pixels.SetRGBA(left+x, top+y, face.RGBAAt(x+size/10, y))
		}
	}
	d.write(p.pixels, left, int(0.06*float64(h)), int(d.in(0.4, 0.85)*float64(w)), int(0.08*float64(h)), d.tone(0.05, 0.5))
	for row := range 6 {
		d.write(p.pixels, left+size, top+row*size/6, left+size+int(d.in(0.15, 0.5)*float64(w)), size/12+d.n(size/14), ink)
	}
	for row := range 2 {
		d.write(p.pixels, int(0.04*float64(w)), int((0.78+0.1*float64(row))*float64(h)), int(0.96*float64(w)), int(0.05*float64(h)), ink)
	}
	return p
}

// write draws strokes like letters from left to right.
func (d dice) write(m *image.RGBA, left, top, right, height int, ink vec) {
	c := color.RGBA{level(ink.x, 0), level(ink.y, 0), level(ink.z, 0), 255}
	thick := max(height/6, 1)
	for x := left; x+height/2 < right; x += height * 3 / 4 {
		for range 3 {
			x0, y0 := x+d.n(max(height/2, 1)), top+d.n(max(height-thick, 1))
			w, h := thick, height-(y0-top)
			if d.chance(0.5) {
				w, h = height/2, thick
			}
			for yy := y0; yy < min(y0+h, top+height); yy++ {
				for xx := x0; xx < x0+w; xx++ {
					m.SetRGBA(xx, yy, c)
				}
			}
		}
	}
}

// placedDocument is a paper before the camera. A point (a, b) of the paper, in its widths from its centre, lies at the picture's point
// middle + focal·(X, Y)/Z, where (X, Y, Z) = origin + a·across + b·down.
type placedDocument struct {
	paper
	seed                 uint64
	middle               [2]float64
	focal                float64
	across, down, origin vec
	shadow               float64
}

// place looks for a view in which the document lies as s says.
func (p *placedDocument) place(d dice, width, height float64, index int, s Spread) {
	share := d.in(0.45, 0.9) // of the picture's shorter or longer side, whichever bounds it
	if s.Documents > 1 {
		share = d.in(0.4, 0.6)
	}
	p.shadow = d.in(1, 8)
	for {
		p.focal = d.in(0.65, 1.6) * scenePixels
		p.middle = [2]float64{width / 2, height / 2}
		p.rotate(d.in(-0.5, 0.5), d.in(-0.5, 0.5), d.in(-0.45, 0.45))
		z := p.focal / (share * width)
		cx, cy := d.in(0.3, 0.7)*width, d.in(0.3, 0.7)*height
		if s.Documents > 1 { // beside each other along the longer side
			along := 0.25 + 0.5*float64(index) + d.in(-0.03, 0.03)
			if width > height {
				cx, cy = along*width, d.in(0.45, 0.55)*height
			} else {
				cx, cy = d.in(0.45, 0.55)*width, along*height
			}
		}
		if s.Cut {
			cx += d.in(0.35, 0.5) * width * float64(1-2*d.n(2))
		}
		p.origin = vec{(cx - p.middle[0]) * z / p.focal, (cy - p.middle[1]) * z / p.focal, z}
		if p.fits(width, height, index, s) {
			return
		}
		share = max(share*0.985, 0.25)
	}
}

// rotate turns the paper about the three axes, in radians.
func (p *placedDocument) rotate(tilt, turn, roll float64) {
	rotated := func(v vec) vec {
		sin, cos := math.Sincos(roll)
		v.x, v.y = v.x*cos-v.y*sin, v.x*sin+v.y*cos
		sin, cos = math.Sincos(turn)
		v.x, v.z = v.x*cos-v.z*sin, v.x*sin+v.z*cos
		sin, cos = math.Sincos(tilt)
		v.y, v.z = v.y*cos-v.z*sin, v.y*sin+v.z*cos
		return v
	}
	p.across, p.down = rotated(vec{1, 0, 0}), rotated(vec{0, 1, 0})
}

// lie puts the paper into the middle of a picture of that size, across three quarters of it.
func (p *placedDocument) lie(tilt, turn, roll, width, height float64) {
	p.focal, p.shadow, p.middle = 1.2*width, 4, [2]float64{width / 2, height / 2}
	p.rotate(tilt, turn, roll)
	p.origin = vec{0, 0, p.focal / (0.75 * width)}
}

func (p *placedDocument) fits(width, height float64, index int, s Spread) bool {
	outside := 0
	for _, c := range p.corners() {
		left, top, right, bottom := 4., 4., width-4, height-4
		if s.Documents > 1 {
			if width > height {
				left, right = max(left, float64(index)*width/2), min(right, float64(index+1)*width/2)
			} else {
				top, bottom = max(top, float64(index)*height/2), min(bottom, float64(index+1)*height/2)
			}
		}
		if c[0] < left || c[1] < top || c[0] > right || c[1] > bottom {
			outside++
		}
	}
	if s.Cut {
		return outside == 2
	}
	return outside == 0
}

// see is where a point of the paper lies in the picture.
func (p *placedDocument) see(a, b float64) [2]float64 {
	v := p.origin.add(p.across.scale(a)).add(p.down.scale(b))
	return [2]float64{p.middle[0] + p.focal*v.x/v.z, p.middle[1] + p.focal*v.y/v.z}
}

func (p *placedDocument) corners() [4][2]float64 {
	h := p.height / p.width / 2
	return [4][2]float64{p.see(-0.5, -h), p.see(0.5, -h), p.see(0.5, h), p.see(-0.5, h)}
}

// onPaper is the point of the paper, in millimetres from its top left corner, that the picture shows at (x, y), and whether the paper
// reaches there: the ray of the camera meets its plane.
func (p *placedDocument) onPaper(x, y float64) (u, v float64, ok bool) {
	ray := vec{(x - p.middle[0]) / p.focal, (y - p.middle[1]) / p.focal, 1}
	normal := p.across.cross(p.down)
	k := p.origin.dot(normal) / ray.dot(normal)
	at := ray.scale(k).sub(p.origin)
	u, v = at.dot(p.across)*p.width+p.width/2, at.dot(p.down)*p.width+p.height/2
	if u < 0 || v < 0 || u >= p.width || v >= p.height {
		return 0, 0, false
	}
	dx, dy := max(p.radius-u, u-(p.width-p.radius), 0), max(p.radius-v, v-(p.height-p.radius), 0)
	return u, v, math.Hypot(dx, dy) <= p.radius
}

func (p *placedDocument) sample(u, v float64) vec {
	x, y := u*paperPixels-0.5, v*paperPixels-0.5
	fx, fy := math.Floor(x), math.Floor(y)
	at := func(i, j float64) vec {
		b := p.pixels.Rect
		c := p.pixels.RGBAAt(int(min(max(i, 0), float64(b.Dx()-1))), int(min(max(j, 0), float64(b.Dy()-1))))
		return vec{float64(c.R) / 255, float64(c.G) / 255, float64(c.B) / 255}
	}
	return at(fx, fy).mix(at(fx+1, fy), x-fx).mix(at(fx, fy+1).mix(at(fx+1, fy+1), x-fx), y-fy)
}

// finger is a capsule of skin with a nail: from outside of a document to over it.
type finger struct {
	x0, y0, x1, y1, radius float64
	skin, nail             vec
}

// fingers hold a document at its lower side: a thumb, and sometimes another.
func (d dice) fingers(p placedDocument) (all []finger) {
	c := p.corners()
	skin := vec{0.87, 0.66, 0.54}.mix(vec{0.42, 0.27, 0.19}, d.in(0, 1))
	side := math.Hypot(c[2][0]-c[3][0], c[2][1]-c[3][1])
	for range 1 + d.n(2) {
		k := d.in(0.1, 0.9)
		x, y := lerp(c[3][0], c[2][0], k), lerp(c[3][1], c[2][1], k)
		up := [2]float64{(c[0][0] - c[3][0]) / side, (c[0][1] - c[3][1]) / side}
		reach, lean := d.in(0.18, 0.3)*side, d.in(-0.1, 0.1)*side
		all = append(all, finger{x0: x - 2*reach*up[0] + lean, y0: y - 2*reach*up[1], x1: x + reach*up[0], y1: y + reach*up[1],
			radius: d.in(0.06, 0.09) * side, skin: skin, nail: skin.mix(vec{0.95, 0.8, 0.76}, 0.6)})
	}
	return all
}

func (f finger) at(x, y float64) (vec, bool) {
	dx, dy := f.x1-f.x0, f.y1-f.y0
	k := clamp01(((x-f.x0)*dx + (y-f.y0)*dy) / (dx*dx + dy*dy))
	away := math.Hypot(x-f.x0-k*dx, y-f.y0-k*dy) / f.radius
	if away > 1 {
		return vec{}, false
	}
	if k > 0.9 && away < 0.6 {
		return f.nail, true
	}
	return f.skin.scale(0.7 + 0.3*math.Sqrt(1-away*away)), true
}

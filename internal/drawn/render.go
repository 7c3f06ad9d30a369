package drawn

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
)

// Config is the operation configuration for requests about drawn people, as JSON. They are not alive, and networks that
// were trained on real people may see glasses or a turned head where there are none. Neither may lead to a refusal.
const Config = `{"anti_spoofing_mode":0,"face_validations_off":true}`

// JPEG returns shot number shot of p as a file of size x size pixels. quality is that of image/jpeg, 1..100.
func JPEG(p Person, shot, size, quality int) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, Render(p, p.Shot(shot), size), &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}

// Render draws a person as an opaque square picture of size x size pixels. The result is the same on every run. Across
// processors single pixels may differ by one step, because some fuse multiplication and addition.
func Render(p Person, s Shot, size int) *image.RGBA {
	r := renderer{person: &p, shot: &s, size: size,
		frame: frame{size, make([]fragment, size*size)},
		head:  camera{pose(s.Yaw, s.Pitch, s.Roll), s.X * float64(size), s.Y * float64(size), s.Scale * float64(size)},
	}
	// Shoulders follow the head only in part.
	body := r.head
	body.turn = pose(s.Yaw*0.3, 0, s.Roll*0.2)

	for _, m := range []*mesh{p.headMesh(s.Expression), p.hairMesh(), p.longMesh(), p.scarfMesh(), p.earMesh(1), p.earMesh(-1)} {
		if m != nil {
			r.frame.draw(m, &r.head)
		}
	}
	r.frame.draw(p.neckMesh(), &body)
	r.frame.draw(p.torsoMesh(), &body)
	return r.develop()
}

type renderer struct {
	person *Person
	shot   *Shot
	size   int
	frame  frame
	head   camera
}

// develop shades all pixels, softens, adds noise and quantises.
func (r *renderer) develop() *image.RGBA {
	n := r.size
	light := make([]vec, n*n)
	for y := range n {
		for x := range n {
			light[y*n+x] = r.pixel(x, y)
		}
	}
	out := image.NewRGBA(image.Rect(0, 0, n, n))
	side, centre := r.shot.Blur*0.125, 1-r.shot.Blur*0.5
	for y := range n {
		up, down := max(y-1, 0)*n, min(y+1, n-1)*n
		for x := range n {
			left, right := max(x-1, 0), min(x+1, n-1)
			around := light[up+x].add(light[down+x]).add(light[y*n+left]).add(light[y*n+right])
			c := light[y*n+x].scale(centre).add(around.scale(side))
			at := out.Pix[out.PixOffset(x, y):]
			grain := r.shot.Noise * (lattice(int64(x), int64(y), r.shot.Seed) + lattice(int64(x), int64(y), r.shot.Seed+1) - 1)
			at[0], at[1], at[2], at[3] = quantise(c.x, grain), quantise(c.y, grain), quantise(c.z, grain), 255
		}
	}
	return out
}

// quantise takes linear light to a displayed byte.
func quantise(v, grain float64) uint8 {
	return uint8(255*clamp01(math.Sqrt(max(0, v))+grain) + 0.5)
}

func (r *renderer) pixel(x, y int) vec {
	f := &r.frame.fragments[y*r.size+x]
	p := r.person
	var c vec
	switch f.material {
	case noMaterial:
		c = r.backdrop(x, y)
	case skinMaterial:
		m := p.facePaint(f.at, r.shot.Expression)
		m.shade *= r.underHair(f.at)
		c = r.lit(m, f)
		if p.hair.style == cropped || p.hair.style == bald {
			c = c.mix(p.hair.root, r.scalp(f.at))
		}
	case earMaterial:
		in := math.Hypot((f.at.z-0.02)/0.11, (f.at.y-0.10)/p.skull.earHeight)
		c = r.lit(paint{colour: p.skinColour(f.at.x, f.at.y).mul(vec{1, 0.9, 0.88}), gloss: 0.05, sharp: 18, shade: 0.5 + 0.5*step(0.2, 0.8, in)}, f)
		if p.wear.earring && math.Hypot(f.at.z, f.at.y-(0.10+p.skull.earHeight*0.85)) < 0.035 {
			c = p.wear.earringColour
		}
	case neckMaterial:
		// The head keeps the light from the neck.
		shade := lerp(0.25, 0.9, step(p.skull.bottom-0.1, p.skull.bottom+0.4, f.at.y))
		c = r.lit(paint{colour: p.skinColour(f.at.x+5, f.at.y), gloss: 0.04, sharp: 12, shade: shade}, f)
	case hairMaterial:
		angle := math.Atan2(f.at.x, f.at.z)
		shade := lerp(0.65, 1, step(0, 0.12, f.cut))
		if f.at.z < 0 && f.at.y > 0.2 {
			shade *= 0.55
		}
		c = r.lit(paint{colour: p.hairColour(f.at, angle), gloss: 0.10 * (1 - 0.7*p.hair.curl), sharp: 14, shade: shade}, f)
	case clothMaterial:
		c = r.lit(paint{colour: p.hair.cap, gloss: 0.01, sharp: 6, shade: lerp(0.6, 1, step(0, 0.1, f.cut))}, f)
	case torsoMaterial:
		c = r.lit(r.torso(f.at), f)
	}
	if p.wear.glasses {
		c = r.glasses(c, x, y, f)
	}
	return c
}

// underHair is the light that hair leaves to the skin along its edge.
func (r *renderer) underHair(o vec) float64 {
	h := &r.person.hair
	if h.style == bald || h.style == scarf || o.y > 0.15 {
		return 1
	}
	return 1 - min(0.45, h.volume*4)*step(0.09, 0, o.y-r.person.edge(math.Atan2(o.x, o.z), o.y))
}

// scalp is stubble above the hairline.
func (r *renderer) scalp(o vec) float64 {
	p := r.person
	a := math.Atan2(o.x, o.z)
	m := step(-0.02, 0.08, p.edge(a, o.y)-o.y)
	if p.hair.style == bald {
		return 0.14 * m * step(0.7, 1.3, math.Abs(a))
	}
	return 0.5 * m
}

func (r *renderer) torso(o vec) paint {
	p := r.person
	c := r.shot.Cloth
	out := paint{colour: vec{c[0], c[1], c[2]}, gloss: 0.01, sharp: 6, shade: 1}
	out.colour = out.colour.scale(0.85 + 0.3*noise(o.x*3, o.y*5, r.shot.Seed))
	collar := p.skull.bottom + 0.34 - 0.4*o.x*o.x
	if r.shot.VNeck {
		collar = p.skull.bottom + 0.75 - 1.2*math.Abs(o.x)
	}
	if o.y < collar && p.hair.style != scarf {
		out.colour = p.skinColour(o.x+5, o.y)
		out.shade = 0.85
	} else if o.y < collar+0.05 {
		out.shade = 0.75
	}
	return out
}

// lit applies the shot's light: a wrapped diffuse lamp whose edge is redder on
// skin, an even rest that is weaker from below, and a highlight.
func (r *renderer) lit(m paint, f *fragment) vec {
	n := f.normal
	if m.normal != nil {
		n = r.head.turn.apply(m.normal.unit())
	}
	l := &r.shot.Light
	to := vec{l.Direction[0], l.Direction[1], l.Direction[2]}.unit()
	key := vec{l.Key[0], l.Key[1], l.Key[2]}
	ambient := vec{l.Ambient[0], l.Ambient[1], l.Ambient[2]}

	d := n.dot(to)
	wrap := func(w float64) float64 { return max(0, (d+w)/(1+w)) }
	diffuse := vec{wrap(0.30), wrap(0.20), wrap(0.17)}
	sky := 0.75 - 0.25*n.y
	total := key.mul(diffuse).add(ambient.scale(sky)).scale(m.shade)
	c := m.colour.mul(total)
	half := to.add(vec{0, 0, 1}).unit()
	if h := n.dot(half); h > 0 && m.gloss > 0 {
		c = c.add(key.scale(m.gloss * m.shade * math.Pow(h, m.sharp)))
	}
	return c
}

// glasses lays the frame over what is behind it. They lie in a plane before the
// eyes; the pixel is taken back to it.
func (r *renderer) glasses(c vec, x, y int, f *fragment) vec {
	p := r.person
	const plane = 0.88
	k := r.head.s * distance / (distance - plane)
	t := &r.head.turn
	u := (float64(x)+0.5-r.head.x)/k - t[0].z*plane
	v := (float64(y)+0.5-r.head.y)/k - t[1].z*plane
	det := t[0].x*t[1].y - t[0].y*t[1].x
	gx := (u*t[1].y - v*t[0].y) / det
	gy := (v*t[0].x - u*t[1].x) / det
	if math.Abs(gx) > 0.75 || math.Abs(gy-p.eyes.y) > 0.3 || f.material != skinMaterial && f.material != clothMaterial && math.Abs(gx) > p.eyes.x+p.wear.rimX {
		return c
	}
	frame, lens := p.glassesAt(gx, gy)
	if lens {
		c = c.mix(c.mul(p.wear.tint), p.wear.tintOpacity)
		glare := bump(gx*0.8+gy-0.1*math.Copysign(1, gx), 0.03) * 0.05
		c = c.add(vec{glare, glare, glare})
	}
	shine := 0.7 + 0.6*bump(gy-(p.eyes.y-p.wear.rimY), 0.05)
	return c.mix(p.wear.frame.scale(shine), frame)
}

func (r *renderer) backdrop(x, y int) vec {
	b := &r.shot.Backdrop
	near, far := vec{b.Near[0], b.Near[1], b.Near[2]}, vec{b.Far[0], b.Far[1], b.Far[2]}
	u, v := float64(x)/float64(r.size), float64(y)/float64(r.size)
	var t float64
	switch b.Kind {
	case 1:
		t = step(0.1, 0.8, math.Hypot(u-0.5, v-0.4))
	case 2:
		t = step(0.3, 0.75, noise(u*5, v*5, r.shot.Seed+3))
	case 3:
		t = 0.5 + 0.5*math.Tanh(6*math.Sin(u*14+float64(r.shot.Seed%7)))
	default:
		t = v
	}
	return near.mix(far, t).scale(0.98 + 0.04*noise(u*30, v*30, r.shot.Seed+4))
}

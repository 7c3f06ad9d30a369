package drawn

import "math"

// hair is what grows on, or covers, the skull.
type hair struct {
	style     style
	cap       vec // colour of a scarf or cap
	root, tip vec
	line      float64 // y of the hairline at the middle of the forehead
	peak      float64 // widow's peak (+) or a round hairline (-)
	recede    float64 // bays at the temples
	volume    float64 // thickness of the layer on the skull
	curl      float64 // 0 straight .. 1 frizzy
	part      float64 // x of the parting
	fringe    float64 // how far hair falls over the forehead
	lock      float64 // how far it falls beside one eye, away from the parting
	length    float64 // y where long hair ends
	cover     float64 // angle from the middle, radians, where long hair begins
}

type style int

const (
	bald style = iota
	cropped
	short
	fringed
	swept // to one side
	curly
	long
	tied
	scarf
	knitted // a cap
)

func (d dice) hair(strong, melanin, age float64) hair {
	h := hair{
		line: d.in(-0.72, -0.42), peak: d.in(-0.07, 0.08), recede: max(0, d.in(-0.1, 0.15)),
		part: d.in(-0.3, 0.3), cover: d.in(0.72, 1.35), length: d.in(0.7, 1.9),
	}
	dark := [][2]vec{
		{rgb(0.07, 0.055, 0.05), rgb(0.13, 0.10, 0.09)},
		{rgb(0.14, 0.09, 0.06), rgb(0.26, 0.17, 0.11)},
		{rgb(0.22, 0.14, 0.09), rgb(0.38, 0.26, 0.17)},
	}
	fair := [][2]vec{
		{rgb(0.34, 0.23, 0.14), rgb(0.55, 0.41, 0.27)},
		{rgb(0.52, 0.39, 0.23), rgb(0.78, 0.64, 0.42)},
		{rgb(0.68, 0.56, 0.36), rgb(0.90, 0.81, 0.60)},
		{rgb(0.42, 0.17, 0.08), rgb(0.68, 0.32, 0.15)},
	}
	c := pick(d, dark...)
	if melanin < 0.45 && d.chance(0.6) {
		c = pick(d, fair...)
	}
	h.root, h.tip = c[0], c[1]
	if g := clamp01((age-0.45)*2 + d.in(-0.4, 0.4)); g > 0 {
		h.root = h.root.mix(rgb(0.55, 0.54, 0.53), g)
		h.tip = h.tip.mix(rgb(0.85, 0.84, 0.82), g)
	}

	if strong > 0.5 {
		h.style = pick(d, bald, cropped, cropped, short, short, swept, swept, curly, fringed, long, knitted)
		h.recede += max(0, d.in(-0.15, 0.25)) * clamp01(age+0.3)
	} else {
		h.style = pick(d, cropped, short, fringed, fringed, swept, curly, curly, long, long, long, tied, scarf, knitted)
	}
	switch h.style {
	case cropped:
		h.volume, h.curl = d.in(0.015, 0.03), 0.3
	case short, swept:
		h.volume, h.curl = d.in(0.06, 0.16), d.in(0, 0.4)
	case fringed:
		h.volume, h.fringe, h.curl = d.in(0.05, 0.14), d.in(0.10, 0.42), d.in(0, 0.5)
		h.lock = max(0, d.in(-0.5, 0.5))
	case curly:
		h.volume, h.curl = d.in(0.14, 0.42), d.in(0.7, 1)
		h.fringe = max(0, d.in(-0.3, 0.15))
	case long:
		h.volume, h.curl = d.in(0.05, 0.15), d.in(0, 0.7)
		h.fringe, h.lock = max(0, d.in(-0.3, 0.35)), max(0, d.in(-0.5, 0.5))
	case tied:
		h.volume = d.in(0.03, 0.07)
	case knitted:
		h.volume, h.line, h.peak, h.recede = d.in(0.05, 0.12), d.in(-0.50, -0.30), 0, 0
		h.cap = pick(d, rgb(0.15, 0.2, 0.4), rgb(0.55, 0.12, 0.15), rgb(0.75, 0.7, 0.6), rgb(0.12, 0.12, 0.13), rgb(0.75, 0.55, 0.15), rgb(0.2, 0.35, 0.25))
	case scarf:
		h.volume = d.in(0.05, 0.1)
		h.line = d.in(-0.62, -0.40)
		h.cover = d.in(0.85, 1.15)
		c := pick(d, rgb(0.15, 0.2, 0.4), rgb(0.5, 0.15, 0.2), rgb(0.8, 0.75, 0.68), rgb(0.12, 0.12, 0.13), rgb(0.2, 0.42, 0.38), rgb(0.65, 0.5, 0.6))
		h.cap = c
	}
	h.fringe = min(h.fringe, -0.22-h.line) // the eyes stay free, but for a lock before one of them
	return h
}

// edge is the height of the hairline at angle a from the middle of the face
// (radians, signed): hair grows where y is above it, that is smaller.
func (p *Person) edge(a, y float64) float64 {
	h := &p.hair
	m := math.Abs(a)
	line := h.line - h.peak*0.5 + h.peak*bump(a, 0.16)*1.4 - h.recede*bump(m-0.5, 0.22)
	if h.fringe > 0 {
		// A fringe hangs in locks, longer away from the parting.
		locks := noise(a*9+40, 0, p.seed) * 0.07
		line += h.fringe*(0.6+0.4*step(0, 0.6, math.Abs(a-h.part*2)))*(1-step(0.75, 1.15, m)) - locks
	}
	if h.style == swept {
		line += 0.12 * bump(a+math.Copysign(0.45, h.part), 0.3)
	}
	if h.lock > 0 {
		line += h.lock * step(0.05, 0.55, -a*math.Copysign(1, h.part)) * (1 - step(0.8, 1.1, m))
	}
	side := 0.10 // sideburns end beside the ear
	if h.style == knitted {
		return lerp(line, -0.05, step(0.5, 1.5, m))
	}
	if h.style == tied {
		side = -0.05
	}
	line = lerp(line, side, step(0.82, 1.22, m))
	ragged := 0.02 + 0.05*h.curl
	return line + ragged*(noise(a*22, y*6, p.seed+11)-0.5)
}

// hairMesh is the layer on the skull: the head's own surface pushed outward,
// cut off at the hairline.
func (p *Person) hairMesh() *mesh {
	h := &p.hair
	if h.style == bald || h.style == scarf {
		return nil
	}
	m := hairMaterial
	if h.style == knitted {
		m = clothMaterial
	}
	return grid(110, 190, m, func(s float64) func(t float64) point {
		y := -math.Cos(s * math.Pi * 0.62)
		shell := p.shell(y)
		return func(t float64) point {
			a := lerp(-2.1, 2.1, t)
			base := shell(a)
			edge := p.edge(a, y)
			depth := edge - y
			// The edge lies on the skin, or the background would show under it.
			thick := h.volume * (0.3*step(0, 0.07, depth) + 0.7*step(0, 0.28, depth))
			if h.style == swept || h.style == short {
				thick *= 1 + 0.5*bump(base.x-h.part, 0.35)*step(-0.2, -0.8, y)
			}
			if h.style == knitted { // ribs and a rolled brim
				thick = h.volume*(0.6+0.5*step(0.16, 0.10, depth))*step(0, 0.05, depth) + 0.008*math.Sin(a*60)
			}
			// Curls push the surface in and out.
			thick *= 1 + h.curl*0.7*(noise(a*9, y*9, p.seed+21)-0.5) + h.curl*0.5*(noise(a*21, y*21, p.seed+22)-0.5)
			out := vec{base.x, (y + 0.15) * 1.05, base.z + 0.05}.unit()
			return point{base.add(out.scale(thick + 0.012)), depth}
		}
	})
}

// longMesh is the curtain of long hair around the back of the head.
func (p *Person) longMesh() *mesh {
	h := &p.hair
	if h.style != long {
		return nil
	}
	const top = -0.8
	return grid(60, 120, hairMaterial, func(s float64) func(t float64) point {
		return func(t float64) point {
			a := lerp(h.cover, 2*math.Pi-h.cover, t)
			y := lerp(top, h.length, s)
			r := curve([]knot{{-0.8, 0.40}, {-0.4, 0.60}, {0, 0.72}, {0.6, 0.76}, {1.2, 0.82}, {2, 0.86}}, y) *
				(p.skull.cranium + h.volume) / 0.72
			r *= 1 + h.curl*0.16*(noise(a*5, y*5, p.seed+23)-0.5) + 0.03*math.Sin(a*26+3*noise(y*3, 0, p.seed+24))
			ends := h.length - 0.25*noise(a*9, 0, p.seed+25)
			return point{vec{r * math.Sin(a), y, r*math.Cos(a)*0.95 - 0.02}, ends - y}
		}
	})
}

// scarfMesh wraps the head and the neck and leaves an oval for the face.
func (p *Person) scarfMesh() *mesh {
	h := &p.hair
	if h.style != scarf {
		return nil
	}
	return grid(90, 140, clothMaterial, func(s float64) func(t float64) point {
		y := lerp(-1, 1.75, s*s*0.3+s*0.7)
		shell := p.shell(min(y, 0.55))
		return func(t float64) point {
			a := lerp(-2.6, 2.6, t)
			b := shell(a)
			if u := step(0.55, 1.75, y); u > 0 {
				// Below the jaw the cloth hangs from the chin to the shoulders.
				b = vec{b.x * lerp(1, 1.15, u), y, b.z * lerp(1, 0.85, u)}
			}
			folds := 0.018*math.Sin(y*16+3*math.Abs(a)+4*noise(a*2, y*2, p.seed+31)) + 0.02*noise(a*4, y*4, p.seed+32)
			out := vec{b.x, 0.5 * min(0, y), b.z + 0.1}.unit()
			b = b.add(out.scale(h.volume + 0.02 + folds*step(-0.9, 0.6, y)))
			mid, half := (p.skull.bottom+0.03+h.line)/2, (p.skull.bottom+0.03-h.line)/2
			q := math.Hypot(a/h.cover, (y-mid)/half)
			return point{b, q - 1}
		}
	})
}

// hairColour shades strands that run down from the crown.
func (p *Person) hairColour(o vec, angle float64) vec {
	h := &p.hair
	var strand float64
	if h.curl > 0.6 {
		strand = 0.6*noise(o.x*24, o.y*24, p.seed+41) + 0.4*noise(o.x*60, o.y*60, p.seed+42)
	} else {
		u := angle
		if h.style == swept || h.style == short || h.style == tied {
			u = math.Atan2(o.x-h.part, 0.25+max(0, o.z)) // combed away from the parting
		}
		strand = 0.55*noise(u*34, o.y*3, p.seed+43) + 0.45*noise(u*90, o.y*5, p.seed+44)
	}
	return h.root.mix(h.tip, step(0.25, 0.85, strand)).scale(0.55 + 0.6*strand)
}

package drawn

import "math"

// shell is the smooth head without a face at height y: points by their angle a
// from the middle, radians. Above -1 and below the chin it closes to a point.
func (p *Person) shell(y float64) func(a float64) vec {
	k := &p.skull
	w := curve([]knot{
		{-1, k.cranium}, {-0.45, k.cranium}, {0.05, k.cheek},
		{0.52, k.jaw}, {0.82, k.chin + 0.06}, {1.1, k.chin * 0.8},
	}, y)
	d := curve([]knot{
		{-1, 0.74}, {-0.55, 0.80 + k.forehead}, {-0.1, 0.77}, {0.35, 0.77},
		{0.85, 0.75 + k.chinOut}, {1.1, 0.68},
	}, y)
	if y < 0 {
		c := math.Sqrt(max(0, 1-math.Pow(min(1, -y), 2.4)))
		w, d = w*c, d*c
	} else {
		t := min(1, y/k.bottom)
		w *= math.Sqrt(max(0, 1-math.Pow(t, k.square)))
		d *= math.Sqrt(max(0, 1-math.Pow(t, 14)))
	}
	return func(a float64) vec {
		s, c := math.Sincos(a)
		return vec{w * s, y, d * math.Copysign(math.Pow(math.Abs(c), k.flat), c)}
	}
}

// headMesh is the skin of the head: the shell with the relief of the face.
func (p *Person) headMesh(e Expression) *mesh {
	return grid(170, 190, skinMaterial, func(s float64) func(t float64) point {
		y := -math.Cos(s * math.Pi)
		if y > 0 {
			y *= p.skull.bottom
		}
		shell := p.shell(y)
		return func(t float64) point {
			a := lerp(-2, 2, t)
			v := shell(a)
			if c := math.Cos(a); c > 0 {
				v.z += p.relief(v.x, y, e) * step(0, 0.4, c)
			}
			return point{v, 1}
		}
	})
}

// neckMesh is a column under the head, with a hint of the larynx and of fat.
func (p *Person) neckMesh() *mesh {
	return grid(24, 40, neckMaterial, func(s float64) func(t float64) point {
		return func(t float64) point {
			a, y := lerp(-1.9, 1.9, t), lerp(0.35, 1.6, s)
			flare := 1 + 0.4*step(1.0, 1.6, y)
			z := 0.46*math.Cos(a) - 0.10 + 0.02*bump2(a, 0.12, y-1.15, 0.1)
			return point{vec{p.skull.neck * flare * math.Sin(a), y, z}, 1}
		}
	})
}

// earMesh is a flattened bowl; side is 1 or -1.
func (p *Person) earMesh(side float64) *mesh {
	k := &p.skull
	at := p.shell(0.12)(1.5)
	return grid(14, 28, earMaterial, func(s float64) func(t float64) point {
		return func(t float64) point {
			sin, cos := math.Sincos(t * 2 * math.Pi)
			r := math.Sqrt(s)
			rim := 0.03 * bump(s-0.8, 0.15)
			x := at.x - 0.03 + k.earFlare*(0.7+0.5*r*max(0, -cos*0.3+0.7)) - 0.05*s*s + rim
			y := 0.10 + k.earHeight*r*sin*(1-0.12*cos)
			z := 0.02 - 0.11*r*cos + rim
			return point{vec{side * x, y, z}, 1}
		}
	})
}

// torsoMesh is a pair of shoulders.
func (p *Person) torsoMesh() *mesh {
	width := 1.25 + p.skull.neck
	return grid(40, 60, torsoMaterial, func(s float64) func(t float64) point {
		return func(t float64) point {
			x := lerp(-width, width, t)
			u := x / width
			top := p.skull.bottom + 0.13 + 0.32*math.Abs(u) + 0.8*u*u*u*u
			round := math.Sqrt(max(0, 1-u*u))
			return point{vec{x, top + s*2.2, 0.02 + 0.8*round*math.Sqrt(s)}, 1}
		}
	})
}

// relief is the height of the face's features over the shell.
func (p *Person) relief(x, y float64, e Expression) float64 {
	y += p.skull.tilt * x
	ax := math.Abs(x)
	return p.boneRelief(ax, y) + p.eyeRelief(ax, y) + p.noseRelief(x, y) +
		p.mouthRelief(x, y, e) + p.ageRelief(x, y, e) + p.beardRelief(ax, y)
}

func (p *Person) boneRelief(ax, y float64) float64 {
	k, e := &p.skull, &p.eyes
	h := 0.045 * p.brows.ridge * bump2(ax-e.x*0.85, 0.15, y-(e.y-p.brows.rise*0.8), 0.055)
	h += 0.055 * k.cheekbone * bump2(ax-0.40, 0.11, y-(e.y+0.24), 0.09)
	h += 0.075 * k.cheekFat * bump2(ax-0.36, 0.15, y-0.48, 0.16)
	h -= 0.045 * (1 - k.cheekFat) * bump2(ax-0.42, 0.10, y-0.48, 0.14)
	h += 0.05 * bump2(ax, 0.13, y-(k.bottom-0.13), 0.08)
	h -= 0.035 * k.cleft * bump2(ax, 0.016, y-(k.bottom-0.12), 0.06)
	h -= 0.08 * k.hollow * bump2(ax-0.38, 0.09, y-0.45, 0.15)
	h -= 0.03 * bump2(ax-0.55, 0.10, y+0.25, 0.15)
	return h
}

func (p *Person) eyeRelief(ax, y float64) float64 {
	e := &p.eyes
	dx, dy := ax-e.x, y-e.y
	h := -e.socket * bump2(dx, 0.13, dy+0.01, 0.085)
	h -= 0.05 * bump2(ax-e.x+e.width*1.1, 0.045, dy, 0.06)
	h += 0.055 * bump2(dx, 0.085, dy, 0.06)
	// The bag: a swelling with a furrow below it.
	h += e.bag * (0.016*bump2(dx, 0.10, dy-e.lower-0.05, 0.022) - 0.016*bump2(dx+0.01, 0.11, dy-e.lower-0.10, 0.014))
	return h
}

func (p *Person) noseRelief(x, y float64) float64 {
	n := &p.nose
	root := p.eyes.y - 0.04
	base := p.eyes.y + n.length
	if y < root-0.3 || y > base+0.25 {
		return 0
	}
	t := (y - root) / (base - root) // 0 at the root, 1 at the base
	x -= n.bend * step(0, 1, t)
	c := clamp01(t)
	width := lerp(lerp(n.root, n.ridge, step(0, 0.5, c)), n.tip, step(0.55, 0.95, c))
	rise := n.out*c + 0.02*step(-0.6, 0, t) + n.hump*bump(t-0.38, 0.16) + 0.012
	end := step(1.08, 0.86-0.05*n.turn, t)
	h := rise * bump(x, width) * step(-0.5, 0.05, t) * end
	h += (0.035 + 0.4*max(0, n.turn)) * bump2(x, n.tip, t-(0.90-0.9*n.turn), 0.11)
	ax := math.Abs(x)
	h += 0.40 * n.out * bump2(ax-n.wings*0.70, n.wings*0.27, t-0.90, 0.085)
	h -= 0.02 * bump2(ax-n.wings*1.05, 0.022, t-0.87, 0.11)
	return h
}

func (p *Person) mouthRelief(x, y float64, e Expression) float64 {
	m := &p.mouth
	ax := math.Abs(x)
	base := p.eyes.y + p.nose.length
	w := m.width * (1 + 0.16*e.Smile)
	h := 0.03 * bump2(x, w*0.9, y-m.y, 0.13)
	if ax < w*1.3 {
		mid := p.mouthLine(x, e)
		full := bump(x, w*0.55)
		h += 0.05 * m.out * full * (bump(y-mid+m.upper*0.6, m.upper*0.6+0.004) + 1.15*bump(y-mid-m.lower*0.55, m.lower*0.55))
		h -= 0.022 * bump2(x, w*0.75, y-mid, 0.011)
		h -= 0.03 * bump2(x, w*0.5, y-mid-m.lower-0.045, 0.028)
		h -= 0.02 * bump2(ax-w*1.04, 0.025, y-mid, 0.022)
		if base < y && y < m.y {
			h -= 0.014 * p.nose.philtrum * bump(x, 0.018) * step(base, base+0.03, y)
		}
	}
	h += 0.035 * e.Smile * bump2(ax-0.34, 0.10, y-(m.y-0.17), 0.08)
	return h
}

// ageRelief carves folds and lines. They are relief, not paint, so the light
// moves them as it moves real ones.
func (p *Person) ageRelief(x, y float64, e Expression) float64 {
	old := 1.3 * max(0, p.skin.age)
	ax := math.Abs(x)
	m := &p.mouth
	var h float64
	// From the wings of the nose to the corners of the mouth.
	top := p.eyes.y + p.nose.length - 0.05
	if f := 0.25 + 0.75*old + 0.5*e.Smile; top-0.1 < y && y < m.y+0.2 {
		t := clamp01((y - top) / (m.y + 0.06 - top))
		fold := p.nose.wings + 0.03 + (m.width*(1+0.16*e.Smile)+0.05-p.nose.wings)*math.Pow(t, 0.8)
		h += f * step(top-0.04, top+0.04, y) * step(m.y+0.12, m.y, y) * (0.016*bump(ax-fold-0.05, 0.035) - 0.020*bump(ax-fold, 0.014))
	}
	if k := p.skin.pits; k > 0 {
		h -= 0.012 * k * step(0.62, 0.85, noise(x*27, y*27, p.seed+52)) * bump2(ax-0.33, 0.14, y-0.35, 0.2)
	}
	if old == 0 {
		return h
	}
	// The forehead's lines.
	if y < p.eyes.y-p.brows.rise-0.05 && ax < 0.45 {
		wave := y*62 + 3*noise(x*3, 0, p.seed+51) + 2*bump(x, 0.15)
		h += 0.006 * old * math.Sin(wave) * step(0.45, 0.25, ax) * step(-0.72, -0.5, y) * step(p.eyes.y-p.brows.rise-0.05, p.eyes.y-p.brows.rise-0.12, y)
	}
	// Between the brows, beside the eyes, and jowls.
	h -= 0.012 * old * bump2(ax-0.035, 0.009, y-(p.eyes.y-0.12), 0.05)
	cx, cy := ax-(p.eyes.x+p.eyes.width), y-p.eyes.y
	if cx > 0.01 && cx < 0.16 {
		h += 0.006 * old * math.Sin(math.Atan2(cy, cx+0.03)*11) * step(0.01, 0.04, cx) * step(0.16, 0.08, cx) * step(0.12, 0.06, math.Abs(cy))
	}
	h += 0.03 * old * bump2(ax-m.width-0.12, 0.06, y-(m.y+0.16), 0.07)
	h -= 0.016 * old * bump(ax-m.width-0.045, 0.016) * step(m.y+0.02, m.y+0.07, y) * step(m.y+0.28, m.y+0.16, y)
	return h
}

// mouthLine is the height of the line between the lips at x.
func (p *Person) mouthLine(x float64, e Expression) float64 {
	m := &p.mouth
	u := x / (m.width * (1 + 0.16*e.Smile))
	return m.y + (m.corner-0.035*e.Smile)*u*u + 0.006*bump(u, 0.12)
}

// lips gives the outline of a closed, unsmiling mouth at x: top and bottom.
func (p *Person) lips(x float64) (top, bottom float64) {
	return p.lipOutline(x, Expression{})
}

func (p *Person) lipOutline(x float64, e Expression) (top, bottom float64) {
	m := &p.mouth
	u := math.Abs(x) / (m.width * (1 + 0.16*e.Smile))
	mid := p.mouthLine(x, e)
	if u >= 1 {
		return mid, mid
	}
	arc := 1 - u*u
	top = mid - m.upper*(1-0.12*e.Smile)*arc*(1-m.bow*bump(u, 0.14))*(1+0.25*bump(u-0.25, 0.15))
	return top, mid + m.lower*(1-0.12*e.Smile)*math.Pow(arc, 0.75)
}

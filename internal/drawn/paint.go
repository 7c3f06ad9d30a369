package drawn

import "math"

// paint is the colour and the gloss of a surface point before light.
type paint struct {
	colour vec
	gloss  float64 // strength of the highlight
	sharp  float64 // its exponent
	normal *vec    // in head coordinates where it isn't the mesh's own
	shade  float64 // light that reaches a hollow, 0..1
}

// soft is the width over which painted edges fade, about a pixel of a face that
// is 200 pixels high.
const soft = 0.009

// facePaint colours the head's skin with all that is drawn on it.
func (p *Person) facePaint(o vec, e Expression) paint {
	x, y := o.x, o.y+p.skull.tilt*o.x
	ax := math.Abs(x)
	out := paint{colour: p.skinColour(x, y), gloss: 0.03 + 0.06*p.skin.shine, sharp: 18, shade: 1}
	if o.z < 0 {
		return out
	}
	base := p.eyes.y + p.nose.length

	// Hollows get less light: sockets, beside and under the nose, under the lip.
	s := 0.30 * p.eyes.socket / 0.1 * bump2(ax-p.eyes.x+0.02, 0.12, y-p.eyes.y+0.03, 0.06)
	s += 0.16 * bump2(ax, p.nose.wings*0.7, y-base-0.03, 0.03)
	s += 0.12 * bump2(x, p.mouth.width*0.5, y-p.mouth.y-p.mouth.lower-0.04, 0.025)
	s += 0.10 * bump2(ax-p.nose.wings*1.08, 0.02, y-base+0.05, 0.04)
	out.shade = 1 - clamp01(s)

	p.paintNostrils(&out, ax, y, base)
	p.paintBeard(&out, x, y)
	p.paintMouth(&out, x, y, e)
	p.paintBrow(&out, x, y)
	p.paintEye(&out, x, y, e)
	return out
}

// skinColour is bare skin anywhere on the body.
func (p *Person) skinColour(x, y float64) vec {
	k := &p.skin
	ax := math.Abs(x)
	c := k.base
	m := k.mottle * (0.10*(noise(x*4, y*4, p.seed+1)-0.5) + 0.07*(noise(x*13, y*13, p.seed+2)-0.5) + 0.08*(noise(x*42, y*42, p.seed+3)-0.5))
	c = c.scale(1 + m)
	flush := k.flushCheek*bump2(ax-0.36, 0.13, y-0.27, 0.13) +
		k.flushNose*bump2(x, 0.10, y-(p.eyes.y+p.nose.length-0.05), 0.08)
	c = c.mix(k.flush, clamp01(flush))
	// Thin skin round the eyes is darker and bluer.
	ring := (0.12+0.3*p.eyes.bag)*bump2(ax-p.eyes.x+0.02, 0.10, y-p.eyes.y-0.06, 0.05) +
		k.rings*bump2(ax-p.eyes.x, 0.13, y-p.eyes.y, 0.09)
	c = c.mix(k.base.mul(vec{0.50, 0.40, 0.45}), clamp01(ring))
	if k.patches > 0 {
		level := 0.75*noise(x*3.2+7, y*3.2, p.seed+8) + 0.25*noise(x*14, y*14, p.seed+9)
		c = c.mix(k.patchColour, k.patches*step(k.patchAt, k.patchAt+0.06, level))
	}
	if k.freckles > 0 {
		c = c.mix(k.base.mul(vec{0.55, 0.38, 0.28}), k.freckles*p.freckle(x, y))
	}
	for _, s := range k.moles {
		if d := math.Hypot(x-s.x, y-s.y); d < s.r*2 {
			c = c.mix(k.base.mul(vec{0.22, 0.15, 0.13}), 0.9*step(s.r+soft/2, s.r-soft/2, d))
		}
	}
	if k.scar != 0 {
		d := math.Abs((x-k.scar)*0.8+(y-0.35)*0.3) + 0.6*max(0, math.Abs(y-0.35)-0.12)
		c = c.mix(k.base.mul(vec{1.15, 0.85, 0.85}), 0.8*step(0.022, 0.008, d))
	}
	return c
}

// freckle is a spot in some of the cells of a lattice.
func (p *Person) freckle(x, y float64) float64 {
	const cells = 26
	i, j := math.Floor(x*cells), math.Floor(y*cells)
	a := lattice(int64(i), int64(j), p.seed+5)
	if a < 0.45 {
		return 0
	}
	cx := i + 0.3 + 0.4*lattice(int64(i), int64(j), p.seed+6)
	cy := j + 0.3 + 0.4*lattice(int64(i), int64(j), p.seed+7)
	d := math.Hypot(x*cells-cx, y*cells-cy)
	spread := bump2(math.Abs(x)-0.22, 0.22, y-0.18, 0.24)
	return a * spread * step(0.38, 0.12, d)
}

func (p *Person) paintNostrils(out *paint, ax, y, base float64) {
	n := &p.nose
	hole := bump2(ax-n.wings*0.46, n.wings*0.17, y-(base-0.012-0.25*n.turn)-0.15*(ax-n.wings*0.45), 0.013)
	out.colour = out.colour.mix(p.skin.base.mul(vec{0.10, 0.05, 0.05}), clamp01(n.nostril*1.1*hole))
}

func (p *Person) paintBeard(out *paint, x, y float64) {
	d := p.beardAt(x, y)
	if d == 0 {
		return
	}
	hairs := 0.6*noise(x*75, y*26, p.seed+61) + 0.4*noise(x*30, y*14, p.seed+62)
	cover := clamp01(d * (0.85 + 0.6*(hairs-0.35)) * (0.65 + 0.5*p.beard.thick))
	out.colour = out.colour.mix(p.beard.colour.scale(0.6+0.9*hairs), cover)
	out.gloss *= 1 - 0.8*cover
}

func (p *Person) paintMouth(out *paint, x, y float64, e Expression) {
	m := &p.mouth
	w := m.width * (1 + 0.16*e.Smile)
	ax := math.Abs(x)
	if ax > w*1.1 || y < m.y-0.2 || y > m.y+0.25 {
		return
	}
	top, bottom := p.lipOutline(x, e)
	mid := p.mouthLine(x, e)
	in := step(top-soft, top+soft, y) * step(bottom+soft, bottom-soft, y) * step(w, w-0.03, ax)
	if in > 0 {
		c := m.lip.scale(0.9 + 0.2*noise(x*55, y*8, p.seed+71))
		if y < mid {
			c = c.scale(0.82)
		}
		out.colour = out.colour.mix(c, in)
		out.gloss = lerp(out.gloss, 0.08+0.35*m.gloss, in)
		out.sharp = 30
	}
	if m.part > 0 { // the upper teeth between the lips
		gap := (m.part*0.055 + 0.01*e.Smile) * (1 - ax*ax/(w*w))
		a := step(-soft, soft, y-mid) * step(mid+gap+soft, mid+gap-soft, y) * step(w*0.95, w*0.8, ax)
		teeth := rgb(0.86, 0.83, 0.76).scale(1 - 0.25*bump(math.Mod(ax, 0.045)-0.045, 0.005) - 0.5*step(w*0.3, w, ax))
		out.colour = out.colour.mix(teeth.mix(rgb(0.12, 0.04, 0.04), step(gap*0.6, gap, y-mid)), a)
	}
	line := bump(y-mid, 0.009) * step(w*1.03, w*0.9, ax)
	out.colour = out.colour.mix(m.lip.mul(vec{0.12, 0.08, 0.08}), 0.9*line)
}

func (p *Person) paintBrow(out *paint, x, y float64) {
	b, e := &p.brows, &p.eyes
	ax := math.Abs(x)
	u := (ax - e.x - 0.01) / b.length // -1 inner .. 1 outer end
	if u < -1.6 || u > 1.1 {
		return
	}
	mid := e.y + math.Copysign(1, x)*b.uneven - b.rise - b.arch*(1-(u-0.3)*(u-0.3)) - b.slope*(ax-e.x)
	thick := b.thick * lerp(1.15, 0.45, step(-0.6, 1, u)) * step(-1.12, -0.7, u)
	strength := step(-1.1, -0.8, u) * step(1.05, 0.7, u)
	if b.bridge > 0 && u < -0.7 {
		thick, strength = max(thick, 0.6*b.thick), max(strength, b.bridge)
	}
	m := step(thick+0.014, thick-0.012, math.Abs(y-mid)) * strength
	if m <= 0 {
		return
	}
	hairs := noise(ax*60-y*40, y*45+ax*20, p.seed+81)
	out.colour = out.colour.mix(b.colour.scale(0.7+0.5*hairs), clamp01(b.density*m*(0.65+0.6*hairs)))
	out.gloss *= 1 - m
}

func (p *Person) paintEye(out *paint, x, y float64, e Expression) {
	k := &p.eyes
	ax := math.Abs(x)
	dx, dy := ax-k.x, y-k.y
	if math.Abs(dx) > k.width*1.5 || math.Abs(dy) > 0.2 {
		return
	}
	u := dx / k.width
	v := dy + k.slant*dx
	open := 1 - 0.6*e.Squint
	lid := func(u float64) float64 { // the upper arc, its peak moved towards one corner
		q := clamp01((u + 1) / 2)
		q = math.Pow(q, 1-0.5*k.peak)
		return -k.upper * open * math.Pow(max(0, 4*q*(1-q)), 0.72)
	}
	top := lid(u)
	arc := max(0, 1-u*u)
	if k.droop*x > 0 {
		top *= 1 - math.Abs(k.droop)
	}
	bottom := k.lower * (1 - 0.3*e.Squint) * math.Pow(arc, 0.8)
	if k.fold > 0 && u < 0 { // skin over the inner corner
		top += 0.6 * k.fold * k.upper * step(-0.45, -1, u)
	}
	if k.hood > 0 && u > 0 { // a heavy lid over the outer one
		top += 0.55 * k.hood * k.upper * step(0, 0.9, u)
	}

	if k.shadowOpacity > 0 {
		a := step(-0.16, -0.05, v) * step(bottom+0.01, min(top, bottom)-0.01, v) * step(1.35, 0.9, math.Abs(u))
		out.colour = out.colour.mix(k.shadow, a*k.shadowOpacity)
	}
	// The crease runs parallel to the lid.
	if k.crease > 0 {
		a := bump(v-(top-k.crease-0.006), 0.008) * step(1.2, 0.8, math.Abs(u))
		out.colour = out.colour.mix(p.skin.base.mul(vec{0.35, 0.27, 0.25}), 0.75*a)
	}
	in := step(top-soft*0.7, top+soft*0.7, v) * step(bottom+soft*0.7, bottom-soft*0.7, v) * step(1.02, 0.96, math.Abs(u))
	if in > 0 {
		side := math.Copysign(1, x)
		gx := dx - side*e.GazeX*0.05 + 0.004
		gy := dy + 0.012 - e.GazeY*0.02
		r := math.Hypot(gx, gy)
		c := rgb(0.90, 0.88, 0.86).mix(rgb(0.72, 0.40, 0.38), 0.5*step(-0.7, -1, u)+0.12)
		ir := k.irisRadius
		if r < ir+soft {
			ray := noise(math.Atan2(gy, gx)*7, r*20, p.seed+91)
			i := k.iris.scale(0.7+0.7*ray).mix(k.iris.scale(0.25), step(ir*0.7, ir, r))
			i = i.mix(k.iris.scale(0.08), k.ring*step(ir*0.78, ir*0.95, r))
			i = i.mix(vec{0.004, 0.004, 0.004}, step(ir*0.46, ir*0.36, r))
			c = c.mix(i, step(ir+soft*0.6, ir-soft*0.6, r))
		}
		c = c.scale(0.45 + 0.55*step(top, top+0.035, v)) // the lid's shadow
		out.colour = out.colour.mix(c, in)
		out.gloss, out.sharp = lerp(out.gloss, 0.9, in), 220
		out.shade = lerp(out.shade, 1, in)
		if in > 0.5 {
			// The eyeball is a sphere under the lids.
			out.normal = &vec{dx / 0.16 * side, dy / 0.16, math.Sqrt(max(0.2, 1-(dx*dx+dy*dy)/0.0256))}
		}
	}
	lash := bump(v-top+0.004, 0.006+0.007*k.lash) * step(1.12, 0.95, math.Abs(u))
	out.colour = out.colour.mix(rgb(0.09, 0.06, 0.05), clamp01((0.55+0.5*k.lash)*lash))
	low := bump(v-bottom-0.003, 0.005) * step(1.0, 0.7, math.Abs(u))
	out.colour = out.colour.mix(p.skin.base.mul(vec{0.3, 0.2, 0.2}), (0.35+0.3*k.lash)*low)
}

package drawn

import "math"

// wear is what a person always wears.
type wear struct {
	glasses       bool
	rimX, rimY    float64 // half width and height of a lens
	corner        float64 // exponent of the lens' outline: 2 oval .. 6 rectangle
	thick         float64
	rimless       bool // only the upper rim
	up            float64
	frame, tint   vec
	tintOpacity   float64
	earring       bool
	earringColour vec
}

func (d dice) wear(e eyes) wear {
	w := wear{earring: d.chance(0.2), earringColour: pick(d, rgb(0.9, 0.75, 0.3), rgb(0.85, 0.85, 0.9))}
	if !d.chance(0.4) {
		return w
	}
	w.glasses = true
	w.rimX, w.rimY = e.x*d.in(0.62, 0.86), d.in(0.10, 0.21)
	w.corner, w.thick = d.in(1.8, 6), d.in(0.008, 0.042)
	w.rimless = d.chance(0.25)
	w.up = d.in(-0.05, 0.15)
	w.frame = pick(d, rgb(0.06, 0.06, 0.07), rgb(0.30, 0.17, 0.09), rgb(0.70, 0.60, 0.35), rgb(0.55, 0.56, 0.6), rgb(0.5, 0.08, 0.1), rgb(0.12, 0.18, 0.4))
	w.tint = pick(d, rgb(0.7, 0.75, 0.8), rgb(0.5, 0.4, 0.3))
	w.tintOpacity = d.in(0, 0.35)
	if d.chance(0.2) { // tinted, the eyes still show
		w.tint, w.tintOpacity = pick(d, rgb(0.35, 0.28, 0.2), rgb(0.25, 0.3, 0.35), rgb(0.6, 0.35, 0.4)), d.in(0.5, 0.9)
	}
	return w
}

// glassesAt is what the glasses do at a point of their plane: how much of the
// pixel is frame and whether it lies behind a lens.
func (p *Person) glassesAt(x, y float64) (frame float64, lens bool) {
	w := &p.wear
	ax := math.Abs(x)
	cx, cy := p.eyes.x+0.01, p.eyes.y+0.03
	dx, dy := ax-cx, y-cy
	dy += w.up * dx // cat's eyes
	f := math.Pow(math.Pow(math.Abs(dx/w.rimX), w.corner)+math.Pow(math.Abs(dy/w.rimY), w.corner), 1/w.corner)
	d := (f - 1) * min(w.rimX, w.rimY) // about the distance from the rim's middle
	frame = step(w.thick/2+soft, w.thick/2, math.Abs(d))
	if w.rimless && dy > -w.rimY*0.3 {
		frame *= 0.15
	}
	if ax < cx-w.rimX+0.02 { // the bridge
		frame = max(frame, step(w.thick/2+soft, w.thick/2, math.Abs(y-(cy-w.rimY*0.45+0.05*bump(ax, 0.04)-0.04))))
	}
	if ax > cx+w.rimX { // the temples
		frame = max(frame, step(w.thick/2+soft, w.thick/2, math.Abs(y-(cy-w.rimY*0.5))))
	}
	return frame, d < 0
}

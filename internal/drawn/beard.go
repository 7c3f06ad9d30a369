package drawn

import "math"

// beard is hair below the eyes: densities 0..1 of its parts.
type beard struct {
	moustache, chin, jaw, cheek float64
	stubble                     float64
	thick                       float64
	colour                      vec
}

func (d dice) beard(h hair) beard {
	b := beard{thick: d.in(0.2, 1), colour: h.root.mix(h.tip, d.in(0, 0.8))}
	switch d.n(8) {
	case 6, 7: // shaven
	case 0:
		b.stubble = d.in(0.3, 0.8)
	case 1:
		b.moustache = d.in(0.7, 1)
	case 2:
		b.moustache, b.chin = d.in(0.6, 1), d.in(0.7, 1)
	case 3:
		b.chin, b.jaw = d.in(0.6, 1), d.in(0.3, 0.9)
	default:
		b.moustache, b.chin, b.jaw, b.cheek = d.in(0.6, 1), 1, d.in(0.8, 1), d.in(0, 1)
	}
	return b
}

// beardAt is the density of the beard at a point of the face.
func (p *Person) beardAt(x, y float64) float64 {
	b, m := &p.beard, &p.mouth
	if b.moustache+b.chin+b.jaw+b.stubble == 0 || y < 0 {
		return 0
	}
	ax := math.Abs(x)
	noseBase := p.eyes.y + p.nose.length
	lipTop, lipEnd := m.y-m.upper, m.y+m.lower
	// Moustache: between nose and lip, drooping at its ends.
	drop := 0.35 * ax * ax / m.width
	mous := step(noseBase+0.015, noseBase+0.05, y-drop) * (1 - step(lipTop-0.002, lipTop+0.02, y-drop*1.3)) * (1 - step(m.width*0.95, m.width*1.2, ax))
	if y > noseBase && mous == 0 && ax > m.width*0.85 {
		// and around the mouth's corners where a chin beard meets it
		mous = b.chin * (1 - step(m.width*1.1, m.width*1.35, ax)) * step(noseBase+0.05, m.y-0.02, y) * 0.8
	}
	chin := step(lipEnd+0.02, lipEnd+0.07, y) * (1 - step(m.width*0.9, m.width*1.3, ax))
	// The jaw's beard lies below a line from the sideburn to the mouth.
	line := lerp(m.y+0.10, 0.05, step(m.width, p.skull.cheek, ax)) - 0.22*b.cheek*step(m.width*0.8, p.skull.cheek*0.7, ax)
	line += 0.05 * (noise(ax*14, y*14, p.seed+63) - 0.5)
	jaw := step(line-0.04, line+0.12, y) * step(m.width*0.85, m.width*1.15, ax)
	d := max(b.moustache*mous, b.chin*chin, b.jaw*jaw)
	if b.stubble > 0 {
		d = max(d, 0.45*b.stubble*max(mous, chin, jaw))
	}
	// Lips stay free.
	if u := ax / m.width; u < 1 {
		top, low := p.lips(x)
		free := step(top-0.008, top+0.008, y) * (1 - step(low-0.01, low+0.01, y))
		d *= 1 - free
	}
	return d
}

// beardRelief is the thickness of a beard; its border is softer than the colour's,
// or the light would draw a line there.
func (p *Person) beardRelief(ax, y float64) float64 {
	b, m := &p.beard, &p.mouth
	if b.chin == 0 && b.jaw == 0 {
		return 0
	}
	low := step(m.y, m.y+0.3, y)
	return 0.06 * b.thick * low * max(b.chin*bump(ax, m.width), b.jaw)
}

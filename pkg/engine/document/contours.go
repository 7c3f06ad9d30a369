package document

import (
	"cmp"
	"math"
	"slices"

	"facestream/pkg/engine/imaging"
)

const (
	// traceSide is the longer side of the picture in which straight contours are searched.
	traceSide = 320
	// bearings are the directions of lines that are told apart, 1.5 degrees each, of half a turn, and sway how many of them a contour's own
	// direction may be off.
	bearings = 120
	sway     = 3
	// mostSides is how many lines are tried as sides, and mostTraced how many of the quads that they make are fitted to the picture.
	mostSides, mostTraced = 36, 10
	// borne is the least share of each side along which the picture has a contour of its direction.
	borne = 0.35
	// traceOdd is how far the shape of a quad of contours may be from a known one (quad.odd).
	traceOdd = 0.06
	// frameOdd is how far the shape of a picture may be from a known one that is taken for a document which fills it, and framePrinted the
	// least share of it that is printed then. Such a one has the score frameScore, which is lower than the default of conf_score_thr_doc:
	// nothing but its shape and its print speaks for it.
	frameOdd, framePrinted, frameScore = 0.04, 0.5, 0.7
	// tracePrinted is the least share of a document that is printed which is found by its contours alone.
	tracePrinted = 0.25
	// traceArea is the least share of the picture that a document covers which is found by its contours alone.
	traceArea = 0.05
)

// trace fits to the picture what its contours show, and the picture itself where it may be a document.
func (s *sighting) trace() {
	for _, q := range traced(s.picture) {
		s.add(candidate{quad: q}, narrow)
	}
	var kept []candidate
	for _, c := range s.fits {
		if c.score = min(1, 0.5+printed(s.picture, c.quad)); c.clarity > further && c.odd < 1.5*like && c.score >= 0.5+tracePrinted {
			kept = append(kept, c)
		}
	}
	s.fits = kept
	whole := candidate{quad: frame(s.picture.Width, s.picture.Height), score: frameScore, clarity: onBorder, clarities: 4 * onBorder}
	whole.odd = whole.quad.odd(s.picture.Width, s.picture.Height)
	if len(kept) == 0 && !s.hidden && whole.odd < frameOdd && printed(s.picture, whole.quad) >= framePrinted {
		s.fits = append(s.fits, whole)
	}
}

// contours are the places of a picture where its brightness or colour changes, and in which direction.
type contours struct {
	width, height int
	bearing       []int16 // of the line along the contour, 0 to bearings-1; -1: none
	strength      []float32
}

// contoursOf finds those of m: the channel that changes most, where it does so more than beside it.
func contoursOf(m *imaging.Image) contours {
	w, h := m.Width, m.Height
	c := contours{w, h, make([]int16, w*h), make([]float32, w*h)}
	gx, gy := make([]float32, w*h), make([]float32, w*h)
	size := make([]float32, w*h)
	for y := 1; y < h-1; y++ {
		for x := 1; x < w-1; x++ {
			i := y*w + x
			for k := range 3 {
				at := func(dx, dy int) float32 { return float32(m.Pix[3*((y+dy)*w+x+dx)+k]) }
				dx := (at(1, -1) + 2*at(1, 0) + at(1, 1) - at(-1, -1) - 2*at(-1, 0) - at(-1, 1)) / 8
				dy := (at(-1, 1) + 2*at(0, 1) + at(1, 1) - at(-1, -1) - 2*at(0, -1) - at(1, -1)) / 8
				if s := dx*dx + dy*dy; s > size[i] {
					size[i], gx[i], gy[i] = s, dx, dy
				}
			}
		}
	}
	const weakest = 3 * 3 // a step of 6 levels and more
	for y := range h {
		for x := range w {
			i := y*w + x
			c.bearing[i] = -1
			if x < 2 || y < 2 || x >= w-2 || y >= h-2 || size[i] < weakest {
				continue
			}
			// Thin across the contour.
			a, b := i-1, i+1
			if ax, ay := math.Abs(float64(gx[i])), math.Abs(float64(gy[i])); ay > 2.4*ax {
				a, b = i-w, i+w
			} else if ax <= 2.4*ay {
				if gx[i]*gy[i] > 0 {
					a, b = i-w-1, i+w+1
				} else {
					a, b = i-w+1, i+w-1
				}
			}
			if size[i] < size[a] || size[i] <= size[b] {
				continue
			}
			angle := math.Atan2(float64(gy[i]), float64(gx[i])) // of the normal
			k := int(math.Floor(angle/math.Pi*bearings + 0.5))
			c.bearing[i] = int16(((k % bearings) + bearings) % bearings)
			s := float32(math.Sqrt(float64(size[i])))
			c.strength[i] = s / (s + faint)
		}
	}
	return c
}

// straight is a line whose normal has a bearing and which lies away from the picture's top left corner, in pixels.
type straight struct {
	bearing int
	away    float64
	votes   float32
}

func (s straight) line() line {
	sin, cos := math.Sincos(float64(s.bearing) * math.Pi / bearings)
	p := point{cos * s.away, sin * s.away}
	return line{p, p.plus(point{-sin, cos})}
}

// lines are the straight lines along which most contours lie (Duda and Hart, Use of the Hough transformation to detect lines and curves in
// pictures, 1972), each contour counting for lines of about its own direction.
func (c contours) lines() []straight {
	reach := int(math.Hypot(float64(c.width), float64(c.height))) + 2
	span := 2*reach + 1
	votes := make([]float32, bearings*span)
	var sin, cos [bearings]float64
	for k := range bearings {
		sin[k], cos[k] = math.Sincos(float64(k) * math.Pi / bearings)
	}
	for y := range c.height {
		for x := range c.width {
			i := y*c.width + x
			if c.bearing[i] < 0 {
				continue
			}
			for d := -sway; d <= sway; d++ {
				k := (int(c.bearing[i]) + d + bearings) % bearings
				away := (float64(x)+0.5)*cos[k] + (float64(y)+0.5)*sin[k]
				votes[k*span+reach+int(math.Floor(away+0.5))] += c.strength[i]
			}
		}
	}
	var peaks []straight
	least := 0.08 * float32(min(c.width, c.height))
	for k := range bearings {
		for r := 1; r < span-1; r++ {
			v := votes[k*span+r]
			if v < least || v < votes[k*span+r-1] || v <= votes[k*span+r+1] {
				continue
			}
			peaks = append(peaks, straight{k, float64(r - reach), v})
		}
	}
	slices.SortFunc(peaks, func(a, b straight) int { return cmp.Compare(b.votes, a.votes) })
	var kept []straight
	for _, p := range peaks {
		near := slices.ContainsFunc(kept, func(q straight) bool {
			d, away := p.bearing-q.bearing, q.away
			if d > bearings/2 {
				d, away = d-bearings, -away
			} else if d < -bearings/2 {
				d, away = d+bearings, -away
			}
			return max(d, -d) <= 3 && math.Abs(p.away-away) <= 4
		})
		if !near {
			if kept = append(kept, p); len(kept) == mostSides {
				break
			}
		}
	}
	return kept
}

// along is the share of the way between two points beside which there is a contour of its direction.
func (c contours) along(from, to point) float64 {
	d := to.minus(from)
	bearing := math.Atan2(d.x, -d.y) / math.Pi * bearings // of the normal
	want := ((int(math.Floor(bearing+0.5)) % bearings) + bearings) % bearings
	normal := point{d.y, -d.x}.times(1 / max(d.length(), 1e-9))
	const places = 32
	seen, all := 0, 0
	for i := range places {
		p := from.towards(to, ends+(1-2*ends)*(float64(i)+0.5)/places)
		if p.x < 3 || p.y < 3 || p.x >= float64(c.width-3) || p.y >= float64(c.height-3) {
			continue
		}
		all++
		for off := -1.; off <= 1; off++ {
			q := p.plus(normal.times(off))
			b := int(c.bearing[int(q.y)*c.width+int(q.x)])
			if b < 0 {
				continue
			}
			turn := max(b-want, want-b)
			if min(turn, bearings-turn) <= 8 {
				seen++
				break
			}
		}
	}
	if all < places/2 {
		return 0
	}
	return float64(seen) / float64(all)
}

// traced are the quads of the shape of a document that the straight contours of m make, those that they bear out most first.
func traced(m *imaging.Image) []quad {
	small := m
	if long := max(m.Width, m.Height); long > traceSide {
		small = m.Resize(max(m.Width*traceSide/long, 1), max(m.Height*traceSide/long, 1))
		defer small.Release()
	}
	if small.Width < 8 || small.Height < 8 {
		return nil
	}
	c := contoursOf(small)
	found := c.lines()
	lines := make([]line, len(found), len(found)+4)
	for i, s := range found {
		lines[i] = s.line()
	}
	// The sides of the picture may cut a document off.
	within := frame(small.Width, small.Height)
	for i := range within {
		lines = append(lines, line{within[i], within[(i+1)%4]})
		found = append(found, straight{bearing: []int{bearings / 2, 0}[i%2]})
	}
	type pair struct{ a, b int }
	var pairs []pair
	for i := range found {
		for j := range i {
			d := max(found[i].bearing-found[j].bearing, found[j].bearing-found[i].bearing)
			if min(d, bearings-d) <= bearings/6 {
				pairs = append(pairs, pair{i, j})
			}
		}
	}
	type traced struct {
		quad
		rank float64
	}
	var all []traced
	for i, p := range pairs {
		for _, q := range pairs[:i] {
			d := max(found[p.a].bearing-found[q.a].bearing, found[q.a].bearing-found[p.a].bearing)
			if min(d, bearings-d) < bearings/4 {
				continue
			}
			cutting := 0
			for _, side := range []int{p.a, p.b, q.a, q.b} {
				if side >= len(lines)-4 {
					cutting++
				}
			}
			if cutting > 1 {
				continue
			}
			made, ok := around(lines[p.a], lines[q.a], lines[p.b], lines[q.b])
			if !ok || made.area() < traceArea*within.area() || !made.isDocument(small.Width, small.Height) || made.clipped(within) < 0.97*made.area() {
				continue
			}
			odd := mostOdd
			if cutting == 0 {
				if odd = made.odd(small.Width, small.Height); odd > traceOdd {
					continue
				}
			}
			least, sum := 1., 0.
			for k := range made {
				side := line{made[k], made[(k+1)%4]}
				share := onBorder
				if b, is := border(small, side, 1); cutting == 0 || !is || b.away(side.from) > 0.5 {
					share = c.along(side.from, side.to)
					least = min(least, share)
				}
				if sum += share; least < borne+0.2*float64(cutting) {
					break
				}
			}
			if least < borne+0.2*float64(cutting) {
				continue
			}
			all = append(all, traced{made, least + sum/4 - oddness*odd + 0.5*math.Sqrt(made.area()/within.area())})
		}
	}
	slices.SortFunc(all, func(a, b traced) int { return cmp.Compare(b.rank, a.rank) })
	var kept []quad
	for _, t := range all {
		if !slices.ContainsFunc(kept, func(k quad) bool { return k.overlap(t.quad) > alike }) {
			if kept = append(kept, t.quad); len(kept) == mostTraced {
				break
			}
		}
	}
	for i := range kept {
		kept[i] = kept[i].scaled(float64(m.Width)/float64(small.Width), float64(m.Height)/float64(small.Height))
	}
	return kept
}

// around is the quad of four lines of which every other two are opposite sides, clockwise from the corner nearest to the picture's top
// left one, and whether they make one.
func around(a, b, c, d line) (q quad, ok bool) {
	sides := [4]line{a, b, c, d}
	for i := range sides {
		if q[i], ok = sides[(i+3)%4].meet(sides[i]); !ok {
			return q, false
		}
	}
	if q.area() == 0 {
		q[1], q[3] = q[3], q[1]
	}
	if q.area() == 0 {
		return q, false
	}
	first := 0
	for i := range q {
		if q[i].x+q[i].y < q[first].x+q[first].y {
			first = i
		}
	}
	return q.turned(first), true
}

// printed is the share of the quad q in m that is full of strokes, 0..1: of its cells, of which there are 12 × 8, those whose brightness
// changes much both across and down where the document is shrunk to 60 × 40 pixels. Text, portraits and patterns do, also where they are
// blurred; an even thing, a striped one and grain of wood do not.
func printed(m *imaging.Image, q quad) float64 {
	const cell, across, down = 5, 12, 8
	p, ok := q.view(cell*across, cell*down)
	if !ok {
		return 0
	}
	straight := m.WarpProjective(p, cell*across, cell*down, imaging.RGB{128, 128, 128})
	defer straight.Release()
	luma, w := straight.Luma(), straight.Width
	const least = 4 // levels a pixel, in the mean over a cell
	full := 0
	for row := range down {
		for column := range across {
			var dx, dy float32
			for y := row*cell + 1; y < (row+1)*cell; y++ {
				for x := column*cell + 1; x < (column+1)*cell; x++ {
					i := y*w + x
					dx += max(luma[i]-luma[i-1], luma[i-1]-luma[i])
					dy += max(luma[i]-luma[i-w], luma[i-w]-luma[i])
				}
			}
			if min(dx, dy) >= least*(cell-1)*(cell-1) {
				full++
			}
		}
	}
	return float64(full) / (across * down)
}

package document

import (
	"cmp"
	"context"
	"math"
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
)

const (
	// fitSide is the longer side of the picture in which the sides of documents are searched; a larger one is shrunk to it. The error of a
	// corner is a fraction of its pixels.
	fitSide = 640
	// mostDocuments is the largest number of documents of a picture.
	mostDocuments = 4
	// wide and narrow are how far from where the network sees a side its edge may lie, in shares of the picture's diagonal, and cut how far
	// the picture's border.
	wide, narrow, cut = 0.09, 0.015, 0.05
	// clearly is the clarity of an edge that is one beyond doubt. A side that lies near the picture's border, and has no such edge, is taken
	// for one that the border cuts or that lies on it.
	clearly, onBorder = 0.5, 0.4
	// filling is that of an edge inside a document that fills the picture, which its own frame may be, and certain the clarity of each side
	// beyond which one look at the picture is enough, if it shows the shape of a known type: a band across a card has clear edges, too.
	filling, certain = 0.7, 0.8
	// further is the clarity that each side of a document has beside another one in the same picture.
	further = 0.6
	// longest bounds the shape of a document: how many times as long as wide it is. ID-1 is 1.59.
	longest, shortest = 1.95, 1.2
	// leastAngle is the smallest angle of a corner, as the picture shows it, in radians.
	leastAngle = 40 * math.Pi / 180
	// alike is the overlap at which two quads are the same document, half that at which one covers most of the other, and apart the share of
	// the smaller one up to which they are two documents.
	alike, half, apart = 0.93, 0.6, 0.15
)

// Finder finds the documents in a picture: it asks a network of corners about the picture, about the picture on a black and on a white
// table, and about parts of it, moves the sides of what that answers onto the edges in the picture, and takes what the edges bear out
// most. It is safe for concurrent use.
type Finder struct{ corners *CornerFinder }

// NewFinder returns a Finder with the network of the stage. Its errors are those of [NewCornerFinder].
func NewFinder(s face.Stage) (*Finder, error) {
	c, err := NewCornerFinder(s)
	return &Finder{c}, err
}

// candidate is a quad that may be a document.
type candidate struct {
	quad
	score float64 // the network's, 0..1
	// clarity is that of the least clear side, 0..1, and clarities that of all sides together. A side on the picture's border counts as
	// clearly, and among all as onBorder.
	clarity, clarities float64
	fills              bool // the part of the picture in which it was seen
}

// rank is by what candidates are compared. One that fills what was looked at comes first: lines inside it are as clear as its sides,
// which are the border of that.
func (c candidate) rank() float64 {
	rank := c.clarity + c.clarities/4
	if c.fills {
		rank += 1
	}
	return rank
}

// outline is c in a picture whose pixels are smaller by scale. A document one of whose sides has no edge is half as certain as the
// network says.
func (c candidate) outline(x, y float64) Outline {
	return Outline{c.scaled(x, y).corners(), float32(c.score * min(1, 0.5+c.clarity))}
}

// Find returns the outlines of the documents in img, the most certain first; none where there is none. Corners are found to a fraction
// of a pixel of the picture shrunk to 640 pixels. Those of a document that img cuts off lie beyond it.
func (f *Finder) Find(ctx context.Context, img *imaging.Image) ([]Outline, error) {
	m := img
	if long := max(img.Width, img.Height); long > fitSide {
		m = img.Resize(max(img.Width*fitSide/long, 1), max(img.Height*fitSide/long, 1))
		defer m.Release()
	}
	found, err := f.search(ctx, m)
	var outlines []Outline
	for _, c := range found {
		outlines = append(outlines, c.outline(float64(img.Width)/float64(m.Width), float64(img.Height)/float64(m.Height)))
	}
	return outlines, err
}

// search returns the documents in m, the most certain first.
func (f *Finder) search(ctx context.Context, m *imaging.Image) (found []candidate, err error) {
	hidden := m
	defer func() {
		if hidden != m {
			hidden.Release()
		}
	}()
	for len(found) < mostDocuments {
		s, err := f.sight(ctx, hidden)
		if err != nil {
			return nil, err
		}
		if !s.choose(&found) {
			break
		}
		if hidden != m {
			hidden.Release()
		}
		hidden = hide(m, found)
	}
	return found, nil
}

// sight fits to m what the network sees in it and in its parts.
func (f *Finder) sight(ctx context.Context, m *imaging.Image) (*sighting, error) {
	s := &sighting{Finder: f, picture: m}
	whole := frame(m.Width, m.Height)
	seen, err := f.look(ctx, m, whole, 0, imaging.RGB{})
	if err != nil || seen == nil {
		return s, err
	}
	s.score = seen.score
	s.add(*seen, wide, narrow)
	if best := s.best(); best.clarity > certain {
		if known, _ := TypeOf(best.corners(), m.Width, m.Height); known != Unknown {
			return s, nil
		}
	}
	if err := s.onTables(ctx, whole, *seen); err != nil {
		return nil, err
	}
	if best := s.best(); best.clarity < further && !best.fills {
		for _, part := range append(parts(m), best.box()) {
			seen, err := f.look(ctx, m, part, 0, imaging.RGB{})
			if err != nil {
				return nil, err
			}
			if seen == nil {
				continue
			}
			s.add(*seen, wide, narrow)
			if err := s.onTables(ctx, part, *seen); err != nil {
				return nil, err
			}
		}
		s.combine()
	}
	return s, nil
}

// choose adds to found the best fits that lie apart from each other and from it, and reports whether there are any. Beside another
// document, each side of one must be clear.
func (s *sighting) choose(found *[]candidate) (any bool) {
	slices.SortFunc(s.fits, func(a, b candidate) int { return byRank(b, a) })
	for _, c := range s.fits {
		overlaps := slices.ContainsFunc(*found, func(d candidate) bool { return c.clipped(d.quad) > apart*min(c.area(), d.area()) })
		if !overlaps && len(*found) < mostDocuments && (len(*found) == 0 || c.clarity > further || c.fills) {
			*found, any = append(*found, c), true
		}
	}
	return any
}

// sighting is what the network saw of a picture.
type sighting struct {
	*Finder
	picture *imaging.Image
	score   float64 // the network's for the whole picture
	fits    []candidate
	sides   [4][]edge // that were found, of any candidate
}

// edge is where a side of a document may lie.
type edge struct {
	line
	clarity float64
}

func (s *sighting) best() candidate {
	return slices.MaxFunc(append(s.fits, candidate{quad: frame(s.picture.Width, s.picture.Height)}), byRank)
}

// add fits c to the picture.
func (s *sighting) add(c candidate, reaches ...float64) {
	c.score = s.score
	c, edges, ok := fit(s.picture, c, reaches...)
	for i, e := range edges {
		s.sides[i] = append(s.sides[i], e)
	}
	if ok {
		s.fits = append(s.fits, c)
	}
}

// onTables adds what the network sees in a part of the picture that lies on a black table and on a white one. Where both show a document
// that fills the part, which most of one seen fills too, its sides lie at those of the part.
func (s *sighting) onTables(ctx context.Context, part quad, seen candidate) error {
	var views [2]*candidate
	for i, table := range []imaging.RGB{{}, {255, 255, 255}} {
		var err error
		if views[i], err = s.look(ctx, s.picture, part, margin, table); err != nil {
			return err
		}
		if views[i] != nil {
			s.add(*views[i], wide, narrow)
		}
	}
	black, white := views[0], views[1]
	if black != nil && white != nil && black.overlap(white.quad) > alike && min(black.overlap(part), white.overlap(part)) > alike && seen.overlap(part) > half {
		white.fills = true
		s.add(*white, narrow)
	}
	return nil
}

// combine adds what the clearest edges of different candidates make together: a thing beside a document leads the network astray at one
// side at a time.
func (s *sighting) combine() {
	const kept = 3
	for i := range s.sides {
		slices.SortFunc(s.sides[i], func(a, b edge) int { return cmp.Compare(b.clarity, a.clarity) })
		var distinct []edge
		for _, e := range s.sides[i] {
			if len(distinct) < kept && !slices.ContainsFunc(distinct, func(d edge) bool { return d.away(e.from) < 4 && d.away(e.to) < 4 }) {
				distinct = append(distinct, e)
			}
		}
		s.sides[i] = distinct
	}
	var made []candidate
	for _, top := range s.sides[0] {
		for _, right := range s.sides[1] {
			for _, bottom := range s.sides[2] {
				for _, left := range s.sides[3] {
					edges := [4]edge{top, right, bottom, left}
					c := candidate{clarity: 1}
					for i, e := range edges {
						c.quad[i], _ = edges[(i+3)%4].meet(e.line)
						c.clarity, c.clarities = min(c.clarity, e.clarity), c.clarities+e.clarity
					}
					if c.isDocument(s.picture.Width, s.picture.Height) {
						made = append(made, c)
					}
				}
			}
		}
	}
	slices.SortFunc(made, func(a, b candidate) int { return byRank(b, a) })
	for _, c := range made[:min(len(made), 8)] {
		s.add(c, narrow)
	}
}

func byRank(a, b candidate) int { return cmp.Compare(a.rank(), b.rank()) }

// margin is how wide the table is on which a picture is laid, in shares of the picture.
const margin = 0.15

// look asks the network about a part of m, on a table of that colour that is wider by a margin on each side.
func (f *Finder) look(ctx context.Context, m *imaging.Image, part quad, margin float64, table imaging.RGB) (*candidate, error) {
	width, height := part[2].x-part[0].x, part[2].y-part[0].y
	w := imaging.Window{X: part[0].x + width/2, Y: part[0].y + height/2, Width: width * (1 + 2*margin), Height: height * (1 + 2*margin)}
	view := m.CutOver(w, max(int(w.Width), 1), max(int(w.Height), 1), table)
	defer view.Release()
	o, err := f.corners.Find(ctx, view)
	if o == nil || err != nil {
		return nil, err
	}
	c := candidate{quad: quadOf(o.Corners), score: float64(o.Confidence)}
	for i, p := range c.quad {
		x, y := w.Place(p.x/float64(view.Width), p.y/float64(view.Height))
		c.quad[i] = point{x, y}
	}
	return &c, nil
}

// box is the upright rectangle around q.
func (q quad) box() quad {
	left, top, right, bottom := q[0].x, q[0].y, q[0].x, q[0].y
	for _, p := range q {
		left, top, right, bottom = min(left, p.x), min(top, p.y), max(right, p.x), max(bottom, p.y)
	}
	return quad{{left, top}, {right, top}, {right, bottom}, {left, bottom}}
}

// parts are the halves and the outer two thirds of m along its longer side.
func parts(m *imaging.Image) (all []quad) {
	w, h := float64(m.Width), float64(m.Height)
	for _, p := range [][2]float64{{0, 0.5}, {0.5, 1}, {0, 2. / 3}, {1. / 3, 1}} {
		x0, y0, x1, y1 := p[0]*w, 0., p[1]*w, h
		if h > w {
			x0, y0, x1, y1 = 0, p[0]*h, w, p[1]*h
		}
		all = append(all, quad{{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}})
	}
	return all
}

// hide is m with the mean colour of what lies around the documents in their place.
func hide(m *imaging.Image, documents []candidate) *imaging.Image {
	out := m.Crop(0, 0, m.Width, m.Height, imaging.Black)
	covered := make([]bool, m.Width*m.Height)
	var sum [3]int
	n := 0
	for y := range m.Height {
		for x := range m.Width {
			i := y*m.Width + x
			for _, d := range documents {
				covered[i] = covered[i] || d.holds(point{float64(x) + 0.5, float64(y) + 0.5})
			}
			if !covered[i] {
				for k := range sum {
					sum[k] += int(m.Pix[3*i+k])
				}
				n++
			}
		}
	}
	for i, c := range covered {
		if c {
			for k := range sum {
				out.Pix[3*i+k] = byte(sum[k] / max(n, 1))
			}
		}
	}
	return out
}

// fit moves the sides of c onto the edges within each reach of them in turn, or onto the picture's border where there is none, and reports
// whether that is the shape of a document.
func fit(m *imaging.Image, c candidate, reaches ...float64) (_ candidate, edges [4]edge, ok bool) {
	diagonal := math.Hypot(float64(m.Width), float64(m.Height))
	for _, reach := range reaches {
		c.clarity, c.clarities = 1, 0
		for i := range edges {
			l := line{c.quad[i], c.quad[(i+1)%4]}
			found, clarity := settle(m, l, max(reach*diagonal, 3))
			if b, ok := border(m, l, cut*diagonal); ok && (clarity < clearly || c.fills && clarity < filling) {
				found, clarity = b, onBorder
			}
			edges[i], c.clarity, c.clarities = edge{found, clarity}, min(c.clarity, clarity), c.clarities+clarity
		}
		for i := range edges {
			p, ok := edges[(i+3)%4].meet(edges[i].line)
			if !ok {
				return c, edges, false
			}
			c.quad[i] = p
		}
	}
	return c, edges, c.quad.isDocument(m.Width, m.Height)
}

// border is the side of the picture that lies within reach of both ends of l, and in its direction.
func border(m *imaging.Image, l line, reach float64) (line, bool) {
	f := frame(m.Width, m.Height)
	for i := range f {
		b := line{f[i], f[(i+1)%4]}
		if b.away(l.from) < reach && b.away(l.to) < reach && f.side(i).dot(l.to.minus(l.from)) > 0 {
			return b, true
		}
	}
	return line{}, false
}

// isDocument reports whether q is convex, of the shape of a document, without acute corners, and neither tiny nor mostly beyond a picture
// of that size.
func (q quad) isDocument(width, height int) bool {
	area := q.area()
	if area < leastOutline*float64(width*height) || q.clipped(frame(width, height)) < area/2 {
		return false
	}
	for i := range q {
		a, b := q.side(i+3).times(-1), q.side(i)
		if angle := math.Atan2(math.Abs(a.cross(b)), a.dot(b)); angle < leastAngle || angle > math.Pi-leastAngle {
			return false
		}
	}
	shape := q.aspect(width, height)
	shape = max(shape, 1/shape)
	return shape > shortest && shape < longest
}

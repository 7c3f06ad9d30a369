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
	// beyond which one look at the picture is enough, if its shape is like that of a known type: a band across a card has clear edges, too.
	filling, certain = 0.7, 0.8
	// like is how far a shape may be from that of a known type and count as its own (quad.odd): of 120 drawn scenes whose corners are right, 95 %
	// are within it. oddness weighs it against the clarity of the sides, up to mostOdd.
	like, oddness, mostOdd = 0.02, 3, 0.1
	// cutOff is by how much clearer the three sides are of a document that the picture cuts off, if it is preferred to a whole one.
	cutOff = 0.2
	// further is the clarity that each side of a document has beside another one in the same picture.
	further = 0.6
	// unprinted is the share of a thing up to which nothing counts as printed on it (printed). Documents that are blurred by an eightieth of their
	// width have more, and even things nothing.
	unprinted = 0.06
	// longest bounds the shape of a document: how many times as long as wide it is. ID-1 is 1.59.
	longest, shortest = 1.95, 1.2
	// longestPart bounds that of the part that is left where the picture cuts a document off.
	longestPart = 3
	// leastAngle is the smallest angle of a corner, as the picture shows it, in radians.
	leastAngle = 40 * math.Pi / 180
	// alike is the overlap at which two quads are the same document, half that at which one covers most of the other, and apart the share of
	// the smaller one up to which they are two documents.
	alike, half, apart = 0.93, 0.6, 0.15
)

// Finder finds the documents in a picture: it asks a network of corners about the picture, about the picture on a black and on a white
// table, and about parts of it, looks for straight contours that make the shape of a document, moves the sides of both onto the edges in the
// picture, and takes what the edges and the shape bear out most. It is safe for concurrent use.
type Finder struct{ corners *CornerFinder }

// NewContourFinder returns a Finder without a network: it takes the straight contours in the picture that make the shape of a known type
// around something printed, and a picture of such a shape as a document that fills it, with less confidence. Documents whose edges are
// faint, and those that the picture cuts off, it does not find.
func NewContourFinder() *Finder { return &Finder{} }

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
	fills              bool    // the part of the picture in which it was seen
	odd                float64 // how far its shape is from that of a known type
	printed            float64 // the share of it that is (printed), once it is known
	// cut says that one of the picture's sides cuts the document off, and shown is the clarity of the least clear of its other sides then.
	cut   bool
	shown float64
}

// rank is by what candidates are compared. One that fills what was looked at comes first: lines inside it are as clear as its sides,
// which are the border of that.
func (c candidate) rank() float64 {
	clarity, clarities := c.clarity, c.clarities
	if c.cut {
		clarity, clarities = c.shown-cutOff, (c.clarities-onBorder)*4/3
	}
	rank := clarity + clarities/4 - oddness*min(c.odd, mostOdd)
	if c.fills {
		rank += 1
	}
	return rank
}

// outline is c in a picture whose pixels are smaller by these factors. A document one of whose sides has no edge is half as certain as the
// network says, and one that is hardly printed less certain, too.
func (c candidate) outline(x, y float64) Outline {
	return Outline{c.scaled(x, y).corners(), float32(c.score * min(1, 0.5+c.clarity) * min(1, 0.7+c.printed))}
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
		s, err := f.sight(ctx, hidden, hidden != m)
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

// sight fits to m what the network sees in it and in its parts; hidden says that documents were taken out of it.
func (f *Finder) sight(ctx context.Context, m *imaging.Image, hidden bool) (*sighting, error) {
	s := &sighting{Finder: f, picture: m, hidden: hidden}
	if f.corners == nil {
		s.trace()
		return s, nil
	}
	whole := frame(m.Width, m.Height)
	seen, err := f.look(ctx, m, whole, 0, imaging.RGB{})
	if err != nil || seen == nil {
		return s, err
	}
	s.score = seen.score
	s.add(*seen, wide, narrow)
	for _, q := range traced(m) {
		s.add(candidate{quad: q}, narrow)
	}
	if best := s.best(); best.clarity > certain && best.odd < like {
		return s, nil
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
		if overlaps || len(*found) == mostDocuments || len(*found) > 0 && c.clarity <= further && !c.fills {
			continue
		}
		if c.printed = printed(s.picture, c.quad); c.printed > unprinted {
			*found, any = append(*found, c), true
		}
	}
	return any
}

// sighting is what the network saw of a picture.
type sighting struct {
	*Finder
	picture *imaging.Image
	hidden  bool    // documents of it are hidden
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
	if !ok {
		return
	}
	if c.odd = c.quad.odd(s.picture.Width, s.picture.Height); c.odd > like && c.bordering(s.picture.Width, s.picture.Height) == 1 {
		c.cut, c.shown = true, 1
		for _, e := range edges {
			if _, along := border(s.picture, e.line, 1); !along {
				c.shown = min(c.shown, e.clarity)
			}
		}
	}
	s.fits = append(s.fits, c)
	if c.odd > like && !c.cut {
		if widened, ok := s.widened(c); ok {
			s.fits = append(s.fits, widened)
		}
	}
}

// widened is c with that one of its sides that runs along the picture's border moved onto it with which its shape is that of a known type,
// and whether there is one: the picture ends at the document's side, and the edge of a band that is printed along it was taken for that.
func (s *sighting) widened(c candidate) (best candidate, ok bool) {
	w, h := s.picture.Width, s.picture.Height
	best = c
	for i := range c.quad {
		b, along := border(s.picture, line{c.quad[i], c.quad[(i+1)%4]}, cut*math.Hypot(float64(w), float64(h)))
		if !along {
			continue
		}
		q, next := c.quad, (i+1)%4
		from, met := b.meet(line{c.quad[(i+3)%4], c.quad[i]})
		to, meets := b.meet(line{c.quad[next], c.quad[(i+2)%4]})
		if q[i], q[next] = from, to; !met || !meets || !q.isDocument(w, h) {
			continue
		}
		if odd := q.odd(w, h); odd < best.odd {
			best.quad, best.odd = q, odd
		}
	}
	return best, best.odd < like && best.odd < c.odd-like/2
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

// bordering is how many of q's sides run along the border of a picture of that size, as where it cuts a document off.
func (q quad) bordering(width, height int) (sides int) {
	f := frame(width, height)
	for i := range f {
		for k := range q {
			if b := (line{f[i], f[(i+1)%4]}); b.away(q[k]) < 1 && b.away(q[(k+1)%4]) < 1 {
				sides++
			}
		}
	}
	return sides
}

// isDocument reports whether q is convex, of the shape of a document, without acute corners, and neither tiny nor mostly beyond a picture
// of that size. What is left of a document that one of the picture's sides cuts off may be of another shape.
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
	return shape > shortest && shape < longest || shape < longestPart && q.bordering(width, height) == 1
}

package engine

import (
	"cmp"
	"context"
	"math"
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
)

// If the best face of a picture is at least this upright, and leans by no more than 45°, beyond which it leans less in the next
// orientation, the picture is not searched in others. Detectors also find faces that lie on their side or are upside down, and put the
// points of an upright face on them, but they are less sure of them, and landmark networks find few points there. The limits only save
// work: they do not decide which way is up.
const (
	certain      = 0.75 // with landmarks whose network states how sure it is
	certainAlone = 0.92 // without
)

// A face in another orientation than the surest face of its picture counts from this uprightness on. Measured on 90 photographs of
// people, each searched in all four orientations: upright faces have at least 0.65 with OpenSeeFace's landmarks, and 0.86 by the
// starter pack's detector alone. False faces, which overlap no real one, have at most 0.47 and 0.63.
const (
	probable      = 0.6
	probableAlone = 0.8
)

const (
	// examined is how many faces of one orientation are examined, the surest first, so that a crowd does not cost a landmark
	// network for each face and orientation.
	examined = 8
	// Two boxes that were found in different orientations are of one face if their intersection over union is sameFace, or if one
	// of them lies inside the other by sameFaceWithin. The box around a face that lies on its side fits badly.
	sameFace       = 0.3
	sameFaceWithin = 0.6
	// sameReading is the largest difference, in degrees, of the directions of a head's forehead that two orientations find and that
	// are taken for one. Where they disagree, the difference is about a quarter of a turn or more.
	sameReading = 30
	// leaning is how much less upright a head is for the square of the degrees by which it leans: 2.5 % at 45°. Of two orientations,
	// the one in which a head leans less counts if the detector is about as sure of it in both.
	leaning = 0.1 / (90 * 90)
	// standing is the lean of a head, in degrees, up to which it stands upright: a head that leans more stands better in another
	// orientation.
	standing = 60
)

// candidate is a face that was found in the picture turned clockwise by quarters of a turn.
type candidate struct {
	face.Face // in pixels of the turned picture
	quarters  int
	original  face.Face // in pixels of the picture before it was turned
	levelled  bool      // placed anew if its head leans far
	// uprightness, 0..1, says how surely the face stands upright in the turned picture; 0 before it was examined.
	uprightness float32
}

// in is the face in pixels of the picture turned clockwise by quarters of a turn.
func (c candidate) in(picture *imaging.Image, quarters int) face.Face {
	if quarters == c.quarters {
		return c.Face
	}
	return c.original.Turned(quarters, picture.Width, picture.Height)
}

// same reports whether c and d, found in two orientations, are one face.
func (c candidate) same(d candidate) bool {
	return c.original.Overlap(d.original) >= sameFace || c.original.Within(d.original) >= sameFaceWithin || d.original.Within(c.original) >= sameFaceWithin
}

// reading reports whether c and d, found in two orientations, are one face with its forehead at the same side.
func (c candidate) reading(d candidate) bool {
	apart := math.Remainder(float64(c.Roll()-d.Roll())-90*float64(c.quarters-d.quarters), 360)
	return c.quarters != d.quarters && math.Abs(apart) <= sameReading && c.same(d)
}

// find finds the faces of f's picture in any orientation, and selects among them.
func (e *Engine) find(ctx context.Context, f *frame) error {
	if !f.sought {
		var err error
		if f.found, err = e.findAll(ctx, f); err != nil {
			return err
		}
	}
	if len(f.found) == 0 {
		return nil
	}
	faces := make([]face.Face, len(f.found))
	for i, c := range f.found {
		faces[i] = c.Face
	}
	main := -1 // no document, no main portrait
	if f.params.Document != nil {
		main = mainPortrait(faces)
	}
	first, end := 0, len(f.found)
	switch s := f.params.Strategy; {
	case s == BiggestFace && main >= 0:
		first, end = main, main+1
	case s != MultipleFaces:
		first = s.best(faces)
		end = first + 1
	}
	for i := first; i < end; i++ {
		c := &f.found[i]
		if err := e.level(ctx, f, c); err != nil {
			return err
		}
		o := &face.Observation{Face: c.Face, Turned: 90 * c.quarters, Width: f.picture.Width, Height: f.picture.Height, Ghost: main >= 0 && i != main}
		if c.quarters%2 != 0 {
			o.Width, o.Height = o.Height, o.Width
		}
		f.faces = append(f.faces, o)
	}
	return nil
}

// likeMain is the least area of a portrait on a document, as a share of the largest one's, with which it may be the main one. Ghost
// portraits are about a third as wide as it, and the boxes of one face differ by less.
const likeMain = 0.8

// mainPortrait is the index of the main one among the portraits on a document: the largest, and of those about as large the leftmost,
// where ICAO Doc 9303 has it.
func mainPortrait(faces []face.Face) int {
	main := BiggestFace.best(faces)
	largest := faces[main].Area()
	for i, f := range faces {
		if f.Area() >= likeMain*largest && f.Box.TopLeft.X < faces[main].Box.TopLeft.X {
			main = i
		}
	}
	return main
}

// level places a candidate anew if its head leans far (face.Detector.Level).
func (e *Engine) level(ctx context.Context, f *frame, c *candidate) (err error) {
	if c.levelled {
		return nil
	}
	width, height := f.picture.Width, f.picture.Height
	if c.quarters%2 != 0 {
		width, height = height, width
	}
	c.Face, err = e.detector.Level(ctx, f.picture, c.Face, c.quarters, f.params.MinConfidence)
	c.original, c.levelled = c.Turned(4-c.quarters, width, height), true
	return err
}

// findAll finds the faces of f's picture, best confidence first. A face that is found in several orientations is reported in the
// one in which it is most upright. The picture is searched only as it is if its best face certainly stands upright, or if the
// caller does not want it turned.
func (e *Engine) findAll(ctx context.Context, f *frame) ([]candidate, error) {
	scene := e.detector.Scene(f.picture)
	defer scene.Release()
	upright, err := e.findTurned(ctx, f, scene, 0)
	if err != nil || !f.params.Turn {
		return upright, err
	}
	least := float32(probableAlone)
	if e.confident() {
		least = probable
	}
	if err := e.examine(ctx, f, upright, 1); err != nil {
		return nil, err
	}
	if len(upright) > 0 && e.stands(upright[0]) {
		return upright, nil
	}
	err = e.examine(ctx, f, upright, examined)
	all := upright
	for quarters := 1; quarters < 4 && err == nil; quarters++ {
		var turned []candidate
		if turned, err = e.findTurned(ctx, f, scene, quarters); err == nil {
			err = e.examine(ctx, f, turned, examined)
			all = append(all, turned...)
		}
	}
	return merged(all, least), err
}

// afterTurn are the faces of f's picture, found in any orientation, as findAll finds them once the picture is turned clockwise by quarters
// of a turn: what was found in an orientation is found there again.
func (e *Engine) afterTurn(f *frame, found []candidate, quarters int) []candidate {
	width, height := f.picture.Width, f.picture.Height
	if quarters%2 != 0 {
		width, height = height, width
	}
	var upright, all []candidate
	for _, c := range found {
		c.quarters = (c.quarters - quarters + 4) % 4
		turnedWidth, turnedHeight := width, height
		if c.quarters%2 != 0 {
			turnedWidth, turnedHeight = height, width
		}
		c.original = c.Turned(4-c.quarters, turnedWidth, turnedHeight)
		all = append(all, c)
		if c.quarters == 0 {
			upright = append(upright, c)
		}
	}
	if !f.params.Turn || len(upright) > 0 && e.stands(upright[0]) {
		return upright
	}
	return all
}

// stands reports whether a face certainly stands upright, so that the picture need not be searched in other orientations.
func (e *Engine) stands(c candidate) bool {
	enough := float32(certainAlone)
	if e.confident() {
		enough = certain
	}
	return c.uprightness >= enough && math.Abs(float64(c.Roll())) <= 45
}

// findTurned finds the faces of f's picture turned clockwise by quarters of a turn.
func (e *Engine) findTurned(ctx context.Context, f *frame, scene *face.Scene, quarters int) ([]candidate, error) {
	faces, err := scene.Detect(ctx, quarters, f.params.MinConfidence)
	width, height := f.picture.Width, f.picture.Height
	if quarters%2 != 0 {
		width, height = height, width
	}
	found := make([]candidate, len(faces))
	for i, x := range faces {
		found[i] = candidate{Face: x, quarters: quarters, original: x.Turned(4-quarters, width, height)}
	}
	return found, err
}

// merged are the faces behind candidates of several orientations, best confidence first. Candidates count if they stand upright in
// the picture as it is, or in the orientation of the most upright one, or if they have at least the uprightness least. Where
// several are of one face, the most upright one is kept. Those that agree where its forehead is saw the same, so the surest of them
// speaks for all, and the one in which the head leans least is kept: how sure the networks are of a head that leans by 35° or, in
// the next orientation, by 55° is chance.
func merged(all []candidate, least float32) []candidate {
	surest := make([]float32, len(all))
	for i, c := range all {
		surest[i] = c.uprightness
		for _, d := range all {
			if c.uprightness > 0 && c.reading(d) {
				surest[i] = max(surest[i], d.uprightness)
			}
		}
	}
	for i := range all {
		all[i].uprightness = surest[i]
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.uprightness, a.uprightness), cmp.Compare(math.Abs(float64(a.Roll())), math.Abs(float64(b.Roll()))))
	})
	var kept []candidate
	for _, c := range all {
		counts := c.quarters == 0 || c.quarters == all[0].quarters || c.uprightness >= least
		if counts && !slices.ContainsFunc(kept, func(k candidate) bool { return k.quarters != c.quarters && k.same(c) }) {
			kept = append(kept, c)
		}
	}
	slices.SortStableFunc(kept, func(a, b candidate) int { return cmp.Compare(b.Confidence, a.Confidence) })
	return kept
}

// confident reports whether the pack has a network for landmarks that states how sure it is of them.
func (e *Engine) confident() bool { return e.landmarker != nil && e.landmarker.Confident() }

// examine sets the uprightness of candidates, which come best confidence first: the detector's confidence, a little less where the head leans,
// times that of the landmarks, if the pack has a network that states one. It is 0 if the mouth is not below the eyes, or the head leans too far. The first few candidates are
// levelled, and landmarks are looked for in them; those of the others are taken to be as sure as theirs on average.
func (e *Engine) examine(ctx context.Context, f *frame, candidates []candidate, few int) error {
	var stand []*candidate
	var seen []*face.Observation
	for i := range candidates {
		c := &candidates[i]
		if i < few {
			if err := e.level(ctx, f, c); err != nil {
				return err
			}
		}
		if p := c.Points; p[3].Y+p[4].Y > p[0].Y+p[1].Y && math.Abs(float64(c.Roll())) <= standing {
			c.uprightness = c.Confidence * (1 - leaning*c.Roll()*c.Roll())
			stand = append(stand, c)
			if i < few {
				seen = append(seen, c.lying())
			}
		}
	}
	if !e.confident() || len(seen) == 0 {
		return nil
	}
	if err := first(e.landmarker.Observe(ctx, f.picture, seen)); err != nil {
		return err
	}
	var mean float32
	for _, o := range seen {
		mean += *o.LandmarkConfidence / float32(len(seen))
	}
	for i, c := range stand {
		if i < len(seen) {
			c.uprightness *= *seen[i].LandmarkConfidence
		} else {
			c.uprightness *= mean
		}
	}
	return nil
}

// lying is c in the picture before it was turned: its box is as wide and high as it is when the face stands upright, and its head
// leans by the turn as well. Landmark networks turn what they cut out by how much a head leans, so the picture itself need not be
// turned for them.
func (c candidate) lying() *face.Observation {
	box := c.original.Box
	x, y := (box.TopLeft.X+box.BottomRight.X)/2, (box.TopLeft.Y+box.BottomRight.Y)/2
	w, h := (c.Box.BottomRight.X-c.Box.TopLeft.X)/2, (c.Box.BottomRight.Y-c.Box.TopLeft.Y)/2
	box.TopLeft.X, box.BottomRight.X, box.TopLeft.Y, box.BottomRight.Y = x-w, x+w, y-h, y+h
	return &face.Observation{Face: face.Face{Box: box}, Pose: &face.Pose{Roll: c.Roll() - float32(90*c.quarters)}}
}

package engine

import (
	"cmp"
	"context"
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
)

// From these uprightnesses on, a picture is not turned to look for more faces. Detectors find faces in pictures that lie on their
// side or upside down too, and put an upright face's points on them, but are less sure of them; networks for landmarks find
// few points there. Neither decides which way is up, only how much work is spared.
const (
	certain      = 0.75 // with landmarks whose network states how sure it is
	certainAlone = 0.9  // without
)

// From these uprightnesses on, a face counts that stands otherwise than the surest one of its picture. Of 90 photographs of
// people, turned to each side, an upright face has at least 0.65 by OpenSeeFace and 0.86 by the detector of the starter pack
// alone, and what is found where no face is has at most 0.47 and 0.63.
const (
	probable      = 0.6
	probableAlone = 0.8
)

const (
	// examined is how many faces of one orientation are asked for their uprightness, the surest first.
	examined = 8
	// sameFace and sameFaceWithin are the intersection over union, and the share of the smaller box, from which faces that were
	// found in two orientations are one. The box around a face that lies on its side is a loose one.
	sameFace       = 0.3
	sameFaceWithin = 0.6
)

// candidate is a face that was found in the picture turned clockwise by quarters of a turn.
type candidate struct {
	face.Face // in pixels of the turned picture
	quarters  int
	original  face.Face // in pixels of the picture before it was turned
	// uprightness is how sure it is, 0..1, that the face stands upright in the turned picture; 0 where nobody asked.
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

// find finds the faces of f's picture, in whichever way they stand, and selects among them.
func (e *Engine) find(ctx context.Context, f *frame) error {
	var err error
	if f.found, err = e.findAll(ctx, f); err != nil || len(f.found) == 0 {
		return err
	}
	selected := f.found
	if f.params.Strategy != MultipleFaces {
		faces := make([]face.Face, len(f.found))
		for i, c := range f.found {
			faces[i] = c.Face
		}
		best := f.params.Strategy.best(faces)
		selected = f.found[best : best+1]
	}
	for _, c := range selected {
		o := &face.Observation{Face: c.Face, Turned: 90 * c.quarters, Width: f.picture.Width, Height: f.picture.Height}
		if c.quarters%2 != 0 {
			o.Width, o.Height = o.Height, o.Width
		}
		f.faces = append(f.faces, o)
	}
	return nil
}

// findAll finds the faces of f's picture, best confidence first; of one that is found in several orientations, the most upright
// one. Where the best face stands upright for certain, or the caller wants no turning, the picture is taken as it is.
func (e *Engine) findAll(ctx context.Context, f *frame) ([]candidate, error) {
	scene := e.detector.Scene(f.picture)
	upright, err := e.findTurned(ctx, f, scene, 0)
	if err != nil || !f.params.Turn {
		return upright, err
	}
	enough, least := float32(certainAlone), float32(probableAlone)
	if e.confident() {
		enough, least = certain, probable
	}
	if err := e.examine(ctx, f.picture, upright[:min(len(upright), 1)]); err != nil {
		return nil, err
	}
	if len(upright) > 0 && upright[0].uprightness >= enough {
		return upright, nil
	}
	all := upright
	if len(upright) > 1 {
		err = e.examine(ctx, f.picture, upright[1:min(len(upright), examined)])
	}
	for quarters := 1; quarters < 4 && err == nil; quarters++ {
		var turned []candidate
		if turned, err = e.findTurned(ctx, f, scene, quarters); err == nil {
			err = e.examine(ctx, f.picture, turned[:min(len(turned), examined)])
			all = append(all, turned...)
		}
	}
	return merged(all, least), err
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

// merged are the faces among all, which were found in several orientations and of which the upright ones come first: those that
// stand upright, or as the surest one does, or have at least that uprightness; and of each face only the most upright.
func merged(all []candidate, least float32) []candidate {
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.uprightness, a.uprightness) })
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

// examine says how upright each candidate is: the detector's confidence times that of the landmarks, where the pack has a network
// that states one; 0 where its mouth is not below its eyes.
func (e *Engine) examine(ctx context.Context, picture *imaging.Image, candidates []candidate) error {
	var asked []*candidate
	var seen []*face.Observation
	for i := range candidates {
		c := &candidates[i]
		if p := c.Points; p[3].Y+p[4].Y <= p[0].Y+p[1].Y {
			continue
		}
		c.uprightness = c.Confidence
		asked, seen = append(asked, c), append(seen, c.lying())
	}
	if !e.confident() || len(asked) == 0 {
		return nil
	}
	err := first(e.landmarker.Observe(ctx, picture, seen))
	if err != nil {
		return err
	}
	for i, c := range asked {
		c.uprightness *= *seen[i].LandmarkConfidence
	}
	return nil
}

// lying is c in the picture before it was turned, for steps that turn what they cut out by how much a head leans: its box is as
// wide and high as it is when it stands upright, and its head leans by the turn as well. The picture itself need not be turned.
func (c candidate) lying() *face.Observation {
	box := c.original.Box
	x, y := (box.TopLeft.X+box.BottomRight.X)/2, (box.TopLeft.Y+box.BottomRight.Y)/2
	w, h := (c.Box.BottomRight.X-c.Box.TopLeft.X)/2, (c.Box.BottomRight.Y-c.Box.TopLeft.Y)/2
	box.TopLeft.X, box.BottomRight.X, box.TopLeft.Y, box.BottomRight.Y = x-w, x+w, y-h, y+h
	return &face.Observation{Face: face.Face{Box: box}, Pose: &face.Pose{Roll: c.Roll() - float32(90*c.quarters)}}
}

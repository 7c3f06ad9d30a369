package engine

import (
	"context"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
)

// From this uprightness on, a picture is not turned to look for a better one. Detectors find faces in pictures that lie on their
// side or upside down too, and put an upright face's points on them, but are less sure of them; networks for landmarks find
// few points there. Neither decides which way is up, only how much work is spared.
const (
	certain      = 0.75 // with landmarks whose network states how sure it is
	certainAlone = 0.9  // without
)

// view is a picture as it was turned, clockwise by quarters of a turn, with the faces that were found in it.
type view struct {
	picture  *imaging.Image
	quarters int
	faces    []face.Face
}

// find finds the faces of f's picture, turns it as its best face stands upright, where f's caller wants that, and selects.
func (e *Engine) find(ctx context.Context, f *frame) error {
	best, err := e.upright(ctx, f)
	if err != nil {
		return err
	}
	f.picture, f.all = best.picture, best.faces
	for _, selected := range f.params.Strategy.Select(best.faces) {
		f.faces = append(f.faces, &face.Observation{Face: selected, Turned: 90 * best.quarters, Width: f.picture.Width, Height: f.picture.Height})
	}
	return nil
}

// upright is the view in which the best face stands upright.
func (e *Engine) upright(ctx context.Context, f *frame) (best view, err error) {
	best.picture = f.picture
	if best.faces, err = e.Detect(ctx, f.picture, f.params.MinConfidence); err != nil || !f.params.Turn {
		return best, err
	}
	enough := float32(certainAlone)
	if e.confident() {
		enough = certain
	}
	most, err := e.uprightness(ctx, best)
	if err != nil {
		return view{}, err
	}
	if most >= enough {
		return best, nil
	}
	for quarters := 1; quarters < 4; quarters++ {
		v := view{picture: f.picture.Turned(quarters), quarters: quarters}
		if v.faces, err = e.Detect(ctx, v.picture, f.params.MinConfidence); err != nil {
			return view{}, err
		}
		u, err := e.uprightness(ctx, v)
		if err != nil {
			return view{}, err
		}
		if u > most {
			best, most = v, u
		}
	}
	return best, nil
}

// confident reports whether the pack has a network for landmarks that states how sure it is of them.
func (e *Engine) confident() bool { return e.landmarker != nil && e.landmarker.Confident() }

// uprightness is how sure it is, 0..1, that the surest face of v stands upright: the detector's confidence times that of the
// landmarks, where the pack has a network that states one; 0 without a face, or where its mouth is not below its eyes.
func (e *Engine) uprightness(ctx context.Context, v view) (float32, error) {
	if len(v.faces) == 0 {
		return 0, nil
	}
	best := v.faces[0]
	if p := best.Points; p[3].Y+p[4].Y <= p[0].Y+p[1].Y {
		return 0, nil
	}
	if !e.confident() {
		return best.Confidence, nil
	}
	seen := face.Observation{Face: best}
	if err := first(e.landmarker.Observe(ctx, v.picture, []*face.Observation{&seen})); err != nil {
		return 0, err
	}
	return best.Confidence * *seen.LandmarkConfidence, nil
}

package engine

import (
	"context"
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
)

// found are the faces of a picture after it was turned clockwise by quarters of a turn, and the networks that found them.
type found struct {
	img      *imaging.Image
	quarters int
	faces    []face.Face
	ran      []models.Model
}

// From this uprightness on, a picture is not turned to look for a better one. Detectors find faces in pictures that lie on their
// side or upside down too, and put an upright face's points on them, but are less sure of them; networks for landmarks find
// few points there. Neither decides which way is up, only how much work is spared.
const (
	certain      = 0.75 // with landmarks whose network states how sure it is
	certainAlone = 0.9  // without
)

// detect finds the faces of img; where p says so, of img turned as its best face stands upright.
func (e *Engine) detect(ctx context.Context, img *imaging.Image, p Params) (found, error) {
	best, ran := found{img: img}, e.pack.Models[models.RoleDetector]
	var err error
	if best.faces, err = e.Detect(ctx, img, p.MinConfidence); err != nil || !p.Turn {
		best.ran = ran
		return best, err
	}
	enough := float32(certainAlone)
	if e.confident() {
		enough, ran = certain, slices.Concat(ran, e.pack.Models[models.RoleLandmarks])
	}
	most, err := e.uprightness(ctx, best)
	if err != nil {
		return found{}, err
	}
	if most < enough {
		for quarters := 1; quarters < 4; quarters++ {
			f := found{img: img.Turned(quarters), quarters: quarters}
			if f.faces, err = e.Detect(ctx, f.img, p.MinConfidence); err != nil {
				return found{}, err
			}
			u, err := e.uprightness(ctx, f)
			if err != nil {
				return found{}, err
			}
			if u > most {
				best, most = f, u
			}
		}
	}
	best.ran = ran
	return best, nil
}

// confident reports whether the pack has a network for landmarks that states how sure it is of them.
func (e *Engine) confident() bool { return e.landmarker != nil && e.landmarker.Confident() }

// uprightness is how sure it is, 0..1, that the surest face of f stands upright: the detector's confidence times that of the
// landmarks, where the pack has a network that states one; 0 without a face, or where its mouth is not below its eyes.
func (e *Engine) uprightness(ctx context.Context, f found) (float32, error) {
	if len(f.faces) == 0 {
		return 0, nil
	}
	best := f.faces[0]
	if p := best.Points; p[3].Y+p[4].Y <= p[0].Y+p[1].Y {
		return 0, nil
	}
	if !e.confident() {
		return best.Confidence, nil
	}
	r := e.landmarker.Find(ctx, f.img, f.faces[:1], []float32{best.Roll()})[0]
	if r.Err != nil {
		return 0, r.Err
	}
	return best.Confidence * *r.Landmarks.Confidence, nil
}

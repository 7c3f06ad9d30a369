package engine

import (
	"context"
	"math"

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

const (
	// upright is how sure of its best face, by [Engine.uprightness], a picture must be that is not turned to look for a better
	// one. Detectors find faces in pictures that are upside down too, and put an upright face's points on them, with a lower
	// confidence; networks for landmarks find no points there.
	upright = 0.7
	// gain is by how much a turned picture must be better than the upright one.
	gain = 0.1
)

// detect finds the faces of img; where p says so, of img turned as its best face stands upright.
func (e *Engine) detect(ctx context.Context, img *imaging.Image, p Params) (found, error) {
	best, ran := found{img: img}, e.pack.Models[models.RoleDetector]
	var err error
	if best.faces, err = e.Detect(ctx, img, p.MinConfidence); err != nil || !p.Turn {
		best.ran = ran
		return best, err
	}
	if e.landmarker != nil {
		ran = append(append([]models.Model{}, ran...), e.pack.Models[models.RoleLandmarks]...)
	}
	most, err := e.uprightness(ctx, best)
	if err != nil {
		return found{}, err
	}
	if most < upright {
		most += gain
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

// uprightness is how sure it is, 0..1, that the surest face of f stands upright: the detector's confidence, times the cosine of
// the angle between the picture's downward direction and the face's from eyes to mouth, times the confidence of the landmarks
// where the pack has a network for them. No face has 0.
func (e *Engine) uprightness(ctx context.Context, f found) (float64, error) {
	if len(f.faces) == 0 {
		return 0, nil
	}
	best := f.faces[0]
	p := best.Points
	dx, dy := float64(p[3].X+p[4].X-p[0].X-p[1].X), float64(p[3].Y+p[4].Y-p[0].Y-p[1].Y)
	u := float64(best.Confidence) * max(dy, 0) / max(math.Hypot(dx, dy), 1e-6)
	if e.landmarker == nil {
		return u, nil
	}
	r := e.landmarker.Find(ctx, f.img, f.faces[:1], []float32{best.Roll()})[0]
	return u * float64(r.Landmarks.Confidence), r.Err
}

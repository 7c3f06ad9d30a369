package engine

import (
	"context"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// ablePortrait says why e cannot make the portrait, or nil.
func (e *Engine) ablePortrait(op string, o face.PortraitOptions) error {
	if o.Background != nil && e.segmenter == nil {
		return e.absent(op, models.RoleSegmentation)
	}
	return o.Check()
}

// portrait makes a picture of f, a face of img: the upright picture, as it was turned. The eyes are those of f's landmarks, else
// those that the pack's network for landmarks finds, else the detector's. It says which networks ran.
func (e *Engine) portrait(ctx context.Context, img *imaging.Image, f Face, o face.PortraitOptions) (*face.Portrait, []models.Model, error) {
	var ran []models.Model
	var landmarks []schema.PointF
	switch {
	case f.Attributes != nil && f.Attributes.Landmarks != nil:
		landmarks = f.Attributes.Landmarks
	case e.landmarker != nil:
		r := e.landmarker.Find(ctx, img, []face.Face{f.Face}, []float32{f.Roll()})[0]
		if r.Err != nil {
			return nil, nil, r.Err
		}
		landmarks = r.Landmarks.Points
		ran = append(ran, e.pack.Models[models.RoleLandmarks]...)
	}
	if o.Background != nil {
		ran = append(ran, e.pack.Models[models.RoleSegmentation]...)
	}
	p, err := face.NewPortrait(ctx, img, f.Face, landmarks, e.segmenter, o)
	return p, ran, err
}

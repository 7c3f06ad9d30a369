package engine

import (
	"context"

	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// portray makes the portraits of each face. The eyes are those of its landmarks, else those that the pack's network for landmarks
// finds, else the detector's.
func (e *Engine) portray(ctx context.Context, f *frame) error {
	if !f.params.portrayed(f.selected) {
		return nil
	}
	for i, o := range f.faces {
		landmarks := o.Landmarks
		if landmarks == nil && e.landmarker != nil {
			// Whoever asks for portraits only did not ask for landmarks: they stay out of the observation.
			seen := face.Observation{Face: o.Face}
			if err := first(e.landmarker.Observe(ctx, f.picture, []*face.Observation{&seen})); err != nil {
				return err
			}
			landmarks = seen.Landmarks
		}
		for _, options := range f.params.Portraits {
			p, err := face.NewPortrait(ctx, f.picture, o.Face, landmarks, e.segmenter, options)
			if schema.ReasonOf(err) == schema.ReasonFaceRejected { // one face never fails its neighbours
				o.Portraits, o.Unportrayed = nil, err
				break
			}
			if err != nil {
				return err
			}
			o.Portraits = append(o.Portraits, p)
		}
		if keep := f.params.Portray; keep != nil && len(o.Portraits) > 0 {
			made := o.Portraits
			o.Portraits = nil
			if err := keep(ctx, f.places[i], f.selected, made); err != nil {
				return err
			}
		}
	}
	return nil
}

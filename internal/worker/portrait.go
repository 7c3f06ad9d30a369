package worker

import (
	"context"
	"time"

	"facestream/internal/outcome"
	"facestream/pkg/schema"
)

// keepPortraits writes the portraits of a beside their images. It must run before a result names them. If there are too
// many faces, it writes none.
func (s *Service) keepPortraits(ctx context.Context, a *analysis) error {
	if len(a.portraits) == 0 || a.verdict.TooMany(a.found) {
		return nil
	}
	start := time.Now()
	for i := range a.found.Faces {
		p := a.portraits[i]
		if p == nil {
			continue
		}
		image := a.found.Faces[i].Image
		object := schema.ObjectRef{Bucket: a.Images[image].Bucket, Key: outcome.CropKey(&a.Job, image, i, a.by, string(p.Format))}
		if a.Operation == schema.OpFaceISO {
			object.Key = outcome.PortraitKey(&a.Job, string(p.Format))
		}
		if _, err := s.Objects.Put(ctx, object, p.File, "image/"+string(p.Format), outcome.Mark(object.Key)); err != nil {
			return err
		}
		kept := &schema.OutputImage{
			Info:   schema.ImageInfo{Width: p.Image.Width, Height: p.Image.Height, Channels: 3, Color: schema.ColorRGB},
			Object: object, Corners: p.Corners,
		}
		if a.Operation == schema.OpFaceISO {
			a.found.Portrait = kept
		} else {
			a.found.Faces[i].Crop = kept
		}
	}
	s.measure(a, "keep", time.Since(start))
	return nil
}

package worker

import (
	"context"
	"time"

	"facestream/internal/outcome"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// portraitOptions are what config says of portraits.
func portraitOptions(config schema.OperationConfig) face.PortraitOptions {
	colour := imaging.RGB{byte(config.BackgroundColorRGB >> 16), byte(config.BackgroundColorRGB >> 8), byte(config.BackgroundColorRGB)}
	o := face.PortraitOptions{Preset: face.Preset(config.PortraitPreset), Width: config.PortraitWidth, Pad: &colour, Format: imaging.Format(config.PortraitFormat)}
	if config.PortraitBackground == "replace" {
		o.Background = &colour
	}
	return o
}

// keepPortrait writes the portrait of a, where it has one, beside its image, before anything says that it is there.
func (s *Service) keepPortrait(ctx context.Context, a *analysis) error {
	if a.portrait == nil {
		return nil
	}
	start := time.Now()
	p := a.portrait
	object := schema.ObjectRef{Bucket: a.Images[0].Bucket, Key: outcome.PortraitKey(&a.Job, string(p.Format))}
	if _, err := s.Objects.Put(ctx, object, p.File, "image/"+string(p.Format), nil); err != nil {
		return err
	}
	s.measure(a, "keep", time.Since(start))
	a.kept = &schema.OutputImage{
		Info:   schema.ImageInfo{Width: p.Image.Width, Height: p.Image.Height, Channels: 3, Color: schema.ColorRGB},
		Object: object, Corners: p.Corners,
	}
	return nil
}

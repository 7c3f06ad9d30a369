package worker

import (
	"context"
	"slices"
	"time"

	"facestream/internal/outcome"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// portraying returns params with which the engine hands over the pictures of the document and of barcodes, and the portraits of an image, face by face, to be
// written beside the image.
// A result that names them is published later. If there are too many faces, none are made.
func (s *Service) portraying(a *analysis, image int, params engine.Params) engine.Params {
	if params.Document != nil && a.Operation == schema.OpDocScanFace {
		asked := *params.Document
		asked.Keep = func(ctx context.Context, made *face.Portrait) (err error) {
			a.scan, err = s.write(ctx, a, image, outcome.DocumentKey(&a.Job, image, a.by, string(made.Format)), made)
			return err
		}
		params.Document = &asked
	}
	if params.Barcodes != nil && a.Operation == schema.OpDocScanFace {
		asked := *params.Barcodes
		asked.Keep = func(ctx context.Context, i int, made *face.Portrait) (err error) {
			a.codes[i], err = s.write(ctx, a, image, outcome.BarcodeKey(&a.Job, image, i, a.by, string(made.Format)), made)
			return err
		}
		params.Barcodes = &asked
	}
	if len(params.Portraits) == 0 {
		return params
	}
	before := len(a.found.Faces)
	params.MostPortrayed = a.verdict.MostPortrayed(a.found)
	params.PortraitPixels = max(engine.MaxPortraitPixels-a.pixels, 1)
	params.Portray = func(ctx context.Context, i, _ int, made []*face.Portrait) error {
		return s.keep(ctx, a, image, before+i, made[0])
	}
	return params
}

// keep writes the portrait of a face, which has that place among all faces of the job.
func (s *Service) keep(ctx context.Context, a *analysis, image, place int, p *face.Portrait) (err error) {
	key := outcome.CropKey(&a.Job, image, place, a.by, string(p.Format))
	if a.Operation == schema.OpFaceISO {
		key = outcome.PortraitKey(&a.Job, string(p.Format))
	}
	a.kept[place], err = s.write(ctx, a, image, key, p)
	a.pixels += p.Image.Width * p.Image.Height
	return err
}

// write writes a picture that was made of an image beside it, under that key.
func (s *Service) write(ctx context.Context, a *analysis, image int, key string, p *face.Portrait) (*schema.OutputImage, error) {
	start := time.Now()
	object := schema.ObjectRef{Bucket: a.Images[image].Bucket, Key: key}
	// Noted before: a write that fails may have been carried out.
	*a.written = append(*a.written, object)
	if _, err := s.Objects.Put(ctx, object, p.File, "image/"+string(p.Format), outcome.Mark(object.Key)); err != nil {
		return nil, err
	}
	s.measure(a, "keep", time.Since(start))
	return &schema.OutputImage{
		Info:   schema.ImageInfo{Width: p.Image.Width, Height: p.Image.Height, Channels: 3, Color: schema.ColorRGB},
		Object: object, Corners: p.Corners,
	}, nil
}

// removeUnnamed removes the pictures that found does not name: those of a job that failed at a later image, or was refused. A face
// that nobody knows of would stay for ever.
func (s *Service) removeUnnamed(ctx context.Context, written []schema.ObjectRef, found []schema.Finding) error {
	named := map[string]bool{}
	for _, f := range found {
		faces := f.Faces
		if r := f.Answer; r != nil {
			faces = r.Faces
			if r.ISOImage != nil && r.ISOImage.Image != nil {
				named[r.ISOImage.Image.Object.Key] = true
			}
			if d := r.Document.Found; d != nil && d.Cropped != nil {
				named[d.Cropped.Object.Key] = true
			}
			for _, b := range r.Barcodes {
				if b.Crop != nil {
					named[b.Crop.Object.Key] = true
				}
			}
		}
		for _, face := range faces {
			if face.Crop != nil {
				named[face.Crop.Object.Key] = true
			}
		}
	}
	for _, ref := range slices.DeleteFunc(written, func(ref schema.ObjectRef) bool { return named[ref.Key] }) {
		err := s.Objects.Remove(ctx, ref)
		if schema.ClassOf(err) == schema.ClassPermanent {
			s.Log.Warn().Err(err).Msg("a picture that no result names cannot be removed; it stays beside its image")
		} else if err != nil {
			return err
		}
	}
	return nil
}

package indexer

import (
	"context"
	"slices"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// Objects removes the pictures that facestream made of enrolled images. Remove removes an object with all its versions; one that is not
// there is no error.
type Objects interface {
	Remove(ctx context.Context, ref schema.ObjectRef) error
}

// sourceOf returns what is to be remembered of the image or recording that an analysis enrols.
func sourceOf(a *schema.Analysis, config schema.OperationConfig) *gallery.Source {
	if a.Operation.OnVoices() {
		return &gallery.Source{Image: a.Images[0], Recording: true}
	}
	return &gallery.Source{
		Image: a.Images[0], Box: a.Faces[0].Geometry.InPicture(), Document: config.Document.Images.Has(0), Made: madeOf(a.Faces),
	}
}

// madeOf returns the pictures that were made of faces.
func madeOf(faces []schema.FaceResult) (made []schema.ObjectRef) {
	for _, f := range faces {
		if f.Crop != nil {
			made = append(made, f.Crop.Object)
		}
	}
	return made
}

// removeOf removes what was made of the images of the person whom a deletes. That comes before the rows, which know of it: after a crash
// in between the repeat finds both again.
func (s *Service) removeOf(ctx context.Context, a *schema.Analysis) error {
	if s.Objects == nil {
		return nil
	}
	rows, err := s.rowsOf(ctx, a.Collection, a.Persons()...)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Source != nil && !r.Order.Younger(a.Order) {
			if err := s.remove(ctx, r.Source.Made); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeUnnamed removes what was made for a, and what its result does not name: that of an enrolment that was refused, and of the other
// packs of the collection. Nobody would know of it.
func (s *Service) removeUnnamed(ctx context.Context, a *schema.Analysis, result *schema.Result) error {
	named := madeOf(result.Faces)
	var made []schema.ObjectRef
	for _, a := range a.ByPack() {
		made = append(made, madeOf(a.Faces)...)
		if a.Answer != nil {
			made = append(made, madeOf(a.Answer.Faces)...)
		}
	}
	return s.remove(ctx, slices.DeleteFunc(made, func(ref schema.ObjectRef) bool { return slices.Contains(named, ref) }))
}

// remove removes objects. One that the store does not let go stays, which the log says without naming it: the rest is carried out.
func (s *Service) remove(ctx context.Context, objects []schema.ObjectRef) error {
	if s.Objects == nil {
		return nil
	}
	for _, ref := range objects {
		err := s.Objects.Remove(ctx, ref)
		if schema.ClassOf(err) == schema.ClassPermanent {
			s.Log.Warn().Err(err).Msg("a picture that was made of an enrolled image cannot be removed; it stays beside the image")
		} else if err != nil {
			return err
		}
	}
	return nil
}

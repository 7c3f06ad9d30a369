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
func sourceOf(a *schema.Analysis) (*gallery.Source, error) {
	if a.Operation.OnVoices() {
		return &gallery.Source{Image: a.Images[0], Recording: true}, nil
	}
	config, problems := a.Configuration()
	if len(problems) > 0 {
		return nil, schema.Permanent("indexer.config", problems.Reason(), problems)
	}
	return &gallery.Source{
		Image: a.Images[0], Box: a.Faces[0].Geometry.InPicture(), Document: config.Document.Images.Has(0), Made: madeOf(a.Faces),
	}, nil
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
	rows, err := s.rows(ctx, a.Collection, a.Persons()...)
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

// removeOfDeleted removes what was made of the image of row, if the row is not there: it was deleted, and this is a late repeat of its
// enrolment, for which the worker made the pictures again.
func (s *Service) removeOfDeleted(ctx context.Context, c schema.Collection, row gallery.Row) error {
	if s.Objects == nil || len(row.Source.Made) == 0 {
		return nil
	}
	rows, err := s.rows(ctx, c, row.PUID)
	if err != nil || slices.ContainsFunc(rows, func(r gallery.Row) bool { return r.ID == row.ID }) {
		return err
	}
	return s.remove(ctx, row.Source.Made)
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

// rows returns the rows of persons, with their sources.
func (s *Service) rows(ctx context.Context, c schema.Collection, persons ...schema.PUID) (rows []gallery.Row, err error) {
	if s.Objects == nil {
		return nil, nil
	}
	for after := ""; ; {
		page, err := s.Gallery.List(ctx, c, after, 1000, persons...)
		if schema.ReasonOf(err) == schema.ReasonUnknownCollection {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, page.Rows...)
		if after = page.Next; after == "" {
			return rows, nil
		}
	}
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

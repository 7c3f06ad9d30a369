package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"facestream/internal/directory"
	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// directed answers what is about the directory alone. ok is false for another operation.
func (s *Service) directed(ctx context.Context, a *schema.Analysis) (r *schema.Result, ok bool, err error) {
	f := map[schema.Operation]func(context.Context, *schema.Analysis) (*schema.Result, error){
		schema.OpPersonCreate: s.createPerson, schema.OpUserUpdate: s.updatePerson, schema.OpUserList: s.listPersons,
		schema.OpGroupCreate: s.changeGroup, schema.OpGroupUpdate: s.changeGroup, schema.OpGroupDelete: s.changeGroup, schema.OpGroupList: s.listGroups,
	}[a.Operation]
	if f == nil {
		return nil, false, nil
	}
	if s.Directory == nil {
		return nil, true, noDirectory(a.Operation)
	}
	r, err = f(ctx, a)
	return r, true, err
}

func noDirectory(what schema.Operation) error {
	return schema.Permanent("indexer.directory", schema.ReasonOperationUnavailable, fmt.Errorf("%s needs the directory, which this installation does not keep (indexer.directory.driver)", what))
}

// apply makes one change of the directory on behalf of a.
func (s *Service) apply(ctx context.Context, a *schema.Analysis, act directory.Act) (directory.Done, error) {
	out := s.Directory.Apply(ctx, []directory.Change{{Collection: a.Collection, Request: a.ID, Order: a.Order, At: a.AcceptedAt, Act: act}})[0]
	return out.Value, out.Err
}

// put is what a says of the person puid.
func put(a *schema.Analysis, puid schema.PUID) directory.Put {
	p := directory.Put{PUID: puid, ExternalID: a.ExternalID.Normal(), Consent: a.Consent}
	if a.Fields != nil {
		p.Fields = *a.Fields
	}
	return p
}

// known returns the puid under which the directory has the person whom a names, or the one that the person would have. Somebody
// who was enrolled before there was a directory is taken over.
func (s *Service) known(ctx context.Context, a *schema.Analysis) (schema.PUID, error) {
	p, err := s.Directory.Person(ctx, a.Collection, a.Persons()...)
	if err != nil {
		return "", err
	}
	if p != nil {
		return p.PUID, nil
	}
	for _, puid := range a.Persons() {
		rows, err := s.rowsOf(ctx, a.Collection, puid)
		if err != nil {
			return "", err
		}
		if len(rows) > 0 {
			return puid, directory.Take(ctx, s.Directory, a.Collection, rows)
		}
	}
	return a.Person(), nil
}

// rowsOf returns what the gallery holds of people.
func (s *Service) rowsOf(ctx context.Context, c schema.Collection, people ...schema.PUID) ([]gallery.Row, error) {
	return directory.RowsOf(ctx, s.Gallery, c, people...)
}

func (s *Service) createPerson(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	puid, err := s.known(ctx, a)
	if err != nil {
		return nil, err
	}
	return s.changePerson(ctx, a, put(a, puid))
}

func (s *Service) updatePerson(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	puid, err := s.known(ctx, a)
	if err != nil {
		return nil, err
	}
	p := put(a, puid)
	p.Must = true
	return s.changePerson(ctx, a, p)
}

func (s *Service) changePerson(ctx context.Context, a *schema.Analysis, p directory.Put) (*schema.Result, error) {
	done, err := s.apply(ctx, a, p)
	if err != nil {
		return nil, err
	}
	r := newResult(a, "", "")
	r.Person = &schema.PersonChange{PUID: p.PUID, Message: changed(done)}
	return r, nil
}

func changed(done directory.Done) string {
	if done.Created {
		return "created"
	}
	return "updated"
}

// listPersons answers the person whom a names, with a page of the images, or a page of those whom it filters.
func (s *Service) listPersons(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	r := newResult(a, "", "")
	if a.PUID == "" && a.ExternalID == "" {
		q := directory.Query{After: a.After(), Limit: a.Limit()}
		if a.Filter != nil {
			q.Filter = *a.Filter
		}
		page, err := s.Directory.Persons(ctx, a.Collection, q)
		if err != nil {
			return nil, err
		}
		r.Persons = &schema.PersonList{Persons: append([]schema.Person{}, page.Persons...), Next: page.Next}
		return r, nil
	}
	p, err := s.Directory.Person(ctx, a.Collection, a.Persons()...)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return newResult(a, schema.ReasonUnknownPUID, nobody), nil
	}
	page, err := s.Directory.Images(ctx, a.Collection, p.PUID, a.After(), a.Limit())
	if err != nil {
		return nil, err
	}
	r.Persons = &schema.PersonList{Persons: []schema.Person{*p}, Images: page.Images, Next: page.Next}
	return r, nil
}

func (s *Service) changeGroup(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	fields := schema.GroupFields{}
	if a.Group != nil {
		fields = *a.Group
	}
	fields.ID = a.GroupID()
	var act directory.Act = directory.PutGroup{Group: fields, Must: a.Operation == schema.OpGroupUpdate}
	if a.Operation == schema.OpGroupDelete {
		act = directory.DropGroup{ID: fields.ID}
	}
	done, err := s.apply(ctx, a, act)
	if err != nil {
		return nil, err
	}
	r := newResult(a, "", "")
	r.Group = &schema.GroupChange{ID: fields.ID, Message: changed(done)}
	if a.Operation == schema.OpGroupDelete {
		r.Group.Message = "deleted"
	}
	return r, nil
}

func (s *Service) listGroups(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	page, err := s.Directory.Groups(ctx, a.Collection, a.After(), a.Limit())
	if err != nil {
		return nil, err
	}
	r := newResult(a, "", "")
	r.Groups = &schema.GroupList{Groups: append([]schema.Group{}, page.Groups...), Next: page.Next}
	return r, nil
}

// admits refuses an enrolment that the directory could not register: with groups that are not there, or with fields where
// there is no directory.
func (s *Service) admits(ctx context.Context, a *schema.Analysis) error {
	if a.Fields == nil {
		return nil
	}
	if s.Directory == nil {
		return noDirectory("enroll with person")
	}
	wanted := slices.Compact(slices.Sorted(slices.Values(a.Fields.Groups)))
	if len(wanted) == 0 {
		return nil
	}
	page, err := s.Directory.Groups(ctx, a.Collection, "", len(wanted), wanted...)
	if err == nil && len(page.Groups) < len(wanted) {
		err = schema.Permanent("indexer.enroll", schema.ReasonUnknownGroup, errors.New("the collection has no such group"))
	}
	return err
}

// joins reports whether an enrolment under a puid must find images of the person in the gallery. A person whom the directory
// has may have none yet.
func (s *Service) joins(ctx context.Context, a *schema.Analysis) (bool, error) {
	if a.PUID == "" || s.Directory == nil {
		return a.PUID != "", nil
	}
	p, err := s.Directory.Person(ctx, a.Collection, a.PUID)
	return p == nil, err
}

// landed adds an enrolled row to the directory if it is in the gallery. If not, it was deleted, and this is a late repeat of its enrolment,
// for which the worker made the pictures again: they are removed.
func (s *Service) landed(ctx context.Context, a *schema.Analysis, row gallery.Row) error {
	if s.Directory == nil && (s.Objects == nil || len(row.Source.Made) == 0) {
		return nil
	}
	const siblings = 16 // ids that differ in the last digit
	page, err := s.Gallery.List(ctx, a.Collection, row.ID[:len(row.ID)-1], siblings, row.PUID)
	switch {
	case err != nil && schema.ReasonOf(err) != schema.ReasonUnknownCollection:
		return err
	case !slices.ContainsFunc(page.Rows, func(r gallery.Row) bool { return r.ID == row.ID }):
		return s.remove(ctx, row.Source.Made)
	case s.Directory == nil:
		return nil
	}
	_, err = s.apply(ctx, a, directory.Enrol{Put: put(a, row.PUID), Image: directory.ImageOf(row)})
	return err
}

// forget erases the person puid from the directory, except the images that the gallery still holds because they are younger than the deletion, and reports
// whether anybody was there.
func (s *Service) forget(ctx context.Context, a *schema.Analysis, puid schema.PUID) (bool, error) {
	if s.Directory == nil {
		return false, nil
	}
	act, err := directory.ErasureOf(ctx, s.Gallery, a.Collection, puid)
	if err != nil {
		return false, err
	}
	done, err := s.apply(ctx, a, act)
	return done.Existed, err
}

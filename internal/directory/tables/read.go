package tables

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"facestream/internal/directory"
	"facestream/pkg/schema"
)

var errLimit = errors.New("a page has at least one entry")

const personColumns = "p.puid, p.external_id, p.name, p.metadata, p.consent, p.created, p.updated, p.expires, " +
	"(SELECT count(*) FROM person_images i WHERE i.collection = p.collection AND i.puid = p.puid)"

func scanPerson(scan func(...any) error) (p schema.Person, err error) {
	var metadata, consent string
	var created, updated, expires int64
	if err := scan(&p.PUID, &p.ExternalID, &p.Name, &metadata, &consent, &created, &updated, &expires, &p.Images); err != nil {
		return p, err
	}
	if metadata != "" {
		p.Metadata = schema.Metadata(metadata)
	}
	if consent != "" {
		err = json.Unmarshal([]byte(consent), &p.Consent)
	}
	p.Created, p.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	if expires > 0 {
		end := time.UnixMicro(expires).UTC()
		p.Expires = &end
	}
	return p, err
}

// Person implements [directory.Reader].
func (s *Store) Person(ctx context.Context, c schema.Collection, puids ...schema.PUID) (*schema.Person, error) {
	const op = "directory.person"
	for _, puid := range puids {
		page, err := s.persons(ctx, c, directory.Query{Filter: schema.PersonFilter{PUIDs: []schema.PUID{puid}}, Limit: 1}, "")
		if err != nil {
			return nil, s.Fault(op, err)
		}
		if len(page.Persons) > 0 {
			return &page.Persons[0], nil
		}
	}
	return nil, nil
}

// Persons implements [directory.Reader]. Persons in one of several groups are found group by group, so that each is read in
// the order of an index.
func (s *Store) Persons(ctx context.Context, c schema.Collection, q directory.Query) (directory.PersonPage, error) {
	const op = "directory.persons"
	if err := checkLimit(op, q.Limit); err != nil {
		return directory.PersonPage{}, err
	}
	groups := q.Filter.Groups
	if len(groups) == 0 {
		groups = []schema.GroupID{""}
	}
	var found []schema.Person
	more := false
	for _, g := range groups {
		page, err := s.persons(ctx, c, q, g)
		if err != nil {
			return directory.PersonPage{}, s.Fault(op, err)
		}
		found = append(found, page.Persons...)
		more = more || page.Next != ""
	}
	if len(groups) > 1 {
		slices.SortFunc(found, func(a, b schema.Person) int { return strings.Compare(string(a.PUID), string(b.PUID)) })
		found = slices.CompactFunc(found, func(a, b schema.Person) bool { return a.PUID == b.PUID })
	}
	page := directory.PersonPage{Persons: found}
	if len(found) > q.Limit || more {
		page.Persons = found[:min(q.Limit, len(found))]
		page.Next = string(page.Persons[len(page.Persons)-1].PUID)
	}
	return page, nil
}

// persons is Persons for the members of one group, "" for everybody. The condition whose index is read comes first.
func (s *Store) persons(ctx context.Context, c schema.Collection, q directory.Query, group schema.GroupID) (directory.PersonPage, error) {
	columns := personColumns
	if q.Bare {
		columns = "p.puid"
	}
	from, by := "persons p", "p"
	var where []string
	var args []any
	and := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	metadata := q.Filter.Metadata.Indexed()
	names := make([]string, 0, len(metadata))
	for name := range metadata {
		names = append(names, name)
	}
	slices.Sort(names)
	switch {
	case len(q.Filter.PUIDs) > 0 || len(q.Filter.ExternalIDs) > 0:
	case len(names) > 0:
		from, by = "person_metadata m CROSS JOIN persons p", "m"
		and("m.collection = ? AND m.name = ? AND m.value = ? AND p.collection = m.collection AND p.puid = m.puid", text(c), names[0], metadata[names[0]])
		names = names[1:]
	case group != "":
		from, by = "person_members g CROSS JOIN persons p", "g"
		and("g.collection = ? AND g.id = ? AND p.collection = g.collection AND p.puid = g.puid", text(c), text(group))
		group = ""
	}
	if by == "p" {
		and("p.collection = ?", text(c))
	}
	if len(q.Filter.PUIDs) > 0 {
		and("p.puid IN ("+marks(len(q.Filter.PUIDs))+")", anys(q.Filter.PUIDs)...)
	}
	if len(q.Filter.ExternalIDs) > 0 {
		and("p.external_id IN ("+marks(len(q.Filter.ExternalIDs))+")", anys(q.Filter.ExternalIDs)...)
	}
	for _, name := range names {
		and("EXISTS (SELECT 1 FROM person_metadata x WHERE x.collection = p.collection AND x.name = ? AND x.value = ? AND x.puid = p.puid)", name, metadata[name])
	}
	if group != "" {
		and("EXISTS (SELECT 1 FROM person_members y WHERE y.collection = p.collection AND y.id = ? AND y.puid = p.puid)", text(group))
	}
	if q.After != "" {
		and(by+".puid > ?", q.After)
	}
	query := "SELECT " + columns + " FROM " + from + " WHERE " + strings.Join(where, " AND ") + " ORDER BY " + by + ".puid LIMIT ?"
	var page directory.PersonPage
	err := s.each(ctx, s.Read, func(scan func(...any) error) error {
		var p schema.Person
		var err error
		if q.Bare {
			err = scan(&p.PUID)
		} else {
			p, err = scanPerson(scan)
		}
		page.Persons = append(page.Persons, p)
		return err
	}, query, append(args, q.Limit+1)...)
	if err != nil {
		return page, err
	}
	if len(page.Persons) > q.Limit {
		page.Persons = page.Persons[:q.Limit]
		page.Next = string(page.Persons[q.Limit-1].PUID)
	}
	if q.Bare {
		return page, nil
	}
	return page, s.readGroups(ctx, c, page.Persons)
}

// readGroups adds to persons the groups that they are in.
func (s *Store) readGroups(ctx context.Context, c schema.Collection, persons []schema.Person) error {
	if len(persons) == 0 {
		return nil
	}
	at := map[schema.PUID]int{}
	args := []any{text(c)}
	for i, p := range persons {
		at[p.PUID] = i
		args = append(args, string(p.PUID))
	}
	return s.each(ctx, s.Read, func(scan func(...any) error) error {
		var puid schema.PUID
		var id schema.GroupID
		if err := scan(&puid, &id); err != nil {
			return err
		}
		p := &persons[at[puid]]
		p.Groups = append(p.Groups, id)
		return nil
	}, "SELECT puid, id FROM person_members WHERE collection = ? AND puid IN ("+marks(len(persons))+") ORDER BY puid, id", args...)
}

// Images implements [directory.Reader].
func (s *Store) Images(ctx context.Context, c schema.Collection, puid schema.PUID, after string, limit int) (directory.ImagePage, error) {
	const op = "directory.images"
	if err := checkLimit(op, limit); err != nil {
		return directory.ImagePage{}, err
	}
	var page directory.ImagePage
	err := s.each(ctx, s.Read, func(scan func(...any) error) error {
		i, err := scanImage(scan)
		i.PUID = puid
		page.Images = append(page.Images, i)
		return err
	}, "SELECT id, object, created FROM person_images WHERE collection = ? AND puid = ? AND id > ? ORDER BY id LIMIT ?", text(c), text(puid), after, limit+1)
	if len(page.Images) > limit {
		page.Images = page.Images[:limit]
		page.Next = page.Images[limit-1].GUID
	}
	return page, s.fault(op, err)
}

func scanImage(scan func(...any) error) (i schema.PersonImage, err error) {
	var object string
	var created int64
	if err = scan(&i.GUID, &object, &created); err == nil && object != "" {
		err = json.Unmarshal([]byte(object), &i.Object)
	}
	i.Created = time.UnixMicro(created).UTC()
	return i, err
}

// Groups implements [directory.Reader].
func (s *Store) Groups(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.GroupID) (directory.GroupPage, error) {
	const op = "directory.groups"
	if err := checkLimit(op, limit); err != nil {
		return directory.GroupPage{}, err
	}
	where, args := "collection = ? AND id > ?", []any{text(c), after}
	if len(among) > 0 {
		where += " AND id IN (" + marks(len(among)) + ")"
		args = append(args, anys(among)...)
	}
	var page directory.GroupPage
	err := s.each(ctx, s.Read, func(scan func(...any) error) error {
		var g schema.Group
		var metadata string
		var created, updated int64
		err := scan(&g.ID, &g.Name, &metadata, &created, &updated)
		if metadata != "" {
			g.Metadata = schema.Metadata(metadata)
		}
		g.Created, g.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
		page.Groups = append(page.Groups, g)
		return err
	}, "SELECT id, name, metadata, created, updated FROM person_groups WHERE "+where+" ORDER BY id LIMIT ?", append(args, limit+1)...)
	if len(page.Groups) > limit {
		page.Groups = page.Groups[:limit]
		page.Next = string(page.Groups[limit-1].ID)
	}
	return page, s.fault(op, err)
}

// Expired implements [directory.Keeper].
func (s *Store) Expired(ctx context.Context, at time.Time, limit int) ([]directory.Due, error) {
	var due []directory.Due
	err := s.each(ctx, s.Read, func(scan func(...any) error) error {
		var d directory.Due
		var expires int64
		err := scan(&d.Collection, &d.PUID, &expires)
		d.Expires = time.UnixMicro(expires).UTC()
		due = append(due, d)
		return err
	}, "SELECT collection, puid, expires FROM persons WHERE expires > 0 AND expires <= ? ORDER BY expires LIMIT ?", at.UnixMicro(), limit)
	return due, s.fault("directory.expired", err)
}

// Filled implements [directory.Keeper].
func (s *Store) Filled(ctx context.Context, c schema.Collection) (bool, error) {
	n := 0
	err := s.one(ctx, s.Read, "SELECT count(*) FROM person_fills WHERE collection = ?", []any{text(c)}, &n)
	return n > 0, s.fault("directory.filled", err)
}

// Fill implements [directory.Keeper].
func (s *Store) Fill(ctx context.Context, c schema.Collection) error {
	_, err := s.exec(ctx, s.Write, "INSERT INTO person_fills (collection) VALUES (?) ON CONFLICT DO NOTHING", text(c))
	return s.fault("directory.fill", err)
}

// fault is Fault for an error that may be nil.
func (s *Store) fault(op string, err error) error {
	if err == nil {
		return nil
	}
	return s.Fault(op, err)
}

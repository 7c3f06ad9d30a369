package tables

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"facestream/internal/directory"
	"facestream/pkg/schema"
)

// remembered is the answer to a request as it is kept. It names nobody.
type remembered struct {
	directory.Done
	Reason schema.Reason `json:"reason,omitempty"`
}

// Apply makes one change in a transaction. The answer is final only once the transaction is committed; err is that of the
// database, after which nothing of the transaction may be committed. No other transaction may change the same thing beside it. erased says that something was removed for good.
func (s *Store) Apply(ctx context.Context, tx *sql.Tx, c directory.Change) (out schema.Outcome[directory.Done], erased bool, err error) {
	const op = "directory.apply"
	memory := c.Remembered()
	var answer remembered
	if c.Request != "" {
		var kept string
		err := s.one(ctx, tx, "SELECT answer FROM person_acts WHERE memory = ?", []any{memory[:]}, &kept)
		if err == nil {
			if err := json.Unmarshal([]byte(kept), &answer); err != nil {
				return out, false, fmt.Errorf("the memory of answers: %w", err)
			}
			return answer.outcome(op), false, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return out, false, err
		}
	}
	w := writer{s, tx, c}
	switch act := c.Act.(type) {
	case directory.Put:
		answer, err = w.put(ctx, act)
	case directory.Enrol:
		answer, err = w.enrol(ctx, act)
	case directory.Adopt:
		answer, err = w.adopt(ctx, act)
	case directory.Erase:
		answer, err = w.erase(ctx, act)
		erased = answer.Existed
	case directory.Judge:
		answer = remembered{Done: directory.Done{Judgement: act.Judgement}, Reason: act.Refused}
	case directory.PutGroup:
		answer, err = w.putGroup(ctx, act)
	case directory.DropGroup:
		answer, err = w.dropGroup(ctx, act)
	default:
		err = fmt.Errorf("there is no act %T", act)
	}
	if err == nil && c.Request != "" {
		var kept []byte
		if kept, err = json.Marshal(answer); err == nil {
			_, err = s.exec(ctx, tx, "INSERT INTO person_acts (memory, answer) VALUES (?, ?)", memory[:], string(kept))
		}
	}
	return answer.outcome(op), erased, err
}

func (r remembered) outcome(op string) schema.Outcome[directory.Done] {
	if r.Reason == "" {
		return schema.Outcome[directory.Done]{Value: r.Done}
	}
	text := map[schema.Reason]string{
		schema.ReasonUnknownPUID:      "nobody in the collection has this puid or external id",
		schema.ReasonUnknownGroup:     "the collection has no such group",
		schema.ReasonDuplicateFace:    "the collection knows this face under another name",
		schema.ReasonUnlikePerson:     "the person's enrolled images show another face",
		schema.ReasonDeletedMeanwhile: "the person was deleted by a request that came after this one and was done first",
	}[r.Reason]
	return schema.Outcome[directory.Done]{Value: r.Done, Err: schema.Permanent(op, r.Reason, errors.New(text))}
}

func refused(reason schema.Reason) remembered { return remembered{Reason: reason} }

// writer makes a change inside a transaction.
type writer struct {
	*Store
	tx *sql.Tx
	c  directory.Change
}

func (w writer) collection() string { return text(w.c.Collection) }

func (w writer) do(ctx context.Context, query string, args ...any) error {
	_, err := w.exec(ctx, w.tx, query, args...)
	return err
}

func (w writer) put(ctx context.Context, a directory.Put) (remembered, error) {
	stone, err := w.tombstone(ctx)
	if err != nil {
		return remembered{}, err
	}
	if stone.Covers(w.c.Order) {
		return refused(schema.ReasonDeletedMeanwhile), nil
	}
	for _, g := range a.Fields.Groups {
		if there, err := w.hasGroup(ctx, g); err != nil || !there {
			return refused(schema.ReasonUnknownGroup), err
		}
	}
	return w.write(ctx, a)
}

// write makes or changes a person, whose groups are there or left out.
func (w writer) write(ctx context.Context, a directory.Put) (remembered, error) {
	there, err := w.hasPerson(ctx, a.PUID)
	if err != nil {
		return remembered{}, err
	}
	if !there && a.Must {
		return refused(schema.ReasonUnknownPUID), nil
	}
	if !there {
		if err := w.insert(ctx, a.PUID, a.ExternalID, w.c.At); err != nil {
			return remembered{}, err
		}
	}
	return remembered{Done: directory.Done{Created: !there}}, w.set(ctx, a)
}

func (w writer) insert(ctx context.Context, puid schema.PUID, external schema.ExternalID, at time.Time) error {
	return w.do(ctx, "INSERT INTO persons (collection, puid, external_id, name, metadata, consent, created, updated, expires, placed) VALUES (?, ?, ?, '', '', '', ?, ?, 0, '')",
		w.collection(), text(puid), text(external), at.UnixMicro(), at.UnixMicro())
}

// set changes what the fields of a say of a person who is there.
func (w writer) set(ctx context.Context, a directory.Put) error {
	f := a.Fields
	update := func(column string, value any) error {
		return w.do(ctx, "UPDATE persons SET "+column+" = ? WHERE collection = ? AND puid = ?", value, w.collection(), text(a.PUID))
	}
	changes := map[string]any{"updated": w.c.At.UnixMicro()}
	if w.c.Order != nil {
		order, err := json.Marshal(w.c.Order)
		if err != nil {
			return err
		}
		changes["placed"] = string(order)
	}
	if a.Consent != nil {
		consent, err := json.Marshal(a.Consent)
		if err != nil {
			return err
		}
		changes["consent"] = text(string(consent))
	}
	if f.Name != nil {
		changes["name"] = text(*f.Name)
	}
	if f.TTL != nil {
		changes["expires"] = int64(0)
		if *f.TTL > 0 {
			changes["expires"] = w.c.At.Add(time.Duration(*f.TTL) * time.Second).UnixMicro()
		}
	}
	if len(f.Metadata) > 0 {
		compact, values := text(string(f.Metadata.Compact())), f.Metadata.Indexed()
		if compact == "{}" {
			compact = ""
		}
		changes["metadata"] = compact
		if err := w.do(ctx, "DELETE FROM person_metadata WHERE collection = ? AND puid = ?", w.collection(), text(a.PUID)); err != nil {
			return err
		}
		for name, value := range values {
			if err := w.do(ctx, "INSERT INTO person_metadata (collection, name, value, puid) VALUES (?, ?, ?, ?)", w.collection(), name, value, text(a.PUID)); err != nil {
				return err
			}
		}
	}
	if f.Groups != nil {
		if err := w.setGroups(ctx, a.PUID, f.Groups); err != nil {
			return err
		}
	}
	for column, value := range changes {
		if err := update(column, value); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) setGroups(ctx context.Context, puid schema.PUID, groups []schema.GroupID) error {
	if err := w.do(ctx, "DELETE FROM person_members WHERE collection = ? AND puid = ?", w.collection(), text(puid)); err != nil {
		return err
	}
	for _, g := range groups {
		there, err := w.hasGroup(ctx, g)
		if err == nil && there {
			err = w.do(ctx, "INSERT INTO person_members (collection, id, puid) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", w.collection(), text(g), text(puid))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w writer) hasPerson(ctx context.Context, puid schema.PUID) (bool, error) {
	return w.has(ctx, "SELECT 1 FROM persons WHERE collection = ? AND puid = ?", w.collection(), text(puid))
}

// hasGroup reports whether a group is there; it then stays until the end of the transaction.
func (w writer) hasGroup(ctx context.Context, g schema.GroupID) (bool, error) {
	return w.has(ctx, "SELECT 1 FROM person_groups WHERE collection = ? AND id = ?"+w.Share, w.collection(), text(g))
}

func (w writer) has(ctx context.Context, query string, args ...any) (bool, error) {
	n := 0
	err := w.one(ctx, w.tx, query, args, &n)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return n > 0, err
}

func (w writer) enrol(ctx context.Context, a directory.Enrol) (remembered, error) {
	answer, err := w.write(ctx, a.Put)
	if err == nil {
		err = w.addImages(ctx, a.PUID, a.Image)
	}
	return answer, err
}

func (w writer) addImages(ctx context.Context, puid schema.PUID, images ...schema.PersonImage) error {
	for _, i := range images {
		object := ""
		if i.Object != nil {
			ref, err := json.Marshal(i.Object)
			if err != nil {
				return err
			}
			object = text(string(ref))
		}
		if err := w.do(ctx, "INSERT INTO person_images (collection, puid, id, object, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT (collection, puid, id) DO UPDATE SET object = excluded.object, created = excluded.created",
			w.collection(), text(puid), i.GUID, object, i.Created.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) adopt(ctx context.Context, a directory.Adopt) (remembered, error) {
	there, err := w.hasPerson(ctx, a.PUID)
	if err != nil {
		return remembered{}, err
	}
	if !there {
		since := w.c.At
		for _, i := range a.Images {
			if i.Created.Before(since) {
				since = i.Created
			}
		}
		if err := w.insert(ctx, a.PUID, a.ExternalID, since); err != nil {
			return remembered{}, err
		}
		if a.Consent != nil {
			consent, err := json.Marshal(a.Consent)
			if err == nil {
				err = w.do(ctx, "UPDATE persons SET consent = ? WHERE collection = ? AND puid = ?", text(string(consent)), w.collection(), text(a.PUID))
			}
			if err != nil {
				return remembered{}, err
			}
		}
	}
	return remembered{Done: directory.Done{Created: !there}}, w.addImages(ctx, a.PUID, a.Images...)
}

func (w writer) erase(ctx context.Context, a directory.Erase) (remembered, error) {
	if err := w.bury(ctx); err != nil {
		return remembered{}, err
	}
	var external, placed string
	var created int64
	err := w.one(ctx, w.tx, "SELECT external_id, placed, created FROM persons WHERE collection = ? AND puid = ?", []any{w.collection(), text(a.PUID)}, &external, &placed, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return remembered{}, nil
	}
	if err != nil {
		return remembered{}, err
	}
	var order *schema.Order
	if placed != "" {
		if err := json.Unmarshal([]byte(placed), &order); err != nil {
			return remembered{}, fmt.Errorf("the order of a person: %w", err)
		}
	}
	younger := order.Younger(w.c.Order)
	gone := []string{"person_images"}
	if !younger {
		gone = append(gone, "person_members", "person_metadata", "persons")
	}
	for _, table := range gone {
		if err := w.do(ctx, "DELETE FROM "+table+" WHERE collection = ? AND puid = ?", w.collection(), text(a.PUID)); err != nil {
			return remembered{}, err
		}
	}
	if len(a.Left) > 0 && !younger {
		if err := w.insert(ctx, a.PUID, schema.ExternalID(external), a.Left[0].Created); err != nil {
			return remembered{}, err
		}
	}
	return remembered{Done: directory.Done{Existed: !younger}}, w.addImages(ctx, a.PUID, a.Left...)
}

// tombstone returns what is remembered of the deletions of the person whom the change is about.
func (w writer) tombstone(ctx context.Context) (stone schema.Tombstone, err error) {
	key := w.c.Tombstone()
	var orders string
	err = w.one(ctx, w.tx, "SELECT orders FROM person_tombstones WHERE memory = ?", []any{key[:]}, &orders)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(orders), &stone)
	}
	return stone, err
}

// bury remembers the order of a deletion.
func (w writer) bury(ctx context.Context) error {
	if w.c.Order == nil {
		return nil
	}
	stone, err := w.tombstone(ctx)
	if err != nil {
		return err
	}
	orders, err := json.Marshal(stone.Add(w.c.Order))
	if err != nil {
		return err
	}
	key := w.c.Tombstone()
	return w.do(ctx, "INSERT INTO person_tombstones (memory, orders) VALUES (?, ?) ON CONFLICT (memory) DO UPDATE SET orders = excluded.orders", key[:], string(orders))
}

func (w writer) putGroup(ctx context.Context, a directory.PutGroup) (remembered, error) {
	there, err := w.hasGroup(ctx, a.Group.ID)
	if err != nil {
		return remembered{}, err
	}
	if !there && a.Must {
		return refused(schema.ReasonUnknownGroup), nil
	}
	at := w.c.At.UnixMicro()
	if !there {
		err = w.do(ctx, "INSERT INTO person_groups (collection, id, name, metadata, created, updated) VALUES (?, ?, '', '', ?, ?)", w.collection(), text(a.Group.ID), at, at)
	}
	update := func(column string, value any) {
		if err == nil {
			err = w.do(ctx, "UPDATE person_groups SET "+column+" = ? WHERE collection = ? AND id = ?", value, w.collection(), text(a.Group.ID))
		}
	}
	update("updated", at)
	if a.Group.Name != nil {
		update("name", text(*a.Group.Name))
	}
	if len(a.Group.Metadata) > 0 {
		compact := text(string(a.Group.Metadata.Compact()))
		if compact == "{}" {
			compact = ""
		}
		update("metadata", compact)
	}
	return remembered{Done: directory.Done{Created: !there}}, err
}

func (w writer) dropGroup(ctx context.Context, a directory.DropGroup) (remembered, error) {
	n, err := w.exec(ctx, w.tx, "DELETE FROM person_groups WHERE collection = ? AND id = ?", w.collection(), text(a.ID))
	if err == nil && n == 0 {
		return refused(schema.ReasonUnknownGroup), nil
	}
	if err == nil {
		err = w.do(ctx, "DELETE FROM person_members WHERE collection = ? AND id = ?", w.collection(), text(a.ID))
	}
	return remembered{Done: directory.Done{Existed: true}}, err
}

package milvus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"
	"golang.org/x/sync/errgroup"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// The fields of a tombstone, beside keyField and a vector without meaning. Each deletion of a person has its own, so that no
// process overwrites that of another. The tombstones of refused rows, and of deletions in an unknown collection, have no person
// and no orders.
const (
	personField = "person" // a hash of collection and puid
	ordersField = "orders" // JSON
)

const maxOrders = 65535 // bytes; the server's limit

func tombstones(name string) *entity.Schema {
	return entity.NewSchema().WithName(name).
		WithField(text(keyField, keyLength).WithIsPrimaryKey(true)).
		WithField(text(personField, keyLength)).
		WithField(text(ordersField, maxOrders)).
		WithField(vectors(2))
}

// tombstone is one as it is stored.
type tombstone struct {
	key, person string
	orders      schema.Tombstone
}

func hexKey(key gallery.DeletionKey) string { return hex.EncodeToString(key[:]) }

// tombstoneOf is that of one deletion of a person.
func tombstoneOf(person gallery.DeletionKey, request string, orders schema.Tombstone) tombstone {
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q", hexKey(person), request))
	return tombstone{hex.EncodeToString(key[:]), hexKey(person), orders}
}

// bury writes tombstones.
func (g *Gallery) bury(ctx context.Context, stones ...tombstone) error {
	for part := range slices.Chunk(stones, batchRows) {
		var keys, persons, orders []string
		for _, s := range part {
			text := ""
			if len(s.orders) > 0 {
				b, err := json.Marshal(s.orders)
				if err != nil {
					return err
				}
				text = string(b)
			}
			keys, persons, orders = append(keys, s.key), append(persons, s.person), append(orders, text)
		}
		err := g.upsert(ctx, g.tombstones(),
			entity.NewColumnVarChar(keyField, keys), entity.NewColumnVarChar(personField, persons), entity.NewColumnVarChar(ordersField, orders),
			entity.NewColumnFloatVector(vectorField, 2, slices.Repeat([][]float32{{1, 0}}, len(keys))))
		if err != nil {
			return err
		}
	}
	return nil
}

// buried returns the tombstones with one of keys, or of one of persons.
func (g *Gallery) buried(ctx context.Context, keys, persons []string) ([]tombstone, error) {
	var either []string
	if len(keys) > 0 {
		either = append(either, oneOf(keyField, keys))
	}
	if len(persons) > 0 {
		either = append(either, oneOf(personField, persons))
	}
	expression := strings.Join(either, " || ")
	found, err := g.query(ctx, g.tombstones(), expression, window, keyField, personField, ordersField)
	switch {
	case err != nil:
		return nil, err
	case found.Len() == 0:
		return nil, nil
	case found.Len() == window && len(persons) > 1: // there may be more
		left, err := g.buried(ctx, keys, persons[:len(persons)/2])
		if err != nil {
			return nil, err
		}
		right, err := g.buried(ctx, keys, persons[len(persons)/2:])
		return append(left, right...), err
	case found.Len() == window:
		return nil, fmt.Errorf("a person was deleted %d times, which is more than one query of the server returns; enrol them under another name", window)
	}
	names, owners, orders := found.GetColumn(keyField), found.GetColumn(personField), found.GetColumn(ordersField)
	if names == nil || owners == nil || orders == nil || owners.Len() != names.Len() || orders.Len() != names.Len() {
		return nil, errors.New("the server's answer lacks what is remembered of deletions")
	}
	out := make([]tombstone, names.Len())
	for i := range out {
		var text string
		var err1, err2, err3 error
		out[i].key, err1 = names.GetAsString(i)
		out[i].person, err2 = owners.GetAsString(i)
		if text, err3 = orders.GetAsString(i); err3 == nil && text != "" {
			err3 = json.Unmarshal([]byte(text), &out[i].orders)
		}
		if err := cmp.Or(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("what the server remembers of deletions: %w", err)
		}
	}
	return out, nil
}

// fate is what deletions mean for a row that is to be written.
type fate int

const (
	fateNone     fate = iota
	fateDeleted       // it was enrolled and deleted: this is a late repeat
	fateOutlived      // it never was enrolled, and must not be any more
	fateLanded        // it is there: this is a repeat that does not know how young the enrolment is
)

// fates returns the fates of rows, of which it looks at those with the given indexes.
func (g *Gallery) fates(ctx context.Context, c schema.Collection, rows []gallery.Row, at []int) (map[int]fate, error) {
	var ids, keys, persons []string
	for _, i := range at {
		ids, keys = append(ids, rows[i].ID), append(keys, hexKey(gallery.RefusedKey(c, rows[i].ID)))
		if rows[i].FormerID != "" {
			ids = append(ids, rows[i].FormerID)
		}
		for _, key := range rows[i].TombstoneKeys(c) {
			persons = append(persons, hexKey(key))
		}
	}
	slices.Sort(persons)
	persons = slices.Compact(persons)
	var deleted map[string]bool
	var stones []tombstone
	both, within := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		deleted, err = g.recallRows(within, c, ids)
		return err
	})
	both.Go(func() (err error) {
		stones, err = g.buried(within, keys, persons)
		return err
	})
	if err := both.Wait(); err != nil {
		return nil, err
	}
	refused, of := map[string]bool{}, map[string]schema.Tombstone{}
	for _, s := range stones {
		refused[s.key] = s.person == ""
		of[s.person] = append(of[s.person], s.orders...)
	}
	fates := map[int]fate{}
	for j, i := range at {
		r := rows[i]
		outlived := slices.ContainsFunc(r.TombstoneKeys(c), func(key gallery.DeletionKey) bool { return of[hexKey(key)].Covers(r.Order) })
		switch {
		case refused[keys[j]]:
			fates[i] = fateOutlived
		case deleted[r.ID] || r.FormerID != "" && deleted[r.FormerID]:
			fates[i] = fateDeleted
		case outlived:
			fates[i] = fateOutlived
		}
	}
	return fates, nil
}

// landed changes the fates of the rows that are there already, though a deletion outlived them or a listing alone found them.
func (g *Gallery) landed(ctx context.Context, rows []gallery.Row, at []int, fates map[int]fate, find func(gallery.Tie) (collection, error)) error {
	var ids []string
	doubtful := func(i int) bool {
		return fates[i] == fateOutlived || fates[i] == fateNone && rows[i].Order.Listed()
	}
	for _, i := range at {
		if doubtful(i) {
			ids = append(ids, rows[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	col, err := find(gallery.Tie{})
	switch {
	case schema.ReasonOf(err) == schema.ReasonUnknownCollection:
		return nil
	case err != nil:
		return err
	}
	there := map[string]bool{}
	for part := range slices.Chunk(ids, batchRows) {
		found, err := g.ids(ctx, col, oneOf(idField, part))
		if err != nil {
			return err
		}
		for _, id := range found {
			there[id] = true
		}
	}
	for _, i := range at {
		if doubtful(i) && there[rows[i].ID] {
			fates[i] = fateLanded
		}
	}
	return nil
}

// rememberRefused remembers that rows were refused.
func (g *Gallery) rememberRefused(ctx context.Context, c schema.Collection, ids []string) error {
	stones := make([]tombstone, len(ids))
	for i, id := range ids {
		stones[i].key = hexKey(gallery.RefusedKey(c, id))
	}
	return g.bury(ctx, stones...)
}

// outlive remembers the order of a deletion before it erases anything. A repeat gets the order that came first. nobody says
// that the collection was unknown when the deletion came first.
func (g *Gallery) outlive(ctx context.Context, c schema.Collection, d *gallery.Deletion, unknown bool) (nobody bool, err error) {
	own := tombstoneOf(gallery.TombstoneKey(c, d.PUID), string(d.Request), schema.Tombstone{}.Add(d.Order))
	in := tombstone{key: hexKey(d.NobodyKey(c))}
	known, err := g.buried(ctx, []string{own.key, in.key}, nil)
	if err != nil {
		return false, err
	}
	buried := false
	for _, s := range known {
		switch {
		case s.key == in.key:
			nobody = true
		case len(s.orders) == 1:
			d.Order, buried = &s.orders[0], true
		}
	}
	if nobody {
		return true, nil
	}
	var stones []tombstone
	if !buried && d.Order != nil {
		stones = append(stones, own)
	}
	if unknown {
		stones = append(stones, in)
	}
	if len(stones) == 0 {
		return unknown, nil
	}
	return unknown, g.bury(ctx, stones...)
}

// Tombstones implements [gallery.Reader].
func (g *Gallery) Tombstones(ctx context.Context, c schema.Collection, people ...schema.PUID) (map[schema.PUID]schema.Tombstone, error) {
	out := map[schema.PUID]schema.Tombstone{}
	for part := range slices.Chunk(people, batchRows) {
		of := map[string]schema.PUID{}
		for _, p := range part {
			of[hexKey(gallery.TombstoneKey(c, p))] = p
		}
		stones, err := g.buried(ctx, nil, slices.Collect(maps.Keys(of)))
		if err != nil {
			return nil, transient("gallery.tombstones", err)
		}
		for _, s := range stones {
			for i := range s.orders {
				out[of[s.person]] = out[of[s.person]].Add(&s.orders[i])
			}
		}
	}
	return out, nil
}

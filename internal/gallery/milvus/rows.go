package milvus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// The fields of a row.
const (
	idField       = "id"
	puidField     = "puid"
	externalField = "external_id"
	createdField  = "created" // microseconds since 1970
	metadataField = "metadata"
	vectorField   = "vector"
)

var rowFields = []string{idField, puidField, externalField, createdField, metadataField}

// The fields of the memory of deletions. The vector has no meaning: the server demands one. The count of a request that is to
// delete n rows is n, and -1-n when it has done so. The count of a deleted row is 0.
const (
	keyField   = "key"
	countField = "count"
)

const (
	maxID       = 512  // bytes of a row id or a puid
	maxExternal = 1024 // bytes of an external id
	keyLength   = 64
	shards      = 1 // all writes of a collection are in one log, because upserts rely on their order

	batchRows = 1000  // of an upsert or a delete, about 2 MB with embeddings of 512 components
	window    = 16384 // rows that the server returns at most
	maxPage   = window/2 - 1
)

func faces(name string, dimension int) *entity.Schema {
	return entity.NewSchema().WithName(name).
		WithField(text(idField, maxID).WithIsPrimaryKey(true)).
		WithField(text(puidField, maxID)).
		WithField(text(externalField, maxExternal)).
		WithField(entity.NewField().WithName(createdField).WithDataType(entity.FieldTypeInt64)).
		WithField(entity.NewField().WithName(metadataField).WithDataType(entity.FieldTypeJSON)).
		WithField(vectors(dimension))
}

func deletions(name string) *entity.Schema {
	return entity.NewSchema().WithName(name).
		WithField(text(keyField, keyLength).WithIsPrimaryKey(true)).
		WithField(entity.NewField().WithName(countField).WithDataType(entity.FieldTypeInt64)).
		WithField(vectors(2))
}

func text(name string, length int64) *entity.Field {
	return entity.NewField().WithName(name).WithDataType(entity.FieldTypeVarChar).WithMaxLength(length)
}

func vectors(dimension int) *entity.Field {
	return entity.NewField().WithName(vectorField).WithDataType(entity.FieldTypeFloatVector).WithDim(int64(dimension))
}

// literal writes s as a string literal of the server's expressions.
func literal(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}

// oneOf is an expression that is true if field has one of values.
func oneOf(field string, values []string) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = literal(v)
	}
	return field + " in [" + strings.Join(list, ",") + "]"
}

// ofPersons is an expression that is true for the rows of persons.
func ofPersons(persons []schema.PUID) string {
	names := make([]string, len(persons))
	for i, p := range persons {
		names[i] = string(p)
	}
	return oneOf(puidField, names)
}

// entry is a row as it is stored.
type entry struct {
	id, puid, external string
	created            int64
	metadata           []byte
	vector             []float32
}

// metadata is what a row has beside the fields that are searched.
type metadata struct {
	Consent *schema.Consent `json:"consent,omitempty"`
	Source  *gallery.Source `json:"source,omitempty"`
	Order   *schema.Order   `json:"order,omitempty"`
}

// newEntry checks r and copies what is stored of it. The error is permanent with reason invalid_request.
func newEntry(op string, r gallery.Row) (*entry, gallery.Tie, error) {
	if err := gallery.CheckNames(op, r); err != nil {
		return nil, gallery.Tie{}, err
	}
	for _, x := range []struct {
		name, text string
		limit      int
	}{{"row id", r.ID, maxID}, {"puid", string(r.PUID), maxID}, {"external id", string(r.ExternalID), maxExternal}} {
		if len(x.text) > x.limit || !utf8.ValidString(x.text) {
			return nil, gallery.Tie{}, schema.Permanent(op, schema.ReasonInvalidRequest, fmt.Errorf("the %s must be UTF-8 of at most %d bytes", x.name, x.limit))
		}
	}
	vector, tie, err := gallery.Unit(op, r.Embedding)
	if err != nil {
		return nil, gallery.Tie{}, err
	}
	m, err := json.Marshal(metadata{r.Consent, r.Source, r.Order})
	if err != nil {
		return nil, gallery.Tie{}, schema.Permanent(op, schema.ReasonInvalidRequest, fmt.Errorf("consent, source or order cannot be written as JSON: %w", err))
	}
	return &entry{r.ID, string(r.PUID), string(r.ExternalID), r.Created.UnixMicro(), m, vector}, tie, nil
}

// write upserts entries. No two of them have the same id.
func (g *Gallery) write(ctx context.Context, col collection, entries []*entry) error {
	n := len(entries)
	ids, puids, externals := make([]string, n), make([]string, n), make([]string, n)
	created, meta, vectors := make([]int64, n), make([][]byte, n), make([][]float32, n)
	for i, e := range entries {
		ids[i], puids[i], externals[i], created[i], meta[i], vectors[i] = e.id, e.puid, e.external, e.created, e.metadata, e.vector
	}
	return g.upsert(ctx, col.name,
		entity.NewColumnVarChar(idField, ids), entity.NewColumnVarChar(puidField, puids), entity.NewColumnVarChar(externalField, externals),
		entity.NewColumnInt64(createdField, created), entity.NewColumnJSONBytes(metadataField, meta),
		entity.NewColumnFloatVector(vectorField, col.tie.Dimension, vectors))
}

func (g *Gallery) upsert(ctx context.Context, name string, columns ...entity.Column) error {
	return g.call(ctx, g.cfg.Timeout, func(ctx context.Context) error {
		_, err := g.client.Upsert(ctx, name, "", columns...)
		return err
	})
}

// query returns up to limit rows for which expression is true now. The server promises no order.
func (g *Gallery) query(ctx context.Context, name, expression string, limit int, fields ...string) (client.ResultSet, error) {
	var rows client.ResultSet
	options := []client.SearchQueryOptionFunc{client.WithSearchQueryConsistencyLevel(entity.ClStrong)}
	if limit > 0 {
		options = append(options, client.WithLimit(int64(limit)))
	}
	err := g.read(ctx, name, func(ctx context.Context) error {
		var err error
		rows, err = g.client.Query(ctx, name, nil, expression, fields, options...)
		return err
	})
	return rows, err
}

// count returns how many rows the Milvus collection name has.
func (g *Gallery) count(ctx context.Context, name string) (int, error) {
	return g.countOf(ctx, name, "")
}

// countOf returns for how many of them expression is true. "" is true for all.
func (g *Gallery) countOf(ctx context.Context, name, expression string) (int, error) {
	const all = "count(*)"
	found, err := g.query(ctx, name, expression, 0, all)
	if err != nil {
		return 0, err
	}
	return number(found, all)
}

// number reads an answer that is one number.
func number(found client.ResultSet, field string) (int, error) {
	column := found.GetColumn(field)
	if column == nil || column.Len() != 1 {
		return 0, errors.New("the server's answer lacks the number")
	}
	n, err := column.GetAsInt64(0)
	return int(n), err
}

// following returns the n rows with the lowest ids after a given one, of those for which the expression theirs is true ("" is
// true for all). No server promises the order of an answer. Therefore following reads a window of rows and narrows it: n rows
// are at or below the n-th of the window, so no row above that one is wanted. A window that is not full holds all rows that
// are left.
func (g *Gallery) following(ctx context.Context, col collection, theirs, after string, n int) ([]gallery.Row, error) {
	size := min(max(2*n, 1024), window)
	from := idField + " > " + literal(after)
	if theirs != "" {
		from = theirs + " && " + from
	}
	for expression := from; ; {
		found, err := g.query(ctx, col.name, expression, size, rowFields...)
		if err != nil {
			return nil, err
		}
		rows, err := decode(found)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(rows, func(a, b gallery.Row) int { return strings.Compare(a.ID, b.ID) })
		if len(rows) < size {
			return rows[:min(n, len(rows))], nil
		}
		expression = fmt.Sprintf("%s && %s <= %s", from, idField, literal(rows[n-1].ID))
	}
}

// decode reads rows without their embeddings.
func decode(columns client.ResultSet) ([]gallery.Row, error) {
	rows := make([]gallery.Row, columns.Len())
	if len(rows) == 0 {
		return nil, nil
	}
	for _, name := range rowFields {
		if c := columns.GetColumn(name); c == nil || c.Len() != len(rows) {
			return nil, fmt.Errorf("the server's answer lacks values of the field %s", name)
		}
	}
	for i := range rows {
		id, err1 := columns.GetColumn(idField).GetAsString(i)
		puid, err2 := columns.GetColumn(puidField).GetAsString(i)
		external, err3 := columns.GetColumn(externalField).GetAsString(i)
		created, err4 := columns.GetColumn(createdField).GetAsInt64(i)
		raw, err5 := columns.GetColumn(metadataField).Get(i)
		if err := cmp.Or(err1, err2, err3, err4, err5); err != nil {
			return nil, fmt.Errorf("a row in the server's answer: %w", err)
		}
		var m metadata
		if text, ok := raw.([]byte); !ok || json.Unmarshal(text, &m) != nil {
			return nil, errors.New("the metadata of a row in the server's answer is not what this program writes")
		}
		rows[i] = gallery.Row{
			ID: id, PUID: schema.PUID(puid), ExternalID: schema.ExternalID(external), Consent: m.Consent, Source: m.Source, Order: m.Order, Created: time.UnixMicro(created).UTC(),
		}
	}
	return rows, nil
}

// remove deletes the rows of a person, except those that are younger than the deletion, and returns how many there were when
// the deletion was first asked for. A deletion that was carried out before deletes nothing more.
//
// The order of the steps makes a repeat return the same, after a crash between any two of them and beside another process
// with the same deletion. The rows are counted before the memory is read, and the memory is written before any row is deleted.
// So a process that finds fewer rows, because the other has deleted some, finds the other's count in the memory too.
func (g *Gallery) remove(ctx context.Context, c schema.Collection, col collection, d gallery.Deletion) (int, error) {
	key := deletionKey(c, string(d.Request), string(d.PUID))
	ids, err := g.erasable(ctx, col, d)
	if err != nil {
		return 0, err
	}
	n := len(ids)
	before, err := g.recallIn(ctx, c, []string{key}, func(number int64, _ int) gallery.DeletionKey { return d.Key(number) })
	if err != nil {
		return 0, err
	}
	if count, ok := before[key]; ok && count < 0 {
		return -1 - count, nil
	} else if ok {
		n = count
	} else if err := g.remember(ctx, []string{key}, n); err != nil {
		return 0, err
	}
	for part := range slices.Chunk(ids, batchRows) {
		if err := g.remember(ctx, rowKeys(c, part), 0); err != nil {
			return 0, err
		}
		if err := g.erase(ctx, col, part); err != nil {
			return 0, err
		}
	}
	return n, g.remember(ctx, []string{key}, -1-n)
}

// erasable returns the ids of the rows that a deletion erases.
func (g *Gallery) erasable(ctx context.Context, col collection, d gallery.Deletion) ([]string, error) {
	var ids []string
	theirs := ofPersons([]schema.PUID{d.PUID})
	for after := ""; ; {
		rows, err := g.following(ctx, col, theirs, after, maxPage)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if !r.Order.Younger(d.Order) {
				ids = append(ids, r.ID)
			}
		}
		if len(rows) < maxPage {
			return ids, nil
		}
		after = rows[len(rows)-1].ID
	}
}

// ids returns the ids of up to window rows for which expression is true.
func (g *Gallery) ids(ctx context.Context, col collection, expression string) ([]string, error) {
	found, err := g.query(ctx, col.name, expression, window, idField)
	if err != nil || found.Len() == 0 {
		return nil, err
	}
	ids, ok := found.GetColumn(idField).(*entity.ColumnVarChar)
	if !ok {
		return nil, errors.New("the server's answer lacks the ids")
	}
	return ids.Data(), nil
}

// known returns which of persons have rows.
func (g *Gallery) known(ctx context.Context, col collection, persons []schema.PUID) (map[schema.PUID]bool, error) {
	known := map[schema.PUID]bool{}
	for {
		found, err := g.query(ctx, col.name, ofPersons(persons), window, puidField)
		if err != nil || found.Len() == 0 {
			return known, err
		}
		names, ok := found.GetColumn(puidField).(*entity.ColumnVarChar)
		if !ok {
			return nil, errors.New("the server's answer lacks the puids")
		}
		for _, p := range names.Data() {
			known[schema.PUID(p)] = true
		}
		persons = slices.DeleteFunc(slices.Clone(persons), func(p schema.PUID) bool { return known[p] })
		if names.Len() < window || len(persons) == 0 {
			return known, nil // else the rows of some persons filled the window
		}
	}
}

// erase deletes rows by id. A deletion by another field would read at the server's default consistency.
func (g *Gallery) erase(ctx context.Context, col collection, ids []string) error {
	return g.call(ctx, g.cfg.Timeout, func(ctx context.Context) error { return g.client.Delete(ctx, col.name, "", oneOf(idField, ids)) })
}

// deletionKey identifies a deletion that is remembered. It is a hash, so that no name outlives the deletion.
func deletionKey(c schema.Collection, parts ...string) string {
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q", c, parts))
	return hex.EncodeToString(key[:])
}

func rowKeys(c schema.Collection, ids []string) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = deletionKey(c, id)
	}
	return keys
}

// recall returns the counts that are remembered under keys.
func (g *Gallery) recall(ctx context.Context, keys []string) (map[string]int, error) {
	found, err := g.query(ctx, g.deletions(), oneOf(keyField, keys), len(keys), keyField, countField)
	if err != nil || found.Len() == 0 {
		return nil, err
	}
	names, counts := found.GetColumn(keyField), found.GetColumn(countField)
	if names == nil || counts == nil || names.Len() != counts.Len() {
		return nil, errors.New("the server's answer lacks what is remembered of deletions")
	}
	out := map[string]int{}
	for i := range names.Len() {
		name, err1 := names.GetAsString(i)
		count, err2 := counts.GetAsInt64(i)
		if err := cmp.Or(err1, err2); err != nil {
			return nil, fmt.Errorf("what the server remembers of deletions: %w", err)
		}
		out[name] = int(count)
	}
	return out, nil
}

// remember writes count under each of keys.
func (g *Gallery) remember(ctx context.Context, keys []string, count int) error {
	return g.upsert(ctx, g.deletions(),
		entity.NewColumnVarChar(keyField, keys), entity.NewColumnInt64(countField, slices.Repeat([]int64{int64(count)}, len(keys))),
		entity.NewColumnFloatVector(vectorField, 2, slices.Repeat([][]float32{{1, 0}}, len(keys))))
}

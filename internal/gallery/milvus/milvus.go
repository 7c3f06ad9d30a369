// Package milvus is the gallery on a Milvus server: any number of indexers, approximate search in large collections.
//
// A collection lives in one Milvus collection for its embedding model, found through an alias:
//
//	<prefix>_<collection>           the alias: which model the collection is tied to, in one atomic switch
//	<prefix>_<collection>__<model>  its rows: id, puid, external_id, created, metadata (JSON), vector (unit length, COSINE)
//	<prefix>__deletions             which rows were deleted and how many each request deleted, under hashes
//	<prefix>__tombstones            the orders of the deletions of each person, and the rows that they outlived, under hashes
//
// Names are escaped: a byte that is not an ASCII letter or digit is written as _hh. So vectors of two models never meet
// (invariant 5), and dropping a Milvus collection erases the rows of one model and nothing else. There is no partition key,
// because servers before 2.3.6 silently lose upserted rows if there is one.
//
// Every read is Strong: it waits until the server has applied all writes that were acknowledged before (invariant 4). On a
// standalone server that takes up to 0.4 s.
//
// Search fetches more rows from the index than are wanted and computes their exact cosines here. It fetches more until no
// other row can be among the k best persons, up to the server's limit of 16,384 rows. Rows that an approximate index (HNSW,
// IVF_FLAT) does not return cannot be found; FLAT is exact.
//
// Erasure: a deleted row is unreachable at once. The server removes it from its files when it compacts them, and from its log
// when the log's retention ends.
package milvus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"golang.org/x/sync/errgroup"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// Config says how to reach the server and how new collections are indexed.
type Config struct {
	Address  string        // host:port
	User     string        // "" for a server without users
	Password schema.Secret // of User
	Token    schema.Secret // instead of User and Password
	TLS      *tls.Config   // nil speaks plain text
	Prefix   string        // of every name in the server, ASCII letters and digits: it keeps galleries on one server apart
	Index    Index         // of collections that this gallery creates
	// Timeout bounds one call to the server, LoadTimeout the loading of a collection into its memory.
	Timeout, LoadTimeout time.Duration
}

// Gallery is a [gallery.Gallery] in a Milvus server. It keeps Row.Created to the microsecond, ids and puids of up to
// 512 bytes, and external ids of up to 1024.
type Gallery struct {
	cfg      Config
	client   client.Client
	creating sync.Mutex // held during a creation, which takes several calls
	numbers  sync.Map   // schema.Collection to int64: the numbers of copied collections, as far as they are known
}

var _ gallery.Gallery = (*Gallery)(nil)

// Open connects to the server and prepares what all collections need. The error is fatal if the server refuses the
// credentials, and transient if it cannot be reached or is not ready yet.
func Open(ctx context.Context, cfg Config) (*Gallery, error) {
	const op = "gallery.open"
	g := &Gallery{cfg: cfg}
	err := g.call(ctx, cfg.Timeout, func(ctx context.Context) error {
		var err error
		g.client, err = dial(ctx, cfg)
		return err
	})
	if err == nil {
		if err = g.makeMemory(ctx); err == nil {
			err = g.indexExisting(ctx)
		}
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}
	switch {
	case unauthenticated(err):
		return nil, schema.Fatal(op, fmt.Errorf("the server at %s refuses the user, password or token: %w", cfg.Address, err))
	case err != nil:
		return nil, schema.Transient(op, fmt.Errorf("the server at %s: %w", cfg.Address, err))
	}
	return g, nil
}

// Close ends the connection. Calls that are under way fail.
func (g *Gallery) Close() error { return g.client.Close() }

// Ping returns nil if the server can read what was written before, which is what a search needs.
func (g *Gallery) Ping(ctx context.Context) error {
	_, err := g.count(ctx, g.deletions())
	return transient("gallery.ping", err)
}

// Upsert implements [gallery.Gallery]. It writes batches of at most batchRows rows. If a batch fails, the earlier ones are
// written.
func (g *Gallery) Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error {
	const op = "gallery.upsert"
	errs, outlived := g.put(ctx, op, c, rows, func(first gallery.Tie) (collection, error) {
		col, err := g.resolve(ctx, op, c)
		if schema.ReasonOf(err) == schema.ReasonUnknownCollection && first != (gallery.Tie{}) {
			col, err = g.create(ctx, op, c, first)
		}
		return col, err
	})
	if len(outlived) > 0 { // so that every repeat of them has the same answer
		ids := make([]string, len(outlived))
		for j, i := range outlived {
			ids[j], errs[i] = rows[i].ID, gallery.Erased(op)
		}
		if err := g.rememberRefused(ctx, c, ids); err != nil {
			for _, i := range outlived {
				errs[i] = transient(op, err)
			}
		}
	}
	return errs
}

// put writes rows of c into the Milvus collection that find returns. find gets what the first row to be written would tie a
// new collection to, or nothing if all of them join somebody. outlived are the indexes of the rows that a deletion outlived,
// which are not written.
//
// put asks for deletions before it writes, so that what was deleted never shows, and once more afterwards: a process that
// had lost its partition for a while can meet the deletion of the next owner. A deletion is remembered before it erases
// anything, so one of the two erases the row.
func (g *Gallery) put(ctx context.Context, op string, c schema.Collection, rows []gallery.Row, find func(gallery.Tie) (collection, error)) (errs []error, outlived []int) {
	errs = make([]error, len(rows))
	entries := make([]*entry, len(rows))
	ties := make([]gallery.Tie, len(rows))
	var good []int
	for i, r := range rows {
		if entries[i], ties[i], errs[i] = newEntry(op, r); errs[i] == nil {
			good = append(good, i)
		}
	}
	if len(good) == 0 {
		return errs, nil
	}
	fates, err := g.fates(ctx, c, rows, good)
	if err == nil {
		err = g.landed(ctx, rows, good, fates, find)
	}
	if err != nil {
		for _, i := range good {
			errs[i] = transient(op, err)
		}
		return errs, nil
	}
	good = slices.DeleteFunc(good, func(i int) bool {
		if fates[i] == fateOutlived {
			outlived = append(outlived, i)
		}
		return fates[i] == fateOutlived
	})
	if len(good) == 0 {
		return errs, outlived
	}
	var first gallery.Tie
	for _, i := range good {
		if !rows[i].Joins && fates[i] == fateNone {
			first = ties[i]
			break
		}
	}
	col, err := find(first)
	for _, i := range good {
		if errs[i] = err; err == nil {
			errs[i] = col.tie.Admit(op, c, ties[i])
		}
	}
	good = slices.DeleteFunc(good, func(i int) bool { return errs[i] != nil || fates[i] == fateDeleted || fates[i] == fateLanded })
	g.refuseStrangers(ctx, op, col, rows, good, errs)
	last := map[string]int{} // of the rows with one id, the one that stays
	for _, i := range good {
		if errs[i] == nil {
			last[entries[i].id] = i
		}
	}
	good = slices.DeleteFunc(good, func(i int) bool { return errs[i] != nil })
	var standing []int
	for _, i := range good {
		if last[entries[i].id] == i {
			standing = append(standing, i)
		}
	}
	for part := range slices.Chunk(standing, batchRows) {
		batch := make([]*entry, len(part))
		for j, i := range part {
			batch[j] = entries[i]
		}
		err := g.write(ctx, col, batch)
		var late map[int]fate
		if err == nil {
			late, err = g.fates(ctx, c, rows, part)
		}
		var erased []string
		for i, f := range late {
			if f == fateNone {
				continue
			}
			if erased = append(erased, entries[i].id); f == fateOutlived {
				outlived = append(outlived, i)
			}
		}
		if err == nil && len(erased) > 0 {
			err = g.erase(ctx, col, erased)
		}
		for _, i := range part {
			errs[i] = transient(op, err)
		}
	}
	for _, i := range good {
		errs[i] = errs[last[entries[i].id]]
	}
	return errs, outlived
}

// refuseStrangers sets the error of each of the good rows that joins a person who has no row.
func (g *Gallery) refuseStrangers(ctx context.Context, op string, col collection, rows []gallery.Row, good []int, errs []error) {
	var persons []schema.PUID
	for _, i := range good {
		if rows[i].Joins {
			persons = append(persons, rows[i].PUID)
		}
	}
	if len(persons) == 0 {
		return
	}
	known, err := g.known(ctx, col, persons)
	for _, i := range good {
		switch {
		case !rows[i].Joins || known[rows[i].PUID]:
		case err != nil:
			errs[i] = transient(op, err)
		default:
			errs[i] = gallery.Stranger(op)
		}
	}
}

// Delete implements [gallery.Gallery]. It remembers under hashes which rows a request deleted and how many, so that no name
// outlives the deletion.
func (g *Gallery) Delete(ctx context.Context, c schema.Collection, deletions []gallery.Deletion) []gallery.Outcome[int] {
	const op = "gallery.delete"
	out := make([]gallery.Outcome[int], len(deletions))
	if len(deletions) == 0 {
		return out
	}
	col, err := g.resolve(ctx, op, c)
	unknown := schema.ReasonOf(err) == schema.ReasonUnknownCollection
	for i, d := range deletions {
		switch out[i].Err = gallery.CheckDeletion(op, d); {
		case out[i].Err != nil:
		case err != nil && !unknown:
			out[i].Err = err
		default:
			nobody, err := g.outlive(ctx, c, &d, unknown)
			if err == nil && nobody {
				out[i].Err = gallery.Unknown(op, c)
				continue
			}
			n := 0
			if err == nil {
				n, err = g.remove(ctx, c, col, d)
			}
			out[i] = gallery.Outcome[int]{Value: n, Err: transient(op, err)}
		}
	}
	return out
}

// Search implements [gallery.Gallery].
func (g *Gallery) Search(ctx context.Context, c schema.Collection, probes []schema.Embedding, k int, among ...schema.PUID) []gallery.Outcome[[]gallery.Match] {
	const op = "gallery.search"
	out := make([]gallery.Outcome[[]gallery.Match], len(probes))
	if len(probes) == 0 {
		return out
	}
	col, err := g.resolve(ctx, op, c)
	if err == nil {
		err = gallery.CheckCount(op, "k", k)
	}
	var open []*probe
	for i, e := range probes {
		if out[i].Err = err; err != nil {
			continue
		}
		vector, tie, err := gallery.Unit(op, e)
		if err == nil {
			err = col.tie.Admit(op, c, tie)
		}
		if out[i].Err = err; err == nil {
			open = append(open, &probe{vector: vector, out: &out[i]})
		}
	}
	for part := range slices.Chunk(open, batchProbes) {
		search := g.nearest
		if len(among) > 0 {
			search = func(ctx context.Context, col collection, open []*probe, k int) error {
				return g.nearestOf(ctx, col, open, k, among)
			}
		}
		if err := search(ctx, col, part, k); err != nil {
			for _, p := range part {
				*p.out = gallery.Outcome[[]gallery.Match]{Err: transient(op, err)}
			}
		}
	}
	return out
}

// List implements [gallery.Gallery]. A page has at most maxPage rows.
func (g *Gallery) List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (gallery.Page, error) {
	const op = "gallery.list"
	if err := gallery.CheckCount(op, "limit", limit); err != nil {
		return gallery.Page{}, err
	}
	col, err := g.resolve(ctx, op, c)
	if err != nil {
		return gallery.Page{}, err
	}
	return g.list(ctx, op, col, after, limit, among)
}

func (g *Gallery) list(ctx context.Context, op string, col collection, after string, limit int, among []schema.PUID) (gallery.Page, error) {
	limit = min(limit, maxPage)
	theirs := ""
	if len(among) > 0 {
		theirs = ofPersons(among)
	}
	var page gallery.Page
	both, within := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		page.Total, err = g.countOf(within, col.name, theirs)
		return err
	})
	both.Go(func() (err error) {
		page.Rows, err = g.following(within, col, theirs, after, limit+1)
		return err
	})
	if err := both.Wait(); err != nil {
		return gallery.Page{}, transient(op, err)
	}
	if len(page.Rows) > limit {
		page.Rows = page.Rows[:limit]
		page.Next = page.Rows[limit-1].ID
	}
	return page, nil
}

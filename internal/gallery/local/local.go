// Package local is the gallery of one process: a SQLite file for durability and an exact scan in memory for search.
//
// A folder holds gallery.db (with its -wal and -shm) and LOCK, which one process at a time owns. Open reads every vector into
// memory: four bytes a component, in one contiguous slice per collection. Search computes every cosine, so its answers are
// exact and its time grows with the collection. The rows of one person are found by an index.
//
// Durability: writes that wait at the same time share one transaction (group commit). It is synced to the device before any
// of them returns and before memory changes. So what was answered survives SIGKILL and loss of power, and nothing can be
// found that could still be lost.
//
// Erasure: SQLite overwrites what Delete frees (secure_delete), and the write-ahead log is emptied before Delete returns nil.
// The rows are then gone from where they were stored. If SQLite moved a row or an index entry between pages earlier, a copy
// can remain in the unused part of a page (measured: about one row in a thousand). Therefore the first Open after a deletion
// rewrites the file (VACUUM: about 0.6 s for 100,000 rows of 128 components, and as much free space as the file has). After
// that no file of the folder holds any of it. A vector that Upsert replaced can stay in the log until the next Delete, Close,
// or 1000 pages of writes. What the file system, its snapshots, backups or the device keep of overwritten blocks is beyond
// the reach of this package.
//
// A collection whose last row is deleted stays known, and tied to its embedding model.
package local

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"facestream/internal/dbfault"
	"facestream/internal/dirlock"
	"facestream/internal/gallery"
	"facestream/pkg/groupcommit"
	"facestream/pkg/schema"
)

// formatVersion is the PRAGMA user_version of the files that this package reads and writes.
var formatVersion = len(migrations)

// migrations[n] brings a file of format n to format n+1. A file without tables has format 0.
var migrations = []func(context.Context, *sql.Tx) error{
	statement(tables),
	// Where the image of a row is.
	statement("ALTER TABLE faces ADD COLUMN source TEXT NOT NULL DEFAULT ''"), // JSON, '' for none
	addSums,
	statement(tombstones),
}

func statement(text string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text)
		return err
	}
}

// tables are those of format 1.
const tables = `
CREATE TABLE collections (
	id        INTEGER PRIMARY KEY,
	name      TEXT NOT NULL UNIQUE,
	model     TEXT NOT NULL,
	dimension INTEGER NOT NULL
) STRICT;
CREATE TABLE faces (
	collection  INTEGER NOT NULL REFERENCES collections (id),
	id          TEXT NOT NULL,
	puid        TEXT NOT NULL,
	external_id TEXT NOT NULL,
	consent     TEXT NOT NULL,    -- JSON, '' for none
	created     INTEGER NOT NULL, -- microseconds since 1970
	vector      BLOB NOT NULL,    -- unit length, little-endian float32
	UNIQUE (collection, id)
) STRICT;
CREATE INDEX faces_by_person ON faces (collection, puid);
CREATE TABLE deletions (
	key   BLOB PRIMARY KEY, -- a hash of collection, request and person; or of collection and deleted row
	count INTEGER NOT NULL  -- the rows that the request deleted; 0 for a row
) STRICT, WITHOUT ROWID;
CREATE TABLE rewrite (due INTEGER NOT NULL) STRICT; -- one row: 1 after a deletion, until the next Open
INSERT INTO rewrite VALUES (0);
`

// tombstones has what format 4 adds.
const tombstones = `
ALTER TABLE faces ADD COLUMN placed TEXT NOT NULL DEFAULT ''; -- the order of the enrolment: JSON, '' for none
CREATE TABLE tombstones (
	key    BLOB PRIMARY KEY, -- a hash of collection and person; of collection and refused row; or of collection, request and person
	orders TEXT NOT NULL,    -- of the deletions of a person: JSON; '' for the others
	sum    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`

// documentField is in the source of a row if [gallery.Source.Document] is true, and hardly ever otherwise.
const documentField = `"document":`

// dbFile is the name of the file in a gallery's folder.
const dbFile = "gallery.db"

// busyTimeout is how many milliseconds a statement waits for another program that has the file locked.
const busyTimeout = 5000

var errClosed = errors.New("the gallery is closed")

// Gallery is a [gallery.Gallery] in one folder. It keeps Row.Created to the microsecond.
type Gallery struct {
	dir       string
	lock      *dirlock.Lock
	committed *os.File // COMMITTED
	// db has one connection, so that transactions, listings and the emptying of the log take turns and none is refused.
	db *sql.DB

	writes  groupcommit.Calls[struct{}, *write, error] // one transaction at a time
	writing sync.WaitGroup                             // for the writes that were taken on
	closing chan struct{}                              // closed by Close, under mu
	close   func() error

	mu          sync.RWMutex // guards the map; each collection guards itself
	collections map[schema.Collection]*collection
}

var _ gallery.Gallery = (*Gallery)(nil)

// Open takes dir for this process and reads every collection into memory. It creates dir if it does not exist. The error is
// an outage if the disk is full or another program has the file locked. Otherwise it is fatal: another process has the folder
// (the text names both), the folder cannot be written, its file is damaged or of another version, or its gallery was copied
// elsewhere.
func Open(ctx context.Context, dir string) (*Gallery, error) {
	const op = "gallery.open"
	lock, err := own(dir)
	if err != nil {
		return nil, atOpen(op, dir, err)
	}
	g := &Gallery{
		dir:         dir,
		lock:        lock,
		closing:     make(chan struct{}),
		collections: map[schema.Collection]*collection{},
	}
	var w *writer
	var commits int64
	if g.db, commits, err = openOwned(ctx, dir); err == nil {
		if err = g.load(ctx); err == nil {
			w, err = newWriter(ctx, g)
		}
	}
	if err == nil {
		w.commits = commits
		g.committed, err = makeCommitted(dir, commits)
	}
	if err != nil {
		return nil, atOpen(op, dir, errors.Join(err, g.release()))
	}
	g.close = sync.OnceValue(func() error {
		g.mu.Lock()
		close(g.closing)
		g.mu.Unlock()
		g.writing.Wait()
		return errors.Join(truncateLog(g.db), g.release())
	})
	g.writes.Call, g.writes.Most, g.writes.AtOnce = w.commit, maxGroup, 1
	g.writes.Ended = func(err error) error { return err }
	return g, nil
}

// refused reports that err says nothing about what was written, but that the file takes no writes for now.
func refused(err error) bool { return errors.Is(err, errRead) || dbfault.Refused(err) }

// fault classifies an error of the file, which does not have a class yet.
func (g *Gallery) fault(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case Damaged(damaged(g.dir, err)):
		return schema.Fatal(op, damaged(g.dir, err))
	case refused(err):
		return schema.Outage(op, fmt.Errorf("the gallery in %q takes no writes: %w", g.dir, err))
	}
	return schema.Transient(op, err)
}

// atOpen classifies an error of opening the gallery in dir.
func atOpen(op, dir string, err error) error {
	switch {
	case Damaged(damaged(dir, err)):
		return schema.Fatal(op, damaged(dir, err))
	case refused(err):
		return schema.Outage(op, fmt.Errorf("the gallery in %q cannot be opened for now: %w", dir, err))
	}
	return schema.Fatal(op, fmt.Errorf("the gallery in %q: %w", dir, err))
}

// Close waits for the writes that have begun and gives the folder back.
func (g *Gallery) Close() error { return g.close() }

func (g *Gallery) release() error {
	var err error
	if g.db != nil {
		err = g.db.Close()
	}
	if g.committed != nil {
		err = errors.Join(err, g.committed.Close())
	}
	return errors.Join(err, g.lock.Close())
}

// own takes a gallery's folder for this process.
func own(dir string) (*dirlock.Lock, error) {
	lock, err := dirlock.Acquire(dir, "gallery's folder")
	if err != nil {
		return nil, err
	}
	if err := checkMoved(dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func openDB(dir string, options url.Values) (*sql.DB, error) {
	path, err := filepath.Abs(filepath.Join(dir, dbFile))
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// openOwned opens the file in dir for writing, and returns how many transactions were committed to it; this process must own
// dir. It creates the tables of a new file and brings an old file to this format. It changes nothing in a damaged one.
func openOwned(ctx context.Context, dir string) (*sql.DB, int64, error) {
	if err := checkThere(dir); err != nil {
		return nil, 0, err
	}
	db, err := openDB(dir, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout), // another program may read the file
			"journal_mode(WAL)",
			"synchronous(FULL)", // the log is synced at every commit
			"secure_delete(ON)",
			"temp_store(MEMORY)", // no template in a temporary file
		},
	})
	if err != nil {
		return nil, 0, err
	}
	commits, err := prepare(ctx, db, dir)
	if err != nil {
		return nil, 0, errors.Join(err, db.Close())
	}
	return db, commits, nil
}

func prepare(ctx context.Context, db *sql.DB, dir string) (commits int64, err error) {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, err
	}
	if version > formatVersion {
		return 0, fmt.Errorf("it has format %d and this program reads format %d; use the program that wrote it, or put a backup of that time back", version, formatVersion)
	}
	if err := dbfault.Check(ctx, db, checkLimit); err != nil {
		return 0, err
	}
	for ; version < formatVersion; version++ {
		if err := migrate(ctx, db, version, false); err != nil {
			return 0, fmt.Errorf("bring the tables from format %d to %d: %w", version, version+1, err)
		}
	}
	if commits, err = checkCommits(ctx, db, dir); err != nil {
		return 0, err
	}
	if err := rewrite(ctx, db); err != nil {
		return 0, fmt.Errorf("remove the last traces of deleted rows: %w", err)
	}
	return commits, nil
}

// migrate brings the file from one format to the next, or does not change it. If columnsOnly, it computes no checksums.
func migrate(ctx context.Context, db *sql.DB, version int, columnsOnly bool) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	change := migrations[version]
	if columnsOnly {
		change = addSumColumns
	}
	if err := change(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+1)); err != nil {
		return err
	}
	return tx.Commit()
}

// load reads the file into memory. The error is [*flaws] if rows do not hold what was written to them.
func (g *Gallery) load(ctx context.Context) error {
	bad := newFlaws()
	if err := readCollections(ctx, g.db, bad, func(c *collection) { g.collections[c.name] = c }); err != nil {
		return fmt.Errorf("read the collections: %w", err)
	}
	err := readFaces(ctx, g.db, g.collections, bad, func(c *collection, s stored) { c.put(s.face, s.vector) })
	if err != nil {
		return fmt.Errorf("read the rows: %w", err)
	}
	if err := readDeletions(ctx, g.db, bad, func([]byte, int) {}); err != nil {
		return fmt.Errorf("read the deletions: %w", err)
	}
	if err := readTombstones(ctx, g.db, bad, func([]byte, string) {}); err != nil {
		return fmt.Errorf("read the tombstones: %w", err)
	}
	if bad.any() {
		return bad
	}
	return checkIndexes(ctx, g.db, bad)
}

// readCollections calls sound for each collection that holds what was written, and counts the others.
func readCollections(ctx context.Context, db *sql.DB, bad *flaws, sound func(*collection)) error {
	rows, err := db.QueryContext(ctx, "SELECT id, name, model, dimension, sum FROM collections")
	return each(rows, err, func(scan func(...any) error) error {
		var key, sum int64
		var name schema.Collection
		var tie gallery.Tie
		if err := scan(&key, &name, &tie.Model, &tie.Dimension, &sum); err != nil {
			return err
		}
		bad.rows++
		if !bad.sound(sum, collectionSum(key, name, tie)) {
			bad.collections++
			return nil
		}
		sound(newCollection(key, name, tie))
		return nil
	})
}

// readFaces calls sound for each row that holds what was written, and counts the others.
func readFaces(ctx context.Context, db *sql.DB, collections map[schema.Collection]*collection, bad *flaws, sound func(*collection, stored)) error {
	byKey := keyed(collections)
	rows, err := db.QueryContext(ctx, "SELECT rowid, collection, id, puid, external_id, consent, created, vector, source, placed, sum FROM faces ORDER BY rowid")
	return each(rows, err, func(scan func(...any) error) error {
		_, err := readFace(scan, byKey, bad, sound)
		return err
	})
}

func keyed(collections map[schema.Collection]*collection) map[int64]*collection {
	byKey := map[int64]*collection{}
	for _, c := range collections {
		byKey[c.key] = c
	}
	return byKey
}

// readFace is readFaces for one row. It returns the number of the row.
func readFace(scan func(...any) error, collections map[int64]*collection, bad *flaws, sound func(*collection, stored)) (int64, error) {
	var (
		id, key, sum int64
		s            stored
		vector       sql.RawBytes
	)
	if err := scan(&id, &key, &s.id, &s.puid, &s.externalID, &s.consent, &s.created, &vector, &s.source, &s.placed, &sum); err != nil {
		return 0, err
	}
	bad.rows++
	bad.byID.add(key, s.id, id)
	bad.byPerson.add(key, string(s.puid), id)
	c := collections[key]
	if c == nil {
		bad.faces[""]++
		return id, nil
	}
	var err error
	s.vector, err = schema.DecodeVector(vector)
	if err != nil || len(s.vector) != c.tie.Dimension || !isUnit(s.vector) || !bad.sound(sum, faceSum(c.name, s.face, vector, s.source, s.placed)) {
		bad.faces[c.name]++
		return id, nil
	}
	if strings.Contains(s.source, documentField) {
		source, err := readSource(s.source)
		if err != nil {
			bad.faces[c.name]++
			return id, nil
		}
		s.document = source.Document
	}
	sound(c, s)
	return id, nil
}

// readDeletions calls sound for each remembered deletion that holds what was written, and counts the others.
func readDeletions(ctx context.Context, db *sql.DB, bad *flaws, sound func(key []byte, count int)) error {
	rows, err := db.QueryContext(ctx, "SELECT key, count, sum FROM deletions")
	return each(rows, err, func(scan func(...any) error) error {
		var key sql.RawBytes
		var count int
		var sum int64
		if err := scan(&key, &count, &sum); err != nil {
			return err
		}
		bad.rows++
		if len(key) != len(gallery.DeletionKey{}) || !bad.sound(sum, deletionSum(key, count)) {
			bad.deletions++
			return nil
		}
		sound(key, count)
		return nil
	})
}

// readTombstones calls sound for each tombstone that holds what was written, and counts the others.
func readTombstones(ctx context.Context, db *sql.DB, bad *flaws, sound func(key []byte, orders string)) error {
	rows, err := db.QueryContext(ctx, "SELECT key, orders, sum FROM tombstones")
	return each(rows, err, func(scan func(...any) error) error {
		var key sql.RawBytes
		var orders string
		var sum int64
		if err := scan(&key, &orders, &sum); err != nil {
			return err
		}
		bad.rows++
		if len(key) != len(gallery.DeletionKey{}) || sum != tombstoneSum(key, orders) {
			bad.deletions++
			return nil
		}
		sound(key, orders)
		return nil
	})
}

// rewrite writes the file anew, without the unused parts of its pages, if rows were deleted since the last time.
func rewrite(ctx context.Context, db *sql.DB) error {
	var due bool
	if err := db.QueryRowContext(ctx, "SELECT due FROM rewrite").Scan(&due); err != nil || !due {
		return err
	}
	for _, statement := range []string{"VACUUM", "UPDATE rewrite SET due = 0"} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return truncateLog(db)
}

// Ping returns nil while the gallery is open and its file can be read.
func (g *Gallery) Ping(ctx context.Context) error {
	const op = "gallery.ping"
	if err := g.open(ctx, op); err != nil {
		return err
	}
	var n int
	if err := g.db.QueryRowContext(ctx, "SELECT count(*) FROM collections").Scan(&n); err != nil {
		return g.fault(op, err)
	}
	return nil
}

// open returns an error if no call may begin.
func (g *Gallery) open(ctx context.Context, op string) error {
	select {
	case <-g.closing:
		return schema.Transient(op, errClosed)
	default:
	}
	if err := ctx.Err(); err != nil {
		return schema.Transient(op, err)
	}
	return nil
}

// lookup returns the collection c. If it is unknown, the error is permanent.
func (g *Gallery) lookup(ctx context.Context, op string, c schema.Collection) (*collection, error) {
	if err := g.open(ctx, op); err != nil {
		return nil, err
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if col := g.collections[c]; col != nil {
		return col, nil
	}
	return nil, gallery.Unknown(op, c)
}

// Upsert implements [gallery.Gallery].
func (g *Gallery) Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error {
	const op = "gallery.upsert"
	type item struct {
		stored
		tie gallery.Tie
	}
	// The transaction works on copies: if ctx ends, the caller has its rows back before the writer reads them.
	items := make([]*item, len(rows))
	refused := make([]error, len(rows))
	good := 0
	for i, r := range rows {
		it := &item{}
		if refused[i] = gallery.CheckNames(op, r); refused[i] == nil {
			it.vector, it.tie, refused[i] = gallery.Unit(op, r.Embedding)
		}
		if refused[i] == nil {
			it.stored, refused[i] = newStored(op, r, it.vector)
		}
		if refused[i] == nil {
			items[i] = it
			good++
		}
	}
	if good == 0 {
		return refused
	}
	errs := slices.Clone(refused)
	err := g.commit(ctx, op, func(ctx context.Context, t *transaction) error {
		for i, it := range items {
			if it == nil {
				continue
			}
			if col := t.known(c); col != nil {
				if errs[i] = col.tie.Admit(op, c, it.tie); errs[i] != nil {
					continue
				}
				if repeat, err := t.wasDeleted(ctx, col, it.stored); err != nil {
					return err
				} else if repeat {
					continue
				}
			}
			outlived, err := t.outlived(ctx, c, it.stored)
			if err != nil {
				return err
			}
			if col := t.known(c); col != nil && (outlived || it.order.Listed()) {
				if landed, err := t.hasRow(ctx, col, it.id); err != nil {
					return err
				} else if landed {
					continue
				}
			}
			if outlived {
				if err := t.refuse(ctx, c, it.stored); err != nil {
					return err
				}
				errs[i] = gallery.Erased(op)
				continue
			}
			if it.joins && t.known(c) == nil {
				errs[i] = gallery.Unknown(op, c)
				continue
			}
			col, err := t.collection(ctx, c, it.tie)
			if err != nil {
				return err
			}
			if it.joins {
				known, err := t.hasRows(ctx, col, it.puid)
				if err != nil {
					return err
				}
				if !known {
					errs[i] = gallery.Stranger(op)
					continue
				}
			}
			if err := t.put(ctx, col, it.stored); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return errs
	}
	for i := range refused {
		if refused[i] == nil {
			refused[i] = err
		}
	}
	return refused
}

// Delete implements [gallery.Gallery]. It remembers under hashes which rows a request deleted and how many, so that no name
// outlives the deletion.
func (g *Gallery) Delete(ctx context.Context, c schema.Collection, deletions []gallery.Deletion) []gallery.Outcome[int] {
	const op = "gallery.delete"
	out := make([]gallery.Outcome[int], len(deletions))
	err := g.open(ctx, op)
	wanted := slices.Clone(deletions)
	unknown := make([]bool, len(wanted))
	counts := make([]int, len(wanted))
	good := 0
	for i, d := range wanted {
		if out[i].Err = gallery.CheckDeletion(op, d); out[i].Err == nil {
			good++
		}
	}
	if err == nil && good > 0 {
		refused := slices.Clone(out)
		err = g.erase(ctx, op, func(ctx context.Context, t *transaction) error {
			for i, d := range wanted {
				if refused[i].Err != nil {
					continue
				}
				var err error
				if counts[i], unknown[i], err = t.remove(ctx, c, d); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i := range out {
		switch {
		case out[i].Err != nil:
		case err != nil:
			out[i].Err = err
		case unknown[i]:
			out[i].Err = gallery.Unknown(op, c)
		default:
			out[i].Value = counts[i]
		}
	}
	return out
}

// Search implements [gallery.Gallery]. All probes see the collection as it was at one moment.
func (g *Gallery) Search(ctx context.Context, c schema.Collection, probes []schema.Embedding, k int, among ...schema.PUID) []gallery.Outcome[[]gallery.Match] {
	const op = "gallery.search"
	col, err := g.lookup(ctx, op, c)
	if err == nil {
		err = gallery.CheckCount(op, "k", k)
	}
	out := make([]gallery.Outcome[[]gallery.Match], len(probes))
	var vectors [][]float32
	var asked []int // the probes that they are of
	for i, p := range probes {
		if out[i].Err = err; err != nil {
			continue
		}
		vector, tie, err := gallery.Unit(op, p)
		if err == nil {
			err = col.tie.Admit(op, c, tie)
		}
		if out[i].Err = err; err == nil {
			vectors, asked = append(vectors, vector), append(asked, i)
		}
	}
	if len(asked) == 0 {
		return out
	}
	found, err := col.nearest(ctx, vectors, k, among)
	for n, i := range asked {
		if err != nil {
			out[i].Err = schema.Transient(op, err)
		} else {
			out[i].Value = found[n]
		}
	}
	return out
}

// List implements [gallery.Gallery]. The page token is the id of the last row before it.
func (g *Gallery) List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (gallery.Page, error) {
	const op = "gallery.list"
	col, err := g.lookup(ctx, op, c)
	if err == nil {
		err = gallery.CheckCount(op, "limit", limit)
	}
	if err != nil {
		return gallery.Page{}, err
	}
	page := gallery.Page{Total: col.size(among)}
	if err := readPage(ctx, g.db, col.key, after, limit, among, &page); err != nil {
		return gallery.Page{}, g.fault(op, err)
	}
	return page, nil
}

// readPage sets Rows and Next of page.
func readPage(ctx context.Context, db *sql.DB, collection int64, after string, limit int, among []schema.PUID, page *gallery.Page) error {
	from, args := facesOf(collection, among)
	rows, err := db.QueryContext(ctx, "SELECT id, puid, external_id, consent, created, source, placed "+from+" AND id > ? ORDER BY id LIMIT ?",
		append(args, after, int64(limit)+1)...)
	return each(rows, err, func(scan func(...any) error) error {
		if len(page.Rows) == limit { // the row beyond the page
			page.Next = page.Rows[limit-1].ID
			return nil
		}
		var f face
		var source, placed string
		if err := scan(&f.id, &f.puid, &f.externalID, &f.consent, &f.created, &source, &placed); err != nil {
			return err
		}
		r, err := f.row()
		if err == nil {
			r.Order, err = readOrder(placed)
		}
		if err == nil {
			r.Source, err = readSource(source)
		}
		page.Rows = append(page.Rows, r)
		return err
	})
}

// facesOf is the part of a query that selects the rows of a collection; if among names persons, only theirs.
func facesOf(collection int64, among []schema.PUID) (from string, args []any) {
	from, args = "FROM faces WHERE collection = ?", []any{collection}
	if len(among) == 0 {
		return from, args
	}
	for _, p := range among {
		args = append(args, string(p))
	}
	// Without the hint, SQLite reads the whole collection in the order of the page.
	return "FROM faces INDEXED BY faces_by_person WHERE collection = ? AND puid IN (?" + strings.Repeat(", ?", len(among)-1) + ")", args
}

// face is a row as it is in memory, without its vector.
type face struct {
	id         string
	puid       schema.PUID
	externalID schema.ExternalID
	consent    string // JSON, "" for none
	created    int64  // microseconds since 1970
	document   bool   // of the source
}

// stored is a row as it is written.
type stored struct {
	face
	vector   []float32 // unit length
	source   string    // JSON, "" for none
	order    *schema.Order
	placed   string // order as JSON, "" for none
	formerID string
	joins    bool
	also     []schema.PUID
}

func newStored(op string, r gallery.Row, vector []float32) (stored, error) {
	s := stored{
		face:   face{id: r.ID, puid: r.PUID, externalID: r.ExternalID, created: r.Created.UnixMicro()},
		vector: vector, order: r.Order, formerID: r.FormerID, joins: r.Joins, also: slices.Clone(r.Also),
	}
	if r.Order != nil {
		b, err := json.Marshal(r.Order)
		if err != nil {
			return stored{}, schema.Permanent(op, schema.ReasonInternal, fmt.Errorf("order: %w", err))
		}
		s.placed = string(b)
	}
	if r.Consent != nil {
		b, err := json.Marshal(r.Consent)
		if err != nil { // a date beyond the year 9999
			return stored{}, schema.Permanent(op, schema.ReasonInvalidRequest, fmt.Errorf("consent: %w", err))
		}
		s.consent = string(b)
	}
	if r.Source != nil {
		b, err := json.Marshal(r.Source)
		if err != nil { // a box that is not finite
			return stored{}, schema.Permanent(op, schema.ReasonInvalidRequest, fmt.Errorf("source: %w", err))
		}
		s.source, s.document = string(b), r.Source.Document
	}
	return s, nil
}

// readOrder reads the order of an enrolment as it is stored.
func readOrder(placed string) (*schema.Order, error) {
	if placed == "" {
		return nil, nil
	}
	order := new(schema.Order)
	if err := json.Unmarshal([]byte(placed), order); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	return order, nil
}

// readSource reads the source of a row as it is stored.
func readSource(text string) (*gallery.Source, error) {
	if text == "" {
		return nil, nil
	}
	source := new(gallery.Source)
	if err := json.Unmarshal([]byte(text), source); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	return source, nil
}

func (f face) row() (gallery.Row, error) {
	r := gallery.Row{ID: f.id, PUID: f.puid, ExternalID: f.externalID, Created: time.UnixMicro(f.created).UTC()}
	if f.consent != "" {
		r.Consent = new(schema.Consent)
		if err := json.Unmarshal([]byte(f.consent), r.Consent); err != nil {
			return gallery.Row{}, fmt.Errorf("consent: %w", err)
		}
	}
	return r, nil
}

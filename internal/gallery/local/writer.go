package local

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// maxGroup bounds the calls that share a transaction, and so how long the first of them waits for the last.
const maxGroup = 256

// write is one call's part of a transaction. run does the statements; an error of the file fails the whole transaction.
type write struct {
	ctx    context.Context
	run    func(context.Context, *transaction) error
	erases bool // it succeeds only when no trace of what it deletes is left in the log
}

// commit has run carried out in a transaction and returns when that is durable and in memory, or failed. When ctx ends it
// returns at once. What run writes may be read only when commit returns nil.
func (g *Gallery) commit(ctx context.Context, op string, run func(context.Context, *transaction) error) error {
	return g.write(ctx, op, &write{ctx: ctx, run: run})
}

// erase is commit for what deletes: it returns nil when the log holds none of it either.
func (g *Gallery) erase(ctx context.Context, op string, run func(context.Context, *transaction) error) error {
	return g.write(ctx, op, &write{ctx: ctx, run: run, erases: true})
}

func (g *Gallery) write(ctx context.Context, op string, w *write) error {
	if err := ctx.Err(); err != nil {
		return schema.Transient(op, err)
	}
	if !g.takeOn() {
		return schema.Transient(op, errClosed)
	}
	done := make(chan error, 1)
	go func() { // Close waits for it
		defer g.writing.Done()
		done <- g.writes.Do(ctx, struct{}{}, []*write{w})[0]
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return g.fault(op, err)
}

// takeOn counts a write that Close must wait for; false when the gallery is closed.
func (g *Gallery) takeOn() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	select {
	case <-g.closing:
		return false
	default:
		g.writing.Add(1)
		return true
	}
}

// writer changes the file and, after the commit, memory. One transaction is under way at a time.
type writer struct {
	g *Gallery
	statements
	commits int64 // transactions that were committed to the file
	// unerased says that the log may still hold what a committed transaction deleted.
	unerased bool
}

type statements struct {
	addCollection, sumCollection, adoptCollection, putFace, hasFace, hasFaces, facesOf, dropFace, remember, recall, recallRow, bury, buried, rewriteDue, count *sql.Stmt
}

func newWriter(ctx context.Context, g *Gallery) (*writer, error) {
	w := &writer{g: g}
	for _, s := range []struct {
		into **sql.Stmt
		text string
	}{
		{&w.addCollection, "INSERT INTO collections (name, model, dimension) VALUES (?, ?, ?)"},
		{&w.sumCollection, "UPDATE collections SET sum = ? WHERE id = ?"},
		{&w.adoptCollection, "INSERT INTO collections (id, name, model, dimension, sum) VALUES (?, ?, ?, ?, ?)"},
		{&w.putFace, `INSERT INTO faces (collection, id, puid, external_id, consent, created, vector, source, placed, sum)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (collection, id) DO UPDATE SET puid = excluded.puid, external_id = excluded.external_id, consent = excluded.consent,
			created = excluded.created, vector = excluded.vector, source = excluded.source, placed = excluded.placed, sum = excluded.sum`},
		{&w.hasFace, "SELECT EXISTS (SELECT 1 FROM faces WHERE collection = ? AND id = ?)"},
		{&w.hasFaces, "SELECT EXISTS (SELECT 1 FROM faces WHERE collection = ? AND puid = ?)"},
		{&w.facesOf, "SELECT id, placed FROM faces WHERE collection = ? AND puid = ?"},
		{&w.dropFace, "DELETE FROM faces WHERE collection = ? AND id = ?"},
		{&w.remember, "INSERT INTO deletions (key, count, sum) VALUES (?, ?, ?)"},
		{&w.recall, "SELECT count FROM deletions WHERE key = ?"},
		{&w.recallRow, "SELECT EXISTS (SELECT 1 FROM deletions WHERE key IN (?, ?))"},
		{&w.bury, "INSERT INTO tombstones (key, orders, sum) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET orders = excluded.orders, sum = excluded.sum"},
		{&w.buried, "SELECT orders FROM tombstones WHERE key = ?"},
		{&w.rewriteDue, "UPDATE rewrite SET due = 1 WHERE due = 0"},
		{&w.count, "UPDATE rewrite SET commits = ?"},
	} {
		var err error
		if *s.into, err = g.db.PrepareContext(ctx, s.text); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	return w, nil
}

// commit carries out a group in one transaction, then changes memory, then empties the log where something was deleted.
// It leaves out the write of a caller whose context has ended; no context rolls back the writes of the others.
func (w *writer) commit(_ context.Context, _ struct{}, group []*write) []error {
	errs := make([]error, len(group))
	err := w.transact(group, errs)
	var left error
	if err == nil && slices.ContainsFunc(group, func(x *write) bool { return x.erases }) {
		left = w.eraseLog()
	}
	for i, x := range group {
		errs[i] = cmp.Or(errs[i], err)
		if x.erases {
			errs[i] = cmp.Or(errs[i], left)
		}
	}
	return errs
}

// eraseLog empties the log if it may hold what was deleted. Writes that delete nothing do not wait for that.
func (w *writer) eraseLog() error {
	if !w.unerased {
		return nil
	}
	if err := truncateLog(w.g.db); err != nil {
		return fmt.Errorf("deleted, but not yet erased from the log: %w", err)
	}
	w.unerased = false
	return nil
}

// transact is the transaction of commit. It sets errs of the writes that it leaves out; the error that it returns is that of
// all others.
func (w *writer) transact(group []*write, errs []error) error {
	ctx := context.Background()
	tx, err := w.g.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	t := &transaction{
		g: w.g,
		statements: statements{
			addCollection:   tx.StmtContext(ctx, w.addCollection),
			sumCollection:   tx.StmtContext(ctx, w.sumCollection),
			adoptCollection: tx.StmtContext(ctx, w.adoptCollection),
			putFace:         tx.StmtContext(ctx, w.putFace),
			hasFace:         tx.StmtContext(ctx, w.hasFace),
			hasFaces:        tx.StmtContext(ctx, w.hasFaces),
			facesOf:         tx.StmtContext(ctx, w.facesOf),
			dropFace:        tx.StmtContext(ctx, w.dropFace),
			remember:        tx.StmtContext(ctx, w.remember),
			recall:          tx.StmtContext(ctx, w.recall),
			recallRow:       tx.StmtContext(ctx, w.recallRow),
			bury:            tx.StmtContext(ctx, w.bury),
			buried:          tx.StmtContext(ctx, w.buried),
			rewriteDue:      tx.StmtContext(ctx, w.rewriteDue),
			count:           tx.StmtContext(ctx, w.count),
		},
		added:   map[schema.Collection]*collection{},
		changes: map[*collection][]change{},
	}
	for i, x := range group {
		if errs[i] = x.ctx.Err(); errs[i] != nil {
			continue
		}
		if err := x.run(ctx, t); err != nil {
			return err
		}
	}
	if _, err := t.count.ExecContext(ctx, w.commits+1); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	w.commits++
	// Not synced, and an error changes nothing: a count that is too low hides damage and invents none.
	_, _ = w.g.committed.WriteAt(committedText(w.commits), 0)
	w.g.mu.Lock()
	for name, c := range t.added {
		w.g.collections[name] = c
	}
	w.g.mu.Unlock()
	for c, changes := range t.changes {
		c.apply(changes)
	}
	w.unerased = w.unerased || t.deleted
	return nil
}

// errRead says that another program reads the file, so that the log must stay as it is.
var errRead = errors.New("another program reads the file, perhaps a backup; it is erased when that ends")

// truncateLog moves the write-ahead log into the database file and empties it. Meanwhile nothing else uses db, so it does not
// wait long for another program.
func truncateLog(db *sql.DB) (err error) {
	const patience = "PRAGMA busy_timeout(%d)"
	if _, err := db.Exec(fmt.Sprintf(patience, 1000)); err != nil {
		return err
	}
	defer func() {
		_, restored := db.Exec(fmt.Sprintf(patience, busyTimeout))
		err = cmp.Or(err, restored)
	}()
	var busy, pages, moved int
	if err := db.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil {
		return fmt.Errorf("empty the write-ahead log: %w", err)
	}
	if busy != 0 {
		return fmt.Errorf("empty the write-ahead log: %w", errRead)
	}
	return nil
}

// transaction is the file as the writes of a group see it, and the changes to memory after the commit.
type transaction struct {
	g *Gallery
	statements
	added   map[schema.Collection]*collection
	changes map[*collection][]change
	deleted bool
}

// change is one row that was written or, if it has no vector, removed.
type change struct {
	face
	vector []float32
}

// collection returns the collection name. If there is none it creates one with tie.
func (t *transaction) collection(ctx context.Context, name schema.Collection, tie gallery.Tie) (*collection, error) {
	if c := t.known(name); c != nil {
		return c, nil
	}
	res, err := t.addCollection.ExecContext(ctx, string(name), string(tie.Model), tie.Dimension)
	if err != nil {
		return nil, err
	}
	key, err := res.LastInsertId()
	if err != nil {
		return nil, err
	}
	if _, err := t.sumCollection.ExecContext(ctx, collectionSum(key, name, tie), key); err != nil {
		return nil, err
	}
	c := newCollection(key, name, tie)
	t.added[name] = c
	return c, nil
}

func (t *transaction) known(name schema.Collection) *collection {
	if c := t.added[name]; c != nil {
		return c
	}
	t.g.mu.RLock()
	defer t.g.mu.RUnlock()
	return t.g.collections[name]
}

// put writes a row.
func (t *transaction) put(ctx context.Context, c *collection, f stored) error {
	vector := schema.EncodeVector(f.vector)
	_, err := t.putFace.ExecContext(ctx, c.key, f.id, string(f.puid), string(f.externalID), f.consent, f.created,
		vector, f.source, f.placed, faceSum(c.name, f.face, vector, f.source, f.placed))
	if err == nil {
		t.changes[c] = append(t.changes[c], change{f.face, f.vector})
	}
	return err
}

// wasDeleted reports whether a row was deleted: then this is a late repeat of its enrolment.
func (t *transaction) wasDeleted(ctx context.Context, c *collection, f stored) (bool, error) {
	key, former := gallery.RowKey(c.key, f.id), gallery.RowKey(c.key, f.formerID)
	var yes bool
	err := t.recallRow.QueryRowContext(ctx, key[:], former[:]).Scan(&yes)
	return yes, err
}

// outlived reports whether a deletion outlived a row, or the row was refused for that before.
func (t *transaction) outlived(ctx context.Context, c schema.Collection, f stored) (bool, error) {
	_, before, err := t.tombstone(ctx, gallery.RefusedKey(c, f.id))
	if err != nil || before {
		return before, err
	}
	for _, key := range (gallery.Row{PUID: f.puid, Also: f.also}).TombstoneKeys(c) {
		stone, _, err := t.tombstone(ctx, key)
		if err != nil {
			return false, err
		}
		if stone.Covers(f.order) {
			return true, nil
		}
	}
	return false, nil
}

// refuse remembers that a row was refused, so that every repeat of the enrolment has the same answer.
func (t *transaction) refuse(ctx context.Context, c schema.Collection, f stored) error {
	key := gallery.RefusedKey(c, f.id)
	return t.remind(ctx, key[:], "")
}

// hasRow reports whether a row is there.
func (t *transaction) hasRow(ctx context.Context, c *collection, id string) (yes bool, err error) {
	err = t.hasFace.QueryRowContext(ctx, c.key, id).Scan(&yes)
	return yes, err
}

// tombstone returns what is remembered under key.
func (t *transaction) tombstone(ctx context.Context, key gallery.DeletionKey) (stone schema.Tombstone, known bool, err error) {
	var orders string
	err = t.buried.QueryRowContext(ctx, key[:]).Scan(&orders)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err == nil {
		stone, err = readTombstone(orders)
	}
	return stone, err == nil, err
}

// remind writes a tombstone.
func (t *transaction) remind(ctx context.Context, key []byte, orders string) error {
	_, err := t.bury.ExecContext(ctx, key, orders, tombstoneSum(key, orders))
	return err
}

func readTombstone(orders string) (stone schema.Tombstone, err error) {
	if orders == "" {
		return nil, nil
	}
	if err = json.Unmarshal([]byte(orders), &stone); err != nil {
		err = fmt.Errorf("the memory of deletions: %w", err)
	}
	return stone, err
}

// hasRows reports whether a person has rows.
func (t *transaction) hasRows(ctx context.Context, c *collection, puid schema.PUID) (yes bool, err error) {
	err = t.hasFaces.QueryRowContext(ctx, c.key, string(puid)).Scan(&yes)
	return yes, err
}

// remove deletes the rows of a person, except those that are younger than the deletion, and returns how many there were. For a request that did so
// before it only returns that. unknown says that the collection was unknown when the request came first.
func (t *transaction) remove(ctx context.Context, name schema.Collection, d gallery.Deletion) (n int, unknown bool, err error) {
	nobody := d.NobodyKey(name)
	if _, unknown, err = t.tombstone(ctx, nobody); err != nil || unknown {
		return 0, unknown, err
	}
	c := t.known(name)
	if c == nil {
		if err = t.outlive(ctx, name, d); err == nil {
			err = t.remind(ctx, nobody[:], "")
		}
		return 0, true, err
	}
	key := d.Key(c.key)
	var before int
	if err := t.recall.QueryRowContext(ctx, key[:]).Scan(&before); !errors.Is(err, sql.ErrNoRows) {
		return before, false, err
	}
	if err := t.outlive(ctx, name, d); err != nil {
		return 0, false, err
	}
	var removed []change
	rows, err := t.facesOf.QueryContext(ctx, c.key, string(d.PUID))
	err = each(rows, err, func(scan func(...any) error) error {
		var f face
		var placed string
		if err := scan(&f.id, &placed); err != nil {
			return err
		}
		order, err := readOrder(placed)
		if !order.Younger(d.Order) {
			removed = append(removed, change{face: f})
		}
		return err
	})
	if err != nil {
		return 0, false, err
	}
	for _, x := range removed {
		key := gallery.RowKey(c.key, x.id)
		if _, err := t.dropFace.ExecContext(ctx, c.key, x.id); err != nil {
			return 0, false, err
		}
		if _, err := t.remember.ExecContext(ctx, key[:], 0, deletionSum(key[:], 0)); err != nil {
			return 0, false, err
		}
	}
	t.changes[c] = append(t.changes[c], removed...)
	if len(removed) > 0 {
		if err := t.freed(ctx); err != nil {
			return 0, false, err
		}
	}
	_, err = t.remember.ExecContext(ctx, key[:], len(removed), deletionSum(key[:], len(removed)))
	return len(removed), false, err
}

// outlive adds the order of a deletion to what is remembered of its person.
func (t *transaction) outlive(ctx context.Context, c schema.Collection, d gallery.Deletion) error {
	if d.Order == nil {
		return nil
	}
	key := gallery.TombstoneKey(c, d.PUID)
	stone, _, err := t.tombstone(ctx, key)
	if err != nil {
		return err
	}
	orders, err := json.Marshal(stone.Add(d.Order))
	if err != nil {
		return err
	}
	return t.remind(ctx, key[:], string(orders))
}

// forget deletes a row and does not remember it. It is not an error if the row is not there.
func (t *transaction) forget(ctx context.Context, c *collection, id string) error {
	res, err := t.dropFace.ExecContext(ctx, c.key, id)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); n == 0 || err != nil {
		return err
	}
	t.changes[c] = append(t.changes[c], change{face: face{id: id}})
	return t.freed(ctx)
}

// freed records that rows were deleted whose traces must be removed.
func (t *transaction) freed(ctx context.Context) error {
	if t.deleted {
		return nil
	}
	t.deleted = true
	_, err := t.rewriteDue.ExecContext(ctx)
	return err
}

// each calls row for each row of an answer.
func each(rows *sql.Rows, err error, row func(scan func(...any) error) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

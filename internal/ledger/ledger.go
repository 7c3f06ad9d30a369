// Package ledger is ingest's memory of which request ids already have a job or an outcome, so that a repeated event
// and the reconciler's listing lead to nothing new.
//
// It is a SQLite file that can be rebuilt: it follows topics, and holds beside what it learned the offset to go on
// from. A write that returned nil outlives the process (SIGKILL included). Loss of power can take the last writes, always
// a suffix of them, so entries and offsets still fit each other and following the topics brings the rest back.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"facestream/pkg/schema"
)

// formatVersion is the PRAGMA user_version of the files that this package reads and writes.
const formatVersion = 1

const tables = `
CREATE TABLE requests (
	id     TEXT PRIMARY KEY,
	digest TEXT NOT NULL,   -- '' until known
	at     INTEGER NOT NULL -- microseconds since 1970
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_by_age ON requests (at);
CREATE TABLE offsets (
	topic     TEXT NOT NULL,
	partition INTEGER NOT NULL,
	next      INTEGER NOT NULL,
	PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
`

// pruneStep is how many entries Prune deletes at a time, so that other calls get their turn in between.
const pruneStep = 1000

// Ledger answers which requests are known. Its methods are safe for concurrent use; their errors are transient.
type Ledger struct {
	// db has one connection: calls take turns. A commit is not synced to the device, so a turn is short and there is
	// nothing to be won by sharing transactions.
	db *sql.DB

	seen, record, follow *sql.Stmt
}

// Entry is one request that has a job or an outcome. Digest is that of its job ([schema.Job]); "" where only its
// outcome is known.
type Entry struct {
	ID     schema.RequestID
	Digest string
	At     time.Time
}

// Open opens the file at path and creates it, with its folder, where it does not exist. It is fatal where that cannot be
// done, and where the file is damaged or of another version: the text names the file, which can be deleted.
func Open(ctx context.Context, path string) (*Ledger, error) {
	l := &Ledger{}
	if err := l.open(ctx, path); err != nil {
		if l.db != nil {
			err = errors.Join(err, l.db.Close())
		}
		return nil, schema.Fatal("ledger.open", fmt.Errorf("the ledger %q: %w; it may be deleted: it is rebuilt from the topics", path, err))
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)"},
	}.Encode()}
	if l.db, err = sql.Open("sqlite", name.String()); err != nil {
		return err
	}
	l.db.SetMaxOpenConns(1)
	var version int
	if err := l.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch version {
	case formatVersion:
	case 0:
		if _, err := l.db.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT", tables, formatVersion)); err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
	default:
		return fmt.Errorf("it has format %d and this program reads format %d", version, formatVersion)
	}
	for _, s := range []struct {
		into **sql.Stmt
		text string
	}{
		{&l.seen, "SELECT digest FROM requests WHERE id = ?"},
		{&l.record, `INSERT INTO requests (id, digest, at) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET
			digest = CASE digest WHEN '' THEN excluded.digest ELSE digest END, at = max(at, excluded.at)`},
		{&l.follow, `INSERT INTO offsets (topic, partition, next) VALUES (?, ?, ?)
			ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next`},
	} {
		if *s.into, err = l.db.PrepareContext(ctx, s.text); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	return nil
}

// Close closes the file. No other call may be under way or follow.
func (l *Ledger) Close() error { return l.db.Close() }

// Seen answers whether id has a job or an outcome, and the digest of its job: "" where only an outcome is known.
func (l *Ledger) Seen(ctx context.Context, id schema.RequestID) (digest string, ok bool, err error) {
	switch err := l.seen.QueryRowContext(ctx, string(id)).Scan(&digest); {
	case errors.Is(err, sql.ErrNoRows):
		return "", false, nil
	case err != nil:
		return "", false, schema.Transient("ledger.seen", err)
	}
	return digest, true, nil
}

// Record notes that id has a job with this digest, or, with digest "", an outcome. The first digest that is not empty
// stands: a request that reuses an id is told apart from the one that had it. The latest time stands, so an id is
// forgotten ([Ledger.Prune]) by when it was last heard of.
func (l *Ledger) Record(ctx context.Context, id schema.RequestID, digest string, at time.Time) error {
	if _, err := l.record.ExecContext(ctx, string(id), digest, at.UnixMicro()); err != nil {
		return schema.Transient("ledger.record", err)
	}
	return nil
}

// Apply notes entries, each as Record does, and with them the offset from which following goes on: the next one after
// the records that entries come from. Both are stored or neither. A lower offset than before is stored too: whoever
// follows a topic that was created anew begins again.
func (l *Ledger) Apply(ctx context.Context, topic string, partition int, next int64, entries []Entry) error {
	const op = "ledger.apply"
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return schema.Transient(op, err)
	}
	defer tx.Rollback() // does nothing after the commit
	record := tx.StmtContext(ctx, l.record)
	for _, e := range entries {
		if _, err := record.ExecContext(ctx, string(e.ID), e.Digest, e.At.UnixMicro()); err != nil {
			return schema.Transient(op, err)
		}
	}
	if _, err := tx.StmtContext(ctx, l.follow).ExecContext(ctx, topic, partition, next); err != nil {
		return schema.Transient(op, err)
	}
	if err := tx.Commit(); err != nil {
		return schema.Transient(op, err)
	}
	return nil
}

// Offsets returns, for each partition of topic that was applied, the offset to go on from.
func (l *Ledger) Offsets(ctx context.Context, topic string) (map[int]int64, error) {
	const op = "ledger.offsets"
	rows, err := l.db.QueryContext(ctx, "SELECT partition, next FROM offsets WHERE topic = ?", topic)
	if err != nil {
		return nil, schema.Transient(op, err)
	}
	defer rows.Close()
	offsets := map[int]int64{}
	for rows.Next() {
		var partition int
		var next int64
		if err := rows.Scan(&partition, &next); err != nil {
			return nil, schema.Transient(op, err)
		}
		offsets[partition] = next
	}
	if err := rows.Err(); err != nil {
		return nil, schema.Transient(op, err)
	}
	return offsets, nil
}

// Prune forgets the requests that were last heard of before a time and answers how many there were. Where it fails, it
// has forgotten those that it counts.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (int, error) {
	for pruned := 0; ; {
		res, err := l.db.ExecContext(ctx, "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE at < ? ORDER BY at LIMIT ?)",
			before.UnixMicro(), pruneStep)
		if err != nil {
			return pruned, schema.Transient("ledger.prune", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return pruned, schema.Transient("ledger.prune", err)
		}
		if pruned += int(n); n < pruneStep {
			return pruned, nil
		}
	}
}

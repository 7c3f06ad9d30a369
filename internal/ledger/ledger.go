// Package ledger remembers for ingest which request ids already have a job or an outcome. Repeated events and the
// reconciler's listing therefore lead to nothing new.
//
// The ledger is a SQLite file that can be rebuilt: it follows topics, and stores with its entries the offsets at which
// to continue. A write that returned nil survives the end of the process, including SIGKILL. A power failure can lose
// the last writes, but always a suffix of them. Entries and offsets then still match, and the topics bring the rest
// back.
package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"facestream/internal/dbfault"
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

// pruneStep is the number of entries that Prune deletes at a time, so that other calls can run in between.
const pruneStep = 1000

// checkLimit bounds the check of a file at its opening.
const checkLimit = 10 * time.Second

// Ledger knows the accepted requests. Its methods are safe for concurrent use. Their errors are transient, an outage while
// the file takes no writes, or fatal when the file is damaged.
type Ledger struct {
	path string
	// SetAside is where a damaged file was moved that this ledger takes the place of; "" if there was none. The topics bring
	// its entries back.
	SetAside string

	// db has one connection, so calls run one after the other. A commit is not synced to the device, so each call is
	// short and sharing transactions would gain nothing.
	db *sql.DB

	seen, record, follow *sql.Stmt

	refused atomic.Bool // the last write was refused
}

// Entry is one request that has a job or an outcome. Digest is the digest of its job ([schema.Job]), or "" if only its
// outcome is known.
type Entry struct {
	ID     schema.RequestID
	Digest string
	At     time.Time
}

// Open opens the file at path. If the file does not exist, Open creates it and its folder. A damaged file is moved aside,
// and another one takes its place, which the topics fill. The error is an outage if the disk is full or another program has
// the file locked. It is fatal if the file cannot be made or is of another version. It names the file, which may be deleted.
func Open(ctx context.Context, path string) (*Ledger, error) {
	const op = "ledger.open"
	l := &Ledger{}
	var err error
	if l.path, err = filepath.Abs(path); err == nil {
		if err = l.openOrClose(ctx); dbfault.Damaged(err) {
			if err = l.setAside(); err == nil {
				err = l.openOrClose(ctx)
			}
		}
	}
	switch {
	case err == nil:
		return l, nil
	case dbfault.Refused(err):
		return nil, schema.Outage(op, fmt.Errorf("the ledger %q cannot be opened for now: %w", path, err))
	}
	return nil, schema.Fatal(op, fmt.Errorf("the ledger %q: %w; you may delete it, it is rebuilt from the topics", path, err))
}

// setAside moves the damaged file away, with its write-ahead log.
func (l *Ledger) setAside() error {
	l.SetAside = l.path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(l.path+suffix, l.SetAside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move the damaged file aside: %w", err)
		}
	}
	return nil
}

func (l *Ledger) openOrClose(ctx context.Context) error {
	err := l.open(ctx)
	if err != nil && l.db != nil {
		err = errors.Join(err, l.db.Close())
	}
	return err
}

// fault classifies an error of the file.
func (l *Ledger) fault(op string, err error) error {
	switch {
	case dbfault.Damaged(err):
		return schema.Fatal(op, fmt.Errorf("the ledger %q is damaged: %w; start ingest again, and it is set aside and rebuilt from the topics", l.path, err))
	case dbfault.Refused(err):
		l.refused.Store(true)
		return schema.Outage(op, fmt.Errorf("the ledger %q takes no writes: %w", l.path, err))
	}
	return schema.Transient(op, err)
}

// probe writes to the file if the last write was refused. A topic has a name, so the row means nothing.
func (l *Ledger) probe(ctx context.Context) error {
	if !l.refused.Load() {
		return nil
	}
	if _, err := l.follow.ExecContext(ctx, "", 0, time.Now().UnixMicro()); err != nil {
		return err
	}
	l.refused.Store(false)
	return nil
}

func (l *Ledger) open(ctx context.Context) (err error) {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return err
	}
	name := url.URL{Scheme: "file", Path: l.path, RawQuery: url.Values{
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
	if err := dbfault.Check(ctx, l.db, checkLimit); err != nil {
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

// Close closes the file. No other call may run at the same time or afterwards.
func (l *Ledger) Close() error { return l.db.Close() }

// stored is the id as it is kept. A longer one is refused, and the refusal is an outcome; its hash says which it was.
func stored(id schema.RequestID) string {
	if len(id) <= schema.MaxRequestID {
		return string(id)
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(id)))
}

// Seen reports whether id has a job or an outcome, and returns the digest of its job, or "" if only an outcome is
// known. It fails while the file takes no writes: what is done about an id that is not known could not be recorded.
func (l *Ledger) Seen(ctx context.Context, id schema.RequestID) (digest string, ok bool, err error) {
	if err := l.probe(ctx); err != nil {
		return "", false, l.fault("ledger.seen", err)
	}
	switch err := l.seen.QueryRowContext(ctx, stored(id)).Scan(&digest); {
	case errors.Is(err, sql.ErrNoRows):
		return "", false, nil
	case err != nil:
		return "", false, l.fault("ledger.seen", err)
	}
	return digest, true, nil
}

// Record stores that id has a job with this digest, or an outcome if digest is "". The first digest that is not empty
// is kept, which identifies a different request that reuses the id. The latest time is kept, so [Ledger.Prune] forgets
// an id by its last record.
func (l *Ledger) Record(ctx context.Context, id schema.RequestID, digest string, at time.Time) error {
	if _, err := l.record.ExecContext(ctx, stored(id), digest, at.UnixMicro()); err != nil {
		return l.fault("ledger.record", err)
	}
	return nil
}

// Apply stores entries as Record does, together with the offset at which to continue: the one after the records that
// the entries come from. Either both are stored or neither. It also accepts a lower offset than before, because a topic
// that was created again begins at 0.
func (l *Ledger) Apply(ctx context.Context, topic string, partition int, next int64, entries []Entry) error {
	const op = "ledger.apply"
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return l.fault(op, err)
	}
	defer tx.Rollback() // no effect after the commit
	record := tx.StmtContext(ctx, l.record)
	for _, e := range entries {
		if _, err := record.ExecContext(ctx, stored(e.ID), e.Digest, e.At.UnixMicro()); err != nil {
			return l.fault(op, err)
		}
	}
	if _, err := tx.StmtContext(ctx, l.follow).ExecContext(ctx, topic, partition, next); err != nil {
		return l.fault(op, err)
	}
	if err := tx.Commit(); err != nil {
		return l.fault(op, err)
	}
	return nil
}

// Offsets returns, for each partition of topic that was applied, the offset at which to continue.
func (l *Ledger) Offsets(ctx context.Context, topic string) (map[int]int64, error) {
	const op = "ledger.offsets"
	rows, err := l.db.QueryContext(ctx, "SELECT partition, next FROM offsets WHERE topic = ?", topic)
	if err != nil {
		return nil, l.fault(op, err)
	}
	defer rows.Close()
	offsets := map[int]int64{}
	for rows.Next() {
		var partition int
		var next int64
		if err := rows.Scan(&partition, &next); err != nil {
			return nil, l.fault(op, err)
		}
		offsets[partition] = next
	}
	if err := rows.Err(); err != nil {
		return nil, l.fault(op, err)
	}
	return offsets, nil
}

// Prune forgets the requests whose last record is older than a time, and returns their number. If it fails, it has
// forgotten as many as it returns.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (int, error) {
	for pruned := 0; ; {
		res, err := l.db.ExecContext(ctx, "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE at < ? ORDER BY at LIMIT ?)",
			before.UnixMicro(), pruneStep)
		if err != nil {
			return pruned, l.fault("ledger.prune", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return pruned, l.fault("ledger.prune", err)
		}
		if pruned += int(n); n < pruneStep {
			return pruned, nil
		}
	}
}

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
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
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
const formatVersion = 2

// SQLite notices pages that are damaged in their structure. The checksums notice other damage to a row; they are NULL in rows of
// format 1. A request has two of them, because a later record of it can change the digest and the time apart.
const tables = `
CREATE TABLE requests (
	id         TEXT PRIMARY KEY,
	digest     TEXT NOT NULL,    -- '' until known
	at         INTEGER NOT NULL, -- microseconds since 1970
	digest_sum INTEGER,          -- of id and digest
	at_sum     INTEGER           -- of id and at
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_by_age ON requests (at);
CREATE TABLE offsets (
	topic     TEXT NOT NULL,
	partition INTEGER NOT NULL,
	next      INTEGER NOT NULL,
	sum       INTEGER,
	PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
`

// fromFormat1 adds what format 1 lacks.
const fromFormat1 = `
ALTER TABLE requests ADD COLUMN digest_sum INTEGER;
ALTER TABLE requests ADD COLUMN at_sum INTEGER;
ALTER TABLE offsets ADD COLUMN sum INTEGER;
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
	if err := l.goOn(ctx, l.follow, "", 0, time.Now().UnixMicro()); err != nil {
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
	changes := ""
	switch version {
	case formatVersion:
	case 0:
		changes = tables
	case 1:
		changes = fromFormat1
	default:
		return fmt.Errorf("it has format %d and this program reads format %d", version, formatVersion)
	}
	if changes != "" {
		if _, err := l.db.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT", changes, formatVersion)); err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
	}
	if err := l.checkRows(ctx); err != nil {
		return err
	}
	for _, s := range []struct {
		into **sql.Stmt
		text string
	}{
		{&l.seen, "SELECT digest, digest_sum FROM requests WHERE id = ?"},
		{&l.record, `INSERT INTO requests (id, digest, at, digest_sum, at_sum) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
			digest = CASE digest WHEN '' THEN excluded.digest ELSE digest END,
			digest_sum = CASE digest WHEN '' THEN excluded.digest_sum ELSE digest_sum END,
			at = max(at, excluded.at),
			at_sum = CASE WHEN excluded.at >= at THEN excluded.at_sum ELSE at_sum END`},
		{&l.follow, `INSERT INTO offsets (topic, partition, next, sum) VALUES (?, ?, ?, ?)
			ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next, sum = excluded.sum`},
	} {
		if *s.into, err = l.db.PrepareContext(ctx, s.text); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	return nil
}

// sumOf is the checksum of the columns of a row: a CRC-32C over each of them with its length before it.
func sumOf(columns ...any) int64 {
	var b []byte
	for _, c := range columns {
		text := fmt.Sprint(c)
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return int64(crc32.Checksum(b, castagnoli))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sound reports whether a row has the checksum of its columns. A row of format 1 has none.
func sound(sum sql.NullInt64, columns ...any) bool {
	return !sum.Valid || sum.Int64 == sumOf(columns...)
}

// checkRows looks for damaged rows. When checkLimit is over it ends; [Ledger.Seen] looks again at what it reads.
func (l *Ledger) checkRows(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	err := l.everyRow(within, "SELECT topic, partition, next, sum FROM offsets", func(scan func(...any) error) (bool, error) {
		var topic string
		var partition, next int64
		var sum sql.NullInt64
		err := scan(&topic, &partition, &next, &sum)
		return sound(sum, topic, partition, next), err
	})
	if err == nil {
		err = l.everyRow(within, "SELECT id, digest, at, digest_sum, at_sum FROM requests", func(scan func(...any) error) (bool, error) {
			var id, digest string
			var at int64
			var digestSum, atSum sql.NullInt64
			err := scan(&id, &digest, &at, &digestSum, &atSum)
			return sound(digestSum, id, digest) && sound(atSum, id, at), err
		})
	}
	if err != nil && within.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (l *Ledger) everyRow(ctx context.Context, query string, sound func(scan func(...any) error) (bool, error)) error {
	rows, err := l.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		ok, err := sound(rows.Scan)
		if err != nil {
			return err
		}
		if !ok {
			return errDamagedRow
		}
	}
	return rows.Err()
}

var errDamagedRow = dbfault.Damage("a row has another checksum than what was written")

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
	var sum sql.NullInt64
	switch err := l.seen.QueryRowContext(ctx, stored(id)).Scan(&digest, &sum); {
	case errors.Is(err, sql.ErrNoRows):
		return "", false, nil
	case err != nil:
		return "", false, l.fault("ledger.seen", err)
	case !sound(sum, stored(id), digest):
		return "", false, l.fault("ledger.seen", errDamagedRow)
	}
	return digest, true, nil
}

// Record stores that id has a job with this digest, or an outcome if digest is "". The first digest that is not empty
// is kept, which identifies a different request that reuses the id. The latest time is kept, so [Ledger.Prune] forgets
// an id by its last record.
func (l *Ledger) Record(ctx context.Context, id schema.RequestID, digest string, at time.Time) error {
	if err := l.note(ctx, l.record, Entry{id, digest, at}); err != nil {
		return l.fault("ledger.record", err)
	}
	return nil
}

func (l *Ledger) note(ctx context.Context, record *sql.Stmt, e Entry) error {
	id, at := stored(e.ID), e.At.UnixMicro()
	_, err := record.ExecContext(ctx, id, e.Digest, at, sumOf(id, e.Digest), sumOf(id, at))
	return err
}

func (l *Ledger) goOn(ctx context.Context, follow *sql.Stmt, topic string, partition int, next int64) error {
	_, err := follow.ExecContext(ctx, topic, partition, next, sumOf(topic, partition, next))
	return err
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
		if err := l.note(ctx, record, e); err != nil {
			return l.fault(op, err)
		}
	}
	if err := l.goOn(ctx, tx.StmtContext(ctx, l.follow), topic, partition, next); err != nil {
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

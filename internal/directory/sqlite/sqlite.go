// Package sqlite is the directory of one host: a SQLite file, which one indexer writes and others on the host may read.
//
// Changes that wait at the same time share a transaction, which is synced to the device before any of them is answered.
// SQLite overwrites what is erased (secure_delete), and the write-ahead log is emptied before the erasure is answered.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"facestream/internal/dbfault"
	"facestream/internal/directory"
	"facestream/internal/directory/tables"
	"facestream/internal/dirlock"
	"facestream/pkg/groupcommit"
	"facestream/pkg/schema"
)

const (
	file        = "directory.db"
	busyTimeout = 5000             // milliseconds that a statement waits for another program
	checkLimit  = 10 * time.Second // of the check of the file when it is opened
	maxGroup    = 256              // changes in a transaction
	readers     = 4                // connections that read beside the one that writes
)

// Directory is a [directory.Directory] in one folder.
type Directory struct {
	tables.Store
	dir      string
	lock     *dirlock.Lock // nil for a reader
	changes  groupcommit.Calls[struct{}, directory.Change, schema.Outcome[directory.Done]]
	unerased bool // the log may hold what was erased; only the one call under way uses it
}

var _ directory.Directory = (*Directory)(nil)

// Open takes dir for this process, and creates it if it does not exist. The error is an outage if the disk is full or
// another program has the file locked, else fatal.
func Open(ctx context.Context, dir string) (*Directory, error) {
	lock, err := dirlock.Acquire(dir, "directory's folder")
	if err != nil {
		return nil, schema.Fatal("directory.open", fmt.Errorf("the directory in %q: %w", dir, err))
	}
	d := &Directory{dir: dir, lock: lock}
	d.Fault = d.classify
	if err := d.open(ctx); err != nil {
		return nil, d.classify("directory.open", errors.Join(err, d.Close()))
	}
	d.changes.Call, d.changes.Most, d.changes.AtOnce = d.commit, maxGroup, 1
	d.changes.Ended = func(err error) schema.Outcome[directory.Done] {
		return schema.Outcome[directory.Done]{Err: schema.Transient("directory.apply", err)}
	}
	return d, nil
}

// OpenReader opens the directory in dir beside the process that writes it, and changes nothing. Its Apply is refused.
func OpenReader(ctx context.Context, dir string) (*Directory, error) {
	d := &Directory{dir: dir}
	d.Fault = d.classify
	var err error
	var version int
	if d.Read, err = connect(dir, readers, url.Values{"mode": {"ro"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout)}}); err == nil {
		d.Write = d.Read
		err = d.Read.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	}
	if err == nil && version != len(tables.Migrations) {
		err = fmt.Errorf("it has format %d and this program reads format %d", version, len(tables.Migrations))
	}
	if err != nil {
		return nil, schema.Fatal("directory.open", errors.Join(fmt.Errorf("the directory in %q: %w; the folder is that of the indexer's setting indexer.directory.dir", dir, err), d.Close()))
	}
	return d, nil
}

func connect(dir string, connections int, options url.Values) (*sql.DB, error) {
	path, err := filepath.Abs(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err == nil {
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
	}
	return db, err
}

func (d *Directory) open(ctx context.Context) (err error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	pragmas := []string{fmt.Sprintf("busy_timeout(%d)", busyTimeout), "temp_store(MEMORY)", "cache_size(-65536)"}
	if d.Write, err = connect(d.dir, 1, url.Values{"_txlock": {"immediate"}, "_pragma": append(pragmas, "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)")}); err != nil {
		return err
	}
	var version int
	if err := d.Write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(tables.Migrations) {
		return fmt.Errorf("it has format %d and this program reads format %d; use the program that wrote it, or put a backup of that time back", version, len(tables.Migrations))
	}
	if err := dbfault.Check(ctx, d.Write, checkLimit); err != nil {
		return err
	}
	for ; version < len(tables.Migrations); version++ {
		if err := d.migrate(ctx, version); err != nil {
			return err
		}
	}
	if err := d.emptyLog(); err != nil {
		return err
	}
	d.Read, err = connect(d.dir, readers, url.Values{"_pragma": append(pragmas, "query_only(ON)")})
	return err
}

func (d *Directory) migrate(ctx context.Context, version int) error {
	tx, err := d.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	statements := strings.NewReplacer("TEXTS", "TEXT", "BYTES", "BLOB").Replace(tables.Migrations[version])
	_, err = tx.ExecContext(ctx, statements)
	if err == nil {
		_, err = tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+1))
	}
	if err != nil {
		return fmt.Errorf("bring the tables from format %d to %d: %w", version, version+1, err)
	}
	return tx.Commit()
}

// Apply implements [directory.Writer].
func (d *Directory) Apply(ctx context.Context, changes []directory.Change) []schema.Outcome[directory.Done] {
	if d.lock == nil {
		return failAll(len(changes), schema.Fatal("directory.apply", errors.New("the directory was opened for reading")))
	}
	return d.changes.Do(ctx, struct{}{}, changes)
}

func failAll(n int, err error) []schema.Outcome[directory.Done] {
	out := make([]schema.Outcome[directory.Done], n)
	for i := range out {
		out[i].Err = err
	}
	return out
}

// commit makes changes in one transaction.
func (d *Directory) commit(_ context.Context, _ struct{}, changes []directory.Change) []schema.Outcome[directory.Done] {
	const op = "directory.apply"
	ctx := context.Background() // no caller's context rolls back the changes of the others
	out := make([]schema.Outcome[directory.Done], len(changes))
	erases := make([]bool, len(changes))
	err := func() error {
		tx, err := d.Write.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after the commit
		erased := false
		for i, c := range changes {
			var did bool
			if out[i], did, err = d.Store.Apply(ctx, tx, c); err != nil {
				return err
			}
			_, erases[i] = c.Act.(directory.Erase)
			erased = erased || did
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		d.unerased = d.unerased || erased
		return nil
	}()
	if err != nil {
		return failAll(len(changes), d.classify(op, err))
	}
	for i := range out {
		if erases[i] && d.unerased && out[i].Err == nil {
			if err := d.emptyLog(); err != nil {
				out[i].Err = d.classify(op, fmt.Errorf("erased, but not yet from the log: %w", err))
			}
		}
	}
	return out
}

var errRead = errors.New("another program reads the file; it is erased when that ends")

// emptyLog moves the write-ahead log into the file and empties it.
func (d *Directory) emptyLog() error {
	var busy, pages, moved int
	if err := d.Write.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil {
		return fmt.Errorf("empty the write-ahead log: %w", err)
	}
	if busy != 0 {
		return errRead
	}
	d.unerased = false
	return nil
}

// Ping tells whether the file answers.
func (d *Directory) Ping(ctx context.Context) error {
	return d.Fault("directory.ping", d.Read.PingContext(ctx))
}

// Close gives the folder back. Nothing else may be called any more.
func (d *Directory) Close() error {
	var errs []error
	if d.Write != nil && d.lock != nil && d.Read != nil {
		errs = append(errs, d.Read.Close(), d.emptyLog())
	}
	if d.Write != nil {
		errs = append(errs, d.Write.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// classify says of an error of the file what happens next.
func (d *Directory) classify(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case dbfault.Damaged(err):
		return schema.Fatal(op, fmt.Errorf("the directory in %q is damaged: %w; put a backup of the folder back, or remove it: whoever is enrolled is taken over from the gallery, without names, metadata and groups", d.dir, err))
	case errors.Is(err, errRead) || dbfault.Refused(err):
		return schema.Outage(op, fmt.Errorf("the directory in %q takes no writes: %w", d.dir, err))
	case op == "directory.open":
		return schema.Fatal(op, fmt.Errorf("the directory in %q: %w", d.dir, err))
	}
	return schema.Transient(op, err)
}

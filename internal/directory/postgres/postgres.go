// Package postgres is the directory in a PostgreSQL database, which any number of indexers write and others read. Its tables
// lie in the first schema of the connection's search_path that exists.
//
// A nil error means that the server has committed, which is durable unless its synchronous_commit was switched off. What was
// erased is gone from the tables; the server overwrites it when it vacuums, and its write-ahead log and backups keep it for as
// long as they are kept.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"facestream/internal/directory"
	"facestream/internal/directory/tables"
	"facestream/pkg/schema"
)

// Directory is a [directory.Directory] in a database.
type Directory struct {
	tables.Store
	pool *pgxpool.Pool
}

var _ directory.Directory = (*Directory)(nil)

// Open connects to the database that dsn names (a URL postgres://…, see the documentation of pgxpool.ParseConfig) and brings its
// tables to this version. The error is transient while the server is away, and fatal if it refuses the user, the database or
// the tables.
func Open(ctx context.Context, dsn schema.Secret) (*Directory, error) {
	return connect(ctx, dsn, (*Directory).migrate)
}

// OpenReader is Open for somebody who only reads. The tables must be there.
func OpenReader(ctx context.Context, dsn schema.Secret) (*Directory, error) {
	return connect(ctx, dsn, (*Directory).check)
}

func connect(ctx context.Context, dsn schema.Secret, prepare func(*Directory, context.Context) error) (*Directory, error) {
	const op = "directory.open"
	cfg, err := pgxpool.ParseConfig(string(dsn))
	if err != nil {
		return nil, schema.Fatal(op, errors.New("indexer.directory.dsn is no address of a PostgreSQL database, such as postgres://user:password@host:5432/database")) // err repeats parts of it
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fault(op, err)
	}
	db := stdlib.OpenDBFromPool(pool)
	d := &Directory{pool: pool, Store: tables.Store{Write: db, Read: db, Dialect: tables.Dialect{
		Numbered: true, Share: " FOR KEY SHARE", Fault: fault,
	}}}
	if err := prepare(d, ctx); err != nil {
		return nil, errors.Join(atOpen(err), d.Close())
	}
	return d, nil
}

// migrating is the number of the advisory lock under which one process at a time changes the tables.
const migrating = 0x66736469726d6967

func (d *Directory) migrate(ctx context.Context) error {
	tx, err := d.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrating)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS person_format (version INTEGER NOT NULL)"); err != nil {
		return err
	}
	version, err := formatOf(ctx, tx)
	if err != nil {
		return err
	}
	for from := version; from < len(tables.Migrations); from++ {
		text := strings.NewReplacer("TEXTS", `TEXT COLLATE "C"`, "BYTES", "BYTEA").Replace(tables.Migrations[from])
		for statement := range strings.SplitSeq(text, ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("bring the tables from format %d to %d: %w", from, from+1, err)
			}
		}
	}
	if version < len(tables.Migrations) {
		if _, err := tx.ExecContext(ctx, "DELETE FROM person_format"); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO person_format VALUES ($1)", len(tables.Migrations)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// check is migrate for a reader.
func (d *Directory) check(ctx context.Context) error {
	version, err := formatOf(ctx, d.Read)
	if err == nil && version < len(tables.Migrations) {
		err = fmt.Errorf("the tables have format %d and this program reads format %d, to which the indexer of this version brings them when it starts", version, len(tables.Migrations))
	}
	return err
}

// formatOf returns the format of the tables; 0 if there are none.
func formatOf(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (version int, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM person_format").Scan(&version)
	if err == nil && version > len(tables.Migrations) {
		err = fmt.Errorf("the tables have format %d and this program reads format %d; use the program that made them", version, len(tables.Migrations))
	}
	return version, err
}

// Apply implements [directory.Writer].
func (d *Directory) Apply(ctx context.Context, changes []directory.Change) []schema.Outcome[directory.Done] {
	const op = "directory.apply"
	out, err := d.transact(ctx, changes)
	if err == nil {
		return out
	}
	if out = make([]schema.Outcome[directory.Done], len(changes)); len(changes) == 1 {
		out[0].Err = fault(op, err)
		return out
	}
	for i := range changes { // a bad one fails alone
		out[i] = d.Apply(ctx, changes[i:i+1])[0]
	}
	return out
}

// transact makes changes in one transaction. It first waits for all others that change the same persons and groups, in one
// order, so that no two wait for each other.
func (d *Directory) transact(ctx context.Context, changes []directory.Change) ([]schema.Outcome[directory.Done], error) {
	tx, err := d.Write.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // does nothing after the commit
	var keys []string
	for _, c := range changes {
		keys = append(keys, string(c.Collection)+" "+c.Act.Key())
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", strings.ReplaceAll(strings.ToValidUTF8(key, "\ufffd"), "\x00", "\ufffd")); err != nil {
			return nil, err
		}
	}
	out := make([]schema.Outcome[directory.Done], len(changes))
	for i, c := range changes {
		if out[i], _, err = d.Store.Apply(ctx, tx, c); err != nil {
			return nil, err
		}
	}
	return out, tx.Commit()
}

// Ping tells whether the server answers.
func (d *Directory) Ping(ctx context.Context) error { return fault("directory.ping", d.pool.Ping(ctx)) }

// Close ends the connections.
func (d *Directory) Close() error {
	err := d.Write.Close()
	d.pool.Close()
	return err
}

// fault classifies an error of the server by its SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func fault(op string, err error) error {
	var answered *pgconn.PgError
	if err == nil || schema.ClassOf(err) != schema.ClassUnknown {
		return err
	}
	if errors.As(err, &answered) {
		code := answered.Code
		switch {
		case strings.HasPrefix(code, "XX00") && code != "XX000": // data or index corrupted
			return schema.Fatal(op, fmt.Errorf("the directory's database says %s: %s", code, answered.Message))
		case strings.HasPrefix(code, "53"), code == "25006", code == "42501": // no space or memory, read-only, no right
			return schema.Outage(op, fmt.Errorf("the directory's database takes no writes: %s (%s)", answered.Message, answered.Code))
		}
		return schema.Transient(op, fmt.Errorf("the directory's database says %s: %s", code, answered.Message)) // never its detail, which repeats values
	}
	return schema.Transient(op, err)
}

// atOpen classifies an error of connecting: what the server refuses for good is fatal.
func atOpen(err error) error {
	const op = "directory.open"
	var answered *pgconn.PgError
	if !errors.As(err, &answered) {
		if ok := errors.As(err, new(*pgconn.ConnectError)); ok || schema.ClassOf(err) != schema.ClassUnknown {
			return fault(op, err)
		}
		return schema.Fatal(op, err)
	}
	switch {
	case strings.HasPrefix(answered.Code, "28"), strings.HasPrefix(answered.Code, "3D"), strings.HasPrefix(answered.Code, "42"):
		return schema.Fatal(op, fmt.Errorf("the directory's database refuses this: %s (%s); indexer.directory.dsn names the server, the database and the user", answered.Message, answered.Code))
	}
	return fault(op, err)
}

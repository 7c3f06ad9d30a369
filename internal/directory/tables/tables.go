// Package tables is the directory in SQL tables, on what SQLite and PostgreSQL have in common. The packages sqlite and
// postgres open a database and say what is particular to it.
package tables

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"facestream/internal/directory"
	"facestream/pkg/schema"
)

// Dialect is what is particular to a database.
type Dialect struct {
	Numbered bool   // placeholders are $1, $2, ...
	Share    string // follows a SELECT whose row must stay until the end of the transaction
	// Fault classifies an error of the database.
	Fault func(op string, err error) error
}

// Store is a directory in open databases. Write and Read may be the same.
type Store struct {
	Write, Read *sql.DB
	Dialect
}

var _ directory.Reader = (*Store)(nil)
var _ directory.Keeper = (*Store)(nil)

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Migrations bring a database from each format to the next. BYTES stands for the type of a byte string, TEXTS for that of a
// text whose order is that of its bytes.
var Migrations = []string{`
CREATE TABLE persons (
	collection  TEXTS NOT NULL,
	puid        TEXTS NOT NULL,
	external_id TEXTS NOT NULL,
	name        TEXTS NOT NULL,
	metadata    TEXTS NOT NULL,  -- JSON, '' for none
	consent     TEXTS NOT NULL,  -- JSON, '' for none
	created     BIGINT NOT NULL, -- microseconds since 1970, like all times
	updated     BIGINT NOT NULL,
	expires     BIGINT NOT NULL, -- 0: never
	placed      TEXTS NOT NULL,  -- the order of the latest change: JSON, '' for none
	PRIMARY KEY (collection, puid)
);
CREATE INDEX persons_by_external_id ON persons (collection, external_id, puid);
CREATE INDEX persons_by_end ON persons (expires) WHERE expires > 0;
CREATE TABLE person_metadata (
	collection TEXTS NOT NULL,
	name       TEXTS NOT NULL,
	value      TEXTS NOT NULL, -- canonical JSON
	puid       TEXTS NOT NULL,
	PRIMARY KEY (collection, name, value, puid)
);
CREATE INDEX person_metadata_of ON person_metadata (collection, puid);
CREATE TABLE person_images (
	collection TEXTS NOT NULL,
	puid       TEXTS NOT NULL,
	id         TEXTS NOT NULL,
	object     TEXTS NOT NULL, -- JSON, '' if unknown
	created    BIGINT NOT NULL,
	PRIMARY KEY (collection, puid, id)
);
CREATE TABLE person_groups (
	collection TEXTS NOT NULL,
	id         TEXTS NOT NULL,
	name       TEXTS NOT NULL,
	metadata   TEXTS NOT NULL,
	created    BIGINT NOT NULL,
	updated    BIGINT NOT NULL,
	PRIMARY KEY (collection, id)
);
CREATE TABLE person_members (
	collection TEXTS NOT NULL,
	id         TEXTS NOT NULL, -- of the group
	puid       TEXTS NOT NULL,
	PRIMARY KEY (collection, id, puid)
);
CREATE INDEX person_members_of ON person_members (collection, puid);
CREATE TABLE person_acts (
	memory BYTES PRIMARY KEY, -- a hash of collection, request and what it changed
	answer TEXTS NOT NULL     -- JSON
);
CREATE TABLE person_tombstones (
	memory BYTES PRIMARY KEY, -- a hash of collection and person
	orders TEXTS NOT NULL     -- of the deletions: JSON
);
CREATE TABLE person_fills (collection TEXTS PRIMARY KEY);
`}

// bind puts the placeholders of the database into a query that has a ? for each.
func (s *Store) bind(query string) string {
	if !s.Numbered {
		return query
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// each calls row for each row of an answer.
func (s *Store) each(ctx context.Context, q querier, row func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, s.bind(query), args...)
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

// one scans the one row of an answer; there is none if the error is sql.ErrNoRows.
func (s *Store) one(ctx context.Context, q querier, query string, args []any, into ...any) error {
	return q.QueryRowContext(ctx, s.bind(query), args...).Scan(into...)
}

func (s *Store) exec(ctx context.Context, q querier, query string, args ...any) (int64, error) {
	r, err := q.ExecContext(ctx, s.bind(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// text is a value as a database can keep it: older versions took names with any bytes.
func text[T ~string](v T) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(v), "\ufffd"), "\x00", "\ufffd")
}

// marks returns n placeholders.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func anys[T ~string](values []T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = text(v)
	}
	return out
}

func checkLimit(op string, limit int) error {
	if limit < 1 {
		return schema.Permanent(op, schema.ReasonInvalidRequest, errLimit)
	}
	return nil
}

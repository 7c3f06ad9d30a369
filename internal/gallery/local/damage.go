package local

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"facestream/internal/dbfault"
	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// How damage is found. Each row carries a checksum of what was written, which Open compares; a vector must also have unit
// length. PRAGMA quick_check finds damaged pages, and a comparison with the rows finds damaged indexes, by which a deletion
// would miss rows. (PRAGMA integrity_check finds both, and takes three times as long.) The file counts its transactions, and so does the file COMMITTED beside it, so that a file that is gone, empty, older, or cut off is noticed.

// checkLimit bounds the check of pages, and that of indexes, at each Open. What they have not seen by then is not checked;
// the rows always are.
const checkLimit = 2 * time.Minute

// unitError is how far the length of a stored vector may be from 1. Rounding to float32 costs less than 1e-6.
const unitError = 1e-4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the checksum of the columns of a row: a CRC-32C over each of them with its length before it.
func sumOf(columns ...any) int64 {
	var b []byte
	for _, c := range columns {
		switch c := c.(type) {
		case int64:
			b = binary.LittleEndian.AppendUint64(binary.AppendUvarint(b, 8), uint64(c))
		case string:
			b = append(binary.AppendUvarint(b, uint64(len(c))), c...)
		case []byte:
			b = append(binary.AppendUvarint(b, uint64(len(c))), c...)
		default:
			panic(fmt.Sprintf("gallery: a column of type %T has no checksum", c))
		}
	}
	return int64(crc32.Checksum(b, castagnoli))
}

func collectionSum(key int64, name schema.Collection, tie gallery.Tie) int64 {
	return sumOf(key, string(name), string(tie.Model), int64(tie.Dimension))
}

// faceSum has the name of the collection and not its number, which differs between a gallery and what is staged for it.
// A row without an order has the checksum that it had before there were orders.
func faceSum(c schema.Collection, f face, vector []byte, source, placed string) int64 {
	columns := []any{string(c), f.id, string(f.puid), string(f.externalID), f.consent, f.created, vector, source}
	if placed != "" {
		columns = append(columns, placed)
	}
	return sumOf(columns...)
}

func deletionSum(key []byte, count int) int64 { return sumOf(key, int64(count)) }

func tombstoneSum(key []byte, orders string) int64 { return sumOf(key, orders) }

// isUnit reports whether v is finite and of unit length.
func isUnit(v []float32) bool {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	return math.Abs(math.Sqrt(squares)-1) <= unitError // false for NaN
}

// withoutSums is the last format without checksums.
const withoutSums = 2

// addSumColumns adds the columns of format 3.
func addSumColumns(ctx context.Context, tx *sql.Tx) error {
	for _, table := range []string{"collections", "faces", "deletions"} {
		if _, err := tx.ExecContext(ctx, "ALTER TABLE "+table+" ADD COLUMN sum INTEGER NOT NULL DEFAULT 0"); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "ALTER TABLE rewrite ADD COLUMN commits INTEGER NOT NULL DEFAULT 0")
	return err
}

// addSums brings a file of format 2 to format 3. The error is [*flaws] if a vector cannot be what was written.
func addSums(ctx context.Context, tx *sql.Tx) error {
	if err := addSumColumns(ctx, tx); err != nil {
		return err
	}
	names, dimensions := map[int64]schema.Collection{}, map[int64]int{}
	sums := map[int64]int64{}
	rows, err := tx.QueryContext(ctx, "SELECT id, name, model, dimension FROM collections")
	err = each(rows, err, func(scan func(...any) error) error {
		var key int64
		var name schema.Collection
		var tie gallery.Tie
		if err := scan(&key, &name, &tie.Model, &tie.Dimension); err != nil {
			return err
		}
		names[key], dimensions[key], sums[key] = name, tie.Dimension, collectionSum(key, name, tie)
		return nil
	})
	if err != nil {
		return err
	}
	for key, sum := range sums {
		if _, err := tx.ExecContext(ctx, "UPDATE collections SET sum = ? WHERE id = ?", sum, key); err != nil {
			return err
		}
	}
	counts := map[string]int{}
	rows, err = tx.QueryContext(ctx, "SELECT key, count FROM deletions")
	err = each(rows, err, func(scan func(...any) error) error {
		var key []byte
		var count int
		err := scan(&key, &count)
		counts[string(key)] = count
		return err
	})
	if err != nil {
		return err
	}
	for key, count := range counts {
		if _, err := tx.ExecContext(ctx, "UPDATE deletions SET sum = ? WHERE key = ?", deletionSum([]byte(key), count), []byte(key)); err != nil {
			return err
		}
	}
	set, err := tx.PrepareContext(ctx, "UPDATE faces SET sum = ? WHERE rowid = ?")
	if err != nil {
		return err
	}
	defer set.Close()
	bad := newFlaws()
	const step = 1000
	for last, n := int64(math.MinInt64), step; n == step; {
		n = 0
		sums := map[int64]int64{}
		rows, err := tx.QueryContext(ctx, "SELECT rowid, collection, id, puid, external_id, consent, created, vector, source FROM faces WHERE rowid > ? ORDER BY rowid LIMIT ?", last, step)
		err = each(rows, err, func(scan func(...any) error) error {
			var (
				key    int64
				f      face
				vector sql.RawBytes
				source string
			)
			if err := scan(&last, &key, &f.id, &f.puid, &f.externalID, &f.consent, &f.created, &vector, &source); err != nil {
				return err
			}
			v, err := schema.DecodeVector(vector)
			if err != nil || len(v) != dimensions[key] || !isUnit(v) {
				bad.faces[names[key]]++
			}
			sums[last] = faceSum(names[key], f, vector, source, "")
			bad.rows++
			n++
			return nil
		})
		if err != nil {
			return err
		}
		for id, sum := range sums {
			if _, err := set.ExecContext(ctx, sum, id); err != nil {
				return err
			}
		}
	}
	if bad.any() {
		return bad
	}
	return nil
}

// entries adds up what an index says about rows, in any order.
type entries uint64

func (e *entries) add(collection int64, text string, row int64) {
	*e += entries(sumOf(collection, text, row))
}

// checkIndexes compares both indexes of faces with the rows that were read.
func checkIndexes(ctx context.Context, db *sql.DB, read *flaws) error {
	within, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	for _, index := range []struct {
		name, column string
		want         entries
	}{{"faces_by_person", "puid", read.byPerson}, {"sqlite_autoindex_faces_1", "id", read.byID}} {
		var got entries
		rows, err := db.QueryContext(within, fmt.Sprintf("SELECT collection, %[1]s, rowid FROM faces INDEXED BY %[2]s ORDER BY collection, %[1]s", index.column, index.name))
		err = each(rows, err, func(scan func(...any) error) error {
			var collection, row int64
			var text string
			err := scan(&collection, &text, &row)
			got.add(collection, text, row)
			return err
		})
		if err != nil && within.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read the index %s: %w", index.name, err)
		}
		if got != index.want {
			return &flaws{index: index.name}
		}
	}
	return nil
}

// flaws are the rows that do not hold what was written to them.
type flaws struct {
	rows        int                       // that were read
	faces       map[schema.Collection]int // flawed ones; "" where the collection is unknown
	collections int
	deletions   int
	index       string // that does not fit the rows
	unsummed    bool   // the file has no checksums

	byID, byPerson entries // what the indexes must say
}

func newFlaws() *flaws { return &flaws{faces: map[schema.Collection]int{}} }

// sound reports whether a row has the checksum of its columns.
func (f *flaws) sound(stored, want int64) bool { return f.unsummed || stored == want }

func (f *flaws) any() bool { return len(f.faces) > 0 || f.collections > 0 || f.deletions > 0 }

// Error names collections and counts, and no person.
func (f *flaws) Error() string {
	if f.index != "" {
		return fmt.Sprintf("the index %s does not belong to its rows", f.index)
	}
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(f.faces)) {
		parts = append(parts, fmt.Sprintf("%d enrolled images of collection %q", f.faces[c], c))
	}
	if f.collections > 0 {
		parts = append(parts, fmt.Sprintf("%d collections", f.collections))
	}
	if f.deletions > 0 {
		parts = append(parts, fmt.Sprintf("%d remembered deletions", f.deletions))
	}
	return fmt.Sprintf("of %d rows, these do not hold what was written: %s", f.rows, strings.Join(parts, ", "))
}

// damageError says that the file in a folder does not hold what was written to it.
type damageError struct {
	dir   string
	cause error
}

func (e *damageError) Error() string {
	return fmt.Sprintf("the gallery's file %q is damaged: %v; nothing was changed. Put a backup back, or build the gallery again from what is left with `facestream gallery restore` (docs/operations.md, Damage)",
		filepath.Join(e.dir, dbFile), e.cause)
}

func (e *damageError) Unwrap() error { return e.cause }

// Damaged reports whether err says that the file of a gallery is damaged.
func Damaged(err error) bool {
	_, ok := errors.AsType[*damageError](err)
	return ok
}

// damaged is err as a damageError if it means that, else err.
func damaged(dir string, err error) error {
	if _, flawed := errors.AsType[*flaws](err); (flawed || dbfault.Damaged(err)) && !Damaged(err) {
		return &damageError{dir, err}
	}
	return err
}

// committedFile counts the transactions that were answered. Its presence says that the folder holds a gallery.
const committedFile = "COMMITTED"

// committed returns the count of the file COMMITTED in dir; false where there is none. A count that cannot be read is 0.
func committed(dir string) (n int64, there bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, committedFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	var sum uint32
	if _, err := fmt.Sscanf(string(text), "%d %08x", &n, &sum); err != nil || sum != uint32(sumOf(n)) {
		return 0, true, nil
	}
	return n, true, nil
}

func committedText(n int64) []byte { return fmt.Appendf(nil, "%020d %08x\n", n, sumOf(n)) }

// makeCommitted writes n durably into the file COMMITTED of dir, and returns it.
func makeCommitted(dir string, n int64) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, committedFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(committedText(n), 0)
	if err = errors.Join(err, f.Sync()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checkThere finds damage in dir that would look like a gallery without anybody: the file is gone or empty. SQLite would
// create another one.
func checkThere(dir string) error {
	n, there, err := committed(dir)
	if err != nil || !there {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, dbFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &damageError{dir, fmt.Errorf("it is gone, though %d transactions were committed to it (says the file %s beside it)", n, committedFile)}
	case err != nil:
		return err
	case info.Size() == 0:
		return &damageError{dir, fmt.Errorf("it is empty, though %d transactions were committed to it (says the file %s beside it)", n, committedFile)}
	}
	return nil
}

// checkCommits finds out whether the file in dir has lost the last transactions, for instance with its write-ahead log, and
// returns how many it has.
func checkCommits(ctx context.Context, db *sql.DB, dir string) (int64, error) {
	var has int64
	if err := db.QueryRowContext(ctx, "SELECT commits FROM rewrite").Scan(&has); err != nil {
		return 0, err
	}
	n, _, err := committed(dir)
	if err == nil && has < n {
		err = &damageError{dir, fmt.Errorf("the last %d of %d transactions are missing, which were in its write-ahead log (%s-wal), or the file is an older copy; remove the file %s to go on without them",
			n-has, n, dbFile, committedFile)}
	}
	return has, err
}

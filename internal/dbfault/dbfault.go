// Package dbfault tells what an error of a SQLite file says about the file and the disk that it lies on.
package dbfault

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// The low byte of a result code is the kind of error (https://www.sqlite.org/rescode.html).
const kind = 0xff

// Refused reports that err would meet every write to the file for now: the disk or a quota is full, the file is locked by
// another program or read-only, the disk fails, or the process may open no more files.
func Refused(err error) bool {
	var s *sqlite.Error
	if errors.As(err, &s) {
		switch s.Code() & kind {
		case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_PROTOCOL, lib.SQLITE_FULL, lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN,
			lib.SQLITE_NOMEM, lib.SQLITE_NOLFS:
			return true
		case lib.SQLITE_IOERR:
			return !Damaged(err)
		}
		return false
	}
	return slices.ContainsFunc([]syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
	}, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

// damage is what a check found in a file.
type damage string

func (d damage) Error() string { return string(d) }

// Damage is the error of a row that does not hold what was written, for which [Damaged] holds.
func Damage(what string) error { return damage(what) }

// Check looks for damage in the structure of the file that db has open: every page, and the order of rows and of index
// entries. It reads the whole file. When limit is over it ends, and what it has not seen is not checked.
func Check(ctx context.Context, db *sql.DB, limit time.Duration) error {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var found string
	err := db.QueryRowContext(within, "PRAGMA quick_check(1)").Scan(&found)
	switch {
	case err != nil && within.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case found != "ok":
		return damage(strings.TrimPrefix(found, "*** in database main ***\n"))
	}
	return nil
}

// Damaged reports that err says what the file holds is not a database, or not a sound one.
func Damaged(err error) bool {
	if _, ok := errors.AsType[damage](err); ok {
		return true
	}
	var s *sqlite.Error
	if !errors.As(err, &s) {
		return false
	}
	switch s.Code() & kind {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return true
	}
	return slices.Contains([]int{lib.SQLITE_IOERR_SHORT_READ, lib.SQLITE_IOERR_CORRUPTFS, lib.SQLITE_IOERR_DATA}, s.Code())
}

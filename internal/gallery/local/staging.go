package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"facestream/internal/dirlock"
	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

const (
	stagedDir  = "staged"    // below the gallery's folder, so on the same volume
	discardDir = "discarded" // is being erased; after a crash the next process goes on
)

// Staging is a [gallery.Staging] beside the gallery in a folder. It is a gallery of its own in the folder "staged" below, and
// is created with the first row.
type Staging struct {
	dir string
	tie gallery.Tie

	mu     sync.Mutex
	staged *Gallery      // nil until it is needed
	lock   *dirlock.Lock // of the serving gallery's folder; nil until it is needed
}

var _ gallery.Staging = (*Staging)(nil)

// NewStaging stages rows of tie for the gallery in dir. It does no I/O.
func NewStaging(dir string, tie gallery.Tie) *Staging { return &Staging{dir: dir, tie: tie} }

func (s *Staging) path(name string) string { return filepath.Join(s.dir, name) }

// Close gives the folders back.
func (s *Staging) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.closeStaged()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
}

func (s *Staging) closeStaged() error {
	if s.staged == nil {
		return nil
	}
	err := s.staged.Close()
	s.staged = nil
	return err
}

// Own takes the serving gallery's folder for this process until Close. The error is fatal if another process has it.
func (s *Staging) Own() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock != nil {
		return nil
	}
	var err error
	if s.lock, err = own(s.dir); err != nil {
		return schema.Fatal("gallery.own", err)
	}
	return nil
}

// gallery opens what is staged. The error is fatal if another process has it, or if it is of another model.
func (s *Staging) gallery(ctx context.Context) (*Gallery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.staged != nil {
		return s.staged, nil
	}
	if _, err := os.Stat(s.path(dbFile)); err != nil {
		return nil, schema.Fatal("gallery.stage", fmt.Errorf("there is no gallery to stage for: %w", err))
	}
	if err := erase(s.path(discardDir)); err != nil {
		return nil, schema.Fatal("gallery.stage", err)
	}
	g, err := Open(ctx, s.path(stagedDir))
	if err != nil {
		return nil, err
	}
	for _, c := range g.collections {
		if err := s.ours(c.tie); err != nil {
			return nil, errors.Join(err, g.Close())
		}
	}
	s.staged = g
	return g, nil
}

func (s *Staging) ours(tie gallery.Tie) error {
	if tie.Model == s.tie.Model {
		return nil
	}
	return schema.Fatal("gallery.stage", fmt.Errorf("the folder %q holds rows of model %q, which were staged before, and not of %q; switch to that model or discard them",
		s.path(stagedDir), tie.Model, s.tie.Model))
}

// Upsert implements [gallery.Staging].
func (s *Staging) Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error {
	const op = "gallery.stage"
	g, err := s.gallery(ctx)
	if err != nil {
		return slices.Repeat([]error{err}, len(rows))
	}
	errs := make([]error, len(rows))
	var good []gallery.Row
	var at []int // the index of each in rows
	for i, r := range rows {
		if errs[i] = s.tie.Admit(op, c, gallery.Tie{Model: r.Embedding.Model, Dimension: len(r.Embedding.Vector)}); errs[i] == nil {
			good, at = append(good, r), append(at, i)
		}
	}
	for i, err := range g.Upsert(ctx, c, good) {
		errs[at[i]] = err
	}
	return errs
}

// Remove implements [gallery.Staging]. Like Delete of the gallery, it overwrites what it frees.
func (s *Staging) Remove(ctx context.Context, c schema.Collection, ids []string) error {
	const op = "gallery.unstage"
	g, err := s.gallery(ctx)
	if err != nil {
		return err
	}
	if _, err := g.lookup(ctx, op, c); err != nil {
		return err
	}
	return g.erase(ctx, op, func(ctx context.Context, t *transaction) error {
		col := t.known(c)
		for _, id := range ids {
			if err := t.forget(ctx, col, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// List implements [gallery.Staging]. It also works while another process stages.
func (s *Staging) List(ctx context.Context, c schema.Collection, after string, limit int) (gallery.Page, error) {
	const op = "gallery.list"
	s.mu.Lock()
	g := s.staged
	s.mu.Unlock()
	if g != nil {
		return g.List(ctx, c, after, limit)
	}
	if _, err := os.Stat(filepath.Join(s.path(stagedDir), dbFile)); errors.Is(err, fs.ErrNotExist) {
		return gallery.Page{}, gallery.Unknown(op, c)
	}
	r, err := OpenReader(ctx, s.path(stagedDir))
	if err != nil {
		return gallery.Page{}, err
	}
	defer r.Close()
	kept, err := r.Collections(ctx)
	if err != nil {
		return gallery.Page{}, err
	}
	for _, k := range kept {
		if err := s.ours(k.Tie); err != nil {
			return gallery.Page{}, err
		}
	}
	return r.List(ctx, c, after, limit)
}

// Switch implements [gallery.Staging]. It changes all collections in one transaction of the serving file. The error is fatal
// if another process has the folder.
func (s *Staging) Switch(ctx context.Context, collections []schema.Collection) error {
	const op = "gallery.switch"
	if err := s.Own(); err != nil {
		return err
	}
	if len(collections) > 0 {
		if _, err := s.gallery(ctx); err != nil { // also where nothing is staged
			return err
		}
		if err := s.takeOver(ctx, collections); err != nil {
			return schema.Transient(op, err)
		}
	}
	if err := s.discard(); err != nil {
		return schema.Transient(op, fmt.Errorf("switched, but what was staged is not yet erased: %w", err))
	}
	return nil
}

func (s *Staging) takeOver(ctx context.Context, collections []schema.Collection) (err error) {
	db, commits, err := openOwned(ctx, s.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// A file is attached to one connection, and db has one.
	if _, err := db.ExecContext(ctx, "ATTACH ? AS staged", filepath.Join(s.path(stagedDir), dbFile)); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	for _, c := range collections {
		if err := s.takeOverOne(ctx, tx, c); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE main.rewrite SET due = 1, commits = ?", commits+1); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := truncateLog(db); err != nil { // the next Open does it
		return fmt.Errorf("switched, but what served before is not yet erased: %w", err)
	}
	return nil
}

func (s *Staging) takeOverOne(ctx context.Context, tx *sql.Tx, c schema.Collection) error {
	var key int64
	if err := tx.QueryRowContext(ctx, "SELECT id FROM main.collections WHERE name = ?", string(c)).Scan(&key); err != nil {
		return fmt.Errorf("collection %q: %w", c, err)
	}
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{"DELETE FROM main.faces WHERE collection = ?", []any{key}},
		{"UPDATE main.collections SET model = ?, dimension = ?, sum = ? WHERE id = ?",
			[]any{string(s.tie.Model), s.tie.Dimension, collectionSum(key, c, s.tie), key}},
		{`INSERT INTO main.faces (collection, id, puid, external_id, consent, created, vector, source, placed, sum)
			SELECT ?, f.id, f.puid, f.external_id, f.consent, f.created, f.vector, f.source, f.placed, f.sum
			FROM staged.faces f JOIN staged.collections c ON c.id = f.collection WHERE c.name = ? ORDER BY f.id`, []any{key, string(c)}},
	} {
		if _, err := tx.ExecContext(ctx, step.statement, step.args...); err != nil {
			return fmt.Errorf("collection %q: %w", c, err)
		}
	}
	return nil
}

// Discard erases what is staged, whatever its model. The error is fatal if another process stages.
func (s *Staging) Discard() error {
	if err := s.discard(); err != nil {
		return schema.Fatal("gallery.discard", err)
	}
	return nil
}

// discard renames the staged folder, so that nobody takes it for a gallery, then overwrites and removes it.
func (s *Staging) discard() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.closeStaged(); err != nil {
		return err
	}
	if err := erase(s.path(discardDir)); err != nil {
		return err
	}
	if _, err := os.Stat(s.path(stagedDir)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := own(s.path(stagedDir)) // nobody writes to it
	if err != nil {
		return err
	}
	err = os.Rename(s.path(stagedDir), s.path(discardDir))
	if err = errors.Join(err, lock.Close()); err != nil {
		return err
	}
	return erase(s.path(discardDir))
}

// erase overwrites the files of dir and removes it. dir need not exist.
func erase(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := overwrite(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

func overwrite(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for left := info.Size(); left > 0; {
		n, err := f.Write(zeros[:min(left, int64(len(zeros)))])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return f.Sync()
}

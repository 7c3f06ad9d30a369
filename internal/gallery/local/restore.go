package local

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"facestream/internal/dbfault"
	"facestream/pkg/schema"
)

const (
	restoredDir = "restored" // where a gallery is built that takes the place of the one in the folder above
	damagedDir  = "damaged-" // and a time: the files that it took the place of
)

// Salvaged is what a damaged file still holds.
type Salvaged struct {
	Faces     map[schema.Collection]int `json:"faces"` // rows that were taken over
	Deletions int                       `json:"deletions"`
	// Lost are rows that do not hold what was written, by collection. Rows on pages that cannot be read are not counted.
	Lost      map[schema.Collection]int `json:"lost"`
	Unread    bool                      `json:"unread"` // some pages could not be read
	SetAside  string                    `json:"set_aside"`
	Forgotten int                       `json:"forgotten"` // remembered deletions that do not hold what was written
}

// Restore builds the gallery in dir again, which no other process may have open, and puts it in the place of what is there.
// It begins with the sound rows of the damaged file or, if from names the folder of a copy, with the copy, or, if empty, with
// nothing. Then fill adds to it. The former files are kept in a folder below dir, which the answer names. After a crash or an
// error the folder is as it was, or has no gallery.db and refuses to open; run Restore again.
func Restore(ctx context.Context, dir, from string, empty bool, fill func(context.Context, *Gallery) error) (out Salvaged, err error) {
	const op = "gallery.restore"
	lock, err := own(dir)
	if err != nil {
		return out, schema.Fatal(op, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	built := filepath.Join(dir, restoredDir)
	if err := erase(built); err != nil {
		return out, atOpen(op, dir, err)
	}
	complete := false
	defer func() {
		if !complete {
			err = errors.Join(err, erase(built))
		}
	}()
	if err := os.MkdirAll(built, 0o700); err != nil {
		return out, atOpen(op, dir, err)
	}
	if from != "" {
		if err := copyGallery(from, built); err != nil {
			return out, schema.Fatal(op, fmt.Errorf("copy the gallery in %q: %w", from, err))
		}
	}
	g, err := Open(ctx, built)
	if err != nil {
		return out, err
	}
	if from == "" && !empty {
		out, err = salvage(ctx, dir, g)
	}
	if err == nil {
		err = fill(ctx, g)
	}
	if err = errors.Join(err, g.Close()); err != nil {
		return out, err
	}
	complete = true
	if out.SetAside, err = swap(dir, built); err != nil {
		return out, atOpen(op, dir, err)
	}
	return out, os.RemoveAll(built)
}

// swap puts the gallery in built in the place of that in dir. Until the end, COMMITTED refuses a folder without a file.
func swap(dir, built string) (aside string, err error) {
	aside = filepath.Join(dir, damagedDir+time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Mkdir(aside, 0o700); err != nil {
		return "", err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(filepath.Join(dir, dbFile+suffix), filepath.Join(aside, dbFile+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return aside, err
		}
	}
	for _, name := range []string{dbFile, committedFile} {
		if err := os.Rename(filepath.Join(built, name), filepath.Join(dir, name)); err != nil {
			return aside, err
		}
	}
	folder, err := os.Open(dir)
	if err != nil {
		return aside, err
	}
	return aside, errors.Join(folder.Sync(), folder.Close())
}

// copyGallery copies the files of a gallery that nobody has open.
func copyGallery(from, to string) error {
	for _, name := range []string{dbFile, dbFile + "-wal", committedFile} {
		err := copyFile(filepath.Join(from, name), filepath.Join(to, name))
		if err != nil && (name == dbFile || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// salvage writes into g what the damaged gallery in dir still holds. It works on a copy, because SQLite changes what it opens.
func salvage(ctx context.Context, dir string, g *Gallery) (out Salvaged, err error) {
	out = Salvaged{Faces: map[schema.Collection]int{}, Lost: map[schema.Collection]int{}}
	info, err := os.Stat(filepath.Join(dir, dbFile))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return out, nil
	}
	work := filepath.Join(dir, restoredDir, "work")
	if err := errors.Join(err, os.Mkdir(work, 0o700)); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, erase(work)) }()
	if err := copyGallery(dir, work); err != nil {
		return out, err
	}
	db, err := openDB(work, url.Values{"_pragma": {"writable_schema(ON)", "cell_size_check(ON)"}})
	if err != nil {
		return out, err
	}
	defer db.Close()
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return out, unread(&out, err)
	}
	if version > formatVersion || version < 1 {
		return out, fmt.Errorf("it has format %d and this program reads format 1 to %d; begin with a copy or with nothing", version, formatVersion)
	}
	bad := newFlaws()
	bad.unsummed = version <= withoutSums
	for ; version < formatVersion; version++ {
		if err := migrate(ctx, db, version, bad.unsummed && version == withoutSums); err != nil {
			return out, unread(&out, err)
		}
	}
	collections := map[schema.Collection]*collection{}
	if err := readCollections(ctx, db, bad, func(c *collection) { collections[c.name] = c }); err != nil {
		if err := unread(&out, err); err != nil {
			return out, err
		}
	}
	if err := g.adopt(ctx, collections); err != nil {
		return out, err
	}
	if err := salvageFaces(ctx, db, collections, bad, g, &out); err != nil {
		return out, err
	}
	var keys [][]byte
	var counts []int
	err = readDeletions(ctx, db, bad, func(key []byte, count int) { keys, counts = append(keys, slices.Clone(key)), append(counts, count) })
	if err := unread(&out, err); err != nil {
		return out, err
	}
	var buried [][]byte
	var orders []string
	err = readTombstones(ctx, db, bad, func(key []byte, text string) {
		buried, orders = append(buried, slices.Clone(key)), append(orders, text)
	})
	if err := unread(&out, err); err != nil {
		return out, err
	}
	out.Deletions, out.Forgotten = len(keys)+len(buried), bad.deletions
	for c, n := range bad.faces {
		out.Lost[c] += n
	}
	return out, g.commit(ctx, "gallery.restore", func(ctx context.Context, t *transaction) error {
		for i, key := range keys {
			if _, err := t.remember.ExecContext(ctx, key, counts[i], deletionSum(key, counts[i])); err != nil {
				return err
			}
		}
		for i, key := range buried {
			if err := t.remind(ctx, key, orders[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// unread notes that a page could not be read. Other errors are returned.
func unread(out *Salvaged, err error) error {
	if err == nil || !dbfault.Damaged(err) {
		return err
	}
	out.Unread = true
	return nil
}

// adopt adds collections with the numbers that they have in another file: the keys of deletions contain them.
func (g *Gallery) adopt(ctx context.Context, collections map[schema.Collection]*collection) error {
	return g.commit(ctx, "gallery.restore", func(ctx context.Context, t *transaction) error {
		for name, c := range collections {
			if _, err := t.adoptCollection.ExecContext(ctx, c.key, string(name), string(c.tie.Model), c.tie.Dimension, collectionSum(c.key, name, c.tie)); err != nil {
				return err
			}
			t.added[name] = newCollection(c.key, name, c.tie)
		}
		return nil
	})
}

// salvageFaces writes the sound rows of db into g. It steps over pages that cannot be read.
func salvageFaces(ctx context.Context, db *sql.DB, collections map[schema.Collection]*collection, bad *flaws, g *Gallery, out *Salvaged) error {
	const batch = 500
	var rows []stored
	var of []*collection
	write := func() error {
		err := g.commit(ctx, "gallery.restore", func(ctx context.Context, t *transaction) error {
			for i, s := range rows {
				if err := t.put(ctx, t.known(of[i].name), s); err != nil {
					return err
				}
			}
			return nil
		})
		for _, c := range of {
			out.Faces[c.name]++
		}
		rows, of = nil, nil
		return err
	}
	next := int64(-1 << 62)
	for {
		last, err := readFacesFrom(ctx, db, next, batch, collections, bad, func(c *collection, s stored) { rows, of = append(rows, s), append(of, c) })
		damaged := unread(out, err) == nil && err != nil
		if err != nil && !damaged {
			return err
		}
		if err := write(); err != nil {
			return err
		}
		switch {
		case damaged:
			further, ok, err := beyond(ctx, db, max(last+1, next))
			if err != nil || !ok {
				return err
			}
			next = further
		case last < next: // none was left
			return nil
		default:
			next = last + 1
		}
	}
}

// beyond returns the lowest number from which on rows can be read again, where from cannot be read. false: there is none.
func beyond(ctx context.Context, db *sql.DB, from int64) (int64, bool, error) {
	from = max(from, 0) // SQLite numbers rows from 1
	readable := func(at int64) (bool, error) {
		var row int64
		var all [10]any
		into := []any{&row}
		for i := range all {
			into = append(into, &all[i])
		}
		err := db.QueryRowContext(ctx, facesFrom+" LIMIT 1", at).Scan(into...)
		if errors.Is(err, sql.ErrNoRows) || dbfault.Damaged(err) {
			return false, nil
		}
		return err == nil, err
	}
	const most = 1 << 24 // rows behind which nothing is looked for
	for step := int64(1); step < most; step *= 2 {
		ok, err := readable(from + step)
		if err != nil {
			return 0, false, err
		}
		if !ok {
			continue
		}
		low, high := from+step/2, from+step // high can be read
		for low < high {
			middle := low + (high-low)/2
			ok, err := readable(middle)
			if err != nil {
				return 0, false, err
			}
			if ok {
				high = middle
			} else {
				low = middle + 1
			}
		}
		return high, true, nil
	}
	return 0, false, nil
}

const facesFrom = "SELECT rowid, collection, id, puid, external_id, consent, created, vector, source, placed, sum FROM faces WHERE rowid >= ? ORDER BY rowid"

// readFacesFrom is readFaces for up to limit rows from a number on. It returns the number of the last row that it read.
func readFacesFrom(ctx context.Context, db *sql.DB, from int64, limit int, collections map[schema.Collection]*collection, bad *flaws, sound func(*collection, stored)) (last int64, err error) {
	last = from - 1
	byKey := keyed(collections)
	rows, err := db.QueryContext(ctx, facesFrom+" LIMIT ?", from, limit)
	err = each(rows, err, func(scan func(...any) error) error {
		n, err := readFace(scan, byKey, bad, sound)
		if err == nil {
			last = n
		}
		return err
	})
	return last, cmp.Or(err, ctx.Err())
}

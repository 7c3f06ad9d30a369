package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// movedFile marks a folder whose gallery was copied elsewhere and serves there. Later enrolments and deletions are missing
// here, so nobody may serve from here by accident.
const movedFile = "MOVED"

// checkMoved refuses a folder whose gallery serves elsewhere.
func checkMoved(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, movedFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("the gallery in %q was copied %s and serves there; set indexer.gallery.driver accordingly, or remove the file %s to go on with the gallery as it was then",
		dir, strings.TrimSpace(string(text)), movedFile)
}

// MarkMoved marks the folder when the gallery was copied completely. No process opens it again. to tells the operator where
// the gallery is: "to Milvus at …".
func (g *Gallery) MarkMoved(to string) error {
	text := fmt.Sprintf("%s on %s\n", to, time.Now().Format(time.DateTime))
	path := filepath.Join(g.dir, movedFile)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return schema.Fatal("gallery.moved", err)
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return schema.Fatal("gallery.moved", err)
	}
	return nil
}

// Unmoved counts the rows of the gallery in dir, of whichever format. It is 0 if there is no gallery, or one that was copied
// elsewhere.
func Unmoved(ctx context.Context, dir string) (int, error) {
	for _, name := range []string{dbFile, movedFile} {
		_, err := os.Stat(filepath.Join(dir, name))
		if there := err == nil; there == (name == movedFile) {
			return 0, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, schema.Fatal("gallery.open", err)
		}
	}
	n := 0
	db, err := openDB(dir, url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)"}})
	if err == nil {
		err = db.QueryRowContext(ctx, "SELECT count(*) FROM faces").Scan(&n)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return 0, schema.Fatal("gallery.open", fmt.Errorf("whether the gallery in %q holds enrolled people: %w", dir, err))
	}
	return n, nil
}

// Collections implements [gallery.Reader].
func (g *Gallery) Collections(ctx context.Context) ([]gallery.Kept, error) {
	return collections(ctx, g.db)
}

// Tombstones implements [gallery.Reader].
func (g *Gallery) Tombstones(ctx context.Context, c schema.Collection, people ...schema.PUID) (map[schema.PUID]schema.Tombstone, error) {
	return tombstonesOf(ctx, g.db, c, people)
}

// Export is List with the embeddings, of unit length.
func (g *Gallery) Export(ctx context.Context, c schema.Collection, after string, limit int) (gallery.Page, error) {
	page, err := g.List(ctx, c, after, limit)
	if err != nil {
		return page, err
	}
	col, err := g.lookup(ctx, "gallery.export", c)
	if err != nil {
		return page, err
	}
	col.mu.RLock()
	defer col.mu.RUnlock()
	there := page.Rows[:0]
	for _, r := range page.Rows {
		if i, ok := col.rows.find(r.ID); ok { // else it was deleted since
			r.Embedding = schema.Embedding{Model: col.tie.Model, Vector: append([]float32(nil), col.vector(i)...)}
			there = append(there, r)
		}
	}
	page.Rows = there
	return page, nil
}

// Deletions returns what the gallery remembers of deletions.
func (g *Gallery) Deletions(ctx context.Context) (gallery.Deletions, error) {
	d := gallery.Deletions{Numbers: map[schema.Collection]int64{}, Counts: map[gallery.DeletionKey]int{}, Tombstones: map[gallery.DeletionKey]schema.Tombstone{}}
	g.mu.RLock()
	for name, c := range g.collections {
		d.Numbers[name] = c.key
	}
	g.mu.RUnlock()
	rows, err := g.db.QueryContext(ctx, "SELECT key, count FROM deletions")
	err = each(rows, err, func(scan func(...any) error) error {
		var key []byte
		var count int
		if err := scan(&key, &count); err != nil {
			return err
		}
		if len(key) != len(gallery.DeletionKey{}) {
			return errors.New("the memory of deletions is damaged; restore the file from a backup")
		}
		d.Counts[gallery.DeletionKey(key)] = count
		return nil
	})
	if err == nil {
		rows, err = g.db.QueryContext(ctx, "SELECT key, orders FROM tombstones")
		err = each(rows, err, func(scan func(...any) error) error {
			var key []byte
			var orders string
			if err := scan(&key, &orders); err != nil {
				return err
			}
			if len(key) != len(gallery.DeletionKey{}) {
				return errors.New("the memory of deletions is damaged; restore the file from a backup")
			}
			stone, err := readTombstone(orders)
			d.Tombstones[gallery.DeletionKey(key)] = stone
			return err
		})
	}
	if err != nil {
		return d, schema.Transient("gallery.deletions", err)
	}
	return d, nil
}

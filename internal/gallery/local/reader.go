package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// Reader lists the gallery in a folder, also while another process has it open as its [Gallery]. It changes nothing and keeps
// nothing in memory.
type Reader struct{ db *sql.DB }

var _ gallery.Reader = (*Reader)(nil)

// OpenReader opens the gallery in dir. The error is fatal: dir holds no gallery of this version, or one that was copied
// elsewhere.
func OpenReader(ctx context.Context, dir string) (*Reader, error) {
	if err := checkMoved(dir); err != nil {
		return nil, schema.Fatal("gallery.open", err)
	}
	// Each page is a transaction of its own, so that the owner never waits long to empty its log.
	db, err := openDB(dir, url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)"}})
	if err == nil {
		var version int
		if err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err == nil && version != formatVersion {
			err = fmt.Errorf("it has format %d and this program reads format %d, to which the indexer of this version brings an older one when it starts", version, formatVersion)
		}
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}
	if err != nil {
		return nil, schema.Fatal("gallery.open", fmt.Errorf("the gallery in %q: %w; the folder is that of the indexer's setting indexer.gallery.dir", dir, err))
	}
	return &Reader{db}, nil
}

// Close ends the reading.
func (r *Reader) Close() error { return r.db.Close() }

// Collections implements [gallery.Reader].
func (r *Reader) Collections(ctx context.Context) ([]gallery.Kept, error) {
	return collections(ctx, r.db)
}

func collections(ctx context.Context, db *sql.DB) ([]gallery.Kept, error) {
	var kept []gallery.Kept
	rows, err := db.QueryContext(ctx, "SELECT name, model, dimension FROM collections ORDER BY name")
	err = each(rows, err, func(scan func(...any) error) error {
		var k gallery.Kept
		err := scan(&k.Name, &k.Tie.Model, &k.Tie.Dimension)
		kept = append(kept, k)
		return err
	})
	if err != nil {
		return nil, schema.Transient("gallery.collections", err)
	}
	return kept, nil
}

// List is that of [gallery.Gallery].
func (r *Reader) List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (gallery.Page, error) {
	const op = "gallery.list"
	if err := gallery.CheckCount(op, "limit", limit); err != nil {
		return gallery.Page{}, err
	}
	var key int64
	var page gallery.Page
	err := r.db.QueryRowContext(ctx, "SELECT id FROM collections WHERE name = ?", string(c)).Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		return gallery.Page{}, gallery.Unknown(op, c)
	}
	if err == nil {
		from, args := facesOf(key, among)
		err = r.db.QueryRowContext(ctx, "SELECT count(*) "+from, args...).Scan(&page.Total)
	}
	if err == nil {
		err = readPage(ctx, r.db, key, after, limit, among, &page)
	}
	if err != nil {
		return gallery.Page{}, schema.Transient(op, err)
	}
	return page, nil
}

// Tombstones implements [gallery.Reader].
func (r *Reader) Tombstones(ctx context.Context, c schema.Collection, people ...schema.PUID) (map[schema.PUID]schema.Tombstone, error) {
	return tombstonesOf(ctx, r.db, c, people)
}

func tombstonesOf(ctx context.Context, db *sql.DB, c schema.Collection, people []schema.PUID) (map[schema.PUID]schema.Tombstone, error) {
	out := map[schema.PUID]schema.Tombstone{}
	for _, p := range once(people) {
		key := gallery.TombstoneKey(c, p)
		var orders string
		err := db.QueryRowContext(ctx, "SELECT orders FROM tombstones WHERE key = ?", key[:]).Scan(&orders)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err == nil {
			out[p], err = readTombstone(orders)
		}
		if err != nil {
			return nil, schema.Transient("gallery.tombstones", err)
		}
	}
	return out, nil
}

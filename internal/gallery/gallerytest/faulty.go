package gallerytest

import (
	"context"
	"errors"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

var errDown = errors.New("the gallery is down because the test wants it")

// Faulty is a gallery that fails while Down returns true. Down is asked before and after each call of Inner. If it turns true
// in between, the work is done and its answer is lost, as when a server dies before it answers. Failures are transient. While
// Down returns false, Faulty behaves like Inner.
type Faulty struct {
	Inner gallery.Gallery
	Down  func() bool // called concurrently
}

var _ gallery.Gallery = Faulty{}

func (f Faulty) failed(op string) error {
	if f.Down() {
		return schema.Transient(op, errDown)
	}
	return nil
}

// Upsert implements [gallery.Gallery].
func (f Faulty) Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error {
	const op = "gallery.upsert"
	var out []error
	err := f.failed(op)
	if err == nil {
		out = f.Inner.Upsert(ctx, c, rows)
		err = f.failed(op)
	}
	if err != nil {
		out = make([]error, len(rows))
		for i := range out {
			out[i] = err
		}
	}
	return out
}

// Search implements [gallery.Gallery].
func (f Faulty) Search(ctx context.Context, c schema.Collection, probes []schema.Embedding, k int, among ...schema.PUID) []gallery.Outcome[[]gallery.Match] {
	return outcomes(f, "gallery.search", len(probes), func() []gallery.Outcome[[]gallery.Match] { return f.Inner.Search(ctx, c, probes, k, among...) })
}

// Delete implements [gallery.Gallery].
func (f Faulty) Delete(ctx context.Context, c schema.Collection, deletions []gallery.Deletion) []gallery.Outcome[int] {
	return outcomes(f, "gallery.delete", len(deletions), func() []gallery.Outcome[int] { return f.Inner.Delete(ctx, c, deletions) })
}

// List implements [gallery.Gallery].
func (f Faulty) List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (gallery.Page, error) {
	const op = "gallery.list"
	if err := f.failed(op); err != nil {
		return gallery.Page{}, err
	}
	page, err := f.Inner.List(ctx, c, after, limit, among...)
	if lost := f.failed(op); lost != nil {
		return gallery.Page{}, lost
	}
	return page, err
}

func outcomes[T any](f Faulty, op string, n int, call func() []gallery.Outcome[T]) []gallery.Outcome[T] {
	var out []gallery.Outcome[T]
	err := f.failed(op)
	if err == nil {
		out = call()
		err = f.failed(op)
	}
	if err != nil {
		out = make([]gallery.Outcome[T], n)
		for i := range out {
			out[i].Err = err
		}
	}
	return out
}

package gallery

import (
	"context"

	"facestream/pkg/groupcommit"
	"facestream/pkg/schema"
)

const (
	maxBatch = 256 // rows in a call that several callers share
	atOnce   = 2   // calls under way: the server works on one while the answer to the other is on its way back
)

// Batched makes fewer calls of another gallery. It is for drivers where a call costs more than a row. Upserts into one
// collection that come at the same time share calls (see [groupcommit.Calls]). Everything else goes straight through.
type Batched struct {
	inner   Gallery
	upserts groupcommit.Calls[schema.Collection, Row, error]
}

var _ Gallery = (*Batched)(nil)

// Batch returns a gallery whose upserts share calls of inner.
func Batch(inner Gallery) *Batched {
	b := &Batched{inner: inner}
	b.upserts.Call, b.upserts.Most, b.upserts.AtOnce = inner.Upsert, maxBatch, atOnce
	b.upserts.Ended = func(err error) error { return schema.Transient("gallery.upsert", err) }
	return b
}

// Search implements [Gallery].
func (b *Batched) Search(ctx context.Context, c schema.Collection, probes []schema.Embedding, k int, among ...schema.PUID) []Outcome[[]Match] {
	return b.inner.Search(ctx, c, probes, k, among...)
}

// Delete implements [Gallery].
func (b *Batched) Delete(ctx context.Context, c schema.Collection, deletions []Deletion) []Outcome[int] {
	return b.inner.Delete(ctx, c, deletions)
}

// List implements [Gallery].
func (b *Batched) List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (Page, error) {
	return b.inner.List(ctx, c, after, limit, among...)
}

// Upsert implements [Gallery].
func (b *Batched) Upsert(ctx context.Context, c schema.Collection, rows []Row) []error {
	return b.upserts.Do(ctx, c, rows)
}

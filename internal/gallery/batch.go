package gallery

import (
	"context"

	"facestream/pkg/groupcommit"
	"facestream/pkg/schema"
)

const (
	maxBatch = 256 // rows of several callers that share a call
	atOnce   = 2   // calls under way: while the answer of one is on its way back, the server works on the other
)

// Batched is another gallery with fewer calls of it, for drivers where a call costs more than a row: Upserts of one
// collection that come together share calls, as [groupcommit.Calls] says. All else goes straight through.
type Batched struct {
	inner   Gallery
	upserts groupcommit.Calls[schema.Collection, Row, error]
}

var _ Gallery = (*Batched)(nil)

// Batch returns inner with shared calls.
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

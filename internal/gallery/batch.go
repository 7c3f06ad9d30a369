package gallery

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"facestream/pkg/schema"
)

const (
	maxBatch = 256 // rows of several callers that share a call
	atOnce   = 2   // calls under way: while the answer of one is on its way back, the server works on the other
)

// Batched is another gallery with fewer calls of it, for drivers where a call costs more than a row (group commit):
// Upserts of one collection that come while atOnce of them are under way wait until one ends, and share the next. Who
// comes alone waits for nobody. All else goes straight through.
//
// A caller whose ctx ends still waits for the call that is under way. That call is cancelled when everybody's who shares
// it has ended: nobody's end fails a neighbour.
type Batched struct {
	inner Gallery

	mu     sync.Mutex
	queues map[schema.Collection]*queue // of collections with calls under way
}

// queue is what waits to be upserted into one collection.
type queue struct {
	running int // goroutines that carry calls out
	waiting []*upsert
}

// upsert is one caller's part of a call.
type upsert struct {
	ctx      context.Context
	rows     []Row
	errs     []error
	panicked any
	done     chan struct{} // closed when errs or panicked is set
}

var _ Gallery = (*Batched)(nil)

// Batch returns inner with shared calls.
func Batch(inner Gallery) *Batched {
	return &Batched{inner: inner, queues: map[schema.Collection]*queue{}}
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
func (b *Batched) List(ctx context.Context, c schema.Collection, after string, limit int) (Page, error) {
	return b.inner.List(ctx, c, after, limit)
}

// Upsert implements [Gallery]. A panic of the driver is a panic of everybody who shares the call.
func (b *Batched) Upsert(ctx context.Context, c schema.Collection, rows []Row) []error {
	u := &upsert{ctx: ctx, rows: rows, done: make(chan struct{})}
	b.mu.Lock()
	q := b.queues[c]
	if q == nil {
		q = &queue{}
		b.queues[c] = q
	}
	q.waiting = append(q.waiting, u)
	if q.running < atOnce {
		q.running++
		go b.run(c, q) // ends when nobody waits; those who wait are its owners
	}
	b.mu.Unlock()
	<-u.done
	if u.panicked != nil {
		panic(u.panicked)
	}
	return u.errs
}

func (b *Batched) run(c schema.Collection, q *queue) {
	for {
		group := b.next(c, q)
		if group == nil {
			return
		}
		b.carryOut(c, group)
	}
}

// next takes those who share the next call; nil when nobody waits.
func (b *Batched) next(c schema.Collection, q *queue) []*upsert {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(q.waiting) == 0 {
		if q.running--; q.running == 0 {
			delete(b.queues, c)
		}
		return nil
	}
	n, rows := 1, len(q.waiting[0].rows)
	for n < len(q.waiting) && rows+len(q.waiting[n].rows) <= maxBatch {
		rows += len(q.waiting[n].rows)
		n++
	}
	group := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return group
}

func (b *Batched) carryOut(c schema.Collection, group []*upsert) {
	defer func() {
		panicked := recover()
		for _, u := range group {
			u.panicked = panicked
			close(u.done)
		}
	}()
	var present []*upsert
	var rows []Row
	for _, u := range group {
		if err := u.ctx.Err(); err != nil {
			u.errs = slices.Repeat([]error{schema.Transient("gallery.upsert", err)}, len(u.rows))
			continue
		}
		present = append(present, u)
		rows = append(rows, u.rows...)
	}
	if len(present) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var ended atomic.Int32
	for _, u := range present {
		defer context.AfterFunc(u.ctx, func() {
			if int(ended.Add(1)) == len(present) {
				cancel()
			}
		})()
	}
	errs := b.inner.Upsert(ctx, c, rows)
	for _, u := range present {
		n := len(u.rows)
		u.errs, errs = errs[:n:n], errs[n:]
	}
}

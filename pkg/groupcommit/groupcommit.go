// Package groupcommit lets concurrent callers share one call. It is for calls whose cost hardly depends on the number
// of items: a transaction, a request to a server, a run of a network on a GPU.
package groupcommit

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Calls combines the items of concurrent callers into shared calls. While fewer than AtOnce calls of a key are running,
// a caller's items start a call immediately. Otherwise they wait until a call ends, and the next call takes everything
// that is waiting. Calls is safe for concurrent use; set its fields before the first use.
//
// A caller whose context ends must not fail the others that share its call, so it waits for the call like them. The
// call's context ends when the contexts of all its callers have ended.
type Calls[K comparable, I, O any] struct {
	// Call returns the answer to each item, in order. Its ctx carries no values of the callers' contexts.
	Call func(ctx context.Context, key K, items []I) []O
	// Most limits the number of items in a shared call. The items of one caller stay together, even if they are more.
	Most int
	// AtOnce limits the number of concurrent calls of one key.
	AtOnce int
	// Ended returns the answer to each item of a caller whose context ended before its call began. err is the error of
	// the context.
	Ended func(err error) O

	mu     sync.Mutex
	queues map[K]*queue[I, O] // of the keys with calls under way
}

// queue is what waits for a call of one key.
type queue[I, O any] struct {
	running int // goroutines that carry calls out
	waiting []*part[I, O]
}

// part is one caller's part of a call.
type part[I, O any] struct {
	ctx      context.Context
	items    []I
	answers  []O
	panicked any
	done     chan struct{} // closed when answers or panicked is set
}

// Do returns the answer to each of items, in order. When Call panics, Do panics in every caller that shares the call.
func (c *Calls[K, I, O]) Do(ctx context.Context, key K, items []I) []O {
	p := &part[I, O]{ctx: ctx, items: items, done: make(chan struct{})}
	c.mu.Lock()
	q := c.queues[key]
	if q == nil {
		if c.queues == nil {
			c.queues = map[K]*queue[I, O]{}
		}
		q = &queue[I, O]{}
		c.queues[key] = q
	}
	q.waiting = append(q.waiting, p)
	if q.running < c.AtOnce {
		q.running++
		go c.run(key, q) // ends when nobody waits, so its callers outlive it
	}
	c.mu.Unlock()
	<-p.done
	if p.panicked != nil {
		panic(p.panicked)
	}
	return p.answers
}

// run makes calls until nobody waits.
func (c *Calls[K, I, O]) run(key K, q *queue[I, O]) {
	for {
		group := c.next(key, q)
		if group == nil {
			return
		}
		c.carryOut(key, group)
	}
}

// next takes the callers that share the next call from the queue; nil when nobody waits.
func (c *Calls[K, I, O]) next(key K, q *queue[I, O]) []*part[I, O] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(q.waiting) == 0 {
		if q.running--; q.running == 0 {
			delete(c.queues, key)
		}
		return nil
	}
	n, items := 1, len(q.waiting[0].items)
	for n < len(q.waiting) && items+len(q.waiting[n].items) <= c.Most {
		items += len(q.waiting[n].items)
		n++
	}
	group := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return group
}

func (c *Calls[K, I, O]) carryOut(key K, group []*part[I, O]) {
	defer func() {
		panicked := recover()
		for _, p := range group {
			p.panicked = panicked
			close(p.done)
		}
	}()
	var present []*part[I, O]
	var items []I
	for _, p := range group {
		if err := p.ctx.Err(); err != nil {
			p.answers = slices.Repeat([]O{c.Ended(err)}, len(p.items))
			continue
		}
		present = append(present, p)
		items = append(items, p.items...)
	}
	if len(present) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var ended atomic.Int32
	for _, p := range present {
		defer context.AfterFunc(p.ctx, func() {
			if int(ended.Add(1)) == len(present) {
				cancel()
			}
		})()
	}
	answers := c.Call(ctx, key, items)
	for _, p := range present {
		n := len(p.items)
		p.answers, answers = answers[:n:n], answers[n:]
	}
}

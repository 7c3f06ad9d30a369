// Package share makes one call of several callers' (group commit), where a call costs more than what it is about: an
// upsert into a server, a network on a GPU.
package share

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Calls are calls that callers may share: items that come while AtOnce of a key are under way wait until one ends, and go
// together in the next. Who comes alone waits for nobody. It is safe for concurrent use; its fields are set before.
//
// A caller whose ctx ends still waits for the call that is under way. That call is cancelled when everybody's who shares
// it has ended: nobody's end fails a neighbour.
type Calls[K comparable, I, O any] struct {
	// Call answers each item, in order. Its ctx carries no values.
	Call func(ctx context.Context, key K, items []I) []O
	// Most is how many items of several callers a call takes; one caller's stay together, however many they are.
	Most int
	// AtOnce is how many calls of a key may be under way.
	AtOnce int
	// Ended answers the items of a caller whose ctx ended, with err, before their call.
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

// Do answers each of items, in order. A panic of Call is a panic of everybody who shares it.
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
		go c.run(key, q) // ends when nobody waits; those who wait are its owners
	}
	c.mu.Unlock()
	<-p.done
	if p.panicked != nil {
		panic(p.panicked)
	}
	return p.answers
}

func (c *Calls[K, I, O]) run(key K, q *queue[I, O]) {
	for {
		group := c.next(key, q)
		if group == nil {
			return
		}
		c.carryOut(key, group)
	}
}

// next takes those who share the next call; nil when nobody waits.
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

// Package groupcommit lets concurrent callers share one call. It is for calls whose cost hardly depends on the number
// of items: a transaction, a request to a server, a run of a network on a GPU.
package groupcommit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
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
	// Most limits the number of items in a shared call. The items of one caller stay together, even if they are more, unless
	// Apart.
	Most int
	// Apart lets several calls answer the items of one caller. The callers take turns then: each call takes as many items
	// of each as of the others, as far as they have some, so nobody with many items keeps those with few waiting.
	Apart bool
	// AtOnce limits the number of concurrent calls of one key.
	AtOnce int
	// Wait is how long items wait at most for a call with Most items while another call of their key is running. 0: not
	// at all, unless AtOnce calls are.
	Wait time.Duration
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
	items   int         // of waiting that no call has taken
	timer   *time.Timer // that of Wait; nil: it does not run
}

// part is what one caller asks for.
type part[I, O any] struct {
	ctx   context.Context
	since time.Time
	items []I
	taken int // items that calls have taken

	answers  []O
	left     int // items that are not answered
	panicked any
	done     chan struct{} // closed when all are answered
}

// share is the part of a caller in one call: the items from one index to another.
type share[I, O any] struct {
	*part[I, O]
	from, to int
}

// Do returns the answer to each of items, in order. When Call panics, Do panics in every caller that shares the call.
func (c *Calls[K, I, O]) Do(ctx context.Context, key K, items []I) []O {
	if len(items) == 0 {
		return nil
	}
	p := &part[I, O]{ctx: ctx, since: time.Now(), items: items, answers: make([]O, len(items)), left: len(items), done: make(chan struct{})}
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
	q.items += len(items)
	c.start(key, q)
	c.mu.Unlock()
	<-p.done
	if p.panicked != nil {
		panic(p.panicked)
	}
	return p.answers
}

// start starts another goroutine that carries calls out, if one may and a call is due. The caller holds c.mu.
func (c *Calls[K, I, O]) start(key K, q *queue[I, O]) {
	if len(q.waiting) > 0 && q.running < c.AtOnce && c.due(key, q, q.running) {
		q.running++
		go c.run(key, q) // ends when nobody waits, so its callers outlive it
	}
}

// due reports whether what waits may go into a call beside so many others, and looks again when Wait is over. The caller
// holds c.mu.
func (c *Calls[K, I, O]) due(key K, q *queue[I, O], others int) bool {
	waits := c.Wait - time.Since(q.waiting[0].since)
	if c.Wait == 0 || others == 0 || q.items >= c.Most || waits <= 0 {
		return true
	}
	if q.timer == nil {
		q.timer = time.AfterFunc(waits, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			q.timer = nil
			c.start(key, q)
		})
	}
	return false
}

// run makes calls until none is due.
func (c *Calls[K, I, O]) run(key K, q *queue[I, O]) {
	for {
		group := c.next(key, q)
		if group == nil {
			return
		}
		c.carryOut(key, group)
	}
}

// next takes what goes into the next call from the queue; nil when no call is due.
func (c *Calls[K, I, O]) next(key K, q *queue[I, O]) []share[I, O] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(q.waiting) == 0 || !c.due(key, q, q.running-1) {
		if q.running--; q.running == 0 {
			delete(c.queues, key)
		}
		return nil
	}
	var group []share[I, O]
	if c.Apart {
		group = q.turns(c.Most)
	} else {
		group = q.whole(c.Most)
	}
	for _, s := range group {
		q.items -= s.to - s.from
	}
	return group
}

// whole takes callers from the queue, as many as fit, but at least the first.
func (q *queue[I, O]) whole(most int) []share[I, O] {
	var group []share[I, O]
	items := 0
	for len(q.waiting) > 0 && (group == nil || items+len(q.waiting[0].items) <= most) {
		p := q.waiting[0]
		items += len(p.items)
		group = append(group, share[I, O]{p, 0, len(p.items)})
		q.waiting = q.waiting[1:]
	}
	return group
}

// turns takes items of each caller in turn, first come first served. Callers with items left go to the end of the queue.
func (q *queue[I, O]) turns(most int) []share[I, O] {
	callers := q.waiting[:min(most, len(q.waiting))]
	group := make([]share[I, O], len(callers))
	for i, p := range callers {
		group[i] = share[I, O]{p, p.taken, p.taken}
	}
	for before := -1; most > 0 && before != most; {
		before = most
		for i := range group {
			if s := &group[i]; s.to < len(s.items) && most > 0 {
				s.to++
				most--
			}
		}
	}
	q.waiting = append([]*part[I, O](nil), q.waiting[len(callers):]...)
	for _, s := range group {
		if s.taken = s.to; s.taken < len(s.items) {
			q.waiting = append(q.waiting, s.part)
		}
	}
	return group
}

func (c *Calls[K, I, O]) carryOut(key K, group []share[I, O]) {
	defer func() {
		panicked := recover()
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range group {
			if panicked != nil {
				s.panicked = panicked
			}
			if s.left -= s.to - s.from; s.left == 0 {
				close(s.done)
			}
		}
	}()
	var present []share[I, O]
	var items []I
	for _, s := range group {
		if err := s.ctx.Err(); err != nil {
			for i := s.from; i < s.to; i++ {
				s.answers[i] = c.Ended(err)
			}
			continue
		}
		present = append(present, s)
		items = append(items, s.items[s.from:s.to]...)
	}
	if len(present) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var ended atomic.Int32
	for _, s := range present {
		defer context.AfterFunc(s.ctx, func() {
			if int(ended.Add(1)) == len(present) {
				cancel()
			}
		})()
	}
	answers := c.Call(ctx, key, items)
	for _, s := range present {
		answers = answers[copy(s.answers[s.from:s.to], answers):]
	}
}

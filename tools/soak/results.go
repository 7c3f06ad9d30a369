package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// results passes everything that was published since the start on to the history, and knows which requests have an outcome.
type results struct {
	client  *events.Client
	history *history
	began   time.Time

	mu       sync.Mutex
	arrived  *sync.Cond
	answered map[schema.RequestID]bool
	dead     map[string]bool
	sendings int64
	last     time.Time
}

func newResults(c *events.Client, h *history) *results {
	r := &results{client: c, history: h, began: time.Now().Truncate(time.Millisecond), answered: map[schema.RequestID]bool{}, dead: map[string]bool{}, last: time.Now()}
	r.arrived = sync.NewCond(&r.mu)
	return r
}

// number returns a number for the next sending.
func (r *results) number() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sendings++
	return r.sendings
}

// follow passes on the records of a topic since the start, through outages, until ctx ends.
func (r *results) follow(ctx context.Context, topic events.Topic, keep func(events.Record) error) {
	from := map[int]int64{}
	for ctx.Err() == nil {
		err := r.client.ReadAll(ctx, topic, from, func(rec events.Record) error {
			from[rec.Partition] = rec.Offset + 1
			if rec.Time.Before(r.began) { // another run's, on a broker that was there before
				return nil
			}
			return keep(rec)
		}, func() {})
		if err != nil {
			retry.Sleep(ctx, 300*time.Millisecond) // the broker was killed: go on where reading stopped
		}
	}
}

func (r *results) keepResult(rec events.Record) error {
	var v struct {
		RequestID schema.RequestID `json:"request_id"`
	}
	if err := json.Unmarshal(rec.Event.Data, &v); err != nil {
		return err
	}
	r.history.note("result", noteResult{rec.Event.ID, rec.Event.Data})
	r.keep(func() { r.answered[v.RequestID] = true })
	return nil
}

func (r *results) keepAnalysis(rec events.Record) error {
	r.history.note("analysis", noteAnalysis{rec.Event.Data})
	return nil
}

func (r *results) keepDeadLetter(rec events.Record) error {
	note := noteDead{Value: string(rec.Value)}
	for _, h := range rec.Headers {
		switch h.Key {
		case "fs_origin_topic":
			note.Origin = string(h.Value)
		case "fs_reason":
			note.Reason = string(h.Value)
		}
	}
	r.history.note("dead", note)
	r.keep(func() { r.dead[note.Value] = true })
	return nil
}

func (r *results) keep(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	r.last = time.Now()
	r.arrived.Broadcast()
}

// until waits until cond, called with the lock held, is true.
func (r *results) until(ctx context.Context, cond func() bool) error {
	defer context.AfterFunc(ctx, func() {
		r.mu.Lock() // not between a look at ctx and the wait
		defer r.mu.Unlock()
		r.arrived.Broadcast()
	})()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !cond() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.arrived.Wait()
	}
	return nil
}

// wait waits for the first result of a request.
func (r *results) wait(ctx context.Context, id schema.RequestID) error {
	return r.until(ctx, func() bool { return r.answered[id] })
}

// buried waits until value is a dead letter.
func (r *results) buried(ctx context.Context, value string) error {
	return r.until(ctx, func() bool { return r.dead[value] })
}

// progress waits until n requests without a result get their first one.
func (r *results) progress(ctx context.Context, n int) bool {
	r.mu.Lock()
	had := len(r.answered)
	r.mu.Unlock()
	return r.until(ctx, func() bool { return len(r.answered) >= had+n }) == nil
}

// silence returns the time since the last publication.
func (r *results) silence() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.last)
}

// quiet waits until nothing has been published for a while. By then the work that the last fault interrupted is done.
func (r *results) quiet(ctx context.Context, still time.Duration) error {
	for begin := time.Now(); ; {
		if r.silence() > still && time.Since(begin) > still {
			return nil
		}
		if !retry.Sleep(ctx, time.Second) {
			return fmt.Errorf("results still arrive: %w", ctx.Err())
		}
	}
}

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

// results is everything that was published to the topics of results and dead letters since the start.
type results struct {
	client *events.Client
	began  time.Time

	mu       sync.Mutex
	arrived  *sync.Cond
	byID     map[schema.RequestID][]published
	requests int // that have a result
	dead     map[string]int
	last     time.Time
}

// published is a result with its CloudEvents id.
type published struct {
	event  string
	result schema.Result
}

func newResults(c *events.Client) *results {
	r := &results{client: c, began: time.Now().Truncate(time.Millisecond), byID: map[schema.RequestID][]published{}, dead: map[string]int{}, last: time.Now()}
	r.arrived = sync.NewCond(&r.mu)
	return r
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
	var v schema.Result
	if err := json.Unmarshal(rec.Event.Data, &v); err != nil {
		return err
	}
	v.Timings = nil // measurements, not content
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.byID[v.RequestID]) == 0 {
		r.requests++
	}
	r.byID[v.RequestID] = append(r.byID[v.RequestID], published{rec.Event.ID, v})
	r.last = time.Now()
	r.arrived.Broadcast()
	return nil
}

func (r *results) keepDeadLetter(rec events.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead[string(rec.Value)]++
	r.last = time.Now()
	r.arrived.Broadcast()
	return nil
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

// wait returns the first result of a request.
func (r *results) wait(ctx context.Context, id schema.RequestID) (first schema.Result, err error) {
	err = r.until(ctx, func() bool {
		if len(r.byID[id]) > 0 {
			first = r.byID[id][0].result
			return true
		}
		return false
	})
	return first, err
}

// buried waits until value is a dead letter.
func (r *results) buried(ctx context.Context, value string) error {
	if err := r.until(ctx, func() bool { return r.dead[value] > 0 }); err != nil {
		return fmt.Errorf("%q did not become a dead letter: %w", value, err)
	}
	return nil
}

// progress waits until n requests without a result get their first one.
func (r *results) progress(ctx context.Context, n int) bool {
	r.mu.Lock()
	had := r.requests
	r.mu.Unlock()
	return r.until(ctx, func() bool { return r.requests >= had+n }) == nil
}

// silence returns the time since the last publication.
func (r *results) silence() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.last)
}

// quiet waits until nothing has been published for a while. By then the work that the last fault interrupted is done.
func (r *results) quiet(ctx context.Context) error {
	const still = 10 * time.Second
	for begin := time.Now(); ; {
		if r.silence() > still && time.Since(begin) > still {
			return nil
		}
		if !retry.Sleep(ctx, time.Second) {
			return fmt.Errorf("results still arrive: %w", ctx.Err())
		}
	}
}

package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"facestream/pkg/schema"
)

// Submit writes a request without waiting for its result. nil means that the request is durable and will have exactly one
// outcome (invariant 2). Its id is the record's key and the CloudEvents id, so a request that is submitted again after an
// error is carried out once (invariant 3). A request without an id is a permanent error. Everything else is checked by
// facestream, which answers on the results topic.
func (c *Client) Submit(ctx context.Context, p *Publisher, req schema.Request) error {
	const op = "events.submit"
	if req.ID == "" {
		return schema.Permanent(op, schema.ReasonInvalidRequest, errors.New("the request has no id; choose one that is unique per request"))
	}
	data, err := json.Marshal(req)
	if err != nil {
		return schema.Permanent(op, schema.ReasonInvalidRequest, fmt.Errorf("the request is not JSON: %s", describeJSONError(err)))
	}
	return p.Publish(ctx, Requests, Event{ID: string(req.ID), Type: TypeRequest, Key: string(req.ID), Data: data})
}

// Start says where reading begins. The zero value is [Latest].
type Start struct {
	earliest bool
	at       time.Time
}

// Latest begins with what is written from now on.
func Latest() Start { return Start{} }

// Earliest begins with the oldest record that is kept.
func Earliest() Start { return Start{earliest: true} }

// At begins with the first record that was written at t or later.
func At(t time.Time) Start { return Start{at: t} }

// ResultsOptions configures a [ResultStream].
type ResultsOptions struct {
	From Start
}

// ResultStream reads the outcomes of all requests from every partition of the results topic, without a group, and
// survives restarts of the broker. To wait for the outcome of one's own requests, use a [Caller]. Next is for one
// goroutine at a time.
type ResultStream struct {
	armed  chan struct{} // closed when the start positions are fixed
	out    chan Record
	done   chan struct{} // closed when reading ended
	cancel context.CancelFunc
	client *Client
}

// Results reads results in the background until ctx ends or Close is called.
func (c *Client) Results(ctx context.Context, opts ResultsOptions) *ResultStream {
	ctx, cancel := context.WithCancel(ctx)
	s := &ResultStream{armed: make(chan struct{}), out: make(chan Record), done: make(chan struct{}), cancel: cancel, client: c}
	go func() {
		defer close(s.done)
		c.followResults(ctx, opts.From, s.armed, func(r Record) error {
			select {
			case s.out <- r:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return s
}

// followResults hands the records of the results topic to handle until ctx ends. It closes armed when the start
// positions are fixed. handle fails only when ctx has ended.
func (c *Client) followResults(ctx context.Context, from Start, armed chan<- struct{}, handle func(Record) error) {
	f := c.NewFollower(Results, handle)
	var start map[int]int64
	err := c.retry(ctx, "events.results", func() error {
		ends, err := f.ends(ctx)
		if err != nil {
			return err
		}
		start = ends // Latest: offsets, not LastOffset, which would be looked up only later
		switch {
		case from.earliest:
			for id := range start {
				start[id] = FirstOffset
			}
		case !from.at.IsZero():
			var ids []int
			for id := range ends {
				ids = append(ids, id)
			}
			at, err := c.positions(ctx, Results, ids, from.at)
			if err != nil {
				return err
			}
			for id, offset := range at {
				if offset >= 0 { // else nothing was written since: the end
					start[id] = offset
				}
			}
		}
		return nil
	})
	if err != nil {
		return // ctx ended
	}
	close(armed)
	_ = f.read(ctx, start) // ends with ctx
}

// errStreamClosed is what readers of a closed stream get.
var errStreamClosed = errors.New("the result stream is closed")

// Ready returns when every result that is published from then on will be seen. It fails (transient) when ctx ends or the
// stream is closed first, for instance because no broker answers or the topic does not exist.
func (s *ResultStream) Ready(ctx context.Context) error {
	select {
	case <-s.armed:
		return nil
	case <-s.done:
		return schema.Transient("events.results", errStreamClosed)
	case <-ctx.Done():
		return notReadable(ctx)
	}
}

func notReadable(ctx context.Context) error {
	return schema.Transient("events.results", fmt.Errorf("the topic %s cannot be read yet (is the broker running, and the topic created?): %w", Results, ctx.Err()))
}

// Next returns the next result and the event that carried it. A result may come more than once, with the same Event.ID
// (invariant 3). Records that are not results are skipped. An error (transient) says that ctx ended or the stream was
// closed.
func (s *ResultStream) Next(ctx context.Context) (schema.Result, Event, error) {
	for {
		select {
		case r := <-s.out:
			var res schema.Result
			if err := json.Unmarshal(r.Event.Data, &res); err != nil {
				s.client.notAResult(r)
				continue
			}
			return res, r.Event, nil
		case <-s.done:
			return schema.Result{}, Event{}, schema.Transient("events.results", errStreamClosed)
		case <-ctx.Done():
			return schema.Result{}, Event{}, schema.Transient("events.results", ctx.Err())
		}
	}
}

// Close stops reading and waits for it.
func (s *ResultStream) Close() {
	s.cancel()
	<-s.done
}

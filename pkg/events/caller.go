package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"facestream/pkg/schema"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
)

// Answer is the result of a request and the event that carried it. Event.Data holds the result's JSON as it was
// published.
type Answer struct {
	schema.Result
	Event Event
}

// Caller submits requests and returns the result of each. It is safe for concurrent use, and any number of requests may
// be in flight. It reads the results of all clients and keeps the newest 16 MiB of them in memory, so a program needs only
// one.
type Caller struct {
	client    *Client
	publisher *Publisher
	stop      context.CancelFunc
	done      chan struct{} // closed when reading has ended

	mu      sync.Mutex
	waiting map[schema.RequestID][]chan Event // each has room for one
	kept    map[schema.RequestID]Event
	order   []schema.RequestID // of kept, oldest first
	bytes   int                // of kept
}

// keptBytes bounds the results that a Caller keeps for an Await that comes after them.
const keptBytes = 16 * mib

// OpenCaller starts to read results. It returns when no result that is published from then on can be missed. It fails
// (transient) when ctx ends first, for instance because no broker answers or the results topic does not exist. ctx bounds
// the opening only; Close the caller when done.
func (c *Client) OpenCaller(ctx context.Context, cfg PublisherConfig) (*Caller, error) {
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	x := &Caller{
		client: c, publisher: c.NewPublisher(cfg), stop: stop, done: make(chan struct{}),
		waiting: map[schema.RequestID][]chan Event{}, kept: map[schema.RequestID]Event{},
	}
	armed := make(chan struct{})
	go func() {
		defer close(x.done)
		c.followResults(reading, Latest(), armed, x.keep)
	}()
	select {
	case <-armed:
		return x, nil
	case <-ctx.Done():
		return nil, errors.Join(notReadable(ctx), x.Close())
	}
}

// Close ends every Call and Await with a transient error, and waits for writes that are under way.
func (x *Caller) Close() error {
	x.stop()
	<-x.done
	return x.publisher.Close()
}

// Call submits a request and waits for its result. A request without an id gets a new one. A request that facestream
// refuses has a result too, whose CallStatus says why; that is no error.
//
// An error is transient when ctx ended or the caller was closed before the result came. The request may still be carried
// out. To submit it again under the same id does no harm (invariant 3) but gives no second result; [Client.Result] finds
// the first one.
func (x *Caller) Call(ctx context.Context, req schema.Request) (Answer, error) {
	if req.ID == "" {
		req.ID = schema.RequestID(uuid.NewString())
	}
	if err := x.client.Submit(ctx, x.publisher, req); err != nil {
		return Answer{}, err
	}
	return x.Await(ctx, req.ID)
}

// Await waits for the result of a request that was submitted in another way, for instance by an upload, whose request id
// is [schema.ObjectRequestID]. The result may have arrived already: the caller keeps the newest 16 MiB of what came since
// it was opened. An error is transient when ctx ended or the caller was closed first.
func (x *Caller) Await(ctx context.Context, id schema.RequestID) (Answer, error) {
	const op = "events.await"
	arrives := make(chan Event, 1)
	x.mu.Lock()
	if e, ok := x.kept[id]; ok {
		arrives <- e
	} else {
		x.waiting[id] = append(x.waiting[id], arrives)
	}
	x.mu.Unlock()
	select {
	case e := <-arrives:
		return answer(op, e)
	case <-ctx.Done():
		x.forget(id, arrives)
		return Answer{}, schema.Transient(op, fmt.Errorf("request %s has no result yet: %w", id, ctx.Err()))
	case <-x.done:
		x.forget(id, arrives)
		return Answer{}, schema.Transient(op, errors.New("the caller is closed"))
	}
}

// keep hands a result to those who wait for it, and keeps it for those who come later.
func (x *Caller) keep(r Record) error {
	id, ok := resultOf(r)
	if !ok {
		x.client.notAResult(r)
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, repeated := x.kept[id]; repeated {
		return nil
	}
	for _, arrives := range x.waiting[id] {
		arrives <- r.Event
	}
	delete(x.waiting, id)
	x.kept[id] = r.Event
	x.order = append(x.order, id)
	x.bytes += len(r.Event.Data)
	for x.bytes > keptBytes && len(x.order) > 1 {
		oldest := x.order[0]
		x.bytes -= len(x.kept[oldest].Data)
		delete(x.kept, oldest)
		x.order = x.order[1:]
	}
	return nil
}

// forget ends a wait.
func (x *Caller) forget(id schema.RequestID, arrives chan Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	rest := slices.DeleteFunc(x.waiting[id], func(c chan Event) bool { return c == arrives })
	if len(rest) == 0 {
		delete(x.waiting, id)
	} else {
		x.waiting[id] = rest
	}
}

// Result looks for the result of an earlier request in the results topic, which keeps results for 7 days by default. found
// is false when there is none: the request is unknown, not finished, given up as a dead letter, or its result is too old.
// It may have to read the whole topic, so use it for a person's question or a repair, not for every request. An error is
// transient.
func (c *Client) Result(ctx context.Context, id schema.RequestID) (a Answer, found bool, err error) {
	const op = "events.result"
	ids, err := c.partitions(ctx, Results)
	if err != nil {
		return Answer{}, false, schema.Transient(op, err)
	}
	ranges, err := c.ranges(ctx, Results, ids)
	if err != nil {
		return Answer{}, false, schema.Transient(op, err)
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var readers sync.WaitGroup
	hits, failures := make(chan Event, len(ranges)), make(chan error, len(ranges))
	for _, p := range ranges {
		readers.Go(func() {
			err := c.readRange(reading, Results, p, func(m kafka.Message) bool {
				r, err := record(m)
				if got, ok := resultOf(r); err != nil || !ok || got != id {
					return true
				}
				hits <- r.Event
				stop()
				return false
			})
			if err != nil {
				failures <- err
			}
		})
	}
	readers.Wait()
	select {
	case e := <-hits:
		a, err = answer(op, e)
		return a, err == nil, err
	default:
	}
	select {
	case err := <-failures:
		return Answer{}, false, schema.Transient(op, err)
	default:
		return Answer{}, false, nil
	}
}

// resultOf returns which request a record of the results topic answers.
func resultOf(r Record) (id schema.RequestID, ok bool) {
	var head struct {
		RequestID schema.RequestID `json:"request_id"`
	}
	err := json.Unmarshal(r.Event.Data, &head)
	return head.RequestID, err == nil && head.RequestID != ""
}

func answer(op string, e Event) (Answer, error) {
	a := Answer{Event: e}
	if err := json.Unmarshal(e.Data, &a.Result); err != nil {
		return Answer{}, schema.Permanent(op, schema.ReasonUnparsable, fmt.Errorf("the result is not in the form of this version: %s", describeJSONError(err)))
	}
	return a, nil
}

// notAResult reports a record of the results topic that cannot be read as a result.
func (c *Client) notAResult(r Record) {
	c.log.Warn("a record of the results topic is not a result; skipping it", "partition", r.Partition, "offset", r.Offset)
}

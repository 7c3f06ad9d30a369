package events

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"facestream/pkg/retry"
	"facestream/pkg/schema"

	"github.com/google/uuid"
)

func openCaller(t *testing.T, ctx context.Context, c *Client) *Caller {
	t.Helper()
	x, err := c.OpenCaller(ctx, PublisherConfig{Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// answerRequests publishes a result for each request of the run, those that wait at the same time in any order, and each twice.
func answerRequests(t *testing.T, ctx context.Context, c *Client, run string) {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	p := publisher(t, c)
	var mu sync.Mutex
	var waiting []string
	var working sync.WaitGroup
	working.Go(func() {
		_ = c.ReadAll(ctx, Requests, nil, func(r Record) error {
			if strings.HasPrefix(r.Event.ID, run) {
				mu.Lock()
				defer mu.Unlock()
				waiting = append(waiting, r.Event.ID)
			}
			return nil
		}, nil)
	})
	working.Go(func() {
		for retry.Sleep(ctx, 20*time.Millisecond) {
			mu.Lock()
			ids := waiting
			waiting = nil
			mu.Unlock()
			rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
			for _, id := range ids {
				if err := p.Publish(ctx, Results, result(id), result(id)); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		}
	})
	t.Cleanup(func() { stop(); working.Wait() })
}

func TestCaller(t *testing.T) {
	ctx, c, _ := setup(t, newBroker(t), 1)
	run := uuid.NewString()
	answerRequests(t, ctx, c, run)
	x := openCaller(t, ctx, c)
	p := publisher(t, c)

	t.Run("many in flight", func(t *testing.T) {
		if err := p.Publish(ctx, Results, Event{ID: "x", Type: TypeResult, Data: []byte("not JSON")}, result(run+"-of somebody else")); err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		for i := range 60 {
			calls.Go(func() {
				id := schema.RequestID(fmt.Sprintf("%s-%d", run, i))
				a, err := x.Call(ctx, schema.Request{ID: id, Operation: schema.OpValidate})
				if err != nil || a.RequestID != id || a.Event.ID != schema.EventID(TypeResult, id) {
					t.Errorf("%s: %+v, %v", id, a, err)
				}
			})
		}
		calls.Wait()
	})
	t.Run("awaited by several, before and after it comes", func(t *testing.T) {
		id := schema.RequestID(run + "-uploaded")
		var waiting sync.WaitGroup
		await := func() {
			if a, err := x.Await(ctx, id); err != nil || a.RequestID != id {
				t.Errorf("%+v, %v", a, err)
			}
		}
		for range 3 {
			waiting.Go(await)
		}
		eventually(t, "three wait", func() bool { x.mu.Lock(); defer x.mu.Unlock(); return len(x.waiting[id]) == 3 })
		if err := p.Publish(ctx, Results, result(string(id))); err != nil {
			t.Fatal(err)
		}
		waiting.Wait()
		await()
	})
	t.Run("a request without an id", func(t *testing.T) {
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		// The test answers ids of its own run only.
		if _, err := x.Call(short, schema.Request{Operation: schema.OpValidate}); schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want a transient error of the deadline", err)
		}
	})
	t.Run("closing ends every wait", func(t *testing.T) {
		other := openCaller(t, ctx, c)
		ended := make(chan error, 1)
		go func() {
			_, err := other.Await(ctx, schema.RequestID(run+"-never"))
			ended <- err
		}()
		eventually(t, "it waits", func() bool { other.mu.Lock(); defer other.mu.Unlock(); return len(other.waiting) == 1 })
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; schema.ClassOf(err) != schema.ClassTransient {
			t.Errorf("%v, want a transient error", err)
		}
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.waiting) != 0 {
		t.Errorf("%d requests are waited for though every wait has ended", len(x.waiting))
	}
}

// What a caller keeps for later is bounded; the newest results stay.
func TestCallerForgetsTheOldest(t *testing.T) {
	x := &Caller{waiting: map[schema.RequestID][]chan Event{}, kept: map[schema.RequestID]Event{}}
	padding := strings.Repeat(" ", mib)
	for i := range 20 {
		if err := x.keep(Record{Event: Event{Data: fmt.Appendf(nil, `{"request_id":"%d"%s}`, i, padding)}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(x.kept); n != len(x.order) || n != 15 || x.bytes > keptBytes {
		t.Errorf("%d results of 1 MiB are kept, %d bytes, want 15", n, x.bytes)
	}
	if _, ok := x.kept["19"]; !ok {
		t.Error("the newest result is gone")
	}
}

func TestCallerWithoutBroker(t *testing.T) {
	c := (&broker{addrs: []string{"127.0.0.1:" + strconv.Itoa(freePort(t))}}).client(t)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.OpenCaller(ctx, PublisherConfig{}); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("%v, want a transient error", err)
	}
}

// An earlier result is found again, whatever else the topic holds.
func TestResult(t *testing.T) {
	b := newBroker(t)
	ctx, c, _ := setup(t, b, 1)
	p := publisher(t, c)
	run := uuid.NewString()
	for i := range 40 {
		if err := p.Publish(ctx, Results, result(fmt.Sprintf("%s-%d", run, i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Publish(ctx, Results, Event{ID: "x", Type: TypeResult, Data: []byte("not JSON")}); err != nil {
		t.Fatal(err)
	}
	begin(t, ctx, b).write(Results, string(result(run+"-aborted").Data)).abort()
	for id, want := range map[string]bool{"-0": true, "-17": true, "-39": true, "-40": false, "-aborted": false} {
		a, found, err := c.Result(ctx, schema.RequestID(run+id))
		if err != nil || found != want || found && string(a.RequestID) != run+id {
			t.Errorf("%s: found %v, %v, want %v: %+v", id, found, err, want, a)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, found, err := c.Result(ended, schema.RequestID(run+"-40")); found || schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("with an ended context: found %v, %v, want a transient error", found, err)
	}
}

package events

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"time"

	"facestream/pkg/schema"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
)

func result(id string) Event {
	data, err := json.Marshal(schema.Result{RequestID: schema.RequestID(id), Operation: schema.OpValidate})
	if err != nil {
		panic(err)
	}
	return Event{ID: schema.EventID(TypeResult, schema.RequestID(id)), Type: TypeResult, Key: id, Data: data}
}

func TestSubmitAndResults(t *testing.T) {
	ctx, c, _ := setup(t, newBroker(t), 1)
	p := publisher(t, c)
	run := uuid.NewString()
	if err := p.Publish(ctx, Results, result(run+"-old")); err != nil {
		t.Fatal(err)
	}
	// Times on the topic are as precise as a millisecond.
	between := time.Now().Add(2 * time.Millisecond)
	eventually(t, "that moment is over", func() bool { return time.Since(between) > 2*time.Millisecond })

	latest := c.Results(ctx, ResultsOptions{})
	defer latest.Close()
	if err := latest.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	// From here on nothing is missed.
	for i := range 50 {
		id := run + "-" + strconv.Itoa(i)
		if err := c.Submit(ctx, p, schema.Request{ID: schema.RequestID(id), Operation: schema.OpValidate}); err != nil {
			t.Fatal(err)
		}
		if err := p.Publish(ctx, Results, result(id), result(id)); err != nil { // a repeat
			t.Fatal(err)
		}
		res, e, err := latest.Next(ctx)
		for err == nil && res.RequestID != schema.RequestID(id) { // a repeat, or another client's
			res, e, err = latest.Next(ctx)
		}
		if err != nil || res.RequestID != schema.RequestID(id) || e.ID != schema.EventID(TypeResult, res.RequestID) {
			t.Fatalf("%s: %+v, %+v, %v", id, res, e, err)
		}
	}
	if err := c.Submit(ctx, p, schema.Request{}); schema.ClassOf(err) != schema.ClassPermanent {
		t.Errorf("a request without id: %v, want a permanent error", err)
	}

	requests := 0
	for _, r := range values(t, ctx, c, Requests) {
		if !contains(r.Event.ID, run) { // of somebody else, who may have written anything
			continue
		}
		var req schema.Request
		if err := json.Unmarshal(r.Event.Data, &req); err != nil {
			t.Fatal(err)
		}
		if r.Event.ID == string(req.ID) && string(r.Key) == string(req.ID) && r.Event.Type == TypeRequest {
			requests++
		}
	}
	if requests != 50 {
		t.Errorf("%d requests on the topic, want 50", requests)
	}

	for name, tt := range map[string]struct {
		from Start
		old  bool
	}{"earliest": {Earliest(), true}, "at": {At(between), false}} {
		s := c.Results(ctx, ResultsOptions{From: tt.from})
		got := map[string]bool{}
		for !got[run+"-0"] || !got[run+"-49"] {
			res, _, err := s.Next(ctx)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got[string(res.RequestID)] = true
		}
		if tt.old {
			for !got[run+"-old"] {
				res, _, err := s.Next(ctx)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got[string(res.RequestID)] = true
			}
		} else if got[run+"-old"] {
			t.Errorf("%s: a result from before the moment came", name)
		}
		s.Close()
		if _, _, err := s.Next(ctx); schema.ClassOf(err) != schema.ClassTransient {
			t.Errorf("%s: Next after Close: %v", name, err)
		}
	}
}

func TestResultsWithoutBroker(t *testing.T) {
	c := (&broker{addrs: []string{"127.0.0.1:" + strconv.Itoa(freePort(t))}}).client(t)
	s := c.Results(context.Background(), ResultsOptions{})
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := s.Ready(ctx); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("Ready: %v, want a transient error", err)
	}
}

func TestReadAll(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 3)
	publish(t, ctx, c, topic, 90, 90)
	if got := len(values(t, ctx, c, topic)); got != 90 {
		t.Fatalf("read %d records, want 90", got)
	}
	empty := Topic("test." + uuid.NewString())
	if _, err := c.EnsureTopics(ctx, []TopicSpec{{Topic: empty, Partitions: 2, Retention: time.Hour, MaxBytes: mib}}); err != nil {
		t.Fatal(err)
	}
	if got := len(values(t, ctx, c, empty)); got != 0 {
		t.Errorf("read %d records of an empty topic", got)
	}

	t.Run("from offsets, and on", func(t *testing.T) {
		reading, cancel := context.WithCancel(ctx)
		defer cancel()
		ids, err := c.partitions(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		ranges, err := c.ranges(ctx, topic, ids)
		if err != nil {
			t.Fatal(err)
		}
		want := ranges[0].Last - 2 // partition 0 from 2, 1 from its first, 2 from its end
		want += ranges[1].Last
		var before, after int64
		caught := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- c.ReadAll(reading, topic, map[int]int64{0: 2, 2: kafka.LastOffset}, func(r Record) error {
				select {
				case <-caught:
					after++
					if after == 30 {
						cancel()
					}
				default:
					before++
				}
				return nil
			}, func() { close(caught) })
		}()
		<-caught
		publish(t, ctx, c, topic, 30, 30)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if before != want || after != 30 {
			t.Errorf("%d records before and %d after catching up, want %d and 30", before, after, want)
		}
	})
	t.Run("the handler fails", func(t *testing.T) {
		n := 0
		err := c.ReadAll(ctx, topic, nil, func(Record) error {
			if n++; n == 10 {
				return errTest
			}
			return nil
		}, nil)
		if !errors.Is(err, errTest) || n != 10 {
			t.Errorf("error %v after %d records, want the handler's after 10", err, n)
		}
	})
}

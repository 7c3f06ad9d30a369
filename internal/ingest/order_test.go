package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/internal/ingest"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// broker says where its topics end.
type broker struct {
	ends map[events.Topic][]int64
	away bool
}

func (b *broker) Cluster(context.Context) (string, error) { return "cluster", nil }

func (b *broker) Ends(_ context.Context, topics ...events.Topic) (map[events.Topic][]int64, error) {
	if b.away {
		return nil, schema.Transient("ends", errors.New("away"))
	}
	out := map[events.Topic][]int64{}
	for _, t := range topics {
		out[t] = slices.Clone(b.ends[t])
	}
	return out, nil
}

// put is the record of a request that the broker has just taken.
func (b *broker) put(topic events.Topic, partition int, data string) events.Record {
	if b.ends == nil {
		b.ends = map[events.Topic][]int64{}
	}
	for len(b.ends[topic]) <= partition {
		b.ends[topic] = append(b.ends[topic], 0)
	}
	r := events.Record{Topic: topic, Partition: partition, Offset: b.ends[topic][partition], Event: events.Event{Data: []byte(data)},
		Headers: []events.Header{{Key: "fs_forwarded", Value: []byte("1")}}} // decided here
	b.ends[topic][partition]++
	return r
}

func enrolment(id string) string {
	return fmt.Sprintf(`{"id":%q,"operation":"enroll","collection":"staff","external_id":"alice","images":[{"bucket":"images","key":"k"}]}`, id)
}

func deletion(id string) string {
	return fmt.Sprintf(`{"id":%q,"operation":"user_delete","collection":"staff","external_id":"alice"}`, id)
}

// TestOrderOfAcceptance: a deletion is younger than everything that the broker had acknowledged when it was accepted, in
// whichever order ingest handles the records, and older than what comes behind it in its partition or after its job.
func TestOrderOfAcceptance(t *testing.T) {
	h, s := newHouse(map[string]stored{"k": {}, "enroll/staff/alice/a.jpg": {}})
	b := &h.broker
	b.put(events.Requests, 2, "") // of somebody else
	before := b.put(events.Requests, 0, enrolment("before"))
	samePartition := b.put(events.Requests, 1, enrolment("same partition"))
	uploaded := notification("enroll/staff/alice/a.jpg")
	uploaded.Offset = b.put(events.Objects, 0, "").Offset
	erase := b.put(events.Requests, 1, deletion("erase"))
	behind := b.put(events.Requests, 1, enrolment("behind"))
	jobs := map[schema.RequestID]*schema.Order{}
	handle := func(records ...events.Record) {
		t.Helper()
		for _, r := range records {
			if err := s.Handle(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		for _, j := range h.jobs {
			jobs[j.ID] = j.Order
		}
	}
	handle(erase)
	after := b.put(events.Requests, 0, enrolment("after"))
	handle(after, behind, before, samePartition, uploaded, b.put(events.Requests, 0, `{"id":"search","operation":"predict","collection":"staff","images":[{"bucket":"images","key":"k"}]}`))
	want := &schema.Order{Cluster: "cluster", Ends: schema.Ends{"facestream.requests": {1, 2, 1}, "facestream.objects": {1}}}
	if diff := cmp.Diff(want, jobs["erase"]); diff != "" {
		t.Errorf("the deletion (-want +got):\n%s", diff)
	}
	if jobs["search"] != nil {
		t.Errorf("a search has the order %+v", jobs["search"])
	}
	upload := schema.ObjectRequestID(schema.ObjectRef{Bucket: "images", Key: "enroll/staff/alice/a.jpg", ETag: "e"})
	for id, outlived := range map[schema.RequestID]bool{"before": true, "same partition": true, upload: true, "behind": false, "after": false} {
		order, ok := jobs[id]
		if !ok || order == nil || order.Outlived(jobs["erase"]) != outlived {
			t.Errorf("%s: order %+v, want older than the deletion: %v", id, order, outlived)
		}
	}

	b.away = true
	if err := s.Handle(t.Context(), b.put(events.Requests, 0, deletion("later"))); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("a deletion without the ends of the topics: %v, want a transient error", err)
	}
}

// TestReplayKeepsThePosition: a record that was replayed from the dead letters is as old as it was, and nobody makes an
// enrolment younger than the topic by a header.
func TestReplayKeepsThePosition(t *testing.T) {
	h, s := newHouse(map[string]stored{"k": {}})
	b := &h.broker
	b.put(events.Requests, 0, "")
	b.put(events.Requests, 1, "")
	replayed := func(id, first string) *schema.Order {
		t.Helper()
		r := b.put(events.Requests, 1, enrolment(id))
		r.Headers = append(r.Headers, events.Header{Key: "fs_first", Value: []byte(first)})
		if err := s.Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return h.jobs[len(h.jobs)-1].Order
	}
	for i, tt := range []struct {
		first     string
		partition int
		offset    int64
	}{{"0/0", 0, 0}, {"1/0", 1, 0}, {"0/1", 1, 3}, {"1/1000000", 1, 4}, {"7/0", 1, 5}, {"rubbish", 1, 6}} {
		want := &schema.Order{Cluster: "cluster", Topic: "facestream.requests", Partition: tt.partition, Offset: tt.offset}
		if diff := cmp.Diff(want, replayed(fmt.Sprint("r", i), tt.first)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.first, diff)
		}
	}
}

// TestUploadsWithoutANotification: an upload that only a listing finds is younger than a deletion if the deletion was
// accepted before a listing in which the upload was still missing; else it is older.
func TestUploadsWithoutANotification(t *testing.T) {
	h, s := newHouse(map[string]stored{})
	b := &h.broker
	r := &ingest.Reconciler{Service: s, Window: 2 * time.Hour}
	erase := func(id string) *schema.Order {
		t.Helper()
		if err := s.Handle(t.Context(), b.put(events.Requests, 0, deletion(id))); err != nil {
			t.Fatal(err)
		}
		return h.jobs[len(h.jobs)-1].Order
	}
	pass := func() {
		t.Helper()
		if _, err := r.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	order := func() *schema.Order {
		t.Helper()
		last := h.jobs[len(h.jobs)-1]
		if last.Operation != schema.OpEnroll {
			t.Fatal("the upload has no job")
		}
		return last.Order
	}
	first := erase("d1")
	h.objects["enroll/staff/alice/1.jpg"] = stored{}
	pass()
	if !order().Outlived(first) {
		t.Error("the first listing cannot tell, and brings a person back")
	}
	h.objects["enroll/staff/alice/2.jpg"] = stored{}
	second := erase("d2")
	pass()
	if o := order(); !o.Outlived(second) || o.Outlived(first) {
		t.Errorf("uploaded between two deletions: %+v", o)
	}
	pass()
	h.objects["enroll/staff/alice/3.jpg"] = stored{}
	pass()
	if o := order(); o.Outlived(second) {
		t.Errorf("uploaded after the deletions: %+v", o)
	}

	// What a listing had, but no pass could accept, stays as old as it is, also after a listing that ended half-way.
	h.objects["enroll/staff/alice/4.jpg"] = stored{err: schema.Transient("house.stat", errors.New("an internal error of the store"))}
	third := erase("d3")
	pass()
	h.entries = []error{schema.Transient("objects.list", errors.New("away"))}
	if _, err := r.Pass(t.Context()); err == nil {
		t.Error("a listing that ends counts as complete")
	}
	h.entries = nil
	pass()
	h.objects["enroll/staff/alice/4.jpg"] = stored{}
	pass()
	if o := order(); !o.Outlived(third) {
		t.Errorf("uploaded before the deletion and accepted three passes later: %+v", o)
	}
}

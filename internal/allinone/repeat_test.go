package allinone_test

import (
	"cmp"
	"context"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"facestream/internal/gallery"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// TestInvariant3DayOldRepeatsChangeNothing writes every event of finished requests to its topic again, dated a day ago: an upload,
// enrolments, a deletion with one enrolment before it and another one after it, a search, a comparison and a rejection. The gallery
// keeps its rows, no request gets another outcome, and nobody who was deleted comes back.
func TestInvariant3DayOldRepeatsChangeNothing(t *testing.T) {
	s := useStream(t)
	began := time.Now().Truncate(time.Millisecond)
	collection := schema.Collection(unique("repeats"))
	var ids []schema.RequestID
	send := func(op schema.Operation, external schema.ExternalID, images ...schema.ObjectRef) schema.Result {
		id := schema.RequestID(uuid.NewString())
		ids = append(ids, id)
		return s.send(t, schema.Request{ID: id, Operation: op, Collection: collection, ExternalID: external, Images: images})
	}
	picture := func(person, shot int) schema.ObjectRef {
		return s.put(t, unique("test")+"/a.jpg", portrait(t, person, shot), nil)
	}
	uploaded := s.put(t, fmt.Sprintf("enroll/%s/alice/a.jpg", collection), portrait(t, 0, 0), nil)
	ids = append(ids, schema.ObjectRequestID(uploaded))
	s.outcome(t, ids[0])
	send(schema.OpEnroll, "bob", picture(1, 0))
	if r := send(schema.OpUserDelete, "bob"); r.UserDelete == nil || r.UserDelete.Count != 1 {
		t.Fatalf("user_delete: %+v", r.CallStatus)
	}
	send(schema.OpEnroll, "bob", picture(1, 1))
	send(schema.OpEnroll, "carol", picture(2, 0))
	send(schema.OpUserDelete, "carol")
	send(schema.OpPredict, "", picture(0, 1))
	send(schema.OpCompare, "", picture(0, 0), picture(0, 1))
	send(schema.OpValidate, "") // rejected: it names no image
	rows := s.rows(t, collection)
	if len(rows) != 2 {
		t.Fatalf("%d rows, want those of alice and bob", len(rows))
	}
	s.mu.Lock()
	dead := len(s.dead)
	s.mu.Unlock()

	for _, topic := range []events.Topic{events.Objects, events.Requests, events.Jobs, events.Analyses, events.Results} {
		n := s.repeat(t, topic, began)
		if n == 0 {
			t.Errorf("%s: nothing was repeated", topic)
		}
		s.idle(t)
		if diff := gocmp.Diff(rows, s.rows(t, collection)); diff != "" {
			t.Errorf("%s: repeats changed the gallery (-before +after):\n%s", topic, diff)
		}
		s.mu.Lock()
		copies := 0
		for _, id := range ids {
			first := s.results[id][0]
			for _, p := range s.results[id][1:] {
				copies++
				diff := gocmp.Diff(first.result, p.result, cmpopts.IgnoreFields(schema.Result{}, "Timings"))
				if p.event.ID != first.event.ID || diff != "" {
					t.Errorf("%s: a repeat led to another outcome of %s (-first +repeat):\n%s", topic, first.result.Operation, diff)
				}
			}
		}
		if len(s.dead) != dead {
			t.Errorf("%s: repeats led to %d dead letters", topic, len(s.dead)-dead)
		}
		s.mu.Unlock()
		if (topic == events.Objects || topic == events.Requests) && copies > 0 {
			t.Errorf("%s: repeats were answered again", topic)
		}
		t.Logf("%s: %d events repeated; %d copies of results so far", topic, n, copies)
	}
}

// repeat writes each event that a topic received since began once more, dated a day earlier, and returns how many there were.
func (s *stream) repeat(t *testing.T, topic events.Topic, began time.Time) int {
	t.Helper()
	var old []events.Event
	for _, r := range s.values(t, topic) {
		if !r.Time.Before(began) {
			e := r.Event
			e.Time = r.Time.Add(-24 * time.Hour)
			e.ID, e.Type = cmp.Or(e.ID, uuid.NewString()), cmp.Or(e.Type, "notification") // the store's have neither
			old = append(old, e)
		}
	}
	if err := s.publisher.Publish(t.Context(), topic, old...); err != nil {
		t.Fatal(err)
	}
	return len(old)
}

// idle waits until every service has handled all records of its topics, and this test has seen every result and dead letter.
func (s *stream) idle(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		topics, err := s.client.Describe(t.Context(), events.Objects, events.Requests, events.Jobs, events.Analyses)
		lag := int64(0)
		for _, topic := range topics {
			for _, g := range topic.Groups {
				lag += g.Lag
			}
		}
		if err == nil && lag == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the services are behind by %d records: %v", lag, err)
		}
	}
	published, dead := len(s.values(t, events.Results)), len(s.values(t, events.DeadLetters))
	s.until(t, patience, "what was published is seen", func() bool {
		n := 0
		for _, copies := range s.results {
			n += len(copies)
		}
		return n >= published && len(s.dead) >= dead
	})
}

// values reads the records of a topic since the stream began.
func (s *stream) values(t *testing.T, topic events.Topic) (out []events.Record) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := s.client.ReadAll(ctx, topic, nil, func(r events.Record) error {
		if !r.Time.Before(s.began.Truncate(time.Millisecond)) {
			out = append(out, r)
		}
		return nil
	}, cancel)
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	return out
}

// rows returns the rows of a collection, ordered by id.
func (s *stream) rows(t *testing.T, c schema.Collection) []gallery.Row {
	t.Helper()
	page, err := s.gallery.List(t.Context(), c, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return page.Rows
}

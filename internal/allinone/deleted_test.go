package allinone_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"facestream/internal/drawn"
	"facestream/internal/gallery"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// brokenGallery fails for no known cause when it is to enrol into one collection.
type brokenGallery struct {
	gallery.Gallery
	collection atomic.Value // schema.Collection
}

func (g *brokenGallery) Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error {
	if g.collection.Load() == c {
		return slices.Repeat([]error{errors.New("broken because the test wants it")}, len(rows))
	}
	return g.Gallery.Upsert(ctx, c, rows)
}

// noRows fails the test if somebody is enrolled in a collection.
func (s *stream) noRows(t *testing.T, c schema.Collection) {
	t.Helper()
	page, err := s.gallery.List(t.Context(), c, "", 10)
	if err != nil && schema.ReasonOf(err) != schema.ReasonUnknownCollection {
		t.Fatal(err)
	}
	if len(page.Rows) > 0 {
		t.Errorf("%d rows: a person who was deleted is back", len(page.Rows))
	}
}

// TestDeletedIsDeleted sends an enrolment whose picture takes long, and the deletion of the person right behind it, through
// both ways in. The deletion overtakes the enrolment, and the person does not come back. A later enrolment lands.
func TestDeletedIsDeleted(t *testing.T) {
	s := useStream(t)
	const tries = 5
	// The quicker the machine is, the larger must be the picture that is still worked on when the deletion comes.
	large := func(try int) []byte {
		picture, err := drawn.JPEG(drawn.Cast()[0], 0, 1000+800*try, 92)
		if err != nil {
			t.Fatal(err)
		}
		return picture
	}
	for name, enrol := range map[string]func(c schema.Collection, picture []byte) schema.RequestID{
		"request": func(c schema.Collection, picture []byte) schema.RequestID {
			r := schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: schema.OpEnroll, Collection: c, ExternalID: "alice", Config: forDrawn(""),
				Images: []schema.ObjectRef{s.put(t, unique("test")+"/a.jpg", picture, nil)}}
			if err := s.client.Submit(t.Context(), s.publisher, r); err != nil {
				t.Fatal(err)
			}
			return r.ID
		},
		"upload": func(c schema.Collection, picture []byte) schema.RequestID {
			return schema.ObjectRequestID(s.put(t, "enroll/"+string(c)+"/alice/a.jpg", picture, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "upload" && s.realStore != nil {
				t.Skip("SKIPPED: this store answers an upload before the broker has its notification")
			}
			for try := 1; ; try++ {
				c := schema.Collection(unique("deleted"))
				enrolment := enrol(c, large(try))
				erased := s.send(t, schema.Request{Operation: schema.OpUserDelete, Collection: c, ExternalID: "alice"})
				first := s.outcome(t, enrolment)
				s.noRows(t, c)
				if erased.UserDelete != nil && try < tries {
					continue // the enrolment was done first
				}
				if got := first.CallStatus.Reason; got != schema.ReasonDeletedMeanwhile {
					t.Errorf("the enrolment is answered %q: %s", got, first.CallStatus.ReturnMessage)
				}
				again := s.send(t, schema.Request{Operation: schema.OpEnroll, Collection: c, ExternalID: "alice",
					Images: []schema.ObjectRef{s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 1), nil)}})
				if again.CallStatus.Reason != "" || len(s.rows(t, c)) != 1 {
					t.Errorf("an enrolment after the deletion: %+v", again.CallStatus)
				}
				return
			}
		})
	}
}

// TestReplayDoesNotBringBack replays dead letters of two enrolments after the person was deleted: one that the indexer gave
// up, and one that ingest gave up before it was accepted.
func TestReplayDoesNotBringBack(t *testing.T) {
	s := useStream(t)
	c := schema.Collection(unique("replay"))
	enrolment := func() schema.Request {
		return schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: schema.OpEnroll, Collection: c, ExternalID: "alice", Config: forDrawn(""),
			Images: []schema.ObjectRef{s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 0), nil)}}
	}
	given, early := enrolment(), enrolment()
	s.broken.collection.Store(c)
	if err := s.client.Submit(t.Context(), s.publisher, given); err != nil {
		t.Fatal(err)
	}
	var letters []events.DeadLetter
	key := given.RecordKey()
	s.until(t, patience, "a dead letter", func() bool {
		return slices.ContainsFunc(s.dead, func(r events.Record) bool { return string(r.Key) == key })
	})
	s.broken.collection.Store(schema.Collection(""))
	for d, err := range s.client.DeadLetters(t.Context(), events.DeadLetterFilter{Origin: events.Analyses}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(d.Key) == key {
			letters = append(letters, d)
		}
	}
	if len(letters) != 1 {
		t.Fatalf("%d dead letters", len(letters))
	}
	value, err := json.Marshal(early)
	if err != nil {
		t.Fatal(err)
	}
	// What ingest would have given up lies where the first enrolment lies.
	for _, r := range s.values(t, events.Requests) {
		if string(r.Key) == string(given.ID) {
			letters = append(letters, events.DeadLetter{Origin: events.Requests, First: events.DeadLetterID{Partition: r.Partition, Offset: r.Offset},
				Key: []byte(early.ID), Value: value})
		}
	}
	s.send(t, schema.Request{Operation: schema.OpUserDelete, Collection: c, ExternalID: "alice"})
	for _, d := range letters {
		if err := s.client.Replay(t.Context(), s.publisher, d); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []schema.RequestID{given.ID, early.ID} {
		if got := s.outcome(t, id).CallStatus; got.Reason != schema.ReasonDeletedMeanwhile {
			t.Errorf("a replayed enrolment is answered %q: %s", got.Reason, got.ReturnMessage)
		}
	}
	s.noRows(t, c)
}

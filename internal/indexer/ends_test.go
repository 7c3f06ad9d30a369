package indexer

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"facestream/pkg/schema"
)

// wastebasket remembers what is removed.
type wastebasket struct{ removed []string }

// Remove implements [Objects].
func (s *wastebasket) Remove(_ context.Context, ref schema.ObjectRef) error {
	s.removed = append(s.removed, ref.Key)
	return nil
}

// TestEnds: somebody whose ttl is over is asked for once, whoever sweeps; the deletion erases person, rows, images and result
// objects; and somebody whose end was moved after the sweep stays.
func TestEnds(t *testing.T) {
	b := newBench(t)
	objects := &wastebasket{}
	b.Objects = objects
	enroll := func(name schema.ExternalID, seconds int64) {
		t.Helper()
		r := b.answer(analysis(schema.Request{ID: schema.RequestID("e" + name), Operation: schema.OpEnroll, ExternalID: name, Fields: &schema.PersonFields{TTL: &seconds}}, 0))
		if r.Enroll == nil {
			t.Fatalf("%+v", r.CallStatus)
		}
	}
	enroll("alice", 60)
	enroll("bob", 60)
	enroll("carol", 3600)
	enroll("dora", 0)
	accepted := analysis(schema.Request{}, 0).AcceptedAt
	var asked []schema.Request
	sweep := func(after time.Duration) int {
		t.Helper()
		n, err := Sweep(t.Context(), b.Directory, accepted.Add(after), func(_ context.Context, r schema.Request) error {
			if !slices.ContainsFunc(asked, func(o schema.Request) bool { return o.ID == r.ID }) {
				asked = append(asked, r)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if sweep(59*time.Second) != 0 || sweep(61*time.Second) != 2 || sweep(2*time.Minute) != 2 || len(asked) != 2 {
		t.Fatalf("%d deletions are asked for", len(asked))
	}
	if problems := asked[0].Normalize(); len(problems) > 0 {
		t.Fatal(problems)
	}
	later := int64(7200)
	b.ask(schema.Request{ID: "u", Operation: schema.OpUserUpdate, ExternalID: "bob", Fields: &schema.PersonFields{TTL: &later}})
	deleted, kept := 0, 0
	for _, r := range asked {
		for range 2 { // and a repeat
			answer := b.ask(r)
			switch d := answer.UserDelete; {
			case d == nil:
				t.Errorf("%+v", answer.CallStatus)
			case d.Status == 1 && strings.HasPrefix(d.Message, "kept"):
				kept++
			case d.Count == 1:
				deleted++
			}
		}
	}
	if deleted != 2 || kept != 2 {
		t.Errorf("%d answers say deleted, %d kept", deleted, kept)
	}
	if !slices.Contains(objects.removed, "face of ealice") || !slices.Contains(objects.removed, "face of ealice.result.json") || slices.ContainsFunc(objects.removed, func(key string) bool { return strings.Contains(key, "bob") }) {
		t.Errorf("%d objects were removed: %q", len(objects.removed), objects.removed)
	}
	if n := len(b.list(schema.Request{}).Persons); n != 3 || len(b.rows()) != 3 {
		t.Errorf("%d persons and %d rows are left", n, len(b.rows()))
	}
	if sweep(61*time.Second) != 0 || sweep(26*time.Hour) != 2 {
		t.Error("the next sweeps find others")
	}
}

// TestSomebodyElsesDeletion: a deletion that only looks like that of a sweep is one that somebody asked for.
func TestSomebodyElsesDeletion(t *testing.T) {
	b := newBench(t)
	b.enroll("r", "alice", 0)
	if r := b.ask(schema.Request{ID: "mine", Operation: schema.OpUserDelete, ExternalID: "alice", Tag: "ttl 2026-01-01T00:00:00Z"}); r.UserDelete == nil || r.UserDelete.Count != 1 {
		t.Errorf("%+v", r.CallStatus)
	}
}

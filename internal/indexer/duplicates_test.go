package indexer

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// judged is an enrolment under a duplicate_policy.
func judged(id schema.RequestID, name schema.ExternalID, degrees float64, policy schema.DuplicatePolicy) schema.Analysis {
	return analysis(schema.Request{ID: id, Operation: schema.OpEnroll, ExternalID: name, Config: fmt.Appendf(nil, `{"duplicate_policy":%q,"neighbors":5}`, policy)}, degrees)
}

// TestDuplicates: a face that the collection knows under another name, and a face under a name that has another one, are
// enrolled, reported or refused as duplicate_policy says. Faces are one person's up to 25 degrees, and match up to 60.
func TestDuplicates(t *testing.T) {
	for name, tt := range map[string]struct {
		person           schema.ExternalID
		degrees          float64
		policy           schema.DuplicatePolicy
		reason           schema.Reason
		duplicates, rows int
		score            bool
	}{
		"somebody new":                      {"carol", 180, "refuse", "", 0, 3, false},
		"a further image":                   {"alice", 10, "refuse", "", 0, 3, true},
		"known under another name":          {"carol", 5, "refuse", schema.ReasonDuplicateFace, 1, 2, false},
		"the same, reported":                {"carol", 5, "report", "", 1, 3, false},
		"the same, allowed":                 {"carol", 5, "allow", "", 0, 3, false},
		"similar, but not the same":         {"carol", 40, "refuse", "", 0, 3, false},
		"another face under a name":         {"alice", 180, "refuse", schema.ReasonUnlikePerson, 0, 2, true},
		"the same, reported as such":        {"alice", 180, "report", "", 0, 3, true},
		"another person's under a name":     {"alice", 95, "refuse", schema.ReasonDuplicateFace, 1, 2, true},
		"between two: similar enough to it": {"alice", 45, "refuse", "", 0, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.enroll("r1", "alice", 0)
			bob := b.enroll("r2", "bob", 100)
			var first schema.Result
			for repeat := range 3 {
				r := b.answer(judged("r3", tt.person, tt.degrees, tt.policy))
				if r.CallStatus.Reason != tt.reason || r.Enroll == nil || r.Enroll.EnrollPerformed != (tt.reason == "") {
					t.Fatalf("%+v, %+v", r.CallStatus, r.Enroll)
				}
				answer := r.Enroll.Response
				if len(answer.Duplicates) != tt.duplicates || (answer.PersonScore != nil) != tt.score {
					t.Errorf("%d duplicates, score given: %v", len(answer.Duplicates), answer.PersonScore != nil)
				}
				if tt.duplicates > 0 && tt.degrees > 90 && answer.Duplicates[0].PUID != bob {
					t.Error("the result names another puid")
				}
				if n := len(b.rows()); n != tt.rows {
					t.Errorf("%d rows, want %d", n, tt.rows)
				}
				if repeat == 0 {
					first = r
					continue
				}
				b.sameResult(b.published[2], b.published[len(b.published)-1])
			}
			if tt.reason != "" {
				b.ask(schema.Request{ID: "d1", Operation: schema.OpUserDelete, ExternalID: "alice"})
				b.ask(schema.Request{ID: "d2", Operation: schema.OpUserDelete, ExternalID: "bob"})
				if r := b.answer(judged("r3", tt.person, tt.degrees, tt.policy)); r.CallStatus.Reason != first.CallStatus.Reason || len(b.rows()) != 0 {
					t.Errorf("a late repeat of what was refused: %+v", r.CallStatus)
				}
			}
		})
	}
}

// TestRepeatsOfReports: whoever is enrolled with the same face between an enrolment and its repeat is not in the repeated result.
func TestRepeatsOfReports(t *testing.T) {
	b := newBench(t)
	b.enroll("r1", "alice", 0)
	first := judged("r2", "bob", 5, "report")
	b.answer(first)
	b.enroll("r3", "carol", 6)
	b.answer(first)
	b.sameResult(b.published[1], b.published[3])
}

// TestOneFaceOnePUID: of enrolments of one face under several names at the same moment, one lands.
func TestOneFaceOnePUID(t *testing.T) {
	b := newBench(t)
	results := &collector{}
	b.Results.Publisher = results
	var wg sync.WaitGroup
	const names = 8
	for i := range names {
		wg.Go(func() {
			data, err := json.Marshal(judged(schema.RequestID(fmt.Sprint("r", i)), schema.ExternalID(fmt.Sprint("name ", i)), float64(i), "refuse"))
			if err == nil {
				err = b.Handle(context.WithoutCancel(t.Context()), events.Record{Event: events.Event{Data: data}})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	refused := 0
	for _, e := range results.all {
		var r schema.Result
		if err := json.Unmarshal(e.Data, &r); err != nil {
			t.Fatal(err)
		}
		if r.CallStatus.Reason == schema.ReasonDuplicateFace {
			refused++
		}
	}
	if n := len(b.rows()); n != 1 || refused != names-1 {
		t.Errorf("%d rows, %d refused", n, refused)
	}
}

// collector keeps what is published.
type collector struct {
	mu  sync.Mutex
	all []events.Event
}

// Publish implements [outcome.Publisher].
func (c *collector) Publish(_ context.Context, _ events.Topic, es ...events.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, es...)
	return nil
}

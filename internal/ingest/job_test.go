package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"facestream/internal/ingest"
	"facestream/internal/objects"
	"facestream/internal/outcome"
	"facestream/pkg/events"
	"facestream/pkg/schema"
	"facestream/pkg/schema/schematest"
)

// surroundings are a store in which every object exists, a ledger that knows nothing, and a publisher that keeps the jobs.
type surroundings struct {
	jobs    [][]byte
	results []events.Event
	noted   []schema.RequestID // in the ledger
}

func (*surroundings) Stat(_ context.Context, ref schema.ObjectRef) (objects.Info, error) {
	return objects.Info{Ref: ref}, nil
}
func (*surroundings) Get(_ context.Context, ref schema.ObjectRef, _ int64) ([]byte, schema.ObjectRef, error) {
	return nil, ref, nil
}
func (*surroundings) List(context.Context, string, string) iter.Seq2[objects.Info, error] { return nil }
func (*surroundings) Put(_ context.Context, ref schema.ObjectRef, _ []byte, _ string, _ map[string]string) (schema.ObjectRef, error) {
	return ref, nil
}
func (*surroundings) Seen(context.Context, schema.RequestID) (string, bool, error) {
	return "", false, nil
}
func (s *surroundings) Record(_ context.Context, id schema.RequestID, _ string, _ time.Time) error {
	s.noted = append(s.noted, id)
	return nil
}
func (*surroundings) Home(context.Context, schema.RequestID) (int, error) { return 0, nil }
func (*surroundings) Forward(context.Context, events.Record, schema.RequestID) error {
	return errors.New("a request is forwarded")
}
func (*surroundings) CatchUp(context.Context) error { return nil }
func (s *surroundings) Publish(_ context.Context, topic events.Topic, published ...events.Event) error {
	for _, e := range published {
		switch topic {
		case events.Jobs:
			s.jobs = append(s.jobs, e.Data)
		case events.Results:
			s.results = append(s.results, e)
		}
	}
	return nil
}

// TestJobCarriesItsConfiguration: ingest fills in the defaults, so that no other service has to.
func TestJobCarriesItsConfiguration(t *testing.T) {
	around := &surroundings{}
	s := &ingest.Service{Publisher: around, Broker: &broker{}, Objects: around, Ledger: around, Peers: around, Results: &outcome.Sink{Service: "ingest", Publisher: around}, Buckets: []string{"b"}}
	request := []byte(`{"id":"r","operation":"predict","images":[{"bucket":"b","key":"k"}],"config":{"neighbors":3}}`)
	if err := s.Handle(t.Context(), events.Record{Topic: events.Requests, Key: []byte("r"), Event: events.Event{Data: request}}); err != nil || len(around.jobs) != 1 {
		t.Fatalf("%d jobs, %v", len(around.jobs), err)
	}
	schematest.Validate(t, "job", around.jobs[0])
	var job schema.Job
	if err := json.Unmarshal(around.jobs[0], &job); err != nil {
		t.Fatal(err)
	}
	var got schema.OperationConfig
	if err := json.Unmarshal(job.ResolvedConfig, &got); err != nil {
		t.Fatal(err)
	}
	want := schema.DefaultConfig(schema.OpPredict)
	want.Matching.Neighbors = 3
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLongRequestID: an id that is far too long is answered under a short one of its own, and is nowhere repeated whole.
func TestLongRequestID(t *testing.T) {
	seen := map[schema.RequestID]bool{}
	for _, length := range []int{schema.MaxRequestID, schema.MaxRequestID + 1, 512, 513, 1_000_000, 1_000_001} {
		around := &surroundings{}
		s := &ingest.Service{Publisher: around, Broker: &broker{}, Objects: around, Ledger: around, Peers: around, Results: &outcome.Sink{Service: "ingest", Publisher: around}, Buckets: []string{"b"}}
		id := schema.RequestID(strings.Repeat("é", length/2) + strings.Repeat("x", length%2))
		request := fmt.Appendf(nil, `{"id":%q,"operation":"predict","images":[{"bucket":"b","key":"k"}]}`, id)
		err := s.Handle(t.Context(), events.Record{Topic: events.Requests, Key: []byte(id.Bounded()), Event: events.Event{Data: request}})
		if err != nil || len(around.jobs)+len(around.results) != 1 || len(around.noted) != 1 {
			t.Fatalf("%d bytes: %d jobs, %d results, %v", length, len(around.jobs), len(around.results), err)
		}
		if valid := length <= schema.MaxRequestID; valid != (len(around.jobs) == 1) {
			t.Errorf("an id of %d bytes counts as valid: %t", length, !valid)
		}
		if len(around.results) == 0 {
			continue
		}
		var r schema.Result
		if err := json.Unmarshal(around.results[0].Data, &r); err != nil {
			t.Fatal(err)
		}
		if length <= 512 != (r.RequestID == id) || len(r.RequestID) > 600 || len(around.results[0].Key) > 600 || around.noted[0] != r.RequestID || len(around.results[0].Data) > 4096 {
			t.Errorf("%d bytes: answered as %d bytes, key of %d, result of %d", length, len(r.RequestID), len(around.results[0].Key), len(around.results[0].Data))
		}
		if seen[r.RequestID] || !utf8.ValidString(string(r.RequestID)) {
			t.Errorf("%q is the id of two requests, or not UTF-8", r.RequestID)
		}
		seen[r.RequestID] = true
	}
}

// TestDefaultsOfACollection: the operator's defaults reach the jobs about their collection and no others.
func TestDefaultsOfACollection(t *testing.T) {
	around := &surroundings{}
	s := &ingest.Service{Publisher: around, Broker: &broker{}, Objects: around, Ledger: around, Peers: around, Results: &outcome.Sink{Service: "ingest", Publisher: around}, Buckets: []string{"b"},
		Defaults: ingest.Defaults{{Config: json.RawMessage(`{"neighbors":2}`)}, {Collections: []schema.Collection{"yard"}, Config: json.RawMessage(`{"capture":"surveillance"}`)}}}
	for collection, want := range map[string]schema.Capture{"yard": schema.CaptureSurveillance, "staff": schema.CaptureSelfie} {
		around.jobs = nil
		request := fmt.Appendf(nil, `{"id":%q,"operation":"predict","collection":%q,"images":[{"bucket":"b","key":"k"}]}`, collection, collection)
		if err := s.Handle(t.Context(), events.Record{Topic: events.Requests, Key: []byte(collection), Event: events.Event{Data: request}}); err != nil || len(around.jobs) != 1 {
			t.Fatalf("%d jobs, %v", len(around.jobs), err)
		}
		var job schema.Job
		if err := json.Unmarshal(around.jobs[0], &job); err != nil {
			t.Fatal(err)
		}
		if got, problems := job.Configuration(); problems != nil || got.General.Capture != want || got.Matching.Neighbors != 2 {
			t.Errorf("%s: %s, %d neighbours, %v", collection, got.General.Capture, got.Matching.Neighbors, problems)
		}
	}
}

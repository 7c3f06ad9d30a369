package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"facestream/internal/ingest"
	"facestream/internal/objects"
	"facestream/internal/outcome"
	"facestream/internal/routes"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// stored is one object of a house.
type stored struct {
	metadata map[string]string
	data     string
	err      error // what the store answers instead
}

// house is a store, a ledger and a broker in memory. Its objects are an hour old.
type house struct {
	objects map[string]stored
	entries []error // what a listing yields before the objects
	known   map[schema.RequestID]bool
	jobs    []schema.Job
	results []schema.Result
	ignored []string
	stats   int
	log     strings.Builder
	broker  broker
}

func newHouse(objects map[string]stored) (*house, *ingest.Service) {
	h := &house{objects: objects, known: map[schema.RequestID]bool{}}
	return h, &ingest.Service{
		Publisher: h, Broker: &h.broker, Objects: h, Ledger: h, Peers: &surroundings{}, Results: &outcome.Sink{Service: "ingest", Publisher: h, Objects: h}, Routes: routes.Table{{}},
		Buckets: []string{"images"}, Ignored: func(why string) { h.ignored = append(h.ignored, why) }, Log: zerolog.New(&h.log),
	}
}

func (h *house) Stat(_ context.Context, ref schema.ObjectRef) (objects.Info, error) {
	h.stats++
	o, ok := h.objects[ref.Key]
	if !ok {
		return objects.Info{}, schema.Permanent("house.stat", schema.ReasonImageNotFound, errors.New("it is not there"))
	}
	ref.ETag = "e"
	return objects.Info{Ref: ref, Metadata: o.metadata}, o.err
}

func (h *house) Get(_ context.Context, ref schema.ObjectRef, _ int64) ([]byte, schema.ObjectRef, error) {
	return []byte(h.objects[ref.Key].data), ref, nil
}

func (h *house) Put(_ context.Context, ref schema.ObjectRef, data []byte, _ string, metadata map[string]string) (schema.ObjectRef, error) {
	h.objects[ref.Key] = stored{metadata, string(data), nil}
	return ref, nil
}

func (h *house) List(_ context.Context, bucket, prefix string) iter.Seq2[objects.Info, error] {
	return func(yield func(objects.Info, error) bool) {
		for _, err := range h.entries {
			if !yield(objects.Info{}, err) {
				return
			}
		}
		for _, key := range slices.Sorted(maps.Keys(h.objects)) {
			ref := schema.ObjectRef{Bucket: bucket, Key: key, ETag: "e"}
			if strings.HasPrefix(key, prefix) && !yield(objects.Info{Ref: ref, Modified: time.Now().Add(-time.Hour)}, nil) {
				return
			}
		}
	}
}

func (h *house) Seen(_ context.Context, id schema.RequestID) (string, bool, error) {
	return "", h.known[id], nil
}

func (h *house) Record(_ context.Context, id schema.RequestID, _ string, _ time.Time) error {
	h.known[id] = true
	return nil
}

func (h *house) Publish(_ context.Context, topic events.Topic, published ...events.Event) error {
	for _, e := range published {
		var err error
		if topic == events.Jobs {
			h.jobs = append(h.jobs, schema.Job{})
			err = json.Unmarshal(e.Data, &h.jobs[len(h.jobs)-1])
		} else {
			h.results = append(h.results, schema.Result{})
			err = json.Unmarshal(e.Data, &h.results[len(h.results)-1])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// notification is that of AWS S3 for key.
func notification(key string) events.Record {
	value := fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"images"},"object":{"key":%q,"size":9,"eTag":"e"}}}]}`, key)
	return events.Record{Topic: events.Objects, Event: events.Event{Data: []byte(value)}}
}

// TestUploadsAndOwnOutputs: every upload has an outcome, whatever it is called, and nothing that facestream wrote is an
// upload, whether it says so or an earlier version wrote it.
func TestUploadsAndOwnOutputs(t *testing.T) {
	const image = "validate/c/alice/a.jpg"
	portrait := outcome.PortraitKey(&schema.Job{Request: schema.Request{ID: "r", Images: []schema.ObjectRef{{Key: image}}}}, "png")
	result := `{"request_id":"r","operation":"validate","images":[{"bucket":"images","key":"` + image + `"}]}`
	for _, c := range []struct {
		name, key string
		object    stored
		alone     bool // without the image beside it
		upload    bool
	}{
		{"an image called portrait", "validate/c/alice/x.portrait.png", stored{}, false, true},
		{"a portrait of ours", portrait, stored{metadata: outcome.Mark(portrait)}, false, false},
		{"a portrait of ours whose image is gone", portrait, stored{metadata: outcome.Mark(portrait)}, true, false},
		{"a portrait of an earlier version", portrait, stored{}, false, false},
		{"a portrait that somebody downloaded and uploads", portrait, stored{}, true, true},
		{"a copy of a portrait", "enroll/c/alice/" + portrait, stored{metadata: outcome.Mark(portrait)}, false, true},
		{"a result of ours", image + outcome.Suffix, stored{metadata: outcome.Mark(image + outcome.Suffix)}, false, false},
		{"a result of an earlier version", image + outcome.Suffix, stored{data: result}, false, false},
		{"another file called result", image + outcome.Suffix, stored{data: `{"images":[{"key":"other"}]}`}, false, true},
		{"a file called result that is no JSON", image + outcome.Suffix, stored{data: "planted"}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, s := newHouse(map[string]stored{c.key: c.object})
			if !c.alone {
				h.objects[image] = stored{}
			}
			if err := s.Handle(t.Context(), notification(c.key)); err != nil {
				t.Fatal(err)
			}
			if got := len(h.jobs) == 1; got != c.upload {
				t.Errorf("%d jobs, ignored %q, results %v", len(h.jobs), h.ignored, h.results)
			}
			h.known[schema.ObjectRequestID(schema.ObjectRef{Bucket: "images", Key: image, ETag: "e"})] = true
			asked := h.stats
			r := &ingest.Reconciler{Service: s, Window: 2 * time.Hour}
			if c, err := r.Pass(t.Context()); err != nil || c.Fed != 0 || h.stats != asked {
				t.Errorf("the listing fed %d with %d questions to the store (%v)", c.Fed, h.stats-asked, err)
			}
		})
	}
}

// TestListedOutputs: a listing feeds no output of an earlier version, even where its image was erased, and counts none.
func TestListedOutputs(t *testing.T) {
	const image = "enroll/c/alice/a.jpg"
	portrait := outcome.CropKey(&schema.Job{Request: schema.Request{ID: "r", Images: []schema.ObjectRef{{Key: image}}}}, 0, 0, "", "png")
	h, s := newHouse(map[string]stored{
		portrait:               {},
		image + outcome.Suffix: {data: `{"images":[{"bucket":"images","key":"` + image + `"}]}`},
		"copy/c/x/" + portrait: {metadata: outcome.Mark(portrait)},
	})
	r := &ingest.Reconciler{Service: s, Window: 2 * time.Hour}
	for _, want := range []ingest.Counts{{Listed: 3, Fed: 1}, {Listed: 3}} { // the copy, once
		if got, err := r.Pass(t.Context()); err != nil || got != want {
			t.Errorf("a pass counts %+v, want %+v (%v)", got, want, err)
		}
	}
	if len(h.jobs) != 0 {
		t.Errorf("%d jobs", len(h.jobs))
	}
}

// TestBothReadingsOfAKey: a store that encodes keys and one that does not are both understood, because the object that
// exists decides. Where neither exists, the outcome names the likelier one.
func TestBothReadingsOfAKey(t *testing.T) {
	const raw, decoded = "validate/c/x/a+b%41.jpg", "validate/c/x/a bA.jpg"
	for _, c := range []struct {
		source, exists, want string
	}{
		{"aws:s3", decoded, decoded},
		{"aws:s3", raw, raw},
		{"ceph:s3", raw, raw},
		{"ceph:s3", decoded, decoded},
		{"acme:s3", raw, raw},
		{"acme:s3", decoded, decoded},
		{"minio:s3", decoded, decoded},
	} {
		h, s := newHouse(map[string]stored{c.exists: {}})
		record := notification(raw)
		record.Event.Data = []byte(strings.Replace(string(record.Event.Data), "aws:s3", c.source, 1))
		if err := s.Handle(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		if len(h.jobs) != 1 || h.jobs[0].Images[0].Key != c.want {
			t.Errorf("%s with %q in the store: %d jobs, %v", c.source, c.exists, len(h.jobs), h.results)
		}
	}
	h, s := newHouse(nil)
	if err := s.Handle(t.Context(), notification(raw)); err != nil || len(h.results) != 1 || h.results[0].Images[0].Key != decoded {
		t.Errorf("without the object: %v, %v", h.results, err)
	}
}

// TestUploadsThatNobodyCanName are answered with what is wrong with them.
func TestUploadsThatNobodyCanName(t *testing.T) {
	for _, c := range []struct {
		key      string
		metadata map[string]string
		want     string
	}{
		{"enroll/c/alice/../bob/x.png", nil, "images[0].key"},
		{"enroll/c/alice/x.png", map[string]string{"facestream-external-id": "Zo\xeb"}, "x-amz-meta-facestream-external-id: is not UTF-8"},
		{"enroll/c/alice/x.png", map[string]string{"facestream-external-id": "Zo\ufffd"}, "x-amz-meta-facestream-external-id: contradicts the key"},
		{"enroll/c/alice/x.png", map[string]string{"facestream-consent": "false"}, "consent.given"},
	} {
		h, s := newHouse(map[string]stored{c.key: {metadata: c.metadata}})
		if err := s.Handle(t.Context(), notification(c.key)); err != nil {
			t.Fatal(err)
		}
		if len(h.jobs) != 0 || len(h.results) != 1 || !strings.Contains(h.results[0].CallStatus.ReturnMessage, c.want) {
			t.Errorf("%s, %q: %d jobs, results %v", c.key, c.metadata, len(h.jobs), h.results)
		}
	}
}

// TestPoisonNeverStopsReconciliation: a heap of objects that fail, and entries that cannot be read, keep no other object
// from its outcome, and none of their keys reaches the log. An outage ends a pass early.
func TestPoisonNeverStopsReconciliation(t *testing.T) {
	h, s := newHouse(map[string]stored{"validate/c/zoe/x.jpg": {}})
	for i := range 25 {
		h.objects[fmt.Sprintf("validate/c/planted/%02d.jpg", i)] = stored{err: schema.Transient("house.stat", errors.New("an internal error of the store"))}
	}
	unreadable := schema.Permanent("objects.list", schema.ReasonUnparsable, errors.New("a name that cannot be read"))
	h.entries = []error{unreadable, unreadable}
	r := &ingest.Reconciler{Service: s, Window: 2 * time.Hour}
	passes := 0
	var counts ingest.Counts
	for len(h.jobs) == 0 && passes < 5 {
		passes++
		before := h.stats
		var err error
		counts, err = r.Pass(t.Context())
		if passes == 1 && (err == nil || h.stats-before > 15) {
			t.Errorf("while nothing works, a pass asks %d times (%v)", h.stats-before, err)
		}
	}
	if len(h.jobs) != 1 || h.jobs[0].Images[0].Key != "validate/c/zoe/x.jpg" {
		t.Errorf("%d jobs after %d passes", len(h.jobs), passes)
	}
	if log := h.log.String(); strings.Contains(log, "planted") || !strings.Contains(log, `"count":27`) {
		t.Errorf("the log says %s", log)
	}
	if want := (ingest.Counts{Listed: 26, Fed: 1, Skipped: 27}); counts != want {
		t.Errorf("the last pass counts %+v, want %+v", counts, want)
	}
	h.entries = []error{schema.Transient("objects.list", errors.New("away"))}
	if _, err := r.Pass(t.Context()); err == nil {
		t.Error("a listing that ends counts as complete")
	}
}

// TestConsent: nobody is enrolled whose consent was refused, or is not declared where the operator requires it.
func TestConsent(t *testing.T) {
	given, refused := &schema.Consent{Given: true, Reference: "form 7"}, &schema.Consent{Reference: "form 7"}
	for _, c := range []struct {
		name     string
		required []schema.Collection
		op       schema.Operation
		consent  *schema.Consent
		enrolled bool
	}{
		{"nothing said, nothing required", nil, schema.OpEnroll, nil, true},
		{"nothing said, required elsewhere", []schema.Collection{"visitors"}, schema.OpEnroll, nil, true},
		{"nothing said, required here", []schema.Collection{"visitors", "staff"}, schema.OpEnroll, nil, false},
		{"given, required", []schema.Collection{"staff"}, schema.OpEnroll, given, true},
		{"refused", nil, schema.OpEnroll, refused, false},
		{"refused, required", []schema.Collection{"staff"}, schema.OpEnroll, refused, false},
		{"no enrolment", []schema.Collection{"staff"}, schema.OpPredict, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, s := newHouse(map[string]stored{"k": {}})
			s.ConsentRequired = func(name schema.Collection) bool { return slices.Contains(c.required, name) }
			request := schema.Request{ID: "r", Operation: c.op, Collection: "staff", Images: []schema.ObjectRef{{Bucket: "images", Key: "k"}}, Consent: c.consent}
			data, err := json.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Handle(t.Context(), events.Record{Topic: events.Requests, Key: []byte("r"), Event: events.Event{Data: data}}); err != nil {
				t.Fatal(err)
			}
			if c.enrolled {
				if len(h.jobs) != 1 || !cmp.Equal(h.jobs[0].Consent, c.consent) {
					t.Errorf("%d jobs, results %v", len(h.jobs), h.results)
				}
				return
			}
			if len(h.jobs) != 0 || len(h.results) != 1 || h.results[0].CallStatus.Reason != schema.ReasonConsentMissing {
				t.Errorf("%d jobs, results %v", len(h.jobs), h.results)
			}
		})
	}
}

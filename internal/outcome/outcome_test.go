package outcome

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// outside is the broker and the store that a sink writes to. It keeps what was written, in order.
type outside struct {
	wrote                  []string // "object KEY" and "event TOPIC"
	objects                map[string][]byte
	events                 []events.Event
	refuseObject, refuseIt error
}

func (o *outside) Publish(_ context.Context, topic events.Topic, es ...events.Event) error {
	if o.refuseIt != nil {
		return o.refuseIt
	}
	o.wrote = append(o.wrote, "event "+string(topic))
	o.events = append(o.events, es...)
	return nil
}

func (o *outside) Put(_ context.Context, ref schema.ObjectRef, data []byte, contentType string, metadata map[string]string) (schema.ObjectRef, error) {
	if o.refuseObject != nil {
		return schema.ObjectRef{}, o.refuseObject
	}
	key := ref.Bucket + "/" + ref.Key
	o.wrote = append(o.wrote, "object "+key)
	if contentType != "application/json" || !Marked(ref.Key, metadata) {
		return schema.ObjectRef{}, errors.New("the object has type " + contentType + " or lacks the mark")
	}
	o.objects[key] = data
	return ref, nil
}

func newJob(change func(*schema.Request)) *schema.Job {
	j := &schema.Job{Request: schema.Request{ID: "r1", Operation: schema.OpPredict, Collection: "staff", Images: []schema.ObjectRef{{Bucket: "images", Key: "a.jpg"}, {Bucket: "images", Key: "b.jpg"}}}}
	if change != nil {
		change(&j.Request)
	}
	return j
}

// Only results are counted, and only those that were published.
func TestCounting(t *testing.T) {
	o := &outside{}
	var counted []string
	c := Counting{Publisher: o, Count: func(op schema.Operation, reason schema.Reason) {
		counted = append(counted, string(op)+" "+string(reason))
	}}
	result := events.Event{Data: []byte(`{"operation":"validate","call_status":{"reason":"no_face"}}`)}
	publish := func(topic events.Topic, e events.Event) error { return c.Publish(t.Context(), topic, e) }
	if err := errors.Join(publish(events.Results, result), publish(events.Analyses, events.Event{Data: []byte(`{}`)})); err != nil {
		t.Fatal(err)
	}
	o.refuseIt = errors.New("away")
	if err := publish(events.Results, result); err != o.refuseIt {
		t.Error(err)
	}
	if want := []string{"validate no_face"}; !slices.Equal(counted, want) {
		t.Errorf("counted %q, want %q", counted, want)
	}
}

func TestPublish(t *testing.T) {
	transient, permanent := schema.Transient("put", errors.New("away")), schema.Permanent("put", schema.ReasonInternal, errors.New("access denied"))
	asked := func(r *schema.Request) { r.ResultObject = true }
	for name, tt := range map[string]struct {
		request      func(*schema.Request)
		outside      outside
		wrote        []string
		err          error
		counted, key string
		log          string
	}{
		"the event alone": {
			wrote: []string{"event facestream.results"}, key: "r1", counted: "predict no_match",
		},
		"the object before the event": {
			request: asked, key: "r1", counted: "predict no_match",
			wrote: []string{"object images/a.jpg" + Suffix, "event facestream.results"},
		},
		"no image to lie beside": {
			request: func(r *schema.Request) { asked(r); r.Images = nil },
			wrote:   []string{"event facestream.results"}, key: "r1", counted: "predict no_match",
		},
		"a write is ordered per person": {
			request: func(r *schema.Request) { r.Operation, r.PUID = schema.OpUserDelete, "p7" },
			wrote:   []string{"event facestream.results"}, key: "staff/p7", counted: "user_delete no_match",
		},
		"the store refuses the object": {
			request: asked, outside: outside{refuseObject: permanent},
			wrote: []string{"event facestream.results"}, key: "r1", counted: "predict no_match", log: "the result object cannot be written",
		},
		"the store is away": {request: asked, outside: outside{refuseObject: transient}, err: transient},
		"the broker is away": {
			request: asked, outside: outside{refuseIt: transient}, err: transient,
			wrote: []string{"object images/a.jpg" + Suffix},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := &tt.outside
			o.objects = map[string][]byte{}
			var log bytes.Buffer
			counted := ""
			s := &Sink{Service: "worker", Publisher: o, Objects: o, Log: zerolog.New(&log), Count: func(op schema.Operation, reason schema.Reason) {
				counted += string(op) + " " + string(reason)
			}}
			job := newJob(tt.request)
			result := schema.NewResult(job, schema.ReasonNoMatch, "nobody")
			err := s.Publish(t.Context(), job, result, "the trace")
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if !slices.Equal(o.wrote, tt.wrote) || counted != tt.counted {
				t.Errorf("wrote %q and counted %q; want %q and %q", o.wrote, counted, tt.wrote, tt.counted)
			}
			if tt.log == "" && log.Len() > 0 || !strings.Contains(log.String(), tt.log) || strings.Contains(log.String(), "a.jpg") {
				t.Errorf("logged %s", &log)
			}
			if tt.err != nil {
				return
			}
			e := o.events[0]
			want := events.Event{ID: schema.EventID(events.TypeResult, "r1"), Source: "facestream/worker", Type: events.TypeResult, TraceParent: "the trace", Key: tt.key, Time: e.Time, Data: e.Data}
			if diff := cmp.Diff(want, e); diff != "" || len(o.events) != 1 || e.Time.IsZero() {
				t.Errorf("%d events (-want +got):\n%s", len(o.events), diff)
			}
			var got schema.Result
			if err := json.Unmarshal(e.Data, &got); err != nil || got.RequestID != "r1" || got.CallStatus.Reason != schema.ReasonNoMatch {
				t.Errorf("the event holds %s (%v)", e.Data, err)
			}
			for key, data := range o.objects {
				if !bytes.Equal(data, e.Data) {
					t.Errorf("%s and the event differ", key)
				}
			}
		})
	}
}

// A repeat is the same event (invariant 3); another kind of event, and another request, is another one.
func TestEventsAreDeterministic(t *testing.T) {
	s := &Sink{Service: "indexer"}
	first := s.Event(events.TypeResult, newJob(nil), nil, "")
	if again := s.Event(events.TypeResult, newJob(nil), nil, ""); again.ID != first.ID || again.Key != first.Key {
		t.Error("a repeat has another id or key")
	}
	other := s.Event(events.TypeResult, newJob(func(r *schema.Request) { r.ID = "r2" }), nil, "")
	analysis := s.Event(events.TypeAnalysis, newJob(nil), nil, "")
	if other.ID == first.ID || analysis.ID == first.ID {
		t.Error("two events have one id")
	}
}

// The keys of what a job writes differ from each other, and are the same for a repeat of it.
func TestOutputKeys(t *testing.T) {
	keys := func(r schema.RequestID) []string {
		j := newJob(func(q *schema.Request) { q.ID = r })
		return []string{PortraitKey(j, "png"), PortraitKey(j, "jpeg"), CropKey(j, 0, 0, "", "png"), CropKey(j, 0, 0, "fast", "png"), CropKey(j, 0, 1, "", "png"), CropKey(j, 1, 1, "", "png"), CropKey(j, 1, 2, "", "png")}
	}
	if !slices.Equal(keys("r1"), keys("r1")) {
		t.Error("a repeat writes under other keys")
	}
	all := append(keys("r1"), keys("r2")...)
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 14 {
		t.Errorf("14 outputs have %d keys", n)
	}
}

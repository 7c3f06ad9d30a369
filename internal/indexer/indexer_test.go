package indexer

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"facestream/internal/directory/sqlite"
	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/internal/gallery/local"
	"facestream/internal/outcome"
	"facestream/pkg/events"
	"facestream/pkg/schema"
	"facestream/pkg/schema/schematest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	staff = schema.Collection("staff")
	model = schema.ModelID("net@12345678")
)

// bench is an indexer on a local gallery, and what it publishes.
type bench struct {
	t *testing.T
	Service
	published []events.Event
	refuses   error // what the publisher answers
}

func newBench(t *testing.T) *bench {
	g, err := local.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	d, err := sqlite.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, Service: Service{Gallery: g, Directory: d}}
	t.Cleanup(func() {
		b.agree()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	b.Results = &outcome.Sink{Service: "indexer", Publisher: b}
	return b
}

// Publish implements [outcome.Publisher].
func (b *bench) Publish(_ context.Context, topic events.Topic, es ...events.Event) error {
	if topic != events.Results {
		b.t.Errorf("published on %s", topic)
	}
	if b.refuses == nil {
		b.published = append(b.published, es...)
	}
	return b.refuses
}

// at is the embedding at an angle. The cosine of two of them is the cosine of the difference of their angles.
func at(degrees float64) schema.Embedding {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	return schema.Embedding{Model: model, Vector: []float32{float32(cos), float32(sin), 0}}
}

// analysis is what the worker would send for a request. If the request has an image, it shows a face at an angle. Two faces match
// up to 60 degrees (a cosine of 0.5), and a person is identified up to 25 (0.9).
func analysis(r schema.Request, degrees float64) schema.Analysis {
	r.Collection = staff
	a := schema.Analysis{Job: schema.Job{Request: r, AcceptedAt: time.Unix(1700000000, 0).UTC()}}
	if r.Operation.Images() > 0 {
		a.Images = []schema.ObjectRef{{Bucket: "images", Key: "face of " + string(r.ID), Version: "1"}}
		a.Faces = []schema.FaceResult{{}}
		a.Probes = []schema.Embedding{at(degrees)}
		a.Thresholds = &schema.Thresholds{Min: 0.2, Med: 0.5, Max: 0.9}
	}
	return a
}

func (b *bench) handle(a schema.Analysis) error {
	b.t.Helper()
	data, err := json.Marshal(a)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.Handle(b.t.Context(), events.Record{Event: events.Event{Data: data, TraceParent: "trace"}})
}

// answer handles a and returns the one result of it.
func (b *bench) answer(a schema.Analysis) schema.Result {
	b.t.Helper()
	before := len(b.published)
	if err := b.handle(a); err != nil {
		b.t.Fatalf("%s: %v", a.ID, err)
	}
	if len(b.published) != before+1 {
		b.t.Fatalf("%s: %d results", a.ID, len(b.published)-before)
	}
	return b.result(before)
}

func (b *bench) result(i int) schema.Result {
	b.t.Helper()
	schematest.ValidateOutcome(b.t, b.published[i].Data)
	var r schema.Result
	if err := json.Unmarshal(b.published[i].Data, &r); err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) rows() []gallery.Row {
	b.t.Helper()
	page, err := b.Gallery.List(b.t.Context(), staff, "", 100)
	if err != nil && schema.ReasonOf(err) != schema.ReasonUnknownCollection {
		b.t.Fatal(err)
	}
	return page.Rows
}

func (b *bench) enroll(id schema.RequestID, name schema.ExternalID, degrees float64) schema.PUID {
	b.t.Helper()
	r := b.answer(analysis(schema.Request{ID: id, Operation: schema.OpEnroll, ExternalID: name}, degrees))
	if r.Enroll == nil || !r.Enroll.EnrollPerformed {
		b.t.Fatalf("%s: %+v", id, r.CallStatus)
	}
	return r.Enroll.Response.PUID
}

func TestEnroll(t *testing.T) {
	b := newBench(t)
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	consent := &schema.Consent{Given: true, Reference: "form 12", At: &when}
	a := analysis(schema.Request{ID: "r1", Operation: schema.OpEnroll, ExternalID: "alice", Consent: consent}, 0)
	a.Faces[0].Geometry.BoundingBox = schema.BoxF{TopLeft: schema.PointF{X: 1, Y: 2}, BottomRight: schema.PointF{X: 3, Y: 4}}
	r := b.answer(a)
	puid := schema.DerivePUID(staff, "alice", "")
	guid := schema.RowID("r1", a.Images[0], 0)
	if r.CallStatus.Reason != "" || r.Enroll == nil || r.Enroll.Response.PUID != puid || r.Enroll.Response.GUID != guid || r.Faces[0].IDs.PUID != puid || r.Faces[0].IDs.GUID != guid {
		t.Errorf("the result is %+v with %+v", r.CallStatus, r.Enroll)
	}
	want := []gallery.Row{{
		ID: guid, PUID: puid, ExternalID: "alice", Consent: consent, Created: a.AcceptedAt,
		Source: &gallery.Source{Image: a.Images[0], Box: a.Faces[0].Geometry.InPicture()},
	}}
	if diff := cmp.Diff(want, b.rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// An enrolment by puid needs a person with that puid. A repeat of an accepted enrolment is accepted (invariant 3).
func TestEnrollByPUID(t *testing.T) {
	b := newBench(t)
	join := func(id schema.RequestID, puid schema.PUID) schema.Result {
		t.Helper()
		return b.answer(analysis(schema.Request{ID: id, Operation: schema.OpEnroll, PUID: puid}, 10))
	}
	if r := join("before", "somebody"); r.CallStatus.Reason != schema.ReasonUnknownCollection || r.Enroll != nil && r.Enroll.EnrollPerformed {
		t.Errorf("a puid in a new collection: %+v", r.CallStatus)
	}
	unnamed := b.enroll("r1", "", 0)
	if r := join("r2", unnamed); r.CallStatus.Reason != "" || r.Enroll.Response.PUID != unnamed {
		t.Errorf("a further image of a person: %+v", r.CallStatus)
	}
	if r := join("r3", "somebody"); r.CallStatus.Reason != schema.ReasonUnknownPUID || r.CallStatus.ReturnCode != schema.CodeInvalidArgument || r.Enroll != nil && r.Enroll.EnrollPerformed {
		t.Errorf("an unknown puid: %+v", r.CallStatus)
	}
	if n := len(b.rows()); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	first := b.published[2]
	join("r2", unnamed)
	b.answer(analysis(schema.Request{ID: "d", Operation: schema.OpUserDelete, PUID: unnamed}, 0))
	join("r2", unnamed)
	if len(b.rows()) != 0 {
		t.Error("a late repeat of an enrolment brought a deleted person back")
	}
	for _, i := range []int{4, 6} {
		b.sameResult(first, b.published[i])
	}
	if r := join("r4", unnamed); r.CallStatus.Reason != schema.ReasonUnknownPUID {
		t.Errorf("a person who was deleted: %+v", r.CallStatus)
	}
}

// sameResult checks that two events are the same result: equal in everything but their timings.
func (b *bench) sameResult(first, again events.Event) {
	b.t.Helper()
	var x, y schema.Result
	if err := errors.Join(json.Unmarshal(first.Data, &x), json.Unmarshal(again.Data, &y)); err != nil {
		b.t.Fatal(err)
	}
	if diff := cmp.Diff(x, y, cmpopts.IgnoreFields(schema.Result{}, "Timings")); diff != "" || first.ID != again.ID || first.Key != again.Key {
		b.t.Errorf("events %s and %s, keys equal %v (-first +again):\n%s", first.ID, again.ID, first.Key == again.Key, diff)
	}
}

func TestPredict(t *testing.T) {
	b := newBench(t)
	predict := func(degrees float64, config string) schema.Result {
		t.Helper()
		r := schema.Request{ID: "p", Operation: schema.OpPredict}
		if config != "" {
			r.Config = json.RawMessage(config)
		}
		return b.answer(analysis(r, degrees))
	}
	if r := predict(0, ""); r.CallStatus.Reason != schema.ReasonUnknownCollection {
		t.Errorf("an unknown collection: %+v", r.CallStatus)
	}
	alice, bob := b.enroll("r1", "alice", 0), b.enroll("r2", "bob", 50)
	b.enroll("r3", "carol", 170)
	for name, tt := range map[string]struct {
		degrees float64
		config  string
		reason  schema.Reason
		found   schema.PUID
		list    []schema.PUID
	}{
		"identified":            {10, "", "", alice, []schema.PUID{alice}},
		"several candidates":    {10, `{"neighbors": 5}`, "", alice, []schema.PUID{alice, bob}},
		"near, not near enough": {80, "", schema.ReasonNoMatch, "", []schema.PUID{bob}},
		"nobody":                {-100, "", schema.ReasonNoMatch, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := predict(tt.degrees, tt.config)
			p := r.Predict
			if r.CallStatus.Reason != tt.reason || p == nil || !p.PredictPerformed || p.Response.PUID != tt.found {
				t.Fatalf("got %+v, %+v", r.CallStatus, p)
			}
			if got := p.Response.FaceThresholds; len(got) != 3 || (tt.found != "") != (p.Response.Score >= got[2]) {
				t.Errorf("the score %v does not explain the answer by the thresholds %v", p.Response.Score, got)
			}
			var list []schema.PUID
			for _, c := range p.Response.List {
				list = append(list, c.PUID)
			}
			if !slices.Equal(list, tt.list) {
				t.Errorf("%d candidates, want %d, in this order", len(list), len(tt.list))
			}
			if found := r.Faces[0].IDs; (found != nil) != (tt.found != "") || found != nil && found.PUID != tt.found {
				t.Errorf("the face has ids %+v", found)
			}
		})
	}
	foreign := analysis(schema.Request{ID: "f", Operation: schema.OpPredict}, 0)
	foreign.Probes[0].Model = "other@87654321"
	if r := b.answer(foreign); r.CallStatus.Reason != schema.ReasonModelMismatch {
		t.Errorf("another model: %+v", r.CallStatus)
	}
}

func TestVerify(t *testing.T) {
	b := newBench(t)
	alice := b.enroll("r1", "alice", 0)
	b.enroll("r2", "alice", 40)
	b.enroll("r3", "bob", 90)
	for name, tt := range map[string]struct {
		request schema.Request
		degrees float64
		reason  schema.Reason
		match   bool
	}{
		"by name":             {schema.Request{ExternalID: "alice"}, 0, "", true},
		"by puid":             {schema.Request{PUID: alice}, 0, "", true},
		"the better image":    {schema.Request{PUID: alice}, 90, "", true}, // 50 degrees from the second
		"somebody else":       {schema.Request{ExternalID: "alice"}, 150, schema.ReasonNoMatch, false},
		"nobody of this name": {schema.Request{ExternalID: "dora"}, 0, schema.ReasonUnknownPUID, false},
		"nobody of this puid": {schema.Request{PUID: "dora"}, 0, schema.ReasonUnknownPUID, false},
	} {
		t.Run(name, func(t *testing.T) {
			tt.request.ID, tt.request.Operation = "v", schema.OpVerify
			r := b.answer(analysis(tt.request, tt.degrees))
			if tt.reason == schema.ReasonUnknownPUID {
				if r.CallStatus.Reason != tt.reason || r.Verify != nil || r.Faces != nil {
					t.Errorf("got %+v, %+v, %d faces", r.CallStatus, r.Verify, len(r.Faces))
				}
				return
			}
			if r.CallStatus.Reason != tt.reason || r.Verify == nil || !r.Verify.VerifyPerformed || r.Verify.IsMatch != tt.match {
				t.Fatalf("got %+v, %+v", r.CallStatus, r.Verify)
			}
			if tt.match && (r.Verify.PUID != alice || r.Faces[0].IDs == nil || r.Faces[0].IDs.PUID != alice) {
				t.Errorf("the match does not name the person")
			}
		})
	}
}

func TestUserDelete(t *testing.T) {
	b := newBench(t)
	alice := b.enroll("r1", "alice", 0)
	b.enroll("r2", "alice", 10)
	b.enroll("r3", "bob", 20)
	erase := func(id schema.RequestID, r schema.Request) schema.Result {
		t.Helper()
		r.ID, r.Operation = id, schema.OpUserDelete
		return b.answer(analysis(r, 0))
	}
	if r := erase("d1", schema.Request{ExternalID: "alice"}); r.CallStatus.Reason != "" || r.UserDelete == nil || r.UserDelete.Count != 2 {
		t.Errorf("got %+v, %+v", r.CallStatus, r.UserDelete)
	}
	if r := erase("d1", schema.Request{ExternalID: "alice"}); r.CallStatus.Reason != "" || r.UserDelete == nil || r.UserDelete.Count != 2 {
		t.Errorf("repeated: %+v, %+v", r.CallStatus, r.UserDelete)
	}
	b.sameResult(b.published[3], b.published[4])
	if r := erase("d2", schema.Request{PUID: alice}); r.CallStatus.Reason != schema.ReasonUnknownPUID || r.UserDelete != nil {
		t.Errorf("again: %+v, %+v", r.CallStatus, r.UserDelete)
	}
	if rows := b.rows(); len(rows) != 1 || rows[0].ExternalID != "bob" {
		t.Errorf("%d rows are left, want that of bob", len(rows))
	}
}

// A record that is not an analysis is an error, which makes it a dead letter. An analysis that lacks a part is answered.
func TestBrokenAnalyses(t *testing.T) {
	b := newBench(t)
	for _, data := range []string{"", "null", "{}", `{"id": 7}`, "no JSON"} {
		err := b.Handle(t.Context(), events.Record{Event: events.Event{Data: []byte(data)}})
		if schema.ClassOf(err) != schema.ClassPermanent || schema.ReasonOf(err) != schema.ReasonUnparsable {
			t.Errorf("%q: %v", data, err)
		}
	}
	for name, spoil := range map[string]func(*schema.Analysis){
		"no face":       func(a *schema.Analysis) { a.Faces = nil },
		"no embedding":  func(a *schema.Analysis) { a.Probes = nil },
		"no thresholds": func(a *schema.Analysis) { a.Thresholds = nil },
	} {
		a := analysis(schema.Request{ID: "e", Operation: schema.OpEnroll}, 0)
		spoil(&a)
		if r := b.answer(a); r.CallStatus.Reason != schema.ReasonInternal {
			t.Errorf("%s: %+v", name, r.CallStatus)
		}
	}
	if r := b.answer(analysis(schema.Request{ID: "v", Operation: schema.OpValidate}, 0)); r.CallStatus.Reason != schema.ReasonOperationUnavailable {
		t.Errorf("an operation of the worker: %+v", r.CallStatus)
	}
	if len(b.rows()) != 0 {
		t.Error("something was enrolled")
	}
}

// While the gallery or the broker is away, Handle returns a transient error and publishes nothing. The repeat does what is missing
// and has the result that the first try would have had.
func TestFaults(t *testing.T) {
	requests := []schema.Analysis{
		analysis(schema.Request{ID: "e", Operation: schema.OpEnroll, ExternalID: "dora"}, 0),
		analysis(schema.Request{ID: "p", Operation: schema.OpPredict}, 0),
		analysis(schema.Request{ID: "v", Operation: schema.OpVerify, ExternalID: "alice"}, 0),
		analysis(schema.Request{ID: "d", Operation: schema.OpUserDelete, ExternalID: "alice"}, 0),
	}
	for _, a := range requests {
		want := func() events.Event {
			b := newBench(t)
			b.enroll("r1", "alice", 0)
			b.answer(a)
			return b.published[1]
		}()
		for fault, calls := range map[string]int{"gallery away": 0, "answer of the gallery lost": 1, "broker away": -1} {
			t.Run(string(a.Operation)+"/"+fault, func(t *testing.T) {
				b := newBench(t)
				b.enroll("r1", "alice", 0)
				inner := b.Gallery
				if calls < 0 {
					b.refuses = schema.Transient("publish", errors.New("the broker is away"))
				} else {
					asked := 0
					b.Gallery = gallerytest.Faulty{Inner: inner, Down: func() bool { asked++; return asked > calls }}
				}
				if err := b.handle(a); schema.ClassOf(err) != schema.ClassTransient || len(b.published) != 1 {
					t.Fatalf("got %v and %d results; want a transient error and none", err, len(b.published)-1)
				}
				b.Gallery, b.refuses = inner, nil
				b.answer(a)
				b.sameResult(want, b.published[1])
			})
		}
	}
}

// The result says how long the gallery took, and keeps what the worker measured and saw.
func TestResultKeepsTheAnalysis(t *testing.T) {
	b := newBench(t)
	var stages []string
	b.Stage = func(stage string, _ time.Duration) { stages = append(stages, stage) }
	a := analysis(schema.Request{ID: "e", Operation: schema.OpEnroll, Tag: "tag"}, 0)
	a.Timings = map[string]float64{"detect": 3}
	a.Models = []schema.ModelRun{{Role: "embedding", ID: model}}
	a.Feedback = "come closer"
	r := b.answer(a)
	if _, measured := r.Timings["gallery"]; !measured || r.Timings["detect"] != 3 || !slices.Equal(stages, []string{"gallery"}) {
		t.Errorf("timings %v, stages %v", r.Timings, stages)
	}
	if r.Feedback != a.Feedback || !slices.Equal(r.Models, a.Models) || r.CallStatus.OperationTag != "tag" || len(r.Images) != 1 {
		t.Errorf("got %+v", r)
	}
	if e := b.published[0]; e.TraceParent != "trace" || e.Source != "facestream/indexer" || e.Type != events.TypeResult {
		t.Errorf("the event is of %s, type %s, trace %q", e.Source, e.Type, e.TraceParent)
	}
}

// TestHostileAnalysis: whatever lacks in an analysis, the indexer answers or refuses it and goes on. Nobody but the worker
// writes analyses, but everybody who may write to the topic can.
func TestHostileAnalysis(t *testing.T) {
	for _, op := range schema.Operations() {
		for name, change := range map[string]func(a *schema.Analysis){
			"no images":     func(a *schema.Analysis) { a.Images = nil },
			"no faces":      func(a *schema.Analysis) { a.Faces = nil },
			"no probes":     func(a *schema.Analysis) { a.Probes = nil },
			"no thresholds": func(a *schema.Analysis) { a.Thresholds = nil },
			"no vector":     func(a *schema.Analysis) { a.Probes = []schema.Embedding{{Model: model}} },
			"no model":      func(a *schema.Analysis) { a.Probes = []schema.Embedding{{Vector: []float32{1, 0, 0}}} },
			"two faces": func(a *schema.Analysis) {
				a.Faces, a.Probes = make([]schema.FaceResult, 2), []schema.Embedding{at(0), at(1)}
			},
			"no collection": func(a *schema.Analysis) { a.Collection = "" },
			"nothing": func(a *schema.Analysis) {
				*a = schema.Analysis{Job: schema.Job{Request: schema.Request{ID: "r", Operation: op}}}
			},
		} {
			t.Run(string(op)+" with "+name, func(t *testing.T) {
				b := newBench(t)
				a := analysis(schema.Request{ID: "r", Operation: op, ExternalID: "alice"}, 0)
				change(&a)
				if err := b.handle(a); err != nil && schema.ClassOf(err) != schema.ClassPermanent {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

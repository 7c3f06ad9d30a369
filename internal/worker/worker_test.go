package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/internal/challenge"
	"facestream/internal/directory/sqlite"
	"facestream/internal/gallery"
	"facestream/internal/gallery/local"
	"facestream/internal/indexer"
	"facestream/internal/outcome"
	"facestream/internal/verdict"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/document/documenttest"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/quality"
	"facestream/pkg/events"
	"facestream/pkg/schema"
	"facestream/pkg/schema/schematest"
)

// picture is what the fake engine finds in an image, which is named by its key. With findings made up by the test, each
// decision on them can be tested alone.
type picture struct {
	faces    []face.Observation
	turned   int
	damage   string
	document *document.Outline
	scanned  []document.Observation
	barcodes []barcode.Found
	heard    *engine.Heard // where it is a recording
	err      error         // of the analysis
	// errOfFaces ends the analysis after a picture of the document was kept.
	errOfFaces error
}

// desk joins a worker and an indexer on a gallery of the test's own, with nothing between them.
type desk struct {
	t        *testing.T
	pictures map[string]picture
	worker   *worker.Service
	pack     verdict.Pack  // of the fake engine
	others   []worker.Pack // that come before it
	indexer  *indexer.Service
	gallery  gallery.Gallery
	asked    []engine.Params   // of the engine, in order
	written  map[string]string // into the store: content type and content, by key
	full     bool              // the store takes nothing
	// unremovable is the store's answer to every removal.
	unremovable error
	result      []byte // the last that was published
	analysis    []byte
}

var everyRole = []schema.ModelRun{{Role: "detector", ID: "d@1"}, {Role: "embedding", ID: "e@1"}, {Role: "liveness", ID: "l@1"}, {Role: "age", ID: "a@1"}, {Role: "segmentation", ID: "s@1"}, {Role: "document", ID: "o@1"}}

func newDesk(t *testing.T) *desk {
	g, err := local.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	d := &desk{t: t, pictures: map[string]picture{}, written: map[string]string{}, gallery: g}
	sink := &outcome.Sink{Service: "test", Publisher: d}
	d.pack = verdict.Pack{
		Name: "fake", Models: everyRole, Matching: schema.Thresholds{Min: 0.25, Med: 0.5, Max: 0.75}, Crossing: 0.375, MinConfidence: 0.1,
		Liveness: verdict.LivenessPoints{Soft: 0.25, Regular: 0.5, Hardened: 0.75}, Traits: verdict.UnmeasuredTraits,
	}
	d.worker = &worker.Service{
		Objects: d, Packs: func(schema.Collection) []worker.Pack {
			return append(slices.Clone(d.others), worker.Pack{Engine: d, Verdict: d.pack})
		},
		Publisher: d, Results: sink,
	}
	d.worker.Challenge = challenge.Issuer{Keys: [][]byte{[]byte("a key that only tests know, of 40 bytes..")}, ValidFor: time.Minute}
	persons, err := sqlite.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { persons.Close() })
	d.indexer = &indexer.Service{Gallery: g, Directory: persons, Results: sink}
	return d
}

// Get implements worker.Objects: the bytes of an image are its key.
func (d *desk) Get(_ context.Context, ref schema.ObjectRef, _ int64) ([]byte, schema.ObjectRef, error) {
	return []byte(ref.Key), ref, nil
}

// Put implements worker.Objects.
func (d *desk) Put(_ context.Context, ref schema.ObjectRef, data []byte, contentType string, metadata map[string]string) (schema.ObjectRef, error) {
	if d.full {
		return ref, schema.Transient("desk.put", errors.New("full"))
	}
	if _, ok := outcome.ImageOf(ref.Key); !ok || !outcome.Marked(ref.Key, metadata) {
		return ref, schema.Fatal("desk.put", errors.New("ingest would take the object for an upload"))
	}
	d.written[ref.Key] = contentType + " " + string(data)
	return ref, nil
}

// Remove implements worker.Objects.
func (d *desk) Remove(_ context.Context, ref schema.ObjectRef) error {
	delete(d.written, ref.Key)
	return d.unremovable
}

// Analyze implements worker.Engine as the real one does: by confidence, by strategy, and with no more than was asked for.
func (d *desk) Analyze(ctx context.Context, image []byte, p engine.Params) (*engine.Analysis, error) {
	d.asked = append(d.asked, p)
	found := &engine.Analysis{Width: 400, Height: 500, Models: everyRole[:1]}
	pic := d.pictures[string(image)]
	if pic.err != nil {
		return nil, pic.err
	}
	found.Damage = pic.damage
	if pic.turned != 0 && !p.Turn {
		return found, nil
	}
	if p.Documents {
		found.Document = pic.document
	}
	if p.Barcodes != nil {
		for _, b := range pic.barcodes {
			if b.Confidence >= p.Barcodes.MinConfidence {
				found.Barcodes = append(found.Barcodes, b)
			}
		}
		for i := range found.Barcodes {
			if keep := p.Barcodes.Keep; keep != nil {
				if err := keep(ctx, i, &face.Portrait{Image: imaging.New(50, 10), File: []byte(fmt.Sprint("barcode ", i, " of ", string(image))), Format: p.Barcodes.Format}); err != nil {
					return nil, err
				}
			}
		}
		if p.Barcodes.Only {
			return found, nil
		}
	}
	if scan := p.Document; scan != nil {
		found.Documents = pic.scanned
		if found.Documents == nil || scan.Accept != nil && !scan.Accept(found.Documents) {
			return found, nil
		}
		found.Documents = slices.Clone(found.Documents)
		for i := range found.Documents {
			o := &found.Documents[i]
			if scan.MRZ && o.MRZ == nil {
				o.MRZ = documenttest.Passport(d.t, scan.Today)
			}
			if scan.Text == nil || !scan.Text(o.MRZ) {
				o.Text = nil
			}
		}
		if scan.Rotate { // all of them lie upside down
			found.Documents[0].Outline = found.Documents[0].Turn(2)
		}
		if scan.Keep != nil {
			if err := scan.Keep(ctx, &face.Portrait{Image: imaging.New(60, 40), File: []byte("document of " + string(image)), Format: scan.Format}); err != nil {
				return nil, err
			}
		}
		if pic.errOfFaces != nil {
			return nil, pic.errOfFaces
		}
		if !scan.Faces {
			return found, nil
		}
	}
	var seen []face.Face
	for _, f := range pic.faces {
		if f.Confidence >= p.MinConfidence {
			seen = append(seen, f.Face)
		}
	}
	for _, f := range p.Strategy.Select(seen) {
		full := pic.faces[slices.IndexFunc(pic.faces, func(o face.Observation) bool { return o.Face == f })]
		full.Turned = pic.turned
		if !p.Embed {
			full.Embedding = nil
		}
		if !p.Attributes {
			full = face.Observation{Face: full.Face, Turned: full.Turned, Width: full.Width, Height: full.Height, Embedding: full.Embedding,
				Liveness: full.Liveness, Document: full.Document, Age: full.Age, Unportrayed: full.Unportrayed}
		}
		if p.Liveness == 0 {
			full.Liveness = nil
		}
		if !p.Documents {
			full.Document = nil
		}
		if !p.Age {
			full.Age = nil
		}
		if len(p.Quality) > 0 {
			full.Quality = &schema.FaceQuality{Measures: []schema.QualityMeasure{{Check: string(quality.Noise), Message: "too small"}}}
			for _, g := range p.Quality {
				full.Quality.Groups = append(full.Quality.Groups, schema.QualityGroup{Group: g, Status: quality.NotAssessed, Requirements: []schema.Requirement{}})
			}
		}
		found.Faces = append(found.Faces, full)
	}
	for i, full := range found.Faces {
		if len(p.Portraits) == 0 || full.Unportrayed != nil || len(found.Faces) > p.MostPortrayed {
			continue
		}
		made := []*face.Portrait{{Image: imaging.New(48, 64), File: []byte("portrait of " + string(image)), Format: p.Portraits[0].Format}}
		if err := p.Portray(ctx, i, len(found.Faces), made); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Hear implements worker.Engine.
func (d *desk) Hear(_ context.Context, recording []byte) (*engine.Heard, error) {
	found := d.pictures[string(recording)]
	return found.heard, found.err
}

// Publish implements outcome.Publisher.
func (d *desk) Publish(_ context.Context, topic events.Topic, published ...events.Event) error {
	switch topic {
	case events.Results:
		d.result = published[0].Data
	case events.Analyses:
		d.analysis = published[0].Data
	}
	return nil
}

var requests int

// TestDamagedImages: a result names the files that were read in spite of their damage, whoever answers.
func TestDamagedImages(t *testing.T) {
	d := newDesk(t)
	d.pictures["sound"] = picture{faces: []face.Observation{someone(0)}}
	d.pictures["broken"] = picture{faces: []face.Observation{someone(0)}, damage: "a restart marker is missing"}
	want := func(image int) []schema.DamagedImage {
		return []schema.DamagedImage{{Image: image, Message: "a restart marker is missing"}}
	}
	for _, c := range []struct {
		request schema.Request
		want    []schema.DamagedImage
	}{
		{schema.Request{Operation: schema.OpValidate, Images: images("sound")}, nil},
		{schema.Request{Operation: schema.OpValidate, Images: images("broken")}, want(0)},
		{schema.Request{Operation: schema.OpCompare, Images: images("sound", "broken")}, want(1)},
		{schema.Request{Operation: schema.OpEnroll, Collection: "c", ExternalID: "a", Images: images("broken")}, want(0)},
	} {
		r := d.ask(c.request)
		if diff := cmp.Diff(c.want, r.DamagedImages); diff != "" || r.CallStatus.Reason != "" {
			t.Errorf("%s of %v: %s, %+v", c.request.Operation, c.request.Images, diff, r.CallStatus)
		}
	}
}

// TestNotes: a result says what was done differently from what its request asked, whoever answers.
func TestNotes(t *testing.T) {
	d := newDesk(t)
	d.pictures["a"] = picture{faces: []face.Observation{someone(0)}}
	low := json.RawMessage(`{"conf_score_thr_enroll":0.05}`)
	for _, c := range []struct {
		request schema.Request
		want    int
	}{
		{schema.Request{Operation: schema.OpValidate, Images: images("a")}, 0},
		{schema.Request{Operation: schema.OpValidate, Images: images("a"), Config: low}, 1},
		{schema.Request{Operation: schema.OpEnroll, Collection: "c", ExternalID: "a", Images: images("a"), Config: low}, 1},
	} {
		if r := d.ask(c.request); len(r.Notes) != c.want || r.CallStatus.Reason != "" {
			t.Errorf("%s %s: %q, %+v", c.request.Operation, c.request.Config, r.Notes, r.CallStatus)
		}
	}
}

// TestFaceISO: the portrait lies in the store, under a name of the request's own, before the result names it.
func TestFaceISO(t *testing.T) {
	d := newDesk(t)
	d.pictures["a"] = picture{faces: []face.Observation{someone(0)}}
	d.pictures["two"] = picture{faces: []face.Observation{someone(0), someone(40)}}
	ask := func(image, config string) schema.Result {
		t.Helper()
		return d.ask(schema.Request{Operation: schema.OpFaceISO, Images: images(image), Config: json.RawMessage(config)})
	}
	r := ask("a", `{"portrait_format":"jpeg"}`)
	if r.CallStatus.Reason != "" || r.ISOImage == nil || !r.ISOImage.Success || len(r.Faces) != 1 {
		t.Fatalf("%+v, %+v", r.CallStatus, r.ISOImage)
	}
	image := r.ISOImage.Image
	if image.Info != (schema.ImageInfo{Width: 48, Height: 64, Channels: 3, Color: schema.ColorRGB}) {
		t.Errorf("%+v", image.Info)
	}
	key := image.Object.Key
	if got := d.written[key]; got != "image/jpeg portrait of a" || !strings.HasPrefix(key, "a.") || image.Object.Bucket != "b" {
		t.Errorf("%s/%s has %q", image.Object.Bucket, key, got)
	}
	if again := ask("a", ``).ISOImage.Image.Object.Key; again == key {
		t.Errorf("two requests write to %s", key)
	}
	for image, reason := range map[string]schema.Reason{"nobody": schema.ReasonNoFace, "two": schema.ReasonSeveralFaces} {
		if r := ask(image, `{"face_detection_strategy":0}`); r.CallStatus.Reason != reason || r.ISOImage == nil || r.ISOImage.Success || r.ISOImage.Image != nil {
			t.Errorf("%s: %+v, %+v", image, r.CallStatus, r.ISOImage)
		}
	}
	if len(d.written) != 2 {
		t.Errorf("%d portraits of 2: %v", len(d.written), d.written)
	}
	d.full, d.result = true, nil
	job, err := json.Marshal(schema.Job{Request: schema.Request{ID: "r", Operation: schema.OpFaceISO, Images: images("a")}, AcceptedAt: time.Unix(1700000000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.worker.Handle(t.Context(), events.Record{Event: events.Event{Data: job}}); schema.ClassOf(err) != schema.ClassTransient || d.result != nil {
		t.Errorf("without room for the portrait: %v, result %s", err, d.result)
	}
}

// ask sends a request through validation, the worker and, if the worker sends it on, the indexer.
func (d *desk) ask(r schema.Request) schema.Result {
	d.t.Helper()
	requests++
	r.ID = schema.RequestID(fmt.Sprintf("r-%d", requests))
	job := schema.Job{Request: r, AcceptedAt: time.Unix(1700000000, 0)}
	if problems := job.Resolve(); len(problems) > 0 {
		return *schema.NewResult(&job, problems.Reason(), problems.Error())
	}
	return d.do(job)
}

// do sends a job through the worker and, if the worker sends it on, the indexer.
func (d *desk) do(job schema.Job) schema.Result {
	d.t.Helper()
	data, err := json.Marshal(&job)
	if err != nil {
		d.t.Fatal(err)
	}
	d.result, d.analysis = nil, nil
	if err := d.worker.Handle(d.t.Context(), events.Record{Event: events.Event{Data: data}}); err != nil {
		d.t.Fatal(err)
	}
	if d.analysis != nil {
		schematest.Validate(d.t, "analysis", d.analysis)
		if err := d.indexer.Handle(d.t.Context(), events.Record{Event: events.Event{Data: d.analysis}}); err != nil {
			d.t.Fatal(err)
		}
	}
	schematest.ValidateOutcome(d.t, d.result)
	var result schema.Result
	if err := json.Unmarshal(d.result, &result); err != nil {
		d.t.Fatal(err)
	}
	return result
}

func images(keys ...string) []schema.ObjectRef {
	var refs []schema.ObjectRef
	for _, k := range keys {
		refs = append(refs, schema.ObjectRef{Bucket: "b", Key: k})
	}
	return refs
}

func p(x float32) *float32 { return &x }

// someone is a live face without a trait, 150 pixels wide in the middle of a picture of 400 x 500, whose embedding is at
// angle degrees: the cosine of two of them is that of the difference.
func someone(angle float64) face.Observation {
	sin, cos := math.Sincos(angle * math.Pi / 180)
	return face.Observation{
		Face: face.Face{
			Box:        schema.BoxF{TopLeft: schema.PointF{X: 125, Y: 160}, BottomRight: schema.PointF{X: 275, Y: 340}},
			Points:     [5]schema.PointF{{X: 165, Y: 220}, {X: 235, Y: 220}, {X: 200, Y: 260}, {X: 170, Y: 300}, {X: 230, Y: 300}},
			Confidence: 0.9,
		},
		Embedding: &schema.Embedding{Model: "e@1", Vector: []float32{float32(cos), float32(sin)}},
		Width:     400, Height: 500,
		Landmarks: []schema.PointF{{X: 1, Y: 2}}, LandmarkConfidence: p(0.9), Pose: &face.Pose{}, LeftEyeOpen: p(0.9), RightEyeOpen: p(0.9),
		MouthOpen: p(0.1), Smile: p(0.25), Mask: p(0.05), Glasses: p(0.05), Light: &face.Light{Mean: 0.5, Low: 0.2, High: 0.8}, Sharpness: p(200),
		Liveness: &face.Liveness{Score: 0.8, Scores: []float32{0.7, 0.9}},
		Age:      &face.Age{Years: 34, Deviation: 2.5, Confidence: 0.75},
	}
}

// with is someone(0) after change.
func with(change func(*face.Observation)) picture {
	f := someone(0)
	change(&f)
	return picture{faces: []face.Observation{f}}
}

func traitsOf(r schema.Result) string {
	if len(r.Faces) == 0 {
		return "no face"
	}
	return strings.Join(r.Faces[0].TraitNames, " ")
}

func TestFaceCarriesWhatWasFound(t *testing.T) {
	d := newDesk(t)
	d.pictures["a"] = with(func(f *face.Observation) {
		f.Pose = &face.Pose{Yaw: 50, Pitch: 3, Roll: -4}
		f.Occlusion = map[string]float32{"nose": 0.25}
	})
	r := d.ask(schema.Request{Operation: schema.OpValidate, Images: images("a")})
	if len(r.Faces) != 1 || r.CallStatus.Reason != "" {
		t.Fatalf("%+v", r.CallStatus)
	}
	f := r.Faces[0]
	if f.Traits != schema.FTLookingLeft || traitsOf(r) != "FT_LOOKING_LEFT" || !strings.Contains(r.Feedback, "to your right") {
		t.Errorf("traits %v %v, feedback %q", f.Traits, f.TraitNames, r.Feedback)
	}
	if f.Pose == nil || *f.Pose != (schema.PoseAngles{Yaw: 50, Pitch: 3, Roll: -4}) {
		t.Errorf("pose %+v", f.Pose)
	}
	if len(f.Geometry.Landmarks) != 5 || len(f.Geometry.Outline) != 1 || f.Geometry.Turned != 0 || f.Geometry.OriginalBox != nil {
		t.Errorf("geometry %+v", f.Geometry)
	}
	if f.SpoofStatus != schema.SpoofNone || f.Liveness == nil || *f.Liveness.Score != 0.8 || *f.Liveness.Threshold != 0.5 || f.Age != nil {
		t.Errorf("spoof_status %d, liveness %+v, age %+v", f.SpoofStatus, f.Liveness, f.Age)
	}
	scores := map[string]float32{}
	for _, m := range f.Scores {
		scores[m.Name] = m.Value
	}
	if scores["occlusion_nose"] != 0.25 || scores["sharpness"] != 100 || scores["rotation"] != -4 {
		t.Errorf("scores %v", scores)
	}
	if p := d.asked[0]; !p.Turn || !p.Attributes || p.Liveness != 1 || p.Embed || p.Age {
		t.Errorf("the engine was asked for %+v", p)
	}
}

// TestHostileNumbers: what networks answer to hostile pixels must not keep the result from being written.
func TestHostileNumbers(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	d := newDesk(t)
	d.pictures["a"] = with(func(f *face.Observation) {
		f.Landmarks[0].X = inf
		f.Pose.Yaw = nan
		f.Sharpness = &inf
		f.Mask = &nan
		f.Liveness.Score = nan
		f.Age.Years = nan
	})
	r := d.ask(schema.Request{Operation: schema.OpValidate, Images: images("a")})
	if f := r.Faces[0]; f.SpoofStatus != schema.SpoofGenericError || f.Pose != nil || f.Geometry.Outline != nil || f.Traits != 0 {
		t.Errorf("%+v", f.SpoofStatus)
	}
	if r := d.ask(schema.Request{Operation: schema.OpEnroll, Images: images("a")}); r.CallStatus.Reason != schema.ReasonLivenessUnknown {
		t.Errorf("enroll: %+v", r.CallStatus)
	}
	if r := d.ask(schema.Request{Operation: schema.OpEstimateAge, Images: images("a")}); len(r.Faces) != 1 || r.Faces[0].Age != nil {
		t.Errorf("estimate_age: %+v", r.CallStatus)
	}
}

func TestTurnedPicture(t *testing.T) {
	for turned, want := range map[int]schema.BoxF{
		90:  {TopLeft: schema.PointF{X: 20, Y: 300}, BottomRight: schema.PointF{X: 60, Y: 390}},
		180: {TopLeft: schema.PointF{X: 300, Y: 440}, BottomRight: schema.PointF{X: 390, Y: 480}},
		270: {TopLeft: schema.PointF{X: 440, Y: 10}, BottomRight: schema.PointF{X: 480, Y: 100}},
	} {
		d := newDesk(t)
		pic := with(func(f *face.Observation) {
			f.Box = schema.BoxF{TopLeft: schema.PointF{X: 10, Y: 20}, BottomRight: schema.PointF{X: 100, Y: 60}}
		})
		pic.turned = turned
		d.pictures["a"] = pic
		r := d.ask(schema.Request{Operation: schema.OpValidate, Images: images("a")})
		if len(r.Faces) != 1 || r.Faces[0].Geometry.Turned != turned {
			t.Fatalf("turned by %d: %+v", turned, r.Faces)
		}
		if diff := cmp.Diff(&want, r.Faces[0].Geometry.OriginalBox); diff != "" {
			t.Errorf("turned by %d (-want +got):\n%s", turned, diff)
		}
	}
}

// TestCrowd: the result of a picture of very many people is one that a topic takes.
func TestCrowd(t *testing.T) {
	d := newDesk(t)
	var crowd picture
	for i := range 500 {
		f := someone(0)
		f.Points[0].X += float32(i) / 8
		f.Landmarks = slices.Repeat([]schema.PointF{{X: 1234.5678, Y: 1234.5678}}, 68)
		crowd.faces = append(crowd.faces, f)
	}
	d.pictures["crowd"] = crowd
	r := d.ask(schema.Request{Operation: schema.OpValidate, Images: images("crowd"), Config: json.RawMessage(`{"face_detection_strategy":0}`)})
	if n := len(d.result); len(r.Faces) != 500 || n > 900_000 {
		t.Errorf("%d faces in %d bytes", len(r.Faces), n)
	}
	d.pictures["crowd"] = picture{faces: crowd.faces[:schema.MaxDetailedFaces]}
	r = d.ask(schema.Request{Operation: schema.OpValidate, Images: images("crowd"), Config: json.RawMessage(`{"face_detection_strategy":0}`)})
	if n := len(d.result); len(r.Faces[0].Scores) == 0 || len(r.Faces[0].Geometry.Outline) != 68 || n > 900_000 {
		t.Errorf("%d faces in %d bytes", len(r.Faces), n)
	}
}

func TestTraitsRejectEnrolAndPredict(t *testing.T) {
	d := newDesk(t)
	d.pictures["good"] = picture{faces: []face.Observation{someone(0)}}
	d.pictures["glasses"] = with(func(f *face.Observation) { f.Glasses = p(0.9) })
	d.pictures["dark"] = with(func(f *face.Observation) { f.Light.Mean = 0.1 })
	d.pictures["bright"] = with(func(f *face.Observation) { f.Light.Mean = 0.9 })
	d.pictures["blurred"] = with(func(f *face.Observation) { f.Sharpness = p(3); f.Light.Mean = 0.1 })
	if r := d.ask(schema.Request{Operation: schema.OpEnroll, Images: images("good"), ExternalID: "anna"}); r.Enroll == nil || !r.Enroll.EnrollPerformed {
		t.Fatalf("%+v", r.CallStatus)
	}
	for _, tt := range []struct {
		op         schema.Operation
		image, raw string
		want       schema.Reason
		names      string
		feedback   string
	}{
		{schema.OpEnroll, "glasses", `{}`, schema.ReasonFaceRejected, "FT_FACE_WITH_GLASS", "Take off your glasses."},
		{schema.OpEnroll, "glasses", `{"allowed_face_traits_flags":128}`, "", "", "Take off your glasses."},
		{schema.OpPredict, "glasses", `{}`, "", "", "Take off your glasses."},
		{schema.OpEnroll, "blurred", `{}`, schema.ReasonFaceRejected, "FT_IMAGE_BLURR", "Hold still and clean the lens: the picture is blurred."},
		{schema.OpPredict, "blurred", `{}`, schema.ReasonFaceRejected, "FT_IMAGE_BLURR", "Hold still and clean the lens: the picture is blurred."},
		{schema.OpPredict, "blurred", `{"face_validations_off":true}`, "", "", ""},
		{schema.OpEnroll, "dark", `{}`, "", "", "Turn on a light or face the window: your face is too dark."},
		{schema.OpEnroll, "dark", `{"refuse_bad_exposure":true}`, schema.ReasonImageUnderexposed, "FT_FACE_TOO_DARK", "Turn on a light or face the window: your face is too dark."},
		{schema.OpEnroll, "dark", `{"refuse_bad_exposure":true,"face_too_dark":0.05}`, "", "", ""},
		{schema.OpEnroll, "dark", `{"refuse_bad_exposure":true,"allowed_face_traits_flags":16384}`, schema.ReasonImageUnderexposed, "FT_FACE_TOO_DARK", "Turn on a light or face the window: your face is too dark."},
		{schema.OpEnroll, "dark", `{"refuse_bad_exposure":true,"allowed_face_traits_flags":8192}`, "", "", "Turn on a light or face the window: your face is too dark."},
		{schema.OpPredict, "dark", `{"refuse_bad_exposure":true}`, "", "", "Turn on a light or face the window: your face is too dark."},
		{schema.OpEnroll, "bright", `{"refuse_bad_exposure":true}`, schema.ReasonImageOverexposed, "FT_FACE_TOO_BRIGHT", "Step out of the bright light: your face is too bright."},
		{schema.OpEnroll, "blurred", `{"refuse_bad_exposure":true}`, schema.ReasonImageUnderexposed, "FT_IMAGE_BLURR, FT_FACE_TOO_DARK",
			"Hold still and clean the lens: the picture is blurred. Turn on a light or face the window: your face is too dark."},
		{schema.OpValidate, "blurred", `{}`, "", "", "Hold still and clean the lens: the picture is blurred. Turn on a light or face the window: your face is too dark."},
	} {
		r := d.ask(schema.Request{Operation: tt.op, Images: images(tt.image), Config: json.RawMessage(tt.raw)})
		if s := r.CallStatus; s.Reason != tt.want || s.ReturnCode != 0 || !strings.Contains(s.ReturnMessage, tt.names) || r.Feedback != tt.feedback {
			t.Errorf("%s %s %s: reason %q, %q, feedback %q", tt.op, tt.image, tt.raw, s.Reason, s.ReturnMessage, r.Feedback)
		}
		if performed := r.Enroll != nil && r.Enroll.EnrollPerformed || r.Predict != nil && r.Predict.PredictPerformed; performed == (tt.want != "") && tt.op != schema.OpValidate {
			t.Errorf("%s %s %s: performed %v", tt.op, tt.image, tt.raw, performed)
		}
	}
}

func TestLiveness(t *testing.T) {
	live := someone(0)
	d := newDesk(t)
	d.pictures["live"] = picture{faces: []face.Observation{live}}
	d.pictures["spoof"] = with(func(f *face.Observation) { f.Liveness.Score = 0.1 })
	d.pictures["edge"] = with(func(f *face.Observation) {
		f.Liveness = &face.Liveness{Unassessable: schema.UnassessableSmall, Why: "too near the border"}
	})
	other := someone(90)
	other.Box.TopLeft.X++
	d.pictures["two"] = picture{faces: []face.Observation{live, other}}
	if r := d.ask(schema.Request{Operation: schema.OpEnroll, Images: images("live"), ExternalID: "anna"}); !r.Enroll.EnrollPerformed {
		t.Fatalf("%+v", r.CallStatus)
	}
	for _, tt := range []struct {
		op         schema.Operation
		image, raw string
		status     schema.SpoofStatus
		reason     schema.Reason
	}{
		{schema.OpAntiSpoofing, "live", `{}`, schema.SpoofNone, ""},
		{schema.OpAntiSpoofing, "spoof", `{}`, schema.SpoofDetected, ""},
		{schema.OpAntiSpoofing, "edge", `{}`, schema.SpoofInvalidFace, ""},
		{schema.OpAntiSpoofing, "two", `{"face_detection_strategy":0}`, schema.SpoofNone, ""},
		{schema.OpAntiSpoofing, "live", `{"anti_spoofing_mode":0}`, schema.SpoofNotPerformed, ""},
		{schema.OpAntiSpoofing, "none", `{}`, -1, schema.ReasonNoFace},
		{schema.OpValidate, "spoof", `{}`, schema.SpoofDetected, ""},
		{schema.OpValidate, "two", `{"face_detection_strategy":0}`, schema.SpoofNone, ""},
		{schema.OpEnroll, "spoof", `{}`, schema.SpoofDetected, schema.ReasonSpoofDetected},
		{schema.OpEnroll, "edge", `{}`, schema.SpoofInvalidFace, schema.ReasonLivenessUnknown},
		{schema.OpEnroll, "spoof", `{"anti_spoofing_mode":0}`, schema.SpoofNotPerformed, ""},
		{schema.OpEnroll, "edge", `{"liveness_not_assessable":"ALLOW"}`, schema.SpoofInvalidFace, ""},
		{schema.OpEnroll, "spoof", `{"liveness_not_assessable":"ALLOW"}`, schema.SpoofDetected, schema.ReasonSpoofDetected},
		{schema.OpPredict, "live", `{}`, schema.SpoofNone, ""},
		{schema.OpPredict, "spoof", `{}`, schema.SpoofDetected, schema.ReasonSpoofDetected},
		{schema.OpPredict, "edge", `{}`, schema.SpoofInvalidFace, schema.ReasonLivenessUnknown},
		{schema.OpVerify, "live", `{}`, schema.SpoofNone, ""},
		{schema.OpVerify, "spoof", `{}`, schema.SpoofDetected, schema.ReasonSpoofDetected},
		{schema.OpEstimateAge, "spoof", `{}`, schema.SpoofNotPerformed, ""},
	} {
		r := schema.Request{Operation: tt.op, Images: images(tt.image), Config: json.RawMessage(tt.raw)}
		if tt.op == schema.OpVerify {
			r.ExternalID = "anna"
		}
		got := d.ask(r)
		status := schema.SpoofStatus(-1)
		for _, f := range got.Faces {
			if status = f.SpoofStatus; status != tt.status {
				break
			}
		}
		if status != tt.status || got.CallStatus.Reason != tt.reason {
			t.Errorf("%s %s %s: spoof_status %d, reason %q; want %d, %q", tt.op, tt.image, tt.raw, status, got.CallStatus.Reason, tt.status, tt.reason)
		}
		if refused := tt.reason != ""; refused && got.Feedback == "" {
			t.Errorf("%s %s: nobody says what to do", tt.op, tt.image)
		}
		if got.Enroll != nil && got.Enroll.EnrollPerformed == (tt.reason != "") {
			t.Errorf("%s %s: enroll_performed %v", tt.op, tt.image, got.Enroll.EnrollPerformed)
		}
	}
}

// TestLivenessOfSeveral: each of several faces is judged on its own.
func TestLivenessOfSeveral(t *testing.T) {
	d := newDesk(t)
	member := func(n int, confidence float32, change func(*face.Observation)) face.Observation {
		f := someone(float64(90 * n))
		f.Points[0].X, f.Confidence = f.Points[0].X+float32(n), confidence
		change(&f)
		return f
	}
	d.pictures["group"] = picture{faces: []face.Observation{
		member(0, 0.9, func(*face.Observation) {}),
		member(1, 0.8, func(f *face.Observation) { f.Liveness.Score = 0.1 }),
		member(2, 0.7, func(f *face.Observation) {
			f.Liveness = &face.Liveness{Unassessable: schema.UnassessableSmall, Why: "the face is 20 pixels wide"}
		}),
	}}
	want := []schema.SpoofStatus{schema.SpoofNone, schema.SpoofDetected, schema.SpoofInvalidFace}
	for _, op := range []schema.Operation{schema.OpValidate, schema.OpAntiSpoofing} {
		r := d.ask(schema.Request{Operation: op, Images: images("group"), Config: json.RawMessage(`{"face_detection_strategy":0}`)})
		var got []schema.SpoofStatus
		for _, f := range r.Faces {
			got = append(got, f.SpoofStatus)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: spoof_status %v, want %v", op, got, want)
		}
	}
}

// TestThresholdsInForce: the thresholds of a request are held against those of the model pack that it leaves in force. A
// result says either that two faces match, or that it is not sure of it at all, never both.
func TestThresholdsInForce(t *testing.T) {
	d := newDesk(t) // the pack has 0.25, 0.5, 0.75
	d.pictures["a"], d.pictures["b"] = picture{faces: []face.Observation{someone(0)}}, picture{faces: []face.Observation{someone(40)}}
	if r := d.ask(schema.Request{Operation: schema.OpEnroll, Images: images("a"), ExternalID: "anna"}); r.CallStatus.Reason != "" {
		t.Fatalf("%+v", r.CallStatus)
	}
	for _, tt := range []struct {
		config string
		keys   string // named by the refusal; "" for none
	}{
		{`{}`, ""},
		{`{"face_thresholds_min":0.8}`, "config.face_thresholds_min"},
		{`{"face_thresholds_min":0.6}`, "config.face_thresholds_min"},
		{`{"face_thresholds_med":0.8}`, "config.face_thresholds_med"},
		{`{"face_thresholds_med":0.2}`, "config.face_thresholds_med"},
		{`{"face_thresholds_max":0.4}`, "config.face_thresholds_max"},
		{`{"face_thresholds_min":0.8,"face_thresholds_med":0.9}`, "config.face_thresholds_med"},
		{`{"face_thresholds_min":0.8,"face_thresholds_max":0.9}`, "config.face_thresholds_min"},
		{`{"face_thresholds_min":0.8,"face_thresholds_med":0.85,"face_thresholds_max":0.9}`, ""},
		{`{"face_thresholds_min":0.5,"fudge_factor":1.5}`, ""},
		{`{"face_thresholds_min":0.75,"face_thresholds_med":0.75,"face_thresholds_max":0.75}`, ""},
	} {
		for _, r := range []schema.Request{
			{Operation: schema.OpCompare, Images: images("a", "b")},
			{Operation: schema.OpPredict, Images: images("b")},
			{Operation: schema.OpVerify, Images: images("b"), ExternalID: "anna"},
		} {
			r.Config = json.RawMessage(tt.config)
			result := d.ask(r)
			s := result.CallStatus
			if tt.keys != "" {
				if s.Reason != schema.ReasonInvalidConfiguration || !strings.HasPrefix(s.ReturnMessage, tt.keys+": ") {
					t.Errorf("%s with %s: reason %q, %q; want the name %s", r.Operation, tt.config, s.Reason, s.ReturnMessage, tt.keys)
				}
				continue
			}
			if s.Reason == schema.ReasonInvalidConfiguration {
				t.Errorf("%s with %s: %s", r.Operation, tt.config, s.ReturnMessage)
			}
			if c := result.Compare; c != nil && c.IsMatch != (c.Confidence >= 0.5) {
				t.Errorf("%s: is_match %v with confidence %v", tt.config, c.IsMatch, c.Confidence)
			}
		}
	}
}

// TestLivenessThreshold: the mapping of anti_spoofing_threshold is monotone, and its default is the level's point.
func TestLivenessThreshold(t *testing.T) {
	d := newDesk(t)
	d.pictures["a"] = picture{faces: []face.Observation{someone(0)}}
	threshold := func(raw string) float32 {
		r := d.ask(schema.Request{Operation: schema.OpAntiSpoofing, Images: images("a"), Config: json.RawMessage(raw)})
		return *r.Faces[0].Liveness.Threshold
	}
	for raw, want := range map[string]float32{
		`{}`: 0.5, `{"liveness_calibration":"SOFT"}`: 0.25, `{"liveness_calibration":"REGULAR"}`: 0.5, `{"liveness_calibration":"HARDENED"}`: 0.75,
		`{"anti_spoofing_threshold":0}`: 0, `{"anti_spoofing_threshold":1}`: 1, `{"anti_spoofing_threshold":0.45}`: 0.25,
		`{"anti_spoofing_threshold":0.95,"liveness_calibration":"SOFT"}`: 0.625,
	} {
		if got := threshold(raw); math.Abs(float64(got-want)) > 1e-6 {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
	last := float32(-1)
	for i := range 101 {
		got := threshold(fmt.Sprintf(`{"anti_spoofing_threshold":%v}`, float64(i)/100))
		if got < last {
			t.Errorf("the threshold falls at %d/100: %v after %v", i, got, last)
		}
		last = got
	}
}

func TestRoleAbsent(t *testing.T) {
	d := newDesk(t)
	d.pack.Models = everyRole[:2]
	d.pictures["a"] = picture{faces: []face.Observation{someone(0)}}
	for op, role := range map[schema.Operation]models.Role{schema.OpAntiSpoofing: models.RoleLiveness, schema.OpEstimateAge: models.RoleAge} {
		r := d.ask(schema.Request{Operation: op, Images: images("a")})
		if s := r.CallStatus; s.Reason != schema.ReasonRoleAbsent || !strings.Contains(s.ReturnMessage, string(role)) {
			t.Errorf("%s: %+v", op, s)
		}
	}
	for _, op := range []schema.Operation{schema.OpValidate, schema.OpEnroll} {
		r := d.ask(schema.Request{Operation: op, Images: images("a")})
		if r.CallStatus.Reason != "" || r.Faces[0].SpoofStatus != schema.SpoofNotPerformed {
			t.Errorf("%s without a liveness network: %+v, spoof_status %d", op, r.CallStatus, r.Faces[0].SpoofStatus)
		}
	}
	if p := d.asked[len(d.asked)-1]; p.Liveness != 0 {
		t.Error("the engine is asked for liveness that the pack does not have")
	}
}

// TestCropFaces: each face of each image has its own portrait, beside its image and the same for a repeat; one that cannot be
// made never fails the others.
func TestCropFaces(t *testing.T) {
	d := newDesk(t)
	second := someone(40)
	second.Confidence = 0.8
	blind := someone(80)
	blind.Confidence, blind.Unportrayed = 0.7, schema.Permanent("test", schema.ReasonFaceRejected, errors.New("the eyes coincide"))
	d.pictures["a"], d.pictures["b"] = picture{faces: []face.Observation{someone(0), second, blind}}, picture{faces: []face.Observation{someone(20)}}
	const config = `{"crop_faces":true,"face_detection_strategy":0,"portrait_format":"jpeg","portrait_preset":"crop_1x1"}`
	r := d.ask(schema.Request{Operation: schema.OpCompare, Images: images("a", "b"), Config: json.RawMessage(config)})
	if r.CallStatus.Reason != "" || len(r.Faces) != 4 {
		t.Fatalf("%+v, %d faces", r.CallStatus, len(r.Faces))
	}
	keys := map[string]bool{}
	for i, f := range r.Faces {
		if i == 2 {
			if f.Crop != nil {
				t.Errorf("a crop of a face that cannot be cropped: %+v", f.Crop)
			}
			continue
		}
		if f.Crop == nil {
			t.Fatalf("face %d has no crop", i)
		}
		image, key := []string{"a", "a", "a", "b"}[i], f.Crop.Object.Key
		if got := d.written[key]; got != "image/jpeg portrait of "+image || !strings.HasPrefix(key, image+".") || keys[key] {
			t.Errorf("face %d: %s has %q", i, key, got)
		}
		keys[key] = true
	}
	if o := d.asked[0].Portraits[0]; o.Preset != face.Crop1x1 || o.Background != nil || o.Pad == nil {
		t.Errorf("asked for %+v; want the background kept", o)
	}
	if r := d.ask(schema.Request{Operation: schema.OpFaceISO, Images: images("a"), Config: json.RawMessage(`{"crop_faces":true}`)}); r.ISOImage == nil || !r.ISOImage.Success || r.Faces[0].Crop != nil {
		t.Errorf("face_iso: %+v, %+v", r.CallStatus, r.ISOImage)
	}
	d.pictures["blind"] = picture{faces: []face.Observation{blind}}
	if r := d.ask(schema.Request{Operation: schema.OpFaceISO, Images: images("blind")}); r.CallStatus.Reason != schema.ReasonFaceRejected {
		t.Errorf("face_iso of a face that cannot be portrayed: %+v", r.CallStatus)
	}
	// An enrolment passes through the indexer, which knows nothing of crops.
	if r := d.ask(schema.Request{Operation: schema.OpEnroll, Images: images("b"), Config: json.RawMessage(config)}); r.CallStatus.Reason != "" || r.Faces[0].Crop == nil {
		t.Errorf("enroll: %+v, %+v", r.CallStatus, r.Faces)
	}
	crowd := make([]face.Observation, schema.MaxCompareFaces+1)
	for i := range crowd {
		crowd[i] = someone(float64(i))
		crowd[i].Box.TopLeft.X += float32(i)
	}
	d.pictures["crowd"] = picture{faces: crowd}
	before := len(d.written)
	if r := d.ask(schema.Request{Operation: schema.OpCompare, Images: images("crowd", "b"), Config: json.RawMessage(config)}); r.CallStatus.Reason != schema.ReasonSeveralFaces || len(d.written) != before {
		t.Errorf("too many faces: %+v, %d crops kept", r.CallStatus, len(d.written)-before)
	}
}

// TestPortraitsOfAFailedRequest: no portrait stays that no result names.
func TestPortraitsOfAFailedRequest(t *testing.T) {
	d := newDesk(t)
	d.pictures["a"] = picture{faces: []face.Observation{someone(0)}}
	d.pictures["broken"] = picture{err: schema.Permanent("test", schema.ReasonImageUnreadable, errors.New("no picture"))}
	compare := schema.Request{Operation: schema.OpCompare, Images: images("a", "broken"), Config: json.RawMessage(`{"crop_faces":true}`)}
	if r := d.ask(compare); r.CallStatus.Reason != schema.ReasonImageUnreadable || len(d.written) != 0 {
		t.Errorf("%+v, %d portraits are left", r.CallStatus, len(d.written))
	}
	// A store without the right to remove does not hold the answer back; one that fails is tried again.
	d.unremovable = schema.Permanent("test", schema.ReasonBucketNotAllowed, errors.New("no right"))
	if r := d.ask(compare); r.CallStatus.Reason != schema.ReasonImageUnreadable {
		t.Errorf("without the right to remove: %+v", r.CallStatus)
	}
	d.unremovable, d.result = schema.Transient("test", errors.New("away")), nil
	compare.ID = "r"
	job, err := json.Marshal(schema.Job{Request: compare, AcceptedAt: time.Unix(1700000000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.worker.Handle(t.Context(), events.Record{Event: events.Event{Data: job}}); schema.ClassOf(err) != schema.ClassTransient || d.result != nil {
		t.Errorf("while the store is away: %v, result %s", err, d.result)
	}
}

// TestDocument: a face on a document is a spoof where that is asked for, however live it looks, and one of several.
func TestDocument(t *testing.T) {
	d := newDesk(t)
	onDocument := someone(0)
	onDocument.Document = &face.Document{Confidence: 0.75}
	holder := someone(40)
	holder.Confidence = 0.8
	d.pictures["card"], d.pictures["held"] = picture{faces: []face.Observation{onDocument}}, picture{faces: []face.Observation{onDocument, holder}}
	for _, test := range []struct {
		op            schema.Operation
		image, config string
		reason        schema.Reason
		status        []schema.SpoofStatus
	}{
		{schema.OpAntiSpoofing, "card", `{"anti_spoofing_detect_document":true}`, "", []schema.SpoofStatus{schema.SpoofDetected}},
		{schema.OpValidate, "card", `{"anti_spoofing_detect_document":true}`, "", []schema.SpoofStatus{schema.SpoofDetected}},
		{schema.OpEnroll, "card", `{"anti_spoofing_detect_document":true}`, schema.ReasonSpoofDetected, []schema.SpoofStatus{schema.SpoofDetected}},
		{schema.OpPredict, "card", `{"anti_spoofing_detect_document":true,"anti_spoofing_threshold":0}`, schema.ReasonSpoofDetected, []schema.SpoofStatus{schema.SpoofDetected}},
		{schema.OpEnroll, "card", `{"anti_spoofing_detect_document":true,"anti_spoofing_mode":0}`, "", []schema.SpoofStatus{schema.SpoofNotPerformed}},
		{schema.OpEnroll, "card", `{}`, "", []schema.SpoofStatus{schema.SpoofNone}},
		{schema.OpValidate, "held", `{"anti_spoofing_detect_document":true,"face_detection_strategy":0}`, "", []schema.SpoofStatus{schema.SpoofDetected, schema.SpoofNone}},
	} {
		r := d.ask(schema.Request{Operation: test.op, Images: images(test.image), Config: json.RawMessage(test.config)})
		var got []schema.SpoofStatus
		for _, f := range r.Faces {
			got = append(got, f.SpoofStatus)
		}
		if r.CallStatus.Reason != test.reason || !slices.Equal(got, test.status) {
			t.Errorf("%s of %s with %s: reason %q, spoof_status %v; want %q, %v", test.op, test.image, test.config, r.CallStatus.Reason, got, test.reason, test.status)
		}
		if len(got) > 0 && got[0] == schema.SpoofDetected && !strings.Contains(r.Faces[0].Liveness.Message, "document") {
			t.Errorf("%s does not say why: %+v", test.op, r.Faces[0].Liveness)
		}
	}
}

// TestDocumentOutline: results have the outline of the document in each image, through the indexer too, where it was asked for.
func TestDocumentOutline(t *testing.T) {
	d := newDesk(t)
	outline := &document.Outline{Corners: [4]schema.PointF{{X: 10, Y: 20}, {X: 300, Y: 20}, {X: 300, Y: 200}, {X: 10, Y: 200}}, Confidence: 0.75}
	d.pictures["beside"] = picture{faces: []face.Observation{someone(0)}, document: outline}
	d.pictures["nobody"] = picture{document: outline}
	want := []schema.DocumentOutline{{Corners: outline.Corners, Confidence: 0.75}}
	for _, tt := range []struct {
		op            schema.Operation
		image, config string
		want          []schema.DocumentOutline
	}{
		{schema.OpValidate, "beside", `{"anti_spoofing_detect_document":true}`, want},
		{schema.OpValidate, "nobody", `{"anti_spoofing_detect_document":true}`, want},
		{schema.OpEnroll, "beside", `{"anti_spoofing_detect_document":true}`, want},
		{schema.OpPredict, "beside", `{"anti_spoofing_detect_document":true}`, want},
		{schema.OpValidate, "beside", `{}`, nil},
	} {
		r := d.ask(schema.Request{Operation: tt.op, Images: images(tt.image), ExternalID: "anna", Config: json.RawMessage(tt.config)})
		if diff := cmp.Diff(tt.want, r.Documents); diff != "" {
			t.Errorf("%s of %s with %s (-want +got):\n%s", tt.op, tt.image, tt.config, diff)
		}
	}
}

func TestEstimateAge(t *testing.T) {
	d := newDesk(t)
	young := someone(0)
	young.Age = &face.Age{Years: 1, Deviation: 3, Confidence: 0.5}
	young.Confidence = 0.8
	d.pictures["two"] = picture{faces: []face.Observation{someone(0), young}}
	ages := func(raw string) []float32 {
		var out []float32
		for _, f := range d.ask(schema.Request{Operation: schema.OpEstimateAge, Images: images("two"), Config: json.RawMessage(raw)}).Faces {
			out = append(out, f.Age.Estimated)
		}
		return out
	}
	for raw, want := range map[string][]float32{
		`{}`: {34}, `{"face_detection_strategy":0}`: {34, 1}, `{"face_detection_strategy":0,"use_age_stddev":true}`: {31.5, 0},
	} {
		if got := ages(raw); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
	if r := d.ask(schema.Request{Operation: schema.OpEstimateAge, Images: images("nobody")}); r.CallStatus.Reason != schema.ReasonNoFace {
		t.Errorf("%+v", r.CallStatus)
	}
}

func TestCompareSeveral(t *testing.T) {
	d := newDesk(t)
	second := someone(60)
	second.Confidence = 0.8
	d.pictures["a"] = picture{faces: []face.Observation{someone(0), second}}
	d.pictures["b"] = picture{faces: []face.Observation{someone(30)}}
	d.pictures["c"] = picture{faces: []face.Observation{someone(150)}}
	ask := func(raw string, keys ...string) schema.Result {
		return d.ask(schema.Request{Operation: schema.OpCompare, Images: images(keys...), Config: json.RawMessage(raw)})
	}
	type pair struct{ ImageA, FaceA, ImageB, FaceB int }
	check := func(name string, r schema.Result, want map[pair]float64) {
		t.Helper()
		if r.Compare == nil || len(r.Compare.Pairs) != len(want) {
			t.Fatalf("%s: %+v", name, r.Compare)
		}
		for _, p := range r.Compare.Pairs {
			angle, ok := want[pair{p.ImageA, p.FaceA, p.ImageB, p.FaceB}]
			cosine := math.Cos(angle * math.Pi / 180)
			if !ok || math.Abs(float64(p.Similarity)-cosine) > 1e-6 || p.IsMatch != (cosine >= 0.5-1e-6) {
				t.Errorf("%s: %+v", name, p)
			}
			if r.Faces[p.FaceA].Image != p.ImageA || r.Faces[p.FaceB].Image != p.ImageB {
				t.Errorf("%s: the faces of %+v are on other images", name, p)
			}
		}
	}
	r := ask(`{}`, "a", "b", "c")
	check("one face each", r, map[pair]float64{{0, 0, 1, 1}: 30, {0, 0, 2, 2}: 150, {1, 1, 2, 2}: 120})
	if c := r.Compare; !c.IsMatch || math.Abs(float64(c.Similarity)-math.Cos(math.Pi/6)) > 1e-6 || c.DistanceMin != c.DistanceMax || c.DistanceMin != c.DistanceMean {
		t.Errorf("the first two images: %+v", c)
	}
	r = ask(`{"face_detection_strategy":0}`, "c", "a", "b")
	check("every face", r, map[pair]float64{{0, 0, 1, 1}: 150, {0, 0, 1, 2}: 90, {0, 0, 2, 3}: 120, {1, 1, 2, 3}: 30, {1, 2, 2, 3}: 30})
	if c := r.Compare; c.IsMatch || math.Abs(float64(c.DistanceMax)-(1-math.Cos(150*math.Pi/180))) > 1e-6 || math.Abs(float64(c.DistanceMin)-1) > 1e-6 ||
		math.Abs(float64(c.DistanceMean)-(c64(c.DistanceMax)+c64(c.DistanceMin))/2) > 1e-6 {
		t.Errorf("the first two images: %+v", c)
	}
	r = ask(`{}`, "a", "b", "nobody")
	if r.CallStatus.Reason != schema.ReasonNoFace || !strings.Contains(r.CallStatus.ReturnMessage, "images[2]") || !r.Compare.IsMatch || !r.Compare.FaceDetectedB {
		t.Errorf("a third image without a face: %+v %+v", r.CallStatus, r.Compare)
	}
	r = ask(`{}`, "nobody", "b")
	if r.CallStatus.Reason != schema.ReasonNoFace || r.Compare != nil || len(r.Faces) != 1 || !strings.Contains(r.CallStatus.ReturnMessage, "images[0]") {
		t.Errorf("nothing to compare with: %+v %+v", r.CallStatus, r.Compare)
	}
	r = ask(`{}`, "nobody", "nobody")
	if r.CallStatus.Reason != schema.ReasonNoFace || r.Compare != nil || r.Faces == nil {
		t.Errorf("no face at all: %+v %+v", r.CallStatus, r.Compare)
	}
	r = ask(`{}`, "nobody", "b", "c")
	check("a first image without a face", r, map[pair]float64{{1, 0, 2, 1}: 120})
	if c := r.Compare; c.FaceDetectedA || !c.FaceDetectedB || c.IsMatch || c.Confidence != 0 || c.Similarity != -1 || c.DistanceMin != 2 || c.DistanceMean != 2 || c.DistanceMax != 2 {
		t.Errorf("a first image without a face: %+v", c)
	}
	var crowd picture
	for i := range schema.MaxCompareFaces {
		f := someone(float64(i))
		f.Points[0].X += float32(i)
		crowd.faces = append(crowd.faces, f)
	}
	d.pictures["crowd"] = crowd
	if r := ask(`{"face_detection_strategy":0}`, "crowd", "a", "b"); r.CallStatus.Reason != schema.ReasonSeveralFaces {
		t.Errorf("too many faces: %+v", r.CallStatus)
	}
	for _, n := range []int{1, 9} {
		if r := ask(`{}`, slices.Repeat([]string{"a"}, n)...); r.CallStatus.Reason != schema.ReasonInvalidRequest || !strings.Contains(r.CallStatus.ReturnMessage, "2 to 8") {
			t.Errorf("%d images: %+v", n, r.CallStatus)
		}
	}
}

func c64(x float32) float64 { return float64(x) }

func TestVerify(t *testing.T) {
	d := newDesk(t)
	for key, angle := range map[string]float64{"anna 1": 0, "anna 2": 40, "bert": 130, "anna again": 45, "stranger": 200} {
		d.pictures[key] = picture{faces: []face.Observation{someone(angle)}}
	}
	d.pictures["two"] = picture{faces: []face.Observation{someone(0), someone(90)}}
	d.pictures["side"] = with(func(f *face.Observation) { f.Pose.Yaw = 80 })
	enroll := func(external schema.ExternalID, key string) *schema.EnrollResponse {
		return d.ask(schema.Request{Operation: schema.OpEnroll, Images: images(key), ExternalID: external}).Enroll.Response
	}
	enroll("anna", "anna 1")
	anna := enroll("anna", "anna 2")
	enroll("bert", "bert")
	verify := func(r schema.Request, key string) schema.Result {
		r.Operation, r.Images = schema.OpVerify, images(key)
		return d.ask(r)
	}
	for name, r := range map[string]schema.Result{
		"external id": verify(schema.Request{ExternalID: "anna"}, "anna again"),
		"puid":        verify(schema.Request{PUID: anna.PUID}, "anna again"),
	} {
		v := r.Verify
		if r.CallStatus.Reason != "" || v == nil || !v.VerifyPerformed || !v.IsMatch || v.GUID != anna.GUID || v.PUID != anna.PUID || r.Faces[0].IDs == nil ||
			math.Abs(float64(v.Similarity)-math.Cos(5*math.Pi/180)) > 1e-6 || v.Confidence != 1 {
			t.Errorf("by %s: %+v, similarity %v", name, r.CallStatus, v.Similarity)
		}
	}
	if r := verify(schema.Request{ExternalID: "bert"}, "anna again"); r.Verify == nil || r.Verify.IsMatch || !r.Verify.VerifyPerformed || r.CallStatus.Reason != schema.ReasonNoMatch {
		t.Errorf("another person: %+v", r.CallStatus)
	}
	if r := verify(schema.Request{ExternalID: "anna"}, "stranger"); r.CallStatus.Reason != schema.ReasonNoMatch || r.Verify.IsMatch || r.Faces[0].IDs != nil {
		t.Errorf("a stranger: %+v", r.CallStatus)
	}
	for _, tt := range []struct {
		r    schema.Request
		key  string
		want schema.Reason
	}{
		{schema.Request{ExternalID: "carl"}, "anna again", schema.ReasonUnknownPUID},
		{schema.Request{ExternalID: "anna", Collection: "elsewhere"}, "anna again", schema.ReasonUnknownCollection},
		{schema.Request{}, "anna again", schema.ReasonInvalidRequest},
		{schema.Request{ExternalID: "anna"}, "nobody", schema.ReasonNoFace},
		{schema.Request{ExternalID: "anna", Config: json.RawMessage(`{"face_detection_strategy":0}`)}, "two", schema.ReasonSeveralFaces},
		{schema.Request{ExternalID: "anna"}, "side", ""}, // no trait fails it
	} {
		if r := verify(tt.r, tt.key); r.CallStatus.Reason != tt.want {
			t.Errorf("%s: %+v, want %q", tt.key, r.CallStatus, tt.want)
		}
	}
}

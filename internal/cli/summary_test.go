package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"

	"facestream/pkg/schema"
)

//go:generate go test . -count=1 -run ^TestSummaries$ -update

var update = flag.Bool("update", false, "write testdata/summaries.txt instead of comparing it")

// outcome is a result that somebody reads.
type outcome struct {
	name   string
	result schema.Result
}

const goldens = "../../pkg/schema/testdata/golden/v1"

func golden(t *testing.T, file string) schema.Result {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r schema.Result
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return r
}

// outcomes are some results of the wire format's goldens, and some that these do not have.
func outcomes(t *testing.T) []outcome {
	t.Helper()
	var out []outcome
	for _, name := range []string{
		"anti_spoofing", "anti_spoofing_challenge", "anti_spoofing_challenge_failed", "challenge", "compare", "compare_no_face", "compare_several", "enroll", "enroll_face_rejected", "enroll_no_face", "enroll_several_faces",
		"enroll_underexposed", "estimate_age", "expired", "face_iso", "predict_match", "predict_no_match", "predict_spoof",
		"rejected_image_unreadable", "rejected_invalid_configuration", "rejected_unknown_operation", "user_delete",
		"user_delete_unknown_puid", "validate", "validate_quality", "validate_traits", "verify", "verify_no_match",
		"voice_compare", "voice_compare_no_speech", "voice_compare_too_little_speech",
		"voice_enroll", "voice_enroll_too_little_speech", "voice_predict", "voice_predict_no_match", "voice_verify", "voice_verify_no_match",
	} {
		out = append(out, outcome{name, golden(t, filepath.Join(goldens, "result_"+name+".json"))})
	}
	add := func(name string, op schema.Operation, images int, reason schema.Reason, message string, fill func(*schema.Result)) {
		job := &schema.Job{Request: schema.Request{ID: "req-1", Operation: op, Images: make([]schema.ObjectRef, images)}}
		if op.NeedsCollection() {
			job.Collection = "staff"
		}
		r := schema.NewResult(job, reason, message)
		if fill != nil {
			fill(r)
		}
		out = append(out, outcome{name, *r})
	}
	p := func(x float32) *float32 { return &x }
	live := func(score float32) schema.FaceResult {
		f := schema.FaceResult{Liveness: &schema.Liveness{Score: p(score), Threshold: p(0.9)}}
		if score < 0.9 {
			f.SpoofStatus = schema.SpoofDetected
		}
		return f
	}
	unknown := schema.FaceResult{SpoofStatus: schema.SpoofInvalidFace, Liveness: &schema.Liveness{Message: "the face is too small"}}
	faces := func(all ...schema.FaceResult) func(*schema.Result) { return func(r *schema.Result) { r.Faces = all } }
	crowd := make([]schema.FaceResult, 30)
	for i := range crowd {
		crowd[i].SpoofStatus = schema.SpoofNotPerformed
	}
	add("validate, live", schema.OpValidate, 1, "", "", faces(live(0.97)))
	add("validate, a spoof is reported, not refused", schema.OpValidate, 1, "", "", faces(live(0.1)))
	add("validate, scores that two digits do not tell apart", schema.OpValidate, 1, "", "", faces(live(0.8999)))
	add("validate, a crowd", schema.OpValidate, 1, "", "", faces(crowd...))
	add("anti_spoofing, live", schema.OpAntiSpoofing, 1, "", "", faces(live(0.97)))
	add("anti_spoofing, not assessable", schema.OpAntiSpoofing, 1, "", "", faces(unknown))
	add("anti_spoofing, the worst face decides", schema.OpAntiSpoofing, 1, "", "", faces(live(0.97), unknown, live(0.2), live(0.95)))
	add("compare, different people", schema.OpCompare, 2, "", "", func(r *schema.Result) {
		r.Compare = &schema.CompareResult{FaceDetectedA: true, FaceDetectedB: true, Similarity: 0.1, FaceThresholds: []float32{0.3, 0.4, 0.5}}
	})
	add("predict, nobody is similar enough", schema.OpPredict, 1, schema.ReasonNoMatch, "nobody in the collection is similar enough", func(r *schema.Result) {
		r.Predict = &schema.PredictData{PredictPerformed: true, Response: &schema.PredictResponse{Status: 1, List: []schema.Candidate{{PUID: "p-1", ExternalID: "bob", Score: 0.41, Level: 2}}, FaceThresholds: []float32{0.3, 0.4, 0.5}}}
	})
	add("predict, nobody is similar", schema.OpPredict, 1, schema.ReasonNoMatch, "nobody in the collection is similar enough", func(r *schema.Result) {
		r.Predict = &schema.PredictData{PredictPerformed: true, Response: &schema.PredictResponse{Status: 1, FaceThresholds: []float32{0.3, 0.4, 0.5}}}
	})
	add("predict, many candidates", schema.OpPredict, 1, "", "", func(r *schema.Result) {
		r.Predict = &schema.PredictData{PredictPerformed: true, Response: &schema.PredictResponse{PUID: "p-0", Score: 0.9, FaceThresholds: []float32{0.3, 0.4, 0.5}}}
		for i := range 20 {
			r.Predict.Response.List = append(r.Predict.Response.List, schema.Candidate{PUID: schema.PUID(fmt.Sprint("p-", i)), Score: 0.9 - float32(i)/100, Level: 3})
		}
	})
	add("face_iso, no portrait and no reason", schema.OpFaceISO, 1, "", "", func(r *schema.Result) { r.ISOImage = &schema.ISOImageResult{} })
	add("estimate_age, several faces", schema.OpEstimateAge, 1, "", "", faces(schema.FaceResult{SpoofStatus: schema.SpoofNotPerformed, Age: &schema.AgeData{Confidence: 0.8, Estimated: 34.4}},
		schema.FaceResult{SpoofStatus: schema.SpoofNotPerformed, Age: &schema.AgeData{Confidence: 0.7, Estimated: 50.6}}))
	add("validate, turned, on an identity document, with a portrait", schema.OpValidate, 1, "", "", faces(schema.FaceResult{
		Geometry: schema.FaceGeometry{Turned: 90, Confidence: 0.9}, SpoofStatus: schema.SpoofDetected, Liveness: &schema.Liveness{Message: "the face is on an identity document (confidence 0.91)"},
		Crop: &schema.OutputImage{Object: schema.ObjectRef{Bucket: "images", Key: "a.jpg.portrait.png"}}}))
	add("validate, a damaged file", schema.OpValidate, 1, "", "", func(r *schema.Result) {
		r.DamagedImages = []schema.DamagedImage{{Message: "the end of the JPEG is missing"}}
	})
	add("an unknown reason of a newer version", schema.OpEnroll, 1, "moon_phase", "", nil)
	add("an unknown operation of a newer version", "wave", 0, "", "", nil)
	return out
}

// TestSummaries compares what a person reads of each outcome, and the exit code that a script gets, with testdata/summaries.txt.
func TestSummaries(t *testing.T) {
	var b strings.Builder
	for _, o := range outcomes(t) {
		s := summarize(&o.result)
		code := 0
		var coded *exitError
		if err := s.verdict.exit(); errors.As(err, &coded) {
			code = coded.code
		}
		fmt.Fprintf(&b, "=== %s: exit %d\n", o.name, code)
		if err := s.print(screen{Writer: &b}); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join("testdata", "summaries.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("`go generate ./internal/cli` writes the file anew; -want +got:\n%s", diff)
	}
}

// TestEveryResultHasASummary: whatever the wire format can say, a person reads what happened, and a script never takes a
// refusal for success.
func TestEveryResultHasASummary(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(goldens, "result_*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d golden results: %v", len(files), err)
	}
	for _, file := range files {
		r := golden(t, file)
		s := summarize(&r)
		if reason := r.CallStatus.Reason; s.line == "" || (s.verdict == positive) && reason != "" || (s.verdict == notDone) != (reason != "" && reason != schema.ReasonNoMatch && reason != schema.ReasonChallengeFailed) {
			t.Errorf("%s with the reason %q: %+v", filepath.Base(file), reason, s)
		}
	}
}

// TestSummaryOnATerminal: colours and line breaks are for terminals, and NO_COLOR is obeyed by screenOf.
func TestSummaryOnATerminal(t *testing.T) {
	s := summary{verdict: notDone, line: "not enrolled: the face is too dark", details: []detail{{"to do", "Turn on a light or face the window: your face is too dark."}}}
	var b bytes.Buffer
	if err := s.print(screen{Writer: &b, width: 40, colour: true}); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[1;31mnot enrolled: the face is too dark\x1b[0m\n" +
		"  \x1b[2mto do      \x1b[0mTurn on a light or face the\n" +
		"             window: your face is too\n" +
		"             dark.\n"
	if diff := gocmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	if s := screenOf(&b); s.colour || s.width != 0 {
		t.Errorf("a buffer is taken for a terminal: %+v", s)
	}
}

// TestSummaryWithoutControlCharacters: names that others chose do not reach the terminal as commands.
func TestSummaryWithoutControlCharacters(t *testing.T) {
	const hostile = "\x1b[2Jname\u009b\r\n"
	job := &schema.Job{Request: schema.Request{ID: hostile, Operation: hostile, Collection: hostile, ExternalID: hostile, Tag: hostile}}
	r := schema.NewResult(job, schema.ReasonUnknownOperation, hostile)
	var b bytes.Buffer
	s := summarize(r)
	if err := s.print(screen{Writer: &b}); err != nil {
		t.Fatal(err)
	}
	s.printLine(screen{Writer: &b}, time.Now(), r)
	if got := strings.ReplaceAll(b.String(), "\n", ""); strings.ContainsFunc(got, unicode.IsControl) || !strings.Contains(got, "name") {
		t.Errorf("%q", b.String())
	}
}

// TestProgressInAFile: no bars, no rates, and no line for each step of the way.
func TestProgressInAFile(t *testing.T) {
	var b bytes.Buffer
	p := newProgress(&b, megabytes)
	for done := range int64(1000) {
		p.show("a.onnx", done*1e5, 1e8)
	}
	p.every = 0
	p.show("a.onnx", 5e7, 1e8)
	p.every = time.Hour
	p.show("a.onnx", 1e8, 1e8)
	p.show("b.onnx", 5e5, 1e6)
	p.finish()
	p.finish()
	want := "a.onnx: 50.0 MB of 100.0 MB\na.onnx: 100.0 MB of 100.0 MB\nb.onnx: 0.5 MB of 1.0 MB\n"
	if diff := gocmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

// TestWatchLine is one result in one line.
func TestWatchLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.Local)
	r := schema.NewResult(&schema.Job{Request: schema.Request{ID: "req-1", Operation: schema.OpAntiSpoofing}}, schema.ReasonNoFace, "no face was found")
	var b bytes.Buffer
	summarize(r).printLine(screen{Writer: &b}, at, r)
	if want := "03:04:05.006  anti_spoofing  liveness not checked: no face was found  req-1\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

package worker_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

var hearing = []schema.ModelRun{{Role: "voice_activity", ID: "v@1"}, {Role: "voice", ID: "w@1"}}

// newHearingDesk is a desk whose pack hears, and takes two voices for one from a cosine of 0.5 on: up to an angle of 60 degrees. In a
// search somebody is a candidate up to 75.5 degrees, and identified up to 41.4.
func newHearingDesk(t *testing.T) *desk {
	d := newDesk(t)
	d.pack.Models, d.pack.Voices = slices.Concat(everyRole, hearing), schema.Thresholds{Min: 0.25, Med: 0.5, Max: 0.75}
	d.pictures["ann"] = spoken(8*time.Second, 0)
	d.pictures["ann again"] = spoken(9*time.Second, 50)
	d.pictures["bob"] = spoken(8*time.Second, 70)
	d.pictures["brief"] = spoken(2999*time.Millisecond, 0)
	d.pictures["silent"] = spoken(0, 0)
	d.pictures["picture"] = picture{err: schema.Permanent("test", schema.ReasonAudioUnreadable, errors.New("it is a picture"))}
	d.pictures["lecture"] = picture{err: schema.Permanent("test", schema.ReasonAudioTooLong, errors.New("it takes two hours"))}
	return d
}

// spoken is a recording of 10 s without pauses to measure, with that much speech. The embedding of the speaker is at angle degrees.
func spoken(speech time.Duration, angle float64) picture {
	h := &engine.Heard{Heard: &voice.Heard{
		Recording: voice.Recording{Samples: make([]float32, 10*voice.Rate), Container: voice.FLAC, Rate: 8000, Channels: 2, Clipped: 0.25},
		Speech:    speech, Level: -20, SNR: math.NaN(), Alike: math.NaN(), Timings: map[string]time.Duration{"activity": time.Millisecond},
	}, Models: hearing[:1]}
	switch {
	case speech == 0:
		h.Level = math.Inf(-1)
	case speech >= voice.MinSpeech:
		h.Embedding, h.Models = someone(angle).Embedding, hearing
	}
	return picture{heard: h}
}

func (d *desk) compareVoices(recordings ...string) schema.Result {
	d.t.Helper()
	return d.ask(schema.Request{Operation: schema.OpVoiceCompare, Images: images(recordings...)})
}

// TestVoiceCompare: two recordings are of one voice if the cosine reaches the threshold of the pack. Where somebody says too little the
// request succeeds all the same, and a recording that cannot be read fails it.
func TestVoiceCompare(t *testing.T) {
	d := newHearingDesk(t)
	for _, c := range []struct {
		a, b    string
		reason  schema.Reason
		message string
		score   float64 // with an empty reason
	}{
		{"ann", "ann again", "", "", math.Cos(50 * math.Pi / 180)},
		{"ann", "bob", "", "", math.Cos(70 * math.Pi / 180)},
		{"ann", "ann", "", "", 1},
		{"ann", "silent", schema.ReasonNoSpeech, "nobody speaks in images[1]", 0},
		{"brief", "ann", schema.ReasonTooLittleSpeech, "images[0] has 2.9 s of speech; 3 s are needed", 0},
		{"silent", "brief", schema.ReasonNoSpeech, "nobody speaks in images[0], images[1] has 2.9 s of speech; 3 s are needed", 0},
		{"brief", "silent", schema.ReasonNoSpeech, "images[0] has 2.9 s of speech; 3 s are needed, nobody speaks in images[1]", 0},
		{"ann", "picture", schema.ReasonAudioUnreadable, "images[1]: it is a picture", 0},
		{"lecture", "ann", schema.ReasonAudioTooLong, "images[0]: it takes two hours", 0},
	} {
		r := d.compareVoices(c.a, c.b)
		what := c.a + " and " + c.b
		if s := r.CallStatus; s.Reason != c.reason || c.reason != "" && s.ReturnMessage != c.message {
			t.Errorf("%s: %+v, want %q, %q", what, s, c.reason, c.message)
		}
		if v := r.Voices; (v != nil) != (c.reason.Code() == schema.CodeNoError) || v != nil && (v.Score != nil) != (c.reason == "") {
			t.Errorf("%s: %+v", what, v)
		} else if c.reason == "" && (math.Abs(float64(*v.Score)-c.score) > 1e-6 || *v.Threshold != 0.5 || v.IsMatch != (c.score >= 0.5)) {
			t.Errorf("%s: score %v at the threshold %v, a match: %v; want a score of %v", what, *v.Score, *v.Threshold, v.IsMatch, c.score)
		}
	}
	if len(d.asked) > 0 {
		t.Errorf("the recordings were taken for pictures: %+v", d.asked)
	}
}

// TestVoiceRecordings: a result carries what was measured of each recording, and the networks that ran.
func TestVoiceRecordings(t *testing.T) {
	d := newHearingDesk(t)
	r := d.compareVoices("silent", "ann")
	level := float32(-20)
	recording := schema.VoiceRecording{Container: "flac", SampleRate: 8000, Channels: 2, Seconds: 10, Clipped: 0.25, Problems: []schema.VoiceProblem{schema.VoiceClipped}}
	want := []schema.VoiceRecording{recording, recording}
	want[1].Image, want[1].Speech, want[1].Level = 1, 8, &level
	if diff := cmp.Diff(want, r.Voices.Recordings); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(hearing, r.Models); diff != "" || r.Timings["activity"] != 2 || r.Faces != nil {
		t.Errorf("models: %s\ntimings: %v, faces: %v", diff, r.Timings, r.Faces)
	}
}

// TestVoicesOfPacks: the first pack compares, and says by name which role it lacks.
func TestVoicesOfPacks(t *testing.T) {
	d := newHearingDesk(t)
	other := d.pack
	other.Name, other.Voices = "second", schema.Thresholds{Min: 0.8, Med: 0.9, Max: 0.95}
	d.others = []worker.Pack{{Engine: second{d}, Verdict: other}}
	if r := d.compareVoices("ann", "ann again"); r.Voices == nil || *r.Voices.Threshold != 0.9 || r.Voices.IsMatch {
		t.Errorf("%+v, %+v", r.CallStatus, r.Voices)
	}
	for i, role := range []string{"voice_activity", "voice"} {
		d.others[0].Verdict.Models = slices.Concat(everyRole, hearing[:i], hearing[i+1:])
		r := d.compareVoices("ann", "ann again")
		if s := r.CallStatus; s.Reason != schema.ReasonRoleAbsent || !strings.Contains(s.ReturnMessage, `"second" has no `+role+" network") {
			t.Errorf("without %s: %+v", role, s)
		}
	}
}

// TestSeveralVoices: a recording in which people take turns is nobody's voice, except in noise, where nobody can tell, and with a pack
// that has no threshold for it.
func TestSeveralVoices(t *testing.T) {
	d := newHearingDesk(t)
	for name, of := range map[string]struct{ alike, snr float64 }{"turns": {0.3, 30}, "without pauses": {0.3, math.NaN()}, "noise": {0.3, 10}, "one": {0.6, 30}} {
		p := spoken(8*time.Second, 0)
		p.heard.Alike, p.heard.SNR = of.alike, of.snr
		d.pictures[name] = p
	}
	for _, threshold := range []float32{0.45, 0} {
		d.pack.SeveralVoices = threshold
		for name, several := range map[string]bool{"turns": true, "without pauses": true, "noise": false, "one": false} {
			want := schema.Reason("")
			if several && threshold > 0 {
				want = schema.ReasonSeveralVoices
			}
			if r := d.compareVoices("ann", name); r.CallStatus.Reason != want || (r.Voices.Score == nil) != (want != "") {
				t.Errorf("%s, at %v: %+v, %+v", name, threshold, r.CallStatus, r.Voices)
			}
			if r := d.voices(schema.OpVoiceEnroll, "ann", name); r.CallStatus.Reason != want || r.Enroll.EnrollPerformed != (want == "") {
				t.Errorf("%s enrolled, at %v: %+v", name, threshold, r.CallStatus)
			}
		}
	}
	d.pack.SeveralVoices = 0.45
	if s := d.compareVoices("turns", "brief").CallStatus; s.Reason != schema.ReasonTooLittleSpeech || s.ReturnMessage != "several people speak in images[0], one after the other, images[1] has 2.9 s of speech; 3 s are needed" {
		t.Errorf("%+v", s)
	}
}

// voices asks for an operation on a recording in the collection callers. name is the external id.
func (d *desk) voices(op schema.Operation, name schema.ExternalID, recording string) schema.Result {
	d.t.Helper()
	return d.ask(schema.Request{Operation: op, Collection: "callers", ExternalID: name, Images: images(recording)})
}

// TestVoiceGallery: a voice is enrolled, found, verified and erased like a face, under the pack's thresholds of voices.
func TestVoiceGallery(t *testing.T) {
	d := newHearingDesk(t)
	d.pictures["ann alike"] = spoken(8*time.Second, 30)
	d.pictures["stranger"] = spoken(8*time.Second, 180)
	if r := d.voices(schema.OpVoicePredict, "", "ann"); r.CallStatus.Reason != schema.ReasonUnknownCollection {
		t.Errorf("before anybody is enrolled: %+v", r.CallStatus)
	}
	enrolled := map[schema.ExternalID]*schema.EnrollResponse{}
	for name, recording := range map[schema.ExternalID]string{"ann": "ann", "bob": "bob"} {
		r := d.voices(schema.OpVoiceEnroll, name, recording)
		if r.Enroll == nil || !r.Enroll.EnrollPerformed || len(r.Recordings) != 1 || r.Recordings[0].Speech != 8 || r.Faces != nil {
			t.Fatalf("%s: %+v, %+v, %+v", name, r.CallStatus, r.Enroll, r.Recordings)
		}
		enrolled[name] = r.Enroll.Response
	}
	page, err := d.gallery.List(t.Context(), "callers", "", 9)
	if err != nil || len(page.Rows) != 2 {
		t.Fatalf("%d rows, %v", len(page.Rows), err)
	}
	for _, row := range page.Rows {
		if s := row.Source; s == nil || !s.Recording || s.Box != (schema.BoxF{}) || s.Image.Key == "" {
			t.Errorf("the row of a recording comes from %+v", s)
		}
	}

	for _, c := range []struct {
		recording string
		person    schema.ExternalID // who is identified
		listed    int
	}{{"ann", "ann", 1}, {"ann alike", "ann", 1}, {"ann again", "bob", 1}, {"stranger", "", 0}} {
		r := d.voices(schema.OpVoicePredict, "", c.recording)
		if r.Predict == nil || len(r.Predict.Response.List) != c.listed || (r.CallStatus.Reason == "") != (c.person != "") {
			t.Fatalf("%s: %+v, %+v", c.recording, r.CallStatus, r.Predict)
		}
		if p := r.Predict.Response; c.person != "" && p.GUID != enrolled[c.person].GUID || !slices.Equal(p.VoiceThresholds, []float32{0.25, 0.5, 0.75}) || p.FaceThresholds != nil {
			t.Errorf("%s: %+v", c.recording, p)
		}
	}
	for recording, match := range map[string]bool{"ann": true, "ann again": true, "bob": false} {
		r := d.voices(schema.OpVoiceVerify, "ann", recording)
		if v := r.Verify; v == nil || v.IsMatch != match || v.PUID != enrolled["ann"].PUID || len(v.VoiceThresholds) != 3 || v.FaceThresholds != nil {
			t.Errorf("is %s ann: %+v, %+v", recording, r.CallStatus, v)
		} else if !match && r.CallStatus.ReturnMessage != "the voice is not similar enough to that of the person" {
			t.Errorf("is %s ann: %+v", recording, r.CallStatus)
		}
	}
	for recording, reason := range map[string]schema.Reason{
		"silent": schema.ReasonNoSpeech, "brief": schema.ReasonTooLittleSpeech, "picture": schema.ReasonAudioUnreadable, "lecture": schema.ReasonAudioTooLong,
	} {
		for _, op := range []schema.Operation{schema.OpVoiceEnroll, schema.OpVoicePredict, schema.OpVoiceVerify} {
			r := d.voices(op, "ann", recording)
			heard := reason.Code() == schema.CodeNoError
			if r.CallStatus.Reason != reason || heard != (len(r.Recordings) == 1) || r.Enroll != nil && r.Enroll.EnrollPerformed || r.Verify != nil {
				t.Errorf("%s of a recording that is %s: %+v, %+v", op, recording, r.CallStatus, r.Recordings)
			}
		}
	}

	if r := d.ask(schema.Request{Operation: schema.OpUserDelete, Collection: "callers", ExternalID: "ann"}); r.UserDelete == nil || r.UserDelete.Count != 1 {
		t.Errorf("user_delete: %+v", r.CallStatus)
	}
	if r := d.voices(schema.OpVoiceVerify, "ann", "ann"); r.CallStatus.Reason != schema.ReasonUnknownPUID {
		t.Errorf("after the deletion: %+v", r.CallStatus)
	}
}

// TestVoicesMeetNoFaces: a collection of voices takes no face, and one of faces no voice.
func TestVoicesMeetNoFaces(t *testing.T) {
	d := newHearingDesk(t)
	d.pictures["ann"].heard.Embedding.Model = "w@1"
	d.pictures["portrait"] = picture{faces: []face.Observation{someone(0)}}
	ask := func(op schema.Operation, c schema.Collection, file string) schema.Reason {
		return d.ask(schema.Request{Operation: op, Collection: c, ExternalID: "ann", Images: images(file)}).CallStatus.Reason
	}
	for _, op := range []schema.Operation{schema.OpEnroll, schema.OpVoiceEnroll} {
		if reason := ask(op, schema.Collection(op), map[schema.Operation]string{schema.OpEnroll: "portrait", schema.OpVoiceEnroll: "ann"}[op]); reason != "" {
			t.Fatalf("%s: %s", op, reason)
		}
	}
	for _, op := range []schema.Operation{schema.OpVoiceEnroll, schema.OpVoicePredict, schema.OpVoiceVerify} {
		if reason := ask(op, "enroll", "ann"); reason != schema.ReasonModelMismatch {
			t.Errorf("%s among faces: %q", op, reason)
		}
	}
	for _, op := range []schema.Operation{schema.OpEnroll, schema.OpPredict, schema.OpVerify} {
		if reason := ask(op, "voice_enroll", "portrait"); reason != schema.ReasonModelMismatch {
			t.Errorf("%s among voices: %q", op, reason)
		}
	}
}

// TestVoicesOfSeveralPacks: a pack that hears nothing leaves the collection's voices to those that do; of these, that one counts whose
// model the collection has.
func TestVoicesOfSeveralPacks(t *testing.T) {
	d := newHearingDesk(t)
	deaf := d.pack
	deaf.Name, deaf.Models = "deaf", everyRole
	d.others = []worker.Pack{{Engine: second{d}, Verdict: deaf}}
	if r := d.voices(schema.OpVoiceEnroll, "ann", "ann"); r.Enroll == nil || !r.Enroll.EnrollPerformed {
		t.Fatalf("behind a pack that hears nothing: %+v", r.CallStatus)
	}
	d.others[0].Verdict.Models = d.pack.Models // it hears now, under another model
	d.others[0].Verdict.Voices = schema.Thresholds{Min: 0.8, Med: 0.9, Max: 0.95}
	if r := d.voices(schema.OpVoicePredict, "", "ann"); r.CallStatus.Reason != "" || r.Predict.Response.VoiceThresholds[0] != 0.25 {
		t.Errorf("in a collection of the second pack: %+v, %+v", r.CallStatus, r.Predict)
	}
	r := d.ask(schema.Request{Operation: schema.OpVoiceEnroll, Collection: "new", Images: images("ann")})
	if r.Enroll == nil || !r.Enroll.EnrollPerformed {
		t.Errorf("a new collection: %+v", r.CallStatus)
	}
	if r := d.ask(schema.Request{Operation: schema.OpVoicePredict, Collection: "new", Images: images("ann")}); r.CallStatus.Reason != "" || r.Predict.Response.VoiceThresholds[0] != 0.8 {
		t.Errorf("a new collection has the model of the first pack that hears: %+v, %+v", r.CallStatus, r.Predict)
	}
}

// crammed is a store whose objects are all larger than the operator allows.
type crammed struct{ *desk }

func (crammed) Get(_ context.Context, ref schema.ObjectRef, most int64) ([]byte, schema.ObjectRef, error) {
	return nil, ref, schema.Permanent("crammed.get", schema.ReasonImageTooLarge, errors.New("it has 9 bytes, the limit is 8"))
}

// TestLargeRecording: the operator's limit of bytes holds for recordings, which are no images to whoever reads the answer.
func TestLargeRecording(t *testing.T) {
	d := newHearingDesk(t)
	d.worker.Objects = crammed{d}
	if s := d.compareVoices("ann", "bob").CallStatus; s.Reason != schema.ReasonAudioTooLong || s.ReturnMessage != "images[0]: it has 9 bytes, the limit is 8" {
		t.Errorf("%+v", s)
	}
}

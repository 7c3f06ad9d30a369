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
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

var hearing = []schema.ModelRun{{Role: "voice_activity", ID: "v@1"}, {Role: "voice", ID: "w@1"}}

// newHearingDesk is a desk whose pack hears, and takes two voices for one from a cosine of 0.5 on.
func newHearingDesk(t *testing.T) *desk {
	d := newDesk(t)
	d.pack.Models, d.pack.Voice = slices.Concat(everyRole, hearing), 0.5
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
		Speech:    speech, Level: -20, SNR: math.NaN(), Timings: map[string]time.Duration{"activity": time.Millisecond},
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
	recording := schema.VoiceRecording{Container: "flac", SampleRate: 8000, Channels: 2, Seconds: 10, Clipped: 0.25}
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
	other.Name, other.Voice = "second", 0.9
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

package allinone_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// silence is a WAV file of one channel with 16 bits.
func silence(seconds int) []byte {
	const rate = 16000
	le, size := binary.LittleEndian, uint32(2*rate*seconds)
	file := le.AppendUint32([]byte("RIFF"), 36+size)
	file = append(file, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	file = le.AppendUint32(le.AppendUint32(file, rate), 2*rate)
	file = le.AppendUint32(append(file, "\x02\x00\x10\x00data"...), size)
	return append(file, make([]byte, size)...)
}

// speakers returns what reads a recording, enroll or test, of one of at least two speakers. Without recordings it skips t.
func speakers(t *testing.T, s *stream) (read func(speaker int, name string) []byte) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(photographs(s), "voice", "*"))
	if err != nil || len(all) < 2 {
		t.Skipf("SKIPPED: silence alone was heard: there are no recordings of two speakers in %s: %v", photographs(s), err)
	}
	return func(speaker int, name string) []byte {
		t.Helper()
		file, err := os.ReadFile(filepath.Join(all[speaker], name+".wav"))
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
}

// TestVoiceCompare: the voice of a person is told from others, silence is no speech, and what is no recording is refused.
func TestVoiceCompare(t *testing.T) {
	s := useStream(t)
	compare := func(a, b []byte) schema.Result {
		t.Helper()
		r := schema.Request{Operation: schema.OpVoiceCompare}
		for i, file := range [][]byte{a, b} {
			r.Images = append(r.Images, s.put(t, unique("voice")+"/"+[]string{"a", "b"}[i]+".wav", file, nil))
		}
		return s.send(t, r)
	}
	quiet := compare(silence(4), silence(5))
	if !s.has(t, models.RoleVoice) {
		if c := quiet.CallStatus; c.Reason != schema.ReasonRoleAbsent || !strings.Contains(c.ReturnMessage, "voice") {
			t.Errorf("without the role: %+v", c)
		}
		return
	}
	if v := quiet.Voices; quiet.CallStatus.Reason != schema.ReasonNoSpeech || v == nil || v.Score != nil || len(v.Recordings) != 2 || v.Recordings[1].Seconds != 5 {
		t.Errorf("silence: %+v, %+v", quiet.CallStatus, v)
	}
	if r := compare(silence(4), portrait(t, 0, 0)); r.CallStatus.Reason != schema.ReasonAudioUnreadable || !strings.Contains(r.CallStatus.ReturnMessage, "images[1]") {
		t.Errorf("a picture: %+v", r.CallStatus)
	}

	speaks := speakers(t, s)
	for a := range 2 {
		for b := range 2 {
			r := compare(speaks(a, "enroll"), speaks(b, "test"))
			if v := r.Voices; r.CallStatus.Reason != "" || v.IsMatch != (a == b) || len(r.Models) != 2 {
				t.Errorf("speakers %d and %d: %+v, %+v", a, b, r.CallStatus, v)
			}
		}
	}
}

// TestVoiceUploads: recordings are enrolled and searched for by uploads, like images, and a person who was deleted is found no more.
func TestVoiceUploads(t *testing.T) {
	s := useStream(t)
	callers := schema.Collection(unique("callers"))
	upload := func(op schema.Operation, person string, file []byte) schema.Result {
		t.Helper()
		return s.outcome(t, schema.ObjectRequestID(s.put(t, string(op)+"/"+string(callers)+"/"+person+"/"+unique("call")+".wav", file, nil)))
	}
	quiet := upload(schema.OpVoiceEnroll, "ann", silence(4))
	if !s.has(t, models.RoleVoice) {
		if c := quiet.CallStatus; c.Reason != schema.ReasonRoleAbsent || !strings.Contains(c.ReturnMessage, "voice") {
			t.Errorf("without the role: %+v", c)
		}
		return
	}
	if quiet.CallStatus.Reason != schema.ReasonNoSpeech || quiet.Enroll == nil || quiet.Enroll.EnrollPerformed || len(quiet.Recordings) != 1 {
		t.Errorf("silence: %+v, %+v", quiet.CallStatus, quiet.Enroll)
	}
	if r := upload(schema.OpVoiceEnroll, "ann", silence(2*60*60)); r.CallStatus.Reason != schema.ReasonAudioTooLong {
		t.Errorf("two hours: %+v", r.CallStatus)
	}

	speaks := speakers(t, s)
	names := []string{"ann", "bob"}
	puids := make([]schema.PUID, 2)
	for i, name := range names {
		r := upload(schema.OpVoiceEnroll, name, speaks(i, "enroll"))
		if r.Enroll == nil || !r.Enroll.EnrollPerformed || r.ExternalID != schema.ExternalID(name) || len(r.Models) != 2 {
			t.Fatalf("%s: %+v, %+v", name, r.CallStatus, r.Models)
		}
		puids[i] = r.Enroll.Response.PUID
	}
	for i, name := range names {
		if r := upload(schema.OpVoicePredict, name, speaks(i, "test")); r.Predict == nil || r.Predict.Response.PUID != puids[i] || len(r.Predict.Response.VoiceThresholds) != 3 {
			t.Errorf("who is %s: %+v, %+v", name, r.CallStatus, r.Predict)
		}
		for j, other := range names {
			if r := upload(schema.OpVoiceVerify, name, speaks(j, "test")); r.Verify == nil || r.Verify.IsMatch != (i == j) {
				t.Errorf("is it %s who speaks as %s: %+v, %+v", name, other, r.CallStatus, r.Verify)
			}
		}
	}
	if r := s.send(t, schema.Request{Operation: schema.OpPredict, Collection: callers, Images: []schema.ObjectRef{s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 0), nil)}}); r.CallStatus.Reason != schema.ReasonModelMismatch {
		t.Errorf("a face among voices: %+v", r.CallStatus)
	}
	if r := s.send(t, schema.Request{Operation: schema.OpUserDelete, Collection: callers, ExternalID: "ann"}); r.UserDelete == nil || r.UserDelete.Count != 1 {
		t.Errorf("user_delete: %+v", r.CallStatus)
	}
	if r := upload(schema.OpVoicePredict, "ann", speaks(0, "test")); r.CallStatus.Reason != schema.ReasonNoMatch {
		t.Errorf("a person who was deleted: %+v", r.CallStatus)
	}
	if r := upload(schema.OpVoiceVerify, "ann", speaks(0, "test")); r.CallStatus.Reason != schema.ReasonUnknownPUID {
		t.Errorf("a person who was deleted: %+v", r.CallStatus)
	}
}

// TestVoiceProblems: a bad recording is compared all the same, and the result says what is bad of it.
func TestVoiceProblems(t *testing.T) {
	s := useStream(t)
	if !s.has(t, models.RoleVoice) {
		return // TestVoiceCompare
	}
	speaks := speakers(t, s)
	good, dice := speaks(0, "test"), rand.New(rand.NewPCG(14, 3))
	header := bytes.Index(good, []byte("data")) + 8
	if header < 44 || good[20] != 3 || good[34] != 32 {
		t.Fatal("the recording is no WAV file of floats")
	}
	become := func(change func(v float64) float64) []byte {
		file := bytes.Clone(good)
		for at := header; at+4 <= len(file); at += 4 {
			v := change(float64(math.Float32frombits(binary.LittleEndian.Uint32(file[at:]))))
			binary.LittleEndian.PutUint32(file[at:], math.Float32bits(float32(min(max(v, -1), 1))))
		}
		return file
	}
	first := s.put(t, unique("voice")+"/a.wav", speaks(0, "enroll"), nil)
	for name, c := range map[string]struct {
		recording []byte
		want      []schema.VoiceProblem
	}{
		"good":    {good, nil},
		"clipped": {become(func(v float64) float64 { return 100 * v }), []schema.VoiceProblem{schema.VoiceClipped}},
		"quiet":   {become(func(v float64) float64 { return v / 10 }), []schema.VoiceProblem{schema.VoiceQuiet}},
		"noisy":   {become(func(v float64) float64 { return v + 0.004*dice.NormFloat64() }), []schema.VoiceProblem{schema.VoiceNoisy}},
	} {
		r := s.send(t, schema.Request{Operation: schema.OpVoiceCompare, Images: []schema.ObjectRef{first, s.put(t, unique("voice")+"/b.wav", c.recording, nil)}})
		if r.Voices == nil || r.Voices.Score == nil || len(r.Voices.Recordings) != 2 {
			t.Errorf("%s: %+v", name, r.CallStatus)
			continue
		}
		if got := r.Voices.Recordings; !slices.Equal(got[1].Problems, c.want) || got[0].Problems != nil {
			t.Errorf("%s: %q, want %q: %+v", name, got[1].Problems, c.want, got[1])
		}
	}
}

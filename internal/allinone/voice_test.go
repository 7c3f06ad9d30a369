package allinone_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
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

	speakers, err := filepath.Glob(filepath.Join(photographs(s), "voice", "*"))
	if err != nil || len(speakers) < 2 {
		t.Skipf("SKIPPED: silence alone was heard: there are no recordings of two speakers in %s: %v", photographs(s), err)
	}
	read := func(speaker int, name string) []byte {
		t.Helper()
		file, err := os.ReadFile(filepath.Join(speakers[speaker], name+".wav"))
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	for a := range speakers[:2] {
		for b := range speakers[:2] {
			r := compare(read(a, "enroll"), read(b, "test"))
			if v := r.Voices; r.CallStatus.Reason != "" || v.IsMatch != (a == b) || len(r.Models) != 2 {
				t.Errorf("speakers %d and %d: %+v, %+v", a, b, r.CallStatus, v)
			}
		}
	}
}

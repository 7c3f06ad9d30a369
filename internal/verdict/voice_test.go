package verdict

import (
	"math"
	"slices"
	"testing"

	"facestream/pkg/engine"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

// TestVoiceProblems looks on both sides of each operating point, and where nothing can be measured.
func TestVoiceProblems(t *testing.T) {
	for _, c := range []struct {
		clipped    float32
		level, snr float64
		want       []schema.VoiceProblem
	}{
		{0, -40, 30, nil},
		{0.0099, -60, 10, nil},
		{0.01, -40, 30, []schema.VoiceProblem{schema.VoiceClipped}},
		{0, -60.1, 30, []schema.VoiceProblem{schema.VoiceQuiet}},
		{0, -40, 9.9, []schema.VoiceProblem{schema.VoiceNoisy}},
		{1, -80, -20, []schema.VoiceProblem{schema.VoiceClipped, schema.VoiceQuiet, schema.VoiceNoisy}},
		{0, math.Inf(-1), math.NaN(), nil}, // no speech
	} {
		h := &engine.Heard{Heard: &voice.Heard{Recording: voice.Recording{Clipped: c.clipped}, Level: c.level, SNR: c.snr}}
		if got := VoiceOf(h, 0).Problems; !slices.Equal(got, c.want) {
			t.Errorf("%v clipped, %v dB, %v dB louder than the pauses: %q, want %q", c.clipped, c.level, c.snr, got, c.want)
		}
	}
}

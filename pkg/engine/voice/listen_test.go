package voice

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// loudness takes a frame for speech if it is loud, and its embedding is the mean of the bins, filled up with 1.
type loudness struct{ outputs []string }

func (l loudness) Outputs() []string { return l.outputs }

func (l loudness) Run(_ context.Context, rows []onnx.Tensor) []onnx.RowResult {
	results := make([]onnx.RowResult, len(rows))
	for i, row := range rows {
		answer := slices.Repeat([]float32{1}, Dimension)
		if width := int(row.Shape[1]); width == activityContext+activityFrame {
			answer = make([]float32, row.Shape[0])
			for j := range answer {
				if rms(row.Data[j*width:][:width]) > 0.05 {
					answer[j] = 1
				}
			}
		}
		results[i].Value = []onnx.Tensor{{Shape: []int64{int64(len(answer))}, Data: answer}}
	}
	return results
}

func listener(t *testing.T) *Listener {
	t.Helper()
	net := loudness{[]string{"answer"}}
	a, err := NewActivity(net, models.Model{Role: models.RoleActivity, Name: "a", Architecture: Silero})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSpeaker(net, models.Model{Role: models.RoleVoice, Name: "s", Architecture: CAMPlusPlus, SHA256: "0123456789"})
	if err != nil {
		t.Fatal(err)
	}
	return &Listener{Activity: a, Speaker: s}
}

func TestDriversRefuse(t *testing.T) {
	one, two := loudness{[]string{"a"}}, loudness{[]string{"a", "b"}}
	for _, c := range []struct {
		name string
		err  func() error
	}{
		{"another architecture", func() error { _, err := NewSpeaker(one, models.Model{Architecture: Silero}); return err }},
		{"two outputs", func() error { _, err := NewSpeaker(two, models.Model{Architecture: CAMPlusPlus}); return err }},
		{"activity of another architecture", func() error { _, err := NewActivity(one, models.Model{Architecture: "yunet"}); return err }},
	} {
		if err := c.err(); schema.ClassOf(err) != schema.ClassFatal {
			t.Errorf("%s: %v, want a fatal error", c.name, err)
		}
	}
}

// TestListen listens to tones between pauses with noise: how much is speech, how loud it is, and what its ratio to the noise is.
func TestListen(t *testing.T) {
	noise := func(n int, level float64) []float32 {
		out := tone(3000, Rate, n)
		for i := range out {
			out[i] *= float32(level / 0.5)
		}
		return out
	}
	second := func(n float64) int { return int(n * Rate) }
	long := slices.Concat(noise(second(1), 0.005), tone(440, Rate, second(4)), noise(second(1), 0.005))
	for _, c := range []struct {
		name      string
		samples   []float32
		speech    time.Duration
		level     float64
		snr       float64
		embedding bool
	}{
		{"four seconds between pauses", long, 4 * time.Second, -9, 40, true},
		{"one second is too little", long[second(4):], time.Second, -9, 40, false},
		{"no pauses", long[second(1):second(5)], 4 * time.Second, -9, math.NaN(), true},
		{"nobody", long[:second(1)], 0, math.Inf(-1), math.NaN(), false},
		{"digital silence", make([]float32, second(2)), 0, math.Inf(-1), math.NaN(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := listener(t).Listen(t.Context(), wav16(Rate, c.samples))
			if err != nil {
				t.Fatal(err)
			}
			if off := h.Speech - c.speech; off.Abs() > 150*time.Millisecond {
				t.Errorf("%v of speech, want %v", h.Speech, c.speech)
			}
			near := func(got, want float64) bool {
				return got == want || math.IsNaN(got) && math.IsNaN(want) || math.Abs(got-want) < 1
			}
			if !near(h.Level, c.level) || !near(h.SNR, c.snr) {
				t.Errorf("level %.1f dB, signal to noise %.1f dB; want %v and %v", h.Level, h.SNR, c.level, c.snr)
			}
			if (h.Embedding != nil) != c.embedding {
				t.Errorf("embedding %v", h.Embedding)
			}
			if h.Embedding != nil && (h.Embedding.Model != "s@01234567" || math.Abs(float64(h.Embedding.Vector[0])-1/math.Sqrt(Dimension)) > 1e-6) {
				t.Errorf("embedding %v", h.Embedding)
			}
		})
	}
}

func TestSpans(t *testing.T) {
	// One frame takes 32 ms. What is likely is written by digits of tenths.
	for frames, want := range map[string][]Span{
		"0000000000000000":      nil,
		"0009999999999000":      {{3*512 - 480, 13*512 + 480}},
		"0009900000000000":      nil,                                          // 64 ms are too short
		"9999999999900000":      {{0, 11*512 + 480}},                          // from the beginning
		"0000099999999999":      {{5*512 - 480, 16 * 512}},                    // to the end
		"0004444444444444":      nil,                                          // unsure sound does not begin speech
		"0009444444444444":      {{3*512 - 480, 16 * 512}},                    // but goes on with it
		"9999999900099999":      {{0, 16 * 512}},                              // 96 ms are no pause
		"999999990000099999999": {{0, 8*512 + 480}, {13*512 - 480, 21 * 512}}, // 160 ms are
	} {
		likely := make([]float32, len(frames))
		for i, c := range frames {
			likely[i] = float32(c-'0') / 10
		}
		if got := spans(likely, len(frames)*activityFrame); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", frames, got, want)
		}
	}
}

// TestSpeechIsBounded leaves out what is said after half a minute, whose embedding would cost more than it tells.
func TestSpeechIsBounded(t *testing.T) {
	all := make([]float32, 100*Rate)
	for i := range all {
		all[i] = float32(i)
	}
	got := speech(all, []Span{{Rate, 3 * Rate}, {50 * Rate, 90 * Rate}}, mostSpeech)
	if len(got) != 30*Rate || got[0] != Rate || got[2*Rate] != 50*Rate {
		t.Errorf("%d samples: %v, %v", len(got), got[0], got[2*Rate])
	}
}

func TestFramesOverlap(t *testing.T) {
	seen := &watcher{}
	a := &Activity{network{seen, models.Model{}}}
	samples := make([]float32, 2*activityFrame+100)
	for i := range samples {
		samples[i] = float32(i + 1)
	}
	if _, err := a.Find(t.Context(), samples); err != nil {
		t.Fatal(err)
	}
	const width = activityContext + activityFrame
	for frame, want := range [][2]float32{{0, 1}, {activityFrame - activityContext + 1, activityFrame + 1}, {2*activityFrame - activityContext + 1, 2*activityFrame + 1}} {
		row := seen.row.Data[frame*width:]
		if row[0] != want[0] || row[activityContext] != want[1] {
			t.Errorf("frame %d begins with %v, and what is new in it with %v; want %v", frame, row[0], row[activityContext], want)
		}
	}
	if end := seen.row.Data[3*width-1]; end != 0 {
		t.Errorf("the last frame ends with %v", end)
	}
}

// watcher keeps what it is asked about and hears nothing.
type watcher struct{ row onnx.Tensor }

func (w *watcher) Outputs() []string { return []string{"speech"} }

func (w *watcher) Run(_ context.Context, rows []onnx.Tensor) []onnx.RowResult {
	w.row = rows[0]
	return []onnx.RowResult{{Value: []onnx.Tensor{{Data: make([]float32, rows[0].Shape[0])}}}}
}

package voice

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"
)

// chirp is the signal of tools/reference/voice.py: a second of a rising tone that fades, over noise.
func chirp() []float32 {
	out, state := make([]float32, Rate), uint32(1)
	for i := range out {
		state = state*1664525 + 1013904223
		at := float64(i) / Rate
		out[i] = float32(0.4*math.Exp(-2*at)*math.Sin(2*math.Pi*(100*at+1950*at*at)) + 0.01*(float64(state)/(1<<31)-1))
	}
	return out
}

// TestFbank compares with what Kaldi's own code computes (tools/reference/voice.py).
func TestFbank(t *testing.T) {
	content, err := os.ReadFile("testdata/fbank.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Frames int
		Rows   map[string][]float32
	}
	if err := json.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	got := Fbank(chirp())
	if len(got) != want.Frames*Bins || want.Frames != Frames(Rate) || len(want.Rows) < 4 {
		t.Fatalf("%d values; the reference has %d frames", len(got), want.Frames)
	}
	for frame, row := range want.Rows {
		i, _ := strconv.Atoi(frame)
		for bin, v := range row {
			if off := math.Abs(float64(got[i*Bins+bin] - v)); off > 1e-3 {
				t.Errorf("frame %d, bin %d: %v, Kaldi has %v", i, bin, got[i*Bins+bin], v)
			}
		}
	}
}

func TestFbankOfLittle(t *testing.T) {
	for samples, frames := range map[int]int{0: 0, 399: 0, 400: 1, 559: 1, 560: 2} {
		if got := Fbank(make([]float32, samples)); len(got) != frames*Bins {
			t.Errorf("%d samples have %d values, want %d frames", samples, len(got), frames)
		}
	}
}

func BenchmarkFbank(b *testing.B) {
	in := tone(440, Rate, 10*Rate)
	for b.Loop() {
		Fbank(in)
	}
}

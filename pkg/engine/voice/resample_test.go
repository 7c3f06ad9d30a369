package voice

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func tone(hertz, rate float64, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(0.5 * math.Sin(2*math.Pi*hertz*float64(i)/rate))
	}
	return out
}

// rms is the root of the mean square.
func rms(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)))
}

// TestResample resamples tones. Below the lower Nyquist frequency each must come out as the tone itself, sampled at the new rate; above it
// nothing may come out.
func TestResample(t *testing.T) {
	for _, from := range []int{8000, 11025, 12000, 15999, 22050, 24000, 32000, 44100, 48000} {
		nyquist := float64(min(from, Rate)) / 2
		for _, share := range []float64{0.01, 0.2, 0.5, 0.85, 1.02, 1.5, 2.5} {
			hertz := share * nyquist
			if hertz >= float64(from)/2 {
				continue
			}
			t.Run(fmt.Sprintf("%d Hz at %.0f Hz", from, hertz), func(t *testing.T) {
				out := resample(tone(hertz, float64(from), from), from, Rate)
				if len(out) != Rate {
					t.Fatalf("a second has %d samples", len(out))
				}
				want := tone(hertz, Rate, Rate)
				if share > 1 {
					clear(want)
				}
				off := make([]float32, Rate)
				for i := range off {
					off[i] = out[i] - want[i]
				}
				inner := off[500 : Rate-500] // the signal is cut off at its ends
				if db := 20 * math.Log10(rms(inner)/rms(tone(1000, Rate, Rate))); db > -60 {
					t.Errorf("off by %.1f dB; want less than -60 dB", db)
				}
			})
		}
	}
}

func TestResampleKeepsConstants(t *testing.T) {
	in := make([]float32, 4410)
	for i := range in {
		in[i] = 0.25
	}
	for i, v := range resample(in, 44100, Rate)[100:1500] {
		if math.Abs(float64(v)-0.25) > 1e-5 {
			t.Fatalf("sample %d of a constant 0.25 is %v", i+100, v)
		}
	}
}

func BenchmarkResample(b *testing.B) {
	for _, from := range []int{8000, 44100, 48000} {
		in := tone(440, float64(from), 10*from)
		b.Run(fmt.Sprint(from), func(b *testing.B) {
			for b.Loop() {
				resample(in, from, Rate)
			}
		})
	}
}

// TestResampleOvershoot feeds what overshoots most: at each place full scale with the sign of its weight.
func TestResampleOvershoot(t *testing.T) {
	for _, from := range []int{8000, 11025, 44100, 48000} {
		sums := make([]float64, Rate)
		for at := range 200 {
			in := make([]float32, 200)
			in[at] = 1
			for i, v := range resample(in, from, Rate) {
				sums[i] += math.Abs(float64(v))
			}
		}
		if most := slices.Max(sums); most < 2 || most > 3 {
			t.Errorf("%d Hz overshoots %.3f times", from, most)
		}
	}
}

package engine

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"facestream/packs"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

// sound is a WAV file of one channel with 16 bits: so many seconds of what at says of each of them, -1..1.
func sound(seconds float64, at func(t float64) float64) []byte {
	return soundAt(voice.Rate, seconds, at)
}

// soundAt is sound with so many samples a second.
func soundAt(rate int, seconds float64, at func(t float64) float64) []byte {
	n := int(seconds * float64(rate))
	le := binary.LittleEndian
	file := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"), le.AppendUint32(le.AppendUint32(nil, uint32(rate)), uint32(2*rate))...)
	file = append(file, "\x02\x00\x10\x00data"...)
	file = le.AppendUint32(file, uint32(2*n))
	for i := range n {
		v := min(max(at(float64(i)/float64(rate)), -1), 1)
		file = le.AppendUint16(file, uint16(int16(math.Round(v*32767))))
	}
	return file
}

// Recordings in which nobody speaks have no speech, whatever else is heard.
func TestHearNobody(t *testing.T) {
	e := openEngine(t)
	random := rand.New(rand.NewPCG(1, 2))
	sine := func(hertz, t float64) float64 { return math.Sin(2 * math.Pi * hertz * t) }
	brown := 0.0
	for name, at := range map[string]func(float64) float64{
		"silence":         func(float64) float64 { return 0 },
		"white noise":     func(float64) float64 { return 0.2 * random.NormFloat64() },
		"quiet noise":     func(float64) float64 { return 0.001 * random.NormFloat64() },
		"rumble":          func(float64) float64 { brown = 0.999*brown + 0.02*random.NormFloat64(); return 0.3 * brown },
		"hum of 50 Hz":    func(t float64) float64 { return 0.3*sine(50, t) + 0.1*sine(150, t) },
		"European ringer": func(t float64) float64 { return ifelse(math.Mod(t, 5) < 1, 0.4*sine(425, t), 0) },
		"American ringer": func(t float64) float64 { return ifelse(math.Mod(t, 6) < 2, 0.2*sine(440, t)+0.2*sine(480, t), 0) },
		// Chords of three plucked strings with five overtones, one every half a second.
		"music": func(t float64) float64 {
			beat, since := math.Modf(2 * t)
			sum := 0.0
			for _, note := range []float64{0, 4, 7} {
				for overtone := 1.0; overtone < 6; overtone++ {
					base := 220 * math.Exp2((note+float64(int(beat)%4)*2)/12)
					sum += sine(base*overtone, t) / overtone
				}
			}
			return 0.15 * sum * math.Exp(-3*since)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := e.Hear(t.Context(), sound(10, at))
			if err != nil {
				t.Fatal(err)
			}
			if h.Speech >= voice.MinSpeech || h.Embedding != nil {
				t.Errorf("%v of speech", h.Speech)
			}
			if len(h.Models) != 1 || h.Models[0].Role != string(models.RoleActivity) {
				t.Errorf("these networks ran: %v", h.Models)
			}
		})
	}
}

func ifelse(yes bool, a, b float64) float64 {
	if yes {
		return a
	}
	return b
}

// Two recordings reach the threshold of the pack if, and only if, the same person speaks in them.
func TestHearSpeakers(t *testing.T) {
	e := openEngine(t)
	files, err := filepath.Glob(filepath.Join(dataDir(t), "voice", "*", "*.wav"))
	if err != nil || len(files) < 4 {
		t.Skipf("SKIPPED: no voices were compared: %d recordings in %s, %v", len(files), dataDir(t), err)
	}
	heard := make([]*Heard, len(files))
	for i, file := range files {
		if heard[i], err = e.Hear(t.Context(), read(t, file)); err != nil {
			t.Fatal(err)
		}
		if h := heard[i]; h.Embedding == nil || h.Speech > h.Duration() || len(h.Models) != 2 {
			t.Fatalf("%s: %v of speech in %v; %v ran", file, h.Speech, h.Duration(), h.Models)
		}
	}
	threshold, ok := e.pack.Threshold(models.RoleVoice, voice.ThresholdMatch)
	if !ok {
		t.Fatal("the pack has no threshold for voices")
	}
	for i, a := range heard {
		for j, b := range heard[:i] {
			same := filepath.Dir(files[i]) == filepath.Dir(files[j])
			if score := schema.Cosine(a.Embedding.Vector, b.Embedding.Vector); (score >= threshold.Value) != same {
				t.Errorf("%s and %s: %.3f", files[i], files[j], score)
			}
		}
	}
}

// TestHearTurns: people who take turns in a recording are noticed, whether or not their turns begin where its parts do, and nobody is
// noticed beside one speaker.
func TestHearTurns(t *testing.T) {
	e := openEngine(t)
	files, err := filepath.Glob(filepath.Join(dataDir(t), "voice", "*", "*.wav"))
	if err != nil || len(files) < 4 {
		t.Skipf("SKIPPED: no voices were compared: %d recordings in %s, %v", len(files), dataDir(t), err)
	}
	threshold, ok := e.pack.Threshold(models.RoleVoice, voice.ThresholdSeveral)
	if !ok {
		t.Fatal("the pack has no threshold for several voices")
	}
	heard := make([]*Heard, len(files))
	for i, file := range files {
		if heard[i], err = e.Hear(t.Context(), read(t, file)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: parts alike %.2f, signal to noise %.0f dB", filepath.Base(filepath.Dir(file)), heard[i].Alike, heard[i].SNR)
		if heard[i].Alike < float64(threshold.Value) {
			t.Errorf("%s: two voices, %.2f", file, heard[i].Alike)
		}
	}
	pairs, noticed := 0, 0
	for i, a := range heard {
		for j, b := range heard[:i] {
			if filepath.Dir(files[i]) == filepath.Dir(files[j]) {
				continue
			}
			var turns []float32
			for at, n := 0, 5*voice.Rate; at+n <= min(len(a.Samples), len(b.Samples)); at += n {
				turns = slices.Concat(turns, a.Samples[at:at+n], b.Samples[at:at+n])
			}
			h, err := e.Hear(t.Context(), sound(float64(len(turns))/voice.Rate, func(s float64) float64 { return float64(turns[min(int(math.Round(s*voice.Rate)), len(turns)-1)]) }))
			if err != nil {
				t.Fatal(err)
			}
			if pairs++; h.Alike < float64(threshold.Value) {
				noticed++
			}
		}
	}
	t.Logf("%d of %d recordings with turns of 5 s are noticed", noticed, pairs)
	if noticed < pairs*9/10 {
		t.Errorf("only %d of %d recordings with turns are noticed", noticed, pairs)
	}
}

// TestHearBadRecordings: of a moment of speech nobody is told, a telephone leaves the voice nearer to its speaker than to others, and a
// recording that was cut off says so.
func TestHearBadRecordings(t *testing.T) {
	e := openEngine(t)
	files, err := filepath.Glob(filepath.Join(dataDir(t), "voice", "*", "enroll.wav"))
	if err != nil || len(files) < 2 {
		t.Skipf("SKIPPED: no bad recordings were heard: %d recordings in %s, %v", len(files), dataDir(t), err)
	}
	good := make([]*Heard, len(files))
	for i, file := range files {
		if good[i], err = e.Hear(t.Context(), read(t, file)); err != nil {
			t.Fatal(err)
		}
	}
	// of hears what recording i becomes at that many samples a second, for so long.
	of := func(i, rate int, seconds float64, become func(samples []float32, at int) float64) *Heard {
		t.Helper()
		samples := good[i].Samples
		h, err := e.Hear(t.Context(), soundAt(rate, seconds, func(s float64) float64 { return become(samples, min(int(math.Round(s*voice.Rate)), len(samples)-1)) }))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	loud := slices.Index(good[0].Samples, slices.Max(good[0].Samples))
	if h := of(0, voice.Rate, 0.2, func(samples []float32, at int) float64 { return float64(samples[min(loud+at, len(samples)-1)]) }); h.Embedding != nil || h.Speech >= voice.MinSpeech {
		t.Errorf("0.2 s: %v of speech", h.Speech)
	}
	for i, own := range good {
		seconds := own.Duration().Seconds()
		call := of(i, 8000, seconds, telephone)
		if call.Rate != 8000 || call.Embedding == nil {
			t.Fatalf("%s by telephone: %d samples a second, %v of speech", files[i], call.Rate, call.Speech)
		}
		for j, other := range good {
			if near, far := schema.Cosine(call.Embedding.Vector, own.Embedding.Vector), schema.Cosine(call.Embedding.Vector, other.Embedding.Vector); i != j && near <= far {
				t.Errorf("%s by telephone is as near to %s (%.2f) as to itself (%.2f)", files[i], files[j], far, near)
			}
		}
		gain := 8 / float64(slices.Max(own.Samples))
		if h := of(i, voice.Rate, seconds, func(samples []float32, at int) float64 { return gain * float64(samples[at]) }); h.Clipped < 0.01 || h.Clipped <= own.Clipped {
			t.Errorf("%s eight times too loud: %.4f of it is cut off, and %.4f before", files[i], h.Clipped, own.Clipped)
		}
	}
}

// telephone is a moment of a recording as a telephone passes it on: without what is above 3.4 kHz (a sinc of 65 samples, Hann's window).
func telephone(samples []float32, at int) (sum float64) {
	const half, cut = 32, 2 * 3400.0 / voice.Rate
	for k := -half; k <= half; k++ {
		if at+k < 0 || at+k >= len(samples) {
			continue
		}
		weight := cut
		if x := math.Pi * cut * float64(k); k != 0 {
			weight = cut * math.Sin(x) / x
		}
		sum += float64(samples[at+k]) * weight * (0.5 + 0.5*math.Cos(math.Pi*float64(k)/(half+1)))
	}
	return sum
}

func TestHearRefuses(t *testing.T) {
	pack, err := models.Locate(packs.Starter)
	if err != nil {
		t.Fatal(err)
	}
	starter, err := Open(t.Context(), Options{Pack: pack, Library: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer starter.Close()
	if _, err := starter.Hear(t.Context(), sound(1, math.Sin)); schema.ReasonOf(err) != schema.ReasonRoleAbsent {
		t.Errorf("a pack without the role: %v", err)
	}
	video := append([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x2a\x80theora\x03\x02\x01"), make([]byte, 32)...)
	for name, file := range map[string][]byte{"no recording": []byte("no recording"), "a video of Ogg": video, "a video": []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom")} {
		if _, err := openEngine(t).Hear(t.Context(), file); schema.ReasonOf(err) != schema.ReasonAudioUnreadable {
			t.Errorf("%s: %v", name, err)
		}
	}
	small, err := Open(t.Context(), Options{Pack: openPack(t), Library: library(t), Memory: 100e6})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if _, err := small.Hear(t.Context(), sound(1, math.Sin)); schema.ReasonOf(err) != schema.ReasonAudioTooLong {
		t.Errorf("too little memory: %v", err)
	}
}

// BenchmarkHear listens to 14 seconds.
func BenchmarkHear(b *testing.B) {
	e := openEngine(b)
	file := read(b, dataDir(b), "voice", "225M4062", "test.wav")
	for b.Loop() {
		if _, err := e.Hear(b.Context(), file); err != nil {
			b.Fatal(err)
		}
	}
}

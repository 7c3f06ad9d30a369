package voice

import (
	"context"
	"math"
	"slices"
	"time"

	"facestream/pkg/schema"
)

// The names of thresholds in manifests of the role voice, cosines, -1..1. From ThresholdMatch on two voices are taken for one. In a search
// whoever reaches ThresholdCandidate is a candidate, and whoever reaches ThresholdIdentify is identified, which needs more, because
// everybody in the collection is another chance of a false match.
const (
	ThresholdCandidate = "candidate"
	ThresholdMatch     = "match"
	ThresholdIdentify  = "identify"
)

// ThresholdSeveral names the cosine below which two parts of a recording are taken for two voices, in manifests of the role voice. It
// is not required: without it, nobody looks for a second voice.
const ThresholdSeveral = "several_voices"

// MinSpeech is how much speech an embedding is made of, at least. What follows after mostSpeech is left out, because it would cost
// more than it tells.
const (
	MinSpeech  = 3 * time.Second
	mostSpeech = 30 * time.Second
)

// Listener makes embeddings of whole files. It is safe for concurrent use.
type Listener struct {
	Activity *Activity
	Speaker  *Speaker
	Limits   Limits // zero fields take their values from [DefaultLimits]
}

// Heard is what a recording holds.
type Heard struct {
	Recording
	// Speech is how long somebody speaks.
	Speech time.Duration
	// Level is the mean power of the speech in dB of full scale, at most 0; -Inf without speech.
	Level float64
	// SNR estimates by how many dB the speech is louder than the noise in the pauses, -20 to 96; NaN without speech or pauses.
	SNR float64
	// Alike is the lowest cosine of two parts of the speech, of MinSpeech each; NaN with less than two of them. People who take turns
	// lower it, and so does noise. Voices that speak at the same time do not tell.
	Alike float64
	// Embedding is that of the speaker; nil if there is less than MinSpeech.
	Embedding *schema.Embedding
	// Timings has the duration of "decode", "activity" and, with an embedding, "embed" and "turns".
	Timings map[string]time.Duration
}

// Listen decodes a recording, finds the speech in it, and makes the embedding of its speaker. The errors are those of [Decode] and of
// the networks.
func (l *Listener) Listen(ctx context.Context, data []byte) (*Heard, error) {
	h, clock := &Heard{Timings: map[string]time.Duration{}, Alike: math.NaN()}, time.Now()
	done := func(step string) {
		now := time.Now()
		h.Timings[step], clock = now.Sub(clock), now
	}
	recording, err := Decode(ctx, data, l.Limits)
	if err != nil {
		return nil, err
	}
	h.Recording = *recording
	done("decode")
	spans, err := l.Activity.Find(ctx, h.Samples)
	if err != nil {
		return nil, err
	}
	for _, s := range spans {
		h.Speech += seconds(s.End - s.Begin)
	}
	h.Level, h.SNR = measure(h.Samples, spans)
	done("activity")
	if h.Speech < MinSpeech {
		return h, nil
	}
	said := speech(h.Samples, spans, mostSpeech)
	embedding, err := l.Speaker.Embed(ctx, said)
	if err != nil {
		return nil, err
	}
	h.Embedding = &embedding
	done("embed")
	if h.Alike, err = l.alike(ctx, said); err != nil {
		return nil, err
	}
	done("turns")
	return h, nil
}

// alike is the lowest cosine of two parts of what was said, NaN with less than two.
func (l *Listener) alike(ctx context.Context, said []float32) (float64, error) {
	const part = int(MinSpeech/time.Second) * Rate
	if len(said) < 2*part {
		return math.NaN(), nil
	}
	lowest := float32(1)
	var parts []schema.Embedding
	for at := 0; at+part <= len(said); at += part {
		e, err := l.Speaker.Embed(ctx, said[at:at+part])
		if err != nil {
			return 0, err
		}
		for _, other := range parts {
			lowest = min(lowest, schema.Cosine(e.Vector, other.Vector))
		}
		parts = append(parts, e)
	}
	return float64(lowest), nil
}

// quietNoise, in dB of full scale, is the least noise that is believed: the steps of 16 bits.
const quietNoise = -96

// leastPause is how many samples of pauses tell how loud the noise is, in frames whose power is that of the noise in half of them: a
// breath, a click or the end of a word is none.
const (
	leastPause = Rate / 4
	pauseFrame = Rate / 50
)

// measure returns the level of the speech and its ratio to the noise in the pauses, in dB.
func measure(samples []float32, spans []Span) (level, snr float64) {
	var loud float64    // sum of squares
	var quiet []float64 // powers of frames
	var spoken, at int
	for _, s := range slices.Concat(spans, []Span{{len(samples), len(samples)}}) {
		for ; at+pauseFrame <= s.Begin; at += pauseFrame {
			quiet = append(quiet, energy(samples[at:at+pauseFrame])/pauseFrame)
		}
		loud += energy(samples[s.Begin:s.End])
		spoken, at = spoken+s.End-s.Begin, s.End
	}
	if spoken == 0 {
		return math.Inf(-1), math.NaN()
	}
	power := loud / float64(spoken)
	level = 10 * math.Log10(power)
	if len(quiet)*pauseFrame < leastPause {
		return level, math.NaN()
	}
	slices.Sort(quiet)
	noise := max(quiet[len(quiet)/2], math.Pow(10, quietNoise/10.))
	return level, 10 * math.Log10(max(power-noise, power/100)/noise) // noise as loud as the speech leaves an unsure rest
}

func energy(samples []float32) (sum float64) {
	for _, v := range samples {
		sum += float64(v) * float64(v)
	}
	return sum
}

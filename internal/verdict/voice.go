package verdict

import (
	"fmt"
	"math"
	"strings"

	"facestream/pkg/engine"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

// Voice is a recording as it stands in the result, and the embedding of its speaker: nil with too little speech.
type Voice struct {
	schema.VoiceRecording
	Embedding *schema.Embedding
	Alike     float64 // voice.Heard.Alike
}

// VoiceOf is what the recording of that index among the images holds.
func VoiceOf(h *engine.Heard, image int) Voice {
	measured := func(decibels float64) *float32 {
		if v := float32(decibels); finite(v) {
			return &v
		}
		return nil
	}
	v := Voice{schema.VoiceRecording{
		Image: image, Container: string(h.Container), SampleRate: h.Rate, Channels: h.Channels,
		Seconds: float32(h.Duration().Seconds()), Speech: float32(h.Speech.Seconds()),
		Level: measured(h.Level), Clipped: h.Clipped, SNR: measured(h.SNR),
	}, h.Embedding, h.Alike}
	if v.Clipped >= clippedShare {
		v.Problems = append(v.Problems, schema.VoiceClipped)
	}
	if v.Level != nil && *v.Level < quietLevel {
		v.Problems = append(v.Problems, schema.VoiceQuiet)
	}
	if v.SNR != nil && *v.SNR < noisySNR {
		v.Problems = append(v.Problems, schema.VoiceNoisy)
	}
	return v
}

// The operating points of the problems of a recording, whose effects docs/accuracy.md measures. No request sets them.
const (
	clippedShare = 0.01
	quietLevel   = -60 // dB of full scale
	noisySNR     = 10  // dB
)

// voice answers an operation that needs one voice, where the recording has none. nil means that the indexer must answer.
func (c *Case) voice(f Found) *schema.Result {
	if reason, message := c.unheard(f.Voices); reason != "" {
		return c.result(f, reason, message)
	}
	return nil
}

// comparedVoices answers a comparison of two recordings.
func (c *Case) comparedVoices(f Found) *schema.Result {
	reason, message := c.unheard(f.Voices)
	r := c.result(f, reason, message)
	r.Voices = &schema.VoiceComparison{}
	for _, v := range f.Voices {
		r.Voices.Recordings = append(r.Voices.Recordings, v.VoiceRecording)
	}
	if reason == "" {
		score, threshold := schema.Cosine(f.Voices[0].Embedding.Vector, f.Voices[1].Embedding.Vector), c.pack.Voices.Med
		r.Voices.Score, r.Voices.Threshold, r.Voices.IsMatch = &score, &threshold, score >= threshold
	}
	return r
}

// plainSNR is the ratio of speech to noise in dB below which nobody can tell whether two parts of a recording differ by their speakers.
const plainSNR = 20

// several reports whether two people take turns in v.
func (c *Case) several(v Voice) bool {
	noisy := v.SNR != nil && *v.SNR < plainSNR
	return !noisy && v.Alike < float64(c.pack.SeveralVoices) // not with NaN
}

// unheard says why voices cannot be compared. It returns no reason if they can.
func (c *Case) unheard(voices []Voice) (schema.Reason, string) {
	var reason schema.Reason
	var problems []string
	for _, v := range voices {
		switch {
		case v.Embedding != nil && c.several(v):
			if reason == "" {
				reason = schema.ReasonSeveralVoices
			}
			problems = append(problems, fmt.Sprintf("several people speak in images[%d], one after the other", v.Image))
		case v.Embedding != nil:
		case v.Speech == 0:
			reason = schema.ReasonNoSpeech
			problems = append(problems, fmt.Sprintf("nobody speaks in images[%d]", v.Image))
		default:
			if reason != schema.ReasonNoSpeech {
				reason = schema.ReasonTooLittleSpeech
			}
			tenths := math.Floor(float64(v.Speech) * 10) // never as much as is needed
			problems = append(problems, fmt.Sprintf("images[%d] has %.1f s of speech; %.0f s are needed", v.Image, tenths/10, voice.MinSpeech.Seconds()))
		}
	}
	return reason, strings.Join(problems, ", ")
}

package voice

import (
	"context"
	"time"

	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// Silero is the architecture of Silero VAD's skeleton: rows of frames, each with the end of the one before it; the answer is the
// probability of speech in each.
const Silero = "silero_vad"

const (
	activityFrame   = 512 // samples
	activityContext = 64  // samples of the frame before
)

// The authors' defaults (get_speech_timestamps): speech begins with a frame that is likely to be speech and ends with unlikely ones.
// Shorter pauses do not end it, shorter speech does not count, and some sound on both sides of it does.
const (
	speechBegins  = 0.5
	speechEnds    = 0.35
	shortestPause = Rate / 10
	leastSpeech   = Rate / 4
	speechMargin  = Rate * 3 / 100
)

// Activity finds speech. It is safe for concurrent use.
type Activity struct{ network }

// NewActivity drives a network of the role voice_activity. One that cannot be driven is a Fatal error.
func NewActivity(net onnx.Network, m models.Model) (*Activity, error) {
	n, err := drive("voice.activity", Silero, net, m)
	return &Activity{n}, err
}

// Span is a part of a recording: its samples from Begin to End, without the latter.
type Span struct{ Begin, End int }

// Find returns where somebody speaks in samples, in order, without overlaps. Music, noise and ring tones are no speech.
func (a *Activity) Find(ctx context.Context, samples []float32) ([]Span, error) {
	frames := (len(samples) + activityFrame - 1) / activityFrame
	if frames == 0 {
		return nil, nil
	}
	const width = activityContext + activityFrame
	row := make([]float32, frames*width)
	for i := range frames {
		begin := i * activityFrame
		copy(row[i*width+max(0, activityContext-begin):][:width-max(0, activityContext-begin)], samples[max(0, begin-activityContext):])
	}
	likely, err := a.run(ctx, "voice.activity", onnx.Tensor{Shape: []int64{int64(frames), width}, Data: row}, frames)
	if err != nil {
		return nil, err
	}
	return spans(likely, len(samples)), nil
}

// spans are the parts that are speech by the probabilities of the frames of so many samples.
func spans(likely []float32, samples int) []Span {
	var all []Span
	add := func(begin, end int) {
		if last := len(all) - 1; last >= 0 && begin-all[last].End < shortestPause {
			all[last].End = end
		} else {
			all = append(all, Span{begin, end})
		}
	}
	begin := -1
	for i, p := range likely {
		switch {
		case begin < 0 && p >= speechBegins:
			begin = i * activityFrame
		case begin >= 0 && p < speechEnds:
			add(begin, i*activityFrame)
			begin = -1
		}
	}
	if begin >= 0 {
		add(begin, samples)
	}
	kept := all[:0]
	for _, s := range all {
		if s.End-s.Begin >= leastSpeech {
			kept = append(kept, Span{max(0, s.Begin-speechMargin), min(samples, s.End+speechMargin)})
		}
	}
	return kept
}

// speech is what somebody says in samples, without the pauses, at most so much of it.
func speech(samples []float32, spans []Span, most time.Duration) []float32 {
	var out []float32
	for _, s := range spans {
		out = append(out, samples[s.Begin:s.End]...)
	}
	return out[:min(len(out), int(most.Seconds()*Rate))]
}

package voice

import (
	"context"
	"errors"
	"fmt"
	"math"

	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// CAMPlusPlus is the architecture of CAM++: rows of frames of [Bins] mel bins; the answer is the embedding of the speaker.
const CAMPlusPlus = "campplus"

// Dimension is the length of an embedding of CAM++.
const Dimension = 192

// Speaker makes embeddings of speakers. It is safe for concurrent use.
type Speaker struct{ network }

// NewSpeaker drives a network of the role voice. One that cannot be driven is a Fatal error.
func NewSpeaker(net onnx.Network, m models.Model) (*Speaker, error) {
	n, err := drive("voice.speaker", CAMPlusPlus, net, m)
	return &Speaker{n}, err
}

// Model names the network that every embedding of s comes from (invariant 5).
func (s *Speaker) Model() schema.ModelID { return s.model.ID() }

// Embed returns the embedding of who speaks in samples, a vector of unit length. The mean over its frames says nothing of a recording
// that is shorter than a second, and is an error for one of less than ten frames.
func (s *Speaker) Embed(ctx context.Context, samples []float32) (schema.Embedding, error) {
	const op, fewest = "voice.speaker", 10
	frames := Frames(len(samples))
	if frames < fewest {
		return schema.Embedding{}, fmt.Errorf("%s: %d frames; at least %d are needed", op, frames, fewest)
	}
	v, err := s.run(ctx, op, onnx.Tensor{Shape: []int64{int64(frames), Bins}, Data: Fbank(samples)}, Dimension)
	if err != nil {
		return schema.Embedding{}, err
	}
	square := 0.0
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	norm := math.Sqrt(square)
	if !(norm > 1e-6) || math.IsInf(norm, 0) {
		return schema.Embedding{}, fmt.Errorf("%s: %w", op, errors.New("the network answered a vector without a direction"))
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / norm)
	}
	return schema.Embedding{Model: s.Model(), Vector: v}, nil
}

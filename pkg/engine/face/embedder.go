package face

import (
	"context"
	"errors"
	"fmt"
	"math"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// Embedder turns aligned faces into vectors whose cosine says how alike two faces are. It is safe for concurrent use.
type Embedder struct {
	net   onnx.Network
	input models.Input
	model schema.ModelID
}

// NewEmbedder returns an Embedder for the network of the stage. A network that does not take AlignedSide × AlignedSide pixels, that
// does not have one output, or whose architecture is not "arcface" is a Fatal error.
func NewEmbedder(s Stage) (*Embedder, error) {
	const op = "face.embedder"
	net, m := s.Net, s.Model
	switch {
	case m.Architecture != "arcface":
		return nil, schema.Fatal(op, fmt.Errorf("%s has the architecture %q; embedding networks of the architecture \"arcface\" can be fed", m.Name, m.Architecture))
	case m.Input.Width != AlignedSide || m.Input.Height != AlignedSide:
		return nil, schema.Fatal(op, fmt.Errorf("%s takes %d × %d pixels; aligned faces have %d × %d", m.Name, m.Input.Width, m.Input.Height, AlignedSide, AlignedSide))
	case len(net.Outputs()) != 1:
		return nil, schema.Fatal(op, fmt.Errorf("%s has %d outputs; an embedding network has one", m.Name, len(net.Outputs())))
	}
	return &Embedder{net: net, input: m.Input, model: m.ID()}, nil
}

// Model names the network that every embedding of e comes from (invariant 5).
func (e *Embedder) Model() schema.ModelID { return e.model }

// Embed answers each face of aligned, from [Align], in order; one that fails does not fail its neighbours. Vectors have unit
// length.
func (e *Embedder) Embed(ctx context.Context, aligned []*imaging.Image) []schema.Outcome[schema.Embedding] {
	const op = "face.embed"
	rows := make([]onnx.Tensor, len(aligned))
	for i, img := range aligned {
		data := tensors.Take(3 * AlignedSide * AlignedSide)
		defer tensors.Give(data)
		img.Planes(*data, AlignedSide, AlignedSide, normalisation(e.input))
		rows[i] = onnx.Tensor{Shape: []int64{3, AlignedSide, AlignedSide}, Data: *data}
	}
	results := make([]schema.Outcome[schema.Embedding], len(aligned))
	for i, answer := range e.net.Run(ctx, rows) {
		err := answer.Err
		if err == nil {
			results[i].Value.Model = e.model
			results[i].Value.Vector, err = unit(answer.Value[0].Data)
		}
		if err != nil {
			results[i] = schema.Outcome[schema.Embedding]{Err: fmt.Errorf("%s: %w", op, err)}
		}
	}
	return results
}

// unit scales v, in place, to length 1.
func unit(v []float32) ([]float32, error) {
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	norm := math.Sqrt(square)
	if !(norm > 1e-6) || math.IsInf(norm, 0) {
		return nil, errors.New("the network answered a vector without a direction")
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / norm)
	}
	return v, nil
}

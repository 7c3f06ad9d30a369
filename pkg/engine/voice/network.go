package voice

import (
	"context"
	"errors"
	"fmt"

	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// network is a network of a pack with what the manifest says of it.
type network struct {
	net   onnx.Network
	model models.Model
}

// drive says as a Fatal error why a network of that architecture cannot be driven.
func drive(op, architecture string, net onnx.Network, m models.Model) (network, error) {
	switch {
	case m.Architecture != architecture:
		return network{}, schema.Fatal(op, fmt.Errorf("%s has the architecture %q; for the role %s there is %q", m.Name, m.Architecture, m.Role, architecture))
	case len(net.Outputs()) != 1:
		return network{}, schema.Fatal(op, fmt.Errorf("%s has %d outputs; a network of the architecture %q has one", m.Name, len(net.Outputs()), architecture))
	}
	return network{net, m}, nil
}

// run asks the network about one row. Its answer has that many finite numbers.
func (n network) run(ctx context.Context, op string, row onnx.Tensor, values int) ([]float32, error) {
	r := n.net.Run(ctx, []onnx.Tensor{row})[0]
	if r.Err != nil {
		return nil, fmt.Errorf("%s: %w", op, r.Err)
	}
	answer := r.Value[0].Data
	if len(answer) != values {
		return nil, fmt.Errorf("%s: %s answered %d values, want %d", op, n.model.Name, len(answer), values)
	}
	for _, v := range answer {
		if v-v != 0 { // NaN and the infinities
			return nil, fmt.Errorf("%s: %w", op, errors.New(n.model.Name+" answered a value that is not finite"))
		}
	}
	return answer, nil
}

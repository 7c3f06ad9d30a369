package onnx

import (
	"context"

	"facestream/pkg/schema"
)

// Tensor is one row: float32 values in row-major order. Shape does not include the batch dimension.
type Tensor struct {
	Shape []int64
	Data  []float32
}

// RowResult is the answer to one row: its outputs in the order of Network.Outputs, or the error why there are none.
type RowResult = schema.Outcome[[]Tensor]

// Network is a loaded network. Run answers each row, in order, as if the row were alone; whether rows are run one by one
// or together with those of other callers makes no difference to the answers. Run is safe for concurrent use and keeps no
// row. The caller owns what it returns.
type Network interface {
	Run(ctx context.Context, rows []Tensor) []RowResult
	Outputs() []string
}

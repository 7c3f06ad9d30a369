package onnx

import (
	"context"

	"facestream/pkg/schema"
)

// Tensor is one row: float32 data in row-major order; Shape has no batch dimension.
type Tensor struct {
	Shape []int64
	Data  []float32
}

// RowResult answers one row: its outputs in the order of Network.Outputs, or why there are none.
type RowResult = schema.Outcome[[]Tensor]

// Network is a loaded network as its callers see it: rows in, one answer a row, in order. Every row gets the answer that
// it would get alone. Run is safe for concurrent use, keeps no row, and the caller owns what it returns. The caller
// cannot see whether rows are run one by one or gathered with those of other callers.
type Network interface {
	Run(ctx context.Context, rows []Tensor) []RowResult
	Outputs() []string
}

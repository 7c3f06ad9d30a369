package onnx

import (
	"context"
	"fmt"

	"facestream/pkg/groupcommit"
	"facestream/pkg/schema"
)

// Share returns net with calls that callers share: rows that arrive while atOnce calls are under way go into the next call
// together, up to most of them. This helps on a device where a call with many rows takes hardly longer than one with a
// single row, such as a GPU. It does not help on a processor. Rows of different shapes never share a call.
func Share(net Network, most, atOnce int) Network {
	s := &shared{inner: net}
	s.calls.Call = func(ctx context.Context, _ string, rows []Tensor) []RowResult { return net.Run(ctx, rows) }
	s.calls.Most, s.calls.AtOnce = most, atOnce
	s.calls.Ended = func(err error) RowResult { return RowResult{Err: schema.Transient("onnx.run", err)} }
	return s
}

type shared struct {
	inner Network
	calls groupcommit.Calls[string, Tensor, RowResult]
}

// Outputs implements Network.
func (s *shared) Outputs() []string { return s.inner.Outputs() }

// Run implements Network.
func (s *shared) Run(ctx context.Context, rows []Tensor) []RowResult {
	if len(rows) == 0 {
		return nil
	}
	return s.calls.Do(ctx, fmt.Sprint(rows[0].Shape), rows)
}

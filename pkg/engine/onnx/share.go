package onnx

import (
	"context"
	"fmt"

	"facestream/internal/share"
	"facestream/pkg/schema"
)

// Share returns net with shared calls: rows that come from several callers while atOnce calls are under way go together in
// the next, up to most of them. A device whose time for a call hardly grows with its rows, a GPU, answers more of them so;
// a processor's threads do not. Rows of other shapes wait in queues of their own.
func Share(net Network, most, atOnce int) Network {
	s := &shared{inner: net}
	s.calls.Call = func(ctx context.Context, _ string, rows []Tensor) []RowResult { return net.Run(ctx, rows) }
	s.calls.Most, s.calls.AtOnce = most, atOnce
	s.calls.Ended = func(err error) RowResult { return RowResult{Err: schema.Transient("onnx.run", err)} }
	return s
}

type shared struct {
	inner Network
	calls share.Calls[string, Tensor, RowResult]
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

package onnx

import (
	"context"
	"fmt"
	"time"

	"facestream/pkg/groupcommit"
	"facestream/pkg/schema"
)

// MostRows is the largest number of rows of a call on a device where images share calls.
const MostRows = 32

// Sharing says how callers share the calls of a network.
type Sharing struct {
	// Most is the largest number of rows of a call.
	Most int
	// AtOnce is the largest number of concurrent calls with rows of one shape.
	AtOnce int
	// Wait is how long rows wait at most for a full call while another one is running.
	Wait time.Duration
}

// Share returns net with calls that callers share: rows that arrive while AtOnce calls are under way go into the next call
// together, up to Most of them, and as many of each caller as of the others. This helps on a device where a call with many
// rows takes hardly longer than one with a single row, such as a GPU. It does not help on a processor. Rows of different shapes
// never share a call. What waits is bounded by the callers: each waits for its answers, and its rows are its own.
func Share(net Network, how Sharing) Network {
	s := &shared{inner: net}
	s.calls.Call = func(ctx context.Context, _ string, rows []Tensor) []RowResult { return net.Run(ctx, rows) }
	s.calls.Most, s.calls.AtOnce, s.calls.Wait, s.calls.Apart = how.Most, how.AtOnce, how.Wait, true
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

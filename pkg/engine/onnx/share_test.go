package onnx

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"facestream/pkg/schema"
)

// gated counts the rows of each call, which waits for the gate.
type gated struct {
	Network
	gate chan struct{}

	mu    sync.Mutex
	calls []int
}

func (g *gated) Run(ctx context.Context, rows []Tensor) []RowResult {
	g.mu.Lock()
	g.calls = append(g.calls, len(rows))
	g.mu.Unlock()
	<-g.gate
	return g.Network.Run(ctx, rows)
}

// Callers that share calls get the answers that they would get alone.
func TestShareAnswersEachCaller(t *testing.T) {
	session := load(t, openRuntime(t), embedding, SessionOptions{})
	synctest.Test(t, func(t *testing.T) {
		net := &gated{Network: session, gate: make(chan struct{})}
		shared := Share(net, Sharing{Most: 8, AtOnce: 1})
		answers := make([]RowResult, 12)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = shared.Run(t.Context(), []Tensor{noise(uint64(i), 1, 112, 112)})[0] })
		}
		synctest.Wait() // the first ones are in the network, the others wait
		close(net.gate)
		wg.Wait()
		if len(net.calls) > 3 || slices.Max(net.calls) > 8 {
			t.Errorf("12 callers made calls of %v rows; want 3 calls at most, of 8 at most", net.calls)
		}
		for i := range answers {
			alone := session.Run(t.Context(), []Tensor{noise(uint64(i), 1, 112, 112)})[0]
			if d := distance(t, answers[i], alone); d > 1e-5 {
				t.Errorf("caller %d: %g from its answer alone", i, d)
			}
		}
	})
}

func TestShareAfterTheEnd(t *testing.T) {
	shared := Share(load(t, openRuntime(t), embedding, SessionOptions{}), Sharing{Most: 8, AtOnce: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := shared.Run(ctx, []Tensor{noise(1, 1, 112, 112)}); len(got) != 1 || schema.ClassOf(got[0].Err) != schema.ClassTransient {
		t.Errorf("a caller that has gone: %v", got)
	}
	if got := shared.Run(t.Context(), nil); len(got) != 0 {
		t.Errorf("no rows: %v", got)
	}
}

package main

import (
	"context"
	"testing"
	"time"

	"facestream/pkg/engine/onnx"
)

// TestSiege is a short siege with small pictures: every request has its outcome within the memory. How long the innocent ones wait is
// measured by `make siege`, on a machine that does nothing else.
func TestSiege(t *testing.T) {
	if _, _, err := onnx.FindLibrary(context.Background()); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	const atOnce = 3 // how many kinds are answered beyond these depends on the machine
	r, err := run(t.Context(), options{memory: 4 << 30, threads: 2, hostile: atOnce, duration: 5 * time.Second, alone: time.Second, small: true})
	if t.Logf("%s", r); err != nil {
		t.Error(err)
	}
	if len(r.outcomes) < atOnce || len(r.among) == 0 {
		t.Errorf("%d kinds of hostile requests and %d innocent ones were answered", len(r.outcomes), len(r.among))
	}
}

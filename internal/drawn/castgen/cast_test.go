package main

import (
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// openTestMeter has the starter pack, and the open one where it was pulled.
func openTestMeter(t *testing.T) meter {
	t.Helper()
	if _, _, err := onnx.FindLibrary(t.Context()); err != nil {
		t.Skipf("SKIPPED: the cast was not measured: %v", err)
	}
	names := []string{"starter"}
	if _, err := models.Locate("open"); err == nil {
		names = append(names, "open")
	} else {
		t.Logf("SKIPPED: the cast was not measured with the open pack: %v", err)
	}
	m, err := openMeter(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestCast measures the cast with the real networks: every shot has exactly one
// face, everyone is found at rank 1, and the similarities keep a margin to each
// pack's threshold on both sides.
func TestCast(t *testing.T) {
	s := search{meter: openTestMeter(t)}
	for i, p := range drawn.Cast() {
		m, err := s.meet(t.Context(), p)
		if err == nil {
			err = s.complete(t.Context(), m)
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.unfit {
			t.Fatalf("person %d: a shot has not exactly one face of confidence %v that is %v above the threshold with shot 0", i, minConfidence, minGenuine)
		}
		s.cast = append(s.cast, m)
	}
	for i, probe := range s.cast[:drawn.Enrolled] {
		for j, known := range s.cast[:drawn.Enrolled] {
			for n, v := range probe.views[1:] {
				if own, other := s.meter.least(probe.views[0], v), s.meter.most(known.views[0], v); i != j && other >= own {
					t.Errorf("shot %d of person %d is as much like person %d: %.3f, and %.3f like the person", n+1, i, j, other, own)
				}
			}
		}
	}
	const margin = 0.02
	m := s.measure()
	t.Logf("similarities above the threshold: %+.3f", m)
	if m.Genuine < margin {
		t.Errorf("other shots of a person are only %.3f above the threshold", m.Genuine)
	}
	if m.Enrolled > -margin || m.Strangers > -margin {
		t.Errorf("another person is %.3f, a stranger %.3f above the threshold", m.Enrolled, m.Strangers)
	}
}

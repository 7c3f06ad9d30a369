package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"facestream/internal/portraits"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

func openTestMeter(t *testing.T) meter {
	t.Helper()
	mirror := os.Getenv(models.EnvMirror)
	if mirror == "" {
		mirror = filepath.Join("..", "..", "..", "..", "shared", "models")
	}
	if _, err := os.Stat(mirror); errors.Is(err, fs.ErrNotExist) {
		if mirror = ""; os.Getenv(models.EnvMirror) != "" {
			t.Fatalf("%s names a folder that is not there", models.EnvMirror)
		}
		if _, err := openPack(mirror); err != nil {
			t.Skipf("SKIPPED: the cast was not measured: there is no open pack: set %s, or %v", models.EnvMirror, err)
		}
	}
	if _, _, err := onnx.FindLibrary(t.Context()); err != nil {
		t.Skipf("SKIPPED: the cast was not measured: %v", err)
	}
	m, err := openMeter(t.Context(), mirror)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestCast measures the cast with the real networks: every shot has exactly one
// face, everyone is found at rank 1, and the cosines keep a margin to the pack's
// threshold on both sides.
func TestCast(t *testing.T) {
	s := search{meter: openTestMeter(t)}
	for i, p := range portraits.Cast() {
		m, err := s.meet(t.Context(), p)
		if err == nil {
			err = s.complete(t.Context(), m)
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.unfit {
			t.Fatalf("person %d: a shot has not exactly one face of confidence %v and cosine %v to shot 0", i, minConfidence, minGenuine)
		}
		s.cast = append(s.cast, m)
	}
	for i, probe := range s.cast[:portraits.Enrolled] {
		for n, v := range probe.views[1:] {
			best, at := -1.0, 0
			for j, known := range s.cast[:portraits.Enrolled] {
				if c := cosine(known.views[0], v); c > best {
					best, at = c, j
				}
			}
			if at != i {
				t.Errorf("shot %d of person %d is most like person %d (%.3f)", n+1, i, at, best)
			}
		}
	}
	m := measure(s.cast)
	t.Logf("margins: %+.3f", m)
	for _, c := range []struct {
		name    string
		value   float64
		atLeast bool
		limit   float64
	}{
		{"lowest cosine of an enrolled person's other shots", m.Genuine, true, 0.36},
		{"highest cosine between enrolled people", m.Enrolled, false, 0.32},
		{"highest cosine of a stranger", m.Strangers, false, 0.32},
	} {
		if c.atLeast && c.value < c.limit || !c.atLeast && c.value > c.limit {
			t.Errorf("%s is %.3f, limit %.2f", c.name, c.value, c.limit)
		}
	}
}

package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"facestream/internal/config"
	"facestream/internal/sandbox"
	"facestream/pkg/engine/onnx"
)

// TestNothingIsLeft: a sandbox of the user's settings leaves nothing in the folder where it runs, least of all in the user's data.
func TestNothingIsLeft(t *testing.T) {
	if _, _, err := onnx.FindLibrary(t.Context()); err != nil {
		t.Skipf("SKIPPED, no sandbox was made: %v", err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	cfg, err := config.Load("", []string{"FACESTREAM_MODELS=starter"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := cfg.Indexer
	for _, folder := range []string{before.Gallery.Dir, before.Directory.Dir, cfg.DataDir} {
		if filepath.IsAbs(folder) {
			t.Fatalf("%s would not be in the folder that is looked at", folder)
		}
	}
	if err := sandbox.Run(t.Context(), cfg, func(context.Context, *sandbox.Sandbox) error { return nil }); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s is left", entry.Name())
	}
}

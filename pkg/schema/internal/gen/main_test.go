package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGeneratedFilesAreCurrent fails when a schema or a reference page differs from what the Go types say.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	t.Chdir("../..") // pkg/schema, where go generate runs
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 8 {
		t.Errorf("only %d files are generated", len(files))
	}
	for _, f := range files {
		got, err := os.ReadFile(f.path)
		if err != nil {
			t.Errorf("%v; run go generate ./pkg/schema", err)
			continue
		}
		if diff := cmp.Diff(string(got), string(f.content)); diff != "" {
			t.Errorf("%s is not current; run go generate ./pkg/schema (-checked in +generated):\n%s", f.path, diff)
		}
	}
}

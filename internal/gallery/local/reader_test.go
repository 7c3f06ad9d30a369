package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

func TestReader(t *testing.T) {
	dir := t.TempDir()
	g := open(t, dir)
	for i := range 25 {
		upsert(t, g, testRow(fmt.Sprintf("r%02d", i), schema.PUID(fmt.Sprint("p", i%5)), uint64(i)))
	}
	r, err := OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()

	same := func() {
		t.Helper()
		for after := ""; ; {
			want, err1 := g.List(t.Context(), visited, after, 10)
			got, err2 := r.List(t.Context(), visited, after, 10)
			if diff := cmp.Diff(want, got); err1 != nil || err2 != nil || diff != "" {
				t.Fatalf("%v, %v (-owner +reader):\n%s", err1, err2, diff)
			}
			if after = want.Next; after == "" {
				return
			}
		}
	}
	same()
	// The reader sees what the owner changes, and a deletion still empties the owner's log.
	if o := g.Delete(t.Context(), visited, []gallery.Deletion{{PUID: "p3", Request: "d"}})[0]; o.Err != nil || o.Value != 5 {
		t.Fatalf("a deletion beside a reader: %d, %v", o.Value, o.Err)
	}
	if log, err := os.Stat(filepath.Join(dir, "gallery.db-wal")); err != nil || log.Size() != 0 {
		t.Errorf("the log after a deletion beside a reader: %v, %v", log, err)
	}
	same()

	_, err = r.List(t.Context(), "unknown", "", 1)
	if schema.ReasonOf(err) != schema.ReasonUnknownCollection {
		t.Errorf("an unknown collection: %v", err)
	}
	if _, err = r.List(t.Context(), visited, "", 0); schema.ReasonOf(err) != schema.ReasonInvalidRequest {
		t.Errorf("a limit of 0: %v", err)
	}
}

func TestReaderWithoutOwner(t *testing.T) {
	dir := t.TempDir()
	g, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	upsert(t, g, testRow("a", "ann", 1))
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	page, err := r.List(t.Context(), visited, "", 10)
	if err != nil || page.Total != 1 || len(page.Rows) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	open(t, dir) // the reader leaves nothing that keeps an owner out

	empty := filepath.Join(t.TempDir(), "none")
	_, err = OpenReader(t.Context(), empty)
	if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), empty) {
		t.Errorf("a folder without a gallery: %v; want a fatal error that names it", err)
	}
	if _, err := os.Stat(empty); !os.IsNotExist(err) {
		t.Errorf("reading made the folder: %v", err)
	}
}

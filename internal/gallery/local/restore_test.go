package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/pkg/schema"
)

// TestRestore builds each damaged gallery again: from what its file still holds, from a copy, and from nothing. The damaged
// files are kept.
func TestRestore(t *testing.T) {
	copied := t.TempDir()
	filled(t, copied, people)
	eve := gallerytest.Random(model, "row-eve", "person-eve", 1000)
	fill := func(ctx context.Context, g *Gallery) error { return g.Upsert(ctx, visited, []gallery.Row{eve})[0] }
	for name, test := range damages(t) {
		for from, restore := range map[string]struct {
			copy  string
			empty bool
			saved int
		}{"the file": {"", false, test.saved}, "a copy": {copied, false, people - 1}, "nothing": {"", true, 0}} {
			t.Run(name+"/from "+from, func(t *testing.T) {
				dir := copyOf(t, copied)
				test.spoil(t, dir)
				damaged, _ := os.ReadFile(filepath.Join(dir, dbFile))
				out, err := Restore(t.Context(), dir, restore.copy, restore.empty, fill)
				if err != nil {
					t.Fatal(err)
				}
				if kept, err := os.ReadFile(filepath.Join(out.SetAside, dbFile)); string(kept) != string(damaged) || err != nil && damaged != nil {
					t.Errorf("the damaged file is not kept in %q: %v", out.SetAside, err)
				}
				if _, err := os.Stat(filepath.Join(dir, restoredDir)); err == nil {
					t.Error("what was built is there twice")
				}
				g := open(t, dir)
				page, err := g.List(t.Context(), visited, "", 1000)
				if err != nil {
					t.Fatal(err)
				}
				if n := page.Total - 1; n < restore.saved || restore.saved == 0 && n != 0 {
					t.Errorf("%d rows were saved (%+v), want %d at least", n, out, restore.saved)
				}
				for _, r := range page.Rows {
					if r.ID != eve.ID && r.ExternalID != schema.ExternalID("name-"+r.ID[len("row-"):]) {
						t.Errorf("the row %s holds %+v", r.ID, r)
					}
				}
				// Who was deleted does not come back by a repeat, unless the memory of that is what was damaged.
				upsert(t, g, gallerytest.Random(model, "row-0000", "person-0000", 0))
				if n := found1(t, g, "person-0000"); n != 0 && out.Forgotten == 0 && restore.saved >= people-2 {
					t.Error("somebody who was deleted came back")
				}
			})
		}
	}
}

func found1(t *testing.T, g *Gallery, p schema.PUID) int {
	t.Helper()
	page, err := g.List(t.Context(), visited, "", 1, p)
	if err != nil {
		t.Fatal(err)
	}
	return page.Total
}

// TestRestoreThatFails leaves the folder as it was; a damaged or missing copy is not taken.
func TestRestoreThatFails(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	filled(t, dir, people)
	alter(t, filepath.Join(dir, dbFile), func(b []byte) []byte { return replace(t, b, "name-0007", "name-0O07") })
	before := snapshot(t, dir)[dbFile]
	nothing := func(context.Context, *Gallery) error { return nil }
	broken := errors.New("the topics are away")
	if _, err := Restore(t.Context(), dir, "", false, func(context.Context, *Gallery) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of what fills it", err)
	}
	if _, err := Restore(t.Context(), dir, copied, false, nothing); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("from a folder without a gallery: %v", err)
	}
	if _, err := Restore(t.Context(), dir, dir, false, nothing); !Damaged(err) {
		t.Errorf("from a damaged copy: %v, want damage", err)
	}
	if string(snapshot(t, dir)[dbFile]) != string(before) {
		t.Error("the file was changed")
	}
	wantDamage(t, dir, "1 enrolled images")
	if _, err := Restore(t.Context(), dir, "", false, nothing); err != nil {
		t.Error(err)
	}
	g := open(t, dir)
	if _, err := Restore(t.Context(), dir, "", false, nothing); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("beside an indexer: %v, want a fatal error", err)
	}
	if found1(t, g, "person-0008") != 1 {
		t.Error("a sound row is missing")
	}
}

// TestRestoreAFormerFormat saves what a file without checksums still holds.
func TestRestoreAFormerFormat(t *testing.T) {
	dir := t.TempDir()
	formerDamage(t, dir)
	if _, err := Restore(t.Context(), dir, "", false, func(context.Context, *Gallery) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if g := open(t, dir); found1(t, g, "ann") != 0 || found1(t, g, "bob") != 1 {
		t.Error("the sound row is missing, or the other one is there")
	}
}

package local

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"facestream/internal/dbfault/smalldisk"
	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/pkg/schema"
)

// wantOutage wants an error that says what is away and names the folder.
func wantOutage(t *testing.T, what string, err error, dir string) {
	t.Helper()
	if schema.ClassOf(err) != schema.ClassOutage || !strings.Contains(err.Error(), dir) {
		t.Errorf("%s: %v, want an outage that names %s", what, err, dir)
	}
}

func found(t *testing.T, g *Gallery, probe gallery.Row) int {
	t.Helper()
	found := g.Search(t.Context(), "staff", []schema.Embedding{probe.Embedding}, 1, probe.PUID)[0]
	if found.Err != nil {
		t.Fatal(found.Err)
	}
	return len(found.Value)
}

// A full disk is an outage: nothing that was refused is found, searches go on, and when there is room again, so do writes.
func TestFullDiskIsAnOutage(t *testing.T) {
	disk := smalldisk.New(t, 1<<20)
	dir := filepath.Join(disk.Dir, "gallery")
	g := open(t, dir)
	ann, bob := gallerytest.Random(model, "1", "ann", 1), gallerytest.Random(model, "2", "bob", 2)
	if err := g.Upsert(t.Context(), "staff", []gallery.Row{ann})[0]; err != nil {
		t.Fatal(err)
	}
	disk.Fill()
	for range 3 { // a failed transaction leaves the file usable
		wantOutage(t, "enrol", g.Upsert(t.Context(), "staff", []gallery.Row{bob})[0], dir)
		wantOutage(t, "delete", g.Delete(t.Context(), "staff", []gallery.Deletion{{PUID: "ann", Request: "r"}})[0].Err, dir)
	}
	if found(t, g, ann) != 1 || found(t, g, bob) != 0 {
		t.Errorf("found %d rows of who is enrolled, and %d of who was refused", found(t, g, ann), found(t, g, bob))
	}
	disk.Free()
	if err := g.Upsert(t.Context(), "staff", []gallery.Row{bob})[0]; err != nil {
		t.Errorf("enrol afterwards: %v", err)
	}
	if d := g.Delete(t.Context(), "staff", []gallery.Deletion{{PUID: "ann", Request: "r"}})[0]; d.Err != nil || d.Value != 1 {
		t.Errorf("delete afterwards: %+v", d)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	disk.Fill()
	if _, err := Open(t.Context(), dir); err != nil { // it need not fit, but it must not be called damage
		wantOutage(t, "open", err, dir)
	}
	disk.Free()
	g = open(t, dir)
	if found(t, g, ann) != 0 || found(t, g, bob) != 1 {
		t.Error("the file does not hold what was answered")
	}
}

// A program that reads the file delays only deletions, and one that writes to it delays every write. Neither is a try.
func TestLockedFileIsAnOutage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := open(t, dir)
	ann, bob := gallerytest.Random(model, "1", "ann", 1), gallerytest.Random(model, "2", "bob", 2)
	if err := g.Upsert(t.Context(), "staff", []gallery.Row{ann})[0]; err != nil {
		t.Fatal(err)
	}
	other, err := openDB(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	exec := func(statement string) {
		t.Helper()
		if _, err := other.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	delete := func() gallery.Outcome[int] {
		return g.Delete(t.Context(), "staff", []gallery.Deletion{{PUID: "ann", Request: "r"}})[0]
	}

	exec("BEGIN")
	exec("SELECT count(*) FROM faces")
	for range 2 {
		wantOutage(t, "delete beside a reader", delete().Err, dir)
	}
	if err := g.Upsert(t.Context(), "staff", []gallery.Row{bob})[0]; err != nil {
		t.Errorf("enrol beside a reader: %v", err)
	}
	exec("COMMIT")
	if d := delete(); d.Err != nil || d.Value != 1 {
		t.Errorf("delete after the reader: %+v", d)
	}

	exec("BEGIN IMMEDIATE")
	wantOutage(t, "enrol beside a writer", g.Upsert(t.Context(), "staff", []gallery.Row{ann, bob})[1], dir)
	exec("COMMIT")
	if err := errors.Join(g.Upsert(t.Context(), "staff", []gallery.Row{bob})...); err != nil {
		t.Errorf("enrol after the writer: %v", err)
	}
}

// What SQLite says of a file that may not grow is the same outage as a full disk, also without the right to mount one.
func TestFullFileIsAnOutage(t *testing.T) {
	dir := t.TempDir()
	g := open(t, dir)
	if _, err := g.db.Exec("PRAGMA max_page_count = 1"); err != nil { // it stays what the file has
		t.Fatal(err)
	}
	var rows []gallery.Row
	for i := range 100 {
		rows = append(rows, gallerytest.Random(model, string(rune('a'+i)), "ann", uint64(i)))
	}
	wantOutage(t, "enrol", g.Upsert(t.Context(), "staff", rows)[0], dir)
	if _, err := g.db.Exec("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.Upsert(t.Context(), "staff", rows)...); err != nil {
		t.Errorf("enrol when the file may grow: %v", err)
	}
}

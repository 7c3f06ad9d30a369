package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// A gallery that was copied elsewhere is no longer served or read from its folder, and nobody stages for it.
func TestMoved(t *testing.T) {
	dir := t.TempDir()
	g := open(t, dir)
	upsert(t, g, testRow("a", "ann", 1))
	if err := g.MarkMoved("to Milvus at host:19530"); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	_, opened := Open(t.Context(), dir)
	_, read := OpenReader(t.Context(), dir)
	s := NewStaging(dir, gallery.Tie{Model: model, Dimension: 32})
	for what, err := range map[string]error{"open": opened, "read": read, "stage": s.Own()} {
		if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "to Milvus at host:19530") || !strings.Contains(err.Error(), "indexer.gallery.driver") {
			t.Errorf("%s: got %v, want a fatal error that says where the gallery is", what, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, movedFile)); err != nil {
		t.Fatal(err)
	}
	if page, err := open(t, dir).List(t.Context(), visited, "", 10); err != nil || len(page.Rows) != 1 {
		t.Errorf("without the mark: %d rows, %v", len(page.Rows), err)
	}
}

func TestUnmoved(t *testing.T) {
	at := func(rows int, change func(g *Gallery, dir string)) string {
		dir := t.TempDir()
		g := open(t, dir)
		for i := range rows {
			upsert(t, g, testRow(string(rune('a'+i)), "ann", uint64(i)))
		}
		if change != nil {
			change(g, dir)
		}
		return dir
	}
	former := t.TempDir()
	db, err := openDB(former, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{format1, "INSERT INTO collections VALUES (7, 'visitors', 'net@12345678', 32)", "INSERT INTO faces VALUES (7, 'a', 'ann', '', '', 0, x'00')"} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		dir  string
		want int
	}{
		"no folder":       {filepath.Join(t.TempDir(), "none"), 0},
		"an empty folder": {t.TempDir(), 0},
		"nobody enrolled": {at(0, nil), 0},
		"in use":          {at(2, nil), 2},
		"stopped":         {at(3, func(g *Gallery, _ string) { g.Close() }), 3},
		"copied":          {at(2, func(g *Gallery, _ string) { g.MarkMoved("elsewhere") }), 0},
		"a former format": {former, 1},
	} {
		if n, err := Unmoved(t.Context(), tt.dir); err != nil || n != tt.want {
			t.Errorf("%s: %d rows, %v; want %d", name, n, err, tt.want)
		}
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "gallery.db"), []byte("no database, and yet long enough to be looked at"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Unmoved(t.Context(), broken); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("a damaged file: %v, want a fatal error", err)
	}
}

package engine

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// outline is that of the document in an image file.
func outline(t *testing.T, e *Engine, file []byte) *document.Outline {
	t.Helper()
	a, err := e.Analyze(t.Context(), file, Params{Strategy: BestConfidence, Documents: true})
	if err != nil {
		t.Fatal(err)
	}
	return a.Document
}

// TestOutlineOfDrawnCard finds the corners of a card with a drawn person on it, in front of a table, to 3 % of the picture.
func TestOutlineOfDrawnCard(t *testing.T) {
	e := openEngine(t)
	found := outline(t, e, encoded(t, drawnCard()))
	if found == nil {
		t.Fatal("no document")
	}
	for i, want := range [4]schema.PointF{{X: 150, Y: 120}, {X: 850, Y: 120}, {X: 850, Y: 620}, {X: 150, Y: 620}} {
		if p := found.Corners[i]; math.Abs(float64(p.X-want.X)) > 30 || math.Abs(float64(p.Y-want.Y)) > 30 {
			t.Errorf("corner %d is at %v, want %v", i, p, want)
		}
	}
	// A picture that shows only a person has none.
	if found := outline(t, e, encoded(t, picture(drawn.Cast()[0], 0, 400))); found != nil {
		t.Errorf("a person is a document: %+v", found)
	}
}

// drawnCard is a card with a drawn person on it, in front of a table. Its corners are at (150, 120) and (850, 620), and the person is in
// the square of 300 pixels from (190, 220).
func drawnCard() *imaging.Image {
	m := imaging.New(1000, 750)
	m.Fill(imaging.RGB{120, 90, 60})
	card := imaging.New(700, 500)
	card.Fill(imaging.RGB{225, 230, 235})
	lines := imaging.New(280, 30)
	lines.Fill(imaging.RGB{70, 70, 80})
	for y := 70; y < 430; y += 60 {
		paste(card, lines, 380, y)
	}
	paste(card, picture(drawn.Cast()[0], 0, 300), 40, 100)
	paste(m, card, 150, 120)
	return m
}

// TestDocumentsOfPhotographs finds every photographed document of the evaluation data, as it is and laid aslant onto a table, and
// one on photographs of people at most: what the manifest says of the threshold.
func TestDocumentsOfPhotographs(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	// files are the pictures below a folder.
	files := func(folder string) (paths []string) {
		err := filepath.WalkDir(filepath.Join(data, folder), func(path string, entry os.DirEntry, err error) error {
			switch filepath.Ext(path) {
			case ".jpg", ".jpeg", ".png":
				paths = append(paths, path)
			}
			return err
		})
		if err != nil || len(paths) == 0 {
			t.Fatalf("no pictures in %s: %v", folder, err)
		}
		return paths
	}
	decode := func(path string) *imaging.Image {
		m, err := e.Decode(t.Context(), read(t, path))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return m
	}
	corners := e.steps[slices.IndexFunc(e.steps, func(s loaded) bool { return s.name == "corners" })]
	find := func(m *imaging.Image) *document.Outline {
		f := &frame{picture: m}
		if err := corners.run(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		return f.document
	}
	for _, path := range files("documents") {
		m := decode(path)
		w, h := float64(m.Width), float64(m.Height)
		table := m.CutOver(imaging.Window{X: w / 2, Y: h / 2, Width: 2 * w, Height: 2 * h, Turn: 0.2}, 600, int(600*h/w), imaging.RGB{120, 110, 100})
		for name, m := range map[string]*imaging.Image{"as photographed": m, "on a table": table} {
			if find(m) == nil {
				t.Errorf("%s, %s: no document", filepath.Base(path), name)
			}
		}
	}
	alarms, photographs := 0, files("faces")
	for _, path := range photographs {
		if found := find(decode(path)); found != nil {
			t.Logf("%s: %+v", filepath.Base(path), found)
			alarms++
		}
	}
	if alarms > 1 {
		t.Errorf("%d documents on %d photographs of people", alarms, len(photographs))
	}
}

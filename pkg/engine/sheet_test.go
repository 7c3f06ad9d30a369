package engine

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
)

// cellWidth and cellHeight are the size in pixels of a cell of the sheet of documents.
const cellWidth, cellHeight = 480, 340

// TestStraightenedPages straightens each public document, turned upright by its face, and checks what can be checked without eyes: the
// page has the shape of its type. Where FACESTREAM_SHEET names a file, it lays them into a contact sheet for people to look at (make
// sheet-documents), each beside the face that was found on it.
func TestStraightenedPages(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	files, err := filepath.Glob(filepath.Join(data, "documents", "*.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	slices.Sort(files)
	const columns = 4
	rows := (len(files) + columns - 1) / columns
	sheet := imaging.New(columns*cellWidth, rows*cellHeight)
	sheet.Fill(imaging.RGB{60, 60, 60})
	for i, path := range files {
		var page *imaging.Image
		asked := &DocumentParams{Faces: true, Rotate: true, Format: imaging.PNG, Keep: func(_ context.Context, p *face.Portrait) (err error) {
			page, err = e.Decode(t.Context(), p.File)
			return err
		}}
		a, err := e.Analyze(t.Context(), read(t, path), Params{Strategy: BiggestFace, Document: asked})
		name := filepath.Base(path)
		if err != nil || page == nil || len(a.Documents) == 0 {
			t.Errorf("%s: no page: %v", name, err)
			continue
		}
		d := a.Documents[0]
		t.Logf("%s: %s, confidence %.2f, turned %d, %+v", name, d.Type, d.Confidence, d.Turned, *d.Measures)
		if w, h := d.Type.Size(); w > 0 {
			if shape := float64(page.Width) / float64(page.Height) * h / w; shape < 0.98 || shape > 1.02 {
				t.Errorf("%s: a page of %d × %d pixels is no %s", name, page.Width, page.Height, d.Type)
			}
		}
		x, y := i%columns*cellWidth, i/columns*cellHeight
		pasteFitting(sheet, page, x, y, 360, cellHeight-10)
		if len(a.Faces) > 0 {
			b := a.Faces[0].Original()
			cut := page.Crop(int(b.TopLeft.X), int(b.TopLeft.Y), max(int(b.BottomRight.X), int(b.TopLeft.X)+1), max(int(b.BottomRight.Y), int(b.TopLeft.Y)+1), imaging.Black)
			pasteFitting(sheet, cut, x+365, y, 110, 160)
		}
	}
	if path := os.Getenv("FACESTREAM_SHEET"); path != "" {
		saveSheet(t, sheet, path)
	}
}

// pasteFitting lays m into a cell of that size, scaled to fit it.
func pasteFitting(sheet, m *imaging.Image, x, y, width, height int) {
	k := min(float64(width)/float64(m.Width), float64(height)/float64(m.Height))
	paste(sheet, m.ResizePart(0, 0, m.Width, m.Height, max(int(k*float64(m.Width)), 1), max(int(k*float64(m.Height)), 1)), x, y)
}

// saveSheet writes a contact sheet for people to look at.
func saveSheet(t *testing.T, sheet *imaging.Image, path string) {
	t.Helper()
	file, err := sheet.Encode(imaging.PNG)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
}

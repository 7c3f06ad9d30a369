package engine

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
)

// sheetPhotos are five photographs of different hair, light and background.
var sheetPhotos = []string{"img2.jpg", "img5.jpg", "img8.jpg", "img13.jpg", "img21.jpg"}

// TestPortraits makes ISO portraits of five photographs, and checks what can be checked without eyes. Where FACESTREAM_SHEET names
// a file, it lays them into a contact sheet for people to look at (make sheet): as cut, on light grey, on green.
func TestPortraits(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	light, green := imaging.RGB{0xf0, 0xf0, 0xf0}, imaging.RGB{0, 0x96, 0x40}
	options := []face.PortraitOptions{{}, {Background: &light}, {Background: &green}}
	photos := sheetPhotos
	if more := os.Getenv("FACESTREAM_SHEET_PHOTOS"); more != "" {
		photos = filepath.SplitList(more)
	}
	sheet := imaging.New(480*len(photos), 640*len(options))
	for column, name := range photos {
		a, err := e.Analyze(t.Context(), read(t, data, "faces", "pairs", name), Params{Strategy: BestConfidence, Portraits: options})
		if err != nil || len(a.Faces) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, a.Timings["portraits"])
		for row, p := range a.Faces[0].Portraits {
			for y := range 640 {
				copy(sheet.Pix[3*((640*row+y)*sheet.Width+480*column):], p.Image.Pix[3*480*y:3*480*(y+1)])
			}
			found, err := e.Detect(t.Context(), p.Image, 0.5)
			if err != nil || len(found) == 0 {
				t.Errorf("%s: no face in portrait %d: %v", name, row, err)
				continue
			}
			if roll := found[0].Roll(); math.Abs(float64(roll)) > 4 {
				t.Errorf("%s: the eyes of portrait %d lean by %.1f degrees", name, row, roll)
			}
			if o := options[row]; o.Background != nil {
				checkBorder(t, name, p.Image, *o.Background)
			}
		}
	}
	if path := os.Getenv("FACESTREAM_SHEET"); path != "" {
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
}

// checkBorder wants the exact colour at the upper half of the portrait's border: above the shoulders.
func checkBorder(t *testing.T, name string, m *imaging.Image, want imaging.RGB) {
	t.Helper()
	other := 0
	at := func(x, y int) {
		if imaging.RGB(m.Pix[3*(y*m.Width+x):][:3]) != want {
			other++
		}
	}
	for x := range m.Width {
		at(x, 0)
	}
	for y := range m.Height / 2 {
		at(0, y)
		at(m.Width-1, y)
	}
	if other > 0 {
		t.Errorf("%s: %d of %d pixels of the upper border have not exactly the background's colour", name, other, m.Width+m.Height)
	}
}

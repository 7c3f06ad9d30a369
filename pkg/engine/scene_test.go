package engine

import (
	"os"
	"path/filepath"
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/engine/imaging"
)

// picture is one shot of a drawn person.
func picture(p drawn.Person, shot, size int) *imaging.Image {
	drawn := drawn.Render(p, p.Shot(shot), size)
	m := imaging.New(size, size)
	for i := range size * size {
		copy(m.Pix[3*i:3*i+3], drawn.Pix[4*i:4*i+3])
	}
	return m
}

// paste lays what onto a picture, its top left corner at (x, y).
func paste(on, what *imaging.Image, x, y int) {
	for row := range what.Height {
		copy(on.Pix[3*((y+row)*on.Width+x):], what.Pix[3*row*what.Width:3*(row+1)*what.Width])
	}
}

// packsToTest are engines with the starter pack and, where its files are on this machine, the open one.
func packsToTest(t *testing.T) map[string]*Engine {
	t.Helper()
	engines := map[string]*Engine{"starter": starter(t, Options{})}
	t.Run("open", func(open *testing.T) {
		openPack(open) // skips where it is not there
		engines["open"] = openEngine(t)
	})
	return engines
}

// TestCloseUps: a face that fills the picture is found, however large the picture.
func TestCloseUps(t *testing.T) {
	for name, e := range packsToTest(t) {
		found, of := 0, 0
		for i := range 6 {
			whole := picture(people()[i], i, 1400)
			faces, err := e.Detect(t.Context(), whole, 0)
			if err != nil || len(faces) == 0 {
				t.Fatal(faces, err)
			}
			box := faces[0].Box
			x, y := (box.TopLeft.X+box.BottomRight.X)/2, (box.TopLeft.Y+box.BottomRight.Y)/2
			for _, grown := range []float32{0.9, 1, 1.3} {
				w, h := grown*(box.BottomRight.X-box.TopLeft.X)/2, grown*(box.BottomRight.Y-box.TopLeft.Y)/2
				close := whole.Crop(int(x-w), int(y-h), int(x+w), int(y+h), imaging.Reflect)
				faces, err := e.Detect(t.Context(), close, 0)
				if err != nil {
					t.Fatal(err)
				}
				of++
				if len(faces) == 1 && faces[0].Area() > 0.3*float32(close.Width*close.Height) {
					found++
				} else {
					t.Logf("%s: person %d, %d × %d: %d faces", name, i, close.Width, close.Height, len(faces))
				}
			}
		}
		if found < of {
			t.Errorf("%s finds %d of %d faces that fill the picture", name, found, of)
		}
	}
}

// TestReportedCloseUps are those that were lost.
func TestReportedCloseUps(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(place(t, "FACESTREAM_CASES", "../shared/cases"), "closeup-*.jpg"))
	if err != nil || len(files) == 0 {
		t.Fatal("no close-ups", err)
	}
	for name, e := range packsToTest(t) {
		for _, path := range files {
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			a, err := e.Analyze(t.Context(), file, Params{Turn: true})
			if err != nil || len(a.Faces) != 1 || a.Faces[0].Turned != 0 {
				t.Errorf("%s: %s: %+v, %v; want one upright face", name, filepath.Base(path), a, err)
			}
		}
	}
}

// TestExtremeShape: faces of 400 pixels in a picture of 3000 × 16000 are found, upright and lying.
func TestExtremeShape(t *testing.T) {
	m := imaging.New(3000, 16000)
	m.Fill(imaging.RGB{180, 180, 170})
	for i := range 5 {
		paste(m, picture(people()[i], i, 1000), 200+400*i, 700+3300*i)
	}
	for name, e := range packsToTest(t) {
		scene := e.detector.Scene(m)
		for _, quarters := range []int{0, 1} {
			faces, err := scene.Detect(t.Context(), quarters, 0)
			if err != nil {
				t.Fatal(err)
			}
			if quarters == 0 && len(faces) != 5 {
				t.Errorf("%s finds %d of 5 faces", name, len(faces))
			}
			for _, f := range faces {
				box := f.Turned(4-quarters, 16000, 3000).Box
				i := (int(box.TopLeft.Y) - 700) / 3300
				if x, y := int(box.TopLeft.X)-200-400*i, int(box.TopLeft.Y)-700-3300*i; i > 4 || x < 0 || x > 1000 || y < 0 || y > 1000 {
					t.Errorf("%s, %d quarters: a face at %+v, where nobody is", name, quarters, box)
				}
			}
		}
	}
}

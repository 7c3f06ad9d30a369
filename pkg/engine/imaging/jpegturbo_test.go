//go:build cgo && jpegturbo

package imaging

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestTurboIsLikeGo: what libjpeg-turbo makes of a file is what Go makes of it, but for rounding, once a photograph is scaled for the detector.
// Of a file that was cut short it makes nothing, unless the lenient decoder finds no damage either.
func TestTurboIsLikeGo(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.jp*g")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	photographs, err := filepath.Glob("../../../../shared/data/faces/pairs/*.jpg")
	if err != nil || len(photographs) == 0 {
		t.Log("SKIPPED: no photographs in ../shared/data; drawn pictures were compared")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, file := range append(photographs[:min(8, len(photographs))], files...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compareTurbo(t, filepath.Base(file), data, true)
		if !slices.Contains(files, file) {
			continue
		}
		for range 30 {
			compareTurbo(t, filepath.Base(file)+", cut short", data[:1+r.IntN(len(data)-1)], false)
		}
	}
	for _, size := range [][2]int{{1, 1}, {7, 5}, {16, 16}, {17, 33}, {640, 1}, {1, 640}} {
		m := New(size[0], size[1])
		for i := range m.Pix {
			m.Pix[i] = byte(128 + 100*math.Sin(float64(i)/40))
		}
		data, err := m.Encode(JPEG)
		if err != nil {
			t.Fatal(err)
		}
		compareTurbo(t, fmt.Sprint("drawn, ", size), data, true)
	}
}

// compareTurbo compares the decoders on one file; a sound one of one or three components both must take.
func compareTurbo(t *testing.T, name string, data []byte, sound bool) {
	t.Helper()
	f, err := readJPEG(data)
	if err != nil || f.components == 4 {
		return
	}
	fast, _, failed := f.read(t.Context(), decodeTurbo)
	strict, _, err := f.read(t.Context(), decodeStrict)
	switch {
	case failed != nil && sound && err == nil:
		t.Errorf("%s: Go reads it, libjpeg-turbo does not: %v", name, failed)
	case failed == nil && err != nil:
		// Sampling in any proportion and restart markers in scans of one component are right, and Go does not read them.
		if _, damage, err := f.read(t.Context(), decodeLenient); err != nil || damage != "" {
			t.Errorf("%s: libjpeg-turbo reads it without a word, and the others do not: %q, %v", name, damage, err)
		}
	case failed == nil && sound:
		scale := min(1, 640/float64(max(f.width, f.height)))
		w, h := max(1, int(scale*float64(f.width))), max(1, int(scale*float64(f.height)))
		a, b := fromGo(fast, f.width, f.height).Resize(w, h).Luma(), fromGo(strict, f.width, f.height).Resize(w, h).Luma()
		var most, sum float64
		for i := range a {
			d := math.Abs(float64(a[i] - b[i]))
			most, sum = max(most, d), sum+d
		}
		// A level of luma and one of each colour difference, rounded twice.
		if mean := sum / float64(len(a)); most > 2 || mean > 0.1 {
			t.Errorf("%s: luma differs by %.2f at most and %.3f on average", name, most, mean)
		}
	}
}

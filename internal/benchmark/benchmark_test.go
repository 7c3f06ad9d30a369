package benchmark

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/internal/drawn"
)

func TestFigure(t *testing.T) {
	var f Figure
	for _, v := range []float64{40, 10, 30, 20} {
		f.Add(v)
	}
	if got := f.Median(); got != 25 {
		t.Errorf("the median of an even number of rounds is %v, want the mean of the middle two, 25", got)
	}
	f.Add(100)
	if got, want := f.String(), "30.0 (10.0 to 100)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var got map[string]any
	data, err := json.Marshal(map[string]Figure{"x": f})
	if err == nil {
		err = json.Unmarshal(data, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"x": map[string]any{"median": 30.0, "min": 10.0, "max": 100.0, "rounds": []any{40.0, 10.0, 30.0, 20.0, 100.0}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if q := Quantile([]float64{1, 2, 3, 4, 5}, 0.9); math.Abs(q-4.6) > 1e-9 {
		t.Errorf("the quantile 0.9 of 1 to 5 is %v", q)
	}
	if !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("no values have a median")
	}
}

func TestMeasure(t *testing.T) {
	cost, err := Measure(10, func() error {
		for end := time.Now().Add(60 * time.Millisecond); time.Now().Before(end); {
		}
		return nil
	})
	if err != nil || cost.Wall < 60*time.Millisecond || cost.CPU <= 0 {
		t.Errorf("work of 60 ms is measured as %+v, %v", cost, err)
	}
	if got := (Cost{Wall: 2 * time.Second, CPU: 3 * time.Second, Images: 10}); got.PerSecond() != 5 || got.CPUMillis() != 300 {
		t.Errorf("10 images in 2 s and 3 s of processor time: %v a second, %v ms", got.PerSecond(), got.CPUMillis())
	}
}

func TestPicturesOfAFolder(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"b.jpg", "a.JPEG", "c.jpg"} {
		file, err := drawn.JPEG(drawn.Cast()[i], 0, 64, 90)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), file, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "pairs.csv"), []byte("a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pictures, source, err := Pictures(t.Context(), dir, 2, 1)
	if err != nil || len(pictures) != 2 || pictures[0].Name != "a.JPEG" || pictures[1].Pixels != 64*64 {
		t.Fatalf("%d pictures, %v", len(pictures), err)
	}
	t.Log(source)
	var names string
	for _, p := range Cycle(pictures, 5) {
		names += p.Name[:1]
	}
	if names != "ababa" {
		t.Errorf("five of two pictures: %s", names)
	}
	if _, _, err := Pictures(t.Context(), t.TempDir(), 2, 1); err == nil {
		t.Error("a folder without pictures is one")
	}
}

// What is drawn is as large as what phones take.
func TestDrawnPicturesHavePhoneSize(t *testing.T) {
	for _, side := range phone {
		if pixels := side * side; pixels < 3e6-1e4 || pixels > 12.1e6 {
			t.Errorf("a side of %d is %d pixels", side, pixels)
		}
	}
	pictures, err := draw(t.Context(), []int{64, 96}, 2)
	if err != nil || len(pictures) != 2 || pictures[1].Pixels != 96*96 || bytes.Equal(pictures[0].File, pictures[1].File) {
		t.Errorf("%d pictures, %v", len(pictures), err)
	}
}

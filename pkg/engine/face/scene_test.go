package face

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// looks are the sizes, width and height, at which a detector with a long side of 640 looks at a picture in which it is that sure
// of one face.
func looks(t *testing.T, width, height int, confidence float32) (sizes [][2]int64) {
	t.Helper()
	net := yunet(cell{stride: 8, cls: confidence, obj: confidence, bbox: [4]float32{2, 2, 1, 1}})
	answer := net.run
	net.run = func(row onnx.Tensor) onnx.RowResult {
		sizes = append(sizes, [2]int64{row.Shape[2], row.Shape[1]})
		return answer(row)
	}
	m := yunetModel()
	m.Input.LongSide = 640
	d, err := NewDetector(Stage{Net: net, Model: m}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Detect(t.Context(), imaging.New(width, height), 0); err != nil {
		t.Fatal(err)
	}
	return sizes
}

// TestLooks: a picture costs one look, a second one of a ninth of it where the detector is not sure, and at most eight more of its
// tiles where they show faces at least twice as large.
func TestLooks(t *testing.T) {
	for name, c := range map[string]struct {
		width, height int
		confidence    float32
		want          [][2]int64
	}{
		"sure":               {1600, 1200, 0.95, [][2]int64{{640, 480}}},
		"unsure":             {1600, 1200, 0.85, [][2]int64{{640, 480}, {224, 160}}},
		"nothing":            {1600, 1200, 0, [][2]int64{{640, 480}, {224, 160}}},
		"too small for more": {150, 150, 0, [][2]int64{{160, 160}}},
		"a panorama":         {2560, 1080, 0.95, [][2]int64{{640, 288}}},
		"three to one":       {3000, 1000, 0.95, [][2]int64{{640, 224}, {640, 480}, {640, 480}, {640, 480}}},
		"small and long":     {600, 100, 0.95, [][2]int64{{608, 128}}},
	} {
		if diff := cmp.Diff(c.want, looks(t, c.width, c.height, c.confidence)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, size := range [][2]int{{16384, 40}, {30, 16384}, {1, 16384}, {16384, 2000}, {3000, 16000}} {
		if n := len(looks(t, size[0], size[1], 0)); n > maxTiles+2 || n < 4 {
			t.Errorf("%v: %d looks", size, n)
		}
	}
}

// TestCloseUp: of a face that fills the picture, the first look finds parts. What the second is surer of takes their place; where
// it is hardly surer, the first one's place stays.
func TestCloseUp(t *testing.T) {
	at := func(confidence, x0, y0, x1, y1 float32) Face {
		f := boxed(x0, y0, x1, y1)
		f.Confidence = confidence
		return f
	}
	s := Scene{detector: &Detector{maxOverlap: 0.45}}
	whole, part, beside := at(0.93, 50, 50, 550, 650), at(0.7, 100, 100, 300, 300), at(0.8, 600, 100, 640, 150)
	for name, c := range map[string]struct{ first, want []Face }{
		"nothing":        {nil, []Face{whole}},
		"a part":         {[]Face{part}, []Face{whole}},
		"somebody else":  {[]Face{beside, part}, []Face{whole, beside}},
		"hardly surer":   {[]Face{at(0.88, 60, 60, 560, 660), part}, []Face{at(0.88, 60, 60, 560, 660)}},
		"much surer":     {[]Face{at(0.6, 60, 60, 560, 660), part}, []Face{whole}},
		"a surer inside": {[]Face{at(0.95, 100, 100, 300, 300)}, []Face{whole, at(0.95, 100, 100, 300, 300)}},
	} {
		if diff := cmp.Diff(c.want, s.withCloseUp(c.first, whole)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestTiles: the picture is covered, each face of up to half the short side lies whole in some tile, and a face that a tile's border
// cuts off counts only where it is whole.
func TestTiles(t *testing.T) {
	m := yunetModel()
	m.Input.LongSide = 640
	d, err := NewDetector(Stage{Net: yunet(), Model: m}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{3000, 1000}, {1000, 3000}, {16000, 3000}, {700, 16384}, {16384, 100}} {
		s := d.Scene(imaging.New(size[0], size[1]))
		long, short := float32(max(size[0], size[1])), float32(min(size[0], size[1]))
		along := func(p schema.PointF) float32 {
			if size[1] > size[0] {
				return p.Y
			}
			return p.X
		}
		for from := float32(0); from+short/2 <= long; from += short / 8 {
			covered := false
			for _, tile := range s.tiles {
				covered = covered || from >= max(along(tile.from), 0) && from+short/2 <= min(along(tile.to), long)
			}
			if !covered {
				t.Fatalf("%v: a face from %v to %v is whole in no tile", size, from, from+short/2)
			}
		}
	}
}

// TestFaceTurned: a face turns with its picture.
func TestFaceTurned(t *testing.T) {
	const width, height = 40, 30
	m := imaging.New(width, height)
	f := boxed(4, 6, 12, 16)
	for i, p := range f.Points {
		m.Pix[3*(int(p.Y)*width+int(p.X))] = byte(100 + i)
	}
	for quarters := range 8 {
		turned, g := m.Turned(quarters), f.Turned(quarters, width, height)
		for i, p := range g.Points {
			// The left and upper edge of a pixel becomes another of its edges.
			found := false
			for _, d := range [][2]int{{0, 0}, {-1, 0}, {0, -1}, {-1, -1}} {
				x, y := int(p.X)+d[0], int(p.Y)+d[1]
				found = found || x >= 0 && y >= 0 && x < turned.Width && y < turned.Height && turned.Pix[3*(y*turned.Width+x)] == byte(100+i)
			}
			if !found {
				t.Errorf("turned by %d quarters, point %d is not at %v", quarters, i, p)
			}
		}
		if g.Box.TopLeft.X >= g.Box.BottomRight.X || g.Box.TopLeft.Y >= g.Box.BottomRight.Y {
			t.Errorf("turned by %d quarters: %+v", quarters, g.Box)
		}
		back := g.Turned(8-quarters, turned.Width, turned.Height)
		if diff := cmp.Diff(f, back, cmpopts.EquateApprox(0, 1e-4)); diff != "" {
			t.Errorf("turned by %d quarters and back: %s", quarters, diff)
		}
		if n := f.Within(f); n != 1 {
			t.Errorf("%v of a face lies within it", n)
		}
	}
}

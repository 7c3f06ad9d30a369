package imaging

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// grey has the given red values, row by row.
func grey(width int, values ...byte) *Image {
	m := New(width, len(values)/width)
	for i, v := range values {
		copy(m.Pix[3*i:], []byte{v, v, v})
	}
	return m
}

func reds(m *Image) []byte {
	var out []byte
	for i := 0; i < len(m.Pix); i += 3 {
		out = append(out, m.Pix[i])
	}
	return out
}

func TestCrop(t *testing.T) {
	m := grey(3,
		1, 2, 3,
		4, 5, 6)
	for name, test := range map[string]struct {
		x0, y0, x1, y1 int
		border         Border
		want           []byte
	}{
		"inside":             {1, 0, 3, 2, Black, []byte{2, 3, 5, 6}},
		"black beyond":       {-1, -1, 2, 1, Black, []byte{0, 0, 0, 0, 1, 2}},
		"mirrored beyond":    {-2, -1, 2, 1, Reflect, []byte{6, 5, 4, 5, 3, 2, 1, 2}},
		"mirrored far away":  {3, 1, 8, 2, Reflect, []byte{5, 4, 5, 6, 5}},
		"nothing of m":       {5, 5, 7, 6, Black, []byte{0, 0}},
		"mirrored, no of m":  {0, 2, 3, 4, Reflect, []byte{1, 2, 3, 4, 5, 6}},
		"mirrored, only row": {0, -1, 1, 1, Reflect, []byte{4, 1}},
	} {
		if diff := cmp.Diff(test.want, reds(m.Crop(test.x0, test.y0, test.x1, test.y1, test.border))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]byte{9, 9, 9}, reds(grey(1, 9).Crop(-1, 0, 2, 1, Reflect))); diff != "" {
		t.Errorf("a picture of one pixel mirrors into itself: %s", diff)
	}
}

// Unlike Resize it takes the nearest pixels alone, however much it shrinks.
func TestSampleLinear(t *testing.T) {
	row := grey(8, 0, 10, 20, 30, 40, 50, 60, 70)
	if diff := cmp.Diff([]byte{15, 55}, reds(row.SampleLinear(0, 0, 8, 1, 2, 1))); diff != "" {
		t.Error(diff)
	}
	stripes := grey(9, 0, 255, 0, 0, 255, 0, 0, 255, 0)
	if diff := cmp.Diff([]byte{255, 255, 255}, reds(stripes.SampleLinear(0, 0, 9, 1, 3, 1))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]byte{20, 26, 34, 40}, reds(row.SampleLinear(2, 0, 5, 1, 4, 1))); diff != "" {
		t.Error(diff)
	}
}

func TestCut(t *testing.T) {
	m := New(64, 48)
	for y := range m.Height {
		for x := range m.Width {
			p := m.Pix[3*(y*m.Width+x):]
			p[0], p[1] = byte(4*x), byte(5*y)
		}
	}
	at := func(img *Image, x, y int) [2]byte {
		p := img.Pix[3*(y*img.Width+x):]
		return [2]byte{p[0], p[1]}
	}
	same := m.Cut(Window{X: 32, Y: 24, Width: 64, Height: 48}, 64, 48)
	if diff := cmp.Diff(m.Pix, same.Pix); diff != "" {
		t.Error("the whole picture at its size is not the picture")
	}
	// A quarter of a turn: the window's upright axis points to the picture's right.
	turned := m.Cut(Window{X: 32, Y: 24, Width: 16, Height: 16, Turn: math.Pi / 2}, 16, 16)
	if got, want := at(turned, 0, 0), at(m, 39, 16); got != want {
		t.Errorf("the top left corner is %v, want the picture's %v", got, want)
	}
	// Shrunk by 4: the mean of 4 × 4 pixels.
	small := m.Cut(Window{X: 32, Y: 24, Width: 32, Height: 32}, 8, 8)
	if got, want := at(small, 0, 0), [2]byte{4*17 + 2, 5*9 + 3}; got[0]-want[0]+2 > 4 || got[1]-want[1]+3 > 6 {
		t.Errorf("shrunk: %v, want about %v", got, want)
	}
	if far := m.Cut(Window{X: -100, Y: -100, Width: 8, Height: 8}, 4, 4); at(far, 0, 0) != [2]byte{} {
		t.Error("beyond the picture it is not black")
	}
	x, y := Window{X: 10, Y: 20, Width: 4, Height: 8, Turn: math.Pi / 2}.Place(1, 0)
	if math.Abs(x-14) > 1e-9 || math.Abs(y-22) > 1e-9 {
		t.Errorf("the top right corner lies at %v, %v; want 14, 22", x, y)
	}
}

func TestTurned(t *testing.T) {
	m := grey(2, 1, 2, 3, 4, 5, 6)
	for quarters, want := range map[int][]byte{0: {1, 2, 3, 4, 5, 6}, 1: {5, 3, 1, 6, 4, 2}, 2: {6, 5, 4, 3, 2, 1}, 3: {2, 4, 6, 1, 3, 5}, -1: {2, 4, 6, 1, 3, 5}} {
		if diff := cmp.Diff(want, reds(m.Turned(quarters))); diff != "" {
			t.Errorf("%d quarters (-want +got):\n%s", quarters, diff)
		}
	}
}

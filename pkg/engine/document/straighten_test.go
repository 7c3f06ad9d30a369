package document

import (
	"math"
	"math/rand/v2"
	"testing"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// camera shows a document as a pinhole camera does that looks at the centre of a picture of 1600 × 1200 pixels.
type camera struct {
	focal            float64 // pixels
	tilt, turn, roll float64 // radians
	distance         float64 // of the document's centre, in its widths
}

// see is where the point (x, y) of the document's plane lies in the picture, the unit is the document's width, the origin its centre.
func (c camera) see(x, y float64) point {
	sin, cos := math.Sincos(c.roll)
	x, y = x*cos-y*sin, x*sin+y*cos
	sin, cos = math.Sincos(c.turn)
	x, z := x*cos, x*sin
	sin, cos = math.Sincos(c.tilt)
	y, z = y*cos-z*sin, y*sin+z*cos
	z += c.distance
	return point{800 + c.focal*x/z, 600 + c.focal*y/z}
}

func (c camera) quad(shape float64) quad {
	h := 0.5 / shape
	return quad{c.see(-0.5, -h), c.see(0.5, -h), c.see(0.5, h), c.see(-0.5, h)}
}

func anyCamera(dice *rand.Rand) camera {
	in := func(lo, hi float64) float64 { return lo + (hi-lo)*dice.Float64() }
	return camera{focal: in(1000, 2000), tilt: in(-0.6, 0.6), turn: in(-0.6, 0.6), roll: in(-0.5, 0.5), distance: in(1.2, 2.5)}
}

// TestShapeOfAnyView finds the type of documents from exact corners in any view, and from corners that are a little off in most.
func TestShapeOfAnyView(t *testing.T) {
	dice := rand.New(rand.NewPCG(14, 2))
	for _, test := range []struct{ off, want float64 }{{0, 0.99}, {2, 0.95}} {
		right, n := 0, 0
		for _, wanted := range []Type{ID1, ID3} {
			w, h := wanted.Size()
			for range 1000 {
				q := anyCamera(dice).quad(w / h)
				for i := range q {
					q[i] = q[i].plus(point{test.off * dice.NormFloat64() / 2, test.off * dice.NormFloat64() / 2})
				}
				if got, _ := TypeOf(q.corners(), 1600, 1200); got == wanted {
					right++
				}
				n++
			}
		}
		if share := float64(right) / float64(n); share < test.want {
			t.Errorf("corners %v pixels off: %.1f %% have the right type, want %.1f %%", test.off, 100*share, 100*test.want)
		} else {
			t.Logf("corners %v pixels off: %.1f %% have the right type", test.off, 100*share)
		}
	}
	for _, test := range []struct {
		w, h float32
		want Type
	}{{856, 540, ID1}, {540, 856, ID1}, {1250, 880, ID3}, {600, 400, Unknown}, {500, 500, Unknown}} {
		got, shape := TypeOf([4]schema.PointF{{}, {X: test.w}, {X: test.w, Y: test.h}, {Y: test.h}}, 1600, 1200)
		if got != test.want || math.Abs(shape-float64(test.w/test.h)) > 0.05 {
			t.Errorf("%v × %v: %s of %v, want %s", test.w, test.h, got, shape, test.want)
		}
	}
}

// TestStraightenUndoesTheView: what a camera sees of a document is the document again.
func TestStraightenUndoesTheView(t *testing.T) {
	dice := rand.New(rand.NewPCG(14, 3))
	w, h := ID1.Size()
	card := imaging.New(856, 540)
	for y := range card.Height {
		for x := range card.Width {
			copy(card.Pix[3*(y*card.Width+x):], []byte{byte(x * 255 / card.Width), byte(y * 255 / card.Height), byte(128 + 100*math.Sin(float64(x)/20)*math.Sin(float64(y)/20))})
		}
	}
	for range 5 {
		q := anyCamera(dice).quad(w / h)
		view, ok := imaging.NewProjective(q.pairs(), frame(card.Width, card.Height).pairs())
		if !ok {
			t.Fatal("no view")
		}
		seen := card.WarpProjective(view, 1600, 1200, imaging.RGB{})
		got := Straighten(seen, q.corners(), w/h, 100_000_000)
		across := max(q.side(0).length(), q.side(2).length())
		if float64(got.Width) < across-1 || math.Abs(float64(got.Width)/float64(got.Height)-w/h) > 0.01 {
			t.Errorf("the straightened card is %d × %d; its widest side has %.0f pixels", got.Width, got.Height, across)
		}
		back := got.Resize(card.Width, card.Height)
		sum, n := 0.0, 0
		for y := 4; y < card.Height-4; y++ {
			for i := 3 * (y*card.Width + 4); i < 3*(y*card.Width+card.Width-4); i++ {
				sum += math.Abs(float64(back.Pix[i]) - float64(card.Pix[i]))
				n++
			}
		}
		if mean := sum / float64(n); mean > 3 {
			t.Errorf("the card differs by %.2f of 255 on average", mean)
		}
		if small := Straighten(seen, q.corners(), w/h, 10_000); small.Width*small.Height > 10_300 {
			t.Errorf("10,000 pixels at most: %d × %d", small.Width, small.Height)
		}
	}
	if got := Straighten(card, [4]schema.PointF{{X: 0}, {X: 10}, {X: 20}, {X: 30}}, 1, 1000); got != nil {
		t.Errorf("a line was straightened to %v", got)
	}
}

func TestUpright(t *testing.T) {
	for name, test := range map[string]struct {
		directions []Direction
		want       int
	}{
		"nothing":                      {nil, 0},
		"upright, a little aslant":     {[]Direction{{12, 1}}, 0},
		"turned clockwise":             {[]Direction{{90, 1}}, 3},
		"upside down":                  {[]Direction{{180, 1}, {-175, 1}}, 2},
		"turned the other way":         {[]Direction{{-88, 1}}, 1},
		"a large line against a small": {[]Direction{{180, 3}, {0, 1}}, 2},
	} {
		if got := Upright(test.directions); got != test.want {
			t.Errorf("%s: %d quarters, want %d", name, got, test.want)
		}
	}
	// A document that lies on its right side in the picture: its own top left corner is the picture's top right one.
	o := Outline{Corners: frame(100, 200).corners()}
	if got := o.Turn(3).Corners[0]; got != (schema.PointF{X: 100}) {
		t.Errorf("turned by three quarters, the top left corner is %v", got)
	}
	img := imaging.New(2, 1)
	copy(img.Pix, []byte{1, 1, 1, 2, 2, 2})
	turned := img.Turned(3) // the right pixel comes to the top
	if turned.Pix[0] != 2 {
		t.Fatal("three quarters do not bring the right side to the top")
	}
	straight := Straighten(img, Outline{Corners: frame(2, 1).corners()}.Turn(3).Corners, 0.5, 100)
	if straight.Pix[0] != 2 {
		t.Error("Turn and imaging.Turned differ")
	}
}

func TestQuad(t *testing.T) {
	q := frame(100, 50)
	if a := q.area(); a != 5000 {
		t.Errorf("area %v", a)
	}
	shifted := q
	for i := range shifted {
		shifted[i].x += 50
	}
	if o := q.overlap(shifted); math.Abs(o-1./3) > 1e-9 {
		t.Errorf("overlap %v, want a third", o)
	}
	if o := q.overlap(quad{{200, 0}, {300, 0}, {300, 50}, {200, 50}}); o != 0 {
		t.Errorf("overlap %v of two that do not touch", o)
	}
}

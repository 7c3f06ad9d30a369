package imaging

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestProjectiveTakesPointsToPoints(t *testing.T) {
	dice := rand.New(rand.NewPCG(14, 1))
	for range 1000 {
		var from, to [4][2]float64
		for i, corner := range [4][2]float64{{0, 0}, {1, 0}, {1, 1}, {0, 1}} {
			for axis := range 2 {
				from[i][axis] = 100 + 500*corner[axis] + 100*dice.Float64()
				to[i][axis] = -50 + 2000*corner[axis] + 300*dice.Float64()
			}
		}
		p, ok := NewProjective(from, to)
		if !ok {
			t.Fatalf("no mapping from %v to %v", from, to)
		}
		for i := range from {
			if x, y := p.Apply(from[i][0], from[i][1]); math.Hypot(x-to[i][0], y-to[i][1]) > 1e-6 {
				t.Fatalf("%v went to (%v, %v), want %v", from[i], x, y, to[i])
			}
		}
		// The diagonals still meet where they meet.
		meet := func(q [4][2]float64) (float64, float64) {
			ax, ay, bx, by := q[2][0]-q[0][0], q[2][1]-q[0][1], q[3][0]-q[1][0], q[3][1]-q[1][1]
			k := ((q[1][0]-q[0][0])*by - (q[1][1]-q[0][1])*bx) / (ax*by - ay*bx)
			return q[0][0] + k*ax, q[0][1] + k*ay
		}
		x, y := p.Apply(meet(from))
		if wx, wy := meet(to); math.Hypot(x-wx, y-wy) > 1e-6 {
			t.Fatalf("the diagonals meet at (%v, %v), want (%v, %v)", x, y, wx, wy)
		}
	}
	if _, ok := NewProjective([4][2]float64{{0, 0}, {1, 0}, {1, 1}, {0, 1}}, [4][2]float64{{0, 0}, {1, 1}, {2, 2}, {0, 5}}); ok {
		t.Error("three points on a line have a mapping")
	}
}

func TestWarpProjective(t *testing.T) {
	m := New(40, 30)
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	square := func(w, h float64) [4][2]float64 { return [4][2]float64{{0, 0}, {w, 0}, {w, h}, {0, h}} }
	same, _ := NewProjective(square(40, 30), square(40, 30))
	if got := m.WarpProjective(same, 40, 30, RGB{}); string(got.Pix) != string(m.Pix) {
		t.Error("a picture that stays where it is changes")
	}
	shifted, _ := NewProjective(square(40, 30), [4][2]float64{{100, 0}, {140, 0}, {140, 30}, {100, 30}})
	if got := m.WarpProjective(shifted, 40, 30, RGB{1, 2, 3}); got.Pix[0] != 1 || got.Pix[len(got.Pix)-1] != 3 {
		t.Error("what lies beyond has another colour")
	}
	// Stripes a pixel wide are grey when the picture shrinks to a third, and make no coarser stripes.
	stripes := New(300, 300)
	for i := range stripes.Pix {
		if i/3%2 == 0 {
			stripes.Pix[i] = 255
		}
	}
	third, _ := NewProjective(square(100, 100), square(300, 300))
	for i, v := range stripes.WarpProjective(third, 100, 100, RGB{}).Pix {
		if v < 80 || v > 175 {
			t.Fatalf("value %d is %d", i, v)
		}
	}
}

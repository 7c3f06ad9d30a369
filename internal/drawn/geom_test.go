package drawn

import (
	"math"
	"testing"
)

func TestPoseIsARotation(t *testing.T) {
	r := pose(0.3, -0.2, 0.5)
	for i := range r {
		for j := range r {
			want := 0.0
			if i == j {
				want = 1
			}
			if got := r[i].dot(r[j]); math.Abs(got-want) > 1e-12 {
				t.Errorf("rows %d and %d have the product %v, want %v", i, j, got, want)
			}
		}
	}
}

// TestPoseSigns holds the directions that Shot documents, by the nose's tip and
// the crown.
func TestPoseSigns(t *testing.T) {
	nose, crown := vec{0, 0, 1}, vec{0, -1, 0}
	for _, c := range []struct {
		name             string
		yaw, pitch, roll float64
		at               vec
		moved            func(v vec) float64
	}{
		{"yaw turns the nose right", 0.1, 0, 0, nose, func(v vec) float64 { return v.x }},
		{"pitch raises the nose", 0, 0.1, 0, nose, func(v vec) float64 { return -v.y }},
		{"roll takes the crown right", 0, 0, 0.1, crown, func(v vec) float64 { return v.x }},
	} {
		r := pose(c.yaw, c.pitch, c.roll)
		if got := c.moved(r.apply(c.at)); got < 0.09 {
			t.Errorf("%s: by %v", c.name, got)
		}
	}
}

func TestCurve(t *testing.T) {
	k := []knot{{-1, 2}, {0, 3}, {0.5, 1}, {2, 1.5}}
	for _, c := range []struct{ at, want float64 }{{-5, 2}, {-1, 2}, {0, 3}, {0.5, 1}, {2, 1.5}, {9, 1.5}} {
		if got := curve(k, c.at); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("curve at %v is %v, want %v", c.at, got, c.want)
		}
	}
}

func TestBump2IsAProduct(t *testing.T) {
	for _, x := range []float64{0, 0.01, -0.02, 0.05} {
		got, want := bump2(x, 0.03, 0.02, 0.04), bump(x, 0.03)*bump(0.02, 0.04)
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("bump2 at %v is %v, want %v", x, got, want)
		}
	}
}

func TestNoiseRange(t *testing.T) {
	low, high := 1.0, 0.0
	for i := range 4000 {
		v := noise(float64(i)*0.37, float64(i)*0.11, 9)
		low, high = min(low, v), max(high, v)
	}
	if low < 0 || high > 1 || high-low < 0.8 {
		t.Errorf("noise lies in %v..%v, want most of 0..1", low, high)
	}
}

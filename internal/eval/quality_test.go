package eval

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/quality"
	"facestream/pkg/schema"
)

func TestSpearman(t *testing.T) {
	for _, test := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3, 4}, []float64{10, 20, 30, 1000}, 1},
		{[]float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}, -1},
		{[]float64{1, 2, 3}, []float64{5, 5, 5}, 0},
		{[]float64{1, 2, 3, 4, 5}, []float64{2, 1, 4, 3, 5}, 0.8},     // 1 − 6·Σd²/(n(n²−1)) = 1 − 24/120
		{[]float64{1, 2, 3, 4, 5}, []float64{0, 0, 0, 1, 1}, 0.86603}, // ranks 2 2 2 4.5 4.5: 7.5 / √(10 · 7.5)
	} {
		if got := spearman(test.a, test.b); !cmp.Equal(test.want, got, close4) {
			t.Errorf("%v and %v: %v, want %v", test.a, test.b, got, test.want)
		}
	}
}

func TestFollow(t *testing.T) {
	reports := func(scalars ...float32) (all []*schema.FaceQuality) {
		for _, s := range scalars {
			r := &schema.FaceQuality{}
			if s >= 0 {
				r.Measures = []schema.QualityMeasure{{Check: string(quality.Noise), Native: new(float32), Scalar: &s}}
			}
			all = append(all, r)
		}
		return all
	}
	for _, test := range []struct {
		reports []*schema.FaceQuality
		want    falling
	}{
		{reports(90, 50, 20), falling{true, 1, true}},
		{reports(100, 100, 20), falling{true, 0.8660, true}},
		{reports(50, 50, 50), falling{true, 0, false}},
		{reports(50, 80, 20), falling{true, 0.5, false}},
		{reports(90, -1, 20), falling{}},
		{append(reports(90), nil), falling{}},
	} {
		got := follow(test.reports, quality.Noise)
		if got.assessed != test.want.assessed || got.monotone != test.want.monotone || !cmp.Equal(got.rho, test.want.rho, close4) {
			t.Errorf("%+v, want %+v", got, test.want)
		}
	}
}

// TestSpoilings has each of them change a picture as its name says.
func TestSpoilings(t *testing.T) {
	m := imaging.New(32, 24)
	for i := range m.Pix {
		m.Pix[i] = byte(60 + 80*((i/3/4)%2))
	}
	// at is a pixel's red.
	at := func(m *imaging.Image, x, y int) int { return int(m.Pix[3*(y*m.Width+x)]) }
	for _, s := range spoilings {
		out := s.spoil(m, s.steps[len(s.steps)-1])
		if out.Width != m.Width || out.Height != m.Height || cmp.Equal(m.Pix, out.Pix) {
			t.Errorf("%s: %v, unchanged: %v", s.name, out, cmp.Equal(m.Pix, out.Pix))
		}
	}
	if b := blurred(m, 8); at(b, 12, 12) < 85 || at(b, 12, 12) > 115 {
		t.Errorf("blurred stripes of 60 and 140: %d", at(b, 12, 12))
	}
	if l := lit(m, 3); at(l, 0, 0) != 180 || at(l, 4, 0) != 255 {
		t.Errorf("three times 60 and 140: %d and %d", at(l, 0, 0), at(l, 4, 0))
	}
	// A bright point right of the middle comes to lie below it when the picture is turned clockwise.
	p := imaging.New(41, 41)
	copy(p.Pix[3*(20*41+35):], []byte{255, 255, 255})
	if l := leaning(p, 90); at(l, 20, 35) < 200 {
		t.Errorf("the point does not lie at 20, 35: %d", at(l, 20, 35))
	}
}

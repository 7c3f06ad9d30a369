package eval

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

var close4 = cmpopts.EquateApprox(0, 1e-4)

func TestRateInterval(t *testing.T) {
	for _, test := range []struct {
		rate Rate
		want Interval
	}{
		{Rate{0, 10}, Interval{0, 0.2775}}, // z² / (n + z²)
		{Rate{5, 10}, Interval{0.2366, 0.7634}},
		{Rate{10, 10}, Interval{0.7225, 1}},
		{Rate{1, 1000}, Interval{0.00018, 0.00564}},
	} {
		if diff := cmp.Diff(test.want, test.rate.Interval(), close4); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.rate, diff)
		}
	}
}

func TestPerUnit(t *testing.T) {
	for _, test := range []struct {
		events, units int
		want          float64
		interval      Interval
	}{
		{0, 10, 0, Interval{0, 0.3841}}, // z² / n
		{4, 2, 2, Interval{0.7778, 5.1430}},
	} {
		value, interval := perUnit(test.events, test.units)
		if diff := cmp.Diff(test.interval, interval, close4); value != test.want || diff != "" {
			t.Errorf("%d events in %d units: %v, want %v; interval (-want +got):\n%s", test.events, test.units, value, test.want, diff)
		}
	}
}

func TestMeanAndMedian(t *testing.T) {
	for _, test := range []struct {
		values                      []float64
		mean, standardError, median float64
	}{
		{[]float64{7}, 7, 0, 7},
		{[]float64{4, 1, 3, 2}, 2.5, 0.6455, 2.5}, // deviation √(5/3), over √4
		{[]float64{9, 1, 2}, 4, 2.5166, 2},
	} {
		m, e := mean(test.values)
		if got := []float64{m, e, median(test.values)}; !cmp.Equal([]float64{test.mean, test.standardError, test.median}, got, close4) {
			t.Errorf("%v: mean, standard error, median %v; want %v, %v, %v", test.values, got, test.mean, test.standardError, test.median)
		}
	}
}

func TestThresholdAt(t *testing.T) {
	above := func(x float32) float32 { return math.Nextafter32(x, 2) }
	tenths := []float32{0.5, 0.1, 0.9, 0.3, 0.7, 0.2, 1, 0.4, 0.8, 0.6}
	for _, test := range []struct {
		name   string
		scores []float32
		share  float64
		want   float32
		reach  int
	}{
		{"none may", tenths, 0, above(1), 0},
		{"a share of less than one", tenths, 0.09, above(1), 0},
		{"one in ten", tenths, 0.1, above(0.9), 1},
		{"0.3 × 10 is below 3 in floating point", tenths, 0.3, above(0.7), 3},
		{"all may", tenths, 1, 0.1, 10},
		{"equals come together or not at all", []float32{0.5, 0.5, 0.2, 0.5}, 0.25, above(0.5), 0},
	} {
		got := thresholdAt(test.scores, test.share)
		if got != test.want || accepted(test.scores, got) != test.reach {
			t.Errorf("%s: %v, reached by %d; want %v, reached by %d", test.name, got, accepted(test.scores, got), test.want, test.reach)
		}
	}
}

func TestScores(t *testing.T) {
	s := Scores{Mates: []float32{0.9, 0.8, 0.4, 0.4}, NonMates: []float32{0.1, 0.3, 0.5, 0.2, 0}}
	for _, test := range []struct {
		threshold                float32
		fmr, fnmr, tar, accuracy Rate
	}{
		{-1, Rate{5, 5}, Rate{0, 4}, Rate{4, 4}, Rate{4, 9}},
		{0.4, Rate{1, 5}, Rate{0, 4}, Rate{4, 4}, Rate{8, 9}}, // at the threshold is accepted
		{0.45, Rate{1, 5}, Rate{2, 4}, Rate{2, 4}, Rate{6, 9}},
		{0.6, Rate{0, 5}, Rate{2, 4}, Rate{2, 4}, Rate{7, 9}},
		{1, Rate{0, 5}, Rate{4, 4}, Rate{0, 4}, Rate{5, 9}},
	} {
		got := []Rate{s.FMR(test.threshold), s.FNMR(test.threshold), s.TAR(test.threshold), s.Accuracy(test.threshold)}
		if diff := cmp.Diff([]Rate{test.fmr, test.fnmr, test.tar, test.accuracy}, got); diff != "" {
			t.Errorf("%v: FMR, FNMR, TAR, accuracy (-want +got):\n%s", test.threshold, diff)
		}
	}
}

func TestEER(t *testing.T) {
	for _, test := range []struct {
		name      string
		scores    Scores
		rate      float64
		threshold float32
	}{
		{"separable", Scores{[]float32{0.8, 0.9}, []float32{0.1, 0.2}}, 0, 0.8},
		{"one of three on each side", Scores{[]float32{0.9, 0.8, 0.4}, []float32{0.1, 0.5, 0.3}}, 1. / 3, 0.5},
		{"between two steps", Scores{[]float32{0.9, 0.8, 0.4, 0.4}, []float32{0, 0.1, 0.2, 0.3, 0.5}}, 0.1, 0.4}, // FMR 1/5, FNMR 0
		{"the wrong way round", Scores{[]float32{0.1}, []float32{0.9}}, 1, 0.9},
	} {
		if rate, threshold := test.scores.EER(); math.Abs(rate-test.rate) > 1e-9 || threshold != test.threshold {
			t.Errorf("%s: %v at %v, want %v at %v", test.name, rate, threshold, test.rate, test.threshold)
		}
	}
}

func TestBestThreshold(t *testing.T) {
	for _, test := range []struct {
		name   string
		scores Scores
		want   float32
	}{
		{"the highest of those between", Scores{[]float32{0.812, 0.9}, []float32{0.1, 0.2}}, 0.81},
		{"rejects all rather than err more", Scores{[]float32{0.012}, []float32{0.9, 0.8}}, 1},
		{"lets one in for two", Scores{[]float32{0.512, 0.522}, []float32{0.6, 0.2}}, 0.51},
	} {
		if got := test.scores.bestThreshold(); math.Abs(float64(got-test.want)) > 1e-6 {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// The threshold of each fold comes from the others: 0.7 is best for the second fold, and puts a mate of the first on the
// wrong side, and the other way round 0.3 a non-mate of the second.
func TestFoldsDoNotSeeTheirOwnThreshold(t *testing.T) {
	r := &Report{}
	r.addFolds([]Scores{
		{Mates: []float32{0.302, 0.9}, NonMates: []float32{0.1, 0.1}},
		{Mates: []float32{0.702, 0.9}, NonMates: []float32{0.1, 0.4}},
	})
	accuracy := r.Figure(FigureAccuracy)
	if accuracy.Count != 6 || accuracy.Of != 8 || accuracy.Value != 0.75 || math.Abs(float64(*accuracy.Threshold)-0.5) > 1e-6 {
		t.Errorf("%+v at %v; want 6 of 8 at the mean of 0.7 and 0.3", accuracy, *accuracy.Threshold)
	}
	if e := r.Figure("standard error over the folds"); e.Value != 0 {
		t.Errorf("both folds have 3 of 4 right, and the standard error is %v", e.Value)
	}
}

func TestSearches(t *testing.T) {
	gallery := [][]float32{{1, 0}, {0, 1}, {-1, 0}}
	mates := search(gallery, [][]float32{{0.8, 0.6}, {0.6, 0.8}, {0, 1}}) // the third is taken for the second
	if diff := cmp.Diff([]hit{{0, 0.8}, {1, 0.8}, {1, 1}}, mates, cmp.AllowUnexported(hit{})); diff != "" {
		t.Fatalf("search (-want +got):\n%s", diff)
	}
	var strangers []hit
	for i := range 200 {
		strangers = append(strangers, hit{0, float32(i) / 400})
	}
	strangers = append(strangers, hit{2, 0.79}, hit{2, 0.85}) // the latter alone may pass at FPIR 0.01 with one other
	r := &Report{}
	s := newSearches(mates, strangers)
	r.addSearches(s)
	r.addSearchesAt(s, s.names("max"), 0.9)
	r.addSearchesAt(s, s.names("med"), 0.7)
	for name, want := range map[string]Rate{
		"rank-1 rate, no threshold": {2, 3},
		"FNIR at FPIR 0.01":         {1, 3}, // both strangers pass, and so do both mates
		"FNIR at FPIR 0.003":        {3, 3}, // none of 202 may pass, 0.85 is above all mates
		"FNIR at max, the default":  {3, 3},
		"FPIR at max, the default":  {0, 202},
		"FNIR at med":               {1, 3},
		"FPIR at med":               {2, 202},
	} {
		if f := r.Figure(name); (Rate{f.Count, f.Of}) != want {
			t.Errorf("%s: %d of %d, want %d of %d", name, f.Count, f.Of, want.Count, want.Of)
		}
	}
}

func TestRoundUp(t *testing.T) {
	for x, want := range map[float32]float32{0.2421: 0.243, 0.24299999: 0.243, 0.5: 0.5, -0.0005: 0} {
		if got := roundUp(x); got != want {
			t.Errorf("%v: %v, want %v", x, got, want)
		}
	}
}

func TestFirstOfEach(t *testing.T) {
	got := firstOfEach([]string{"d/A/A_0001.jpg", "d/A/A_0002.jpg", "d/AB/AB_0003.jpg", "d/C/C_0002.jpg", "d/C/C_0004.jpg"})
	if diff := cmp.Diff([]string{"d/A/A_0001.jpg", "d/AB/AB_0003.jpg", "d/C/C_0002.jpg"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := crossScores([][]float32{{1, 0}, {0, 1}, {0.6, 0.8}}); !cmp.Equal([]float32{0, 0.6, 0.8}, got) {
		t.Errorf("the scores of everybody with everybody: %v", got)
	}
}

// at is a face with the box (x, y) to (x+side, y+side) and eyes 10 apart.
func at(x, y, side float32) face.Face {
	f := face.Face{Box: schema.BoxF{TopLeft: schema.PointF{X: x, Y: y}, BottomRight: schema.PointF{X: x + side, Y: y + side}}}
	f.Points = [5]schema.PointF{{X: x, Y: y}, {X: x + 10, Y: y}, {X: x + 5, Y: y + 5}, {X: x, Y: y + 9}, {X: x + 10, Y: y + 9}}
	return f
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		name         string
		found, truth []face.Face
		want         []int
	}{
		{"nothing anywhere", nil, nil, []int{}},
		{"a miss", nil, []face.Face{at(0, 0, 20)}, []int{}},
		{"a false face", []face.Face{at(0, 0, 20)}, nil, []int{-1}},
		{"IoU 1/3 is too little", []face.Face{at(0, 0, 20)}, []face.Face{at(10, 0, 20)}, []int{-1}},
		{"IoU 0.6 is enough", []face.Face{at(0, 0, 20)}, []face.Face{at(5, 0, 20)}, []int{0}},
		{"the better overlap", []face.Face{at(0, 0, 20)}, []face.Face{at(5, 0, 20), at(1, 0, 20)}, []int{1}},
		{"one face once", []face.Face{at(0, 0, 20), at(1, 0, 20)}, []face.Face{at(0, 0, 20)}, []int{0, -1}},
	} {
		if diff := cmp.Diff(test.want, match(test.found, test.truth)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestFigures(t *testing.T) {
	var d detections
	moved := at(0, 0, 20)
	moved.Points[0].X += 3 // one point of five, by 3 of 10 pixels
	moved.Points[0].Y += 4 // by 5 in all: half the inter-eye distance
	missed, wrong := d.add([]face.Face{moved, at(100, 100, 20)}, []face.Face{at(0, 0, 20), at(200, 0, 20)})
	if missed != 1 || wrong != 1 {
		t.Errorf("%d missed and %d false, want one of each", missed, wrong)
	}
	d.add(nil, nil)
	r := &Report{}
	d.report(r)
	timing{tested: []float64{2, 3}, reference: []float64{1, 2}}.report(r, "embedding")
	for name, want := range map[string]float64{
		"recall": 0.5, "false faces": 0.5, "point error, mean": 0.1, "point error, median": 0.1,
		"embedding, median": 2.5, "embedding of the reference, median": 1.5, "embedding, times the reference's, median": 1.75,
	} {
		if f := r.Figure(name); f.Name != name || math.Abs(f.Value-want) > 1e-9 {
			t.Errorf("%s: %+v, want %v", name, f, want)
		}
	}
	flat := at(0, 0, 20)
	flat.Points[1] = flat.Points[0]
	if _, ok := pointError(at(0, 0, 20), flat); ok {
		t.Error("a point error in inter-eye distances of eyes that coincide")
	}
}

// iBUG are 68 points on a diagonal, with the outer corners of the eyes 50 apart.
func iBUG() []schema.PointF {
	points := make([]schema.PointF, 68)
	for i := range points {
		points[i] = schema.PointF{X: float32(i), Y: float32(2 * i)}
	}
	points[outerLeft], points[outerRight] = schema.PointF{X: 100, Y: 100}, schema.PointF{X: 130, Y: 140}
	return points
}

func TestNME(t *testing.T) {
	moved := iBUG()
	for i := range moved {
		moved[i].X += 3
		moved[i].Y -= 4
	}
	corners := iBUG() // far off at the points that networks of 66 lack
	corners[60].X, corners[64].Y = 1000, 1000
	off := iBUG()
	off[67].X += 66 * 50
	for name, c := range map[string]struct {
		found, truth []schema.PointF
		want         float64
	}{
		"the same":                 {iBUG(), iBUG(), 0},
		"all by a tenth":           {moved, iBUG(), 0.1},
		"68 and 66":                {corners, withoutCorners(iBUG()), 0},
		"66 and 68":                {withoutCorners(moved), corners, 0.1},
		"the last of 68 and of 66": {off, withoutCorners(iBUG()), 1},
		"66 and 66":                {withoutCorners(moved), withoutCorners(iBUG()), 0.1},
	} {
		if got, ok := nme(c.found, c.truth); !ok || math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %v %v, want %v", name, got, ok, c.want)
		}
	}
	flat := iBUG()
	flat[outerLeft] = flat[outerRight]
	if _, ok := nme(iBUG(), flat); ok {
		t.Error("an error in widths of eyes that have none")
	}

	someone := func(x float32, landmarks []schema.PointF) face.Observation {
		return face.Observation{Face: at(x, 0, 20), Landmarks: landmarks}
	}
	far := iBUG()
	for i := range far {
		far[i].X += 10
	}
	var l landmarkErrors
	r := &Report{}
	l.add(r, "a.jpg", []face.Observation{someone(0, moved), someone(500, far), someone(100, far), someone(200, iBUG())},
		[]face.Observation{someone(0, iBUG()), someone(100, iBUG()), someone(200, flat), someone(300, iBUG())})
	l.report(r)
	for name, want := range map[string]float64{"faces found": 0.75, "NME, mean": 0.15, "NME, median": 0.15, "NME above 10 %": 0.5} {
		if f := r.Figure(name); f.Name != name || math.Abs(f.Value-want) > 1e-6 {
			t.Errorf("%s: %+v, want %v", name, f, want)
		}
	}
	want := []Failure{{"a.jpg", "the face at (100, 0): NME 20.0 %"}, {"a.jpg", "the face at (200, 0): the reference's eyes have no width"}, {"a.jpg", "1 of 4 faces missed"}}
	if diff := cmp.Diff(want, r.Failures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

func TestMaskOverlap(t *testing.T) {
	// A mask of a picture of 200 × 100 pixels, which is a person from column left to column right of 20.
	mask := func(left, right int) *face.Mask {
		m := &face.Mask{Part: imaging.Window{X: 100, Y: 50, Width: 200, Height: 100}, Width: 20, Height: 10, Values: make([]float32, 200)}
		for i := range m.Values {
			if c := i % 20; c >= left && c < right {
				m.Values[i] = 1
			}
		}
		return m
	}
	corner := func(x0, y0, x1, y1 float32) [4]schema.PointF {
		return [4]schema.PointF{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}
	}
	whole := corner(0, 0, 200, 100)
	for name, c := range map[string]struct {
		a, b    *face.Mask
		corners [4]schema.PointF
		want    float64
	}{
		"the same":             {mask(5, 10), mask(5, 10), whole, 1},
		"half of it":           {mask(5, 10), mask(0, 10), whole, 0.5},
		"a third":              {mask(0, 10), mask(5, 15), whole, 1. / 3},
		"beside each other":    {mask(0, 5), mask(5, 10), whole, 0},
		"one is empty":         {mask(0, 0), mask(5, 10), whole, 0},
		"only in the portrait": {mask(0, 10), mask(5, 15), corner(50, 0, 100, 100), 1},
		"only in the picture":  {mask(0, 10), mask(0, 5), corner(-100, -100, 100, 200), 0.5},
		"lying":                {mask(0, 10), mask(5, 15), [4]schema.PointF{{X: 200, Y: 0}, {X: 200, Y: 100}, {X: 0, Y: 100}, {X: 0, Y: 0}}, 1. / 3},
	} {
		if got, ok := maskOverlap(c.a, c.b, c.corners, 200, 100); !ok || math.Abs(got-c.want) > 0.01 {
			t.Errorf("%s: %v %v, want %v", name, got, ok, c.want)
		}
	}
	if _, ok := maskOverlap(mask(0, 0), mask(0, 0), whole, 200, 100); ok {
		t.Error("two empty masks overlap")
	}
}

package eval

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

func TestPeople(t *testing.T) {
	all, err := parseSomeones([]byte("file,age,sex,skin\na/1.jpg,29,female,\nb.jpg,30,male,IV\nc.jpg,,male,IV\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string][]int{
		"age": {"18-29": {0}, "30-44": {1}}, "sex": {"female": {0}, "male": {1, 2}}, "skin": {"IV": {1, 2}},
	}
	if got := grouped(all); !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
	for age, want := range map[float64]string{0: "0-17", 17.5: "0-17", 18: "18-29", 44: "30-44", 60: "60+", 110: "60+"} {
		if got := band(age); got != want {
			t.Errorf("the band of %v is %s, want %s", age, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                           "a line of titles",
		"name,age\na.jpg,30\n":       "a line of titles",
		"file,age\n":                 "a line for each photograph",
		"file,age\n../a.jpg,30\n":    "line 2",
		"file,age\na.jpg,old\n":      "line 2",
		"file,age\na.jpg,30\nb,-1\n": "line 3",
	} {
		if _, err := parseSomeones([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestBoxes(t *testing.T) {
	boxes, err := parseBoxes([]byte("file,xmin,ymin,xmax,ymax,label\na.jpg,0,0,19,40,with_mask\na.jpg,10,10,30,30,sin_mascarilla\n"))
	if err != nil {
		t.Fatal(err)
	}
	if all := boxes["a.jpg"]; len(all) != 2 || !all[0].small() || all[1].small() || all[1].label != "bare" || all[1].Box.BottomRight.X != 30 {
		t.Errorf("boxes: %+v", boxes)
	}
	for text, want := range map[string]string{
		"file,xmin,ymin,xmax,ymax,label\n":                          "no box",
		"file,xmin,ymin,xmax,ymax,label\na.jpg,0,0,9,9,hat\n":       "line 2: the label",
		"file,xmin,ymin,xmax,ymax,label\n/a.jpg,0,0,9,9,bare\n":     "not a path",
		"file,xmin,ymin,xmax,ymax,label\na.jpg,0,0,x,9,with_mask\n": "line 2",
	} {
		if _, err := parseBoxes([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Each drawn box gets the found one that overlaps it most, and no found box serves two.
func TestMatchDrawn(t *testing.T) {
	at := func(x float32) face.Face {
		return face.Face{Box: schema.BoxF{TopLeft: schema.PointF{X: x}, BottomRight: schema.PointF{X: x + 10, Y: 10}}}
	}
	found := []face.Observation{{Face: at(1)}, {Face: at(4)}, {Face: at(100)}}
	drawn := []drawnBox{{Face: at(0)}, {Face: at(3)}, {Face: at(50)}, {Face: at(2)}}
	if got, want := matchDrawn(found, drawn), []int{0, 1, -1, -1}; !cmp.Equal(want, got) {
		t.Errorf("matched %v, want %v", got, want)
	}
}

// A threshold is not tested on the data that it was tuned on.
func TestFair(t *testing.T) {
	here := models.NewDataSet("masks", []string{"a.jpg", "b.jpg"})
	for _, test := range []struct {
		tuned       models.DataSet
		fair        bool
		notes, left int
	}{
		{models.DataSet{}, true, 0, 0},
		{models.NewDataSet("other", []string{"c.jpg"}), true, 0, 0},
		{models.NewDataSet("masks", []string{"a.jpg"}), true, 1, 0},
		{models.NewDataSet("copy of masks", []string{"b.jpg", "a.jpg"}), false, 0, 1},
	} {
		r := &Report{}
		if got := r.fairAt("mask", models.Threshold{TunedOn: test.tuned}, here, []string{"mask seen"}); got != test.fair || len(r.Notes) != test.notes || len(r.LeftOut) != test.left {
			t.Errorf("tuned on %+v: fair %v, notes %q, left out %v", test.tuned, got, r.Notes, r.LeftOut)
		}
	}
}

// The ratio is that of the means, and chance alone does not make an interval that leaves out 1.
func TestWorstToBest(t *testing.T) {
	of := func(errors, n int) (values []float64) {
		for i := range n {
			values = append(values, share(i < errors))
		}
		return values
	}
	for _, test := range []struct {
		groups [][]float64
		shares bool
		want   float64
		beyond float64 // the interval begins above it
		below  float64
	}{
		{[][]float64{{1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}}, false, 3, 2.9, 3.1},
		{[][]float64{of(10, 100), of(10, 100)}, true, 1, 0.99, 1.1},
		{[][]float64{of(0, 99), of(50, 99)}, true, (50 + 50/198.) / (50 / 198.), 100, 1000},
		{[][]float64{of(20, 20), of(20, 20)}, true, 1, 0.99, 1.1},
	} {
		ratio, interval := worstToBest(test.groups, test.shares)
		if !cmp.Equal(test.want, ratio, close4) || interval.Low < test.beyond || interval.Low > test.below || interval.High < ratio {
			t.Errorf("%v: %v, %+v; want %v with an interval that begins at %v to %v", test.groups, ratio, interval, test.want, test.beyond, test.below)
		}
	}
	r := &Report{}
	m := nan("missed", Share, make([]someone, 40))
	groups := map[string][]int{}
	for i := range m.values {
		m.values[i] = 0
		groups[[]string{"a", "b"}[i%2]] = append(groups[[]string{"a", "b"}[i%2]], i)
	}
	groups["few"] = []int{0}
	r.addGroups(m, "sex", groups)
	if len(r.Figures) != 3 || r.Figure("missed, sex a").Of != 20 || r.Figure("missed, sex few").Of != 1 {
		t.Errorf("without an error: %+v; want three groups and no ratio", r.Figures)
	}
	m.values[0] = 1
	r = &Report{}
	r.addGroups(m, "sex", groups)
	if f := r.Figure("missed, sex: worst to best"); !cmp.Equal((1+1/40.)/(1/40.), f.Value, close4) {
		t.Errorf("one error: %+v", f)
	}
}

// Everybody is searched for with and without the images of their person.
func TestLeaveOneOut(t *testing.T) {
	row := func(person string, x, y float32) enrolled { return enrolled{person, person, []float32{x, y}} }
	s := leaveOneOut([]enrolled{row("a", 1, 0), row("b", 0, 1), row("a", 0.8, 0.6), row("c", 0.6, 0.8)})
	want := []loneSearch{{0.8, 0.6, 3}, {nobody, 0.8, 3}, {0.8, 0.96, 3}, {nobody, 0.96, 2}}
	if s.people != 3 || !cmp.Equal(want, s.searches, cmp.AllowUnexported(loneSearch{}), close4) {
		t.Errorf("%d people, searches %+v; want %+v", s.people, s.searches, want)
	}
	if pairs := []alike{{2, 3, 0.96}, {1, 3, 0.8}, {1, 2, 0.6}}; !cmp.Equal(pairs, s.pairs, cmp.AllowUnexported(alike{}), close4) {
		t.Errorf("pairs %+v; want %+v", s.pairs, pairs)
	}
}

func TestForms(t *testing.T) {
	img := imaging.New(100, 50)
	img.Fill(imaging.RGB{200, 100, 0})
	if grey := greyscale(img); grey.Pix[0] != 119 || grey.Pix[1] != 119 || grey.Pix[2] != 119 || img.Pix[0] != 200 { // 0.299·200 + 0.587·100 = 118.5
		t.Errorf("grey is %v", grey.Pix[:3])
	}
	box := schema.BoxF{TopLeft: schema.PointF{X: 40, Y: 10}, BottomRight: schema.PointF{X: 60, Y: 40}}
	for side, want := range map[float64][4]int{1: {40, 10, 60, 40}, 1.5: {35, 3, 65, 48}, 10: {0, 0, 100, 50}} {
		if x0, y0, x1, y1 := around(img, box, side); [4]int{x0, y0, x1, y1} != want {
			t.Errorf("%v times the face: %v, want %v", side, []int{x0, y0, x1, y1}, want)
		}
	}
}

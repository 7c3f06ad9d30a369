package eval

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/engine/face"
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

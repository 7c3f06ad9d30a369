package regula

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"facestream/pkg/schema"
)

func golden(t *testing.T, name string) *schema.Result {
	t.Helper()
	data, err := os.ReadFile("../../../pkg/schema/testdata/golden/v1/" + name)
	if err != nil {
		t.Fatal(err)
	}
	r := &schema.Result{}
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func value(v float32) *float32 { return &v }

// TestQuality: a range of the request decides, else what the group requires, and what was not measured is not assessed.
func TestQuality(t *testing.T) {
	f := golden(t, "result_validate_quality.json").Faces[0]
	f.Quality.Measures = []schema.QualityMeasure{{Check: "image_width", Native: value(600)}, {Check: "image_height", Native: value(800)},
		{Check: "head_pose_yaw", Native: value(-9)}, {Check: "sharpness", Native: value(40), Scalar: value(75)}, {Check: "no_mask", Message: "not measured"}}
	f.Quality.Groups = []schema.QualityGroup{{Group: "icao", Requirements: []schema.Requirement{{Check: "head_pose_yaw", Status: "fail"}, {Check: "sharpness", Status: "pass"}}}}
	f.Scores = []schema.FaceMetric{{Name: schema.MetricEyeLeftOpen, Value: 0.25}}
	q := assess(f, "icao", []QualityConfig{{"ImageWidth", []float32{500, 700}}, {"ImageHeight", []float32{100, 700}}, {"Yaw", nil}, {"BlurLevel", nil}, {"MedicalMask", nil},
		{"HeadCovering", []float32{0, 1}}, {"EyeRightClosed", []float32{0, 0.5}}})
	got := map[string]QualityDetail{}
	for _, d := range q.Details {
		got[d.Name] = d
	}
	for name, want := range map[string]struct {
		status int
		value  float32
	}{"ImageWidth": {inside, 600}, "ImageHeight": {outside, 800}, "Yaw": {outside, -9}, "BlurLevel": {inside, 0.25}, "MedicalMask": {notAssessed, 0}, "HeadCovering": {notAssessed, 0}, "EyeRightClosed": {outside, 0.75}} {
		if d, ok := got[name]; !ok || d.Status != want.status || d.Value != want.value {
			t.Errorf("%s: %+v, want %+v", name, d, want)
		}
	}
	if !slices.Equal(q.NonCompliant, []string{"ImageHeight", "Yaw", "EyeRightClosed"}) || q.Score != 0.4 {
		t.Errorf("not compliant: %v, score %v", q.NonCompliant, q.Score)
	}
	if i := slices.Index(q.Groups, QualityTotal{1, "ImageCharacteristics", 2, 1}); i < 0 {
		t.Errorf("groups: %+v", q.Groups)
	}
	if all := assess(f, "icao", nil); len(all.Details) != len(characteristics) || len(characteristics) != 48 {
		t.Errorf("%d details of %d characteristics; the API has 48", len(all.Details), len(characteristics))
	}
}

// TestCentral: the face whose middle is nearest to the image's, however large others are.
func TestCentral(t *testing.T) {
	face := func(x, y, side float32) (f schema.FaceResult) {
		f.Geometry.BoundingBox = schema.BoxF{TopLeft: schema.PointF{X: x, Y: y}, BottomRight: schema.PointF{X: x + side, Y: y + side}}
		f.Quality = &schema.FaceQuality{Measures: []schema.QualityMeasure{{Check: "image_width", Native: value(400)}, {Check: "image_height", Native: value(300)}}}
		return f
	}
	faces := []schema.FaceResult{face(0, 0, 150), face(190, 140, 40), face(300, 200, 90)}
	if got := central(faces); len(got) != 1 || got[0].Geometry.BoundingBox.TopLeft.X != 190 {
		t.Errorf("%+v", got)
	}
	for i := range faces {
		faces[i].Quality = nil
	}
	if got := central(faces); got[0].Geometry.BoundingBox.TopLeft.X != 0 {
		t.Errorf("where the size of the image is not known: %+v", got)
	}
}

// TestAttributes: words for what was assessed; left and right are the person's own.
func TestAttributes(t *testing.T) {
	f := schema.FaceResult{Age: &schema.AgeData{Estimated: 30.5, Deviation: 4}, Traits: schema.FTFaceWithGlass,
		Scores: []schema.FaceMetric{{Name: schema.MetricEyeLeftOpen, Value: 0.125}, {Name: schema.MetricGlasses, Value: 0.875}}}
	got := map[string]Attribute{}
	for _, a := range attributes(f, nil).Details {
		got[a.Name] = a
	}
	if got["Age"].Value != [2]int{26, 35} || got["EyeRight"].Value != "Close" || *got["EyeRight"].Confidence != 0.875 || got["EyeLeft"].Value != nil || got["Glasses"].Value != "Glasses" || got["Emotion"].Value != nil {
		t.Errorf("%+v", got)
	}
	if few := attributes(f, []string{"age"}); len(few.Details) != 1 {
		t.Errorf("%+v", few)
	}
}

package perse

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

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

func number(v float32) *float32 { return &v }

// TestDetected: the measures of a face and of its image are those of the result, on Perse's scales.
func TestDetected(t *testing.T) {
	r := golden(t, "result_validate_quality.json")
	r.Faces[0].Pose = &schema.PoseAngles{Yaw: -40, Roll: 10}
	r.Faces[0].Scores = []schema.FaceMetric{{Name: schema.MetricUnderexposure, Value: 0.25}, {Name: schema.MetricOverexposure, Value: 0.125}}
	r.Faces[0].Liveness = &schema.Liveness{Score: number(0.75), Threshold: number(0.5)}
	r.Faces[0].Quality.Measures = []schema.QualityMeasure{
		{Check: "sharpness", Native: number(260), Scalar: number(75)}, {Check: "natural_colour", Native: number(1), Scalar: number(75)},
		{Check: "image_sharpness", Native: number(300), Scalar: number(50)}, {Check: "image_under_exposure_prevention", Native: number(0.5), Scalar: number(10)},
		{Check: "image_over_exposure_prevention", Message: "it cannot be measured"},
	}
	want := Detect{Status: 200, TotalFaces: 1, TimeTaken: 2, Faces: []Face{{
		BoundingBox: [4]int{102, 80, 119, 161}, Liveness: number(0.75),
		Landmarks:   map[string][2]int{"left_eye": {135, 140}, "right_eye": {189, 139}, "nose": {162, 170}, "mouth_left": {140, 203}, "mouth_right": {184, 203}},
		FaceMetrics: FaceMetrics{ImageMetrics{number(0.25), number(0.125), number(0.75), number(0.25)}, number(40)},
	}}, ImageMetrics: &ImageMetrics{Underexposure: number(0.5), Sharpness: number(0.5)},
		Thresholds: &Thresholds{darkest, brightest, half, half, turned, number(0.5)}}
	if diff := cmp.Diff(want, detected(r, 2), cmp.Comparer(func(a, b float32) bool { return max(a-b, b-a) < 1e-4 })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestCompared: the lowest liveness counts, and two images without a pair of faces have no similarity.
func TestCompared(t *testing.T) {
	r := golden(t, "result_compare.json")
	r.Faces[0].Liveness = &schema.Liveness{Score: number(0.75), Threshold: number(0.5)}
	r.Faces[1].Liveness = &schema.Liveness{Score: number(0.25), Threshold: number(0.5)}
	got, refusal := compared(r, 1)
	if refusal != nil || *got.Liveness != 0.25 || got.Similarity != r.Compare.Confidence || got.Also != got.Thresholds {
		t.Errorf("%+v %v", got, refusal)
	}
	if _, refusal := compared(golden(t, "result_compare_without_pair.json"), 1); refusal == nil || refusal.Status != 422 && refusal.Reason != "no_face" {
		t.Errorf("without a pair: %v", refusal)
	}
}

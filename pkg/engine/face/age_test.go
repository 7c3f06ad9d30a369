package face

import (
	"math"
	"testing"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// ageStage is a network for the age whose errors deviate by 6 years.
func ageStage(answer func(onnx.Tensor) []float32) Stage {
	s := stage(years, 8, 8, answer)
	s.Model.Thresholds = map[string]models.Threshold{ThresholdAgeDeviation: {Value: 6}}
	return s
}

// An age says how far off it may be: by the network's own errors, and by what small shifts of the crop change.
func TestAge(t *testing.T) {
	img, f := imaging.New(200, 200), Observation{Face: boxed(20, 20, 120, 120)}
	answers := []float32{30, 30, 30, 30, 30}
	call := 0
	e, err := NewAgeEstimator(ageStage(func(onnx.Tensor) []float32 {
		call++
		return answers[call-1 : call]
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		answers                      []float32
		years, deviation, confidence float64
	}{
		{[]float32{30, 30, 30, 30, 30}, 30, 6, 0.595},
		{[]float32{30, 20, 40, 20, 40}, 30, math.Sqrt(36 + 80), 0.357},
		{[]float32{-3, -3, -3, -3, -3}, 0, 6, 0.595},
	} {
		answers, call = test.answers, 0
		found, errs := observe(t, e, img, f)
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
		a := found[0].Age
		for _, v := range [][2]float64{{float64(a.Years), test.years}, {float64(a.Deviation), test.deviation}, {float64(a.Confidence), test.confidence}} {
			if math.Abs(v[0]-v[1]) > 1e-3 {
				t.Errorf("answers %v: %+v, want %+v", test.answers, *a, test)
				break
			}
		}
	}
}

// SSR-Net, whose manifest names no deviation, does not claim to be sure.
func TestAgeOfSSRNet(t *testing.T) {
	e, err := NewAgeEstimator(stage(ssrNet, 8, 8, fixed(30)))
	if err != nil {
		t.Fatal(err)
	}
	found, errs := observe(t, e, imaging.New(200, 200), Observation{Face: boxed(20, 20, 120, 120)})
	if a := found[0].Age; errs[0] != nil || a.Deviation != ssrNetDeviation || a.Confidence > 0.2 {
		t.Errorf("%+v, %v", a, errs[0])
	}
}

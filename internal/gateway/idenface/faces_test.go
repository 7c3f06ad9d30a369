package idenface

import (
	"math"
	"testing"

	"facestream/pkg/schema"
)

func value(v float32) *float32 { return &v }

// TestLiveness: the score is the logarithmic odds of the probability, a threshold above 1 is one of the score, and what cannot be assessed is
// no verdict.
func TestLiveness(t *testing.T) {
	result := func(score float32, status schema.SpoofStatus) *schema.Result {
		return &schema.Result{Faces: []schema.FaceResult{{SpoofStatus: status, Liveness: &schema.Liveness{Score: value(score), Threshold: value(0.5)}}}}
	}
	from := func(v float64) *float64 { return &v }
	for name, x := range map[string]struct {
		r     *schema.Result
		least *float64
		code  string
		holds bool
	}{
		"live":                   {result(0.9, schema.SpoofNone), nil, livenessOK, true},
		"a spoof":                {result(0.1, schema.SpoofDetected), nil, livenessOK, false},
		"below the probability":  {result(0.9, schema.SpoofNone), from(0.95), livenessOK, false},
		"above the score":        {result(0.9, schema.SpoofNone), from(1.9), livenessOK, true},
		"below the score":        {result(0.8, schema.SpoofNone), from(1.9), livenessOK, false},
		"not assessed":           {&schema.Result{Faces: []schema.FaceResult{{SpoofStatus: schema.SpoofInvalidFace, Liveness: &schema.Liveness{Unassessable: schema.UnassessableTight}}}}, nil, "LIV_0310", false},
		"nobody":                 {&schema.Result{}, nil, "LIV_0300", false},
		"the operator's is more": {result(0.9, schema.SpoofDetected), from(0.2), livenessOK, false},
	} {
		l, holds := alive(x.r, Parameter{Liveness: true, LiveFrom: x.least})
		if l.Status != x.code || holds != x.holds {
			t.Errorf("%s: %s, %v; want %s, %v", name, l.Status, holds, x.code, x.holds)
		}
	}
	l, _ := alive(result(0.9, schema.SpoofNone), Parameter{Liveness: true})
	if math.Abs(l.Result.Score-math.Log(9)) > 1e-4 || l.Result.Quality != nil {
		t.Errorf("%+v", l.Result)
	}
	if l, _ := alive(result(1, schema.SpoofNone), Parameter{Liveness: true}); l.Result.Score != 20 {
		t.Errorf("a certain one has the score %v", l.Result.Score)
	}
	if l, holds := alive(&schema.Result{}, Parameter{}); l != nil || !holds {
		t.Error("liveness was judged unasked")
	}
}

// TestSides: the angle is smaller at the eye that is farther from the nose.
func TestSides(t *testing.T) {
	look := func(x float32) *[3]float32 {
		return sides(schema.FaceGeometry{Landmarks: []schema.PointF{{X: 0, Y: 0}, {X: 20, Y: 0}, {X: x, Y: 10}}})
	}
	if a := look(10); *a != [3]float32{45, 45, 0} {
		t.Errorf("frontal: %v", *a)
	}
	if a := look(15); a[0] >= 45 || a[1] <= 45 || a[2] != a[1]-a[0] {
		t.Errorf("turned: %v", *a)
	}
	if sides(schema.FaceGeometry{}) != nil {
		t.Error("angles without points")
	}
}

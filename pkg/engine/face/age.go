package face

import (
	"context"
	"fmt"
	"math"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// ThresholdAgeDeviation names the standard deviation, in years, of a network's error on adults.
const ThresholdAgeDeviation = "age_deviation"

// AgeEstimator estimates ages with a network that answers years. It is safe for concurrent use.
type AgeEstimator struct {
	stage     Stage
	deviation float64 // of the network's error, in years
}

// The architectures that Stage.check takes here: networks that answer years.
const (
	years  = "years"
	ssrNet = "ssrnet" // the network of packs whose manifest names no deviation
)

// ssrNetDeviation is ThresholdAgeDeviation of SSR-Net: its mean error on 300 adults of UTKFace is 17.5 years, times √(π/2).
const ssrNetDeviation = 22

// NewAgeEstimator returns an AgeEstimator for the network of the stage. Any architecture but "years" and "ssrnet", and a manifest
// of the first without ThresholdAgeDeviation above 0, is a Fatal error.
func NewAgeEstimator(s Stage) (*AgeEstimator, error) {
	const op = "face.age"
	if err := s.check(op, years, ssrNet); err != nil {
		return nil, err
	}
	deviation := s.Model.Thresholds[ThresholdAgeDeviation].Value
	if s.Model.Architecture == ssrNet {
		deviation = ssrNetDeviation
	}
	if deviation <= 0 {
		return nil, schema.Fatal(op, fmt.Errorf("%s: its manifest lacks the threshold %q", s.Model.Name, ThresholdAgeDeviation))
	}
	return &AgeEstimator{s, float64(deviation)}, nil
}

// Age is an estimate in years. Deviation is the standard deviation of its error: that of the network's errors on adults, and what
// small shifts of the crop change. Confidence is the probability, 0..1, that the true age is within five years of the estimate, if
// the errors are normal.
type Age struct {
	Years, Deviation, Confidence float32
}

// ageShifts are the shifts of the crop, in its sides, whose answers make the estimate.
var ageShifts = [5][2]float64{{0, 0}, {-0.04, 0}, {0.04, 0}, {0, -0.04}, {0, 0.04}}

// ageMargin is the error in years that Age.Confidence is about.
const ageMargin = 5

// Observe implements Observer. The estimate is the mean over five crops that differ by a twenty-fifth of their side.
func (e *AgeEstimator) Observe(ctx context.Context, img *imaging.Image, faces []*Observation) []error {
	in := e.stage.Model.Input
	var crops []*imaging.Image
	for _, f := range faces {
		w := turnedBy(square(f.window(float64(in.Crop))), f.Roll())
		for _, shift := range ageShifts {
			shifted := w
			shifted.X, shifted.Y = w.X+shift[0]*w.Width, w.Y+shift[1]*w.Height
			crops = append(crops, img.Cut(shifted, in.Width, in.Height))
		}
	}
	answers := e.stage.run(ctx, "face.age", 1, crops)
	errs := make([]error, len(faces))
	for i, f := range faces {
		n := len(ageShifts)
		var years, squares float64
		for _, answer := range answers[i*n : (i+1)*n] {
			if answer.Err != nil {
				errs[i] = answer.Err
				break
			}
			y := float64(answer.Value[0])
			years, squares = years+y/float64(n), squares+y*y/float64(n)
		}
		if errs[i] != nil {
			continue
		}
		deviation := math.Hypot(e.deviation, math.Sqrt(max(squares-years*years, 0)))
		confidence := math.Erf(ageMargin / (deviation * math.Sqrt2))
		f.Age = &Age{Years: float32(max(years, 0)), Deviation: float32(deviation), Confidence: float32(confidence)}
	}
	return errs
}

package face

import (
	"context"
	"math"

	"facestream/pkg/engine/imaging"
)

// AgeEstimator estimates ages with an SSR-Net: T.-Y. Yang et al., "SSR-Net: A Compact Soft Stagewise Regression Network for
// Age Estimation", IJCAI 2018. It is safe for concurrent use.
type AgeEstimator struct{ stage Stage }

// NewAgeEstimator returns an AgeEstimator for the network of the stage. Any architecture but "ssrnet" is a Fatal error.
func NewAgeEstimator(s Stage) (*AgeEstimator, error) {
	return &AgeEstimator{s}, s.check("face.age", "ssrnet")
}

// Age is an estimate in years. Deviation is its standard deviation under small shifts of the crop. Confidence, 0..1, is 1 if they
// change nothing.
type Age struct {
	Years, Deviation, Confidence float32
}

// ageShifts are the shifts of the crop, in its sides, whose answers make the estimate and its deviation.
var ageShifts = [5][2]float64{{0, 0}, {-0.04, 0}, {0.04, 0}, {0, -0.04}, {0, 0.04}}

// ageDeviation is the deviation in years at which the confidence is a half.
const ageDeviation = 5

// Observe implements Observer. The estimate is the mean over five crops that differ by a twenty-fifth of their side,
// Deviation their standard deviation, and Confidence 1 / (1 + Deviation/5): it says how steady the estimate is,
// not how accurate.
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
		deviation := math.Sqrt(max(squares-years*years, 0))
		f.Age = &Age{Years: float32(max(years, 0)), Deviation: float32(deviation), Confidence: float32(1 / (1 + deviation/ageDeviation))}
	}
	return errs
}

package face

import (
	"context"
	"math"

	"facestream/pkg/engine/imaging"
)

// AgeEstimator estimates ages with an SSR-Net: T.-Y. Yang et al., "SSR-Net: A Compact Soft Stagewise Regression Network for
// Age Estimation", IJCAI 2018. It is safe for concurrent use.
type AgeEstimator struct{ stage Stage }

// NewAgeEstimator drives the stage as its manifest describes it. Another architecture than "ssrnet" is a Fatal error.
func NewAgeEstimator(s Stage) (*AgeEstimator, error) {
	return &AgeEstimator{s}, s.check("face.age", "ssrnet")
}

// AgeResult answers one face: its age, or why there is none.
type AgeResult struct {
	Age Age
	Err error
}

// ageShifts are the shifts of the crop, in its sides, whose answers make the estimate and its deviation.
var ageShifts = [5][2]float64{{0, 0}, {-0.04, 0}, {0.04, 0}, {0, -0.04}, {0, 0.04}}

// ageDeviation is the deviation in years at which the confidence is a half.
const ageDeviation = 5

// Estimate answers each face in order. The estimate is the mean over five crops that differ by a twenty-fifth of their side,
// Deviation their standard deviation, and Confidence 1 / (1 + Deviation/5): it says how steady the network is on this face,
// not how right.
func (e *AgeEstimator) Estimate(ctx context.Context, img *imaging.Image, faces []Face) []AgeResult {
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
	answers, errs := e.stage.run(ctx, "face.age", 1, crops)
	results := make([]AgeResult, len(faces))
	for i := range results {
		n := len(ageShifts)
		var years, squares float64
		for k := i * n; k < (i+1)*n; k++ {
			if errs[k] != nil {
				results[i].Err = errs[k]
				break
			}
			y := float64(answers[k][0])
			years, squares = years+y/float64(n), squares+y*y/float64(n)
		}
		if results[i].Err != nil {
			continue
		}
		deviation := math.Sqrt(max(squares-years*years, 0))
		results[i].Age = Age{Years: float32(max(years, 0)), Deviation: float32(deviation), Confidence: float32(1 / (1 + deviation/ageDeviation))}
	}
	return results
}

package face

import (
	"context"
	"math"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// Landmarker finds the points of faces. It is safe for concurrent use.
type Landmarker struct{ stage Stage }

// The architectures of the role landmarks.
const (
	openSeeFace = "openseeface"  // OpenSeeFace, E. Stavridis: maps of confidences and offsets for 66 points
	landmarks68 = "landmarks_68" // x and y of the 68 points of 300-W, as fractions of the crop; no confidence
)

// The output of OpenSeeFace's networks: openSeePoints maps of openSeeMap × openSeeMap confidences, then as many of the offset
// down and of the offset to the right.
const (
	openSeePoints = 66
	openSeeMap    = 28
)

// openSeeOrder has, for each of our points, its number in OpenSeeFace, which lacks two points of the 68 at the mouth's corners
// and lists those that it has behind the outer lip (tracker.py, face_3d: 58 and 62 are the outermost).
var openSeeOrder = func() (order [openSeePoints]int) {
	for i := range 48 {
		order[i] = i
	}
	copy(order[48:], []int{58, 48, 49, 50, 51, 52, 62, 53, 54, 55, 56, 57, 59, 60, 61, 63, 64, 65})
	return order
}()

// NewLandmarker returns a Landmarker for the network of the stage. Any architecture but "openseeface" and "landmarks_68" is a
// Fatal error.
func NewLandmarker(s Stage) (*Landmarker, error) {
	return &Landmarker{s}, s.check("face.landmarker", openSeeFace, landmarks68)
}

// Confident reports whether the network states how sure it is of its points.
func (l *Landmarker) Confident() bool { return l.stage.Model.Architecture == openSeeFace }

// Observe implements Observer. The network sees each head upright: turned back by the roll of its pose if that is known, else by the
// line through the eyes. An OpenSeeFace network sees the box, enlarged by a tenth of its width and an eighth of its height on each
// side as OpenSeeFace does (tracker.py, predict). A landmarks_68 network sees a square of the manifest's crop times the box's longer side.
func (l *Landmarker) Observe(ctx context.Context, img *imaging.Image, faces []*Observation) []error {
	in := l.stage.Model.Input
	windows := make([]imaging.Window, len(faces))
	crops := make([]*imaging.Image, len(faces))
	for i, f := range faces {
		w := square(f.window(float64(in.Crop)))
		if l.stage.Model.Architecture == openSeeFace {
			w = f.window(1)
			w.Width, w.Height = 1.2*w.Width, 1.25*w.Height
		}
		windows[i] = turnedBy(w, f.leaning())
		crops[i] = img.Cut(windows[i], in.Width, in.Height)
	}
	values, decode := 2*68, decodeFractions
	if l.stage.Model.Architecture == openSeeFace {
		values, decode = 3*openSeePoints*openSeeMap*openSeeMap, decodeOpenSee
	}
	errs := make([]error, len(faces))
	for i, answer := range l.stage.run(ctx, "face.landmarks", values, crops) {
		if errs[i] = answer.Err; answer.Err == nil {
			faces[i].Landmarks, faces[i].LandmarkConfidence = decode(answer.Value, windows[i])
		}
	}
	return errs
}

// decodeOpenSee takes the surest cell of each point's map. With the cell (c, r) of a map of n × n, the offsets o and the
// confidence factor 16, the point lies at c/(n−1) + logit(o)/16 of the crop (OpenSeeFace, tracker.py, landmarks).
func decodeOpenSee(maps []float32, w imaging.Window) (points []schema.PointF, confidence *float32) {
	const cells = openSeeMap * openSeeMap
	points, confidence = make([]schema.PointF, openSeePoints), ptr(0)
	for i, from := range openSeeOrder {
		best := 0
		confidences := maps[from*cells:][:cells]
		for cell, c := range confidences {
			if c > confidences[best] {
				best = cell
			}
		}
		offset := func(block int) float64 {
			return logit(maps[(block*openSeePoints+from)*cells+best]) / 16
		}
		v := float64(best/openSeeMap)/(openSeeMap-1) + offset(1)
		u := float64(best%openSeeMap)/(openSeeMap-1) + offset(2)
		points[i] = placed(w, u, v)
		*confidence += unitInterval(confidences[best]) / openSeePoints
	}
	return points, confidence
}

// decodeFractions takes x and y of each point as fractions of the crop, from its top left corner.
func decodeFractions(fractions []float32, w imaging.Window) (points []schema.PointF, confidence *float32) {
	points = make([]schema.PointF, len(fractions)/2)
	for i := range points {
		points[i] = placed(w, float64(fractions[2*i]), float64(fractions[2*i+1]))
	}
	return points, nil
}

// placed is the point of the picture that lies at these fractions of a window.
func placed(w imaging.Window, u, v float64) schema.PointF {
	x, y := w.Place(u, v)
	return schema.PointF{X: float32(x), Y: float32(y)}
}

func logit(p float32) float64 {
	clipped := min(max(float64(p), 1e-7), 1-1e-7)
	return math.Log(clipped / (1 - clipped))
}

// The landmarks' numbers. The first ones are those of 300-W; those of the inner lip depend on whether its corners are there.
const (
	rightEye = 36 // the picture's left one: outer corner, upper lid twice, inner corner, lower lid twice
	leftEye  = 42 // inner corner first
	mouthAt  = 48 // corner, 5 of the upper lip, corner (54), 5 of the lower one
)

// innerLip are three points of the upper inner lip, from the picture's left, and those of the lower one that lie opposite.
func innerLip(p []schema.PointF) (upper, lower [3]schema.PointF) {
	if len(p) == 68 {
		return [3]schema.PointF{p[61], p[62], p[63]}, [3]schema.PointF{p[67], p[66], p[65]}
	}
	return [3]schema.PointF{p[60], p[61], p[62]}, [3]schema.PointF{p[65], p[64], p[63]}
}

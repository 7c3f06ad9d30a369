package worker

import (
	"fmt"

	"facestream/pkg/schema"
)

// answer is the result of an analysis that needs no gallery: of an operation that never does, or of one that ends here
// because the image has not the one face that it needs. nil sends the analysis on to the indexer.
func (s *Service) answer(a *analysis) *schema.Result {
	switch a.Operation {
	case schema.OpValidate:
		if len(a.Faces) == 0 {
			return a.result(schema.ReasonNoFace, "no face was found")
		}
		return a.result("", "")
	case schema.OpCompare:
		return a.compare()
	case schema.OpEnroll, schema.OpPredict:
		switch n := len(a.Faces); {
		case n == 0:
			return a.result(schema.ReasonNoFace, "no face was found")
		case n > 1:
			return a.result(schema.ReasonSeveralFaces, fmt.Sprintf("%d faces were found; %s takes one", n, a.Operation))
		}
	}
	return nil
}

// result starts the outcome of the analysis with what was found, and with the block of its operation.
func (a *analysis) result(reason schema.Reason, message string) *schema.Result {
	r := schema.NewResult(&a.Job, reason, message)
	r.Faces, r.Models, r.Timings = a.Faces, a.Models, a.Timings
	switch a.Operation {
	case schema.OpEnroll:
		r.Enroll = &schema.EnrollData{Message: message}
	case schema.OpPredict:
		r.Predict = &schema.PredictData{Message: message}
	}
	if reason == schema.ReasonNoFace {
		r.Feedback = "Look into the camera so that your whole face is visible."
	}
	return r
}

// compare answers with the most similar pair of faces, one of each image.
func (a *analysis) compare() *schema.Result {
	t := *a.Thresholds
	left, right := a.perImage[0], a.perImage[1]
	c := &schema.CompareResult{
		FaceDetectedA: len(left) > 0, FaceDetectedB: len(right) > 0,
		FaceThresholds: []float32{t.Min, t.Med, t.Max},
	}
	if !c.FaceDetectedA || !c.FaceDetectedB {
		r := a.result(schema.ReasonNoFace, "no face was found in one of the images")
		r.Compare = c
		return r
	}
	c.Similarity = -1
	var sum float32
	for _, i := range left {
		for _, j := range right {
			cosine := schema.Cosine(a.Probes[i].Vector, a.Probes[j].Vector)
			c.Similarity = max(c.Similarity, cosine)
			c.DistanceMax = max(c.DistanceMax, 1-cosine)
			sum += 1 - cosine
		}
	}
	c.DistanceMin = 1 - c.Similarity
	c.DistanceMean = sum / float32(len(left)*len(right))
	c.IsMatch, c.Confidence = t.Matches(c.Similarity), t.Confidence(c.Similarity)
	r := a.result("", "")
	r.Compare = c
	return r
}

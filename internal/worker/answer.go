package worker

import (
	"cmp"
	"fmt"
	"strings"

	"facestream/internal/traits"
	"facestream/pkg/schema"
)

// answer is the result of an analysis that needs no gallery: of an operation that never does, or of one that ends here
// because the image has not the one face that it needs, or one that it must not use. nil sends the analysis on to the
// indexer.
func (s *Service) answer(a *analysis) *schema.Result {
	switch a.Operation {
	case schema.OpValidate, schema.OpEstimateAge, schema.OpAntiSpoofing:
		if len(a.Faces) == 0 {
			return a.result(schema.ReasonNoFace, "no face was found")
		}
		return a.result("", "")
	case schema.OpCompare:
		return a.compare()
	case schema.OpEnroll, schema.OpPredict, schema.OpVerify, schema.OpFaceISO:
		switch n := len(a.Faces); {
		case n == 0:
			return a.result(schema.ReasonNoFace, "no face was found")
		case n > 1:
			return a.result(schema.ReasonSeveralFaces, fmt.Sprintf("%d faces were found; %s takes one", n, a.Operation))
		}
		if a.Operation == schema.OpFaceISO {
			if a.unportrayed != nil {
				return a.result(schema.ReasonOf(a.unportrayed), schema.MessageOf(a.unportrayed))
			}
			return a.result("", "")
		}
		if reason, message := a.refusal(); reason != "" {
			return a.result(reason, message)
		}
	}
	return nil
}

// refusal says why the one face of a must not be enrolled, searched for or verified; "" where it may.
func (a *analysis) refusal() (schema.Reason, string) {
	f := a.Faces[0]
	if f.SpoofStatus == schema.SpoofDetected {
		return schema.ReasonSpoofDetected, "the face is a picture of one, not that of a person who is present"
	}
	if rejecting := traits.Rejecting(f.Traits, a.config, a.Operation); rejecting != 0 {
		reason := schema.ReasonFaceRejected
		switch { // what light spoils comes first: the other traits are judged by it
		case rejecting&schema.FTFaceTooDark != 0:
			reason = schema.ReasonImageUnderexposed
		case rejecting&schema.FTFaceTooBright != 0:
			reason = schema.ReasonImageOverexposed
		}
		return reason, fmt.Sprintf("the face has traits that %s does not allow: %s", a.Operation, strings.Join(schema.TraitNames(rejecting), ", "))
	}
	if f.SpoofStatus == schema.SpoofInvalidFace || f.SpoofStatus == schema.SpoofGenericError {
		return schema.ReasonLivenessUnknown, "the liveness of the face was not assessed: " + f.Liveness.Message
	}
	return "", ""
}

// result starts the outcome of the analysis with what was found, and with the block of its operation. A failure has neither.
func (a *analysis) result(reason schema.Reason, message string) *schema.Result {
	r := schema.NewResult(&a.Job, reason, message)
	r.Models, r.Timings = a.Models, a.Timings
	if reason.Code() != schema.CodeNoError {
		return r
	}
	r.Faces = a.Faces
	switch a.Operation {
	case schema.OpEnroll:
		r.Enroll = &schema.EnrollData{Message: message}
	case schema.OpPredict:
		r.Predict = &schema.PredictData{Message: message}
	case schema.OpFaceISO:
		r.ISOImage = &schema.ISOImageResult{Success: a.kept != nil, Image: a.kept}
	}
	r.Feedback = a.feedback(reason)
	return r
}

// feedback is what the person should do.
func (a *analysis) feedback(reason schema.Reason) string {
	var all schema.FaceTraits
	for _, f := range a.Faces {
		all |= f.Traits
	}
	switch reason {
	case schema.ReasonNoFace:
		return "Look into the camera so that your whole face is visible."
	case schema.ReasonSpoofDetected:
		return "Show your face itself to the camera, not a picture of it."
	case schema.ReasonFaceRejected, schema.ReasonImageUnderexposed, schema.ReasonImageOverexposed:
		return traits.Advice(traits.Rejecting(all, a.config, a.Operation))
	case schema.ReasonLivenessUnknown:
		return cmp.Or(traits.Advice(all), "Come close to the camera, alone and with your whole head in the picture.")
	}
	return traits.Advice(all)
}

// compare answers with the similarity of every pair of faces of different images.
func (a *analysis) compare() *schema.Result {
	if n := len(a.Faces); n > schema.MaxCompareFaces {
		return a.result(schema.ReasonSeveralFaces, fmt.Sprintf("the images show %d faces or more; compare takes %d", n, schema.MaxCompareFaces))
	}
	t := *a.Thresholds
	c := &schema.CompareResult{
		FaceDetectedA: len(a.perImage[0]) > 0, FaceDetectedB: len(a.perImage[1]) > 0,
		FaceThresholds: []float32{t.Min, t.Med, t.Max},
	}
	for i, left := range a.Faces {
		for j, right := range a.Faces[i+1:] {
			j += i + 1
			if left.Image == right.Image {
				continue
			}
			cosine := schema.Cosine(a.Probes[i].Vector, a.Probes[j].Vector)
			c.Pairs = append(c.Pairs, schema.FacePair{
				ImageA: left.Image, FaceA: i, ImageB: right.Image, FaceB: j,
				Similarity: cosine, IsMatch: t.Matches(cosine), Confidence: t.Confidence(cosine),
			})
		}
	}
	if c.FaceDetectedA && c.FaceDetectedB {
		firstTwo(c)
	} else {
		c.Similarity, c.DistanceMin, c.DistanceMean, c.DistanceMax = -1, 2, 2, 2 // as far apart as faces can be
	}
	var without []string
	for i, faces := range a.perImage {
		if len(faces) == 0 {
			without = append(without, fmt.Sprintf("images[%d]", i))
		}
	}
	r := a.result("", "")
	if without != nil {
		r = a.result(schema.ReasonNoFace, "no face was found in "+strings.Join(without, ", "))
	}
	if len(c.Pairs) > 0 {
		r.Compare = c
	}
	return r
}

// firstTwo sets the fields of c that are about the first two images, from its pairs of these images, of which there is at
// least one.
func firstTwo(c *schema.CompareResult) {
	n := 0
	for _, p := range c.Pairs {
		if p.ImageA != 0 || p.ImageB != 1 {
			continue
		}
		distance := 1 - p.Similarity
		if n == 0 || p.Similarity > c.Similarity {
			c.Similarity, c.IsMatch, c.Confidence, c.DistanceMin = p.Similarity, p.IsMatch, p.Confidence, distance
		}
		c.DistanceMax = max(c.DistanceMax, distance)
		c.DistanceMean += distance
		n++
	}
	c.DistanceMean /= float32(n)
}

package verdict

import (
	"fmt"

	"facestream/pkg/schema"
)

// thresholds returns the request's thresholds where it sets them, else the pack's, multiplied by fudge_factor, and never
// below the operator's floors. Thresholds that contradict each other are a problem, because no score can be judged by them,
// and so are those that the request lowers below a floor. The pack's own thresholds are raised to the floors.
func thresholds(config schema.MatchingConfig, pack schema.Thresholds, floors *schema.Thresholds) (schema.Thresholds, schema.Problems) {
	type threshold struct {
		key   string
		value float32
		asked bool
	}
	pick := func(key string, asked *float32, pack float32) threshold {
		if asked != nil {
			return threshold{key, *asked, true}
		}
		return threshold{key, pack, false}
	}
	inForce := []threshold{
		pick("face_thresholds_min", config.Min, pack.Min),
		pick("face_thresholds_med", config.Med, pack.Med),
		pick("face_thresholds_max", config.Max, pack.Max),
	}
	var problems schema.Problems
	for i, low := range inForce[:2] {
		high := inForce[i+1]
		if low.value <= high.value {
			continue
		}
		named, word, other := low, "exceeds", high
		if !low.asked {
			named, word, other = high, "is below", low
		}
		whose := "that of the request"
		if !other.asked {
			whose = "the model pack's; set it as well"
		}
		problems = append(problems, schema.Problem{Field: "config." + named.key, Reason: schema.ReasonInvalidConfiguration,
			Message: fmt.Sprintf("is %v and %s %s, which is %v, %s", named.value, word, other.key, other.value, whose)})
	}
	out := schema.Thresholds{
		Min: inForce[0].value * config.FudgeFactor,
		Med: inForce[1].value * config.FudgeFactor,
		Max: inForce[2].value * config.FudgeFactor,
	}
	if floors == nil {
		return out, problems
	}
	problems = append(problems, config.Below(*floors)...)
	laxer := false
	for i, t := range []struct {
		value *float32
		floor float32
	}{{&out.Min, floors.Min}, {&out.Med, floors.Med}, {&out.Max, floors.Max}} {
		if *t.value < t.floor && !inForce[i].asked {
			laxer = laxer || config.FudgeFactor < 1
			*t.value = t.floor
		}
	}
	if laxer {
		problems = append(problems, schema.BelowFloor("config.fudge_factor", fmt.Sprintf("one that leaves the model pack's thresholds at %v, %v and %v or above", floors.Min, floors.Med, floors.Max)))
	}
	return out, problems
}

// compare returns the similarities of all pairs of faces of different images, or nil without a pair.
func (c *Case) compare(f Found) *schema.CompareResult {
	t := c.between(c.shows(0), c.shows(1))
	r := &schema.CompareResult{FaceDetectedA: f.shows(0), FaceDetectedB: f.shows(1), FaceThresholds: []float32{t.Min, t.Med, t.Max}}
	for i, left := range f.Faces {
		for j, right := range f.Faces[i+1:] {
			j += i + 1
			if left.Image == right.Image {
				continue
			}
			t := c.between(c.shows(left.Image), c.shows(right.Image))
			cosine := schema.Cosine(f.Probes[i].Vector, f.Probes[j].Vector)
			r.Pairs = append(r.Pairs, schema.FacePair{
				ImageA: left.Image, FaceA: i, ImageB: right.Image, FaceB: j,
				Similarity: cosine, IsMatch: t.Matches(cosine), Confidence: t.Confidence(cosine),
			})
		}
	}
	switch {
	case len(r.Pairs) == 0:
		return nil
	case r.FaceDetectedA && r.FaceDetectedB:
		firstTwo(r)
	default:
		r.Similarity, r.DistanceMin, r.DistanceMean, r.DistanceMax = -1, 2, 2, 2 // as far apart as faces can be
	}
	return r
}

// firstTwo sets the fields of r that describe the first two images, from the pairs of their faces. r must have such a
// pair.
func firstTwo(r *schema.CompareResult) {
	n := 0
	for _, p := range r.Pairs {
		if p.ImageA != 0 || p.ImageB != 1 {
			continue
		}
		distance := 1 - p.Similarity
		if n == 0 || p.Similarity > r.Similarity {
			r.Similarity, r.IsMatch, r.Confidence, r.DistanceMin = p.Similarity, p.IsMatch, p.Confidence, distance
		}
		r.DistanceMax = max(r.DistanceMax, distance)
		r.DistanceMean += distance
		n++
	}
	r.DistanceMean /= float32(n)
}

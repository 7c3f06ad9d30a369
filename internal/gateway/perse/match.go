package perse

import (
	"net/http"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// Compare is the answer to the comparisons. Similarity is 0..1, and its threshold 0.5: a result's confidence for faces, the cosine for
// voices.
type Compare struct {
	Status     int     `json:"status"` // 200
	Similarity float32 `json:"similarity"`
	// Thresholds have both names that the API's documents have.
	Thresholds *CompareThresholds `json:"default_thresholds,omitempty"`
	Also       *CompareThresholds `json:"defaultThresholds,omitempty"`
	Liveness   *float32           `json:"liveness_score,omitempty"` // the lowest of the images; absent where none could be assessed
	TimeTaken  float64            `json:"time_taken"`               // seconds
}

// CompareThresholds are those that a comparison is held against.
type CompareThresholds struct {
	Similarity float32  `json:"similarity"`
	Liveness   *float32 `json:"liveness,omitempty"`
}

// matched is the confidence of a result at the threshold that decides about a match.
const matched = 0.5

// largest is face_detection_strategy: the largest face of an image.
const largest = 2

func compare(c *api.Call) *api.Problem {
	found, refusal := form(c, []string{imageFile, imageFile1, imageFile2}, []string{userToken})
	if refusal != nil {
		return refusal
	}
	req := schema.Request{Operation: schema.OpCompare, Consent: declared(c), Config: config(map[string]any{"face_detection_strategy": largest})}
	images := [][]byte{found[imageFile1], found[imageFile2]}
	if len(found[userToken]) > 0 || len(found[imageFile]) > 0 {
		refusal = need(found, imageFile, userToken)
		req.Operation, req.Collection, req.PUID = schema.OpVerify, Collection, schema.PUID(found[userToken])
		images = [][]byte{found[imageFile]}
	} else {
		refusal = need(found, imageFile1, imageFile2)
	}
	if refusal != nil {
		return refusal
	}
	r, refusal := c.Do(req, images...)
	if refusal == nil {
		refusal = refused(r)
	}
	if refusal != nil {
		return refusal
	}
	answer, refusal := compared(r, taken(c))
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, answer)
}

// compared translates a result.
func compared(r *schema.Result, took float64) (*Compare, *api.Problem) {
	a := &Compare{Status: http.StatusOK, TimeTaken: took, Thresholds: &CompareThresholds{Similarity: matched}}
	a.Also = a.Thresholds
	switch {
	case r.Compare != nil:
		a.Similarity = r.Compare.Confidence
	case r.Verify != nil:
		a.Similarity = r.Verify.Confidence
	default:
		return nil, api.Refuse(api.Cause(schema.ReasonNoFace), "no face was found in one of the images")
	}
	for _, f := range r.Faces {
		if f.Liveness == nil || f.Liveness.Score == nil {
			continue
		}
		if a.Liveness == nil || *f.Liveness.Score < *a.Liveness {
			a.Liveness = f.Liveness.Score
		}
		a.Thresholds.Liveness = f.Liveness.Threshold
	}
	return a, nil
}

func voices(c *api.Call) *api.Problem {
	found, refusal := form(c, []string{audioFile1, audioFile2}, nil)
	if refusal == nil {
		refusal = need(found, audioFile1, audioFile2)
	}
	if refusal != nil {
		return refusal
	}
	r, refusal := c.Do(schema.Request{Operation: schema.OpVoiceCompare, Consent: declared(c)}, found[audioFile1], found[audioFile2])
	if refusal == nil {
		refusal = refused(r)
	}
	if refusal != nil {
		return refusal
	}
	if r.Voices == nil || r.Voices.Score == nil {
		return api.Refuse(api.Cause(schema.ReasonNoSpeech), "nobody speaks in one of the recordings")
	}
	return c.Answer(http.StatusOK, Compare{Status: http.StatusOK, Similarity: max(*r.Voices.Score, 0), Thresholds: &CompareThresholds{Similarity: *r.Voices.Threshold}, TimeTaken: taken(c)})
}

package gallery

import (
	"errors"
	"fmt"
	"math"

	"facestream/pkg/schema"
)

// Tie is the model and dimension of a collection. Its first row sets them (invariant 5).
type Tie struct {
	Model     schema.ModelID
	Dimension int
}

// Admit returns an error if a row or probe of other cannot be compared with the rows of collection c. The error is
// permanent with reason model_mismatch and names both models; for another dimension of the same model the reason is
// invalid_request.
func (t Tie) Admit(op string, c schema.Collection, other Tie) error {
	switch {
	case other.Model != t.Model:
		return schema.Permanent(op, schema.ReasonModelMismatch,
			fmt.Errorf("collection %q holds embeddings of model %q, this one is of model %q", c, t.Model, other.Model))
	case other.Dimension != t.Dimension:
		return schema.Permanent(op, schema.ReasonInvalidRequest,
			fmt.Errorf("the embedding has %d components, those of model %q in collection %q have %d", other.Dimension, t.Model, c, t.Dimension))
	}
	return nil
}

// Unknown is the error for a collection that never had a row.
func Unknown(op string, c schema.Collection) error {
	return schema.Permanent(op, schema.ReasonUnknownCollection, fmt.Errorf("nobody was ever enrolled in collection %q", c))
}

// Stranger is the error for a row that joins a person who has no row in the collection.
func Stranger(op string) error {
	return schema.Permanent(op, schema.ReasonUnknownPUID,
		errors.New("nobody in the collection has this puid; to enrol a new person leave it out, and the result contains a new one"))
}

// Erased is the error for a row that a deletion of its person outlived.
func Erased(op string) error {
	return schema.Permanent(op, schema.ReasonDeletedMeanwhile,
		errors.New("the person was deleted after this enrolment was sent, so nobody was enrolled; to enrol the person again, send another request"))
}

// Unit returns a copy of e's vector scaled to unit length, and what it would tie a collection to. The error is permanent
// with reason invalid_request: the model is not named, or the vector is empty, zero or not finite.
func Unit(op string, e schema.Embedding) ([]float32, Tie, error) {
	refuse := func(text string) ([]float32, Tie, error) {
		return nil, Tie{}, schema.Permanent(op, schema.ReasonInvalidRequest, errors.New(text))
	}
	if e.Model == "" {
		return refuse("the embedding does not name its model")
	}
	// float64 holds the square of every finite float32: if the sum is not finite, a component is not.
	var squares float64
	for _, x := range e.Vector {
		squares += float64(x) * float64(x)
	}
	switch norm := math.Sqrt(squares); {
	case len(e.Vector) == 0:
		return refuse("the embedding has no components")
	case math.IsNaN(norm) || math.IsInf(norm, 0):
		return refuse("the embedding has a component that is not finite")
	case norm == 0:
		return refuse("the embedding is the zero vector, which has no direction")
	default:
		unit := make([]float32, len(e.Vector))
		for i, x := range e.Vector {
			unit[i] = float32(float64(x) / norm)
		}
		return unit, Tie{Model: e.Model, Dimension: len(unit)}, nil
	}
}

// CheckNames refuses a row without an id or a person. The error is permanent with reason invalid_request.
func CheckNames(op string, r Row) error {
	switch {
	case r.ID == "":
		return schema.Permanent(op, schema.ReasonInvalidRequest, errors.New("the row has no id"))
	case r.PUID == "":
		return schema.Permanent(op, schema.ReasonInvalidRequest, errors.New("the row names no person"))
	}
	return nil
}

// CheckDeletion refuses a deletion without a person or a request. The error is permanent with reason invalid_request.
func CheckDeletion(op string, d Deletion) error {
	switch {
	case d.PUID == "":
		return schema.Permanent(op, schema.ReasonInvalidRequest, errors.New("the deletion names no person"))
	case d.Request == "":
		return schema.Permanent(op, schema.ReasonInvalidRequest, errors.New("the deletion names no request"))
	}
	return nil
}

// CheckCount refuses a number of answers (k, limit) below 1. The error is permanent with reason invalid_request.
func CheckCount(op, name string, n int) error {
	if n < 1 {
		return schema.Permanent(op, schema.ReasonInvalidRequest, fmt.Errorf("%s is %d; at least 1 is needed", name, n))
	}
	return nil
}

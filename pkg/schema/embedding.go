package schema

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
)

// Embedding is the vector of one face, of unit length, with the model that made it. It is redacted when it is printed.
type Embedding struct {
	Model  ModelID
	Vector []float32
}

// embeddingJSON is the wire form. Its vector is base64 of little-endian IEEE 754 float32, which takes a third of the
// space of decimal numbers.
type embeddingJSON struct {
	Model  ModelID `json:"model"`
	Vector string  `json:"vector"`
}

// MarshalJSON writes {"model": …, "vector": base64 of little-endian float32}.
func (e Embedding) MarshalJSON() ([]byte, error) {
	return json.Marshal(embeddingJSON{e.Model, base64.StdEncoding.EncodeToString(EncodeVector(e.Vector))})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Embedding) UnmarshalJSON(b []byte) error {
	var w embeddingJSON
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(w.Vector)
	if err != nil {
		return fmt.Errorf("embedding vector: %w", err)
	}
	v, err := DecodeVector(raw)
	if err != nil {
		return err
	}
	*e = Embedding{w.Model, v}
	return nil
}

// EncodeVector writes v as little-endian IEEE 754 float32, four bytes for each component.
func EncodeVector(v []float32) []byte {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return b
}

// DecodeVector reads what EncodeVector writes. It fails where the length is not a multiple of four, and on NaN and infinity.
func DecodeVector(b []byte) ([]float32, error) {
	if len(b)%4 != 0 {
		return nil, fmt.Errorf("embedding vector: %d bytes are not a whole number of float32 values", len(b))
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		x := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		if x != x || x > math.MaxFloat32 || x < -math.MaxFloat32 {
			return nil, fmt.Errorf("embedding vector: component %d is not finite", i)
		}
		v[i] = x
	}
	return v, nil
}

// Cosine returns the cosine similarity, -1..1, of two vectors of unit length: their dot product.
func Cosine(a, b []float32) float32 {
	var s float32
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

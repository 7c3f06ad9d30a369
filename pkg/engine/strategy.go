package engine

import "facestream/pkg/engine/face"

// Strategy says which of the detected faces an operation is about. Its numbers are those of the CryptoNets SDK's configuration key
// face_detection_strategy.
type Strategy int

// The strategies.
const (
	MultipleFaces    Strategy = 0 // all of them
	BestConfidence   Strategy = 1 // the one that the detector is surest of
	BiggestFace      Strategy = 2 // the one with the largest box; on a document, the main portrait
	SingleFaceHybrid Strategy = 3 // the one with the largest product of the box's area and confidence
)

// Select returns the faces that s chooses: all, or the best one by its measure, the first of equals. Without faces there is
// nothing to choose.
func (s Strategy) Select(faces []face.Face) []face.Face {
	if s == MultipleFaces || len(faces) == 0 {
		return faces
	}
	best := s.best(faces)
	return faces[best : best+1]
}

// best is the index of the best face by the measure of s.
func (s Strategy) best(faces []face.Face) int {
	measure := func(f face.Face) float32 {
		switch s {
		case BiggestFace:
			return f.Area()
		case SingleFaceHybrid:
			return f.Area() * f.Confidence
		}
		return f.Confidence
	}
	best := 0
	for i := range faces {
		if measure(faces[i]) > measure(faces[best]) {
			best = i
		}
	}
	return best
}

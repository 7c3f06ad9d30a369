package eval

import (
	"math"
	"slices"
)

// Scores are the similarities of compared pairs. Neither list is empty.
type Scores struct{ Mates, NonMates []float32 }

// FMR returns the rate of non-mates at or above threshold.
func (s Scores) FMR(threshold float32) Rate {
	return Rate{accepted(s.NonMates, threshold), len(s.NonMates)}
}

// FNMR returns the rate of mates below threshold.
func (s Scores) FNMR(threshold float32) Rate {
	return Rate{len(s.Mates) - accepted(s.Mates, threshold), len(s.Mates)}
}

// TAR returns the rate of mates at or above threshold.
func (s Scores) TAR(threshold float32) Rate {
	return Rate{accepted(s.Mates, threshold), len(s.Mates)}
}

// Accuracy returns the rate of pairs that threshold puts on the right side.
func (s Scores) Accuracy(threshold float32) Rate {
	return Rate{accepted(s.Mates, threshold) + len(s.NonMates) - accepted(s.NonMates, threshold), len(s.Mates) + len(s.NonMates)}
}

func accepted(scores []float32, threshold float32) (n int) {
	for _, s := range scores {
		if s >= threshold {
			n++
		}
	}
	return n
}

// thresholdAt returns the least threshold that at most the given share, 0..1, of scores reaches.
func thresholdAt(scores []float32, share float64) float32 {
	sorted := slices.Sorted(slices.Values(scores))
	// In floating point, a share such as 0.29 of 100 is 28.999….
	allowed := int(math.Floor(share*float64(len(sorted)) + 1e-9))
	if allowed >= len(sorted) {
		return sorted[0]
	}
	return math.Nextafter32(sorted[len(sorted)-1-allowed], float32(math.Inf(1)))
}

// bestThreshold returns the threshold with the greatest accuracy among those that the usual implementations of LFW's
// protocol try (facenet, src/lfw.py; insightface, recognition/arcface_torch/eval/verification.py): the squared
// distances 0, 0.01, … 3.99 of unit vectors. Of equally good thresholds it returns the least. The squared distance of
// two unit vectors is 2 − 2·cosine.
func (s Scores) bestThreshold() float32 {
	best, most := float32(1), -1
	for i := range 400 {
		threshold := float32(1 - float64(i)/200)
		if right := s.Accuracy(threshold).Count; right > most {
			best, most = threshold, right
		}
	}
	return best
}

// EER returns the equal error rate, 0..1: the mean of FMR and FNMR at the similarity where they are closest to each
// other.
func (s Scores) EER() (rate float64, threshold float32) {
	closest := math.Inf(1)
	for _, t := range slices.Concat(s.Mates, s.NonMates) {
		fmr, fnmr := s.FMR(t).Value(), s.FNMR(t).Value()
		if d := math.Abs(fmr - fnmr); d < closest || d == closest && t < threshold {
			closest, rate, threshold = d, (fmr+fnmr)/2, t
		}
	}
	return rate, threshold
}

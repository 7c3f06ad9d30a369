package eval

import (
	"context"
	"fmt"
	"slices"

	"facestream/pkg/engine/models"
)

// FigureAccuracy is LFW's mean accuracy over its folds.
const FigureAccuracy = "accuracy"

// LFW runs the verification protocol of Labeled Faces in the Wild (G. B. Huang et al., UMass TR 07-49, 2007, view 2) on
// faces that are already aligned. The threshold of each fold is the one with the greatest accuracy on all other folds.
func LFW(ctx context.Context, o Options) (*Report, error) {
	set, err := o.embedLFW(ctx)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "lfw", What: fmt.Sprintf("verification of aligned faces, %d folds, the threshold of each from the others", len(set.folds)),
		Pack: o.Subject.describe(models.RoleEmbedding),
		Data: Data{Folder: lfwImages(o.Data), Images: len(set.files), People: people(set.files), Pairs: len(set.pairs)},
	}
	all := make([]Scores, len(set.folds))
	for i, fold := range set.folds {
		all[i] = set.vectors.scores(fold)
	}
	r.addFolds(all)
	whole := set.vectors.scores(set.pairs)
	for _, far := range []struct {
		name string
		rate float64
	}{{"1e-2", 1e-2}, {"1e-3", 1e-3}, {"1e-4", 1e-4}} {
		threshold := thresholdAt(whole.NonMates, far.rate)
		r.addRateAt("TAR at FAR "+far.name, whole.TAR(threshold), threshold)
	}
	return r, nil
}

// lfw holds LFW's pairs, by fold and all together, with their images and embeddings.
type lfw struct {
	folds   [][]pair
	pairs   []pair
	files   []string
	vectors vectors
}

func (o Options) embedLFW(ctx context.Context) (*lfw, error) {
	folds, err := readLFW(o.Data)
	if err != nil {
		return nil, err
	}
	pairs := slices.Concat(folds...)
	files := images(pairs)
	v, err := o.embedAligned(ctx, files)
	return &lfw{folds, pairs, files, v}, err
}

// addFolds adds the accuracy. Each fold is judged at the threshold that is best for all other folds.
func (r *Report) addFolds(folds []Scores) {
	var right Rate
	var accuracies, thresholds []float64
	for i, tested := range folds {
		var others Scores
		for j, s := range folds {
			if j != i {
				others.Mates = append(others.Mates, s.Mates...)
				others.NonMates = append(others.NonMates, s.NonMates...)
			}
		}
		threshold := others.bestThreshold()
		rate := tested.Accuracy(threshold)
		right.Count, right.Of = right.Count+rate.Count, right.Of+rate.Of
		accuracies, thresholds = append(accuracies, rate.Value()), append(thresholds, float64(threshold))
	}
	// All folds have the same size, so the mean over the folds is the rate over all pairs.
	threshold, _ := mean(thresholds)
	_, standardError := mean(accuracies)
	r.addRateAt(FigureAccuracy, right, float32(threshold))
	r.add(Figure{Name: "standard error over the folds", Value: standardError, Unit: Share})
}

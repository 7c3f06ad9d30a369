package eval

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// MeasuredThreshold is a threshold in the form of a manifest.
type MeasuredThreshold struct {
	Name       string  `json:"name"`
	Value      float32 `json:"value"` // cosine, rounded up to three decimals
	Evaluation string  `json:"evaluation"`
	Source     string  `json:"source"`
	// TunedOn are the data that it was measured on.
	TunedOn models.DataSet `json:"tuned_on"`
	// InManifest is the value in the pack's manifest, or 0 without one.
	InManifest float32 `json:"in_manifest"`
}

// Thresholds measures the thresholds of a pack's embedding network on LFW's aligned faces. min is at FAR 1e-2 and med
// at 1e-3 of the non-mates of LFW's pairs. max is for searches and is measured on more and harder non-mates: FAR 1e-4
// when one image of each person is compared with one of every other person.
func Thresholds(ctx context.Context, o Options) (*Report, error) {
	set, err := o.embedLFW(ctx)
	if err != nil {
		return nil, err
	}
	data, err := lfwSet(o.Data)
	if err != nil {
		return nil, err
	}
	s := set.vectors.scores(set.pairs)
	ones := firstOfEach(set.files)
	strangers := crossScores(set.vectors.of(ones))
	r := &Report{
		Evaluation: "thresholds", What: "the cosines that a manifest needs, by the share of people who are taken for somebody else",
		Pack: o.Subject.describe(models.RoleEmbedding),
		Data: Data{Folder: lfwImages(o.Data), Images: len(set.files), People: len(ones), Pairs: len(set.pairs)},
	}
	manifest := o.Subject.engine.Thresholds()
	onPairs := fmt.Sprintf("LFW pairs, %d mates and %d non-mates", len(s.Mates), len(s.NonMates))
	onAll := fmt.Sprintf("LFW, one image of each of the %d people of the pairs against one another, %d non-mates, and the %d mates of the pairs",
		len(ones), len(strangers), len(s.Mates))
	for _, t := range []struct {
		name, data, far string
		nonMates        []float32
		rate            float64
	}{
		{"min", onPairs, "1e-2", s.NonMates, 1e-2},
		{"med", onPairs, "1e-3", s.NonMates, 1e-3},
		{"max", onAll, "1e-4", strangers, 1e-4},
	} {
		threshold := roundUp(thresholdAt(t.nonMates, t.rate))
		tar := s.TAR(threshold)
		r.Thresholds = append(r.Thresholds, MeasuredThreshold{
			Name: t.name, Value: threshold,
			Evaluation: fmt.Sprintf("%s: TAR %.2f %% at FAR %s", t.data, 100*tar.Value(), t.far),
			Source:     "facestream eval thresholds --models " + o.Subject.pack.Name,
			TunedOn:    data,
			InManifest: manifest[t.name].Value,
		})
		r.addRateAt(t.name+": TAR", tar, threshold)
		r.addRateAt(t.name+": FAR, non-mates of the pairs", s.FMR(threshold), threshold)
		// There is no interval, because these comparisons share their people and are far from independent.
		all := Rate{accepted(strangers, threshold), len(strangers)}
		r.add(Figure{Name: t.name + ": FAR, everybody with everybody", Value: all.Value(), Unit: Share, Count: all.Count, Of: all.Of, Threshold: &threshold})
	}
	return r, nil
}

// Differences says which measured thresholds differ from the manifest's.
func (r *Report) Differences() (differences []string) {
	for _, t := range r.Thresholds {
		if t.Value != t.InManifest {
			differences = append(differences, fmt.Sprintf("%s is %v in the manifest; measured was %v", t.Name, t.InManifest, t.Value))
		}
	}
	return differences
}

// Write writes the measured thresholds to the manifest in the folder dir.
func (r *Report) Write(dir string) error {
	var all []models.NamedThreshold
	for _, t := range r.Thresholds {
		all = append(all, models.NamedThreshold{Name: t.Name, Threshold: models.Threshold{
			Value: t.Value, Evaluation: t.Evaluation, Source: t.Source, TunedOn: t.TunedOn,
		}})
	}
	return models.WriteThresholds(dir, models.RoleEmbedding, all)
}

// atThreshold calls add with the cosine of that name in the pack's manifest, if figures are a fair test of it on data.
func (r *Report) atThreshold(s *Subject, name string, data models.DataSet, figures []string, add func(threshold float32)) {
	t := s.engine.Thresholds()[name]
	if r.fairAt(name, t, data, figures) {
		add(t.Value)
	}
}

// fair reports whether figures, measured on data, are a fair test of the thresholds of those names ([face.Thresholds]). A
// threshold must not be tested on the data that it was tuned on: then fair reports figures as left out.
func (r *Report) fair(s *Subject, data models.DataSet, figures []string, names ...string) bool {
	for _, name := range names {
		if t, ok := s.engine.Threshold(name); ok && !r.fairAt(name, t, data, figures) {
			return false
		}
	}
	return true
}

func (r *Report) fairAt(name string, t models.Threshold, data models.DataSet, figures []string) bool {
	switch tuned := t.TunedOn; {
	case tuned.FilesSHA256 == data.FilesSHA256:
		r.LeftOut = append(r.LeftOut, LeftOut{figures, fmt.Sprintf("the threshold %s was tuned on these images, %s, and is tested on others", name, data.Name)})
		return false
	case tuned.Name == data.Name:
		r.Notes = append(r.Notes, fmt.Sprintf("the threshold %s was tuned on images of the same name, %s, in another list of files: "+
			"if some images are in both, its figures are not a valid test", name, data.Name))
	}
	return true
}

// roundUp rounds up to three decimals, so the error rate is not exceeded.
func roundUp(x float32) float32 { return float32(math.Ceil(float64(x)*1000) / 1000) }

// firstOfEach returns the first image of each person. files must be sorted and in LFW's layout.
func firstOfEach(files []string) []string {
	var first []string
	for i, file := range files {
		if i == 0 || filepath.Dir(files[i-1]) != filepath.Dir(file) {
			first = append(first, file)
		}
	}
	return first
}

// crossScores returns the similarities of all pairs of the vectors.
func crossScores(all [][]float32) []float32 {
	scores := make([]float32, 0, len(all)*(len(all)-1)/2)
	for i, a := range all {
		for _, b := range all[:i] {
			scores = append(scores, schema.Cosine(a, b))
		}
	}
	return scores
}

package eval

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Pairs verifies labelled pairs of unaligned photographs at the thresholds of the pack. It decodes, detects, selects
// the face, aligns and embeds as the operation compare does by default.
func Pairs(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.hasThresholds(); err != nil {
		return nil, err
	}
	pairs, err := readPairs(o.Data)
	if err != nil {
		return nil, err
	}
	files := images(pairs)
	r := &Report{
		Evaluation: "pairs", What: "verification of photographs, from the file to the decision, as compare does it by default",
		Pack: o.Subject.describe(models.RoleDetector, models.RoleEmbedding),
		Data: Data{Folder: filepath.Join(o.Data, "faces", "pairs"), Images: len(files), Pairs: len(pairs)},
	}
	v, err := o.acquire(ctx, r, files, os.ReadFile)
	if err != nil {
		return nil, err
	}
	var compared []pair
	for _, p := range pairs {
		if v[p.first] != nil && v[p.second] != nil {
			compared = append(compared, p)
		}
	}
	s := v.scores(compared)
	if len(s.Mates) == 0 || len(s.NonMates) == 0 {
		return nil, dataError(fmt.Errorf("%d pairs of mates and %d of non-mates could be compared; at least one of each is needed. %d images failed: %v",
			len(s.Mates), len(s.NonMates), len(r.Failures), r.Failures))
	}
	r.addRate("failure to acquire, images", Rate{len(r.Failures), len(files)})
	r.addRate("pairs not compared for it", Rate{len(pairs) - len(compared), len(pairs)})
	data := pairsSet(files)
	for _, name := range []string{"min", "med", "max"} {
		figures := []string{"accuracy at " + name, "FMR at " + name, "FNMR at " + name}
		r.atThreshold(o.Subject, name, data, figures, func(threshold float32) {
			accuracy := s.Accuracy(threshold)
			accuracy.Of = len(pairs) // a pair that was not compared counts as wrong
			r.addRateAt(figures[0], accuracy, threshold)
			r.addRateAt(figures[1], s.FMR(threshold), threshold)
			r.addRateAt(figures[2], s.FNMR(threshold), threshold)
		})
	}
	eer, threshold := s.EER()
	r.add(Figure{Name: "EER", Value: eer, Unit: Share, Threshold: &threshold})
	return r, nil
}

// acquire embeds the face of each picture that the operation compare would use. Pictures without a face have no vector
// and are added to the failures of r.
func (o Options) acquire(ctx context.Context, r *Report, pictures []string, read func(picture string) ([]byte, error)) (vectors, error) {
	config := schema.DefaultConfig(schema.OpCompare)
	params := engine.Params{
		MinConfidence: max(config.MinConfidence(schema.OpCompare), o.Subject.minConfidence()),
		Strategy:      engine.Strategy(config.Detection.Strategy),
		Embed:         true,
	}
	found, err := o.firstFaces(ctx, "pictures", pictures, read, params, func(picture, why string) { r.fail(filepath.Base(picture), "%s", why) })
	if err != nil {
		return nil, err
	}
	v := vectors{}
	for i, picture := range pictures {
		v[picture] = nil
		if found[i] != nil {
			v[picture] = found[i].Embedding.Vector
		}
	}
	return v, nil
}

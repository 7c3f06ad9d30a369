package eval

import (
	"context"
	"fmt"
	"path/filepath"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Identify measures open-set search. For each person with several images, the first image is enrolled and the second is
// searched for. Each person with a single image is a stranger. Everybody is searched for once, and the search is exact.
func Identify(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.hasThresholds(); err != nil {
		return nil, err
	}
	all, err := readPeople(o.Data)
	if err != nil {
		return nil, err
	}
	var enrolled, mates, strangers []string // paths; mates[i] shows the person of enrolled[i]
	for _, p := range all {
		if len(p.images) > 1 {
			enrolled, mates = append(enrolled, p.images[0]), append(mates, p.images[1])
		} else {
			strangers = append(strangers, p.images[0])
		}
	}
	if len(enrolled) == 0 || len(strangers) == 0 {
		return nil, dataError(fmt.Errorf("%s has %d people with several images and %d with a single one; at least one of each is needed",
			lfwImages(o.Data), len(enrolled), len(strangers)))
	}
	files := append(append(append([]string{}, enrolled...), mates...), strangers...)
	v, err := o.embedAligned(ctx, files)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "identify",
		What:       fmt.Sprintf("open-set search among %d people enrolled with one aligned face each; %d of them and %d strangers searched for", len(enrolled), len(mates), len(strangers)),
		Pack:       o.Subject.describe(models.RoleEmbedding),
		Data:       Data{Folder: lfwImages(o.Data), Images: len(files), People: len(all)},
	}
	gallery := v.of(enrolled)
	searches := newSearches(search(gallery, v.of(mates)), search(gallery, v.of(strangers)))
	r.addSearches(searches)
	data, err := lfwSet(o.Data)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"max", "med"} {
		figures := searches.names(name)
		r.atThreshold(o.Subject, name, data, figures[:], func(threshold float32) { r.addSearchesAt(searches, figures, threshold) })
	}
	return r, nil
}

// of returns the vectors of files, in the same order.
func (v vectors) of(files []string) [][]float32 {
	out := make([][]float32, len(files))
	for i, file := range files {
		out[i] = v[file]
	}
	return out
}

// hit is the best candidate of a search: the index of the person in the gallery, or -1 for none, and the similarity.
type hit struct {
	person int
	score  float32
}

// search compares each probe with everybody in the gallery. People without a vector, on either side, are not compared.
func search(gallery, probes [][]float32) []hit {
	hits := make([]hit, len(probes))
	for i, probe := range probes {
		best := hit{person: -1, score: -2} // below every cosine
		for person, vector := range gallery {
			if probe == nil || vector == nil {
				continue
			}
			if score := schema.Cosine(probe, vector); score > best.score {
				best = hit{person, score}
			}
		}
		hits[i] = best
	}
	return hits
}

// searches are the scores of an open-set search.
type searches struct {
	mates         int
	right, alarms []float32 // scores of mates whose best candidate was right, and of the best candidates of strangers
}

// newSearches collects the scores of searches. mates[i] is right if it is person i.
func newSearches(mates, strangers []hit) (s searches) {
	s.mates = len(mates)
	for i, h := range mates {
		if h.person == i {
			s.right = append(s.right, h.score)
		}
	}
	for _, h := range strangers {
		s.alarms = append(s.alarms, h.score)
	}
	return s
}

func (s searches) fnir(threshold float32) Rate {
	return Rate{s.mates - accepted(s.right, threshold), s.mates}
}

func (s searches) fpir(threshold float32) Rate {
	return Rate{accepted(s.alarms, threshold), len(s.alarms)}
}

// names returns the names of the two figures at the manifest's threshold of that name.
func (searches) names(threshold string) [2]string {
	if threshold == "max" {
		threshold = "max, the default"
	}
	return [2]string{"FNIR at " + threshold, "FPIR at " + threshold}
}

// addSearches adds the rates that do not need a threshold of the manifest.
func (r *Report) addSearches(s searches) {
	r.addRate("rank-1 rate, no threshold", Rate{len(s.right), s.mates})
	for _, at := range []struct {
		name string
		fpir float64
	}{{"0.01", 0.01}, {"0.003", 0.003}} {
		threshold := thresholdAt(s.alarms, at.fpir)
		r.addRateAt("FNIR at FPIR "+at.name, s.fnir(threshold), threshold)
	}
}

func (r *Report) addSearchesAt(s searches, figures [2]string, threshold float32) {
	r.addRateAt(figures[0], s.fnir(threshold), threshold)
	r.addRateAt(figures[1], s.fpir(threshold), threshold)
}

// people counts the folders of the files. LFW has one per person.
func people(files []string) int {
	folders := map[string]bool{}
	for _, f := range files {
		folders[filepath.Dir(f)] = true
	}
	return len(folders)
}

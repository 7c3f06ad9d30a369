package eval

import (
	"context"
	"fmt"
	"path/filepath"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Identify searches an open set: of each person with several images the first is enrolled and the second searched for; each
// person with a single image is a stranger. Nobody is both, everybody is searched for once, and the search is exact.
func Identify(ctx context.Context, o Options) (*Report, error) {
	thresholds, err := o.Subject.thresholds()
	if err != nil {
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
		return nil, dataError(fmt.Errorf("%s has %d people with several images and %d with a single one; some of each are needed",
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
	r.addSearches(search(gallery, v.of(mates)), search(gallery, v.of(strangers)), thresholds)
	return r, nil
}

// of are the vectors of files, in order.
func (v vectors) of(files []string) [][]float32 {
	out := make([][]float32, len(files))
	for i, file := range files {
		out[i] = v[file]
	}
	return out
}

// hit is the best candidate of a search: whose, by the index in the gallery, -1 for nobody, and how similar.
type hit struct {
	person int
	score  float32
}

// search compares each probe with everybody of the gallery. Who has no vector, on either side, is compared with nobody.
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

// addSearches adds the rates of searches: mates[i] is right when it is person i.
func (r *Report) addSearches(mates, strangers []hit, thresholds schema.Thresholds) {
	var right, alarms []float32
	for i, h := range mates {
		if h.person == i {
			right = append(right, h.score)
		}
	}
	for _, h := range strangers {
		alarms = append(alarms, h.score)
	}
	fnir := func(threshold float32) Rate {
		return Rate{len(mates) - accepted(right, threshold), len(mates)}
	}
	r.addRate("rank-1 rate, no threshold", Rate{len(right), len(mates)})
	for _, at := range []struct {
		name string
		fpir float64
	}{{"0.01", 0.01}, {"0.003", 0.003}} {
		threshold := thresholdAt(alarms, at.fpir)
		r.addRateAt("FNIR at FPIR "+at.name, fnir(threshold), threshold)
	}
	for _, at := range []struct {
		name      string
		threshold float32
	}{{"max, the default", thresholds.Max}, {"med", thresholds.Med}} {
		r.addRateAt("FNIR at "+at.name, fnir(at.threshold), at.threshold)
		r.addRateAt("FPIR at "+at.name, Rate{accepted(alarms, at.threshold), len(alarms)}, at.threshold)
	}
}

// people counts the folders that the files lie in: LFW has one a person.
func people(files []string) int {
	folders := map[string]bool{}
	for _, f := range files {
		folders[filepath.Dir(f)] = true
	}
	return len(folders)
}

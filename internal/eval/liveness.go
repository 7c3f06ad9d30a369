package eval

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// live is the label of a bona fide presentation.
const live = "live"

// Liveness measures each mode of anti_spoofing_mode on photographs of living people and of pictures of people, in the
// terms of ISO/IEC 30107-3. APCER is the share of the attacks of one type that pass for living faces. BPCER is the
// share of living faces that pass for attacks. Both are measured at each operating point of the manifest: soft,
// regular, hardened. Faces that cannot be assessed are counted separately. The listed failures are those at the regular
// point.
func Liveness(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.has(models.RoleLiveness); err != nil {
		return nil, err
	}
	threshold, err := o.Subject.threshold(face.ThresholdLive)
	if err != nil {
		return nil, err
	}
	points := []operatingPoint{{"regular", threshold}}
	for _, p := range []struct{ name, threshold string }{{"soft", face.ThresholdLiveSoft}, {"hardened", face.ThresholdLiveHardened}} {
		if t, err := o.Subject.threshold(p.threshold); err == nil {
			points = append(points, operatingPoint{p.name, t})
		}
	}
	slices.SortStableFunc(points, func(a, b operatingPoint) int { return cmp.Compare(a.threshold, b.threshold) })
	labels, err := readLabels(o.Data)
	if err != nil {
		return nil, err
	}
	all := with(labels, "presentation")
	// The photographs of pairs show living people.
	pairs, err := readPairs(o.Data)
	if err != nil {
		return nil, err
	}
	for _, path := range images(pairs) {
		all = append(all, labelled{file: "pairs/" + filepath.Base(path), labels: map[string]string{"presentation": live}})
	}
	r := &Report{
		Evaluation: "liveness", What: "living faces and pictures of faces, from one photograph each",
		Pack: o.Subject.describe(models.RoleDetector, models.RoleLiveness),
		Data: Data{Folder: filepath.Join(o.Data, "faces"), Images: len(all)},
	}
	for mode := 1; mode <= 3; mode++ {
		err := o.addLiveness(ctx, r, all, mode, threshold, points)
		if schema.ReasonOf(err) == schema.ReasonRoleAbsent { // the pack has no network for this mode
			r.fail(fmt.Sprintf("mode %d", mode), "not measured: %s", schema.MessageOf(err))
		} else if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// operatingPoint is one of the manifest's thresholds of liveness.
type operatingPoint struct {
	name      string
	threshold float32
}

func (o Options) addLiveness(ctx context.Context, r *Report, all []labelled, mode int, threshold float32, points []operatingPoint) error {
	found, err := o.analyze(ctx, r, fileNames(all), engine.Params{Liveness: mode})
	if err != nil {
		return err
	}
	name := func(what string) string { return fmt.Sprintf("mode %d: %s", mode, what) }
	attacks := map[string][]float32{}
	var bonaFide []float32
	unassessed := Rate{Of: len(all)}
	for i, l := range all {
		kind := l.labels["presentation"]
		if found[i] == nil || !found[i].Liveness.Assessable {
			unassessed.Count++
			if found[i] != nil {
				r.fail(l.file, "mode %d: not assessable: %s", mode, found[i].Liveness.Why)
			}
			continue
		}
		score := found[i].Liveness.Score
		if kind == live {
			bonaFide = append(bonaFide, score)
		} else {
			attacks[kind] = append(attacks[kind], score)
		}
		if (kind == live) != (score >= threshold) {
			r.fail(l.file, "mode %d: %.3f, labelled %s", mode, score, kind)
		}
	}
	r.addRate(name("not assessed"), unassessed)
	var every []float32
	for _, kind := range slices.Sorted(maps.Keys(attacks)) {
		every = append(every, attacks[kind]...)
	}
	for _, p := range points {
		for _, kind := range slices.Sorted(maps.Keys(attacks)) {
			scores := attacks[kind]
			r.addRateAt(name(p.name+": APCER, "+kind), Rate{accepted(scores, p.threshold), len(scores)}, p.threshold)
		}
		if len(bonaFide) > 0 {
			r.addRateAt(name(p.name+": BPCER"), Rate{len(bonaFide) - accepted(bonaFide, p.threshold), len(bonaFide)}, p.threshold)
		}
	}
	if len(bonaFide) > 0 && len(every) > 0 {
		eer, at := Scores{Mates: bonaFide, NonMates: every}.EER()
		r.add(Figure{Name: name("EER"), Value: eer, Unit: Share, Threshold: &at})
	}
	return nil
}

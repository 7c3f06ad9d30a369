package eval

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// live is the label of a bona fide presentation.
const live = "live"

// defaultMode is the default of anti_spoofing_mode.
const defaultMode = 1

// presentation is a picture of a face: of a living one, or an attack of another kind.
type presentation struct {
	name string // what reports call it
	path string
	kind string
}

// Liveness measures each mode of anti_spoofing_mode on photographs of living people and of pictures of people, in the
// terms of ISO/IEC 30107-3. APCER is the share of the attacks of one type that pass for living faces. BPCER is the
// share of living faces that pass for attacks. Both are measured at each operating point of the manifest: soft,
// regular, hardened. Faces that cannot be assessed are counted separately. The listed failures are those at the regular
// point.
func Liveness(ctx context.Context, o Options) (*Report, error) {
	all, err := labelledPresentations(o.Data)
	if err != nil {
		return nil, err
	}
	r, points, err := o.livenessReport("liveness", "living faces and pictures of faces, from one photograph each", filepath.Join(o.Data, "faces"), all)
	if err != nil {
		return nil, err
	}
	for mode := 1; mode <= 3; mode++ {
		err := o.addLiveness(ctx, r, all, mode, fmt.Sprintf("mode %d: ", mode), points)
		if schema.ReasonOf(err) == schema.ReasonRoleAbsent { // the pack has no network for this mode
			r.fail(fmt.Sprintf("mode %d", mode), "not measured: %s", schema.MessageOf(err))
		} else if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Attacks measures the default mode of anti_spoofing_mode on a folder of presentations, with one APCER for each kind of
// attack. The kind of a picture is its line in the folder's attacks.csv ("file,type"), or else the name of its
// sub-folder; "live" is a living face. An empty folder stands for all attacks of the evaluation data: labelled/attacks,
// and the presentations of faces. The notes have the quantiles of the living faces' scores, by which an operating point
// is set.
func Attacks(ctx context.Context, o Options, folder string) (*Report, error) {
	var all []presentation
	var err error
	if folder == "" {
		folder = o.Data
		if all, err = readPresentations(filepath.Join(o.Data, "labelled", "attacks")); err == nil {
			var more []presentation
			more, err = labelledPresentations(o.Data)
			all = append(all, more...)
		}
	} else {
		all, err = readPresentations(folder)
	}
	if err != nil {
		return nil, err
	}
	r, points, err := o.livenessReport("attacks", "presentation attacks of each kind, and living faces, in the default mode", folder, all)
	if err != nil {
		return nil, err
	}
	return r, o.addLiveness(ctx, r, all, defaultMode, "", points)
}

// Jitter measures how often the verdict on the liveness of a face changes if its box is shifted or scaled by 10 %: the
// same face as another detector, or the next frame of a video, would have it. The verdicts are those of the default mode
// at the regular point. Faces that cannot be assessed do not count.
func Jitter(ctx context.Context, o Options) (*Report, error) {
	all, err := labelledPresentations(o.Data)
	if err != nil {
		return nil, err
	}
	attacks, err := readPresentations(filepath.Join(o.Data, "labelled", "attacks"))
	if err == nil {
		all = append(all, attacks...)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r, points, err := o.livenessReport("jitter", "verdicts on liveness that change if the face's box is shifted or scaled by 10 %", o.Data, all)
	if err != nil {
		return nil, err
	}
	regular := points.named("regular")
	changed := make([]map[string]bool, len(all)) // by the name of the change; nil: not assessed
	err = o.forEach(ctx, "photographs", len(all), func(ctx context.Context, i int) error {
		img, err := o.Subject.photograph(ctx, all[i].path, all[i].name)
		if err != nil {
			return err
		}
		faces, err := o.Subject.engine.Detect(ctx, img, o.Subject.minConfidence())
		if err != nil || len(faces) == 0 {
			return err
		}
		best := slices.MaxFunc(faces, func(a, b face.Face) int { return cmp.Compare(a.Confidence, b.Confidence) })
		moved := []face.Face{best}
		for _, c := range changes {
			moved = append(moved, best.Moved(c.x, c.y, c.scale))
		}
		found, err := o.Subject.engine.Liveness(ctx, img, moved, defaultMode)
		if err != nil {
			return err
		}
		if found[0].Unassessable != "" {
			return nil
		}
		changed[i] = map[string]bool{}
		for k, c := range changes {
			if f := found[k+1]; f.Unassessable == "" {
				changed[i][c.name] = (f.Score >= regular) != (found[0].Score >= regular)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var every, livingOnes, attacked Rate
	each := make([]Rate, len(changes))
	for i, p := range all {
		for k, c := range changes {
			flips, ok := changed[i][c.name]
			if !ok {
				continue
			}
			kind := &attacked
			if p.kind == live {
				kind = &livingOnes
			}
			for _, rate := range []*Rate{&every, kind, &each[k]} {
				rate.Of++
				if flips {
					rate.Count++
				}
			}
			if flips {
				r.fail(p.name, "%s", c.name)
			}
		}
	}
	if every.Of == 0 {
		return nil, dataError(errors.New("no face of the presentations can be assessed"))
	}
	r.addRateAt("verdicts that change", every, regular)
	if livingOnes.Of > 0 {
		r.addRateAt("of living faces", livingOnes, regular)
	}
	if attacked.Of > 0 {
		r.addRateAt("of attacks", attacked, regular)
	}
	for k, c := range changes {
		if each[k].Of > 0 {
			r.addRateAt(c.name, each[k], regular)
		}
	}
	return r, nil
}

// changes are what Jitter does to a box: shifts in shares of its sides, and factors of its size.
var changes = []struct {
	name        string
	x, y, scale float64
}{{"10 % to the left", -0.1, 0, 1}, {"10 % to the right", 0.1, 0, 1}, {"10 % up", 0, -0.1, 1}, {"10 % down", 0, 0.1, 1}, {"10 % smaller", 0, 0, 0.9}, {"10 % larger", 0, 0, 1.1}}

// operatingPoints are the manifest's thresholds of liveness, in ascending order.
type operatingPoints []operatingPoint

type operatingPoint struct {
	name      string
	threshold float32
}

func (all operatingPoints) named(name string) float32 {
	return all[slices.IndexFunc(all, func(p operatingPoint) bool { return p.name == name })].threshold
}

// livenessReport returns an empty report of an evaluation of these presentations, and the pack's operating points.
func (o Options) livenessReport(evaluation, what, folder string, all []presentation) (*Report, operatingPoints, error) {
	if err := o.Subject.has(models.RoleLiveness); err != nil {
		return nil, nil, err
	}
	regular, err := o.Subject.threshold(face.ThresholdLive)
	if err != nil {
		return nil, nil, err
	}
	points := operatingPoints{{"regular", regular}}
	for _, p := range []struct{ name, threshold string }{{"soft", face.ThresholdLiveSoft}, {"hardened", face.ThresholdLiveHardened}} {
		if t, err := o.Subject.threshold(p.threshold); err == nil {
			points = append(points, operatingPoint{p.name, t})
		}
	}
	slices.SortStableFunc(points, func(a, b operatingPoint) int { return cmp.Compare(a.threshold, b.threshold) })
	return &Report{
		Evaluation: evaluation, What: what, Pack: o.Subject.describe(models.RoleDetector, models.RolePose, models.RoleLiveness),
		Data: Data{Folder: folder, Images: len(all)},
	}, points, nil
}

// labelledPresentations returns the photographs of root/faces that are labelled as presentations, and those of
// root/faces/pairs, which show living people.
func labelledPresentations(root string) ([]presentation, error) {
	labels, err := readLabels(root)
	if err != nil {
		return nil, err
	}
	pairs, err := readPairs(root)
	if err != nil {
		return nil, err
	}
	var all []presentation
	for _, l := range with(labels, "presentation") {
		all = append(all, presentation{l.file, filepath.Join(root, "faces", filepath.FromSlash(l.file)), l.labels["presentation"]})
	}
	for _, file := range images(pairs) {
		all = append(all, presentation{"pairs/" + filepath.Base(file), file, live})
	}
	return all, nil
}

// readPresentations returns the pictures in a folder, as Attacks describes it.
func readPresentations(folder string) ([]presentation, error) {
	list, err := os.Open(filepath.Join(folder, "attacks.csv"))
	if errors.Is(err, fs.ErrNotExist) {
		files, err := imagesBelow(folder)
		if err != nil {
			return nil, err
		}
		var all []presentation
		for _, file := range files {
			kind, _, ok := strings.Cut(file, "/")
			if !ok {
				return nil, dataError(fmt.Errorf("%s: %s lies in no sub-folder whose name is its kind, and there is no attacks.csv", folder, file))
			}
			all = append(all, presentation{file, filepath.Join(folder, filepath.FromSlash(file)), kind})
		}
		return all, nil
	}
	if err != nil {
		return nil, dataError(err)
	}
	defer list.Close()
	reader := csv.NewReader(list)
	reader.FieldsPerRecord = 2
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, dataError(fmt.Errorf("%s: %w", list.Name(), err))
	}
	var all []presentation
	for i, row := range rows[min(1, len(rows)):] {
		if !filepath.IsLocal(filepath.FromSlash(row[0])) || row[1] == "" {
			return nil, dataError(fmt.Errorf("%s: line %d: %q must be a path inside the folder and a kind", list.Name(), i+2, row))
		}
		all = append(all, presentation{path.Join(filepath.Base(folder), row[0]), filepath.Join(folder, filepath.FromSlash(row[0])), row[1]})
	}
	if len(all) == 0 {
		return nil, dataError(fmt.Errorf("%s names no picture", list.Name()))
	}
	return all, nil
}

// addLiveness reports the verdicts of a mode on presentations. prefix stands before the figures' names.
func (o Options) addLiveness(ctx context.Context, r *Report, all []presentation, mode int, prefix string, points operatingPoints) error {
	paths := make([]string, len(all))
	names := map[string]string{}
	for i, p := range all {
		paths[i], names[p.path] = p.path, p.name
	}
	params := engine.Params{Liveness: mode, Strategy: engine.BestConfidence, MinConfidence: o.Subject.minConfidence()}
	found, err := o.firstFaces(ctx, "photographs", paths, os.ReadFile, params, func(path, why string) { r.fail(names[path], "%s", why) })
	if err != nil {
		return err
	}
	regular := points.named("regular")
	scores := map[string][]float32{}
	unassessed := map[string]Rate{}
	var total Rate
	for i, p := range all {
		n := unassessed[p.kind]
		n.Of, total.Of = n.Of+1, total.Of+1
		switch {
		case found[i] == nil:
			n.Count, total.Count = n.Count+1, total.Count+1
		case found[i].Liveness.Unassessable != "":
			n.Count, total.Count = n.Count+1, total.Count+1
			r.fail(p.name, "%snot assessable: %s", prefix, found[i].Liveness.Why)
		default:
			score := found[i].Liveness.Score
			scores[p.kind] = append(scores[p.kind], score)
			if (p.kind == live) != (score >= regular) {
				r.fail(p.name, "%s%.3f, labelled %s", prefix, score, p.kind)
			}
		}
		unassessed[p.kind] = n
	}
	kinds := slices.DeleteFunc(slices.Sorted(maps.Keys(unassessed)), func(kind string) bool { return kind == live })
	r.addRate(prefix+"not assessed", total)
	for _, kind := range append([]string{live}, kinds...) {
		if rate, ok := unassessed[kind]; ok {
			r.addRate(prefix+"not assessed, "+kind, rate)
		}
	}
	var every []float32
	for _, kind := range kinds {
		every = append(every, scores[kind]...)
	}
	bonaFide := scores[live]
	for _, p := range points {
		for _, kind := range kinds {
			if len(scores[kind]) > 0 {
				r.addRateAt(prefix+p.name+": APCER, "+kind, Rate{accepted(scores[kind], p.threshold), len(scores[kind])}, p.threshold)
			}
		}
		if len(bonaFide) > 0 {
			r.addRateAt(prefix+p.name+": BPCER", Rate{len(bonaFide) - accepted(bonaFide, p.threshold), len(bonaFide)}, p.threshold)
		}
	}
	if len(bonaFide) > 0 && len(every) > 0 {
		eer, at := Scores{Mates: bonaFide, NonMates: every}.EER()
		r.add(Figure{Name: prefix + "EER", Value: eer, Unit: Share, Threshold: &at})
	}
	if len(bonaFide) >= leastQuantiles {
		sorted := slices.Sorted(slices.Values(bonaFide))
		at := func(share float64) float32 { return sorted[int(math.Floor(share*float64(len(sorted))))] }
		r.Notes = append(r.Notes, fmt.Sprintf("%sof %d living faces that were assessed, 1 %%, 3 %% and 10 %% have a score below %.3f, %.3f and %.3f", prefix, len(sorted), at(0.01), at(0.03), at(0.1)))
	}
	return nil
}

// leastQuantiles is the least number of living faces whose lowest hundredth says something.
const leastQuantiles = 300

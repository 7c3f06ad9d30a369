package eval

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

const (
	// leastGroup is the least number of photographs of a group that counts for the ratio of the worst to the best group.
	leastGroup = 10
	// resamples is the number of bootstrap samples of a ratio.
	resamples = 2000
)

// measure is one number for each photograph: 0 or 1 for an error that happens or not, else a distance.
type measure struct {
	name   string
	unit   Unit      // Share or Years
	values []float64 // NaN where it was not measured
}

// Groups measures whether the pack serves groups of people alike. list is a list of photographs of single people
// ([readSomeones]); each of its columns besides file and age is a grouping, and ages form bands. The report has, for each
// group, the share of photographs without a face, called a spoof and refused at prediction by default, and the mean error
// of the estimated ages; and for each grouping the ratio of the worst group to the best.
func Groups(ctx context.Context, o Options, list string) (*Report, error) {
	all, err := readSomeones(list)
	if err != nil {
		return nil, err
	}
	groups := grouped(all)
	if len(groups) == 0 {
		return nil, dataError(fmt.Errorf("%s puts nobody into a group", list))
	}
	r := &Report{
		Evaluation: "groups", What: "errors of the pack for groups of people, and the ratio of the worst group to the best",
		Pack: o.Subject.describe(models.RoleDetector, models.RoleAttributes, models.RoleLiveness, models.RoleAge),
		Data: Data{Folder: filepath.Dir(list), Images: len(all)},
	}
	missed, spoofs, refused, ages := nan("no face found", Share, all), nan("called a spoof", Share, all), nan("refused at predict", Share, all), nan("age, mean absolute error", Years, all)
	j, err := o.judge(nil)
	if err != nil {
		return nil, err
	}
	err = o.forEach(ctx, "photographs", len(all), func(ctx context.Context, i int) error {
		data, err := os.ReadFile(filepath.Join(r.Data.Folder, filepath.FromSlash(all[i].file)))
		if err != nil {
			return dataError(err)
		}
		answers, err := j.judge(ctx, data)
		if err != nil {
			return fmt.Errorf("%s: %w", all[i].file, err)
		}
		predict := answers[len(answers)-1]
		missed.values[i], refused.values[i] = share(len(predict.faces) == 0), share(predict.reason != "")
		if len(predict.faces) == 1 {
			spoofs.values[i] = share(predict.faces[0].SpoofStatus == schema.SpoofDetected)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	measures := []measure{missed}
	figures := []string{spoofs.name, refused.name}
	if r.fair(o.Subject, models.NewDataSet(o.dataName(r.Data.Folder), filesOf(all)), figures, o.Subject.traitThresholds()...) {
		measures = append(measures, spoofs, refused)
	}
	if len(known(all)) > 0 && o.Subject.has(models.RoleAge) == nil {
		estimates, err := o.ages(ctx, &Report{Data: r.Data}, all)
		if err != nil {
			return nil, err
		}
		for i, e := range estimates {
			if e != nil && all[i].age >= 0 {
				ages.values[i] = math.Abs(e.years - all[i].age)
			}
		}
		measures = append(measures, ages)
	}
	for _, m := range measures {
		for _, title := range slices.Sorted(maps.Keys(groups)) {
			r.addGroups(m, title, groups[title])
		}
	}
	return r, nil
}

// nan is a measure without values.
func nan(name string, unit Unit, all []someone) measure {
	m := measure{name, unit, make([]float64, len(all))}
	for i := range m.values {
		m.values[i] = math.NaN()
	}
	return m
}

func share(happens bool) float64 {
	if happens {
		return 1
	}
	return 0
}

// addGroups reports m for each group of a grouping, and the ratio of the worst group to the best.
func (r *Report) addGroups(m measure, title string, groups map[string][]int) {
	var compared [][]float64
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		var values []float64
		for _, i := range groups[group] {
			if !math.IsNaN(m.values[i]) {
				values = append(values, m.values[i])
			}
		}
		if len(values) == 0 {
			continue
		}
		name := fmt.Sprintf("%s, %s %s", m.name, title, group)
		if m.unit == Share {
			r.addRate(name, Rate{above(values, 0), len(values)})
		} else {
			mean, e := mean(values)
			r.add(Figure{Name: name, Value: mean, Unit: m.unit, Interval: &Interval{max(mean-z95*e, 0), mean + z95*e}})
		}
		if len(values) >= leastGroup {
			compared = append(compared, values)
		}
	}
	if len(compared) > 1 && slices.Max(slices.Concat(compared...)) > 0 {
		ratio, interval := worstToBest(compared, m.unit == Share)
		r.add(Figure{Name: fmt.Sprintf("%s, %s: worst to best", m.name, title), Value: ratio, Unit: Times, Interval: &interval})
	}
}

// worstToBest returns the ratio of the largest mean of the groups to the smallest, with the 2.5 % and 97.5 % quantiles of
// the ratio over bootstrap samples of each group. It is at least 1, and larger than that by chance alone: groups that are
// served alike have an interval that begins near 1. For shares, each group gets one more photograph with the mean of all
// groups, so that a group without an error has a ratio. Not all values may be 0.
func worstToBest(groups [][]float64, shares bool) (ratio float64, _ Interval) {
	overall, _ := mean(slices.Concat(groups...))
	middle := func(values []float64, at func(int) int) float64 {
		var sum float64
		for i := range values {
			sum += values[at(i)]
		}
		if shares {
			return (sum + overall) / (float64(len(values)) + 1)
		}
		return sum / float64(len(values))
	}
	of := func(at func(n, i int) int) float64 {
		least, most := math.Inf(1), 0.0
		for _, values := range groups {
			m := middle(values, func(i int) int { return at(len(values), i) })
			least, most = min(least, m), max(most, m)
		}
		return most / least
	}
	dice := rand.New(rand.NewPCG(resamples, 1))
	samples := make([]float64, resamples)
	for k := range samples {
		samples[k] = of(func(n, _ int) int { return dice.IntN(n) })
	}
	slices.Sort(samples)
	return of(func(_, i int) int { return i }), Interval{samples[resamples/40], samples[resamples-1-resamples/40]}
}

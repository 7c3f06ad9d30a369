package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
)

// Age compares estimated ages with the true ages in root/labelled/ages/ages.csv.
func Age(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.has(models.RoleAge); err != nil {
		return nil, err
	}
	list := filepath.Join(o.Data, filepath.FromSlash(PeopleFile))
	all, err := readSomeones(list)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "age", What: "estimated against true ages", Pack: o.Subject.describe(models.RoleDetector, models.RoleAge),
		Data: Data{Folder: filepath.Dir(list), Images: len(all)},
	}
	found, err := o.ages(ctx, r, all)
	if err != nil {
		return nil, err
	}
	var apart, signed, deviations []float64
	for i, f := range found {
		if f == nil || all[i].age < 0 {
			continue
		}
		d := f.years - all[i].age
		apart, signed, deviations = append(apart, math.Abs(d)), append(signed, d), append(deviations, f.deviation)
		if math.Abs(d) > farOff {
			r.fail(all[i].file, "%.0f years, labelled %.0f", f.years, all[i].age)
		}
	}
	if len(apart) == 0 {
		return nil, dataError(errors.New(list + " has no age of a photograph with a face"))
	}
	for _, figure := range []struct {
		name   string
		values []float64
	}{{"mean absolute error", apart}, {"mean error", signed}, {"mean deviation that is stated", deviations}} {
		m, e := mean(figure.values)
		r.add(Figure{Name: figure.name, Value: m, Unit: Years, Interval: &Interval{m - z95*e, m + z95*e}})
	}
	r.addRate(fmt.Sprintf("off by more than %d years", farOff), Rate{above(apart, farOff), len(apart)})
	// The best that an estimate can do without looking at the picture.
	middle := median(known(all))
	var constant []float64
	for _, age := range known(all) {
		constant = append(constant, math.Abs(age-middle))
	}
	m, e := mean(constant)
	r.add(Figure{Name: "mean absolute error of a constant answer", Value: m, Unit: Years, Interval: &Interval{m - z95*e, m + z95*e}})
	return r, nil
}

// farOff is the error, in years, above which an age is listed as a failure.
const farOff = 15

func known(all []someone) (ages []float64) {
	for _, s := range all {
		if s.age >= 0 {
			ages = append(ages, s.age)
		}
	}
	return ages
}

func above(values []float64, limit float64) (n int) {
	for _, v := range values {
		if v > limit {
			n++
		}
	}
	return n
}

// estimate is an age in years and its deviation under small shifts of the crop.
type estimate struct{ years, deviation float64 }

// ages estimates the age of the best face of each photograph. It returns nil for a photograph without a face, and adds it to
// the failures of r.
func (o Options) ages(ctx context.Context, r *Report, all []someone) ([]*estimate, error) {
	read := func(file string) ([]byte, error) {
		return os.ReadFile(filepath.Join(r.Data.Folder, filepath.FromSlash(file)))
	}
	params := engine.Params{Strategy: engine.BestConfidence, MinConfidence: o.Subject.minConfidence(), Age: true}
	found, err := o.firstFaces(ctx, "photographs", filesOf(all), read, params, func(file, why string) { r.fail(file, "%s", why) })
	if err != nil {
		return nil, err
	}
	estimates := make([]*estimate, len(found))
	for i, f := range found {
		if f != nil && f.Age != nil {
			estimates[i] = &estimate{float64(f.Age.Years), float64(f.Age.Deviation)}
		}
	}
	return estimates, nil
}

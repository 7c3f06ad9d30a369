package eval

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
)

// Age compares estimated ages with the true ages in years, which are the names of the sub-folders of root/faces/age.
func Age(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.has(models.RoleAge); err != nil {
		return nil, err
	}
	dir := filepath.Join(o.Data, "faces", "age")
	folders, err := os.ReadDir(dir)
	if err != nil {
		return nil, dataError(err)
	}
	var files []string
	var years []float64
	for _, folder := range folders {
		age, err := strconv.ParseFloat(folder.Name(), 64)
		if err != nil || !folder.IsDir() {
			continue
		}
		images, err := os.ReadDir(filepath.Join(dir, folder.Name()))
		if err != nil {
			return nil, dataError(err)
		}
		for _, f := range images {
			if isImage(f.Name()) {
				files, years = append(files, "age/"+folder.Name()+"/"+f.Name()), append(years, age)
			}
		}
	}
	r := &Report{
		Evaluation: "age", What: "estimated against true ages", Pack: o.Subject.describe(models.RoleDetector, models.RoleAge),
		Data: Data{Folder: dir, Images: len(files)},
	}
	found, err := o.analyze(ctx, r, files, engine.Params{Age: true})
	if err != nil {
		return nil, err
	}
	var errors, signed, deviations []float64
	for i, f := range found {
		if f == nil {
			continue
		}
		d := float64(f.Age.Years) - years[i]
		errors, signed, deviations = append(errors, math.Abs(d)), append(signed, d), append(deviations, float64(f.Age.Deviation))
	}
	if len(errors) == 0 {
		return nil, dataError(fmt.Errorf("%s has no sub-folder that is named after an age and contains an image with a face", dir))
	}
	for _, figure := range []struct {
		name   string
		values []float64
	}{{"mean absolute error", errors}, {"mean error", signed}, {"mean deviation under shifts of the crop", deviations}} {
		m, e := mean(figure.values)
		r.add(Figure{Name: figure.name, Value: m, Unit: Years, Interval: &Interval{m - z95*e, m + z95*e}})
	}
	return r, nil
}

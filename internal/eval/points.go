package eval

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// annotated is a photograph with the 68 points of 300-W of one face, in its pixels.
type annotated struct {
	file   string
	points []schema.PointF
}

// readPoints reads root/labelled/landmarks68/points.csv: after a line of titles, the name of a file beside it, and x and y of its 68
// points in pixels.
func readPoints(root string) (folder string, all []annotated, err error) {
	folder = filepath.Join(root, "labelled", "landmarks68")
	file, err := os.Open(filepath.Join(folder, "points.csv"))
	if err != nil {
		return "", nil, dataError(err)
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.FieldsPerRecord = 1 + 2*68
	rows, err := reader.ReadAll()
	if err != nil {
		return "", nil, dataError(fmt.Errorf("%s: %w", file.Name(), err))
	}
	for i, row := range rows[min(1, len(rows)):] {
		a := annotated{file: row[0], points: make([]schema.PointF, 68)}
		var v [2 * 68]float64
		for k := range v {
			if v[k], err = strconv.ParseFloat(row[1+k], 32); err != nil {
				return "", nil, dataError(fmt.Errorf("%s: face %d: %w", file.Name(), i+1, err))
			}
		}
		for k := range a.points {
			a.points[k] = schema.PointF{X: float32(v[2*k]), Y: float32(v[2*k+1])}
		}
		all = append(all, a)
	}
	if len(all) == 0 {
		return "", nil, dataError(fmt.Errorf("%s names no photograph", file.Name()))
	}
	return folder, all, nil
}

// Points compares the pack's landmarks with annotated points. Of the faces that the pack finds in a photograph, the one whose box has
// the middle of the points counts; a photograph without one is a face that was missed.
func Points(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.has(models.RoleLandmarks); err != nil {
		return nil, err
	}
	folder, all, err := readPoints(o.Data)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "points", What: "landmarks against annotated points: the mean distance (NME), normalised by that of the outer corners of the eyes",
		Pack: o.Subject.describe(models.RoleDetector, models.RolePose, models.RoleLandmarks),
		Data: Data{Folder: folder, Images: len(all)},
	}
	found := make([][]schema.PointF, len(all))
	err = o.forEach(ctx, "photographs", len(all), func(ctx context.Context, i int) error {
		data, err := os.ReadFile(filepath.Join(folder, all[i].file))
		if err != nil {
			return dataError(err)
		}
		a, err := o.Subject.engine.Analyze(ctx, data, engine.Params{Strategy: engine.MultipleFaces, Attributes: true})
		if err != nil {
			return fmt.Errorf("%s: %w", all[i].file, err)
		}
		var x, y float32
		for _, p := range all[i].points {
			x, y = x+p.X/68, y+p.Y/68
		}
		for _, f := range a.Faces {
			if b := f.Box; found[i] == nil && b.TopLeft.X < x && x < b.BottomRight.X && b.TopLeft.Y < y && y < b.BottomRight.Y {
				found[i] = f.Landmarks
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	l := landmarkErrors{found: Rate{Of: len(all)}}
	for i, a := range all {
		if found[i] == nil {
			r.fail(a.file, "the face was missed")
			continue
		}
		l.found.Count++
		e, ok := nme(found[i], a.points)
		if !ok {
			return nil, dataError(fmt.Errorf("%s: the eyes have no width", a.file))
		}
		l.errors = append(l.errors, e)
		if e > poorNME {
			r.fail(a.file, "NME %.1f %%", 100*e)
		}
	}
	l.report(r)
	return r, nil
}

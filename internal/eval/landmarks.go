package eval

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// poorNME is the NME above which the landmarks of a face count as wrong: the failure threshold of 300-W, 10 %.
const poorNME = 0.1

// Landmarks compares the pack's landmarks with those of a reference pack on photographs. Each pack finds the faces and
// their roll itself. Faces are matched as in Detect. Faces that the pack misses have no landmarks and are counted
// separately.
func Landmarks(ctx context.Context, o Options, reference *Subject) (*Report, error) {
	for _, s := range []*Subject{o.Subject, reference} {
		if err := s.has(models.RoleLandmarks); err != nil {
			return nil, err
		}
	}
	folder, files, err := readImages(o.Data)
	if err != nil {
		return nil, err
	}
	roles := []models.Role{models.RoleDetector, models.RolePose, models.RoleLandmarks}
	ref := reference.describe(roles...)
	r := &Report{
		Evaluation: "landmarks", What: "landmarks of each face against those of the reference: the mean distance (NME), normalised by that of the outer corners of the eyes",
		Pack: o.Subject.describe(roles...), Reference: &ref,
		Data: Data{Folder: folder, Images: len(files)},
	}
	type outcome struct {
		found, truth []face.Observation
		why          string
	}
	outcomes := make([]outcome, len(files))
	err = o.forEach(ctx, "photographs", len(files), func(ctx context.Context, i int) error {
		data, err := os.ReadFile(filepath.Join(folder, files[i]))
		if err != nil {
			return dataError(err)
		}
		out := &outcomes[i]
		for _, side := range []struct {
			subject *Subject
			faces   *[]face.Observation
		}{{o.Subject, &out.found}, {reference, &out.truth}} {
			a, err := side.subject.engine.Analyze(ctx, data, engine.Params{Strategy: engine.MultipleFaces, Attributes: true})
			switch reason := schema.ReasonOf(err); {
			case reason == schema.ReasonRoleAbsent:
				return err
			case reason != "":
				out.why = string(reason) + ": " + schema.MessageOf(err)
				return nil
			case err != nil:
				return fmt.Errorf("%s: %w", files[i], err)
			}
			*side.faces = a.Faces
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var l landmarkErrors
	for i, out := range outcomes {
		if out.why != "" {
			r.fail(files[i], "%s", out.why)
			continue
		}
		l.add(r, files[i], out.found, out.truth)
	}
	if l.found.Of == 0 {
		return nil, dataError(fmt.Errorf("the reference pack %q finds no face in the %d images of %s", reference.pack.Name, len(files), folder))
	}
	l.report(r)
	return r, nil
}

// landmarkErrors are the counts over images.
type landmarkErrors struct {
	found  Rate      // of the reference's faces
	errors []float64 // of the faces that both found
}

// add counts the faces of one image and adds the failures to r. found are the faces of the tested pack, best first;
// truth are those of the reference.
func (l *landmarkErrors) add(r *Report, file string, found, truth []face.Observation) {
	hits := 0
	for i, t := range match(boxes(found), boxes(truth)) {
		if t < 0 {
			continue
		}
		hits++
		at := fmt.Sprintf("the face at (%.0f, %.0f)", truth[t].Box.TopLeft.X, truth[t].Box.TopLeft.Y)
		e, ok := nme(found[i].Landmarks, truth[t].Landmarks)
		if !ok {
			r.fail(file, "%s: the reference's eyes have no width", at)
			continue
		}
		l.errors = append(l.errors, e)
		if e > poorNME {
			r.fail(file, "%s: NME %.1f %%", at, 100*e)
		}
	}
	if hits < len(truth) {
		r.fail(file, "%d of %d faces missed", len(truth)-hits, len(truth))
	}
	l.found.Count, l.found.Of = l.found.Count+hits, l.found.Of+len(truth)
}

func boxes(all []face.Observation) []face.Face {
	out := make([]face.Face, len(all))
	for i, f := range all {
		out[i] = f.Face
	}
	return out
}

// The outer corners of the eyes among the points of 300-W.
const outerLeft, outerRight = 36, 45

// nme returns the mean distance of the points that both have, divided by the distance of the outer corners of truth's
// eyes. ok is false if these coincide (300-W: C. Sagonas et al., "300 Faces In-The-Wild Challenge", Image and Vision
// Computing 47, 2016).
func nme(found, truth []schema.PointF) (float64, bool) {
	if len(found) != len(truth) {
		found, truth = withoutCorners(found), withoutCorners(truth)
	}
	scale := distance(truth[outerLeft], truth[outerRight])
	if scale == 0 {
		return 0, false
	}
	var sum float64
	for i := range truth {
		sum += distance(found[i], truth[i])
	}
	return sum / float64(len(truth)) / scale, true
}

// withoutCorners returns the 66 of the 68 points that all networks return: all but the inner corners of the mouth.
func withoutCorners(points []schema.PointF) []schema.PointF {
	if len(points) != 68 {
		return points
	}
	return slices.Concat(points[:60], points[61:64], points[65:])
}

func (l *landmarkErrors) report(r *Report) {
	r.addRate("faces found", l.found)
	if len(l.errors) == 0 {
		return
	}
	m, standardError := mean(l.errors)
	r.add(Figure{Name: "NME, mean", Value: m, Unit: OuterEyeDistances, Interval: &Interval{max(m-z95*standardError, 0), m + z95*standardError}})
	r.add(Figure{Name: "NME, median", Value: median(l.errors), Unit: OuterEyeDistances})
	poor := Rate{Of: len(l.errors)}
	for _, e := range l.errors {
		if e > poorNME {
			poor.Count++
		}
	}
	r.addRate("NME above 10 %", poor)
}

package eval

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// minOverlap is the least intersection over union of two boxes of one face: 0.5, as in PASCAL VOC and WIDER FACE.
const minOverlap = 0.5

// Detect compares the pack's detector with that of a reference pack on photographs, each at the confidence of its
// manifest. The faces that the reference finds are the truth. A face that the reference misses therefore counts as
// false.
func Detect(ctx context.Context, o Options, reference *Subject) (*Report, error) {
	folder, files, err := readImages(o.Data)
	if err != nil {
		return nil, err
	}
	ref := reference.describe(models.RoleDetector)
	r := &Report{
		Evaluation: "detect", What: fmt.Sprintf("faces against those of the reference; boxes with an IoU of %v or more are of one face", minOverlap),
		Pack: o.Subject.describe(models.RoleDetector), Reference: &ref,
		Data: Data{Folder: folder, Images: len(files)},
	}
	var d detections
	for i, file := range files {
		data, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			return nil, dataError(err)
		}
		img, err := o.Subject.engine.Decode(ctx, data)
		if reason := schema.ReasonOf(err); reason != "" {
			r.fail(file, "%s: %s", reason, schema.MessageOf(err))
			continue
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		found, err := o.Subject.engine.Detect(ctx, img, 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		truth, err := reference.engine.Detect(ctx, img, 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		missed, wrong := d.add(found, truth)
		if missed+wrong > 0 {
			r.fail(file, "%d of %d faces missed, %d false", missed, len(truth), wrong)
		}
		if o.Progress != nil {
			o.Progress("detecting", i+1, len(files))
		}
	}
	if d.recall.Of == 0 {
		return nil, dataError(fmt.Errorf("the reference pack %q finds no face in the %d images of %s", reference.pack.Name, len(files), folder))
	}
	d.report(r)
	return r, nil
}

// detections are the counts over images.
type detections struct {
	images int
	recall Rate // of the reference's faces
	wrong  int
	// errors are the mean distances of a matched face's points from the reference's, in inter-eye distances of the
	// reference.
	errors []float64
}

// add counts the faces of one image. found are the faces of the tested detector, best first; truth are those of the
// reference.
func (d *detections) add(found, truth []face.Face) (missed, wrong int) {
	matched := match(found, truth)
	hits := 0
	for i, t := range matched {
		if t < 0 {
			wrong++
			continue
		}
		hits++
		if e, ok := pointError(found[i], truth[t]); ok {
			d.errors = append(d.errors, e)
		}
	}
	d.images++
	d.recall.Count, d.recall.Of = d.recall.Count+hits, d.recall.Of+len(truth)
	d.wrong += wrong
	return len(truth) - hits, wrong
}

// match returns, for each face of found, the index of the face of truth that it overlaps most and that no earlier face
// took. The index is -1 if the overlap is below minOverlap.
func match(found, truth []face.Face) []int {
	matched := make([]int, len(found))
	taken := make([]bool, len(truth))
	for i, f := range found {
		matched[i] = -1
		most := float32(minOverlap)
		for j, t := range truth {
			if overlap := f.Overlap(t); !taken[j] && overlap >= most {
				matched[i], most = j, overlap
			}
		}
		if matched[i] >= 0 {
			taken[matched[i]] = true
		}
	}
	return matched
}

// pointError returns the mean distance between the five points, in inter-eye distances of truth. ok is false if the
// eyes of truth coincide.
func pointError(found, truth face.Face) (float64, bool) {
	eyes := distance(truth.Points[0], truth.Points[1])
	if eyes == 0 {
		return 0, false
	}
	var sum float64
	for i := range truth.Points {
		sum += distance(found.Points[i], truth.Points[i])
	}
	return sum / float64(len(truth.Points)) / eyes, true
}

func distance(a, b schema.PointF) float64 {
	return math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y))
}

func (d *detections) report(r *Report) {
	r.addRate("recall", d.recall)
	if found := d.recall.Count + d.wrong; found > 0 {
		r.addRate("precision", Rate{d.recall.Count, found})
	}
	perImage, interval := perUnit(d.wrong, d.images)
	r.add(Figure{Name: "false faces", Value: perImage, Unit: PerImage, Interval: &interval, Count: d.wrong, Of: d.images})
	if len(d.errors) > 0 {
		m, standardError := mean(d.errors)
		r.add(Figure{Name: "point error, mean", Value: m, Unit: EyeDistances, Interval: &Interval{max(m-z95*standardError, 0), m + z95*standardError}})
		r.add(Figure{Name: "point error, median", Value: median(d.errors), Unit: EyeDistances})
	}
}

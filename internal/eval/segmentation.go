package eval

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// poorIoU is the intersection over union below which a photograph is listed as a failure.
const poorIoU = 0.9

// Segmentation compares the pack's mask of a person with that of a reference pack, on the face_iso portrait of the best
// face of each photograph of root/faces/pairs. Both packs use the reference's face and landmarks, so both cut out the
// same part.
func Segmentation(ctx context.Context, o Options, reference *Subject) (*Report, error) {
	for _, s := range []*Subject{o.Subject, reference} {
		if err := s.has(models.RoleSegmentation); err != nil {
			return nil, err
		}
	}
	folder, all, err := readImages(o.Data)
	if err != nil {
		return nil, err
	}
	files := slices.DeleteFunc(all, func(f string) bool { return !strings.HasPrefix(filepath.ToSlash(f), "pairs/") })
	if len(files) == 0 {
		return nil, dataError(fmt.Errorf("%s has no image below pairs", folder))
	}
	ref := reference.describe(models.RoleDetector, models.RoleLandmarks, models.RoleSegmentation)
	r := &Report{
		Evaluation: "segmentation", What: "the person in ISO portraits against that of the reference: intersection over union (IoU) of the masks, from 0.5 on",
		Pack: o.Subject.describe(models.RoleSegmentation), Reference: &ref,
		Data: Data{Folder: filepath.Join(folder, "pairs"), Images: len(files)},
	}
	overlaps, why := make([]float64, len(files)), make([]string, len(files))
	err = o.forEach(ctx, "photographs", len(files), func(ctx context.Context, i int) error {
		data, err := os.ReadFile(filepath.Join(folder, files[i]))
		if err != nil {
			return dataError(err)
		}
		overlaps[i], why[i], err = o.masks(ctx, data, reference)
		if err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var measured []float64
	for i, file := range files {
		name := filepath.ToSlash(file)
		if why[i] != "" {
			r.fail(name, "%s", why[i])
			continue
		}
		if measured = append(measured, overlaps[i]); overlaps[i] < poorIoU {
			r.fail(name, "IoU %.3f", overlaps[i])
		}
	}
	r.addRate("photographs compared", Rate{len(measured), len(files)})
	if len(measured) > 0 {
		m, standardError := mean(measured)
		r.add(Figure{Name: "IoU, mean", Value: m, Unit: IoU, Interval: &Interval{max(m-z95*standardError, 0), min(m+z95*standardError, 1)}})
		r.add(Figure{Name: "IoU, least", Value: slices.Min(measured), Unit: IoU})
	}
	return r, nil
}

// masks is the overlap of the two packs' masks of one photograph, or the reason why there is none.
func (o Options) masks(ctx context.Context, data []byte, reference *Subject) (overlap float64, why string, err error) {
	a, err := reference.engine.Analyze(ctx, data, engine.Params{Strategy: engine.BestConfidence, Attributes: true, Portraits: []face.PortraitOptions{{}}})
	switch reason := schema.ReasonOf(err); {
	case reason == schema.ReasonRoleAbsent:
		return 0, "", err
	case reason != "":
		return 0, string(reason) + ": " + schema.MessageOf(err), nil
	case err != nil:
		return 0, "", err
	case len(a.Faces) == 0:
		return 0, "no face was found", nil
	}
	img, err := reference.engine.Decode(ctx, data)
	if err != nil {
		return 0, "", err
	}
	f := a.Faces[0]
	var masks [2]*face.Mask
	for i, s := range []*Subject{o.Subject, reference} {
		if masks[i], err = s.engine.Person(ctx, img, f.Face, f.Landmarks); err != nil {
			return 0, "", err
		}
	}
	overlap, ok := maskOverlap(masks[0], masks[1], f.Portraits[0].Corners, img.Width, img.Height)
	if !ok {
		return 0, "neither pack sees a person", nil
	}
	return overlap, "", nil
}

// maskOverlap returns the intersection over union of two masks (values of 0.5 or more) over those pixels of a small
// portrait that lie inside the picture. ok is false if both masks are empty.
func maskOverlap(a, b *face.Mask, corners [4]schema.PointF, width, height int) (float64, bool) {
	const columns, rows = 240, 320
	origin, right, down := corners[0], corners[1], corners[3]
	both, either := 0, 0
	for row := range rows {
		for column := range columns {
			u, v := (float32(column)+0.5)/columns, (float32(row)+0.5)/rows
			x := origin.X + u*(right.X-origin.X) + v*(down.X-origin.X)
			y := origin.Y + u*(right.Y-origin.Y) + v*(down.Y-origin.Y)
			if x < 0 || y < 0 || x >= float32(width) || y >= float32(height) {
				continue
			}
			inA, inB := a.At(float64(x), float64(y)) >= 0.5, b.At(float64(x), float64(y)) >= 0.5
			if inA && inB {
				both++
			}
			if inA || inB {
				either++
			}
		}
	}
	if either == 0 {
		return 0, false
	}
	return float64(both) / float64(either), true
}

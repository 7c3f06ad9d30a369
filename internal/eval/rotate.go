package eval

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"facestream/pkg/engine"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// sameCosine is the least similarity at which the face of a turned picture counts as the same face.
const sameCosine = 0.95

// Rotate turns each photograph of root/faces/attributes by 0, 90, 180 and 270 degrees, and looks for the face that is
// found in the upright photograph. Photographs in its sub-folder rotate may lie on their side at first.
func Rotate(ctx context.Context, o Options) (*Report, error) {
	folder, all, err := readImages(o.Data)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, f := range all {
		if strings.HasPrefix(filepath.ToSlash(f), "attributes/") {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil, dataError(fmt.Errorf("%s has no image below attributes", folder))
	}
	r := &Report{
		Evaluation: "rotate", What: "the best face of photographs turned by 0, 90, 180 and 270 degrees, with automatic turning",
		Pack: o.Subject.describe(models.RoleDetector, models.RoleEmbedding, models.RoleLandmarks),
		Data: Data{Folder: filepath.Join(folder, "attributes"), Images: len(files)},
	}
	params := engine.Params{Turn: true, Embed: true, Strategy: engine.BestConfidence, MinConfidence: o.Subject.minConfidence()}
	type outcome struct {
		faceless     bool
		turned       bool // although it was not to be
		found, alike int
		least        float64
		why          string
	}
	outcomes := make([]outcome, len(files))
	err = o.forEach(ctx, "photographs", len(files), func(ctx context.Context, i int) error {
		img, err := o.Subject.photograph(ctx, filepath.Join(folder, files[i]), files[i])
		if err != nil {
			return err
		}
		var upright *engine.Analysis
		out := &outcomes[i]
		out.least = 1
		for quarters := range 4 {
			a, err := o.Subject.engine.Analyze(ctx, encoded(img.Turned(quarters)), params)
			if err != nil {
				return fmt.Errorf("%s: %w", files[i], err)
			}
			if quarters == 0 {
				upright = a
				out.turned = len(a.Faces) > 0 && a.Faces[0].Turned != 0
			}
			if len(upright.Faces) == 0 || len(a.Faces) == 0 {
				out.faceless = len(upright.Faces) == 0
				if len(upright.Faces) != len(a.Faces) {
					out.why += fmt.Sprintf(" turned by %d°: %d faces, upright %d;", 90*quarters, len(a.Faces), len(upright.Faces))
				} else {
					out.found++
				}
				continue
			}
			cosine := schema.Cosine(upright.Faces[0].Embedding.Vector, a.Faces[0].Embedding.Vector)
			out.least = min(out.least, float64(cosine))
			same := a.Faces[0].Width == upright.Faces[0].Width && a.Faces[0].Overlap(upright.Faces[0].Face) >= minOverlap
			if same {
				out.found++
			}
			if cosine >= sameCosine {
				out.alike++
			}
			if !same || cosine < sameCosine {
				out.why += fmt.Sprintf(" turned by %d°: cosine %.3f, the same place: %v;", 90*quarters, cosine, same)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var found, alike, none, kept Rate
	var least []float64
	for i, out := range outcomes {
		if out.why != "" {
			r.fail(filepath.ToSlash(files[i]), "%s", strings.TrimSuffix(strings.TrimSpace(out.why), ";"))
		}
		if !strings.HasPrefix(filepath.ToSlash(files[i]), "attributes/rotate/") {
			kept.Of++
			if out.turned {
				r.fail(filepath.ToSlash(files[i]), "turned although it is upright")
			} else {
				kept.Count++
			}
		}
		if out.faceless {
			none.Count, none.Of = none.Count+out.found, none.Of+4
			continue
		}
		found.Count, found.Of = found.Count+out.found, found.Of+4
		alike.Count, alike.Of = alike.Count+out.alike, alike.Of+4
		least = append(least, out.least)
	}
	if found.Of > 0 {
		threshold := float32(sameCosine)
		r.addRate("the same face found", found)
		r.addRateAt("embedding alike", alike, threshold)
		r.add(Figure{Name: "least cosine of a picture, median", Value: median(least), Unit: Cosine})
	}
	if kept.Of > 0 {
		r.addRate("upright ones left as they are", kept)
	}
	if none.Of > 0 {
		r.addRate("no face, as upright", none)
	}
	return r, nil
}

// encoded returns m in a lossless file format.
func encoded(m *imaging.Image) []byte {
	file, err := m.Encode(imaging.PNG)
	if err != nil {
		panic(err) // the picture has a size
	}
	return file
}

package eval

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"facestream/pkg/engine"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// tiltStep is by how many degrees one picture of a photograph is turned further than the last.
const tiltStep = 15

// beyondTilted is the colour beyond the borders of a photograph that was turned.
var beyondTilted = imaging.RGB{128, 128, 128}

// Tilt turns each photograph of root/faces/pairs clockwise by 15, 30, … 180 degrees, and compares the face that is found there with
// that of the upright photograph, as the operation compare does, with automatic turning. The figures are the shares of photographs
// that match themselves at the threshold "med". A photograph without a face is no part of them.
func Tilt(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.hasThresholds(); err != nil {
		return nil, err
	}
	folder := filepath.Join(o.Data, "faces", "pairs")
	files, err := readFolder(folder)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "tilt", What: "photographs turned by 15 to 180 degrees that match themselves at the threshold \"med\", with automatic turning",
		Pack: o.Subject.describe(models.RoleDetector, models.RoleEmbedding, models.RoleLandmarks),
		Data: Data{Folder: folder, Images: len(files)},
	}
	config := schema.DefaultConfig(schema.OpCompare)
	params := engine.Params{
		MinConfidence: max(config.MinConfidence(schema.OpCompare), o.Subject.minConfidence()),
		Strategy:      engine.Strategy(config.Detection.Strategy),
		Turn:          true,
		Embed:         true,
	}
	med := o.Subject.engine.Thresholds()["med"].Value
	const angles = 180 / tiltStep
	matches := make([][angles]bool, len(files))
	why := make([]string, len(files))
	faceless := make([]bool, len(files))
	err = o.forEach(ctx, "photographs", len(files), func(ctx context.Context, i int) error {
		img, err := o.Subject.photograph(ctx, filepath.Join(folder, files[i]), files[i])
		if err != nil {
			return err
		}
		upright, err := o.Subject.engine.Analyze(ctx, encoded(img), params)
		if err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
		if len(upright.Faces) == 0 {
			faceless[i], why[i] = true, "no face was found in it as it is"
			return nil
		}
		for k := range angles {
			degrees := float64(tiltStep * (k + 1))
			a, err := o.Subject.engine.Analyze(ctx, encoded(tilted(img, degrees)), params)
			if err != nil {
				return fmt.Errorf("%s: %w", files[i], err)
			}
			if len(a.Faces) == 0 {
				why[i] += fmt.Sprintf(" turned by %.0f°: no face;", degrees)
				continue
			}
			cosine := schema.Cosine(upright.Faces[0].Embedding.Vector, a.Faces[0].Embedding.Vector)
			if matches[i][k] = cosine >= med; !matches[i][k] {
				why[i] += fmt.Sprintf(" turned by %.0f°: cosine %.3f;", degrees, cosine)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var rates [angles]Rate
	for i := range files {
		if why[i] != "" {
			r.fail(files[i], "%s", strings.TrimSuffix(strings.TrimSpace(why[i]), ";"))
		}
		for k := range angles {
			if faceless[i] {
				continue
			}
			rates[k].Of++
			if matches[i][k] {
				rates[k].Count++
			}
		}
	}
	if rates[0].Of == 0 {
		return nil, dataError(fmt.Errorf("no face is found in the %d photographs of %s", len(files), folder))
	}
	for k, rate := range rates {
		r.addRateAt(fmt.Sprintf("matches itself turned by %d°", tiltStep*(k+1)), rate, med)
	}
	return r, nil
}

// tilted is all of m turned clockwise by degrees, grey beyond its borders.
func tilted(m *imaging.Image, degrees float64) *imaging.Image {
	turn := degrees * math.Pi / 180
	sin, cos := math.Abs(math.Sin(turn)), math.Abs(math.Cos(turn))
	w, h := float64(m.Width), float64(m.Height)
	width, height := math.Ceil(w*cos+h*sin-1e-6), math.Ceil(w*sin+h*cos-1e-6)
	return m.CutOver(imaging.Window{X: w / 2, Y: h / 2, Width: width, Height: height, Turn: -turn}, int(width), int(height), beyondTilted)
}

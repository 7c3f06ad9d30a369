package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"

	"facestream/internal/portraits"
	"facestream/packs"
	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
)

// side is the size in pixels of the drawings that are measured; at large the
// detector must find the faces as well.
const side, large = 320, 640

// shots is how many pictures of each person are measured.
const shots = 3

// minConfidence is what the detector must give every drawing.
const minConfidence = 0.8

// minGenuine is the least cosine between two shots of a member.
const minGenuine = 0.6

// meter looks at drawings as the pipeline does.
type meter struct{ engine *engine.Engine }

// look draws one shot of p, size pixels wide and high, and returns the embedding of its face. ok is false
// where the detector does not find exactly one face with minConfidence.
func (m meter) look(ctx context.Context, p portraits.Person, shot, size int) (vector []float32, ok bool, err error) {
	var file bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&file, portraits.Render(p, p.Shot(shot), size)); err != nil {
		return nil, false, err
	}
	found, err := m.engine.Analyze(ctx, file.Bytes(), engine.Params{Embed: true})
	if err != nil {
		return nil, false, fmt.Errorf("measure shot %d of person %d: %w", shot, p.Seed(), err)
	}
	if len(found.Faces) != 1 || found.Faces[0].Confidence < minConfidence {
		return nil, false, nil
	}
	return found.Faces[0].Embedding.Vector, true, nil
}

// openMeter opens the open pack: its manifest here, its files in the folder
// mirror, or the pulled pack where mirror is "".
func openMeter(ctx context.Context, mirror string) (meter, error) {
	pack, err := openPack(mirror)
	if err != nil {
		return meter{}, err
	}
	e, err := engine.Open(ctx, engine.Options{Pack: pack})
	return meter{e}, err
}

func openPack(mirror string) (*models.Pack, error) {
	if mirror == "" {
		return models.Locate("open")
	}
	manifest, err := packs.Manifest("open")
	if err != nil {
		return nil, err
	}
	pack, err := models.Parse(manifest)
	if err != nil {
		return nil, err
	}
	pack.Dir = mirror
	return pack, nil
}

// cosine of two unit vectors.
func cosine(a, b []float32) float64 {
	var s float32
	for i := range a {
		s += a[i] * b[i]
	}
	return float64(s)
}

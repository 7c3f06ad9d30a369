package main

import (
	"context"
	"errors"
	"fmt"

	"facestream/internal/drawn"
	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// side is the size in pixels of the drawings that are measured, and quality that
// of their files: those of the demo. At large the detectors must find the faces as
// well.
const side, large, quality = 400, 640, 92

// shots is how many pictures of each person are measured.
const shots = 3

// minConfidence is what the detectors must give every drawing.
const minConfidence = 0.7

// minGenuine is how far above the threshold two shots of a member must be.
const minGenuine = 0.1

// meter looks at drawings as the pipeline does, with every pack at once: a cast
// has to work with each of them.
type meter struct{ packs []pack }

type pack struct {
	engine *engine.Engine
	// threshold is the cosine from which predict takes two faces for one person.
	threshold float64
}

// view is the embedding of one drawing by each pack.
type view [][]float32

// look draws one shot of p, size pixels wide and high. ok is false where a
// detector does not find exactly one face with minConfidence.
func (m meter) look(ctx context.Context, p drawn.Person, shot, size int) (v view, ok bool, err error) {
	file, err := drawn.JPEG(p, shot, size, quality)
	if err != nil {
		return nil, false, err
	}
	for _, pack := range m.packs {
		found, err := pack.engine.Analyze(ctx, file, engine.Params{Embed: true})
		if err != nil {
			return nil, false, fmt.Errorf("measure shot %d of person %d: %w", shot, p.Seed(), err)
		}
		if len(found.Faces) != 1 || found.Faces[0].Confidence < minConfidence {
			return nil, false, nil
		}
		v = append(v, found.Faces[0].Embedding.Vector)
	}
	return v, true, nil
}

// most is the highest similarity of a and b above the packs' thresholds, least
// the lowest: above 0 a pack takes them for one person.
func (m meter) most(a, b view) float64 {
	most := -2.0
	for i, p := range m.packs {
		most = max(most, float64(schema.Cosine(a[i], b[i]))-p.threshold)
	}
	return most
}

func (m meter) least(a, b view) float64 {
	least := 2.0
	for i, p := range m.packs {
		least = min(least, float64(schema.Cosine(a[i], b[i]))-p.threshold)
	}
	return least
}

// openMeter opens the packs of these names.
func openMeter(ctx context.Context, names []string) (m meter, err error) {
	for _, name := range names {
		located, err := models.Locate(name)
		if err != nil {
			return m, errors.Join(err, m.Close())
		}
		e, err := engine.Open(ctx, engine.Options{Pack: located})
		if err != nil {
			return m, errors.Join(err, m.Close())
		}
		m.packs = append(m.packs, pack{e, float64(e.Thresholds()["max"].Value)})
	}
	return m, nil
}

// Close unloads the networks.
func (m meter) Close() error {
	var all error
	for _, p := range m.packs {
		all = errors.Join(all, p.engine.Close())
	}
	return all
}

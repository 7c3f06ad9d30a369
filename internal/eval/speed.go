package eval

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"facestream/internal/drawn"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
)

// timedRuns is the number of times that each picture goes through each network. The fastest run counts, because other
// work on the machine can only slow a run down.
const timedRuns = 5

// Speed times the pack's detector and embedding, and those of a reference pack, on drawn people, one call at a time on
// one thread. Photographs have the detector's full size, faces the input size of the embedding.
func Speed(ctx context.Context, o Options, reference *Subject) (*Report, error) {
	const pictures = 20
	ref := reference.describe(models.RoleDetector, models.RoleEmbedding)
	r := &Report{
		Evaluation: "speed", What: fmt.Sprintf("time of a network on one thread, the fastest of %d runs on each picture", timedRuns),
		Pack: o.Subject.describe(models.RoleDetector, models.RoleEmbedding), Reference: &ref,
		Data: Data{Folder: "drawn as it runs", Images: pictures},
	}
	dice := rand.New(rand.NewPCG(drawnSeed, 1))
	var detector, embedding timing
	m, _ := o.Subject.pack.Model(models.RoleDetector)
	for i := range pictures {
		p := drawn.New(dice.Uint64())
		scene, err := o.drawn(ctx, p, m.Input.LongSide)
		if err != nil {
			return nil, err
		}
		aligned, err := o.drawn(ctx, p, face.AlignedSide)
		if err != nil {
			return nil, err
		}
		if err := detector.add(o.Subject, reference, func(s *Subject) error {
			_, err := s.engine.Detect(ctx, scene, 0)
			return err
		}); err != nil {
			return nil, err
		}
		if err := embedding.add(o.Subject, reference, func(s *Subject) error {
			_, err := s.engine.Embed(ctx, []*imaging.Image{aligned})
			return err
		}); err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress("timing", i+1, pictures)
		}
	}
	detector.report(r, "detector")
	embedding.report(r, "embedding")
	return r, nil
}

// drawn is a decoded picture of p.
func (o Options) drawn(ctx context.Context, p drawn.Person, side int) (*imaging.Image, error) {
	data, err := drawn.JPEG(p, 0, side, drawnQuality)
	if err != nil {
		return nil, err
	}
	return o.Subject.engine.Decode(ctx, data)
}

// timing holds the times, in ms, that the tested pack and the reference take for each picture.
type timing struct{ tested, reference []float64 }

// add times run with each of the two packs in turn.
func (t *timing) add(tested, reference *Subject, run func(*Subject) error) error {
	took := [2]time.Duration{math.MaxInt64, math.MaxInt64}
	for range timedRuns {
		for i, s := range []*Subject{tested, reference} {
			start := time.Now()
			if err := run(s); err != nil {
				return fmt.Errorf("pack %s: %w", s.pack.Name, err)
			}
			took[i] = min(took[i], time.Since(start))
		}
	}
	t.tested, t.reference = append(t.tested, milliseconds(took[0])), append(t.reference, milliseconds(took[1]))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (t timing) report(r *Report, network string) {
	ratios := make([]float64, len(t.tested))
	for i := range ratios {
		ratios[i] = t.tested[i] / t.reference[i]
	}
	r.add(Figure{Name: network + ", median", Value: median(t.tested), Unit: Milliseconds})
	r.add(Figure{Name: network + " of the reference, median", Value: median(t.reference), Unit: Milliseconds})
	r.add(Figure{Name: network + ", times the reference's, median", Value: median(ratios), Unit: Times})
}

package eval

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Options are the options of every evaluation.
type Options struct {
	// Subject is the measured pack.
	Subject *Subject
	// Data is the folder of evaluation data, as docs/evaluation.md describes it.
	Data string
	// Progress is called with the number of finished steps and their total, never by two goroutines at once. It may be
	// nil.
	Progress func(step string, done, total int)
}

// Subject is a pack with its networks loaded.
type Subject struct {
	pack   *models.Pack
	engine *engine.Engine

	// aligned are the embeddings of files with aligned faces, by the path. Several evaluations embed all of LFW, and most of
	// their time goes there.
	mu      sync.Mutex
	aligned vectors
}

// Open loads the pack called name (models.Locate) as the options say, whose Pack is ignored: with which ONNX Runtime library and
// on which device.
func Open(ctx context.Context, name string, o engine.Options) (*Subject, error) {
	pack, err := models.Locate(name)
	if err != nil {
		return nil, err
	}
	o.Pack = pack
	e, err := engine.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Subject{pack: pack, engine: e, aligned: vectors{}}, nil
}

// Close unloads the networks.
func (s *Subject) Close() error { return s.engine.Close() }

// describe returns the description of s for a report, with the networks of these roles.
func (s *Subject) describe(roles ...models.Role) Pack {
	p := Pack{Name: s.pack.Name, Version: s.pack.Version}
	for _, role := range roles {
		for _, m := range s.pack.Models[role] {
			thresholds := map[string]float32{}
			for name, t := range m.Thresholds {
				thresholds[name] = t.Value
			}
			p.Models = append(p.Models, Model{role, m.ID(), thresholds})
		}
	}
	return p
}

// minConfidence returns the least confidence at which the manifest counts a face.
func (s *Subject) minConfidence() float32 {
	m, _ := s.pack.Model(models.RoleDetector)
	return m.Thresholds[face.ThresholdConfidence].Value
}

// hasThresholds returns an error that says which of the cosines min, med and max the manifest lacks.
func (s *Subject) hasThresholds() error {
	t := s.engine.Thresholds()
	for _, name := range []string{"min", "med", "max"} {
		if _, ok := t[name]; !ok {
			return fmt.Errorf("the manifest of the pack %q has no embedding threshold %q (it has %v); `facestream eval thresholds` measures them",
				s.pack.Name, name, slices.Sorted(maps.Keys(t)))
		}
	}
	return nil
}

// photograph reads and decodes a file of the evaluation data, which errors call name.
func (s *Subject) photograph(ctx context.Context, path, name string) (*imaging.Image, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, dataError(err)
	}
	img, err := s.engine.Decode(ctx, data)
	if err != nil {
		return nil, dataError(fmt.Errorf("%s: %w", name, err))
	}
	return img, nil
}

// forEach calls f for each index below n, on all cores, and reports the progress of step. The first error ends it.
func (o Options) forEach(ctx context.Context, step string, n int, f func(ctx context.Context, i int) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	done := 0
	for i := range n {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := f(inner, i); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			if o.Progress != nil {
				o.Progress(step, done, n)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// vectors holds embeddings, of unit length, by the path of the image.
type vectors map[string][]float32

func (v vectors) cosine(p pair) float32 { return schema.Cosine(v[p.first], v[p.second]) }

// scores returns the similarities of the pairs.
func (v vectors) scores(pairs []pair) (s Scores) {
	for _, p := range pairs {
		if p.mates {
			s.Mates = append(s.Mates, v.cosine(p))
		} else {
			s.NonMates = append(s.NonMates, v.cosine(p))
		}
	}
	return s
}

// embedAligned embeds each file, which shows one aligned face, unless it was embedded before.
func (o Options) embedAligned(ctx context.Context, files []string) (vectors, error) {
	all := make([][]float32, len(files))
	s := o.Subject
	err := o.forEach(ctx, "embedding", len(files), func(ctx context.Context, i int) error {
		s.mu.Lock()
		all[i] = s.aligned[files[i]]
		s.mu.Unlock()
		if all[i] != nil {
			return nil
		}
		img, err := s.photograph(ctx, files[i], files[i])
		if err != nil {
			return err
		}
		if img.Width != face.AlignedSide || img.Height != face.AlignedSide {
			return dataError(fmt.Errorf("%s has %d×%d pixels; the protocol needs faces that are aligned at %d×%d",
				files[i], img.Width, img.Height, face.AlignedSide, face.AlignedSide))
		}
		embeddings, err := s.engine.Embed(ctx, []*imaging.Image{img})
		if err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
		all[i] = embeddings[0].Vector
		s.mu.Lock()
		s.aligned[files[i]] = all[i]
		s.mu.Unlock()
		return nil
	})
	if err != nil {
		return nil, err
	}
	v := vectors{}
	for i, file := range files {
		v[file] = all[i]
	}
	return v, nil
}

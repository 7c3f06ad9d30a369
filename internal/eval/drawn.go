package eval

import (
	"context"
	"fmt"
	"math/rand/v2"

	"facestream/internal/drawn"
	"facestream/pkg/engine/models"
)

const (
	drawnSeed    = 2026 // neither a training nor the search for a cast uses it
	drawnSide    = 400  // pixels; both as the demo's
	drawnQuality = 92
)

// Drawn measures the search among drawn people. The first picture of each is enrolled, the second is searched for. It
// needs no data and covers every step from the file to the embedding. It says little about real faces, because drawn
// people are more alike.
func Drawn(ctx context.Context, o Options, people int) (*Report, error) {
	dice := rand.New(rand.NewPCG(drawnSeed, 1))
	var enrolled, searched []string
	shots := map[string]func() ([]byte, error){}
	for i := range people {
		p := drawn.New(dice.Uint64())
		for shot, list := range []*[]string{&enrolled, &searched} {
			name := fmt.Sprintf("person %d, picture %d", i+1, shot+1)
			*list = append(*list, name)
			shots[name] = func() ([]byte, error) { return drawn.JPEG(p, shot, drawnSide, drawnQuality) }
		}
	}
	pictures := append(append([]string{}, enrolled...), searched...)
	r := &Report{
		Evaluation: "drawn", What: fmt.Sprintf("search among %d drawn people, from the file to the best candidate", people),
		Pack: o.Subject.describe(models.RoleDetector, models.RoleEmbedding),
		Data: Data{Folder: "drawn as it runs", Images: len(pictures), People: people},
	}
	v, err := o.acquire(ctx, r, pictures, func(name string) ([]byte, error) { return shots[name]() })
	if err != nil {
		return nil, err
	}
	right := 0
	for i, h := range search(v.of(enrolled), v.of(searched)) {
		if h.person == i {
			right++
		}
	}
	r.addRate("failure to acquire, images", Rate{len(r.Failures), len(pictures)})
	r.addRate("rank-1 rate, no threshold", Rate{right, people})
	return r, nil
}

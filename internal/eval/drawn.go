package eval

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"math/rand/v2"
	"slices"

	"facestream/internal/portraits"
	"facestream/pkg/engine/models"
)

const (
	drawnSeed = 2026 // no training and no search for a cast draws from it
	drawnSide = 400  // pixels, as the demo's
)

// Drawn searches people who do not exist, drawn at random: the first picture of each is enrolled, the second searched for. It
// needs no data, goes from the file to the embedding, and says little about real faces: drawn people are more alike.
func Drawn(ctx context.Context, o Options, people int) (*Report, error) {
	dice := rand.New(rand.NewPCG(drawnSeed, 1))
	var enrolled, searched []string
	owner, shots := map[string]int{}, map[string]func() ([]byte, error){}
	for i := range people {
		p := portraits.New(dice.Uint64())
		for shot, list := range []*[]string{&enrolled, &searched} {
			name := fmt.Sprintf("person %d, picture %d", i+1, shot+1)
			*list = append(*list, name)
			owner[name] = i
			shots[name] = func() ([]byte, error) { return draw(p, shot, drawnSide) }
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
	enrolled = slices.DeleteFunc(enrolled, func(name string) bool { return v[name] == nil })
	right := 0
	for _, name := range searched {
		if v[name] == nil || len(enrolled) == 0 {
			continue
		}
		best := search(v.of(enrolled), v.of([]string{name}))[0]
		if owner[enrolled[best.person]] == owner[name] {
			right++
		}
	}
	r.addRate("failure to acquire, images", Rate{len(r.Failures), len(pictures)})
	r.addRate("rank-1 rate, no threshold", Rate{right, people})
	return r, nil
}

// draw is a picture of p, side pixels wide and high, as the demo makes them.
func draw(p portraits.Person, shot, side int) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, portraits.Render(p, p.Shot(shot), side), &jpeg.Options{Quality: 92})
	return b.Bytes(), err
}

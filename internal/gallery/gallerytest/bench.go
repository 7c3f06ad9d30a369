package gallerytest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

const benchDim = 128

// Bench measures a driver with embeddings of 128 components: durable upserts per second of one row a call, by 1 and 32
// concurrent callers, and the time of a search for the 5 best persons among 10,000 and 100,000. open is as for [Run].
func Bench(b *testing.B, open func(b *testing.B) gallery.Gallery) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("upsert/callers=%d", callers), func(b *testing.B) {
			g := open(b)
			rows := benchRows(b.N)
			b.ResetTimer()
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for i := c; i < len(rows); i += callers {
						if err := g.Upsert(b.Context(), main, rows[i:i+1])[0]; err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("search/rows=%d", n), func(b *testing.B) {
			g := open(b)
			rows := benchRows(n)
			for i := 0; i < n; i += 1000 {
				for _, err := range g.Upsert(b.Context(), main, rows[i:i+1000]) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			i := 0
			for b.Loop() {
				o := g.Search(b.Context(), main, []schema.Embedding{rows[i%n].Embedding}, 5)[0]
				if o.Err != nil || o.Value[0].Row.ID != rows[i%n].ID {
					b.Fatal("the row itself is not the best match", o.Err)
				}
				i += 37
			}
		})
	}
}

func benchRows(n int) []gallery.Row {
	r := rand.New(rand.NewPCG(11, 12))
	rows := make([]gallery.Row, n)
	for i := range rows {
		v := make([]float32, benchDim)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
		id := fmt.Sprintf("%016x", r.Uint64())
		rows[i] = row(id, schema.PUID(id), schema.Embedding{Model: model, Vector: v})
	}
	return rows
}

package gallerytest

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

const (
	benchDim   = 128
	benchCall  = 1000 // rows in each call that fills a gallery
	benchMate  = 0.6  // cosine of two images of one person
	benchProbe = 300  // probes of each kind for recall
)

// Bench measures a driver with random embeddings of benchDim components. open is as for [Run].
//
//   - upsert: durable rows a second in calls of 1000 rows, and in calls of one row from 1 and from 32 callers. The latter are
//     also measured with shared calls ([gallery.Batch]) and as a fraction of what the large calls reach (of-bulk).
//   - search: milliseconds of one search at a time for the 5 best persons among 10,000 and 100,000. The median is also
//     divided by the time in which this machine reads as many embeddings from memory (of-scan), the least that comparing
//     every row in full takes one thread. recall-mate and recall-stranger say how often the first answer is the exact one,
//     for probes of enrolled people (cosine 0.6) and of others, for whom many answers are equally wrong. verify-ms is the
//     median of searches among the rows of one person.
//   - searches: how many searches a second 1 and 32 callers get among 10,000 rows.
//
// settle, if not nil, is called before searches. It returns when the server has finished its own later work on collection c.
func Bench[G gallery.Gallery](b *testing.B, open func(b *testing.B) G, settle func(b *testing.B, g G, c schema.Collection)) {
	var bulk float64 // rows/s
	b.Run("upsert/rows=1000", func(b *testing.B) {
		g := open(b)
		rows := benchRows(b.N * benchCall)
		b.ResetTimer()
		fill(b, g, rows)
		bulk = float64(len(rows)) / b.Elapsed().Seconds()
		b.ReportMetric(bulk, "rows/s")
	})
	for _, m := range []struct {
		name    string
		callers int
		shared  bool
	}{{"callers=1", 1, false}, {"callers=32", 32, false}, {"callers=32,shared", 32, true}} {
		b.Run("upsert/"+m.name, func(b *testing.B) {
			var g gallery.Gallery = open(b)
			if m.shared {
				g = gallery.Batch(g)
			}
			rows := benchRows(b.N * m.callers)
			fill(b, g, rows[:1]) // creates the collection
			b.ResetTimer()
			atOnce(m.callers, b.N, func(i int) {
				if err := g.Upsert(b.Context(), main, rows[i:i+1])[0]; err != nil {
					b.Error(err)
				}
			})
			rate := float64(len(rows)) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "rows/s")
			if bulk > 0 {
				b.ReportMetric(rate/bulk, "of-bulk")
			}
		})
	}
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("search/rows=%d", n), func(b *testing.B) {
			g := open(b)
			rows := benchRows(n)
			fill(b, g, rows)
			if settle != nil {
				settle(b, g, main)
			}
			mates, strangers := benchProbes(rows)
			var took []float64 // ms
			scan := []float64{scanMemory(n)}
			for b.Loop() {
				start := time.Now()
				if o := g.Search(b.Context(), main, mates[len(took)%len(mates):][:1], 5)[0]; o.Err != nil {
					b.Fatal(o.Err)
				}
				took = append(took, ms(time.Since(start)))
				if len(took)%16 == 0 {
					b.StopTimer()
					scan = append(scan, scanMemory(n))
					b.StartTimer()
				}
			}
			slices.Sort(took)
			slices.Sort(scan)
			p50 := took[len(took)/2]
			b.ReportMetric(p50, "p50-ms")
			b.ReportMetric(took[len(took)*99/100], "p99-ms")
			b.ReportMetric(p50/scan[len(scan)/2], "of-scan")
			b.ReportMetric(verifyTime(b, g, rows, mates), "verify-ms")
			b.ReportMetric(recall(b, g, rows, mates), "recall-mate")
			b.ReportMetric(recall(b, g, rows, strangers), "recall-stranger")
		})
	}
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("searches/callers=%d", callers), func(b *testing.B) {
			g := open(b)
			rows := benchRows(10_000)
			fill(b, g, rows)
			if settle != nil {
				settle(b, g, main)
			}
			mates, _ := benchProbes(rows)
			b.ResetTimer()
			atOnce(callers, b.N, func(i int) {
				if o := g.Search(b.Context(), main, mates[i%len(mates):][:1], 5)[0]; o.Err != nil {
					b.Error(o.Err)
				}
			})
			b.ReportMetric(float64(callers*b.N)/b.Elapsed().Seconds(), "searches/s")
		})
	}
}

// atOnce calls do n times from each of callers, each time with another i below callers * n.
func atOnce(callers, n int, do func(i int)) {
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range n {
				do(c*n + i)
			}
		})
	}
	wg.Wait()
}

func fill(b *testing.B, g gallery.Gallery, rows []gallery.Row) {
	b.Helper()
	for part := range slices.Chunk(rows, benchCall) {
		for _, err := range g.Upsert(b.Context(), main, part) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// verifyTime is the median time, in milliseconds, in which a probe is compared with one person.
func verifyTime(b *testing.B, g gallery.Gallery, rows []gallery.Row, probes []schema.Embedding) float64 {
	var took []float64
	for i := range 51 {
		start := time.Now()
		if o := g.Search(b.Context(), main, probes[i:i+1], 1, rows[i].PUID)[0]; o.Err != nil || len(o.Value) != 1 {
			b.Fatal(len(o.Value), "answers", o.Err)
		}
		took = append(took, ms(time.Since(start)))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// recall is the share of probes whose best answer is the row of highest cosine.
func recall(b *testing.B, g gallery.Gallery, rows []gallery.Row, probes []schema.Embedding) float64 {
	right := 0
	for part := range slices.Chunk(probes, 50) {
		for i, o := range g.Search(b.Context(), main, part, 1) {
			if o.Err != nil || len(o.Value) != 1 {
				b.Fatal(len(o.Value), "answers", o.Err)
			}
			if o.Value[0].Row.ID == exact(rows, part[i].Vector) {
				right++
			}
		}
	}
	return float64(right) / float64(len(probes))
}

// exact returns the id of the row nearest to probe, whose length does not matter.
func exact(rows []gallery.Row, probe []float32) string {
	best, id := float32(-2), ""
	for _, r := range rows {
		if x := schema.Cosine(probe, r.Embedding.Vector); x > best {
			best, id = x, r.ID
		}
	}
	return id
}

// scanMemory is how many milliseconds this machine needs to read the embeddings of n rows once, with its widest instructions.
func scanMemory(n int) float64 {
	all := bytes.Repeat([]byte{1}, n*benchDim*4)
	start := time.Now()
	if bytes.IndexByte(all, 0) >= 0 {
		panic("a zero among ones")
	}
	return ms(time.Since(start))
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func benchRows(n int) []gallery.Row {
	r := rand.New(rand.NewPCG(11, 12))
	rows := make([]gallery.Row, n)
	for i := range rows {
		id := fmt.Sprintf("%016x", r.Uint64())
		rows[i] = row(id, schema.PUID(id), schema.Embedding{Model: model, Vector: anywhere(r)})
	}
	return rows
}

// benchProbes are embeddings of people among rows, and of others.
func benchProbes(rows []gallery.Row) (mates, strangers []schema.Embedding) {
	r := rand.New(rand.NewPCG(13, 14))
	for i := range benchProbe {
		stranger, row := anywhere(r), rows[i*len(rows)/benchProbe].Embedding.Vector
		mate := make([]float32, benchDim)
		for j := range mate {
			mate[j] = benchMate*row[j] + float32(math.Sqrt(1-benchMate*benchMate))*stranger[j]
		}
		mates = append(mates, schema.Embedding{Model: model, Vector: mate})
		strangers = append(strangers, schema.Embedding{Model: model, Vector: anywhere(r)})
	}
	return mates, strangers
}

// anywhere is a random vector of unit length.
func anywhere(r *rand.Rand) []float32 {
	v := make([]float32, benchDim)
	var squares float64
	for i := range v {
		x := r.NormFloat64()
		v[i] = float32(x)
		squares += x * x
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(squares))
	}
	return v
}

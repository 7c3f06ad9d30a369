package local

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"facestream/internal/gallery"
	"facestream/internal/memory"
	"facestream/pkg/schema"
)

// crowd is that many random rows, two for each person, every tenth of them a copy of another person's row.
func crowd(rows, dimension int) (c *collection, random func() []float32) {
	r := rand.New(rand.NewPCG(31, 32))
	random = func() []float32 {
		e := schema.Embedding{Model: model, Vector: make([]float32, dimension)}
		for i := range e.Vector {
			e.Vector[i] = float32(r.NormFloat64())
		}
		v, _, err := gallery.Unit("test", e)
		if err != nil {
			panic(err) // a random vector has a direction
		}
		return v
	}
	c = newCollection(1, "staff", gallery.Tie{Model: model, Dimension: dimension})
	for i, id := range r.Perm(rows) {
		v := random()
		if i > 0 && i%10 == 0 {
			v = slices.Clone(c.vector(r.IntN(i)))
		}
		c.put(face{id: fmt.Sprintf("%08d", id), puid: schema.PUID(fmt.Sprintf("%08d", i/2))}, v)
	}
	return c, random
}

// plain is the answer of a search that compares every row in full.
func plain(c *collection, probe []float32, k int) []candidate {
	best := persons{c: c, at: map[string]int{}}
	for i := range c.rows.len() {
		best.offer(candidate{i, dot(probe, c.vector(i))}, k)
	}
	slices.SortFunc(best.heap, c.order)
	return best.heap
}

// TestNearestIsExact: a search by codes, in parts, of several probes at once has the persons, the rows, the order among equals and the
// scores, to the last bit, of a search that compares every row.
func TestNearestIsExact(t *testing.T) {
	for _, size := range []struct{ rows, dimension int }{{1, 8}, {15, 8}, {17, 128}, {3000, 512}, {2*part + 5, 16}} {
		c, random := crowd(size.rows, size.dimension)
		for range 3 {
			c.remove(c.rows.id(c.rows.len() / 2))
			if c.rows.len() == 0 {
				c.put(face{id: "0", puid: "0"}, random())
			}
		}
		probes := [][]float32{random(), slices.Clone(c.vector(0)), slices.Clone(c.vector(c.rows.len() - 1)), random()}
		for _, k := range []int{1, 5, 100} {
			best, err := c.nearestOfAll(t.Context(), probes, k)
			if err != nil {
				t.Fatal(err)
			}
			for n, p := range best {
				slices.SortFunc(p.heap, c.order)
				if diff := cmp.Diff(plain(c, probes[n], k), p.heap, cmp.AllowUnexported(candidate{})); diff != "" {
					t.Errorf("%d rows of %d components, probe %d, k %d (-want +got):\n%s", size.rows, size.dimension, n, k, diff)
				}
			}
		}
	}
}

// BenchmarkMemory measures a search in memory, of one person (verify), of everybody (predict) for one probe and for many, and one that
// compares every row in full.
func BenchmarkMemory(b *testing.B) {
	const rows, dimension = 1_000_000, 128
	c, random := crowd(rows, dimension)
	probes := make([][]float32, 64)
	for i := range probes {
		probes[i] = random()
	}
	for _, bench := range []struct {
		name   string
		probes [][]float32
		among  []schema.PUID
	}{{"verify", probes[:1], []schema.PUID{"00250000"}}, {"predict", probes[:1], nil}, {"predict 64", probes, nil}} {
		b.Run(fmt.Sprintf("%s/rows=%d", bench.name, rows), func(b *testing.B) {
			for b.Loop() {
				if _, err := c.nearest(b.Context(), bench.probes, 1, bench.among); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run(fmt.Sprintf("every row/rows=%d", rows), func(b *testing.B) {
		for b.Loop() {
			plain(c, probes[0], 1)
		}
	})
}

// TestMemoryOfARow: a row of 128 components takes little more than its vector and code (648 bytes), of which the collector counts next to none.
func TestMemoryOfARow(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: the driver opts out of memory outside of the heap on " + runtime.GOOS)
	}
	const rows, dimension = 250_000, 128
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	resident := func() int64 {
		n, err := memory.Resident()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	vector := make([]float32, dimension)
	for i := range vector {
		vector[i] = float32(1 / math.Sqrt(dimension))
	}
	heapBefore, before := heap(), resident()
	c := newCollection(1, "staff", gallery.Tie{Model: model, Dimension: dimension})
	for i := range rows {
		id, person := uuid.NewSHA1(uuid.NameSpaceOID, []byte(fmt.Sprint(i))), uuid.NewSHA1(uuid.NameSpaceURL, []byte(fmt.Sprint(i/2)))
		c.put(face{id: id.String(), puid: schema.PUID(person.String()), externalID: schema.ExternalID(fmt.Sprintf("person-%d", i/2))}, vector)
	}
	ofHeap, ofAll := (heap()-heapBefore)/rows, (resident()-before)/rows
	t.Logf("%d bytes a row, %d of them on the heap", ofAll, ofHeap)
	if ofHeap > 10 || ofAll > 850 {
		t.Errorf("a row takes %d bytes, %d of them on the heap; 850 and 10 are expected at most", ofAll, ofHeap)
	}
	runtime.KeepAlive(c)
}

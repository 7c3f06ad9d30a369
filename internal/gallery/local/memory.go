package local

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"facestream/internal/gallery"
	"facestream/internal/gallery/local/offheap"
	"facestream/internal/gallery/local/scan"
	"facestream/pkg/schema"
)

// collection is one collection in memory.
type collection struct {
	name schema.Collection
	key  int64 // collections.id in the file
	tie  gallery.Tie

	mu      sync.RWMutex
	rows    *rows
	vectors offheap.Slice[float32] // that of row i at [i*Dimension : (i+1)*Dimension]
	codes   *scan.Rows             // of vectors
}

func newCollection(key int64, name schema.Collection, tie gallery.Tie) *collection {
	return &collection{key: key, name: name, tie: tie, rows: newRows(), codes: scan.New(tie.Dimension)}
}

// size counts the rows of the persons whom among names, or of all if it names nobody.
func (c *collection) size(among []schema.PUID) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(among) == 0 {
		return c.rows.len()
	}
	n := 0
	for _, p := range once(among) {
		for range c.rows.of(p) {
			n++
		}
	}
	return n
}

// once returns the persons without repeats.
func once(among []schema.PUID) []schema.PUID {
	return slices.Compact(slices.Sorted(slices.Values(among)))
}

func (c *collection) vector(i int) []float32 {
	d := c.tie.Dimension
	return c.vectors.All()[i*d : (i+1)*d]
}

// apply makes what was committed visible to searches, in one step.
func (c *collection) apply(changes []change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range changes {
		if x.vector != nil {
			c.put(x.face, x.vector)
		} else {
			c.remove(x.id)
		}
	}
}

func (c *collection) put(f face, vector []float32) {
	i := c.rows.put(f)
	c.vectors.Resize(c.rows.len() * c.tie.Dimension)
	copy(c.vector(i), vector)
	c.codes.Set(i, vector)
}

// remove fills the gap with the last row; the order in memory has no meaning.
func (c *collection) remove(id string) {
	i, _ := c.rows.find(id)
	last := c.rows.len() - 1
	c.rows.remove(i)
	if i != last {
		copy(c.vector(i), c.vector(last))
		c.codes.Move(i, last)
	}
	c.codes.Truncate(last)
	c.vectors.Resize(last * c.tie.Dimension)
}

// chunk is how many rows are compared between two checks of the context, at most: less than a millisecond of work, and their
// codes stay in a processor's cache while several probes are compared with them.
const chunk = 2048

// part is the fewest rows that are worth a goroutine of their own.
const part = 1 << 17

// nearest returns for each probe, a vector of unit length and of the collection's dimension, the k persons most similar to it. If
// among names persons, only these are compared.
func (c *collection) nearest(ctx context.Context, probes [][]float32, k int, among []schema.PUID) ([][]gallery.Match, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var best []*persons
	var err error
	if len(among) > 0 {
		best, err = c.nearestOf(ctx, probes, k, among)
	} else {
		best, err = c.nearestOfAll(ctx, probes, k)
	}
	if err != nil {
		return nil, err
	}
	out := make([][]gallery.Match, len(probes))
	for n, p := range best {
		slices.SortFunc(p.heap, c.order)
		out[n] = make([]gallery.Match, len(p.heap))
		for i, x := range p.heap {
			face := c.rows.face(x.row)
			row, err := face.row()
			if err != nil {
				return nil, err
			}
			out[n][i] = gallery.Match{Row: row, Score: min(max(x.score, -1), 1), Document: face.document} // rounding can pass ±1
		}
	}
	return out, nil
}

func (c *collection) nobody(probes [][]float32) []*persons {
	best := make([]*persons, len(probes))
	for n := range best {
		best[n] = &persons{c: c, at: map[string]int{}}
	}
	return best
}

func (c *collection) nearestOf(ctx context.Context, probes [][]float32, k int, among []schema.PUID) ([]*persons, error) {
	best := c.nobody(probes)
	for _, p := range among {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for i := range c.rows.of(p) {
			for n, probe := range probes {
				best[n].offer(candidate{i, dot(probe, c.vector(i))}, k)
			}
		}
	}
	return best, nil
}

// nearestOfAll compares the parts of a large collection at once, and then the best of each.
func (c *collection) nearestOfAll(ctx context.Context, probes [][]float32, k int) ([]*persons, error) {
	parts := max(1, min(runtime.GOMAXPROCS(0), c.rows.len()/part))
	size := (c.rows.len()/parts + scan.Block) / scan.Block * scan.Block
	found := make([][]*persons, parts)
	g, ctx := errgroup.WithContext(ctx)
	for n := range parts {
		g.Go(func() (err error) {
			found[n], err = c.nearestBetween(ctx, probes, k, n*size, min((n+1)*size, c.rows.len()))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, other := range found[1:] {
		for n, p := range other {
			for _, x := range p.heap {
				found[0][n].offer(x, k)
			}
		}
	}
	return found[0], nil
}

// nearestBetween compares the rows from..to-1. Only those are compared in full whose codes say that they may belong to the best.
func (c *collection) nearestBetween(ctx context.Context, probes [][]float32, k, from, to int) ([]*persons, error) {
	best := c.nobody(probes)
	prepared := make([]*scan.Probe, len(probes))
	for n, probe := range probes {
		prepared[n] = c.codes.Probe(probe)
	}
	var rows []int32
	for size := scan.Block; from < to; size = min(2*size, chunk) { // what is asked for is low at first
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		end := min(from+size, to)
		for n, probe := range probes {
			rows = c.codes.Above(prepared[n], from, end, best[n].least(k), rows[:0])
			for _, i := range rows {
				best[n].offer(candidate{int(i), dot(probe, c.vector(int(i)))}, k)
			}
		}
		from = end
	}
	return best, nil
}

type candidate struct {
	row   int
	score float32
}

// order is negative where a goes before b: the better score, then the lower row id.
func (c *collection) order(a, b candidate) int {
	if o := cmp.Compare(b.score, a.score); o != 0 {
		return o
	}
	return strings.Compare(c.rows.id(a.row), c.rows.id(b.row))
}

// persons holds the best persons so far, each with the best row, as a heap whose root is the worst of them. When a person is
// pushed out, none of their rows was better than the root, and the root only gets better. So a person who comes back comes
// with their best row.
type persons struct {
	c    *collection
	heap []candidate
	at   map[string]int // where a person (rows.person) is in heap
}

func (p *persons) offer(x candidate, k int) {
	full := len(p.heap) == k
	if full && p.c.order(x, p.heap[0]) > 0 {
		return
	}
	person := p.c.rows.person(x.row)
	i, known := p.at[person]
	switch {
	case known && p.c.order(x, p.heap[i]) > 0:
	case known:
		p.heap[i] = x
		heap.Fix(p, i)
	case full:
		delete(p.at, p.person(0))
		p.heap[0], p.at[person] = x, 0
		heap.Fix(p, 0)
	default:
		heap.Push(p, x)
	}
}

// least is the score below which offer takes nobody.
func (p *persons) least(k int) float32 {
	if len(p.heap) < k {
		return float32(math.Inf(-1))
	}
	return p.heap[0].score
}

func (p *persons) person(i int) string { return p.c.rows.person(p.heap[i].row) }

// Len implements heap.Interface.
func (p *persons) Len() int { return len(p.heap) }

// Less implements heap.Interface.
func (p *persons) Less(i, j int) bool { return p.c.order(p.heap[i], p.heap[j]) > 0 }

// Swap implements heap.Interface.
func (p *persons) Swap(i, j int) {
	p.heap[i], p.heap[j] = p.heap[j], p.heap[i]
	p.at[p.person(i)], p.at[p.person(j)] = i, j
}

// Push implements heap.Interface.
func (p *persons) Push(x any) {
	p.heap = append(p.heap, x.(candidate))
	p.at[p.person(len(p.heap)-1)] = len(p.heap) - 1
}

// Pop implements heap.Interface; offer never takes the root out without putting another in.
func (p *persons) Pop() any { panic("gallery: a heap of persons is never popped") }

// dot adds the products in a fixed order, so that equal vectors give equal scores. Four independent sums, and slices whose
// length the compiler knows, make it about three times as fast as the plain loop.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	for len(a) >= 8 && len(b) >= 8 {
		x, y := (*[8]float32)(a), (*[8]float32)(b)
		s0 += x[0]*y[0] + x[4]*y[4]
		s1 += x[1]*y[1] + x[5]*y[5]
		s2 += x[2]*y[2] + x[6]*y[6]
		s3 += x[3]*y[3] + x[7]*y[7]
		a, b = a[8:], b[8:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

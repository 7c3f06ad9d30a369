package local

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"strings"
	"sync"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// collection is one collection in memory.
type collection struct {
	key int64 // collections.id in the file
	tie gallery.Tie

	mu      sync.RWMutex
	faces   []face
	vectors []float32               // that of faces[i] at [i*Dimension : (i+1)*Dimension]
	index   map[string]int          // row id to i
	people  map[schema.PUID][]int32 // person to the i of their rows, in no order
}

func newCollection() *collection {
	return &collection{index: map[string]int{}, people: map[schema.PUID][]int32{}}
}

// size counts the rows of the persons whom among names, or of all if it names nobody.
func (c *collection) size(among []schema.PUID) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(among) == 0 {
		return len(c.faces)
	}
	n := 0
	for _, p := range once(among) {
		n += len(c.people[p])
	}
	return n
}

// once returns the persons without repeats.
func once(among []schema.PUID) []schema.PUID {
	return slices.Compact(slices.Sorted(slices.Values(among)))
}

func (c *collection) vector(i int) []float32 {
	d := c.tie.Dimension
	return c.vectors[i*d : (i+1)*d]
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
	i, ok := c.index[f.id]
	if ok {
		c.disown(i)
		c.faces[i] = f
		copy(c.vector(i), vector)
	} else {
		i = len(c.faces)
		c.index[f.id] = i
		c.faces = append(c.faces, f)
		c.vectors = append(c.vectors, vector...)
	}
	c.people[f.puid] = append(c.people[f.puid], int32(i))
}

// disown takes row i away from its person.
func (c *collection) disown(i int) {
	p := c.faces[i].puid
	rows := c.people[p]
	if len(rows) == 1 {
		delete(c.people, p)
		return
	}
	rows[slices.Index(rows, int32(i))] = rows[len(rows)-1]
	c.people[p] = rows[:len(rows)-1]
}

// remove fills the gap with the last row; the order in memory has no meaning.
func (c *collection) remove(id string) {
	i, last := c.index[id], len(c.faces)-1
	c.disown(i)
	if i != last {
		moved := c.people[c.faces[last].puid]
		moved[slices.Index(moved, int32(last))] = int32(i)
		c.faces[i] = c.faces[last]
		c.index[c.faces[i].id] = i
		copy(c.vector(i), c.vector(last))
	}
	delete(c.index, id)
	clear(c.faces[last:])
	clear(c.vector(last))
	c.faces = c.faces[:last]
	c.vectors = c.vectors[:last*c.tie.Dimension]
}

// checkEvery is how many rows are compared between two checks of the context: about a millisecond of work.
const checkEvery = 8192

// nearest returns the k persons most similar to probe, a vector of unit length and of the collection's dimension. If among
// names persons, only these are compared.
func (c *collection) nearest(ctx context.Context, probe []float32, k int, among []schema.PUID) ([]gallery.Match, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	best := persons{c: c, at: map[schema.PUID]int{}}
	if len(among) == 0 {
		for i := range c.faces {
			if i%checkEvery == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			best.offer(candidate{i, dot(probe, c.vector(i))}, k)
		}
	}
	for _, p := range among {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, i := range c.people[p] {
			best.offer(candidate{int(i), dot(probe, c.vector(int(i)))}, k)
		}
	}
	slices.SortFunc(best.heap, c.order)
	out := make([]gallery.Match, len(best.heap))
	for i, x := range best.heap {
		row, err := c.faces[x.face].row()
		if err != nil {
			return nil, err
		}
		out[i] = gallery.Match{Row: row, Score: min(max(x.score, -1), 1)} // rounding can pass ±1
	}
	return out, nil
}

type candidate struct {
	face  int
	score float32
}

// order is negative where a goes before b: the better score, then the lower row id.
func (c *collection) order(a, b candidate) int {
	if o := cmp.Compare(b.score, a.score); o != 0 {
		return o
	}
	return strings.Compare(c.faces[a.face].id, c.faces[b.face].id)
}

// persons holds the best persons so far, each with the best row, as a heap whose root is the worst of them. When a person is
// pushed out, none of their rows was better than the root, and the root only gets better. So a person who comes back comes
// with their best row.
type persons struct {
	c    *collection
	heap []candidate
	at   map[schema.PUID]int // where a person is in heap
}

func (p *persons) offer(x candidate, k int) {
	full := len(p.heap) == k
	if full && p.c.order(x, p.heap[0]) > 0 {
		return
	}
	person := p.c.faces[x.face].puid
	i, known := p.at[person]
	switch {
	case known && p.c.order(x, p.heap[i]) > 0:
	case known:
		p.heap[i] = x
		heap.Fix(p, i)
	case full:
		delete(p.at, p.puid(0))
		p.heap[0], p.at[person] = x, 0
		heap.Fix(p, 0)
	default:
		heap.Push(p, x)
	}
}

func (p *persons) puid(i int) schema.PUID { return p.c.faces[p.heap[i].face].puid }

// Len implements heap.Interface.
func (p *persons) Len() int { return len(p.heap) }

// Less implements heap.Interface.
func (p *persons) Less(i, j int) bool { return p.c.order(p.heap[i], p.heap[j]) > 0 }

// Swap implements heap.Interface.
func (p *persons) Swap(i, j int) {
	p.heap[i], p.heap[j] = p.heap[j], p.heap[i]
	p.at[p.puid(i)], p.at[p.puid(j)] = i, j
}

// Push implements heap.Interface.
func (p *persons) Push(x any) {
	p.heap = append(p.heap, x.(candidate))
	p.at[p.puid(len(p.heap)-1)] = len(p.heap) - 1
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

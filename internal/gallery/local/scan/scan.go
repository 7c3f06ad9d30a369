// Package scan tells which of many vectors may be similar enough to a probe, at a fraction of the cost of comparing them all. It
// keeps an 8-bit code of each vector and bounds what the code leaves out, so that the vector that is asked for is always among those
// that it names: a search that compares these exactly has the same answer as one that compares all.
//
// A vector x is kept as scale·c + r with integers c in -127..127; |r| is kept, too. With a probe q = s·p + e, also in integers, the
// inequality of Cauchy and Schwarz gives
//
//	q·x ≤ s·scale·(p·c) + |q|·|r| + |e|·(|x| + |r|)
//
// and p·c is what processors compute fastest.
package scan

import (
	"math"
	"math/bits"

	"facestream/internal/gallery/local/offheap"
)

// Block is how many rows a kernel compares at once. Ranges of rows begin at its multiples.
const Block = 16

// kernel is how this processor compares codes: for each of blocks blocks it sets in masks the bit of each row whose bound is at
// least b.least.
type kernel struct {
	name  string
	limit float64 // greatest component of a probe's code
	above func(codes *byte, probe *int8, scale, rest *float32, quads, blocks int, b *bound, masks *uint16)
}

// bound is what a kernel adds to the product of two codes. The kernels, in assembly, know its layout.
type bound struct {
	correction int32   // codes are stored with 128 added
	scale      float32 // of the probe
	rest       float32 // weight of a row's |r|
	least      float32 // smallest bound that is of interest
}

// Rows holds the codes of vectors of one dimension and of length 1, numbered from 0. Where no kernel knows the processor, it holds
// nothing and names every row. The zero value is not usable. Readers may run at once; a writer needs the rows alone.
type Rows struct {
	kernel *kernel
	quads  int // groups of four components
	n      int
	// codes has, block by block and four components by four, those of each of the block's rows in turn.
	codes       offheap.Slice[byte]
	scale, rest offheap.Slice[float32]
}

// New returns no rows yet, of vectors with that many components.
func New(dimension int) *Rows { return with(best, dimension) }

func with(k *kernel, dimension int) *Rows {
	return &Rows{kernel: k, quads: (dimension + 15) / 16 * 4} // the kernels take four groups at a time
}

// Set keeps row i, which exists or is the next one.
func (r *Rows) Set(i int, vector []float32) {
	r.n = max(r.n, i+1)
	if r.kernel == nil {
		return
	}
	r.resize()
	scale, code := encode(vector, 127)
	var rest float64
	for k := range r.quads * 4 {
		var c float64
		if k < len(vector) {
			c = code(k)
			d := float64(vector[k]) - c*float64(scale)
			rest += d * d
		}
		r.codes.All()[r.at(i, k)] = byte(c + 128)
	}
	r.scale.All()[i], r.rest.All()[i] = scale, up(math.Sqrt(rest))
}

// resize gives the rows whole blocks.
func (r *Rows) resize() {
	n := (r.n + Block - 1) / Block * Block
	r.codes.Resize(n * r.quads * 4)
	r.scale.Resize(n)
	r.rest.Resize(n)
}

// at is where the component k of row i lies.
func (r *Rows) at(i, k int) int {
	return (i/Block*r.quads+k/4)*Block*4 + i%Block*4 + k%4
}

// Move puts row from in the place of row to.
func (r *Rows) Move(to, from int) {
	if r.kernel == nil {
		return
	}
	for k := 0; k < r.quads*4; k += 4 {
		copy(r.codes.All()[r.at(to, k):][:4], r.codes.All()[r.at(from, k):])
	}
	r.scale.All()[to], r.rest.All()[to] = r.scale.All()[from], r.rest.All()[from]
}

// Truncate forgets all rows but the first n, and erases them.
func (r *Rows) Truncate(n int) {
	before := r.n
	r.n = n
	if r.kernel == nil {
		return
	}
	for i := n; i < before && i%Block != 0; i++ { // resize erases whole blocks
		for k := 0; k < r.quads*4; k += 4 {
			clear(r.codes.All()[r.at(i, k):][:4])
		}
		r.scale.All()[i], r.rest.All()[i] = 0, 0
	}
	r.resize()
}

// encode returns the scale of a vector's code with components up to limit, and the code.
func encode(vector []float32, limit float64) (scale float32, code func(k int) float64) {
	var most float64
	for _, v := range vector {
		most = max(most, math.Abs(float64(v)))
	}
	scale = float32(most / limit)
	return scale, func(k int) float64 {
		if scale == 0 {
			return 0
		}
		return min(max(math.RoundToEven(float64(vector[k])/float64(scale)), -limit), limit)
	}
}

// up rounds to a float32 that is not smaller.
func up(v float64) float32 { return math.Nextafter32(float32(v), math.MaxFloat32) }

// Probe is a vector to compare with rows.
type Probe struct {
	code  []int8
	bound bound
	slack float32 // what the bound of any row is greater by
}

// unit is how long a vector of length 1 can be after rounding.
const unit = 1 + 1e-5

// Probe prepares a vector of length 1 for comparing.
func (r *Rows) Probe(vector []float32) *Probe {
	if r.kernel == nil {
		return nil
	}
	p := &Probe{code: make([]int8, r.quads*4)}
	scale, code := encode(vector, r.kernel.limit)
	var rest float64
	for k, v := range vector {
		c := code(k)
		d := float64(v) - c*float64(scale)
		rest += d * d
		p.code[k] = int8(c)
		p.bound.correction -= 128 * int32(c)
	}
	rest = math.Sqrt(rest)
	p.bound.scale, p.bound.rest = scale, up(unit+rest)
	// A sum of n float32 products of two such vectors is off by less than n·2⁻²⁴, and the bound itself by a few more.
	p.slack = up(rest*unit + float64(len(vector)+32)*0x1p-24)
	return p
}

// Above appends to found those rows from..to-1 whose cosine with the probe, as a sum of float32 products, may be at least least: all
// that have it, and few others. from is a multiple of [Block].
func (r *Rows) Above(p *Probe, from, to int, least float32, found []int32) []int32 {
	if r.kernel == nil || math.IsInf(float64(least), -1) {
		for i := from; i < to; i++ {
			found = append(found, int32(i))
		}
		return found
	}
	b := p.bound
	b.least = least - p.slack
	var masks [64]uint16
	for from < to {
		blocks := min(len(masks), (to-from+Block-1)/Block)
		r.kernel.above(&r.codes.All()[from*r.quads*4], &p.code[0], &r.scale.All()[from], &r.rest.All()[from], r.quads, blocks, &b, &masks[0])
		for i, mask := range masks[:blocks] {
			for ; mask != 0; mask &= mask - 1 {
				found = append(found, int32(from+i*Block+bits.TrailingZeros16(mask)))
			}
		}
		from += blocks * Block
	}
	for len(found) > 0 && int(found[len(found)-1]) >= to { // the last block may have rows beyond the range
		found = found[:len(found)-1]
	}
	return found
}

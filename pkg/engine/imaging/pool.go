package imaging

import (
	"math/bits"
	"sync"
)

// mostPooled is the largest number of values in a buffer that is kept for the next user. Larger ones are rare, and no budget counts
// those that lie idle.
const mostPooled = 1<<24 - 1

// Pool keeps buffers between their uses. Buffers of about one size are exchanged: up to twice as large. It is safe for concurrent use.
// Under the race detector, which tests use, a buffer that was given back is filled with Poison, so that whoever still uses it computes
// something else, or is found to race.
type Pool[T byte | float32] struct {
	Poison T
	kinds  [24]sync.Pool // of *[]T, by the number of bits of their length less one
}

// Take returns a buffer of n values, which are what they are: the caller must write all that it reads.
func (p *Pool[T]) Take(n int) *[]T {
	if n < 1 || n > mostPooled {
		made := make([]T, n)
		return &made
	}
	b, ok := p.kinds[bits.Len(uint(n))-1].Get().(*[]T)
	if !ok || cap(*b) < n { // one that is too small gives way, so that those that stay fit most
		made := make([]T, n)
		return &made
	}
	*b = (*b)[:n]
	return b
}

// Give keeps a buffer of [Pool.Take] for the next user. Nobody may use it from then on.
func (p *Pool[T]) Give(b *[]T) {
	if n := len(*b); n >= 1 && n <= mostPooled {
		poison(*b, p.Poison)
		p.kinds[bits.Len(uint(n))-1].Put(b)
	}
}

// pixels has the pixels of pictures that were released.
var pixels = Pool[byte]{Poison: 0xa5}

// unset returns an image whose pixels are what they are: the caller must write all of them.
func unset(width, height int) *Image {
	b := pixels.Take(3 * width * height)
	return &Image{Width: width, Height: height, Pix: *b, buffer: b}
}

// black is New with a buffer of the pool.
func black(width, height int) *Image {
	m := unset(width, height)
	clear(m.Pix)
	return m
}

// Release keeps the memory of m for other pictures. Nobody may use m or its pixels from then on. It is for whoever knows that nobody
// else has m; a picture that is not released is garbage at some time, as everything.
func (m *Image) Release() {
	if m.buffer != nil {
		pixels.Give(m.buffer)
	}
	m.Pix, m.buffer = nil, nil
}

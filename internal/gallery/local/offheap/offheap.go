// Package offheap keeps large slices without pointers in memory of their own. The garbage collector neither counts nor visits them, so a
// gallery of many rows makes no collection longer and does not double what a process takes. On Linux they grow without being copied.
package offheap

import (
	"runtime"
	"unsafe"
)

// Plain are the elements that a [Slice] can have.
type Plain interface{ ~byte | ~uint32 | ~float32 }

// least is how many bytes are worth a mapping. Fewer are an ordinary slice, because there may be many small ones.
const least = 64 << 10

// Slice is a slice that grows. The zero value is empty. What [Slice.All] returned is valid until the next Resize, which no reader may
// overlap. The memory goes back to the system when nobody holds the Slice any more; it must not be copied.
type Slice[T Plain] struct {
	all []T
	own *mapping // nil: all is an ordinary slice
}

// mapping is memory that the system gave. It is apart from its Slice, so that it can be given back after the Slice is gone.
type mapping struct{ bytes []byte }

// All returns the elements.
func (s *Slice[T]) All() []T { return s.all }

// Len is the number of elements.
func (s *Slice[T]) Len() int { return len(s.all) }

// Resize makes the slice n elements long. New ones are zero, and so are those that it cuts off: nothing of them stays in memory.
func (s *Slice[T]) Resize(n int) {
	if n < len(s.all) {
		clear(s.all[n:])
	}
	if n > cap(s.all) {
		s.grow(max(n, cap(s.all)+cap(s.all)/4))
	}
	s.all = s.all[:n]
}

// grow makes room for n elements.
func (s *Slice[T]) grow(n int) {
	size := n * int(unsafe.Sizeof(*new(T)))
	if size < least {
		all := make([]T, len(s.all), n)
		copy(all, s.all)
		s.all = all
		return
	}
	if s.own != nil {
		s.own.bytes = remap(s.own.bytes, size)
	} else {
		s.own = &mapping{remap(nil, size)}
		copy(view[T](s.own.bytes), s.all)
		runtime.AddCleanup(s, func(m *mapping) { release(m.bytes) }, s.own)
	}
	s.all = view[T](s.own.bytes)[:len(s.all)]
}

// view is memory as elements.
func view[T Plain](bytes []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(bytes))), len(bytes)/int(unsafe.Sizeof(*new(T))))
}

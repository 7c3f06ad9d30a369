package offheap_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"facestream/internal/gallery/local/offheap"
	"facestream/internal/memory"
)

// TestSlice: elements survive growing, through the limit at which they move out of the heap; what is cut off is zero when it comes back.
func TestSlice(t *testing.T) {
	var s offheap.Slice[uint32]
	for n := 1; n < 1<<20; n += n/3 + 1 {
		before := s.Len()
		s.Resize(n)
		for i := before; i < n; i++ {
			if s.All()[i] != 0 {
				t.Fatalf("new element %d of %d is %d", i, n, s.All()[i])
			}
			s.All()[i] = uint32(i) + 1
		}
		for i, v := range s.All() {
			if v != uint32(i)+1 {
				t.Fatalf("element %d of %d is %d", i, n, v)
			}
		}
	}
	for _, n := range []int{100_000, 10, 0} {
		all := s.All()
		s.Resize(n)
		for i, v := range all[n:] {
			if v != 0 {
				t.Fatalf("element %d is %d after the slice was cut to %d", n+i, v, n)
			}
		}
	}
}

// TestHeapDoesNotGrow: a large slice is not in the heap, and goes back to the system when nobody holds it.
func TestHeapDoesNotGrow(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: the driver opts out of memory outside of the heap on " + runtime.GOOS)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	resident := func() int64 {
		debug.FreeOSMemory()
		n, err := memory.Resident()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const size = 256 << 20
	heapBefore, before := heap(), resident()
	s := new(offheap.Slice[byte])
	s.Resize(size / 2)
	s.Resize(size)
	for i := 0; i < size; i += 4096 {
		s.All()[i] = 1
	}
	if grown := heap() - heapBefore; grown > size/100 && grown < 1<<62 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if grown := resident() - before; grown < size*9/10 {
		t.Fatalf("%d bytes are in memory after %d were written", grown, size)
	}
	runtime.KeepAlive(s)
	s = nil
	for range 100 { // the cleanup runs some time after the collection
		if resident()-before < size/10 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d bytes stay in memory", resident()-before)
}

package api

import (
	"fmt"
	"runtime"
	"testing"

	"facestream/pkg/schema"
)

// The newest ids are known, the oldest are forgotten, and memory is bounded.
func TestPlaces(t *testing.T) {
	const most = 100_000
	id := func(i int) schema.RequestID { return schema.RequestID(fmt.Sprint("request-", i)) }
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p := places{most: most, young: map[digest]uint64{}}
	for i := range 5 * most {
		p.add(id(i), i%7, int64(i))
		p.add(id(i), 6, 0) // a repeat changes nothing
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for i := range 5 * most {
		partition, offset, ok := p.find(id(i))
		switch {
		case i >= 4*most && (!ok || partition != i%7 || offset != int64(i)):
			t.Fatalf("%d lies at %d/%d, %v", i, partition, offset, ok)
		case i < 3*most && ok:
			t.Fatalf("%d is not forgotten", i)
		}
	}
	each := float64(after.HeapAlloc-before.HeapAlloc) / float64(p.known())
	t.Logf("%d ids, %.0f bytes each", p.known(), each)
	if each > 100 {
		t.Errorf("an id takes %.0f bytes", each)
	}
	if _, _, ok := p.find("another"); ok {
		t.Error("an id that never was is known")
	}
}

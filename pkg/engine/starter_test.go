package engine

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/internal/portraits"
	"facestream/packs"
	"facestream/pkg/engine/models"
)

// TestStarterPack holds the pack that is part of the program to its promises: whole, small and loaded at once.
func TestStarterPack(t *testing.T) {
	pack, err := models.Locate(packs.Starter)
	if err != nil {
		t.Fatal(err)
	}
	files, err := models.Verify(t.Context(), pack)
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, f := range files {
		if f.State != models.StateOK {
			t.Errorf("%s is %s", f.Model.File, f.State)
		}
		if f.Model.Batch != 0 {
			t.Errorf("%s takes %d rows a call, want any number", f.Model.File, f.Model.Batch)
		}
		size += f.Model.Bytes
	}
	if size > 12<<20 {
		t.Errorf("the pack has %d bytes, more than 12 MiB", size)
	}
	path := library(t)
	const limit = 100 * time.Millisecond
	quickest := time.Hour
	for tries := 0; tries < 20 && quickest > limit; tries++ {
		start := processorTime(t)
		e, err := Open(t.Context(), Options{Pack: pack, Library: path})
		if err != nil {
			t.Fatal(err)
		}
		quickest = min(quickest, processorTime(t)-start)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d bytes, loaded in %v", size, quickest)
	if quickest > limit {
		t.Errorf("loading took %v of a processor, the quickest of 20 times; want at most %v", quickest, limit)
	}
}

// processorTime is what this process used so far, which other processes do not change much.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Images that share calls are analysed as they are alone.
func TestSharedCalls(t *testing.T) {
	alone, shared := starter(t, Options{}), starter(t, Options{Calls: 1})
	files := cast(t, 6)
	params := Params{Embed: true, Attributes: true}
	got := make([]*Analysis, len(files))
	var wg sync.WaitGroup
	for i, file := range files {
		wg.Go(func() {
			var err error
			if got[i], err = shared.Analyze(t.Context(), file, params); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, file := range files {
		want, err := alone.Analyze(t.Context(), file, params)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Faces, got[i].Faces, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
			t.Errorf("picture %d: %s", i, diff)
		}
	}
}

// BenchmarkShared is the time of an image where 16 are in work on two threads: each with calls of its own, and with calls
// that they share.
func BenchmarkShared(b *testing.B) {
	files := cast(b, 16)
	for name, o := range map[string]Options{"own": {Concurrency: 2}, "shared": {Concurrency: 16, Calls: 2}} {
		b.Run(name, func(b *testing.B) {
			e := starter(b, o)
			b.SetParallelism(16)
			b.RunParallel(func(p *testing.PB) {
				for i := 0; p.Next(); i++ {
					if _, err := e.Analyze(b.Context(), files[i%len(files)], Params{Embed: true}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// starter is an engine with the pack that is part of the program.
func starter(t testing.TB, o Options) *Engine {
	t.Helper()
	var err error
	if o.Pack, err = models.Locate(packs.Starter); err != nil {
		t.Fatal(err)
	}
	o.Library = library(t)
	e, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// cast are pictures of n drawn people.
func cast(t testing.TB, n int) [][]byte {
	t.Helper()
	files := make([][]byte, n)
	for i := range files {
		var err error
		if files[i], err = portraits.JPEG(portraits.Cast()[i], 0, 400, 90); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

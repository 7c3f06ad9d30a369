package engine

import (
	"syscall"
	"testing"
	"time"

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

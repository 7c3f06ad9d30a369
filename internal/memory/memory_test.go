package memory

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// TestKeep: the collector keeps to the cgroup's limit less what libraries have, and to GOMEMLIMIT where that is set.
func TestKeep(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "1GiB")
	debug.SetMemoryLimit(1 << 30) // as the runtime does at the start
	if Keep(0); debug.SetMemoryLimit(-1) != 1<<30 {
		t.Errorf("GOMEMLIMIT was replaced by %d", debug.SetMemoryLimit(-1))
	}
	if limit, source := Limit(); limit != 1<<30 || source != "GOMEMLIMIT" {
		t.Errorf("the limit is %d by %q, want 1 GiB by GOMEMLIMIT", limit, source)
	}
	t.Setenv("GOMEMLIMIT", "")
	debug.SetMemoryLimit(math.MaxInt64)
	Keep(100 << 20)
	got := debug.SetMemoryLimit(-1)
	cgroup, err := memlimit.FromCgroup()
	if want := int64(collected*float64(cgroup)) - 100<<20; err == nil && got != max(want, want/4) || err != nil && got != math.MaxInt64 {
		t.Errorf("the collector keeps to %d; the cgroup's limit is %d, %v", got, cgroup, err)
	}
	if limit, source := Limit(); limit < 100<<20 || source == "GOMEMLIMIT" {
		t.Errorf("the limit is %d by %q", limit, source)
	}
}

// TestNative: what this process has beside Go is less than all that it has.
func TestNative(t *testing.T) {
	resident, err := Resident()
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	native, err := Native()
	if err != nil || native < 0 || native >= resident {
		t.Errorf("%d of %d bytes are native, %v", native, resident, err)
	}
}

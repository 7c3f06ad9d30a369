// Package memory says how much memory the process may use, and lets the garbage collector keep to it.
package memory

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// collected is the share of a cgroup's limit that the collector keeps to. The rest is for what Go does not count: stacks of
// other libraries, files that are mapped, the kernel's own pages.
const collected = 0.9

// own reports whether whoever started the process set a limit for the collector.
func own() bool { return os.Getenv("GOMEMLIMIT") != "" }

// Keep lets the collector work harder as the process comes close to the limit of its cgroup (v1 or v2), so that garbage does not
// end it. native bytes are in use by libraries, which the collector does not see. Where GOMEMLIMIT is set, or the cgroup has no
// limit, Keep changes nothing.
func Keep(native int64) {
	limit, err := memlimit.FromCgroup()
	if own() || err != nil {
		return
	}
	most := int64(collected * float64(min(limit, math.MaxInt64)))
	debug.SetMemoryLimit(max(most-max(native, 0), most/4)) // below that it would do nothing but collect
}

// KeepBeside is Keep beside what the process has outside of the Go heap now. Where nobody says how much that is, it changes nothing.
func KeepBeside() {
	if native, err := Native(); err == nil {
		Keep(native)
	}
}

// Limit returns how many bytes the process may use, and what says so: GOMEMLIMIT, its cgroup, or the machine. 0: nothing does.
func Limit() (limit int64, source string) {
	limit, source = math.MaxInt64, ""
	take := func(bytes uint64, from string) {
		if int64(min(bytes, math.MaxInt64)) < limit {
			limit, source = int64(bytes), from
		}
	}
	if system, err := memlimit.FromSystem(); err == nil {
		take(system, "the machine")
	}
	if cgroup, err := memlimit.FromCgroup(); err == nil {
		take(cgroup, "the cgroup")
	}
	if own() {
		take(uint64(debug.SetMemoryLimit(-1)), "GOMEMLIMIT")
	}
	if source == "" {
		return 0, ""
	}
	return limit, source
}

// Native returns how many bytes of this process are in memory that the Go runtime did not ask for: libraries and what they
// allocated, files and memory that were mapped. Only Linux says so.
func Native() (int64, error) {
	resident, err := Resident()
	if err != nil {
		return 0, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return max(resident-int64(m.Sys-m.HeapReleased), 0), nil
}

// Resident returns how many bytes of this process are in memory, without what the Go runtime could give back. Only Linux says
// so.
func Resident() (int64, error) {
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, errors.New("only Linux says how much memory a process takes")
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm: %q", text)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

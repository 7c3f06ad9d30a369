package apart

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The memory that a record may take in the child, beside what the child has when it is ready.
const (
	leastMemory = 256 << 20
	mostMemory  = 4 << 30
)

// lastToDie makes the child the first process that the kernel ends for want of memory.
func lastToDie() { _ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) }

// confine bounds the memory of the child: what it has, and three quarters of what is free.
func confine() error {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	pages, err := strconv.ParseUint(strings.Fields(string(statm))[0], 10, 64)
	if err != nil {
		return err
	}
	more := uint64(min(max(spare()*3/4, leastMemory), mostMemory))
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	debug.SetMemoryLimit(int64(stats.Sys + more*3/4)) // collect garbage before the limit is near
	for resource, limit := range map[int]uint64{syscall.RLIMIT_AS: pages*uint64(os.Getpagesize()) + more, syscall.RLIMIT_CORE: 0} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("limit resource %d to %d: %w", resource, limit, err)
		}
	}
	return nil
}

// limitTime gives the child cpuTime from here on.
func limitTime() {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
		limit := uint64(used.Utime.Sec+used.Stime.Sec) + uint64(cpuTime/time.Second)
		_ = syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: limit, Max: math.MaxUint64}) // the parent has a limit too
	}
}

// spare returns how many bytes of memory are free, on the machine and under the limits of the control groups that the
// process is in (version 2).
func spare() int64 {
	free := int64(math.MaxInt64)
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		if n, ok := field(info, "MemAvailable:"); ok {
			free = n << 10
		}
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return free
	}
	for line := range strings.Lines(string(groups)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for ; ok; group = filepath.Dir(group) {
			folder := filepath.Join("/sys/fs/cgroup", group)
			most, err1 := os.ReadFile(filepath.Join(folder, "memory.max"))
			stat, err2 := os.ReadFile(filepath.Join(folder, "memory.stat"))
			limit, err3 := strconv.ParseInt(strings.TrimSpace(string(most)), 10, 64)
			if used, found := field(stat, "anon"); found && err1 == nil && err2 == nil && err3 == nil {
				free = min(free, max(0, limit-used))
			}
			if group == "/" || group == "." {
				break
			}
		}
	}
	return free
}

// field returns the number behind name at the start of a line.
func field(text []byte, name string) (int64, bool) {
	for line := range bytes.Lines(text) {
		if f := strings.Fields(string(line)); len(f) > 1 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

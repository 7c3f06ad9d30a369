package imagingtest

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"testing"
)

// Exact reports whether [Peak] can be exact here, which is so where the collector stops the world: else what is already garbage
// counts where a collection began before. If not, it runs the test in a process where it is.
func Exact(t *testing.T) bool {
	const exact = "gcstoptheworld=1"
	if os.Getenv("GODEBUG") == exact {
		return true
	}
	test := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	test.Env = append(os.Environ(), "GODEBUG="+exact)
	said, err := test.CombinedOutput()
	if t.Logf("%s", said); err != nil {
		t.Error(err)
	}
	return false
}

// Peak calls do three times, because a collection may miss the moment. It returns the most bytes that were in use beside those that
// were in use before, and how many were allocated each time.
func Peak(do func()) (taken, allocated int64) {
	const times = 3
	before, already := read("/gc/heap/live:bytes"), read("/gc/heap/allocs:bytes")
	for range times { // each on a stack of its own, which keeps nothing
		done := make(chan bool)
		go func() {
			defer close(done)
			do()
		}()
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			taken = max(taken, read("/gc/heap/live:bytes")-before)
		}
	}
	return taken, (read("/gc/heap/allocs:bytes") - already) / times
}

// read returns a number of the runtime's after a collection.
func read(name string) int64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

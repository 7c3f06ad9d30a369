// Command siege lets a worker of little memory answer hostile images beside innocent ones. It fails if the worker takes more memory
// than it has, if a request has no outcome, or if the innocent ones wait too long.
//
// If the process is in a cgroup with a limit of at most -memory (docker run -m 2g), that limit holds, and the kernel ends the worker
// that breaks it. Elsewhere GOMEMLIMIT is set to three quarters of -memory, and the resident memory is looked at all the time.
// RLIMIT_AS is not used: Go and WebAssembly reserve far more addresses than they use.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	o := options{}
	var megabytes int
	flag.IntVar(&megabytes, "memory", 2048, "memory of the worker in MiB")
	flag.IntVar(&o.threads, "threads", 2, "images that the networks process at once")
	flag.IntVar(&o.hostile, "hostile", 4, "hostile requests in work at once")
	flag.DurationVar(&o.duration, "duration", 30*time.Minute, "length of the siege")
	flag.DurationVar(&o.alone, "alone", 30*time.Second, "how long innocent requests are measured alone before")
	flag.Float64Var(&o.slower, "slower", 5, "how many times of their mean time alone the 99th percentile of the innocent requests may take; 0: any")
	flag.Parse()
	o.memory = int64(megabytes) << 20
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := run(ctx, o)
	if fmt.Print(r); err != nil {
		fmt.Fprintln(os.Stderr, "siege:", err)
		os.Exit(1)
	}
}

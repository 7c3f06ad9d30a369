// Command soak tries to break the promises of facestream. It runs the services as separate processes, sends requests about many
// people, several at a time for each, and injects faults. Without -duration it is the crash test, which injects a given number of
// SIGKILLs only. It writes what it sent, read and injected as a history, and command check, which shares no code with the
// services, judges it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var o options
	flag.DurationVar(&o.duration, "duration", 0, "how long faults of every kind are injected; 0: a crash test with SIGKILLs only")
	flag.IntVar(&o.requests, "n", 500, "crash test: least number of requests; a tenth as many SIGKILLs of services, a hundredth as many of the servers")
	flag.IntVar(&o.actors, "actors", 16, "number of people, 1 to 24, whom the requests are about")
	flag.IntVar(&o.flows, "flows", 3, "number of requests that are under way for each person")
	flag.IntVar(&o.calm, "calm", 2, "least number of requests of each flow before the first fault, and after the last one")
	flag.DurationVar(&o.think, "think", 200*time.Millisecond, "average pause of each flow between an outcome and the next request")
	flag.BoolVar(&o.simulated, "simulated", false, "let workers read the faces from the pixels instead of running networks; everything else is real")
	flag.BoolVar(&o.power, "power", false, "with -duration: let the power fail instead of the other faults, which takes what was not synced to the disks of broker, gallery and ingest; needs FUSE")
	flag.StringVar(&o.bin, "bin", "bin", "folder of the built programs, which -simulated does not need")
	flag.StringVar(&o.check, "check", "", "the built command check; else it is built with go")
	flag.StringVar(&o.history, "history", "", "where to write the history; else it goes with the temporary folder")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().Unix()), "seed of the random choices")
	flag.DurationVar(&o.deadline, "deadline", 2*time.Minute, "longest time until the outcome of a request")
	flag.DurationVar(&o.patience, "patience", 3*time.Minute, "longest time without any outcome")
	flag.DurationVar(&o.still, "still", 10*time.Second, "how long nothing must be published before all work counts as done")
	flag.Int64Var(&o.memory, "memory", 2048, "most memory of a service, in MiB")
	flag.Parse()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

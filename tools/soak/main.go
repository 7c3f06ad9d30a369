// Command soak checks that nothing is lost. It runs the services as separate processes, sends requests about many
// people, and injects faults. Without -duration it is the crash test, which injects a given number of SIGKILLs only. At
// the end it compares each outcome, gallery row and result object with a ledger of the requests.
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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var o options
	flag.DurationVar(&o.duration, "duration", 0, "how long faults of every kind are injected; 0: a crash test with SIGKILLs only")
	flag.IntVar(&o.requests, "n", 500, "crash test: least number of requests; a tenth as many SIGKILLs of services, a hundredth as many of the servers")
	flag.IntVar(&o.actors, "actors", 16, "number of people, 1 to 28, who each send one request at a time")
	flag.DurationVar(&o.think, "think", 200*time.Millisecond, "average pause of each person between an outcome and the next request")
	flag.StringVar(&o.bin, "bin", "bin", "folder of the built programs")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().Unix()), "seed of the random choices")
	flag.DurationVar(&o.patience, "patience", 3*time.Minute, "longest time without an answer")
	flag.Parse()
	work := func(ctx context.Context) error { return run(ctx, o) }
	if flag.Arg(0) == storeCommand {
		work = serveStore
	}
	if err := work(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

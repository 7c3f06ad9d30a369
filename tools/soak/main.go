// Command soak proves that nothing is lost: it runs the services as processes of their own, lives the lives of people
// through them, and lets everything go wrong meanwhile. Without -duration it is the crash test: SIGKILLs alone, as many as
// asked for. At the end each outcome, gallery row and result object is held against a ledger of what was asked.
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
	flag.DurationVar(&o.duration, "duration", 0, "how long faults of every kind last; 0: a crash test, of SIGKILLs alone")
	flag.IntVar(&o.requests, "n", 500, "crash test: requests, at least; a tenth as many SIGKILLs of services, a hundredth of the servers")
	flag.IntVar(&o.actors, "actors", 16, "people who send a request at a time, 1 to 28")
	flag.DurationVar(&o.think, "think", 200*time.Millisecond, "pause of each between an outcome and the next request, on average")
	flag.StringVar(&o.bin, "bin", "bin", "folder of the built programs")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().Unix()), "seed of the random choices")
	flag.DurationVar(&o.patience, "patience", 3*time.Minute, "how long nothing may be answered")
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

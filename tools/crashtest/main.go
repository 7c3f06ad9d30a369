// Command crashtest proves invariants 1 to 3 and 7: it runs the services as processes of their own, sends them requests
// of every kind, kills them with SIGKILL at random moments, and then checks every outcome and every gallery row.
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
	var o options
	flag.IntVar(&o.requests, "n", 500, "requests")
	flag.IntVar(&o.kills, "kills", 40, "SIGKILLs of ingest, worker and indexer")
	flag.IntVar(&o.serverKills, "server-kills", 5, "SIGKILLs of the embedded servers")
	flag.StringVar(&o.bin, "bin", "bin", "folder of the built programs")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the random choices")
	flag.DurationVar(&o.patience, "patience", 8*time.Minute, "how long everything may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "crash test failed:", err)
		os.Exit(1)
	}
}

// Command scale measures the throughput of more workers, and the cost of changing their number:
//
//	cores      1, 2 and 4 worker processes with their networks, each on one core: images/s a core
//	workers    1 to 32 worker processes whose networks sleep instead of computing: images/s against 1
//	rebalance  how long results pause when a worker joins, leaves (SIGTERM) or is killed (SIGKILL), under load
//
// Jobs are written directly to their topic, so only the workers are measured. Broker and store are the embedded ones in
// a separate process, or those that FACESTREAM_KAFKA and FACESTREAM_S3_ENDPOINT name. Nothing else may use them.
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

type options struct {
	part, bin string
	window    time.Duration
	pause     time.Duration
	most      int
	rounds    int
	session   time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if os.Getenv(sleeperPause) != "" {
		return runSleeper(ctx)
	}
	var o options
	flag.StringVar(&o.part, "part", "all", "cores, workers, rebalance or all")
	flag.StringVar(&o.bin, "bin", "bin", "folder of the built programs")
	flag.DurationVar(&o.window, "window", 20*time.Second, "how long each rate is measured")
	flag.DurationVar(&o.pause, "pause", 500*time.Millisecond, "how long a simulated network sleeps for an image")
	flag.IntVar(&o.most, "most", 32, "most workers with simulated networks")
	flag.IntVar(&o.rounds, "rounds", 2, "repeats of cores and rebalance")
	flag.DurationVar(&o.session, "session", 6*time.Second, "kafka.session_timeout during rebalance")
	flag.Parse()
	for _, part := range []struct {
		name string
		run  func(context.Context, options) error
	}{{"cores", cores}, {"workers", workers}, {"rebalance", rebalance}} {
		if o.part != "all" && o.part != part.name {
			continue
		}
		if err := part.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

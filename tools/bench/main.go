// Command bench measures the cost of the stream compared with the bare networks. It prints the images/s of decoding,
// detection, alignment and embedding alone, the images/s from upload to result for the same images and number of
// threads, their ratio, and the time from one event to its result. Both sides run alternately within the same minute,
// because machines are noisy.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.images, "n", 200, "images a round")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the median counts")
	flag.IntVar(&o.side, "side", 640, "side of the drawn pictures in pixels")
	flag.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "threads of both sides")
	flag.StringVar(&o.models, "models", "", "model pack (default: the configured one)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

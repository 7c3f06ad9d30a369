// Command bench measures the cost of the stream compared with the bare engine. It prints the images/s of the engine alone, the
// images/s from upload to result for the same images, analysis and number of threads, their ratio, the time of each step on both
// sides, and the time from an event to its result. Both sides run alternately within the same minute, because machines are noisy,
// and it fails unless both did the same work.
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
	flag.StringVar(&o.images, "images", "", "folder of JPEG files (default: the photographs beside the checkout, else drawn pictures of phone size)")
	flag.IntVar(&o.n, "n", 200, "images a round")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the median counts")
	flag.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "threads of both sides")
	flag.StringVar(&o.models, "models", "", "model pack (default: FACESTREAM_MODELS, else the configured one)")
	flag.Float64Var(&o.minRatio, "min-ratio", 0, "fail if the median ratio of the images/s is lower")
	flag.Float64Var(&o.minCPURatio, "min-cpu-ratio", 0, "fail if the median ratio of the processor times is lower")
	flag.StringVar(&o.json, "json", "", "file for the figures as JSON")
	flag.StringVar(&o.profile, "profile", "", "folder for profiles of the rounds of the stream, and a flame graph")
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

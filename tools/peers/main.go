// Command peers compares facestream with what somebody would take instead of it, on the same files and networks, in the same minutes:
//
//	bare     the engine against a Python script with onnxruntime and OpenCV, both on files in memory
//	stream   facestream, from requests for stored images to results, against that script with S3 in and Kafka out
//	gallery  the local gallery against faiss (IndexFlatIP, IndexHNSWFlat) and usearch (exact), one thread each
//	milvus   the local gallery against a Milvus server (FLAT, HNSW), if -milvus names the kind to start
//
// Both sides work in turns, round by round. It fails unless both sides did the same work: the same faces within a tolerance, the same
// exact neighbours.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"facestream/internal/benchmark"
	"facestream/pkg/engine/imaging"
)

type options struct {
	parts, python, bin, images, json, milvus string
	n, rounds, threads                       int
	rows, dimension, graphRows, milvusRows   int

	dir      string // for what is written
	pictures []benchmark.Picture
}

// report is what the program measured.
type report struct {
	Machine  benchmark.Machine
	Versions map[string]string // of the Python packages
	Decoder  string            // of JPEG, in the engine; the services may have another
	Pictures string
	Threads  int
	Images   []*contest
	Searches []*searching
}

func main() {
	var o options
	flag.StringVar(&o.parts, "parts", "bare,stream,gallery,milvus", "what to measure")
	flag.StringVar(&o.python, "python", ".cache/peers/venv/bin/python", "Python with the packages of tools/peers/requirements.txt")
	flag.StringVar(&o.bin, "bin", "bin", "folder of the built programs")
	flag.StringVar(&o.images, "images", "", "folder of JPEG files (default: the photographs beside the checkout, else drawn pictures of phone size)")
	flag.IntVar(&o.n, "n", 116, "images a round")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the median counts")
	flag.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "threads of facestream, and processes of the script")
	flag.IntVar(&o.rows, "rows", 1_000_000, "rows of the gallery")
	flag.IntVar(&o.dimension, "dimension", 128, "components of an embedding")
	flag.IntVar(&o.graphRows, "graph-rows", 100_000, "rows of the comparison with IndexHNSWFlat, which takes long to build")
	flag.StringVar(&o.milvus, "milvus", "", "Milvus to start: lite or standalone (default: leave it out)")
	flag.IntVar(&o.milvusRows, "milvus-rows", 20_000, "rows of the comparison with Milvus")
	flag.StringVar(&o.json, "json", "", "file for the figures as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.dir, err = os.MkdirTemp("", "facestream-peers-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	r := &report{Machine: benchmark.ThisMachine(), Decoder: imaging.JPEGDecoder, Threads: o.threads}
	if r.Versions, err = versions(o); err != nil {
		return err
	}
	fmt.Println(r.Machine)
	fmt.Printf("JPEG by %s; Python packages: %v\n", r.Decoder, r.Versions)
	if r.Machine.Busy() {
		fmt.Println("the machine is busy with something else: read the ratios and the processor times")
	}
	wanted := map[string]bool{}
	for _, part := range strings.Split(o.parts, ",") {
		wanted[part] = true
	}
	if wanted["bare"] || wanted["stream"] {
		if o.pictures, r.Pictures, err = benchmark.Pictures(ctx, o.images, o.n, o.threads); err != nil {
			return err
		}
		fmt.Printf("%s\n\n%-22s  %20s  %20s\n%-22s  %9s  %9s  %9s  %9s   %s\n", r.Pictures, "", "images/s", "CPU ms/image",
			"", "ours", "script", "ours", "script", "ratio of images/s (range)   of processor time (range)")
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, options, *report) error
	}{{"bare", bare}, {"stream", stream}, {"gallery", exact}, {"milvus", milvusServer}} {
		if !wanted[part.name] {
			continue
		}
		if err := part.run(ctx, o, r); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if o.json != "" {
		return benchmark.WriteJSON(o.json, r)
	}
	return nil
}

// versions are those of the packages that the scripts use.
func versions(o options) (map[string]string, error) {
	if _, err := os.Stat(o.python); err != nil {
		return nil, errors.New("no Python with the packages of tools/peers/requirements.txt at " + o.python + "; `make bench-peers` installs it")
	}
	s, err := startScript(o, filepath.Join(o.dir, "versions.log"), "versions.py")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	found := map[string]string{}
	return found, s.ask("VERSIONS", &found)
}

// seconds is a duration.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/sandbox"
	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

type options struct {
	images, rounds, side, threads int
	models                        string
}

// collection is where the pictures are enrolled: the longest way through the stream.
const collection = "bench"

func run(ctx context.Context, o options) error {
	cfg := config.Default()
	cfg.Worker.Models = []string{cmp.Or(o.models, os.Getenv("FACESTREAM_MODELS"), cfg.Worker.Models[0])}
	cfg.Worker.Concurrency = o.threads
	fmt.Printf("drawing %d pictures of %d px\n", o.images, o.side)
	pictures, err := draw(ctx, o)
	if err != nil {
		return err
	}
	pack, err := models.Locate(cfg.Worker.Models[0])
	if err != nil {
		return err
	}
	bare, err := engine.Open(ctx, engine.Options{Pack: pack, Library: cfg.Worker.ORTLib})
	if err != nil {
		return err
	}
	defer bare.Close()
	return sandbox.Run(ctx, cfg, func(ctx context.Context, s *sandbox.Sandbox) error { return measure(ctx, s, o, bare, pictures) })
}

// shots is the number of pictures of each person: those of the demo, in which a face is certainly found.
const shots = 2

func draw(ctx context.Context, o options) ([][]byte, error) {
	pictures := make([][]byte, o.images)
	people := drawn.Cast()
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(o.threads)
	for i := range pictures {
		g.Go(func() (err error) {
			pictures[i], err = drawn.JPEG(people[i%len(people)], i/len(people)%shots, o.side, 90)
			return err
		})
	}
	return pictures, g.Wait()
}

func measure(ctx context.Context, s *sandbox.Sandbox, o options, e *engine.Engine, pictures [][]byte) error {
	if id, err := upload(ctx, s, pictures[0]); err != nil { // warms both ways up
		return err
	} else if _, err := s.Results.Await(ctx, id); err != nil {
		return err
	}
	var alone, through []float64
	fmt.Println("        bare networks             upload to result")
	fmt.Printf("%-6s  %8s  %12s    %8s  %12s    %5s\n", "round", "images/s", "CPU ms/image", "images/s", "CPU ms/image", "ratio")
	for round := range o.rounds {
		a, cpuA, err := rate(len(pictures), func() error { return analyzeAll(ctx, e, o.threads, pictures) })
		if err != nil {
			return err
		}
		b, cpuB, err := rate(len(pictures), func() error { return streamAll(ctx, s, pictures) })
		if err != nil {
			return err
		}
		alone, through = append(alone, a), append(through, b)
		fmt.Printf("%-6d  %8.1f  %12.1f    %8.1f  %12.1f    %5.2f\n", round+1, a, cpuA, b, cpuB, b/a)
	}
	fmt.Printf("%-6s  %8.1f  %12s    %8.1f  %12s    %5.2f\n", "median", median(alone), "", median(through), "", median(through)/median(alone))
	return latency(ctx, s, pictures)
}

// rate returns the images per second of f, and the processor time of each in milliseconds, including the servers.
func rate(images int, f func() error) (perSecond, cpu float64, err error) {
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := f(); err != nil {
		return 0, 0, err
	}
	took := time.Since(start)
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return 0, 0, err
	}
	used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	return float64(images) / took.Seconds(), float64(used.Microseconds()) / 1000 / float64(images), nil
}

// analyzeAll runs only decoding, detection, alignment and embedding.
func analyzeAll(ctx context.Context, e *engine.Engine, threads int, pictures [][]byte) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(threads)
	for _, p := range pictures {
		g.Go(func() error {
			a, err := e.Analyze(ctx, p, engine.Params{Strategy: engine.BestConfidence, Embed: true})
			if err == nil && len(a.Faces) != 1 {
				err = fmt.Errorf("%d faces in a drawn picture", len(a.Faces))
			}
			return err
		})
	}
	return g.Wait()
}

// streamAll uploads the pictures to be enrolled, eight at a time, and waits for every result.
func streamAll(ctx context.Context, s *sandbox.Sandbox, pictures [][]byte) error {
	all, ctx := errgroup.WithContext(ctx)
	uploading := make(chan struct{}, 8)
	for _, p := range pictures {
		all.Go(func() error {
			uploading <- struct{}{}
			id, err := upload(ctx, s, p)
			<-uploading
			if err != nil {
				return err
			}
			r, err := s.Results.Await(ctx, id)
			if err == nil && (r.Enroll == nil || !r.Enroll.EnrollPerformed) {
				err = fmt.Errorf("a picture was not enrolled: %s", r.CallStatus.ReturnMessage)
			}
			return err
		})
	}
	return all.Wait()
}

// latency sends one request at a time for images that are already stored.
func latency(ctx context.Context, s *sandbox.Sandbox, pictures [][]byte) error {
	var took []float64
	stages := map[string]float64{} // milliseconds, summed
	for i := range min(100, len(pictures)) {
		ref, err := s.Put(ctx, fmt.Sprintf("bench/%d.jpg", i), pictures[i])
		if err != nil {
			return err
		}
		start := time.Now()
		r, err := s.Call(ctx, schema.Request{Operation: schema.OpPredict, Collection: collection, Images: []schema.ObjectRef{ref}})
		if err != nil {
			return err
		}
		took = append(took, float64(time.Since(start).Microseconds())/1000)
		for stage, ms := range r.Timings {
			stages[stage] += ms
		}
	}
	slices.Sort(took)
	fmt.Printf("event to result, one at a time: p50 %.0f ms, p99 %.0f ms (n = %d)\n", took[len(took)/2], took[len(took)*99/100], len(took))
	for _, stage := range slices.Sorted(maps.Keys(stages)) {
		fmt.Printf("  of it %-8s %6.1f ms (mean)\n", stage, stages[stage]/float64(len(took)))
	}
	return nil
}

// upload enrols a picture by uploading it.
func upload(ctx context.Context, s *sandbox.Sandbox, picture []byte) (schema.RequestID, error) {
	ref, err := s.Put(ctx, fmt.Sprintf("enroll/%s/%s/a.jpg", collection, uuid.NewString()), picture)
	return schema.ObjectRequestID(ref), err
}

func median(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}

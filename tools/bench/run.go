package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"facestream/internal/benchmark"
	"facestream/internal/config"
	"facestream/internal/sandbox"
	"facestream/internal/services/worker"
	"facestream/internal/verdict"
	"facestream/pkg/engine"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

type options struct {
	images, models, json, profile string
	n, rounds, threads            int
	minRatio, minCPURatio         float64
}

// collection is where the pictures are enrolled: the longest way through the stream.
const collection = "bench"

// bench is both sides and what they are given.
type bench struct {
	options
	*sandbox.Sandbox
	engine   *engine.Engine // that of the bare side
	verdict  verdict.Pack
	distinct []benchmark.Picture
	pictures []benchmark.Picture // of a round
}

// report is what the program measured.
type report struct {
	Machine              benchmark.Machine
	Pack, Decoder        string
	Pictures             string
	Images, Threads      int
	Alone, Stream        side
	Ratio                benchmark.Figure // of the images a second
	CPURatio             benchmark.Figure // of the bare engine's processor time to the stream's
	Steps                []stepTimes
	Alternating, Loading latency
}

type side struct{ PerSecond, CPUMillis benchmark.Figure }

func (s *side) add(c benchmark.Cost) {
	s.PerSecond.Add(c.PerSecond())
	s.CPUMillis.Add(c.CPUMillis())
}

// stepTimes are the mean milliseconds of a step for an image; 0 where a side does not have it.
type stepTimes struct {
	Step          string
	Alone, Stream float64
}

// latency is how long events took to their results, in milliseconds.
type latency struct {
	PerSecond float64 // events
	P50, P99  float64
	// Of the time that the bare engine takes for one image, on average over the same pictures.
	P50OfAlone, P99OfAlone float64
}

func run(ctx context.Context, o options) error {
	cfg := config.Default()
	cfg.Worker.Models = []string{cmp.Or(o.models, os.Getenv("FACESTREAM_MODELS"), cfg.Worker.Models[0])}
	cfg.Worker.Concurrency = o.threads
	distinct, source, err := benchmark.Pictures(ctx, o.images, o.n, o.threads)
	if err != nil {
		return err
	}
	pack, err := models.Locate(cfg.Worker.Models[0])
	if err != nil {
		return err
	}
	bare, err := worker.OpenEngine(ctx, cfg.Worker, pack, nil)
	if err != nil {
		return err
	}
	defer bare.Close()
	judged, err := verdict.Of(pack, bare.Models())
	if err != nil {
		return err
	}
	b := &bench{options: o, engine: bare, verdict: judged, distinct: distinct, pictures: benchmark.Cycle(distinct, o.n)}
	r := &report{
		Machine: benchmark.ThisMachine(), Pack: fmt.Sprintf("%s %s", pack.Name, pack.Version), Decoder: imaging.JPEGDecoder,
		Pictures: source, Images: o.n, Threads: o.threads,
	}
	fmt.Printf("%s\npack %s, JPEG by %s\n%s\n", r.Machine, r.Pack, r.Decoder, r.Pictures)
	if r.Machine.Busy() {
		fmt.Println("the machine is busy with something else: read the ratios and the processor times")
	}
	if err := sandbox.Run(ctx, cfg, func(ctx context.Context, s *sandbox.Sandbox) error {
		b.Sandbox = s
		return b.measure(ctx, r)
	}); err != nil {
		return err
	}
	if o.json != "" {
		if err := benchmark.WriteJSON(o.json, r); err != nil {
			return err
		}
	}
	for _, floor := range []struct {
		of           string
		ratio, least float64
	}{{"images/s", r.Ratio.Median(), o.minRatio}, {"processor times", r.CPURatio.Median(), o.minCPURatio}} {
		if floor.ratio < floor.least {
			err = errors.Join(err, fmt.Errorf("the ratio of the %s is %.2f, and should be at least %.2f", floor.of, floor.ratio, floor.least))
		}
	}
	return err
}

func (b *bench) measure(ctx context.Context, r *report) error {
	enroll, predict, err := b.warmUp(ctx)
	if err != nil {
		return err
	}
	var profiling *profiler
	if b.profile != "" {
		if profiling, err = newProfiler(b.profile); err != nil {
			return err
		}
		defer profiling.close()
	}
	steps := newSteps()
	fmt.Println("\n        bare engine               upload to result")
	fmt.Printf("%-6s  %8s  %12s    %8s  %12s    %5s  %9s\n", "round", "images/s", "CPU ms/image", "images/s", "CPU ms/image", "ratio", "CPU ratio")
	for round := range b.rounds {
		alone, err := benchmark.Measure(b.n, func() error { return b.analyzeAll(ctx, enroll.params, steps) })
		if err != nil {
			return err
		}
		from, err := b.ends(ctx)
		if err != nil {
			return err
		}
		if profiling != nil {
			profiling.start()
		}
		var ids []schema.RequestID
		through, err := benchmark.Measure(b.n, func() (err error) { ids, err = b.streamAll(ctx); return err })
		if profiling != nil {
			profiling.stop()
		}
		if err != nil {
			return err
		}
		if err := b.compare(ctx, enroll, from, ids, steps); err != nil {
			return fmt.Errorf("both sides should do the same work: %w", err)
		}
		r.Alone.add(alone)
		r.Stream.add(through)
		r.Ratio.Add(through.PerSecond() / alone.PerSecond())
		r.CPURatio.Add(alone.CPUMillis() / through.CPUMillis())
		fmt.Printf("%-6d  %8.1f  %12.1f    %8.1f  %12.1f    %5.2f  %9.2f\n", round+1, alone.PerSecond(), alone.CPUMillis(),
			through.PerSecond(), through.CPUMillis(), through.PerSecond()/alone.PerSecond(), alone.CPUMillis()/through.CPUMillis())
	}
	fmt.Printf("%-6s  %8.1f  %12.1f    %8.1f  %12.1f    %5.2f  %9.2f\n", "median", r.Alone.PerSecond.Median(), r.Alone.CPUMillis.Median(),
		r.Stream.PerSecond.Median(), r.Stream.CPUMillis.Median(), r.Ratio.Median(), r.CPURatio.Median())
	least, most := r.Ratio.Range()
	fmt.Printf("ratio of the rounds: %.2f to %.2f; both sides found the same faces and embeddings, by the same networks and steps\n", least, most)
	fmt.Printf("\n%-12s  %10s  %10s   (mean ms of an image; %d images at once)\n", "step", "bare", "stream", b.threads)
	for _, s := range steps.list() {
		r.Steps = append(r.Steps, s)
		fmt.Printf("%-12s  %10.1f  %10.1f\n", s.Step, s.Alone, s.Stream)
	}
	if profiling != nil {
		if err := profiling.write(ctx); err != nil {
			return err
		}
		fmt.Printf("profiles of the rounds of the stream: %s\n", b.profile)
	}
	return b.latencies(ctx, predict.params, r)
}

// analyzeAll lets the bare engine do what the worker asks its engine to do.
func (b *bench) analyzeAll(ctx context.Context, p engine.Params, steps *steps) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.threads)
	for _, picture := range b.pictures {
		g.Go(func() error {
			a, err := b.engine.Analyze(ctx, picture.File, p)
			if err != nil {
				return fmt.Errorf("%s: %w", picture.Name, err)
			}
			steps.alone(a.Timings)
			return nil
		})
	}
	return g.Wait()
}

// streamAll uploads the pictures to be enrolled, eight at a time, and waits for every result. It returns the requests in the order of
// the pictures.
func (b *bench) streamAll(ctx context.Context) ([]schema.RequestID, error) {
	all, ctx := errgroup.WithContext(ctx)
	uploading := make(chan struct{}, 8)
	ids := make([]schema.RequestID, len(b.pictures))
	for i, p := range b.pictures {
		all.Go(func() (err error) {
			uploading <- struct{}{}
			ids[i], err = b.upload(ctx, p.File)
			<-uploading
			if err == nil {
				_, err = b.Results.Await(ctx, ids[i])
			}
			return err
		})
	}
	return ids, all.Wait()
}

// latencies measures the time from requests for stored images to their results: one request after the other, and at half the rate
// that the rounds had.
func (b *bench) latencies(ctx context.Context, p engine.Params, r *report) error {
	n := min(100, b.n)
	refs := make([]schema.ObjectRef, len(b.distinct))
	for i, picture := range b.distinct {
		var err error
		if refs[i], err = b.Put(ctx, fmt.Sprintf("bench/%d.jpg", i), picture.File); err != nil {
			return err
		}
	}
	call := func(i int) (float64, error) {
		start := time.Now()
		_, err := b.Call(ctx, schema.Request{Operation: schema.OpPredict, Collection: collection, Images: []schema.ObjectRef{refs[i%len(refs)]}})
		return millis(time.Since(start)), err
	}
	var alone, alternating []float64
	for i := range n { // in turns, so that both sides see the same minute
		start := time.Now()
		if _, err := b.engine.Analyze(ctx, b.distinct[i%len(refs)].File, p); err != nil {
			return err
		}
		alone = append(alone, millis(time.Since(start)))
		took, err := call(i)
		if err != nil {
			return err
		}
		alternating = append(alternating, took)
	}
	r.Alternating = latencyOf(alternating, alone, 0)
	rate := r.Stream.PerSecond.Median() / 2
	loading := make([]float64, n)
	g, _ := errgroup.WithContext(ctx)
	begin := time.Now()
	for i := range n {
		time.Sleep(time.Until(begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		g.Go(func() (err error) { loading[i], err = call(i); return err })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	r.Loading = latencyOf(loading, alone, rate)
	fmt.Printf("\nevent to result, one at a time:       p50 %3.0f ms, p99 %3.0f ms; %.1f and %.1f times the bare engine's mean of an image (n = %d)\n",
		r.Alternating.P50, r.Alternating.P99, r.Alternating.P50OfAlone, r.Alternating.P99OfAlone, n)
	fmt.Printf("at half load, %4.1f events a second:   p50 %3.0f ms, p99 %3.0f ms; %.1f and %.1f times\n",
		rate, r.Loading.P50, r.Loading.P99, r.Loading.P50OfAlone, r.Loading.P99OfAlone)
	return nil
}

func latencyOf(took, alone []float64, perSecond float64) latency {
	var mean float64
	for _, ms := range alone {
		mean += ms / float64(len(alone))
	}
	l := latency{PerSecond: perSecond, P50: benchmark.Quantile(took, 0.5), P99: benchmark.Quantile(took, 0.99)}
	l.P50OfAlone, l.P99OfAlone = l.P50/mean, l.P99/mean
	return l
}

// upload enrols a picture by uploading it.
func (b *bench) upload(ctx context.Context, file []byte) (schema.RequestID, error) {
	ref, err := b.Put(ctx, fmt.Sprintf("enroll/%s/%s/a.jpg", collection, uuid.NewString()), file)
	return schema.ObjectRequestID(ref), err
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// steps adds up the times of the steps of both sides.
type steps struct {
	mu       sync.Mutex
	sums     [2]map[string]float64 // milliseconds: alone, stream
	analyses [2]int
}

func newSteps() *steps { return &steps{sums: [2]map[string]float64{{}, {}}} }

func (s *steps) alone(timings map[string]time.Duration) {
	ms := map[string]float64{}
	for step, took := range timings {
		ms[step] = millis(took)
	}
	s.add(0, ms)
}

func (s *steps) stream(timings map[string]float64) { s.add(1, timings) }

func (s *steps) add(side int, ms map[string]float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.analyses[side]++
	for step, took := range ms {
		s.sums[side][step] += took
	}
}

// list returns the means, by name.
func (s *steps) list() (all []stepTimes) {
	names := map[string]bool{}
	for _, sums := range s.sums {
		for name := range sums {
			names[name] = true
		}
	}
	mean := func(side int, name string) float64 { return s.sums[side][name] / float64(max(s.analyses[side], 1)) }
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, stepTimes{name, mean(0, name), mean(1, name)})
	}
	return all
}

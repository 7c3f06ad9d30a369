package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"facestream/internal/benchmark"
	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/host"
	"facestream/internal/sandbox"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// stand is a broker and a store with one picture in it, a client that writes jobs and sees the results, and workers.
type stand struct {
	bin, dir   string
	env        []string
	partitions int // of the topic of jobs
	publisher  *events.Publisher
	results    *events.Caller
	image      schema.ObjectRef
	workers    []*benchmark.Process // that should run
	all        []*benchmark.Process // that ever did

	awaiting sync.WaitGroup // for the results of jobs
	mu       sync.Mutex
	jobs     []*job
	arrivals []time.Time // of first results, in order
}

// job is when one was written and when its first result came; zero where none has come yet.
type job struct{ sent, answered time.Time }

// with opens a stand, calls f and closes it.
func with(ctx context.Context, o options, partitions int, f func(context.Context, *stand) error) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "facestream-scale-")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil { // else the logs stay
			err = os.RemoveAll(dir)
		}
	}()
	s := &stand{
		bin: o.bin, dir: dir, partitions: partitions,
		env: []string{"FACESTREAM_DATA_DIR=" + dir, "FACESTREAM_TELEMETRY_LISTEN=", "FACESTREAM_TELEMETRY_LOG_FORMAT=json"},
	}
	defer func() {
		for _, p := range s.all {
			p.Kill()
		}
	}()
	if os.Getenv("FACESTREAM_KAFKA") == "" {
		if err := s.serve(); err != nil {
			return err
		}
	}
	cfg, err := config.Load("", append(os.Environ(), s.env...), nil)
	if err != nil {
		return err
	}
	client, store, err := host.Clients(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	s.publisher = client.NewPublisher(events.PublisherConfig{Source: "scale"})
	defer s.publisher.Close()
	specs := events.DefaultSpecs()
	for i := range specs {
		if specs[i].Topic == events.Jobs {
			specs[i].Partitions = partitions
		}
	}
	if _, err := client.EnsureTopics(ctx, specs); err != nil {
		return err
	}
	if err := store.EnsureBucket(ctx, cfg.S3.Bucket, true); err != nil {
		return err
	}
	picture, err := drawn.JPEG(drawn.Cast()[0], 0, 640, 90)
	if err != nil {
		return err
	}
	if s.image, err = store.Put(ctx, schema.ObjectRef{Bucket: cfg.S3.Bucket, Key: "scale/a.jpg"}, picture, "image/jpeg", nil); err != nil {
		return err
	}
	if s.results, err = client.OpenCaller(ctx, events.PublisherConfig{}); err != nil {
		return err
	}
	defer s.awaiting.Wait()
	defer s.results.Close()
	return f(ctx, s)
}

// serve starts the embedded servers as a process of their own.
func (s *stand) serve() error {
	for listen, connect := range map[string]string{
		"FACESTREAM_EMBEDDED_KAFKA_ADDR": "FACESTREAM_KAFKA", "FACESTREAM_EMBEDDED_S3_ADDR": "FACESTREAM_S3_ENDPOINT",
	} {
		addr, err := sandbox.FreeAddr()
		if err != nil {
			return err
		}
		s.env = append(s.env, listen+"="+addr, connect+"="+addr)
	}
	servers, err := benchmark.Start(filepath.Join(s.dir, "servers.log"), s.env, filepath.Join(s.bin, "facestream"), "servers")
	if err != nil {
		return err
	}
	s.all = append(s.all, servers)
	return servers.Says("Kafka ", 30*time.Second)
}

// send writes n jobs.
func (s *stand) send(ctx context.Context, n int) error {
	batch := make([]events.Event, n)
	for i := range batch {
		job := schema.Job{Request: schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: schema.OpValidate, Images: []schema.ObjectRef{s.image}}, AcceptedAt: time.Now()}
		if problems := job.Resolve(); len(problems) > 0 {
			return problems
		}
		data, err := json.Marshal(&job)
		if err != nil {
			return err
		}
		batch[i] = events.Event{ID: schema.EventID(events.TypeJob, job.ID), Type: events.TypeJob, Key: string(job.ID), Data: data}
		s.await(job.ID)
	}
	return s.publisher.Publish(ctx, events.Jobs, batch...)
}

// await notes when the first result of a job arrives, which may be after the end of whoever sent it.
func (s *stand) await(id schema.RequestID) {
	j := &job{sent: time.Now()}
	s.mu.Lock()
	s.jobs = append(s.jobs, j)
	s.mu.Unlock()
	s.awaiting.Go(func() {
		if _, err := s.results.Await(context.Background(), id); err != nil {
			return // settle reports jobs without a result
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		j.answered = time.Now()
		s.arrivals = append(s.arrivals, j.answered)
	})
}

func (s *stand) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs) - len(s.arrivals)
}

// settle waits until every job is answered, for as long as results arrive.
func (s *stand) settle(ctx context.Context) error {
	last, had := time.Now(), s.waiting()
	for had > 0 {
		time.Sleep(50 * time.Millisecond)
		if n := s.waiting(); n < had {
			last, had = time.Now(), n
		}
		if time.Since(last) > time.Minute || ctx.Err() != nil {
			return fmt.Errorf("%d of %d jobs have no result", had, len(s.jobs))
		}
	}
	return nil
}

// join waits until the workers share all partitions out among themselves.
func (s *stand) join(ctx context.Context) error {
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		total, generations := 0, map[int]bool{}
		for _, w := range s.workers {
			generation, partitions := membership(w)
			total += partitions
			generations[generation] = true
		}
		if total == s.partitions && len(generations) == 1 {
			return nil
		}
		if time.Since(begin) > 3*time.Minute || ctx.Err() != nil {
			return fmt.Errorf("the workers have %d of %d partitions; their logs are in %s", total, s.partitions, s.dir)
		}
	}
}

// rate keeps ahead jobs waiting and returns the images a second of the window, and what each cost the workers in
// milliseconds of the processors. In the end every job has its result.
func (s *stand) rate(ctx context.Context, window time.Duration, ahead int) (perSecond, cpu float64, err error) {
	feeding, stop := context.WithCancel(ctx)
	fed := make(chan error, 1)
	go func() {
		for feeding.Err() == nil {
			if missing := ahead - s.waiting(); missing > 0 {
				if err := s.send(feeding, missing); err != nil && feeding.Err() == nil {
					fed <- err
					return
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		fed <- nil
	}()
	defer func() {
		stop()
		if f := <-fed; err == nil {
			err = f
		}
		if err == nil {
			err = s.settle(ctx)
		}
	}()
	retry.Sleep(ctx, 3*time.Second) // warms up
	count := func() (n int, used time.Duration) {
		for _, w := range s.workers {
			used += w.Used()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.arrivals), used
	}
	before, usedBefore := count()
	began := time.Now()
	retry.Sleep(ctx, window)
	after, usedAfter := count()
	took := time.Since(began)
	if after == before {
		return 0, 0, fmt.Errorf("no result within %v", window)
	}
	n := float64(after - before)
	return n / took.Seconds(), float64((usedAfter - usedBefore).Milliseconds()) / n, ctx.Err()
}

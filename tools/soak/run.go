package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/drawn"
	"facestream/internal/host"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

type options struct {
	duration  time.Duration // of the load; 0: until the requests are sent and the kills made
	requests  int
	actors    int
	flows     int
	calm      int
	think     time.Duration
	simulated bool
	power     bool
	bin       string
	check     string
	history   string
	seed      uint64
	deadline  time.Duration
	patience  time.Duration
	still     time.Duration
	memory    int64 // MiB
}

func run(ctx context.Context, o options) (err error) {
	if o.actors < 1 || o.actors > maxActors {
		return fmt.Errorf("-actors is %d; 1 to %d are allowed", o.actors, maxActors)
	}
	dir, err := os.MkdirTemp("", "facestream-soak-")
	if err != nil {
		return err
	}
	o.history = cmp.Or(o.history, filepath.Join(dir, "history.jsonl"))
	fmt.Printf("seed %d, logs and data in %s, history %s\n", o.seed, dir, o.history)
	system, err := startSystem(dir, o)
	if err != nil {
		return err
	}
	defer func() {
		system.stop()
		if err == nil {
			err = os.RemoveAll(dir)
		}
	}()
	h, err := newHistory(o.history)
	if err != nil {
		return err
	}
	h.note("run", noteRun{h.began, o.deadline, reconcileAge})
	failed := errors.Join(suffer(ctx, o, system, h), h.close())
	if ctx.Err() != nil {
		return failed
	}
	return errors.Join(failed, judge(ctx, o))
}

// tolerated is how many requests may be late before the soak ends early: each of them holds up a flow for the whole deadline.
const tolerated = 5

// suffer puts the system under load and faults, and notes what comes of it.
func suffer(ctx context.Context, o options, system *system, h *history) error {
	client, store, err := host.Clients(system.cfg)
	if err != nil {
		return err
	}
	defer client.Close()

	watching, stopWatching := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer stopWatching()
	results := newResults(client, h)
	publisher := client.NewPublisher(events.PublisherConfig{Source: "soak"})
	defer publisher.Close()
	recent := &recent{client: client, publisher: publisher, latest: map[events.Topic][]events.Event{}}
	watchers.Go(func() { results.follow(watching, events.Results, results.keepResult) })
	watchers.Go(func() { results.follow(watching, events.DeadLetters, results.keepDeadLetter) })
	watchers.Go(func() { results.follow(watching, events.Analyses, results.keepAnalysis) })
	for _, topic := range []events.Topic{events.Objects, events.Requests, events.Jobs, events.Analyses} {
		watchers.Go(func() { results.follow(watching, topic, recent.keep) })
	}
	looked := 0
	watchers.Go(func() { looked = watchCommits(watching, client, h) })

	reach, err := host.StoreConfig(system.cfg.S3)
	if err != nil {
		return err
	}
	l := &load{
		publisher: publisher, objects: store, store: reach, bucket: system.cfg.S3.Bucket, run: fmt.Sprintf("soak%x", o.seed),
		results: results, history: h, album: simulatedAlbum{}, pause: o.think, deadline: o.deadline, objectOf: map[schema.RequestID]schema.ObjectRef{},
	}
	if !o.simulated {
		l.album = &drawnAlbum{people: drawn.Cast(), made: map[[2]int]picture{}}
	}
	begin := time.Now()
	actors, err := l.settle(ctx, o)
	if err != nil {
		return err
	}
	var flows []flow
	for _, a := range actors {
		flows = append(flows, a.flows(o.flows, o.seed)...)
	}
	fmt.Printf("%d people are in, everything runs: %d flows about %d people begin\n", residents, len(flows), len(actors))
	acting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchers.Go(func() {
		for retry.Sleep(watching, time.Second) {
			if late := l.late.Load(); late > tolerated {
				cancel(fmt.Errorf("%d requests had no outcome in time", late))
			}
			if results.silence() > o.patience {
				cancel(fmt.Errorf("nothing was answered for %v", o.patience))
			}
		}
	})
	failed := rounds(acting, flows, o.calm)

	chaos := &chaos{system: system, results: results, recent: recent, history: h}
	storm, calm := context.WithCancel(ctx)
	defer calm()
	alive, end := context.WithCancel(ctx)
	defer end()
	var storming sync.WaitGroup
	var blown atomic.Bool // every fault has had its number
	stormed := time.Now()
	storming.Go(func() { chaos.run(storm, alive, o.seed, chaos.faults(o)); blown.Store(true) })
	over := func() bool {
		if o.duration > 0 {
			return time.Since(stormed) > o.duration
		}
		return int(l.sent.Load()) >= o.requests && blown.Load()
	}
	g, living := errgroup.WithContext(acting)
	for _, f := range flows {
		g.Go(func() error { return f.live(living, over) })
	}
	watchers.Go(func() {
		for retry.Sleep(watching, time.Second) {
			if o.duration > 0 && over() {
				calm()
			}
		}
	})
	watchers.Go(func() {
		for retry.Sleep(watching, time.Minute) {
			fmt.Printf("%4.0f s: %d requests sent, faults %v\n", time.Since(begin).Seconds(), l.sent.Load(), chaos.counts())
		}
	})
	failed = errors.Join(failed, g.Wait())
	if cause := context.Cause(acting); cause != nil && ctx.Err() == nil {
		failed = cause
	}
	calm()
	storming.Wait()
	failed = errors.Join(failed, results.quiet(ctx, o.still))
	if failed == nil {
		failed = rounds(acting, flows, o.calm)
	}
	end()
	failed = errors.Join(failed, results.quiet(ctx, o.still))
	took := time.Since(begin)
	stopWatching()
	watchers.Wait()
	h.note("counts", noteCounts{chaos.survived, looked})
	failed = errors.Join(failed, l.dumpObjects(ctx))
	system.stopServices() // so that the gallery can be opened here
	failed = errors.Join(failed, l.dumpGallery(ctx, system.cfg.Indexer.Gallery), system.measured(h, o.memory<<20))

	fmt.Printf("%.0f s, %d requests, %d of them without an outcome in time; %d uploads without a notification, %d requests with a clock that was up to two days off\n",
		took.Seconds(), l.sent.Load(), l.late.Load(), l.silent.Load(), l.skewed.Load())
	for _, name := range slices.Sorted(maps.Keys(chaos.injected)) {
		fmt.Printf("  %-40s %5d injected %5d survived\n", name, chaos.injected[name], chaos.survived[name])
	}
	return failed
}

// judge has command check look at the history.
func judge(ctx context.Context, o options) error {
	command := []string{o.check, o.history}
	if o.check == "" {
		command = []string{"go", "run", "./tools/soak/check", o.history}
	}
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("the history: %w", err)
	}
	return nil
}

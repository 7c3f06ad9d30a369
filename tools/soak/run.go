package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
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
	duration time.Duration // of the load; 0: until the requests are sent and the kills made
	requests int
	actors   int
	think    time.Duration
	bin      string
	seed     uint64
	patience time.Duration // for an outcome
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "facestream-soak-")
	if err != nil {
		return err
	}
	fmt.Printf("seed %d, logs and data in %s\n", o.seed, dir)
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
	client, store, err := host.Clients(system.cfg)
	if err != nil {
		return err
	}
	defer client.Close()

	watching, stopWatching := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer stopWatching()
	results, fence := newResults(client), &fence{client: client}
	publisher := client.NewPublisher(events.PublisherConfig{Source: "soak"})
	defer publisher.Close()
	recent := &recent{client: client, publisher: publisher, latest: map[events.Topic][]events.Event{}}
	watchers.Go(func() { results.follow(watching, events.Results, results.keepResult) })
	watchers.Go(func() { results.follow(watching, events.DeadLetters, results.keepDeadLetter) })
	for _, topic := range []events.Topic{events.Objects, events.Requests, events.Jobs, events.Analyses} {
		watchers.Go(func() { results.follow(watching, topic, recent.keep) })
	}
	watchers.Go(func() { fence.watch(watching) })

	reach, err := host.StoreConfig(system.cfg.S3)
	if err != nil {
		return err
	}
	l := &load{
		publisher: publisher, objects: store, bucket: system.cfg.S3.Bucket, run: fmt.Sprintf("soak%x", o.seed), results: results, people: drawn.Cast(), pause: o.think,
		store:  reach,
		ledger: map[schema.RequestID]expected{}, rows: map[schema.Collection]map[string]bool{}, dead: map[string]bool{}, pictures: map[[2]int][]byte{},
	}
	begin := time.Now()
	actors, err := l.settle(ctx, o)
	if err != nil {
		return err
	}
	fmt.Printf("%d people are in, everything runs: %d actors begin\n", int(l.sent.Load()), len(actors))

	chaos := &chaos{system: system, results: results, recent: recent}
	storm, calm := context.WithCancel(ctx)
	defer calm()
	alive, end := context.WithCancel(ctx)
	defer end()
	var storming sync.WaitGroup
	var blown atomic.Bool // every fault has had its number
	storming.Go(func() { chaos.run(storm, alive, o.seed, chaos.faults(o)); blown.Store(true) })
	over := func() bool {
		if o.duration > 0 {
			return time.Since(begin) > o.duration
		}
		return int(l.sent.Load()) >= o.requests && blown.Load()
	}
	acting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g, acting := errgroup.WithContext(acting)
	for _, a := range actors {
		g.Go(func() error { return a.live(acting, over) })
	}
	watchers.Go(func() {
		for retry.Sleep(watching, time.Second) {
			if o.duration > 0 && over() {
				calm()
			}
			if results.silence() > o.patience {
				cancel(fmt.Errorf("nothing was answered for %v", o.patience))
			}
		}
	})
	watchers.Go(func() {
		for retry.Sleep(watching, time.Minute) {
			fmt.Printf("%4.0f s: %d requests sent, faults %v\n", time.Since(begin).Seconds(), l.sent.Load(), chaos.counts())
		}
	})
	failed := g.Wait()
	calm()
	end()
	storming.Wait()
	failed = errors.Join(failed, results.quiet(ctx))
	took := time.Since(begin)
	stopWatching()
	watchers.Wait()
	var v verdict
	failed = errors.Join(failed, errors.Join(fence.back...), l.checkOutcomes(&v), l.checkObjects(ctx, &v))
	system.stopServices() // so that the gallery can be opened here
	failed = errors.Join(failed, l.checkGallery(ctx, system.cfg.Indexer.Gallery, &v))

	fmt.Printf("%.0f s, %d requests; %d uploads without a notification, %d requests with a clock that was up to two days off\n", took.Seconds(), l.sent.Load(), l.silent.Load(), l.skewed.Load())
	for _, name := range slices.Sorted(maps.Keys(chaos.injected)) {
		fmt.Printf("  %-40s %5d injected %5d survived\n", name, chaos.injected[name], chaos.survived[name])
	}
	fmt.Printf("looked at: %d results and %d copies of them (%d of searches, from a later gallery); %d dead letters; %d result objects; %d gallery rows; committed offsets, %d times\n",
		len(results.byID), v.repeats, v.later, v.buried, v.objects, v.rows, fence.looked)
	if failed != nil {
		return failed
	}
	fmt.Println("PASSED: each request has one outcome, none lost, none doubled, none wrong; the gallery and the objects are as the results say; no offset went back")
	return nil
}

// settle enrols those that stay throughout and prepares the actors, before anything goes wrong.
func (l *load) settle(ctx context.Context, o options) ([]*actor, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	var actors []*actor
	for person := range maxActors + collections {
		a := l.actor(person, o.seed)
		stays := person >= maxActors
		if !stays && person >= o.actors {
			continue
		}
		if !stays {
			actors = append(actors, a)
		}
		g.Go(func() error {
			if err := a.prepare(ctx); err != nil || !stays {
				return err
			}
			return a.enroll(ctx, a.shots[0])
		})
	}
	return actors, g.Wait()
}

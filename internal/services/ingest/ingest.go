// Package ingest wires the ingest service: requests and notifications become jobs.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/dirlock"
	"facestream/internal/host"
	"facestream/internal/ingest"
	"facestream/internal/ledger"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Run is the service. It first reads which requests were accepted before, then handles requests and notifications, and
// reconciles.
func Run(ctx context.Context, a *host.App) error {
	dir := filepath.Join(a.Config.DataDir, "ingest")
	lock, err := dirlock.Acquire(dir, "folder of ingest")
	if errors.Is(err, dirlock.ErrInUse) {
		return schema.Fatal("ingest.open", fmt.Errorf("%w; each ingest needs a data_dir of its own", err))
	} else if err != nil {
		return schema.Fatal("ingest.open", err)
	}
	defer lock.Close()
	var book *ledger.Ledger
	err = a.Eventually(ctx, "the ledger", func(ctx context.Context) (err error) {
		book, err = ledger.Open(ctx, filepath.Join(dir, "ledger.db"))
		return err
	})
	if err != nil {
		return err
	}
	defer book.Close()
	if book.SetAside != "" {
		a.Log.Error().Str("file", book.SetAside).Msg("the ledger was damaged and is set aside; it is rebuilt from the topics")
	}
	service, err := New(a.Config)
	if err != nil {
		return err
	}
	publisher := a.Publisher("ingest")
	defer publisher.Close()
	peers := &peers{client: a.Client, publisher: publisher}
	service.Publisher, service.Objects, service.Ledger, service.Peers, service.Results = publisher, a.Objects, book, peers, a.Sink("ingest", publisher)
	service.Broker, service.Ignored, service.Log = a.Client, a.Metrics.Ignored, a.Log

	g, ctx := errgroup.WithContext(ctx)
	caughtUp := make(chan struct{}, 2)
	for _, topic := range []events.Topic{events.Jobs, events.Results} {
		f := ingest.NewFollower(a.Client, book, topic)
		peers.followers = append(peers.followers, f)
		g.Go(func() error { return f.Run(ctx, func() { caughtUp <- struct{}{} }) })
	}
	g.Go(func() error {
		for range cap(caughtUp) {
			select {
			case <-caughtUp:
			case <-ctx.Done():
				return nil
			}
		}
		a.Log.Info().Msg("ingest is ready")
		g.Go(func() error { return prune(ctx, a, book) })
		reconciler := &ingest.Reconciler{
			Service: service, Interval: a.Config.Ingest.ReconcileInterval, Grace: a.Config.Ingest.ReconcileAge,
			Window: reconcileWindow(a.Config),
			OnPass: func(c ingest.Counts, took time.Duration) { a.Metrics.Reconciled(c.Listed, c.Fed, c.Skipped, took) },
		}
		g.Go(func() error { return reconciler.Run(ctx) })
		return a.Consume(ctx, host.Work{
			Service: "ingest", Reads: []events.Topic{events.Requests, events.Objects}, Writes: []events.Topic{events.Jobs, events.Results},
			Concurrency: a.Config.Ingest.Concurrency, Handle: service.Handle, Prepare: peers.CatchUp,
		})
	})
	return g.Wait()
}

// New returns the service with what the settings say about requests, and without its connections. It does no I/O.
func New(cfg config.Config) (*ingest.Service, error) {
	table, err := cfg.Ingest.Table()
	if err != nil {
		return nil, err
	}
	var defaults ingest.Defaults
	for _, d := range cfg.Ingest.Defaults {
		config, err := d.JSON()
		if err != nil {
			return nil, err
		}
		entry := ingest.Default{Config: config}
		for _, c := range d.Collections {
			entry.Collections = append(entry.Collections, schema.Collection(c))
		}
		defaults = append(defaults, entry)
	}
	var floors ingest.Floors
	for _, f := range cfg.Ingest.Floors {
		limits, err := f.Floors()
		if err != nil {
			return nil, err
		}
		floor := ingest.Floor{Config: limits}
		for _, c := range f.Collections {
			floor.Collections = append(floor.Collections, schema.Collection(c))
		}
		floors = append(floors, floor)
	}
	return &ingest.Service{Routes: table, Buckets: cfg.S3.Buckets, ConsentRequired: cfg.Ingest.Consent.Requires, Defaults: defaults, Floors: floors}, nil
}

// peers is what this process does so that it and others do not decide about one id at the same time.
type peers struct {
	client    *events.Client
	publisher *events.Publisher
	followers []*ingest.Follower
}

// Home implements [ingest.Peers].
func (p *peers) Home(ctx context.Context, id schema.RequestID) (int, error) {
	return p.client.PartitionOf(ctx, events.Requests, string(id))
}

// Forward implements [ingest.Peers].
func (p *peers) Forward(ctx context.Context, r events.Record, id schema.RequestID) error {
	return p.publisher.Forward(ctx, r, string(id))
}

// CatchUp implements [ingest.Peers].
func (p *peers) CatchUp(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range p.followers {
		g.Go(func() error { return f.CatchUp(ctx) })
	}
	return g.Wait()
}

// prune forgets requests whose repeats can no longer arrive.
func prune(ctx context.Context, a *host.App, book *ledger.Ledger) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if _, err := book.Prune(ctx, time.Now().Add(-a.Config.Ingest.LedgerRetention)); err != nil && ctx.Err() == nil {
			a.Log.Warn().Err(err).Msg("the ledger was not pruned; tried again in an hour")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// reconcileWindow is the age up to which an upload without a known outcome is taken up again. Beyond it, ingest may have
// forgotten the outcome, and so may the topic that the ledger is rebuilt from.
func reconcileWindow(cfg config.Config) time.Duration {
	return min(cfg.Ingest.LedgerRetention, cfg.Kafka.Retention.Results) * 9 / 10
}

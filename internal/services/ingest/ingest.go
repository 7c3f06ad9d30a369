// Package ingest wires the ingest service: requests and notifications become jobs.
package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/ingest"
	"facestream/internal/ledger"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Run is the service. It first reads which requests were accepted before, then handles requests and notifications, and
// reconciles.
func Run(ctx context.Context, a *host.App) error {
	book, err := ledger.Open(ctx, filepath.Join(a.Config.DataDir, "ingest", "ledger.db"))
	if err != nil {
		return err
	}
	defer book.Close()
	table, err := routes(a.Config.Ingest)
	if err != nil {
		return err
	}
	publisher := a.Publisher("ingest")
	defer publisher.Close()
	service := &ingest.Service{
		Publisher: publisher, Objects: a.Objects, Ledger: book, Results: a.Sink("ingest", publisher), Routes: table,
		Buckets: a.Config.S3.Buckets, Ignored: a.Metrics.Ignored, Log: a.Log,
	}

	g, ctx := errgroup.WithContext(ctx)
	caughtUp := make(chan struct{}, 2)
	for _, topic := range []events.Topic{events.Jobs, events.Results} {
		f := &ingest.Follower{Client: a.Client, Ledger: book, Topic: topic}
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
			Window: reconcileWindow(a.Config), OnPass: a.Metrics.Reconciled,
		}
		g.Go(func() error { return reconciler.Run(ctx) })
		return a.Consume(ctx, host.Work{
			Service: "ingest", Reads: []events.Topic{events.Requests, events.Objects}, Writes: []events.Topic{events.Jobs, events.Results},
			Concurrency: a.Config.Ingest.Concurrency, Handle: service.Handle,
		})
	})
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

// routes builds the routing table of unattended uploads.
func routes(in config.Ingest) (ingest.Routes, error) {
	var out ingest.Routes
	var problems []error
	for _, r := range in.Routes {
		route := ingest.Route{
			Bucket: r.Bucket, Pattern: r.Prefix + cmp.Or(r.Pattern, config.DefaultPattern),
			Fixed: schema.Request{Operation: r.Operation, Collection: r.Collection, ResultObject: r.ResultObject},
		}
		if len(r.Config) > 0 {
			var err error
			if route.Fixed.Config, err = json.Marshal(r.Config); err != nil {
				problems = append(problems, fmt.Errorf("route %q: config: %w", route.Pattern, err))
			}
		}
		if err := route.Validate(); err != nil {
			problems = append(problems, err)
		}
		if route.Fixed.Operation == "" && !strings.Contains(route.Pattern, "<operation>") {
			problems = append(problems, fmt.Errorf("route %q: neither the pattern nor the route names an operation", route.Pattern))
		}
		out = append(out, route)
	}
	return out, errors.Join(problems...)
}

// reconcileWindow is the age up to which an upload without a known outcome is taken up again. Beyond it, ingest may have
// forgotten the outcome, and so may the topic that the ledger is rebuilt from.
func reconcileWindow(cfg config.Config) time.Duration {
	return min(cfg.Ingest.LedgerRetention, cfg.Kafka.Retention.Results) * 9 / 10
}

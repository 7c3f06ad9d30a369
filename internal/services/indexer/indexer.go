// Package indexer wires the indexer service: it opens the gallery and the directory, and analyses become results.
package indexer

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/directory"
	directories "facestream/internal/directory/drivers"
	"facestream/internal/gallery"
	"facestream/internal/gallery/drivers"
	"facestream/internal/host"
	"facestream/internal/indexer"
	"facestream/internal/memory"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// Run is the service on the gallery that the settings name.
func Run(ctx context.Context, a *host.App) error {
	var g drivers.Gallery
	err := a.Eventually(ctx, "the gallery", func(ctx context.Context) error {
		var err error
		g, err = drivers.Open(ctx, a.Config.Indexer.Gallery)
		return err
	})
	if err != nil {
		return err
	}
	defer g.Close()
	memory.KeepBeside() // the rows of the local gallery, which the collector does not see
	return serve(ctx, a, g, g.Ping, func(ctx context.Context, d directory.Directory) error { return backfill(ctx, a, d) })
}

// With is the service on a gallery that is open; ping tells whether the gallery answers. Whoever the gallery already holds is
// not taken over into the directory.
func With(g gallery.Gallery, ping func(context.Context) error) host.Service {
	return func(ctx context.Context, a *host.App) error { return serve(ctx, a, g, ping, nil) }
}

// serve answers analyses until ctx ends, and runs fill beside that.
func serve(ctx context.Context, a *host.App, g gallery.Gallery, ping func(context.Context) error, fill func(context.Context, directory.Directory) error) error {
	var d directories.Directory
	err := a.Eventually(ctx, "the directory", func(ctx context.Context) error {
		var err error
		d, err = directories.Open(ctx, a.Config.Indexer)
		return err
	})
	if err != nil {
		return err
	}
	a.Health.AddCheck("gallery", ping)
	publisher := a.Publisher("indexer")
	defer publisher.Close()
	service := &indexer.Service{Gallery: g, Objects: a.Objects, Results: a.Sink("indexer", publisher), Stage: a.Metrics.Stage("indexer"), Log: a.Log}
	beside, ctx := errgroup.WithContext(ctx)
	if d != nil {
		defer d.Close()
		a.Health.AddCheck("directory", d.Ping)
		service.Directory = d
		if fill != nil {
			beside.Go(func() error { return fill(ctx, d) })
		}
		beside.Go(func() error { return sweep(ctx, a, d, publisher) })
	}
	writes := []events.Topic{events.Results}
	if d != nil {
		writes = append(writes, events.Requests)
	}
	a.Log.Info().Msg("indexer is ready")
	beside.Go(func() error {
		return a.Consume(ctx, host.Work{
			Service: "indexer", Reads: []events.Topic{events.Analyses}, Writes: writes,
			Concurrency: a.Config.Indexer.Concurrency, Handle: service.Handle,
		})
	})
	return beside.Wait()
}

// sweep asks for the deletion of everybody whose time has ended, again and again until ctx ends.
func sweep(ctx context.Context, a *host.App, d directory.Keeper, p *events.Publisher) error {
	for retry.Sleep(ctx, a.Config.Indexer.Directory.Sweep) {
		n, err := indexer.Sweep(ctx, d, time.Now(), func(ctx context.Context, r schema.Request) error { return a.Client.Submit(ctx, p, r) })
		if err != nil && ctx.Err() == nil {
			a.Log.Warn().Err(err).Msg("people whose time has ended are not deleted yet")
		}
		if n > 0 {
			a.Log.Info().Int("people", n).Msg("asked for the deletion of people whose time has ended")
		}
	}
	return ctx.Err()
}

// backfill takes over whoever was enrolled before there was a directory.
func backfill(ctx context.Context, a *host.App, d directory.Directory) error {
	policy := retry.Policy{Least: time.Second, Most: time.Minute, Failed: func(_ int, err error) {
		a.Log.Warn().Err(err).Msg("people enrolled earlier are not in the directory yet")
	}}
	return policy.Do(ctx, func() error {
		g, err := drivers.OpenReader(ctx, a.Config.Indexer.Gallery)
		if err != nil {
			return err
		}
		defer g.Close()
		images, err := directory.Backfill(ctx, d, g)
		if images > 0 && err == nil {
			a.Log.Info().Int("images", images).Msg("took people enrolled earlier into the directory")
		}
		return err
	})
}

// Package indexer wires the indexer service: it opens the gallery, and analyses become results.
package indexer

import (
	"context"

	"facestream/internal/gallery"
	"facestream/internal/gallery/drivers"
	"facestream/internal/host"
	"facestream/internal/indexer"
	"facestream/internal/memory"
	"facestream/pkg/events"
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
	return With(g, g.Ping)(ctx, a)
}

// With is the service on a gallery that is open; ping tells whether the gallery answers.
func With(g gallery.Gallery, ping func(context.Context) error) host.Service {
	return func(ctx context.Context, a *host.App) error {
		a.Health.AddCheck("gallery", ping)
		publisher := a.Publisher("indexer")
		defer publisher.Close()
		service := &indexer.Service{Gallery: g, Results: a.Sink("indexer", publisher), Stage: a.Metrics.Stage("indexer"), Log: a.Log}
		a.Log.Info().Msg("indexer is ready")
		return a.Consume(ctx, host.Work{
			Service: "indexer", Reads: []events.Topic{events.Analyses}, Writes: []events.Topic{events.Results},
			Concurrency: a.Config.Indexer.Concurrency, Handle: service.Handle,
		})
	}
}

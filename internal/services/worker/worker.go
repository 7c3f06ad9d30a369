// Package worker wires the worker service: it loads a model pack, and jobs become analyses and results.
package worker

import (
	"context"
	"fmt"

	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/verdict"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
)

// jobsPerSlot jobs are open for each image that the engine works on, so that no processor waits while images are fetched
// and analyses are published.
const jobsPerSlot = 3

// Run is the service on the model pack that the settings name.
func Run(ctx context.Context, a *host.App) error {
	pack, err := models.Locate(a.Config.Worker.Models)
	if err != nil {
		return err
	}
	e, err := OpenEngine(ctx, a.Config.Worker, pack)
	if err != nil {
		return err
	}
	defer e.Close()
	a.Log.Info().Interface("models", e.Models()).Msg("the models are loaded")
	judged, err := verdict.Of(pack, e.Models())
	if err != nil {
		return err
	}
	return With(e, judged)(ctx, a)
}

// OpenEngine loads the networks of pack under the worker's limits.
func OpenEngine(ctx context.Context, cfg config.Worker, pack *models.Pack) (*engine.Engine, error) {
	limits := imaging.Limits{Bytes: int(cfg.MaxBytes), Pixels: cfg.MaxPixels, Side: cfg.MaxSide}
	e, err := engine.Open(ctx, engine.Options{Pack: pack, Library: cfg.ORTLib, Limits: limits, LongSide: cfg.LongSide, Concurrency: cfg.Concurrency, Calls: cfg.Calls})
	if err != nil {
		return nil, fmt.Errorf("loading model pack %q: %w", pack.Name, err)
	}
	return e, nil
}

// With is the service on an engine that is open, with what is known of its model pack.
func With(e worker.Engine, pack verdict.Pack) host.Service {
	return func(ctx context.Context, a *host.App) error {
		publisher := a.Publisher("worker")
		defer publisher.Close()
		service := &worker.Service{
			Objects: a.Objects, Engine: e, Publisher: publisher, Results: a.Sink("worker", publisher),
			MaxBytes: int64(a.Config.Worker.MaxBytes), Pack: pack,
			Stage: a.Metrics.Stage("worker"), Log: a.Log,
		}
		a.Log.Info().Msg("worker is ready")
		return a.Consume(ctx, host.Work{
			Service: "worker", Reads: []events.Topic{events.Jobs}, Writes: []events.Topic{events.Analyses, events.Results},
			Concurrency: jobsPerSlot * a.Config.Worker.Concurrency, Handle: service.Handle,
		})
	}
}

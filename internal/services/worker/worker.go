// Package worker wires the worker service: it loads model packs, and jobs become analyses and results.
package worker

import (
	"cmp"
	"context"
	"fmt"

	"facestream/internal/challenge"
	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/memory"
	"facestream/internal/verdict"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// jobsPerSlot jobs are open for each image that the engine works on, so that no processor waits while images are fetched
// and analyses are published.
const jobsPerSlot = 3

// Run is the service on the model packs that the settings name.
func Run(ctx context.Context, a *host.App) error {
	cfg := a.Config.Worker
	loaded := map[string]worker.Pack{}
	var first *engine.Engine
	for _, name := range cfg.Models {
		pack, err := models.Locate(name)
		if err != nil {
			return err
		}
		e, err := OpenEngine(ctx, cfg, pack, first)
		if err != nil {
			return err
		}
		defer e.Close()
		first = cmp.Or(first, e)
		a.Log.Info().Str("pack", pack.Name).Interface("models", e.Models()).Msg("the models are loaded")
		judged, err := verdict.Of(pack, e.Models())
		if err != nil {
			return err
		}
		loaded[name] = worker.Pack{Engine: e, Verdict: judged}
	}
	if native, err := memory.Native(); err == nil { // the networks, which the collector does not see
		memory.Keep(native)
	}
	all, _, source := Budget(cfg)
	a.Log.Info().Int64("bytes", all).Str("source", source).Msg("images in work share this memory")
	return With(func(c schema.Collection) (packs []worker.Pack) {
		for _, name := range cfg.ModelsOf(c) {
			packs = append(packs, loaded[name])
		}
		return packs
	})(ctx, a)
}

// Budget returns the memory that images in work may take: together, and their files alone, of which it is an eighth. It is 0 where
// nothing says how much memory the process may use. source says where it comes from.
func Budget(cfg config.Worker) (all, files int64, source string) {
	if all, source = int64(cfg.Memory), "worker.memory_budget"; all == 0 {
		if all, source = memory.Limit(); source != "" {
			all, source = all/2, "half of "+source
		}
	}
	return all, all / 8, source
}

// OpenEngine loads the networks of pack under the worker's limits, which hold for it together with beside, an engine that
// is open, or nil.
func OpenEngine(ctx context.Context, cfg config.Worker, pack *models.Pack, beside *engine.Engine) (*engine.Engine, error) {
	limits := imaging.Limits{Bytes: int(cfg.MaxBytes), Pixels: cfg.MaxPixels, Side: cfg.MaxSide, Time: cfg.DecodeTime}
	all, files, _ := Budget(cfg)
	e, err := engine.Open(ctx, engine.Options{Pack: pack, Library: cfg.ORTLib, Limits: limits, LongSide: cfg.LongSide,
		Memory: all - files, Time: cfg.WorkTime, Concurrency: cfg.Concurrency, Calls: cfg.Calls, Beside: beside})
	if err != nil {
		return nil, fmt.Errorf("loading model pack %q: %w", pack.Name, err)
	}
	return e, nil
}

// With is the service on model packs that are loaded: packs returns those that serve a collection, "" for none.
func With(packs func(schema.Collection) []worker.Pack) host.Service {
	return func(ctx context.Context, a *host.App) error {
		keys, err := challenge.ParseKeys(a.Config.Worker.Challenge.Keys)
		if err != nil {
			return fmt.Errorf("worker.challenge.keys: %w", err)
		}
		publisher := a.Publisher("worker")
		defer publisher.Close()
		_, files, _ := Budget(a.Config.Worker)
		service := &worker.Service{
			Objects: a.Objects, Packs: packs, Publisher: publisher, Results: a.Sink("worker", publisher),
			MaxBytes:  int64(a.Config.Worker.MaxBytes),
			Files:     worker.NewFiles(files),
			Challenge: challenge.Issuer{Keys: keys, ValidFor: a.Config.Worker.Challenge.ValidFor},
			Stage:     a.Metrics.Stage("worker"), Log: a.Log,
		}
		a.Log.Info().Msg("worker is ready")
		return a.Consume(ctx, host.Work{
			Service: "worker", Reads: []events.Topic{events.Jobs}, Writes: []events.Topic{events.Analyses, events.Results},
			Concurrency: jobsPerSlot * a.Config.Worker.Concurrency, Handle: service.Handle,
		})
	}
}

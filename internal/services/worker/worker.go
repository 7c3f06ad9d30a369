// Package worker wires the worker service: it loads model packs, and jobs become analyses and results.
package worker

import (
	"context"
	"fmt"
	"os/exec"
	"slices"

	"github.com/rs/zerolog"

	"facestream/internal/challenge"
	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/memory"
	"facestream/internal/outcome"
	"facestream/internal/verdict"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// jobsPerSlot jobs are open for each image that the engine works on, so that no processor waits while images are fetched
// and analyses are published.
const jobsPerSlot = 3

// Run is the service on the model packs that the settings name.
func Run(ctx context.Context, a *host.App) error {
	packs, engines, err := open(ctx, a.Config.Worker, a.Log)
	if err != nil {
		return err
	}
	defer engines.close()
	memory.KeepBeside() // the networks, which the collector does not see
	tell(a, engines)
	if most, images := a.Config.Consumer.MaxInFlight, engines[0].Concurrency(); most < images {
		a.Log.Warn().Int("consumer.max_in_flight", most).Int("images", images).Msg("fewer records are read ahead than images could be in work")
	}
	all, _, source := Budget(a.Config.Worker)
	a.Log.Info().Int64("bytes", all).Str("source", source).Msg("images in work share this memory")
	return serve(ctx, a, packs, engines[0].Concurrency(), command())
}

// With is the service on model packs that are loaded: packs returns those that serve a collection, "" for none.
func With(packs func(schema.Collection) []worker.Pack) host.Service {
	return func(ctx context.Context, a *host.App) error {
		return serve(ctx, a, packs, a.Config.Worker.Images(false), nil)
	}
}

// tell shows in /readyz and in the metrics which device runs each network.
func tell(a *host.App, all engines) {
	networks := map[string]string{}
	for i, e := range all {
		pack := a.Config.Worker.Models[i]
		for _, n := range e.Networks() {
			networks[fmt.Sprintf("%s: %s %s", pack, n.Role, n.ID)] = n.String()
			a.Metrics.Network(pack, n.Role, n.ID, n.String())
		}
	}
	a.Health.Say("networks", networks)
}

// engines are those of the packs, in the order of the settings.
type engines []*engine.Engine

func (all engines) close() {
	for _, e := range slices.Backward(all) {
		e.Close()
	}
}

// open loads the model packs that the settings name. It returns those that serve a collection, "" for none, and the engines of
// all.
func open(ctx context.Context, cfg config.Worker, log zerolog.Logger) (packs func(schema.Collection) []worker.Pack, opened engines, err error) {
	var all engines
	loaded := map[string]worker.Pack{}
	defer func() {
		if err != nil {
			all.close()
		}
	}()
	var first *engine.Engine
	for _, name := range cfg.Models {
		pack, err := models.Locate(name)
		if err != nil {
			return nil, nil, err
		}
		e, err := OpenEngine(ctx, cfg, pack, first)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, e)
		if first == nil {
			first = e
			device, gpu, why := e.Device()
			log.Info().Stringer("device", device).Str("gpu", gpu).Str("why", why).Msg("the device is chosen")
		}
		for _, n := range e.Networks() {
			if n.Shared {
				log.Warn().Str("network", string(n.ID)).Stringer("device", n.Device).
					Msg("the device leaves operators of a network to the processor, which copies values between them; `device: cpu` in the pack keeps all of it there")
			}
		}
		log.Info().Str("pack", pack.Name).Interface("models", e.Models()).Msg("the models are loaded")
		judged, err := verdict.Of(pack, e.Models())
		if err != nil {
			return nil, nil, err
		}
		loaded[name] = worker.Pack{Engine: e, Verdict: judged}
	}
	return func(c schema.Collection) (packs []worker.Pack) {
		for _, name := range cfg.ModelsOf(c) {
			packs = append(packs, loaded[name])
		}
		return packs
	}, all, nil
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
	device, err := onnx.ParseDevice(cfg.Device)
	if err != nil {
		return nil, schema.Fatal("worker.device", err)
	}
	e, err := engine.Open(ctx, engine.Options{Pack: pack, Library: cfg.ORTLib, Device: device, Limits: limits, LongSide: cfg.LongSide,
		Memory: all - files, Time: cfg.WorkTime, Concurrency: cfg.Images(false), OnGPU: cfg.Images(true), Calls: cfg.Calls, Beside: beside})
	if err != nil {
		return nil, fmt.Errorf("loading model pack %q: %w", pack.Name, err)
	}
	return e, nil
}

// serve runs the service, whose engines work on so many images at once. program returns the program of a process that works on one record (see apart), or nil where the
// running program cannot be started as one.
func serve(ctx context.Context, a *host.App, packs func(schema.Collection) []worker.Pack, images int, program func() (*exec.Cmd, error)) error {
	keys, err := challenge.ParseKeys(a.Config.Worker.Challenge.Keys)
	if err != nil {
		return fmt.Errorf("worker.challenge.keys: %w", err)
	}
	publisher := a.Publisher("worker")
	defer publisher.Close()
	service := newService(a.Config.Worker, keys, packs)
	service.Objects, service.Publisher, service.Results = a.Objects, publisher, a.Sink("worker", publisher)
	service.Stage, service.Log = a.Metrics.Stage("worker"), a.Log
	isolated := service.Handle
	if program != nil {
		runner, err := newRunner(a.Config.Worker, program, a.Objects, outcome.Counting{Publisher: publisher, Count: a.Metrics.Outcome})
		if err != nil {
			return err
		}
		defer runner.Close()
		isolated = runner.Handle
	}
	a.Log.Info().Msg("worker is ready")
	return a.Consume(ctx, host.Work{
		Service: "worker", Reads: []events.Topic{events.Jobs}, Writes: []events.Topic{events.Analyses, events.Results},
		Concurrency: jobsPerSlot * images, Handle: service.Handle, Isolated: service.Isolated(isolated),
	})
}

func newService(cfg config.Worker, keys [][]byte, packs func(schema.Collection) []worker.Pack) *worker.Service {
	_, files, _ := Budget(cfg)
	return &worker.Service{
		Packs: packs, MaxBytes: int64(cfg.MaxBytes), Files: worker.NewFiles(files),
		Challenge: challenge.Issuer{Keys: keys, ValidFor: cfg.Challenge.ValidFor},
	}
}

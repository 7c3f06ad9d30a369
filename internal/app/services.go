package app

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/gallery"
	"facestream/internal/gallery/local"
	"facestream/internal/gallery/milvus"
	"facestream/internal/indexer"
	"facestream/internal/ingest"
	"facestream/internal/ledger"
	"facestream/internal/traits"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Ingest runs the ingest service until ctx ends: it follows what was accepted before, then handles requests and
// notifications, and reconciles.
func Ingest(ctx context.Context, a *App) error {
	book, err := ledger.Open(ctx, filepath.Join(a.Config.DataDir, "ingest", "ledger.db"))
	if err != nil {
		return err
	}
	defer book.Close()
	table, err := routes(a.Config.Ingest)
	if err != nil {
		return err
	}
	publisher := a.publisher("ingest")
	defer publisher.Close()
	service := &ingest.Service{
		Publisher: publisher, Objects: a.Objects, Ledger: book, Results: a.sink("ingest", publisher), Routes: table,
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
		g.Go(func() error { return a.prune(ctx, book) })
		reconciler := &ingest.Reconciler{
			Service: service, Interval: a.Config.Ingest.ReconcileInterval, Grace: a.Config.Ingest.ReconcileAge,
			Window: reconcileWindow(a.Config), OnPass: a.Metrics.Reconciled,
		}
		g.Go(func() error { return reconciler.Run(ctx) })
		return a.consume(ctx, "ingest", []events.Topic{events.Requests, events.Objects}, a.Config.Ingest.Concurrency, service.Handle)
	})
	return g.Wait()
}

// prune forgets requests whose repeats can no longer arrive.
func (a *App) prune(ctx context.Context, book *ledger.Ledger) error {
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

// jobsPerSlot jobs are open for each image that the engine works on, so that no processor waits while images are fetched
// and analyses are published.
const jobsPerSlot = 3

// Worker runs the worker service until ctx ends.
func Worker(ctx context.Context, a *App) error {
	pack, err := models.Locate(a.Config.Worker.Models)
	if err != nil {
		return err
	}
	e, err := openEngine(ctx, a.Config.Worker, pack)
	if err != nil {
		return err
	}
	defer e.Close()
	a.Log.Info().Interface("models", e.Models()).Msg("the models are loaded")
	return WorkWith(e, about(pack, e.Models()))(ctx, a)
}

// openEngine loads the networks of pack under the worker's limits.
func openEngine(ctx context.Context, cfg config.Worker, pack *models.Pack) (*engine.Engine, error) {
	limits := imaging.Limits{Bytes: int(cfg.MaxBytes), Pixels: cfg.MaxPixels, Side: cfg.MaxSide}
	e, err := engine.Open(ctx, engine.Options{Pack: pack, Library: cfg.ORTLib, Limits: limits, LongSide: cfg.LongSide, Concurrency: cfg.Concurrency, Calls: cfg.Calls})
	if err != nil {
		return nil, fmt.Errorf("loading model pack %q: %w", pack.Name, err)
	}
	return e, nil
}

// WorkWith is the worker service on an engine that is open already, with what is known of its model pack.
func WorkWith(e worker.Engine, pack worker.Pack) func(context.Context, *App) error {
	return func(ctx context.Context, a *App) error {
		publisher := a.publisher("worker")
		defer publisher.Close()
		service := &worker.Service{
			Objects: a.Objects, Engine: e, Publisher: publisher, Results: a.sink("worker", publisher),
			MaxBytes: int64(a.Config.Worker.MaxBytes), Pack: pack,
			Stage: a.Metrics.Stage("worker"), Log: a.Log,
		}
		a.Log.Info().Msg("worker is ready")
		return a.consume(ctx, "worker", []events.Topic{events.Jobs}, jobsPerSlot*a.Config.Worker.Concurrency, service.Handle)
	}
}

// Indexer runs the indexer service until ctx ends.
func Indexer(ctx context.Context, a *App) error {
	var g Gallery
	err := a.eventually(ctx, "the gallery", func(ctx context.Context) error {
		var err error
		g, err = OpenGallery(ctx, a.Config.Indexer.Gallery)
		return err
	})
	if err != nil {
		return err
	}
	defer g.Close()
	return IndexWith(g, g.Ping)(ctx, a)
}

// Gallery is a gallery that is open.
type Gallery interface {
	gallery.Gallery
	Ping(context.Context) error
	Close() error
}

// OpenGallery opens the gallery that the settings name. A transient error is worth another try: its server is away.
func OpenGallery(ctx context.Context, cfg config.Gallery) (Gallery, error) {
	if cfg.Driver == config.DriverMilvus {
		g, err := openMilvus(ctx, cfg.Milvus)
		if err != nil {
			return nil, err
		}
		return batched{gallery.Batch(g), g}, nil
	}
	g, err := local.Open(ctx, cfg.Dir)
	if err != nil {
		return nil, err // not g, whose nil would become a Gallery that is not nil
	}
	return g, nil
}

func openMilvus(ctx context.Context, cfg config.Milvus) (*milvus.Gallery, error) {
	server, err := milvusConfig(cfg)
	if err != nil {
		return nil, schema.Fatal("gallery.open", err)
	}
	return milvus.Open(ctx, server)
}

// GalleryReader reads a gallery beside the indexers that have it.
type GalleryReader interface {
	gallery.Reader
	Close() error
}

// OpenGalleryReader opens the gallery that the settings name for reading, whoever has it.
func OpenGalleryReader(ctx context.Context, cfg config.Gallery) (GalleryReader, error) {
	if cfg.Driver == config.DriverMilvus {
		g, err := openMilvus(ctx, cfg.Milvus)
		if err != nil {
			return nil, err
		}
		return g, nil
	}
	r, err := local.OpenReader(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// batched is a driver whose calls are shared: those of a server. The local gallery shares its transactions by itself.
type batched struct {
	*gallery.Batched
	driver Gallery
}

func (b batched) Ping(ctx context.Context) error { return b.driver.Ping(ctx) }
func (b batched) Close() error                   { return b.driver.Close() }

// IndexWith is the indexer service on a gallery that is open already; ping tells whether it answers.
func IndexWith(g gallery.Gallery, ping func(context.Context) error) func(context.Context, *App) error {
	return func(ctx context.Context, a *App) error {
		a.Health.AddCheck("gallery", ping)
		publisher := a.publisher("indexer")
		defer publisher.Close()
		service := &indexer.Service{Gallery: g, Results: a.sink("indexer", publisher), Stage: a.Metrics.Stage("indexer"), Log: a.Log}
		a.Log.Info().Msg("indexer is ready")
		return a.consume(ctx, "indexer", []events.Topic{events.Analyses}, a.Config.Indexer.Concurrency, service.Handle)
	}
}

// consume runs the consumer group of a service: facestream-<service>.
func (a *App) consume(ctx context.Context, service string, topics []events.Topic, concurrency int, h events.Handler) error {
	if a.starting.Add(-1) == 0 {
		a.Health.AddCheck("services", func(context.Context) error { return nil })
	}
	return a.Client.NewConsumer(events.ConsumerConfig{
		Group: group(service), Service: service, Topics: topics,
		Concurrency: concurrency, MaxInFlight: a.Config.Consumer.MaxInFlight, MaxAttempts: a.Config.Consumer.MaxAttempts,
		DrainTimeout: a.Config.Consumer.DrainTimeout, SessionTimeout: a.Config.Kafka.SessionTimeout,
		Ready: a.Health.Ready, Hooks: a.Metrics.ConsumerHooks(service),
	}, h).Run(ctx)
}

// Groups are the consumer groups of the services.
func Groups() []string { return []string{group("ingest"), group("worker"), group("indexer")} }

// group is the consumer group of a service.
func group(service string) string { return "facestream-" + service }

// publisher writes events in the name of service.
func (a *App) publisher(service string) *events.Publisher {
	stage := a.Metrics.Stage(service)
	return a.Client.NewPublisher(events.PublisherConfig{
		Source:    "facestream/" + service,
		Published: func(_ events.Topic, _ int, took time.Duration) { stage("publish", took) },
	})
}

// about is what the worker needs to know of a pack of which an engine has loaded networks.
func about(pack *models.Pack, loaded []schema.ModelRun) worker.Pack {
	matching, _ := pack.Model(models.RoleEmbedding)
	detection, _ := pack.Model(models.RoleDetector)
	named := face.Thresholds(pack)
	value := func(name string, otherwise float32) float32 {
		if t, ok := named[name]; ok {
			return t.Value
		}
		return otherwise
	}
	points, plain := worker.UnmeasuredPoints, traits.Uncalibrated
	return worker.Pack{
		Name: pack.Name, Models: loaded,
		Thresholds: schema.Thresholds{
			Min: matching.Thresholds["min"].Value,
			Med: matching.Thresholds["med"].Value,
			Max: matching.Thresholds["max"].Value,
		},
		MinConfidence: detection.Thresholds[face.ThresholdConfidence].Value,
		Liveness: worker.OperatingPoints{
			Soft:     value(face.ThresholdLiveSoft, points.Soft),
			Regular:  value(face.ThresholdLive, points.Regular),
			Hardened: value(face.ThresholdLiveHardened, points.Hardened),
		},
		Traits: traits.Calibration{
			Sharpness: value(face.ThresholdSharpness, plain.Sharpness),
			EyeOpen:   value(face.ThresholdEyeOpen, plain.EyeOpen),
			MouthOpen: value(face.ThresholdMouthOpen, plain.MouthOpen),
			Glasses:   value(face.ThresholdGlasses, plain.Glasses),
			Mask:      value(face.ThresholdMask, plain.Mask),
		},
	}
}

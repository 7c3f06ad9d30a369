// Package host runs services: it connects to the broker and the object store, waits until both answer, creates missing
// topics and buckets, serves health and metrics, and stops everything in order. It does not know what a service does.
package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/objects"
	"facestream/internal/outcome"
	"facestream/internal/telemetry"
	"facestream/pkg/events"
	"facestream/pkg/retry"
)

// Service runs one service on what the process shares, until ctx ends.
type Service func(ctx context.Context, a *App) error

// App holds what the services of a process share.
type App struct {
	Config  config.Config
	Log     zerolog.Logger
	Metrics *telemetry.Metrics
	Health  *telemetry.Server
	Client  *events.Client
	Objects *objects.Store

	starting atomic.Int32 // services that do not consume yet
}

// Clients returns clients of the broker and the store that cfg names. It does no I/O.
func Clients(cfg config.Config) (*events.Client, *objects.Store, error) {
	return ClientsLogging(cfg, zerolog.Nop())
}

// ClientsLogging is [Clients] with a log of the causes of retries. Without it, a tool that waits for a right would wait
// silently.
func ClientsLogging(cfg config.Config, log zerolog.Logger) (*events.Client, *objects.Store, error) {
	kafka, err := KafkaConfig(cfg.Kafka)
	if err != nil {
		return nil, nil, err
	}
	kafka.Logger = telemetry.Slog(log)
	reach, err := StoreConfig(cfg.S3)
	if err != nil {
		return nil, nil, err
	}
	store, err := objects.New(reach)
	if err != nil {
		return nil, nil, err
	}
	return events.NewClient(kafka), store, nil
}

func newApp(cfg config.Config, log zerolog.Logger) (*App, error) {
	client, store, err := ClientsLogging(cfg, log)
	if err != nil {
		return nil, err
	}
	metrics := telemetry.NewMetrics()
	return &App{Config: cfg, Log: log, Metrics: metrics, Health: telemetry.NewServer(cfg.Telemetry, metrics, log), Client: client, Objects: store}, nil
}

// Serve runs one service, or several in one process, beside the endpoint for health and metrics, until ctx ends. When one of
// them ends before, with or without an error, the others are stopped and Serve fails.
func Serve(ctx context.Context, cfg config.Config, log zerolog.Logger, services ...Service) error {
	cfg.Resolve()
	a, err := newApp(cfg, log)
	if err != nil {
		return err
	}
	a.starting.Store(int32(len(services)))
	a.Health.Pending("services") // until each has loaded what it needs; see Consume
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.Health.Run(ctx) })
	g.Go(func() error {
		if err := a.prepare(ctx); err != nil {
			return ignoreEnd(ctx, err)
		}
		g, ctx := errgroup.WithContext(ctx)
		for _, run := range services {
			g.Go(func() error {
				err := ignoreEnd(ctx, run(ctx, a))
				if err == nil && ctx.Err() == nil {
					err = errors.New("a service ended by itself")
				}
				return err
			})
		}
		return g.Wait()
	})
	return ignoreEnd(ctx, g.Wait())
}

// ignoreEnd drops an error that only says that ctx ended: being told to stop is not a failure.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// prepare waits until the broker and the store answer, then creates the topics and the bucket that are missing.
func (a *App) prepare(ctx context.Context) error {
	a.Health.AddCheck("broker", a.Client.Ping)
	a.Health.AddCheck("objects", func(ctx context.Context) error { return a.Objects.Ping(ctx, a.Config.S3.Bucket) })
	return errors.Join(
		a.Eventually(ctx, "the Kafka broker at "+fmt.Sprint(a.Config.Kafka.Brokers), func(ctx context.Context) error {
			created, err := a.Client.EnsureTopics(ctx, TopicSpecs(a.Config.Kafka))
			if len(created) > 0 {
				a.Log.Info().Strs("topics", created).Msg("created topics")
			}
			return err
		}),
		a.Eventually(ctx, "the object store at "+a.Config.S3.Endpoint, func(ctx context.Context) error {
			return a.Objects.EnsureBucket(ctx, a.Config.S3.Bucket, true)
		}),
	)
}

// Eventually calls f until it succeeds, and logs from time to time what it waits for. A permanent or fatal error ends
// it.
func (a *App) Eventually(ctx context.Context, what string, f func(context.Context) error) error {
	const pause, remind = 500 * time.Millisecond, 10 * time.Second
	var said time.Time
	policy := retry.Policy{Least: pause, Most: pause, Failed: func(_ int, err error) {
		if time.Since(said) > remind {
			a.Log.Warn().Err(err).Msgf("waiting for %s", what)
			said = time.Now()
		}
	}}
	return policy.Do(ctx, func() error { return f(ctx) })
}

// Sink publishes results in the name of service.
func (a *App) Sink(service string, p *events.Publisher) *outcome.Sink {
	return &outcome.Sink{Service: service, Publisher: p, Objects: a.Objects, Log: a.Log, Count: a.Metrics.Outcome}
}

// Work is what a service does with the records of its topics.
type Work struct {
	Service string
	Reads   []events.Topic // whose records Handle is called with
	Writes  []events.Topic // what else must exist
	// Concurrency is the number of records that are processed at once.
	Concurrency int
	Handle      events.Handler
	Isolated    events.Handler // of records during which processes died; nil: Handle
	// Prepare is called after partitions were assigned and before records of theirs are handled; see events.ConsumerConfig.
	// It may be nil.
	Prepare func(ctx context.Context) error
}

// Consume reads the topics of w in the consumer group facestream-<service> until ctx ends. The service is ready from here
// on, as long as the topics exist.
func (a *App) Consume(ctx context.Context, w Work) error {
	a.Started(w.Service, append(slices.Concat(w.Reads, w.Writes), events.DeadLetters)...)
	consumer := a.Client.NewConsumer(events.ConsumerConfig{
		Group: Group(w.Service), Service: w.Service, Topics: w.Reads,
		Concurrency: w.Concurrency, MaxInFlight: a.Config.Consumer.MaxInFlight, MaxAttempts: a.Config.Consumer.MaxAttempts,
		DrainTimeout: a.Config.Consumer.DrainTimeout, SessionTimeout: a.Config.Kafka.SessionTimeout,
		Isolated: w.Isolated, Prepare: w.Prepare,
		Ready: a.Health.Ready, Hooks: a.Metrics.ConsumerHooks(w.Service),
	}, w.Handle)
	a.Health.AddState("writes of "+w.Service, consumer.Outage)
	return consumer.Run(ctx)
}

// Started says that a service has loaded what it needs: it is ready from here on, as long as its topics exist. Each service calls it once,
// by Consume or by itself.
func (a *App) Started(service string, topics ...events.Topic) {
	a.Health.AddCheck("topics of "+service, func(ctx context.Context) error { return a.Client.CheckTopics(ctx, topics...) })
	if a.starting.Add(-1) == 0 {
		a.Health.AddCheck("services", func(context.Context) error { return nil })
	}
}

// Groups are the consumer groups of the services.
func Groups() []string { return []string{Group("ingest"), Group("worker"), Group("indexer")} }

// Group is the consumer group of a service.
func Group(service string) string { return "facestream-" + service }

// Publisher writes events in the name of service.
func (a *App) Publisher(service string) *events.Publisher {
	stage := a.Metrics.Stage(service)
	p := a.Client.NewPublisher(events.PublisherConfig{
		Source:    "facestream/" + service,
		Published: func(_ events.Topic, _ int, took time.Duration) { stage("publish", took) },
	})
	a.Health.AddState("events of "+service, p.Failing)
	return p
}

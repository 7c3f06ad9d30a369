package app

import (
	"context"
	"errors"
	"fmt"

	"facestream/internal/config"
	"facestream/internal/gallery"
	"facestream/internal/gallery/local"
	"facestream/internal/gallery/reindex"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Reindex lets do work on the gallery of cfg, to build it anew under the embedding model of a pack. progress may be nil.
func Reindex(ctx context.Context, cfg config.Config, pack string, progress func(c schema.Collection, done, total int), do func(*reindex.Reindexer) error) (err error) {
	cfg.Resolve()
	client, store, err := Clients(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	located, _, err := embeddingOf(pack)
	if err != nil {
		return err
	}
	e, err := openEngine(ctx, cfg.Worker, located)
	if err != nil {
		return err
	}
	defer e.Close()
	// What the network answers to any picture says how long its vectors are.
	sample, err := e.Embed(ctx, []*imaging.Image{imaging.New(face.AlignedSide, face.AlignedSide)})
	if err != nil {
		return err
	}
	s, err := openStage(ctx, cfg.Indexer.Gallery, gallery.Tie{Model: sample[0].Model, Dimension: len(sample[0].Vector)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return do(&reindex.Reindexer{
		Serving: s.serving, Staging: s.staging, Objects: store, Engine: e, Model: e.EmbeddingModel(),
		Quiet: func(ctx context.Context) error {
			if err := quiet(ctx, client); err != nil {
				return fmt.Errorf("whether workers and indexers have stopped: %w", err)
			}
			return s.own()
		},
		MaxBytes: int64(cfg.Worker.MaxBytes), Concurrency: cfg.Worker.Concurrency, Progress: progress,
	})
}

var _ reindex.Engine = (*engine.Engine)(nil)

// DiscardStaged erases what is staged of the gallery of cfg under the embedding model of a pack; of the local gallery,
// which stages one model at a time, under any.
func DiscardStaged(ctx context.Context, cfg config.Config, pack string) (err error) {
	cfg.Resolve()
	_, model, err := embeddingOf(pack)
	if err != nil {
		return err
	}
	s, err := openStage(ctx, cfg.Indexer.Gallery, gallery.Tie{Model: model})
	if err != nil {
		return err
	}
	return errors.Join(s.discard(ctx), s.close())
}

func embeddingOf(pack string) (*models.Pack, schema.ModelID, error) {
	located, err := models.Locate(pack)
	if err != nil {
		return nil, "", err
	}
	m, ok := located.Model(models.RoleEmbedding)
	if !ok {
		return nil, "", fmt.Errorf("the model pack %q has no embedding network: %s", pack, located.Absent[models.RoleEmbedding])
	}
	return located, m.ID(), nil
}

// stage is a gallery and what is built beside it.
type stage struct {
	serving gallery.Reader
	staging gallery.Staging
	own     func() error // keeps an indexer away, where the driver can
	discard func(context.Context) error
	close   func() error
}

func openStage(ctx context.Context, cfg config.Gallery, tie gallery.Tie) (*stage, error) {
	if cfg.Driver == config.DriverMilvus {
		g, err := openMilvus(ctx, cfg.Milvus)
		if err != nil {
			return nil, err
		}
		staging := g.Staging(tie)
		return &stage{serving: g, staging: staging, own: func() error { return nil }, discard: staging.Discard, close: g.Close}, nil
	}
	r, err := local.OpenReader(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	staging := local.NewStaging(cfg.Dir, tie)
	return &stage{
		serving: r, staging: staging, own: staging.Own,
		discard: func(context.Context) error { return staging.Discard() },
		close:   func() error { return errors.Join(staging.Close(), r.Close()) },
	}, nil
}

// quiet answers nil when nobody is there to change the gallery, and what the worker made under the former model is in it.
func quiet(ctx context.Context, client *events.Client) error {
	const op = "reindex.quiet"
	members := map[string]int{}
	for _, service := range []string{"worker", "indexer"} {
		n, err := client.Members(ctx, group(service))
		if err != nil {
			return err
		}
		members[service] = n
	}
	topics, err := client.Describe(ctx, events.Analyses)
	if err != nil {
		return err
	}
	lag := topics[0].Records() // of who committed nothing yet
	for _, g := range topics[0].Groups {
		if g.Group == group("indexer") {
			lag = g.Lag
		}
	}
	switch {
	case members["worker"] > 0:
		return schema.Fatal(op, fmt.Errorf("workers run under the former model (%d in their group); stop them, then the indexers once `facestream topics` shows that %s has no lag in %s, and run this again",
			members["worker"], group("indexer"), events.Analyses))
	case lag > 0 && members["indexer"] > 0:
		return schema.Fatal(op, fmt.Errorf("the indexers have %d analyses of the former model to do; wait until `facestream topics` shows no lag, stop them, and run this again", lag))
	case lag > 0:
		return schema.Fatal(op, fmt.Errorf("%d analyses of the former model are not in the gallery yet; start the indexers, not the workers, until `facestream topics` shows no lag, stop them, and run this again", lag))
	case members["indexer"] > 0:
		return schema.Fatal(op, fmt.Errorf("indexers run (%d in their group); stop them and run this again", members["indexer"]))
	}
	return nil
}

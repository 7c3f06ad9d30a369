package cli

import (
	"context"
	"errors"
	"fmt"

	"facestream/internal/config"
	"facestream/internal/gallery"
	"facestream/internal/gallery/drivers"
	"facestream/internal/gallery/reindex"
	"facestream/internal/host"
	"facestream/internal/services/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// withReindexer calls do with a reindexer that rebuilds the gallery of cfg for the embedding model of a pack.
func withReindexer(ctx context.Context, cfg config.Config, pack string, progress func(c schema.Collection, done, total int), do func(*reindex.Reindexer) error) (err error) {
	cfg.Resolve()
	client, store, err := host.Clients(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	located, _, err := embeddingOf(pack)
	if err != nil {
		return err
	}
	e, err := worker.OpenEngine(ctx, cfg.Worker, located, nil)
	if err != nil {
		return err
	}
	defer e.Close()
	// Any picture shows how long the vectors of the network are.
	sample, err := e.Embed(ctx, []*imaging.Image{imaging.New(face.AlignedSide, face.AlignedSide)})
	if err != nil {
		return err
	}
	s, err := drivers.OpenStage(ctx, cfg.Indexer.Gallery, gallery.Tie{Model: sample[0].Model, Dimension: len(sample[0].Vector)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return do(&reindex.Reindexer{
		Serving: s.Serving, Staging: s.Staging, Objects: store, Engine: e, Model: e.EmbeddingModel(),
		Quiet: func(ctx context.Context) error {
			if err := quiet(ctx, client); err != nil {
				return fmt.Errorf("whether workers and indexers have stopped: %w", err)
			}
			return s.Own()
		},
		MaxBytes: int64(cfg.Worker.MaxBytes), Concurrency: cfg.Worker.Concurrency, Progress: progress,
	})
}

var _ reindex.Engine = (*engine.Engine)(nil)

// discardStaged erases what is staged of the gallery of cfg under the embedding model of a pack. The local gallery stages
// one model at a time, and erases it whatever its model.
func discardStaged(ctx context.Context, cfg config.Config, pack string) (err error) {
	cfg.Resolve()
	_, model, err := embeddingOf(pack)
	if err != nil {
		return err
	}
	s, err := drivers.OpenStage(ctx, cfg.Indexer.Gallery, gallery.Tie{Model: model})
	if err != nil {
		return err
	}
	return errors.Join(s.Discard(ctx), s.Close())
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

// quiet returns nil when no service can change the gallery, and it holds everything that workers made under the former model.
func quiet(ctx context.Context, client *events.Client) error {
	const op = "reindex.quiet"
	members := map[string]int{}
	for _, service := range []string{"worker", "indexer"} {
		n, err := client.Members(ctx, host.Group(service))
		if err != nil {
			return err
		}
		members[service] = n
	}
	topics, err := client.Describe(ctx, events.Analyses)
	if err != nil {
		return err
	}
	lag := topics[0].Records() // of a group that has committed nothing yet
	for _, g := range topics[0].Groups {
		if g.Group == host.Group("indexer") {
			lag = g.Lag
		}
	}
	switch {
	case members["worker"] > 0:
		return schema.Fatal(op, fmt.Errorf("workers run under the former model (%d in their group); stop them, then the indexers once `facestream topics` shows that %s has no lag in %s, and run this again",
			members["worker"], host.Group("indexer"), events.Analyses))
	case lag > 0 && members["indexer"] > 0:
		return schema.Fatal(op, fmt.Errorf("the indexers have %d analyses of the former model to do; wait until `facestream topics` shows no lag, stop them, and run this again", lag))
	case lag > 0:
		return schema.Fatal(op, fmt.Errorf("%d analyses of the former model are not in the gallery yet; start the indexers, not the workers, until `facestream topics` shows no lag, stop them, and run this again", lag))
	case members["indexer"] > 0:
		return schema.Fatal(op, fmt.Errorf("indexers run (%d in their group); stop them and run this again", members["indexer"]))
	}
	return nil
}

package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

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
	"facestream/pkg/engine/voice"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// withReindexer calls do with a reindexer that rebuilds the gallery of cfg for the model of a pack that fills role: the embedding of
// faces or of voices.
func withReindexer(ctx context.Context, cfg config.Config, pack string, role models.Role, only []string, progress func(c schema.Collection, done, total int), do func(*reindex.Reindexer) error) (err error) {
	cfg.Resolve()
	client, store, err := host.Clients(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	located, model, err := modelOf(pack, role)
	if err != nil {
		return err
	}
	e, err := worker.OpenEngine(ctx, cfg.Worker, located, nil)
	if err != nil {
		return err
	}
	defer e.Close()
	voices := role == models.RoleVoice
	tie := gallery.Tie{Model: model, Dimension: voice.Dimension}
	if !voices {
		// Any picture shows how long the vectors of the network are.
		sample, err := e.Embed(ctx, []*imaging.Image{imaging.New(face.AlignedSide, face.AlignedSide)})
		if err != nil {
			return err
		}
		tie.Dimension = len(sample[0].Vector)
	}
	s, err := drivers.OpenStage(ctx, cfg.Indexer.Gallery, tie)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	moves := func(c schema.Collection) bool { return assigned(cfg.Worker, c, role, model) }
	if only != nil {
		moves = func(c schema.Collection) bool { return named(only, c) }
	}
	r := &reindex.Reindexer{
		Serving: s.Serving, Staging: s.Staging, Objects: store, Engine: e, Model: model, Voices: voices, Empty: !voices || only != nil, Moves: moves,
		MaxBytes: int64(cfg.Worker.MaxBytes), Concurrency: e.Concurrency(), Progress: progress,
	}
	r.Quiet = func(ctx context.Context) error {
		moving, err := r.Moving(ctx)
		if err == nil && bySettings(cfg.Worker, moving, role, r.Model) {
			err = quietIndexers(ctx, client, moving, r.Model)
		} else if err == nil {
			err = quiet(ctx, client)
		}
		if err != nil {
			return fmt.Errorf("whether the gallery can be switched: %w", err)
		}
		return s.Own()
	}
	return do(r)
}

// assigned reports whether the settings let a collection move to the model of a pack: worker.collections does not assign it to
// packs of other models only.
func assigned(cfg config.Worker, c schema.Collection, role models.Role, model schema.ModelID) bool {
	packs := cfg.Assigned(c)
	return packs == nil || slices.Contains(modelsOf(packs, role), model)
}

// modelsOf returns the models of a role of the packs that are on this machine.
func modelsOf(packs []string, role models.Role) (ids []schema.ModelID) {
	for _, pack := range packs {
		if _, id, err := modelOf(pack, role); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// bySettings reports whether workers with these settings serve each of the collections by its own model and by model.
func bySettings(cfg config.Worker, collections []gallery.Kept, role models.Role, model schema.ModelID) bool {
	for _, c := range collections {
		served := modelsOf(cfg.ModelsOf(c.Name), role)
		if !slices.Contains(served, c.Tie.Model) || !slices.Contains(served, model) {
			return false
		}
	}
	return true
}

var _ reindex.Engine = (*engine.Engine)(nil)

// discardStaged erases what is staged of the gallery of cfg under the model of a pack that fills role. The local gallery stages
// one model at a time, and erases it whatever its model.
func discardStaged(ctx context.Context, cfg config.Config, pack string, role models.Role) (err error) {
	cfg.Resolve()
	_, model, err := modelOf(pack, role)
	if err != nil {
		return err
	}
	s, err := drivers.OpenStage(ctx, cfg.Indexer.Gallery, gallery.Tie{Model: model})
	if err != nil {
		return err
	}
	return errors.Join(s.Discard(ctx), s.Close())
}

// modelOf finds a pack and its model of a role.
func modelOf(pack string, role models.Role) (*models.Pack, schema.ModelID, error) {
	located, err := models.Locate(pack)
	if err != nil {
		return nil, "", err
	}
	m, ok := located.Model(role)
	if !ok {
		return nil, "", fmt.Errorf("the model pack %q has no %s network: %s", pack, role, cmp.Or(located.Absent[role], "its manifest does not name one"))
	}
	return located, m.ID(), nil
}

// quietIndexers returns nil when no indexer can change the gallery, and every analysis that waits serves collections under
// model as well. Workers may run.
func quietIndexers(ctx context.Context, client *events.Client, collections []gallery.Kept, model schema.ModelID) error {
	const op = "reindex.quiet"
	indexers, err := client.Members(ctx, host.Group("indexer"))
	if err != nil {
		return err
	}
	if indexers > 0 {
		return schema.Fatal(op, fmt.Errorf("indexers run (%d in their group); stop them, not the workers, and run this again", indexers))
	}
	topics, err := client.Describe(ctx, events.Analyses)
	if err != nil {
		return err
	}
	var committed map[int]int64
	for _, g := range topics[0].Groups {
		if g.Group == host.Group("indexer") {
			committed = g.Committed
		}
	}
	former := 0
	err = client.ReadPresent(ctx, events.Analyses, committed, func(r events.Record) error {
		var a schema.Analysis
		if json.Unmarshal(r.Event.Data, &a) == nil && a.Operation.Images() > 0 && !servedBy(&a, model) &&
			slices.ContainsFunc(collections, func(c gallery.Kept) bool { return c.Name == a.Collection }) {
			former++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if former > 0 {
		return schema.Fatal(op, fmt.Errorf("%d analyses wait that are of the former model only, so some workers do not run with these settings; restart these workers, start the indexers until `facestream topics` shows no lag of %s in %s, stop them, and run this again",
			former, host.Group("indexer"), events.Analyses))
	}
	return nil
}

// servedBy reports whether a can be answered in a collection of model.
func servedBy(a *schema.Analysis, model schema.ModelID) bool {
	return slices.ContainsFunc(a.ByPack(), func(a *schema.Analysis) bool {
		return a.Answer != nil || len(a.Probes) > 0 && a.Probes[0].Model == model
	})
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
		return schema.Fatal(op, fmt.Errorf("workers run under the former model (%d in their group); stop them, then the indexers once `facestream topics` shows that %s has no lag in %s, and run this again. Or let them serve the collections by both packs (worker.collections); then only the indexers stop",
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

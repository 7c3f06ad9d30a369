package engine

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"facestream/packs"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Engines beside each other load what their packs share once, each answers as if it were alone, and each ends by itself.
func TestBeside(t *testing.T) {
	file := cast(t, 1)[0]
	first := starter(t, Options{Concurrency: 1})
	loaded := len(first.pool.networks)
	pack, err := models.Locate(packs.Starter)
	if err != nil {
		t.Fatal(err)
	}
	pack.Models = maps.Clone(pack.Models)
	m := slices.Clone(pack.Models[models.RoleEmbedding])
	m[0].Name, m[0].Input.Mean = "other", [3]float32{0.4, 0.5, 0.6}
	m[0].Batch = 1 // not the same network: it is called otherwise
	pack.Models[models.RoleEmbedding] = m
	second, err := Open(t.Context(), Options{Pack: pack, Beside: first})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(first.pool.networks); got != loaded+1 || second.pool != first.pool {
		t.Errorf("%d networks are loaded for both; want one more than the %d of the first", got, loaded)
	}
	embed := func(e *Engine) schema.Embedding {
		t.Helper()
		a, err := e.Analyze(t.Context(), file, Params{Embed: true})
		if err != nil || len(a.Faces) != 1 {
			t.Fatal(a, err)
		}
		return *a.Faces[0].Embedding
	}
	one, two := embed(first), embed(second)
	if one.Model != first.EmbeddingModel() || two.Model != second.EmbeddingModel() || one.Model == two.Model || slices.Equal(one.Vector, two.Vector) {
		t.Errorf("embeddings of %s and %s", one.Model, two.Model)
	}

	// The slot is one for both.
	first.pool.slots <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	if _, err := second.Analyze(ctx, file, Params{}); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("an image beside one in the other engine, of one at once: %v; want it to wait", err)
	}
	cancel()
	<-first.pool.slots

	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if got := len(first.pool.networks); got != loaded {
		t.Errorf("%d networks are loaded after the second engine is closed; want the %d of the first", got, loaded)
	}
	if _, err := second.Analyze(t.Context(), file, Params{}); err == nil {
		t.Error("a closed engine answers with the networks of another")
	}
	if got := embed(first); !slices.Equal(got.Vector, one.Vector) {
		t.Error("the first engine answers otherwise after the second is closed")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), Options{Pack: pack, Beside: first}); err == nil {
		t.Error("an engine opens beside a closed one")
	}
}

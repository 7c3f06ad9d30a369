package allinone

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"facestream/internal/config"
	"facestream/internal/gallery"
	"facestream/internal/gallery/local"
	"facestream/packs"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// putPack puts a pack with that embedding network beside the program and returns the network's id.
func putPack(t *testing.T, root, name, version, network string) schema.ModelID {
	t.Helper()
	dir := filepath.Join(root, name, version)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(network)))
	text := fmt.Sprintf(`{name: %s, version: "%s", models: {embedding: {name: e, file: e.onnx, sha256: %s, bytes: %d, source: "https://example.org/e",
licence: MIT, architecture: arcface, input: {width: 1, height: 1, colour: rgb, scale: 1, mean: [0, 0, 0], std: [1, 1, 1]}}}, absent: {`, name, version, sum, len(network))
	for _, role := range models.Roles() {
		if role != models.RoleEmbedding {
			text += fmt.Sprintf("%s: none, ", role)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{models.ManifestFile: text + "}}", "e.onnx": network} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return schema.ModelID("e@" + sum[:8])
}

// A data folder keeps the pack that made its collections: after an upgrade, and whatever pack is the best by now.
func TestKeepPack(t *testing.T) {
	root, data := t.TempDir(), t.TempDir()
	t.Setenv(models.EnvDir, root)
	starter, err := models.Locate(packs.Starter)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.SetDataDir(data)
	want := func(configured, want, said string) {
		t.Helper()
		var log bytes.Buffer
		c := cfg
		c.Worker.Models = []string{configured}
		if err := keepPack(t.Context(), &c, zerolog.New(&log)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Worker.Models, ","); got != want {
			t.Errorf("%s becomes %s, want %s", configured, got, want)
		}
		if said == "" != (log.Len() == 0) || !strings.Contains(log.String(), said) {
			t.Errorf("%s: the log says %q, want %q", configured, &log, said)
		}
	}
	enrol := func(model schema.ModelID) {
		t.Helper()
		if err := os.RemoveAll(cfg.Indexer.Gallery.Dir); err != nil {
			t.Fatal(err)
		}
		g, err := local.Open(t.Context(), cfg.Indexer.Gallery.Dir)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		row := gallery.Row{ID: "1", PUID: "ann", Embedding: schema.Embedding{Model: model, Vector: []float32{1, 0}}}
		if err := g.Upsert(t.Context(), "people", []gallery.Row{row})[0]; err != nil {
			t.Fatal(err)
		}
	}

	want(packs.Best, starter.Ref(), "")
	first := putPack(t, root, "open", "98", "first")
	want(packs.Best, "open@98", "") // nobody is enrolled yet
	own, _ := starter.Model(models.RoleEmbedding)
	enrol(own.ID())
	want(packs.Best, starter.Ref(), "facestream reindex --model open@98")
	want(packs.Starter, starter.Ref(), "")

	enrol(first) // as reindex --switch leaves it
	want("open", "open@98", "")
	putPack(t, root, "open", "99", "first")
	want("open", "open@98", "open@99") // an upgrade with the same embedding network
	want(packs.Starter, "open@98", "facestream reindex --model "+starter.Ref())
	want("open@99", "open@99", "")
	if err := os.Remove(filepath.Join(data, packFile)); err != nil {
		t.Fatal(err)
	}
	second := putPack(t, root, "open", "100", "second")
	want(packs.Starter, "open@98", "reindex") // no note: the gallery itself says what made it
	enrol(second)
	want("open", "open@100", "")

	cfg.Worker.Collections = []config.CollectionModels{{}}
	want(packs.Starter, packs.Starter, "") // assigned by the operator
}

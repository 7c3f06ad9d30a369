package drivers

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"facestream/internal/config"
	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/internal/gallery/local"
	"facestream/pkg/schema"
)

// An indexer does not serve from Milvus while its folder holds people whom Milvus does not know.
func TestMilvusBesideALocalGallery(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there
	cfg := config.Gallery{Driver: config.DriverMilvus, Dir: t.TempDir()}
	cfg.Milvus = config.Milvus{Address: l.Addr().String(), Prefix: "test", Timeout: 200 * time.Millisecond, LoadTimeout: time.Second}
	// away is the answer of an indexer that goes on to ask Milvus.
	away := func(what string) {
		t.Helper()
		if _, err := Open(t.Context(), cfg); schema.ClassOf(err) != schema.ClassTransient {
			t.Errorf("%s: got %v, want a transient error, of the server", what, err)
		}
	}
	away("no local gallery")
	g, err := local.Open(t.Context(), cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	away("an empty one")
	if err := g.Upsert(t.Context(), "staff", []gallery.Row{gallerytest.Random("net@1", "a", "ann", 1)})[0]; err != nil {
		t.Fatal(err)
	}
	refused := func(err error, texts ...string) {
		t.Helper()
		if schema.ClassOf(err) != schema.ClassFatal {
			t.Errorf("got %v, want a fatal error", err)
		}
		for _, text := range texts {
			if err != nil && !strings.Contains(err.Error(), text) {
				t.Errorf("%q is missing in: %v", text, err)
			}
		}
	}
	_, err = Open(t.Context(), cfg)
	refused(err, "indexer.gallery.driver", "indexer.gallery.dir", cfg.Dir, "1 enrolled image", "facestream gallery copy")

	// The copy needs the folder for itself, and Milvus.
	_, err = Copy(t.Context(), cfg, nil)
	refused(err, "in use by process")
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err = Copy(t.Context(), cfg, nil); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("a copy without Milvus: %v, want a transient error", err)
	}
	_, err = Open(t.Context(), cfg)
	refused(err, "facestream gallery copy")
	_, err = Copy(t.Context(), config.Gallery{Driver: config.DriverLocal, Dir: cfg.Dir}, nil)
	refused(err, "indexer.gallery.driver is local")

	if g, err = local.Open(t.Context(), cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if err := g.MarkMoved("to Milvus"); err != nil {
		t.Fatal(err)
	}
	g.Close()
	away("one that was copied")
	_, err = Copy(context.Background(), cfg, nil)
	refused(err, "holds no local gallery")
}

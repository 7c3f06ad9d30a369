package milvus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/pkg/schema"
)

// The suite runs against the server that FACESTREAM_MILVUS names, host:port; the variables of the settings user, password
// and tls.ca_file (docs/configuration.md) are for a server that asks for them. If FACESTREAM_TEST_MILVUS is lite or standalone,
// it starts that server with tools/milvus/up.sh and stops it afterwards. Otherwise it is skipped and says so.
var server struct{ address, missing string }

func TestMain(m *testing.M) {
	stop := startServer()
	code := m.Run()
	stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func startServer() (stop func()) {
	server.address = os.Getenv("FACESTREAM_MILVUS")
	kind := os.Getenv("FACESTREAM_TEST_MILVUS")
	if server.address != "" || kind == "" {
		server.missing = "no Milvus: set FACESTREAM_MILVUS=host:port, or FACESTREAM_TEST_MILVUS=lite to have one started; `make test-milvus` does"
		return func() {}
	}
	dir, err := os.MkdirTemp("", "facestream-milvus-")
	if err != nil {
		panic(err)
	}
	script := func(name string) ([]byte, error) {
		c := exec.Command(filepath.Join("../../../tools/milvus", name), kind)
		c.Env = append(os.Environ(), "MILVUS_DATA="+dir)
		c.Stderr = os.Stderr
		return c.Output()
	}
	out, err := script("up.sh")
	if err != nil {
		panic(fmt.Sprintf("tools/milvus/up.sh %s: %v", kind, err))
	}
	server.address = strings.TrimSpace(string(out))
	return func() {
		if _, err := script("down.sh"); err != nil {
			fmt.Fprintln(os.Stderr, "tools/milvus/down.sh:", err)
		}
		os.RemoveAll(dir)
	}
}

func config(t testing.TB, index Index) Config {
	t.Helper()
	if server.address == "" {
		t.Skip("SKIPPED: " + server.missing)
	}
	const settings = "FACESTREAM_INDEXER_GALLERY_MILVUS_"
	cfg := Config{
		Address: server.address, Prefix: fmt.Sprintf("test%x", rand.Uint64()), Index: index,
		User: os.Getenv(settings + "USER"), Password: schema.Secret(os.Getenv(settings + "PASSWORD")),
		Timeout: 30 * time.Second, LoadTimeout: time.Minute,
	}
	if file := os.Getenv(settings + "TLS_CA_FILE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		if !cfg.TLS.RootCAs.AppendCertsFromPEM(pem) {
			t.Fatalf("%s holds no certificate", file)
		}
	}
	return cfg
}

// open returns a gallery of its own, whose collections are dropped at the end.
func open(t testing.TB, cfg Config) *Gallery {
	t.Helper()
	g, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(drop(g), g.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return g
}

// suiteCollections are all that gallerytest writes to.
var suiteCollections = []schema.Collection{"visitors", "other", "first", "fresh", "wide", "c", "C", "c.1", "c-1", "c_1", "0c", people}

func drop(g *Gallery) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	names := []string{g.deletions()}
	for _, c := range suiteCollections {
		if _, err := g.resolve(ctx, "drop", c); err == nil {
			if err := g.client.DropAlias(ctx, g.alias(c)); err != nil {
				return err
			}
		}
		for _, m := range []schema.ModelID{"net-a@11111111", "net-b@22222222", model, foreign} {
			names = append(names, g.alias(c)+modelMark+escape(string(m)))
		}
	}
	for _, name := range names {
		if has, err := g.client.HasCollection(ctx, name); err != nil || !has {
			continue
		}
		if err := g.client.DropCollection(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func TestConformance(t *testing.T) {
	for _, index := range []Index{HNSW, FLAT, IVFFlat} {
		t.Run(string(index), func(t *testing.T) {
			gallerytest.Run(t, func(t *testing.T) gallery.Gallery { return open(t, config(t, index)) }, gallerytest.Caps{})
		})
	}
}

// The suite once more as the indexer uses the driver.
func TestConformanceBatched(t *testing.T) {
	gallerytest.Run(t, func(t *testing.T) gallery.Gallery { return gallery.Batch(open(t, config(t, HNSW))) }, gallerytest.Caps{})
}

func BenchmarkGallery(b *testing.B) {
	for _, index := range []Index{HNSW, FLAT, IVFFlat} {
		b.Run(string(index), func(b *testing.B) {
			gallerytest.Bench(b, func(b *testing.B) *Gallery { return open(b, config(b, index)) }, settle)
		})
	}
}

// settle makes the server write the rows of c to its files and index them, as it would do later. Until then it compares the
// newest rows one by one, whatever the index.
func settle(b *testing.B, g *Gallery, c schema.Collection) {
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	col, err := g.resolve(ctx, "settle", c)
	if err == nil {
		err = g.client.Flush(ctx, col.name, false)
	}
	for done := false; err == nil && !done; {
		var all, indexed int64
		all, indexed, err = g.client.GetIndexBuildProgress(ctx, col.name, vectorField)
		if done = indexed >= all; !done {
			time.Sleep(500 * time.Millisecond)
		}
	}
	if err != nil {
		b.Fatalf("the server has not indexed its rows (it does so at the lowest priority: is the machine busy?): %v", err)
	}
	time.Sleep(10 * time.Second) // no call says when searches use the files
}

const (
	people  = schema.Collection("people")
	model   = schema.ModelID("net@12345678")
	foreign = schema.ModelID("net@87654321")
)

// direction is an embedding that depends on seed alone.
func direction(seed uint64) schema.Embedding { return testRow("", "", seed).Embedding }

func testRow(id string, person schema.PUID, seed uint64) gallery.Row {
	return gallerytest.Random(model, id, person, seed)
}

func upsert(t *testing.T, g *Gallery, rows ...gallery.Row) {
	t.Helper()
	if err := errors.Join(g.Upsert(t.Context(), people, rows)...); err != nil {
		t.Fatal(err)
	}
}

func TestStagingConformance(t *testing.T) {
	gallerytest.RunStaging(t, func(t *testing.T) gallerytest.Stage {
		g := open(t, config(t, FLAT))
		return gallerytest.Stage{
			Open:    func() gallery.Gallery { return g },
			Close:   func() {},
			Reader:  func() gallery.Reader { return g },
			Staging: func(tie gallery.Tie) gallery.Staging { return g.Staging(tie) },
			Discard: func(_ gallery.Tie, s gallery.Staging) {
				if err := s.(*Staging).Discard(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// A switch that was killed after any of its steps is completed by the next.
func TestSwitchGoesOn(t *testing.T) {
	ctx := t.Context()
	for name, before := range map[string]func(t *testing.T, g *Gallery, staged string){
		"half made": func(t *testing.T, g *Gallery, staged string) {
			if err := errors.Join(g.client.DropCollection(ctx, staged), g.client.CreateCollection(ctx, faces(staged, 32), shards)); err != nil {
				t.Fatal(err)
			}
		},
		"staged": func(*testing.T, *Gallery, string) {},
		"alias set": func(t *testing.T, g *Gallery, staged string) {
			if err := g.client.AlterAlias(ctx, staged, g.alias(people)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, config(t, FLAT))
			upsert(t, g, testRow("a", "ann", 1))
			former, err := g.resolve(ctx, "test", people)
			if err != nil {
				t.Fatal(err)
			}
			tie := gallery.Tie{Model: foreign, Dimension: 32}
			row := gallerytest.Random(foreign, "a", "ann", 2)
			if err := g.Staging(tie).Upsert(ctx, people, []gallery.Row{row})[0]; err != nil {
				t.Fatal(err)
			}
			staged, err := g.name("test", people, foreign)
			if err != nil {
				t.Fatal(err)
			}
			before(t, g, staged)

			if name == "half made" {
				if page, err := g.Staging(tie).List(ctx, people, "", 1); err != nil || page.Total != 0 {
					t.Errorf("what was half made lists %d rows, %v", page.Total, err)
				}
				if err := g.Staging(tie).Upsert(ctx, people, []gallery.Row{row})[0]; err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := g.Staging(tie).Switch(ctx, []schema.Collection{people}); err != nil {
					t.Fatal(err)
				}
				o := g.Search(ctx, people, []schema.Embedding{row.Embedding}, 5)[0]
				if o.Err != nil || len(o.Value) != 1 || o.Value[0].Score < 0.9999 {
					t.Errorf("search: %v", o)
				}
				if has, err := g.client.HasCollection(ctx, former.name); err != nil || has {
					t.Errorf("the former collection is there: %v, %v", has, err)
				}
			}
		})
	}
}

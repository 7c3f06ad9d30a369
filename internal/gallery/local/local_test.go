package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/pkg/schema"
)

const (
	model   = schema.ModelID("net@12345678")
	visited = schema.Collection("visitors")
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(dir)
	}
	if dir := os.Getenv(switchDir); dir != "" {
		switchUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string) *Gallery {
	t.Helper()
	g, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return g
}

func TestConformance(t *testing.T) {
	gallerytest.Run(t, func(t *testing.T) gallery.Gallery { return open(t, t.TempDir()) }, gallerytest.Caps{})
}

// The fault injector passes the same suite while it injects nothing.
func TestConformanceOfFaulty(t *testing.T) {
	gallerytest.Run(t, func(t *testing.T) gallery.Gallery {
		return gallerytest.Faulty{Inner: open(t, t.TempDir()), Down: func() bool { return false }}
	}, gallerytest.Caps{})
}

// Shared calls pass it too.
func TestConformanceBatched(t *testing.T) {
	gallerytest.Run(t, func(t *testing.T) gallery.Gallery { return gallery.Batch(open(t, t.TempDir())) }, gallerytest.Caps{})
}

func TestFaultyFails(t *testing.T) {
	inner := open(t, t.TempDir())
	upsert(t, inner, testRow("a", "ann", 1))
	for name, test := range map[string]struct {
		healthy int32 // answers of Down before it turns true
		written bool
	}{
		"down before the call":  {0, false},
		"down before the reply": {1, true},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			f := gallerytest.Faulty{Inner: inner, Down: func() bool { return asked.Add(1) > test.healthy }}
			ctx := t.Context()
			transient := func(what string, err error) {
				if schema.ClassOf(err) != schema.ClassTransient {
					t.Errorf("%s: got %v, want a transient error", what, err)
				}
				asked.Store(0)
			}
			transient("upsert", f.Upsert(ctx, visited, []gallery.Row{testRow("b", "bob", 2)})[0])
			transient("search", f.Search(ctx, visited, []schema.Embedding{direction(1)}, 1)[0].Err)
			_, err := f.List(ctx, visited, "", 1)
			transient("list", err)
			page, err := inner.List(ctx, visited, "", 10)
			if err != nil || (page.Total == 2) != test.written {
				t.Errorf("%d rows, %v; the upsert went through: want %v", page.Total, err, test.written)
			}
			transient("delete", f.Delete(ctx, visited, []gallery.Deletion{{PUID: "bob", Request: "r"}})[0].Err)
			if page, err = inner.List(ctx, visited, "", 10); err != nil || page.Total != 1 {
				t.Errorf("%d rows, %v; want the first one alone", page.Total, err)
			}
		})
	}
}

func BenchmarkGallery(b *testing.B) {
	gallerytest.Bench(b, func(b *testing.B) *Gallery { return open(b, b.TempDir()) }, nil)
}

// direction is an embedding that depends on seed alone.
func direction(seed uint64) schema.Embedding { return testRow("", "", seed).Embedding }

func testRow(id string, person schema.PUID, seed uint64) gallery.Row {
	return gallerytest.Random(model, id, person, seed)
}

func upsert(t *testing.T, g *Gallery, rows ...gallery.Row) {
	t.Helper()
	if err := errors.Join(g.Upsert(t.Context(), visited, rows)...); err != nil {
		t.Fatal(err)
	}
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder", "that is new, 100% odd?&#name")
	when := time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
	g := open(t, dir)
	a := testRow("a", "ann", 1)
	a.ExternalID, a.Consent = "staff-7", &schema.Consent{Given: true, Reference: "form 12", At: &when}
	upsert(t, g, a, testRow("b", "bob", 2), testRow("c", "cid", 3))
	upsert(t, g, testRow("b", "bea", 4))
	if o := g.Delete(t.Context(), visited, []gallery.Deletion{{PUID: "cid", Request: "r1"}})[0]; o.Err != nil || o.Value != 1 {
		t.Fatal(o)
	}
	if err := errors.Join(g.Upsert(t.Context(), "emptied", []gallery.Row{testRow("x", "x", 5)})...); err != nil {
		t.Fatal(err)
	}
	g.Delete(t.Context(), "emptied", []gallery.Deletion{{PUID: "x", Request: "r2"}})
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}

	g = open(t, dir)
	a.Embedding = schema.Embedding{}
	b := testRow("b", "bea", 4)
	b.Embedding = schema.Embedding{}
	page, err := g.List(t.Context(), visited, "", 10)
	if diff := cmp.Diff(gallery.Page{Rows: []gallery.Row{a, b}, Total: 2}, page); err != nil || diff != "" {
		t.Errorf("list: %v (-want +got):\n%s", err, diff)
	}
	for _, o := range g.Search(t.Context(), visited, []schema.Embedding{direction(1)}, 1) {
		if diff := cmp.Diff([]gallery.Match{{Row: a, Score: 1}}, o.Value, cmpopts.EquateApprox(0, 1e-5)); o.Err != nil || diff != "" {
			t.Errorf("search: %v (-want +got):\n%s", o.Err, diff)
		}
	}
	if o := g.Delete(t.Context(), visited, []gallery.Deletion{{PUID: "cid", Request: "r1"}})[0]; o.Err != nil || o.Value != 1 {
		t.Errorf("a deletion repeated after a restart answers %d, %v; want its first count, 1", o.Value, o.Err)
	}
	foreign := testRow("y", "y", 6)
	foreign.Embedding.Model = "another@00000000"
	if err := g.Upsert(t.Context(), "emptied", []gallery.Row{foreign})[0]; schema.ReasonOf(err) != schema.ReasonModelMismatch {
		t.Errorf("an emptied collection after a restart: got %v, want model_mismatch", err)
	}
}

func TestOneOwner(t *testing.T) {
	dir := t.TempDir()
	g := open(t, dir)
	_, err := Open(t.Context(), dir)
	if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())+";") {
		t.Errorf("second owner: got %v; want a fatal error that names %s and process %d", err, dir, os.Getpid())
	}
	upsert(t, g, testRow("a", "ann", 1)) // the first owner is not disturbed
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestClosed(t *testing.T) {
	g := open(t, t.TempDir())
	upsert(t, g, testRow("a", "ann", 1))
	if err := g.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	_, listed := g.List(t.Context(), visited, "", 1)
	for what, err := range map[string]error{
		"upsert": g.Upsert(t.Context(), visited, []gallery.Row{testRow("b", "bob", 2)})[0],
		"search": g.Search(t.Context(), visited, []schema.Embedding{direction(1)}, 1)[0].Err,
		"delete": g.Delete(t.Context(), visited, []gallery.Deletion{{PUID: "ann", Request: "r"}})[0].Err,
		"list":   listed,
		"ping":   g.Ping(t.Context()),
	} {
		if schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, errClosed) {
			t.Errorf("%s after Close: got %v, want a transient error that says so", what, err)
		}
	}
}

// A power failure cannot be tested here. The test reads the settings that SQLite documents as safe against one.
func TestSettings(t *testing.T) {
	g := open(t, t.TempDir())
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "secure_delete": "1", "temp_store": "2"} {
		var got string
		if err := g.db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("PRAGMA %s is %q, %v; want %q", pragma, got, err, want)
		}
	}
}

func TestUnusableFile(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string)
		text  string
	}{
		"newer format": {func(t *testing.T, dir string) {
			g := open(t, dir)
			if _, err := g.db.Exec("PRAGMA user_version = 9"); err != nil {
				t.Fatal(err)
			}
			g.Close()
		}, "format 9"},
		"no database": {func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "gallery.db"), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a database"},
		"a vector cut short": {func(t *testing.T, dir string) {
			g := open(t, dir)
			upsert(t, g, testRow("a", "ann", 1))
			if _, err := g.db.Exec("UPDATE faces SET vector = x'0000803f'"); err != nil {
				t.Fatal(err)
			}
			g.Close()
		}, `1 enrolled images of collection "visitors"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			test.spoil(t, dir)
			for range 2 { // a failed Open gives the folder back
				if _, err := Open(t.Context(), dir); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %v, want a fatal error with %q", err, test.text)
				}
			}
		})
	}
}

// format1 creates the tables of format 1.
const format1 = `
CREATE TABLE collections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, model TEXT NOT NULL, dimension INTEGER NOT NULL) STRICT;
CREATE TABLE faces (
	collection INTEGER NOT NULL REFERENCES collections (id), id TEXT NOT NULL, puid TEXT NOT NULL, external_id TEXT NOT NULL,
	consent TEXT NOT NULL, created INTEGER NOT NULL, vector BLOB NOT NULL, UNIQUE (collection, id)
) STRICT;
CREATE INDEX faces_by_person ON faces (collection, puid);
CREATE TABLE deletions (key BLOB PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE rewrite (due INTEGER NOT NULL) STRICT;
INSERT INTO rewrite VALUES (0);
PRAGMA user_version = 1`

// format2 brings the tables of format 1 to those of format 2.
const format2 = `ALTER TABLE faces ADD COLUMN source TEXT NOT NULL DEFAULT ''; PRAGMA user_version = 2`

// A file of a former format is read and brought to this format. Its rows have no source and no order, so every deletion is
// younger.
func TestFormerFormats(t *testing.T) {
	for name, tables := range map[string][]string{"format 1": {format1}, "format 2": {format1, format2}} {
		t.Run(name, func(t *testing.T) { testFormerFormat(t, name, tables) })
	}
}

func testFormerFormat(t *testing.T, name string, tables []string) {
	dir := t.TempDir()
	db, err := openDB(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a := testRow("a", "ann", 1)
	unit, _, err := gallery.Unit("test", a.Embedding)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range append(tables, "INSERT INTO collections VALUES (7, 'visitors', 'net@12345678', 32)") {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	// Besides ann, somebody who was stored under the decomposed spelling of a name, with the puid of that spelling.
	const decomposed = schema.ExternalID("Zoe\u0308")
	puid := "45a7f494-70ea-53b4-a2b6-fba78bdc1d51"
	for _, row := range [][]any{{"a", "ann", "", `{"given":true,"reference":"form 12"}`}, {"z", puid, string(decomposed), ""}} {
		if _, err := db.Exec("INSERT INTO faces (collection, id, puid, external_id, consent, created, vector) VALUES (7, ?, ?, ?, ?, ?, ?)", append(row, a.Created.UnixMicro(), schema.EncodeVector(unit))...); err != nil {
			t.Fatal(err)
		}
	}
	key := gallery.RowKey(7, "b as it was called")
	if _, err := db.Exec("INSERT INTO deletions VALUES (?, 0)", key[:]); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	_, err = OpenReader(t.Context(), dir)
	if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "indexer") {
		t.Errorf("a reader of %s: %v; want a fatal error that says who brings it to this format", name, err)
	}
	b, c := testRow("b", "bob", 2), testRow("c", "cid", 3)
	b.FormerID = "b as it was called"
	c.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: "c.jpg"}}
	a.Consent = &schema.Consent{Given: true, Reference: "form 12"}
	z := testRow("z", schema.PUID(puid), 1)
	z.ExternalID = decomposed
	for range 2 {
		g := open(t, dir)
		upsert(t, g, b, c)
		want := []gallery.Row{a, c, z}
		for i := range want {
			want[i].Embedding = schema.Embedding{}
		}
		page, err := g.List(t.Context(), visited, "", 10)
		if diff := cmp.Diff(want, page.Rows); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
		if o := g.Search(t.Context(), visited, []schema.Embedding{direction(1)}, 1)[0]; o.Err != nil || o.Value[0].Row.ID != "a" || o.Value[0].Score < 0.9999 {
			t.Errorf("search: %v", o)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}

	// A stored name is found and erased under every spelling of it.
	g := open(t, dir)
	for i, spelling := range []schema.ExternalID{decomposed, "Zo\u00eb"} {
		request := schema.Request{ID: "d", Operation: schema.OpUserDelete, Collection: visited, ExternalID: spelling}
		if o := g.Search(t.Context(), visited, []schema.Embedding{direction(1)}, 1, request.Persons()...)[0]; o.Err != nil || len(o.Value) != 1 || o.Value[0].Row.ID != "z" {
			t.Errorf("spelling %d: found %v, %v", i, o.Value, o.Err)
		}
	}
	request := schema.Request{ID: "d", Operation: schema.OpUserDelete, Collection: visited, ExternalID: "Zo\u00eb"}
	var deletions []gallery.Deletion
	for _, p := range request.Persons() {
		deletions = append(deletions, gallery.Deletion{PUID: p, Request: request.ID})
	}
	n := 0
	for _, o := range g.Delete(t.Context(), visited, deletions) {
		if n += o.Value; o.Err != nil {
			t.Error(o.Err)
		}
	}
	if page, err := g.List(t.Context(), visited, "", 10); err != nil || n != 1 || len(page.Rows) != 2 {
		t.Errorf("%d rows were deleted and %d are left, %v; want 1 and 2", n, len(page.Rows), err)
	}
}

// TestErasure looks for what was deleted in every byte of the folder.
func TestErasure(t *testing.T) {
	dir := t.TempDir()
	g := open(t, dir)
	r := rand.New(rand.NewPCG(1, 1))
	const n = 2000
	var rows []gallery.Row
	for i := range n {
		row := testRow(fmt.Sprintf("row-%016x", r.Uint64()), schema.PUID(fmt.Sprintf("puid-%016x", r.Uint64())), uint64(i))
		row.ExternalID = schema.ExternalID(fmt.Sprintf("external-%016x", r.Uint64()))
		if i%2 == 0 { // rows of various sizes make SQLite move them about
			row.Consent = &schema.Consent{Reference: strings.Repeat("x", r.IntN(250))}
		}
		rows = append(rows, row)
	}
	for i := 0; i < n; i += 50 {
		upsert(t, g, rows[i:i+50]...)
	}
	// found counts the rows whose template, external id or (ids) row id and puid are anywhere in the folder.
	found := func(rows []gallery.Row) (templates, externals, ids int) {
		t.Helper()
		kind := map[string]*int{}
		for _, row := range rows {
			unit, _, err := gallery.Unit("test", row.Embedding) // as the file has it, not as it was given
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(unit); i += 5 { // a piece of five numbers gives a template away
				kind[string(schema.EncodeVector(unit[i:min(i+5, len(unit))]))] = &templates
			}
			kind[string(row.ExternalID[5:])] = &externals // all are 20 bytes
			kind[row.ID] = &ids
			kind[string(row.PUID[1:])] = &ids
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			for i := 0; i+20 <= len(content); i++ {
				if count := kind[string(content[i:i+20])]; count != nil {
					*count++
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return templates, externals, ids
	}
	if templates, externals, ids := found(rows); templates < 6*n || externals < n || ids < 4*n {
		t.Fatalf("the search for traces is blind: %d, %d, %d", templates, externals, ids)
	}
	var gone []gallery.Row
	for _, i := range r.Perm(n)[:n/2] {
		gone = append(gone, rows[i])
	}
	for i := 0; i < len(gone); i += 100 {
		var deletions []gallery.Deletion
		for _, row := range gone[i : i+100] {
			deletions = append(deletions, gallery.Deletion{PUID: row.PUID, Request: schema.RequestID("request of " + row.ID)})
		}
		for _, o := range g.Delete(t.Context(), visited, deletions) {
			if o.Err != nil || o.Value != 1 {
				t.Fatal(o)
			}
		}
	}
	due := func() (due bool) {
		if err := g.db.QueryRow("SELECT due FROM rewrite").Scan(&due); err != nil {
			t.Fatal(err)
		}
		return due
	}
	if !due() {
		t.Error("after deletions no rewrite is due")
	}
	// The deleted rows are gone. While the gallery is open, copies that SQLite made of a few rows earlier may remain.
	if templates, externals, ids := found(gone); templates > 6*n/200 || externals > n/200 || ids > 4*n/200 {
		t.Errorf("pieces of templates %d, external ids %d, other ids %d of %d deleted rows are in the files", templates, externals, ids, len(gone))
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = open(t, dir)
	if templates, externals, ids := found(gone); templates+externals+ids != 0 {
		t.Errorf("after a restart pieces of templates %d, external ids %d, other ids %d of deleted rows are in the files", templates, externals, ids)
	}
	page, err := g.List(t.Context(), visited, "", 1)
	if err != nil || page.Total != n/2 {
		t.Errorf("%d rows are left, %v; want %d", page.Total, err, n/2)
	}
	if due() {
		t.Error("after the rewrite another one is due")
	}
}

// A caller that gives up gets its answer at once, whether its write still waits or is in the group that is being written. The
// write is not carried out, and the writes of others are.
func TestCancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, t.TempDir())
		upsert(t, g, testRow("seed", "sam", 0))
		type holder struct {
			held, release chan struct{}
			err           chan error
		}
		hold := func() holder {
			h := holder{make(chan struct{}), make(chan struct{}), make(chan error, 1)}
			go func() {
				h.err <- g.commit(context.Background(), "test", func(context.Context, *transaction) error {
					close(h.held)
					<-h.release
					return nil
				})
			}()
			return h
		}
		late := func(id string) (context.CancelFunc, chan error) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- g.Upsert(ctx, visited, []gallery.Row{testRow(id, "lee", 1)})[0] }()
			return cancel, done
		}
		wantCancelled := func(err error) {
			t.Helper()
			if schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want transient, context.Canceled", err)
			}
		}
		first := hold()
		<-first.held
		second := hold() // waits; will lead the next group
		synctest.Wait()
		cancelWaiting, waiting := late("waiting")
		cancelGrouped, grouped := late("grouped")
		synctest.Wait()
		cancelWaiting()
		wantCancelled(<-waiting)
		close(first.release)
		<-second.held
		cancelGrouped()
		wantCancelled(<-grouped)
		close(second.release)
		if err := errors.Join(<-first.err, <-second.err); err != nil {
			t.Error(err)
		}
		upsert(t, g, testRow("next", "nan", 2))
		page, err := g.List(t.Context(), visited, "", 10)
		if err != nil || page.Total != 2 || page.Rows[0].ID != "next" || page.Rows[1].ID != "seed" {
			t.Errorf("%d rows, %v; want next and seed", page.Total, err)
		}
	})
}

// A transaction that fails changes neither the file nor memory, for any write of its group.
func TestFailedTransactionChangesNothing(t *testing.T) {
	g := open(t, t.TempDir())
	upsert(t, g, testRow("a", "ann", 1))
	if _, err := g.db.Exec("CREATE TRIGGER full BEFORE INSERT ON faces WHEN NEW.id = 'poison' BEGIN SELECT RAISE(ABORT, 'disk full'); END"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []schema.Collection{visited, "fresh"} {
		for i, err := range g.Upsert(t.Context(), c, []gallery.Row{testRow("b", "bob", 2), testRow("poison", "pam", 3)}) {
			if schema.ClassOf(err) != schema.ClassTransient {
				t.Errorf("row %d: got %v, want a transient error", i, err)
			}
		}
	}
	if _, err := g.List(t.Context(), "fresh", "", 1); schema.ReasonOf(err) != schema.ReasonUnknownCollection {
		t.Errorf("a collection whose creation failed: got %v, want unknown_collection", err)
	}
	page, err := g.List(t.Context(), visited, "", 10)
	if err != nil || page.Total != 1 || len(page.Rows) != 1 {
		t.Errorf("rows: %d listed, %d counted, %v; want 1", len(page.Rows), page.Total, err)
	}
	if o := g.Search(t.Context(), visited, []schema.Embedding{direction(2)}, 5)[0]; o.Err != nil || len(o.Value) != 1 || o.Value[0].Row.ID != "a" {
		t.Errorf("search: %v", o)
	}
}

func TestDot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 40 {
		a, b := make([]float32, n), make([]float32, n)
		var want float64
		for i := range a {
			a[i], b[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
			want += float64(a[i]) * float64(b[i])
		}
		if got := dot(a, b); math.Abs(float64(got)-want) > 1e-4 {
			t.Errorf("%d components: got %v, want %v", n, got, want)
		}
	}
}

// TestDocumentsAfterReopening: a gallery that is opened again still knows which rows show a document.
func TestDocumentsAfterReopening(t *testing.T) {
	dir := t.TempDir()
	selfie, card := testRow("a", "ann", 1), testRow("b", "bob", 1)
	selfie.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: "document"}}
	card.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: "card"}, Document: true}
	for range 2 {
		g := open(t, dir)
		if n := g.Search(t.Context(), visited, []schema.Embedding{direction(1)}, 2)[0]; len(n.Value) > 0 && (n.Value[0].Document || !n.Value[1].Document) {
			t.Errorf("after opening again: %+v", n.Value)
		} else if len(n.Value) == 0 {
			upsert(t, g, selfie, card)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

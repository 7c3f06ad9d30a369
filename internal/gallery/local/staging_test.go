package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/pkg/schema"
)

const nextModel = schema.ModelID("next@87654321")

var nextTie = gallery.Tie{Model: nextModel, Dimension: 32}

func stageOf(t *testing.T, dir string) gallerytest.Stage {
	var serving *Gallery
	var staging *Staging
	stop := func() {
		if serving != nil {
			if err := serving.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			serving = nil
		}
	}
	end := func() {
		if staging != nil {
			if err := staging.Close(); err != nil {
				t.Errorf("close of staging: %v", err)
			}
			staging = nil
		}
	}
	t.Cleanup(func() { end(); stop() })
	return gallerytest.Stage{
		Open: func() gallery.Gallery {
			end() // it may own the folder
			var err error
			if serving, err = Open(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			return serving
		},
		Close: stop,
		Reader: func() gallery.Reader {
			r, err := OpenReader(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			return r
		},
		Staging: func(tie gallery.Tie) gallery.Staging {
			end()
			staging = NewStaging(dir, tie)
			return staging
		},
		Discard: func(_ gallery.Tie, s gallery.Staging) {
			if err := s.(*Staging).Discard(); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func TestStagingConformance(t *testing.T) {
	gallerytest.RunStaging(t, func(t *testing.T) gallerytest.Stage { return stageOf(t, t.TempDir()) })
}

func TestSwitchNeedsTheFolder(t *testing.T) {
	dir := t.TempDir()
	g := open(t, dir)
	upsert(t, g, testRow("a", "ann", 1))
	s := NewStaging(dir, nextTie)
	defer s.Close()
	if err := s.Upsert(t.Context(), visited, []gallery.Row{gallerytest.Random(nextModel, "a", "ann", 2)})[0]; err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"switch": s.Switch(t.Context(), []schema.Collection{visited}), "own": s.Own()} {
		if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "in use by process") {
			t.Errorf("%s while an indexer has the gallery: %v; want a fatal error that names the process", what, err)
		}
	}
	if o := g.Search(t.Context(), visited, []schema.Embedding{direction(1)}, 1)[0]; o.Err != nil || len(o.Value) != 1 {
		t.Errorf("search: %v", o)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Own(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("an indexer while the gallery is switched: %v; want a fatal error", err)
	}
}

func TestOneProcessStages(t *testing.T) {
	dir := t.TempDir()
	upsert(t, open(t, dir), testRow("a", "ann", 1))
	rows := []gallery.Row{gallerytest.Random(nextModel, "a", "ann", 2)}
	first, second := NewStaging(dir, nextTie), NewStaging(dir, nextTie)
	defer first.Close()
	defer second.Close()
	if err := first.Upsert(t.Context(), visited, rows)[0]; err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"upsert": second.Upsert(t.Context(), visited, rows)[0], "discard": second.Discard()} {
		if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "in use by process") {
			t.Errorf("%s by a second process: %v; want a fatal error that names the first", what, err)
		}
	}
	if page, err := second.List(t.Context(), visited, "", 10); err != nil || page.Total != 1 {
		t.Errorf("a second process lists %d rows, %v; want 1", page.Total, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	third := NewStaging(dir, gallery.Tie{Model: "third@00000000", Dimension: 32})
	defer third.Close()
	_, listed := third.List(t.Context(), visited, "", 10)
	for what, err := range map[string]error{"upsert": third.Upsert(t.Context(), visited, []gallery.Row{gallerytest.Random("third@00000000", "a", "ann", 2)})[0], "list": listed} {
		if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), string(nextModel)) {
			t.Errorf("%s beside rows of another model: %v; want a fatal error that names it", what, err)
		}
	}
	if err := third.Discard(); err != nil {
		t.Fatal(err)
	}
	if err := third.Upsert(t.Context(), visited, []gallery.Row{gallerytest.Random("third@00000000", "a", "ann", 2)})[0]; err != nil {
		t.Errorf("after the other model's rows were discarded: %v", err)
	}
}

// After a switch no file holds what served before. After a removal or a discard no file holds what was staged.
func TestStagingErases(t *testing.T) {
	dir := t.TempDir()
	g := open(t, dir)
	trace := func(r gallery.Row) int {
		t.Helper()
		unit, _, err := gallery.Unit("test", r.Embedding)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			n += bytes.Count(content, schema.EncodeVector(unit[:8]))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	former, gone, stays := testRow("a", "ann", 1), gallerytest.Random(nextModel, "b", "bob", 2), gallerytest.Random(nextModel, "a", "ann", 3)
	upsert(t, g, former)
	s := NewStaging(dir, nextTie)
	defer s.Close()
	if err := errors.Join(s.Upsert(t.Context(), visited, []gallery.Row{gone, stays})...); err != nil {
		t.Fatal(err)
	}
	if trace(former) == 0 || trace(gone) == 0 || trace(stays) == 0 {
		t.Fatal("the search for traces is blind")
	}
	if err := s.Remove(t.Context(), visited, []string{"b"}); err != nil {
		t.Fatal(err)
	}
	if n := trace(gone); n > 0 {
		t.Errorf("%d traces of a row that was removed from what is staged", n)
	}
	inUse, err := os.Open(filepath.Join(dir, "staged", "gallery.db")) // sees what becomes of the file's blocks
	if err != nil {
		t.Fatal(err)
	}
	defer inUse.Close()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Switch(t.Context(), []schema.Collection{visited}); err != nil {
		t.Fatal(err)
	}
	if n, m := trace(former), trace(stays); n > 0 || m != 1 {
		t.Errorf("after the switch there are %d traces of what served before and %d of what serves; want 0 and 1", n, m)
	}
	if _, err := os.Stat(filepath.Join(dir, "staged")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the staged folder after the switch: %v", err)
	}
	var left bytes.Buffer
	if _, err := left.ReadFrom(inUse); err != nil || left.Len() == 0 || len(bytes.Trim(left.Bytes(), "\x00")) > 0 {
		t.Errorf("of the staged file %d bytes are left, not all of them overwritten; %v", left.Len(), err)
	}
}

// switchDir names the folder whose gallery this test binary, started again, switches until it is killed.
const switchDir = "FACESTREAM_TEST_SWITCH_GALLERY"

func switchUntilKilled(dir string) {
	fmt.Println("+")
	s := NewStaging(dir, nextTie)
	if err := errors.Join(s.Switch(context.Background(), []schema.Collection{visited, "other"}), s.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestSwitchKilled kills a process at random moments of a switch. The gallery is then as before or as after, with each row once,
// and the next switch completes it.
func TestSwitchKilled(t *testing.T) {
	const rows = 800
	all := func(model schema.ModelID) (out []gallery.Row) {
		for i := range rows {
			out = append(out, gallerytest.Random(model, fmt.Sprintf("%05d", i), schema.PUID(fmt.Sprint(i)), uint64(i)))
		}
		return out
	}
	both := []schema.Collection{visited, "other"}
	built := t.TempDir()
	g := open(t, built)
	s := NewStaging(built, nextTie)
	for _, c := range both {
		if err := errors.Join(append(g.Upsert(t.Context(), c, all(model)), s.Upsert(t.Context(), c, all(nextModel))...)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(g.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	var before, after int
	var took time.Duration // of a whole switch: the first is not killed
	for round := range 10 {
		dir := filepath.Join(t.TempDir(), "gallery")
		if err := os.CopyFS(dir, os.DirFS(built)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), switchDir+"="+dir)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil { // it is at work
			t.Fatal(err)
		}
		start, patience := time.Now(), time.Hour
		if round > 0 {
			patience = rand.N(took)
		}
		kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err == nil {
			took = time.Since(start)
		}
		kill.Stop()
		if stderr.Len() > 0 {
			t.Fatalf("round %d: %s", round, stderr.String())
		}
		check := func() schema.ModelID {
			g := open(t, dir)
			defer g.Close()
			var found schema.ModelID
			for _, c := range both {
				tie := g.collections[c].tie
				if found == "" {
					found = tie.Model
				}
				page, err := g.List(t.Context(), c, "", rows+1)
				if err != nil || len(page.Rows) != rows || page.Total != rows || tie.Model != found {
					t.Fatalf("round %d: %d rows of %d under %s and %s, %v", round, len(page.Rows), rows, tie.Model, found, err)
				}
				probe := gallerytest.Random(found, "", "", 17).Embedding
				if o := g.Search(t.Context(), c, []schema.Embedding{probe}, 1)[0]; o.Err != nil || o.Value[0].Row.ID != "00017" || o.Value[0].Score < 0.9999 {
					t.Fatalf("round %d: search: %v", round, o)
				}
			}
			return found
		}
		if check() == model {
			before++
		} else {
			after++
		}
		// The command then lists which collections are still to be switched.
		r, err := OpenReader(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := r.Collections(t.Context())
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		var left []schema.Collection
		for _, k := range kept {
			if k.Tie.Model != nextModel {
				left = append(left, k.Name)
			}
		}
		s := NewStaging(dir, nextTie)
		if err := errors.Join(s.Switch(t.Context(), left), s.Close()); err != nil {
			t.Fatal(err)
		}
		if check() != nextModel {
			t.Fatalf("round %d: the next switch did not switch", round)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 4 {
			t.Errorf("round %d: left behind: %v, %v", round, entries, err)
		}
	}
	t.Logf("a switch takes %v; %d times it was killed before the commit, %d times after it or not", took, before, after)
}

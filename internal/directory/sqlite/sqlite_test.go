package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"facestream/internal/directory"
	"facestream/internal/directory/directorytest"
	"facestream/internal/directory/sqlite"
	"facestream/pkg/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) *sqlite.Directory {
	t.Helper()
	d, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Open {
		dir := t.TempDir()
		return func(t *testing.T) (directory.Directory, func()) {
			d := open(t, dir)
			return d, func() {
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// TestErasedFromTheFiles: nothing of an erased person is in any file of the folder once that was answered.
func TestErasedFromTheFiles(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	defer d.Close()
	const planted = "Planted-Name-7c1e"
	name := schema.Personal(planted)
	apply := func(act directory.Act) {
		t.Helper()
		if out := d.Apply(t.Context(), []directory.Change{{Collection: "staff", Request: schema.RequestID(act.Key() + fmt.Sprintf("%T", act)), Act: act}}); out[0].Err != nil {
			t.Fatal(out[0].Err)
		}
	}
	holds := func() (in []string) {
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			if data, err := os.ReadFile(f); err == nil && strings.Contains(string(data), planted) {
				in = append(in, filepath.Base(f))
			}
		}
		return in
	}
	apply(directory.Put{PUID: "anna", ExternalID: planted, Fields: schema.PersonFields{Name: &name, Metadata: schema.Metadata(`{"name":"` + planted + `"}`)}})
	if holds() == nil {
		t.Fatal("the name is in no file; the test looks in the wrong place")
	}
	apply(directory.Erase{PUID: "anna"})
	if in := holds(); in != nil {
		t.Errorf("%q still hold the name", in)
	}
}

// TestOneOwner: a second process cannot write, and can read.
func TestOneOwner(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	defer d.Close()
	if _, err := sqlite.Open(t.Context(), dir); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("a second owner: %v", err)
	}
	r, err := sqlite.OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	change := []directory.Change{{Collection: "staff", Request: "r", Act: directory.Put{PUID: "anna"}}}
	if out := r.Apply(t.Context(), change); schema.ClassOf(out[0].Err) != schema.ClassFatal {
		t.Errorf("a reader writes: %v", out[0].Err)
	}
	if out := d.Apply(t.Context(), change); out[0].Err != nil {
		t.Fatal(out[0].Err)
	}
	if p, err := r.Person(t.Context(), "staff", "anna"); p == nil || err != nil {
		t.Errorf("the reader sees %v, %v", p, err)
	}
}

// TestDamageIsSaid: a damaged file is not served.
func TestDamageIsSaid(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close()
	path := filepath.Join(dir, "directory.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), dir); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %v", err)
	}
}

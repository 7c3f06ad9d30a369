package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tables of docs/scaling.md are what the program writes.
func TestThePageHasTheTables(t *testing.T) {
	page, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	in, err := readInputs("", nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := write(&b, in, 1); err != nil {
		t.Fatal(err)
	}
	want, err := replace(string(page), b.String())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("go generate ./tools/scaling changes docs/scaling.md (-want +got):\n%s", diff)
	}
}

// Another seed gives other arrivals, and plans that differ little.
func TestAnotherSeed(t *testing.T) {
	in, err := readInputs("", nil)
	if err != nil {
		t.Fatal(err)
	}
	k := kinds(in)[0]
	a, errA := planFor(in, k, 1000, 1)
	b, errB := planFor(in, k, 1000, 2)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if a.p99 == b.p99 {
		t.Error("both seeds give the same arrivals")
	}
	if a.workers != b.workers || math.Abs(a.p99-b.p99) > 0.1*a.p99 {
		t.Errorf("plans differ: %+v, %+v", a, b)
	}
}

// The queue of one core waits as long as theory says for random arrivals and equal times (M/D/1): ρ/(2(1-ρ)) of a time.
func TestQueueIsThatOfTheory(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, load := range []float64{0.3, 0.6, 0.8} {
		const n = 400_000
		now := 0.0
		arrivals := make([]float64, n)
		for i := range arrivals {
			now += random.ExpFloat64() / load
			arrivals[i] = now
		}
		var sum float64
		for _, took := range (worker{cores: 1, core: 1}).serve(arrivals, random) {
			sum += took - 1
		}
		if got, want := sum/n, load/(2*(1-load)); math.Abs(got-want) > 0.05*want {
			t.Errorf("at a load of %v an image waits for %.3f of its time, in theory for %.3f", load, got, want)
		}
	}
}

// A batch begins when it is full, when its first image has waited, or when the device is free, whichever of these is right.
func TestBatches(t *testing.T) {
	w := worker{cores: 100, core: 1e-9, batch: 2, call: 10, row: 1, wait: 3}
	// 0 and 1 fill a batch that begins at 1 and ends at 13; 5 and 6 wait for the device until 13 and end at 25; 40 waits for company until
	// 43, and ends at 54.
	got := w.serve([]float64{0, 1, 5, 6, 40}, rand.New(rand.NewPCG(1, 1)))
	for i, want := range []float64{13, 12, 20, 19, 14} {
		if math.Abs(got[i]-want) > 1e-6 {
			t.Errorf("image %d took %.3f, want %v", i, got[i], want)
		}
	}
}

// More cores, a lower price, or images that take longer change the tables in the right direction.
func TestInputsCount(t *testing.T) {
	planned := func(changed ...string) plan {
		in, err := readInputs("", changed)
		if err != nil {
			t.Fatal(err)
		}
		p, err := planFor(in, kinds(in)[0], 10_000, 1)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	base, more, slower := planned(), planned("worker_cores=32"), planned("engine_ms=48")
	if more.workers*2 > base.workers+2 || slower.workers < 2*base.workers-2 {
		t.Errorf("workers: %d, with twice the cores %d, with twice the time %d", base.workers, more.workers, slower.workers)
	}
	cost := func(changed ...string) string {
		in, err := readInputs("", changed)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		(&tables{to: &b, in: in}).cost(map[string][]plan{kinds(in)[0].name: {base}})
		return b.String()
	}
	if cheap, again := cost(), cost(); cheap != again || cheap == cost("price_core_hour=0.08") {
		t.Error("the cost does not depend on the prices alone")
	}
	in, err := readInputs("", settings{"target_ms=40"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := planFor(in, kinds(in)[0], 1000, 1); err == nil {
		t.Error("a target below the time of an image is reached")
	}
}

func TestWrongInputs(t *testing.T) {
	dir := t.TempDir()
	files := 0
	file := func(text string) string {
		files++
		path := filepath.Join(dir, fmt.Sprintf("inputs-%d.json", files))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		file string
		set  settings
		want string
	}{
		{"", settings{"price_core_hours=1"}, "not the name of an input"},
		{"", settings{"price_core_hour"}, "not the name of an input"},
		{"", settings{"engine_ms=0"}, "must be above 0"},
		{"", settings{"engine_ms=NaN"}, "must be above 0"},
		{file(`[]`), nil, "has no input"},
		{file(strings.Replace(string(measured), "[", `[{"name": "colour", "value": 1},`, 1)), nil, "not in use"},
	} {
		if _, err := readInputs(c.file, c.set); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: %v, want %q", c.file, c.set, err, c.want)
		}
	}
	if _, err := readInputs("", settings{"price_gpu_hour=0"}); err != nil {
		t.Error(err)
	}
}

func TestMarks(t *testing.T) {
	got, err := replace("a\n"+begin+"old\n"+end+"b\n", "new\n")
	if want := "a\n" + begin + "\nnew\n\n" + end + "b\n"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := replace("no marks", "new\n"); err == nil {
		t.Error("a page without marks is one")
	}
}

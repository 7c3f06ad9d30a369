package onnx

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"facestream/pkg/schema"
)

const (
	detector   = "detector.onnx"
	embedding  = "embedding.onnx"
	batchOfOne = "embedding/mobilefacenet.onnx" // its file says that one call takes one row
)

func load(t *testing.T, r *Runtime, name string, o SessionOptions) *Session {
	t.Helper()
	s, err := r.Load(name, network(t, name), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noise is a row of 3 planes of values between 0 and top.
func noise(seed uint64, top float32, height, width int64) Tensor {
	random := rand.New(rand.NewPCG(seed, 0))
	data := make([]float32, 3*height*width)
	for i := range data {
		data[i] = random.Float32() * top
	}
	return Tensor{Shape: []int64{3, height, width}, Data: data}
}

// distance is the largest difference of two answers, +Inf where their shapes differ.
func distance(t *testing.T, a, b RowResult) float64 {
	t.Helper()
	if a.Err != nil || b.Err != nil || len(a.Value) != len(b.Value) || len(a.Value) == 0 {
		t.Fatalf("no two answers: %d outputs (%v) and %d outputs (%v)", len(a.Value), a.Err, len(b.Value), b.Err)
	}
	var most float64
	for i := range a.Value {
		if !slices.Equal(a.Value[i].Shape, b.Value[i].Shape) || len(a.Value[i].Data) != len(b.Value[i].Data) {
			return math.Inf(1)
		}
		for j, v := range a.Value[i].Data {
			most = max(most, math.Abs(float64(v)-float64(b.Value[i].Data[j])))
		}
	}
	if math.IsNaN(most) {
		t.Fatal("an answer has values that are not numbers")
	}
	return most
}

// Every row gets the answer that it would get alone, whatever its neighbours are and however rows share calls.
func TestRowsAreIndependent(t *testing.T) {
	r := openRuntime(t)
	for name, rows := range map[string][]Tensor{
		detector: {noise(1, 255, 96, 128), noise(2, 255, 64, 64), noise(3, 1e6, 96, 128), noise(4, 0, 96, 128),
			noise(5, 255, 64, 64), noise(6, 255, 96, 128)},
		embedding: {noise(1, 1, 112, 112), noise(2, 1, 112, 112), noise(3, 1e3, 112, 112), noise(4, 0, 112, 112),
			noise(5, 1, 112, 112), noise(6, 1, 112, 112)},
	} {
		for _, batch := range []int{0, 1, 2} {
			s := load(t, r, name, SessionOptions{Batch: batch})
			together := s.Run(t.Context(), rows)
			if len(together) != len(rows) {
				t.Fatalf("%s: %d answers for %d rows", name, len(together), len(rows))
			}
			for i, row := range rows {
				alone := s.Run(t.Context(), []Tensor{row})[0]
				if d := distance(t, together[i], alone); d > 1e-5 {
					t.Errorf("%s, batch %d, row %d: differs by %g from its answer alone", name, batch, i, d)
				}
				if got, want := len(alone.Value), len(s.Outputs()); got != want {
					t.Errorf("%s, batch %d, row %d: %d outputs, want %d", name, batch, i, got, want)
				}
			}
			if d := distance(t, together[0], together[5]); d < 1e-3 {
				t.Errorf("%s, batch %d: different rows have the same answer", name, batch)
			}
		}
	}
}

// A file that declares a batch of 1 runs any number of rows, whatever the options say.
func TestBatchOfOne(t *testing.T) {
	r := openRuntime(t)
	rows := []Tensor{noise(1, 1, 112, 112), noise(2, 1, 112, 112), noise(3, 1, 112, 112)}
	for _, batch := range []int{0, 1, 8} {
		s := load(t, r, batchOfOne, SessionOptions{Batch: batch})
		for i, got := range s.Run(t.Context(), rows) {
			if d := distance(t, got, s.Run(t.Context(), rows[i:i+1])[0]); d != 0 {
				t.Errorf("batch %d, row %d: differs by %g from its answer alone", batch, i, d)
			}
			if !slices.Equal(got.Value[0].Shape, []int64{128}) {
				t.Errorf("batch %d, row %d: shape %v, want [128]", batch, i, got.Value[0].Shape)
			}
		}
	}
}

func TestBadRowFailsAlone(t *testing.T) {
	s := load(t, openRuntime(t), embedding, SessionOptions{Batch: 1})
	good := noise(1, 1, 112, 112)
	rows := []Tensor{good, noise(1, 1, 96, 112), {Shape: []int64{3, 112, 112}, Data: make([]float32, 7)}, {}, good}
	results := s.Run(t.Context(), rows)
	for i, want := range []string{"", "shape [3 96 112]", "7 values", "shape []", ""} {
		err := results[i].Err
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("row %d: %v, want an error with %q", i, err, want)
		}
	}
	if d := distance(t, results[0], results[4]); d != 0 {
		t.Errorf("the same row twice differs by %g", d)
	}
}

// What Run returns belongs to the caller, and what it was given is not touched.
func TestOwnership(t *testing.T) {
	s := load(t, openRuntime(t), detector, SessionOptions{})
	rows := []Tensor{noise(1, 255, 64, 64), noise(2, 255, 64, 64)}
	before := slices.Clone(rows[0].Data)
	first := s.Run(t.Context(), rows)
	if !slices.Equal(before, rows[0].Data) {
		t.Error("Run wrote to its input")
	}
	want := slices.Clone(first[1].Value[0].Data)
	for i := range first[0].Value {
		clear(first[0].Value[i].Data)
		_ = append(first[0].Value[i].Data, make([]float32, 4096)...)
	}
	s.Run(t.Context(), rows)
	if !slices.Equal(want, first[1].Value[0].Data) {
		t.Error("an answer changed when its neighbour was written to")
	}
}

func TestRunConcurrently(t *testing.T) {
	r := openRuntime(t)
	s := load(t, r, detector, SessionOptions{})
	sizes := [][2]int64{{64, 64}, {96, 64}, {64, 128}}
	var rows []Tensor
	var want []RowResult
	for i := range 6 {
		size := sizes[i%len(sizes)]
		rows = append(rows, noise(uint64(i), 255, size[0], size[1]))
		want = append(want, s.Run(t.Context(), rows[i:])[0])
	}
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := range 8 {
				n := (g + i) % len(rows)
				for j, got := range s.Run(t.Context(), rows[n:]) {
					if d := distance(t, got, want[n+j]); d > 1e-5 {
						t.Errorf("row %d differs by %g from its answer alone", n+j, d)
					}
				}
			}
		})
	}
	all.Wait()
}

func TestRunCanceled(t *testing.T) {
	s := load(t, openRuntime(t), embedding, SessionOptions{Batch: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, result := range s.Run(ctx, []Tensor{noise(1, 1, 112, 112), noise(2, 1, 112, 112)}) {
		if !errors.Is(result.Err, context.Canceled) || schema.ClassOf(result.Err) != schema.ClassTransient || result.Value != nil {
			t.Errorf("a canceled row: %v", result.Err)
		}
	}
}

// Runtimes share the process's one environment; it goes with its last user and can come back.
func TestLifetime(t *testing.T) {
	library := realLibrary(t)
	row := []Tensor{noise(1, 255, 64, 64)}
	for round := range 2 {
		first, err := Open(t.Context(), library)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Open(t.Context(), library)
		if err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(t.TempDir(), "libonnxruntime.so")
		buildLibrary(t, other, "1.24.2")
		if _, err := Open(t.Context(), other); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "second library") {
			t.Errorf("a second library: %v", err)
		}
		if !strings.HasPrefix(first.Release, "1.") {
			t.Errorf("release %q", first.Release)
		}
		a, b := load(t, first, detector, SessionOptions{}), load(t, second, detector, SessionOptions{})
		if err := errors.Join(first.Close(), first.Close()); err != nil {
			t.Fatal(err)
		}
		if err := a.Run(t.Context(), row)[0].Err; !errors.Is(err, errClosed) {
			t.Errorf("round %d: a row of a closed runtime: %v", round, err)
		}
		if _, err := first.Load(detector, network(t, detector), SessionOptions{}); schema.ClassOf(err) != schema.ClassFatal {
			t.Errorf("round %d: loading into a closed runtime: %v", round, err)
		}
		if err := b.Run(t.Context(), row)[0].Err; err != nil {
			t.Errorf("round %d: a row of the other runtime: %v", round, err)
		}
		if err := errors.Join(b.Close(), b.Close(), a.Close(), second.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if environment.users != 0 {
		t.Errorf("%d users of the environment are left", environment.users)
	}
}

// Close waits for the calls in a session.
func TestCloseWhileRunning(t *testing.T) {
	s := load(t, openRuntime(t), detector, SessionOptions{})
	row := []Tensor{noise(1, 255, 256, 256)}
	var all sync.WaitGroup
	started := make(chan struct{}, 8)
	for range 8 {
		all.Go(func() {
			started <- struct{}{}
			for {
				if err := s.Run(t.Context(), row)[0].Err; err != nil {
					if !errors.Is(err, errClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
}

func TestLoadRefuses(t *testing.T) {
	r := openRuntime(t)
	for name, file := range map[string][]byte{"empty": nil, "text": []byte("no network"), "cut": network(t, detector)[:100_000]} {
		if _, err := r.Load(name, file, SessionOptions{}); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), name) {
			t.Errorf("Load(%s): %v", name, err)
		}
	}
}

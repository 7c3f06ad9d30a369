package onnx

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"facestream/packs"
	"facestream/pkg/engine/models"
)

// Every network answers each row as if it were alone, when callers share calls that are filled up to fixed numbers of rows.
func TestBatchedRowsAreThoseAlone(t *testing.T) {
	r := openRuntime(t)
	for _, name := range []string{packs.Starter, packs.Recommended} {
		pack, err := models.Locate(name)
		if err != nil {
			t.Logf("SKIPPED, the networks of %s are not run: %v", name, err)
			continue
		}
		for _, m := range pack.All() {
			s := loadModel(t, r, pack, m)
			s.padded = Device{Kind: TensorRT}.calls()
			shape := []int64{3, int64(m.Input.Height), int64(m.Input.Width)}
			if m.Input.Layout == models.NHWC {
				shape = []int64{int64(m.Input.Height), int64(m.Input.Width), 3}
			}
			switch {
			case len(s.input) == 2: // of sound
				shape = []int64{100, 0}
			case m.Input.Width == 0:
				shape = []int64{3, 96, 128}
			}
			for i, n := range s.input {
				if n > 0 {
					shape[i] = n
				}
			}
			calls := &counted{Network: s}
			shared := Share(calls, Sharing{Most: 8, AtOnce: 1})
			rows := make([]Tensor, 12)
			for i := range rows {
				rows[i] = pixels(uint64(i), m.Input, shape)
			}
			answers := make([]RowResult, len(rows))
			var callers sync.WaitGroup
			for i := 0; i < len(rows); i += 3 {
				callers.Go(func() { copy(answers[i:], shared.Run(t.Context(), rows[i:i+3])) })
			}
			callers.Wait()
			s.padded = nil
			for i, row := range rows {
				alone := s.Run(t.Context(), []Tensor{row})[0]
				if d := distance(t, answers[i], alone); d > 1e-5*max(1, largest(alone)) {
					t.Errorf("%s %s, row %d: differs by %g from its answer alone, of up to %g", name, m.ID(), i, d, largest(alone))
				}
			}
			if most := calls.most.Load(); most < 2 {
				t.Errorf("%s %s: calls of %d rows at most", name, m.ID(), most)
			}
		}
	}
}

// loadModel loads a network of a pack.
func loadModel(t *testing.T, r *Runtime, pack *models.Pack, m models.Model) *Session {
	t.Helper()
	options := SessionOptions{Batch: m.Batch}
	var s *Session
	file, err := pack.Read(m)
	switch {
	case err != nil:
	case m.Weights != nil:
		s, err = r.LoadFile(filepath.Join(pack.Dir, filepath.FromSlash(m.File)), options)
	default:
		s, err = r.Load(m.File, file, options)
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("SKIPPED, %s: %v", m.ID(), err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pixels are a row as a picture of noise gives it, or noise where it is of no picture.
func pixels(seed uint64, in models.Input, shape []int64) Tensor {
	random := rand.New(rand.NewPCG(seed, 0))
	size := int64(1)
	for _, n := range shape {
		size *= n
	}
	row := Tensor{Shape: shape, Data: make([]float32, size)}
	for i := range row.Data {
		if row.Data[i] = random.Float32(); in.Std[0] > 0 {
			row.Data[i] = (float32(random.IntN(256))*in.Scale - in.Mean[0]) / in.Std[0]
		}
	}
	return row
}

// largest is the largest value of an answer, without its sign.
func largest(r RowResult) (most float64) {
	for _, o := range r.Value {
		for _, v := range o.Data {
			most = max(most, math.Abs(float64(v)))
		}
	}
	return most
}

// counted notes how many rows calls have.
type counted struct {
	Network
	most atomic.Int64
}

func (c *counted) Run(ctx context.Context, rows []Tensor) []RowResult {
	if n := int64(len(rows)); n > c.most.Load() {
		c.most.Store(n)
	}
	return c.Network.Run(ctx, rows)
}

// A call on a device with fixed numbers of rows has the next of them, and a device where images share calls has a largest one.
func TestRowsOfCalls(t *testing.T) {
	s := load(t, openRuntime(t), embedding, SessionOptions{})
	for n, want := range map[int]int{1: 1, 3: 3, 32: 32} {
		if got := s.rows(n); got != want {
			t.Errorf("%d rows on a processor are %d in a call", n, got)
		}
	}
	s.padded = Device{Kind: TensorRT}.calls()
	for n, want := range map[int]int{1: 1, 2: 2, 3: 4, 5: 8, 9: 16, 17: 32, 32: 32} {
		if got := s.rows(n); got != want {
			t.Errorf("%d rows are %d in a call, want %d", n, got, want)
		}
	}
	s.batch = 1
	if got := s.rows(1); got != 1 {
		t.Errorf("a network that takes one row gets %d", got)
	}
}

// Warm makes a call for each number of rows that calls have on the device, and none on a processor.
func TestWarm(t *testing.T) {
	r := openRuntime(t)
	s := load(t, r, detector, SessionOptions{})
	shapes := [][]int64{{3, 64, 64}, {3, 64, 32}}
	if err := s.Warm(t.Context(), [][]int64{{4, 64, 64}}); err != nil {
		t.Errorf("a processor was warmed up: %v", err)
	}
	s.device = Device{Kind: CUDA} // as far as Warm knows
	if err := s.Warm(t.Context(), shapes); err != nil {
		t.Error(err)
	}
	if err := s.Warm(t.Context(), [][]int64{{4, 64, 64}}); err == nil {
		t.Error("rows that the network refuses warmed it up")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Warm(ctx, shapes); !errors.Is(err, context.Canceled) {
		t.Errorf("a warm-up that was cancelled: %v", err)
	}
}

// simulated is a device on which the networks take turns, and the time that it has computed.
type simulated struct {
	turn chan struct{}
	busy time.Duration
}

// on returns a network on the device: a call takes the time fixed, and each of its rows the time row.
func (d *simulated) on(fixed, row time.Duration) Network { return simulatedNetwork{d, fixed, row} }

type simulatedNetwork struct {
	*simulated
	fixed, row time.Duration
}

func (simulatedNetwork) Outputs() []string { return []string{"y"} }

func (n simulatedNetwork) Run(_ context.Context, rows []Tensor) []RowResult {
	n.turn <- struct{}{}
	defer func() { <-n.turn }()
	took := n.fixed + time.Duration(len(rows))*n.row
	time.Sleep(took)
	n.busy += took
	return make([]RowResult, len(rows))
}

// What the simulated GPU takes for the calls of a detector and an embedding: in full calls, half a millisecond for an image,
// which is 2,024 images a second.
const (
	detectorCall, detectorRow   = 2 * time.Millisecond, 250 * time.Microsecond
	embeddingCall, embeddingRow = time.Millisecond, 150 * time.Microsecond
	perImage                    = detectorCall/MostRows + detectorRow + embeddingCall/MostRows + embeddingRow
)

// simulate sends images through a detector and an embedding, so many at once, and returns the time that it took and the time that the
// device computed.
func simulate(images, atOnce int, prepare func()) (took, busy time.Duration) {
	d := &simulated{turn: make(chan struct{}, 1)}
	sharing := Sharing{Most: MostRows, AtOnce: 1}
	detect, embed := Share(d.on(detectorCall, detectorRow), sharing), Share(d.on(embeddingCall, embeddingRow), sharing)
	began := time.Now()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for next.Add(1) <= int64(images) {
				prepare()
				detect.Run(context.Background(), []Tensor{{Shape: []int64{3, 480, 640}}})
				embed.Run(context.Background(), []Tensor{{Shape: []int64{3, 112, 112}}})
			}
		})
	}
	workers.Wait()
	return time.Since(began), d.busy
}

// With three times as many images at once as a call has rows, the calls are full and the device never waits.
func TestDeviceIsKeptBusy(t *testing.T) {
	const images = 4000
	synctest.Test(t, func(t *testing.T) {
		took, busy := simulate(images, 3*MostRows, func() {})
		if share := busy.Seconds() / took.Seconds(); share < 0.95 {
			t.Errorf("the device computes %.2f of the time", share)
		}
		if share := (images * perImage).Seconds() / took.Seconds(); share < 0.9 {
			t.Errorf("the device does %.2f of the images that it could", share)
		}
	})
}

// BenchmarkDeviceIsKeptBusy is the same by the clock of the machine, with what is done for an image besides decoding and networks: a copy of
// its detector's rows.
func BenchmarkDeviceIsKeptBusy(b *testing.B) {
	picture := make([]float32, 3*480*640)
	rows := sync.Pool{New: func() any { return new([3 * 480 * 640]float32) }}
	images := max(b.N, 4000)
	took, busy := simulate(images, 3*MostRows, func() {
		row := rows.Get().(*[3 * 480 * 640]float32)
		copy(row[:], picture)
		rows.Put(row)
	})
	b.ReportMetric(busy.Seconds()/took.Seconds(), "busy")
	b.ReportMetric(float64(images)/took.Seconds(), "images/s")
	b.ReportMetric((time.Duration(images)*perImage).Seconds()/took.Seconds(), "of-capacity")
}

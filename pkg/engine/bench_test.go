package engine

import (
	"path/filepath"
	"testing"
	"time"

	"facestream/internal/drawn"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// BenchmarkValidate is the full analysis of a picture of 640 pixels, from the file on, beside its bare networks: what runs in the
// networks of each face and the detector, on inputs that are there already. Both sides take one thread and turns. What
// counts is the ratio, "x-bare": what decoding, cutting out and Go cost.
func BenchmarkValidate(b *testing.B) {
	e, pack := openEngine(b), openPack(b)
	file, err := drawn.JPEG(drawn.Cast()[0], 0, 640, 90)
	if err != nil {
		b.Fatal(err)
	}
	type bare struct {
		net  onnx.Network
		rows []onnx.Tensor
	}
	var nets []bare
	for _, use := range []struct {
		role  models.Role
		index int
		rows  int
	}{{models.RoleDetector, 0, 1}, {models.RoleLandmarks, 0, 1}, {models.RolePose, 0, 1}, {models.RolePose, 1, 1},
		{models.RoleLiveness, 0, 1}, {models.RoleLiveness, 1, 1}, {models.RoleAttributes, 0, 2}, {models.RoleAttributes, 1, 1}, {models.RoleAttributes, 2, 1}} {
		m := pack.Models[use.role][use.index]
		stage, _, err := e.loan.network(e.pack, m)
		if err != nil {
			b.Fatal(err)
		}
		w, h := m.Input.Width, m.Input.Height
		if w == 0 {
			w, h = m.Input.LongSide, m.Input.LongSide
		}
		n := bare{net: stage.Net}
		for range use.rows {
			n.rows = append(n.rows, onnx.Tensor{Shape: []int64{3, int64(h), int64(w)}, Data: make([]float32, 3*w*h)})
		}
		nets = append(nets, n)
	}
	params := Params{Strategy: BestConfidence, Attributes: true, Liveness: 1}
	var whole, alone time.Duration
	stages := map[string]time.Duration{}
	for b.Loop() {
		start := time.Now()
		a, err := e.Analyze(b.Context(), file, params)
		if err != nil || len(a.Faces) != 1 {
			b.Fatal(a, err)
		}
		whole += time.Since(start)
		for stage, took := range a.Timings {
			stages[stage] += took
		}
		start = time.Now()
		for _, n := range nets {
			for _, r := range n.net.Run(b.Context(), n.rows) {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
			}
		}
		alone += time.Since(start)
	}
	b.ReportMetric(float64(whole)/float64(alone), "x-bare")
	b.ReportMetric(float64(whole.Microseconds())/1000/float64(b.N), "ms/validate")
	b.ReportMetric(float64(alone.Microseconds())/1000/float64(b.N), "ms/bare")
	for stage, took := range stages {
		b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), "ms/"+stage)
	}
}

// BenchmarkPhotograph analyses the photographs of faces/pairs one after the other, from the file on: once as for an enrolment (detector,
// alignment, embedding), once as for a full validation. A CPU profile of it says where the time of a photograph goes.
func BenchmarkPhotograph(b *testing.B) {
	paths, err := filepath.Glob(filepath.Join(dataDir(b), "faces", "pairs", "*.jpg"))
	if err != nil || len(paths) == 0 {
		b.Fatal("no photographs", err)
	}
	var files [][]byte
	for _, path := range paths {
		files = append(files, read(b, path))
	}
	e := openEngine(b)
	for name, params := range map[string]Params{
		"embed":    {Strategy: BestConfidence, Embed: true},
		"validate": {Strategy: BestConfidence, Attributes: true, Liveness: 1},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			stages := map[string]time.Duration{}
			for i := 0; b.Loop(); i++ {
				a, err := e.Analyze(b.Context(), files[i%len(files)], params)
				if err != nil {
					b.Fatal(paths[i%len(files)], err)
				}
				for stage, took := range a.Timings {
					stages[stage] += took
				}
			}
			for stage, took := range stages {
				b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), "ms/"+stage)
			}
		})
	}
}

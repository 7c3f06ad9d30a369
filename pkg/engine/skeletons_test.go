package engine

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// A skeleton over a network that was published as a whole answers as that does: to 1e-6 in the probabilities of its classes, for faces
// as for noise.
func TestSkeletonsAnswerAsPublished(t *testing.T) {
	pack := openPack(t)
	r, err := onnx.Open(t.Context(), library(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	compared := 0
	for _, m := range pack.Models[models.RoleLiveness] {
		if len(m.Weights) != 1 || filepath.Ext(m.Weights[0].Name) != ".onnx" {
			continue
		}
		compared++
		skeleton, err := load(r, pack, m)
		if err != nil {
			t.Fatal(err)
		}
		published, err := r.LoadFile(filepath.Join(pack.Dir, m.Weights[0].Name), onnx.SessionOptions{Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		in := m.Input
		var rows []onnx.Tensor
		random := rand.New(rand.NewPCG(5, 6))
		for i, file := range append(cast(t, 8), nil, nil, nil, nil) {
			picture := imaging.New(in.Width, in.Height)
			for k := range picture.Pix {
				picture.Pix[k] = byte(random.Uint32() >> (i % 3))
			}
			if file != nil {
				whole, _, err := imaging.Decode(t.Context(), file, imaging.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				picture = whole.Resize(in.Width, in.Height)
			}
			row := onnx.Tensor{Shape: []int64{3, int64(in.Height), int64(in.Width)}, Data: make([]float32, 3*in.Width*in.Height)}
			picture.Planes(row.Data, in.Width, in.Height, imaging.Normalisation{BGR: in.Colour == "bgr", Scale: in.Scale, Mean: in.Mean, Std: in.Std})
			rows = append(rows, row)
		}
		var worst float64
		want := published.Run(t.Context(), rows)
		for i, got := range skeleton.Run(t.Context(), rows) {
			if got.Err != nil || want[i].Err != nil {
				t.Fatal(m.Name, got.Err, want[i].Err)
			}
			p, q := softmax(got.Value[0].Data), softmax(want[i].Value[0].Data)
			if len(p) != len(q) {
				t.Fatalf("%s: %d classes, want %d", m.Name, len(p), len(q))
			}
			for c := range p {
				worst = max(worst, math.Abs(p[c]-q[c]))
			}
		}
		t.Logf("%s: %.1g", m.Name, worst)
		if !(worst <= 1e-6) {
			t.Errorf("%s: a probability differs from that of the published network by %g", m.Name, worst)
		}
	}
	if compared != 4 {
		t.Errorf("%d networks were compared, want the four of the role liveness", compared)
	}
}

func softmax(logits []float32) []float64 {
	p, sum := make([]float64, len(logits)), 0.0
	for i, l := range logits {
		p[i] = math.Exp(float64(l))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

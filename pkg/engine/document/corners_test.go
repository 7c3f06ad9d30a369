package document

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// answers is a network of the test's own.
type answers struct {
	names []string
	run   func() onnx.RowResult
}

func (a *answers) Outputs() []string { return a.names }

func (a *answers) Run(_ context.Context, rows []onnx.Tensor) []onnx.RowResult {
	out := make([]onnx.RowResult, len(rows))
	for i := range rows {
		out[i] = a.run()
	}
	return out
}

// cornerStage is a network that answers these corners and this logit; nil fails.
func cornerStage(coords []float32, logit float32) face.Stage {
	net := &answers{names: []string{"score_logit", "coords"}, run: func() onnx.RowResult {
		if coords == nil {
			return onnx.RowResult{Err: errors.New("out of memory")}
		}
		return onnx.RowResult{Value: []onnx.Tensor{{Data: []float32{logit}}, {Data: coords}}}
	}}
	return face.Stage{Net: net, Model: models.Model{Name: "corners", Architecture: ArchitectureCorners,
		Input:      models.Input{Width: 8, Height: 8, Colour: "rgb", Scale: 1, Std: [3]float32{1, 1, 1}, Layout: models.NHWC},
		Thresholds: map[string]models.Threshold{face.ThresholdDocument: {Value: 0.5}}}}
}

func TestCorners(t *testing.T) {
	img := imaging.New(400, 200)
	card := []float32{0.1, 0.2, 0.6, 0.2, 0.7, 0.8, 0.2, 0.9}
	for name, c := range map[string]struct {
		coords []float32
		logit  float32
		want   *Outline
	}{
		"a document": {card, 2, &Outline{Confidence: 0.8808, Corners: [4]schema.PointF{{X: 40, Y: 40}, {X: 240, Y: 40}, {X: 280, Y: 160}, {X: 80, Y: 180}}}},
		"none":       {card, -1, nil},
		"a sliver":   {[]float32{0.1, 0.1, 0.9, 0.1, 0.9, 0.11, 0.1, 0.11}, 2, nil},
		"mirrored":   {[]float32{0.6, 0.2, 0.1, 0.2, 0.2, 0.9, 0.7, 0.8}, 2, nil},
		"crossed":    {[]float32{0.1, 0.2, 0.6, 0.8, 0.7, 0.2, 0.2, 0.9}, 2, nil},
		"dented":     {[]float32{0.1, 0.1, 0.9, 0.1, 0.3, 0.3, 0.1, 0.9}, 2, nil},
	} {
		finder, err := NewCornerFinder(cornerStage(c.coords, c.logit))
		if err != nil {
			t.Fatal(err)
		}
		got, err := finder.Find(t.Context(), img)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 1e-3)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	nan := float32(math.NaN())
	for name, s := range map[string]face.Stage{"fails": cornerStage(nil, 1), "too few": cornerStage(card[:6], 1), "NaN": cornerStage(card, nan)} {
		finder, err := NewCornerFinder(s)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := finder.Find(t.Context(), img); err == nil || o != nil {
			t.Errorf("%s: %+v without an error", name, o)
		}
	}
}

func TestCornerFinderRefuses(t *testing.T) {
	for name, change := range map[string]func(*face.Stage){
		"another architecture": func(s *face.Stage) { s.Model.Architecture = face.DocumentGrid },
		"planes":               func(s *face.Stage) { s.Model.Input.Layout = models.NCHW },
		"no threshold":         func(s *face.Stage) { s.Model.Thresholds = nil },
		"other outputs":        func(s *face.Stage) { s.Net = &answers{names: []string{"output"}} },
	} {
		s := cornerStage([]float32{0}, 0)
		change(&s)
		if _, err := NewCornerFinder(s); schema.ClassOf(err) != schema.ClassFatal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

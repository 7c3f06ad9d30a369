package face

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// answers is a network with fixed answers; it keeps what it was asked.
type answers struct {
	names []string
	run   func(onnx.Tensor) onnx.RowResult
	shape []int64
}

func (a *answers) Outputs() []string { return a.names }

func (a *answers) Run(_ context.Context, rows []onnx.Tensor) []onnx.RowResult {
	out := make([]onnx.RowResult, len(rows))
	for i, row := range rows {
		a.shape = row.Shape
		out[i] = a.run(row)
	}
	return out
}

// cell is one raw detection: column, row and values as the network writes them.
type cell struct {
	stride, c, r int
	cls, obj     float32
	bbox         [4]float32
	kps          [10]float32
}

func yunet(cells ...cell) *answers {
	a := &answers{}
	for _, head := range []string{"cls", "obj", "bbox", "kps"} {
		for _, stride := range strides {
			a.names = append(a.names, fmt.Sprintf("%s_%d", head, stride))
		}
	}
	a.run = func(row onnx.Tensor) onnx.RowResult {
		h, w := int(row.Shape[1]), int(row.Shape[2])
		var out onnx.RowResult
		for _, values := range []int{1, 1, 4, 10} {
			for _, stride := range strides {
				n := h / stride * (w / stride)
				out.Value = append(out.Value, onnx.Tensor{Shape: []int64{int64(n), int64(values)}, Data: make([]float32, n*values)})
			}
		}
		for _, c := range cells {
			s := map[int]int{8: 0, 16: 1, 32: 2}[c.stride]
			i := c.r*(w/c.stride) + c.c
			out.Value[s].Data[i], out.Value[3+s].Data[i] = c.cls, c.obj
			copy(out.Value[6+s].Data[4*i:], c.bbox[:])
			copy(out.Value[9+s].Data[10*i:], c.kps[:])
		}
		return out
	}
	return a
}

func yunetModel() models.Model {
	return models.Model{
		Role: models.RoleDetector, Name: "yunet", Architecture: "yunet",
		Input: models.Input{Multiple: 32, LongSide: 64, Colour: "bgr", Scale: 1, Std: [3]float32{1, 1, 1}},
		Thresholds: map[string]models.Threshold{
			ThresholdConfidence: {Value: 0.5}, ThresholdNMS: {Value: 0.3},
		},
	}
}

func detect(t *testing.T, net onnx.Network, w, h int, minConfidence float32) ([]Face, error) {
	t.Helper()
	d, err := NewDetector(Stage{Net: net, Model: yunetModel()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return d.Detect(t.Context(), imaging.New(w, h), minConfidence)
}

func TestDetectDecodesEachStride(t *testing.T) {
	ln2 := float32(math.Log(2))
	for _, stride := range strides {
		net := yunet(cell{
			stride: stride, c: 1, r: 0, cls: 0.81, obj: 1,
			bbox: [4]float32{0.5, 0.25, 0, ln2}, kps: [10]float32{0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1},
		})
		// 128 × 50 is halved to 64 × 25 and padded to 64 × 32.
		faces, err := detect(t, net, 128, 50, 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int64{3, 32, 64}, net.shape); diff != "" {
			t.Errorf("input shape: %s", diff)
		}
		s := float32(stride) * 2
		p := func(x, y float32) schema.PointF { return schema.PointF{X: x * s, Y: y * s} }
		want := []Face{{
			Box:        schema.BoxF{TopLeft: p(1, -0.75), BottomRight: p(2, 1.25)},
			Points:     [5]schema.PointF{p(1, 0), p(2, 0), p(1.5, 0.5), p(1, 1), p(2, 1)},
			Confidence: 0.9,
		}}
		if diff := cmp.Diff(want, faces, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
			t.Errorf("stride %d: %s", stride, diff)
		}
	}
}

func TestDetectSuppressesAndSorts(t *testing.T) {
	ln := func(v float64) float32 { return float32(math.Log(v)) }
	box := func(c, r int, score, size float64) cell {
		return cell{stride: 8, c: c, r: r, cls: float32(score), obj: float32(score), bbox: [4]float32{0, 0, ln(size), ln(size)}}
	}
	net := yunet(box(1, 1, 0.9, 2), box(2, 1, 0.8, 2), // a third of their union is shared
		box(6, 6, 0.7, 1), box(6, 3, 0.7, 1), box(3, 6, 0.7, 1), // apart, equal: by place
		box(7, 0, 0.49, 1)) // below the threshold
	faces, err := detect(t, net, 64, 64, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got [][3]float32
	for _, f := range faces {
		got = append(got, [3]float32{f.Box.TopLeft.X, f.Box.TopLeft.Y, f.Confidence})
	}
	want := [][3]float32{{0, 0, 0.9}, {44, 20, 0.7}, {20, 44, 0.7}, {44, 44, 0.7}}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
		t.Error(diff)
	}
	if faces, _ := detect(t, net, 64, 64, 0.3); len(faces) != 5 {
		t.Errorf("%d faces at the caller's threshold, want 5", len(faces))
	}
}

func TestDetectFailures(t *testing.T) {
	if faces, err := detect(t, yunet(), 10, 10, 0); err != nil || len(faces) != 0 {
		t.Errorf("no face: %v, %v", faces, err)
	}
	nan := float32(math.NaN())
	broken := yunet()
	broken.run = func(onnx.Tensor) onnx.RowResult { return onnx.RowResult{Err: errors.New("out of memory")} }
	short := yunet()
	whole := short.run
	short.run = func(row onnx.Tensor) onnx.RowResult {
		out := whole(row)
		out.Value[11].Data = out.Value[11].Data[1:]
		return out
	}
	for name, net := range map[string]*answers{
		"network fails": broken, "outputs too short": short,
		"NaN score": yunet(cell{stride: 8, cls: nan, obj: 1}),
		"NaN place": yunet(cell{stride: 8, cls: 1, obj: 1, kps: [10]float32{nan}}),
		"huge box":  yunet(cell{stride: 8, cls: 1, obj: 1, bbox: [4]float32{0, 0, 1000, 0}}),
	} {
		if faces, err := detect(t, net, 64, 64, 0); err == nil {
			t.Errorf("%s: %v without an error", name, faces)
		}
	}
}

func TestNewDetectorRefuses(t *testing.T) {
	noThreshold, other, noSide := yunetModel(), yunetModel(), yunetModel()
	noThreshold.Thresholds, other.Architecture, noSide.Input.LongSide = nil, "retinaface", 0
	for name, c := range map[string]struct {
		net   onnx.Network
		model models.Model
		says  string
	}{
		"architecture": {yunet(), other, "retinaface"},
		"threshold":    {yunet(), noThreshold, ThresholdConfidence},
		"long side":    {yunet(), noSide, "long side"},
		"outputs":      {&answers{names: []string{"output"}}, yunetModel(), "cls_8"},
	} {
		_, err := NewDetector(Stage{Net: c.net, Model: c.model}, 0)
		if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSimilarity(t *testing.T) {
	want := imaging.Similarity{A: 0.8, B: -0.3, Tx: 12, Ty: -7}
	var from [5]schema.PointF // the points that want moves onto the template
	for i, p := range template {
		x, y := want.Inverse().Apply(float64(p.X), float64(p.Y))
		from[i] = schema.PointF{X: float32(x), Y: float32(y)}
	}
	got, err := similarity(from, template)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
		t.Error(diff)
	}
	// With noise, no similarity near the answer is closer: it is the least-squares one.
	from[0].X += 4
	from[3].Y -= 3
	got, err = similarity(from, template)
	if err != nil {
		t.Fatal(err)
	}
	cost := func(s imaging.Similarity) (sum float64) {
		for i, p := range from {
			x, y := s.Apply(float64(p.X), float64(p.Y))
			sum += math.Pow(x-float64(template[i].X), 2) + math.Pow(y-float64(template[i].Y), 2)
		}
		return sum
	}
	for _, d := range []imaging.Similarity{{A: 1e-3}, {B: 1e-3}, {Tx: 1e-2}, {Ty: 1e-2}} {
		for _, sign := range []float64{-1, 1} {
			near := imaging.Similarity{A: got.A + sign*d.A, B: got.B + sign*d.B, Tx: got.Tx + sign*d.Tx, Ty: got.Ty + sign*d.Ty}
			if cost(near) <= cost(got) {
				t.Errorf("%+v costs %g, the answer %+v costs %g", near, cost(near), got, cost(got))
			}
		}
	}
	if _, err := Align(imaging.New(9, 9), [5]schema.PointF{}); schema.ReasonOf(err) != schema.ReasonFaceRejected {
		t.Errorf("coinciding points: %v", err)
	}
}

func TestEmbed(t *testing.T) {
	model := models.Model{
		Name: "net", SHA256: "0123456789abcdef", Architecture: "arcface",
		Input: models.Input{Width: AlignedSide, Height: AlignedSide, Colour: "rgb", Scale: 1, Std: [3]float32{1, 1, 1}},
	}
	net := &answers{names: []string{"out"}}
	net.run = func(row onnx.Tensor) onnx.RowResult {
		if row.Data[0] == 9 {
			return onnx.RowResult{Err: errors.New("no")}
		}
		return onnx.RowResult{Value: []onnx.Tensor{{Data: []float32{3 * row.Data[0], 4 * row.Data[0]}}}}
	}
	e, err := NewEmbedder(Stage{Net: net, Model: model})
	if err != nil {
		t.Fatal(err)
	}
	aligned := func(red byte) *imaging.Image {
		m := imaging.New(AlignedSide, AlignedSide)
		m.Pix[0] = red
		return m
	}
	got := e.Embed(t.Context(), []*imaging.Image{aligned(5), aligned(9), aligned(0), aligned(2)})
	for i, wantErr := range []bool{false, true, true, false} { // a failing and a zero row between good ones
		if (got[i].Err != nil) != wantErr {
			t.Errorf("row %d: error %v", i, got[i].Err)
		}
		if wantErr {
			continue
		}
		want := schema.Embedding{Model: "net@01234567", Vector: []float32{0.6, 0.8}}
		if diff := cmp.Diff(want.Vector, got[i].Value.Vector, cmpopts.EquateApprox(0, 1e-6)); diff != "" || got[i].Value.Model != want.Model {
			t.Errorf("row %d: model %s: %s", i, got[i].Value.Model, diff)
		}
	}
	for name, change := range map[string]func(*models.Model){
		"architecture": func(m *models.Model) { m.Architecture = "clip" },
		"size":         func(m *models.Model) { m.Input.Width = 160 },
	} {
		m := model
		change(&m)
		if _, err := NewEmbedder(Stage{Net: net, Model: m}); schema.ClassOf(err) != schema.ClassFatal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNthIsThatOfTheSorted(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		luma := make([]float32, 1+r.IntN(200))
		for i := range luma {
			luma[i] = []float32{r.Float32() * 255, float32(r.IntN(4)), 255, 0}[r.IntN(4)]
		}
		sorted := slices.Sorted(slices.Values(luma))
		for n, want := range sorted {
			if got := nth(luma, n); got != want {
				t.Fatalf("of %v the %d. is %v, want %v", luma, n, got, want)
			}
		}
	}
}

package face

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// Stage is a network of a pack with what the manifest says of it.
type Stage struct {
	Net   onnx.Network
	Model models.Model
	// Metadata are the entries of the network's file (onnx.Session.Metadata).
	Metadata map[string]string
	// FewShapes asks for rows of few shapes where the network takes any, because only rows of one shape share a call.
	FewShapes bool
}

// check says as a Fatal error why s cannot be driven: CheckInput's reasons for a network of planes, more than one output, or no crop
// for a network that sees a part around a face.
func (s Stage) check(op string, architectures ...string) error {
	return s.checkLayout(op, models.NCHW, architectures...)
}

// checkLayout is check for networks of that layout.
func (s Stage) checkLayout(op string, layout models.Layout, architectures ...string) error {
	m := s.Model
	if err := s.CheckInput(op, layout, architectures...); err != nil {
		return err
	}
	switch {
	case m.Input.Crop == 0 && !slices.Contains(cropless, m.Architecture):
		return schema.Fatal(op, fmt.Errorf("%s: its manifest names no crop", m.Name))
	case len(s.Net.Outputs()) != 1:
		return schema.Fatal(op, fmt.Errorf("%s has %d outputs; a network of the architecture %q has one", m.Name, len(s.Net.Outputs()), m.Architecture))
	}
	return nil
}

// CheckInput says as a Fatal error why s cannot be fed: another architecture, no fixed input size, or another layout.
func (s Stage) CheckInput(op string, layout models.Layout, architectures ...string) error {
	m := s.Model
	switch {
	case !slices.Contains(architectures, m.Architecture):
		return schema.Fatal(op, fmt.Errorf("%s has the architecture %q; for the role %s there are %q", m.Name, m.Architecture, m.Role, architectures))
	case m.Input.Width == 0 || m.Input.Height == 0:
		return schema.Fatal(op, fmt.Errorf("%s: its manifest names no width and height", m.Name))
	case (m.Input.Layout == models.NHWC) != (layout == models.NHWC):
		return schema.Fatal(op, fmt.Errorf("%s: its manifest says %s; networks of this architecture take %s", m.Name, m.Input.Layout, layout))
	}
	return nil
}

// cropless are the architectures whose part of the picture is no multiple of the face's box.
var cropless = []string{openSeeFace, selfieSegmentation, portraitMask, DocumentGrid}

// run asks the network about pictures of its input size, which it releases. Each answer has as many numbers as values says, and all
// are finite.
func (s Stage) run(ctx context.Context, op string, values int, pictures []*imaging.Image) []schema.Outcome[[]float32] {
	v := s.view(pictures)
	defer v.release()
	return s.ask(ctx, op, values, v)
}

// ask is run about what the network, or another one that sees the same, is shown.
func (s Stage) ask(ctx context.Context, op string, values int, v *view) []schema.Outcome[[]float32] {
	answers := make([]schema.Outcome[[]float32], len(v.rows))
	for i, r := range s.Net.Run(ctx, v.rows) {
		err := r.Err
		if err == nil {
			err = s.sound(r.Value[0].Data, values)
		}
		if err != nil {
			answers[i].Err = fmt.Errorf("%s: %w", op, err)
			continue
		}
		answers[i].Value = r.Value[0].Data
	}
	return answers
}

// Look asks the network about a picture of its input size, which it releases. values says how many numbers each output has that
// the caller reads, by its name; all of them are finite.
func (s Stage) Look(ctx context.Context, op string, picture *imaging.Image, values map[string]int) (map[string][]float32, error) {
	v := s.view([]*imaging.Image{picture})
	defer v.release()
	answer := s.Net.Run(ctx, v.rows)[0]
	if answer.Err != nil {
		return nil, fmt.Errorf("%s: %w", op, answer.Err)
	}
	read := map[string][]float32{}
	for i, name := range s.Net.Outputs() {
		n, ok := values[name]
		if !ok {
			continue
		}
		if err := s.sound(answer.Value[i].Data, n); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		read[name] = answer.Value[i].Data
	}
	return read, nil
}

// tensors has the values of networks' inputs: megabytes that every call needs and that Network.Run does not keep.
var tensors = imaging.Pool[float32]{Poison: float32(math.NaN())}

// view is what a network is shown. Its memory is pooled.
type view struct {
	model models.Model
	rows  []onnx.Tensor
	taken []*[]float32
}

// view makes pictures of the network's input size what it takes, and releases them.
func (s Stage) view(pictures []*imaging.Image) *view {
	in := s.Model.Input
	v := &view{model: s.Model, rows: make([]onnx.Tensor, len(pictures)), taken: make([]*[]float32, len(pictures))}
	shape := []int64{3, int64(in.Height), int64(in.Width)}
	if in.Layout == models.NHWC {
		shape = []int64{int64(in.Height), int64(in.Width), 3}
	}
	n := normalisation(in)
	for i, img := range pictures {
		v.taken[i] = tensors.Take(3 * in.Width * in.Height)
		v.rows[i] = onnx.Tensor{Shape: shape, Data: *v.taken[i]}
		if in.Layout == models.NHWC {
			img.Triples(*v.taken[i], n)
		} else {
			img.Planes(*v.taken[i], in.Width, in.Height, n)
		}
		img.Release()
	}
	return v
}

// release gives the memory of v back. A nil view has none.
func (v *view) release() {
	if v == nil {
		return
	}
	for _, t := range v.taken {
		tensors.Give(t)
	}
	v.rows, v.taken = nil, nil
}

// shows reports whether v, which may be nil, is what s would be shown of the same faces.
func (v *view) shows(s Stage) bool {
	return v != nil && v.model.Architecture == s.Model.Architecture && v.model.Input == s.Model.Input
}

// sound says why an answer is not as many finite numbers as it should be, or nil.
func (s Stage) sound(answer []float32, values int) error {
	if len(answer) != values {
		return fmt.Errorf("%s answered %d values, want %d", s.Model.Name, len(answer), values)
	}
	for _, v := range answer {
		if v-v != 0 { // NaN and the infinities
			return errors.New(s.Model.Name + " answered a value that is not finite")
		}
	}
	return nil
}

func sigmoid(v float32) float32 { return 1 / (1 + exp(-v)) }

func unitInterval(v float32) float32 { return min(max(v, 0), 1) }

// window is the face's box as an upright window, factor times as large about its centre.
func (f Face) window(factor float64) imaging.Window {
	return imaging.Window{
		X: float64(f.Box.TopLeft.X+f.Box.BottomRight.X) / 2, Y: float64(f.Box.TopLeft.Y+f.Box.BottomRight.Y) / 2,
		Width:  float64(f.Box.BottomRight.X-f.Box.TopLeft.X) * factor,
		Height: float64(f.Box.BottomRight.Y-f.Box.TopLeft.Y) * factor,
	}
}

// square is a window of the longer side.
func square(w imaging.Window) imaging.Window {
	w.Width = max(w.Width, w.Height)
	w.Height = w.Width
	return w
}

// turnedBy is w turned clockwise, so that a head which leans by these degrees stands upright in it.
func turnedBy(w imaging.Window, degrees float32) imaging.Window {
	w.Turn = float64(degrees) * math.Pi / 180
	return w
}

// Roll returns the clockwise rotation of the line through the eyes in degrees, -180..180.
func (f Face) Roll() float32 { return degrees(f.Points[0], f.Points[1]) }

// degrees is the direction from a to b: 0 to the right, 90 down.
func degrees(a, b schema.PointF) float32 {
	return float32(math.Atan2(float64(b.Y-a.Y), float64(b.X-a.X)) * 180 / math.Pi)
}

func distance(a, b schema.PointF) float32 {
	return float32(math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y)))
}

func centre(points ...schema.PointF) (c schema.PointF) {
	for _, p := range points {
		c.X, c.Y = c.X+p.X/float32(len(points)), c.Y+p.Y/float32(len(points))
	}
	return c
}

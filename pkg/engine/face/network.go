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
}

// check says as a Fatal error why s cannot be driven: checkInput's reasons for a network of planes, more than one output, or no crop
// for a network that sees a part around a face.
func (s Stage) check(op string, architectures ...string) error {
	return s.checkLayout(op, models.NCHW, architectures...)
}

// checkLayout is check for networks of that layout.
func (s Stage) checkLayout(op string, layout models.Layout, architectures ...string) error {
	m := s.Model
	if err := s.checkInput(op, layout, architectures...); err != nil {
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

// checkInput says as a Fatal error why s cannot be fed: another architecture, no fixed input size, or another layout.
func (s Stage) checkInput(op string, layout models.Layout, architectures ...string) error {
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

// run asks the network about pictures of its input size. Each answer has as many numbers as values says, and all are finite.
func (s Stage) run(ctx context.Context, op string, values int, pictures []*imaging.Image) []schema.Outcome[[]float32] {
	rows := make([]onnx.Tensor, len(pictures))
	for i, img := range pictures {
		rows[i] = s.row(img)
	}
	answers := make([]schema.Outcome[[]float32], len(rows))
	for i, r := range s.Net.Run(ctx, rows) {
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

// row is a picture of the network's input size as it takes it.
func (s Stage) row(img *imaging.Image) onnx.Tensor {
	in := s.Model.Input
	data := make([]float32, 3*in.Width*in.Height)
	img.Planes(data, in.Width, in.Height, normalisation(in))
	if in.Layout == models.NHWC {
		return onnx.Tensor{Shape: []int64{int64(in.Height), int64(in.Width), 3}, Data: triples(data)}
	}
	return onnx.Tensor{Shape: []int64{3, int64(in.Height), int64(in.Width)}, Data: data}
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

// triples are three planes, pixel by pixel.
func triples(planes []float32) []float32 {
	size := len(planes) / 3
	t := make([]float32, len(planes))
	for i := range size {
		t[3*i], t[3*i+1], t[3*i+2] = planes[i], planes[size+i], planes[2*size+i]
	}
	return t
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

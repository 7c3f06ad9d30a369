package face

import (
	"bytes"
	"image/jpeg"
	"image/png"
	"math"
	"strings"
	"testing"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// segmentation is a segmenter that takes for a person what is red or white.
func segmentation(t *testing.T) *Segmenter {
	t.Helper()
	s := stage("selfie_segmentation", 64, 64, func(row onnx.Tensor) []float32 {
		mask := make([]float32, 64*64)
		for i := range mask {
			mask[i] = 0.1
			if row.Data[3*i] > 150 { // triples: red, green, blue
				mask[i] = 0.7
			}
		}
		return mask
	})
	s.Model.Input.Layout = models.NHWC
	segmenter, err := NewSegmenter(s)
	if err != nil {
		t.Fatal(err)
	}
	return segmenter
}

// drawnPerson is a red disc, turned by degrees clockwise with its eyes, on blue, and a second red disc in a corner.
func drawnPerson(turn float64) (*imaging.Image, Face) {
	m := imaging.New(400, 400)
	m.Fill(imaging.RGB{20, 40, 200})
	disc := func(cx, cy, r float64, c imaging.RGB) {
		for y := range m.Height {
			for x := range m.Width {
				if math.Hypot(float64(x)+0.5-cx, float64(y)+0.5-cy) < r {
					copy(m.Pix[3*(y*m.Width+x):], c[:])
				}
			}
		}
	}
	disc(200, 200, 70, imaging.RGB{220, 30, 30})
	disc(20, 20, 25, imaging.RGB{220, 30, 30})
	sin, cos := math.Sincos(turn * math.Pi / 180)
	at := func(x, y float64) schema.PointF {
		return schema.PointF{X: float32(200 + x*cos - y*sin), Y: float32(200 + x*sin + y*cos)}
	}
	f := boxed(150, 140, 250, 260)
	f.Points = [5]schema.PointF{at(-25, -10), at(25, -10), at(0, 10), at(-20, 35), at(20, 35)}
	for _, p := range f.Points[:2] {
		disc(float64(p.X), float64(p.Y), 5, imaging.RGB{255, 255, 255})
	}
	return m, f
}

// TestPortraitMemory holds the most that is in use while a portrait is made to what its options promised.
func TestPortraitMemory(t *testing.T) {
	if !imagingtest.Exact(t) {
		return
	}
	img, f := drawnPerson(10)
	for i := range img.Pix {
		img.Pix[i] ^= byte(i * i / 7) // so that the file is large
	}
	s := segmentation(t)
	for name, o := range map[string]PortraitOptions{
		"png": {Width: 450}, "jpeg": {Width: 450, Format: imaging.JPEG}, "small": {},
		"background replaced": {Width: 450, Background: &imaging.RGB{1, 2, 3}},
	} {
		var err error
		taken, allocated := imagingtest.Peak(func() { _, err = NewPortrait(t.Context(), img, f, nil, s, o) })
		if err != nil {
			t.Fatal(err)
		}
		const small = 2 << 20 // tables and windows of the encoders
		promised := o.Memory()
		t.Logf("%-20s took %6.1f MB of %6.1f promised, and allocated %6.1f", name, float64(taken)/1e6, float64(promised)/1e6, float64(allocated)/1e6)
		if taken > promised+small || promised > 3*allocated {
			t.Errorf("%s took %d bytes of %d promised, and allocated %d", name, taken, promised, allocated)
		}
	}
}

// TestPortraitGeometry finds the white eyes where the preset says.
func TestPortraitGeometry(t *testing.T) {
	for preset, frame := range presets {
		for _, turn := range []float64{0, 20, -35, 90} {
			img, f := drawnPerson(turn)
			p, err := NewPortrait(t.Context(), img, f, nil, nil, PortraitOptions{Preset: preset})
			if err != nil {
				t.Fatal(err)
			}
			if p.Image.Width != frame.width || p.Image.Height != frame.height {
				t.Errorf("%s: %v", preset, p.Image)
			}
			var x, y, n [2]float64
			for i := range p.Image.Width * p.Image.Height {
				// pixels of an eye are white: so is the pad, but not within the disc
				row, column := i/p.Image.Width, i%p.Image.Width
				if math.Hypot(float64(column)-float64(frame.width)/2, float64(row)-frame.line*float64(frame.height)) > 0.45*float64(frame.width) || p.Image.Pix[3*i+1] < 200 {
					continue
				}
				side := 2 * column / p.Image.Width
				x[side], y[side], n[side] = x[side]+float64(column)+0.5, y[side]+float64(row)+0.5, n[side]+1
			}
			for side, want := range []float64{0.5 - frame.eyes/2, 0.5 + frame.eyes/2} {
				gotX, gotY := x[side]/n[side]/float64(frame.width), y[side]/n[side]/float64(frame.height)
				if math.Abs(gotX-want) > 0.004 || math.Abs(gotY-frame.line) > 0.004 {
					t.Errorf("%s, turned by %v: eye %d lies at %.3f, %.3f of the portrait, want %.3f, %.3f", preset, turn, side, gotX, gotY, want, frame.line)
				}
			}
		}
	}
}

func TestPortraitBackground(t *testing.T) {
	img, f := drawnPerson(0)
	green := imaging.RGB{0, 250, 0}
	p, err := NewPortrait(t.Context(), img, f, nil, segmentation(t), PortraitOptions{Background: &green})
	if err != nil {
		t.Fatal(err)
	}
	// The disc has the radius 70, the eyes are 50 apart and a quarter of the 480: 168 pixels. Its middle is 10 below the eyes.
	const radius, cx, cy = 168, 240, 288 + 24
	blueish := 0
	for i := range 480 * 640 {
		pixel := imaging.RGB(p.Image.Pix[3*i:][:3])
		from := math.Hypot(float64(i%480)+0.5-cx, float64(i/480)+0.5-cy) - radius
		switch {
		case from > 20 && pixel != green:
			t.Fatalf("%v at %d, %d, which is background", pixel, i%480, i/480)
		case from < -20 && pixel[1] > 200 && pixel[0] < 100:
			t.Fatalf("%v at %d, %d, which is the person", pixel, i%480, i/480)
		}
		if pixel[2] > 110 && pixel[0] < 200 {
			blueish++
		}
	}
	if blueish > 0 {
		t.Errorf("%d pixels of the edge keep the old background's blue", blueish)
	}
	if !bytes.HasPrefix(p.File, []byte("\x89PNG")) {
		t.Error("the file is no PNG")
	}
	if m, err := png.Decode(bytes.NewReader(p.File)); err != nil || m.Bounds().Dx() != 480 {
		t.Errorf("the file does not show the portrait: %v", err)
	}
}

// TestPortraitBeyondThePicture asks for a face at the border.
func TestPortraitBeyondThePicture(t *testing.T) {
	img := imaging.New(100, 100)
	img.Fill(imaging.RGB{9, 9, 9})
	f := boxed(0, 0, 60, 80)
	pad, green := imaging.RGB{1, 2, 3}, imaging.RGB{0, 250, 0}
	for _, c := range []struct {
		name string
		o    PortraitOptions
		want imaging.RGB
	}{
		{"no colour", PortraitOptions{}, imaging.RGB{255, 255, 255}},
		{"pad colour", PortraitOptions{Pad: &pad}, pad},
		{"background", PortraitOptions{Background: &green}, green},
		{"both", PortraitOptions{Background: &green, Pad: &pad}, pad},
	} {
		p, err := NewPortrait(t.Context(), img, f, nil, segmentation(t), c.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := imaging.RGB(p.Image.Pix[:3]); got != c.want {
			t.Errorf("%s: beyond the picture is %v, want %v", c.name, got, c.want)
		}
		if p.Corners[0].X >= 0 || p.Corners[0].Y >= 0 {
			t.Errorf("%s: the corner %v lies inside the picture", c.name, p.Corners[0])
		}
	}
}

func TestPortraitOptions(t *testing.T) {
	for _, c := range []struct {
		o    PortraitOptions
		want string // in the error
	}{
		{PortraitOptions{}, ""},
		{PortraitOptions{Width: 300, Height: 400, Format: imaging.JPEG}, ""},
		{PortraitOptions{Preset: Crop7x9, Width: 350, Height: 450}, ""},
		{PortraitOptions{Preset: "oval"}, "preset"},
		{PortraitOptions{Format: imaging.GIF}, "format"},
		{PortraitOptions{Width: 300}, ""},
		{PortraitOptions{Width: 17}, ""},
		{PortraitOptions{Height: 300}, "16"},
		{PortraitOptions{Width: 300, Height: 300}, "aspect ratio"},
		{PortraitOptions{Width: 6000, Height: 8000}, "4096"},
	} {
		err := c.o.Check()
		if c.want == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.o, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || schema.ReasonOf(err) != schema.ReasonInvalidConfiguration {
			t.Errorf("%+v: %v, want an error about %q", c.o, err, c.want)
		}
	}
	img, f := drawnPerson(0)
	p, err := NewPortrait(t.Context(), img, f, nil, nil, PortraitOptions{Width: 300, Height: 400, Format: imaging.JPEG})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := jpeg.Decode(bytes.NewReader(p.File)); err != nil || m.Bounds().Dx() != 300 || m.Bounds().Dy() != 400 {
		t.Errorf("the file does not show the portrait: %v", err)
	}
	f.Points[1] = f.Points[0]
	if _, err := NewPortrait(t.Context(), img, f, nil, nil, PortraitOptions{}); schema.ReasonOf(err) != schema.ReasonFaceRejected {
		t.Errorf("eyes that coincide: %v", err)
	}
}

func TestSegmenter(t *testing.T) {
	s := stage("selfie_segmentation", 64, 64, fixed(1))
	if _, err := NewSegmenter(s); err == nil {
		t.Error("planes were taken")
	}
	s.Model.Input.Layout = models.NHWC
	segmenter, err := NewSegmenter(s)
	if err != nil {
		t.Fatal(err)
	}
	part := imaging.Window{X: 200, Y: 200, Width: 400, Height: 400}
	if _, err := segmenter.Segment(t.Context(), imaging.New(400, 400), part); err == nil || !strings.Contains(err.Error(), "1 values, want 4096") {
		t.Errorf("one value: %v", err)
	}
	// Probabilities are taken as they are: a picture without anybody has nobody.
	portraits := stage(portraitMask, 64, 64, func(row onnx.Tensor) []float32 {
		mask := make([]float32, 64*64)
		for i := range mask {
			mask[i] = row.Data[i] / 255 // the red plane
		}
		mask[0] = 1.5
		return mask
	})
	portraits.Model.Input.Crop = 0
	if segmenter, err = NewSegmenter(portraits); err != nil {
		t.Fatal(err)
	}
	faint := imaging.New(400, 400)
	faint.Fill(imaging.RGB{51, 255, 255})
	if m, err := segmenter.Segment(t.Context(), faint, part); err != nil || m.Values[0] != 1 || m.At(200, 200) != 0.2 || m.Width != 64 || m.Part != part {
		t.Errorf("a probability of 0.2: %v at the middle, %v in the corner, %v", m.At(200, 200), m.Values[0], err)
	}
	portraits.Model.Input.Layout = models.NHWC
	if _, err := NewSegmenter(portraits); err == nil {
		t.Error("triples were taken")
	}
	img, f := drawnPerson(0)
	mask, err := segmentation(t).Segment(t.Context(), img, part)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		x, y float64
		want float32
	}{{200, 200, 1}, {350, 350, 0}, {20, 20, 1}} {
		if got := mask.At(c.x, c.y); got != c.want {
			t.Errorf("the mask is %v at %v, %v, want %v", got, c.x, c.y, c.want)
		}
	}
	mask.only(f)
	if mask.At(20, 20) != 0 || mask.At(200, 200) != 1 {
		t.Errorf("the other disc is %v, and the face's %v", mask.At(20, 20), mask.At(200, 200))
	}
}

package face

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// Preset names the geometry of a portrait.
type Preset string

// The presets. In all of them the eyes are level.
const (
	FaceISO Preset = "face_iso"
	Crop3x4 Preset = "crop_3x4"
	Crop4x5 Preset = "crop_4x5"
	Crop2x3 Preset = "crop_2x3"
	Crop1x1 Preset = "crop_1x1"
	Crop7x9 Preset = "crop_7x9"
)

// framing is where the eyes lie in a portrait: in the middle of its width, their centres the share eyes of its width apart,
// their line the share line of its height below its top. A head is about 3.7 inter-eye distances high from chin to crown.
type framing struct {
	width, height int // pixels where nothing else is asked for; the aspect ratio always
	eyes, line    float64
}

var presets = map[Preset]framing{
	// ISO/IEC 19794-5:2005, clause 9, token frontal: for a width W the height is W/0.75, the eyes are at 0.375 W and 0.625 W,
	// and at 0.6 W from the top, which is 0.45 of the height. ISO/IEC 39794-5:2019, annex D.1, asks for 90 pixels between the eyes.
	FaceISO: {480, 640, 0.25, 0.45},
	Crop3x4: {480, 640, 0.25, 0.45},
	Crop4x5: {480, 600, 0.25, 0.46},
	Crop2x3: {480, 720, 0.25, 0.42},
	// Visa of the USA (travel.state.gov, photo composition template): a square, the head 50 to 69 % of it high, the eyes 56 to
	// 69 % of it above its lower border.
	Crop1x1: {600, 600, 0.165, 0.39},
	// 35 × 45 mm as at 300 dpi, the head 32 to 36 mm high (photograph guidelines of ICAO Doc 9303: 70 to 80 % of the height).
	Crop7x9: {413, 531, 0.26, 0.46},
}

// maxPortraitSide bounds what a portrait may cost.
const maxPortraitSide = 4096

// PortraitOptions say how a portrait is made.
type PortraitOptions struct {
	// Preset is its geometry; "" is FaceISO.
	Preset Preset
	// Width and Height in pixels; they have the preset's aspect ratio within 1 %. A height of 0 follows from the width, and a
	// width of 0 too is the preset's.
	Width, Height int
	// Background replaces what is behind the person; nil leaves it.
	Background *imaging.RGB
	// Pad is the colour beyond the picture. nil: Background, and white where that is nil too.
	Pad *imaging.RGB
	// Format of the file; "" is PNG.
	Format imaging.Format
}

// Check says as a permanent error (invalid_configuration) why no portrait can be made so.
func (o PortraitOptions) Check() error {
	_, err := o.complete()
	return err
}

// Complete returns o with the defaults of what it leaves open. Its errors are those of Check.
func (o PortraitOptions) Complete() (PortraitOptions, error) {
	c, err := o.complete()
	return c.PortraitOptions, err
}

// Memory is the most bytes that making such a portrait takes at any time, with the portrait and its file; 0 where none can be made.
// The matte of a replaced background is made of 25 planes of floats. The file is encoded from a copy with transparency, into a buffer
// that doubles.
func (o PortraitOptions) Memory() int64 {
	c, err := o.Complete()
	if err != nil {
		return 0
	}
	const file, matte = 3 + 4 + 3*4, 116 // bytes a pixel
	if c.Background != nil {
		return matte * int64(c.Width) * int64(c.Height)
	}
	return file * int64(c.Width) * int64(c.Height)
}

// complete is o with its defaults and framing.
func (o PortraitOptions) complete() (completed struct {
	PortraitOptions
	framing
}, err error) {
	if o.Preset == "" {
		o.Preset = FaceISO
	}
	if o.Format == "" {
		o.Format = imaging.PNG
	}
	g, known := presets[o.Preset]
	var problem error
	derived := false
	switch {
	case !known:
		problem = fmt.Errorf("the preset %q is none of %q", o.Preset, slices.Sorted(maps.Keys(presets)))
	case o.Format != imaging.PNG && o.Format != imaging.JPEG:
		problem = fmt.Errorf("the format %q is neither %q nor %q", o.Format, imaging.PNG, imaging.JPEG)
	case o.Width == 0 && o.Height == 0:
		o.Width, o.Height = g.width, g.height
	case o.Height == 0:
		derived = true
		o.Height = (2*o.Width*g.height + g.width) / (2 * g.width)
	}
	switch {
	case problem != nil:
	case o.Width < 16 || o.Height < 16 || o.Width > maxPortraitSide || o.Height > maxPortraitSide:
		problem = fmt.Errorf("%d × %d pixels, and both must be 16 to %d", o.Width, o.Height, maxPortraitSide)
	case !derived && math.Abs(float64(o.Width*g.height)/float64(o.Height*g.width)-1) > 0.01:
		problem = fmt.Errorf("%d × %d pixels have not the aspect ratio of %s, %d : %d", o.Width, o.Height, o.Preset, g.width, g.height)
	}
	if problem != nil {
		return completed, schema.Permanent("face.portrait", schema.ReasonInvalidConfiguration, problem)
	}
	if o.Pad == nil {
		o.Pad = &imaging.RGB{255, 255, 255}
		if o.Background != nil {
			o.Pad = o.Background
		}
	}
	completed.PortraitOptions, completed.framing = o, g
	return completed, nil
}

// Portrait is a picture of one face, upright.
type Portrait struct {
	Image *imaging.Image
	// File is Image in the format that was asked for.
	File   []byte
	Format imaging.Format
	// Corners are where the portrait's corners lie in the picture, in its pixels: top left, top right, bottom right, bottom
	// left. They may lie beyond it.
	Corners [4]schema.PointF
}

// EyeCentres are the middles between the corners of each eye, the picture's left one first: by the landmarks where there are
// some, else the detector's points.
func EyeCentres(f Face, landmarks []schema.PointF) (left, right schema.PointF) {
	if len(landmarks) > leftEye+3 {
		return centre(landmarks[rightEye], landmarks[rightEye+3]), centre(landmarks[leftEye], landmarks[leftEye+3])
	}
	return f.Points[0], f.Points[1]
}

// NewPortrait cuts the face out of img. landmarks may be nil; segmenter is needed where o replaces the background. Eyes that
// coincide are a permanent error (face_rejected).
func NewPortrait(ctx context.Context, img *imaging.Image, f Face, landmarks []schema.PointF, segmenter *Segmenter, o PortraitOptions) (*Portrait, error) {
	c, err := o.complete()
	if err != nil {
		return nil, err
	}
	w, err := c.window(EyeCentres(f, landmarks))
	if err != nil {
		return nil, err
	}
	p := &Portrait{Format: c.Format}
	for i, corner := range corners {
		x, y := w.Place(corner[0], corner[1])
		p.Corners[i] = schema.PointF{X: float32(x), Y: float32(y)}
	}
	if c.Background == nil {
		p.Image = img.CutOver(w, c.Width, c.Height, *c.Pad)
	} else {
		mask, err := segmenter.person(ctx, img, f, w)
		if err != nil {
			return nil, err
		}
		p.Image = replaceBackground(img, w, mask, c.PortraitOptions)
	}
	p.File, err = p.Image.Encode(c.Format)
	return p, err
}

// window is the part of the picture that has the framing's eyes where these are.
func (g framing) window(left, right schema.PointF) (imaging.Window, error) {
	d := float64(distance(left, right))
	if !(d > 1e-2) {
		return imaging.Window{}, schema.Permanent("face.portrait", schema.ReasonFaceRejected, errors.New("the eyes coincide"))
	}
	width := d / g.eyes
	height := width * float64(g.height) / float64(g.width)
	turn := float64(degrees(left, right)) * math.Pi / 180
	sin, cos := math.Sincos(turn)
	below := (0.5 - g.line) * height // from the line of the eyes to the middle
	c := centre(left, right)
	return imaging.Window{X: float64(c.X) - below*sin, Y: float64(c.Y) + below*cos, Width: width, Height: height, Turn: turn}, nil
}

// corners are those of a window, clockwise from the top left one.
var corners = [4][2]float64{{0, 0}, {1, 0}, {1, 1}, {0, 1}}

// around is the upright part of img about w, and a tenth of its size on each side, so far as it lies inside img. Networks for
// segmentation are trained on whole pictures, and what is beyond img would be an object to them.
func around(img *imaging.Image, w imaging.Window) imaging.Window {
	left, top, right, bottom := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, corner := range corners {
		x, y := w.Place(corner[0], corner[1])
		left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
	}
	dx, dy := (right-left)/10, (bottom-top)/10
	inside := func(from, to, size float64) (middle, length float64) {
		from, to = min(max(from, 0), size-1), max(min(to, size), 1)
		return (from + to) / 2, max(to-from, 1)
	}
	var part imaging.Window
	part.X, part.Width = inside(left-dx, right+dx, float64(img.Width))
	part.Y, part.Height = inside(top-dy, bottom+dy, float64(img.Height))
	return part
}

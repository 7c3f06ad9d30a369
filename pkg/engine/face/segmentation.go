package face

import (
	"context"
	"math"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Segmenter tells people from their background. It is safe for concurrent use.
type Segmenter struct{ stage Stage }

// The architectures of the role segmentation.
const (
	selfieSegmentation = "selfie_segmentation" // MediaPipe's network for selfies: triples, an answer that needs stretching
	portraitMask       = "portrait_mask"       // planes, the probability of a person
)

// NewSegmenter returns a Segmenter for the network of the stage. Any architecture but "selfie_segmentation" and "portrait_mask", and
// any layout but theirs, is a Fatal error.
func NewSegmenter(s Stage) (*Segmenter, error) {
	layout := models.NHWC
	if s.Model.Architecture == portraitMask {
		layout = models.NCHW
	}
	if err := s.checkLayout("face.segmenter", layout, selfieSegmentation, portraitMask); err != nil {
		return nil, err
	}
	return &Segmenter{s}, nil
}

// Mask says of a part of a picture where people are.
type Mask struct {
	// Part is the part of the picture, in its pixels, that the mask covers; it is upright.
	Part          imaging.Window
	Width, Height int
	// Values are 0 for background to 1 for a person, row after row.
	Values []float32
}

// Segment answers for a part of img that lies inside it.
func (s *Segmenter) Segment(ctx context.Context, img *imaging.Image, part imaging.Window) (*Mask, error) {
	in := s.stage.Model.Input
	answer := s.stage.run(ctx, "face.segment", in.Width*in.Height, []*imaging.Image{img.Cut(part, in.Width, in.Height)})[0]
	if answer.Err != nil {
		return nil, answer.Err
	}
	values := answer.Value
	if s.stage.Model.Architecture == selfieSegmentation {
		stretch(values)
	}
	for i, v := range values {
		values[i] = unitInterval(v)
	}
	return &Mask{Part: part, Width: in.Width, Height: in.Height, Values: values}, nil
}

// stretch brings the least of values to 0 and the greatest to 1, as obs-backgroundremoval, which publishes the network for selfies,
// does: they depend on the picture.
func stretch(values []float32) {
	low, high := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	span := max(high-low, 1e-6)
	for i, v := range values {
		values[i] = (v - low) / span
	}
}

// Observe implements Observer. Person stays nil if the eyes of a face coincide.
func (s *Segmenter) Observe(ctx context.Context, img *imaging.Image, faces []*Observation) []error {
	errs := make([]error, len(faces))
	for i, f := range faces {
		f.Person, errs[i] = s.Person(ctx, img, f.Face, f.Landmarks)
		if schema.ReasonOf(errs[i]) == schema.ReasonFaceRejected {
			errs[i] = nil
		}
	}
	return errs
}

// Person is the mask of one face's person, without others, in the part of img that an ISO portrait would show and a tenth
// around it. landmarks may be nil. Eyes that coincide are a permanent error (face_rejected).
func (s *Segmenter) Person(ctx context.Context, img *imaging.Image, f Face, landmarks []schema.PointF) (*Mask, error) {
	w, err := presets[FaceISO].window(EyeCentres(f, landmarks))
	if err != nil {
		return nil, err
	}
	return s.person(ctx, img, f, w)
}

// person is the mask of f's person in the part of img around w.
func (s *Segmenter) person(ctx context.Context, img *imaging.Image, f Face, w imaging.Window) (*Mask, error) {
	m, err := s.Segment(ctx, img, around(img, w))
	if err != nil {
		return nil, err
	}
	m.only(f)
	return m, nil
}

// At is the mask at a point of the picture, linearly between the nearest four values; beyond the part that of its edge.
func (m *Mask) At(x, y float64) float32 {
	u := min(max(((x-m.Part.X)/m.Part.Width+0.5)*float64(m.Width)-0.5, 0), float64(m.Width-1))
	v := min(max(((y-m.Part.Y)/m.Part.Height+0.5)*float64(m.Height)-0.5, 0), float64(m.Height-1))
	c, r := min(int(u), m.Width-2), min(int(v), m.Height-2)
	fu, fv := float32(u)-float32(c), float32(v)-float32(r)
	upper, lower := m.Values[r*m.Width+c:], m.Values[(r+1)*m.Width+c:]
	return (1-fv)*((1-fu)*upper[0]+fu*upper[1]) + fv*((1-fu)*lower[0]+fu*lower[1])
}

// only clears what is not connected with the face: other people, and things that were taken for some.
func (m *Mask) only(f Face) {
	const connected = 0.15
	reached := make([]bool, len(m.Values))
	var queue []int
	w := f.window(0.6)
	for v := 0.05; v < 1; v += 0.1 {
		for u := 0.05; u < 1; u += 0.1 {
			x, y := w.Place(u, v)
			c := int(((x-m.Part.X)/m.Part.Width + 0.5) * float64(m.Width))
			r := int(((y-m.Part.Y)/m.Part.Height + 0.5) * float64(m.Height))
			if i := r*m.Width + c; c >= 0 && c < m.Width && r >= 0 && r < m.Height && !reached[i] && m.Values[i] >= connected {
				reached[i] = true
				queue = append(queue, i)
			}
		}
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		c := i % m.Width
		for _, n := range [4]struct {
			at int
			ok bool
		}{{i - 1, c > 0}, {i + 1, c+1 < m.Width}, {i - m.Width, i >= m.Width}, {i + m.Width, i+m.Width < len(m.Values)}} {
			if n.ok && !reached[n.at] && m.Values[n.at] >= connected {
				reached[n.at] = true
				queue = append(queue, n.at)
			}
		}
	}
	for i, ok := range reached {
		if !ok {
			m.Values[i] = 0
		}
	}
}

// Package face detects the faces in a picture, describes them, embeds them, and makes portraits of them.
//
// [Detector] says where the faces are. Everything else that is known of a face is gathered in its [Observation]: an [Observer]
// ([PoseEstimator], [Landmarker], [AttributeClassifier], [DocumentDetector], [AgeEstimator], [Segmenter]) and the
// [LivenessDetector] add to it what their networks find. [Align] brings a face into the position that embedding networks were
// trained on, [Embedder] embeds it, and [NewPortrait] cuts out a picture of it.
//
// All of them work over the port onnx.Network, are safe for concurrent use, and answer each face by itself: one that fails does
// not fail its neighbours. A network that fails is an error. A picture without a face is an empty list, and a face that cannot be
// judged is an answer.
package face

import (
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Face is one detected face, in pixels of the upright picture: the origin is its top left corner, x to the right, y down.
type Face struct {
	// Box encloses the face from forehead to chin. It reaches beyond the picture where the face does. Of a head that leans far it has
	// the middle, and the width and height that it has when the head is turned upright.
	Box schema.BoxF
	// Points are eye, eye, nose tip, mouth corner, mouth corner: of each pair the one on the picture's left comes first
	// when the head is upright (the person's right).
	Points [5]schema.PointF
	// Confidence that this is a face, 0..1, as the detector scores it.
	Confidence float32
}

// Area returns the box's area in square pixels.
func (f Face) Area() float32 {
	return max(f.Box.BottomRight.X-f.Box.TopLeft.X, 0) * max(f.Box.BottomRight.Y-f.Box.TopLeft.Y, 0)
}

// Overlap returns the intersection over union of the boxes of f and g, 0..1.
func (f Face) Overlap(g Face) float32 {
	common := f.intersection(g)
	if common == 0 {
		return 0
	}
	return common / (f.Area() + g.Area() - common)
}

// Moved returns f with its box shifted by shares of its sides and scaled about its centre. Its points stay.
func (f Face) Moved(x, y, scale float64) Face {
	full, w := f.window(1), f.window(scale)
	w.X, w.Y = w.X+x*full.Width, w.Y+y*full.Height
	f.Box.TopLeft = schema.PointF{X: float32(w.X - w.Width/2), Y: float32(w.Y - w.Height/2)}
	f.Box.BottomRight = schema.PointF{X: float32(w.X + w.Width/2), Y: float32(w.Y + w.Height/2)}
	return f
}

// Within returns the share of f's box, 0..1, that lies in g's box.
func (f Face) Within(g Face) float32 { return f.intersection(g) / max(f.Area(), 1e-6) }

// intersection is the area that the boxes of f and g share.
func (f Face) intersection(g Face) float32 {
	w := min(f.Box.BottomRight.X, g.Box.BottomRight.X) - max(f.Box.TopLeft.X, g.Box.TopLeft.X)
	h := min(f.Box.BottomRight.Y, g.Box.BottomRight.Y) - max(f.Box.TopLeft.Y, g.Box.TopLeft.Y)
	return max(w, 0) * max(h, 0)
}

// Turned returns the position of f, a face of a picture of width × height, after that picture is turned clockwise by
// quarters of a turn.
func (f Face) Turned(quarters, width, height int) Face {
	w, h := float32(width), float32(height)
	switch quarters % 4 {
	case 1:
		f.move(func(p schema.PointF) schema.PointF { return schema.PointF{X: h - p.Y, Y: p.X} })
	case 2:
		f.move(func(p schema.PointF) schema.PointF { return schema.PointF{X: w - p.X, Y: h - p.Y} })
	case 3:
		f.move(func(p schema.PointF) schema.PointF { return schema.PointF{X: p.Y, Y: w - p.X} })
	}
	return f
}

// move maps every point of f. The box stays parallel to the axes.
func (f *Face) move(to func(schema.PointF) schema.PointF) {
	p, q := to(f.Box.TopLeft), to(f.Box.BottomRight)
	f.Box = schema.BoxF{
		TopLeft:     schema.PointF{X: min(p.X, q.X), Y: min(p.Y, q.Y)},
		BottomRight: schema.PointF{X: max(p.X, q.X), Y: max(p.Y, q.Y)},
	}
	for i := range f.Points {
		f.Points[i] = to(f.Points[i])
	}
}

// normalisation is how a manifest says that pixels become the network's input.
func normalisation(in models.Input) imaging.Normalisation {
	return imaging.Normalisation{BGR: in.Colour == "bgr", Scale: in.Scale, Mean: in.Mean, Std: in.Std}
}

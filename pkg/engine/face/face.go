// Package face finds the faces in a picture, says what is seen of them, embeds them, and makes portraits of them.
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
	// Box encloses the face from forehead to chin. It reaches beyond the picture where the face does.
	Box schema.BoxF
	// Points are eye, eye, nose tip, mouth corner, mouth corner: of each pair the one on the picture's left comes first
	// when the head is upright (the person's right).
	Points [5]schema.PointF
	// Confidence that this is a face, 0..1, as the detector scores it.
	Confidence float32
}

// Area is the box's area in square pixels.
func (f Face) Area() float32 {
	return max(f.Box.BottomRight.X-f.Box.TopLeft.X, 0) * max(f.Box.BottomRight.Y-f.Box.TopLeft.Y, 0)
}

// Overlap is the intersection over union of the boxes of f and g, 0..1.
func (f Face) Overlap(g Face) float32 {
	w := min(f.Box.BottomRight.X, g.Box.BottomRight.X) - max(f.Box.TopLeft.X, g.Box.TopLeft.X)
	h := min(f.Box.BottomRight.Y, g.Box.BottomRight.Y) - max(f.Box.TopLeft.Y, g.Box.TopLeft.Y)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (f.Area() + g.Area() - w*h)
}

// normalisation is how a manifest says that pixels become the network's input.
func normalisation(in models.Input) imaging.Normalisation {
	return imaging.Normalisation{BGR: in.Colour == "bgr", Scale: in.Scale, Mean: in.Mean, Std: in.Std}
}

package document

import (
	"context"
	"fmt"
	"math"
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// ArchitectureCorners is the architecture of the networks of the role document that look at the whole picture: x and y of the four
// corners, each 0..1 of the picture, from the top left one of the document clockwise, and a logit that there is one.
const ArchitectureCorners = "document_corners"

// Outline is where the corners of the identity document lie that a picture shows, in its pixels: the document's top left corner,
// top right, bottom right, bottom left. Confidence, 0..1, is that there is a document.
type Outline struct {
	Corners    [4]schema.PointF
	Confidence float32
}

// CornerFinder finds the outline of the document in a picture with DocCornerNet (github.com/marquaye/scanic). It is safe for
// concurrent use.
type CornerFinder struct {
	stage     face.Stage
	threshold float32
}

// leastOutline is the least share of the picture that an outline encloses. The network answers a sliver where it sees nothing.
const leastOutline = 0.02

// The outputs of the network, and how many numbers each has.
const (
	outputCorners = "coords"
	outputScore   = "score_logit"
)

var cornerOutputs = map[string]int{outputCorners: 8, outputScore: 1}

// NewCornerFinder returns a CornerFinder for the network of the stage. Any architecture but "document_corners", any layout but triples, a
// network without the outputs "coords" and "score_logit", and a manifest without the threshold "document" are Fatal errors.
func NewCornerFinder(s face.Stage) (*CornerFinder, error) {
	const op = "document.corners"
	if err := s.CheckInput(op, models.NHWC, ArchitectureCorners); err != nil {
		return nil, err
	}
	outputs := s.Net.Outputs()
	threshold, ok := s.Model.Thresholds[face.ThresholdDocument]
	switch {
	case !slices.Contains(outputs, outputCorners) || !slices.Contains(outputs, outputScore):
		return nil, schema.Fatal(op, fmt.Errorf("%s has the outputs %q; a network of this architecture has %q and %q", s.Model.Name, outputs, outputCorners, outputScore))
	case !ok:
		return nil, schema.Fatal(op, fmt.Errorf("%s: its manifest lacks the threshold %q", s.Model.Name, face.ThresholdDocument))
	}
	return &CornerFinder{s, threshold.Value}, nil
}

// Find is the outline of the document in img; nil where there is none.
func (c *CornerFinder) Find(ctx context.Context, img *imaging.Image) (*Outline, error) {
	in := c.stage.Model.Input
	answer, err := c.stage.Look(ctx, "document.corners", img.ResizePart(0, 0, img.Width, img.Height, in.Width, in.Height), cornerOutputs)
	if err != nil {
		return nil, err
	}
	o := &Outline{Confidence: float32(1 / (1 + math.Exp(-float64(answer[outputScore][0]))))}
	for i := range o.Corners {
		at := answer[outputCorners][2*i:]
		o.Corners[i] = schema.PointF{X: at[0] * float32(img.Width), Y: at[1] * float32(img.Height)}
	}
	if o.Confidence < c.threshold || quadOf(o.Corners).area() < leastOutline*float64(img.Width*img.Height) {
		return nil, nil
	}
	return o, nil
}

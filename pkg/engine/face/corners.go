package face

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// DocumentCorners is the architecture of the networks of the role document that look at the whole picture: x and y of the four
// corners, each 0..1 of the picture, from the top left one of the document clockwise, and a logit that there is one.
const DocumentCorners = "document_corners"

// Outline is where the corners of the identity document lie that a picture shows, in its pixels: the document's top left corner,
// top right, bottom right, bottom left. Confidence, 0..1, is that there is a document.
type Outline struct {
	Corners    [4]schema.PointF
	Confidence float32
}

// CornerFinder finds the outline of the document in a picture with DocCornerNet (github.com/marquaye/scanic). It is safe for
// concurrent use.
type CornerFinder struct {
	stage         Stage
	coords, score int // the positions of the network's outputs
	threshold     float32
}

// leastOutline is the least share of the picture that an outline encloses. The network answers a sliver where it sees nothing.
const leastOutline = 0.02

// NewCornerFinder returns a CornerFinder for the network of the stage. Any architecture but "document_corners", any layout but triples, a
// network without the outputs "coords" and "score_logit", and a manifest without the threshold "document" are Fatal errors.
func NewCornerFinder(s Stage) (*CornerFinder, error) {
	const op = "face.corners"
	if err := s.checkInput(op, models.NHWC, DocumentCorners); err != nil {
		return nil, err
	}
	c := &CornerFinder{stage: s, coords: slices.Index(s.Net.Outputs(), "coords"), score: slices.Index(s.Net.Outputs(), "score_logit")}
	threshold, ok := s.Model.Thresholds[ThresholdDocument]
	switch {
	case c.coords < 0 || c.score < 0:
		return nil, schema.Fatal(op, fmt.Errorf("%s has the outputs %q; a network of this architecture has \"coords\" and \"score_logit\"", s.Model.Name, s.Net.Outputs()))
	case !ok:
		return nil, schema.Fatal(op, fmt.Errorf("%s: its manifest lacks the threshold %q", s.Model.Name, ThresholdDocument))
	}
	c.threshold = threshold.Value
	return c, nil
}

// Find is the outline of the document in img; nil where there is none.
func (c *CornerFinder) Find(ctx context.Context, img *imaging.Image) (*Outline, error) {
	in := c.stage.Model.Input
	v := c.stage.view([]*imaging.Image{img.ResizePart(0, 0, img.Width, img.Height, in.Width, in.Height)})
	defer v.release()
	answer := c.stage.Net.Run(ctx, v.rows)[0]
	err := answer.Err
	if err == nil {
		err = errors.Join(c.stage.sound(answer.Value[c.coords].Data, 8), c.stage.sound(answer.Value[c.score].Data, 1))
	}
	if err != nil {
		return nil, fmt.Errorf("face.corners: %w", err)
	}
	o := &Outline{Confidence: sigmoid(answer.Value[c.score].Data[0])}
	for i := range o.Corners {
		at := answer.Value[c.coords].Data[2*i:]
		o.Corners[i] = schema.PointF{X: at[0] * float32(img.Width), Y: at[1] * float32(img.Height)}
	}
	if o.Confidence < c.threshold || o.area() < leastOutline*float32(img.Width*img.Height) {
		return nil, nil
	}
	return o, nil
}

// area is that of the outline in square pixels; 0 if it is not convex or does not run clockwise, as a document's does.
func (o *Outline) area() (area float32) {
	for i, p := range o.Corners {
		q, r := o.Corners[(i+1)%4], o.Corners[(i+2)%4]
		if (q.X-p.X)*(r.Y-q.Y)-(q.Y-p.Y)*(r.X-q.X) <= 0 {
			return 0
		}
		area += (p.X*q.Y - p.Y*q.X) / 2
	}
	return area
}

package face

import (
	"context"
	"math"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// How far the line through the eyes leans and how sure a detector is of a face say together how far the head leans. Both detectors
// see heads that lean by 30° leaning by 19°, and those that lean by 45° or 60° by about as much or less, but are less sure of these.
// Measured on 240 generated faces, turned in steps of 15°: upright ones have a confidence of at least 0.92 in 95 of 100, and those
// that lean by 60° and more have at most 0.91 in 95 of 100.
const (
	// tiltLimit is the lean of the eyes, in degrees, from which on a head is looked at a second time, turned upright.
	tiltLimit = 12
	// Heads that lean by tiltLimitUnsure are, too, where the detector has a confidence below upright.
	tiltLimitUnsure = 5
	upright         = 0.92
	// tiltFactor is how much further a head leans than its eyes seem to.
	tiltFactor = 2
	// level is how far the eyes may lean at the last look, and tiltLooks how many looks there are at most.
	level     = 3
	tiltLooks = 4
	// tiltReach is how much a further look sees, in longer sides of the face's box, and tiltSide the greatest side of the picture
	// that it sees it in, in pixels. The face is then as large as detectors see it best.
	tiltReach = 2.5
	tiltSide  = 320
)

// tilt is by how many degrees the head leans clockwise where it leans so far that it was looked at upright; 0 for others.
func (f Face) tilt() float32 {
	if roll := f.Roll(); abs(roll) > tiltLimit {
		return roll
	}
	return 0
}

// standing is the face's box as a window, factor times as large about its centre, turned so that a head that leans far stands
// upright in it.
func (f Face) standing(factor float64) imaging.Window { return turnedBy(f.window(factor), f.tilt()) }

// Level looks for f a second time if its head leans far: in the part around it, turned upright, and again while it
// leans there, too. It returns the surest face of all looks, or the one that stands upright at last. Its box is as wide and high as that of the head upright, about
// the middle of the head. Its confidence is the higher one. Both faces are in pixels of img turned clockwise by quarters of a turn.
func (d *Detector) Level(ctx context.Context, img *imaging.Image, f Face, quarters int, minConfidence float32) (Face, error) {
	width, height := img.Width, img.Height
	if quarters%2 != 0 {
		width, height = height, width
	}
	lean := abs(f.Roll())
	if lean <= tiltLimit && (lean <= tiltLimitUnsure || f.Confidence >= upright) {
		return f, nil
	}
	best, turn := f, tiltFactor*f.Roll()
	for range tiltLooks {
		w := turnedBy(square(best.window(tiltReach)), turn)
		side := min(max(int(math.Round(w.Width)), 1), tiltSide)
		part := img.Cut(w.Turned(4-quarters, width, height), side, side)
		found, err := d.detect(ctx, part, minConfidence)
		part.Release()
		if err != nil {
			return f, err
		}
		seen := nearest(found, float32(side))
		if seen == nil {
			break
		}
		left := seen.Roll()
		if seen.Confidence >= best.Confidence || abs(left) <= level {
			best = seen.placed(w, side)
		}
		if abs(left) <= level {
			break
		}
		turn += tiltFactor * left
	}
	best.Confidence = max(best.Confidence, f.Confidence)
	return best, nil
}

func abs(v float32) float32 { return max(v, -v) }

// nearest is the surest of the faces that have the middle of a picture of that side in their boxes; nil if none has.
func nearest(faces []Face, side float32) *Face {
	for i, f := range faces {
		if b, m := f.Box, side/2; b.TopLeft.X < m && m < b.BottomRight.X && b.TopLeft.Y < m && m < b.BottomRight.Y {
			return &faces[i]
		}
	}
	return nil
}

// placed is f, a face of what w shows in a square picture of that side, in pixels of the picture that w is a part of.
func (f Face) placed(w imaging.Window, side int) Face {
	for i, p := range f.Points {
		f.Points[i] = placed(w, float64(p.X)/float64(side), float64(p.Y)/float64(side))
	}
	box, scale := f.window(1), w.Width/float64(side)
	box.X, box.Y = w.Place(box.X/float64(side), box.Y/float64(side))
	box.Width, box.Height = box.Width*scale, box.Height*scale
	x, y, a, b := float32(box.X), float32(box.Y), float32(box.Width/2), float32(box.Height/2)
	f.Box = schema.BoxF{TopLeft: schema.PointF{X: x - a, Y: y - b}, BottomRight: schema.PointF{X: x + a, Y: y + b}}
	return f
}

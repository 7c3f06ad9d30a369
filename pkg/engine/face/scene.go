package face

import (
	"context"
	"math"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

const (
	// If the best face has at least the confidence sure, there is no second look for close-ups. At the first look it has in 80 of
	// 90 photographs of people.
	sure = 0.9
	// coarser is how many times smaller the picture is at the second look, which costs a ninth of the first. A face that fills the
	// picture then has a size that detectors are trained on.
	coarser = 3
	// leastCoarse is the least long side, in pixels, at which a second look can show more than the first.
	leastCoarse = 64
	// closeUp is how long a face must be at the second look, in short sides of the picture, to count. The first look finds smaller
	// faces.
	closeUp = 0.4
	// surer is by how much the second look must be surer of a face that both looks find, because the first look places it better.
	surer = 0.1
	// If this share of a face's area lies in a close-up, it is taken for a part of that close-up.
	inside = 0.6

	// tileShape is the length of a tile, in short sides of the picture.
	tileShape = 4. / 3
	// tileOverlap is by how much tiles overlap, in short sides. A face up to this size is whole in at least one tile.
	tileOverlap = 1. / 2
	// Tiles are used if they show faces at least tileGain times as large as the whole picture does.
	tileGain = 2
	// maxTiles bounds the cost of a picture of extreme shape. If there would be more tiles, they become longer.
	maxTiles = 8
)

// Scene is a picture prepared for a detector. The detector looks at the whole picture, at overlapping tiles of it if its shape is
// extreme, and at a smaller copy if it is not sure of what it found. A Scene keeps scaled copies only. It is not safe for
// concurrent use.
type Scene struct {
	detector      *Detector
	picture       *imaging.Image
	width, height int // of the picture
	whole         look
	tiles         []look
	coarse        *look // nil until it is needed
}

// look is a part of a picture as a detector sees it.
type look struct {
	picture *imaging.Image // scaled
	// x and y are where the part begins in the picture, and scaleX and scaleY how many of its pixels one of the look is.
	x, y, scaleX, scaleY float32
	// A face that reaches beyond from or to, in pixels of the picture, is cut off by the part's border. Another look has it whole.
	from, to schema.PointF
}

var everywhere = float32(math.Inf(1))

// Scene prepares img, which stays the caller's, for detection in any orientation.
func (d *Detector) Scene(img *imaging.Image) *Scene {
	s := &Scene{detector: d, picture: img, width: img.Width, height: img.Height}
	g := d.geometry(img.Width, img.Height)
	s.whole = s.look(img.Resize(g.width, g.height), 0, 0, img.Width, img.Height)
	s.addTiles(img, float64(max(g.width, g.height))/float64(max(img.Width, img.Height)))
	return s
}

// Release gives the memory of the scaled copies back. It ends the use of s.
func (s *Scene) Release() {
	looks := append(s.tiles, s.whole)
	if s.coarse != nil {
		looks = append(looks, *s.coarse)
	}
	for _, l := range looks {
		if l.picture != s.picture {
			l.picture.Release()
		}
	}
}

// addTiles cuts img into tiles if they show faces much larger than the whole look does, in which a pixel of img is scale wide.
func (s *Scene) addTiles(img *imaging.Image, scale float64) {
	long, short := max(img.Width, img.Height), min(img.Width, img.Height)
	overlap := int(tileOverlap * float64(short))
	length := int(math.Ceil(tileShape * float64(short)))
	n := 1 + (long-overlap-1)/(length-overlap)
	if n > maxTiles {
		n = maxTiles
		length = (long-overlap+n-1)/n + overlap
	}
	if tile := s.detector.geometry(length, short); float64(tile.width)/float64(length) < tileGain*scale {
		return
	}
	for i := range n {
		from := (long - length) * i / max(n-1, 1)
		x, y, w, h := from, 0, length, short
		if img.Height > img.Width {
			x, y, w, h = y, x, h, w
		}
		g := s.detector.geometry(w, h)
		l := s.look(img.ResizePart(x, y, x+w, y+h, g.width, g.height), x, y, w, h)
		if img.Height > img.Width {
			l.from.Y, l.to.Y = inner(from, length, long)
		} else {
			l.from.X, l.to.X = inner(from, length, long)
		}
		s.tiles = append(s.tiles, l)
	}
}

// inner are the borders of a tile along the long side; those that are the picture's own are infinitely far away.
func inner(from, length, long int) (low, high float32) {
	low, high = -everywhere, everywhere
	if from > 0 {
		low = float32(from)
	}
	if from+length < long {
		high = float32(from + length)
	}
	return low, high
}

func (s *Scene) look(scaled *imaging.Image, x, y, width, height int) look {
	return look{
		picture: scaled, x: float32(x), y: float32(y),
		scaleX: float32(width) / float32(scaled.Width), scaleY: float32(height) / float32(scaled.Height),
		from: schema.PointF{X: -everywhere, Y: -everywhere}, to: schema.PointF{X: everywhere, Y: everywhere},
	}
}

// Detect returns the faces of the picture turned clockwise by quarters of a turn, in its pixels, as Detector.Detect does.
func (s *Scene) Detect(ctx context.Context, quarters int, minConfidence float32) ([]Face, error) {
	faces, err := s.at(ctx, s.whole, quarters, minConfidence)
	if err != nil {
		return nil, err
	}
	for _, t := range s.tiles {
		found, err := s.at(ctx, t, quarters, minConfidence)
		if err != nil {
			return nil, err
		}
		faces = append(faces, found...)
	}
	if len(s.tiles) > 0 {
		faces = suppress(faces, s.detector.maxOverlap)
	}
	small := s.whole.picture
	if len(faces) > 0 && faces[0].Confidence >= sure || max(small.Width, small.Height) < leastCoarse*coarser {
		return faces, nil
	}
	if s.coarse == nil {
		l := s.look(small.ResizePart(0, 0, small.Width, small.Height, max(small.Width/coarser, 1), max(small.Height/coarser, 1)), 0, 0, s.width, s.height)
		s.coarse = &l
	}
	found, err := s.at(ctx, *s.coarse, quarters, minConfidence)
	if err != nil {
		return nil, err
	}
	least := float32(closeUp * float64(min(s.width, s.height)))
	for _, f := range found {
		if max(f.Box.BottomRight.X-f.Box.TopLeft.X, f.Box.BottomRight.Y-f.Box.TopLeft.Y) >= least {
			faces = s.withCloseUp(faces, f)
		}
	}
	return suppress(faces, s.detector.maxOverlap), nil
}

// withCloseUp adds a face of the second look to those of the first, and drops small faces inside it: the first look takes parts of
// a close-up for faces.
func (s *Scene) withCloseUp(faces []Face, closeUp Face) []Face {
	for _, f := range faces {
		if f.Overlap(closeUp) > s.detector.maxOverlap && f.Confidence > closeUp.Confidence-surer {
			closeUp = f
			break
		}
	}
	kept := []Face{closeUp}
	for _, f := range faces {
		if f != closeUp && (f.Confidence > closeUp.Confidence || f.Within(closeUp) < inside) {
			kept = append(kept, f)
		}
	}
	return kept
}

// at returns the faces of one look, in pixels of the turned picture.
func (s *Scene) at(ctx context.Context, l look, quarters int, minConfidence float32) ([]Face, error) {
	picture := l.picture.Turned(quarters)
	found, err := s.detector.detect(ctx, picture, minConfidence)
	if picture != l.picture {
		picture.Release()
	}
	if err != nil {
		return nil, err
	}
	width, height := l.picture.Width, l.picture.Height
	if quarters%2 != 0 {
		width, height = height, width
	}
	faces := found[:0]
	for _, f := range found {
		f = f.Turned(4-quarters, width, height)
		f.move(func(p schema.PointF) schema.PointF {
			return schema.PointF{X: p.X*l.scaleX + l.x, Y: p.Y*l.scaleY + l.y}
		})
		if f.Box.TopLeft.X > l.from.X && f.Box.TopLeft.Y > l.from.Y && f.Box.BottomRight.X < l.to.X && f.Box.BottomRight.Y < l.to.Y {
			faces = append(faces, f.Turned(quarters, s.width, s.height))
		}
	}
	return faces, nil
}

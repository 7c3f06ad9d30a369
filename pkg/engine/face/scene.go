package face

import (
	"context"
	"math"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

const (
	// sure is the confidence of the best face from which there is no second look for close-ups. Of 90 photographs of people, 80
	// have a surer one at the first look.
	sure = 0.9
	// coarser is how many times smaller the second look is. A face that fills the picture is then a third as large, which is a
	// size that detectors are trained on; the look costs a ninth of the first.
	coarser = 3
	// leastCoarse is the least long side, in pixels, at which a second look can show more than the first.
	leastCoarse = 64
	// closeUp is the least side of a face, in short sides of the picture, that counts at the second look. Smaller ones are found
	// at the first.
	closeUp = 0.4
	// surer is by how much surer the second look has to be of a face that both see. Places are better known from the first.
	surer = 0.1
	// inside is the share of a face's area in a close-up from which it is taken for a part of that face.
	inside = 0.6

	// tileShape is the length of a tile, in short sides of the picture.
	tileShape = 4. / 3
	// tileOverlap is by how much tiles overlap, in short sides: faces up to this size are seen whole in one of them.
	tileOverlap = 1. / 2
	// tileGain is how many times larger faces have to be in the tiles than in the whole picture for the tiles to be looked at.
	tileGain = 2
	// maxTiles bounds what a picture of extreme shape costs. Tiles get longer where there would be more.
	maxTiles = 8
)

// Scene is a picture made ready for a detector, which looks at it whole, at its tiles where its shape is extreme, and once more
// from further away where it is not sure of what it sees. It keeps scaled copies only. It is not safe for concurrent use.
type Scene struct {
	detector      *Detector
	width, height int // of the picture
	whole         look
	tiles         []look
	coarse        *look // nil until somebody is not sure
}

// look is a part of a picture as a detector sees it.
type look struct {
	picture *imaging.Image // scaled
	// x and y are where the part begins in the picture, and scaleX and scaleY how many of its pixels one of the look is.
	x, y, scaleX, scaleY float32
	// Faces that reach beyond [from, to] in the picture are cut off by the part's border: another look has them whole.
	from, to schema.PointF
}

var everywhere = float32(math.Inf(1))

// Scene makes img ready for looking at it, in any orientation.
func (d *Detector) Scene(img *imaging.Image) *Scene {
	s := &Scene{detector: d, width: img.Width, height: img.Height}
	g := d.geometry(img.Width, img.Height)
	s.whole = s.look(img.Resize(g.width, g.height), 0, 0, img.Width, img.Height)
	s.addTiles(img, float64(max(g.width, g.height))/float64(max(img.Width, img.Height)))
	return s
}

// addTiles cuts img, of which a pixel is scale wide in the whole look, into tiles where they show faces much larger.
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
		l := s.look(img.Crop(x, y, x+w, y+h, imaging.Reflect).Resize(g.width, g.height), x, y, w, h)
		if img.Height > img.Width {
			l.from.Y, l.to.Y = inner(from, length, long)
		} else {
			l.from.X, l.to.X = inner(from, length, long)
		}
		s.tiles = append(s.tiles, l)
	}
}

// inner are the borders of a tile that are not those of the picture.
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
		l := s.look(small.Resize(max(small.Width/coarser, 1), max(small.Height/coarser, 1)), 0, 0, s.width, s.height)
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

// withCloseUp are the faces of the first look and one of the second. What the first look takes for small faces inside a large one
// are its parts.
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

// at are the faces of one look.
func (s *Scene) at(ctx context.Context, l look, quarters int, minConfidence float32) ([]Face, error) {
	found, err := s.detector.detect(ctx, l.picture.Turned(quarters), minConfidence)
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

package document

import (
	"math"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// Type is the format of a document in ISO/IEC 7810.
type Type string

// The formats.
const (
	ID1     Type = "id1" // 85.60 × 53.98 mm: cards
	ID2     Type = "id2" // 105 × 74 mm: larger cards, visas of the format B
	ID3     Type = "id3" // 125 × 88 mm: a page of a passport
	Unknown Type = "unknown"
)

// Size is the width and the height of a document of the type in millimetres; 0, 0 for Unknown.
func (t Type) Size() (width, height float64) {
	switch t {
	case ID1:
		return 85.60, 53.98
	case ID2:
		return 105, 74
	case ID3:
		return 125, 88
	}
	return 0, 0
}

// likeShape is by which share the shape of a document may differ from that of its type. Corners that are 1 % off make 2 to 4 % of it.
const likeShape = 0.04

// TypeOf is the type of the document with these corners in a picture of that size, and how many times as wide as high it is: exactly
// what the type says where the shape is near it, and what is measured where it is Unknown. A document that lies on its side is less wide
// than high. The shapes of ID-2 and ID-3 differ by 0.1 %: TypeOf says ID3, and only the machine-readable zone can say ID2.
func TypeOf(corners [4]schema.PointF, width, height int) (Type, float64) {
	measured := quadOf(corners).aspect(width, height)
	for _, t := range []Type{ID1, ID3} {
		w, h := t.Size()
		for _, shape := range []float64{w / h, h / w} {
			if math.Abs(math.Log(measured/shape)) < likeShape {
				return t, shape
			}
		}
	}
	return Unknown, min(max(measured, 1./widestShape), widestShape)
}

// ShapeOf is how many times as wide as high what has these corners looks: the ratio of the mean lengths of its sides.
func ShapeOf(corners [4]schema.PointF) float64 {
	q := quadOf(corners)
	return (q.side(0).length() + q.side(2).length()) / max(q.side(1).length()+q.side(3).length(), 1e-6)
}

// widestShape bounds what Straighten makes of corners whose shape is none.
const widestShape = 4

// straightSize is the size in pixels of the straightened document with these corners: of its shape, no smaller than any of its sides
// where most pixels allow that.
func straightSize(q quad, shape float64, most int) (width, height int) {
	across := max(q.side(0).length(), q.side(2).length())
	down := max(q.side(1).length(), q.side(3).length())
	w := max(across, down*shape)
	w = min(w, math.Sqrt(float64(most)*shape))
	return max(int(w+0.5), 1), max(int(w/shape+0.5), 1)
}

// Straighten returns the document with these corners alone and upright as the first corner says: no smaller than its longer sides are in
// img, with most pixels or so at most, and grey where it reaches beyond img. shape is how many times as wide as high it is ([TypeOf]).
// It returns nil for corners that are not those of a document.
func Straighten(img *imaging.Image, corners [4]schema.PointF, shape float64, most int) *imaging.Image {
	q := quadOf(corners)
	if q.area() < 1 {
		return nil
	}
	width, height := straightSize(q, shape, most)
	// A picture that shrinks much is shrunk by a whole factor first, and then sampled.
	factor := int(math.Sqrt(q.area() / float64(width*height)))
	if src := max(factor, 1); src > 1 {
		small := img.Resize(max(img.Width/src, 1), max(img.Height/src, 1))
		if small != img {
			defer small.Release()
		}
		q = q.scaled(float64(small.Width)/float64(img.Width), float64(small.Height)/float64(img.Height))
		img = small
	}
	p, ok := q.view(width, height)
	if !ok {
		return nil
	}
	return img.WarpProjective(p, width, height, imaging.RGB{128, 128, 128})
}

// View maps the straightened document of width × height pixels to where it is in the picture, and reports whether its corners are those of
// a document.
func (o Outline) View(width, height int) (imaging.Projective, bool) {
	return quadOf(o.Corners).view(width, height)
}

func (q quad) view(width, height int) (imaging.Projective, bool) {
	return imaging.NewProjective(frame(width, height).pairs(), q.pairs())
}

// StraightMemory is the most bytes that Straighten takes for a picture of that size and a result of most pixels: the result, and the
// picture shrunk to half or less.
func StraightMemory(width, height, most int) int64 {
	return 3 * (int64(most) + int64(most)/8 + int64(width)*int64(height)/4)
}

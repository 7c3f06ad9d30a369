// Package document finds identity documents in a picture, straightens them and judges how they are shown.
//
// [Finder] says where the documents are. Everything else that is known of one is gathered in its [Observation]. [Straighten] makes a
// picture of the document alone, [Judge] measures how the document lies in the picture and how well it can be read, and [Upright] says
// how a straightened document must be turned. [TextReader] finds and reads lines of text and, among them, machine-readable zones ([MRZ]).
//
// Points are in pixels of the picture, its origin is the top left corner: (0, 0) and (width, height) are corners of the picture, which
// the pixels fill.
//
// All of its parts are safe for concurrent use. A network that fails is an error; a picture without a document is an answer.
package document

import (
	"slices"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// Observation is what is known of a document in a picture. What nobody asked for, and what no network is there for, is nil or empty.
type Observation struct {
	Outline
	// Type is what the document's shape says that it is, until its machine-readable zone says more.
	Type Type
	// Straight is the document alone, its sides upright; who has the Observation releases it.
	Straight *imaging.Image
	// Width and Height are those of Straight in pixels, which they outlive; 0 where the document was not straightened.
	Width, Height int
	// Turned is by how many degrees clockwise the document was turned when it was straightened: 0, 90, 180 or 270. Corners begin with the
	// document's own top left one all the same.
	Turned int
	// Measures is how the document is shown.
	Measures *Measures
	// MRZ is the machine-readable zone; nil where none was found. Text are the other lines of text, in reading order. Both are in pixels of
	// the straightened document.
	MRZ  *MRZ
	Text []Line
}

// Holds reports whether p lies on the document.
func (o Outline) Holds(p schema.PointF) bool {
	return quadOf(o.Corners).holds(point{float64(p.X), float64(p.Y)})
}

// TurnRead moves what was read with the straightened document of width × height pixels, which is turned clockwise by quarters of a turn.
func (o *Observation) TurnRead(quarters, width, height int) {
	if o.MRZ != nil {
		o.MRZ.turn(quarters, width, height)
	}
	for i := range o.Text {
		turnQuad(&o.Text[i].Quad, quarters, width, height)
	}
}

// Printed are the lines that are none of the zone.
func (m *MRZ) Printed(lines []Line) []Line {
	zone := quadOf(m.Quad)
	return slices.DeleteFunc(lines, func(l Line) bool {
		q := quadOf(l.Quad)
		return zone.holds(q[0].towards(q[2], 0.5))
	})
}

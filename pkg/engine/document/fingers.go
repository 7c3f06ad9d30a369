package document

import (
	"math"

	"facestream/pkg/engine/imaging"
)

const (
	// fingerSide is the longer side of the picture in which fingers are looked for.
	fingerSide = 400
	// places are those along a side of the document at which it may be held.
	places = 96
	// fingerReach is how far to both sides of the document's edge a finger is seen at least, and fingerWidth how wide one is that is certain, in
	// shares of the document's shorter side: 54 mm of a card, of which a finger covers 15 to 20, and its edges are in shade.
	fingerReach, fingerWidth = 0.07, 0.2
	// steady is the largest difference of the colours of two neighbouring points on a finger, of 0..255 in each channel and in the root of
	// the sum of squares.
	steady = 45
	// mostSkin is the share of a side along which a table or a document of the colour of skin lies, rather than a finger.
	mostSkin = 0.6
)

// Fingers is how likely fingers cover a part of the document, 0..1: the longest part of the outline across which skin goes on without an
// edge, in widths of a finger. A side where the table or the document has the colour of skin, or where the document reaches the picture's
// border, says nothing.
func Fingers(img *imaging.Image, o Outline) float32 {
	m := img
	if long := max(img.Width, img.Height); long > fingerSide {
		m = img.Resize(max(img.Width*fingerSide/long, 1), max(img.Height*fingerSide/long, 1))
		defer m.Release()
	}
	q := quadOf(o.Corners).scaled(float64(m.Width)/float64(img.Width), float64(m.Height)/float64(img.Height))
	short := math.Inf(1)
	for i := range q {
		short = min(short, q.side(i).length())
	}
	widest := 0.0
	for i := range q {
		along := q.side(i)
		length := along.length()
		normal := point{along.y / length, -along.x / length}
		run, skins := 0, 0
		longest := 0
		for k := range places {
			at := q[i].towards(q[(i+1)%4], (float64(k)+0.5)/places)
			held, skin := crossed(m, at, normal, fingerReach*short)
			if skin {
				skins++
			}
			if run++; !held {
				run = 0
			}
			longest = max(longest, run)
		}
		if float64(skins) < mostSkin*places {
			widest = max(widest, float64(longest)/places*length/short)
		}
	}
	return float32(min(widest/fingerWidth, 1))
}

// crossed reports whether skin goes on across the outline at a point, and whether there is skin inside or outside of it.
func crossed(m *imaging.Image, at, normal point, reach float64) (held, skin bool) {
	const half = 3 // points on each side of the outline
	var before [3]float64
	held = true
	inside, outside := 0, 0
	for k := -half; k <= half; k++ {
		c, ok := colour(m, at.plus(normal.times(reach*float64(k)/half)))
		if !ok {
			return false, false
		}
		is := isSkin(c)
		if is && k < 0 {
			inside++
		}
		if is && k > 0 {
			outside++
		}
		var d [3]float64
		for i := range d {
			d[i] = c[i] - before[i]
		}
		held = held && is && (k == -half || norm(d) < steady)
		before = c
	}
	return held, inside == half || outside == half
}

// isSkin reports whether a colour may be that of skin: its blue and red differences lie in the map of Chai and Ngan (Face Segmentation
// Using Skin-Color Map in Videophone Applications, 1999).
func isSkin(c [3]float64) bool {
	cb := 128 - 0.168736*c[0] - 0.331264*c[1] + 0.5*c[2]
	cr := 128 + 0.5*c[0] - 0.418688*c[1] - 0.081312*c[2]
	return cb >= 77 && cb <= 127 && cr >= 133 && cr <= 173
}

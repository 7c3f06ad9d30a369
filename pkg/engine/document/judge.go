package document

import (
	"math"
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
)

// Measures is how a document is shown.
type Measures struct {
	// Sharpness is the variance of the Laplacian of the luma, 0..255, of the straightened document: 0 for an even surface, hundreds to
	// thousands for sharp print. The kernel is OpenCV's of size 1: 4 in the middle, −1 beside, above and below (Pech-Pacheco et al., Diatom
	// autofocusing in brightfield microscopy, 2000). A document of more than sharpWidth pixels across is measured at that size, so that
	// the number says how well it can be read and not how many pixels the camera has.
	Sharpness float32
	// Share is that of the picture which the document covers, 0..1. What lies beyond the picture does not count.
	Share float32
	// Left, Top, Right and Bottom are the gaps between the document and the picture's sides in shares of its width or height. One that is
	// negative says how far the document reaches beyond the picture.
	Left, Top, Right, Bottom float32
	// Cut is the share of the document's outline that the picture does not show, 0..1: because it lies beyond the picture's border, or on it
	// while what can be seen has the shape of no known type, as a part of a document has.
	Cut float32
	// Glare is the share of the straightened document that is blown out by reflections, 0..1: blocks of glareBlock² pixels that are all
	// white on a document that is not. It is 0 for a document on white paper that is exposed so that the paper is white: there nothing
	// tells them apart.
	Glare float32
	// DPI is how many pixels of the picture show an inch of the document, from the size of its type; 0 if that is unknown.
	DPI float32
	// Fingers is how likely fingers cover a part of the document, 0..1 ([Fingers]).
	Fingers float32
}

const (
	sharpWidth = 1000
	// Pixels whose three channels reach white are blown out; a document whose median luma reaches whitePaper has white paper.
	white, whitePaper = 250, 235
	glareBlock        = 8
)

// Judge measures how the document o lies in the picture img, and what can be seen of it in o.Straight, which must be there.
func Judge(img *imaging.Image, o Observation) *Measures {
	q := quadOf(o.Corners)
	w, h := float64(img.Width), float64(img.Height)
	left, top, right, bottom := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, p := range q {
		left, top, right, bottom = min(left, p.x), min(top, p.y), max(right, p.x), max(bottom, p.y)
	}
	m := &Measures{
		Share: float32(q.clipped(frame(img.Width, img.Height)) / (w * h)),
		Left:  float32(left / w), Top: float32(top / h), Right: float32(1 - right/w), Bottom: float32(1 - bottom/h),
		Sharpness: sharpness(o.Straight),
		Cut:       q.cutOff(img.Width, img.Height, o.Type),
		Glare:     glare(o.Straight),
		Fingers:   Fingers(img, o.Outline),
	}
	if mmWide, mmHigh := o.Type.Size(); mmWide > 0 {
		m.DPI = float32(25.4 * math.Sqrt(q.area()/(mmWide*mmHigh)))
	}
	return m
}

// cutOff is the share of the outline q of a document of that type which a picture of that size does not show.
func (q quad) cutOff(width, height int, t Type) float32 {
	const places = 64 // along each side
	on := -0.5        // how far within the picture the outline is shown, in pixels
	if t == Unknown {
		on = 0.5
	}
	hidden, all := 0., 0.
	for i := range q {
		step := q.side(i).length() / places
		for k := range places {
			p := q[i].towards(q[(i+1)%4], (float64(k)+0.5)/places)
			if all += step; min(p.x, p.y, float64(width)-p.x, float64(height)-p.y) < on {
				hidden += step
			}
		}
	}
	return float32(hidden / max(all, 1e-9))
}

// Off says on which sides the document lies too near to the picture's border, or is cut by it: nearer than threshold, a share of the
// picture's width or height (threshold_doc_x or _y), while there is more room on the other side, or so far beyond it. One that fills the
// picture evenly is not off: it is close at most.
func (m *Measures) Off(thresholdX, thresholdY float32) (left, right, up, down bool) {
	near := func(gap, other, threshold float32) bool {
		return gap < -threshold || gap < threshold && other-gap > threshold
	}
	return near(m.Left, m.Right, thresholdX), near(m.Right, m.Left, thresholdX), near(m.Top, m.Bottom, thresholdY), near(m.Bottom, m.Top, thresholdY)
}

func sharpness(straight *imaging.Image) float32 {
	m := straight
	if long := max(m.Width, m.Height); long > sharpWidth {
		m = straight.Resize(max(m.Width*sharpWidth/long, 1), max(m.Height*sharpWidth/long, 1))
		defer m.Release()
	}
	if m.Width < 3 || m.Height < 3 {
		return 0
	}
	return face.LaplacianVariance(m.Luma(), m.Width, m.Height)
}

func glare(m *imaging.Image) float32 {
	var counts [256]int
	for i := 0; i < len(m.Pix); i += 3 {
		counts[(299*int(m.Pix[i])+587*int(m.Pix[i+1])+114*int(m.Pix[i+2]))/1000]++
	}
	median, sum := 0, 0
	for sum += counts[0]; sum < len(m.Pix)/6; sum += counts[median] {
		median++
	}
	if median >= whitePaper {
		return 0
	}
	blown, blocks := 0, 0
	for y := 0; y+glareBlock <= m.Height; y += glareBlock {
		for x := 0; x+glareBlock <= m.Width; x += glareBlock {
			blocks++
			even := true
			for row := y; row < y+glareBlock && even; row++ {
				even = slices.Min(m.Pix[3*(row*m.Width+x):3*(row*m.Width+x+glareBlock)]) >= white
			}
			if even {
				blown++
			}
		}
	}
	return float32(blown) / float32(max(blocks, 1))
}

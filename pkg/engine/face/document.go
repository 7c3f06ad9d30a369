package face

import (
	"context"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// DocumentDetector finds the identity documents that faces are on, with MRZ_Extract_And_Reader's network. It is safe for
// concurrent use.
type DocumentDetector struct {
	stage     Stage
	threshold float32
}

// DocumentGrid is the architecture of the networks of the role document that look around a face.
const DocumentGrid = "document_grid"

const (
	// documentCells are the cells of the network's grid in each direction, documentValues the numbers of a cell: the probability
	// that the centre of a document lies in it, the centre's place in the cell and the document's size in the picture, each 0..1
	// and horizontally first, and the probability of the only class.
	documentCells  = 16
	documentValues = 6
	// authorsDocument is the threshold of the network's authors (detector_inference.py, conf_threshold), for manifests without one.
	authorsDocument = 0.25
	// The network finds documents that take about half of its picture, so it is shown a window of this many widths of the face
	// around it: on passports and cards of ISO/IEC 7810 the face is a seventh to a fifth as wide as the document. The window has
	// the shape of a photograph, and is grey beyond the picture.
	documentWindow = 16
	documentShape  = 3. / 4
	// widestOnDocument is the greatest width of a face on a document, in widths of the document. A person who holds a document
	// up, or stands before a poster, is wider.
	widestOnDocument = 0.4
)

// NewDocumentDetector returns a DocumentDetector for the network of the stage. Any architecture but "document_grid", and any layout but
// triples, is a Fatal error.
func NewDocumentDetector(s Stage) (*DocumentDetector, error) {
	if err := s.checkLayout("face.documents", models.NHWC, DocumentGrid); err != nil {
		return nil, err
	}
	threshold := float32(authorsDocument)
	if t, ok := s.Model.Thresholds[ThresholdDocument]; ok {
		threshold = t.Value
	}
	return &DocumentDetector{s, threshold}, nil
}

// Document is where a picture shows an identity document, in its pixels, upright; its corners may lie beyond the picture.
// Confidence is 0..1.
type Document struct {
	Box        schema.BoxF
	Confidence float32
}

// Observe implements Observer. A face's Document is the likeliest document that carries it.
func (d *DocumentDetector) Observe(ctx context.Context, img *imaging.Image, faces []*Observation) []error {
	in := d.stage.Model.Input
	pictures, windows := make([]*imaging.Image, len(faces)), make([]imaging.Window, len(faces))
	for i, f := range faces {
		w := f.window(1)
		w.Width *= documentWindow
		w.Height = w.Width * documentShape
		windows[i], pictures[i] = w, img.CutOver(w, in.Width, in.Height, imaging.RGB{128, 128, 128})
	}
	errs := make([]error, len(faces))
	for i, answer := range d.stage.run(ctx, "face.documents", documentCells*documentCells*documentValues, pictures) {
		if errs[i] = answer.Err; answer.Err == nil {
			faces[i].Document = d.carrier(answer.Value, windows[i], faces[i].Face)
		}
	}
	return errs
}

// carrier is the likeliest document that carries f, according to the network's answer about a window.
func (d *DocumentDetector) carrier(answer []float32, window imaging.Window, f Face) (best *Document) {
	for cell := range documentCells * documentCells {
		v := answer[cell*documentValues:][:documentValues]
		if v[0] < d.threshold || best != nil && v[0] <= best.Confidence {
			continue
		}
		x := (float64(cell%documentCells) + float64(v[1])) / documentCells
		y := (float64(cell/documentCells) + float64(v[2])) / documentCells
		w, h := float64(v[3])/2, float64(v[4])/2
		left, top := window.Place(x-w, y-h)
		right, bottom := window.Place(x+w, y+h)
		found := Document{Confidence: v[0], Box: schema.BoxF{
			TopLeft: schema.PointF{X: float32(left), Y: float32(top)}, BottomRight: schema.PointF{X: float32(right), Y: float32(bottom)}}}
		if found.carries(f) {
			best = &found
		}
	}
	return best
}

// carries reports whether f is on d: its centre lies in d, and it is as small as a document's portrait.
func (d Document) carries(f Face) bool {
	w := f.window(1)
	left, right := float64(d.Box.TopLeft.X), float64(d.Box.BottomRight.X)
	return w.X > left && w.X < right && w.Y > float64(d.Box.TopLeft.Y) && w.Y < float64(d.Box.BottomRight.Y) &&
		w.Width <= widestOnDocument*(right-left)
}

package face

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// documentCell is what the network says of one cell.
type documentCell struct {
	column, row int
	values      [documentValues]float32
}

func documents(t *testing.T, cells ...documentCell) *DocumentDetector {
	t.Helper()
	answer := make([]float32, documentCells*documentCells*documentValues)
	for _, c := range cells {
		copy(answer[(c.row*documentCells+c.column)*documentValues:], c.values[:])
	}
	s := stage(DocumentGrid, 64, 64, func(row onnx.Tensor) []float32 {
		// The face's own picture is in the middle, and grey is beyond the image.
		if row.Data[0] != 128 || row.Data[3*(64*32+32)] != 200 {
			t.Errorf("the network sees %v at the corner and %v in the middle, want 128 and 200", row.Data[0], row.Data[3*(64*32+32)])
		}
		return answer
	})
	s.Model.Input.Layout = models.NHWC
	d, err := NewDocumentDetector(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDocument: a document is where the grid says, and counts for a face that is on it and as small as a portrait.
func TestDocument(t *testing.T) {
	img := imaging.New(400, 300)
	img.Fill(imaging.RGB{200, 200, 200})
	f := boxed(100, 100, 140, 150) // its window is 640 × 480 about (120, 125): from (-200, -115) on
	// The centre in cell (9, 8), a quarter and a half of the way through it: (-200 + 9.25/16·640, -115 + 8.5/16·480) = (170, 140).
	at := func(confidence, width, height float32) documentCell {
		return documentCell{9, 8, [documentValues]float32{confidence, 0.25, 0.5, width / 640, height / 480, 1}}
	}
	document := func(confidence, width, height float32) *Document {
		return &Document{Confidence: confidence, Box: schema.BoxF{
			TopLeft: schema.PointF{X: 170 - width/2, Y: 140 - height/2}, BottomRight: schema.PointF{X: 170 + width/2, Y: 140 + height/2}}}
	}
	for name, test := range map[string]struct {
		cells []documentCell
		want  *Document
	}{
		"nothing":                      {nil, nil},
		"a passport":                   {[]documentCell{at(0.9, 240, 160)}, document(0.9, 240, 160)},
		"at the threshold":             {[]documentCell{at(0.25, 240, 160)}, document(0.25, 240, 160)},
		"below the threshold":          {[]documentCell{at(0.24, 240, 160)}, nil},
		"the face fills it":            {[]documentCell{at(0.9, 99, 160)}, nil}, // 40 of 99 pixels
		"the face is just small":       {[]documentCell{at(0.9, 101, 160)}, document(0.9, 101, 160)},
		"the face is beside it":        {[]documentCell{{15, 8, [documentValues]float32{0.9, 0.5, 0.5, 0.3, 0.3, 1}}}, nil},
		"the face is above it":         {[]documentCell{{9, 15, [documentValues]float32{0.9, 0.5, 0.5, 0.5, 0.3, 1}}}, nil},
		"the likelier of two it is on": {[]documentCell{{0, 0, [documentValues]float32{1, 0, 0, 0.1, 0.1, 1}}, {8, 8, [documentValues]float32{0.3, 0, 0, 0.5, 0.5, 1}}, at(0.6, 240, 160)}, document(0.6, 240, 160)},
	} {
		found, errs := observe(t, documents(t, test.cells...), img, Observation{Face: f})
		if errs[0] != nil {
			t.Errorf("%s: %v", name, errs[0])
		}
		if diff := cmp.Diff(test.want, found[0].Document, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDocumentDetectorRefuses(t *testing.T) {
	for name, change := range map[string]func(*Stage){
		"planes":               func(s *Stage) { s.Model.Input.Layout = models.NCHW },
		"another architecture": func(s *Stage) { s.Model.Architecture = "document_corners" },
		"no size":              func(s *Stage) { s.Model.Input.Width = 0 },
	} {
		s := stage(DocumentGrid, 64, 64, fixed(1))
		s.Model.Input.Layout = models.NHWC
		change(&s)
		if _, err := NewDocumentDetector(s); schema.ClassOf(err) != schema.ClassFatal {
			t.Errorf("%s: %v", name, err)
		}
	}
	nan := make([]float32, documentCells*documentCells*documentValues)
	nan[0] = float32(math.NaN())
	for name, answer := range map[string][]float32{"fails": nil, "too few values": {1}, "NaN": nan} {
		s := stage(DocumentGrid, 64, 64, fixed(answer...))
		s.Model.Input.Layout = models.NHWC
		d, err := NewDocumentDetector(s)
		if err != nil {
			t.Fatal(err)
		}
		if found, errs := observe(t, d, imaging.New(64, 64), Observation{Face: boxed(10, 10, 20, 20)}); errs[0] == nil || found[0].Document != nil {
			t.Errorf("%s: %+v, %v", name, found[0], errs[0])
		}
	}
}

// The threshold is the manifest's.
func TestDocumentThreshold(t *testing.T) {
	s := stage(DocumentGrid, 64, 64, fixed(1))
	s.Model.Input.Layout = models.NHWC
	s.Model.Thresholds = map[string]models.Threshold{ThresholdDocument: {Value: 0.75}}
	if d, err := NewDocumentDetector(s); err != nil || d.threshold != 0.75 {
		t.Errorf("%+v, %v", d, err)
	}
}

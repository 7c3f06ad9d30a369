package engine

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// TestFaceOnDocument finds the face on a drawn card and says where it is on the straightened card and in the photograph. Nobody looks for a
// face where there is no document, where the document is not accepted, or where the caller does not ask for one.
func TestFaceOnDocument(t *testing.T) {
	e := openEngine(t)
	card, person := encoded(t, drawnCard()), encoded(t, picture(drawn.Cast()[0], 0, 400))
	refuse := func([]document.Observation) bool { return false }
	for name, c := range map[string]struct {
		file             []byte
		asked            DocumentParams
		documents, faces int
	}{
		"a card":                {card, DocumentParams{Faces: true}, 1, 1},
		"a card without a face": {card, DocumentParams{}, 1, 0},
		"a refused card":        {card, DocumentParams{Faces: true, Accept: refuse}, 1, 0},
		"a person":              {person, DocumentParams{Faces: true}, 0, 0},
	} {
		a, err := e.Analyze(t.Context(), c.file, Params{Strategy: BiggestFace, Turn: true, Attributes: true, Document: &c.asked})
		if err != nil || len(a.Documents) != c.documents || len(a.Faces) != c.faces {
			t.Errorf("%s: %d documents and %d faces, %v", name, len(a.Documents), len(a.Faces), err)
			continue
		}
		if c.documents > 0 {
			d := a.Documents[0]
			if m := d.Measures; d.Straight != nil || m == nil || m.Share < 0.4 || m.Share > 0.55 || m.Sharpness < 100 {
				t.Errorf("%s: %+v", name, m)
			}
		}
		if c.faces > 0 {
			f := a.Faces[0]
			if at := f.Photographed; at == nil || at.TopLeft.X < 190 || at.TopLeft.Y < 220 || at.BottomRight.X > 490 || at.BottomRight.Y > 520 {
				t.Errorf("%s: the face is at %+v of the photograph", name, at)
			}
			if f.Width < 600 || f.Width > 800 || f.Box.BottomRight.X > float32(f.Width)/2 {
				t.Errorf("%s: the face is at %+v of a straightened document %d pixels wide", name, f.Box, f.Width)
			}
		}
	}
	// A pack without the role finds the card by its contours.
	a, err := starter(t, Options{}).Analyze(t.Context(), card, Params{Strategy: BiggestFace, Document: &DocumentParams{Faces: true}})
	if err != nil || len(a.Documents) != 1 || a.Documents[0].Type != document.ID3 || len(a.Faces) != 1 {
		t.Errorf("a pack without the role: %+v, %v", a, err)
	}
}

// TestDocumentIsTurned: a card that lies on its side or upside down is turned by the face on it, and handed over upright.
func TestDocumentIsTurned(t *testing.T) {
	e := openEngine(t)
	for quarters := range 4 {
		lying := drawnCard().Turned(quarters)
		var kept *face.Portrait
		asked := DocumentParams{Faces: true, Rotate: true, Format: imaging.PNG, Keep: func(_ context.Context, p *face.Portrait) error {
			kept = &face.Portrait{File: p.File, Corners: p.Corners}
			return nil
		}}
		a, err := e.Analyze(t.Context(), encoded(t, lying), Params{Strategy: BiggestFace, Turn: true, Document: &asked})
		if err != nil || len(a.Faces) != 1 || a.Faces[0].Turned != 0 || kept == nil {
			t.Errorf("turned by %d: %+v, %v", 90*quarters, a, err)
			continue
		}
		// The corner of the card above the portrait's head, on the left of who looks at it.
		p := schema.PointF{X: 150, Y: 120}
		for range quarters {
			p.X, p.Y = -p.Y, p.X
		}
		if p.X < 0 {
			p.X += float32(lying.Width)
		}
		if p.Y < 0 {
			p.Y += float32(lying.Height)
		}
		if got := a.Documents[0].Corners[0]; math.Abs(float64(got.X-p.X)) > 30 || math.Abs(float64(got.Y-p.Y)) > 30 || kept.Corners != a.Documents[0].Corners {
			t.Errorf("turned by %d: the first corner is at %v, want %v", 90*quarters, got, p)
		}
		straight, err := e.Decode(t.Context(), kept.File)
		if err != nil || straight.Width < straight.Height {
			t.Errorf("turned by %d: the picture of the document is %v, %v", 90*quarters, straight, err)
		}
	}
}

func always(*document.MRZ) bool { return true }

// TestFacesAreSoughtOnce: what was found to turn a document upright is what a search of the turned document finds, and nobody searches it
// again.
func TestFacesAreSoughtOnce(t *testing.T) {
	e := openEngine(t)
	search := func(f *frame) []candidate {
		t.Helper()
		found, err := e.findAll(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	upright := drawnCard()
	for quarters := range 4 {
		for _, turn := range []bool{true, false} {
			lying := &frame{params: Params{Turn: true}, picture: upright.Turned(4 - quarters)}
			found := search(lying)
			lying.params.Turn = turn
			got := e.afterTurn(lying, found, quarters)
			want := search(&frame{params: Params{Turn: turn}, picture: upright})
			if len(got) != 1 || len(want) != 1 || got[0].quarters != 0 || got[0].Overlap(want[0].Face) < 0.95 || got[0].original.Overlap(want[0].original) < 0.95 {
				t.Errorf("turned by %d quarters: %+v, want %+v", quarters, got, want)
			}
		}
	}
	f := &frame{params: Params{Turn: true}, picture: upright, sought: true}
	if err := e.find(t.Context(), f); err != nil || len(f.faces) != 0 {
		t.Errorf("%d faces that nobody had found, %v", len(f.faces), err)
	}
}

// onDarkTable shows pages on a dark table, one beside the other.
func onDarkTable(pages ...*imaging.Image) *imaging.Image {
	width, height := 60, 0
	for _, p := range pages {
		width, height = width+p.Width+60, max(height, p.Height+120)
	}
	table := imaging.New(width, height)
	table.Fill(imaging.RGB{35, 40, 45})
	x := 60
	for _, p := range pages {
		paste(table, p, x, 60)
		x += p.Width + 60
	}
	return table
}

// TestTextOfDocument: the lines on a page lie where they are on its straightened picture, upright, however the page lies. Those of the
// zone are not among them.
func TestTextOfDocument(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	page, err := e.Decode(t.Context(), read(t, data, "documents", "100_pass2-uto.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	page = page.Crop(60, 55, 735, 560, imaging.Black)
	asked := DocumentParams{Faces: true, Rotate: true, MRZ: true, Text: always}
	for _, quarters := range []int{0, 1, 2} {
		a, err := e.Analyze(t.Context(), encoded(t, onDarkTable(page).Turned(quarters)), Params{Strategy: BiggestFace, Turn: true, Document: &asked})
		if err != nil || len(a.Documents) != 1 || a.Documents[0].MRZ == nil {
			t.Fatalf("turned by %d quarters: %d documents, %v", quarters, len(a.Documents), err)
		}
		d := a.Documents[0]
		last := -1
		for _, want := range []string{"OFFICIAL TRAVEL DOCUMENT", "ERIKSSON", "ANNA MARIA", "D23145890"} {
			at := slices.IndexFunc(d.Text, func(l document.Line) bool { return l.Text == want })
			if at <= last {
				t.Errorf("turned by %d quarters: %q is line %d, after line %d", quarters, want, at, last)
				continue
			}
			last = at
		}
		if d.Width < d.Height || d.Straight != nil {
			t.Errorf("turned by %d quarters: the page is %d × %d", quarters, d.Width, d.Height)
		}
		for _, l := range d.Text {
			if q := l.Quad; strings.Contains(l.Text, "<<") || q[0].X >= q[1].X && len(l.Text) > 3 || q[3].Y < q[0].Y || q[2].X > float32(d.Width)+8 || q[2].Y > float32(d.Height)+8 {
				t.Errorf("turned by %d quarters: %q lies at %v on a page of %d × %d", quarters, l.Text, l.Quad, d.Width, d.Height)
			}
		}
	}
}

// TestFurtherDocumentsAreRead: of two pages in one photograph, each is answered with its own zone and how it is shown.
func TestFurtherDocumentsAreRead(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	var pages []*imaging.Image
	want := map[string]bool{}
	for _, name := range []string{"100_pass-cze2.jpg", "100_pass-hrv.jpg"} {
		m, err := e.Decode(t.Context(), read(t, data, "documents", name))
		if err != nil {
			t.Fatal(err)
		}
		zones, err := e.MRZ(t.Context(), m, onThisDay)
		if err != nil || len(zones) != 1 {
			t.Fatalf("%s: %d zones, %v", name, len(zones), err)
		}
		want[zones[0].Reading.Document.Number] = true
		pages = append(pages, m)
	}
	a, err := e.Analyze(t.Context(), encoded(t, onDarkTable(pages...)), Params{Strategy: BiggestFace, Turn: true, Document: &DocumentParams{Faces: true, MRZ: true, Text: always, Today: onThisDay.Reference}})
	if err != nil || len(a.Documents) != 2 {
		t.Fatalf("%d documents, %v", len(a.Documents), err)
	}
	for _, d := range a.Documents {
		if d.MRZ == nil || !want[d.MRZ.Reading.Document.Number] || d.Measures == nil || len(d.Text) < 5 || d.Straight != nil || d.Width == 0 {
			t.Errorf("zone %v, measures %v, %d lines", d.MRZ != nil, d.Measures, len(d.Text))
			continue
		}
		delete(want, d.MRZ.Reading.Document.Number)
	}
	if len(want) > 0 {
		t.Errorf("%d zones were not answered", len(want))
	}
}

// TestMainPortrait: the main portrait is the largest, and of those about as large the leftmost.
func TestMainPortrait(t *testing.T) {
	at := func(x, size, confidence float32) face.Face {
		return face.Face{Confidence: confidence, Box: schema.BoxF{TopLeft: schema.PointF{X: x, Y: 100}, BottomRight: schema.PointF{X: x + size, Y: 100 + size}}}
	}
	for name, c := range map[string]struct {
		faces []face.Face
		want  int
	}{
		"one":                        {[]face.Face{at(10, 100, 0.9)}, 0},
		"a surer ghost on the right": {[]face.Face{at(500, 40, 0.95), at(10, 100, 0.9)}, 1},
		"a ghost on the left":        {[]face.Face{at(10, 40, 0.9), at(300, 100, 0.8)}, 1},
		"two about as large":         {[]face.Face{at(500, 105, 0.9), at(10, 100, 0.8)}, 1},
	} {
		if got := mainPortrait(c.faces); got != c.want {
			t.Errorf("%s: portrait %d, want %d", name, got, c.want)
		}
	}
}

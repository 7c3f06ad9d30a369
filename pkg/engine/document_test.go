package engine

import (
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/engine/document"
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
	_, err := starter(t, Options{}).Analyze(t.Context(), card, Params{Document: &DocumentParams{}})
	if schema.ReasonOf(err) != schema.ReasonRoleAbsent {
		t.Errorf("a pack without the role: %v", err)
	}
}

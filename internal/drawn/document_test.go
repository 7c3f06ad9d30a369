package drawn_test

import (
	"bytes"
	"testing"

	"facestream/internal/drawn"
)

// TestScene: a scene repeats, its documents lie in it clockwise and apart.
func TestScene(t *testing.T) {
	for documents := range 3 {
		s := drawn.NewScene(3, drawn.Spread{Documents: documents})
		if again := drawn.NewScene(3, drawn.Spread{Documents: documents}); !bytes.Equal(s.Picture.Pix, again.Picture.Pix) {
			t.Errorf("%d documents: the same seed gave two scenes", documents)
		}
		if len(s.Documents) != documents || len(s.Passport) != documents {
			t.Errorf("%d documents: %d corners, %d kinds", documents, len(s.Documents), len(s.Passport))
		}
		for _, d := range s.Documents {
			for i, c := range d {
				b, e := d[(i+1)%4], d[(i+2)%4]
				if (b[0]-c[0])*(e[1]-b[1])-(b[1]-c[1])*(e[0]-b[0]) <= 0 {
					t.Errorf("the corners %v do not run clockwise", d)
				}
				if c[0] < 0 || c[1] < 0 || c[0] > float64(s.Picture.Rect.Dx()) || c[1] > float64(s.Picture.Rect.Dy()) {
					t.Errorf("the corner %v lies beyond the picture", c)
				}
			}
		}
	}
	cut := drawn.NewScene(4, drawn.Spread{Documents: 1, Cut: true})
	outside := 0
	for _, c := range cut.Documents[0] {
		if c[0] < 0 || c[0] > float64(cut.Picture.Rect.Dx()) || c[1] < 0 || c[1] > float64(cut.Picture.Rect.Dy()) {
			outside++
		}
	}
	if outside != 2 {
		t.Errorf("%d corners of a document that is cut lie outside", outside)
	}
	held, alone := drawn.NewScene(5, drawn.Spread{Documents: 1, Fingers: true}), drawn.NewScene(5, drawn.Spread{Documents: 1})
	if held.Documents[0] != alone.Documents[0] || bytes.Equal(held.Picture.Pix, alone.Picture.Pix) {
		t.Error("fingers do not change the picture alone")
	}
}

// TestSpecimen: a page of a person repeats, lies in its photograph, and shows whose it is.
func TestSpecimen(t *testing.T) {
	cast := drawn.Cast()
	page := func(i int, s drawn.Specimen) []byte {
		m, err := cast[i].Page(cast[i].Shot(0), s)
		if err != nil {
			t.Fatal(err)
		}
		if width := map[bool]int{true: 1000, false: 684}[s.Passport]; m.Rect.Dx() != width {
			t.Errorf("passport %v: %d pixels wide, want %d", s.Passport, m.Rect.Dx(), width)
		}
		scene := drawn.Photograph(m, 1, 400)
		if scene.Passport[0] != s.Passport {
			t.Errorf("passport %v: %v in the photograph", s.Passport, scene.Passport)
		}
		for _, c := range scene.Documents[0] {
			if c[0] < 0 || c[1] < 0 || c[0] > 400 || c[1] > 300 {
				t.Errorf("the corner %v lies beyond the picture", c)
			}
		}
		return m.Pix
	}
	card := drawn.Specimen{Title: "CARD", Zone: []string{"I<UTO"}}
	if !bytes.Equal(page(0, card), page(0, card)) || bytes.Equal(page(0, card), page(1, card)) || bytes.Equal(page(0, card), page(0, drawn.Specimen{Title: "CARD"})) {
		t.Error("a page is not what it was made of")
	}
	page(0, drawn.Specimen{Passport: true})
}

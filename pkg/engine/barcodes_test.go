package engine

import (
	"context"
	"slices"
	"testing"

	"facestream/internal/symbols"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// TestBarcodes: a request for barcodes is answered with those of the picture, without a network where it asks for nothing else, or
// refused by name where the program cannot read any.
func TestBarcodes(t *testing.T) {
	e := openEngine(t)
	ask := Params{Barcodes: &BarcodeParams{Only: true}}
	blank := imaging.New(200, 100)
	blank.Fill(imaging.RGB{255, 255, 255})
	if barcode.Available() != nil {
		file, err := blank.Encode(imaging.PNG)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Analyze(t.Context(), file, ask); schema.ReasonOf(err) != schema.ReasonRoleAbsent {
			t.Errorf("error %v, want %s", err, schema.ReasonRoleAbsent)
		}
		return
	}
	s, err := symbols.Draw(barcode.PDF417, "what a card says", -1)
	if err != nil {
		t.Fatal(err)
	}
	m := imaging.New(3*s.Width+100, 3*s.Height+100)
	m.Fill(imaging.RGB{255, 255, 255})
	for i := range 3 * s.Width * 3 * s.Height {
		x, y := i%(3*s.Width), i/(3*s.Width)
		if s.Dark[y/3*s.Width+x/3] != 0 {
			at := 3 * ((y+50)*m.Width + x + 50)
			copy(m.Pix[at:at+3], []byte{0, 0, 0})
		}
	}
	file, err := m.Encode(imaging.PNG)
	if err != nil {
		t.Fatal(err)
	}
	var kept []face.Portrait
	keep := func(_ context.Context, i int, p *face.Portrait) error {
		if i != len(kept) {
			t.Errorf("picture %d comes as number %d", i, len(kept))
		}
		kept = append(kept, face.Portrait{File: p.File, Corners: p.Corners})
		return nil
	}
	for _, c := range []struct {
		params Params
		found  bool
		stage  string
	}{
		{ask, true, "barcodes"},
		{Params{Barcodes: &BarcodeParams{}}, true, "detect"},
		{Params{Barcodes: &BarcodeParams{Keep: keep, Margin: 0.1, Format: imaging.PNG}}, true, "detect"},
		{Params{Barcodes: &BarcodeParams{MinConfidence: 1.1}}, false, "detect"},
		{Params{}, false, "detect"},
	} {
		a, err := e.Analyze(t.Context(), file, c.params)
		if err != nil {
			t.Fatal(err)
		}
		if found := slices.ContainsFunc(a.Barcodes, func(f barcode.Found) bool { return f.Text == "what a card says" }); found != c.found {
			t.Errorf("%+v: %v", c.params, a.Barcodes)
		}
		if code := c.params.Barcodes; code != nil && code.Keep != nil {
			if len(kept) != 1 || kept[0].Corners != a.Barcodes[0].Widened(0.1) {
				t.Errorf("%d pictures of %v", len(kept), a.Barcodes)
			} else if again, err := e.Decode(t.Context(), kept[0].File); err != nil {
				t.Error(err)
			} else if found, err := barcode.Read(t.Context(), again, barcode.Options{}); err != nil || len(found) != 1 || found[0].Text != "what a card says" {
				t.Errorf("%v is read in the picture of the code, %v", found, err)
			}
		}
		if _, ran := a.Timings[c.stage]; !ran || c.stage == "barcodes" && len(a.Models) > 0 {
			t.Errorf("%+v: stages %v, networks %v", c.params, a.Timings, a.Models)
		}
	}
}

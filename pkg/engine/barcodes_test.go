package engine

import (
	"slices"
	"testing"

	"facestream/internal/symbols"
	"facestream/pkg/engine/barcode"
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
	for _, c := range []struct {
		params Params
		found  bool
		stage  string
	}{
		{ask, true, "barcodes"},
		{Params{Barcodes: &BarcodeParams{}}, true, "detect"},
		{Params{}, false, "detect"},
	} {
		a, err := e.Analyze(t.Context(), file, c.params)
		if err != nil {
			t.Fatal(err)
		}
		if found := slices.ContainsFunc(a.Barcodes, func(f barcode.Found) bool { return f.Text == "what a card says" }); found != c.found {
			t.Errorf("%+v: %v", c.params, a.Barcodes)
		}
		if _, ran := a.Timings[c.stage]; !ran || c.stage == "barcodes" && len(a.Models) > 0 {
			t.Errorf("%+v: stages %v, networks %v", c.params, a.Timings, a.Models)
		}
	}
}

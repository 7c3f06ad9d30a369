package allinone_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facestream/internal/symbols"
	"facestream/pkg/aamva"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// usePages returns the stream and the photographs of these documents; none where the pack cannot read what is printed on them
// (TestDocumentTraits). It skips where the photographs are not there.
func usePages(t *testing.T, names ...string) (*stream, []image.Image) {
	t.Helper()
	s := useStream(t)
	if pack, err := models.Locate(s.cfg.Worker.Models[0]); err != nil || pack.Name == "starter" || pack.Models[models.RoleDocument] == nil || pack.Models[models.RoleText] == nil {
		return s, nil
	}
	var pages []image.Image
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(photographs(s), "documents", name))
		if err != nil {
			t.Skipf("SKIPPED: no photograph of a document: %v", err)
		}
		page, _, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
	}
	return s, pages
}

// onDesk shows pages on a dark desk, one beside the other.
func onDesk(pages ...image.Image) *image.RGBA {
	width, height := 60, 0
	for _, p := range pages {
		width, height = width+p.Bounds().Dx()+60, max(height, p.Bounds().Dy()+120)
	}
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	fill(m, m.Bounds(), color.RGBA{35, 40, 45, 255})
	x := 60
	for _, p := range pages {
		draw.Draw(m, image.Rect(x, 60, x+p.Bounds().Dx(), 60+p.Bounds().Dy()), p, p.Bounds().Min, draw.Src)
		x += p.Bounds().Dx() + 60
	}
	return m
}

// without is a page whose part is painted over.
func without(page image.Image, part image.Rectangle) *image.RGBA {
	m := image.NewRGBA(page.Bounds())
	draw.Draw(m, m.Bounds(), page, page.Bounds().Min, draw.Src)
	fill(m, part, color.RGBA{225, 222, 215, 255})
	return m
}

const (
	anyDocument = `"doc_validations_off":true,"face_validations_off":true`
	everything  = `{"check_document_consistency":true,"detect_and_recognize_barcode":true,"recognize_document_text":true,"detect_and_recognize_mrz_code":true,` + anyDocument + `}`
)

// outcomes are those of the comparisons of two sources.
func outcomes(d schema.DocumentData, a, b schema.DocumentSource) map[schema.CheckedField]schema.CheckOutcome {
	m := map[schema.CheckedField]schema.CheckOutcome{}
	for _, c := range d.Checks {
		if slices.Equal(c.Sources, []schema.DocumentSource{a, b}) {
			m[c.Field] = c.Outcome
		}
	}
	return m
}

// TestDocumentText: what is printed on a page comes in reading order, without the lines of its zone, and what the zone says agrees with
// it. The zone, and what nobody asked for, is not in the answer. Nothing of it is in the log.
func TestDocumentText(t *testing.T) {
	s, pages := usePages(t, "100_pass2-uto.jpg")
	if pages == nil {
		return
	}
	r := s.ask(t, schema.OpDocScanFace, `{"recognize_document_text":true,`+anyDocument+`}`, imagingtest.PNG(pages[0]))
	if r.Document.Found == nil || r.Document.Found.Detected.Text == nil {
		t.Fatalf("%+v", r.CallStatus)
	}
	d := r.Document.Found.Detected
	last := -1
	for _, want := range []string{"OFFICIAL TRAVEL DOCUMENT", "ERIKSSON", "ANNA MARIA", "D23145890"} {
		at := slices.IndexFunc(d.Text.Lines, func(l schema.TextLine) bool { return string(l.Text) == want })
		if at <= last {
			t.Errorf("%q is line %d, after line %d", want, at, last)
			continue
		}
		last = at
		l := d.Text.Lines[at]
		if l.Script != "Latn" || l.Confidence < 0.8 || l.Box.TopLeft.X > l.Box.TopRight.X || l.Box.BottomRight.X > float32(d.Text.Width)+5 || l.Box.BottomRight.Y > float32(d.Text.Height)+5 {
			t.Errorf("%q: %s, %.2f, at %v on %d × %d", want, l.Script, l.Confidence, l.Box, d.Text.Width, d.Text.Height)
		}
		if strings.Contains(s.log.String(), want) {
			t.Errorf("the log shows %q", want)
		}
	}
	if !slices.Contains(d.Text.Languages, "en") || !slices.Contains(d.Text.Languages, "fr") || d.Zone != nil || len(d.MRZ) != 0 || d.Checks != nil || d.Age.Age != -1 {
		t.Errorf("languages %q, zone %v, checks %v, age %d", d.Text.Languages, d.Zone != nil, len(d.Checks), d.Age.Age)
	}
	for _, l := range d.Text.Lines {
		if strings.Contains(string(l.Text), "<<") {
			t.Errorf("a line of the zone is among those of the print")
		}
	}
}

// TestPrintedAge: where the zone says no date of birth, the one that is printed counts, and one that may be two days is answered as such.
func TestPrintedAge(t *testing.T) {
	s, pages := usePages(t, "100_pass2-uto.jpg")
	if pages == nil {
		return
	}
	const config = `{"calculate_age_from_ocr_text":true,` + anyDocument + `}`
	zone := image.Rect(55, 470, 700, 560)
	age := func(page image.Image) schema.OCRAge {
		t.Helper()
		r := s.ask(t, schema.OpDocScanFace, config, imagingtest.PNG(page))
		if r.Document.Found == nil {
			t.Fatalf("%+v", r.CallStatus)
		}
		return r.Document.Found.Detected.Age
	}
	if a := age(pages[0]); a.Source != schema.SourceMRZ || a.DOB != "1974-08-12" {
		t.Errorf("with the zone: %q by %s", string(a.DOB), a.Source)
	}
	if a := age(without(pages[0], zone)); a.Source != schema.SourcePrinted || a.DOB != "1974-08-12" || a.Age < 52 || a.Possible != nil {
		t.Errorf("without the zone: %q by %q, %d years, %d possible days", string(a.DOB), a.Source, a.Age, len(a.Possible))
	}
}

// TestContradictions: a page with the zone of another passport, and with the barcode of a third person, is answered with each
// contradiction, and refused by none.
func TestContradictions(t *testing.T) {
	s, pages := usePages(t, "100_pass-cze2.jpg", "100_pass-hrv.jpg")
	if pages == nil {
		return
	}
	forged := without(pages[0], image.Rectangle{})
	draw.Draw(forged, image.Rect(0, 318, 600, 392), pages[1], image.Pt(0, 322), draw.Src)
	scan := func(page image.Image) schema.Result {
		t.Helper()
		r := s.ask(t, schema.OpDocScanFace, everything, imagingtest.PNG(page))
		if r.CallStatus.Reason != "" || len(r.Faces) != 1 || r.Document.Found == nil || r.Document.Found.Detected.Zone == nil {
			t.Fatalf("%+v, %d faces", r.CallStatus, len(r.Faces))
		}
		return r
	}
	if barcode.Available() != nil {
		r := s.ask(t, schema.OpDocScanFace, everything, imagingtest.PNG(onDesk(pages[0])))
		if r.CallStatus.Reason != schema.ReasonRoleAbsent {
			t.Errorf("without a reader of barcodes: %+v", r.CallStatus)
		}
		return
	}
	genuine := scan(onDesk(pages[0])).Document.Found.Detected
	for field, want := range map[schema.CheckedField]schema.CheckOutcome{schema.CheckName: schema.CheckAgrees, schema.CheckNumber: schema.CheckAgrees, schema.CheckBirth: schema.CheckAgrees, schema.CheckExpiry: schema.CheckAgrees} {
		if got := outcomes(genuine, schema.SourceMRZ, schema.SourcePrinted)[field]; got != want {
			t.Errorf("the page as it is: %s %s, want %s", field, got, want)
		}
	}
	if got := outcomes(genuine, schema.SourceMRZ, schema.SourceRequest)[schema.CheckValidity]; got != schema.CheckContradicts {
		t.Errorf("a passport that expired in 2016 is valid: %q", got)
	}
	other := scan(onDesk(forged)).Document.Found.Detected
	for _, field := range []schema.CheckedField{schema.CheckBirth, schema.CheckExpiry} {
		if got := outcomes(other, schema.SourceMRZ, schema.SourcePrinted)[field]; got != schema.CheckContradicts {
			t.Errorf("the zone of another passport: %s %s", field, got)
		}
	}
	if got := outcomes(other, schema.SourceMRZ, schema.SourcePrinted)[schema.CheckNumber]; got == schema.CheckAgrees {
		t.Errorf("the zone of another passport: the number agrees")
	}

	payload, err := aamva.Generate(aamva.Card{
		Issuer: "636000", Version: 10, Kind: aamva.Licence, Number: "T64235789", Country: aamva.USA, Sex: aamva.Male, Name: aamva.Name{Family: "WAGNER", First: "BRUNO"},
		Birth: aamva.Date{Year: 1990, Month: 2, Day: 3}, Issue: aamva.Date{Year: 2022, Month: 1, Day: 1}, Expiry: aamva.Date{Year: 2031, Month: 2, Day: 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	code, err := symbols.Draw(barcode.PDF417, string(payload), -1)
	if err != nil {
		t.Fatal(err)
	}
	size := 3
	luma := bytes.Repeat([]byte{255}, (size*code.Width+60)*(size*code.Height+60))
	label := &image.Gray{Pix: luma, Stride: size*code.Width + 60, Rect: image.Rect(0, 0, size*code.Width+60, size*code.Height+60)}
	code.Paint(luma, label.Stride, 30, 30, size)
	desk := onDesk(pages[0])
	wide := image.NewRGBA(image.Rect(0, 0, max(desk.Bounds().Dx(), label.Bounds().Dx()+120), desk.Bounds().Dy()+label.Bounds().Dy()+60))
	fill(wide, wide.Bounds(), color.RGBA{35, 40, 45, 255})
	below := image.Rect(0, desk.Bounds().Dy(), wide.Bounds().Dx(), wide.Bounds().Dy()) // a label of its own would be another document
	fill(wide, below, color.RGBA{255, 255, 255, 255})
	draw.Draw(wide, desk.Bounds(), desk, image.Point{}, draw.Src)
	draw.Draw(wide, label.Bounds().Add(image.Pt(60, desk.Bounds().Dy())), label, image.Point{}, draw.Src)
	r := scan(wide)
	d := r.Document.Found.Detected
	for field, want := range map[schema.CheckedField]schema.CheckOutcome{
		schema.CheckName: schema.CheckContradicts, schema.CheckNumber: schema.CheckContradicts, schema.CheckBirth: schema.CheckContradicts, schema.CheckSex: schema.CheckContradicts, schema.CheckNationality: schema.CheckNotComparable,
	} {
		if got := outcomes(d, schema.SourceMRZ, schema.SourceBarcode)[field]; got != want {
			t.Errorf("the barcode of another person: %s %s, want %s", field, got, want)
		}
	}
	if got := outcomes(d, schema.SourceBarcode, schema.SourceRequest)[schema.CheckValidity]; got != schema.CheckAgrees {
		t.Errorf("a licence that is valid until 2031: %q", got)
	}
	if len(r.Barcodes) != 1 || r.Barcodes[0].Crop == nil || r.Barcodes[0].Data == nil || r.Barcodes[0].Data.LastName != "WAGNER" {
		t.Fatalf("%d barcodes", len(r.Barcodes))
	}
	crop := r.Barcodes[0].Crop
	file, _, err := s.objects.Get(t.Context(), crop.Object, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := image.Decode(bytes.NewReader(file))
	if err != nil || m.Bounds().Dx() != crop.Info.Width || m.Bounds().Dy() != crop.Info.Height || crop.Info.Width < size*code.Width || crop.Info.Width < 2*crop.Info.Height {
		t.Errorf("the picture of the barcode: %+v, %v", crop.Info, err)
	}
}

// TestTwoDocuments: each page of a photograph is answered with its own zone.
func TestTwoDocuments(t *testing.T) {
	s, pages := usePages(t, "100_pass-cze2.jpg", "100_pass-hrv.jpg")
	if pages == nil {
		return
	}
	r := s.ask(t, schema.OpDocScanFace, `{"detect_and_recognize_mrz_code":true,`+anyDocument+`}`, imagingtest.PNG(onDesk(pages...)))
	if r.Document.Found == nil || len(r.Document.Found.Further) != 1 || len(r.Documents) != 2 {
		t.Fatalf("%+v, %d documents", r.CallStatus, len(r.Documents))
	}
	read := map[string]bool{}
	for _, d := range append(r.Document.Found.Further, r.Document.Found.Detected) {
		if d.Zone != nil {
			for _, f := range d.Zone.Fields {
				read[f.Name+" "+string(f.Value)] = true
			}
		}
	}
	if !read["document_number 99009054"] || !read["document_number 007007007"] {
		t.Errorf("not both zones were read: %d fields", len(read))
	}
}

// TestPagesAgree: what is printed on the photographed pages agrees with their zones. The specimen of Australia is printed with another
// expiry than its zone has.
func TestPagesAgree(t *testing.T) {
	s, pages := usePages(t, "100_pass-cze2.jpg")
	if pages == nil {
		return
	}
	files, err := filepath.Glob(filepath.Join(photographs(s), "documents", "*.*g"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	counts := map[schema.CheckedField]map[schema.CheckOutcome]int{}
	agreed := 0
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := s.ask(t, schema.OpDocScanFace, `{"check_document_consistency":true,`+anyDocument+`}`, data)
		if r.Document.Found == nil {
			t.Errorf("%s: %+v", filepath.Base(path), r.CallStatus)
			continue
		}
		for field, outcome := range outcomes(r.Document.Found.Detected, schema.SourceMRZ, schema.SourcePrinted) {
			if counts[field] == nil {
				counts[field] = map[schema.CheckOutcome]int{}
			}
			counts[field][outcome]++
			if outcome == schema.CheckAgrees {
				agreed++
			}
			if known := filepath.Base(path) == "62_pass-aus.png" && field == schema.CheckExpiry; (outcome == schema.CheckContradicts) != known {
				t.Errorf("%s: %s %s", filepath.Base(path), field, outcome)
			}
		}
	}
	t.Logf("%d pages: %v", len(files), counts)
	if agreed < 40 {
		t.Errorf("%d comparisons of %d pages agree", agreed, len(files))
	}
}

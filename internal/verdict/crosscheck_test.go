package verdict

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"facestream/pkg/aamva"
	"facestream/pkg/engine"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/document/documenttest"
	"facestream/pkg/engine/face"
	"facestream/pkg/mrz"
	"facestream/pkg/schema"
)

// on is the day of the requests of these tests.
var on = time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)

// showing is a document of the specimen passport's zone with these lines of text, each read with that confidence.
func showing(t *testing.T, confidence float32, rows ...string) document.Observation {
	t.Helper()
	o := lying()
	o.MRZ, o.Width, o.Height = documenttest.Passport(t, on), 1000, 600
	o.Corners = [4]schema.PointF{{}, {X: 1000}, {X: 1000, Y: 600}, {Y: 600}}
	o.Text = []document.Line{}
	for i, text := range rows {
		y, right := 30*float32(i), 10*float32(len([]rune(text)))
		l := document.Line{Text: text, Confidence: confidence, Quad: [4]schema.PointF{{Y: y}, {X: right, Y: y}, {X: right, Y: y + 20}, {Y: y + 20}}}
		for range []rune(text) {
			l.Characters = append(l.Characters, confidence)
		}
		o.Text = append(o.Text, l)
	}
	return *o
}

// said is each comparison of two sources that is not for want of one, and why it comes to nothing.
func said(checks []schema.CrossCheck, sources ...schema.DocumentSource) string {
	var all []string
	for _, c := range checks {
		if fmt.Sprint(c.Sources) == fmt.Sprint(sources) && c.Why != schema.CheckNotSaid {
			all = append(all, strings.TrimSpace(fmt.Sprint(c.Field, " ", c.Outcome, " ", c.Why)))
		}
		if compared := c.Outcome != schema.CheckNotComparable; compared != (c.Why == "") || compared != (c.Confidence > 0) {
			all = append(all, fmt.Sprintf("%+v: %s because of %q with %.2f", c.Field, c.Outcome, c.Why, c.Confidence))
		}
	}
	return strings.Join(all, ", ")
}

// TestZoneAgainstPrint compares the zone with what is printed: what is found anywhere agrees, only what a label names and was read
// certainly contradicts, and the rest is a doubt.
func TestZoneAgainstPrint(t *testing.T) {
	for name, c := range map[string]struct {
		rows       []string
		confidence float32
		want       string
	}{
		"all of it":                {[]string{"Surname", "SPECIMEN", "Given names", "ANNA MARIA", "Passport No. L898902C3", "Date of birth 01.05.1990", "Date of expiry 15 APR/AVR 2030", "Sex F", "Nationality UTO"}, 0.99, "name agrees, document_number agrees, date_of_birth agrees, date_of_expiry agrees, sex agrees, nationality agrees"},
		"without labels":           {[]string{"SPECIMEN", "ANNA", "L898902C3", "01.05.1990", "15.04.2030"}, 0.99, "name agrees, document_number agrees, date_of_birth agrees, date_of_expiry agrees"},
		"nothing":                  {nil, 0.99, ""},
		"another name":             {[]string{"Surname", "WAGNER"}, 0.99, "name contradicts"},
		"another name, misread":    {[]string{"Surname", "WAGNER"}, 0.5, "name not_comparable doubtful"},
		"a misspelt name":          {[]string{"Surname", "SPEC1MEM"}, 0.99, "name not_comparable doubtful"},
		"another given name":       {[]string{"Surname", "SPECIMEN", "Given names", "BERTA"}, 0.99, "name not_comparable doubtful"},
		"a number with separators": {[]string{"L898-902 C3"}, 0.99, "document_number agrees"},
		"a number with lookalikes": {[]string{"LB98902C3"}, 0.99, "document_number agrees"},
		"another number":           {[]string{"Passport No. L898902C4"}, 0.99, "document_number contradicts"},
		"a number cut off":         {[]string{"Passport No. L8989"}, 0.99, "document_number not_comparable doubtful"},
		"a longer number":          {[]string{"Passport No. L898902C312"}, 0.99, "document_number agrees"},
		"another birth":            {[]string{"Date of birth 02.05.1990"}, 0.99, "date_of_birth contradicts"},
		"one of two days":          {[]string{"Date of birth 01/05/1990"}, 0.99, "date_of_birth agrees"},
		"neither of two days":      {[]string{"Date of birth 02/05/1990"}, 0.99, "date_of_birth contradicts"},
		"an unknown date":          {[]string{"02.05.1990"}, 0.99, ""},
		"the birth as expiry":      {[]string{"Date of expiry 01.05.1990"}, 0.99, "date_of_expiry contradicts"},
		"a man":                    {[]string{"Sex M"}, 0.99, "sex contradicts"},
		"two letters of one sex":   {[]string{"Sex K/F"}, 0.99, "sex agrees"},
		"two sexes":                {[]string{"Sex M/F"}, 0.99, "sex not_comparable ambiguous"},
		"no code of a nationality": {[]string{"Nationality DEU"}, 0.99, "nationality not_comparable ambiguous"}, // Germany is D
		"another nationality":      {[]string{"Nationality FRA"}, 0.99, "nationality contradicts"},
		"an adjective":             {[]string{"Nationality UTOPIAN"}, 0.99, "nationality not_comparable ambiguous"},
	} {
		k := newCase(t, schema.OpDocScanFace, `{"check_document_consistency":true}`)
		k.job.AcceptedAt = on
		d := k.Document(&engine.Analysis{Documents: []document.Observation{showing(t, c.confidence, c.rows...)}}).Detected
		if got := said(d.Checks, schema.SourceMRZ, schema.SourcePrinted); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if r := k.scanned(Found{Document: k.Document(&engine.Analysis{Documents: []document.Observation{showing(t, c.confidence, c.rows...)}}), Faces: []schema.FaceResult{{}}}); r.CallStatus.Reason != "" {
			t.Errorf("%s: refused as %s", name, r.CallStatus.Reason)
		}
	}
}

// TestRefutedZone: what the zone's own check digit contradicts contradicts nothing itself.
func TestRefutedZone(t *testing.T) {
	o := showing(t, 0.99, "Date of birth 01.05.1990", "Date of expiry 15.04.2030")
	text := strings.Replace(strings.Join(o.MRZ.Reading.Lines, "\n"), "900501", "930501", 1)
	var err error
	if o.MRZ.Reading, err = mrz.Parse(text, mrz.Options{Reference: on}); err != nil {
		t.Fatal(err)
	}
	k := newCase(t, schema.OpDocScanFace, `{"check_document_consistency":true,"calculate_age_from_ocr_text":true}`)
	k.job.AcceptedAt = on
	d := k.Document(&engine.Analysis{Documents: []document.Observation{o}}).Detected
	if got := said(d.Checks, schema.SourceMRZ, schema.SourcePrinted); got != "date_of_birth not_comparable check_digit, date_of_expiry agrees" {
		t.Error(got)
	}
	if d.Age.Source != schema.SourcePrinted || d.Age.Age != 35 {
		t.Errorf("%d years by %q", d.Age.Age, d.Age.Source)
	}
}

// coded is a licence's barcode at that place.
func coded(t *testing.T, x float32, change func(*aamva.Card)) barcode.Found {
	t.Helper()
	card := aamva.Card{
		Issuer: "636000", Version: 10, Kind: aamva.Licence, Number: "L898902C3", Country: aamva.USA, Sex: aamva.Female, Name: aamva.Name{Family: "SPECIMEN", First: "ANNA", Middle: "MARIA"},
		Birth: aamva.Date{Year: 1990, Month: 5, Day: 1}, Expiry: aamva.Date{Year: 2030, Month: 4, Day: 15},
	}
	change(&card)
	payload, err := aamva.Generate(card)
	if err != nil {
		t.Fatal(err)
	}
	return barcode.Found{Format: barcode.PDF417, Read: true, Text: string(payload), Bytes: payload, Confidence: 1, Quad: [4]schema.PointF{{X: x, Y: 100}, {X: x + 100, Y: 100}, {X: x + 100, Y: 150}, {X: x, Y: 150}}}
}

// TestBarcodeAgainstZone compares a barcode with the zone and the print of the document that it lies on.
func TestBarcodeAgainstZone(t *testing.T) {
	owner := func(*aamva.Card) {}
	stranger := func(c *aamva.Card) {
		c.Name, c.Number, c.Birth, c.Sex, c.Expiry = aamva.Name{Family: "WAGNER", First: "BRUNO"}, "X1234567", aamva.Date{Year: 1985, Month: 1, Day: 2}, aamva.Male, aamva.Date{Year: 2025, Month: 1, Day: 2}
	}
	k := newCase(t, schema.OpDocScanFace, `{"check_document_consistency":true,"detect_and_recognize_barcode":true}`)
	k.job.AcceptedAt = on
	page, far := showing(t, 0.99, "SPECIMEN", "ANNA", "L898902C3"), lying()
	far.Corners = [4]schema.PointF{{X: 2000}, {X: 3000}, {X: 3000, Y: 600}, {X: 2000, Y: 600}}
	for name, c := range map[string]struct {
		codes     []barcode.Found
		documents []document.Observation
		zone      string
		printed   string
		valid     string
	}{
		"the owner's":     {[]barcode.Found{coded(t, 10, owner)}, []document.Observation{page}, "name agrees, document_number agrees, date_of_birth agrees, date_of_expiry agrees, sex agrees", "name agrees, document_number agrees", "validity agrees"},
		"a stranger's":    {[]barcode.Found{coded(t, 10, stranger)}, []document.Observation{page}, "name contradicts, document_number contradicts, date_of_birth contradicts, date_of_expiry contradicts, sex contradicts", "", "validity contradicts"},
		"beside the page": {[]barcode.Found{coded(t, 1500, owner)}, []document.Observation{page}, "name agrees, document_number agrees, date_of_birth agrees, date_of_expiry agrees, sex agrees", "name agrees, document_number agrees", "validity agrees"},
		"on another page": {[]barcode.Found{coded(t, 2100, stranger)}, []document.Observation{page, *far}, "", "", ""},
		"another code":    {[]barcode.Found{{Format: barcode.QR, Read: true, Text: "text", Bytes: []byte("text"), Confidence: 1}}, []document.Observation{page}, "", "", ""},
	} {
		checks := k.Document(&engine.Analysis{Documents: c.documents, Barcodes: c.codes}).Detected.Checks
		if got := said(checks, schema.SourceMRZ, schema.SourceBarcode); got != c.zone {
			t.Errorf("%s: %s, want %s", name, got, c.zone)
		}
		if got := said(checks, schema.SourceBarcode, schema.SourcePrinted); got != c.printed {
			t.Errorf("%s: %s, want %s", name, got, c.printed)
		}
		if got := said(checks, schema.SourceBarcode, schema.SourceRequest); got != c.valid {
			t.Errorf("%s: %s, want %s", name, got, c.valid)
		}
	}
}

// TestValidity: the last day of validity is the last one on which a document is valid.
func TestValidity(t *testing.T) {
	for day, want := range map[string]string{"2026-01-31": "validity agrees", "2030-04-15": "validity agrees", "2030-04-16": "validity contradicts", "2031-01-01": "validity contradicts"} {
		k := newCase(t, schema.OpDocScanFace, `{"check_document_consistency":true}`)
		now, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		k.job.AcceptedAt = now.Add(23 * time.Hour)
		checks := k.Document(&engine.Analysis{Documents: []document.Observation{showing(t, 0.99)}}).Detected.Checks
		if got := said(checks, schema.SourceMRZ, schema.SourceRequest); got != want {
			t.Errorf("on %s: %s, want %s", day, got, want)
		}
	}
}

// TestAgeOfTheFace: a face agrees with a date of birth if it looks as old as its holder was between the issue of the document and the
// request. The holder is 35; the portrait was made up to ten years before the expiry in 2030, when they were 29.
func TestAgeOfTheFace(t *testing.T) {
	k := newCase(t, schema.OpDocScanFace, `{"check_document_consistency":true}`)
	k.job.AcceptedAt = on
	for name, c := range map[string]struct {
		faces []face.Observation
		rows  []string
		want  string
	}{
		"as old":                       {aged(34, 3, false), nil, "age agrees"},
		"as old as at the issue":       {aged(28, 3, false), nil, "age agrees"},
		"younger than at the issue":    {aged(28, 3, false), []string{"Date of issue 01.05.2025"}, "age not_comparable doubtful"},
		"somewhat older":               {aged(41, 3, false), nil, "age not_comparable doubtful"},
		"much older":                   {aged(70, 5, false), nil, "age contradicts"},
		"a child":                      {aged(8, 4, false), nil, "age contradicts"},
		"a ghost portrait alone":       {aged(70, 5, true), nil, ""},
		"no face":                      {nil, nil, ""},
		"no estimate":                  {[]face.Observation{{}}, nil, ""},
		"an estimate without an error": {aged(70, 0, false), nil, ""},
	} {
		checks := k.Document(&engine.Analysis{Documents: []document.Observation{showing(t, 0.99, c.rows...)}, Faces: c.faces}).Detected.Checks
		if got := said(checks, schema.SourceMRZ, schema.SourceFace); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	withAge := pack
	withAge.Models = append(withAge.Models, schema.ModelRun{Role: "age", ID: "a@1"})
	k.pack = withAge
	if !k.Params().Age {
		t.Error("nobody asks how old the face looks")
	}
}

func aged(years, deviation float32, ghost bool) []face.Observation {
	return []face.Observation{{Age: &face.Age{Years: years, Deviation: deviation, Confidence: 0.9}, Ghost: ghost}}
}

// TestOCRAge: the age follows from the first source that says a date of birth, and from a printed date only where it can be one day.
func TestOCRAge(t *testing.T) {
	code := coded(t, 10, func(c *aamva.Card) { c.Birth = aamva.Date{Year: 1980, Month: 5, Day: 1} })
	for name, c := range map[string]struct {
		zone, code bool
		rows       []string
		want       string
	}{
		"all three":        {true, true, []string{"Date of birth 01.05.1970"}, "mrz 1990-05-01 35 []"},
		"barcode":          {false, true, []string{"Date of birth 01.05.1970"}, "barcode 1980-05-01 45 []"},
		"print":            {false, false, []string{"Date of birth 01.05.1970"}, "printed 1970-05-01 55 []"},
		"print twice":      {false, false, []string{"Date of birth 01.05.1970", "Geburtsdatum 01.05.1970"}, "printed 1970-05-01 55 []"},
		"two days":         {false, false, []string{"Date of birth 03/04/1990"}, "  -1 [1990-03-04 1990-04-03]"},
		"two dates":        {false, false, []string{"Date of birth 01.05.1970", "Geburtsdatum 02.05.1970"}, "  -1 [1970-05-01 1970-05-02]"},
		"no label":         {false, false, []string{"01.05.1970"}, "  -1 []"},
		"another label":    {false, false, []string{"Date of issue 01.05.1970"}, "  -1 []"},
		"nothing":          {false, false, nil, "  -1 []"},
		"not to be looked": {true, false, nil, "mrz 1990-05-01 35 []"},
	} {
		k := newCase(t, schema.OpDocScanFace, `{"calculate_age_from_ocr_text":true,"detect_and_recognize_barcode":true}`)
		k.job.AcceptedAt = on
		o := showing(t, 0.99, c.rows...)
		if !c.zone {
			o.MRZ = nil
		}
		if asks := k.Params().Document.Text(o.MRZ); asks == c.zone {
			t.Errorf("%s: the text is read: %v", name, asks)
		}
		seen := &engine.Analysis{Documents: []document.Observation{o}}
		if c.code {
			seen.Barcodes = []barcode.Found{code}
		}
		a := k.Document(seen).Detected.Age
		possible := []string{}
		for _, d := range a.Possible {
			possible = append(possible, string(d))
		}
		if got := fmt.Sprint(a.Source, " ", string(a.DOB), " ", a.Age, " ", possible); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestMostText: a result has no more text than it may have, and says so.
func TestMostText(t *testing.T) {
	k := newCase(t, schema.OpDocScanFace, `{"recognize_document_text":true}`)
	for name, c := range map[string]struct {
		lines, length int
		want          int
		truncated     bool
	}{
		"as much as may be":   {100, 80, 100, false},
		"too many characters": {100, 81, 98, true},
		"many lines":          {schema.MaxTextLines, 1, schema.MaxTextLines, false},
		"too many lines":      {schema.MaxTextLines + 1, 1, schema.MaxTextLines, true},
	} {
		o := lying()
		for range c.lines {
			o.Text = append(o.Text, document.Line{Text: strings.Repeat("Ä", c.length)})
		}
		if got := k.documentData(o, document.NewPage(o.Text), nil).Text; len(got.Lines) != c.want || got.Truncated != c.truncated {
			t.Errorf("%s: %d lines, truncated %v", name, len(got.Lines), got.Truncated)
		}
	}
}

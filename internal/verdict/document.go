package verdict

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"facestream/pkg/engine"
	"facestream/pkg/engine/document"
	"facestream/pkg/mrz"
	"facestream/pkg/schema"
)

// scans reports whether the case is about a document.
func (c *Case) scans() bool { return c.config.ScansDocument(c.job.Operation) }

// Bare reports whether the image of that index is said to show a document, and none was found in it.
func (c *Case) Bare(image int, found []document.Observation) bool {
	return c.shows(image) && len(found) == 0
}

// documentTraits returns the traits of a document. With doc_validations_off there are none, and none by what was not measured.
func (c *Case) documentTraits(o *document.Observation) (traits schema.DocumentTraits) {
	config := c.config.Document
	if config.ValidationsOff {
		return 0
	}
	set := func(trait schema.DocumentTraits, holds bool) {
		if holds {
			traits |= trait
		}
	}
	set(schema.DTDocumentWithLowConfidenceScore, o.Confidence < config.Confidence)
	if m := o.Measures; m != nil {
		set(schema.DTDocumentIsBlurry, m.Sharpness < config.Sharpness)
		set(schema.DTDocumentIsClose, m.Share > config.TooClose)
		set(schema.DTDocumentIsFar, m.Share < config.TooFar)
		set(schema.DTFingersDetected, config.Fingers && m.Fingers >= config.FingersFrom)
		left, right, up, down := m.Off(config.X, config.Y)
		set(schema.DTDocumentIsLeft, left)
		set(schema.DTDocumentIsRight, right)
		set(schema.DTDocumentIsUp, up)
		set(schema.DTDocumentIsDown, down)
	}
	return traits
}

// accepts reports whether the documents of a picture, the most confident first, are such that a face is looked for on the first.
func (c *Case) accepts(found []document.Observation) bool {
	return len(found) > 0 && c.documentTraits(&found[0]) == 0
}

// Document returns the documents of an image, the most confident first, as the document of the result; nil without any.
func (c *Case) Document(seen *engine.Analysis) *schema.DocumentResult {
	var r *schema.DocumentResult
	for i := range seen.Documents {
		o := &seen.Documents[i]
		code := codeOn(o, len(seen.Documents) == 1, seen.Barcodes)
		page := document.NewPage(o.Text)
		data := c.documentData(o, page, code)
		if r == nil {
			r = &schema.DocumentResult{}
		}
		if c.config.Document.Checks && o.Width > 0 {
			faces := seen.Faces
			if i > 0 {
				faces = nil // those of the first
			}
			data.Checks = c.crossChecks(o, page, code, faces)
		}
		if i == 0 {
			r.Detected = data
		} else {
			r.Further = append(r.Further, data)
		}
	}
	return r
}

// documentData is what is said of a document, with its traits. page is its text, and code what the barcode of a licence on it says, or nil.
func (c *Case) documentData(o *document.Observation, page *document.Page, code *schema.BarcodeData) schema.DocumentData {
	traits := c.documentTraits(o)
	box := schema.NewTrapezeF(o.Corners)
	data := schema.DocumentData{
		Box: box, Center: box.Center(), Confidence: o.Confidence,
		Traits: traits, TraitNames: schema.TraitNames(traits), Type: schema.DocumentUnknown, MRZ: []schema.Personal{}, Age: schema.NoOCRAge(),
	}
	if o.Type != "" {
		data.Type = schema.DocumentType(o.Type)
	}
	add := func(name string, value float32) {
		if finite(value) {
			data.Scores = append(data.Scores, schema.FaceMetric{Name: name, Value: value})
		}
	}
	if m := o.Measures; m != nil {
		add(schema.MetricDocumentArea, m.Share)
		add(schema.MetricDocumentSharpness, m.Sharpness)
		add(schema.MetricDocumentGlare, m.Glare)
		add(schema.MetricDocumentCut, m.Cut)
		if m.DPI > 0 {
			add(schema.MetricDocumentDPI, m.DPI)
		}
		if c.config.Document.Fingers {
			add(schema.MetricDocumentFingers, m.Fingers)
		}
	}
	if o.MRZ != nil {
		data.Type = sizes[o.MRZ.Reading.Document.Format]
		if c.readsZone() {
			c.zone(&data, o.MRZ)
		}
	}
	if c.config.Document.Age {
		data.Age = c.age(o, page, code)
	}
	if c.config.Document.Text {
		data.Text = documentText(o, page)
	}
	return data
}

// documentText are the lines of text on a document.
func documentText(o *document.Observation, page *document.Page) *schema.DocumentText {
	t := &schema.DocumentText{Width: o.Width, Height: o.Height, Lines: []schema.TextLine{}, Languages: page.Languages()}
	characters := 0
	for _, l := range o.Text {
		characters += utf8.RuneCountInString(l.Text)
		if len(t.Lines) == schema.MaxTextLines || characters > schema.MaxTextCharacters {
			t.Truncated = true
			break
		}
		t.Lines = append(t.Lines, schema.TextLine{Text: schema.Personal(l.Text), Confidence: l.Confidence, Box: schema.NewTrapezeF(l.Quad), Script: l.Script()})
	}
	return t
}

// readsZone reports whether the machine-readable zone is asked for.
func (c *Case) readsZone() bool {
	d := c.config.Document
	return d.MRZ || d.Segmented || d.Age
}

// sizes are the documents that have the formats: their shape alone does not tell all apart.
var sizes = map[mrz.Format]schema.DocumentType{
	mrz.TD1: schema.DocumentID1, mrz.TD2: schema.DocumentID2, mrz.TD3: schema.DocumentID3, mrz.MRVA: schema.DocumentID3, mrz.MRVB: schema.DocumentID2,
}

// zone adds to data what a machine-readable zone says.
func (c *Case) zone(data *schema.DocumentData, m *document.MRZ) {
	r := m.Reading
	data.Zone = &schema.MRZ{Layout: r.Document.Format.String(), Clean: r.Clean(), Confidence: m.Confidence, NameMayBeTruncated: r.NameMayBeTruncated, Fields: []schema.MRZField{}}
	for _, line := range r.Lines {
		data.MRZ = append(data.MRZ, schema.Personal(line))
	}
	for _, f := range r.Fields {
		data.Zone.Fields = append(data.Zone.Fields, schema.MRZField{
			Name: string(f.Name), Raw: schema.Personal(f.Raw), Value: schema.Personal(valueOf(r, f)), Check: string(f.Check), Evidence: string(f.Evidence),
			Confidence: float32(f.Confidence), Corrected: len(f.Corrections), Problem: schema.Personal(f.Problem),
		})
	}
}

// birthOf is the date of birth of a zone whose check digit does not contradict it, and whether there is one.
func birthOf(m *document.MRZ) (mrz.Date, bool) {
	if m == nil {
		return mrz.Date{}, false
	}
	f := m.Reading.Field(mrz.FieldBirth)
	return m.Reading.Document.Birth, f != nil && f.Evidence != mrz.EvidenceContradicted && m.Reading.Document.Birth.Year != 0
}

// age is the age on the day of the request by the first source that says a date of birth: the zone, the barcode, the print.
func (c *Case) age(o *document.Observation, page *document.Page, code *schema.BarcodeData) schema.OCRAge {
	known := func(source schema.DocumentSource, birth mrz.Date) (schema.OCRAge, bool) {
		// Who may have had a birthday counts as younger.
		least, _, ok := birth.AgeAt(c.job.AcceptedAt)
		return schema.OCRAge{DOB: schema.Personal(day(birth)), Source: source, Age: least}, ok
	}
	if birth, ok := birthOf(o.MRZ); ok {
		if age, ok := known(schema.SourceMRZ, birth); ok {
			return age
		}
	}
	if code != nil {
		if birth, ok := parsed(string(code.DateOfBirth)); ok {
			if age, ok := known(schema.SourceBarcode, birth); ok {
				return age
			}
		}
	}
	var days []mrz.Date
	for _, d := range page.Dates(c.job.AcceptedAt) {
		if d.Field == document.FieldBirth {
			days = append(days, d.Days...)
		}
	}
	slices.SortFunc(days, mrz.Date.Compare)
	days = slices.Compact(days)
	if len(days) == 1 {
		if age, ok := known(schema.SourcePrinted, days[0]); ok {
			return age
		}
	}
	age := schema.NoOCRAge()
	for _, d := range days {
		age.Possible = append(age.Possible, schema.Personal(day(d)))
	}
	return age
}

// readsText reports whether the lines of text are read on a document with that zone.
func (c *Case) readsText(zone *document.MRZ) bool {
	d := c.config.Document
	_, known := birthOf(zone)
	return d.Text || d.Checks || d.Age && !known
}

// valueOf is what a field stands for.
func valueOf(r *mrz.Reading, f mrz.Field) string {
	d := r.Document
	switch f.Name {
	case mrz.FieldCode:
		return d.Code
	case mrz.FieldIssuer:
		return string(d.Issuer)
	case mrz.FieldNumber:
		return d.Number
	case mrz.FieldHolder:
		if d.Name.Secondary == "" {
			return d.Name.Primary
		}
		return d.Name.Primary + ", " + d.Name.Secondary
	case mrz.FieldNationality:
		return string(d.Nationality)
	case mrz.FieldBirth:
		return day(d.Birth)
	case mrz.FieldSex:
		return string(d.Sex)
	case mrz.FieldExpiry:
		return day(d.Expiry)
	case mrz.FieldOptional:
		return d.Optional
	case mrz.FieldOptional2:
		return d.Optional2
	}
	return f.Text
}

func day(d mrz.Date) string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// scanned answers a job that is about a document.
func (c *Case) scanned(f Found) *schema.Result {
	switch d := f.Document; {
	case c.barcodesOnly():
		return c.result(f, "", "")
	case d == nil:
		return c.result(f, schema.ReasonNoDocument, "no document was found")
	case d.Detected.Traits != 0:
		return c.result(f, schema.ReasonDocumentRejected, "the document has traits that are not allowed: "+strings.Join(d.Detected.TraitNames, ", "))
	case c.config.Document.Only || c.config.Document.Segmented:
		return c.result(f, "", "")
	case len(f.Faces) == 0:
		return c.result(f, schema.ReasonNoFace, "no face was found on the document")
	}
	if rejecting := c.Rejecting(f.traits()); rejecting != 0 {
		return c.result(f, schema.ReasonFaceRejected, fmt.Sprintf("the face on the document has traits that %s does not allow: %s", c.job.Operation, strings.Join(schema.TraitNames(rejecting), ", ")))
	}
	return c.result(f, "", "")
}

// documentRemedies say what can be done about each trait of a document.
var documentRemedies = []struct {
	trait schema.DocumentTraits
	text  string
}{
	{schema.DTDocumentIsFar, "Move the camera closer to the document."},
	{schema.DTDocumentIsClose, "Move the camera away from the document, until all of it is in the picture."},
	{schema.DTDocumentIsLeft, "Move the document to the right, into the middle of the picture."},
	{schema.DTDocumentIsRight, "Move the document to the left, into the middle of the picture."},
	{schema.DTDocumentIsUp, "Move the document down, into the middle of the picture."},
	{schema.DTDocumentIsDown, "Move the document up, into the middle of the picture."},
	{schema.DTFingersDetected, "Take the fingers off the document."},
	{schema.DTDocumentIsBlurry, "Hold still and clean the lens: the document is blurred."},
	{schema.DTDocumentWithLowConfidenceScore, "Lay the document flat before a plain, darker or lighter background, with all four corners in the picture."},
}

// documentAdvice returns what can be done about traits, the most important first, or "" without traits.
func documentAdvice(traits schema.DocumentTraits) string {
	var out []string
	for _, r := range documentRemedies {
		if traits&r.trait != 0 {
			out = append(out, r.text)
		}
	}
	return strings.Join(out, " ")
}

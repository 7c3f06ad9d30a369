package verdict

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"facestream/pkg/engine/document"
	"facestream/pkg/engine/document/documenttest"
	"facestream/pkg/mrz"
	"facestream/pkg/schema"
)

// lying is a document without a trait: it covers half of its picture, in the middle.
func lying() *document.Observation {
	o := &document.Observation{Measures: &document.Measures{Sharpness: 1000, Share: 0.5, Left: 0.15, Top: 0.15, Right: 0.15, Bottom: 0.15}}
	o.Confidence = 0.9
	return o
}

// TestEachDocumentTrait makes each trait happen, alone, at the defaults of doc_scan_face, and then sets the key that drives it so that
// it does not.
func TestEachDocumentTrait(t *testing.T) {
	tested := schema.DocumentTraits(0)
	for _, tt := range []struct {
		want   schema.DocumentTraits
		change func(*document.Observation)
		off    string
	}{
		{schema.DTDocumentWithLowConfidenceScore, func(o *document.Observation) { o.Confidence = 0.7 }, `{"conf_score_thr_doc":0.6}`},
		{schema.DTDocumentIsBlurry, func(o *document.Observation) { o.Measures.Sharpness = 99 }, `{"blur_threshold_doc":90}`},
		{schema.DTFingersDetected, func(o *document.Observation) { o.Measures.Fingers = 0.9 }, `{"check_fingers_over_document":true,"fingers_over_document_threshold":0.95}`},
		{schema.DTDocumentIsClose, func(o *document.Observation) { o.Measures = &document.Measures{Sharpness: 1000, Share: 1} }, `{"threshold_doc_too_close":1}`},
		{schema.DTDocumentIsFar, func(o *document.Observation) { o.Measures.Share = 0.25 }, `{"threshold_doc_too_far":0.2}`},
		{schema.DTDocumentIsLeft, func(o *document.Observation) { o.Measures.Left = 0.01 }, `{"threshold_doc_x":0}`},
		{schema.DTDocumentIsRight, func(o *document.Observation) { o.Measures.Right = 0.01 }, `{"threshold_doc_x":0}`},
		{schema.DTDocumentIsUp, func(o *document.Observation) { o.Measures.Top = 0.01 }, `{"threshold_doc_y":0}`},
		{schema.DTDocumentIsDown, func(o *document.Observation) { o.Measures.Bottom = 0.01 }, `{"threshold_doc_y":0}`},
	} {
		o := lying()
		tt.change(o)
		for config, want := range map[string]schema.DocumentTraits{`{"check_fingers_over_document":true}`: tt.want, tt.off: 0, `{"doc_validations_off":true}`: 0} {
			c := newCase(t, schema.OpDocScanFace, config)
			if got := c.documentTraits(o); got != want {
				t.Errorf("%s: %q, want %q", config, schema.TraitNames(got), schema.TraitNames(want))
			}
			if accepted := c.accepts([]document.Observation{*o}); accepted != (want == 0) {
				t.Errorf("%s: with %q the document is accepted: %v", config, schema.TraitNames(want), accepted)
			}
		}
		tested |= tt.want
		if advice := documentAdvice(tt.want); strings.Count(advice, ".") != 1 {
			t.Errorf("the advice about %q is %q", schema.TraitNames(tt.want), advice)
		}
	}
	if traits := newCase(t, schema.OpDocScanFace, `{}`).documentTraits(lying()); traits != 0 {
		t.Errorf("a faultless document has %q", schema.TraitNames(traits))
	}
	if judged := schema.DTFingersDetected<<1 - 1; tested != judged {
		t.Errorf("%q are not tested", schema.TraitNames(judged&^tested))
	}
}

// TestZone: a document has the fields of its zone with what the check digits prove. A date of birth that its check digit contradicts is
// reported as such, and gives no age.
func TestZone(t *testing.T) {
	today := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	c := newCase(t, schema.OpDocScanFace, `{"calculate_age_from_ocr_text":true}`)
	c.job.AcceptedAt = today
	o := lying()
	o.MRZ = documenttest.Passport(t, today)
	d := c.documentData(o, document.NewPage(nil), nil)
	if d.Type != schema.DocumentID3 || len(d.MRZ) != 2 || d.Zone == nil || !d.Zone.Clean || d.Zone.Layout != "TD3" || !reflect.DeepEqual(d.Age, schema.OCRAge{DOB: "1990-05-01", Source: schema.SourceMRZ, Age: 35}) {
		t.Errorf("%+v, age %d of %q", d.Zone, d.Age.Age, string(d.Age.DOB))
	}
	values := map[string]string{}
	for _, f := range d.Zone.Fields {
		values[f.Name] = string(f.Value)
	}
	for name, want := range map[mrz.FieldName]string{mrz.FieldHolder: "SPECIMEN, ANNA MARIA", mrz.FieldNumber: "L898902C3", mrz.FieldExpiry: "2030-04-15", mrz.FieldIssuer: "UTO"} {
		if got := values[string(name)]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	text := strings.Replace(strings.Join(o.MRZ.Reading.Lines, "\n"), "900501", "930501", 1)
	var err error
	if o.MRZ.Reading, err = mrz.Parse(text, mrz.Options{Reference: today}); err != nil {
		t.Fatal(err)
	}
	if d := c.documentData(o, document.NewPage(nil), nil); d.Zone.Clean || !reflect.DeepEqual(d.Age, schema.NoOCRAge()) {
		t.Errorf("a wrong check digit: clean %v, age %d", d.Zone.Clean, d.Age.Age)
	}
}

package verdict

import (
	"strings"
	"testing"

	"facestream/pkg/engine/document"
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
		{schema.DTDocumentIsClose, func(o *document.Observation) { o.Measures = &document.Measures{Sharpness: 1000, Share: 1} }, `{"threshold_doc_too_close":1}`},
		{schema.DTDocumentIsFar, func(o *document.Observation) { o.Measures.Share = 0.25 }, `{"threshold_doc_too_far":0.2}`},
		{schema.DTDocumentIsLeft, func(o *document.Observation) { o.Measures.Left = 0.01 }, `{"threshold_doc_x":0}`},
		{schema.DTDocumentIsRight, func(o *document.Observation) { o.Measures.Right = 0.01 }, `{"threshold_doc_x":0}`},
		{schema.DTDocumentIsUp, func(o *document.Observation) { o.Measures.Top = 0.01 }, `{"threshold_doc_y":0}`},
		{schema.DTDocumentIsDown, func(o *document.Observation) { o.Measures.Bottom = 0.01 }, `{"threshold_doc_y":0}`},
	} {
		o := lying()
		tt.change(o)
		for config, want := range map[string]schema.DocumentTraits{`{}`: tt.want, tt.off: 0, `{"doc_validations_off":true}`: 0} {
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
	if judged := schema.DTDocumentIsDown<<1 - 1; tested != judged {
		t.Errorf("%q are not tested", schema.TraitNames(judged&^tested))
	}
}

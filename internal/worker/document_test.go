package worker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"facestream/pkg/aamva"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/document/documenttest"
	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// card is a document of 600 × 500 pixels in a picture of 1000 × 766, whose top left corner is at that place. In the middle it has no trait.
func card(x, y float32) document.Observation {
	o := document.Observation{Type: document.ID1}
	o.Corners = [4]schema.PointF{{X: x, Y: y}, {X: x + 600, Y: y}, {X: x + 600, Y: y + 500}, {X: x, Y: y + 500}}
	o.Confidence = 0.9
	o.Measures = &document.Measures{Sharpness: 1000, Share: 600 * 500 / (1000. * 766), Left: x / 1000, Top: y / 766, Right: 0.4 - x/1000, Bottom: 266./766 - y/766}
	return o
}

// held is the card in a hand: fingers cover it as surely.
func held(fingers float32) document.Observation {
	o := card(200, 133)
	o.Measures.Fingers = fingers
	return o
}

// printed is the card with text on it.
func printed(lines ...string) document.Observation {
	o := card(200, 133)
	o.Width, o.Height = 600, 500
	if lines == nil {
		lines = []string{"UTOPIA", "12 AUG 74"}
	}
	for i, text := range lines {
		y := 20 + 30*float32(i)
		right := 10 + 10*float32(len([]rune(text)))
		o.Text = append(o.Text, document.Line{Text: text, Confidence: 0.9, Quad: [4]schema.PointF{{X: 10, Y: y}, {X: right, Y: y}, {X: right, Y: y + 20}, {X: 10, Y: y + 20}}})
	}
	return o
}

// TestDocScanFace: a document is found, then judged, then the face on it is found and judged. Whichever of these ends it, the request
// succeeds.
func TestDocScanFace(t *testing.T) {
	d := newDesk(t)
	people, sideways := []face.Observation{someone(0)}, someone(0)
	sideways.Pose = &face.Pose{Yaw: 60}
	d.pictures["table"] = picture{faces: people}
	d.pictures["back"] = picture{scanned: []document.Observation{card(200, 133)}}
	d.pictures["card"] = picture{faces: people, scanned: []document.Observation{card(200, 133), card(300, 133)}}
	d.pictures["aside"] = picture{faces: people, scanned: []document.Observation{card(5, 133)}}
	d.pictures["sideways"] = picture{faces: []face.Observation{sideways}, scanned: []document.Observation{card(200, 133)}}
	for _, tt := range []struct {
		op                     schema.Operation
		image, config          string
		reason                 schema.Reason
		documents, faces       int
		documentTraits, advice string
	}{
		{schema.OpDocScanFace, "table", `{}`, schema.ReasonNoDocument, 0, 0, "", "four corners"},
		{schema.OpDocScanFace, "back", `{}`, schema.ReasonNoFace, 1, 0, "", "portrait"},
		{schema.OpDocScanFace, "back", `{"detect_document_only":true}`, "", 1, 0, "", ""},
		{schema.OpDocScanFace, "card", `{}`, "", 2, 1, "", ""},
		{schema.OpDocScanFace, "card", `{"detect_document_only":true}`, "", 2, 0, "", ""},
		{schema.OpDocScanFace, "aside", `{}`, schema.ReasonDocumentRejected, 1, 0, "DT_DOCUMENT_IS_LEFT", "to the right"},
		{schema.OpDocScanFace, "aside", `{"doc_validations_off":true}`, "", 1, 1, "", ""},
		{schema.OpDocScanFace, "sideways", `{}`, schema.ReasonFaceRejected, 1, 1, "", "camera"},
		{schema.OpDocScanFace, "sideways", `{"face_validations_off":true}`, "", 1, 1, "", ""},
		{schema.OpValidate, "card", `{"context_string":"document"}`, "", 2, 1, "", ""},
		{schema.OpValidate, "table", `{"context_string":"document"}`, schema.ReasonNoDocument, 0, 0, "", "four corners"},
		{schema.OpValidate, "aside", `{"context_string":"document"}`, schema.ReasonDocumentRejected, 1, 0, "DT_DOCUMENT_IS_LEFT", "to the right"},
		{schema.OpValidate, "sideways", `{"context_string":"document"}`, "", 1, 1, "", "camera"},
	} {
		r := d.ask(schema.Request{Operation: tt.op, Images: images(tt.image), Config: json.RawMessage(tt.config)})
		what := string(tt.op) + " of " + tt.image + " with " + tt.config
		if s := r.CallStatus; s.Reason != tt.reason || s.ReturnCode != schema.CodeNoError {
			t.Errorf("%s: %+v, want the reason %q", what, s, tt.reason)
		}
		if len(r.Documents) != tt.documents || len(r.Faces) != tt.faces || (r.Document.Found != nil) != (tt.documents > 0) || !r.Document.Asked {
			t.Errorf("%s: %d documents and %d faces, want %d and %d", what, len(r.Documents), len(r.Faces), tt.documents, tt.faces)
			continue
		}
		if got := r.Document.Found; got != nil && strings.Join(got.Detected.TraitNames, " ") != tt.documentTraits {
			t.Errorf("%s: traits %q, want %q", what, got.Detected.TraitNames, tt.documentTraits)
		}
		if !strings.Contains(r.Feedback, tt.advice) || tt.advice == "" && r.Feedback != "" {
			t.Errorf("%s: the advice is %q, which should speak of %q", what, r.Feedback, tt.advice)
		}
		if isNull := strings.Contains(string(d.result), `"document":null`); isNull != (tt.documents == 0) {
			t.Errorf("%s: document is null: %v", what, isNull)
		}
		if p := d.asked[len(d.asked)-1]; p.Liveness != 0 || p.Documents {
			t.Errorf("%s: liveness is assessed on a document", what)
		}
	}
	if r := d.ask(schema.Request{Operation: schema.OpValidate, Images: images("card")}); r.Document.Asked || strings.Contains(string(d.result), `"document":`) {
		t.Errorf("validate of a face answers about a document: %s", d.result)
	}
}

// TestDocumentPictures: the straightened document and the face on it lie in the store before the result names them. What was written for
// a request that fails, and for validate, is not there.
func TestDocumentPictures(t *testing.T) {
	d := newDesk(t)
	d.pictures["card"] = picture{faces: []face.Observation{someone(0)}, scanned: []document.Observation{card(200, 133)}}
	d.pictures["aside"] = picture{faces: []face.Observation{someone(0)}, scanned: []document.Observation{card(5, 133)}}
	d.pictures["crowd"] = picture{errOfFaces: schema.Permanent("test", schema.ReasonImageTooLarge, errors.New("too large")), scanned: []document.Observation{card(200, 133)}}
	ask := func(op schema.Operation, image, config string) schema.Result {
		t.Helper()
		return d.ask(schema.Request{Operation: op, Images: images(image), Config: json.RawMessage(config)})
	}
	r := ask(schema.OpDocScanFace, "card", `{"portrait_format":"jpeg"}`)
	scan, crop := r.Document.Found, r.Faces[0].Crop
	if scan.Cropped == nil || crop == nil || len(d.written) != 2 {
		t.Fatalf("%+v", d.result)
	}
	if got := d.written[scan.Cropped.Object.Key]; got != "image/jpeg document of card" || scan.Cropped.Object.Bucket != "b" {
		t.Errorf("the store has %q as the document", got)
	}
	if want := (schema.ImageInfo{Width: 60, Height: 40, Channels: 3, Color: schema.ColorRGB}); scan.Cropped.Info != want || scan.CroppedInfo.Info != want {
		t.Errorf("%+v and %+v, want %+v", scan.Cropped.Info, scan.CroppedInfo.Info, want)
	}
	if got := d.written[crop.Object.Key]; got != "image/jpeg portrait of card" {
		t.Errorf("the store has %q as the face", got)
	}
	clear(d.written)
	if r := ask(schema.OpDocScanFace, "aside", `{}`); r.Document.Found.Cropped != nil || len(d.written) != 0 {
		t.Errorf("a refused document: %v", d.written)
	}
	if r := ask(schema.OpDocScanFace, "crowd", `{}`); r.CallStatus.Reason != schema.ReasonImageTooLarge || r.Document.Asked || len(d.written) != 0 {
		t.Errorf("a request that fails: %+v, %v", r.CallStatus, d.written)
	}
	if r := ask(schema.OpValidate, "card", `{"context_string":"document"}`); r.Document.Found.Cropped != nil || len(d.written) != 0 {
		t.Errorf("validate: %v", d.written)
	}
	if r := ask(schema.OpDocScanFace, "card", `{"detect_document_only":true}`); r.Document.Found.Cropped == nil || len(d.written) != 1 {
		t.Errorf("the document only: %v", d.written)
	}
}

// TestBarcodePictures: each barcode that is certain enough has a straightened picture in the store, beside the document or alone, which is
// removed where the request fails. validate writes none.
func TestBarcodePictures(t *testing.T) {
	d := newDesk(t)
	scene := picture{faces: []face.Observation{someone(0)}, scanned: []document.Observation{card(200, 133)}, barcodes: licence(t)}
	failing := scene
	failing.errOfFaces = schema.Permanent("test", schema.ReasonImageTooLarge, errors.New("too large"))
	d.pictures["card"], d.pictures["crowd"] = scene, failing
	for _, tt := range []struct {
		op            schema.Operation
		image, config string
		codes         int // with pictures
		written       int // the pictures of document and face included
	}{
		{schema.OpDocScanFace, "card", `{"detect_and_recognize_barcode":true,"portrait_format":"jpeg"}`, 2, 4},
		{schema.OpDocScanFace, "card", `{"detect_and_recognize_barcode":true,"portrait_format":"jpeg","conf_score_thr_barcode":0.8}`, 1, 3},
		{schema.OpDocScanFace, "card", `{"document_scan_barcode_only":true,"portrait_format":"jpeg"}`, 2, 2},
		{schema.OpDocScanFace, "card", `{"detect_barcode_without_parsing":true,"portrait_format":"jpeg"}`, 2, 4},
		{schema.OpDocScanFace, "card", `{}`, 0, 2},
		{schema.OpDocScanFace, "crowd", `{"detect_and_recognize_barcode":true}`, 0, 0},
		{schema.OpValidate, "card", `{"context_string":"document","detect_and_recognize_barcode":true}`, 0, 0},
	} {
		clear(d.written)
		r := d.ask(schema.Request{Operation: tt.op, Images: images(tt.image), Config: json.RawMessage(tt.config)})
		what := string(tt.op) + " of " + tt.image + " with " + tt.config
		codes := 0
		for i, b := range r.Barcodes {
			if b.Crop == nil {
				continue
			}
			codes++
			if got, want := d.written[b.Crop.Object.Key], fmt.Sprintf("image/jpeg barcode %d of %s", i, tt.image); got != want || b.Crop.Info.Width != 50 || b.Crop.Info.Height != 10 {
				t.Errorf("%s: the store has %q as the barcode of %+v, want %q", what, got, b.Crop.Info, want)
			}
		}
		if codes != tt.codes || len(d.written) != tt.written {
			t.Errorf("%s: %d pictures of barcodes and %d in all, want %d and %d", what, codes, len(d.written), tt.codes, tt.written)
		}
	}
}

// TestFurtherDocuments: each document of an image is answered with its own zone and text. What is wrong with a further one refuses
// nothing.
func TestFurtherDocuments(t *testing.T) {
	d := newDesk(t)
	second, other := printed("SECOND"), card(5, 133)
	second.Corners = other.Corners
	second.Measures = other.Measures
	zone := documenttest.Passport(t, time.Now())
	reading := *zone.Reading
	reading.Document.Number = "OTHER"
	second.MRZ = &document.MRZ{Reading: &reading, Confidence: 0.9}
	d.pictures["two"] = picture{faces: []face.Observation{someone(0)}, scanned: []document.Observation{printed("FIRST"), second}}
	r := d.ask(schema.Request{Operation: schema.OpDocScanFace, Images: images("two"), Config: json.RawMessage(`{"detect_and_recognize_mrz_code":true,"recognize_document_text":true}`)})
	found := r.Document.Found
	if r.CallStatus.Reason != "" || len(r.Faces) != 1 || found == nil || len(found.Further) != 1 || len(r.Documents) != 2 {
		t.Fatalf("%+v", r.CallStatus)
	}
	for _, c := range []struct {
		data         schema.DocumentData
		text, number schema.Personal
		traits       schema.DocumentTraits
	}{{found.Detected, "FIRST", "L898902C3", 0}, {found.Further[0], "SECOND", "OTHER", schema.DTDocumentIsLeft}} {
		if got := c.data; got.Text == nil || len(got.Text.Lines) != 1 || got.Text.Lines[0].Text != c.text || got.Zone == nil || got.Zone.Fields[2].Value != c.number || got.Traits != c.traits {
			t.Errorf("%q: another document, with the traits %q", string(c.text), got.TraitNames)
		}
	}
}

// TestCardToSelfie: the face on a document is compared with that of a person, whoever of them was enrolled. Liveness is assessed for the
// person and not for the document, and the threshold is that between documents and people. What is said to be a document must be one.
func TestCardToSelfie(t *testing.T) {
	d := newDesk(t)
	onCard := func(angle float64) picture {
		f := someone(angle)
		f.Liveness = &face.Liveness{Score: 0.1} // what the networks would say of a portrait
		return picture{faces: []face.Observation{f}, scanned: []document.Observation{card(200, 133)}}
	}
	d.pictures["anna"], d.pictures["anna's card"], d.pictures["bert's card"] = with(func(*face.Observation) {}), onCard(65), onCard(80)
	d.pictures["mask"] = with(func(f *face.Observation) { f.Liveness.Score = 0.1 })
	ask := func(op schema.Operation, who schema.ExternalID, config string, keys ...string) schema.Result {
		t.Helper()
		return d.ask(schema.Request{Operation: op, Images: images(keys...), ExternalID: who, Config: json.RawMessage(config)})
	}
	const first = `{"document_images":"first"}`
	// cos 65° is 0.42: enough between a card and a selfie, too little between two selfies.
	for _, tt := range []struct {
		images []string
		config string
		match  bool
		reason schema.Reason
	}{
		{[]string{"anna's card", "anna"}, first, true, ""},
		{[]string{"anna's card", "anna"}, `{}`, false, ""},
		{[]string{"anna's card", "anna"}, `{"document_images":"all"}`, false, schema.ReasonNoDocument},
		{[]string{"bert's card", "anna"}, first, false, ""},
		{[]string{"bert's card", "anna's card"}, `{"document_images":"all"}`, true, ""},
		{[]string{"anna", "anna's card"}, first, false, schema.ReasonNoDocument},
	} {
		r := ask(schema.OpCompare, "", tt.config, tt.images...)
		if match := r.Compare != nil && r.Compare.IsMatch; match != tt.match || r.CallStatus.Reason != tt.reason {
			t.Errorf("%s with %s: match %v, %+v", tt.images, tt.config, match, r.CallStatus)
		}
	}
	for _, tt := range []struct {
		enrol, verify, enrolConfig, verifyConfig string
		match                                    bool
		reason                                   schema.Reason
	}{
		{"anna's card", "anna", first, `{}`, true, ""},
		{"bert's card", "anna", first, `{}`, false, schema.ReasonNoMatch},
		{"bert's card", "anna's card", first, first, true, ""}, // 15° from each other
		{"anna", "anna's card", `{}`, first, true, ""},
		{"anna", "bert's card", `{}`, first, false, schema.ReasonNoMatch},
		{"anna's card", "mask", first, `{}`, false, schema.ReasonSpoofDetected},
		{"anna", "anna's card", `{}`, `{}`, false, schema.ReasonSpoofDetected},
		{"anna", "anna", `{}`, first, false, schema.ReasonNoDocument},
	} {
		who := schema.ExternalID(tt.enrol + " " + tt.verify + tt.enrolConfig + tt.verifyConfig)
		if r := ask(schema.OpEnroll, who, tt.enrolConfig, tt.enrol); r.CallStatus.Reason != "" {
			t.Fatalf("%s: %+v", tt.enrol, r.CallStatus)
		}
		r := ask(schema.OpVerify, who, tt.verifyConfig, tt.verify)
		if match := r.Verify != nil && r.Verify.IsMatch; match != tt.match || r.CallStatus.Reason != tt.reason {
			t.Errorf("%s after %s: match %v, %+v", tt.verify, tt.enrol, match, r.CallStatus)
		}
	}
	if r := ask(schema.OpEnroll, "bare", first, "anna"); r.CallStatus.Reason != schema.ReasonNoDocument || len(r.Faces) > 0 {
		t.Errorf("a person who is said to be a document: %+v", r.CallStatus)
	}
}

// licence is a card's barcode of 500 × 100 pixels at 250, 400, and one below that cannot be read.
func licence(t *testing.T) []barcode.Found {
	t.Helper()
	payload, err := aamva.Generate(aamva.Card{Issuer: "636000", Version: 10, Kind: aamva.Licence, Name: aamva.Name{Family: "SAMPLE"}})
	if err != nil {
		t.Fatal(err)
	}
	quad := func(y float32) [4]schema.PointF {
		return [4]schema.PointF{{X: 250, Y: y}, {X: 750, Y: y}, {X: 750, Y: y + 100}, {X: 250, Y: y + 100}}
	}
	return []barcode.Found{
		{Format: barcode.PDF417, Read: true, Text: string(payload), Bytes: payload, Quad: quad(400), Confidence: 1},
		{Format: barcode.PDF417, Quad: quad(600), Confidence: 0.6},
	}
}

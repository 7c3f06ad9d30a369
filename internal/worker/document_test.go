package worker_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"facestream/pkg/engine/document"
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

package schema

import (
	"bytes"
	"encoding/json"
)

// Personal is a text that was read on a document. It may say who somebody is, so it prints as [redacted]; its JSON is complete.
type Personal string

// DocumentAnswer is the document that an image was found to show. In JSON it is null where none was found, and it is absent from a
// result for which none was looked for.
type DocumentAnswer struct {
	Asked bool
	Found *DocumentResult
}

// IsZero reports whether no document was looked for.
func (a DocumentAnswer) IsZero() bool { return !a.Asked && a.Found == nil }

// MarshalJSON writes the document, or null.
func (a DocumentAnswer) MarshalJSON() ([]byte, error) { return json.Marshal(a.Found) }

// UnmarshalJSON reads what MarshalJSON writes.
func (a *DocumentAnswer) UnmarshalJSON(data []byte) error {
	*a = DocumentAnswer{Asked: true}
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	return json.Unmarshal(data, &a.Found)
}

// DocumentResult is the most confident document of an image, and the straightened picture of it.
type DocumentResult struct {
	Detected DocumentData `json:"detected_document"`
	// CroppedInfo describes the straightened picture; its sides are 0 where none was made.
	CroppedInfo CroppedInfo `json:"cropped_document_image_info"`
	// Cropped is that picture in the store, of an accepted document.
	Cropped *OutputImage `json:"cropped_document,omitempty"`
	// Further are the other documents of the image, the most confident first. Their traits refuse nothing, and nobody looks for faces on them.
	Further []DocumentData `json:"further_documents,omitempty"`
}

// CroppedInfo is the CryptoNets SDK's form of an image without its pixels.
type CroppedInfo struct {
	Info ImageInfo `json:"info"`
}

// DocumentData is what was found out about a document. Positions are in pixels of the upright image. Confidence is 0..1.
type DocumentData struct {
	Box        TrapezeF       `json:"document_box"`
	Center     PointF         `json:"document_box_center"` // where the diagonals of the document cross
	Confidence float32        `json:"confidence_score"`
	Traits     DocumentTraits `json:"document_traits"`                 // the union of DT_* bits
	TraitNames []string       `json:"document_traits_names,omitempty"` // the names of these bits, lowest first
	Type       DocumentType   `json:"type"`
	// Scores are what was measured of the document, by name ([DocumentMetrics]).
	Scores []FaceMetric `json:"scores,omitempty"`
	// MRZ are the lines of the machine-readable zone as they were understood; empty where none was read.
	MRZ  []Personal `json:"mrz_data"`
	Zone *MRZ       `json:"mrz,omitempty"`
	Age  OCRAge     `json:"ocr_age_data"`
	// Text is what is printed elsewhere on the document, where recognize_document_text asks for it.
	Text *DocumentText `json:"text,omitempty"`
	// Checks say where the sources on the document agree and where they do not, where check_document_consistency asks for it. They refuse
	// nothing.
	Checks []CrossCheck `json:"cross_checks,omitzero"`
}

// CrossCheck compares what two sources say of a field. Values are what each of them says, as it says it; the age of a face is in
// faces[].age_data. Confidence, 0..1, is that of the less certain source, and 0 where the two cannot be compared: Why then says why.
type CrossCheck struct {
	Field      CheckedField     `json:"field" jsonschema:"enum=name,enum=document_number,enum=date_of_birth,enum=date_of_expiry,enum=sex,enum=nationality,enum=validity,enum=age"`
	Sources    []DocumentSource `json:"sources"`
	Outcome    CheckOutcome     `json:"outcome" jsonschema:"enum=agrees,enum=contradicts,enum=not_comparable"`
	Why        CheckReason      `json:"why,omitempty" jsonschema:"enum=not_said,enum=ambiguous,enum=doubtful,enum=check_digit"`
	Confidence float32          `json:"confidence_score"`
	Values     []Personal       `json:"values"`
}

// CheckedField is what is compared. CheckValidity compares the last day of validity with the day of the request, and CheckAge the date of
// birth with the age that the main portrait looks, when it may have been made.
type CheckedField string

// The fields.
const (
	CheckName        CheckedField = "name"
	CheckNumber      CheckedField = "document_number"
	CheckBirth       CheckedField = "date_of_birth"
	CheckExpiry      CheckedField = "date_of_expiry"
	CheckSex         CheckedField = "sex"
	CheckNationality CheckedField = "nationality"
	CheckValidity    CheckedField = "validity"
	CheckAge         CheckedField = "age"
)

// DocumentSource is where something about a document was read.
type DocumentSource string

// The sources: the machine-readable zone, the visual zone, the barcode, the face, and the request with its day.
const (
	SourceMRZ     DocumentSource = "mrz"
	SourcePrinted DocumentSource = "printed"
	SourceBarcode DocumentSource = "barcode"
	SourceFace    DocumentSource = "face"
	SourceRequest DocumentSource = "request"
)

// CheckOutcome is what a comparison of two sources comes to.
type CheckOutcome string

// The outcomes.
const (
	CheckAgrees        CheckOutcome = "agrees"
	CheckContradicts   CheckOutcome = "contradicts"
	CheckNotComparable CheckOutcome = "not_comparable"
)

// CheckReason is why two sources cannot be compared.
type CheckReason string

// The reasons.
const (
	CheckNotSaid    CheckReason = "not_said"    // one of them does not say it, or it was not found
	CheckAmbiguous  CheckReason = "ambiguous"   // what one of them says may be understood in several ways
	CheckDoubtful   CheckReason = "doubtful"    // they differ, and one of them may be misread or inexact
	CheckWrongDigit CheckReason = "check_digit" // they differ, and the field's own check digit does not hold
)

// The most text of a document that a result has.
const (
	MaxTextLines      = 200
	MaxTextCharacters = 8000
)

// DocumentText is the visual zone of a document: the lines of text beside the machine-readable zone, in the order in which a person reads
// them, column by column. Width and Height are those of the straightened document in pixels; positions are on it. Truncated says that
// there are more than MaxTextLines lines or MaxTextCharacters characters, and that the last ones are left out.
type DocumentText struct {
	Width     int        `json:"width" jsonschema:"minimum=0"`
	Height    int        `json:"height" jsonschema:"minimum=0"`
	Lines     []TextLine `json:"lines"`
	Truncated bool       `json:"truncated,omitempty"`
	// Languages (ISO 639-1) are those in which labels of two fields at least were read, in alphabetical order.
	Languages []string `json:"languages,omitempty"`
}

// TextLine is a line of text. Its box has the text's own corners: top left is where it begins. Confidence, 0..1, is the mean of its
// characters'. Script is that of most of its letters, by its code of ISO 15924 (Latn, Cyrl, Hani, …); absent for a line without letters.
type TextLine struct {
	Text       Personal `json:"text"`
	Confidence float32  `json:"confidence_score"`
	Box        TrapezeF `json:"box"`
	Script     string   `json:"script,omitempty"`
}

// MRZ is the machine-readable zone of a document (ICAO Doc 9303). Layout is TD1, TD2, TD3, MRV-A or MRV-B. Clean says that all check
// digits of the layout hold, and that none of them was spent on a correction. Confidence, 0..1, is that of the lines. NameMayBeTruncated says that the name
// fills its field.
type MRZ struct {
	Layout             string     `json:"format"`
	Clean              bool       `json:"all_check_digits_hold"`
	Confidence         float32    `json:"confidence_score"`
	NameMayBeTruncated bool       `json:"name_may_be_truncated,omitempty"`
	Fields             []MRZField `json:"fields"`
}

// MRZField is a field of a machine-readable zone. Raw is what was read, fillers included, and Value what it stands for: a date as
// YYYY-MM-DD, with 00 for what is unknown. A character that was replaced by a look-alike is counted in Corrected: the field's alphabet demands it, or the
// check digit holds with it alone.
type MRZField struct {
	Name  string   `json:"name"`
	Raw   Personal `json:"raw"`
	Value Personal `json:"value"`
	// Check is "ok", "wrong" or "absent"; Evidence is what the check digits prove of the field: check_digit, composite, spent (on a
	// correction), none or contradicted.
	Check      string   `json:"check_digit"`
	Evidence   string   `json:"evidence"`
	Confidence float32  `json:"confidence_score"` // of the least certain character, 0..1
	Corrected  int      `json:"corrected_characters,omitempty"`
	Problem    Personal `json:"problem,omitempty"` // in what it breaks the rules
}

// OCRAge is the age that follows from a date of birth that was read on a document: in the machine-readable zone, else in the barcode, else
// where a label says that it is printed. Without one DOB is "" and Age is -1. That is also so where a printed date may be several days,
// which are then in Possible.
type OCRAge struct {
	DOB      Personal       `json:"dob"` // YYYY-MM-DD
	Source   DocumentSource `json:"source,omitempty" jsonschema:"enum=mrz,enum=printed,enum=barcode"`
	Age      int            `json:"age" jsonschema:"minimum=-1"`
	Possible []Personal     `json:"possible_dob,omitempty"`
}

// NoOCRAge is the age on a document on which no date of birth was read.
func NoOCRAge() OCRAge { return OCRAge{Age: -1} }

// TrapezeF is a quadrilateral in pixels of the upright image. The names of its corners are those on the document as it is read: its
// top left corner stays so however the document lies in the image. BottomLef has the CryptoNets SDK's spelling, and is the same point as
// BottomLeft.
type TrapezeF struct {
	TopLeft     PointF `json:"top_left"`
	TopRight    PointF `json:"top_right"`
	BottomRight PointF `json:"bottom_right"`
	BottomLeft  PointF `json:"bottom_left"`
	BottomLef   PointF `json:"bottom_lef"`
}

// NewTrapezeF returns the quadrilateral with these corners: top left, top right, bottom right, bottom left.
func NewTrapezeF(corners [4]PointF) TrapezeF {
	return TrapezeF{TopLeft: corners[0], TopRight: corners[1], BottomRight: corners[2], BottomLeft: corners[3], BottomLef: corners[3]}
}

// Center is where the diagonals cross, which is the middle of a document however it is tilted; the mean of the corners where they do not.
func (t TrapezeF) Center() PointF {
	a, b, c, d := t.TopLeft, t.TopRight, t.BottomRight, t.BottomLeft
	u, v := PointF{c.X - a.X, c.Y - a.Y}, PointF{d.X - b.X, d.Y - b.Y}
	if k := ((b.X-a.X)*v.Y - (b.Y-a.Y)*v.X) / (u.X*v.Y - u.Y*v.X); k > 0 && k < 1 {
		return PointF{a.X + k*u.X, a.Y + k*u.Y}
	}
	return PointF{(a.X + b.X + c.X + d.X) / 4, (a.Y + b.Y + c.Y + d.Y) / 4}
}

// DocumentType is the size of a document after ISO/IEC 7810.
type DocumentType string

// The types.
const (
	DocumentID1     DocumentType = "id1" // a card, 85.60 × 53.98 mm
	DocumentID2     DocumentType = "id2" // 105 × 74 mm
	DocumentID3     DocumentType = "id3" // a page of a passport, 125 × 88 mm
	DocumentUnknown DocumentType = "unknown"
)

// The scores of a document.
const (
	MetricDocumentArea      = "area"
	MetricDocumentSharpness = "sharpness"
	MetricDocumentGlare     = "glare"
	MetricDocumentCut       = "cut"
	MetricDocumentDPI       = "dpi"
	MetricDocumentFingers   = "fingers"
)

// DocumentMetrics lists the scores of a document, in the order in which they come.
func DocumentMetrics() []MetricInfo {
	return []MetricInfo{
		{MetricDocumentArea, "the document's area, as a share of the image's; `threshold_doc_too_far` and `threshold_doc_too_close` limit it"},
		{MetricDocumentSharpness, "how sharp the straightened document is; `blur_threshold_doc` limits it"},
		{MetricDocumentGlare, "the share of the document's pixels whose highlights are lost"},
		{MetricDocumentCut, "the share of the document's outline that the image's border cuts off, 0..1; what lies on the border counts where the visible part has the shape of no known type"},
		{MetricDocumentDPI, "dots per inch at which the image shows the document, if it has the size that `type` says; absent for an unknown type"},
		{MetricDocumentFingers, "how surely fingers cover a part of the document, 0..1; `fingers_over_document_threshold` limits it; with check_fingers_over_document"},
	}
}

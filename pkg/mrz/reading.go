package mrz

// FieldName names a field of a zone.
type FieldName string

// The fields of a zone. FieldOptional2 exists in a TD1 only, FieldComposite in all but visas.
const (
	FieldCode        FieldName = "document_code"
	FieldIssuer      FieldName = "issuing_state"
	FieldNumber      FieldName = "document_number"
	FieldHolder      FieldName = "name"
	FieldNationality FieldName = "nationality"
	FieldBirth       FieldName = "date_of_birth"
	FieldSex         FieldName = "sex"
	FieldExpiry      FieldName = "date_of_expiry"
	FieldOptional    FieldName = "optional_data"
	FieldOptional2   FieldName = "optional_data_2"
	FieldComposite   FieldName = "composite_check_digit"
)

// CheckState says what a check digit says.
type CheckState string

// The states of a check digit.
const (
	CheckAbsent CheckState = "absent" // the field has none, or a filler stands in its place
	CheckOK     CheckState = "ok"
	CheckWrong  CheckState = "wrong" // it does not hold, or is no digit
)

// Evidence says what the check digits prove of a field.
type Evidence string

// The kinds of evidence, strongest first.
const (
	// EvidenceCheckDigit: the field's own check digit holds. One misread character would have been noticed, except those in
	// Doubts. For FieldComposite it says the same of all that the composite check digit covers.
	EvidenceCheckDigit Evidence = "check_digit"
	// EvidenceComposite: only the composite check digit covers the field, and it holds.
	EvidenceComposite Evidence = "composite"
	// EvidenceSpent: the check digit holds because it chose one of the field's characters. It proves nothing more.
	EvidenceSpent Evidence = "spent"
	// EvidenceNone: no check digit covers the field, or only a composite one that does not hold.
	EvidenceNone Evidence = "none"
	// EvidenceContradicted: the field's own check digit does not hold.
	EvidenceContradicted Evidence = "contradicted"
)

// Reason says why a character was replaced.
type Reason string

// The reasons of corrections.
const (
	// ReasonAlphabet: the field cannot hold the character, and exactly one of its look-alikes.
	ReasonAlphabet Reason = "alphabet"
	// ReasonState: the field holds a code of letters; exactly one way to replace its digits by look-alikes gives a code of
	// ICAO Doc 9303-3 section 5.
	ReasonState Reason = "state"
	// ReasonCheckDigit: of all look-alikes in the field, or of all that the reader thinks possible (Options.Others), this one alone makes the
	// check digit hold, and the composite one too.
	// With Options.Confidence it replaces the least sure character of the field only. It may still be wrong: where the reader
	// took a character for one that is not similar, a look-alike elsewhere fits by chance.
	ReasonCheckDigit Reason = "check_digit"
	// ReasonCase: zones have no lower case.
	ReasonCase Reason = "case"
	// ReasonFiller: quotation marks and other signs that look like fillers.
	ReasonFiller Reason = "filler"
	// ReasonMark: zones have no diacritical marks.
	ReasonMark Reason = "mark"
)

// Correction is a character that was replaced.
type Correction struct {
	Line, Column int    // from 0, in the zone's own lines
	From         string // as it was read
	To           string // two fillers for a quotation mark, else one character
	Reason       Reason
}

// Doubt is a character that may be another, and nothing in the zone says which.
type Doubt struct {
	Line, Column int    // from 0, in the zone's own lines
	Read         string // the character in the result
	Others       string // what it may be as well, in alphabetical order
}

// Field is what was read of a field.
type Field struct {
	Name         FieldName
	Line, Column int    // where it begins, from 0, in the zone's own lines
	Raw          string // as it was read, fillers included
	Text         string // as it was understood, fillers included; a long document number with its rest
	Check        CheckState
	Evidence     Evidence
	// Confidence is the lowest of the field's characters, fillers included and its check digit not: a field is as good as its
	// weakest character, however long it is. 0 without Options.Confidence.
	Confidence  float64
	Corrections []Correction // those of the check digit included
	Doubts      []Doubt
	// Problem says in what the field breaks the rules of ICAO Doc 9303; empty where it does not. The value of such a field may
	// be incomplete or empty. It names no character but digits of names, and no value but days that do not exist.
	Problem string
}

// Reading is a zone as it was read.
type Reading struct {
	Document Document
	Lines    []string // as understood: of the format's length, of A-Z, 0-9 and <
	// NameMayBeTruncated: the name field ends with a letter. Names that just fit look the same (ICAO Doc 9303-4 section 4.2.3).
	NameMayBeTruncated bool
	Fields             []Field // in the order of the constants
}

// Field returns the field with the name, or nil where the format has none.
func (r *Reading) Field(name FieldName) *Field {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return &r.Fields[i]
		}
	}
	return nil
}

// Corrections returns those of all fields, in the order of the fields.
func (r *Reading) Corrections() []Correction {
	var all []Correction
	for _, f := range r.Fields {
		all = append(all, f.Corrections...)
	}
	return all
}

// Clean reports whether all check digits of the format are there and hold, and none was spent on a correction. A passport
// without optional data may lack their check digit.
func (r *Reading) Clean() bool {
	for _, f := range r.Fields {
		switch f.Name {
		case FieldNumber, FieldBirth, FieldExpiry, FieldComposite:
			if f.Evidence != EvidenceCheckDigit {
				return false
			}
		case FieldOptional:
			if f.Check == CheckWrong || f.Evidence == EvidenceSpent || r.Document.Format == TD3 && f.Check == CheckAbsent && r.Document.Optional != "" {
				return false
			}
		}
	}
	return true
}

package schema

import (
	"fmt"
	"io"
)

// This file upholds invariant 6: what identifies a person never reaches a log line or an error text by being printed. The
// types below decide how every verb of fmt prints them (Format). Their JSON, for payloads and stores, is complete, so a
// logger that writes values as JSON must print such types with fmt instead.

const redacted = "[redacted]"

// String hides the value.
func (PUID) String() string { return redacted }

// Format hides the value from every verb.
func (p PUID) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// String hides the value.
func (ExternalID) String() string { return redacted }

// Format hides the value from every verb.
func (e ExternalID) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// String names the model and hides the vector.
func (e Embedding) String() string { return string(e.Model) + ":" + redacted }

// String hides the value.
func (Personal) String() string { return redacted }

// Format hides the value from every verb.
func (Personal) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the vector from every verb.
func (e Embedding) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// String names the bucket and hides the key: keys often carry external ids.
func (o ObjectRef) String() string { return "s3://" + o.Bucket + "/" + redacted }

// Format hides the key from every verb.
func (o ObjectRef) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// String names the request, its operation and its collection. [Job] and [Analysis] print the same.
func (r Request) String() string {
	return fmt.Sprintf("request %s: %s in %q, %d images", r.ID, r.Operation, r.Collection, len(r.Images))
}

// Format prints what String says for every verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// String names the request, the operation and how it ended.
func (r Result) String() string {
	reason := r.CallStatus.Reason
	if reason == "" {
		reason = "ok"
	}
	return fmt.Sprintf("result of request %s: %s: %s", r.RequestID, r.Operation, reason)
}

// Format prints what String says for every verb.
func (r Result) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// The parts of a result that name a person hide as a whole: where fmt meets a pointer under a verb
// that does not suit it, it prints what lies behind without asking the fields' own methods.

func hide(f fmt.State) { _, _ = io.WriteString(f, redacted) }

// Format hides the value from every verb.
func (FaceID) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (FaceResult) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (Finding) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (EnrollData) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (EnrollResponse) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (PredictData) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (PredictResponse) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (VerifyResult) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (ISOImageResult) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (OutputImage) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (Candidate) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (DocumentAnswer) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (DocumentResult) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (DocumentData) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (CrossCheck) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (DocumentText) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (TextLine) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (OCRAge) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (MRZ) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (MRZField) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (BarcodeResult) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (BarcodeData) Format(f fmt.State, _ rune) { hide(f) }

// String hides the value.
func (Metadata) String() string { return redacted }

// Format hides the value from every verb.
func (Metadata) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (PersonFields) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (GroupFields) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (PersonFilter) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (Person) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (PersonImage) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (PersonList) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (PersonChange) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (Group) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (GroupList) Format(f fmt.State, _ rune) { hide(f) }

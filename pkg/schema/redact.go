package schema

import (
	"fmt"
	"io"

	"github.com/rs/zerolog"
)

// This file upholds invariant 6: what identifies a person never reaches a log line or an error text by being printed. The
// types below take over every fmt verb (Format) and every zerolog field (MarshalZerologObject, which Interface and Any
// prefer to the type's JSON). Their JSON, for payloads and stores, is complete.

const redacted = "[redacted]"

// String hides the value.
func (PUID) String() string { return redacted }

// Format hides the value from every verb.
func (p PUID) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalZerologObject writes nothing.
func (PUID) MarshalZerologObject(*zerolog.Event) {}

// String hides the value.
func (ExternalID) String() string { return redacted }

// Format hides the value from every verb.
func (e ExternalID) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// MarshalZerologObject writes nothing.
func (ExternalID) MarshalZerologObject(*zerolog.Event) {}

// String names the model and hides the vector.
func (e Embedding) String() string { return string(e.Model) + ":" + redacted }

// Format hides the vector from every verb.
func (e Embedding) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// MarshalZerologObject writes the model.
func (e Embedding) MarshalZerologObject(z *zerolog.Event) { z.Str("model", string(e.Model)) }

// String names the bucket and hides the key: keys often carry external ids.
func (o ObjectRef) String() string { return "s3://" + o.Bucket + "/" + redacted }

// Format hides the key from every verb.
func (o ObjectRef) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// MarshalZerologObject writes the bucket.
func (o ObjectRef) MarshalZerologObject(z *zerolog.Event) { z.Str("bucket", o.Bucket) }

// String names the request, its operation and its collection. [Job] and [Analysis] print the same.
func (r Request) String() string {
	return fmt.Sprintf("request %s: %s in %q, %d images", r.ID, r.Operation, r.Collection, len(r.Images))
}

// Format prints what String says for every verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalZerologObject writes what String says.
func (r Request) MarshalZerologObject(z *zerolog.Event) {
	z.Str("request_id", string(r.ID)).Str("operation", string(r.Operation)).Str("collection", string(r.Collection)).Int("images", len(r.Images))
}

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

// MarshalZerologObject writes what String says.
func (r Result) MarshalZerologObject(z *zerolog.Event) {
	z.Str("request_id", string(r.RequestID)).Str("operation", string(r.Operation)).Str("reason", string(r.CallStatus.Reason))
}

// The parts of a result that name a person hide as a whole: where fmt meets a pointer under a verb
// that does not suit it, it prints what lies behind without asking the fields' own methods.

func hide(f fmt.State) { _, _ = io.WriteString(f, redacted) }

// Format hides the value from every verb.
func (FaceID) Format(f fmt.State, _ rune) { hide(f) }

// Format hides the value from every verb.
func (FaceResult) Format(f fmt.State, _ rune) { hide(f) }

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

// MarshalZerologObject writes nothing.
func (FaceID) MarshalZerologObject(*zerolog.Event) {}

// MarshalZerologObject writes the confidence.
func (f FaceResult) MarshalZerologObject(z *zerolog.Event) {
	z.Float32("face_confidence_score", f.Geometry.Confidence)
}

// MarshalZerologObject writes whether the face was enrolled.
func (d EnrollData) MarshalZerologObject(z *zerolog.Event) {
	z.Bool("enroll_performed", d.EnrollPerformed)
}

// MarshalZerologObject writes the status.
func (r EnrollResponse) MarshalZerologObject(z *zerolog.Event) { z.Int("status", r.Status) }

// MarshalZerologObject writes whether the search was done.
func (d PredictData) MarshalZerologObject(z *zerolog.Event) {
	z.Bool("predict_performed", d.PredictPerformed)
}

// MarshalZerologObject writes the status and the number of candidates.
func (r PredictResponse) MarshalZerologObject(z *zerolog.Event) {
	z.Int("status", r.Status).Int("candidates", len(r.List))
}

// MarshalZerologObject writes whether the portrait was made.
func (r ISOImageResult) MarshalZerologObject(z *zerolog.Event) { z.Bool("success", r.Success) }

// MarshalZerologObject writes the size.
func (i OutputImage) MarshalZerologObject(z *zerolog.Event) {
	z.Int("width", i.Info.Width).Int("height", i.Info.Height)
}

// MarshalZerologObject writes whether the comparison was done.
func (r VerifyResult) MarshalZerologObject(z *zerolog.Event) {
	z.Bool("verify_performed", r.VerifyPerformed)
}

// MarshalZerologObject writes the score.
func (c Candidate) MarshalZerologObject(z *zerolog.Event) { z.Float32("score", c.Score) }

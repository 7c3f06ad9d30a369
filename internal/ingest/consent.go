package ingest

import (
	"slices"

	"facestream/pkg/schema"
)

// Consent is the operator's rule: the collections in which nobody is enrolled without a declaration that the person
// agreed. [EveryCollection] stands for all of them.
type Consent []schema.Collection

// EveryCollection is the entry of a [Consent] that stands for all collections.
const EveryCollection schema.Collection = "*"

// problems says what is missing from a request. A declaration that consent was not given is a problem of every
// enrolment, which [schema.Request.Normalize] reports.
func (c Consent) problems(r *schema.Request) schema.Problems {
	if r.Operation != schema.OpEnroll || r.Consent != nil || !slices.Contains(c, r.Collection) && !slices.Contains(c, EveryCollection) {
		return nil
	}
	return schema.Problems{{Field: "consent", Message: "is missing; this collection enrols nobody without a declaration that the person agreed (consent.given, or x-amz-meta-facestream-consent of an upload)",
		Reason: schema.ReasonConsentMissing}}
}

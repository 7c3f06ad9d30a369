package ingest

import (
	"slices"

	"facestream/pkg/schema"
)

// Consent holds the collections in which an enrolment needs a declaration that the person agreed. [EveryCollection]
// stands for all of them.
type Consent []schema.Collection

// EveryCollection is the entry of a [Consent] that stands for all collections.
const EveryCollection schema.Collection = "*"

// problems returns the problem of a request without a required declaration. A declaration that consent was not given is
// a problem in every collection, which [schema.Request.Normalize] reports.
func (c Consent) problems(r *schema.Request) schema.Problems {
	if r.Operation != schema.OpEnroll || r.Consent != nil || !slices.Contains(c, r.Collection) && !slices.Contains(c, EveryCollection) {
		return nil
	}
	return schema.Problems{{Field: "consent", Message: "is missing; in this collection an enrolment needs a declaration that the person agreed (consent.given, or x-amz-meta-facestream-consent of an upload)",
		Reason: schema.ReasonConsentMissing}}
}

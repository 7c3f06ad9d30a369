package ingest

import "facestream/pkg/schema"

// consentProblems returns the problem of a request without a declaration that required asks for in its collection. A declaration
// that consent was not given is a problem in every collection, which [schema.Request.Normalize] reports.
func consentProblems(r *schema.Request, required func(schema.Collection) bool) schema.Problems {
	if !r.Operation.Enrolls() && r.Operation != schema.OpPersonCreate || r.Consent != nil || required == nil || !required(r.Collection) {
		return nil
	}
	return schema.Problems{{Field: "consent", Message: "is missing; in this collection an enrolment needs a declaration that the person agreed (consent.given, or x-amz-meta-facestream-consent of an upload)",
		Reason: schema.ReasonConsentMissing}}
}

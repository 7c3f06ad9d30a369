package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"facestream/pkg/schema"
)

// Cause is the stable reason of a problem: one of the gateway itself, or a [schema.Reason].
type Cause string

// The causes of the gateway itself, beside those of results (pkg/schema). A name never changes its meaning.
const (
	CauseUnauthenticated  Cause = "unauthenticated"
	CauseForbidden        Cause = "forbidden"
	CauseCrossOrigin      Cause = "cross_origin"
	CauseNotFound         Cause = "not_found"
	CauseMethod           Cause = "method_not_allowed"
	CauseMediaType        Cause = "unsupported_media_type"
	CauseBodyTooLarge     Cause = "body_too_large"
	CauseBodyTimeout      Cause = "body_timeout"
	CauseBodyIncomplete   Cause = "body_incomplete"
	CauseInvalidBase64    Cause = "invalid_base64"
	CauseInvalidParameter Cause = "invalid_parameter"
	CauseKeyReused        Cause = "idempotency_key_reused"
	CauseRateLimited      Cause = "rate_limited"
	CauseTooMany          Cause = "too_many_in_flight"
	CauseUnavailable      Cause = "unavailable"
	CauseLate             Cause = "late"
)

// CauseInfo documents a cause of the gateway.
type CauseInfo struct {
	Cause   Cause
	Status  int
	Meaning string
}

// Causes lists the causes of the gateway itself.
func Causes() []CauseInfo {
	return []CauseInfo{
		{CauseUnauthenticated, http.StatusUnauthorized, "There is no token or key, or it is not taken: unknown, expired, wrongly signed, for another audience."},
		{CauseForbidden, http.StatusForbidden, "The token or key does not allow this operation, this collection, this object, or what operators do."},
		{CauseCrossOrigin, http.StatusForbidden, "A browser sends the request for a page of another origin."},
		{CauseNotFound, http.StatusNotFound, "Nothing is there, or the caller may not see it."},
		{CauseMethod, http.StatusMethodNotAllowed, "The path has other methods; `Allow` names them."},
		{CauseMediaType, http.StatusUnsupportedMediaType, "The body is neither application/json nor multipart/form-data, or is encoded."},
		{CauseBodyTooLarge, http.StatusRequestEntityTooLarge, "The body exceeds `gateway.max_body`."},
		{CauseBodyTimeout, http.StatusRequestTimeout, "The body did not arrive within `gateway.body_timeout`."},
		{CauseBodyIncomplete, http.StatusBadRequest, "The body ended early, or is not in the form of its type."},
		{CauseInvalidBase64, http.StatusBadRequest, "An image is not base64 with the standard alphabet, padded and without line breaks."},
		{CauseInvalidParameter, http.StatusBadRequest, "A header, a parameter or an id in the path is not in its form."},
		{CauseKeyReused, http.StatusUnprocessableEntity, "The `Idempotency-Key`, or the id, was used for a request with another content, which keeps its outcome."},
		{CauseRateLimited, http.StatusTooManyRequests, "The caller sends more than `gateway.callers.rate`; `Retry-After` says when to try again."},
		{CauseTooMany, http.StatusTooManyRequests, "The caller has `gateway.callers.in_flight` requests, `bytes` or `streams` at once."},
		{CauseUnavailable, http.StatusServiceUnavailable, "The broker, the store or the gateway takes nothing now. A request may have been taken all the same: repeat it with the same `Idempotency-Key`."},
		{CauseLate, http.StatusGatewayTimeout, "Through the interface of another system: the result did not arrive within `gateway.wait`. It will be at `/v1/requests/` and the problem's `request_id`."},
	}
}

// statuses are those of results that say that the request was refused. Other reasons with an error code are 422.
var statuses = map[schema.Reason]int{
	schema.ReasonInvalidRequest:       http.StatusBadRequest,
	schema.ReasonUnknownOperation:     http.StatusNotFound,
	schema.ReasonInvalidConfiguration: http.StatusBadRequest,
	schema.ReasonUnparsable:           http.StatusBadRequest,
	schema.ReasonBelowFloor:           http.StatusForbidden,
	schema.ReasonBucketNotAllowed:     http.StatusForbidden,
	schema.ReasonUnknownCollection:    http.StatusNotFound,
	schema.ReasonUnknownPUID:          http.StatusNotFound,
	schema.ReasonDeletedMeanwhile:     http.StatusConflict,
	schema.ReasonModelMismatch:        http.StatusConflict,
	schema.ReasonImageChanged:         http.StatusConflict,
	schema.ReasonImageTooLarge:        http.StatusRequestEntityTooLarge,
	schema.ReasonAudioTooLong:         http.StatusRequestEntityTooLarge,
	schema.ReasonInternal:             http.StatusInternalServerError,
}

// StatusOf returns the HTTP status of an answer with this cause; 200 for one that is no error.
func StatusOf(cause Cause) int {
	for _, i := range Causes() {
		if i.Cause == cause {
			return i.Status
		}
	}
	reason := schema.Reason(cause)
	if status, ok := statuses[reason]; ok {
		return status
	}
	if reason.Code() == schema.CodeNoError {
		return http.StatusOK
	}
	return http.StatusUnprocessableEntity
}

// Problem is an answer that says why a request was not done, as RFC 9457 describes it.
type Problem struct {
	Type      string           `json:"type" jsonschema:"description=urn:facestream:problem: and the reason"`
	Title     string           `json:"title"`
	Status    int              `json:"status" jsonschema:"minimum=400,maximum=599"`
	Detail    string           `json:"detail,omitempty"`
	Reason    Cause            `json:"reason" jsonschema:"description=The stable cause"`
	Problems  []FieldProblem   `json:"problems,omitempty" jsonschema:"description=What is wrong field by field"`
	RequestID schema.RequestID `json:"request_id,omitempty"`
	Result    json.RawMessage  `json:"result,omitempty" jsonschema:"description=The result of a request that was carried out and refused"`

	retryAfter time.Duration
	allow      string
	close      bool // the connection is of no use any more
}

// FieldProblem is what is wrong with one field of a request.
type FieldProblem struct {
	Field   string        `json:"field"`
	Message string        `json:"message"`
	Reason  schema.Reason `json:"reason"`
}

// Error implements error.
func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Reason, p.Detail) }

// Refuse returns the answer with this cause.
func Refuse(cause Cause, format string, args ...any) *Problem { return problem(cause, format, args...) }

// problem makes the answer with this cause.
func problem(cause Cause, format string, args ...any) *Problem {
	status := StatusOf(cause)
	return &Problem{Type: "urn:facestream:problem:" + string(cause), Title: http.StatusText(status), Status: status, Reason: cause, Detail: fmt.Sprintf(format, args...)}
}

// problemOf explains the problems of a request.
func problemOf(ps schema.Problems) *Problem {
	p := problem(Cause(ps.Reason()), "%s", ps.Error())
	for _, x := range ps[:min(len(ps), schema.MaxProblems)] {
		p.Problems = append(p.Problems, FieldProblem{x.Field, x.Message, x.Reason})
	}
	return p
}

// headers sets those that an answer with p has in any form.
func (p *Problem) headers(h http.Header) {
	switch p.Reason {
	case CauseUnauthenticated:
		h.Set("WWW-Authenticate", `Bearer realm="facestream"`)
	case CauseForbidden:
		h.Set("WWW-Authenticate", `Bearer realm="facestream", error="insufficient_scope"`)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.close {
		h.Set("Connection", "close")
	}
}

// write answers with p.
func (p *Problem) write(w http.ResponseWriter) {
	p.headers(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	data, err := json.Marshal(p)
	if err != nil { // a result that is no JSON
		p.Result = nil
		data, _ = json.Marshal(p)
	}
	_, _ = w.Write(append(data, '\n'))
}

// Package perse answers as Perse's API does, over the gateway's own: detect, compare, enrolments, and the comparison of voices. What its
// documents leave open is as in its published clients. docs/compatibility.md has its endpoints and fields, each with its test.
//
// An enrolment's user_token is the puid of a person in the collection [Collection]. Consent is required and kept with the enrolment.
package perse

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// Collection is where enrolments are.
const Collection = schema.Collection("perse")

const (
	imageFile  = "image_file"
	imageFile1 = "image_file1"
	imageFile2 = "image_file2"
	audioFile1 = "audio_file1"
	audioFile2 = "audio_file2"
	userToken  = "user_token"
	consent    = "client_declaration_enduser_consent"
)

// Paths are those of the API.
func Paths() []api.Path {
	return []api.Path{
		path("/v0/face/detect", map[string]func(*api.Call) *api.Problem{http.MethodPost: detect}),
		path("/v0/face/compare", map[string]func(*api.Call) *api.Problem{http.MethodPost: compare}),
		path("/v0/face/enrollment", map[string]func(*api.Call) *api.Problem{http.MethodPost: create, http.MethodPut: update}),
		path("/v0/face/enrollment/list", map[string]func(*api.Call) *api.Problem{http.MethodGet: list}),
		path("/v0/face/enrollment/{user_token}", map[string]func(*api.Call) *api.Problem{http.MethodDelete: remove}),
		path("/v0/voice/compare", map[string]func(*api.Call) *api.Problem{http.MethodPost: voices}),
	}
}

func path(at string, methods map[string]func(*api.Call) *api.Problem) api.Path {
	return api.Path{Path: at, Methods: methods, Fail: fail, Bare: true}
}

// Error is the body of an answer that is none of success. Code is one of Perse's where it has one, else the gateway's.
type Error struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// codes are Perse's names of what the gateway calls otherwise.
var codes = map[api.Cause]string{
	api.CauseUnauthenticated:                "unauthorized",
	api.CauseForbidden:                      "unauthorized",
	api.CauseMediaType:                      "content_type_header_missing",
	api.CauseBodyTooLarge:                   "file_too_large",
	api.Cause(schema.ReasonImageTooLarge):   "file_too_large",
	api.Cause(schema.ReasonImageUnreadable): "invalid_file_type",
	api.Cause(schema.ReasonAudioUnreadable): "invalid_file_type",
	api.Cause(schema.ReasonNoFace):          "no_face_detected",
	missing:                                 "form_key_missing",
}

// missing is the cause of a form that lacks a field.
const missing = api.Cause("form_key_missing")

// fail answers with a problem by the statuses that Perse has: 400, 401, 415 and 422, and those of a server in need (429, 5xx).
func fail(w http.ResponseWriter, p *api.Problem) {
	e := Error{p.Status, string(p.Reason), p.Detail}
	if code, ok := codes[p.Reason]; ok {
		e.Code = code
	}
	switch {
	case p.Status == http.StatusForbidden:
		e.Status = http.StatusUnauthorized
	case p.Status == http.StatusUnauthorized, p.Status == http.StatusUnsupportedMediaType, p.Status == http.StatusUnprocessableEntity,
		p.Status == http.StatusTooManyRequests, p.Status >= http.StatusInternalServerError:
	default:
		e.Status = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(e)
}

// refused is the problem of a result that says that it was refused; nil if it was not.
func refused(r *schema.Result) *api.Problem {
	if r.CallStatus.Reason == "" || r.CallStatus.Reason == schema.ReasonNoMatch {
		return nil
	}
	p := api.Refuse(api.Cause(r.CallStatus.Reason), "%s", r.CallStatus.ReturnMessage)
	switch r.CallStatus.Reason {
	case schema.ReasonImageUnreadable, schema.ReasonAudioUnreadable: // the content type or encoding is not valid
		p.Status = http.StatusUnsupportedMediaType
	default:
		if p.Status < http.StatusBadRequest { // no face, and what else Perse calls one that was not found
			p.Status = http.StatusUnprocessableEntity
		}
	}
	return p
}

// form reads the fields of a form, of which files have to be there. Consent has to be given.
func form(c *api.Call, files, texts []string) (map[string][]byte, *api.Problem) {
	found, refused := c.Form(files, append(texts, consent))
	if refused != nil {
		return nil, refused
	}
	given, err := strconv.ParseBool(strings.TrimSpace(string(found[consent])))
	if err != nil || !given {
		return nil, lacking("%s must be true: the person has to consent", consent)
	}
	return found, nil
}

// lacking says what a form lacks.
func lacking(format string, args ...any) *api.Problem {
	p := api.Refuse(missing, format, args...)
	p.Status = http.StatusBadRequest
	return p
}

// need reports which of the fields is missing.
func need(found map[string][]byte, names ...string) *api.Problem {
	for _, name := range names {
		if len(found[name]) == 0 {
			return lacking("%s is missing", name)
		}
	}
	return nil
}

// config is the configuration of a request.
func config(keys map[string]any) json.RawMessage {
	data, err := json.Marshal(keys)
	if err != nil {
		panic(err) // numbers and texts
	}
	return data
}

func taken(c *api.Call) float64 { return time.Since(c.Began).Seconds() }

// declared is the consent that the form declares.
func declared(c *api.Call) *schema.Consent {
	at := c.Began.UTC()
	return &schema.Consent{Given: true, At: &at}
}

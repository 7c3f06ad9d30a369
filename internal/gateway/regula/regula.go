// Package regula answers as the Regula Face SDK Web API 6.4 does, over the gateway's own: match, detect, search, persons, groups, and the
// read-back of liveness. docs/compatibility.md has its endpoints and fields, each with its test.
//
// Persons and groups are in the collection [Collection]. The id of a person is a puid, that of a group a group's, and that of an image the
// guid of its row. Pictures are files that exist already, so they are taken as the preset "portrait" takes them, and liveness is not asked for
// unless the operator demands it; it has an endpoint of its own.
package regula

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// Collection is where persons and groups are.
const Collection = schema.Collection("regula")

// Code is a FaceSDKResultCode.
type Code int

// The result codes that have a cause here, with the names and numbers of the API.
const (
	OK                  Code = 0   // FACER_OK
	ImageEmpty          Code = 1   // FR_IMAGE_EMPTY
	FaceNotDetected     Code = 2   // FR_FACE_NOT_DETECTED
	ImageDecodeError    Code = 6   // FR_IMAGE_DECODE_ERROR
	InternalError       Code = 7   // FR_INTERNAL_ERROR
	ConfigError         Code = 199 // FACER_CONFIG_ERROR
	LessThanTwoImages   Code = 224 // FACER_LESS_THAN_TWO_IMAGES_IN_REQUEST
	TooManyImages       Code = 238 // FACER_IMAGES_COUNT_LIMIT_EXCEEDED
	FailedLiveness      Code = 251 // FACER_FAILED_LIVENESS_TRANSACTION
	GeneralError        Code = 253 // FACER_GENERAL_ERROR
	PassiveLivenessFail Code = 254 // FACER_PASSIVE_LIVENESS_FAIL
)

// Paths are those of the API.
func Paths() []api.Path {
	const person, group = "/api/persons/{person}", "/api/groups/{group}"
	return []api.Path{
		path("/api/match", methods{http.MethodPost: match}),
		path("/api/match_and_search", methods{http.MethodPost: matchAndSearch}),
		path("/api/detect", methods{http.MethodPost: detect}),
		path("/api/search", methods{http.MethodPost: search}),
		path("/api/persons", methods{http.MethodPost: createPerson}),
		path(person, methods{http.MethodGet: getPerson, http.MethodPut: updatePerson, http.MethodDelete: deletePerson}),
		path(person+"/groups", methods{http.MethodGet: groupsOfPerson}),
		path(person+"/images", methods{http.MethodGet: listImages, http.MethodPost: addImage}),
		path(person+"/images/{image}", methods{http.MethodGet: getImage, http.MethodDelete: unsupported("one image of a person cannot be deleted; delete the person")}),
		path("/api/groups", methods{http.MethodGet: listGroups, http.MethodPost: createGroup}),
		path(group, methods{http.MethodGet: getGroup, http.MethodPut: updateGroup, http.MethodDelete: deleteGroup}),
		path(group+"/persons", methods{http.MethodGet: personsOfGroup, http.MethodPut: moveInGroup}),
		path("/api/v2/liveness", methods{http.MethodGet: liveness, http.MethodDelete: unsupported("results are kept as long as gateway.remember says")}),
		path("/api/v2/liveness/portrait", methods{http.MethodGet: livenessPortrait}),
		path("/api/v2/liveness/video", methods{http.MethodGet: unsupported("liveness is judged by pictures; there is no video")}),
		path("/api/v2/liveness/metadata", methods{http.MethodGet: unsupported("no metadata of a session is kept")}),
		open("/api/healthz"), open("/api/readiness"), open("/api/readyz"),
	}
}

type methods map[string]func(*api.Call) *api.Problem

func path(at string, m methods) api.Path {
	for method, do := range m {
		m[method] = func(c *api.Call) *api.Problem {
			if id := c.Request.Header.Get(requestID); len(id) > 0 && len(id) <= 256 {
				c.Header().Set(requestID, id)
			}
			return do(c)
		}
	}
	return api.Path{Path: at, Methods: m, Fail: fail, Bare: true}
}

const requestID = "X-RequestID"

// open is a path that says that the gateway answers. There is no licence to check.
func open(at string) api.Path {
	p := path(at, methods{http.MethodGet: func(c *api.Call) *api.Problem {
		return c.Answer(http.StatusOK, Health{App: "facestream"})
	}})
	p.Open = true
	return p
}

// Health is the answer to the checks of health.
type Health struct {
	App        string  `json:"app"`
	ID         *string `json:"licenseId"`
	Serial     *string `json:"licenseSerial"`
	ValidUntil *string `json:"licenseValidUntil"`
	Version    *string `json:"version"`
}

// Failure is the body of an answer that is none of success.
type Failure struct {
	StatusCode int    `json:"statusCode"`
	Type       string `json:"type"`
	Msg        string `json:"msg"`
}

// fail answers with a problem. What is wrong with a request is 400, as there.
func fail(w http.ResponseWriter, p *api.Problem) {
	f := Failure{p.Status, string(p.Reason), p.Detail}
	switch {
	case p.Status == http.StatusUnauthorized, p.Status == http.StatusForbidden, p.Status == http.StatusNotFound, p.Status == http.StatusMethodNotAllowed,
		p.Status == http.StatusTooManyRequests, p.Status >= http.StatusInternalServerError:
	default:
		f.StatusCode = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.StatusCode)
	_ = json.NewEncoder(w).Encode(f)
}

// unsupported answers what the API has and this system does not do.
func unsupported(why string) func(*api.Call) *api.Problem {
	return func(*api.Call) *api.Problem {
		return api.Refuse(api.Cause(schema.ReasonOperationUnavailable), "%s", why)
	}
}

// refused is the problem of a result that says that it was refused; nil if it was not.
func refused(r *schema.Result) *api.Problem {
	if r.CallStatus.Reason == "" || r.CallStatus.Reason == schema.ReasonNoMatch {
		return nil
	}
	p := api.Refuse(api.Cause(r.CallStatus.Reason), "%s", r.CallStatus.ReturnMessage)
	switch {
	case r.CallStatus.Reason == schema.ReasonUnknownGroup, r.CallStatus.Reason == schema.ReasonUnknownPUID, r.CallStatus.Reason == schema.ReasonUnknownCollection:
		p.Status = http.StatusNotFound
	case p.Status < http.StatusBadRequest: // no face, and the like
		p.Status = http.StatusBadRequest
	}
	return p
}

// ask carries out a request that must not be refused.
func ask(c *api.Call, req schema.Request, images ...[]byte) (*schema.Result, *api.Problem) {
	r, refusal := c.Do(req, images...)
	if refusal == nil {
		refusal = refused(r)
	}
	return r, refusal
}

// codeOf is the code of a result that was refused because of its images; others are problems.
func codeOf(r *schema.Result) (Code, *api.Problem) {
	switch r.CallStatus.Reason {
	case "", schema.ReasonNoMatch:
		return OK, nil
	case schema.ReasonNoFace:
		return FaceNotDetected, nil
	case schema.ReasonImageUnreadable, schema.ReasonImageTooLarge:
		return ImageDecodeError, nil
	case schema.ReasonInternal:
		return InternalError, nil
	}
	return OK, refused(r)
}

// config is the configuration of a request about pictures that exist already, with further keys.
func config(keys map[string]any) json.RawMessage {
	all := map[string]any{"capture": "portrait", "anti_spoofing_mode": 0, "refuse_occlusion": "never",
		"allowed_face_traits_flags": int64(schema.AllFaceTraits), "face_detection_strategy": largest}
	for k, v := range keys {
		all[k] = v
	}
	data, err := json.Marshal(all)
	if err != nil {
		panic(err) // numbers and texts
	}
	return data
}

// The values of face_detection_strategy.
const (
	every   = 0
	largest = 2
)

// invalid says what is wrong with a request.
func invalid(format string, args ...any) *api.Problem {
	return api.Refuse(api.Cause(schema.ReasonInvalidRequest), format, args...)
}

// stamp is a time as answers have it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// number reads a parameter of the query, of at least 1.
func number(c *api.Call, name string, otherwise int) (int, *api.Problem) {
	text := c.Request.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, invalid("%s is a number from 1 to 1000000", name)
	}
	return n, nil
}

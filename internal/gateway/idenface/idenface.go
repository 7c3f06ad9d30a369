// Package idenface answers as iDenFace's API does, over the gateway's own: enrolment and verification of cards and selfies, comparison,
// validation of a photograph, and images by id. docs/compatibility.md has its endpoints and fields, each with its test.
//
// A user_id is an external id: of a person in [Cards], whose images are cards, or in [Selfies]. The image_id n belongs to the request
// idenface-n, so that no numbers have to be kept.
package idenface

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// The collections of those who were enrolled with a card and with a selfie.
const (
	Cards   = schema.Collection("idenface-cards")
	Selfies = schema.Collection("idenface-selfies")
)

// Paths are those of the API.
func Paths() []api.Path {
	var paths []api.Path
	for name, do := range map[string]func(*api.Call) *api.Problem{
		"generate_token": generateToken, "retrieve_pubky": retrieveKey,
		"self_card_enroll": reading(enroll(Cards)), "self_card_verify": reading(verify(Cards)),
		"self_self_enroll": reading(enroll(Selfies)), "self_self_verify": reading(verify(Selfies)),
		"photo_detect": reading(detect), "photo_compare": reading(compare), "find_image": reading(findImage),
	} {
		paths = append(paths, api.Path{Path: "/api/controller/" + name, Methods: map[string]func(*api.Call) *api.Problem{http.MethodPost: do}, Fail: fail})
	}
	return paths
}

// Answer is the frame of every answer.
type Answer struct {
	TransactionID string `json:"transaction_id,omitempty"`
	Transaction   int    `json:"transaction_status,omitempty"` // 2: it ended
	ChannelID     string `json:"channel_id,omitempty"`
	Body          any    `json:"responseBody"`
	Status        string `json:"status"` // OK, FAILED
}

// Outcome is the body of an answer about faces. The controller's status is IDFCTR_0000, or IDFCTR_0001 where something did not succeed; what,
// is said by the status of a part, F11_… or LIV_….
type Outcome struct {
	Status    string    `json:"status"`
	Message   string    `json:"message"`
	FaceID    *int64    `json:"face_id,omitempty"`
	FeatureID *int64    `json:"face_feature_id,omitempty"`
	ImageID   *int64    `json:"image_id,omitempty"`
	PK        int       `json:"pk"`
	Liveness  *Liveness `json:"face_liveness_response,omitempty"`
	Extract   *Part     `json:"feature_extract_response,omitempty"` // of a card
	Detect    *Part     `json:"face_extract_response,omitempty"`    // of a selfie
	Verify    *Part     `json:"face_verify_response,omitempty"`
	Compare   *Part     `json:"face_compare_response,omitempty"`
	ImageInfo string    `json:"image_info,omitempty"`
}

// Part is the outcome of one step.
type Part struct {
	Status  string  `json:"status"`
	Message string  `json:"message"`
	Reason  *string `json:"reason"` // ours; null on success
	Result  *Face   `json:"result"`
}

// Face is what a step found. A face's vector is never given: it is biometric, and no client needs it.
type Face struct {
	Adapter    string      `json:"adapter"`
	Pipeline   string      `json:"pipeline"`
	Box        *[4]int     `json:"face_bbox,omitempty"` // left, top, right, bottom, in pixels of the upright image
	Angles     *[3]float32 `json:"face_side_angles,omitempty"`
	Box1       *[4]int     `json:"face_1_bbox,omitempty"`
	Angles1    *[3]float32 `json:"face_1_side_angles,omitempty"`
	Box2       *[4]int     `json:"face_2_bbox,omitempty"`
	Angles2    *[3]float32 `json:"face_2_side_angles,omitempty"`
	Original   *float32    `json:"original_score,omitempty"`   // the cosine
	Normalized *float32    `json:"normalized_score,omitempty"` // 0..1; 0.5 where faces match
}

// Liveness is the outcome of the check of liveness.
type Liveness struct {
	Status  string         `json:"status"`
	Message string         `json:"message"`
	Reason  *string        `json:"reason"`
	Result  *LivenessScore `json:"result"`
}

// LivenessScore has the probability of a live person, and its logarithmic odds as score.
type LivenessScore struct {
	Score       float64  `json:"score"`
	Probability float32  `json:"probability"`
	Quality     *float32 `json:"quality"` // 0..1; null: it is not measured here
	ErrorCode   *string  `json:"error_code"`
	Error       *string  `json:"error"`
}

const (
	done         = 2
	success      = "IDFCTR_0000"
	failed       = "IDFCTR_0001"
	badInput     = "F11_0204" // INPUT_VALIDATE_FAILED
	badImage     = "F11_0200" // READ_IMAGE_FAILED
	badBase64    = "F11_0205" // BASE64_DECODE_FAILED
	leftAngle    = "F11_0307" // FACE_LEFT_ANGLE_INVALID
	rightAngle   = "F11_0308" // FACE_RIGHT_ANGLE_INVALID
	angleDiffers = "F11_0309" // FACE_ANGLE_DIFFERENCE_INVALID
	notExtracted = "F11_0400" // FEATURE_EXTRACT_FAILED
	f11OK        = "F11_0000"
	livenessOK   = "LIV_0000"
	internal     = "F11_0001" // INTERNAL_SERVER_ERROR
)

// fail answers with a problem of the request as a whole, before or beside any face.
func fail(w http.ResponseWriter, p *api.Problem) {
	code, status := badInput, p.Status
	switch {
	case p.Reason == api.CauseInvalidBase64:
		code, status = badBase64, http.StatusOK
	case p.Status >= http.StatusInternalServerError:
		code = internal
	case p.Status == http.StatusBadRequest:
		status = http.StatusUnprocessableEntity
	}
	reason := string(p.Reason)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Answer{Status: "FAILED", Body: Outcome{Status: failed, Message: p.Detail, Extract: &Part{Status: code, Message: p.Detail, Reason: &reason}}})
}

// picture decodes an image: base64 with the URL alphabet, as the documents say, or the standard one, padded or not.
func picture(text string) ([]byte, *api.Problem) {
	plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	data, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil || len(data) == 0 {
		return nil, api.Refuse(api.CauseInvalidBase64, "image_info is not an image in base64")
	}
	return data, nil
}

func invalid(format string, args ...any) *api.Problem {
	return api.Refuse(api.Cause(schema.ReasonInvalidRequest), format, args...)
}

// newImage is a number that nobody has: 52 bits, which every JSON reader keeps exactly.
func newImage() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:])>>12) | 1<<51
}

func requestOf(image int64) schema.RequestID {
	return schema.RequestID("idenface-" + strconv.FormatInt(image, 10))
}

// numberOf stands for an id: 52 bits of its hash.
func numberOf(id string) *int64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	n := int64(h.Sum64() >> 12)
	return &n
}

// transaction is the id that the caller gave, or a new one.
func transaction(given string) string {
	if given != "" {
		return given
	}
	return uuid.NewString()
}

// tokenLife is how long a token from generate_token is taken.
const tokenLife = time.Hour

// generateToken gives a caller who is known by a key or token another token, for some features.
func generateToken(c *api.Call) *api.Problem {
	var req struct {
		Encryptor    bool   `json:"enableEncryptor"`
		Face11       bool   `json:"enableFace11"`
		FaceManager  bool   `json:"enableFaceManager"`
		ImageManager bool   `json:"enableImageManager"`
		Liveness     bool   `json:"enableLiveness"`
		Subject      string `json:"subject"`
	}
	if refusal := c.JSON(&req); refusal != nil {
		return refusal
	}
	if req.Subject == "" {
		return invalid("subject is missing")
	}
	var operations []schema.Operation
	if req.Face11 || req.Liveness {
		operations = append(operations, schema.OpValidate)
	}
	if req.Face11 {
		operations = append(operations, schema.OpEnroll, schema.OpVerify, schema.OpCompare)
	}
	if req.FaceManager {
		operations = append(operations, schema.OpUserList, schema.OpUserUpdate, schema.OpUserDelete)
	}
	token, refusal := c.Token(req.Subject, tokenLife, operations...)
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, Answer{Status: "OK", Body: map[string]string{"jwt": token}})
}

func retrieveKey(*api.Call) *api.Problem {
	return api.Refuse(api.Cause(schema.ReasonOperationUnavailable), "images are not taken encrypted; TLS protects them on their way")
}

// shrunk is the longest side of a shrunk image, in pixels.
const shrunk = 320

// findImage answers with an image. The documents' snippets that validate a photograph and compare two call it, too.
func findImage(c *api.Call, req Request) *api.Problem {
	switch {
	case req.First != nil || req.Second != nil:
		return compare(c, req)
	case req.Image != "":
		return detect(c, req)
	}
	r, refusal := c.Result(requestOf(req.ImageID))
	if refusal != nil {
		return refusal
	}
	if len(r.Images) == 0 {
		return api.Refuse(api.CauseNotFound, "there is no such image")
	}
	content, refusal := c.Object(r.Images[0])
	if refusal == nil && req.Shrunk {
		content, refusal = c.Shrunk(content, shrunk)
	}
	if refusal != nil {
		return refusal
	}
	out := Outcome{Status: success, Message: "Operation successful.", ImageInfo: base64.URLEncoding.EncodeToString(content)}
	if r.Enroll != nil && r.Enroll.Response != nil {
		out.FaceID, out.FeatureID = numberOf(string(r.Enroll.Response.PUID)), numberOf(r.Enroll.Response.GUID)
	}
	return c.Answer(http.StatusOK, Answer{ChannelID: req.ChannelID, Status: "OK", Body: out})
}

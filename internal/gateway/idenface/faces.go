package idenface

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// Request is what the endpoints about faces take.
type Request struct {
	TransactionID string            `json:"transaction_id"`
	UserID        schema.ExternalID `json:"user_id"`
	ChannelID     string            `json:"channel_id"`
	UserName      schema.Personal   `json:"user_name"`
	Parameter     Parameter         `json:"parameter"`
	Image         string            `json:"image_info"` // base64
	Category      string            `json:"category"`
	Type          string            `json:"type"`
	Meta          Meta              `json:"meta"`
	First         *ComparedImage    `json:"image_info1"` // of photo_compare
	Second        *ComparedImage    `json:"image_info2"`
	ImageID       int64             `json:"image_id"` // of find_image
	Shrunk        bool              `json:"shrunk_image"`
}

// ComparedImage is one of two images that are compared.
type ComparedImage struct {
	Data     []string `json:"data"` // one, in base64
	Category string   `json:"category"`
	Type     string   `json:"type"`
	Meta     Meta     `json:"meta"`
}

// Meta describes a picture. Only Cropped has an effect: 1 says that a card's picture is its photograph alone.
type Meta struct {
	OS           string `json:"os"`
	Manufacturer string `json:"manufacturer"`
	Model        string `json:"model"`
	Cropped      int    `json:"cropped"`
}

// Parameter says what is asked of a face. What is absent is not asked for, and thresholds then are the model pack's.
type Parameter struct {
	Turning     *bool     `json:"angle_calibration"`
	Occlusion   *bool     `json:"occlusion"`
	Difference  *float32  `json:"face_angle_difference"` // degrees, at most
	Left        []float32 `json:"face_left_angle_range"` // degrees, both ends
	Right       []float32 `json:"face_right_angle_range"`
	Liveness    bool      `json:"liveness"`
	LiveFrom    *float64  `json:"liveness_threshold"` // of the probability up to 1, of the score above
	Calibration string    `json:"liveness_calibration"`
	Pipeline    string    `json:"liveness_pipeline"`
	SimilarFrom *float32  `json:"similarity_threshold"` // of the normalized score
	URLSafe     *bool     `json:"use_urlsafe_base64"`   // both alphabets are taken
}

// check says what is wrong with the parameters.
func (p Parameter) check() *api.Problem {
	for name, r := range map[string][]float32{"face_left_angle_range": p.Left, "face_right_angle_range": p.Right} {
		if len(r) != 0 && len(r) != 2 {
			return invalid("%s has two ends", name)
		}
	}
	return nil
}

// probability is the least one of a live person; 0 where none is given.
func (p Parameter) probability() float32 {
	switch {
	case p.LiveFrom == nil:
		return 0
	case *p.LiveFrom > 1:
		return float32(1 / (1 + math.Exp(-*p.LiveFrom)))
	}
	return float32(*p.LiveFrom)
}

// occluded are the traits that occlusion is about.
const occluded = schema.CoveredFaceTraits | schema.FTFaceWithMask

// config is the configuration of a request. card says that the image shows a card; whole, that it shows all of it.
func (p Parameter) config(op schema.Operation, card, whole bool) json.RawMessage {
	keys := map[string]any{"capture": "idenface", "anti_spoofing_mode": 0}
	if card { // what is printed on it cannot be taken again
		keys["capture"], keys["face_validations_off"] = "portrait", true
	}
	if whole {
		keys["face_detection_strategy"], keys["doc_validations_off"] = 2, true // nothing is asked of how the card lies
		switch op {
		case schema.OpValidate:
			keys["context_string"] = "document"
		default:
			keys["document_images"] = "first"
		}
	}
	if p.Turning != nil {
		keys["automatic_turning"] = *p.Turning
	}
	allowed := schema.FTFaceWithGlass // of which the documents ask nothing
	if p.Occlusion != nil {
		keys["refuse_occlusion"] = "always"
		if !*p.Occlusion {
			keys["refuse_occlusion"], allowed = "never", allowed|occluded
		}
	}
	keys["allowed_face_traits_flags"] = int64(allowed)
	if p.Liveness && !card {
		keys["anti_spoofing_mode"] = 1
		if p.Calibration != "" {
			keys["liveness_calibration"] = p.Calibration
		}
	}
	data, err := json.Marshal(keys)
	if err != nil {
		panic(err) // numbers and texts
	}
	return data
}

// judge holds the faces of a result against the parameters. It returns the code of what does not hold, "" if all does, and why.
func judge(r *schema.Result, p Parameter) (code, why string) {
	switch reason := r.CallStatus.Reason; reason {
	case "", schema.ReasonNoMatch, schema.ReasonSpoofDetected, schema.ReasonLivenessUnknown:
	case schema.ReasonImageUnreadable, schema.ReasonImageTooLarge, schema.ReasonImageChanged:
		return badImage, string(reason)
	case schema.ReasonInternal:
		return internal, string(reason)
	default:
		traits := schema.FaceTraits(0)
		for _, f := range r.Faces {
			traits |= f.Traits
		}
		if named := schema.IDenFaceCode(reason, traits); named != "" {
			return strings.Fields(named)[0], string(reason)
		}
		return notExtracted, string(reason)
	}
	if len(r.Faces) == 0 {
		return "F11_0300", string(schema.ReasonNoFace)
	}
	for _, f := range r.Faces {
		angles := sides(f.Geometry)
		outside := func(angle float32, allowed []float32) bool {
			return len(allowed) == 2 && (angle < allowed[0] || angle > allowed[1])
		}
		switch {
		case angles == nil:
		case outside(angles[0], p.Left):
			return leftAngle, "face_left_angle_range"
		case outside(angles[1], p.Right):
			return rightAngle, "face_right_angle_range"
		case p.Difference != nil && angles[2] > *p.Difference:
			return angleDiffers, "face_angle_difference"
		}
	}
	return "", ""
}

// sides are the angles at the eyes of the triangle of the eyes and the tip of the nose, left and right in the image, and their difference, in
// degrees: about 45 for a frontal face, and less at the side that it is turned away from. nil where the points are not known.
func sides(g schema.FaceGeometry) *[3]float32 {
	if len(g.Landmarks) < 3 {
		return nil
	}
	left, right, nose := g.Landmarks[0], g.Landmarks[1], g.Landmarks[2]
	at := func(eye, other schema.PointF) float32 {
		ax, ay, bx, by := float64(other.X-eye.X), float64(other.Y-eye.Y), float64(nose.X-eye.X), float64(nose.Y-eye.Y)
		return float32(math.Abs(math.Atan2(ax*by-ay*bx, ax*bx+ay*by)) * 180 / math.Pi)
	}
	l, r := at(left, right), at(right, left)
	return &[3]float32{l, r, float32(math.Abs(float64(l - r)))}
}

func box(g schema.FaceGeometry) *[4]int {
	b := g.InPicture().Pixels()
	return &[4]int{b.Min.X, b.Min.Y, b.Max.X, b.Max.Y}
}

// face is what a step says of the first face.
func face(r *schema.Result) *Face {
	f := &Face{Adapter: "facestream", Pipeline: pipeline(r)}
	if len(r.Faces) > 0 {
		f.Box, f.Angles = box(r.Faces[0].Geometry), sides(r.Faces[0].Geometry)
	}
	return f
}

// pipeline names the embedding model.
func pipeline(r *schema.Result) string {
	for _, m := range r.Models {
		if m.Role == "embedding" {
			return string(m.ID)
		}
	}
	return ""
}

// part is the outcome of a step.
func part(r *schema.Result, code, why, fine string) *Part {
	if code != "" {
		message := r.CallStatus.ReturnMessage
		if message == "" || message == "ok" {
			message = "the picture does not meet " + why
		}
		return &Part{Status: code, Message: message, Reason: &why}
	}
	return &Part{Status: f11OK, Message: fine, Result: face(r)}
}

// alive is the outcome of liveness of the first face, and whether it holds; nil where it was not asked for.
func alive(r *schema.Result, p Parameter) (*Liveness, bool) {
	if !p.Liveness {
		return nil, true
	}
	if len(r.Faces) == 0 || r.Faces[0].Liveness == nil || r.Faces[0].Liveness.Score == nil {
		why := string(schema.ReasonLivenessUnknown)
		code := "LIV_0310" // ANGLE_DETECT_FAILED_OR_FACE_IS_OCCLUDED: the nearest to what cannot be assessed
		if len(r.Faces) == 0 {
			code = "LIV_0300"
		}
		return &Liveness{Status: code, Message: "The liveness of the face cannot be assessed.", Reason: &why}, false
	}
	l := r.Faces[0].Liveness
	probability := float64(*l.Score)
	const most = 20
	score := max(-most, min(most, math.Log(probability/(1-probability))))
	out := &Liveness{Status: livenessOK, Message: "Operation Success.", Result: &LivenessScore{Score: score, Probability: *l.Score}}
	holds := r.Faces[0].SpoofStatus == schema.SpoofNone
	if p.LiveFrom != nil {
		holds = holds && *l.Score >= p.probability()
	}
	return out, holds
}

// reading reads the request that do answers.
func reading(do func(*api.Call, Request) *api.Problem) func(*api.Call) *api.Problem {
	return func(c *api.Call) *api.Problem {
		var req Request
		if refusal := c.JSON(&req); refusal != nil {
			return refusal
		}
		if refusal := req.Parameter.check(); refusal != nil {
			return refusal
		}
		return do(c, req)
	}
}

// answer sends the outcome.
func answer(c *api.Call, req Request, out Outcome, holds bool, message string) *api.Problem {
	a := Answer{TransactionID: transaction(req.TransactionID), Transaction: done, ChannelID: req.ChannelID, Status: "OK"}
	out.Status, out.Message = success, "Operation successful."
	if !holds {
		out.Status, out.Message, a.Status = failed, message, "FAILED"
	}
	a.Body = out
	return c.Answer(http.StatusOK, a)
}

const spoof = "The face was not taken for that of a live person."

// validated decodes the image of a user and looks at it.
func validated(c *api.Call, req Request, card, whole bool) (image []byte, r *schema.Result, refusal *api.Problem) {
	if image, refusal = picture(req.Image); refusal != nil {
		return nil, nil, refusal
	}
	if req.UserID == "" {
		return nil, nil, invalid("user_id is missing")
	}
	r, refusal = look(c, req, image, card, whole)
	return image, r, refusal
}

// look looks at an image before anything is changed or compared: liveness and the ranges of angles, which the stream does not have.
func look(c *api.Call, req Request, image []byte, card, whole bool) (*schema.Result, *api.Problem) {
	return c.Do(schema.Request{Operation: schema.OpValidate, Tag: req.TransactionID, Config: req.Parameter.config(schema.OpValidate, card, whole)}, image)
}

func detect(c *api.Call, req Request) *api.Problem {
	image, refusal := picture(req.Image)
	if refusal != nil {
		return refusal
	}
	r, refusal := look(c, req, image, false, false)
	if refusal != nil {
		return refusal
	}
	code, why := judge(r, req.Parameter)
	if code == "" { // validate refuses no face: its traits say what an enrolment would
		if code, why = traits(r, req.Parameter); code == "" && len(r.Faces) > 1 {
			code, why = "F11_0304", string(schema.ReasonSeveralFaces)
		}
	}
	out := Outcome{Detect: part(r, code, why, "Success to extract feature from the uploaded image.")}
	live, holds := alive(r, req.Parameter)
	out.Liveness = live
	return answer(c, req, out, code == "" && holds, message(out.Detect, holds))
}

// traits is the code of a face's traits that an enrolment would not allow.
func traits(r *schema.Result, p Parameter) (code, why string) {
	for _, f := range r.Faces {
		bits := f.Traits
		if p.Occlusion != nil && !*p.Occlusion {
			bits &^= occluded
		}
		if named := schema.IDenFaceCode(schema.ReasonFaceRejected, bits); named != "" {
			return strings.Fields(named)[0], string(schema.ReasonFaceRejected)
		}
	}
	return "", ""
}

// message says what did not hold.
func message(p *Part, live bool) string {
	switch {
	case p != nil && p.Status != f11OK:
		return p.Message
	case !live:
		return spoof
	}
	return ""
}

func enroll(into schema.Collection) func(*api.Call, Request) *api.Problem {
	card := into == Cards
	return func(c *api.Call, req Request) *api.Problem {
		whole := card && req.Meta.Cropped == 0
		image, seen, refusal := validated(c, req, card, whole)
		if refusal != nil {
			return refusal
		}
		out := Outcome{}
		extracted := &out.Detect // the documents' name of it for a selfie
		if card {
			extracted, req.Parameter.Liveness = &out.Extract, false // what is printed does not live
		}
		live, holds := alive(seen, req.Parameter)
		out.Liveness = live
		if code, why := judge(seen, req.Parameter); code != "" || !holds {
			if code != "" {
				*extracted = part(seen, code, why, "")
			}
			return answer(c, req, out, false, message(*extracted, holds))
		}
		id := newImage()
		fields := &schema.PersonFields{}
		if req.UserName != "" {
			fields.Name = &req.UserName
		}
		r, refusal := c.Do(schema.Request{ID: requestOf(id), Operation: schema.OpEnroll, Collection: into, ExternalID: req.UserID, Tag: req.TransactionID, Fields: fields,
			Config: req.Parameter.config(schema.OpEnroll, card, whole)}, image)
		if refusal != nil {
			return refusal
		}
		code, why := judge(r, req.Parameter)
		if code == "" && (r.Enroll == nil || r.Enroll.Response == nil || !r.Enroll.EnrollPerformed) {
			code, why = notExtracted, string(r.CallStatus.Reason)
		}
		*extracted = part(r, code, why, "Success to extract feature from the uploaded image.")
		if code == "" {
			out.FaceID, out.FeatureID, out.ImageID = numberOf(string(r.Enroll.Response.PUID)), numberOf(r.Enroll.Response.GUID), &id
		}
		return answer(c, req, out, code == "", message(*extracted, true))
	}
}

func verify(with schema.Collection) func(*api.Call, Request) *api.Problem {
	return func(c *api.Call, req Request) *api.Problem {
		image, seen, refusal := validated(c, req, false, false)
		if refusal != nil {
			return refusal
		}
		out := Outcome{}
		live, holds := alive(seen, req.Parameter)
		out.Liveness = live
		if code, why := judge(seen, req.Parameter); code != "" || !holds {
			if code != "" {
				out.Verify = part(seen, code, why, "")
			}
			return answer(c, req, out, false, message(out.Verify, holds))
		}
		id := newImage()
		r, refusal := c.Do(schema.Request{ID: requestOf(id), Operation: schema.OpVerify, Collection: with, ExternalID: req.UserID, Tag: req.TransactionID,
			Config: req.Parameter.config(schema.OpVerify, false, false)}, image)
		if refusal != nil {
			return refusal
		}
		if reason := r.CallStatus.Reason; reason == schema.ReasonUnknownPUID || reason == schema.ReasonUnknownCollection {
			return api.Refuse(api.Cause(schema.ReasonUnknownPUID), "nobody is enrolled under this user_id")
		}
		code, why := judge(r, req.Parameter)
		if code == "" && r.Verify == nil {
			code, why = notExtracted, string(r.CallStatus.Reason)
		}
		out.Verify = part(r, code, why, "Success to perform verification.")
		if code != "" {
			return answer(c, req, out, false, message(out.Verify, true))
		}
		out.Verify.Result.Original, out.Verify.Result.Normalized = &r.Verify.Similarity, &r.Verify.Confidence
		out.FaceID, out.FeatureID, out.ImageID = numberOf(string(r.Verify.PUID)), numberOf(r.Verify.GUID), &id
		least := similar(req.Parameter)
		return answer(c, req, out, r.Verify.Confidence >= least, fmt.Sprintf("The normalized score is below %g.", least))
	}
}

// similar is the least normalized score: what the request asks, and never less than a match, so that no request is laxer than the operator's
// floors.
func similar(p Parameter) float32 {
	const match = 0.5
	if p.SimilarFrom != nil {
		return max(*p.SimilarFrom, match)
	}
	return match
}

func compare(c *api.Call, req Request) *api.Problem {
	var images [][]byte
	for _, one := range []*ComparedImage{req.First, req.Second} {
		if one == nil || len(one.Data) != 1 {
			return invalid("image_info1 and image_info2 have one image each, in data")
		}
		image, refusal := picture(one.Data[0])
		if refusal != nil {
			return refusal
		}
		images = append(images, image)
	}
	r, refusal := c.Do(schema.Request{Operation: schema.OpCompare, Tag: req.TransactionID, Config: req.Parameter.config(schema.OpCompare, true, false)}, images...)
	if refusal != nil {
		return refusal
	}
	code, why := judge(r, req.Parameter)
	if code == "" && (r.Compare == nil || len(r.Compare.Pairs) == 0) {
		code, why = "F11_0300", string(schema.ReasonNoFace)
	}
	out := Outcome{Compare: part(r, code, why, "Success to compare two uploaded faces.")}
	if code != "" {
		return answer(c, req, out, false, message(out.Compare, true))
	}
	best := r.Compare.Pairs[0]
	for _, p := range r.Compare.Pairs {
		if p.Similarity > best.Similarity {
			best = p
		}
	}
	a, b := r.Faces[best.FaceA].Geometry, r.Faces[best.FaceB].Geometry
	out.Compare.Result = &Face{Adapter: "facestream", Pipeline: pipeline(r), Box1: box(a), Angles1: sides(a), Box2: box(b), Angles2: sides(b), Original: &best.Similarity, Normalized: &best.Confidence}
	least := similar(req.Parameter)
	return answer(c, req, out, best.Confidence >= least, fmt.Sprintf("The normalized score is below %g.", least))
}

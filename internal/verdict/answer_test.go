package verdict

import (
	"errors"
	"strings"
	"testing"

	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// TestAnswer checks which jobs end without the gallery, with which reason, and which blocks their results have.
func TestAnswer(t *testing.T) {
	good := frontal()
	masked := frontal()
	masked.Mask = p(0.9)
	spoof := frontal()
	spoof.Liveness = &face.Liveness{Score: 0.1}
	unsure := frontal()
	unsure.Liveness = &face.Liveness{Unassessable: schema.UnassessableSmall, Why: "too near the border"}
	const gallery = "the gallery's"
	for _, tt := range []struct {
		op     schema.Operation
		sees   []*face.Observation
		reason string // gallery where the indexer answers
		blocks string
	}{
		{schema.OpValidate, nil, "no_face", ""},
		{schema.OpValidate, []*face.Observation{good}, "", ""},
		{schema.OpValidate, []*face.Observation{masked, spoof}, "", ""},
		{schema.OpAntiSpoofing, []*face.Observation{spoof}, "", ""},
		{schema.OpEstimateAge, nil, "no_face", ""},
		{schema.OpEnroll, nil, "no_face", "enroll"},
		{schema.OpEnroll, []*face.Observation{good}, gallery, ""},
		{schema.OpEnroll, []*face.Observation{good, good}, "several_faces", "enroll"},
		{schema.OpEnroll, []*face.Observation{masked}, "face_rejected", "enroll"},
		{schema.OpEnroll, []*face.Observation{spoof}, "spoof_detected", "enroll"},
		{schema.OpEnroll, []*face.Observation{unsure}, "liveness_unknown", "enroll"},
		{schema.OpPredict, []*face.Observation{good}, gallery, ""},
		{schema.OpPredict, []*face.Observation{masked}, gallery, ""}, // a mask fails an enrolment only
		{schema.OpPredict, nil, "no_face", "predict"},
		{schema.OpVerify, []*face.Observation{good}, gallery, ""},
		{schema.OpVerify, []*face.Observation{masked}, gallery, ""},
		{schema.OpVerify, []*face.Observation{spoof}, "spoof_detected", ""},
		{schema.OpFaceISO, []*face.Observation{good}, "", "iso_image"},
		{schema.OpFaceISO, []*face.Observation{good, good}, "several_faces", "iso_image"},
		{schema.OpUserDelete, nil, gallery, ""},
	} {
		c := newCase(t, tt.op, ``)
		found := Found{Faces: []schema.FaceResult{}}
		for _, o := range tt.sees {
			found.Faces = append(found.Faces, c.Face(o, 0, len(tt.sees)))
		}
		r := c.Answer(found)
		if (r == nil) != (tt.reason == gallery) {
			t.Errorf("%s of %d faces: answered %v", tt.op, len(tt.sees), r != nil)
		}
		if r == nil {
			continue
		}
		var blocks []string
		for name, there := range map[string]bool{"enroll": r.Enroll != nil, "predict": r.Predict != nil, "verify": r.Verify != nil,
			"compare": r.Compare != nil, "iso_image": r.ISOImage != nil, "user_delete": r.UserDelete != nil} {
			if there {
				blocks = append(blocks, name)
			}
		}
		if string(r.CallStatus.Reason) != tt.reason || strings.Join(blocks, " ") != tt.blocks || len(r.Faces) != len(tt.sees) || r.Faces == nil {
			t.Errorf("%s of %d faces: reason %q, blocks %v, %d faces; want %q, %q", tt.op, len(tt.sees), r.CallStatus.Reason, blocks, len(r.Faces), tt.reason, tt.blocks)
		}
		if refused := tt.reason != "" && tt.reason != "several_faces"; refused && r.Feedback == "" {
			t.Errorf("%s, %s: the result does not say what to do", tt.op, tt.reason)
		}
	}
	c := newCase(t, schema.OpFaceISO, ``)
	r := c.Answer(Found{Faces: []schema.FaceResult{c.Face(good, 0, 1)}, Unportrayed: schema.Permanent("test", schema.ReasonFaceRejected, errors.New("the eyes coincide"))})
	if r.CallStatus.Reason != schema.ReasonFaceRejected || r.ISOImage == nil || r.ISOImage.Success || len(r.Faces) != 1 {
		t.Errorf("a face without a portrait: %+v, %+v", r.CallStatus, r.ISOImage)
	}
}

// TestNewRefuses: a configuration that the pack cannot serve or that contradicts it is refused before any image is
// fetched.
func TestNewRefuses(t *testing.T) {
	bare := pack
	bare.Models = pack.Models[:2]
	for _, tt := range []struct {
		op     schema.Operation
		config string
		pack   Pack
		reason schema.Reason
		says   string
	}{
		{schema.OpEstimateAge, `{}`, bare, schema.ReasonRoleAbsent, "age"},
		{schema.OpAntiSpoofing, `{}`, bare, schema.ReasonRoleAbsent, "liveness"},
		{schema.OpEnroll, `{}`, bare, "", ""},
		{schema.OpCompare, `{"face_thresholds_min":0.8}`, pack, schema.ReasonInvalidConfiguration, "config.face_thresholds_min: is 0.8 and exceeds face_thresholds_med, which is 0.5, the model pack's"},
		{schema.OpValidate, `{"face_thresholds_min":0.8}`, pack, "", ""}, // it compares nothing
		{schema.OpValidate, `{"shoe_size":41}`, pack, schema.ReasonInvalidConfiguration, "config.shoe_size"},
	} {
		_, err := New(&schema.Job{Request: schema.Request{Operation: tt.op, Config: []byte(tt.config)}}, tt.pack)
		if schema.ReasonOf(err) != tt.reason || tt.says != "" && !strings.Contains(schema.MessageOf(err), tt.says) {
			t.Errorf("%s %s: %v, want %q", tt.op, tt.config, err, tt.reason)
		}
	}
}

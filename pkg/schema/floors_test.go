package schema

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestNoRequestUndercutsAFloor: what a request sets below a floor is refused by name, and what it does not set takes the
// floor's value.
func TestNoRequestUndercutsAFloor(t *testing.T) {
	for _, c := range []struct{ name, floors, config, problem string }{
		{"no floors", `{}`, `{"face_thresholds_med":-1}`, ""},
		{"nothing set", `{"face_thresholds_med":0.4,"anti_spoofing_mode":1}`, `{}`, ""},
		{"at the floor", `{"face_thresholds_med":0.4}`, `{"face_thresholds_med":0.4}`, ""},
		{"a threshold below", `{"face_thresholds_med":0.4}`, `{"face_thresholds_med":-1}`, "config.face_thresholds_med"},
		{"a threshold above one with a floor", `{"face_thresholds_med":0.4}`, `{"face_thresholds_max":0.3}`, "config.face_thresholds_max"},
		{"a threshold that the factor lowers", `{"face_thresholds_med":0.4}`, `{"face_thresholds_med":0.6,"fudge_factor":0.5}`, "config.face_thresholds_med"},
		{"liveness off", `{"anti_spoofing_mode":1}`, `{"anti_spoofing_mode":0}`, "config.anti_spoofing_mode"},
		{"liveness off beside a floor on its threshold", `{"anti_spoofing_threshold":0.9}`, `{"anti_spoofing_mode":0}`, "config.anti_spoofing_mode"},
		{"a document, whose liveness nobody assesses", `{"anti_spoofing_threshold":0.9}`, `{"document_images":"first"}`, "config.document_images"},
		{"more documents than allowed", `{"anti_spoofing_threshold":0.9,"document_images":"first"}`, `{"document_images":"all"}`, "config.document_images"},
		{"a document that is allowed", `{"anti_spoofing_threshold":0.9,"document_images":"first"}`, `{"document_images":"first"}`, ""},
		{"faces that nobody can assess, beside a floor on the threshold", `{"anti_spoofing_threshold":0.9}`, `{"liveness_not_assessable":"ALLOW"}`, "config.liveness_not_assessable"},
		{"a softer calibration", `{"liveness_calibration":"REGULAR"}`, `{"liveness_calibration":"SOFT"}`, "config.liveness_calibration"},
		{"a harder calibration", `{"liveness_calibration":"REGULAR"}`, `{"liveness_calibration":"HARDENED"}`, ""},
		{"validations off", `{"blur_threshold_enroll_pred":10}`, `{"face_validations_off":true}`, "config.face_validations_off"},
		{"a tolerated trait", `{"blur_threshold_enroll_pred":10}`, `{"allowed_face_traits_flags":1}`, "config.allowed_face_traits_flags"},
		{"a tolerated trait that the operator tolerates", `{"blur_threshold_enroll_pred":10,"allowed_face_traits_flags":3}`, `{"allowed_face_traits_flags":1}`, ""},
		{"a higher limit where lower is stricter", `{"face_too_bright":0.8}`, `{"face_too_bright":0.9}`, "config.face_too_bright"},
	} {
		floors, ps := ParseFloors(json.RawMessage(c.floors))
		if ps != nil {
			t.Fatal(ps)
		}
		j := Job{Request: Request{ID: "r", Operation: OpEnroll, Images: []ObjectRef{{Bucket: "b", Key: "k"}}, Config: json.RawMessage(c.config)}}
		if ps := j.Resolve(); ps != nil {
			t.Fatal(ps)
		}
		ps = j.Hold(floors)
		if (c.problem == "") != (len(ps) == 0) || c.problem != "" && (!strings.HasPrefix(ps.Error(), c.problem+": ") || ps.Reason() != ReasonBelowFloor) {
			t.Errorf("%s: %v (%s), want %q", c.name, ps, ps.Reason(), c.problem)
		}
	}
	for _, wrong := range []string{`{"neighbors":3}`, `{"face_threshold_med":0.4}`, `{"face_thresholds_med":2}`} {
		if _, ps := ParseFloors(json.RawMessage(wrong)); len(ps) == 0 {
			t.Errorf("%s is taken as floors", wrong)
		}
	}
	floors, _ := ParseFloors(json.RawMessage(`{"anti_spoofing_threshold":0.95,"face_thresholds_min":0.3}`))
	j := Job{Request: Request{ID: "r", Operation: OpEnroll, Images: []ObjectRef{{Bucket: "b", Key: "k"}}}}
	if ps := append(j.Resolve(), j.Hold(floors)...); ps != nil {
		t.Fatal(ps)
	}
	if got, _ := j.Configuration(); got.Liveness.Threshold != 0.95 || j.Floors == nil || *j.Floors != (Thresholds{0.3, 0.3, 0.3}) {
		t.Errorf("%+v, %+v", got.Liveness, j.Floors)
	}
}

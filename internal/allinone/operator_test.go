package allinone_test

import (
	"encoding/json"
	"strings"
	"testing"

	"facestream/pkg/schema"
)

// TestOperatorDecides replays an attack: Mallory may upload under her own key, and tries to get into alice's record, and to
// be taken for alice, by metadata and by the configuration of requests.
func TestOperatorDecides(t *testing.T) {
	s := useStream(t)
	alice, mallory := schema.ExternalID(unique("alice")), unique("mallory")
	key := func(file string) string { return "enroll/playground/" + mallory + "/" + file }
	face := s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 0), nil)
	if r := s.send(t, schema.Request{Operation: schema.OpEnroll, Collection: guarded, ExternalID: alice, Images: []schema.ObjectRef{face}}); r.Enroll == nil || !r.Enroll.EnrollPerformed {
		t.Fatalf("alice is not enrolled: %+v", r.CallStatus)
	}
	planted := s.put(t, key("a.jpg"), portrait(t, 3, 0), map[string]string{"facestream-collection": guarded, "facestream-external-id": string(alice)})
	r := s.outcome(t, schema.ObjectRequestID(planted))
	for _, field := range []string{"x-amz-meta-facestream-collection: contradicts the key", "x-amz-meta-facestream-external-id: contradicts the key"} {
		if r.CallStatus.Reason != schema.ReasonInvalidRequest || !strings.Contains(r.CallStatus.ReturnMessage, field) {
			t.Errorf("the planted face: %+v, want %q", r.CallStatus, field)
		}
	}
	off := s.put(t, "enroll/"+guarded+"/"+mallory+"/b.jpg", portrait(t, 3, 0), map[string]string{"facestream-config": `{"anti_spoofing_mode":0}`})
	if r := s.outcome(t, schema.ObjectRequestID(off)); r.CallStatus.Reason != schema.ReasonInvalidRequest || !strings.Contains(r.CallStatus.ReturnMessage, "sets anti_spoofing_mode") {
		t.Errorf("a key of the route's configuration: %+v", r.CallStatus)
	}
	lax := s.put(t, "validate/"+guarded+"/"+mallory+"/c.jpg", portrait(t, 3, 0), map[string]string{"facestream-config": `{"face_thresholds_min":-1}`})
	if r := s.outcome(t, schema.ObjectRequestID(lax)); r.CallStatus.Reason != schema.ReasonBelowFloor {
		t.Errorf("a threshold of -1 by metadata: %+v", r.CallStatus)
	}

	stranger := s.put(t, unique("test")+"/b.jpg", portrait(t, 3, 1), nil)
	verify := func(config json.RawMessage) schema.Result {
		return s.send(t, schema.Request{Operation: schema.OpVerify, Collection: guarded, ExternalID: alice, Images: []schema.ObjectRef{stranger}, Config: config})
	}
	for _, config := range []string{`"face_thresholds_min":-1,"face_thresholds_med":-1`, `"fudge_factor":0.001`} {
		if r := verify(forDrawn(config)); r.CallStatus.Reason != schema.ReasonBelowFloor || r.Verify != nil {
			t.Errorf("%s: %+v, %+v", config, r.CallStatus, r.Verify)
		}
	}
	if r := verify(nil); r.CallStatus.Reason != schema.ReasonNoMatch {
		t.Errorf("Mallory verifies as alice: %+v, %+v", r.CallStatus, r.Verify)
	}
}

package allinone_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

func TestValidate(t *testing.T) {
	s := useStream(t)
	ref := s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 0), nil)
	r := s.send(t, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{ref}, Tag: "tag"})
	if r.CallStatus.ReturnCode != 0 || len(r.Faces) != 1 || r.CallStatus.OperationTag != "tag" || len(r.Models) == 0 {
		t.Fatalf("validate: status %+v, %d faces, models %v", r.CallStatus, len(r.Faces), r.Models)
	}
	if r.Images[0].ETag == "" {
		t.Error("the result does not name the version of the image that was used")
	}
}

func TestInvariant4EnrolledIsFoundDeletedIsNot(t *testing.T) {
	s := useStream(t)
	staff, guests := schema.Collection(unique("staff")), schema.Collection(unique("guests"))
	enroll := func(c schema.Collection, external string, person, shot int) schema.Result {
		ref := s.put(t, unique("test")+"/a.jpg", portrait(t, person, shot), nil)
		r := s.send(t, schema.Request{Operation: schema.OpEnroll, Collection: c, ExternalID: schema.ExternalID(external), Images: []schema.ObjectRef{ref}, Consent: &schema.Consent{Given: true}})
		if r.Enroll == nil || !r.Enroll.EnrollPerformed {
			t.Fatalf("enroll: %+v", r.CallStatus)
		}
		return r
	}
	predict := func(c schema.Collection, person, shot int, config string) schema.Result {
		ref := s.put(t, unique("test")+"/a.jpg", portrait(t, person, shot), nil)
		return s.send(t, schema.Request{Operation: schema.OpPredict, Collection: c, Images: []schema.ObjectRef{ref}, Config: forDrawn(config)})
	}

	first := enroll(staff, "alice", 0, 0).Enroll.Response
	again := enroll(staff, "alice", 0, 2).Enroll.Response
	elsewhere := enroll(guests, "alice", 0, 0).Enroll.Response
	if first.PUID != again.PUID {
		t.Error("enrolling again under one external id made another person")
	}
	if first.GUID == again.GUID {
		t.Error("enrolling again replaced the first image instead of adding one")
	}
	if first.PUID == elsewhere.PUID {
		t.Error("one person has the same puid in two collections")
	}
	enroll(staff, "bob", 1, 0)

	r := predict(staff, 0, 1, `{"neighbors":5,"face_thresholds_min":-1}`)
	if r.Predict == nil || r.Predict.Response.PUID != first.PUID {
		t.Fatalf("predict did not find the person: %+v", r.CallStatus)
	}
	if n := len(r.Predict.Response.List); n != 2 {
		t.Errorf("predict with 5 neighbors lists %d persons, expected both", n)
	}
	if r := predict(staff, 0, 1, `{"face_thresholds_max":0.9999}`); r.CallStatus.Reason != schema.ReasonNoMatch {
		t.Errorf("a threshold out of reach still matched: %+v", r.CallStatus)
	}
	if r := predict(staff, 30, 0, ``); r.CallStatus.Reason != schema.ReasonNoMatch {
		t.Errorf("a stranger: reason %q", r.CallStatus.Reason)
	}

	deletion := s.send(t, schema.Request{Operation: schema.OpUserDelete, Collection: staff, PUID: first.PUID})
	if deletion.UserDelete == nil || deletion.UserDelete.Count != 2 {
		t.Fatalf("user_delete: %+v", deletion.CallStatus)
	}
	if r := predict(staff, 0, 1, ``); r.CallStatus.Reason != schema.ReasonNoMatch {
		t.Errorf("a deleted person was found again: %+v", r.CallStatus)
	}
	if r := predict(guests, 0, 1, ``); r.Predict.Response.PUID != elsewhere.PUID {
		t.Error("deleting in one collection deleted in another")
	}
	if r := s.send(t, schema.Request{Operation: schema.OpUserDelete, Collection: staff, ExternalID: "alice"}); r.CallStatus.Reason != schema.ReasonUnknownPUID {
		t.Errorf("deleting nobody: reason %q", r.CallStatus.Reason)
	}
}

// An enrolment by puid adds an image to a person who is there, and makes nobody.
func TestEnrollByPUID(t *testing.T) {
	s := useStream(t)
	staff := schema.Collection(unique("staff"))
	enroll := func(puid schema.PUID, shot int) schema.Result {
		ref := s.put(t, unique("test")+"/a.jpg", portrait(t, 0, shot), nil)
		return s.send(t, schema.Request{Operation: schema.OpEnroll, Collection: staff, PUID: puid, Images: []schema.ObjectRef{ref}})
	}
	first := enroll("", 0)
	if first.Enroll == nil || !first.Enroll.EnrollPerformed {
		t.Fatalf("enroll: %+v", first.CallStatus)
	}
	puid := first.Enroll.Response.PUID
	if r := enroll(puid, 2); r.Enroll == nil || r.Enroll.Response.PUID != puid {
		t.Errorf("a further image: %+v", r.CallStatus)
	}
	if r := enroll("nobody", 2); r.CallStatus.Reason != schema.ReasonUnknownPUID || r.Enroll != nil {
		t.Errorf("an unknown puid: %+v, %+v", r.CallStatus, r.Enroll)
	}
	if r := s.send(t, schema.Request{Operation: schema.OpUserDelete, Collection: staff, PUID: puid}); r.UserDelete == nil || r.UserDelete.Count != 2 {
		t.Errorf("user_delete: %+v", r.CallStatus)
	}
	if r := enroll(puid, 0); r.CallStatus.Reason != schema.ReasonUnknownPUID {
		t.Errorf("a person who was deleted: %+v", r.CallStatus)
	}
}

func TestCompare(t *testing.T) {
	s := useStream(t)
	a := s.put(t, unique("test")+"/a.jpg", portrait(t, 2, 0), nil)
	b := s.put(t, unique("test")+"/b.jpg", portrait(t, 2, 1), nil)
	c := s.put(t, unique("test")+"/c.jpg", portrait(t, 3, 0), nil)
	same := s.send(t, schema.Request{Operation: schema.OpCompare, Images: []schema.ObjectRef{a, b}})
	other := s.send(t, schema.Request{Operation: schema.OpCompare, Images: []schema.ObjectRef{a, c}})
	if same.Compare == nil || !same.Compare.IsMatch {
		t.Errorf("two pictures of one person: %+v", same.Compare)
	}
	if other.Compare == nil || other.Compare.IsMatch {
		t.Errorf("pictures of two people: %+v", other.Compare)
	}
}

func TestUploadWithMetadataWritesResultObject(t *testing.T) {
	s := useStream(t)
	collection := unique("upload")
	key := fmt.Sprintf("%senroll/%s/portrait ü+%%20.jpg", namedByMetadata, collection)
	ref := s.put(t, key, portrait(t, 4, 0), map[string]string{"facestream-result-object": "true", "facestream-external-id": "dave", "facestream-operation-tag": "tagged"})
	r := s.outcome(t, schema.ObjectRequestID(ref))
	if r.Enroll == nil || !r.Enroll.EnrollPerformed || r.ExternalID != "dave" || r.CallStatus.OperationTag != "tagged" {
		t.Fatalf("upload: %+v, tag %q", r.CallStatus, r.CallStatus.OperationTag)
	}
	data, _, err := s.objects.Get(t.Context(), schema.ObjectRef{Bucket: s.cfg.S3.Bucket, Key: key + ".result.json"}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var stored schema.Result
	if err := json.Unmarshal(data, &stored); err != nil || stored.RequestID != r.RequestID {
		t.Errorf("the stored result is not the published one: %v", err)
	}
}

func TestDeadlineAnswersExpired(t *testing.T) {
	s := useStream(t)
	ref := s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 0), nil)
	past := time.Now().Add(-time.Second)
	if r := s.send(t, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{ref}, Deadline: &past}); r.CallStatus.Reason != schema.ReasonExpired {
		t.Errorf("reason %q, expected expired", r.CallStatus.Reason)
	}
}

func TestTraceParentGoesAllTheWay(t *testing.T) {
	s := useStream(t)
	ref := s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 0), nil)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, op := range []schema.Operation{schema.OpValidate, schema.OpEnroll} { // answered by the worker, by the indexer
		id := schema.RequestID(unique("trace"))
		data, err := json.Marshal(schema.Request{ID: id, Operation: op, Collection: "trace", Images: []schema.ObjectRef{ref}, Config: forDrawn("")})
		if err != nil {
			t.Fatal(err)
		}
		e := events.Event{ID: string(id), Source: "test", Type: events.TypeRequest, Key: string(id), TraceParent: trace, Data: data}
		if err := s.publisher.Publish(t.Context(), events.Requests, e); err != nil {
			t.Fatal(err)
		}
		s.outcome(t, id)
		s.mu.Lock()
		got := s.results[id][0].event
		s.mu.Unlock()
		if got.TraceParent != trace || got.ID != schema.EventID(events.TypeResult, id) {
			t.Errorf("%s: the result carries traceparent %q and id %q", op, got.TraceParent, got.ID)
		}
	}
}

// TestInvariant6NothingPersonalInLogs plants values in every place that identifies a person and looks for them in all
// that the services logged at debug level, and in their metrics.
func TestInvariant6NothingPersonalInLogs(t *testing.T) {
	s := useStream(t)
	collection := schema.Collection(unique("logs"))
	const external, file = "planted-external-id", "planted-file-name"
	ref := s.put(t, fmt.Sprintf("enroll/%s/%s/%s.jpg", collection, external, file), portrait(t, 5, 0), nil)
	enrolled := s.outcome(t, schema.ObjectRequestID(ref))
	s.send(t, schema.Request{Operation: schema.OpEnroll, Collection: collection, ExternalID: external, Images: []schema.ObjectRef{{Bucket: s.cfg.S3.Bucket, Key: file + "-missing.jpg"}}})
	broken := s.put(t, fmt.Sprintf("validate/%s/%s/%s.jpg", collection, external, file), []byte("no image"), nil)
	s.outcome(t, schema.ObjectRequestID(broken))
	s.raw(t, external, `{"id":"x-planted","operation":"enroll","external_id":"`+external+`" garbage`)
	s.deadLetter(t, `{"id":"x-planted","operation":"enroll","external_id":"`+external+`" garbage`)
	logs := s.log.String()
	if len(logs) == 0 {
		t.Fatal("the services logged nothing, so nothing was checked")
	}
	metrics := s.metrics(t)
	for _, planted := range []string{external, file, string(enrolled.Enroll.Response.PUID)} {
		if planted == "" || strings.Contains(logs, planted) {
			t.Errorf("%q stands in the logs", planted)
		}
		if strings.Contains(metrics, planted) {
			t.Errorf("%q stands in the metrics", planted)
		}
	}
}

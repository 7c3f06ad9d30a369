package allinone_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"facestream/internal/outcome"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

func TestInvariant8BadImagesEndAsOneOutcomeEach(t *testing.T) {
	s := useStream(t)
	for _, c := range imagingtest.Hostile() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			ref := s.put(t, fmt.Sprintf("validate/default/%s/%s", unique("bad"), c.Name), c.Data, nil)
			r := s.outcome(t, schema.ObjectRequestID(ref))
			want := c.WantReason
			if want == "" {
				want = schema.ReasonNoFace // readable, but nobody is in it
			}
			if r.CallStatus.Reason != want {
				t.Errorf("reason %q, expected %q: %s", r.CallStatus.Reason, want, r.CallStatus.ReturnMessage)
			}
			if want != schema.ReasonNoFace && r.CallStatus.ReturnMessage == "" {
				t.Error("the message does not say what was wrong")
			}
		})
	}
}

// TestDamagedImage: a photograph without its end is read as browsers read it, and the result says so.
func TestDamagedImage(t *testing.T) {
	s := useStream(t)
	whole := portrait(t, 6, 0)
	ref := s.put(t, fmt.Sprintf("validate/default/%s/a.jpg", unique("damaged")), whole[:len(whole)-2], nil)
	r := s.outcome(t, schema.ObjectRequestID(ref))
	if len(r.DamagedImages) != 1 || r.DamagedImages[0].Image != 0 || !strings.Contains(r.DamagedImages[0].Message, "end marker") {
		t.Errorf("%+v with damage %+v", r.CallStatus, r.DamagedImages)
	}
}

func TestInvariant2BadRequestsEndAsOneOutcomeEach(t *testing.T) {
	s := useStream(t)
	ref := s.put(t, unique("test")+"/a.jpg", portrait(t, 6, 0), nil)
	image := fmt.Sprintf(`{"bucket":%q,"key":%q}`, ref.Bucket, ref.Key)
	cases := []struct {
		name, body string // %s is the request id
		want       schema.Reason
		names      string // what the message must name
	}{
		{"unknown operation", `{"id":%q,"operation":"dance","images":[` + image + `]}`, schema.ReasonUnknownOperation, "dance"},
		{"unknown config key", `{"id":%q,"operation":"validate","images":[` + image + `],"config":{"neighbours":1}}`, schema.ReasonInvalidConfiguration, "neighbours"},
		{"config of the wrong type", `{"id":%q,"operation":"validate","images":[` + image + `],"config":{"neighbors":"one"}}`, schema.ReasonInvalidConfiguration, "neighbors"},
		{"config out of range", `{"id":%q,"operation":"validate","images":[` + image + `],"config":{"face_detection_strategy":9}}`, schema.ReasonInvalidConfiguration, "face_detection_strategy"},
		{"unknown field", `{"id":%q,"operation":"validate","imagez":[` + image + `]}`, schema.ReasonInvalidRequest, "imagez"},
		{"field of the wrong type", `{"id":%q,"operation":"validate","images":"a.jpg"}`, schema.ReasonInvalidRequest, "images"},
		{"no image", `{"id":%q,"operation":"validate"}`, schema.ReasonInvalidRequest, "images"},
		{"one image to compare", `{"id":%q,"operation":"compare","images":[` + image + `]}`, schema.ReasonInvalidRequest, "images"},
		{"wrong bucket", `{"id":%q,"operation":"validate","images":[{"bucket":"elsewhere","key":"a.jpg"}]}`, schema.ReasonBucketNotAllowed, "bucket"},
		{"missing key", `{"id":%q,"operation":"validate","images":[{"bucket":"` + ref.Bucket + `","key":"nobody/put/this.jpg"}]}`, schema.ReasonImageNotFound, ""},
		{"no such version", `{"id":%q,"operation":"validate","images":[{"bucket":"` + ref.Bucket + `","key":"` + ref.Key + `","version":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}]}`, schema.ReasonImageNotFound, ""},
		{"bad collection name", `{"id":%q,"operation":"predict","collection":"a b","images":[` + image + `]}`, schema.ReasonInvalidRequest, "collection"},
		{"unknown collection", `{"id":%q,"operation":"predict","collection":"nobody-enrolled-here","images":[` + image + `],"config":` + string(forDrawn("")) + `}`, schema.ReasonUnknownCollection, ""},
		{"delete without a person", `{"id":%q,"operation":"user_delete"}`, schema.ReasonInvalidRequest, "puid"},
		{"two problems at once", `{"id":%q,"operation":"validate","config":{"x1":1,"x2":2}}`, schema.ReasonInvalidConfiguration, "x2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			id := uuid.NewString()
			s.raw(t, id, fmt.Sprintf(c.body, id))
			r := s.outcome(t, schema.RequestID(id))
			if r.CallStatus.Reason != c.want || r.CallStatus.ReturnCode != c.want.Code() {
				t.Errorf("reason %q (%v), expected %q: %s", r.CallStatus.Reason, r.CallStatus.ReturnCode, c.want, r.CallStatus.ReturnMessage)
			}
			if !strings.Contains(r.CallStatus.ReturnMessage, c.names) {
				t.Errorf("the message %q does not name %q", r.CallStatus.ReturnMessage, c.names)
			}
		})
	}
}

func TestInvariant2WhatNobodyCanAnswerIsADeadLetter(t *testing.T) {
	s := useStream(t)
	for name, value := range map[string]string{
		"not JSON":    "this is not JSON " + unique("x"),
		"no id":       `{"operation":"validate","operation_tag":"` + unique("x") + `"}`,
		"empty":       `{}`,
		"wrong shape": `["` + unique("x") + `"]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.raw(t, "", value)
			s.deadLetter(t, value)
		})
	}
}

func TestInvariant8FiveMegabyteValue(t *testing.T) {
	s := useStream(t)
	id := uuid.NewString()
	value := fmt.Sprintf(`{"id":%q,"operation":"validate","operation_tag":"%s"}`, id, strings.Repeat("x", 5<<20))
	err := s.publisher.Publish(t.Context(), events.Requests, events.Event{ID: id, Source: "test", Type: events.TypeRequest, Key: id, Data: []byte(value)})
	if err == nil { // the broker took it, so it must have an outcome
		if r := s.outcome(t, schema.RequestID(id)); r.CallStatus.Reason == "" {
			t.Errorf("a request of 5 MB was accepted: %+v", r.CallStatus)
		}
		return
	}
	if schema.ClassOf(err) != schema.ClassPermanent {
		t.Errorf("refusing 5 MB is %v, expected permanent: %v", schema.ClassOf(err), err)
	}
}

func TestInvariant3OneRequestIDOneOutcome(t *testing.T) {
	s := useStream(t)
	ref := s.put(t, unique("test")+"/a.jpg", portrait(t, 7, 0), nil)
	id, collection := schema.RequestID(uuid.NewString()), schema.Collection(unique("repeat"))
	req := schema.Request{ID: id, Operation: schema.OpEnroll, Collection: collection, ExternalID: "erin", Images: []schema.ObjectRef{ref}}
	first := s.send(t, req)
	s.send(t, req) // the same request again: no further outcome
	other := fmt.Sprintf(`{"id":%q,"operation":"enroll","collection":%q,"external_id":"mallory","images":[{"bucket":%q,"key":%q}]}`, id, collection, ref.Bucket, ref.Key)
	s.raw(t, string(id), other)
	s.deadLetter(t, other)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.results[id] {
		if p.result.Enroll == nil || p.result.Enroll.Response.PUID != first.Enroll.Response.PUID {
			t.Errorf("the request has a second outcome: %+v", p.result.CallStatus)
		}
	}
}

func TestUploadsThatAreNoRequests(t *testing.T) {
	s := useStream(t)
	folder := unique("folder")
	s.notify(t, "enroll/default/"+folder+"/", 0) // a folder marker
	image := "enroll/default/" + folder + "/a.jpg"
	resultKey, portraitKey := image+".result.json", outcome.PortraitKey(&schema.Job{Request: schema.Request{ID: "r", Images: []schema.ObjectRef{{Key: image}}}}, "png")
	own := s.put(t, resultKey, []byte(`{}`), outcome.Mark(resultKey))                                 // our own output
	made := s.put(t, portraitKey, portrait(t, 8, 0), outcome.Mark(portraitKey))                       // the same
	alike := s.put(t, "validate/default/"+folder+"/x.portrait.png", portrait(t, 8, 0), nil)           // a name like our own
	flat := s.put(t, folder+".jpg", portrait(t, 8, 0), nil)                                           // no route
	asked := s.put(t, fmt.Sprintf("validate/default/%s/z.jpg", folder), portrait(t, 8, 0), nil)       // the one that is
	deletion := s.put(t, fmt.Sprintf("user_delete/default/%s/a.jpg", folder), portrait(t, 8, 0), nil) // deletes nobody
	if r := s.outcome(t, schema.ObjectRequestID(asked)); r.CallStatus.Reason != "" {
		t.Errorf("validate by upload: %+v", r.CallStatus)
	}
	if r := s.outcome(t, schema.ObjectRequestID(alike)); r.CallStatus.Reason != "" {
		t.Errorf("an upload with a name like our own outputs: %+v", r.CallStatus)
	}
	if r := s.outcome(t, schema.ObjectRequestID(deletion)); r.CallStatus.Reason != schema.ReasonUnknownOperation {
		t.Errorf("user_delete by upload: %+v", r.CallStatus)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ref := range []schema.ObjectRef{own, made, flat} {
		if n := len(s.results[schema.ObjectRequestID(ref)]); n != 0 {
			t.Errorf("an upload that is no request has %d outcomes", n)
		}
	}
}

func TestUploadThatIsGoneBeforeItIsSeen(t *testing.T) {
	s := useStream(t)
	key := fmt.Sprintf("validate/default/%s/a.jpg", unique("gone"))
	s.notify(t, key, 1000)
	id := schema.ObjectRequestID(schema.ObjectRef{Bucket: s.cfg.S3.Bucket, Key: key, ETag: "d41d8cd98f00b204e9800998ecf8427e"})
	if r := s.outcome(t, id); r.CallStatus.Reason != schema.ReasonImageNotFound {
		t.Errorf("%+v", r.CallStatus)
	}
}

func TestVersionThatWasNamedIsAnalysed(t *testing.T) {
	s := useStream(t)
	key := unique("test") + "/a.jpg"
	face := s.put(t, key, portrait(t, 9, 0), nil)
	s.put(t, key, []byte("overwritten by something that is no image"), nil)
	if face.Version == "" {
		t.Fatal("the embedded store keeps no versions")
	}
	r := s.send(t, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{face}})
	if r.CallStatus.Reason != "" || len(r.Faces) != 1 || r.Images[0].Version != face.Version {
		t.Errorf("the overwritten version was not analysed: %+v", r.CallStatus)
	}
}

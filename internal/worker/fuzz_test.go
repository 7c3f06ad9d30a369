package worker_test

import (
	"testing"

	"facestream/pkg/engine/face"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// FuzzJob: whatever a record of the jobs says, it ends with an answer, or with an error that has a class.
func FuzzJob(f *testing.F) {
	f.Add([]byte(`{"id":"r","operation":"validate","images":[{"bucket":"b","key":"a"}],"resolved_config":{}}`))
	f.Add([]byte(`{"id":"r","operation":"compare","images":[{"bucket":"b","key":"a"}]}`))
	f.Add([]byte(`{"id":"r","operation":"face_iso","images":[]}`))
	f.Add([]byte(`{"id":"r","operation":"anti_spoofing","challenge":"a.b","images":[null]}`))
	f.Add([]byte(`{"id":"r","operation":"challenge"}`))
	f.Add([]byte(`{"id":"r","operation":"x","floors":{"min":-1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newDesk(t)
		d.pictures["a"] = picture{faces: []face.Observation{someone(0)}}
		err := d.worker.Handle(t.Context(), events.Record{Event: events.Event{Data: data}})
		if err == nil && d.result == nil && d.analysis == nil {
			t.Error("nothing was published")
		}
		if err != nil && schema.ClassOf(err) != schema.ClassPermanent {
			t.Errorf("%v can be tried again for ever", err)
		}
	})
}

package indexer

import (
	"context"
	"errors"
	"slices"
	"testing"

	"facestream/internal/gallery/gallerytest"
	"facestream/pkg/schema"
)

// store has objects by key, and answers fails, if that is set, instead of removing one.
type store struct {
	keys  []string
	fails error
}

// Remove implements [Objects].
func (s *store) Remove(_ context.Context, ref schema.ObjectRef) error {
	if s.fails != nil {
		return s.fails
	}
	s.keys = slices.DeleteFunc(s.keys, func(k string) bool { return k == ref.Key })
	return nil
}

// portrayed is an analysis of an enrolment for which the worker wrote a portrait.
func portrayed(s *store, r schema.Request) schema.Analysis {
	a := analysis(r, 0)
	key := a.Images[0].Key + ".portrait.png"
	a.Faces[0].Crop = &schema.OutputImage{Object: schema.ObjectRef{Bucket: "images", Key: key}}
	if !slices.Contains(s.keys, key) {
		s.keys = append(s.keys, key)
	}
	return a
}

// TestErasesWhatWasMade: the pictures that were made of enrolled images are erased with the person, and not before. A deletion that fails
// or dies in between is repeated and erases the rest, and so does a late repeat of an enrolment.
func TestErasesWhatWasMade(t *testing.T) {
	b, s := newBench(t), &store{}
	b.Objects = s
	enroll := func(id schema.RequestID, name schema.ExternalID) schema.Analysis {
		return portrayed(s, schema.Request{ID: id, Operation: schema.OpEnroll, ExternalID: name})
	}
	late := enroll("r1", "alice")
	b.answer(late)
	first := b.published[0]
	b.answer(enroll("r2", "alice"))
	b.answer(enroll("r3", "bob"))
	if len(s.keys) != 3 {
		t.Fatalf("before the deletion: %q", s.keys)
	}
	deletion := analysis(schema.Request{ID: "d", Operation: schema.OpUserDelete, ExternalID: "alice"}, 0)

	s.fails = schema.Outage("test", errors.New("the store is down"))
	if err := b.handle(deletion); schema.ClassOf(err) != schema.ClassOutage || len(b.rows()) != 3 {
		t.Errorf("while the store is down: %v, %d rows", err, len(b.rows()))
	}
	s.fails = nil
	sound := b.Gallery
	b.Gallery = gallerytest.Faulty{Inner: sound, Down: func() bool { return len(s.keys) < 3 }}
	err := b.handle(deletion)
	b.Gallery = sound
	if err == nil || !slices.Equal(s.keys, []string{"face of r3.portrait.png"}) || len(b.rows()) != 3 {
		t.Errorf("a crash before the rows are erased: %v, %q", err, s.keys)
	}
	if r := b.answer(deletion); r.UserDelete == nil || r.UserDelete.Count != 2 || len(s.keys) != 1 || len(b.rows()) != 1 {
		t.Errorf("the repeat: %+v, %q", r.CallStatus, s.keys)
	}
	if r := b.answer(deletion); r.UserDelete == nil || r.UserDelete.Count != 2 || len(s.keys) != 1 {
		t.Errorf("another repeat: %+v, %q", r.CallStatus, s.keys)
	}
	portrayed(s, late.Request) // a worker that comes late makes it again
	b.answer(late)
	if len(s.keys) != 1 {
		t.Errorf("after a late repeat of the enrolment: %q", s.keys)
	}
	b.sameResult(first, b.published[len(b.published)-1])
}

// TestKeepsWhatCannotGo: a picture that the store does not let go keeps nobody enrolled.
func TestKeepsWhatCannotGo(t *testing.T) {
	b, s := newBench(t), &store{}
	b.Objects = s
	b.answer(portrayed(s, schema.Request{ID: "r1", Operation: schema.OpEnroll, ExternalID: "alice"}))
	s.fails = schema.Permanent("test", schema.ReasonInvalidRequest, errors.New("no right"))
	if r := b.answer(analysis(schema.Request{ID: "d", Operation: schema.OpUserDelete, ExternalID: "alice"}, 0)); r.UserDelete == nil || len(b.rows()) != 0 {
		t.Errorf("%+v, %d rows", r.CallStatus, len(b.rows()))
	}
}

// TestRemovesUnnamed: a picture that no result names does not stay: that of a refused enrolment, and that by a pack which did not answer. One
// that a result names stays, because it is the requester's.
func TestRemovesUnnamed(t *testing.T) {
	b, s := newBench(t), &store{}
	b.Objects = s
	b.answer(portrayed(s, schema.Request{ID: "r1", Operation: schema.OpEnroll, ExternalID: "alice"}))
	if r := b.answer(portrayed(s, schema.Request{ID: "r2", Operation: schema.OpEnroll, PUID: "somebody"})); r.CallStatus.Reason != schema.ReasonUnknownPUID || len(s.keys) != 1 {
		t.Errorf("a refused enrolment: %+v, %q", r.CallStatus, s.keys)
	}
	search := portrayed(s, schema.Request{ID: "r3", Operation: schema.OpPredict})
	other := portrayed(s, schema.Request{ID: "r4", Operation: schema.OpPredict})
	search.Others = []schema.Finding{{Faces: other.Faces, Probes: other.Probes, Thresholds: other.Thresholds}}
	if r := b.answer(search); r.CallStatus.Reason != "" || !slices.Equal(s.keys, []string{"face of r1.portrait.png", "face of r3.portrait.png"}) {
		t.Errorf("a search under two packs: %+v, %q", r.CallStatus, s.keys)
	}
}

// TestDocumentThresholds: a person whose image shows a document is matched by the thresholds for documents, and others are not.
func TestDocumentThresholds(t *testing.T) {
	b := newBench(t)
	card := analysis(schema.Request{ID: "card", Operation: schema.OpEnroll, ExternalID: "card", Config: []byte(`{"document_images":"first"}`)}, 0)
	b.answer(card)
	b.enroll("selfie", "selfie", 90)
	if rows := b.rows(); len(rows) != 2 || rows[0].Source.Document == rows[1].Source.Document {
		t.Fatalf("%d rows, of which one is to show a document", len(rows))
	}
	for _, c := range []struct {
		name    schema.ExternalID
		degrees float64
		match   bool
	}{{"card", 50, false}, {"card", 30, true}, {"selfie", 40, true}, {"selfie", 20, false}} { // up to 36.9 degrees from a card, up to 60 from a selfie
		a := analysis(schema.Request{ID: "v", Operation: schema.OpVerify, ExternalID: c.name}, c.degrees)
		a.DocumentThresholds = &schema.Thresholds{Min: 0.7, Med: 0.8, Max: 0.99}
		r := b.answer(a)
		if r.Verify == nil || r.Verify.IsMatch != c.match || (r.Verify.FaceThresholds[1] == 0.8) != (c.name == "card") {
			t.Errorf("%s at %v degrees: %+v", c.name, c.degrees, r.Verify)
		}
	}
	a := analysis(schema.Request{ID: "p", Operation: schema.OpPredict}, 20) // identified by a cosine of 0.9, and not by one of 0.99
	a.DocumentThresholds = &schema.Thresholds{Min: 0.7, Med: 0.8, Max: 0.99}
	if r := b.answer(a); r.CallStatus.Reason != schema.ReasonNoMatch || r.Predict.Response.List[0].Level != 2 || r.Predict.Response.FaceThresholds[2] != 0.99 {
		t.Errorf("a search: %+v, %+v", r.CallStatus, r.Predict.Response)
	}
	if a.DocumentThresholds = nil; b.answer(a).CallStatus.Reason != "" { // of an earlier worker
		t.Error("without thresholds for documents nobody is found")
	}
}

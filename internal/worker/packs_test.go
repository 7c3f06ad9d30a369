package worker_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// second is the engine of another pack: its embeddings are of another model, and it does not see the people in pictures
// whose name begins with "shy".
type second struct{ *desk }

func (s second) Analyze(ctx context.Context, image []byte, p engine.Params) (*engine.Analysis, error) {
	a, err := s.desk.Analyze(ctx, image, p)
	if strings.HasPrefix(string(image), "shy") {
		a.Faces = nil
	}
	for i := range a.Faces {
		if e := a.Faces[i].Embedding; e != nil {
			a.Faces[i].Embedding = &schema.Embedding{Model: "e@2", Vector: append(slices.Clone(e.Vector), 0)}
		}
	}
	return a, err
}

func (s second) Hear(ctx context.Context, recording []byte) (*engine.Heard, error) {
	h, err := s.desk.Hear(ctx, recording)
	if h == nil || h.Embedding == nil {
		return h, err
	}
	again, copied := *h, *h.Heard
	copied.Embedding = &schema.Embedding{Model: "e@2", Vector: append(slices.Clone(h.Embedding.Vector), 0)}
	again.Heard = &copied
	return &again, err
}

// A collection is served by the pack that has its model, whichever of its packs comes first; the first counts where the
// collection does not decide.
func TestSeveralPacks(t *testing.T) {
	d := newDesk(t)
	d.pictures["ann"] = picture{faces: []face.Observation{someone(0)}}
	d.pictures["shy bob"] = picture{faces: []face.Observation{someone(80)}}
	ask := func(op schema.Operation, c schema.Collection, image string) schema.Result {
		t.Helper()
		return d.ask(schema.Request{Operation: op, Collection: c, Images: images(image), Config: json.RawMessage(`{"crop_faces":true}`)})
	}
	if r := ask(schema.OpEnroll, "old", "ann"); r.Enroll == nil || !r.Enroll.EnrollPerformed {
		t.Fatalf("%+v", r.CallStatus)
	}

	other := d.pack
	other.Name, other.Matching = "second", schema.Thresholds{Min: 0.1, Med: 0.2, Max: 0.3}
	d.others = []worker.Pack{{Engine: second{d}, Verdict: other}}
	firstOf := map[schema.Collection]float32{"old": d.pack.Matching.Min, "new": other.Matching.Min}
	for _, c := range []struct {
		op         schema.Operation
		collection schema.Collection
		image      string
		want       schema.Reason
	}{
		{schema.OpPredict, "old", "ann", ""},
		{schema.OpEnroll, "new", "shy bob", schema.ReasonNoFace}, // the collection would be tied to the model of the second pack
		{schema.OpPredict, "new", "shy bob", schema.ReasonNoFace},
		{schema.OpPredict, "new", "ann", schema.ReasonUnknownCollection},
		{schema.OpEnroll, "new", "ann", ""},
		{schema.OpPredict, "new", "ann", ""},
		{schema.OpPredict, "new", "shy bob", schema.ReasonNoFace},
		{schema.OpEnroll, "old", "shy bob", ""}, // the pack of the collection sees him
		{schema.OpPredict, "old", "shy bob", ""},
		{schema.OpPredict, "old", "nobody", schema.ReasonNoFace},
	} {
		r := ask(c.op, c.collection, c.image)
		if r.CallStatus.Reason != c.want {
			t.Errorf("%s of %s in %s: %+v, want %q", c.op, c.image, c.collection, r.CallStatus, c.want)
			continue
		}
		if c.want != "" {
			continue
		}
		if p := r.Predict; p != nil && p.Response.FaceThresholds[0] != firstOf[c.collection] {
			t.Errorf("%s of %s in %s is judged by %v; the pack's lowest threshold is %v", c.op, c.image, c.collection, p.Response.FaceThresholds, firstOf[c.collection])
		}
		if crop := r.Faces[0].Crop; crop == nil || d.written[crop.Object.Key] == "" {
			t.Errorf("%s of %s in %s: the crop %+v is not in the store", c.op, c.image, c.collection, crop)
		}
	}

	d.asked = nil
	if r := ask(schema.OpValidate, "", "shy bob"); r.CallStatus.Reason != schema.ReasonNoFace || len(d.asked) != 1 {
		t.Errorf("validate: %+v after %d analyses; want those of the first pack alone", r.CallStatus, len(d.asked))
	}
	if r := d.ask(schema.Request{Operation: schema.OpUserDelete, Collection: "old", ExternalID: "none"}); r.CallStatus.Reason != schema.ReasonUnknownPUID {
		t.Errorf("user_delete: %+v", r.CallStatus)
	}

	// No pack of the worker has the model of this collection.
	d.worker.Packs = func(schema.Collection) []worker.Pack { return d.others }
	r := ask(schema.OpPredict, "old", "ann")
	if r.CallStatus.Reason != schema.ReasonModelMismatch || !strings.Contains(r.CallStatus.ReturnMessage, `"e@1"`) || !strings.Contains(r.CallStatus.ReturnMessage, "worker.collections") {
		t.Errorf("without the pack of the collection: %+v", r.CallStatus)
	}
}

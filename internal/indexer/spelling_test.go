package indexer

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"facestream/internal/gallery"
	"facestream/internal/gallery/local"
	"facestream/internal/outcome"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// published keeps the results that a service publishes.
type published []schema.Result

func (p *published) Publish(_ context.Context, _ events.Topic, es ...events.Event) error {
	for _, e := range es {
		var r schema.Result
		if err := json.Unmarshal(e.Data, &r); err != nil {
			return err
		}
		*p = append(*p, r)
	}
	return nil
}

// TestSpellingsOfOneName works on a gallery in which an earlier version stored people under the decomposed spelling of
// their name, and one person under both. They stay who they are; newcomers are one person however they are spelled.
func TestSpellingsOfOneName(t *testing.T) {
	const (
		collection         = schema.Collection("staff")
		zoe, zoeDecomposed = schema.ExternalID("Zo\u00eb"), schema.ExternalID("Zoe\u0308")
		joe, joeDecomposed = schema.ExternalID("Jo\u00eb"), schema.ExternalID("Joe\u0308")
	)
	g, err := local.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	face := schema.Embedding{Model: "m@1", Vector: []float32{1, 0, 0}}
	// before is the puid that a version without normalisation derived; part of what galleries hold, so written out here.
	before := func(external schema.ExternalID) schema.PUID { return formerPUID(collection, external) }
	for i, external := range []schema.ExternalID{zoeDecomposed, joe, joeDecomposed} {
		row := gallery.Row{ID: string(rune('a' + i)), PUID: before(external), ExternalID: external, Embedding: face, Created: time.Now()}
		if err := g.Upsert(t.Context(), collection, []gallery.Row{row})[0]; err != nil {
			t.Fatal(err)
		}
	}
	var results published
	s := &Service{Gallery: g, Results: &outcome.Sink{Service: "indexer", Publisher: &results}}
	n := 0
	do := func(op schema.Operation, external schema.ExternalID) schema.Result {
		t.Helper()
		n++
		a := schema.Analysis{Job: schema.Job{Request: schema.Request{ID: schema.RequestID(rune('A' + n)), Operation: op, Collection: collection, ExternalID: external}, AcceptedAt: time.Now()}}
		if op != schema.OpUserDelete {
			a.Images = []schema.ObjectRef{{Bucket: "images", Key: "k", ETag: "e"}}
			a.Faces, a.Probes, a.Thresholds = []schema.FaceResult{{}}, []schema.Embedding{face}, &schema.Thresholds{Min: 0.1, Med: 0.2, Max: 0.3}
		}
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Handle(t.Context(), events.Record{Event: events.Event{Data: data}}); err != nil {
			t.Fatal(err)
		}
		return results[len(results)-1]
	}
	enrolled := func(external schema.ExternalID) schema.PUID {
		t.Helper()
		r := do(schema.OpEnroll, external)
		if r.Enroll == nil {
			t.Fatalf("not enrolled: %s", r.CallStatus.ReturnMessage)
		}
		return r.Enroll.Response.PUID
	}
	verified := func(external schema.ExternalID) schema.PUID {
		t.Helper()
		r := do(schema.OpVerify, external)
		if r.Verify == nil {
			t.Fatalf("not verified: %s", r.CallStatus.ReturnMessage)
		}
		return r.Verify.PUID
	}
	same := func(what string, got, want schema.PUID) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, string(got), string(want))
		}
	}
	same("the stored person by the stored spelling", verified(zoeDecomposed), before(zoeDecomposed))
	same("the stored person by the other spelling", verified(zoe), before(zoeDecomposed))
	same("another image of the stored person", enrolled(zoe), before(zoeDecomposed))
	same("one of two stored people, composed", verified(joe), before(joe))
	same("one of two stored people, decomposed", verified(joeDecomposed), before(joeDecomposed))
	newcomer := enrolled("Chlo\u00eb")
	same("a newcomer, decomposed", enrolled("Chloe\u0308"), newcomer)
	same("a newcomer of a new collection", newcomer, before("Chlo\u00eb"))
	for _, tt := range []struct {
		external schema.ExternalID
		count    int
	}{{zoe, 2}, {joeDecomposed, 2}, {"Chloe\u0308", 2}} {
		if r := do(schema.OpUserDelete, tt.external); r.UserDelete == nil || r.UserDelete.Count != tt.count {
			t.Errorf("%+q: %+v of %d rows were deleted", string(tt.external), r.UserDelete, tt.count)
		}
	}
	page, err := g.List(t.Context(), collection, "", 10)
	if err != nil || page.Total != 0 {
		t.Errorf("%d rows are left (%v)", page.Total, err)
	}
}

// formerPUID is how puids were derived from the bytes of an external id before spellings were normalised.
func formerPUID(c schema.Collection, external schema.ExternalID) schema.PUID {
	root := uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:facestream:ids:v1"))
	text := ""
	for _, part := range []string{string(c), "external", string(external)} {
		text += strconv.Itoa(len(part)) + ":" + part
	}
	return schema.PUID(uuid.NewSHA1(uuid.NewSHA1(root, []byte("puid")), []byte(text)).String())
}

package restore

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/directory"
	"facestream/internal/directory/sqlite"
	"facestream/internal/embedded"
	"facestream/internal/gallery/gallerytest"
	"facestream/internal/gallery/local"
	"facestream/internal/indexer"
	"facestream/internal/outcome"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

const staff = schema.Collection("staff")

// TestFromTopicsDecidesAsBefore: a gallery that lost everything has again whoever the indexer enrolled, whatever the enrolments asked the
// directory for, and nobody whom it refused. Who was deleted since is in neither.
func TestFromTopicsDecidesAsBefore(t *testing.T) {
	servers, err := embedded.Open(t.Context(), embedded.Options{
		Dir: t.TempDir(), KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", AccessKey: "access", SecretKey: "secret-secret",
		Bucket: "images", ObjectsTopic: string(events.Objects), ObjectsPartitions: 1, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { servers.Close() })
	client := events.NewClient(events.Config{Brokers: []string{servers.KafkaAddr()}})
	t.Cleanup(func() { client.Close() })
	if _, err := client.EnsureTopics(t.Context(), events.DefaultSpecs()); err != nil {
		t.Fatal(err)
	}
	publisher := client.NewPublisher(events.PublisherConfig{Source: "facestream/indexer"})
	t.Cleanup(func() { publisher.Close() })
	open := func() *local.Gallery {
		g, err := local.Open(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		return g
	}
	d, err := sqlite.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	before := open()
	sink := &outcome.Sink{Service: "indexer", Publisher: publisher, Log: zerolog.Nop()}
	service := indexer.Service{Gallery: before, Directory: d, Results: sink}
	name := schema.Personal("Anna")
	for i, r := range []schema.Request{
		{ExternalID: "plain"},
		{ExternalID: "named", Fields: &schema.PersonFields{Name: &name}},
		{ExternalID: "looked for", Config: []byte(`{"duplicate_policy":"report"}`)},
		{ExternalID: "alone", Config: []byte(`{"duplicate_policy":"refuse"}`)},
		{ExternalID: "refused", Config: []byte(`{"duplicate_policy":"refuse"}`)}, // the face of the one before
	} {
		r.ID, r.Operation, r.Collection = schema.RequestID(fmt.Sprint("r", i)), schema.OpEnroll, staff
		r.Images = []schema.ObjectRef{{Bucket: "images", Key: string(r.ID)}}
		a := schema.Analysis{Job: schema.Job{Request: r, AcceptedAt: time.Now()}}
		a.Faces, a.Thresholds = make([]schema.FaceResult, 1), &schema.Thresholds{Min: 0.2, Med: 0.5, Max: 0.9}
		a.Probes = []schema.Embedding{gallerytest.Random("net@12345678", "", "", uint64(min(i, 3))).Embedding}
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		e := events.Event{ID: string(r.ID), Type: "test", Key: "one", Data: data}
		if err := publisher.Publish(t.Context(), events.Analyses, e); err != nil {
			t.Fatal(err)
		}
		if err := service.Handle(t.Context(), events.Record{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	// Of this deletion only the result is left, and the directory does not have it: it is from a backup.
	other := indexer.Service{Gallery: before, Results: sink}
	data, err := json.Marshal(schema.Analysis{Job: schema.Job{AcceptedAt: time.Now(),
		Request: schema.Request{ID: "gone", Operation: schema.OpUserDelete, Collection: staff, ExternalID: "plain"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Handle(t.Context(), events.Record{Event: events.Event{Data: data}}); err != nil {
		t.Fatal(err)
	}
	list := func(g *local.Gallery) (names []schema.ExternalID) {
		page, err := g.List(t.Context(), staff, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rows {
			names = append(names, r.ExternalID)
		}
		return names
	}
	was := list(before)
	if len(was) != 3 {
		t.Fatalf("%v are enrolled", was)
	}
	after := open()
	out, err := FromTopics(t.Context(), client, after, d)
	if err != nil {
		t.Fatal(err)
	}
	if is := list(after); fmt.Sprint(is) != fmt.Sprint(was) || out.Missing != 0 || out.Deleted != 1 {
		t.Errorf("%v are there, %v were; %+v", is, was, out)
	}
	page, err := d.Persons(t.Context(), staff, directory.Query{Limit: 100})
	if err != nil || len(page.Persons) != 3 {
		t.Errorf("the directory has %d persons, %v", len(page.Persons), err)
	}
	for _, p := range page.Persons {
		if p.ExternalID == "plain" || p.Images != 1 {
			t.Errorf("the directory has %s with %d images", string(p.ExternalID), p.Images)
		}
	}
}

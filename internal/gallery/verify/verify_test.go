package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"facestream/internal/embedded"
	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/internal/gallery/local"
	"facestream/internal/indexer"
	"facestream/internal/outcome"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

const model = schema.ModelID("net@12345678")

// system is a broker, a gallery, and an indexer that the test gives its analyses.
type system struct {
	t       *testing.T
	broker  string
	client  *events.Client
	gallery *local.Gallery
	reader  *local.Reader // beside the owner
	indexer *indexer.Service
}

func start(t *testing.T) *system {
	dir := t.TempDir()
	servers, err := embedded.Open(t.Context(), embedded.Options{
		Dir: dir, KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", AccessKey: "access", SecretKey: "secret-secret",
		Bucket: "images", ObjectsTopic: string(events.Objects), ObjectsPartitions: 1, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	client := events.NewClient(events.Config{Brokers: []string{servers.KafkaAddr()}})
	if _, err := client.EnsureTopics(t.Context(), events.DefaultSpecs()); err != nil {
		t.Fatal(err)
	}
	publisher := client.NewPublisher(events.PublisherConfig{Source: "facestream/indexer"})
	g, err := local.Open(t.Context(), filepath.Join(dir, "gallery"))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := local.OpenReader(t.Context(), filepath.Join(dir, "gallery"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		publisher.Close()
		client.Close()
		if err := errors.Join(reader.Close(), g.Close(), servers.Close()); err != nil {
			t.Error(err)
		}
	})
	return &system{t, servers.KafkaAddr(), client, g, reader,
		&indexer.Service{Gallery: g, Results: &outcome.Sink{Service: "indexer", Publisher: publisher, Log: zerolog.Nop()}}}
}

// enroll has the indexer answer the request id for person.
func (s *system) enroll(c schema.Collection, person schema.ExternalID, id string) {
	s.t.Helper()
	s.handle(schema.OpEnroll, c, person, id)
}

func (s *system) handle(op schema.Operation, c schema.Collection, person schema.ExternalID, id string) {
	s.t.Helper()
	s.handleAt(op, c, person, id, nil)
}

func (s *system) handleAt(op schema.Operation, c schema.Collection, person schema.ExternalID, id string, order *schema.Order) {
	s.t.Helper()
	a := schema.Analysis{Job: schema.Job{
		Request: schema.Request{ID: schema.RequestID(id), Operation: op, Collection: c, ExternalID: person, Images: []schema.ObjectRef{{Bucket: "images", Key: id}}}, AcceptedAt: time.Now(), Order: order,
	}}
	if op == schema.OpEnroll {
		a.Faces, a.Thresholds = make([]schema.FaceResult, 1), &schema.Thresholds{}
		a.Probes = []schema.Embedding{gallerytest.Random(model, "", "", uint64(len(id))).Embedding}
	}
	data, err := json.Marshal(a)
	if err == nil {
		err = s.indexer.Handle(s.t.Context(), events.Record{Event: events.Event{Data: data}})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// guid is the row of the request id.
func guid(id string) string {
	return schema.RowID(schema.RequestID(id), schema.ObjectRef{Bucket: "images", Key: id}, 0)
}

// puid is who a person is in a collection.
func puid(c schema.Collection, person schema.ExternalID) schema.PUID {
	return schema.DerivePUID(c, person, "")
}

// put writes the row of the request id behind the indexer's back.
func (s *system) put(c schema.Collection, person schema.ExternalID, id string, created time.Time) {
	s.t.Helper()
	row := gallerytest.Random(model, guid(id), puid(c, person), 7)
	row.Created = created
	if err := s.gallery.Upsert(s.t.Context(), c, []gallery.Row{row})[0]; err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) verify(only schema.Collection) Report {
	s.t.Helper()
	r, err := Run(s.t.Context(), s.client, s.reader, only)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// difference is one in the row of the request row, as text.
func difference(kind Kind, c schema.Collection, person schema.ExternalID, row string, by schema.RequestID) string {
	return text(Difference{Kind: kind, Collection: c, GUID: guid(row), PUID: puid(c, person), Request: by})
}

func text(d Difference) string {
	return fmt.Sprint(d.Kind, " ", d.Collection, " ", string(d.PUID), " ", d.GUID, " ", d.Request)
}

func (s *system) wantDifferences(r Report, want ...string) {
	s.t.Helper()
	var got []string
	for _, d := range r.Differences {
		got = append(got, text(d))
		if d.At.IsZero() {
			s.t.Errorf("%s %s has no time", d.Kind, d.GUID)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("differences (-want +got):\n%s", diff)
	}
}

func TestVerify(t *testing.T) {
	s := start(t)
	s.enroll("staff", "ann", "e1")
	s.enroll("staff", "ann", "e2")
	s.enroll("staff", "bob", "e3")
	s.enroll("staff", "cid", "e4")
	s.enroll("guests", "cid", "e5")
	s.handle(schema.OpUserDelete, "staff", "cid", "d1")
	s.enroll("staff", "dee", "e6")
	s.handle(schema.OpUserDelete, "staff", "dee", "d2")
	s.enroll("staff", "dee", "e7")
	s.handle(schema.OpUserDelete, "staff", "nobody", "d3")
	// Delivered again, as after a crash: the same results once more, in the same order.
	s.enroll("staff", "cid", "e4")
	s.handle(schema.OpUserDelete, "staff", "cid", "d1")

	r := s.verify("")
	s.wantDifferences(r)
	want := []Tally{{Collection: "guests", Rows: 1, Enrolled: 1}, {Collection: "staff", Rows: 4, Enrolled: 4}}
	if diff := cmp.Diff(want, r.Collections); diff != "" {
		t.Errorf("collections (-want +got):\n%s", diff)
	}
	if r.Results != 12 || !r.Since.IsZero() {
		t.Errorf("%d results since %v; want 12 since the beginning", r.Results, r.Since)
	}

	// Behind the indexer's back: one row goes, one comes from nowhere, and a deleted person comes back.
	if o := s.gallery.Delete(t.Context(), "staff", []gallery.Deletion{{PUID: puid("staff", "bob"), Request: "x"}})[0]; o.Err != nil || o.Value != 1 {
		t.Fatal(o)
	}
	s.put("staff", "eve", "nobody asked", time.Now())
	s.put("staff", "cid", "e4 again", time.Now())
	wrong := []string{
		difference(Missing, "staff", "bob", "e3", "e3"),
		difference(Unexpected, "staff", "eve", "nobody asked", ""),
		difference(Deleted, "staff", "cid", "e4 again", "d1"),
	}
	s.wantDifferences(s.verify(""), wrong...)
	s.wantDifferences(s.verify("staff"), wrong...)
	s.wantDifferences(s.verify("guests"))

	// A row whose result comes between the two looks is not a difference.
	s.put("guests", "fay", "e8", time.Now())
	looks := 0
	r, err := Run(t.Context(), s.client, listed{s.reader, func() {
		if looks++; looks == 1 {
			s.enroll("guests", "fay", "e8")
		}
	}}, "guests")
	if err != nil || looks != 2 {
		t.Fatalf("%d looks, %v; want 2", looks, err)
	}
	s.wantDifferences(r)
}

// A deletion that is carried out late spares the enrolments that were accepted after it, and a row that it outlived is a
// difference even if a result names it.
func TestVerifyKnowsTheOrder(t *testing.T) {
	s := start(t)
	at := func(offset int64) *schema.Order {
		return &schema.Order{Cluster: "cluster", Topic: "requests", Offset: offset}
	}
	until := func(end int64) *schema.Order {
		return &schema.Order{Cluster: "cluster", Ends: schema.Ends{"requests": {end}}}
	}
	s.handleAt(schema.OpEnroll, "staff", "ann", "e1", at(1))
	s.handleAt(schema.OpEnroll, "staff", "ann", "e2", at(7))
	s.handleAt(schema.OpUserDelete, "staff", "ann", "d1", until(5)) // replayed, say
	s.handleAt(schema.OpEnroll, "staff", "ann", "e3", at(2))        // overtaken, and refused
	s.handleAt(schema.OpEnroll, "staff", "ann", "e1", at(1))        // a late repeat
	r := s.verify("")
	s.wantDifferences(r)
	if diff := cmp.Diff([]Tally{{Collection: "staff", Rows: 1, Enrolled: 1}}, r.Collections); diff != "" {
		t.Errorf("collections (-want +got):\n%s", diff)
	}

	// As if the gallery had it all the same.
	row := gallery.Row{ID: guid("e3"), PUID: puid("staff", "ann"), Order: at(2), Created: time.Now()}
	r, err := Run(t.Context(), s.client, haunted{s.reader, row}, "")
	if err != nil {
		t.Fatal(err)
	}
	s.wantDifferences(r, difference(Deleted, "staff", "ann", "e3", ""))
}

// haunted has a row more.
type haunted struct {
	Lister
	row gallery.Row
}

func (h haunted) List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (gallery.Page, error) {
	page, err := h.Lister.List(ctx, c, after, limit, among...)
	page.Rows = append(page.Rows, h.row)
	return page, err
}

// listed calls after each page.
type listed struct {
	Lister
	after func()
}

func (l listed) List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (gallery.Page, error) {
	defer l.after()
	return l.Lister.List(ctx, c, after, limit, among...)
}

// If retention has cut the topic, rows that are older than what is left are not judged. Others are.
func TestVerifyACutTopic(t *testing.T) {
	s := start(t)
	s.enroll("staff", "ann", "e1")
	s.enroll("staff", "bob", "e2")
	old := time.Now().Add(-time.Minute)
	s.cut()
	s.put("staff", "cid", "before the cut", old)
	s.enroll("staff", "dee", "e3")
	s.put("staff", "eve", "after the cut", time.Now().Add(time.Hour))

	r := s.verify("")
	s.wantDifferences(r, difference(Unexpected, "staff", "eve", "after the cut", ""))
	if r.Results != 1 || !r.Since.After(old) {
		t.Errorf("%d results since %v; want 1 since the cut", r.Results, r.Since)
	}
	if diff := cmp.Diff([]Tally{{Collection: "staff", Rows: 5, Enrolled: 1, Older: 3}}, r.Collections); diff != "" {
		t.Errorf("collections (-want +got):\n%s", diff)
	}
}

// cut removes every record of the results topic, as retention does.
func (s *system) cut() {
	s.t.Helper()
	status, err := s.client.Describe(s.t.Context(), events.Results)
	if err != nil {
		s.t.Fatal(err)
	}
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = string(events.Results)
	for _, p := range status[0].Partitions {
		partition := kmsg.NewDeleteRecordsRequestTopicPartition()
		partition.Partition, partition.Offset = int32(p.ID), p.Last
		topic.Partitions = append(topic.Partitions, partition)
	}
	request := kmsg.NewDeleteRecordsRequest()
	request.Topics = append(request.Topics, topic)
	c, err := kgo.NewClient(kgo.SeedBrokers(s.broker))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	response, err := request.RequestWith(s.t.Context(), c)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range response.Topics[0].Partitions {
		if p.ErrorCode != 0 {
			s.t.Fatalf("the records of partition %d were not deleted: code %d", p.Partition, p.ErrorCode)
		}
	}
}

// TestVerifySpellings: a person whom an earlier version enrolled under another spelling of the name is enrolled again and
// erased under today's, and the results still say what the gallery holds.
func TestVerifySpellings(t *testing.T) {
	s := start(t)
	const c, composed, decomposed = "staff", schema.ExternalID("Zo\u00eb"), schema.ExternalID("Zoe\u0308")
	before := schema.Request{ID: "before", Operation: schema.OpEnroll, Collection: c, ExternalID: decomposed}
	stored := before.Persons()[0]
	row := gallerytest.Random(model, guid("before"), stored, 7)
	row.ExternalID, row.Created = decomposed, time.Now()
	if err := s.gallery.Upsert(t.Context(), c, []gallery.Row{row})[0]; err != nil {
		t.Fatal(err)
	}
	result := schema.Result{RequestID: "before", Operation: schema.OpEnroll, Collection: c, ExternalID: decomposed,
		Enroll: &schema.EnrollData{EnrollPerformed: true, Response: &schema.EnrollResponse{GUID: row.ID, PUID: stored}}}
	data, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	e := events.Event{ID: "e", Source: "facestream/indexer", Type: events.TypeResult, Key: c + "/" + string(stored), Data: data}
	if err := s.indexer.Results.Publisher.Publish(t.Context(), events.Results, e); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		op     schema.Operation
		person schema.ExternalID
		rows   int
	}{
		{"", "", 1}, {schema.OpEnroll, composed, 2}, {schema.OpUserDelete, composed, 0}, {schema.OpEnroll, decomposed, 1},
	} {
		if step.op != "" {
			s.handle(step.op, c, step.person, string(step.op)+string(step.person))
		}
		r := s.verify("")
		if len(r.Differences) > 0 || r.Collections[0].Rows != step.rows || r.Collections[0].Enrolled != step.rows {
			t.Errorf("after %q: %+v, %d differences", step.op, r.Collections, len(r.Differences))
		}
	}
}

func TestVerifyWithoutResults(t *testing.T) {
	s := start(t)
	r := s.verify("staff")
	s.wantDifferences(r)
	if diff := cmp.Diff([]Tally{{Collection: "staff"}}, r.Collections); diff != "" || r.Results != 0 {
		t.Errorf("%d results; collections (-want +got):\n%s", r.Results, diff)
	}
}

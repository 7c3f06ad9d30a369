package allinone_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"facestream/pkg/schema"
)

// needsDirectory skips, aloud, a test where the gallery under test has no directory beside it.
func (s *stream) needsDirectory(t *testing.T) {
	t.Helper()
	if s.cfg.Indexer.Directory.Kind(s.cfg.Indexer.Gallery) == "off" {
		t.Skip("SKIPPED: the driver opts out of the directory beside a server that this test does not own")
	}
}

// emptySchema makes a schema of its own in a PostgreSQL server, and returns the address with it.
func emptySchema(server string) (schema.Secret, error) {
	name := "test" + strings.ReplaceAll(uuid.NewString(), "-", "")
	c, err := pgx.Connect(context.Background(), server)
	if err != nil {
		return "", err
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(context.Background(), "CREATE SCHEMA "+name); err != nil {
		return "", err
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return schema.Secret(u.String()), nil
}

// TestDirectory: persons and groups are made, listed, filtered, changed and deleted by requests, beside enrolments of their faces.
func TestDirectory(t *testing.T) {
	s := useStream(t)
	s.needsDirectory(t)
	c := schema.Collection(unique("directory"))
	ask := func(r schema.Request) schema.Result {
		t.Helper()
		r.Collection = c
		return s.send(t, r)
	}
	text := func(v schema.Personal) *schema.Personal { return &v }

	group := ask(schema.Request{Operation: schema.OpGroupCreate, Group: &schema.GroupFields{Name: text("Night shift")}}).Group
	if group == nil || group.ID == "" {
		t.Fatal("no group was made")
	}
	alice := ask(schema.Request{Operation: schema.OpEnroll, ExternalID: "alice", Consent: &schema.Consent{Given: true, Reference: "form 12"},
		Images: []schema.ObjectRef{s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 0), nil)},
		Fields: &schema.PersonFields{Name: text("Alice"), Metadata: schema.Metadata(`{"team":"blue","floor":3}`), Groups: []schema.GroupID{group.ID}}})
	if alice.Enroll == nil || !alice.Enroll.EnrollPerformed {
		t.Fatalf("the enrolment: %+v", alice.CallStatus)
	}
	bob := ask(schema.Request{Operation: schema.OpPersonCreate, ExternalID: "bob", Fields: &schema.PersonFields{Metadata: schema.Metadata(`{"team":"blue"}`)}})
	if bob.Person == nil || bob.Person.Message != "created" {
		t.Fatalf("the second person: %+v", bob.CallStatus)
	}
	list := func(f *schema.PersonFilter) (out []schema.PUID) {
		t.Helper()
		r := ask(schema.Request{Operation: schema.OpUserList, Filter: f})
		if r.Persons == nil {
			t.Fatalf("the list: %+v", r.CallStatus)
		}
		for _, p := range r.Persons.Persons {
			out = append(out, p.PUID)
		}
		return out
	}
	puid := alice.Enroll.Response.PUID
	both := []schema.PUID{puid, bob.Person.PUID}
	slices.Sort(both)
	if got := list(nil); !slices.Equal(got, both) {
		t.Errorf("%d persons are listed", len(got))
	}
	if got := list(&schema.PersonFilter{Metadata: schema.Metadata(`{"team":"blue"}`)}); !slices.Equal(got, both) {
		t.Errorf("%d persons are in the team", len(got))
	}
	if got := list(&schema.PersonFilter{Groups: []schema.GroupID{group.ID}}); !slices.Equal(got, []schema.PUID{puid}) {
		t.Errorf("%d persons are in the group", len(got))
	}
	if r := ask(schema.Request{Operation: schema.OpUserUpdate, ExternalID: "alice", Fields: &schema.PersonFields{Groups: []schema.GroupID{}}}); r.Person == nil {
		t.Errorf("the update: %+v", r.CallStatus)
	}
	if got := list(&schema.PersonFilter{Groups: []schema.GroupID{group.ID}}); len(got) != 0 {
		t.Errorf("%d persons are in a group that the update left", len(got))
	}
	one := ask(schema.Request{Operation: schema.OpUserList, PUID: puid})
	if one.Persons == nil || len(one.Persons.Images) != 1 || one.Persons.Images[0].GUID != alice.Enroll.Response.GUID || one.Persons.Persons[0].Consent == nil {
		t.Errorf("one person: %+v", one.CallStatus)
	}
	if r := ask(schema.Request{Operation: schema.OpUserDelete, ExternalID: "alice"}); r.UserDelete == nil || r.UserDelete.Count != 1 {
		t.Errorf("the deletion: %+v", r.CallStatus)
	}
	if got := list(nil); !slices.Equal(got, []schema.PUID{bob.Person.PUID}) {
		t.Errorf("%d persons are listed after the deletion", len(got))
	}
	if r := ask(schema.Request{Operation: schema.OpGroupDelete, Group: &schema.GroupFields{ID: group.ID}}); r.Group == nil {
		t.Errorf("the group's deletion: %+v", r.CallStatus)
	}
}

// TestPeopleEnd: somebody whose ttl_seconds are over is deleted without being asked for, with the image.
func TestPeopleEnd(t *testing.T) {
	s := useStream(t)
	s.needsDirectory(t)
	c, seconds := schema.Collection(unique("ends")), int64(2)
	ref := s.put(t, unique("test")+"/a.jpg", portrait(t, 0, 0), nil)
	r := s.send(t, schema.Request{Operation: schema.OpEnroll, Collection: c, ExternalID: "alice", Images: []schema.ObjectRef{ref}, Fields: &schema.PersonFields{TTL: &seconds}})
	if r.Enroll == nil || !r.Enroll.EnrollPerformed {
		t.Fatalf("the enrolment: %+v", r.CallStatus)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		list := s.send(t, schema.Request{Operation: schema.OpUserList, Collection: c})
		if list.Persons != nil && len(list.Persons.Persons) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the person is still there")
		}
	}
	s.noRows(t, c)
	if _, err := s.objects.Stat(t.Context(), schema.ObjectRef{Bucket: ref.Bucket, Key: ref.Key}); schema.ReasonOf(err) != schema.ReasonImageNotFound {
		t.Errorf("the image is still there: %v", err)
	}
}

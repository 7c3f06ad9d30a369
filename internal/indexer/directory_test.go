package indexer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/internal/directory"
	"facestream/pkg/schema"
)

func ptr[T any](v T) *T { return &v }

// agree checks that the directory has exactly the images that the gallery has.
func (b *bench) agree() {
	b.t.Helper()
	ctx := context.Background()
	var inGallery, inDirectory []string
	for after := ""; ; {
		page, err := b.Gallery.List(ctx, staff, after, 100)
		if err != nil {
			break // nobody was ever enrolled, or the test broke the gallery
		}
		for _, r := range page.Rows {
			inGallery = append(inGallery, r.ID+" of "+string(r.PUID))
		}
		if after = page.Next; after == "" {
			break
		}
	}
	for after := ""; ; {
		page, err := b.Directory.Persons(ctx, staff, directory.Query{After: after, Limit: 100})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, p := range page.Persons {
			images, err := b.Directory.Images(ctx, staff, p.PUID, "", 1000)
			if err != nil {
				b.t.Fatal(err)
			}
			for _, i := range images.Images {
				inDirectory = append(inDirectory, i.GUID+" of "+string(p.PUID))
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	slices.Sort(inGallery)
	slices.Sort(inDirectory)
	if diff := cmp.Diff(inGallery, inDirectory); diff != "" {
		b.t.Errorf("images (-gallery +directory):\n%s", diff)
	}
}

// ask sends a request without images, the next one in the order of one partition.
func (b *bench) ask(r schema.Request) schema.Result {
	b.t.Helper()
	return b.answer(analysis(r, 0))
}

func (b *bench) list(r schema.Request) *schema.PersonList {
	b.t.Helper()
	r.ID, r.Operation = schema.RequestID(fmt.Sprint("list ", len(b.published))), schema.OpUserList
	return b.ask(r).Persons
}

// TestDirectory: who is enrolled is listed, can be changed and found, and is gone once deleted.
func TestDirectory(t *testing.T) {
	b := newBench(t)
	if l := b.list(schema.Request{}); l == nil || l.Persons == nil || len(l.Persons) != 0 {
		t.Errorf("a collection that nobody is enrolled in: %+v", l)
	}
	created := b.ask(schema.Request{ID: "g", Operation: schema.OpGroupCreate, Group: &schema.GroupFields{ID: "night", Name: ptr(schema.Personal("Night shift"))}})
	if created.Group == nil || created.Group.ID != "night" || created.Group.Message != "created" {
		t.Fatalf("the group: %+v, %+v", created.CallStatus, created.Group)
	}
	alice := b.enroll("r1", "alice", 0)
	b.enroll("r2", "alice", 5)
	bob := b.ask(schema.Request{ID: "c", Operation: schema.OpPersonCreate, ExternalID: "bob", Fields: &schema.PersonFields{Metadata: schema.Metadata(`{"team":"blue"}`), Groups: []schema.GroupID{"night"}}}).Person
	if bob == nil || bob.PUID != schema.DerivePUID(staff, "bob", "") || bob.Message != "created" {
		t.Fatalf("a person without an image: %+v", bob)
	}
	if r := b.ask(schema.Request{ID: "u", Operation: schema.OpUserUpdate, PUID: alice, Fields: &schema.PersonFields{Name: ptr(schema.Personal("Alice"))}}); r.Person == nil || r.Person.Message != "updated" {
		t.Errorf("the update: %+v, %+v", r.CallStatus, r.Person)
	}
	all := b.list(schema.Request{})
	if len(all.Persons) != 2 {
		t.Fatalf("%d persons", len(all.Persons))
	}
	one := b.list(schema.Request{ExternalID: "alice"})
	if len(one.Persons) != 1 || one.Persons[0].Name != "Alice" || one.Persons[0].Images != 2 || len(one.Images) != 2 || one.Images[0].Object == nil {
		t.Errorf("one person: %+v with %d images", one.Persons, len(one.Images))
	}
	for name, f := range map[string]schema.PersonFilter{
		"group": {Groups: []schema.GroupID{"night"}}, "metadata": {Metadata: schema.Metadata(`{"team":"blue"}`)}, "external id": {ExternalIDs: []schema.ExternalID{"bob"}},
	} {
		if l := b.list(schema.Request{Filter: &f}); len(l.Persons) != 1 || l.Persons[0].PUID != bob.PUID {
			t.Errorf("by %s: %d persons", name, len(l.Persons))
		}
	}
	first := b.list(schema.Request{Page: &schema.PageQuery{Limit: 1}})
	second := b.list(schema.Request{Page: &schema.PageQuery{Limit: 1, After: first.Next}})
	if len(first.Persons) != 1 || len(second.Persons) != 1 || first.Persons[0].PUID == second.Persons[0].PUID || second.Next != "" {
		t.Errorf("two pages: %d and %d persons, next %q", len(first.Persons), len(second.Persons), second.Next)
	}
	if r := b.answer(analysis(schema.Request{ID: "r3", Operation: schema.OpEnroll, PUID: bob.PUID}, 90)); r.Enroll == nil || r.Enroll.Response.PUID != bob.PUID {
		t.Errorf("the first image of somebody who was made without one: %+v", r.CallStatus)
	}
	if r := b.ask(schema.Request{ID: "d", Operation: schema.OpUserDelete, PUID: alice}); r.UserDelete == nil || r.UserDelete.Count != 2 {
		t.Errorf("the deletion: %+v", r.CallStatus)
	}
	if r := b.ask(schema.Request{ID: "u2", Operation: schema.OpUserUpdate, PUID: alice, Fields: &schema.PersonFields{}}); r.CallStatus.Reason != schema.ReasonUnknownPUID {
		t.Errorf("an update of somebody deleted: %+v", r.CallStatus)
	}
	if r := b.ask(schema.Request{ID: "l2", Operation: schema.OpUserList, PUID: alice}); r.CallStatus.Reason != schema.ReasonUnknownPUID || r.Persons != nil {
		t.Errorf("somebody deleted is listed: %+v", r.CallStatus)
	}
	groups := b.ask(schema.Request{ID: "gl", Operation: schema.OpGroupList}).Groups
	if len(groups.Groups) != 1 || groups.Groups[0].Name != "Night shift" {
		t.Errorf("the groups: %d", len(groups.Groups))
	}
	if r := b.ask(schema.Request{ID: "gd", Operation: schema.OpGroupDelete, Group: &schema.GroupFields{ID: "night"}}); r.Group == nil || r.Group.Message != "deleted" {
		t.Errorf("the group's deletion: %+v", r.CallStatus)
	}
	if r := b.ask(schema.Request{ID: "gu", Operation: schema.OpGroupUpdate, Group: &schema.GroupFields{ID: "night"}}); r.CallStatus.Reason != schema.ReasonUnknownGroup {
		t.Errorf("an update of no group: %+v", r.CallStatus)
	}
}

// TestPersonWithoutImagesIsDeleted: also in a collection that has no image.
func TestPersonWithoutImagesIsDeleted(t *testing.T) {
	b := newBench(t)
	b.ask(schema.Request{ID: "c", Operation: schema.OpPersonCreate, ExternalID: "bob"})
	for range 2 {
		if r := b.ask(schema.Request{ID: "d", Operation: schema.OpUserDelete, ExternalID: "bob"}); r.UserDelete == nil || r.UserDelete.Count != 0 {
			t.Errorf("the deletion: %+v", r.CallStatus)
		}
	}
	b.ask(schema.Request{ID: "c", Operation: schema.OpPersonCreate, ExternalID: "bob"})
	if l := b.list(schema.Request{}); len(l.Persons) != 0 {
		t.Error("the repeat of a creation brought somebody back")
	}
	if r := b.ask(schema.Request{ID: "d2", Operation: schema.OpUserDelete, ExternalID: "bob"}); r.CallStatus.Reason != schema.ReasonUnknownCollection {
		t.Errorf("the deletion of nobody: %+v", r.CallStatus)
	}
}

// TestEnrolmentSetsThePerson: with what the request says, once; a group that is not there refuses it, and nobody is enrolled.
func TestEnrolmentSetsThePerson(t *testing.T) {
	b := newBench(t)
	a := analysis(schema.Request{ID: "r1", Operation: schema.OpEnroll, ExternalID: "alice", Consent: &schema.Consent{Given: true},
		Fields: &schema.PersonFields{Name: ptr(schema.Personal("Alice")), TTL: ptr(int64(60)), Groups: []schema.GroupID{"night"}}}, 0)
	if r := b.answer(a); r.CallStatus.Reason != schema.ReasonUnknownGroup || len(b.rows()) != 0 {
		t.Errorf("with a group that is not there: %+v, %d rows", r.CallStatus, len(b.rows()))
	}
	a.ID, a.Fields.Groups = "r2", nil
	b.answer(a)
	b.ask(schema.Request{ID: "u", Operation: schema.OpUserUpdate, ExternalID: "alice", Fields: &schema.PersonFields{Name: ptr(schema.Personal("Anna"))}})
	b.answer(a)
	p := b.list(schema.Request{ExternalID: "alice"}).Persons[0]
	if p.Name != "Anna" || p.Consent == nil || p.Images != 1 || p.Expires == nil || !p.Expires.Equal(a.AcceptedAt.Add(time.Minute)) {
		t.Errorf("the person is named %q and is %+v", string(p.Name), p)
	}
}

// TestWithoutDirectory: everything else works, and the operations on persons say what is missing.
func TestWithoutDirectory(t *testing.T) {
	b := newBench(t)
	kept := b.Directory
	b.Directory = nil
	defer func() { b.Directory = kept }()
	b.enroll("r", "alice", 0)
	for _, op := range []schema.Operation{schema.OpUserList, schema.OpUserUpdate, schema.OpPersonCreate, schema.OpGroupList, schema.OpGroupCreate} {
		if r := b.ask(schema.Request{ID: schema.RequestID(op), Operation: op, ExternalID: "alice"}); r.CallStatus.Reason != schema.ReasonOperationUnavailable {
			t.Errorf("%s: %+v", op, r.CallStatus)
		}
	}
	if r := b.ask(schema.Request{ID: "d", Operation: schema.OpUserDelete, ExternalID: "alice"}); r.UserDelete == nil {
		t.Errorf("the deletion: %+v", r.CallStatus)
	}
}

// TestEnrolledBeforeTheDirectory: people whom the gallery has from the time before are listed after the backfill, and can be
// changed before it.
func TestEnrolledBeforeTheDirectory(t *testing.T) {
	b := newBench(t)
	kept := b.Directory
	b.Directory = nil
	for i := range 5 {
		name := schema.ExternalID(fmt.Sprint("person ", i))
		b.enroll(schema.RequestID(fmt.Sprint("a", i)), name, float64(10*i))
		b.enroll(schema.RequestID(fmt.Sprint("b", i)), name, float64(10*i+5))
	}
	b.Directory = kept
	if r := b.ask(schema.Request{ID: "u", Operation: schema.OpUserUpdate, ExternalID: "person 3", Fields: &schema.PersonFields{Name: ptr(schema.Personal("Three"))}}); r.Person == nil {
		t.Fatalf("an update before the backfill: %+v", r.CallStatus)
	}
	reader, ok := b.Gallery.(directory.Lister)
	if !ok {
		t.Fatal("the gallery cannot be listed")
	}
	rows, err := directory.RowsOf(t.Context(), reader, staff)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := directory.Take(t.Context(), b.Directory, staff, rows); err != nil {
			t.Fatal(err)
		}
	}
	l := b.list(schema.Request{})
	if len(l.Persons) != 5 {
		t.Fatalf("%d persons are listed", len(l.Persons))
	}
	named := 0
	for _, p := range l.Persons {
		if p.Images != 2 || p.ExternalID == "" {
			t.Errorf("a person has %d images", p.Images)
		}
		if p.Name == "Three" {
			named++
		}
	}
	if named != 1 {
		t.Error("the backfill took a name away")
	}
}

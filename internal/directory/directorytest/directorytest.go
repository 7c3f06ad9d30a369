// Package directorytest is the conformance suite of the directory's drivers.
package directorytest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/internal/directory"
	"facestream/pkg/schema"
)

// Staff is the collection of the tests.
const Staff schema.Collection = "staff"

// Open opens the directory of one test: the same one each time. Close closes it.
type Open func(t *testing.T) (directory.Directory, func())

// Run tests a driver. fresh returns how to open an empty directory.
func Run(t *testing.T, fresh func(t *testing.T) Open) {
	for name, test := range map[string]func(b *bench){
		"a person is made, changed and read":    testPerson,
		"nobody is an answer":                   testNobody,
		"images":                                testImages,
		"pages":                                 testPages,
		"filters":                               testFilters,
		"groups":                                testGroups,
		"a repeat changes nothing":              testRepeats,
		"deleted is deleted":                    testErased,
		"what is younger than a deletion stays": testYounger,
		"ends":                                  testEnds,
		"people from before the directory":      testAdopted,
		"everything survives the end of a process": testReopened,
		"many at once":                 testConcurrent,
		"texts come back as they were": testTexts,
	} {
		t.Run(name, func(t *testing.T) {
			open := fresh(t)
			d, done := open(t)
			b := &bench{T: t, d: d, done: done, open: open}
			defer func() { b.done() }()
			test(b)
		})
	}
}

// bench is a directory under test.
type bench struct {
	*testing.T
	d        directory.Directory
	done     func()
	open     Open
	requests int
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// change is a change on behalf of a new request, a minute after the one before.
func (b *bench) change(act directory.Act) directory.Change {
	b.requests++
	return directory.Change{Collection: Staff, Request: schema.RequestID(fmt.Sprint("request ", b.requests)), At: noon.Add(time.Duration(b.requests) * time.Minute), Act: act}
}

// apply makes one change.
func (b *bench) apply(c directory.Change) (directory.Done, schema.Reason) {
	b.Helper()
	out := b.d.Apply(b.Context(), []directory.Change{c})
	if len(out) != 1 {
		b.Fatalf("%d answers to one change", len(out))
	}
	if out[0].Err != nil && schema.ReasonOf(out[0].Err) == "" {
		b.Fatal(out[0].Err)
	}
	return out[0].Value, schema.ReasonOf(out[0].Err)
}

// must makes changes that are not refused.
func (b *bench) must(acts ...directory.Act) {
	b.Helper()
	for _, a := range acts {
		if _, reason := b.apply(b.change(a)); reason != "" {
			b.Fatalf("%T: %s", a, reason)
		}
	}
}

func (b *bench) person(puid schema.PUID) *schema.Person {
	b.Helper()
	p, err := b.d.Person(b.Context(), Staff, puid)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// names returns the puids that q chooses, page by page.
func (b *bench) names(q directory.Query) (out []string) {
	b.Helper()
	for {
		page, err := b.d.Persons(b.Context(), Staff, q)
		if err != nil {
			b.Fatal(err)
		}
		if len(page.Persons) > q.Limit {
			b.Fatalf("a page of %d persons has %d", q.Limit, len(page.Persons))
		}
		for _, p := range page.Persons {
			out = append(out, string(p.PUID))
		}
		if q.After = page.Next; q.After == "" {
			return out
		}
		if len(page.Persons) == 0 {
			b.Fatal("an empty page names a next one")
		}
	}
}

func (b *bench) want(got, want any) {
	b.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		b.Errorf("-want +got:\n%s", diff)
	}
}

func ptr[T any](v T) *T { return &v }

func put(puid schema.PUID, f schema.PersonFields) directory.Put {
	return directory.Put{PUID: puid, ExternalID: schema.ExternalID("name of " + string(puid)), Fields: f}
}

func edit(puid schema.PUID, f schema.PersonFields) directory.Put {
	p := put(puid, f)
	p.Must = true
	return p
}

func image(puid schema.PUID, id string) schema.PersonImage {
	return schema.PersonImage{GUID: id, PUID: puid, Object: &schema.ObjectRef{Bucket: "faces", Key: id + ".jpg", Version: "v1"}, Created: noon}
}

func enrol(puid schema.PUID, id string) directory.Enrol {
	return directory.Enrol{Put: put(puid, schema.PersonFields{}), Image: image(puid, id)}
}

func testPerson(b *bench) {
	consent := &schema.Consent{Given: true, Reference: "form 7"}
	first := directory.Put{PUID: "anna", ExternalID: "a-1", Consent: consent,
		Fields: schema.PersonFields{Name: ptr(schema.Personal("Anna")), Metadata: schema.Metadata(`{"team": "blue", "grade": 3, "deep": {"x": [1]}}`), TTL: ptr(int64(3600))}}
	if done, _ := b.apply(b.change(first)); !done.Created {
		b.Error("a new person was not created")
	}
	at, end := noon.Add(time.Minute), noon.Add(time.Minute+time.Hour)
	want := &schema.Person{PUID: "anna", ExternalID: "a-1", Name: "Anna", Metadata: schema.Metadata(`{"team":"blue","grade":3,"deep":{"x":[1]}}`), Consent: consent, Created: at, Updated: at, Expires: &end}
	b.want(b.person("anna"), want)

	if done, _ := b.apply(b.change(edit("anna", schema.PersonFields{Name: ptr(schema.Personal("Anne"))}))); done.Created {
		b.Error("an edit created somebody")
	}
	want.Name, want.Updated = "Anne", noon.Add(2*time.Minute)
	b.want(b.person("anna"), want)

	b.must(edit("anna", schema.PersonFields{Name: ptr(schema.Personal("")), Metadata: schema.Metadata(`{}`), TTL: ptr(int64(0))}))
	b.want(b.person("anna"), &schema.Person{PUID: "anna", ExternalID: "a-1", Consent: consent, Created: at, Updated: noon.Add(3 * time.Minute)})
}

func testNobody(b *bench) {
	b.want(b.person("nobody"), (*schema.Person)(nil))
	if _, reason := b.apply(b.change(edit("nobody", schema.PersonFields{}))); reason != schema.ReasonUnknownPUID {
		b.Errorf("an edit of nobody: %q", reason)
	}
	if done, reason := b.apply(b.change(directory.Erase{PUID: "nobody"})); done.Existed || reason != "" {
		b.Errorf("erasing nobody: %v, %q", done, reason)
	}
	b.want(b.names(directory.Query{Limit: 3}), []string{})
	if _, err := b.d.Persons(b.Context(), Staff, directory.Query{}); schema.ReasonOf(err) != schema.ReasonInvalidRequest {
		b.Errorf("a page of 0: %v", err)
	}
	b.must(put("anna", schema.PersonFields{}))
	if p, err := b.d.Person(b.Context(), "elsewhere", "anna"); p != nil || err != nil {
		b.Errorf("another collection has %v, %v", p, err)
	}
	if p, err := b.d.Person(b.Context(), Staff, "nobody", "anna"); err != nil || p == nil || p.PUID != "anna" {
		b.Errorf("the second of two names: %v, %v", p, err)
	}
}

func testImages(b *bench) {
	b.must(enrol("anna", "3"), enrol("anna", "1"), enrol("anna", "2"), enrol("bert", "4"))
	if p := b.person("anna"); p.Images != 3 || p.ExternalID != "name of anna" {
		b.Errorf("anna has %d images, external id %q", p.Images, string(p.ExternalID))
	}
	var got []schema.PersonImage
	for after := ""; ; {
		page, err := b.d.Images(b.Context(), Staff, "anna", after, 2)
		if err != nil {
			b.Fatal(err)
		}
		got = append(got, page.Images...)
		if after = page.Next; after == "" {
			break
		}
	}
	b.want(got, []schema.PersonImage{image("anna", "1"), image("anna", "2"), image("anna", "3")})
}

func testPages(b *bench) {
	var want []string
	for i := range 25 {
		puid := fmt.Sprintf("p%02d", i*7%25)
		want = append(want, puid)
		b.must(put(schema.PUID(puid), schema.PersonFields{Metadata: schema.Metadata(`{"n":1}`)}))
	}
	slices.Sort(want)
	for _, limit := range []int{1, 5, 24, 25, 26} {
		b.want(b.names(directory.Query{Limit: limit}), want)
		b.want(b.names(directory.Query{Limit: limit, Bare: true}), want)
		b.want(b.names(directory.Query{Limit: limit, Filter: schema.PersonFilter{Metadata: schema.Metadata(`{"n":1}`)}}), want)
	}
}

func testFilters(b *bench) {
	b.must(directory.PutGroup{Group: schema.GroupFields{ID: "night"}}, directory.PutGroup{Group: schema.GroupFields{ID: "day"}})
	person := func(puid schema.PUID, metadata string, groups ...schema.GroupID) {
		b.must(put(puid, schema.PersonFields{Metadata: schema.Metadata(metadata), Groups: groups}))
	}
	person("anna", `{"team":"blue","grade":3,"on":true}`, "night")
	person("bert", `{"team":"blue","grade":4}`, "night", "day")
	person("carl", `{"team":"red","grade":3,"on":false}`, "day")
	person("dora", `{"team":"3"}`)
	for _, tt := range []struct {
		name   string
		filter schema.PersonFilter
		want   []string
	}{
		{"a text", schema.PersonFilter{Metadata: schema.Metadata(`{"team":"blue"}`)}, []string{"anna", "bert"}},
		{"a number, written differently", schema.PersonFilter{Metadata: schema.Metadata(`{"grade":3.0}`)}, []string{"anna", "carl"}},
		{"a boolean", schema.PersonFilter{Metadata: schema.Metadata(`{"on":true}`)}, []string{"anna"}},
		{"a text is no number", schema.PersonFilter{Metadata: schema.Metadata(`{"team":3}`)}, nil},
		{"case matters", schema.PersonFilter{Metadata: schema.Metadata(`{"team":"Blue"}`)}, nil},
		{"two values", schema.PersonFilter{Metadata: schema.Metadata(`{"team":"blue","grade":4}`)}, []string{"bert"}},
		{"a group", schema.PersonFilter{Groups: []schema.GroupID{"night"}}, []string{"anna", "bert"}},
		{"one of two groups", schema.PersonFilter{Groups: []schema.GroupID{"night", "day"}}, []string{"anna", "bert", "carl"}},
		{"no such group", schema.PersonFilter{Groups: []schema.GroupID{"noon"}}, nil},
		{"group and metadata", schema.PersonFilter{Groups: []schema.GroupID{"day"}, Metadata: schema.Metadata(`{"team":"blue"}`)}, []string{"bert"}},
		{"groups and metadata", schema.PersonFilter{Groups: []schema.GroupID{"day", "night"}, Metadata: schema.Metadata(`{"grade":3}`)}, []string{"anna", "carl"}},
		{"external ids", schema.PersonFilter{ExternalIDs: []schema.ExternalID{"name of dora", "name of anna", "name of nobody"}}, []string{"anna", "dora"}},
		{"puids", schema.PersonFilter{PUIDs: []schema.PUID{"carl", "nobody"}}, []string{"carl"}},
		{"puids and a group", schema.PersonFilter{PUIDs: []schema.PUID{"carl", "anna"}, Groups: []schema.GroupID{"night"}}, []string{"anna"}},
	} {
		for _, limit := range []int{1, 2, 10} {
			if diff := cmp.Diff(tt.want, b.names(directory.Query{Filter: tt.filter, Limit: limit}), cmpopts.EquateEmpty()); diff != "" {
				b.Errorf("%s, pages of %d: -want +got:\n%s", tt.name, limit, diff)
			}
		}
	}
	b.must(edit("anna", schema.PersonFields{Metadata: schema.Metadata(`{"team":"red"}`)}))
	b.want(b.names(directory.Query{Limit: 9, Filter: schema.PersonFilter{Metadata: schema.Metadata(`{"team":"red"}`)}}), []string{"anna", "carl"})
	b.want(b.names(directory.Query{Limit: 9, Filter: schema.PersonFilter{Metadata: schema.Metadata(`{"grade":3}`)}}), []string{"carl"})
}

func testGroups(b *bench) {
	if done, _ := b.apply(b.change(directory.PutGroup{Group: schema.GroupFields{ID: "night", Name: ptr(schema.Personal("Night shift")), Metadata: schema.Metadata(`{"floor": 2}`)}})); !done.Created {
		b.Error("a new group was not created")
	}
	b.must(directory.PutGroup{Group: schema.GroupFields{ID: "day"}})
	b.must(directory.PutGroup{Group: schema.GroupFields{ID: "night", Name: ptr(schema.Personal("Nights"))}, Must: true})
	if _, reason := b.apply(b.change(directory.PutGroup{Group: schema.GroupFields{ID: "noon"}, Must: true})); reason != schema.ReasonUnknownGroup {
		b.Errorf("a change of no group: %q", reason)
	}
	page, err := b.d.Groups(b.Context(), Staff, "day", 5)
	if err != nil {
		b.Fatal(err)
	}
	b.want(page.Groups, []schema.Group{{ID: "night", Name: "Nights", Metadata: schema.Metadata(`{"floor":2}`), Created: noon.Add(time.Minute), Updated: noon.Add(3 * time.Minute)}})
	if page, err = b.d.Groups(b.Context(), Staff, "", 1); err != nil || len(page.Groups) != 1 || page.Next != "day" {
		b.Errorf("the first page: %v, %v", page, err)
	}
	if page, err = b.d.Groups(b.Context(), Staff, "", 5, "night", "noon"); err != nil || len(page.Groups) != 1 {
		b.Errorf("groups by name: %v, %v", page, err)
	}

	if _, reason := b.apply(b.change(put("anna", schema.PersonFields{Groups: []schema.GroupID{"noon"}}))); reason != schema.ReasonUnknownGroup {
		b.Errorf("a person in no group: %q", reason)
	}
	if b.person("anna") != nil {
		b.Error("a person who was refused is there")
	}
	b.must(put("anna", schema.PersonFields{Groups: []schema.GroupID{"night", "day", "night"}}))
	b.want(b.person("anna").Groups, []schema.GroupID{"day", "night"})
	b.must(edit("anna", schema.PersonFields{Name: ptr(schema.Personal("Anna"))}))
	b.want(b.person("anna").Groups, []schema.GroupID{"day", "night"})
	b.must(directory.DropGroup{ID: "day"})
	b.want(b.person("anna").Groups, []schema.GroupID{"night"})
	if _, reason := b.apply(b.change(directory.DropGroup{ID: "day"})); reason != schema.ReasonUnknownGroup {
		b.Errorf("dropping no group: %q", reason)
	}
	b.must(edit("anna", schema.PersonFields{Groups: []schema.GroupID{}}))
	b.want(b.person("anna").Groups, []schema.GroupID{})
}

func testRepeats(b *bench) {
	first := b.change(put("anna", schema.PersonFields{Name: ptr(schema.Personal("one"))}))
	b.apply(first)
	second := b.change(edit("anna", schema.PersonFields{Name: ptr(schema.Personal("two"))}))
	b.apply(second)
	early := b.change(edit("bert", schema.PersonFields{}))
	if _, reason := b.apply(early); reason != schema.ReasonUnknownPUID {
		b.Fatalf("an early edit: %q", reason)
	}
	b.must(put("bert", schema.PersonFields{}))
	if done, _ := b.apply(first); !done.Created {
		b.Error("the repeat of a creation has another answer")
	}
	if _, reason := b.apply(early); reason != schema.ReasonUnknownPUID {
		b.Errorf("the repeat of a refused edit: %q", reason)
	}
	if p := b.person("anna"); p.Name != "two" {
		b.Errorf("a repeat took back what came after it: %q", string(p.Name))
	}
	found := directory.Judgement{Known: []string{"row"}, Score: ptr(float32(0.25))}
	verdict := b.change(directory.Judge{PUID: "anna", Refused: schema.ReasonDuplicateFace, Judgement: found})
	for range 2 {
		done, reason := b.apply(verdict)
		if reason != schema.ReasonDuplicateFace {
			b.Errorf("a judgement is answered %q", reason)
		}
		b.want(done.Judgement, found)
		verdict.Act = directory.Judge{PUID: "anna"}
	}
	gone := b.change(directory.Erase{PUID: "anna"})
	b.apply(gone)
	b.apply(first)
	b.apply(second)
	if b.person("anna") != nil {
		b.Error("repeats brought back somebody who was erased")
	}
	if done, _ := b.apply(gone); !done.Existed {
		b.Error("the repeat of an erasure has another answer")
	}
	b.must(put("anna", schema.PersonFields{}))
	b.apply(gone)
	if b.person("anna") == nil {
		b.Error("the repeat of an erasure took somebody who came later")
	}
}

// at is the order of a record, until that of everything before an offset.
func at(offset int64) *schema.Order {
	return &schema.Order{Cluster: "c", Topic: "requests", Offset: offset}
}

func until(offset int64) *schema.Order {
	return &schema.Order{Cluster: "c", Ends: schema.Ends{"requests": {offset}}}
}

func (b *bench) ordered(order *schema.Order, act directory.Act) (directory.Done, schema.Reason) {
	b.Helper()
	c := b.change(act)
	c.Order = order
	return b.apply(c)
}

func testErased(b *bench) {
	b.must(directory.PutGroup{Group: schema.GroupFields{ID: "night"}})
	fields := schema.PersonFields{Metadata: schema.Metadata(`{"team":"blue"}`), Groups: []schema.GroupID{"night"}}
	b.ordered(at(5), put("anna", fields))
	b.must(enrol("anna", "1"))
	if done, reason := b.ordered(until(10), directory.Erase{PUID: "anna"}); !done.Existed || reason != "" {
		b.Errorf("the erasure: %v, %q", done, reason)
	}
	b.want(b.names(directory.Query{Limit: 5}), []string{})
	b.want(b.names(directory.Query{Limit: 5, Filter: schema.PersonFilter{Metadata: fields.Metadata}}), []string{})
	b.want(b.names(directory.Query{Limit: 5, Filter: schema.PersonFilter{Groups: fields.Groups}}), []string{})
	if page, err := b.d.Images(b.Context(), Staff, "anna", "", 5); err != nil || len(page.Images) != 0 {
		b.Errorf("images of nobody: %v, %v", page.Images, err)
	}
	for _, act := range []directory.Act{put("anna", fields), edit("anna", fields)} {
		if _, reason := b.ordered(at(9), act); reason != schema.ReasonDeletedMeanwhile {
			b.Errorf("a change that the deletion outlived: %q", reason)
		}
	}
	if b.person("anna") != nil {
		b.Error("a deletion did not outlive a change")
	}
	if done, reason := b.ordered(at(10), put("anna", fields)); !done.Created || reason != "" {
		b.Errorf("a creation after the deletion: %v, %q", done, reason)
	}
	if p := b.person("anna"); p == nil || p.Images != 0 {
		b.Errorf("the new person is %v", p)
	}
}

func testYounger(b *bench) {
	fields := schema.PersonFields{Name: ptr(schema.Personal("Anna"))}
	b.ordered(at(5), put("anna", fields))
	b.must(enrol("anna", "1"), enrol("anna", "2"))
	b.ordered(until(10), directory.Erase{PUID: "anna", Left: []schema.PersonImage{image("anna", "2")}})
	if p := b.person("anna"); p == nil || p.Images != 1 || p.Name != "" || p.ExternalID != "name of anna" {
		b.Errorf("with an image that is younger, the person is %+v", p)
	}
	b.ordered(at(20), edit("anna", fields))
	b.ordered(until(15), directory.Erase{PUID: "anna"})
	if p := b.person("anna"); p == nil || p.Images != 0 || p.Name != "Anna" {
		b.Errorf("with fields that are younger, the person is %+v", p)
	}
}

func testEnds(b *bench) {
	for i, puid := range []schema.PUID{"anna", "bert", "carl", "dora"} {
		f := schema.PersonFields{}
		if i > 0 {
			f.TTL = ptr(int64(3600 * (10 - i)))
		}
		b.must(put(puid, f))
	}
	due := func(at time.Time, limit int) (out []string) {
		found, err := b.d.Expired(b.Context(), at, limit)
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range found {
			if d.Collection != Staff || d.Expires.After(at) {
				b.Errorf("due at %v: %v", at, d.Expires)
			}
			out = append(out, string(d.PUID))
		}
		return out
	}
	b.want(due(noon, 9), []string{})
	b.want(due(noon.Add(8*time.Hour+10*time.Minute), 9), []string{"dora", "carl"})
	b.want(due(noon.Add(48*time.Hour), 2), []string{"dora", "carl"})
	b.must(edit("dora", schema.PersonFields{TTL: ptr(int64(0))}), directory.Erase{PUID: "carl"})
	b.want(due(noon.Add(48*time.Hour), 9), []string{"bert"})
}

func testAdopted(b *bench) {
	b.must(put("anna", schema.PersonFields{Name: ptr(schema.Personal("Anna"))}))
	filled, err := b.d.Filled(b.Context(), Staff)
	if err != nil || filled {
		b.Errorf("filled before: %v, %v", filled, err)
	}
	for range 2 {
		for _, puid := range []schema.PUID{"anna", "bert"} {
			c := b.change(directory.Adopt{PUID: puid, ExternalID: "b-1", Consent: &schema.Consent{Given: true}, Images: []schema.PersonImage{image(puid, "1"), image(puid, "2")}})
			c.Request = ""
			b.apply(c)
		}
	}
	if p := b.person("anna"); p.Images != 2 || p.ExternalID != "name of anna" || p.Name != "Anna" {
		b.Errorf("somebody who was there became %+v", p)
	}
	if p := b.person("bert"); p.Images != 2 || p.ExternalID != "b-1" || p.Consent == nil || !p.Created.Equal(noon) {
		b.Errorf("somebody new became %+v", p)
	}
	for range 2 {
		if err := b.d.Fill(b.Context(), Staff); err != nil {
			b.Fatal(err)
		}
	}
	if filled, err := b.d.Filled(b.Context(), Staff); err != nil || !filled {
		b.Errorf("filled after: %v, %v", filled, err)
	}
	if filled, err := b.d.Filled(b.Context(), "elsewhere"); err != nil || filled {
		b.Errorf("another collection: %v, %v", filled, err)
	}
}

func testReopened(b *bench) {
	b.must(directory.PutGroup{Group: schema.GroupFields{ID: "night"}})
	c := b.change(put("anna", schema.PersonFields{Name: ptr(schema.Personal("Anna")), Metadata: schema.Metadata(`{"team":"blue"}`), Groups: []schema.GroupID{"night"}}))
	b.apply(c)
	b.must(enrol("anna", "1"))
	b.ordered(until(10), directory.Erase{PUID: "bert"})
	before := b.person("anna")
	b.done()
	b.d, b.done = b.open(b.T)
	b.want(b.person("anna"), before)
	if done, _ := b.apply(c); !done.Created {
		b.Error("the memory of requests is lost")
	}
	if _, reason := b.ordered(at(9), put("bert", schema.PersonFields{})); reason != schema.ReasonDeletedMeanwhile {
		b.Errorf("the memory of deletions is lost: %q", reason)
	}
}

func testConcurrent(b *bench) {
	const people, images = 8, 12
	var wg sync.WaitGroup
	for p := range people {
		wg.Go(func() {
			puid := schema.PUID(fmt.Sprint("p", p))
			for i := range images {
				c := directory.Change{Collection: Staff, Request: schema.RequestID(fmt.Sprint(p, " ", i)), At: noon, Act: enrol(puid, fmt.Sprintf("%d-%02d", p, i))}
				if out := b.d.Apply(context.WithoutCancel(b.Context()), []directory.Change{c}); out[0].Err != nil {
					b.Error(out[0].Err)
				}
				if got, err := b.d.Person(context.WithoutCancel(b.Context()), Staff, puid); err != nil || got == nil || got.Images != i+1 {
					b.Errorf("after %d images: %+v, %v", i+1, got, err)
				}
			}
		})
	}
	wg.Wait()
	batch := []directory.Change{b.change(edit("nobody", schema.PersonFields{})), b.change(put("last", schema.PersonFields{}))}
	out := b.d.Apply(b.Context(), batch)
	if schema.ReasonOf(out[0].Err) != schema.ReasonUnknownPUID || out[1].Err != nil || b.person("last") == nil {
		b.Errorf("a bad item and a good one: %v", out)
	}
}

func testTexts(b *bench) {
	name, external := schema.Personal("Zoë 王 🙂 '\"\\%_"), schema.ExternalID("x'; DROP TABLE persons; --")
	metadata := schema.Metadata(`{"name":"\u0000 'é' \"q\" $1 ?","k'ey?":"v"}`)
	b.must(directory.Put{PUID: "z", ExternalID: external, Fields: schema.PersonFields{Name: &name, Metadata: metadata}})
	p := b.person("z")
	b.want([]any{string(p.Name), string(p.ExternalID), string(p.Metadata)}, []any{string(name), string(external), string(metadata.Compact())})
	b.want(b.names(directory.Query{Limit: 5, Filter: schema.PersonFilter{ExternalIDs: []schema.ExternalID{external}, Metadata: metadata}}), []string{"z"})
	b.must(directory.Adopt{PUID: "odd", ExternalID: "a\x00b\xff", Images: []schema.PersonImage{image("odd", "1")}})
	if p := b.person("odd"); p == nil {
		b.Error("a name of an earlier version cannot be kept")
	}
}

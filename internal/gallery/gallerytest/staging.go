package gallerytest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// Stage is a driver with a gallery that serves and one that is built beside it.
type Stage struct {
	Open    func() gallery.Gallery             // the gallery as an indexer has it; one at a time
	Close   func()                             // as when that indexer stops
	Reader  func() gallery.Reader              // beside the indexer
	Staging func(gallery.Tie) gallery.Staging  // as another process has it, after the one before it has ended
	Discard func(gallery.Tie, gallery.Staging) // erases what is staged
}

// RunStaging tests a driver against the contracts of [gallery.Staging] and [gallery.Reader]. open returns another empty gallery
// at each call and closes it with t.Cleanup.
func RunStaging(t *testing.T, open func(t *testing.T) Stage) {
	for _, test := range []struct {
		name string
		run  func(*stagingSuite)
	}{
		{"ServesAsBefore", (*stagingSuite).servesAsBefore},
		{"StagedOutlivesItsProcess", (*stagingSuite).outlives},
		{"RemoveForgets", (*stagingSuite).removeForgets},
		{"OneModel", (*stagingSuite).oneModel},
		{"SwitchServesWhatIsStaged", (*stagingSuite).switches},
		{"SwitchKeepsTheMemoryOfDeletions", (*stagingSuite).deletions},
		{"SwitchOfNothingStaged", (*stagingSuite).switchOfNothing},
		{"SwitchAgainAndBack", (*stagingSuite).switchBack},
		{"Discard", (*stagingSuite).discard},
	} {
		t.Run(test.name, func(t *testing.T) {
			stage := open(t)
			test.run(&stagingSuite{suite: suite{t: t, g: stage.Open()}, Stage: stage})
		})
	}
}

type stagingSuite struct {
	suite // of the serving gallery
	Stage
}

// next is the tie of what is staged. Its dimension differs too.
var next = gallery.Tie{Model: other, Dimension: dim + 1}

// under is r under the next model.
func under(r gallery.Row) gallery.Row {
	r.Embedding = schema.Embedding{Model: next.Model, Vector: append(slices.Clone(r.Embedding.Vector), 1)}
	return r
}

func sourced(id string, person schema.PUID, degrees float64) gallery.Row {
	r := row(id, person, at(degrees))
	r.ExternalID, r.Consent, r.Order = schema.ExternalID("name "+person), &schema.Consent{Given: true, Reference: id}, placed(1, 42)
	r.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: id + ".jpg"}, Box: schema.BoxF{BottomRight: schema.PointF{X: 1.5, Y: 2}}}
	return r
}

func (s *stagingSuite) stage(g gallery.Staging, c schema.Collection, rows ...gallery.Row) {
	s.t.Helper()
	for _, err := range g.Upsert(s.t.Context(), c, rows) {
		if err != nil {
			s.t.Fatalf("upsert: %v", err)
		}
	}
}

func (s *stagingSuite) wantStaged(g gallery.Staging, c schema.Collection, want ...string) {
	s.t.Helper()
	page, err := g.List(s.t.Context(), c, "", 100)
	if err != nil {
		s.t.Fatalf("list: %v", err)
	}
	var got []string
	for _, r := range page.Rows {
		got = append(got, r.ID)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || page.Total != len(want) {
		s.t.Errorf("staged of %s: %d in all (-want +got):\n%s", c, page.Total, diff)
	}
}

// whileStopped does f after an indexer has stopped and before the next one starts.
func (s *stagingSuite) whileStopped(f func() error) {
	s.t.Helper()
	s.Close()
	if err := f(); err != nil {
		s.t.Fatal(err)
	}
	s.g = s.Open()
}

func (s *stagingSuite) wantKept(want ...gallery.Kept) {
	s.t.Helper()
	got, err := s.Reader().Collections(s.t.Context())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		s.t.Errorf("collections: %v (-want +got):\n%s", err, diff)
	}
}

var serving = gallery.Tie{Model: model, Dimension: dim}

func (s *stagingSuite) servesAsBefore() {
	a, b := sourced("a", "ann", 0), sourced("b", "bob", 60)
	s.upsert(main, a, b)
	s.upsert("c-1", a)
	g := s.Staging(next)
	_, err := g.List(s.t.Context(), main, "", 1)
	s.wantPermanent("a listing of what was never staged", err, schema.ReasonUnknownCollection)

	s.stage(g, main, under(b))
	s.wantStaged(g, main, "b")
	s.stage(g, main, under(b), under(a))
	page, err := g.List(s.t.Context(), main, "", 1)
	a.Embedding, b.Embedding = schema.Embedding{}, schema.Embedding{}
	if diff := cmp.Diff(gallery.Page{Rows: []gallery.Row{a}, Next: "a", Total: 2}, page); err != nil || diff != "" {
		s.t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	s.wantKept(gallery.Kept{Name: "c-1", Tie: serving}, gallery.Kept{Name: main, Tie: serving})
	s.wantIDs(main, "a", "b")
	if got := names(s.search(main, at(0), 5)); !slices.Equal(got, []string{"a", "b"}) {
		s.t.Errorf("a search in the serving gallery finds %v", got)
	}
	s.wantPermanent("a probe of the staged model", s.g.Search(s.t.Context(), main, []schema.Embedding{under(sourced("", "x", 0)).Embedding}, 1)[0].Err, schema.ReasonModelMismatch)
	s.upsert(main, sourced("c", "cid", 10))
	if n := s.delete(main, "ann", "r"); n != 1 {
		s.t.Errorf("a deletion beside staging: %d rows", n)
	}
	s.wantIDs(main, "b", "c")
	rows, err := s.Reader().List(s.t.Context(), main, "", 10)
	if err != nil || len(rows.Rows) != 2 || !cmp.Equal(rows.Rows[0].Source, b.Source) {
		s.t.Errorf("the reader lists %d rows, %v", len(rows.Rows), err)
	}
}

func (s *stagingSuite) outlives() {
	var want []string
	for i := range 20 {
		r := sourced(fmt.Sprintf("%02d", i), "ann", float64(i))
		s.upsert(main, r)
		s.stage(s.Staging(next), main, under(r))
		want = append(want, r.ID)
	}
	s.wantStaged(s.Staging(next), main, want...)
}

func (s *stagingSuite) removeForgets() {
	s.upsert(main, sourced("a", "ann", 0), sourced("b", "bob", 60))
	g := s.Staging(next)
	s.stage(g, main, under(sourced("a", "ann", 0)), under(sourced("b", "bob", 60)))
	for range 2 {
		if err := g.Remove(s.t.Context(), main, []string{"a", "nobody"}); err != nil {
			s.t.Fatal(err)
		}
		s.wantStaged(g, main, "b")
	}
	s.stage(g, main, under(sourced("a", "ann", 0)))
	s.wantStaged(g, main, "a", "b")
}

func (s *stagingSuite) oneModel() {
	s.upsert(main, sourced("a", "ann", 0), sourced("b", "bob", 60))
	g := s.Staging(next)
	narrow := under(sourced("a", "ann", 0))
	narrow.Embedding.Vector = narrow.Embedding.Vector[1:]
	errs := g.Upsert(s.t.Context(), main, []gallery.Row{sourced("a", "ann", 0), under(sourced("b", "bob", 60)), narrow})
	s.wantPermanent("a row of another model", errs[0], schema.ReasonModelMismatch)
	if errs[1] != nil {
		s.t.Errorf("a good row fails beside one of another model: %v", errs[1])
	}
	s.wantPermanent("a row of another dimension", errs[2], schema.ReasonInvalidRequest)
	s.wantStaged(g, main, "b")
}

func (s *stagingSuite) switches() {
	a, b, c := sourced("a", "ann", 0), sourced("b", "bob", 60), sourced("c", "cid", 10)
	s.upsert(main, a, b, c)
	s.upsert("other", a)
	s.deleteAt("zoe", "d", ends(0, 43), 0)
	g := s.Staging(next)
	s.stage(g, main, under(b), under(a)) // c is left out
	s.whileStopped(func() error { return g.Switch(s.t.Context(), []schema.Collection{main}) })

	s.wantKept(gallery.Kept{Name: "other", Tie: serving}, gallery.Kept{Name: main, Tie: next})
	got := s.search(main, under(b).Embedding, 5)
	b.Embedding = schema.Embedding{}
	if len(got) != 2 || got[0].Row.ID != "b" || got[0].Score < 0.9999 || got[0].Row.PUID != b.PUID || got[0].Row.ExternalID != b.ExternalID {
		s.t.Errorf("after the switch a search finds %v", names(got))
	}
	s.refused("older than a deletion before the switch", under(sourced("z", "zoe", 0)))
	s.wantPermanent("a probe of the former model", s.g.Search(s.t.Context(), main, []schema.Embedding{at(0)}, 1)[0].Err, schema.ReasonModelMismatch)
	page, err := s.g.List(s.t.Context(), main, "", 10)
	a.Embedding = schema.Embedding{}
	if diff := cmp.Diff([]gallery.Row{a, b}, page.Rows); err != nil || diff != "" {
		s.t.Errorf("rows after the switch: %v (-want +got):\n%s", err, diff)
	}
	s.wantIDs("other", "a")
	if got := names(s.search("other", at(0), 5)); !slices.Equal(got, []string{"a"}) {
		s.t.Errorf("in the collection that was not switched a search finds %v", got)
	}
	// A repeat of an enrolment replaces its row.
	s.upsert(main, under(sourced("a", "ann", 0)), under(sourced("d", "dee", 20)))
	s.wantIDs(main, "a", "b", "d")
}

func (s *stagingSuite) deletions() {
	a, b := sourced("a", "ann", 0), sourced("b", "bob", 60)
	s.upsert("first", b)
	s.upsert(main, a, b, sourced("a2", "ann", 5))
	g := s.Staging(next)
	s.stage(g, main, under(a), under(b))
	if n := s.delete(main, "ann", "r1"); n != 2 {
		s.t.Fatalf("%d rows", n)
	}
	if err := g.Remove(s.t.Context(), main, []string{"a"}); err != nil {
		s.t.Fatal(err)
	}
	s.whileStopped(func() error { return g.Switch(s.t.Context(), []schema.Collection{main, "first"}) })
	s.upsert(main, under(a), under(sourced("a2", "ann", 5)))
	s.wantIDs(main, "b")
	if n := s.delete(main, "ann", "r1"); n != 2 {
		s.t.Errorf("a deletion repeated after the switch answers %d, want its first count, 2", n)
	}
	if n := s.delete(main, "bob", "r2"); n != 1 {
		s.t.Errorf("a deletion after the switch: %d rows", n)
	}
	s.wantIDs(main)
}

// An emptied collection is switched too: the next enrolment is under the new model.
func (s *stagingSuite) switchOfNothing() {
	s.upsert(main, sourced("a", "ann", 0))
	s.delete(main, "ann", "r1")
	g := s.Staging(next)
	s.whileStopped(func() error { return g.Switch(s.t.Context(), []schema.Collection{main}) })
	s.wantKept(gallery.Kept{Name: main, Tie: next})
	s.wantIDs(main)
	s.upsert(main, under(sourced("b", "bob", 0)))
	s.wantPermanent("the former model", s.g.Upsert(s.t.Context(), main, []gallery.Row{sourced("c", "cid", 0)})[0], schema.ReasonModelMismatch)
	s.wantIDs(main, "b")
}

func (s *stagingSuite) switchBack() {
	a, b := sourced("a", "ann", 0), sourced("b", "bob", 60)
	s.upsert(main, a, b)
	s.upsert("other", a)
	s.stage(s.Staging(next), main, under(a), under(b))
	both := []schema.Collection{main, "other"}
	s.whileStopped(func() error {
		return errors.Join(s.Staging(next).Switch(s.t.Context(), both[:1]), s.Staging(next).Switch(s.t.Context(), nil))
	})
	s.wantIDs(main, "a", "b")
	if err := s.Staging(next).Upsert(s.t.Context(), main, []gallery.Row{under(a)})[0]; err == nil {
		// The staging of the local gallery is a file of its own, so it notices this only when it switches.
		s.Discard(next, s.Staging(next))
	} else if schema.ClassOf(err) != schema.ClassFatal {
		s.t.Errorf("staging for what serves under the model: %v", err)
	}
	s.wantIDs(main, "a", "b")

	// Nothing of the first model's rows is found again.
	back := s.Staging(serving)
	_, err := back.List(s.t.Context(), main, "", 1)
	s.wantPermanent("what was staged before", err, schema.ReasonUnknownCollection)
	s.stage(back, main, b)
	s.whileStopped(func() error { return back.Switch(s.t.Context(), both[:1]) })
	s.wantKept(gallery.Kept{Name: "other", Tie: serving}, gallery.Kept{Name: main, Tie: serving})
	if got := names(s.search(main, at(0), 5)); !slices.Equal(got, []string{"b"}) {
		s.t.Errorf("back under the first model a search finds %v", got)
	}
}

func (s *stagingSuite) discard() {
	a := sourced("a", "ann", 0)
	s.upsert(main, a)
	g := s.Staging(next)
	s.Discard(next, g) // nothing
	s.stage(g, main, under(a))
	s.Discard(next, g)
	_, err := s.Staging(next).List(s.t.Context(), main, "", 1)
	s.wantPermanent("what was discarded", err, schema.ReasonUnknownCollection)
	s.wantIDs(main, "a")
	s.stage(s.Staging(next), main, under(a))
	s.wantStaged(s.Staging(next), main, "a")
}

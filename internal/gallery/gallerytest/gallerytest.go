// Package gallerytest holds the conformance suite that every driver of the gallery port must pass, a benchmark for all
// drivers, and a gallery that fails on demand.
package gallerytest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// Caps are the tests that a driver opts out of. Each field is the reason, which the skipped test prints; "" runs the test.
type Caps struct {
	// TiesAtCut opts out of the order of exact ties around the k-th place: an index that returns only its k best rows may have
	// dropped the lower id. Ties that are all returned must be in order.
	TiesAtCut string
}

// Run tests a driver against the contract of [gallery.Gallery]. open returns another empty gallery at each call and closes it
// with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) gallery.Gallery, caps Caps) {
	for _, test := range []struct {
		name   string
		optOut string
		run    func(*suite)
	}{
		{"UpsertIsFound", "", (*suite).upsertIsFound},
		{"RowsOfDocuments", "", (*suite).rowsOfDocuments},
		{"UpsertAgainReplaces", "", (*suite).upsertAgainReplaces},
		{"UpsertAnswersPerItem", "", (*suite).upsertAnswersPerItem},
		{"UpsertOfNothing", "", (*suite).upsertOfNothing},
		{"VectorsAreNormalised", "", (*suite).vectorsAreNormalised},
		{"Invariant5OneModelPerCollection", "", (*suite).oneModelPerCollection},
		{"OneDimensionPerCollection", "", (*suite).oneDimensionPerCollection},
		{"UnknownCollection", "", (*suite).unknownCollection},
		{"SearchAnswersPerItem", "", (*suite).searchAnswersPerItem},
		{"SearchGroupsByPerson", "", (*suite).searchGroupsByPerson},
		{"SearchAmongPersons", "", (*suite).searchAmong},
		{"SearchAgreesWithBruteForce", "", (*suite).searchAgreesWithBruteForce},
		{"TiesAreOrderedByID", "", (*suite).tiesAreOrdered},
		{"TiesAtTheCut", caps.TiesAtCut, (*suite).tiesAtCut},
		{"CountsBelowOneAreRefused", "", (*suite).countsBelowOne},
		{"DeleteRemovesThePerson", "", (*suite).deleteRemoves},
		{"DeleteRepeatedAnswersTheFirstCount", "", (*suite).deleteRepeated},
		{"Invariant3DeletedRowStaysDeleted", "", (*suite).deletedStaysDeleted},
		{"DeletedMeanwhile", "", (*suite).deletedMeanwhile},
		{"TakenUpTwice", "", (*suite).takenUpTwice},
		{"DeletionBeforeTheCollection", "", (*suite).deletionBeforeTheCollection},
		{"DeletionSparesTheYounger", "", (*suite).deletionSparesTheYounger},
		{"JoinsAfterADeletion", "", (*suite).joinsAfterADeletion},
		{"DeletionsAgreeWithAModel", "", (*suite).deletionsAgreeWithAModel},
		{"DeletedIsNeverSeen", "", (*suite).deletedIsNeverSeen},
		{"JoinsPersonsWhoAreThere", "", (*suite).joins},
		{"Invariant3JoiningIsRepeatable", "", (*suite).joinsAgain},
		{"DeleteAnswersPerItem", "", (*suite).deleteAnswersPerItem},
		{"EmptiedCollectionKeepsItsModel", "", (*suite).emptiedCollection},
		{"CollectionsAreIndependent", "", (*suite).collectionsAreIndependent},
		{"ListAmongPersons", "", (*suite).listAmong},
		{"PersonsFollowTheirRows", "", (*suite).personsFollow},
		{"PagesAreComplete", "", (*suite).pagesAreComplete},
		{"PagesAreStableUnderWrites", "", (*suite).pagesAreStable},
		{"NamesInUnicode", "", (*suite).namesInUnicode},
		{"NothingIsOwned", "", (*suite).nothingIsOwned},
		{"CancelledContext", "", (*suite).cancelledContext},
		{"Invariant4VisibleOnReturn", "", (*suite).visibleOnReturn},
		{"Concurrency", "", (*suite).concurrency},
		{"FirstRowsRace", "", (*suite).firstRowsRace},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // most of a test on a server is waiting
			if test.optOut != "" {
				t.Skipf("SKIPPED: the driver opts out: %s", test.optOut)
			}
			test.run(&suite{t: t, g: open(t)})
		})
	}
}

const (
	dim   = 8
	model = schema.ModelID("net-a@11111111")
	other = schema.ModelID("net-b@22222222")
	main  = schema.Collection("visitors")
)

// suite is one test: a gallery of its own and the assertions on it.
type suite struct {
	t *testing.T
	g gallery.Gallery
}

// at returns the unit vector of the test's model at an angle in the plane of two axes. The cosine of two of them is the cosine
// of the difference of their angles.
func at(degrees float64) schema.Embedding {
	v := make([]float32, dim)
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	v[1], v[6] = float32(cos), float32(sin)
	return schema.Embedding{Model: model, Vector: v}
}

func row(id string, person schema.PUID, e schema.Embedding) gallery.Row {
	return gallery.Row{ID: id, PUID: person, Embedding: e, Created: time.Unix(1700000000, 123456000).UTC()}
}

// searchAmong: a person who is not named is not found, however similar. It is not an error to name somebody who is not there.
func (s *suite) searchAmong() {
	s.upsert(main, row("a1", "anna", at(40)), row("a2", "anna", at(20)), row("b1", "bert", at(0)), row("c1", "carl", at(30)))
	for _, tt := range []struct {
		among []schema.PUID
		k     int
		want  []string
	}{
		{[]schema.PUID{"anna"}, 5, []string{"a2"}},
		{[]schema.PUID{"carl", "anna"}, 5, []string{"a2", "c1"}},
		{[]schema.PUID{"carl", "anna"}, 1, []string{"a2"}},
		{[]schema.PUID{"dora"}, 5, nil},
		{[]schema.PUID{"dora", "bert"}, 5, []string{"b1"}},
		{[]schema.PUID{`an"na`}, 5, nil},
		{nil, 1, []string{"b1"}},
	} {
		for i, o := range s.g.Search(s.t.Context(), main, []schema.Embedding{at(0), at(0)}, tt.k, tt.among...) {
			var got []string
			for _, m := range o.Value {
				got = append(got, m.Row.ID)
			}
			if o.Err != nil || !slices.Equal(got, tt.want) {
				s.t.Errorf("probe %d among %d persons, k %d: %v (%v), want %v", i, len(tt.among), tt.k, got, o.Err, tt.want)
			}
		}
	}
	foreign := at(0)
	foreign.Model = other
	s.wantPermanent("among", s.g.Search(s.t.Context(), main, []schema.Embedding{foreign}, 1, "anna")[0].Err, schema.ReasonModelMismatch)
	s.wantPermanent("among", s.g.Search(s.t.Context(), "nobody", []schema.Embedding{at(0)}, 1, "anna")[0].Err, schema.ReasonUnknownCollection)
}

// Random is a row of person. Its embedding of 32 components depends on seed alone.
func Random(m schema.ModelID, id string, person schema.PUID, seed uint64) gallery.Row {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, 32)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return gallery.Row{ID: id, PUID: person, Embedding: schema.Embedding{Model: m, Vector: v}, Created: time.UnixMicro(1700000000000001).UTC()}
}

func (s *suite) upsert(c schema.Collection, rows ...gallery.Row) {
	s.t.Helper()
	for i, err := range s.g.Upsert(s.t.Context(), c, rows) {
		if err != nil {
			s.t.Fatalf("upsert of row %d (%s): %v", i, rows[i].ID, err)
		}
	}
}

func (s *suite) search(c schema.Collection, e schema.Embedding, k int) []gallery.Match {
	s.t.Helper()
	out := s.g.Search(s.t.Context(), c, []schema.Embedding{e}, k)
	if len(out) != 1 || out[0].Err != nil {
		s.t.Fatalf("search: %v", out)
	}
	return out[0].Value
}

func (s *suite) delete(c schema.Collection, person schema.PUID, request schema.RequestID) int {
	s.t.Helper()
	out := s.g.Delete(s.t.Context(), c, []gallery.Deletion{{PUID: person, Request: request}})
	if len(out) != 1 || out[0].Err != nil {
		s.t.Fatalf("delete: %v", out)
	}
	return out[0].Value
}

// list reads all pages, checking what holds for each.
func (s *suite) list(c schema.Collection, limit int) []gallery.Row {
	s.t.Helper()
	var rows []gallery.Row
	for after := ""; ; {
		page, err := s.g.List(s.t.Context(), c, after, limit)
		if err != nil {
			s.t.Fatalf("list: %v", err)
		}
		if len(page.Rows) > limit {
			s.t.Fatalf("a page of %d rows for a limit of %d", len(page.Rows), limit)
		}
		if page.Next != "" && (len(page.Rows) == 0 || page.Next == after) {
			s.t.Fatalf("a listing that makes no progress")
		}
		rows = append(rows, page.Rows...)
		if after = page.Next; after == "" {
			return rows
		}
	}
}

func (s *suite) wantIDs(c schema.Collection, want ...string) {
	s.t.Helper()
	var got []string
	for _, r := range s.list(c, 100) {
		got = append(got, r.ID)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("rows of %s (-want +got):\n%s", c, diff)
	}
}

func (s *suite) wantPermanent(what string, err error, reason schema.Reason) {
	s.t.Helper()
	if schema.ClassOf(err) != schema.ClassPermanent || schema.ReasonOf(err) != reason {
		s.t.Errorf("%s: got %v (%v), want permanent %s", what, err, schema.ClassOf(err), reason)
	}
}

func names(matches []gallery.Match) []string {
	out := make([]string, len(matches))
	for i, m := range matches {
		out[i] = m.Row.ID
	}
	return out
}

func (s *suite) upsertIsFound() {
	when := time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)
	a := row("a", "ann", at(0))
	a.ExternalID, a.Consent = "staff-7", &schema.Consent{Given: true, Reference: "form 12", At: &when}
	a.Order = placed(3, 4711)
	a.Source = &gallery.Source{
		Image: schema.ObjectRef{Bucket: "images", Key: "enroll/é \"a\".jpg", Version: "3/L4kqtJ", ETag: "9b2cf5"},
		Box:   schema.BoxF{TopLeft: schema.PointF{X: -1.5, Y: 20.1}, BottomRight: schema.PointF{X: 99.25, Y: 130}},
	}
	b := row("b", "bob", at(60))
	b.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: "b.wav"}, Recording: true}
	s.upsert(main, a, b)

	a.Embedding, b.Embedding = schema.Embedding{}, schema.Embedding{}
	found, other := a, b
	found.Source, found.Order, other.Source = nil, nil, nil
	want := []gallery.Match{{Row: found, Score: 1}, {Row: other, Score: 0.5}}
	if diff := cmp.Diff(want, s.search(main, at(0), 5), cmpopts.EquateApprox(0, 1e-5)); diff != "" {
		s.t.Errorf("search (-want +got):\n%s", diff)
	}
	page, err := s.g.List(s.t.Context(), main, "", 10)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(gallery.Page{Rows: []gallery.Row{a, b}, Total: 2}, page); diff != "" {
		s.t.Errorf("list (-want +got):\n%s", diff)
	}
	if got := s.search(main, at(180), 1); len(got) != 1 || got[0].Row.ID != "b" || math.Abs(float64(got[0].Score)+0.5) > 1e-5 {
		s.t.Errorf("an opposite probe got %v, want b at -0.5", got)
	}
}

// rowsOfDocuments: every search says which rows show a document, and a listing what was made of an image.
func (s *suite) rowsOfDocuments() {
	selfie, card := row("a", "ann", at(0)), row("b", "bob", at(60))
	selfie.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: `"document":true`}}
	card.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: "card"}, Document: true,
		Made: []schema.ObjectRef{{Bucket: "images", Key: "card.portrait.png"}}}
	want := func(what string, cards ...string) {
		s.t.Helper()
		for _, among := range [][]schema.PUID{nil, {"ann", "bob", "cid"}} {
			for _, o := range s.g.Search(s.t.Context(), main, []schema.Embedding{at(0)}, 5, among...) {
				var got []string
				for _, m := range o.Value {
					if m.Document {
						got = append(got, m.Row.ID)
					}
				}
				if o.Err != nil || !slices.Equal(got, cards) {
					s.t.Errorf("%s: documents %q (%v), want %q", what, got, o.Err, cards)
				}
			}
		}
	}
	s.upsert(main, selfie, card, row("c", "cid", at(90))) // the last one without a source
	want("a card", "b")
	page, err := s.g.List(s.t.Context(), main, "", 10)
	if err != nil || len(page.Rows) != 3 || !cmp.Equal(page.Rows[0].Source, selfie.Source) || !cmp.Equal(page.Rows[1].Source, card.Source) || page.Rows[2].Source != nil {
		s.t.Errorf("%v, the listing (-want +got):\n%s", err, cmp.Diff(card.Source, page.Rows[1].Source))
	}
	selfie.Source, card.Source = card.Source, selfie.Source
	s.upsert(main, selfie, card)
	want("the images in exchange", "a")
}

func (s *suite) upsertAgainReplaces() {
	s.upsert(main, row("a", "ann", at(0)), row("b", "bob", at(90)))
	s.upsert(main, row("a", "ann", at(0)))
	s.wantIDs(main, "a", "b")

	changed := row("a", "cid", at(180))
	changed.ExternalID = "new name"
	s.upsert(main, changed)
	s.wantIDs(main, "a", "b")
	got := s.search(main, at(180), 5)
	if !slices.Equal(names(got), []string{"a", "b"}) || got[0].Row.PUID != "cid" || got[0].Row.ExternalID != "new name" || got[0].Score < 0.999 {
		s.t.Errorf("after the replacement: %v", names(got))
	}
	if n := s.delete(main, "ann", "r1"); n != 0 {
		s.t.Errorf("the person whose row was taken over still had %d", n)
	}
	// The same row twice in one batch: the later one stands.
	s.upsert(main, row("c", "dee", at(10)), row("c", "eve", at(20)))
	s.wantIDs(main, "a", "b", "c")
	if got := s.search(main, at(20), 1); got[0].Row.PUID != "eve" || got[0].Score < 0.99999 {
		s.t.Errorf("of two rows with one id in a batch the first one stands")
	}
}

// badVectors are vectors that are refused as invalid_request, each for another reason.
func badVectors() map[string]schema.Embedding {
	with := func(x float32) schema.Embedding {
		e := at(0)
		e.Vector[3] = x
		return e
	}
	return map[string]schema.Embedding{
		"NaN":          with(float32(math.NaN())),
		"infinite":     with(float32(math.Inf(1))),
		"negative inf": with(float32(math.Inf(-1))),
		"zero":         {Model: model, Vector: make([]float32, dim)},
		"empty":        {Model: model},
		"no model":     {Vector: at(0).Vector},
		"too short":    {Model: model, Vector: at(0).Vector[:dim-1]},
		"too long":     {Model: model, Vector: append(at(0).Vector, 0)},
	}
}

func (s *suite) upsertAnswersPerItem() {
	s.upsert(main, row("seed", "sam", at(90)))
	rows := []gallery.Row{row("good 1", "ann", at(0)), row("", "ann", at(0)), row("nobody", "", at(0))}
	what := []string{"", "no id", "no person"}
	for name, e := range badVectors() {
		rows, what = append(rows, row("bad "+name, "bad", e)), append(what, name)
	}
	rows, what = append(rows, row("good 2", "bob", at(20))), append(what, "")
	errs := s.g.Upsert(s.t.Context(), main, rows)
	if len(errs) != len(rows) {
		s.t.Fatalf("%d answers for %d rows", len(errs), len(rows))
	}
	for i, err := range errs {
		if what[i] == "" {
			if err != nil {
				s.t.Errorf("a good row fails beside bad ones: %v", err)
			}
			continue
		}
		s.wantPermanent(what[i], err, schema.ReasonInvalidRequest)
	}
	s.wantIDs(main, "good 1", "good 2", "seed")

	// Bad rows alone create no collection.
	for i, err := range s.g.Upsert(s.t.Context(), "never", []gallery.Row{row("x", "x", badVectors()["NaN"]), row("y", "y", badVectors()["zero"])}) {
		s.wantPermanent(fmt.Sprintf("bad row %d of a new collection", i), err, schema.ReasonInvalidRequest)
	}
	_, err := s.g.List(s.t.Context(), "never", "", 1)
	s.wantPermanent("a collection that only ever had bad rows", err, schema.ReasonUnknownCollection)
}

func (s *suite) upsertOfNothing() {
	if errs := s.g.Upsert(s.t.Context(), main, nil); len(errs) != 0 {
		s.t.Errorf("answers for no rows: %v", errs)
	}
	_, err := s.g.List(s.t.Context(), main, "", 1)
	s.wantPermanent("a collection that was given no rows", err, schema.ReasonUnknownCollection)
	s.upsert(main, row("a", "ann", at(0)))
	if out := s.g.Search(s.t.Context(), main, nil, 1); len(out) != 0 {
		s.t.Errorf("answers for no probes: %v", out)
	}
	if out := s.g.Delete(s.t.Context(), main, nil); len(out) != 0 {
		s.t.Errorf("answers for no deletions: %v", out)
	}
}

func (s *suite) vectorsAreNormalised() {
	long, tiny := at(0), at(60)
	for i := range long.Vector {
		long.Vector[i] *= 1e20
		tiny.Vector[i] *= 1e-20
	}
	s.upsert(main, row("long", "ann", long), row("tiny", "bob", tiny))
	for name, probe := range map[string]schema.Embedding{"unit": at(0), "long": long} {
		got := s.search(main, probe, 2)
		if !slices.Equal(names(got), []string{"long", "tiny"}) || math.Abs(float64(got[0].Score)-1) > 1e-5 || math.Abs(float64(got[1].Score)-0.5) > 1e-5 {
			s.t.Errorf("%s probe: scores are no cosines: %v", name, got)
		}
	}
}

func (s *suite) oneModelPerCollection() {
	s.upsert(main, row("a", "ann", at(0)))
	foreign := schema.Embedding{Model: other, Vector: at(0).Vector}
	wider := schema.Embedding{Model: other, Vector: make([]float32, 2*dim)}
	wider.Vector[0] = 1
	check := func(what string, err error) {
		s.t.Helper()
		s.wantPermanent(what, err, schema.ReasonModelMismatch)
		if err != nil && (!strings.Contains(err.Error(), string(model)) || !strings.Contains(err.Error(), string(other))) {
			s.t.Errorf("%s: the text does not name both models: %v", what, err)
		}
	}
	errs := s.g.Upsert(s.t.Context(), main, []gallery.Row{row("b", "bob", foreign), row("c", "cid", at(10)), row("d", "dee", wider)})
	check("upsert", errs[0])
	if errs[1] != nil {
		s.t.Errorf("a good row fails beside one of another model: %v", errs[1])
	}
	check("upsert of another dimension", errs[2])
	out := s.g.Search(s.t.Context(), main, []schema.Embedding{foreign, at(0), wider}, 5)
	check("search", out[0].Err)
	if out[1].Err != nil || len(out[1].Value) != 2 {
		s.t.Errorf("a good probe beside one of another model: %v", out[1])
	}
	check("search of another dimension", out[2].Err)
	s.wantIDs(main, "a", "c")

	// In a new collection the first row of the batch decides.
	errs = s.g.Upsert(s.t.Context(), "fresh", []gallery.Row{row("b", "bob", foreign), row("a", "ann", at(0))})
	if errs[0] != nil {
		s.t.Errorf("the first row of a collection: %v", errs[0])
	}
	check("the second row", errs[1])
}

func (s *suite) oneDimensionPerCollection() {
	s.upsert(main, row("a", "ann", at(0)))
	short := schema.Embedding{Model: model, Vector: at(0).Vector[:dim-2]}
	s.wantPermanent("upsert", s.g.Upsert(s.t.Context(), main, []gallery.Row{row("b", "bob", short)})[0], schema.ReasonInvalidRequest)
	s.wantPermanent("search", s.g.Search(s.t.Context(), main, []schema.Embedding{short}, 1)[0].Err, schema.ReasonInvalidRequest)
	s.wantIDs(main, "a")
}

func (s *suite) unknownCollection() {
	s.upsert(main, row("a", "ann", at(0)))
	for _, c := range []schema.Collection{"nobody", "visitor", "Visitors"} {
		for i, o := range s.g.Search(s.t.Context(), c, []schema.Embedding{at(0), at(1)}, 1) {
			s.wantPermanent(fmt.Sprintf("search %d", i), o.Err, schema.ReasonUnknownCollection)
		}
		for i, o := range s.g.Delete(s.t.Context(), c, []gallery.Deletion{{PUID: "ann", Request: "r"}, {PUID: "bob", Request: "r"}}) {
			s.wantPermanent(fmt.Sprintf("delete %d", i), o.Err, schema.ReasonUnknownCollection)
		}
		_, err := s.g.List(s.t.Context(), c, "", 1)
		s.wantPermanent("list", err, schema.ReasonUnknownCollection)
	}
	s.wantIDs(main, "a")
}

func (s *suite) searchAnswersPerItem() {
	s.upsert(main, row("a", "ann", at(0)), row("b", "bob", at(90)))
	probes, what := []schema.Embedding{at(0)}, []string{"a"}
	for name, e := range badVectors() {
		probes, what = append(probes, e), append(what, "bad "+name)
	}
	probes, what = append(probes, at(90)), append(what, "b")
	out := s.g.Search(s.t.Context(), main, probes, 1)
	if len(out) != len(probes) {
		s.t.Fatalf("%d answers for %d probes", len(out), len(probes))
	}
	for i, o := range out {
		if strings.HasPrefix(what[i], "bad ") {
			s.wantPermanent(what[i], o.Err, schema.ReasonInvalidRequest)
		} else if o.Err != nil || !slices.Equal(names(o.Value), []string{what[i]}) {
			s.t.Errorf("probe %d: got %v %v, want %s", i, names(o.Value), o.Err, what[i])
		}
	}
}

func (s *suite) searchGroupsByPerson() {
	// Forty images of ann are all nearer than anybody else: k persons need far more than k rows.
	var rows []gallery.Row
	for i := range 40 {
		rows = append(rows, row(fmt.Sprintf("ann %02d", i), "ann", at(float64(20-i%20))))
	}
	rows = append(rows, row("bob 1", "bob", at(50)), row("bob 2", "bob", at(40)), row("cid", "cid", at(45)), row("dee", "dee", at(80)))
	s.upsert(main, rows...)
	for k, want := range map[int][]string{
		1:    {"ann 19"},
		2:    {"ann 19", "bob 2"},
		3:    {"ann 19", "bob 2", "cid"},
		4:    {"ann 19", "bob 2", "cid", "dee"},
		1000: {"ann 19", "bob 2", "cid", "dee"},
	} {
		if got := names(s.search(main, at(0), k)); !slices.Equal(got, want) {
			s.t.Errorf("k=%d: got %v, want %v", k, got, want)
		}
	}
}

func (s *suite) searchAgreesWithBruteForce() {
	r := rand.New(rand.NewPCG(1, 2))
	var rows []gallery.Row
	for i := range 300 {
		e := at(0)
		for j := range e.Vector {
			e.Vector[j] = float32(r.NormFloat64())
		}
		rows = append(rows, row(fmt.Sprintf("row %03d", i), schema.PUID(fmt.Sprintf("person %d", r.IntN(60))), e))
	}
	s.upsert(main, rows...)
	cosine := func(a, b []float32) float64 {
		var ab, aa, bb float64
		for i := range a {
			ab, aa, bb = ab+float64(a[i])*float64(b[i]), aa+float64(a[i])*float64(a[i]), bb+float64(b[i])*float64(b[i])
		}
		return ab / math.Sqrt(aa*bb)
	}
	for range 20 {
		probe := at(0)
		for j := range probe.Vector {
			probe.Vector[j] = float32(r.NormFloat64())
		}
		best := map[schema.PUID]gallery.Match{}
		for _, x := range rows {
			score := float32(cosine(probe.Vector, x.Embedding.Vector))
			if b, ok := best[x.PUID]; !ok || score > b.Score {
				x.Embedding = schema.Embedding{}
				best[x.PUID] = gallery.Match{Row: x, Score: score}
			}
		}
		var want []gallery.Match
		for _, m := range best {
			want = append(want, m)
		}
		slices.SortFunc(want, func(a, b gallery.Match) int { return int(math.Copysign(1, float64(b.Score-a.Score))) })
		for _, k := range []int{1, 7, 60, 100} {
			if diff := cmp.Diff(want[:min(k, len(want))], s.search(main, probe, k), cmpopts.EquateApprox(0, 1e-5)); diff != "" {
				s.t.Fatalf("k=%d (-want +got):\n%s", k, diff)
			}
		}
	}
}

func (s *suite) tiesAreOrdered() {
	var rows []gallery.Row
	for _, i := range rand.New(rand.NewPCG(3, 4)).Perm(10) {
		rows = append(rows, row(fmt.Sprintf("tie %d", i), schema.PUID(fmt.Sprint("p", i)), at(30)))
	}
	rows = append(rows, row("near", "n", at(10)), row("far", "f", at(100)))
	// Of one person's rows that tie, the lower id is the one that is named.
	rows = append(rows, row("tie 3 again", "p3", at(30)), row("tie 0 before", "p5", at(30)))
	s.upsert(main, rows...)
	want := []string{"near", "tie 0", "tie 0 before", "tie 1", "tie 2", "tie 3", "tie 4", "tie 6", "tie 7", "tie 8", "tie 9", "far"}
	if diff := cmp.Diff(want, names(s.search(main, at(0), 50))); diff != "" {
		s.t.Errorf("ties (-want +got):\n%s", diff)
	}
}

func (s *suite) tiesAtCut() {
	var rows []gallery.Row
	for _, i := range rand.New(rand.NewPCG(5, 6)).Perm(50) {
		rows = append(rows, row(fmt.Sprintf("tie %02d", i), schema.PUID(fmt.Sprint("p", i)), at(30)))
	}
	s.upsert(main, rows...)
	if diff := cmp.Diff([]string{"tie 00", "tie 01", "tie 02"}, names(s.search(main, at(0), 3))); diff != "" {
		s.t.Errorf("ties where k cuts (-want +got):\n%s", diff)
	}
}

func (s *suite) countsBelowOne() {
	s.upsert(main, row("a", "ann", at(0)))
	for _, n := range []int{0, -1} {
		s.wantPermanent("k", s.g.Search(s.t.Context(), main, []schema.Embedding{at(0)}, n)[0].Err, schema.ReasonInvalidRequest)
		_, err := s.g.List(s.t.Context(), main, "", n)
		s.wantPermanent("limit", err, schema.ReasonInvalidRequest)
	}
}

func (s *suite) deleteRemoves() {
	s.upsert(main, row("a1", "ann", at(0)), row("b", "bob", at(10)), row("a2", "ann", at(20)), row("c", "cid", at(30)))
	if n := s.delete(main, "ann", "r1"); n != 2 {
		s.t.Errorf("ann had %d rows, want 2", n)
	}
	if got := names(s.search(main, at(0), 5)); !slices.Equal(got, []string{"b", "c"}) {
		s.t.Errorf("after the deletion a search finds %v", got)
	}
	s.wantIDs(main, "b", "c")
	if n := s.delete(main, "nobody", "r2"); n != 0 {
		s.t.Errorf("nobody had %d rows", n)
	}
	s.upsert(main, row("a3", "ann", at(0)))
	s.wantIDs(main, "a3", "b", "c")
	if got := names(s.search(main, at(0), 1)); !slices.Equal(got, []string{"a3"}) {
		s.t.Errorf("a person enrolled again is not found, but %v", got)
	}
}

// A repeat of an enrolment that comes after the deletion does not bring the person back.
func (s *suite) deletedStaysDeleted() {
	enrolment := []gallery.Row{row("a1", "ann", at(0)), row("b", "bob", at(10))}
	s.upsert(main, enrolment...)
	s.upsert("other", row("a1", "ann", at(0)))
	s.delete(main, "ann", "r1")
	s.upsert(main, enrolment...)
	s.wantIDs(main, "b")
	if got := names(s.search(main, at(0), 5)); !slices.Equal(got, []string{"b"}) {
		s.t.Errorf("after the repeat a search finds %v", got)
	}
	s.upsert(main, row("a1", "ann", at(0)), row("a2", "ann", at(20))) // one of them is new
	s.wantIDs(main, "a2", "b")
	s.upsert("other", row("a1", "ann", at(5)))
	s.wantIDs("other", "a1") // was not deleted there

	// A repeat by a version that gives the row another id is one, too; where the former id was not deleted, it says nothing.
	known := func(id, former string) gallery.Row {
		r := row(id, "ann", at(0))
		r.FormerID = former
		return r
	}
	s.upsert(main, known("new a1", "a1"), known("new a3", "a3"), known("new a2", "a2"))
	s.wantIDs(main, "a2", "b", "new a2", "new a3")
}

func (s *suite) deleteRepeated() {
	s.upsert(main, row("a1", "ann", at(0)), row("a2", "ann", at(20)), row("b", "bob", at(40)))
	s.upsert("other", row("a1", "ann", at(0)))
	for range 2 {
		if n := s.delete(main, "ann", "r1"); n != 2 {
			s.t.Errorf("request r1 deletes %d rows, want the first count, 2", n)
		}
	}
	s.upsert(main, row("a3", "ann", at(60)))
	if n := s.delete(main, "ann", "r1"); n != 2 {
		s.t.Errorf("request r1, repeated after an enrolment, answers %d, want 2", n)
	}
	s.wantIDs(main, "a3", "b") // what was enrolled since is spared
	if n := s.delete(main, "ann", "r2"); n != 1 {
		s.t.Errorf("another request answers %d, want 1", n)
	}
	if n := s.delete(main, "ann", "r3"); n != 0 {
		s.t.Errorf("request r3 deletes %d rows of nobody", n)
	}
	s.upsert(main, row("a4", "ann", at(60)))
	if n := s.delete(main, "ann", "r3"); n != 0 {
		s.t.Errorf("request r3, repeated, answers %d, want its first count, 0", n)
	}
	s.wantIDs(main, "a4", "b")
	if n := s.delete(main, "bob", "r1"); n != 1 {
		s.t.Errorf("request r1 for another person answers %d, want 1", n)
	}
	if n := s.delete("other", "ann", "r1"); n != 1 {
		s.t.Errorf("request r1 in another collection answers %d, want 1", n)
	}
}

func joining(id string, person schema.PUID, e schema.Embedding) gallery.Row {
	r := row(id, person, e)
	r.Joins = true
	return r
}

// joins: a row that joins somebody without rows is refused alone, and creates neither person nor collection.
func (s *suite) joins() {
	s.wantPermanent("a new collection", s.g.Upsert(s.t.Context(), main, []gallery.Row{joining("a", "ann", at(0))})[0], schema.ReasonUnknownCollection)
	_, err := s.g.List(s.t.Context(), main, "", 1)
	s.wantPermanent("a collection that somebody could not join", err, schema.ReasonUnknownCollection)

	s.upsert(main, row("a1", "ann", at(0)))
	s.upsert("other", row("b1", "bob", at(0)))
	errs := s.g.Upsert(s.t.Context(), main, []gallery.Row{
		joining("a2", "ann", at(10)), joining("b2", "bob", at(20)), row("c1", "cid", at(30)), joining("d1", "", at(40)), joining("a3", "ann", at(50)),
	})
	for i, want := range []schema.Reason{"", schema.ReasonUnknownPUID, "", schema.ReasonInvalidRequest, ""} {
		if want != "" {
			s.wantPermanent(fmt.Sprintf("row %d", i), errs[i], want)
		} else if errs[i] != nil {
			s.t.Errorf("row %d: %v", i, errs[i])
		}
	}
	s.wantIDs(main, "a1", "a2", "a3", "c1")
	s.delete(main, "ann", "r1")
	s.wantPermanent("a person who was deleted", s.g.Upsert(s.t.Context(), main, []gallery.Row{joining("a4", "ann", at(0))})[0], schema.ReasonUnknownPUID)
	foreign := joining("c2", "cid", at(0))
	foreign.Embedding.Model = other
	s.wantPermanent("another model", s.g.Upsert(s.t.Context(), main, []gallery.Row{foreign})[0], schema.ReasonModelMismatch)
	s.wantIDs(main, "c1")
}

// joinsAgain: a row that was accepted once is accepted again, whatever happened to the person since.
func (s *suite) joinsAgain() {
	first, second := row("a1", "ann", at(0)), joining("a2", "ann", at(10))
	former := joining("new a3", "ann", at(20))
	former.FormerID = "a3"
	s.upsert(main, first)
	s.upsert(main, second, joining("a3", "ann", at(20)))
	s.upsert(main, second)
	s.wantIDs(main, "a1", "a2", "a3")
	s.delete(main, "ann", "r1")
	s.upsert(main, second, former)
	s.wantIDs(main)
}

func (s *suite) deleteAnswersPerItem() {
	s.upsert(main, row("a", "ann", at(0)), row("b1", "bob", at(10)), row("b2", "bob", at(20)), row("c", "cid", at(30)))
	out := s.g.Delete(s.t.Context(), main, []gallery.Deletion{
		{PUID: "bob", Request: "r1"}, {Request: "r2"}, {PUID: "nobody", Request: "r3"}, {PUID: "cid"}, {PUID: "ann", Request: "r4"},
	})
	if len(out) != 5 {
		s.t.Fatalf("%d answers for 5 deletions", len(out))
	}
	for i, want := range []int{2, -1, 0, -1, 1} {
		if want < 0 {
			s.wantPermanent(fmt.Sprintf("deletion %d", i), out[i].Err, schema.ReasonInvalidRequest)
		} else if out[i].Err != nil || out[i].Value != want {
			s.t.Errorf("deletion %d: got %d %v, want %d", i, out[i].Value, out[i].Err, want)
		}
	}
	s.wantIDs(main, "c")
}

func (s *suite) emptiedCollection() {
	s.upsert(main, row("a", "ann", at(0)))
	s.delete(main, "ann", "r1")
	if got := s.search(main, at(0), 3); len(got) != 0 {
		s.t.Errorf("an empty collection finds %v", names(got))
	}
	page, err := s.g.List(s.t.Context(), main, "", 3)
	if diff := cmp.Diff(gallery.Page{}, page, cmpopts.EquateEmpty()); err != nil || diff != "" {
		s.t.Errorf("listing of an empty collection: %v\n%s", err, diff)
	}
	foreign := schema.Embedding{Model: other, Vector: at(0).Vector}
	s.wantPermanent("another model", s.g.Upsert(s.t.Context(), main, []gallery.Row{row("b", "bob", foreign)})[0], schema.ReasonModelMismatch)
	s.upsert(main, row("a again", "ann", at(0)))
	s.wantIDs(main, "a again")
}

func (s *suite) collectionsAreIndependent() {
	// The same row and person ids everywhere; the names differ in case, in a dot, in a dash.
	all := []schema.Collection{"c", "C", "c.1", "c-1", "c_1", "0c"}
	for i, c := range all {
		s.upsert(c, row("a", "ann", at(float64(10*i))), row("b", "bob", at(90)))
	}
	s.upsert("wide", row("a", "ann", schema.Embedding{Model: other, Vector: []float32{1, 0, 0}}))
	s.delete(all[0], "ann", "r1")
	s.wantIDs(all[0], "b")
	for i, c := range all[1:] {
		s.wantIDs(c, "a", "b")
		if got := s.search(c, at(float64(10*(i+1))), 1); got[0].Row.ID != "a" || got[0].Score < 0.99999 {
			s.t.Errorf("%s: the best match is %v", c, got)
		}
	}
	s.wantIDs("wide", "a")
}

func (s *suite) pagesAreComplete() {
	var rows []gallery.Row
	var want []string
	for _, i := range rand.New(rand.NewPCG(7, 8)).Perm(57) {
		rows = append(rows, row(fmt.Sprintf("%03d", i), schema.PUID(fmt.Sprint("p", i%5)), at(float64(i))))
	}
	for i := range rows {
		want = append(want, fmt.Sprintf("%03d", i))
	}
	s.upsert(main, rows...)
	for _, limit := range []int{1, 7, 19, 56, 57, 58, 1000} {
		var got []string
		for _, r := range s.list(main, limit) {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
	page, err := s.g.List(s.t.Context(), main, "", 10)
	if err != nil || page.Total != 57 || page.Next == "" {
		s.t.Fatalf("first page: total %d, next %q, %v; want 57 in all", page.Total, page.Next, err)
	}
	if page, err = s.g.List(s.t.Context(), main, page.Next, 10); err != nil || page.Total != 57 || page.Rows[0].ID != "010" {
		s.t.Errorf("second page: total %d, begins with %q, %v; want 57 and 010", page.Total, page.Rows[0].ID, err)
	}
}

// listAmong: a listing of persons has only their rows, in pages.
func (s *suite) listAmong() {
	s.upsert(main, row("1", "anna", at(0)), row("2", "bert", at(10)), row("3", "anna", at(20)), row("4", "carl", at(30)), row("5", "anna", at(40)))
	s.upsert("other", row("6", "anna", at(0)))
	for _, tt := range []struct {
		among []schema.PUID
		want  []string
	}{
		{[]schema.PUID{"anna"}, []string{"1", "3", "5"}},
		{[]schema.PUID{"carl", "anna", "carl"}, []string{"1", "3", "4", "5"}},
		{[]schema.PUID{"dora"}, nil},
		{[]schema.PUID{"dora", "bert"}, []string{"2"}},
		{[]schema.PUID{`an"na`, `' OR 1=1`}, nil},
		{nil, []string{"1", "2", "3", "4", "5"}},
	} {
		for _, limit := range []int{1, 2, 10} {
			var got []string
			for after := ""; ; {
				page, err := s.g.List(s.t.Context(), main, after, limit, tt.among...)
				if err != nil {
					s.t.Fatal(err)
				}
				for _, r := range page.Rows {
					got = append(got, r.ID)
				}
				if page.Total != len(tt.want) || len(page.Rows) > limit {
					s.t.Errorf("among %d persons, limit %d: %d rows of %d, want %d in all", len(tt.among), limit, len(page.Rows), page.Total, len(tt.want))
				}
				if after = page.Next; after == "" {
					break
				}
			}
			if !slices.Equal(got, tt.want) {
				s.t.Errorf("among %d persons, limit %d: %v, want %v", len(tt.among), limit, got, tt.want)
			}
		}
	}
	_, err := s.g.List(s.t.Context(), "nobody", "", 1, "anna")
	s.wantPermanent("among", err, schema.ReasonUnknownCollection)
}

// personsFollow moves rows between persons at random. What is found and listed of each person must follow.
func (s *suite) personsFollow() {
	r := rand.New(rand.NewPCG(21, 22))
	persons := []schema.PUID{"anna", "bert", "carl"}
	owner := map[string]schema.PUID{}
	for step := range 60 {
		if step%15 == 14 {
			gone := persons[r.IntN(len(persons))]
			s.delete(main, gone, schema.RequestID(fmt.Sprint("r", step)))
			for id, p := range owner {
				if p == gone {
					delete(owner, id)
				}
			}
		}
		id := fmt.Sprintf("%d %d", (step+1)/15, r.IntN(8)) // other ids after a deletion: a deleted row stays deleted
		owner[id] = persons[r.IntN(len(persons))]
		s.upsert(main, row(id, owner[id], at(float64(step))))
		if step%5 != 4 {
			continue
		}
		for _, p := range persons {
			var want, got []string
			for id, of := range owner {
				if of == p {
					want = append(want, id)
				}
			}
			slices.Sort(want)
			page, err := s.g.List(s.t.Context(), main, "", 100, p)
			for _, r := range page.Rows {
				got = append(got, r.ID)
			}
			if err != nil || page.Total != len(want) || !slices.Equal(got, want) {
				s.t.Fatalf("step %d: rows %v (%d, %v), want %v", step, got, page.Total, err, want)
			}
			if o := s.g.Search(s.t.Context(), main, []schema.Embedding{at(0)}, 3, p)[0]; o.Err != nil || len(o.Value) != min(len(want), 1) ||
				len(want) > 0 && !slices.Contains(want, o.Value[0].Row.ID) {
				s.t.Fatalf("step %d: found %v (%v), want one of %v", step, names(o.Value), o.Err, want)
			}
		}
	}
}

// pagesAreStable lists while rows come and go: those that stay are listed exactly once, in order.
func (s *suite) pagesAreStable() {
	var rows []gallery.Row
	for i := range 40 {
		rows = append(rows, row(fmt.Sprintf("stay %02d", i), "stayer", at(float64(i))))
	}
	rows = append(rows, row("stay 04 leaver", "leaver", at(70)))
	s.upsert(main, rows...)
	var got []string
	for after, n := "", 0; ; n++ {
		page, err := s.g.List(s.t.Context(), main, after, 6)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, r := range page.Rows {
			if r.PUID == "stayer" {
				got = append(got, r.ID)
			}
		}
		if after = page.Next; after == "" {
			break
		}
		s.upsert(main, row(fmt.Sprintf("a%d", n), "comer", at(200)), row(fmt.Sprintf("stay %02d comer", 5*n), "comer", at(200)), row(fmt.Sprintf("z%d", n), "comer", at(200)))
		if n == 0 {
			s.delete(main, "leaver", "r1") // the row that the page token may stand on
		}
	}
	var want []string
	for _, r := range rows[:40] {
		want = append(want, r.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("rows that stayed (-want +got):\n%s", diff)
	}
}

func (s *suite) namesInUnicode() {
	ids := []string{`"; DROP TABLE faces; --`, "'quoted'", "%_*", `back\slash`, "new\nline", "Ω≈ç√", "łódź/東京", "😀", "e\u0301", "\u00e9"}
	var rows []gallery.Row
	for i, id := range ids {
		r := row(id, schema.PUID("person "+id), at(float64(10*i)))
		r.ExternalID = schema.ExternalID("name " + id)
		r.Consent = &schema.Consent{Reference: id}
		rows = append(rows, r)
	}
	s.upsert(main, rows...)
	want := slices.Sorted(slices.Values(ids)) // by bytes
	s.wantIDs(main, want...)
	for i, r := range rows {
		r.Embedding = schema.Embedding{}
		if diff := cmp.Diff([]gallery.Match{{Row: r, Score: 1}}, s.search(main, at(float64(10*i)), 1), cmpopts.EquateApprox(0, 1e-5)); diff != "" {
			s.t.Errorf("%q (-want +got):\n%s", ids[i], diff)
		}
	}
	for i, id := range ids {
		if n := s.delete(main, schema.PUID("person "+id), schema.RequestID("request "+id)); n != 1 {
			s.t.Errorf("%q had %d rows, want 1", id, n)
		}
		if got := len(s.list(main, 100)); got != len(ids)-i-1 {
			s.t.Errorf("after deleting %q there are %d rows, want %d", id, got, len(ids)-i-1)
		}
	}
}

// nothingIsOwned changes what it gave and what it got; the gallery stays as it was.
func (s *suite) nothingIsOwned() {
	consent := func() *schema.Consent {
		when := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		return &schema.Consent{Given: true, Reference: "form", At: &when}
	}
	spoil := func(c *schema.Consent) {
		*c.At = c.At.Add(time.Hour)
		c.Given = false
	}
	given := row("a", "ann", at(0))
	given.Consent = consent()
	s.upsert(main, given)
	clear(given.Embedding.Vector)
	spoil(given.Consent)
	want := row("a", "ann", schema.Embedding{})
	want.Consent = consent()
	for range 2 {
		got := s.search(main, at(0), 1)
		if diff := cmp.Diff([]gallery.Match{{Row: want, Score: 1}}, got, cmpopts.EquateApprox(0, 1e-5)); diff != "" {
			s.t.Fatalf("search (-want +got):\n%s", diff)
		}
		spoil(got[0].Row.Consent)
		page, err := s.g.List(s.t.Context(), main, "", 1)
		if err != nil {
			s.t.Fatal(err)
		}
		spoil(page.Rows[0].Consent)
	}
}

func (s *suite) cancelledContext() {
	s.upsert(main, row("a", "ann", at(0)))
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	check := func(what string, err error) {
		s.t.Helper()
		if schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, context.Canceled) {
			s.t.Errorf("%s on a cancelled context: got %v (%v), want transient, context.Canceled", what, err, schema.ClassOf(err))
		}
	}
	check("upsert", s.g.Upsert(ctx, main, []gallery.Row{row("b", "bob", at(0))})[0])
	check("search", s.g.Search(ctx, main, []schema.Embedding{at(0)}, 1)[0].Err)
	check("delete", s.g.Delete(ctx, main, []gallery.Deletion{{PUID: "ann", Request: "r"}})[0].Err)
	_, err := s.g.List(ctx, main, "", 1)
	check("list", err)
	s.wantIDs(main, "a")
}

// visibleOnReturn tries to break invariant 4: each write is looked for the moment it returns, by several callers at once.
func (s *suite) visibleOnReturn() {
	s.upsert(main, row("seed", "seed", at(0)))
	s.parallel(4, func(worker int) error {
		r := rand.New(rand.NewPCG(9, uint64(worker)))
		for i := range 10 {
			e := at(0)
			for j := range e.Vector {
				e.Vector[j] = float32(r.NormFloat64())
			}
			id := fmt.Sprintf("%d %02d", worker, i)
			if err := s.g.Upsert(s.t.Context(), main, []gallery.Row{row(id, schema.PUID(id), e)})[0]; err != nil {
				return err
			}
			found := func() (bool, error) {
				o := s.g.Search(s.t.Context(), main, []schema.Embedding{e}, 1)[0]
				return o.Err == nil && len(o.Value) == 1 && o.Value[0].Row.ID == id, o.Err
			}
			if ok, err := found(); err != nil || !ok {
				return fmt.Errorf("row %s is not found right after its upsert: %w", id, err)
			}
			if i%2 == 0 {
				continue
			}
			if o := s.g.Delete(s.t.Context(), main, []gallery.Deletion{{PUID: schema.PUID(id), Request: schema.RequestID(id)}})[0]; o.Err != nil || o.Value != 1 {
				return fmt.Errorf("delete of %s: %d, %w", id, o.Value, o.Err)
			}
			if ok, err := found(); err != nil || ok {
				return fmt.Errorf("row %s is found right after its deletion: %w", id, err)
			}
		}
		return nil
	})
	if got := len(s.list(main, 1000)); got != 1+4*5 {
		s.t.Errorf("%d rows are left, want 21", got)
	}
}

// concurrency mixes every call on the same few rows, for the race detector and for the state at the end.
func (s *suite) concurrency() {
	s.upsert(main, row("seed", "seed", at(0)))
	s.parallel(6, func(worker int) error {
		mine := schema.PUID(fmt.Sprint("mine ", worker))
		for i := range 12 {
			rows := []gallery.Row{
				row(fmt.Sprint("shared ", i%3), "shared", at(float64(i))),
				row(fmt.Sprintf("mine %d %d-%d", worker, i/5, i%4), mine, at(float64(90+worker))), // new ids after a deletion
			}
			if err := errors.Join(s.g.Upsert(s.t.Context(), main, rows)...); err != nil {
				return err
			}
			o := s.g.Search(s.t.Context(), main, []schema.Embedding{at(float64(90 + worker))}, 50)[0]
			seen := map[schema.PUID]bool{}
			for j, m := range o.Value {
				if seen[m.Row.PUID] || j > 0 && m.Score > o.Value[j-1].Score {
					return fmt.Errorf("search: a person twice, or a worse match before a better one")
				}
				seen[m.Row.PUID] = true
			}
			if o.Err != nil || !seen[mine] {
				return fmt.Errorf("search: own row found: %v, %w", seen[mine], o.Err)
			}
			if _, err := s.g.List(s.t.Context(), main, "", 5); err != nil {
				return err
			}
			if worker%2 == 0 && i%5 == 4 {
				d := []gallery.Deletion{{PUID: mine, Request: schema.RequestID(fmt.Sprintf("r %d %d", worker, i))}}
				if o := s.g.Delete(s.t.Context(), main, d)[0]; o.Err != nil || o.Value == 0 {
					return fmt.Errorf("delete: %d, %w", o.Value, o.Err)
				}
			}
		}
		return nil
	})
	// Even workers wrote i = 10, 11 after their last deletion; odd ones deleted nothing.
	want := []string{}
	for w := range 6 {
		for _, i := range strings.Fields(map[bool]string{true: "2-2 2-3", false: "0-0 0-1 0-2 0-3 1-0 1-1 1-2 1-3 2-2 2-3"}[w%2 == 0]) {
			want = append(want, fmt.Sprintf("mine %d %s", w, i))
		}
	}
	want = append(want, "seed", "shared 0", "shared 1", "shared 2")
	s.wantIDs(main, want...)
}

// firstRowsRace has several callers create one collection, half of them with another model: one model wins, and the
// callers with it all succeed.
func (s *suite) firstRowsRace() {
	var mu sync.Mutex
	wrote := map[schema.ModelID]int{}
	s.parallel(8, func(worker int) error {
		e := at(float64(worker))
		if worker%2 == 0 {
			e.Model = other
		}
		err := s.g.Upsert(s.t.Context(), main, []gallery.Row{row(fmt.Sprint("w", worker), "ann", e)})[0]
		if err == nil {
			mu.Lock()
			wrote[e.Model]++
			mu.Unlock()
		} else if schema.ReasonOf(err) != schema.ReasonModelMismatch {
			return err
		}
		return nil
	})
	if len(wrote) != 1 || wrote[model]+wrote[other] != 4 {
		s.t.Errorf("rows written by model: %v, want 4 of one model", wrote)
	}
	if got := len(s.list(main, 100)); got != 4 {
		s.t.Errorf("%d rows, want 4", got)
	}
}

func (s *suite) parallel(n int, work func(worker int) error) {
	s.t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = work(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
}

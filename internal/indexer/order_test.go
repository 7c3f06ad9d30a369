package indexer

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// accepted returns analyses as if ingest had accepted their requests in this order, from one topic of two partitions.
func accepted(r *rand.Rand, requests ...schema.Request) []schema.Analysis {
	ends := []int64{0, 0}
	out := make([]schema.Analysis, len(requests))
	for i, q := range requests {
		a := analysis(q, float64(i))
		p := r.IntN(2)
		a.Order = &schema.Order{Cluster: "cluster", Topic: "requests", Partition: p, Offset: ends[p]}
		ends[p]++
		if q.Operation == schema.OpUserDelete {
			a.Order = &schema.Order{Cluster: "cluster", Ends: schema.Ends{"requests": slices.Clone(ends)}}
		}
		out[i] = a
	}
	return out
}

// TestDeletedIsDeleted: a deletion that overtakes an enrolment of the same person wins, however late the enrolment comes and
// however often. An enrolment that was accepted later lands, and a late repeat of the deletion does not take it away.
func TestDeletedIsDeleted(t *testing.T) {
	for name, first := range map[string]bool{"a new collection": false, "a known collection": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if first {
				b.enroll("r0", "bob", 90)
			}
			as := accepted(rand.New(rand.NewPCG(1, 1)),
				schema.Request{ID: "e1", Operation: schema.OpEnroll, ExternalID: "alice"},
				schema.Request{ID: "d", Operation: schema.OpUserDelete, ExternalID: "alice"},
				schema.Request{ID: "e2", Operation: schema.OpEnroll, ExternalID: "alice"})
			older, erase, younger := as[0], as[1], as[2]
			nobody := b.answer(erase)
			if nobody.UserDelete != nil || nobody.CallStatus.Reason == "" {
				t.Errorf("the deletion: %+v", nobody.CallStatus)
			}
			before := len(b.rows())
			refused := b.answer(older)
			if s := refused.CallStatus; s.Reason != schema.ReasonDeletedMeanwhile || s.ReturnCode != schema.CodeInvalidArgument || refused.Faces != nil {
				t.Errorf("the enrolment that was overtaken: %+v with %d faces", s, len(refused.Faces))
			}
			if len(b.rows()) != before {
				t.Error("the person is back")
			}
			if r := b.answer(younger); r.CallStatus.Reason != "" {
				t.Errorf("the later enrolment: %+v", r.CallStatus)
			}
			if r := b.answer(older); !cmp.Equal(r, refused, cmpopts.IgnoreFields(schema.Result{}, "Timings")) {
				t.Errorf("a repeat has another answer: %+v", r.CallStatus)
			}
			if r := b.answer(erase); !cmp.Equal(r, nobody, cmpopts.IgnoreFields(schema.Result{}, "Timings")) {
				t.Errorf("a repeat of the deletion has another answer: %+v", r.CallStatus)
			}
			if n := len(b.rows()); n != before+1 {
				t.Errorf("%d rows, want %d", n, before+1)
			}
		})
	}
}

// TestAnyInterleaving delivers the analyses of accepted requests in every order and some of them repeatedly. At no moment is
// an enrolment there that a deletion outlived which was answered before. In the end exactly those enrolments are there that
// no deletion outlived, and no request has two answers.
func TestAnyInterleaving(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	names := []schema.ExternalID{"alice", "Zo\u00eb", "Zoe\u0308"} // the last two are one person
	for round := range 60 {
		var requests []schema.Request
		for i := range 8 {
			q := schema.Request{ID: schema.RequestID(fmt.Sprintf("%d.%d", round, i)), Operation: schema.OpEnroll, ExternalID: names[r.IntN(len(names))]}
			if r.IntN(3) == 0 {
				q.Operation = schema.OpUserDelete
			}
			requests = append(requests, q)
		}
		as := accepted(r, requests...)
		ids := map[string]*schema.Analysis{}
		for i := range as {
			if as[i].Operation == schema.OpEnroll {
				ids[schema.RowID(as[i].ID, as[i].Images[0], 0)] = &as[i]
			}
		}
		outlived := func(e *schema.Analysis, by []*schema.Analysis) bool {
			return slices.ContainsFunc(by, func(d *schema.Analysis) bool {
				return d.ExternalID.Normal() == e.ExternalID.Normal() && e.Order.Outlived(d.Order)
			})
		}
		var deletions, answered []*schema.Analysis
		for i := range as {
			if as[i].Operation == schema.OpUserDelete {
				deletions = append(deletions, &as[i])
			}
		}
		b := newBench(t)
		answers := map[schema.RequestID]schema.Result{}
		order := r.Perm(len(as))
		for range 4 { // repeats
			i := r.IntN(len(order) + 1)
			order = slices.Insert(order, i, order[r.IntN(len(order))])
		}
		for _, i := range order {
			a := as[i]
			answer := b.answer(a)
			if first, repeated := answers[a.ID]; repeated && !cmp.Equal(first, answer, cmpopts.IgnoreFields(schema.Result{}, "Timings")) {
				t.Fatalf("round %d, order %v: request %d is answered %+v and %+v", round, order, i, first.CallStatus, answer.CallStatus)
			}
			answers[a.ID] = answer
			if a.Operation == schema.OpUserDelete {
				answered = append(answered, &as[i])
			}
			for _, row := range b.rows() {
				if e := ids[row.ID]; outlived(e, answered) {
					t.Fatalf("round %d, order %v: after request %d an enrolment of a deleted person is there", round, order, i)
				}
			}
		}
		var want []string
		for id, e := range ids {
			if !outlived(e, deletions) {
				want = append(want, id)
			}
		}
		got := slices.Collect(func(yield func(string) bool) {
			for _, row := range b.rows() {
				if !yield(row.ID) {
					return
				}
			}
		})
		slices.Sort(want)
		if !slices.Equal(got, want) {
			data, _ := json.Marshal(slices.Collect(maps.Values(answers)))
			t.Fatalf("round %d, order %v: rows %v, want %v; answers %s", round, order, got, want, data)
		}
	}
}

// A person whom an earlier version stored under another spelling of the name is deleted by puid; an older enrolment by name
// does not bring them back under another puid.
func TestDeletedUnderAnotherSpelling(t *testing.T) {
	const name, decomposed = schema.ExternalID("Zo\u00eb"), schema.ExternalID("Zoe\u0308")
	b := newBench(t)
	former := formerPUID(staff, decomposed)
	row := gallery.Row{ID: "former", PUID: former, ExternalID: decomposed, Embedding: at(0)}
	if err := b.Gallery.Upsert(t.Context(), staff, []gallery.Row{row})[0]; err != nil {
		t.Fatal(err)
	}
	as := accepted(rand.New(rand.NewPCG(1, 1)),
		schema.Request{ID: "e1", Operation: schema.OpEnroll, ExternalID: name},
		schema.Request{ID: "d", Operation: schema.OpUserDelete, PUID: former},
		schema.Request{ID: "e2", Operation: schema.OpEnroll, ExternalID: name})
	if r := b.answer(as[1]); r.UserDelete == nil {
		t.Fatalf("%+v", r.CallStatus)
	}
	if r := b.answer(as[0]); r.CallStatus.Reason != schema.ReasonDeletedMeanwhile || len(b.rows()) != 0 {
		t.Errorf("the older enrolment: %+v", r.CallStatus)
	}
	if r := b.answer(as[2]); r.CallStatus.Reason != "" || len(b.rows()) != 1 {
		t.Errorf("the later enrolment: %+v", r.CallStatus)
	}
}

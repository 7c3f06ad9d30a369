package gallerytest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// placed is the order of an enrolment by a record.
func placed(partition int, offset int64) *schema.Order {
	return &schema.Order{Cluster: "cluster", Topic: "requests", Partition: partition, Offset: offset}
}

// ends is the order of a deletion: what lies before these offsets is older.
func ends(offsets ...int64) *schema.Order {
	return &schema.Order{Cluster: "cluster", Ends: schema.Ends{"requests": offsets}}
}

func ordered(id string, person schema.PUID, order *schema.Order) gallery.Row {
	r := row(id, person, at(0))
	r.Order = order
	return r
}

// refused upserts rows that must be refused because their persons were deleted meanwhile.
func (s *suite) refused(what string, rows ...gallery.Row) {
	s.t.Helper()
	for _, err := range s.g.Upsert(s.t.Context(), main, rows) {
		s.wantPermanent(what, err, schema.ReasonDeletedMeanwhile)
	}
}

func (s *suite) deleteAt(person schema.PUID, request schema.RequestID, order *schema.Order, want int) {
	s.t.Helper()
	o := s.g.Delete(s.t.Context(), main, []gallery.Deletion{{PUID: person, Request: request, Order: order}})[0]
	if o.Err != nil || o.Value != want {
		s.t.Errorf("deletion %s: %d %v, want %d", request, o.Value, o.Err, want)
	}
}

func (s *suite) deletedMeanwhile() {
	s.upsert(main, row("z", "zoe", at(90)))
	s.deleteAt("ann", "d1", ends(10, 20), 0)
	s.refused("older", ordered("a1", "ann", placed(0, 9)), ordered("a2", "ann", placed(1, 19)), ordered("a3", "ann", nil))
	s.upsert(main, ordered("b1", "bob", placed(0, 9)))
	s.upsert(main, ordered("a4", "ann", placed(0, 10)), ordered("a5", "ann", placed(1, 20)), ordered("a6", "ann", placed(2, 0)))
	s.wantIDs(main, "a4", "a5", "a6", "b1", "z")
	elsewhere := placed(0, 0)
	elsewhere.Cluster = "another"
	s.upsert(main, ordered("a7", "ann", elsewhere)) // cannot be compared

	s.refused("repeated", ordered("a1", "ann", placed(0, 9)))
	s.refused("repeated at a later position", ordered("a1", "ann", placed(0, 30)))
	s.deleteAt("ann", "d1", ends(40, 40), 0) // a repeat keeps the first order
	s.upsert(main, ordered("a8", "ann", placed(0, 11)))
	s.wantIDs(main, "a4", "a5", "a6", "a7", "a8", "b1", "z")
	s.deleteAt("ann", "d2", ends(5, 5), 1) // a7 alone cannot be compared; d1 stands
	s.refused("older than the first of two deletions", ordered("a9", "ann", placed(0, 7)))
	s.wantIDs(main, "a4", "a5", "a6", "a8", "b1", "z")

	errs := s.g.Upsert(s.t.Context(), main, []gallery.Row{ordered("c1", "ann", placed(0, 1)), ordered("c2", "ann", placed(0, 12)), row("", "ann", at(0))})
	s.wantPermanent("beside others", errs[0], schema.ReasonDeletedMeanwhile)
	if errs[1] != nil {
		s.t.Errorf("beside one that is refused: %v", errs[1])
	}
}

// takenUpTwice: an upload can be announced by a record and found by a listing as well, which does not know how old it is.
func (s *suite) takenUpTwice() {
	s.upsert(main, row("z", "zoe", at(90)))
	s.deleteAt("ann", "d1", ends(10), 0)
	listed := func(id string, offsets ...int64) gallery.Row { return ordered(id, "ann", ends(offsets...)) }
	s.upsert(main, ordered("a1", "ann", placed(0, 15)))
	s.upsert(main, listed("a1"), listed("a1", 9), listed("a1", 14)) // it has landed
	s.wantIDs(main, "a1", "z")
	s.deleteAt("ann", "d2", ends(13), 0) // older than the record, whose order stands
	s.upsert(main, listed("a1"), ordered("a1", "ann", placed(0, 15)))
	s.wantIDs(main, "a1", "z")
	s.deleteAt("ann", "d3", ends(20), 1)
	s.upsert(main, listed("a1"), ordered("a1", "ann", placed(0, 15))) // it was enrolled once
	s.wantIDs(main, "z")

	s.refused("only listed", listed("a2"), listed("a2", 19))
	s.refused("announced after it was refused", ordered("a2", "ann", placed(0, 25)))
	s.upsert(main, listed("a3", 20))
	s.upsert(main, ordered("a3", "ann", placed(0, 30)))
	s.wantIDs(main, "a3", "z")
}

// deletionBeforeTheCollection: the enrolment that creates a collection can be on its way when its person is deleted.
func (s *suite) deletionBeforeTheCollection() {
	unknown := func(request schema.RequestID, order *schema.Order) {
		s.t.Helper()
		o := s.g.Delete(s.t.Context(), main, []gallery.Deletion{{PUID: "ann", Request: request, Order: order}})[0]
		s.wantPermanent("delete", o.Err, schema.ReasonUnknownCollection)
	}
	unknown("d1", ends(10))
	s.refused("older", ordered("a1", "ann", placed(0, 9)))
	_, err := s.g.List(s.t.Context(), main, "", 1)
	s.wantPermanent("a refused row", err, schema.ReasonUnknownCollection)
	s.upsert(main, ordered("a2", "ann", placed(0, 10)))
	s.refused("repeated", ordered("a1", "ann", placed(0, 9)))
	unknown("d1", ends(10))
	unknown("d1", ends(20))
	s.wantIDs(main, "a2")
	s.deleteAt("ann", "d2", ends(20), 1)
}

func (s *suite) deletionSparesTheYounger() {
	s.upsert(main, ordered("a1", "ann", placed(0, 9)), ordered("a2", "ann", placed(0, 10)), ordered("a3", "ann", nil), ordered("b1", "bob", placed(0, 1)))
	s.deleteAt("ann", "d1", ends(10), 2)
	s.wantIDs(main, "a2", "b1")
	s.upsert(main, ordered("a1", "ann", placed(0, 9))) // it was enrolled once, and its repeat says so
	s.wantIDs(main, "a2", "b1")
	s.upsert(main, ordered("a2", "ann", placed(0, 10)))
	s.deleteAt("ann", "d1", ends(10), 2)
	s.wantIDs(main, "a2", "b1")
	s.deleteAt("ann", "d2", nil, 1) // without an order
	s.upsert(main, ordered("a4", "ann", placed(0, 10)))
	s.wantIDs(main, "a4", "b1")
}

func (s *suite) joinsAfterADeletion() {
	joining := func(id string, offset int64) gallery.Row {
		r := ordered(id, "ann", placed(0, offset))
		r.Joins = true
		return r
	}
	s.upsert(main, ordered("a1", "ann", placed(0, 1)), ordered("b1", "bob", placed(0, 2)))
	s.deleteAt("ann", "d1", ends(10), 1)
	s.refused("older, nobody is there", joining("a2", 5))
	s.wantPermanent("younger, nobody is there", s.g.Upsert(s.t.Context(), main, []gallery.Row{joining("a3", 15)})[0], schema.ReasonUnknownPUID)
	s.upsert(main, ordered("a4", "ann", placed(0, 20)))
	s.refused("older, the person is there again", joining("a5", 6))
	s.upsert(main, joining("a6", 21))
	s.wantIDs(main, "a4", "a6", "b1")

	other := ordered("c1", "cid", placed(0, 9)) // the same person, whom an earlier version could have stored as ann
	other.Also = []schema.PUID{"cid", "ann"}
	s.refused("deleted under another puid", other)
	other.ID, other.Order = "c2", placed(0, 10)
	s.upsert(main, other)
}

// deletionsAgreeWithAModel carries out random enrolments and deletions of two persons, many of them more than once.
func (s *suite) deletionsAgreeWithAModel() {
	r := rand.New(rand.NewPCG(5, 6))
	s.upsert(main, row("z", "zoe", at(90)))
	rows := map[string]gallery.Row{"z": {}}
	gone, refused, done := map[string]bool{}, map[string]bool{}, map[schema.RequestID]int{}
	deleted := map[schema.PUID][]*schema.Order{}
	people := []schema.PUID{"ann", "bob"}
	var enrolments []gallery.Row
	var deletions []gallery.Deletion
	for i := range 20 {
		enrolments = append(enrolments, ordered(fmt.Sprintf("e%02d", i), people[i%2], placed(r.IntN(2), r.Int64N(6))))
		if i < 8 {
			deletions = append(deletions, gallery.Deletion{PUID: people[i%2], Request: schema.RequestID(fmt.Sprint("d", i)), Order: ends(r.Int64N(6), r.Int64N(6))})
		}
	}
	for step := range 60 {
		if r.IntN(3) > 0 {
			e := enrolments[r.IntN(len(enrolments))]
			want := gone[e.ID] || !refused[e.ID] && !slices.ContainsFunc(deleted[e.PUID], e.Order.Outlived)
			err := s.g.Upsert(s.t.Context(), main, []gallery.Row{e})[0]
			if (err == nil) != want || err != nil && schema.ReasonOf(err) != schema.ReasonDeletedMeanwhile {
				s.t.Fatalf("step %d, enrolment %s: %v, want it accepted: %v", step, e.ID, err, want)
			}
			if refused[e.ID] = !want; want && !gone[e.ID] {
				rows[e.ID] = e
			}
			continue
		}
		d := deletions[r.IntN(len(deletions))]
		if _, repeat := done[d.Request]; !repeat {
			for id, row := range rows {
				if row.PUID == d.PUID && !row.Order.Younger(d.Order) {
					delete(rows, id)
					gone[id] = true
					done[d.Request]++
				}
			}
			done[d.Request] += 0
			deleted[d.PUID] = append(deleted[d.PUID], d.Order)
		}
		s.deleteAt(d.PUID, d.Request, d.Order, done[d.Request])
		s.wantIDs(main, slices.Sorted(maps.Keys(rows))...)
	}
	s.wantIDs(main, slices.Sorted(maps.Keys(rows))...)
}

// deletedIsNeverSeen: neither a late repeat of an enrolment nor an older enrolment shows, while others search.
func (s *suite) deletedIsNeverSeen() {
	late := ordered("a1", "ann", placed(0, 1))
	s.upsert(main, late, row("z", "zoe", at(0)))
	s.deleteAt("ann", "d1", ends(10), 1)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for searched := 0; ; searched++ {
				for _, o := range s.g.Search(s.t.Context(), main, []schema.Embedding{at(0)}, 5) {
					if o.Err != nil || len(o.Value) != 1 {
						s.t.Errorf("a search finds %v (%v), want zoe alone", names(o.Value), o.Err)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 5 {
		s.upsert(main, late)
		s.refused("older", ordered(fmt.Sprint("b", i), "ann", placed(0, int64(i))))
	}
	close(done)
	wg.Wait()
	s.wantIDs(main, "z")
}

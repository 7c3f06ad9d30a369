package local

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"facestream/pkg/schema"
)

// TestRows: after any order of writes and removals the rows are those of a map, by number, by id and by person, whatever the ids look like.
func TestRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var ids, people []string
	for i := range 300 {
		id, person := uuid.NewSHA1(uuid.NameSpaceOID, []byte(fmt.Sprint(i))).String(), uuid.NewSHA1(uuid.NameSpaceURL, []byte(fmt.Sprint(i))).String()
		switch i % 4 { // texts that look like UUIDs and are none, or are written in another way
		case 1:
			id, person = strings.ToUpper(id), person[:35]
		case 2:
			id, person = fmt.Sprint(i), strings.ReplaceAll(person, "-", ":")
		}
		ids, people = append(ids, id), append(people, person)
	}
	r, want := newRows(), map[string]face{}
	for range 20_000 {
		id := ids[random.IntN(len(ids))]
		if random.IntN(3) == 0 {
			if i, ok := r.find(id); ok {
				r.remove(i)
			}
			delete(want, id)
			continue
		}
		f := face{id: id, puid: schema.PUID(people[random.IntN(40)]), externalID: schema.ExternalID(strings.Repeat("ü", random.IntN(90))), created: random.Int64() - random.Int64()}
		if random.IntN(2) == 0 {
			f.consent = `{"given":true}`
		}
		r.put(f)
		want[id] = f
	}
	got, byPerson, wantByPerson := map[string]face{}, map[schema.PUID][]string{}, map[schema.PUID][]string{}
	for i := range r.len() {
		f := r.face(i)
		got[r.id(i)] = f
		if n, ok := r.find(f.id); !ok || n != i {
			t.Errorf("row %d is found at %d, %t", i, n, ok)
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(face{})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	for id, f := range want {
		wantByPerson[f.puid] = append(wantByPerson[f.puid], id)
	}
	for _, p := range people {
		for i := range r.of(schema.PUID(p)) {
			byPerson[schema.PUID(p)] = append(byPerson[schema.PUID(p)], r.id(i))
		}
	}
	for _, rows := range []map[schema.PUID][]string{byPerson, wantByPerson} {
		for p := range rows {
			slices.Sort(rows[p])
		}
	}
	if diff := cmp.Diff(wantByPerson, byPerson); diff != "" {
		t.Errorf("rows by person (-want +got):\n%s", diff)
	}
	for id := range maps.Keys(want) {
		i, _ := r.find(id)
		r.remove(i)
	}
	if r.len() != 0 || r.byID.used != 0 || r.byPerson.used != 0 || len(slices.Collect(r.of(schema.PUID(people[0])))) != 0 {
		t.Errorf("%d rows, %d ids and %d people are left when all are removed", r.len(), r.byID.used, r.byPerson.used)
	}
	for i, b := range r.records.All() {
		if b != 0 {
			t.Fatalf("byte %d of the records is not erased", i)
		}
	}
}

// TestReplacedRowsTakeNoMore: rows that are written again and again, or removed and written, use the places that became free.
func TestReplacedRowsTakeNoMore(t *testing.T) {
	r := newRows()
	write := func(round int) {
		for i := range 500 {
			r.put(face{id: fmt.Sprint("row ", i), puid: "p", externalID: schema.ExternalID(strings.Repeat("x", (i+round)%50))})
		}
	}
	for round := range 100 {
		write(round)
	}
	before := r.records.Len()
	for round := range 1000 {
		write(round)
		for i := range 100 {
			n, _ := r.find(fmt.Sprint("row ", (i+round)%500))
			r.remove(n)
		}
	}
	if after := r.records.Len(); after > before+before/2 {
		t.Errorf("records took %d bytes after 100 rounds and %d after 1100", before, after)
	}
}

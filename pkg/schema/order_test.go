package schema

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrderOutlived(t *testing.T) {
	record := func(cluster, topic string, partition int, offset int64) *Order {
		return &Order{Cluster: cluster, Topic: topic, Partition: partition, Offset: offset}
	}
	deletion := &Order{Cluster: "a", Ends: Ends{"requests": {10, 5}, "objects": {3}}}
	for name, tt := range map[string]struct {
		enrolment, deletion *Order
		want                bool
	}{
		"before":                       {record("a", "requests", 0, 9), deletion, true},
		"the first after":              {record("a", "requests", 0, 10), deletion, false},
		"other partition, before":      {record("a", "requests", 1, 4), deletion, true},
		"other partition, after":       {record("a", "requests", 1, 5), deletion, false},
		"other topic, before":          {record("a", "objects", 0, 0), deletion, true},
		"other topic, after":           {record("a", "objects", 0, 3), deletion, false},
		"a partition that was added":   {record("a", "requests", 2, 0), deletion, false},
		"another cluster":              {record("b", "requests", 0, 0), deletion, false},
		"of an earlier version":        {nil, deletion, true},
		"deletion without an order":    {record("a", "requests", 0, 0), nil, false},
		"both without":                 {nil, nil, false},
		"upload seen before":           {&Order{Cluster: "a", Ends: Ends{"requests": {9, 5}, "objects": {3}}}, deletion, true},
		"upload seen after":            {&Order{Cluster: "a", Ends: Ends{"requests": {10, 5}, "objects": {3}}}, deletion, false},
		"upload of which little known": {&Order{Cluster: "a"}, deletion, true},
	} {
		if got := tt.enrolment.Outlived(tt.deletion); got != tt.want {
			t.Errorf("%s: outlived %v, want %v", name, got, tt.want)
		}
		comparable := tt.enrolment != nil && tt.deletion != nil && tt.enrolment.Cluster == tt.deletion.Cluster
		if got := tt.enrolment.Younger(tt.deletion); got != (comparable && !tt.want) {
			t.Errorf("%s: younger %v", name, got)
		}
	}
}

// A tombstone covers exactly the enrolments that one of its deletions outlived, in whatever order and however often these
// were added, and after it was stored.
func TestTombstone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	clusters, topics := []string{"a", "b"}, []string{"requests", "objects"}
	for range 2000 {
		var deletions []*Order
		for range 1 + r.IntN(4) {
			d := &Order{Cluster: clusters[r.IntN(2)], Ends: Ends{}}
			for _, topic := range topics[:1+r.IntN(2)] {
				for range 1 + r.IntN(3) {
					d.Ends[topic] = append(d.Ends[topic], int64(r.IntN(6)))
				}
			}
			deletions = append(deletions, d)
		}
		var stone Tombstone
		for _, i := range append(r.Perm(len(deletions)), r.IntN(len(deletions))) {
			stone = stone.Add(deletions[i])
		}
		data, err := json.Marshal(stone)
		if err != nil {
			t.Fatal(err)
		}
		var read Tombstone
		if err := json.Unmarshal(data, &read); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stone, read); diff != "" {
			t.Fatalf("(-stored +read):\n%s", diff)
		}
		e := &Order{Cluster: clusters[r.IntN(2)], Topic: topics[r.IntN(2)], Partition: r.IntN(4), Offset: int64(r.IntN(6))}
		want := slices.ContainsFunc(deletions, e.Outlived)
		if got := read.Covers(e); got != want {
			t.Fatalf("%+v after %s: %v, want %v", e, data, got, want)
		}
		if got := read.Spares(e); got != (!want && slices.ContainsFunc(deletions, e.Younger)) {
			t.Fatalf("%+v after %s: spared %v", e, data, got)
		}
	}
}

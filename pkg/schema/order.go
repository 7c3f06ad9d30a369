package schema

import (
	"maps"
	"slices"
)

// Order says where a request that changes the gallery stands among the others about the same person. It is made of
// positions in the topics that requests come from, which the broker assigns. No clock decides ([Order.Outlived]).
//
// An enrolment has the position of its record. A deletion has Ends, and so does the enrolment of an upload that no record
// announced.
type Order struct {
	// Cluster is the id of the Kafka cluster. Positions in different clusters cannot be compared.
	Cluster string `json:"cluster,omitempty"`
	// Topic, Partition and Offset are where the broker put the record first, before any replay.
	Topic     string `json:"topic,omitempty"`
	Partition int    `json:"partition,omitempty" jsonschema:"minimum=0"`
	Offset    int64  `json:"offset,omitempty" jsonschema:"minimum=0"`
	// Ends are, by topic and partition, the offsets before which lies everything that is older than a deletion, or than an
	// upload that no record announced. In the partition of the deletion's own record it is the offset after that record.
	Ends Ends `json:"ends,omitempty"`
}

// Ends are offsets by topic and partition. A partition that is not named has the offset 0.
type Ends map[string][]int64

// Of returns the offset of a partition.
func (e Ends) Of(topic string, partition int) int64 {
	if p := e[topic]; partition >= 0 && partition < len(p) {
		return p[partition]
	}
	return 0
}

// Join returns the higher offset of each partition.
func (e Ends) Join(other Ends) Ends {
	out := maps.Clone(e)
	if out == nil {
		out = Ends{}
	}
	for topic, offsets := range other {
		joined := slices.Clone(out[topic])
		for i, o := range offsets {
			if i < len(joined) {
				joined[i] = max(joined[i], o)
			} else {
				joined = append(joined, o)
			}
		}
		out[topic] = joined
	}
	return out
}

// reaches reports whether e is at or beyond other in every partition.
func (e Ends) reaches(other Ends) bool {
	for topic, offsets := range other {
		for i, o := range offsets {
			if e.Of(topic, i) < o {
				return false
			}
		}
	}
	return true
}

// Listed reports whether o is the order of an upload that no record announced. An upload can have two orders: one of the
// listing that found it, and later or earlier one of the record that announced it.
func (o *Order) Listed() bool { return o != nil && o.Topic == "" }

// Outlived reports whether an enrolment of order o is known to be older than a deletion: it must not land after it. An enrolment without an order (nil) comes from an earlier version and is older than every deletion
// that has one. A deletion without an order, or with one of another cluster, says nothing about what comes after it.
func (o *Order) Outlived(deletion *Order) bool {
	switch {
	case deletion == nil:
		return false
	case o == nil:
		return true
	case o.Cluster != deletion.Cluster:
		return false
	case o.Topic == "":
		return !o.Ends.reaches(deletion.Ends)
	}
	return o.Offset < deletion.Ends.Of(o.Topic, o.Partition)
}

// Younger reports whether an enrolment of order o is known to be younger than a deletion. What cannot be compared is not.
func (o *Order) Younger(deletion *Order) bool {
	return o != nil && deletion != nil && o.Cluster == deletion.Cluster && !o.Outlived(deletion)
}

// Tombstone is what remains of the deletions of one person: their orders, joined by cluster.
type Tombstone []Order

// Add joins the order of another deletion to t; nil changes nothing.
func (t Tombstone) Add(deletion *Order) Tombstone {
	if deletion == nil {
		return t
	}
	out := slices.Clone(t)
	for i, d := range out {
		if d.Cluster == deletion.Cluster {
			out[i] = Order{Cluster: d.Cluster, Ends: d.Ends.Join(deletion.Ends)}
			return out
		}
	}
	return append(out, Order{Cluster: deletion.Cluster, Ends: Ends{}.Join(deletion.Ends)})
}

// Covers reports whether one of the deletions outlived an enrolment of order o.
func (t Tombstone) Covers(o *Order) bool {
	for i := range t {
		if o.Outlived(&t[i]) {
			return true
		}
	}
	return false
}

// Spares reports whether an enrolment of order o is known to be younger than the deletions: one of them is of its cluster,
// and none outlived it.
func (t Tombstone) Spares(o *Order) bool {
	return !t.Covers(o) && slices.ContainsFunc(t, func(d Order) bool { return o.Younger(&d) })
}

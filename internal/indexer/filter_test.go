package indexer

import (
	"fmt"
	"slices"
	"testing"

	"facestream/internal/directory"
	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// found sends a predict for a face at an angle and returns the puids of the candidates.
func (b *bench) found(degrees float64, neighbors int, f *schema.PersonFilter) (out []schema.PUID, reason schema.Reason) {
	b.t.Helper()
	r := b.answer(analysis(schema.Request{ID: schema.RequestID(fmt.Sprint("p", len(b.published))), Operation: schema.OpPredict, Filter: f, Config: fmt.Appendf(nil, `{"neighbors":%d}`, neighbors)}, degrees))
	if r.Predict == nil {
		return nil, r.CallStatus.Reason
	}
	for _, c := range r.Predict.Response.List {
		if d := c.Score + c.Distance; d < 0.999 || d > 1.001 {
			b.t.Errorf("score %v and distance %v", c.Score, c.Distance)
		}
		out = append(out, c.PUID)
	}
	return out, r.CallStatus.Reason
}

// TestPredictAmong: only the people whom a filter leaves are compared.
func TestPredictAmong(t *testing.T) {
	b := newBench(t)
	for _, g := range []schema.GroupID{"night", "day"} {
		b.ask(schema.Request{ID: schema.RequestID("g" + g), Operation: schema.OpGroupCreate, Group: &schema.GroupFields{ID: g}})
	}
	person := func(name schema.ExternalID, degrees float64, metadata string, groups ...schema.GroupID) schema.PUID {
		t.Helper()
		r := b.answer(analysis(schema.Request{ID: schema.RequestID("e" + name), Operation: schema.OpEnroll, ExternalID: name,
			Fields: &schema.PersonFields{Metadata: schema.Metadata(metadata), Groups: groups}}, degrees))
		if r.Enroll == nil {
			t.Fatalf("%+v", r.CallStatus)
		}
		return r.Enroll.Response.PUID
	}
	alice := person("alice", 0, `{"team":"blue"}`, "night")
	bob := person("bob", 10, `{"team":"blue"}`, "night", "day")
	carol := person("carol", 20, `{"team":"red"}`, "day")
	for name, tt := range map[string]struct {
		filter *schema.PersonFilter
		want   []schema.PUID
		reason schema.Reason
	}{
		"everybody":     {nil, []schema.PUID{alice, bob, carol}, ""},
		"a group":       {&schema.PersonFilter{Groups: []schema.GroupID{"day"}}, []schema.PUID{bob, carol}, ""},
		"two groups":    {&schema.PersonFilter{Groups: []schema.GroupID{"night", "day"}}, []schema.PUID{alice, bob, carol}, ""},
		"metadata":      {&schema.PersonFilter{Metadata: schema.Metadata(`{"team":"red"}`)}, []schema.PUID{carol}, ""},
		"external ids":  {&schema.PersonFilter{ExternalIDs: []schema.ExternalID{"carol", "alice"}}, []schema.PUID{alice, carol}, ""},
		"puids":         {&schema.PersonFilter{PUIDs: []schema.PUID{bob}}, []schema.PUID{bob}, ""},
		"nobody":        {&schema.PersonFilter{Groups: []schema.GroupID{"noon"}}, nil, schema.ReasonNoMatch},
		"what excludes": {&schema.PersonFilter{Groups: []schema.GroupID{"night"}, Metadata: schema.Metadata(`{"team":"red"}`)}, nil, schema.ReasonNoMatch},
	} {
		t.Run(name, func(t *testing.T) {
			got, reason := b.found(0, 9, tt.filter)
			if !slices.Equal(got, tt.want) || reason != tt.reason {
				t.Errorf("%d candidates, reason %q", len(got), reason)
			}
		})
	}
}

// TestPredictAmongMany: where the filter leaves more people than one search compares, the answer is still that of a search
// among them alone, whether they are the most similar of the collection or not.
func TestPredictAmongMany(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: thousands of people, because of -short")
	}
	b := newBench(t)
	const people = 2*chosenAtOnce + 100
	var changes []directory.Change
	add := func(c directory.Change) {
		c.Collection, c.At = staff, analysis(schema.Request{}, 0).AcceptedAt
		changes = append(changes, c)
	}
	rows := make([]gallery.Row, people+mostSimilar)
	for i := range rows {
		puid := schema.PUID(fmt.Sprintf("p%06d", i))
		// The first stand around 40 degrees, in the group of many; the others, outside of the group, are nearer to 0.
		degrees, team := 40+10*float64(i)/people, "many"
		if i >= people {
			degrees, team = 10*float64(i-people)/mostSimilar, "few"
		}
		rows[i] = gallery.Row{ID: fmt.Sprintf("row%06d", i), PUID: puid, Embedding: at(degrees), Created: analysis(schema.Request{}, 0).AcceptedAt}
		add(directory.Change{Act: directory.Enrol{Put: directory.Put{PUID: puid, Fields: schema.PersonFields{Metadata: schema.Metadata(`{"team":"` + team + `"}`)}},
			Image: directory.ImageOf(rows[i])}})
	}
	for _, err := range b.Gallery.Upsert(t.Context(), staff, rows) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, out := range b.Directory.Apply(t.Context(), changes) {
		if out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	many := &schema.PersonFilter{Metadata: schema.Metadata(`{"team":"many"}`)}
	var team []schema.PUID
	for _, r := range rows[:people] {
		team = append(team, r.PUID)
	}
	for name, degrees := range map[string]float64{"the most similar are others": -5, "they are the most similar": 40, "those at the end": 50, "nobody is similar": 170} {
		var want []schema.PUID
		for _, m := range b.Gallery.Search(t.Context(), staff, []schema.Embedding{at(degrees)}, 3, team...)[0].Value {
			if m.Score >= 0.2 {
				want = append(want, m.Row.PUID)
			}
		}
		if got, _ := b.found(degrees, 3, many); !slices.Equal(got, want) || len(want) == 0 != (degrees == 170) {
			t.Errorf("%s: %d candidates", name, len(got))
		}
	}
}

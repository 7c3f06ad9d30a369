package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// enrolled returns the enrolment of each row that a result names.
func (h *history) enrolled() map[string]*asked {
	out := map[string]*asked{}
	for _, a := range h.requests {
		if a.sending == nil {
			continue
		}
		for _, c := range a.copies {
			if c.Enroll != nil && c.Enroll.Performed && c.Enroll.Response != nil {
				out[c.Enroll.Response.GUID] = a
			}
		}
	}
	return out
}

// gallery compares every row with its enrolment. Whether a row should be there is checked with the history of its person.
func (v *verdict) gallery(h *history, enrolled map[string]*asked) {
	seen := map[string]bool{}
	for _, r := range h.rows {
		if seen[r.ID] {
			v.wrong(doubled, "row %s", r.ID)
		}
		seen[r.ID] = true
		a := enrolled[r.ID]
		if a == nil {
			v.wrong(rows, "row %s: no result names it", r.ID)
			continue
		}
		bad := func(what string) { v.wrong(rows, "row %s, of request %s: %s", r.ID, a.Request.ID, what) }
		from := h.began.Add(time.Duration(a.Begun)).Add(-time.Millisecond)
		to := h.began.Add(time.Duration(a.copies[len(a.copies)-1].t)).Add(time.Millisecond)
		if r.Collection != a.Request.Collection || r.ExternalID != a.Request.ExternalID || r.PUID != a.puid() {
			bad("another person's")
		}
		if !r.Consent.same(a.Request.Consent) {
			bad(fmt.Sprintf("consent %+v, declared %+v", r.Consent, a.Request.Consent))
		}
		if r.Source == nil || r.Source.Image != a.Request.Images[0] || r.Source.Box.sides() != a.box {
			bad("the image and face that it came from")
		}
		if r.Created.Before(from) || r.Created.After(to) {
			bad(fmt.Sprintf("created at %v, the request was under way from %v to %v", r.Created, from, to))
		}
		if r.Model != a.model {
			bad(fmt.Sprintf("model %q, the face was embedded by %q", r.Model, a.model))
		}
		if r.Vector != nil && !(cosine(r.Vector, a.probe) > 1-1e-6) {
			bad("another vector")
		}
	}
}

// identities checks that puids and persons are the same.
func (v *verdict) identities(h *history) {
	of, owner := map[person]string{}, map[string]person{}
	for _, id := range h.order {
		a := h.requests[id]
		puid := a.puid()
		if puid == "" {
			continue
		}
		p := a.Request.person()
		if before := of[p]; before != "" && before != puid {
			v.wrong(identity, "request %s: a second puid", id)
		}
		if before, ok := owner[puid]; ok && before != p {
			v.wrong(identity, "request %s: the puid of somebody else", id)
		}
		of[p], owner[puid] = puid, p
	}
}

// step is an operation about one person as the model sees it.
type step struct {
	kind  string // enrol, nothing, delete, read, verify, end
	about string // the request

	row    string   // enrol: what it adds
	before []string // delete: rows whose enrolment the broker had taken before the deletion was sent
	count  int      // delete: how many rows it removed
	have   string   // end: the rows that are there

	probe   []float32
	best    string  // read, verify: the row that was found; "" for none
	least   float64 // read: what a score must reach
	cut     float64 // read: a person with this score or less may have been cut off from the list; -1 where none was
	removed bool    // verify: it said that the person has no rows
}

// model is a person: a set of rows, and the rows that may not come any more.
type model struct{ rows, banned string }

func set(rows []string) string {
	slices.Sort(rows)
	return strings.Join(slices.Compact(rows), " ")
}

func split(s string) []string { return strings.Fields(s) }

// linearizable asks for each person whether there is an order in which the enrolments, deletions and readings, each at an instant
// between its request and its first outcome, give what was answered, and the rows that are there at the end.
func (v *verdict) linearizable(h *history, enrolled map[string]*asked) {
	people := map[person][]porcupine.Operation{}
	members := map[string]map[person]bool{} // of each collection
	writes := map[person][]*asked{}
	for _, id := range h.order {
		a := h.requests[id]
		if p := a.Request.person(); p.name != "" && p.collection != "" && len(a.copies) > 0 {
			writes[p] = append(writes[p], a)
			if members[p.collection] == nil {
				members[p.collection] = map[person]bool{}
			}
			members[p.collection][p] = true
		}
	}
	client := 0
	add := func(p person, s step, from, to int64) {
		client++
		people[p] = append(people[p], porcupine.Operation{ClientId: client, Input: s, Call: from, Return: to})
	}
	for p, all := range writes {
		for _, a := range all {
			c := a.copies[0]
			switch a.Request.Operation {
			case "enroll":
				switch {
				case c.Enroll != nil && c.Enroll.Performed && c.Enroll.Response != nil:
					add(p, step{kind: "enrol", about: c.RequestID, row: c.Enroll.Response.GUID}, a.Begun, c.t)
				case c.CallStatus.Reason == "deleted_meanwhile":
					add(p, step{kind: "nothing", about: c.RequestID}, a.Begun, c.t)
					// What the first listing of an ingest process finds counts as older than every deletion.
					if !slices.ContainsFunc(all, func(d *asked) bool {
						return d.Request.Operation == "user_delete" && (d.copies[0].t > a.Begun || a.Via == "upload")
					}) {
						v.wrong(wrong, "request %s ended with deleted_meanwhile, and nobody deleted the person", c.RequestID)
					}
				}
			case "user_delete":
				s := step{kind: "delete", about: c.RequestID}
				for _, e := range all {
					// A store may tell the broker of an upload after it has answered it.
					if e.Request.Operation == "enroll" && e.Via != "upload" && e.acked >= 0 && e.acked < a.Begun {
						if r := e.copies[0].Enroll; r != nil && r.Response != nil {
							s.before = append(s.before, r.Response.GUID)
						}
					}
				}
				if c.UserDelete != nil {
					s.count = c.UserDelete.Count
				}
				add(p, s, a.Begun, c.t)
			case "verify":
				for _, c := range a.distinct() {
					s := step{kind: "verify", about: c.RequestID, probe: a.probe, removed: c.CallStatus.Reason == "unknown_puid"}
					if c.Verify != nil {
						s.best = c.Verify.GUID
					}
					add(p, s, a.Begun, c.t)
				}
			}
		}
	}
	for _, id := range h.order {
		a := h.requests[id]
		if a.Request.Operation != "predict" || a.probe == nil {
			continue
		}
		for _, c := range a.distinct() {
			if c.Predict == nil || c.Predict.Response == nil || len(c.Predict.Response.Thresholds) != 3 {
				continue // said before
			}
			list := c.list()
			found := map[person]string{}
			for _, x := range list {
				found[person{c.Collection, x.ExternalID}] = x.GUID
			}
			cut := -1.0
			if len(list) >= neighbours(a.Request) {
				cut = list[len(list)-1].Score
			}
			for p := range members[c.Collection] {
				add(p, step{kind: "read", about: c.RequestID, probe: a.probe, best: found[p], least: c.Predict.Response.Thresholds[0], cut: cut}, a.Begun, c.t)
			}
		}
	}
	there := map[person][]string{}
	for _, r := range h.rows {
		p := person{r.Collection, r.ExternalID}
		there[p] = append(there[p], r.ID)
	}
	for p := range writes {
		add(p, step{kind: "end", about: "the end", have: set(there[p])}, h.end+1, h.end+2)
	}
	nondeterministic := porcupine.NondeterministicModel{
		Init: func() []any { return []any{model{}} },
		Step: func(state, input, _ any) []any {
			if s := input.(step); s.kind == "delete" {
				return erase(state.(model), s)
			}
			if ok, next := advance(state.(model), input.(step), enrolled); ok {
				return []any{next}
			}
			return nil
		},
	}
	m := nondeterministic.ToModel()
	for _, p := range slices.SortedFunc(maps.Keys(people), func(a, b person) int { return strings.Compare(a.collection+"/"+a.name, b.collection+"/"+b.name) }) {
		ops := people[p]
		v.persons++
		v.steps += len(ops)
		result, info := porcupine.CheckOperationsVerbose(m, ops, patience)
		if result == porcupine.Ok {
			continue
		}
		longest := 0
		for _, partition := range info.PartialLinearizations() {
			for _, l := range partition {
				longest = max(longest, len(l))
			}
		}
		v.wrong(unordered, "%s: %d of %d steps have an order (%s); without an order: %s", p.collection, longest, len(ops), result, unplaced(ops, info))
	}
}

// patience is how long the order of one person's history is searched for.
const patience = time.Minute

// unplaced names the requests that are in none of the longest orders that were found.
func unplaced(ops []porcupine.Operation, info porcupine.LinearizationInfo) string {
	placed := map[int]bool{}
	for _, partition := range info.PartialLinearizations() {
		for _, l := range partition {
			for _, i := range l {
				placed[i] = true
			}
		}
	}
	var names []string
	for i, o := range ops {
		if s := o.Input.(step); !placed[i] && len(names) < 6 {
			names = append(names, fmt.Sprintf("%s of %s from %.1f to %.1f s", s.kind, s.about, seconds(o.Call), seconds(o.Return)))
		}
	}
	return strings.Join(names, ", ")
}

// distinct are the publications with different content. Each of a search is a reading of its own.
func (a *asked) distinct() []copied {
	var out []copied
	for _, c := range a.copies {
		if !slices.ContainsFunc(out, func(d copied) bool { return d.whole == c.whole }) {
			out = append(out, c)
		}
	}
	return out
}

// neighbours is how many people a search lists.
func neighbours(r *request) int {
	var c struct {
		Neighbors *int `json:"neighbors"`
	}
	if len(r.Config) == 0 || json.Unmarshal(r.Config, &c) != nil || c.Neighbors == nil {
		return 1
	}
	return *c.Neighbors
}

// erase returns what a deletion can leave. It erases the enrolments that came before it, and they may not come any more. It
// spares the younger ones. Which of those that were under way at the same time are younger, nobody outside knows.
func erase(state model, s step) []any {
	rows := split(state.rows)
	spared := len(rows) - s.count
	open := slices.DeleteFunc(slices.Clone(rows), func(r string) bool { return slices.Contains(s.before, r) })
	var out []any
	for bits := range uint(1) << len(open) {
		var left []string
		for i, r := range open {
			if bits&(1<<i) != 0 {
				left = append(left, r)
			}
		}
		if len(left) == spared {
			out = append(out, model{set(left), set(append(split(state.banned), s.before...))})
		}
	}
	return out
}

// advance says whether s can happen in a state, and what the state is then.
func advance(state model, s step, enrolled map[string]*asked) (bool, model) {
	rows := split(state.rows)
	switch s.kind {
	case "enrol":
		return !slices.Contains(split(state.banned), s.row), model{set(append(rows, s.row)), state.banned}
	case "nothing":
		return true, state
	case "end":
		return s.have == state.rows, state
	}
	best, top := "", math.Inf(-1)
	for _, r := range rows { // ascending, so that the first of equals wins
		if c := cosine(s.probe, enrolled[r].probe); c > top+1e-9 {
			best, top = r, c
		}
	}
	switch {
	case s.kind == "verify" && (s.removed || best == ""):
		return s.removed && best == "", state
	case s.best == "" && s.kind == "read":
		return best == "" || top < s.least+close || top <= s.cut+close, state
	case !slices.Contains(rows, s.best):
		return false, state
	}
	// Scores that differ by less than their rounding can have either order, but not those of equal vectors.
	got := cosine(s.probe, enrolled[s.best].probe)
	return s.best == best || top-got < 1e-6 && !slices.Equal(enrolled[s.best].probe, enrolled[best].probe), state
}

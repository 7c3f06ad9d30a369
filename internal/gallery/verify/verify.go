// Package verify compares the gallery with what the results say was enrolled and deleted.
package verify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"facestream/internal/gallery"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Kind is what is wrong with a row.
type Kind string

// The kinds of differences.
const (
	Missing    Kind = "missing"    // a result says that it was enrolled, but it is not there
	Unexpected Kind = "unexpected" // it is there, but no result says that it was enrolled
	Deleted    Kind = "deleted"    // it is there, but a result says that its person was deleted, or the gallery remembers it
)

// Difference is one row in which the gallery and the results differ.
type Difference struct {
	Kind       Kind              `json:"kind"`
	Collection schema.Collection `json:"collection"`
	GUID       string            `json:"guid"`
	PUID       schema.PUID       `json:"puid"`
	Request    schema.RequestID  `json:"request_id,omitempty"` // that enrolled (missing) or deleted (deleted) it
	At         time.Time         `json:"at"`                   // when that result was written; of an unexpected row, when its request was accepted
}

// Tally is what was found in one collection.
type Tally struct {
	Collection schema.Collection `json:"collection"`
	Rows       int               `json:"rows"`     // in the gallery
	Enrolled   int               `json:"enrolled"` // of them, rows that a result names
	// Older rows are those whose requests were accepted before the oldest result that is kept. Nothing says that they are
	// wrong.
	Older int `json:"older"`
}

// Report is the outcome of a comparison.
type Report struct {
	Results int `json:"results"` // that were read
	// Since is when the results begin that are all kept. It is zero if the topic still has its beginning.
	Since       time.Time    `json:"since,omitzero"`
	Collections []Tally      `json:"collections"`
	Differences []Difference `json:"differences"`
}

// Lister lists a collection: the part of a [gallery.Reader] that the comparison needs.
type Lister interface {
	List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (gallery.Page, error)
	Tombstones(ctx context.Context, c schema.Collection, people ...schema.PUID) (map[schema.PUID]schema.Tombstone, error)
}

// settle is how long a row may be ahead of its result, which is published after the row is written.
const settle = 2 * time.Second

const pageRows = 1000

// Run reads the results topic to its end and compares it with collection only of g or, if that is "", with every collection
// that a result names. Both may change meanwhile: a difference counts only if it is still there at a second look, after the
// results that came in between.
func Run(ctx context.Context, client *events.Client, g Lister, only schema.Collection) (Report, error) {
	b := &book{only: only, people: map[schema.Collection]map[schema.PUID]*person{}, began: map[int]time.Time{}, next: map[int]int64{}}
	if err := b.read(ctx, client); err != nil {
		return Report{}, err
	}
	first, err := b.compare(ctx, g)
	if err != nil || len(first.Differences) == 0 {
		return first, err
	}
	select {
	case <-ctx.Done():
		return Report{}, ctx.Err()
	case <-time.After(settle):
	}
	if err := b.read(ctx, client); err != nil {
		return Report{}, err
	}
	second, err := b.compare(ctx, g)
	second.Differences = slices.DeleteFunc(second.Differences, func(d Difference) bool { return !slices.Contains(first.Differences, d) })
	return second, err
}

// book is what the results say.
type book struct {
	only    schema.Collection // "" for all
	results int
	people  map[schema.Collection]map[schema.PUID]*person
	began   map[int]time.Time // of partitions without their beginning: when the oldest record that is kept was written
	next    map[int]int64     // the offset to read next, by partition
}

// person is what the results say about somebody so far.
type person struct {
	rows    map[string]source // enrolled and not deleted since
	gone    map[string]source // enrolled, and deleted since if the deletion was younger
	deleted source            // the last deletion, if any
}

// source is the result that says it.
type source struct {
	request schema.RequestID
	at      time.Time
	key     string // of the record: results under one key come in the order in which the indexer worked
}

// before reports whether what s says was done before what later says, where s is read first.
func (s source) before(later source) bool { return s.key == later.key || !s.at.After(later.at) }

// read reads on to the present end of the topic.
func (b *book) read(ctx context.Context, client *events.Client) error {
	status, err := client.Describe(ctx, events.Results)
	if err != nil {
		return err
	}
	if !status[0].Exists {
		return schema.Permanent("verify.read", schema.ReasonInvalidRequest, fmt.Errorf("the topic %s does not exist: no service has run with this broker yet, or this user has no right to Describe it", events.Results))
	}
	for _, p := range status[0].Partitions {
		if _, known := b.began[p.ID]; !known && p.First > 0 {
			b.began[p.ID] = time.Now() // until a record is seen
		}
	}
	return client.ReadPresent(ctx, events.Results, b.next, func(r events.Record) error {
		b.next[r.Partition] = r.Offset + 1
		if began, cut := b.began[r.Partition]; cut && r.Time.Before(began) {
			b.began[r.Partition] = r.Time
		}
		b.results++
		b.add(r)
		return nil
	})
}

// add takes over what a result says. The last one of a key wins: that is the order in which the indexer worked.
func (b *book) add(r events.Record) {
	var result schema.Result
	if json.Unmarshal(r.Event.Data, &result) != nil || b.only != "" && result.Collection != b.only {
		return
	}
	// The key of a result about a write is that of its order: collection and person. A deletion names the person nowhere else.
	puid, ok := strings.CutPrefix(r.Event.Key, string(result.Collection)+"/")
	if !ok {
		return
	}
	says := source{result.RequestID, r.Time, r.Event.Key}
	switch {
	case result.Enroll != nil && result.Enroll.EnrollPerformed && result.Enroll.Response != nil:
		// The puid of the answer, and not that of the key: who was stored under another spelling of the name keeps their puid.
		p := b.person(result.Collection, result.Enroll.Response.PUID)
		guid := result.Enroll.Response.GUID
		if _, repeat := p.gone[guid]; !repeat && p.deleted.before(says) {
			p.rows[guid] = says
		}
	case result.Operation == schema.OpUserDelete && (result.CallStatus.Reason == "" || result.CallStatus.Reason == schema.ReasonUnknownPUID):
		for _, puid := range erased(result, schema.PUID(puid)) {
			p := b.person(result.Collection, puid)
			for guid, row := range p.rows {
				if row.before(says) {
					p.gone[guid] = row
					delete(p.rows, guid)
				}
			}
			p.deleted = says
		}
	}
}

// erased are the puids that the deletion of key erased: a name is erased under every spelling.
func erased(result schema.Result, key schema.PUID) []schema.PUID {
	named := schema.Request{Collection: result.Collection, ExternalID: result.ExternalID}
	if persons := named.Persons(); result.ExternalID != "" && named.Person() == key {
		return persons
	}
	return []schema.PUID{key} // asked for by puid, or the result of an earlier version
}

func (b *book) person(c schema.Collection, id schema.PUID) *person {
	people := b.people[c]
	if people == nil {
		people = map[schema.PUID]*person{}
		b.people[c] = people
	}
	p := people[id]
	if p == nil {
		p = &person{rows: map[string]source{}, gone: map[string]source{}}
		people[id] = p
	}
	return p
}

// since is when the results begin that are all kept; zero is the beginning.
func (b *book) since() time.Time {
	var latest time.Time
	for _, t := range b.began {
		if t.After(latest) {
			latest = t
		}
	}
	return latest
}

// compare lists the collections and names what differs.
func (b *book) compare(ctx context.Context, g Lister) (Report, error) {
	report := Report{Results: b.results, Since: b.since(), Collections: []Tally{}, Differences: []Difference{}}
	names := slices.Sorted(maps.Keys(b.people))
	if b.only != "" {
		names = []schema.Collection{b.only}
	}
	for _, c := range names {
		tally, differences, err := b.compareCollection(ctx, g, c)
		if err != nil {
			return Report{}, err
		}
		report.Collections = append(report.Collections, tally)
		report.Differences = append(report.Differences, differences...)
	}
	return report, nil
}

func (b *book) compareCollection(ctx context.Context, g Lister, c schema.Collection) (Tally, []Difference, error) {
	tally := Tally{Collection: c}
	var out []Difference
	seen := map[string]bool{}
	for after := ""; ; {
		page, err := g.List(ctx, c, after, pageRows)
		if schema.ReasonOf(err) == schema.ReasonUnknownCollection {
			break
		} else if err != nil {
			return tally, nil, err
		}
		var people []schema.PUID
		for _, row := range page.Rows {
			people = append(people, row.PUID)
		}
		stones, err := g.Tombstones(ctx, c, people...)
		if err != nil {
			return tally, nil, err
		}
		for _, row := range page.Rows {
			seen[row.ID] = true
			tally.Rows++
			p := b.people[c][row.PUID]
			d := Difference{Kind: Unexpected, Collection: c, GUID: row.ID, PUID: row.PUID, At: row.Created}
			switch {
			case stones[row.PUID].Covers(row.Order):
				d.Kind = Deleted
			case p != nil && (has(p.rows, row.ID) || has(p.gone, row.ID) && stones[row.PUID].Spares(row.Order)):
				tally.Enrolled++
				continue
			case p != nil && p.deleted != (source{}):
				d.Kind, d.Request, d.At = Deleted, p.deleted.request, p.deleted.at
			case row.Created.Before(b.since()):
				tally.Older++
				continue
			}
			out = append(out, d)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	for id, p := range b.people[c] {
		for guid, by := range p.rows {
			if !seen[guid] {
				out = append(out, Difference{Missing, c, guid, id, by.request, by.at})
			}
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.GUID, b.GUID)) })
	return tally, out, nil
}

func has(rows map[string]source, guid string) bool {
	_, ok := rows[guid]
	return ok
}

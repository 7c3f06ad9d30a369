// Package transfer copies a local gallery into one of another driver: rows with their embeddings, and what is remembered of
// deletions. It compares the two by row id and copies what is missing, so that a copy that was cut off at any instant is
// simply begun again.
package transfer

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"facestream/internal/gallery"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// Exporter reads a gallery with its embeddings. Errors are those of [gallery.Gallery].
type Exporter interface {
	// Collections is that of [gallery.Reader].
	Collections(ctx context.Context) ([]gallery.Kept, error)
	// Export is List of [gallery.Gallery] with the embeddings, of unit length.
	Export(ctx context.Context, c schema.Collection, after string, limit int) (gallery.Page, error)
}

// Source is a gallery that nobody else changes meanwhile.
type Source interface {
	Exporter
	Deletions(ctx context.Context) (gallery.Deletions, error)
}

// Target is a gallery that takes the rows. It may have others, and serve.
type Target interface {
	Exporter
	Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error
	// Adopt takes over what a source remembers of deletions. It can be repeated.
	Adopt(ctx context.Context, d gallery.Deletions) error
}

// Report is the outcome. It names rows by their ids alone (invariant 6).
type Report struct {
	Collections []Tally `json:"collections"`
}

// Tally is what was done with one collection.
type Tally struct {
	Collection schema.Collection `json:"collection"`
	Model      schema.ModelID    `json:"model"`
	Rows       int               `json:"rows"`   // of the source
	Copied     int               `json:"copied"` // of them, this time
	// Different are the ids of rows that the target lacks all the same, or has otherwise: somebody changed them there.
	Different []string `json:"different,omitempty"`
}

// Different counts the rows in which the target differs from the source.
func (r Report) Different() int {
	n := 0
	for _, t := range r.Collections {
		n += len(t.Different)
	}
	return n
}

const pageRows = 500

// sameVector is how similar a vector and its copy are at least: drivers scale vectors to unit length again.
const sameVector = 1 - 1e-5

var again = retry.Policy{Least: 200 * time.Millisecond, Most: 5 * time.Second, Tries: 9}

// Run copies everything, then compares every row of the source with the target. progress is told how many of a collection's
// rows are done; it may be nil. A collection of which nobody is left has no rows to copy and is left out.
func Run(ctx context.Context, from Source, to Target, progress func(c schema.Collection, done, total int)) (Report, error) {
	report := Report{Collections: []Tally{}}
	kept, err := fits(ctx, from, to)
	if err != nil {
		return report, err
	}
	deletions, err := from.Deletions(ctx)
	if err == nil { // before the rows: none of them may be written that was deleted
		err = again.Do(ctx, func() error { return to.Adopt(ctx, deletions) })
	}
	if err != nil {
		return report, err
	}
	for _, k := range kept {
		t := Tally{Collection: k.Name, Model: k.Tie.Model}
		c := collection{from: from, to: to, tally: &t, progress: progress}
		err := c.copy(ctx)
		if err == nil {
			err = c.compare(ctx, func(row gallery.Row, same bool) error {
				if !same {
					t.Different = append(t.Different, row.ID)
				}
				return nil
			})
		}
		report.Collections = append(report.Collections, t)
		if err != nil {
			return report, fmt.Errorf("collection %q: %w", k.Name, err)
		}
	}
	return report, nil
}

// fits returns the collections of from, of which to has none under another model.
func fits(ctx context.Context, from, to Exporter) ([]gallery.Kept, error) {
	kept, err := from.Collections(ctx)
	if err != nil {
		return nil, err
	}
	var there []gallery.Kept
	err = again.Do(ctx, func() (err error) {
		there, err = to.Collections(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	ties := map[schema.Collection]gallery.Tie{}
	for _, k := range there {
		ties[k.Name] = k.Tie
	}
	for _, k := range kept {
		if tie, ok := ties[k.Name]; ok {
			if err := tie.Admit("gallery.copy", k.Name, k.Tie); err != nil {
				return nil, err
			}
		}
	}
	return kept, nil
}

// collection is one that is copied.
type collection struct {
	from     Source
	to       Target
	tally    *Tally
	progress func(c schema.Collection, done, total int)
}

// copy writes the rows that the target lacks or has otherwise.
func (c collection) copy(ctx context.Context) error {
	var batch []gallery.Row
	err := c.compare(ctx, func(row gallery.Row, same bool) error {
		if same {
			return nil
		}
		if batch = append(batch, row); len(batch) < pageRows {
			return nil
		}
		err := c.write(ctx, batch)
		batch = batch[:0]
		return err
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return c.write(ctx, batch)
}

func (c collection) write(ctx context.Context, rows []gallery.Row) error {
	left := rows
	err := again.Do(ctx, func() error {
		var failed error
		var next []gallery.Row
		for i, err := range c.to.Upsert(ctx, c.tally.Collection, left) {
			if err != nil && schema.ReasonOf(err) != schema.ReasonDeletedMeanwhile { // there, and the comparison names the row
				failed, next = fmt.Errorf("row %s: %w", left[i].ID, err), append(next, left[i])
			}
		}
		left = next
		return failed
	})
	c.tally.Copied += len(rows) - len(left)
	return err
}

// compare visits each row of the source, and whether the target has the same.
func (c collection) compare(ctx context.Context, visit func(row gallery.Row, same bool) error) error {
	name := c.tally.Collection
	c.tally.Rows = 0
	total := 0
	listing := func(e Exporter, seen func(gallery.Page)) gallery.Listing {
		return func(ctx context.Context, after string) (page gallery.Page, err error) {
			err = again.Do(ctx, func() error {
				page, err = e.Export(ctx, name, after, pageRows)
				return err
			})
			seen(page)
			return page, err
		}
	}
	from := listing(c.from, func(p gallery.Page) { total = p.Total })
	to := listing(c.to, func(gallery.Page) {})
	return gallery.Pairs(ctx, from, to, func(row, copied *gallery.Row) error {
		if row == nil {
			return nil // the target's own
		}
		c.tally.Rows++
		if c.progress != nil {
			c.progress(name, c.tally.Rows, max(total, c.tally.Rows))
		}
		return visit(*row, copied != nil && same(*row, *copied))
	})
}

// same tells whether b is a copy of a.
func same(a, b gallery.Row) bool {
	x, y := a.Embedding, b.Embedding
	if x.Model != y.Model || len(x.Vector) != len(y.Vector) || schema.Cosine(x.Vector, y.Vector) < sameVector {
		return false
	}
	a.Embedding, b.Embedding = schema.Embedding{}, schema.Embedding{}
	return reflect.DeepEqual(a, b)
}

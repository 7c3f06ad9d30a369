// Package reindex builds a gallery under another embedding model, from the images that its rows were made of, while the
// old one serves, and then puts it in the old one's place. Each step compares the two by row id and does what is missing,
// so that a step that was cut off at any instant is simply done again.
package reindex

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/gallery"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// Objects fetches images. Get answers exactly the version that ref names, or a permanent error.
type Objects interface {
	Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error)
}

// Engine analyses one image under the new model. It is safe for concurrent use.
type Engine interface {
	Analyze(ctx context.Context, image []byte, p engine.Params) (*engine.Analysis, error)
}

// Reindexer does the steps: Plan looks, Build stages, Switch ends. Its fields are set once, before use.
type Reindexer struct {
	Serving gallery.Reader
	Staging gallery.Staging
	Objects Objects
	Engine  Engine
	Model   schema.ModelID // the embedding model of Engine
	// Quiet answers nil when nobody changes or will change the serving gallery. Switch asks.
	Quiet       func(context.Context) error
	MaxBytes    int64 // of an image
	Concurrency int   // images in work at once
	// Progress is told how many of a collection's rows are done, never by two goroutines at once; may be nil.
	Progress func(c schema.Collection, done, total int)
}

// Report is the outcome of a step. It names rows by their ids alone (invariant 6).
type Report struct {
	Model       schema.ModelID `json:"model"`
	Collections []Tally        `json:"collections"` // that serve under another model
	// Lost rows cannot be made anew, however often it is tried: a switch drops them, and their people must enrol again.
	Lost []Left `json:"lost"`
	// Unread rows could not be made this time.
	Unread   []Left `json:"unread"`
	Switched bool   `json:"switched"` // every collection serves under Model
}

// Tally is what was found and done of one collection.
type Tally struct {
	Collection schema.Collection `json:"collection"`
	From       schema.ModelID    `json:"from"`     // the model that serves
	Rows       int               `json:"rows"`     // that serve
	Staged     int               `json:"staged"`   // of them, rows that are staged by now
	Surplus    int               `json:"surplus"`  // rows that are staged by now and do not serve, or not as they are staged
	Embedded   int               `json:"embedded"` // by this step
	Removed    int               `json:"removed"`  // by this step, of the surplus

	total int // of the listing that is gone through
}

// Left is a row that serves and is not staged.
type Left struct {
	Collection schema.Collection `json:"collection"`
	GUID       string            `json:"guid"`
	Why        string            `json:"why"` // of lost rows: Unsourced or a reason of results (docs/reasons.md); else an error
}

// Unsourced rows were enrolled by an earlier version, which did not keep where the image is.
const Unsourced = "unsourced"

const (
	pageRows  = 500
	batchRows = 64 // rows that are made before they are staged together: what a kill costs, at most

	// sameFace is how much the boxes of one face overlap (intersection over union) at least, where two detectors drew them.
	// Faces of two people that overlap as much are not both found.
	sameFace = 0.3

	// awayAfter images in a row that could not be read, each after all its tries, mean that it is not about the images.
	awayAfter = 20
)

// again is how calls of the store and of the galleries are repeated: for 10 s at least.
var again = retry.Policy{Least: 200 * time.Millisecond, Most: 5 * time.Second, Tries: 9}

// Plan counts what Build would do, and does nothing. It fetches no image: of the lost rows it finds the unsourced ones.
func (r *Reindexer) Plan(ctx context.Context) (Report, error) {
	return r.forEach(ctx, func(t *Tally, report *Report) error {
		return r.compare(ctx, t, func(p pair) error {
			if p.serving != nil && p.serving.Source == nil {
				report.Lost = append(report.Lost, Left{t.Collection, p.serving.ID, Unsourced})
			}
			return nil
		})
	})
}

// Build stages what is missing and removes what serves no longer. An image that cannot be read is in the report and fails
// no other. An error says that the step did not come to its end: the store, the gallery or the caller's patience did.
func (r *Reindexer) Build(ctx context.Context) (Report, error) {
	return r.forEach(ctx, func(t *Tally, report *Report) error { return r.sync(ctx, t, report) })
}

// Switch builds what is still missing and puts what is staged in the place of what serves, when nobody else changes that
// and at most `most` rows are lost. Where rows stand in the way the report says which, and is not Switched.
func (r *Reindexer) Switch(ctx context.Context, most int) (Report, error) {
	if err := r.Quiet(ctx); err != nil {
		return Report{}, err
	}
	report, err := r.Build(ctx)
	if err != nil || len(report.Unread) > 0 || len(report.Lost) > most {
		return report, err
	}
	if err := r.confirm(ctx, report); err != nil {
		return report, err
	}
	if err := r.Quiet(ctx); err != nil {
		return report, err
	}
	var names []schema.Collection
	for _, t := range report.Collections {
		names = append(names, t.Collection)
	}
	if err := r.Staging.Switch(ctx, names); err != nil { // also without names: it removes what a switch left behind
		return report, err
	}
	report.Switched = true
	return report, nil
}

// confirm compares once more: both sides are as the report of a build says.
func (r *Reindexer) confirm(ctx context.Context, built Report) error {
	now, err := r.Plan(ctx)
	if err != nil {
		return err
	}
	lost := map[schema.Collection]int{}
	for _, l := range built.Lost {
		lost[l.Collection]++
	}
	for _, t := range now.Collections {
		if t.Rows-t.Staged != lost[t.Collection] || t.Surplus > 0 {
			return schema.Transient("reindex.switch", fmt.Errorf("collection %q was changed meanwhile; find out who writes to the gallery, and run this again", t.Collection))
		}
	}
	return nil
}

// forEach calls do for each collection that serves under another model.
func (r *Reindexer) forEach(ctx context.Context, do func(*Tally, *Report) error) (Report, error) {
	report := Report{Model: r.Model, Collections: []Tally{}, Lost: []Left{}, Unread: []Left{}}
	var kept []gallery.Kept
	err := again.Do(ctx, func() (err error) {
		kept, err = r.Serving.Collections(ctx)
		return err
	})
	if err != nil {
		return report, err
	}
	for _, k := range kept {
		if k.Tie.Model == r.Model {
			continue
		}
		t := Tally{Collection: k.Name, From: k.Tie.Model}
		err := do(&t, &report)
		report.Collections = append(report.Collections, t)
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// sync stages what is missing of a collection and removes what serves no longer.
func (r *Reindexer) sync(ctx context.Context, t *Tally, report *Report) error {
	b := builder{r: r, t: t, report: report}
	if err := r.compare(ctx, t, func(p pair) error {
		if p.staged != nil && !p.same() {
			if err := b.remove(ctx, p.staged.ID); err != nil {
				return err
			}
		}
		if p.serving != nil && !p.same() {
			if err := b.add(ctx, *p.serving); err != nil {
				return err
			}
		}
		b.progress(0)
		return nil
	}); err != nil {
		return err
	}
	return b.stage(ctx)
}

// pair are the rows of one id; nil where one side has none.
type pair struct{ serving, staged *gallery.Row }

// same tells whether the staged row says of the person what the serving one says: a repeat may have changed that.
func (p pair) same() bool {
	return p.serving != nil && p.staged != nil && reflect.DeepEqual(*p.serving, *p.staged)
}

// compare visits the rows of a collection on both sides, by id, and counts them. Both may change meanwhile: what visit
// stages lies behind what is still to be listed.
func (r *Reindexer) compare(ctx context.Context, t *Tally, visit func(pair) error) error {
	total := 0
	serving := retried(func(ctx context.Context, after string) (gallery.Page, error) {
		page, err := r.Serving.List(ctx, t.Collection, after, pageRows)
		total = page.Total
		return page, err
	})
	staged := retried(func(ctx context.Context, after string) (gallery.Page, error) {
		return r.Staging.List(ctx, t.Collection, after, pageRows)
	})
	return gallery.Pairs(ctx, serving, staged, func(x, y *gallery.Row) error {
		p := pair{x, y}
		if p.serving != nil {
			t.Rows++
		}
		if p.same() {
			t.Staged++
		} else if p.staged != nil {
			t.Surplus++
		}
		t.total = max(total, t.Rows)
		return visit(p)
	})
}

// retried tries a listing again where that makes sense.
func retried(list gallery.Listing) gallery.Listing {
	return func(ctx context.Context, after string) (page gallery.Page, err error) {
		err = again.Do(ctx, func() error {
			page, err = list(ctx, after)
			return err
		})
		return page, err
	}
}

// builder collects what is to be done and does it in batches.
type builder struct {
	r       *Reindexer
	t       *Tally
	report  *Report
	missing []gallery.Row
	surplus []string
	failed  atomic.Int32 // images in a row that could not be read
}

func (b *builder) add(ctx context.Context, row gallery.Row) error {
	if row.Source == nil {
		b.report.Lost = append(b.report.Lost, Left{b.t.Collection, row.ID, Unsourced})
		return nil
	}
	if b.missing = append(b.missing, row); len(b.missing) < batchRows {
		return nil
	}
	return b.stage(ctx)
}

func (b *builder) remove(ctx context.Context, id string) error {
	if b.surplus = append(b.surplus, id); len(b.surplus) < pageRows {
		return nil
	}
	return b.forget(ctx)
}

func (b *builder) forget(ctx context.Context) error {
	if len(b.surplus) == 0 {
		return nil
	}
	err := again.Do(ctx, func() error { return b.r.Staging.Remove(ctx, b.t.Collection, b.surplus) })
	if err == nil {
		b.t.Removed += len(b.surplus)
		b.t.Surplus -= len(b.surplus)
		b.surplus = nil
	}
	return err
}

// progress says that all rows that were compared are done, less those that are missing, of which n are made.
func (b *builder) progress(n int) {
	if b.r.Progress != nil {
		b.r.Progress(b.t.Collection, b.t.Rows-len(b.missing)+n, b.t.total)
	}
}

// stage removes the surplus, makes the missing rows anew, several at once, and stages those that it could make.
func (b *builder) stage(ctx context.Context) error {
	if err := b.forget(ctx); err != nil {
		return err
	}
	var mu sync.Mutex
	var made []gallery.Row
	done := 0
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(b.r.Concurrency)
	for _, row := range b.missing {
		group.Go(func() error {
			err := again.Do(within, func() error { return b.r.embed(within, &row) })
			switch schema.ClassOf(err) {
			case schema.ClassFatal:
				return err
			case schema.ClassPermanent:
				b.failed.Store(0)
			default:
				if err != nil && within.Err() != nil {
					return within.Err()
				}
				if err == nil {
					b.failed.Store(0)
				} else if n := b.failed.Add(1); n >= awayAfter {
					return fmt.Errorf("%d images in a row could not be read; run this again when what is away is back: %w", n, err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			b.progress(done)
			switch reason := schema.ReasonOf(err); {
			case err == nil:
				made = append(made, row)
			case reason != "":
				b.report.Lost = append(b.report.Lost, Left{b.t.Collection, row.ID, string(reason)})
			default:
				b.report.Unread = append(b.report.Unread, Left{b.t.Collection, row.ID, err.Error()})
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b.missing = b.missing[:0]
	n := len(made)
	err := again.Do(ctx, func() error {
		var failed error
		var left []gallery.Row
		for i, err := range b.r.Staging.Upsert(ctx, b.t.Collection, made) {
			if err != nil {
				failed, left = err, append(left, made[i])
			}
		}
		made = left
		return failed
	})
	if err != nil {
		return err
	}
	b.t.Embedded += n
	b.t.Staged += n
	return nil
}

// embed gives row the embedding of its face under the new model. The box says which face of the image was enrolled: what
// the request asked of faces, it asked of the former detector.
func (r *Reindexer) embed(ctx context.Context, row *gallery.Row) error {
	image, _, err := r.Objects.Get(ctx, row.Source.Image, r.MaxBytes)
	if err != nil {
		return err
	}
	found, err := r.Engine.Analyze(ctx, image, engine.Params{Strategy: engine.MultipleFaces, Embed: true, Turn: true})
	if err != nil {
		return err
	}
	enrolled := face.Face{Box: row.Source.Box}
	best := float32(sameFace)
	for i := range found.Faces {
		o := &found.Faces[i]
		if overlap := (face.Face{Box: o.Original()}).Overlap(enrolled); overlap >= best {
			best, row.Embedding = overlap, *o.Embedding
		}
	}
	if row.Embedding.Model == "" {
		return schema.Permanent("reindex.face", schema.ReasonNoFace, errors.New("the model's detector does not find the face that was enrolled"))
	}
	return nil
}

// Package reindex builds a gallery under another embedding model from the enrolled images or recordings, while the old one serves, and then
// replaces the old one. Each step compares the two galleries by row id and does what is missing. A step that was interrupted
// is simply run again.
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

// Engine analyses one image or one recording under the new model. It is safe for concurrent use.
type Engine interface {
	Analyze(ctx context.Context, image []byte, p engine.Params) (*engine.Analysis, error)
	Hear(ctx context.Context, recording []byte) (*engine.Heard, error)
}

// Reindexer does the steps: Plan counts, Build stages, Switch replaces. Its fields are set once, before use.
type Reindexer struct {
	Serving gallery.Reader
	Staging gallery.Staging
	Objects Objects
	Engine  Engine
	Model   schema.ModelID // the model of Engine that embeds faces or, if Voices, voices
	// Voices says that the collections of voices move. Those of faces stay then, and without it those of voices stay.
	Voices bool
	// Empty says that collections move as well in which nobody is left. They do not tell what they held.
	Empty bool
	// Moves reports whether a collection may move to Model. nil: every collection may.
	Moves func(schema.Collection) bool
	// Quiet returns nil if nobody changes the serving gallery or will change it. Switch asks.
	Quiet       func(context.Context) error
	MaxBytes    int64 // of an image
	Concurrency int   // how many images are processed at the same time
	// Progress, if not nil, is told how many rows of a collection are done. It is called by one goroutine at a time.
	Progress func(c schema.Collection, done, total int)
}

// Report is the outcome of a step. It names rows only by id (invariant 6).
type Report struct {
	Model       schema.ModelID `json:"model"`
	Collections []Tally        `json:"collections"` // that serve under another model and move
	// Lost rows cannot be rebuilt. A switch drops them, and these people must enrol again.
	Lost []Left `json:"lost"`
	// Unread rows could not be rebuilt this time.
	Unread   []Left `json:"unread"`
	Switched bool   `json:"switched"` // every collection that moves serves under Model
}

// Tally is what was found and done in one collection.
type Tally struct {
	Collection schema.Collection `json:"collection"`
	From       schema.ModelID    `json:"from"`     // the model that serves
	Rows       int               `json:"rows"`     // that serve
	Staged     int               `json:"staged"`   // how many of them are staged
	Surplus    int               `json:"surplus"`  // staged rows that do not serve, or serve with other content
	Embedded   int               `json:"embedded"` // rows that this step staged
	Removed    int               `json:"removed"`  // rows of the surplus that this step removed

	total int // rows of the listing that is read
}

// Left is a row that serves and could not be staged.
type Left struct {
	Collection schema.Collection `json:"collection"`
	GUID       string            `json:"guid"`
	Why        string            `json:"why"` // of lost rows: Unsourced or a reason of results (docs/reasons.md); else an error
}

// Unsourced is why a row is lost that an earlier version enrolled, which did not store where the image is.
const Unsourced = "unsourced"

const (
	pageRows  = 500
	batchRows = 64 // rows that are rebuilt before they are staged together; a kill loses this many at most

	// sameFace is the least overlap (intersection over union) of the boxes that two detectors draw around one face. No detector
	// finds the faces of two people who overlap that much.
	sameFace = 0.3

	// awayAfter is how many images in a row cannot be read, each after all tries, when the store and not the images is at fault.
	awayAfter = 20
)

// again says how calls of the store and the galleries are retried: for at least 10 s.
var again = retry.Policy{Least: 200 * time.Millisecond, Most: 5 * time.Second, Tries: 9}

// Plan counts what Build would do and changes nothing. It fetches no image, so it finds only those lost rows that are unsourced.
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

// Build stages what is missing and removes what no longer serves. An image that cannot be read is in the report; the others go
// on. An error means that the step did not finish: the store or the gallery failed, or ctx ended.
func (r *Reindexer) Build(ctx context.Context) (Report, error) {
	return r.forEach(ctx, func(t *Tally, report *Report) error { return r.sync(ctx, t, report) })
}

// Switch builds what is still missing and then replaces what serves by what is staged, if nobody else changes the gallery and
// at most `most` rows are lost. If rows prevent the switch, the report names them and is not Switched.
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
	if err := r.Staging.Switch(ctx, names); err != nil { // also without names: it removes what an earlier switch left behind
		return report, err
	}
	report.Switched = true
	return report, nil
}

// confirm compares once more whether both sides are as the report of a build says.
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
			return schema.Transient("reindex.switch", fmt.Errorf("collection %q changed in the meantime; find out who writes to the gallery and run this again", t.Collection))
		}
	}
	return nil
}

// Moving returns the collections that serve under another model and move to Model.
func (r *Reindexer) Moving(ctx context.Context) ([]gallery.Kept, error) {
	kept, err := r.Serving.Collections(ctx)
	if err != nil {
		return nil, err
	}
	var moving []gallery.Kept
	for _, k := range kept {
		if k.Tie.Model == r.Model || r.Moves != nil && !r.Moves(k.Name) {
			continue
		}
		page, err := r.Serving.List(ctx, k.Name, "", 1)
		if err != nil {
			return nil, err
		}
		if len(page.Rows) == 0 && r.Empty || len(page.Rows) > 0 && ofVoice(page.Rows[0]) == r.Voices {
			moving = append(moving, k)
		}
	}
	return moving, nil
}

// ofVoice reports whether the embedding of row is that of a voice. All rows of a collection are alike in this, as one model made them.
func ofVoice(row gallery.Row) bool { return row.Source != nil && row.Source.Recording }

// forEach calls do for each collection that serves under another model.
func (r *Reindexer) forEach(ctx context.Context, do func(*Tally, *Report) error) (Report, error) {
	report := Report{Model: r.Model, Collections: []Tally{}, Lost: []Left{}, Unread: []Left{}}
	var kept []gallery.Kept
	err := again.Do(ctx, func() (err error) {
		kept, err = r.Moving(ctx)
		return err
	})
	if err != nil {
		return report, err
	}
	for _, k := range kept {
		t := Tally{Collection: k.Name, From: k.Tie.Model}
		err := do(&t, &report)
		report.Collections = append(report.Collections, t)
		if err != nil {
			return report, err
		}
	}
	return report, nil
}

// sync stages what is missing of a collection and removes what no longer serves.
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

// pair is the rows of one id; nil if one side has none.
type pair struct{ serving, staged *gallery.Row }

// same reports whether both rows have the same content apart from the embedding. A repeat may have changed the serving one.
func (p pair) same() bool {
	return p.serving != nil && p.staged != nil && reflect.DeepEqual(*p.serving, *p.staged)
}

// compare visits the rows of a collection on both sides, by id, and counts them. visit may stage rows: their ids have been
// listed already.
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

// retried retries the pages of a listing.
func retried(list gallery.Listing) gallery.Listing {
	return func(ctx context.Context, after string) (page gallery.Page, err error) {
		err = again.Do(ctx, func() error {
			page, err = list(ctx, after)
			return err
		})
		return page, err
	}
}

// builder collects what must be done and does it in batches.
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

// progress reports the rows that were compared and are done: all but the missing ones, of which n are rebuilt.
func (b *builder) progress(n int) {
	if b.r.Progress != nil {
		b.r.Progress(b.t.Collection, b.t.Rows-len(b.missing)+n, b.t.total)
	}
}

// stage removes the surplus, rebuilds the missing rows, several at a time, and stages those that could be rebuilt.
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
					return fmt.Errorf("%d images in a row could not be read; run this again when the store answers: %w", n, err)
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

// embed gives row the embedding of its face or voice under the new model. The box says which face of the image was enrolled. The
// conditions of the request are not checked again: they were about what the former detector found.
func (r *Reindexer) embed(ctx context.Context, row *gallery.Row) error {
	image, _, err := r.Objects.Get(ctx, row.Source.Image, r.MaxBytes)
	if err != nil {
		return err
	}
	if ofVoice(*row) {
		heard, err := r.Engine.Hear(ctx, image)
		switch {
		case err != nil:
			return err
		case heard.Embedding == nil:
			return schema.Permanent("reindex.voice", schema.ReasonTooLittleSpeech, errors.New("the model finds too little speech in the recording that was enrolled"))
		}
		row.Embedding = *heard.Embedding
		return nil
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

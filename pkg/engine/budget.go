package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// lightShare is the part of the memory that is kept for light pictures, the same for each image in work. A light picture takes at
// most that, so it never waits for heavy ones.
const lightShare = 1. / 4

// budget admits pictures by what they will cost, before they are decoded.
type budget struct {
	slots chan struct{} // one for each image in work; nil: any number

	light int64               // what a light picture takes at most
	most  int64               // what a picture takes at most, of free
	free  *semaphore.Weighted // for heavy pictures; nil: there is no limit
	heavy chan struct{}       // one for each heavy picture in work: one slot is left to light ones, where there are several
}

// newBudget shares memory bytes among images, of which concurrency are in work at once; 0 of either is no limit.
func newBudget(concurrency int, memory int64) *budget {
	b := &budget{}
	if concurrency > 0 {
		b.slots = make(chan struct{}, concurrency)
		b.heavy = make(chan struct{}, max(concurrency-1, 1))
	}
	if memory > 0 {
		b.most = memory
		if concurrency > 0 {
			b.light = int64(lightShare * float64(memory) / float64(concurrency))
			b.most -= int64(concurrency) * b.light
		}
		b.free = semaphore.NewWeighted(b.most)
	}
	return b
}

// admission is the right of one picture to be in work.
type admission struct {
	budget *budget
	memory int64 // of free
	heavy  bool  // it has one of budget.heavy
	slot   bool  // it has one of budget.slots
}

// admit waits until a picture that takes so many bytes may be worked on, first come first served among the heavy ones, to which it
// belongs by its bytes or because it is a crowd. One that never fits is refused.
func (b *budget) admit(ctx context.Context, bytes int64, crowd bool, what string) (*admission, error) {
	const op = "engine.admit"
	p := &admission{budget: b}
	large := b.free != nil && bytes > b.light
	if large && bytes > b.most {
		return nil, schema.Permanent(op, schema.ReasonImageTooLarge, fmt.Errorf("%s takes up to %d MB of memory, the limit is %d MB; scale the image down, save it as a usual JPEG, or ask for smaller portraits", what, (bytes+999_999)/1e6, b.most/1e6))
	}
	if (large || crowd) && b.heavy != nil {
		select {
		case b.heavy <- struct{}{}:
			p.heavy = true
		case <-ctx.Done():
			return nil, schema.Transient(op, ctx.Err())
		}
	}
	if large {
		if err := b.free.Acquire(ctx, bytes); err != nil {
			p.leave()
			return nil, schema.Transient(op, err)
		}
		p.memory = bytes
	}
	if err := p.work(ctx); err != nil {
		p.leave()
		return nil, err
	}
	return p, nil
}

// work waits for a slot.
func (p *admission) work(ctx context.Context) error {
	if p.budget.slots == nil {
		return nil
	}
	select {
	case p.budget.slots <- struct{}{}:
		p.slot = true
		return nil
	case <-ctx.Done():
		return schema.Transient("engine.admit", ctx.Err())
	}
}

// errCrowd says that a picture that was taken for a light one shows a crowd, whose faces would keep others waiting.
var errCrowd = errors.New("a crowd")

// mayBeCrowd reports whether a crowd in this picture would keep light ones waiting.
func (p *admission) mayBeCrowd() bool { return !p.heavy && cap(p.budget.slots) > 1 }

// rest gives the slot back and keeps the memory.
func (p *admission) rest() {
	if p.slot {
		<-p.budget.slots
		p.slot = false
	}
}

// leave gives everything back.
func (p *admission) leave() {
	p.rest()
	if p.heavy {
		<-p.budget.heavy
		p.heavy = false
	}
	if p.memory > 0 {
		p.budget.free.Release(p.memory)
		p.memory = 0
	}
}

// work is the analysis of one picture, with its time.
type work struct {
	ctx    context.Context // ends with the caller's, and when the time is over
	outer  context.Context // the caller's
	cancel context.CancelFunc
	place  *admission
	timer  *time.Timer
	most   time.Duration // 0: any time
	left   time.Duration
	began  time.Time
}

// begin starts the clock of a picture that has its place.
func (e *Engine) begin(ctx context.Context, p *admission) *work {
	w := &work{outer: ctx, place: p, most: e.time, left: e.time}
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.run()
	return w
}

func (w *work) run() {
	w.began = time.Now()
	if w.most > 0 {
		w.timer = time.AfterFunc(w.left, w.cancel)
	}
}

// pause calls do while another picture has the slot and the clock stands.
func (w *work) pause(do func() error) error {
	if w.timer != nil && !w.timer.Stop() {
		return w.ctx.Err()
	}
	w.left -= time.Since(w.began)
	w.place.rest()
	if err := do(); err != nil {
		return err
	}
	if err := w.place.work(w.outer); err != nil {
		return err
	}
	w.run()
	return nil
}

// end stops the clock, and says of an error that the time was over where that is its cause.
func (w *work) end(err error) error {
	over := w.ctx.Err() != nil && w.outer.Err() == nil
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel()
	if err != nil && over && schema.ClassOf(err) != schema.ClassPermanent {
		return schema.Permanent("engine.analyze", schema.ReasonImageTooLarge, fmt.Errorf("the analysis of what the picture shows takes longer than %v, the limit; scale it down, or cut out what matters", w.most))
	}
	return err
}

// workingSet is what the steps take beside the picture and copies of it: scaled copies, the inputs of networks, planes of luma.
const workingSet = 24 << 20

// memory is the most bytes that analysing a picture takes at any time, without its file and without the networks: while it is
// decoded, or afterwards, with a turned copy, the largest part that is cut out, and one portrait after the other.
func (p Params) memory(f *imaging.File) int64 {
	width, height := f.Size()
	rgb := 3 * int64(width) * int64(height)
	steps := 2*rgb + workingSet
	if p.Turn {
		steps += rgb
	}
	if p.Document != nil {
		straight := straightPixels(width, height)
		steps += document.StraightMemory(width, height, straight) + 3*int64(straight) // it, and a scaled or turned copy
	}
	if p.reads() {
		steps += document.TextMemory
	}
	if p.Barcodes != nil { // before anything else is made of the picture
		steps = max(steps, rgb+barcode.Memory(width, height))
	}
	var portrait int64
	const file = 4 + 3*4 // bytes a pixel of a picture that is handed over, as of portraits
	if p.Barcodes != nil && p.Barcodes.Keep != nil {
		straight := straightPixels(width, height)
		steps = max(steps, rgb+document.StraightMemory(width, height, straight)+file*int64(straight))
	}
	if p.Document != nil && p.Document.Keep != nil {
		portrait = file * int64(straightPixels(width, height))
	}
	for _, o := range p.Portraits {
		portrait = max(portrait, o.Memory())
	}
	return max(f.Memory(), steps+portrait)
}

// MaxPortraitPixels is the largest number of pixels of all portraits of a picture together.
const MaxPortraitPixels = 100_000_000

// portraitsFit refuses a picture of so many faces that their portraits would have too many pixels.
func (p Params) portraitsFit(faces int) error {
	var each int
	var last face.PortraitOptions
	for _, o := range p.Portraits {
		if c, err := o.Complete(); err == nil {
			each, last = each+c.Width*c.Height, c
		}
	}
	most := MaxPortraitPixels
	if p.PortraitPixels > 0 {
		most = p.PortraitPixels
	}
	if p.portrayed(faces) && each > most/max(faces, 1) {
		return schema.Permanent("engine.portraits", schema.ReasonInvalidConfiguration, fmt.Errorf("the portraits of %d faces, %d × %d pixels each, have more than the %d million pixels that a request may have left; ask for smaller ones, or for one face", faces, last.Width, last.Height, most/1e6))
	}
	return nil
}

// portrayed reports whether a picture with so many selected faces gets portraits.
func (p Params) portrayed(faces int) bool {
	most := schema.MaxDetailedFaces
	if p.MostPortrayed != 0 {
		most = p.MostPortrayed
	}
	return len(p.Portraits) > 0 && faces <= most
}

package apart

import (
	"context"
	"encoding/gob"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// The pipes of the child.
const (
	fromParent = 3
	toParent   = 4
)

// Child is the main function of the child and returns its exit code. open gets what [Runner.Setup] holds and the parent,
// which stands for the store and the broker, and returns the handler of the records and what to do at the end.
func Child(open func(ctx context.Context, setup []byte, parent *Parent) (events.Handler, error)) int {
	p := &Parent{answers: make(chan answer)}
	in, out := os.NewFile(fromParent, "from the parent"), os.NewFile(toParent, "to the parent")
	if in == nil || out == nil {
		return 1
	}
	p.ask = gob.NewEncoder(out)
	go func() {
		for hear := gob.NewDecoder(in); ; {
			var a answer
			if err := hear.Decode(&a); err != nil {
				os.Exit(0) // nobody waits for what the child does: the parent ended it, or is gone
			}
			p.answers <- a
		}
	}()
	// A terminal and a service manager send these to the whole group; the parent decides when the child ends.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	lastToDie()
	ctx := context.Background()
	handle, err := open(ctx, (<-p.answers).Setup, p)
	if err == nil {
		err = confine()
	}
	if err != nil {
		f := failureOf(err)
		_ = p.ask.Encode(question{Done: &f}) // in vain if the parent is gone
		return 1
	}
	if p.ask.Encode(question{Ready: true}) != nil {
		return 1
	}
	for a := range p.answers {
		if a.Record == nil {
			return 1
		}
		if p.ask.Encode(question{Ready: true}) != nil {
			return 1
		}
		f := failureOf(run(ctx, handle, *a.Record))
		if p.ask.Encode(question{Done: &f}) != nil {
			return 1
		}
	}
	return 0
}

// run calls the handler, and turns a panic into its error.
func run(ctx context.Context, handle events.Handler, r events.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = events.Panicked(p)
		}
	}()
	limitTime()
	return handle(ctx, r)
}

// Parent stands in the child for what the parent does on its behalf. It is safe for concurrent use.
type Parent struct {
	mu      sync.Mutex // held from a question to its answer
	ask     *gob.Encoder
	answers chan answer
}

func (p *Parent) exchange(q question) (answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.ask.Encode(q); err != nil {
		return answer{}, err
	}
	a := <-p.answers
	return a, a.Failure.err()
}

// Get returns an object.
func (p *Parent) Get(_ context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error) {
	a, err := p.exchange(question{Get: &getting{ref, maxBytes}})
	return a.Data, a.Ref, err
}

// Put stores an object.
func (p *Parent) Put(_ context.Context, ref schema.ObjectRef, data []byte, contentType string, metadata map[string]string) (schema.ObjectRef, error) {
	a, err := p.exchange(question{Put: &putting{ref, data, contentType, metadata}})
	return a.Ref, err
}

// Remove removes an object.
func (p *Parent) Remove(_ context.Context, ref schema.ObjectRef) error {
	_, err := p.exchange(question{Remove: &ref})
	return err
}

// Publish publishes events.
func (p *Parent) Publish(_ context.Context, topic events.Topic, list ...events.Event) error {
	_, err := p.exchange(question{Publish: &publishing{topic, list}})
	return err
}

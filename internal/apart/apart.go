// Package apart runs a handler of records in a process of its own, which may die without harm to the process that started
// it. The child has neither a connection nor a credential: it asks its parent for objects and hands it what is to be
// published. It has limits on memory and processor time.
//
// It is for records that may kill the process that works on them (docs/adr/0018-deaths-are-counted.md).
package apart

import (
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"sync"
	"time"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Objects is what the child uses of the store.
type Objects interface {
	Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error)
	Put(ctx context.Context, ref schema.ObjectRef, data []byte, contentType string, metadata map[string]string) (schema.ObjectRef, error)
	Remove(ctx context.Context, ref schema.ObjectRef) error
}

// Publisher is what the child uses of the broker.
type Publisher interface {
	Publish(ctx context.Context, topic events.Topic, events ...events.Event) error
}

// ErrDied says that the child died, or had to be ended, while it worked on a record.
var ErrDied = errors.New("the process that worked on the record alone died")

// Limits of the child.
const (
	// startTime is how long a child may take until it is ready.
	startTime = 2 * time.Minute
	// silence is how long the child may work without a word to its parent. It is more than the engine's own limits on time.
	silence = 3 * time.Minute
	// idle is how long a child waits for the next record.
	idle = 10 * time.Second
	// cpuTime bounds the processor time for one record.
	cpuTime = 10 * time.Minute
)

// question is what the child says to its parent. One field is set.
type question struct {
	Ready   bool // to take a record, or to work on the one that it took
	Get     *getting
	Put     *putting
	Remove  *schema.ObjectRef
	Publish *publishing
	Done    *failure // the handler has returned
}

type getting struct {
	Ref      schema.ObjectRef
	MaxBytes int64
}

type putting struct {
	Ref         schema.ObjectRef
	Data        []byte
	ContentType string
	Metadata    map[string]string
}

type publishing struct {
	Topic  events.Topic
	Events []events.Event
}

// answer is what the parent says: first the setup, then a record to work on, or what the child asked for.
type answer struct {
	Setup   []byte
	Record  *events.Record
	Ref     schema.ObjectRef
	Data    []byte
	Failure failure
}

// failure is an error on its way to the other process; the zero value is none.
type failure struct {
	Failed bool
	Class  schema.Class
	Reason schema.Reason
	Op     string
	Text   string
}

func failureOf(err error) failure {
	if err == nil {
		return failure{}
	}
	out := failure{Failed: true, Class: schema.ClassOf(err), Reason: schema.ReasonOf(err), Op: "apart", Text: err.Error()}
	if out.Class == schema.ClassPermanent {
		out.Text = schema.MessageOf(err)
	}
	return out
}

func (f failure) err() error {
	switch {
	case !f.Failed:
		return nil
	case f.Class == schema.ClassUnknown:
		return errors.New(f.Text)
	}
	return &schema.Error{Class: f.Class, Reason: f.Reason, Op: f.Op, Err: errors.New(f.Text)}
}

// Runner starts the child when there is a record for it, and ends it when none came for some time. It is safe for
// concurrent use, and works on one record at a time. Close it when done.
type Runner struct {
	// Command returns the program of the child, which calls [Child].
	Command func() (*exec.Cmd, error)
	// Setup is passed to the child. It may hold secrets: no command line and no environment shows it.
	Setup     []byte
	Objects   Objects
	Publisher Publisher

	mu      sync.Mutex
	child   *child
	leaving *time.Timer
	silence time.Duration // 0: the constant; tests are shorter
}

// child is a process that is ready.
type child struct {
	cmd  *exec.Cmd
	tell *gob.Encoder
	hear *gob.Decoder
	pipe [2]*os.File // to write to and to read from
}

// Handle has the child work on r and returns what its handler returned. It is ErrDied if the child did not survive that,
// and transient if no child could be started.
func (r *Runner) Handle(ctx context.Context, record events.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaving != nil {
		r.leaving.Stop()
	}
	err := r.take(ctx, &record)
	if err != nil {
		return schema.Transient("apart.start", fmt.Errorf("a process for one record cannot be started: %w", err))
	}
	alive, err := r.child.work(ctx, r)
	if !alive {
		r.end()
	} else {
		r.leaving = time.AfterFunc(idle, r.Close)
	}
	return err
}

// take hands record to the child. One that died while it was idle is replaced.
func (r *Runner) take(ctx context.Context, record *events.Record) error {
	if r.child != nil {
		if q, err := r.child.exchange(ctx, &answer{Record: record}, startTime); err == nil && q.Ready {
			return nil
		}
		r.end()
	}
	debug.FreeOSMemory() // the child needs it
	if err := r.start(ctx); err != nil {
		return err
	}
	q, err := r.child.exchange(ctx, &answer{Record: record}, startTime)
	if err != nil || !q.Ready {
		r.end()
		return errors.Join(errors.New("it does not take a record"), err)
	}
	return nil
}

// Close ends the child.
func (r *Runner) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
}

func (r *Runner) end() {
	if r.child != nil {
		r.child.end()
		r.child = nil
	}
}

// start starts a child and waits until it is ready.
func (r *Runner) start(ctx context.Context) error {
	cmd, err := r.Command()
	if err != nil {
		return err
	}
	hisIn, toHim, err := os.Pipe()
	if err != nil {
		return err
	}
	fromHim, hisOut, err := os.Pipe()
	if err != nil {
		return errors.Join(err, hisIn.Close(), toHim.Close())
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = nil, os.Stderr, os.Stderr, []*os.File{hisIn, hisOut}
	c := &child{cmd: cmd, tell: gob.NewEncoder(toHim), hear: gob.NewDecoder(fromHim), pipe: [2]*os.File{toHim, fromHim}}
	err = cmd.Start()
	hisIn.Close() // as long as the parent has these open, it does not notice that the child has ended
	hisOut.Close()
	if err != nil {
		return errors.Join(err, toHim.Close(), fromHim.Close())
	}
	q, err := c.exchange(ctx, &answer{Setup: r.Setup}, startTime)
	switch {
	case err == nil && q.Ready:
		r.child = c
		return nil
	case err == nil && q.Done != nil:
		err = q.Done.err()
	case err == nil:
		err = errors.New("it does not say that it is ready")
	}
	c.end()
	return errors.Join(ctx.Err(), err)
}

// exchange says a, if there is one, and hears what the child says next. It kills a child that says nothing within the
// limit, or until ctx ends.
func (c *child) exchange(ctx context.Context, a *answer, limit time.Duration) (q question, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	watch := context.AfterFunc(ctx, func() { c.cmd.Process.Kill() })
	if a != nil {
		err = c.tell.Encode(*a)
	}
	if err == nil {
		err = c.hear.Decode(&q)
	}
	if !watch() && err == nil {
		err = ctx.Err() // too late: it is being killed
	}
	return q, err
}

// work serves the child while it works on the record that it took. alive is false when the child must be ended.
func (c *child) work(ctx context.Context, r *Runner) (alive bool, err error) {
	limit := cmp.Or(r.silence, silence)
	for said := (*answer)(nil); ; {
		q, err := c.exchange(ctx, said, limit)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil:
			return false, fmt.Errorf("%w (%s)", ErrDied, c.epitaph())
		}
		said = &answer{}
		switch {
		case q.Get != nil:
			said.Data, said.Ref, err = r.Objects.Get(ctx, q.Get.Ref, q.Get.MaxBytes)
		case q.Put != nil:
			said.Ref, err = r.Objects.Put(ctx, q.Put.Ref, q.Put.Data, q.Put.ContentType, q.Put.Metadata)
		case q.Remove != nil:
			err = r.Objects.Remove(ctx, *q.Remove)
		case q.Publish != nil:
			err = r.Publisher.Publish(ctx, q.Publish.Topic, q.Publish.Events...)
		case q.Done != nil:
			return true, q.Done.err()
		default:
			return false, fmt.Errorf("%w (it speaks another language)", ErrDied)
		}
		said.Failure = failureOf(err)
	}
}

// epitaph says what the child died of.
func (c *child) epitaph() string {
	c.end()
	if c.cmd.ProcessState == nil {
		return "of an unknown cause"
	}
	return c.cmd.ProcessState.String()
}

// end ends the process, if it has not ended, and waits for that.
func (c *child) end() {
	c.pipe[0].Close() // tells the child to end
	c.pipe[1].Close()
	if c.cmd.ProcessState == nil {
		c.cmd.Process.Kill()
		_ = c.cmd.Wait() // how it ended is in ProcessState
	}
}

package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"sync"
	"time"

	"facestream/internal/ledger"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// Follower updates a ledger from a topic of jobs or outcomes, which other processes wrote, or this process before a
// crash. The ledger stores the offsets, so following resumes where it stopped.
type Follower struct {
	ledger   *ledger.Ledger
	topic    events.Topic
	follower *events.Follower
	more     chan struct{}   // has an element while something may be pending
	running  context.Context // of Run

	mu      sync.Mutex
	pending map[int]*followed // by partition: what was read and is not in the ledger
	count   int               // of the records in pending
}

// followed is what was read of a partition.
type followed struct {
	next    int64
	entries []ledger.Entry
}

// followBatch bounds the records that wait to be stored. A record is stored at once; what arrives meanwhile shares the next
// transaction.
const followBatch = 256

// NewFollower prepares to follow topic. It does no I/O.
func NewFollower(client *events.Client, book *ledger.Ledger, topic events.Topic) *Follower {
	f := &Follower{ledger: book, topic: topic, more: make(chan struct{}, 1), pending: map[int]*followed{}}
	f.follower = client.NewFollower(topic, f.read)
	return f
}

// Run follows the topic until ctx ends. It calls caughtUp once, when everything that was on the topic at the start is
// in the ledger.
func (f *Follower) Run(ctx context.Context, caughtUp func()) error {
	from, err := f.ledger.Offsets(ctx, string(f.topic))
	if err != nil {
		return err
	}
	outer := ctx
	ctx, cancel := context.WithCancelCause(outer)
	f.running = ctx
	var storing sync.WaitGroup
	defer storing.Wait()
	defer cancel(nil)
	storing.Go(func() {
		for {
			select {
			case <-f.more:
			case <-ctx.Done():
				return
			}
			if err := f.store(ctx); err != nil {
				cancel(err)
			}
		}
	})
	err = f.follower.Run(ctx, from, func() {
		if err := f.store(ctx); err != nil {
			cancel(err)
			return
		}
		caughtUp()
	})
	if err == nil && outer.Err() == nil {
		err = context.Cause(ctx)
	}
	return err
}

// CatchUp returns when everything that was on the topic at the time of the call is in the ledger. Its error is transient.
func (f *Follower) CatchUp(ctx context.Context) error {
	if err := f.follower.CatchUp(ctx); err != nil {
		return err
	}
	return f.store(ctx)
}

var storeAgain = retry.Policy{Least: 50 * time.Millisecond, Most: time.Second}

func (f *Follower) read(r events.Record) error {
	f.mu.Lock()
	b := f.pending[r.Partition]
	if b == nil {
		b = &followed{}
		f.pending[r.Partition] = b
	}
	b.next = r.Offset + 1
	if e, ok := entryOf(r); ok {
		b.entries = append(b.entries, e)
	}
	f.count++
	full := f.count >= followBatch
	f.mu.Unlock()
	if full {
		return f.store(f.running)
	}
	select {
	case f.more <- struct{}{}:
	default:
	}
	return nil
}

// store enters what is pending into the ledger. It waits for a ledger that cannot be written.
func (f *Follower) store(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for partition, b := range f.pending {
		err := storeAgain.Do(ctx, func() error { return f.ledger.Apply(ctx, string(f.topic), partition, b.next, b.entries) })
		if err != nil {
			return err
		}
		delete(f.pending, partition)
	}
	f.count = 0
	return nil
}

// entryOf reads the id and the digest of a request out of a job or a result. Results of earlier versions have no digest.
func entryOf(r events.Record) (ledger.Entry, bool) {
	var v struct {
		ID        schema.RequestID `json:"id"`
		RequestID schema.RequestID `json:"request_id"`
		Digest    string           `json:"digest"`
	}
	if err := json.Unmarshal(r.Event.Data, &v); err != nil {
		return ledger.Entry{}, false
	}
	if v.ID == "" {
		v.ID = v.RequestID
	}
	return ledger.Entry{ID: v.ID, Digest: cmp.Or(v.Digest, r.Event.Digest), At: r.Event.Time}, v.ID != ""
}

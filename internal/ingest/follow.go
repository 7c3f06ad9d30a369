package ingest

import (
	"context"
	"encoding/json"
	"time"

	"facestream/internal/ledger"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// Follower updates a ledger from a topic of jobs or outcomes, which other processes wrote, or this process before a
// crash. The ledger stores the offsets, so following resumes where it stopped.
type Follower struct {
	Client *events.Client
	Ledger *ledger.Ledger
	Topic  events.Topic
}

const (
	followBatch = 256
	followDelay = 50 * time.Millisecond
)

// applyAgain repeats what the ledger does not take. The topic waits meanwhile.
var applyAgain = retry.Policy{Least: 50 * time.Millisecond, Most: time.Second}

// Run follows the topic until ctx ends. It calls caughtUp once, when everything that was on the topic at the start is
// in the ledger.
func (f *Follower) Run(ctx context.Context, caughtUp func()) error {
	from, err := f.Ledger.Offsets(ctx, string(f.Topic))
	if err != nil {
		return err
	}
	batches := map[int]*followed{}
	last := time.Now()
	flush := func() error {
		for partition, b := range batches {
			err := applyAgain.Do(ctx, func() error {
				return f.Ledger.Apply(ctx, string(f.Topic), partition, b.next, b.entries)
			})
			if err != nil {
				return err
			}
		}
		clear(batches)
		last = time.Now()
		return nil
	}
	var pending int
	return f.Client.ReadAll(ctx, f.Topic, from, func(r events.Record) error {
		b := batches[r.Partition]
		if b == nil {
			b = &followed{}
			batches[r.Partition] = b
		}
		b.next = r.Offset + 1
		if e, ok := entryOf(r); ok {
			b.entries = append(b.entries, e)
		}
		if pending++; pending < followBatch && time.Since(last) < followDelay {
			return nil
		}
		pending = 0
		return flush()
	}, func() {
		if err := flush(); err == nil {
			caughtUp()
		}
	})
}

type followed struct {
	next    int64
	entries []ledger.Entry
}

// entryOf reads the id and, from a job, the digest of a request out of a record. A result has no digest.
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
	return ledger.Entry{ID: v.ID, Digest: v.Digest, At: r.Event.Time}, v.ID != ""
}

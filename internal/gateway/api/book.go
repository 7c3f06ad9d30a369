package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// book knows where the record of each request id lies on a topic, and reads it there. It remembers the newest ids on bounded memory.
type book struct {
	client   *events.Client
	topic    events.Topic
	idOf     func(data []byte) schema.RequestID
	follower *events.Follower
	places   places
}

func newBook(client *events.Client, topic events.Topic, most int, idOf func([]byte) schema.RequestID) *book {
	b := &book{client: client, topic: topic, idOf: idOf, places: places{most: most, young: map[digest]uint64{}}}
	b.follower = client.NewFollower(topic, func(r events.Record) error {
		if id := idOf(r.Event.Data); id != "" {
			b.places.add(id, r.Partition, r.Offset)
		}
		return nil
	})
	return b
}

// run follows the topic from what was written at since, until ctx ends. caughtUp is called when what was there at the start is known.
func (b *book) run(ctx context.Context, since time.Time, caughtUp func()) error {
	from, err := b.client.OffsetsSince(ctx, b.topic, since)
	if err != nil {
		return err
	}
	return b.follower.Run(ctx, from, caughtUp)
}

// catchUp bounds the wait for records that are on the topic and were not followed yet.
const catchUp = 5 * time.Second

// find returns the record of a request. found is false when the topic had none at the call. An error is transient.
func (b *book) find(ctx context.Context, id schema.RequestID) (r events.Record, found bool, err error) {
	partition, offset, ok := b.places.find(id)
	if !ok { // another replica, or another program, may have written it this moment
		waiting, stop := context.WithTimeout(ctx, catchUp)
		err := b.follower.CatchUp(waiting)
		stop()
		if err != nil {
			return r, false, err
		}
		if partition, offset, ok = b.places.find(id); !ok {
			return r, false, nil
		}
	}
	r, found, err = b.client.RecordAt(ctx, b.topic, partition, offset)
	return r, found && b.idOf(r.Event.Data) == id, err
}

// resultID and requestID read the id out of a record.
func resultID(data []byte) schema.RequestID {
	var head struct {
		ID schema.RequestID `json:"request_id"`
	}
	_ = json.Unmarshal(data, &head)
	return head.ID
}

func requestID(data []byte) schema.RequestID {
	var head struct {
		ID schema.RequestID `json:"id"`
	}
	_ = json.Unmarshal(data, &head)
	return head.ID
}

// digest stands for an id. It has one size whatever ids producers choose.
type digest [16]byte

func digestOf(id schema.RequestID) digest {
	sum := sha256.Sum256([]byte(id))
	return digest(sum[:])
}

// places maps ids to partition and offset. Of the newest it knows most at least and twice as many at most: when the young are most, they
// become the old, and the old before them are forgotten. It is safe for concurrent use.
type places struct {
	most int

	mu         sync.RWMutex
	young, old map[digest]uint64
}

const offsetBits = 48 // of a place; the rest is the partition

// add enters a record. The first of an id stays: a repeat says the same, and another request with the id has no outcome.
func (p *places) add(id schema.RequestID, partition int, offset int64) {
	d := digestOf(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.young[d]; known {
		return
	}
	if _, known := p.old[d]; known {
		return
	}
	if len(p.young) >= p.most {
		p.old, p.young = p.young, map[digest]uint64{}
	}
	p.young[d] = uint64(partition)<<offsetBits | uint64(offset)
}

func (p *places) find(id schema.RequestID) (partition int, offset int64, ok bool) {
	d := digestOf(id)
	p.mu.RLock()
	defer p.mu.RUnlock()
	place, ok := p.young[d]
	if !ok {
		place, ok = p.old[d]
	}
	return int(place >> offsetBits), int64(place & (1<<offsetBits - 1)), ok
}

// known is how many ids are remembered.
func (p *places) known() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.young) + len(p.old)
}

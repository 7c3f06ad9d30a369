package events

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What kafka-go gets wrong by itself. docs/reliability.md lists all of it, and the tests that stand elsewhere.

// A new group's coordinator is not there at first. kafka-go pauses for 5 s after each such answer unless it is told otherwise,
// which would be 15 s here.
func TestFirstGroupOfABroker(t *testing.T) {
	needFake(t, "it makes the broker refuse")
	b := newFake(t)
	ctx, c, topic := setup(t, b, 1)
	publish(t, ctx, c, topic, 1, 1)
	var asked atomic.Int32
	b.fake.ControlKey(int16(kmsg.FindCoordinator), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		refusals := []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorNotAvailable}
		n := int(asked.Add(1))
		if n > len(refusals) {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
		res.ErrorCode = refusals[n-1].Code
		return res, nil, true
	})
	began, handled := time.Now(), make(chan time.Duration, 1)
	consume(t, ctx, c, ConsumerConfig{Group: uuid.NewString(), Topics: []Topic{topic}}, func(context.Context, Record) error {
		handled <- time.Since(began)
		return nil
	})
	if took := <-handled; took > 12*time.Second || asked.Load() < 4 {
		t.Errorf("the first record came after %s and %d questions for the coordinator", took, asked.Load())
	}
}

// A consumer that waits for records lets go at once. A kafka.Reader would wait for the end of its fetch, 10 s by default.
func TestStopWhileIdle(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 3)
	publish(t, ctx, c, topic, 1, 1)
	handled := make(chan struct{}, 1)
	var fetched atomic.Int64
	r := consume(t, ctx, c, ConsumerConfig{
		Group: uuid.NewString(), Topics: []Topic{topic}, Hooks: Hooks{Lag: func(Topic, int, int64) { fetched.Add(1) }},
	}, func(context.Context, Record) error {
		handled <- struct{}{}
		return nil
	})
	<-handled
	before := fetched.Load()
	eventually(t, "every partition waits for the next record", func() bool { return fetched.Load() >= before+6 })
	began := time.Now()
	r.finish(t)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("an idle consumer needed %s to stop", took)
	}
}

// The brokers have not agreed on a leader when a new topic is written to at once.
func TestFirstWriteToANewTopic(t *testing.T) {
	needFake(t, "it makes the broker refuse")
	b := newFake(t)
	ctx, c, topic := setup(t, b, 1)
	var refused atomic.Int32
	refuseProduce(b, kerr.NotLeaderForPartition, func() bool { return refused.Add(1) <= 3 })
	publish(t, ctx, c, topic, 1, 1)
	if got := len(values(t, ctx, c, topic)); got != 1 || refused.Load() < 4 {
		t.Errorf("%d records after %d writes, want one and at least 4", got, refused.Load())
	}
}

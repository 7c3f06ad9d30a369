package events

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"facestream/pkg/schema"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kgo"
)

// transaction is an open transaction of a Kafka producer of another make.
type transaction struct {
	t      *testing.T
	ctx    context.Context
	client *kgo.Client
}

func begin(t *testing.T, ctx context.Context, b *broker) *transaction {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.TransactionalID(uuid.NewString()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	return &transaction{t, ctx, client}
}

// write adds a record to partition 0 of topic; it is on the broker when write returns.
func (x *transaction) write(topic Topic, values ...string) *transaction {
	x.t.Helper()
	for _, v := range values {
		if err := x.client.ProduceSync(x.ctx, &kgo.Record{Topic: string(topic), Key: []byte(v), Value: []byte(v)}).FirstErr(); err != nil {
			x.t.Fatal(err)
		}
	}
	return x
}

func (x *transaction) commit() { x.end(kgo.TryCommit) }

func (x *transaction) abort() { x.end(kgo.TryAbort) }

func (x *transaction) end(how kgo.TransactionEndTry) {
	x.t.Helper()
	if err := x.client.EndTransaction(x.ctx, how); err != nil {
		x.t.Fatal(err)
	}
}

// settled waits until no transaction is open in partition 0 of topic: a broker ends one after it has answered that it will.
func settled(t *testing.T, ctx context.Context, c *Client, topic Topic) {
	t.Helper()
	eventually(t, "every transaction has ended", func() bool {
		committed, err := c.ranges(ctx, topic, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		all, err := c.rangesAt(ctx, kafka.ReadUncommitted, topic, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		return committed[0].Last == all[0].Last
	})
}

func plainly(t *testing.T, ctx context.Context, c *Client, topic Topic, values ...string) {
	t.Helper()
	p := publisher(t, c)
	for _, v := range values {
		if err := p.write(ctx, topic, []kafka.Message{{Topic: string(topic), Value: []byte(v)}}); err != nil {
			t.Fatal(err)
		}
	}
}

// mixed fills a topic of one partition with records of transactions that were committed and aborted, one among the other.
// It returns the values that count.
func mixed(t *testing.T, ctx context.Context, b *broker, c *Client, topic Topic) []string {
	t.Helper()
	plainly(t, ctx, c, topic, "plain 0")
	first := begin(t, ctx, b).write(topic, "aborted 1", "aborted 2")
	second := begin(t, ctx, b).write(topic, "committed 1")
	plainly(t, ctx, c, topic, "plain 1")
	first.write(topic, "aborted 3")
	first.abort()
	second.write(topic, "committed 2")
	second.commit()
	// The same producer commits, and aborts again.
	if err := first.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	first.write(topic, "committed 3").commit()
	plainly(t, ctx, c, topic, "plain 2")
	if err := first.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	first.write(topic, "aborted 4", "aborted 5").abort()
	settled(t, ctx, c, topic)
	return []string{"plain 0", "committed 1", "plain 1", "committed 2", "committed 3", "plain 2"}
}

// What a transaction wrote and then aborted is never handed to anybody, and the group's offset passes it.
func TestAbortedTransactions(t *testing.T) {
	b := newBroker(t)
	ctx, c, topic := setup(t, b, 1)
	want := mixed(t, ctx, b, c, topic)

	t.Run("a consumer", func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		group := uuid.NewString()
		r := consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}, Concurrency: 1}, func(_ context.Context, r Record) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, string(r.Event.Data))
			return nil
		})
		eventually(t, "the group has committed the whole log", func() bool {
			status, err := c.Describe(ctx, topic)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(status[0].Groups, func(g GroupLag) bool { return g.Group == group })
			return i >= 0 && status[0].Groups[i].Lag == 0 && status[0].Groups[i].Committed[0] == status[0].Partitions[0].Last
		})
		r.finish(t)
		slices.Sort(got) // the records have no key or different ones
		if diff := cmp.Diff(slices.Sorted(slices.Values(want)), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("a reader, from every offset", func(t *testing.T) {
		ranges, err := c.ranges(ctx, topic, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]int64{}
		for _, r := range values(t, ctx, c, topic) {
			at[string(r.Event.Data)] = r.Offset
		}
		for from := ranges[0].First; from <= ranges[0].Last; from++ {
			var rest, got []string
			for _, v := range want {
				if at[v] >= from {
					rest = append(rest, v)
				}
			}
			reading, cancel := context.WithCancel(ctx)
			if err := c.ReadAll(reading, topic, map[int]int64{0: from}, func(r Record) error {
				got = append(got, string(r.Event.Data))
				return nil
			}, cancel); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(rest, got); diff != "" {
				t.Errorf("from offset %d (-want +got):\n%s", from, diff)
			}
		}
	})
	t.Run("results", func(t *testing.T) {
		run := uuid.NewString()
		s := c.Results(ctx, ResultsOptions{})
		defer s.Close()
		if err := s.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		aborted := result(run + "-aborted")
		begin(t, ctx, b).write(Results, string(aborted.Data)).abort()
		if err := publisher(t, c).Publish(ctx, Results, result(run+"-plain")); err != nil {
			t.Fatal(err)
		}
		for {
			res, _, err := s.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if res.RequestID == schema.RequestID(run+"-aborted") {
				t.Error("the result of an aborted transaction came")
			}
			if res.RequestID == schema.RequestID(run+"-plain") {
				break
			}
		}
	})
	t.Run("dead letters", func(t *testing.T) {
		value := uuid.NewString()
		begin(t, ctx, b).write(DeadLetters, value).abort()
		settled(t, ctx, c, DeadLetters)
		for d, err := range c.DeadLetters(ctx, DeadLetterFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if string(d.Value) == value {
				t.Errorf("the record of an aborted transaction is dead letter %s", d.ID)
			}
		}
		ranges, err := c.ranges(ctx, DeadLetters, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		for back := range int64(2) { // the mark of the abort, and the record
			if _, err := c.DeadLetter(ctx, DeadLetterID{0, ranges[0].Last - 1 - back}); schema.ClassOf(err) != schema.ClassPermanent {
				t.Errorf("%d before the end: %v, want a permanent error", back, err)
			}
		}
	})
}

// While a transaction is open, readers wait before its first record. That is the end of what they can read: it is no lag,
// no stall, and ReadAll has caught up there.
func TestOpenTransaction(t *testing.T) {
	b := newBroker(t)
	ctx, c, topic := setup(t, b, 1)
	var log bytes.Buffer
	c.log = slog.New(slog.NewTextHandler(&log, nil))
	c.stallAfter = 200 * time.Millisecond
	plainly(t, ctx, c, topic, "plain 0")
	open := begin(t, ctx, b).write(topic, "committed late")
	plainly(t, ctx, c, topic, "plain 1")

	var mu sync.Mutex
	var got []string
	caughtUp := make(chan struct{})
	reading, stop := context.WithCancel(ctx)
	defer stop()
	read := make(chan error, 1)
	go func() {
		read <- c.ReadAll(reading, topic, nil, func(r Record) error {
			mu.Lock()
			defer mu.Unlock()
			if got = append(got, string(r.Event.Data)); len(got) == 3 {
				stop()
			}
			return nil
		}, func() { close(caughtUp) })
	}()
	select {
	case <-caughtUp:
	case <-ctx.Done():
		t.Fatal("ReadAll waits for the open transaction")
	}
	group := uuid.NewString()
	first := newSeen()
	var fetched atomic.Int64
	r := consume(t, ctx, c, ConsumerConfig{
		Group: group, Topics: []Topic{topic}, Hooks: Hooks{Lag: func(Topic, int, int64) { fetched.Add(1) }},
	}, func(_ context.Context, r Record) error { first.add(r); return nil })
	wantCommitted(t, ctx, c, group, topic, 1)
	before := fetched.Load()
	eventually(t, "fetches have found nothing for longer than a stall lasts", func() bool { return fetched.Load() >= before+4 })
	if status, err := c.Describe(ctx, topic); err != nil || status[0].Groups[0].Lag != 0 {
		t.Errorf("the lag of a group that has read all it may: %+v, %v", status, err)
	}
	mu.Lock()
	if diff := cmp.Diff([]string{"plain 0"}, got); diff != "" || first.count() != 1 {
		t.Errorf("before the commit, the consumer had %d and the reader (-want +got):\n%s", first.count(), diff)
	}
	mu.Unlock()
	open.commit()
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"plain 0", "committed late", "plain 1"}, got); diff != "" {
		t.Errorf("after the commit (-want +got):\n%s", diff)
	}
	eventually(t, "the consumer has all", func() bool { return first.count() == 3 })
	r.finish(t)
	if bytes.Contains(log.Bytes(), []byte("no progress")) {
		t.Errorf("an open transaction was taken for a stall:\n%s", log.Bytes())
	}
}

// A transaction that wrote nothing to a partition leaves its mark there all the same. It ends no other transaction.
func TestMarkOfAnEmptyTransaction(t *testing.T) {
	const producer = 7
	abort, commit := []byte{0, 0, 0, 0}, []byte{0, 0, 0, 1}
	batch := func(offset int64) recordBatch {
		return recordBatch{attributes: protocol.Transactional, producer: producer, base: offset}
	}
	a := abortedTransactions{}
	a.add(producer, 30)
	a.add(producer, 10)
	for _, step := range []struct {
		mark   []byte // nil: a batch
		offset int64
		held   bool
	}{
		{mark: abort, offset: 5}, {offset: 10, held: true}, {offset: 11, held: true}, {mark: abort, offset: 13},
		{offset: 20}, {mark: commit, offset: 22}, {mark: abort, offset: 25}, {offset: 30, held: true}, {mark: abort, offset: 31}, {offset: 40},
	} {
		if step.mark != nil {
			a.end(producer, kafka.Message{Offset: step.offset, Key: step.mark})
		} else if held := a.hold(batch(step.offset)); held != step.held {
			t.Errorf("the batch at %d is part of an aborted transaction: %v, want %v", step.offset, held, step.held)
		}
	}
}

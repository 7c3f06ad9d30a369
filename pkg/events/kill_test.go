package events

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
)

// Environment of the consumer process that TestInvariant7Kill starts and kills.
const (
	childBrokers = "FACESTREAM_TEST_CHILD_BROKERS"
	childIn      = "FACESTREAM_TEST_CHILD_IN"
	childOut     = "FACESTREAM_TEST_CHILD_OUT"
)

// child copies one topic to another until it is killed.
func child() int {
	c := NewClient(Config{Brokers: strings.Split(os.Getenv(childBrokers), ",")})
	in, out := Topic(os.Getenv(childIn)), Topic(os.Getenv(childOut))
	p := c.NewPublisher(PublisherConfig{Source: "child"})
	consumer := c.NewConsumer(ConsumerConfig{Group: "copy." + string(in), Topics: []Topic{in}, SessionTimeout: 2 * time.Second},
		func(ctx context.Context, r Record) error {
			work(2 * time.Millisecond)
			return p.Publish(ctx, out, r.Event)
		})
	if err := consumer.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestInvariant7Kill kills a consumer with SIGKILL in the middle of its work, again and again: nothing is lost (invariant 7), the
// order of each key holds (invariant 4), and the committed offsets never go back and never pass a record whose copy
// is not durable (invariant 1).
func TestInvariant7Kill(t *testing.T) {
	const n, keys, kills = 1500, 30, 3
	b := newBroker(t)
	ctx, c, in := setup(t, b, 3)
	out := Topic("test." + uuid.NewString())
	if _, err := c.EnsureTopics(ctx, []TopicSpec{{Topic: out, Partitions: 3, Retention: time.Hour, MaxBytes: mib}}); err != nil {
		t.Fatal(err)
	}
	publish(t, ctx, c, in, n, keys)
	source := map[string]Record{}
	for _, r := range values(t, ctx, c, in) {
		source[string(r.Event.Data)] = r
	}

	copied := newSeen()
	var count atomic.Int64
	reading, stopReading := context.WithCancel(ctx)
	read := make(chan error, 1)
	go func() {
		read <- c.ReadAll(reading, out, nil, func(r Record) error { copied.add(r); count.Store(int64(copied.count())); return nil }, nil)
	}()
	defer func() { stopReading(); <-read }()

	group := "copy." + string(in)
	before := map[int]int64{}
	check := func() {
		offsets := committed(t, ctx, c, group, in)
		// Read the copies after the offsets: what is committed must be among them.
		done := newSeen()
		for _, r := range values(t, ctx, c, out) {
			done.add(r)
		}
		for p, o := range offsets {
			if o < before[p] {
				t.Errorf("partition %d: the committed offset went back from %d to %d", p, before[p], o)
			}
			before[p] = o
		}
		for data, r := range source {
			if r.Offset < offsets[r.Partition] && done.times[data] == 0 {
				t.Errorf("partition %d: offset %d is committed, but record %d has no copy", r.Partition, offsets[r.Partition], r.Offset)
			}
		}
	}
	for i := range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childBrokers+"="+strings.Join(b.addrs, ","), childIn+"="+string(in), childOut+"="+string(out))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		goal := int64(n * (i + 1) / (kills + 1))
		eventually(t, fmt.Sprintf("%d records are copied", goal), func() bool { return count.Load() >= goal })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		check()
	}
	p := publisher(t, c)
	killed := time.Now()
	var first atomic.Int64
	consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{in}}, func(ctx context.Context, r Record) error {
		first.CompareAndSwap(0, int64(time.Since(killed)))
		return p.Publish(ctx, out, r.Event)
	})
	eventually(t, "every record is copied", func() bool { return count.Load() == n })
	wantCommitted(t, ctx, c, group, in, n)
	check()
	if gap := time.Duration(first.Load()); gap > 15*time.Second { // kafka-go's own settings need more than 20 s
		t.Errorf("%s from the last kill to the first record", gap)
	}
	t.Logf("last kill to first record: %s; %d copies of %d records", time.Duration(first.Load()).Round(time.Millisecond), total(copied), n)
	wantOrder(t, copied)
}

func total(s *seen) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.times {
		n += x
	}
	return n
}

// wantOrder checks that the first appearances of each key's values ascend: a repeat may only follow.
func wantOrder(t *testing.T, s *seen) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, values := range s.order {
		was, highest := map[string]bool{}, -1
		for _, v := range values {
			var x int
			if _, err := fmt.Sscan(v, &x); err != nil {
				t.Fatal(err)
			}
			if !was[v] && x < highest {
				t.Errorf("key %s: %d came for the first time after %d", key, x, highest)
			}
			was[v], highest = true, max(highest, x)
		}
	}
}

// A log that ends before the committed offset was lost by the broker, or the topic is a new one: it is read again.
func TestCommittedBeyondTheLog(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	publish(t, ctx, c, topic, 5, 5)
	group := uuid.NewString()
	commitAt(t, ctx, c, group, topic, 1000)
	got := newSeen()
	consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(_ context.Context, r Record) error { got.add(r); return nil })
	eventually(t, "the log is read from its start", func() bool { return got.count() == 5 })
	wantCommitted(t, ctx, c, group, topic, 5)
}

// commitAt commits an offset as a tool of the operator would, outside any generation.
func commitAt(t *testing.T, ctx context.Context, c *Client, group string, topic Topic, offset int64) {
	t.Helper()
	// A new broker has no coordinator at first.
	err := groupRequest.Do(ctx, func() error {
		res, err := c.kafka.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
			GroupID: group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{string(topic): {{Partition: 0, Offset: offset}}},
		})
		if err == nil {
			err = res.Topics[string(topic)][0].Error
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

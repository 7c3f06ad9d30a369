package events

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"facestream/pkg/schema"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The broker goes away twice in the middle of writing, consuming and reading results: nothing acknowledged is lost, and
// everything goes on by itself.
func TestBrokerRestart(t *testing.T) {
	needFake(t, "it restarts the broker")
	b := newFake(t, kfake.Ports(freePort(t)), kfake.DataDir(t.TempDir()), kfake.SyncWrites())
	ctx, c, topic := setup(t, b, 3)
	var retried atomic.Int64
	p := c.NewPublisher(PublisherConfig{Source: "test", Retried: func(Topic) { retried.Add(1) }})
	defer p.Close()
	stream := c.Results(ctx, ResultsOptions{})
	defer stream.Close()
	if err := stream.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	caller := openCaller(t, ctx, c)
	got, results := newSeen(), newSeen()
	consume(t, ctx, c, ConsumerConfig{Group: "g", Topics: []Topic{topic}}, func(ctx context.Context, r Record) error {
		got.add(r)
		return p.Publish(ctx, Results, result(string(r.Event.Data)))
	})
	var background sync.WaitGroup
	defer background.Wait()
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	background.Go(func() {
		for {
			res, _, err := stream.Next(reading)
			if err != nil {
				return
			}
			results.add(Record{Event: Event{Data: []byte(res.RequestID)}})
		}
	})
	var acknowledged atomic.Int64
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	background.Go(func() {
		for i := 0; writing.Err() == nil; i++ {
			if err := p.Publish(ctx, topic, event("k"+strconv.Itoa(i%7), i)); err != nil {
				t.Errorf("event %d: %v", i, err)
				return
			}
			acknowledged.Store(int64(i) + 1)
			work(5 * time.Millisecond)
		}
	})
	for range 2 {
		before := acknowledged.Load()
		eventually(t, "records flow", func() bool { return acknowledged.Load() > before+50 && results.count() > int(before) })
		b.fake.Close()
		failures := retried.Load()
		eventually(t, "writing has failed several times", func() bool { return retried.Load() >= failures+4 })
		b.start(t)
		back, n := time.Now(), results.count()
		eventually(t, "results flow again", func() bool { return results.count() > n })
		t.Logf("%s from the broker's return to the next result", time.Since(back).Round(time.Millisecond))
		if _, err := caller.Await(ctx, schema.RequestID(strconv.Itoa(n))); err != nil {
			t.Errorf("a caller that was opened before the broker went away: %v", err)
		}
	}
	stopWriting()
	eventually(t, "every record is handled and answered", func() bool {
		n := int(acknowledged.Load())
		return writing.Err() != nil && got.count() >= n && results.count() >= n
	})
	wantOrder(t, got)
	if dead := deadLetters(t, ctx, c, topic); len(dead) != 0 {
		t.Errorf("dead letters %+v", dead)
	}
}

// A partition that has more and sends nothing is noticed, and read over new connections.
func TestStall(t *testing.T) {
	needFake(t, "it makes the broker withhold records")
	b := newFake(t)
	ctx, c, topic := setup(t, b, 1)
	c.stallAfter = 300 * time.Millisecond
	publish(t, ctx, c, topic, 5, 5)
	var fetched, connected, connectedBefore atomic.Int64
	b.fake.ControlKey(int16(kmsg.ApiVersions), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		connected.Add(1)
		return nil, nil, false
	})
	b.fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		if fetched.Add(1) == 1 {
			connectedBefore.Store(connected.Load())
		} else if connected.Load() > connectedBefore.Load() {
			return nil, nil, false
		}
		r := req.(*kmsg.FetchRequest)
		res := r.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = r.Topics[0].Topic, r.Topics[0].TopicID
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.HighWatermark = 5
		rt.Partitions = append(rt.Partitions, rp)
		res.Topics = append(res.Topics, rt)
		return res, nil, true
	})
	if got := len(values(t, ctx, c, topic)); got != 5 {
		t.Errorf("read %d records, want 5", got)
	}
	if fetched.Load() < 3 {
		t.Errorf("%d fetches: nothing was withheld", fetched.Load())
	}
}

// A broker that is away for longer than the attempts of a record last costs no record: writing waits.
func TestBrokerAwayWhileStarting(t *testing.T) {
	needFake(t, "it starts the broker late")
	b := &broker{opts: []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(freePort(t)), kfake.GroupMinSessionTimeout(time.Second)}}
	b.start(t)
	b.fake.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := b.client(t)
	topic := Topic("t")
	got := newSeen()
	consume(t, ctx, c, ConsumerConfig{Group: "g", Topics: []Topic{topic}}, func(_ context.Context, r Record) error { got.add(r); return nil })
	written := make(chan error, 1)
	p := publisher(t, c)
	go func() { written <- p.Publish(ctx, topic, event("k", 1)) }()
	short, cancelShort := context.WithTimeout(ctx, time.Second)
	defer cancelShort()
	spec := []TopicSpec{{Topic: topic, Partitions: 1, Retention: time.Hour, MaxBytes: mib}}
	if _, err := c.EnsureTopics(short, spec); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("EnsureTopics without a broker: %v, want a transient error", err)
	}
	b.start(t)
	defer func() { b.fake.Close() }()
	if _, err := c.EnsureTopics(ctx, spec); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record comes through", func() bool { return got.count() == 1 })
}

package events

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facestream/pkg/schema"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDefaultSpecs(t *testing.T) {
	specs := DefaultSpecs()
	var largest int
	for i, s := range specs {
		if s.Topic != Topics()[i] {
			t.Errorf("spec %d is of %s, want %s", i, s.Topic, Topics()[i])
		}
		if s.Topic != DeadLetters {
			largest = max(largest, s.MaxBytes)
		}
		if s.Retention == 0 || s.Partitions == 0 || s.MaxBytes < batchBytes {
			t.Errorf("%s: %+v is incomplete or below the writer's batch", s.Topic, s)
		}
	}
	if dead := specs[len(specs)-1]; dead.MaxBytes <= largest {
		t.Errorf("dead letters take %d bytes, another topic %d: a dead letter would not fit", dead.MaxBytes, largest)
	}
}

func TestEnsureAndDescribe(t *testing.T) {
	b := newBroker(t)
	ctx, c, topic := setup(t, b, 3)
	other := Topic("test." + uuid.NewString())
	specs := []TopicSpec{{Topic: topic, Partitions: 5, Retention: time.Hour, MaxBytes: mib}, {Topic: other, Partitions: 2, Retention: 6 * time.Hour, MaxBytes: 3 * mib}}
	created, err := c.EnsureTopics(ctx, specs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{string(other)}, created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if created, err := c.EnsureTopics(ctx, specs); err != nil || len(created) != 0 {
		t.Errorf("the second time it created %v, %v", created, err)
	}

	publish(t, ctx, c, topic, 30, 30)
	got := newSeen()
	group := uuid.NewString()
	wantMembers := func(want int) {
		t.Helper()
		if n, err := c.Members(ctx, group); err != nil || n != want {
			t.Errorf("%d members of the group, %v; want %d", n, err, want)
		}
	}
	wantMembers(0)
	running := consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(_ context.Context, r Record) error {
		got.add(r)
		return nil
	})
	wantCommitted(t, ctx, c, group, topic, 30)
	wantMembers(1)
	running.finish(t)
	wantMembers(0)
	publish(t, ctx, c, other, 10, 10)

	missing := Topic("test.absent")
	status, err := c.Describe(ctx, topic, other, missing)
	if err != nil {
		t.Fatal(err)
	}
	if s := status[0]; len(s.Partitions) != 3 || s.Records() != 30 || s.Retention != time.Hour || s.MaxBytes != mib {
		t.Errorf("status %+v", s)
	}
	if s := status[0]; len(s.Groups) != 1 || s.Groups[0].Group != group || s.Groups[0].Lag != 0 {
		t.Errorf("groups %+v", s.Groups)
	}
	if s := status[1]; len(s.Partitions) != 2 || s.Records() != 10 || s.Retention != 6*time.Hour || s.MaxBytes != 3*mib || len(s.Groups) != 0 {
		t.Errorf("status %+v", s)
	}
	if s := status[2]; s.Exists {
		t.Errorf("%s does not exist, but: %+v", missing, s)
	}
}

func TestGroupLag(t *testing.T) {
	ranges := []PartitionStatus{{0, 10, 30}, {1, 0, 5}, {2, 7, 9}}
	at := func(p int, o int64) kafka.OffsetFetchPartition {
		return kafka.OffsetFetchPartition{Partition: p, CommittedOffset: o}
	}
	tests := []struct {
		name string
		in   []kafka.OffsetFetchPartition
		lag  int64
		any  bool
	}{
		{"nothing committed", []kafka.OffsetFetchPartition{at(0, -1)}, 27, false},
		{"behind", []kafka.OffsetFetchPartition{at(0, 28), at(1, 5), at(2, 8)}, 3, true},
		{"behind the start of the log", []kafka.OffsetFetchPartition{at(0, 2), at(1, 5), at(2, 9)}, 20, true},
		{"ahead of a log that was made anew", []kafka.OffsetFetchPartition{at(0, 90), at(1, 5), at(2, 9)}, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, any := groupLag("g", ranges, tt.in); got.Lag != tt.lag || any != tt.any {
				t.Errorf("lag %d, %v; want %d, %v", got.Lag, any, tt.lag, tt.any)
			}
		})
	}
}

func TestPing(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := newBroker(t).client(t).Ping(ctx); err != nil {
		t.Errorf("a broker that is up: %v", err)
	}
	none := &broker{addrs: []string{"127.0.0.1:" + strconv.Itoa(freePort(t))}}
	if err := none.client(t).Ping(ctx); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("a broker that is down: %v, want a transient error", err)
	}
	if err := NewClient(Config{}).Ping(ctx); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("no broker configured: %v, want a fatal error", err)
	}
}

func TestSASL(t *testing.T) {
	needFake(t, "it needs a broker with a known user")
	b := newFake(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "right"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for password, ok := range map[string]bool{"right": true, "wrong": false} {
		c := NewClient(Config{Brokers: b.addrs, SASL: SASL{Plain, "user", schema.Secret(password)}})
		if err := c.Ping(ctx); (err == nil) != ok {
			t.Errorf("password %s: %v", password, err)
		}
		if !ok { // the broker only closes the connection
			short, cancel := context.WithTimeout(ctx, time.Second)
			_, err := c.EnsureTopics(short, []TopicSpec{{Topic: "t", Partitions: 1, Retention: time.Hour, MaxBytes: mib}})
			cancel()
			if err == nil || !strings.Contains(err.Error(), "SASL") {
				t.Errorf("EnsureTopics with password %s: %v is no help", password, err)
			}
		}
		c.Close()
	}
	c := NewClient(Config{Brokers: b.addrs, SASL: SASL{Plain, "user", "right"}})
	t.Cleanup(c.Close)
	topic := Topic("t")
	if _, err := c.EnsureTopics(ctx, []TopicSpec{{Topic: topic, Partitions: 1, Retention: time.Hour, MaxBytes: mib}}); err != nil {
		t.Fatal(err)
	}
	publish(t, ctx, c, topic, 3, 3)
	got := newSeen()
	consume(t, ctx, c, ConsumerConfig{Group: "g", Topics: []Topic{topic}}, func(_ context.Context, r Record) error { got.add(r); return nil })
	eventually(t, "the records come through", func() bool { return got.count() == 3 })
}

func TestPublishSizes(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	wide := Topic("test." + uuid.NewString())
	if _, err := c.EnsureTopics(ctx, []TopicSpec{{Topic: wide, Partitions: 1, Retention: time.Hour, MaxBytes: 6 * mib}}); err != nil {
		t.Fatal(err)
	}
	p := publisher(t, c)
	tests := []struct {
		name  string
		topic Topic
		bytes int
		class schema.Class
	}{
		{"below the topic's limit", topic, 500 << 10, 0},
		{"just below the topic's limit", topic, mib - 4096, 0},
		{"5 MB on a topic of 1 MiB", topic, 5_000_000, schema.ClassPermanent},
		{"5 MB on a topic of 6 MiB", wide, 5_000_000, 0},
		{"above what is ever written", wide, maxRecordBytes, schema.ClassPermanent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			big := Event{ID: "big", Type: TypeJob, Key: "k", Data: make([]byte, tt.bytes)}
			err := p.Publish(ctx, tt.topic, event("k", 1), big, event("k", 2))
			if tt.class == 0 && err != nil || tt.class != 0 && schema.ClassOf(err) != tt.class {
				t.Fatalf("error %v, want class %s", err, tt.class)
			}
		})
	}
	var large int
	for _, r := range append(values(t, ctx, c, wide), values(t, ctx, c, topic)...) {
		if len(r.Event.Data) > 400_000 {
			large++
		}
	}
	if large != 3 {
		t.Errorf("read %d large records back, want 3", large)
	}
}

func TestPublishRefusesNameless(t *testing.T) {
	c := (&broker{addrs: []string{"127.0.0.1:1"}}).client(t)
	p := publisher(t, c)
	for _, e := range []Event{{Type: TypeJob}, {ID: "1"}} {
		if err := p.Publish(context.Background(), Jobs, e); schema.ClassOf(err) != schema.ClassPermanent {
			t.Errorf("%+v: %v, want a permanent error", e, err)
		}
	}
}

func TestPublishEndsWithContext(t *testing.T) {
	c := (&broker{addrs: []string{"127.0.0.1:" + strconv.Itoa(freePort(t))}}).client(t)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	err := publisher(t, c).Publish(ctx, Jobs, event("k", 1))
	if schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want a transient error with the deadline in it", err)
	}
	if strings.Contains(err.Error(), "k-1") {
		t.Errorf("the error names the event: %v", err)
	}
}

// Events of one key keep their order, whatever fails.
func TestPublishOrder(t *testing.T) {
	needFake(t, "it makes the broker refuse writes")
	b := newFake(t)
	ctx, c, topic := setup(t, b, 2)
	var n atomic.Int32
	refuseProduce(b, kerr.NotEnoughReplicas, func() bool { return n.Add(1)%3 == 1 })
	publish(t, ctx, c, topic, 300, 5)
	got := newSeen()
	for _, r := range values(t, ctx, c, topic) {
		got.add(r)
	}
	if got.count() != 300 {
		t.Errorf("%d events, want 300", got.count())
	}
	wantOrder(t, got)
}

// Only what failed is written again: the others would be duplicates.
func TestPublishRetriesOnlyWhatFailed(t *testing.T) {
	needFake(t, "it makes the broker refuse a write")
	b := newFake(t)
	ctx, c, topic := setup(t, b, 4)
	var refused atomic.Int32
	refuseProduce(b, kerr.NotEnoughReplicas, func() bool { return refused.Add(1) <= 2 })
	publish(t, ctx, c, topic, 100, 100)
	if refused.Load() < 3 {
		t.Fatal("nothing was refused")
	}
	got := newSeen()
	for _, r := range values(t, ctx, c, topic) {
		got.add(r)
	}
	for data, n := range got.times {
		if n != 1 {
			t.Errorf("event %s is there %d times", data, n)
		}
	}
	if len(got.times) != 100 {
		t.Errorf("%d events, want 100", len(got.times))
	}
}

// While the broker refuses what is written, the publisher keeps trying and says why; then the event is there once.
func TestPublisherFailing(t *testing.T) {
	needFake(t, "it makes the broker refuse a write")
	b := newFake(t)
	ctx, c, topic := setup(t, b, 1)
	var full atomic.Bool
	full.Store(true)
	refuseProduce(b, kerr.KafkaStorageError, full.Load)
	p := publisher(t, c)
	if err := p.Failing(); err != nil {
		t.Errorf("before anything was written: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Publish(ctx, topic, event("key", 1)) }()
	eventually(t, "the publisher says that the broker refuses", func() bool { return schema.ClassOf(p.Failing()) == schema.ClassOutage })
	full.Store(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := p.Failing(); err != nil {
		t.Errorf("after the event was written: %v", err)
	}
	if n := len(values(t, ctx, c, topic)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// refuseProduce makes the broker refuse the writes that when says.
func refuseProduce(b *broker, with *kerr.Error, when func() bool) {
	b.fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		if !when() {
			return nil, nil, false
		}
		r := req.(*kmsg.ProduceRequest)
		res := r.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range r.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, with.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
}

// With three copies an acknowledgement means at least two; with fewer, asking for two would refuse every write as soon
// as one broker is away.
func TestMinInsyncReplicas(t *testing.T) {
	needFake(t, "it needs three brokers")
	b := newFake(t, kfake.NumBrokers(3))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := b.client(t)
	for replicas, want := range map[int]string{0: "", 1: "", 2: "", 3: "2"} {
		var got string
		b.fake.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
			for _, topic := range req.(*kmsg.CreateTopicsRequest).Topics {
				for _, entry := range topic.Configs {
					if entry.Name == "min.insync.replicas" {
						got = *entry.Value
					}
				}
			}
			return nil, nil, false
		})
		topic := Topic("test." + uuid.NewString())
		created, err := c.EnsureTopics(ctx, []TopicSpec{{Topic: topic, Partitions: 1, Replicas: replicas, Retention: time.Hour, MaxBytes: mib}})
		if err != nil || len(created) != 1 {
			t.Fatalf("%d replicas: created %v, %v", replicas, created, err)
		}
		if got != want {
			t.Errorf("%d replicas: min.insync.replicas %q, want %q", replicas, got, want)
		}
	}
}

// Settings of SASL that cannot work are reported, and not by way of a connection that fails for no visible reason.
func TestSASLValidate(t *testing.T) {
	for _, tt := range []struct {
		sasl SASL
		want string // "": valid
	}{
		{SASL{}, ""},
		{SASL{Plain, "user", "pass"}, ""},
		{SASL{ScramSHA256, "user", "pass"}, ""},
		{SASL{ScramSHA512, "user", "pass"}, ""},
		{SASL{"gssapi", "user", "planted"}, `"gssapi" is not known`},
		{SASL{ScramSHA512, "user\x00", "planted"}, "prohibited"},
	} {
		err := tt.sasl.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.sasl, err, tt.want)
		}
		if tt.want == "" {
			continue
		}
		b := newFake(t)
		c := NewClient(Config{Brokers: b.addrs, SASL: tt.sasl})
		if err := c.Ping(t.Context()); err == nil || strings.Contains(fmt.Sprint(err, tt.sasl), "planted") {
			t.Errorf("Ping with %v: %v", tt.sasl, err)
		}
		c.Close()
	}
}

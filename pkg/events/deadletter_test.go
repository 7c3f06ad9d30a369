package events

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facestream/pkg/schema"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// What cannot succeed keeps its original bytes, key and headers, says where, when and why, and can be replayed.
func TestDeadLettersAndReplay(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 2)
	p := publisher(t, c)
	poison := kafka.Message{Topic: string(topic), Key: []byte("k\xff"), Value: []byte("\x00not JSON\xfe"), Headers: kafkaHeaders(headers("x-own", "v", "content-type", "application/cloudevents+json"))}
	if err := p.write(ctx, topic, []kafka.Message{poison}); err != nil {
		t.Fatal(err)
	}
	refused := event("k", 1)
	if err := p.Publish(ctx, topic, refused); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Minute)
	group := uuid.NewString()
	consume(t, ctx, c, ConsumerConfig{Group: group, Service: "tester", Topics: []Topic{topic}, Publisher: p}, func(_ context.Context, r Record) error {
		return schema.Permanent("test", schema.ReasonRequestIDReused, errTest)
	})
	wantCommitted(t, ctx, c, group, topic, 2)

	dead := deadLetters(t, ctx, c, topic)
	if len(dead) != 2 {
		t.Fatalf("%d dead letters, want 2", len(dead))
	}
	one, other := dead[0], dead[1]
	if one.Reason != schema.ReasonUnparsable {
		one, other = other, one
	}
	if one.Reason != schema.ReasonUnparsable || one.Class != "permanent" || one.Service != "tester" || one.Attempts != 0 || one.Replayed != 0 ||
		one.Origin != topic || one.FailedAt.Before(before) || contains(one.Error, "not JSON") {
		t.Errorf("dead letter %+v", one)
	}
	if diff := cmp.Diff(poison, kafka.Message{Topic: string(topic), Key: one.Key, Value: one.Value, Headers: kafkaHeaders(one.Headers)}); diff != "" {
		t.Errorf("the original record (-want +got):\n%s", diff)
	}
	if other.Reason != schema.ReasonRequestIDReused || other.Attempts != 1 || string(other.Value) != "1" {
		t.Errorf("dead letter %+v", other)
	}

	if got, err := c.DeadLetter(ctx, one.ID); err != nil || !cmp.Equal(got, one) {
		t.Errorf("DeadLetter(%s) = %+v, %v", one.ID, got, err)
	}
	if _, err := c.DeadLetter(ctx, DeadLetterID{0, 1 << 40}); schema.ClassOf(err) != schema.ClassPermanent {
		t.Errorf("a dead letter that does not exist: %v, want a permanent error", err)
	}
	var filtered int
	for _, err := range c.DeadLetters(ctx, DeadLetterFilter{Origin: topic, Reason: schema.ReasonUnparsable, Service: "tester", Since: before}) {
		if err != nil {
			t.Fatal(err)
		}
		filtered++
	}
	if filtered != 1 {
		t.Errorf("the filter let %d through, want 1", filtered)
	}

	// It fails again: the count of replays survives, and nothing of the first dead letter's headers piles up.
	if err := c.Replay(ctx, p, one); err != nil {
		t.Fatal(err)
	}
	wantCommitted(t, ctx, c, group, topic, 3)
	dead = deadLetters(t, ctx, c, topic)
	again := dead[len(dead)-1]
	if again.Replayed != 1 || !cmp.Equal(again.Headers, one.Headers) || !cmp.Equal(again.Value, one.Value) || !cmp.Equal(again.Key, one.Key) || again.OriginID == one.OriginID {
		t.Errorf("replayed and dead again: %+v", again)
	}
	if one.First != one.OriginID || again.First != one.OriginID {
		t.Errorf("the record lay first at %s; its dead letters say %s and %s", one.OriginID, one.First, again.First)
	}
	if err := c.Replay(ctx, p, again); err != nil {
		t.Fatal(err)
	}
	wantCommitted(t, ctx, c, group, topic, 4)
	counts := map[string]int{}
	for _, r := range values(t, ctx, c, topic) {
		counts[header(r, headerReplayed)]++
		partition, offset, replayed := r.First()
		if was := header(r, headerReplayed) != ""; replayed != was || was && (DeadLetterID{partition, offset}) != one.OriginID {
			t.Errorf("the record at offset %d, replayed %v, says that it lay at %d/%d", r.Offset, was, partition, offset)
		}
	}
	if diff := cmp.Diff(map[string]int{"": 2, "1": 1, "2": 1}, counts); diff != "" {
		t.Errorf("records by fs_replayed (-want +got):\n%s", diff)
	}
}

func TestParseDeadLetterID(t *testing.T) {
	for in, ok := range map[string]bool{"0/17": true, "3/0": true, "": false, "1": false, "a/1": false, "1/-2": false, "1/2/3": false} {
		got, err := ParseDeadLetterID(in)
		if (err == nil) != ok {
			t.Errorf("%q: %v", in, err)
		}
		if ok && got.String() != in {
			t.Errorf("%q reads as %s", in, got)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aé", 2, "a"}, {"a\xff", 5, "a�"}} {
		if got := shorten(tt.in, tt.n); got != tt.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

// A topic of dead letters that takes nothing at all is an outage: the record waits, and the service does not end.
func TestDeadLettersTakeNothing(t *testing.T) {
	needFake(t, "it makes the broker refuse writes")
	b := newFake(t)
	ctx, c, topic := setup(t, b, 1)
	publish(t, ctx, c, topic, 3, 3)
	var refuse atomic.Bool
	refuse.Store(true)
	refuseProduce(b, kerr.MessageTooLarge, refuse.Load)
	group := uuid.NewString()
	r := consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(context.Context, Record) error {
		return schema.Permanent("test", schema.ReasonInternal, errTest)
	})
	eventually(t, "the consumer says what is wrong", func() bool { return schema.ClassOf(r.Outage()) == schema.ClassOutage })
	if len(committed(t, ctx, c, group, topic)) > 0 && sum(committed(t, ctx, c, group, topic)) > 0 {
		t.Error("a record was given up without a dead letter")
	}
	refuse.Store(false)
	wantCommitted(t, ctx, c, group, topic, 3)
	letters := deadLetters(t, ctx, c, topic)
	if len(letters) != 3 {
		t.Fatalf("%d dead letters, want 3", len(letters))
	}
	bare := 0 // the others had not been refused to the end when the topic took records again
	for _, d := range letters {
		if d.Origin != topic || d.OriginID.Offset < 0 || d.Reason != schema.ReasonInternal {
			t.Errorf("%+v", d)
		}
		if d.Cut != nil && len(d.Value) == 0 {
			bare++
		}
	}
	if bare == 0 {
		t.Error("no dead letter is the reference for which the record waited")
	}
	r.finish(t)
}

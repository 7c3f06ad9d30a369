package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

// TestMain runs the tests, or a consumer process that a test kills.
func TestMain(m *testing.M) {
	if os.Getenv(poisonedTopic) != "" {
		os.Exit(poisoned())
	}
	if os.Getenv(childBrokers) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

// broker is the Kafka that a test speaks to: the one that FACESTREAM_KAFKA names (host:port,…), else one in the process.
type broker struct {
	addrs []string
	fake  *kfake.Cluster // nil for a real one
	opts  []kfake.Opt
}

func newBroker(t *testing.T) *broker {
	if addrs := os.Getenv("FACESTREAM_KAFKA"); addrs != "" {
		return &broker{addrs: strings.Split(addrs, ",")}
	}
	return newFake(t)
}

func newFake(t *testing.T, opts ...kfake.Opt) *broker {
	t.Helper()
	b := &broker{opts: append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second)}, opts...)}
	b.start(t)
	t.Cleanup(func() { b.fake.Close() })
	return b
}

func (b *broker) start(t *testing.T) {
	t.Helper()
	cluster, err := kfake.NewCluster(b.opts...)
	if err != nil {
		t.Fatal(err)
	}
	b.fake, b.addrs = cluster, cluster.ListenAddrs()
}

// needFake skips tests that steer the broker.
func needFake(t *testing.T, why string) {
	if os.Getenv("FACESTREAM_KAFKA") != "" {
		t.Skip("SKIPPED with FACESTREAM_KAFKA: " + why)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (b *broker) client(t *testing.T) *Client {
	c := NewClient(Config{Brokers: b.addrs, ClientID: "test", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	t.Cleanup(c.Close)
	return c
}

// setup returns a client, a context that bounds the test, and a new topic; the dead letters and results exist too.
func setup(t *testing.T, b *broker, partitions int) (context.Context, *Client, Topic) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	c := b.client(t)
	topic := Topic("test." + uuid.NewString())
	specs := []TopicSpec{{Topic: topic, Partitions: partitions, Retention: time.Hour, MaxBytes: mib}}
	for _, s := range DefaultSpecs() {
		if s.Topic == DeadLetters || s.Topic == Results || s.Topic == Requests {
			specs = append(specs, s)
		}
	}
	if _, err := c.EnsureTopics(ctx, specs); err != nil {
		t.Fatal(err)
	}
	return ctx, c, topic
}

func publisher(t *testing.T, c *Client) *Publisher {
	p := c.NewPublisher(PublisherConfig{Source: "test"})
	t.Cleanup(func() { p.Close() })
	return p
}

// event is a small event with a key.
func event(key string, n int) Event {
	return Event{ID: key + "-" + strconv.Itoa(n), Type: TypeJob, Key: key, Data: []byte(strconv.Itoa(n))}
}

// publish writes n events over the given number of keys; event i has key i mod keys and data i.
func publish(t *testing.T, ctx context.Context, c *Client, topic Topic, n, keys int) {
	t.Helper()
	events := make([]Event, n)
	for i := range events {
		events[i] = event("k"+strconv.Itoa(i%keys), i)
	}
	if err := publisher(t, c).Publish(ctx, topic, events...); err != nil {
		t.Fatal(err)
	}
}

// seen collects what handlers were given.
type seen struct {
	mu    sync.Mutex
	times map[string]int      // by data
	order map[string][]string // data by key
}

func newSeen() *seen { return &seen{times: map[string]int{}, order: map[string][]string{}} }

func (s *seen) add(r Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times[string(r.Event.Data)]++
	s.order[string(r.Key)] = append(s.order[string(r.Key)], string(r.Event.Data))
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// running is a consumer under test.
type running struct {
	*Consumer
	stop context.CancelFunc
	done chan error
}

// consume runs a consumer until stop or the end of the test.
func consume(t *testing.T, ctx context.Context, c *Client, cfg ConsumerConfig, h Handler) *running {
	t.Helper()
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = 2 * time.Second
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &running{Consumer: c.NewConsumer(cfg, h), stop: cancel, done: make(chan error, 1)}
	var stopped sync.WaitGroup
	stopped.Go(func() { r.done <- r.Run(ctx) })
	t.Cleanup(func() { cancel(); stopped.Wait() })
	return r
}

// finish stops the consumer and wants it to end in order.
func (r *running) finish(t *testing.T) {
	t.Helper()
	r.stop()
	if err := r.wait(t, 30*time.Second); err != nil {
		t.Fatalf("Run: %v", err)
	}
}

func (r *running) wait(t *testing.T, limit time.Duration) error {
	t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(limit):
		t.Fatalf("Run did not return within %s", limit)
		return nil
	}
}

// work is how long a handler takes. No outcome of a test depends on it.
func work(d time.Duration) { time.Sleep(d) }

// eventually waits for ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// committed returns the group's offsets by partition; absent where nothing is committed.
func committed(t *testing.T, ctx context.Context, c *Client, group string, topic Topic) map[int]int64 {
	t.Helper()
	ids, err := c.partitions(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.committed(ctx, group, map[string][]int{string(topic): ids})
	if err != nil {
		t.Fatal(err)
	}
	lag, _ := groupLag(group, nil, res[string(topic)])
	return lag.Committed
}

// wantCommitted waits until the group has committed all n records of the topic.
func wantCommitted(t *testing.T, ctx context.Context, c *Client, group string, topic Topic, n int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("all %d records are committed", n), func() bool { return sum(committed(t, ctx, c, group, topic)) == n })
}

func sum(m map[int]int64) (n int64) {
	for _, x := range m {
		n += x
	}
	return n
}

// values reads the topic from its start to its present end.
func values(t *testing.T, ctx context.Context, c *Client, topic Topic) (out []Record) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := c.ReadAll(ctx, topic, nil, func(r Record) error { out = append(out, r); return nil }, cancel)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// deadLetters returns those that come from the topic.
func deadLetters(t *testing.T, ctx context.Context, c *Client, origin Topic) []DeadLetter {
	t.Helper()
	var out []DeadLetter
	for d, err := range c.DeadLetters(ctx, DeadLetterFilter{Origin: origin}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

func header(r Record, key string) string {
	i := slices.IndexFunc(r.Headers, func(h Header) bool { return h.Key == key })
	if i < 0 {
		return ""
	}
	return string(r.Headers[i].Value)
}

var errTest = errors.New("as the test wants it")

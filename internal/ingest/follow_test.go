package ingest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"facestream/internal/ingest"
	"facestream/internal/ledger"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// follow follows the results of a broker of its own, from their beginning.
func follow(t *testing.T) (*events.Client, *ledger.Ledger, *ingest.Follower) {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client := events.NewClient(events.Config{Brokers: broker.ListenAddrs()})
	t.Cleanup(client.Close)
	if _, err := client.EnsureTopics(t.Context(), events.DefaultSpecs()); err != nil {
		t.Fatal(err)
	}
	book, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { book.Close() })
	f := ingest.NewFollower(client, book, events.Results)
	ctx, cancel := context.WithCancel(t.Context())
	caughtUp, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- f.Run(ctx, func() { close(caughtUp) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-caughtUp
	return client, book, f
}

func results(t *testing.T, c *events.Client, n int) {
	t.Helper()
	p := c.NewPublisher(events.PublisherConfig{})
	defer p.Close()
	for i := range n {
		e := events.Event{ID: fmt.Sprint(i), Type: events.TypeResult, Key: fmt.Sprint(i), Digest: fmt.Sprint("digest ", i), Data: fmt.Appendf(nil, `{"request_id":"r%d"}`, i)}
		if err := p.Publish(t.Context(), events.Results, e); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheLedgerKnowsAtOnce: what is on the topic is in the ledger without another record that comes after it, and an outcome
// tells the content of its request.
func TestTheLedgerKnowsAtOnce(t *testing.T) {
	client, book, _ := follow(t)
	const n = 5
	results(t, client, n)
	for end, i := time.Now().Add(5*time.Second), 0; i < n; time.Sleep(time.Millisecond) {
		digest, ok, err := book.Seen(t.Context(), schema.RequestID(fmt.Sprint("r", i)))
		if err != nil || ok && digest != fmt.Sprint("digest ", i) {
			t.Fatalf("the digest is %q, %v", digest, err)
		}
		if ok {
			i++
		} else if time.Now().After(end) {
			t.Fatalf("%d of %d requests are unknown after 5 s", n-i, n)
		}
	}
}

// TestCatchUp: after it, the ledger holds everything that was published before it.
func TestCatchUp(t *testing.T) {
	client, book, f := follow(t)
	for round := range 20 {
		results(t, client, round+1) // the last one is new
		if err := f.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := book.Seen(t.Context(), schema.RequestID(fmt.Sprint("r", round))); err != nil || !ok {
			t.Errorf("request %d is unknown, %v", round, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.CatchUp(ctx); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("on a cancelled context: %v", err)
	}
}

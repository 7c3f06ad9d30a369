package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/dbfault/smalldisk"
	"facestream/internal/host"
	"facestream/internal/services/indexer"
	"facestream/internal/services/ingest"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// TestNothingIsGivenUpOnAFullDisk: while the disk of gallery and ledger is full, the services are not ready and say why,
// nothing becomes a result or a dead letter, and no job is published again and again. With room, each request gets its result.
func TestNothingIsGivenUpOnAFullDisk(t *testing.T) {
	disk := smalldisk.New(t, 4<<20)
	cfg := startServers(t)
	cfg.SetDataDir(disk.Dir)
	cfg.Consumer.MaxAttempts, cfg.Ingest.ReconcileInterval = 1, time.Hour
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Serve(ctx, cfg, zerolog.Nop(), ingest.Run, indexer.Run) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	until := func(what string, holds func() bool) {
		t.Helper()
		for began := time.Now(); !holds(); {
			select {
			case err := <-ended:
				ended <- err
				t.Fatalf("the services ended: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
			if time.Since(began) > time.Minute {
				t.Fatalf("no %s", what)
			}
		}
	}
	ready := func() bool {
		state, err := readiness(ctx, cfg.Telemetry.Listen)
		return err == nil && state.Ready
	}
	until("readiness", ready)
	client, _, err := host.Clients(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	publisher := client.NewPublisher(events.PublisherConfig{Source: "test"})
	defer publisher.Close()
	publish := func(topic events.Topic, id string, v any) {
		t.Helper()
		data, err := json.Marshal(v)
		if err == nil {
			err = publisher.Publish(ctx, topic, events.Event{ID: id, Type: "test", Key: id, Data: data})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	enroll := func(i int) {
		id := fmt.Sprint("enroll-", i)
		a := schema.Analysis{Job: schema.Job{AcceptedAt: time.Now().UTC(), Request: schema.Request{
			ID: schema.RequestID(id), Operation: schema.OpEnroll, Collection: "staff", ExternalID: schema.ExternalID(fmt.Sprint("p", i)),
			Images: []schema.ObjectRef{{Bucket: "images", Key: id, Version: "1"}}}}}
		a.Faces, a.Thresholds = []schema.FaceResult{{}}, &schema.Thresholds{Min: 0.2, Med: 0.5, Max: 0.9}
		a.Probes = []schema.Embedding{{Model: "net@12345678", Vector: []float32{float32(i + 1), 1, 0}}}
		publish(events.Analyses, id, a)
	}
	remove := func(n string) {
		id := "delete-" + n
		publish(events.Requests, id, schema.Request{ID: schema.RequestID(id), Operation: schema.OpUserDelete, Collection: "staff", ExternalID: "p0"})
	}
	count := func(topic events.Topic) (n int) {
		t.Helper()
		topics, err := client.Describe(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range topics[0].Partitions {
			n += int(p.Last - p.First)
		}
		return n
	}
	enroll(0)
	until("result", func() bool { return count(events.Results) == 1 })

	disk.Fill()
	for i := range 5 {
		enroll(i + 1)
	}
	for i := range 5 {
		remove(fmt.Sprint(i))
	}
	for _, service := range []string{"ingest", "indexer"} {
		until("outage of "+service, func() bool {
			state, err := readiness(ctx, cfg.Telemetry.Listen)
			check := state.Checks["writes of "+service]
			return err == nil && !state.Ready && strings.Contains(check.Error, "takes no writes") && strings.Contains(check.Error, disk.Dir)
		})
	}
	time.Sleep(3 * time.Second) // many more tries than consumer.max_attempts allows
	if r, d := count(events.Results), count(events.DeadLetters); r != 1 || d != 0 {
		t.Errorf("%d results and %d dead letters during the outage, want 1 and 0", r, d)
	}
	if n := count(events.Jobs); n > 5 {
		t.Errorf("%d jobs of 5 requests", n)
	}
	disk.Free()
	until("result of each enrolment", func() bool { return count(events.Results) == 6 })
	until("end of the requests", func() bool {
		topics, err := client.Describe(ctx, events.Requests)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range topics[0].Groups {
			if g.Group == host.Group("ingest") && g.Lag == 0 {
				return true
			}
		}
		return false
	})
	if n := count(events.Jobs); n < 5 || n > 10 {
		t.Errorf("%d jobs of 5 requests, which were tried once during the outage and once after it", n)
	}
	until("readiness", ready)
	if d := count(events.DeadLetters); d != 0 {
		t.Errorf("%d dead letters", d)
	}
}

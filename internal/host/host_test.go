package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"facestream/internal/config"
	"facestream/internal/embedded"
	"facestream/internal/host"
	"facestream/internal/sandbox"
	"facestream/internal/telemetry"
	"facestream/pkg/events"
)

// startServers returns settings that name a broker and a store, which run as long as the test.
func startServers(t *testing.T) config.Config {
	t.Helper()
	t.Chdir(".") // to come back: the embedded store changes the folder
	cfg := config.Default()
	servers, err := embedded.Open(t.Context(), embedded.Options{
		Dir: t.TempDir(), KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", Bucket: cfg.S3.Bucket,
		AccessKey: string(cfg.S3.AccessKey), SecretKey: cfg.S3.SecretKey,
		ObjectsTopic: string(events.Objects), ObjectsPartitions: 1, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { servers.Close() })
	cfg.Kafka.Brokers, cfg.S3.Endpoint = []string{servers.KafkaAddr()}, servers.S3Addr()
	if cfg.Telemetry.Listen, err = sandbox.FreeAddr(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestServeEndsWithEachService: no service goes on alone when another one in the process has ended, even without an error.
func TestServeEndsWithEachService(t *testing.T) {
	cfg := startServers(t)
	goesOn := func(ctx context.Context, _ *host.App) error { <-ctx.Done(); return ctx.Err() }
	for _, failure := range []error{nil, errors.New("out of order")} {
		ends := func(context.Context, *host.App) error { return failure }
		err := host.Serve(t.Context(), cfg, zerolog.Nop(), goesOn, ends)
		if err == nil || failure != nil && !errors.Is(err, failure) {
			t.Errorf("a service ended with %v, and Serve with %v", failure, err)
		}
	}
}

// TestReadyNeedsTheTopics: a service is not ready without a topic that it reads or writes, and says which.
func TestReadyNeedsTheTopics(t *testing.T) {
	cfg := startServers(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	work := host.Work{
		Service: "test", Reads: []events.Topic{events.Requests}, Writes: []events.Topic{events.Results}, Concurrency: 1,
		Handle: func(context.Context, events.Record) error { return nil },
	}
	go func() {
		ended <- host.Serve(ctx, cfg, zerolog.Nop(), func(ctx context.Context, a *host.App) error { return a.Consume(ctx, work) })
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	// until waits for what must come, however slow the machine is; go test's own limit ends a test that waits in vain.
	until := func(holds func() bool) {
		t.Helper()
		for !holds() {
			select {
			case err := <-ended:
				t.Fatalf("the service ended: %v", err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	isReady := func() bool {
		state, err := readiness(t.Context(), cfg.Telemetry.Listen)
		return err == nil && state.Ready
	}
	until(isReady)

	client, _, err := host.Clients(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	broker := kafka.Client{Addr: kafka.TCP(cfg.Kafka.Brokers...)}
	for _, topic := range []events.Topic{events.Requests, events.Results, events.DeadLetters, events.Analyses} {
		deleted, err := broker.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{string(topic)}})
		if err != nil || deleted.Errors[string(topic)] != nil {
			t.Fatal(err, deleted)
		}
		until(func() bool { return client.CheckTopics(t.Context(), topic) != nil }) // else it would not create the topic
		if topic == events.Analyses {                                               // which this service does not need
			until(isReady)
			continue
		}
		until(func() bool {
			state, err := readiness(t.Context(), cfg.Telemetry.Listen)
			check := state.Checks["topics of test"]
			return err == nil && !state.Ready && !check.OK && strings.Contains(check.Error, "the topic "+string(topic)+" does not exist")
		})
		if _, err := client.EnsureTopics(t.Context(), host.TopicSpecs(cfg.Kafka)); err != nil {
			t.Fatal(err)
		}
		until(isReady)
	}
}

func readiness(ctx context.Context, addr string) (state telemetry.Readiness, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/readyz", addr), nil)
	if err != nil {
		return state, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return state, err
	}
	defer answer.Body.Close()
	return state, json.NewDecoder(answer.Body).Decode(&state)
}

package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/dirlock"
	"facestream/internal/embedded"
	"facestream/internal/host"
	"facestream/internal/services/ingest"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// ingests are several ingest services on one broker and one store, each with a ledger of its own, and what they publish.
type ingests struct {
	cfg    config.Config
	client *events.Client
	image  schema.ObjectRef
	folder string // of the last one that was started

	mu       sync.Mutex
	jobs     map[schema.RequestID]map[string]int // digests and how often each was published
	rejected map[schema.RequestID]map[string]int
	reused   map[schema.RequestID]int // dead letters
}

func serveIngests(t *testing.T) *ingests {
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
	cfg.Telemetry.Listen, cfg.Kafka.SessionTimeout = "", 2*time.Second
	client, store, err := host.Clients(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := client.EnsureTopics(t.Context(), host.TopicSpecs(cfg.Kafka)); err != nil {
		t.Fatal(err)
	}
	s := &ingests{cfg: cfg, client: client, jobs: map[schema.RequestID]map[string]int{}, rejected: map[schema.RequestID]map[string]int{}, reused: map[schema.RequestID]int{}}
	if s.image, err = store.Put(t.Context(), schema.ObjectRef{Bucket: cfg.S3.Bucket, Key: "a.jpg"}, []byte("image"), "image/jpeg", nil); err != nil {
		t.Fatal(err)
	}
	s.watch(t)
	return s
}

// start runs one more ingest service until the returned function is called.
func (s *ingests) start(t *testing.T) (stop func()) {
	t.Helper()
	cfg := s.cfg
	cfg.DataDir = t.TempDir()
	s.folder = cfg.DataDir
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- host.Serve(ctx, cfg, zerolog.Nop(), ingest.Run) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("an ingest service ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// members waits until the group has that many, and each has partitions.
func (s *ingests) members(t *testing.T, n int) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(s.cfg.Kafka.Brokers...), Transport: transport}
	s.until(t, fmt.Sprint("the group has members: ", n), func() bool {
		got, err := client.DescribeGroups(t.Context(), &kafka.DescribeGroupsRequest{GroupIDs: []string{host.Group("ingest")}})
		if err != nil || len(got.Groups) != 1 || got.Groups[0].GroupState != "Stable" || len(got.Groups[0].Members) != n {
			return false
		}
		for _, m := range got.Groups[0].Members {
			if len(m.MemberAssignments.Topics) == 0 {
				return false
			}
		}
		return true
	})
}

func (s *ingests) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// watch counts what the services publish.
func (s *ingests) watch(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var reading errgroup.Group
	t.Cleanup(func() {
		cancel()
		if err := reading.Wait(); err != nil {
			t.Error(err)
		}
	})
	count := func(in map[schema.RequestID]map[string]int, id schema.RequestID, digest string) {
		if in[id] == nil {
			in[id] = map[string]int{}
		}
		in[id][digest]++
	}
	for topic, take := range map[events.Topic]func(r events.Record) error{
		events.Jobs: func(r events.Record) error {
			var job schema.Job
			err := json.Unmarshal(r.Event.Data, &job)
			count(s.jobs, job.ID, job.Digest)
			return err
		},
		events.Results: func(r events.Record) error {
			var result schema.Result
			err := json.Unmarshal(r.Event.Data, &result)
			count(s.rejected, result.RequestID, r.Event.Digest)
			return err
		},
		events.DeadLetters: func(r events.Record) error {
			var request schema.Request
			err := json.Unmarshal(r.Value, &request)
			for _, h := range r.Headers {
				if h.Key == "fs_reason" && string(h.Value) == string(schema.ReasonRequestIDReused) {
					s.reused[request.ID]++
				}
			}
			return err
		},
	} {
		reading.Go(func() error {
			return s.client.ReadAll(ctx, topic, nil, func(r events.Record) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				return take(r)
			}, nil)
		})
	}
}

// outcomes returns how many different requests with this id were answered, and how many were refused as another one's.
func (s *ingests) outcomes(id schema.RequestID) (answered, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs[id]) + len(s.rejected[id]), s.reused[id]
}

// to writes records to the partitions that they name.
type to struct{}

func (to) Balance(m kafka.Message, _ ...int) int { return m.WriterData.(int) }

func (s *ingests) send(t *testing.T, records ...kafka.Message) {
	t.Helper()
	w := &kafka.Writer{Addr: kafka.TCP(s.cfg.Kafka.Brokers...), Topic: string(events.Requests), Balancer: to{}, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	defer w.Close()
	if err := w.WriteMessages(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
}

// request is a request under id whose content is number n. Every third one is rejected, because the bucket is not served.
func (s *ingests) request(id schema.RequestID, n int) []byte {
	image := s.image
	if n%3 == 2 {
		image.Bucket = "elsewhere"
	}
	data, err := json.Marshal(schema.Request{ID: id, Operation: schema.OpValidate, Images: []schema.ObjectRef{image}, Tag: fmt.Sprint("content ", n)})
	if err != nil {
		panic(err)
	}
	return data
}

// TestOneOutcomePerRequest: two ingest processes get different requests under one id at the same moment, in different
// partitions, without a key, with the id as the key or with another one, while members come and go. One of the requests is answered, each
// other one is a dead letter, and none vanishes.
func TestOneOutcomePerRequest(t *testing.T) {
	s := serveIngests(t)
	s.start(t)
	s.start(t)
	s.members(t, 2)
	r := rand.New(rand.NewPCG(1, 1))
	const rounds, each, contents = 4, 25, 3
	var ids []schema.RequestID
	for round := range rounds {
		var records []kafka.Message
		for i := range each {
			id := schema.RequestID(fmt.Sprintf("reused-%d-%d", round, i))
			ids = append(ids, id)
			for n := range contents {
				m := kafka.Message{Value: s.request(id, n+i), WriterData: r.IntN(s.cfg.Kafka.Partitions.Requests)}
				switch n {
				case 0:
					m.Key = []byte(id)
				case 1:
					m.Key = fmt.Append(nil, "person ", i)
				}
				records = append(records, m)
			}
		}
		stop := func() {}
		if round == 1 {
			stop = s.start(t) // takes over some partitions, and gives them back
		}
		s.send(t, records...)
		stop()
	}
	for _, id := range ids {
		s.until(t, "each request has an outcome", func() bool {
			answered, refused := s.outcomes(id)
			return answered+refused >= contents
		})
	}
	time.Sleep(200 * time.Millisecond) // for what must not come
	for _, id := range ids {
		if answered, refused := s.outcomes(id); answered != 1 || refused < contents-1 {
			t.Errorf("%s: %d requests were answered and %d refused; want 1 and %d", id, answered, refused, contents-1)
		}
	}
}

// TestOneOutcomePerUsedID: a request that is sent when another one with its id has an outcome is refused, whichever process
// gets it, and its repeat has no effect.
func TestOneOutcomePerUsedID(t *testing.T) {
	s := serveIngests(t)
	s.start(t)
	s.start(t)
	s.members(t, 2)
	const n = 30
	for i := range n {
		id := schema.RequestID(fmt.Sprint("used-", i))
		partition := i % s.cfg.Kafka.Partitions.Requests
		s.send(t, kafka.Message{Key: []byte("person one"), Value: s.request(id, i), WriterData: partition})
		s.until(t, "the first request has an outcome", func() bool { answered, _ := s.outcomes(id); return answered == 1 })
		s.send(t,
			kafka.Message{Key: []byte("person two"), Value: s.request(id, i+1), WriterData: (partition + 1) % s.cfg.Kafka.Partitions.Requests},
			kafka.Message{Key: []byte("person two"), Value: s.request(id, i), WriterData: (partition + 2) % s.cfg.Kafka.Partitions.Requests})
	}
	for i := range n {
		id := schema.RequestID(fmt.Sprint("used-", i))
		s.until(t, "the second request is refused", func() bool { _, refused := s.outcomes(id); return refused > 0 })
	}
	time.Sleep(200 * time.Millisecond) // for what must not come
	for i := range n {
		id := schema.RequestID(fmt.Sprint("used-", i))
		if answered, refused := s.outcomes(id); answered != 1 || refused != 1 {
			t.Errorf("%s: %d requests were answered and %d refused; want 1 and 1", id, answered, refused)
		}
	}
}

// TestOneIngestPerFolder: a second ingest on the data folder of another one is refused. It would confuse the ledger.
func TestOneIngestPerFolder(t *testing.T) {
	s := serveIngests(t)
	s.start(t)
	s.members(t, 1)
	cfg := s.cfg
	cfg.DataDir = s.folder
	err := host.Serve(t.Context(), cfg, zerolog.Nop(), ingest.Run)
	if !errors.Is(err, dirlock.ErrInUse) || !strings.Contains(err.Error(), s.folder) {
		t.Errorf("the second ingest ended with %v", err)
	}
}

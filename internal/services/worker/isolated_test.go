package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"facestream/internal/challenge"
	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/embedded"
	"facestream/internal/host"
	"facestream/internal/outcome"
	"facestream/internal/verdict"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

const (
	// workerSettings makes the test program a worker: the addresses of broker and store.
	workerSettings = "FACESTREAM_TEST_WORKER"
	// realEngine makes a child of the test program load the networks. Its name begins as one of the variables that a child
	// inherits.
	realEngine = "GO_FACESTREAM_TEST_ENGINE"
)

// TestMain runs the tests, a worker, or the child of a worker.
func TestMain(m *testing.M) {
	switch {
	case IsChild(os.Args) && os.Getenv(realEngine) != "":
		os.Exit(Child())
	case IsChild(os.Args):
		os.Exit(child(func(context.Context, config.Worker) (packs, error) { return fragilePacks("child"), nil }))
	case os.Getenv(workerSettings) != "":
		broker, endpoint, _ := strings.Cut(os.Getenv(workerSettings), " ")
		err := host.Serve(context.Background(), settings(broker, endpoint), zerolog.Nop(), func(ctx context.Context, a *host.App) error {
			return serve(ctx, a, fragilePacks("worker"), a.Config.Worker.Images(false), again)
		})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func settings(broker, endpoint string) config.Config {
	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.S3.Endpoint, cfg.Telemetry.Listen = []string{broker}, endpoint, ""
	cfg.Kafka.Partitions.Jobs, cfg.Kafka.SessionTimeout, cfg.Worker.Concurrency = 1, time.Second, 2
	return cfg
}

// fragile is an engine that a marked picture kills, with the process around it. It notes each try in a file that outlives it.
type fragile struct{ process string }

func fragilePacks(process string) packs {
	p := worker.Pack{Engine: fragile{process}, Verdict: verdict.Pack{
		Name: "fragile", Models: []schema.ModelRun{{Role: "detector", ID: "d@1"}, {Role: "embedding", ID: "e@1"}},
		Matching: schema.Thresholds{Min: 0.25, Med: 0.5, Max: 0.75}, MinConfidence: 0.1,
		Liveness: verdict.LivenessPoints{Soft: 0.25, Regular: 0.5, Hardened: 0.75}, Traits: verdict.UnmeasuredTraits,
	}}
	return func(schema.Collection) []worker.Pack { return []worker.Pack{p} }
}

func (fragile) Hear(context.Context, []byte) (*engine.Heard, error) {
	return nil, schema.Permanent("fragile.hear", schema.ReasonRoleAbsent, errors.New("the pack has no role that hears"))
}

func (f fragile) Analyze(_ context.Context, image []byte, _ engine.Params) (*engine.Analysis, error) {
	notes, err := os.OpenFile(filepath.Join(os.TempDir(), "tries"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(notes, "%s %s\n", image, f.process)
	time.Sleep(20 * time.Millisecond) // so that others are in work beside it
	if bytes.HasPrefix(image, []byte("poison")) {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return &engine.Analysis{Width: 400, Height: 500}, notes.Close()
}

// TestOneBadInputHarmsNobodyElse: a picture that kills the process that analyses it is tried twice in the worker and once in
// a process of its own. Then it is answered, and kept as a dead letter. Everything beside it is answered as if it were not there.
func TestOneBadInputHarmsNobodyElse(t *testing.T) {
	const n, poison = 40, 13
	t.Chdir(".") // to come back: the embedded store changes the folder
	t.Setenv("TMPDIR", t.TempDir())
	cfg := config.Default()
	servers, err := embedded.Open(t.Context(), embedded.Options{
		Dir: t.TempDir(), KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", Bucket: cfg.S3.Bucket,
		AccessKey: string(cfg.S3.AccessKey), SecretKey: cfg.S3.SecretKey,
		ObjectsTopic: string(events.Objects), ObjectsPartitions: 1, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	cfg = settings(servers.KafkaAddr(), servers.S3Addr())
	client, store, err := host.Clients(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.EnsureTopics(t.Context(), host.TopicSpecs(cfg.Kafka)); err != nil {
		t.Fatal(err)
	}
	publisher := client.NewPublisher(events.PublisherConfig{Source: "test"})
	defer publisher.Close()
	for i := range n {
		content := fmt.Sprint("innocent-", i)
		if i == poison {
			content = "poison"
		}
		image, err := store.Put(t.Context(), schema.ObjectRef{Bucket: cfg.S3.Bucket, Key: fmt.Sprint("images/", i)}, []byte(content), "image/jpeg", nil)
		if err != nil {
			t.Fatal(err)
		}
		id := schema.RequestID(fmt.Sprint("request-", i))
		data, err := json.Marshal(schema.Job{AcceptedAt: time.Now().UTC(), Request: schema.Request{ID: id, Operation: schema.OpValidate, Images: []schema.ObjectRef{image}}})
		if err == nil {
			err = publisher.Publish(t.Context(), events.Jobs, events.Event{ID: string(id), Type: events.TypeJob, Key: string(id), Data: data})
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	results := map[schema.RequestID]schema.Result{}
	reading, stop := context.WithCancel(t.Context())
	read, all := make(chan error, 1), make(chan struct{})
	go func() {
		read <- client.ReadAll(reading, events.Results, nil, func(r events.Record) error {
			var result schema.Result
			if err := json.Unmarshal(r.Event.Data, &result); err != nil {
				return err
			}
			if before, ok := results[result.RequestID]; ok && before.CallStatus != result.CallStatus {
				t.Errorf("%s ended as %+v and as %+v", result.RequestID, before.CallStatus, result.CallStatus)
			}
			if results[result.RequestID] = result; len(results) == n {
				stop()
			}
			return nil
		}, nil)
		close(all)
	}()
	var letters []events.DeadLetter
	deaths, ends := 0, time.Now().Add(90*time.Second)
	for answered := false; !answered; {
		cmd := exec.Command(os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), workerSettings+"="+servers.KafkaAddr()+" "+servers.S3Addr()), os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		dead := make(chan struct{})
		go func() { cmd.Wait(); close(dead) }()
		select {
		case <-dead:
			if deaths++; deaths < 10 {
				continue
			}
			t.Error("workers die again and again")
			stop()
		case <-all:
			// The dead letter follows the result; a worker that dies in between leaves it to the next one.
			for letters = deadLetters(t, client); len(letters) == 0 && time.Until(ends) > 0; letters = deadLetters(t, client) {
				time.Sleep(50 * time.Millisecond)
			}
		case <-time.After(time.Until(ends)):
			t.Error("not everything is answered")
			stop()
		}
		answered = true
		cmd.Process.Kill()
		<-dead
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	notes, err := os.ReadFile(filepath.Join(os.TempDir(), "tries"))
	if err != nil {
		t.Fatal(err)
	}
	var tries []string
	for line := range strings.Lines(string(notes)) {
		if f := strings.Fields(line); f[0] == "poison" {
			tries = append(tries, f[1])
		}
	}
	if want := []string{"worker", "worker", "child"}; !slices.Equal(tries, want) || deaths != 2 {
		t.Errorf("the poison was tried in %q, want %q; %d workers died, want 2", tries, want, deaths)
	}
	for i := range n {
		id, want := schema.RequestID(fmt.Sprint("request-", i)), schema.ReasonNoFace
		if i == poison {
			want = schema.ReasonInternal
		}
		if r, ok := results[id]; !ok || r.CallStatus.Reason != want {
			t.Errorf("%s is answered %+v, want %s", id, r.CallStatus, want)
		}
	}
	for _, d := range letters {
		if !strings.Contains(string(d.Value), fmt.Sprint("request-", poison)) || d.Reason != schema.ReasonInternal || d.Attempts != 3 ||
			!strings.Contains(d.Error, "signal: killed") {
			t.Errorf("dead letter %+v", d)
		}
	}
	if len(letters) != 1 {
		t.Errorf("%d dead letters, want 1", len(letters))
	}
}

func deadLetters(t *testing.T, client *events.Client) (letters []events.DeadLetter) {
	t.Helper()
	for d, err := range client.DeadLetters(t.Context(), events.DeadLetterFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, d)
	}
	return letters
}

// The programs that start themselves as a child answer to that: their mains ask IsChild.
func TestProgramsCanBeChildren(t *testing.T) {
	if command() != nil {
		t.Error("a test program would be started as a child, and run its tests")
	}
	for _, p := range programs {
		main, err := os.ReadFile(filepath.Join("../../..", strings.TrimPrefix(p, "facestream/"), "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(main, []byte("worker.IsChild(os.Args)")) || !bytes.Contains(main, []byte("worker.Child()")) {
			t.Errorf("%s does not run as a child", p)
		}
	}
}

// A child with the networks of the starter pack gives the answer that the worker itself gives, within its limits.
func TestChildWithNetworks(t *testing.T) {
	if _, _, err := onnx.FindLibrary(t.Context()); err != nil {
		t.Skipf("SKIPPED, there are no networks: %v", err)
	}
	t.Setenv(realEngine, "yes")
	cfg := config.Default().Worker
	cfg.Challenge.Keys = schema.Secret(strings.Repeat("k", 40))
	loaded, done, err := open(t.Context(), cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer done.close()
	picture, err := drawn.JPEG(drawn.Cast()[0], 0, 400, 92)
	if err != nil {
		t.Fatal(err)
	}
	// A challenge that nobody issued: a child without the keys would say that this worker cannot check any.
	forged := schema.Request{ID: "forged", Operation: schema.OpValidate, Images: []schema.ObjectRef{{Bucket: "b", Key: "k"}}, Challenge: "forged"}
	enroll := schema.Request{ID: "enroll", Operation: schema.OpEnroll, Collection: "c", Images: []schema.ObjectRef{{Bucket: "b", Key: "k"}},
		Config: json.RawMessage(`{"anti_spoofing_mode":0,"face_validations_off":true}`)}
	for _, request := range []schema.Request{forged, enroll} {
		data, err := json.Marshal(schema.Job{AcceptedAt: time.Now().UTC(), Request: request})
		if err != nil {
			t.Fatal(err)
		}
		r := events.Record{Topic: events.Jobs, Event: events.Event{ID: "1", Type: events.TypeJob, Key: "k", Data: data}}
		here, there := &desk{picture: picture}, &desk{picture: picture}
		keys, err := challenge.ParseKeys(cfg.Challenge.Keys)
		if err != nil {
			t.Fatal(err)
		}
		service := newService(cfg, keys, loaded)
		service.Objects, service.Publisher, service.Results = here, here, &outcome.Sink{Service: "worker", Publisher: here, Objects: here}
		if err := service.Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		runner, err := newRunner(cfg, again, there, there)
		if err != nil {
			t.Fatal(err)
		}
		defer runner.Close()
		if err := runner.Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		timings := cmp.FilterPath(func(p cmp.Path) bool { return strings.Contains(p.GoString(), "timings") }, cmp.Ignore())
		if diff := cmp.Diff(here.published(t), there.published(t), timings); diff != "" || len(here.data) == 0 {
			t.Errorf("%s: the worker says %s; the child differs (-worker +child):\n%s", request.ID, here.data, diff)
		}
	}
}

// What a child answers counts as an outcome of the worker.
func TestResultsOfAChildAreCounted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d := &desk{picture: []byte("innocent")}
	var counted []string
	runner, err := newRunner(config.Default().Worker, again, d, outcome.Counting{Publisher: d, Count: func(op schema.Operation, reason schema.Reason) {
		counted = append(counted, fmt.Sprint(op, " ", reason))
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	data, err := json.Marshal(schema.Job{AcceptedAt: time.Now().UTC(), Request: schema.Request{ID: "r", Operation: schema.OpValidate, Images: []schema.ObjectRef{{Bucket: "b", Key: "k"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := runner.Handle(t.Context(), events.Record{Topic: events.Jobs, Event: events.Event{ID: "1", Type: events.TypeJob, Key: "k", Data: data}}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"validate no_face"}; !slices.Equal(counted, want) {
		t.Errorf("counted %q, want %q", counted, want)
	}
}

// desk is a store with one picture, and a broker.
type desk struct {
	picture, data []byte
}

func (d *desk) Get(_ context.Context, ref schema.ObjectRef, _ int64) ([]byte, schema.ObjectRef, error) {
	return d.picture, ref, nil
}

func (d *desk) Put(_ context.Context, ref schema.ObjectRef, _ []byte, _ string, _ map[string]string) (schema.ObjectRef, error) {
	return ref, nil
}

func (d *desk) Remove(context.Context, schema.ObjectRef) error { return nil }

func (d *desk) Publish(_ context.Context, topic events.Topic, list ...events.Event) error {
	d.data = fmt.Appendf(nil, `{"topic":%q,"id":%q,"source":%q,"data":%s}`, topic, list[0].ID, list[0].Source, list[0].Data)
	return nil
}

func (d *desk) published(t *testing.T) (out any) {
	if err := json.Unmarshal(d.data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

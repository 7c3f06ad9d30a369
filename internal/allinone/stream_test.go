package allinone_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/embedded"
	"facestream/internal/gallery"
	"facestream/internal/gallery/drivers"
	"facestream/internal/gallery/gallerytest"
	"facestream/internal/host"
	"facestream/internal/objects"
	"facestream/internal/objects/objectstest"
	"facestream/internal/services/indexer"
	"facestream/internal/services/ingest"
	"facestream/internal/services/worker"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/schema"
	"facestream/pkg/schema/schematest"
)

// stream is the whole flow in this process: the embedded servers and the three services, spoken to over the wire. All
// tests of the package share one, because a process can hold one S3 gateway.
//
// FACESTREAM_KAFKA and the settings around it (FACESTREAM_KAFKA_TLS_ENABLED, …) replace the embedded broker by one in another
// process. Records from earlier runs do not matter. Where that broker asks for users, see rights_test.go.
// FACESTREAM_S3_ENDPOINT replaces the store in the same way; that store notifies the broker; see objectstest.
type stream struct {
	cfg         config.Config
	began       time.Time          // what was published before belongs to earlier runs
	realBroker  bool               // the broker is another process
	realStore   *objectstest.Store // where the store is another process
	root        string             // of the repository
	servers     *embedded.Servers  // nil where both are
	client      *events.Client
	publisher   *events.Publisher
	objects     *objects.Store
	gallery     gallery.Gallery
	galleryDown atomic.Bool
	broken      brokenGallery
	log         *syncBuffer

	mu      sync.Mutex
	results map[schema.RequestID][]published
	arrived *sync.Cond
	ended   error // why no further outcome can come
	dead    []events.Record
}

// namedByMetadata begins the keys of uploads whose metadata says who is meant.
const namedByMetadata = "named/"

// guarded is the collection on which the operator has set a floor.
const guarded = "bank"

type published struct {
	event  events.Event
	result schema.Result
}

var (
	theStream  *stream
	skipReason string
)

func TestMain(m *testing.M) {
	flag.Parse()
	if limit, ok := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration); ok {
		patience = max(patience, limit/10)
	}
	stop, err := startStream()
	if err != nil {
		fmt.Fprintln(os.Stderr, "the stream did not start:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "the stream did not stop cleanly:", err)
		code = 1
	}
	os.Exit(code)
}

func startStream() (stop func() error, err error) {
	pack := os.Getenv("FACESTREAM_MODELS")
	if pack == "" {
		pack = config.Default().Worker.Models[0]
	}
	located, err := models.Locate(pack)
	if err != nil {
		skipReason = fmt.Sprintf("no model pack, so nothing was sent through the stream: %v", err)
		return func() error { return nil }, nil
	}
	if located.Dir != "" {
		pack = located.Dir // tests change where packs are looked for by name
	}
	// Look for the CryptoNets SDK's schema before the embedded store changes the working directory.
	if sdk, err := schematest.CryptoNetsSchema(); err == nil {
		os.Setenv("FACESTREAM_CRYPTONETS_SCHEMA", sdk)
	}
	dir, err := os.MkdirTemp("", "facestream-test-")
	if err != nil {
		return nil, err
	}
	s := &stream{results: map[schema.RequestID][]published{}, log: &syncBuffer{}, began: time.Now(), realBroker: os.Getenv("FACESTREAM_KAFKA") != ""}
	s.arrived = sync.NewCond(&s.mu)
	if s.root, err = filepath.Abs("../.."); err != nil {
		return nil, err
	}
	if s.cfg, err = serverSettings(); err != nil {
		return nil, err
	}
	if s.realStore, err = objectstest.Given(); err != nil {
		return nil, err
	}
	if s.realStore != nil && !s.realBroker {
		return nil, errors.New("FACESTREAM_S3_ENDPOINT is set, but not FACESTREAM_KAFKA: the store notifies a broker that runs before the tests do")
	}
	s.cfg.SetDataDir(dir)
	s.cfg.Worker.Models = []string{pack}
	s.cfg.Telemetry.Listen, s.cfg.Telemetry.LogLevel = "127.0.0.1:0", "debug"
	s.cfg.Kafka.SessionTimeout = 2 * time.Second
	s.cfg.Indexer.Directory.Sweep = time.Second
	var unrefused map[string]any // the uploads of these tests show drawn people
	if err := json.Unmarshal([]byte(drawn.Config), &unrefused); err != nil {
		return nil, err
	}
	s.cfg.Ingest.Routes = []config.Route{
		{Prefix: namedByMetadata, Pattern: "<operation>/<collection>/<file>", Config: unrefused, Metadata: []string{"external-id", "operation-tag", "result-object"}},
		{Config: unrefused, Metadata: []string{"operation-tag", "consent", "deadline", "result-object", "config"}},
	}
	s.cfg.Ingest.Floors = []config.Floor{{Collections: []string{guarded}, Config: map[string]any{"face_thresholds_min": 0.2}}}
	s.cfg.Worker.Challenge.Keys = "a key that that only the tests of this package know"
	s.cfg.Ingest.ReconcileInterval = 5 * time.Second
	s.cfg.Ingest.ReconcileAge = 2 * time.Second
	if os.Getenv("FACESTREAM_MILVUS") != "" { // the same tests on another gallery
		given, err := config.Load("", os.Environ(), nil)
		if err != nil {
			return nil, err
		}
		s.cfg.Indexer.Gallery.Driver, s.cfg.Indexer.Gallery.Milvus = config.DriverMilvus, given.Indexer.Gallery.Milvus
		s.cfg.Indexer.Gallery.Milvus.Prefix = "test" + strings.ReplaceAll(uuid.NewString()[:13], "-", "")
	}
	if server := os.Getenv("FACESTREAM_POSTGRES"); server != "" { // and another directory
		dsn, err := emptySchema(server)
		if err != nil {
			return nil, err
		}
		s.cfg.Indexer.Directory.Driver, s.cfg.Indexer.Directory.DSN = config.DirectoryPostgres, dsn
	}
	s.cfg.Resolve()
	log := zerolog.New(s.log).Level(zerolog.DebugLevel).With().Timestamp().Logger()
	ctx, cancel := context.WithCancel(context.Background())
	options := embedded.Options{
		Dir: dir, KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", Bucket: s.cfg.S3.Bucket,
		ObjectsTopic: string(events.Objects), ObjectsPartitions: s.cfg.Kafka.Partitions.Objects,
		AccessKey: string(s.cfg.S3.AccessKey), SecretKey: s.cfg.S3.SecretKey, Log: log,
	}
	if s.realBroker {
		if options.Broker, err = s.prepareBroker(ctx); err != nil {
			cancel()
			return nil, err
		}
		options.KafkaAddr = s.cfg.Kafka.Brokers[0]
	}
	if s.realStore == nil {
		if s.servers, err = embedded.Open(ctx, options); err != nil {
			cancel()
			return nil, err
		}
		s.cfg.Kafka.Brokers, s.cfg.S3.Endpoint = []string{s.servers.KafkaAddr()}, s.servers.S3Addr()
	}
	if s.client, s.objects, err = host.Clients(s.cfg); err != nil {
		cancel()
		return nil, err
	}
	s.publisher = s.client.NewPublisher(events.PublisherConfig{Source: "test"})
	g, err := drivers.Open(ctx, s.cfg.Indexer.Gallery)
	if err != nil {
		cancel()
		return nil, err
	}
	s.gallery = g
	s.broken.Gallery = g
	faulty := &gallerytest.Faulty{Inner: &s.broken, Down: s.galleryDown.Load}
	ping := func(ctx context.Context) error {
		if s.galleryDown.Load() {
			return errors.New("the gallery is switched off")
		}
		return g.Ping(ctx)
	}
	var wg sync.WaitGroup
	served := make(chan error, 3)
	serve := func(cfg config.Config, services ...host.Service) {
		wg.Go(func() {
			err := host.Serve(ctx, cfg, log, services...)
			if ctx.Err() == nil {
				s.end(fmt.Errorf("a service ended by itself: %w", err))
			}
			served <- err
		})
	}
	if s.secured() {
		serve(s.as("ingest"), ingest.Run)
		serve(s.as("worker"), worker.Run)
		serve(s.as("indexer"), indexer.With(faulty, ping))
	} else {
		serve(s.cfg, ingest.Run, worker.Run, indexer.With(faulty, ping))
	}
	wg.Go(func() { s.follow(ctx, events.Results, s.keepResult) })
	wg.Go(func() { s.follow(ctx, events.DeadLetters, s.keepDeadLetter) })
	theStream = s
	return func() error {
		cancel()
		wg.Wait()
		close(served)
		var failed []error
		for err := range served {
			failed = append(failed, err)
		}
		failed = append(failed, s.oneOutcomeEach(), s.publisher.Close(), g.Close())
		if s.servers != nil {
			failed = append(failed, s.servers.Close())
		}
		return errors.Join(append(failed, os.RemoveAll(dir))...)
	}, nil
}

// probed begins the names of collections about which a second indexer, with a gallery and a directory of its own, is asked as well
// (TestMissingRightIsNamed). The two may answer one request differently.
const probed = "rights"

// oneOutcomeEach checks invariant 2 for every request of every test.
func (s *stream) oneOutcomeEach() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems []error
	for _, copies := range s.results {
		if strings.HasPrefix(string(copies[0].result.Collection), probed+"-") {
			continue
		}
		for _, p := range copies[1:] {
			if p.event.ID != copies[0].event.ID || p.result.CallStatus.Reason != copies[0].result.CallStatus.Reason {
				problems = append(problems, fmt.Errorf("a request has two outcomes: %+v, %+v", copies[0].result.CallStatus, p.result.CallStatus))
			}
		}
	}
	return errors.Join(problems...)
}

// serverSettings returns the defaults, changed by FACESTREAM_KAFKA… and FACESTREAM_S3….
func serverSettings() (config.Config, error) {
	var environ []string
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "FACESTREAM_KAFKA") || strings.HasPrefix(v, "FACESTREAM_S3_") {
			environ = append(environ, v)
		}
	}
	return config.Load("", environ, nil)
}

// prepareBroker creates the topics on a broker of another process, and the rights where it asks for users. It returns how the
// store reaches it.
func (s *stream) prepareBroker(ctx context.Context) (*kafka.Transport, error) {
	client, _, err := host.Clients(s.cfg)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := client.EnsureTopics(ctx, host.TopicSpecs(s.cfg.Kafka)); err != nil {
		return nil, err
	}
	if s.secured() {
		if err := s.grantAll(ctx); err != nil {
			return nil, err
		}
		return s.transport("store")
	}
	return s.transport("")
}

// needsOurBroker skips, aloud, a test that stops the broker, where this test cannot restart it.
func (s *stream) needsOurBroker(t *testing.T) {
	t.Helper()
	if s.realBroker && os.Getenv("KAFKA_DIR") == "" {
		t.Skip("SKIPPED: it stops the broker; KAFKA_DIR, the folder of tools/kafka/up.sh as an absolute path, would allow that")
	}
}

// stopBroker takes the broker away: the embedded one in an orderly way, a real one by SIGKILL.
func (s *stream) stopBroker(ctx context.Context) error {
	if !s.realBroker {
		return s.servers.StopKafka()
	}
	return s.script(ctx, "down.sh", "--kill")
}

func (s *stream) startBroker(ctx context.Context) error {
	if !s.realBroker {
		return s.servers.StartKafka(ctx)
	}
	return s.script(ctx, "up.sh")
}

// needsOurStore skips, aloud, a test that stops the store, where this test cannot restart it.
func (s *stream) needsOurStore(t *testing.T) {
	t.Helper()
	if s.realStore != nil && !s.realStore.Ours {
		t.Skip("SKIPPED: it stops the store; S3_DIR, the folder of tools/s3/up.sh as an absolute path, would allow that")
	}
}

// stopStore takes the store away: the embedded one in an orderly way, a real one by SIGKILL.
func (s *stream) stopStore(ctx context.Context) error {
	if s.realStore == nil {
		return s.servers.StopS3()
	}
	return s.realStore.Stop(ctx)
}

func (s *stream) startStore(ctx context.Context) error {
	if s.realStore == nil {
		return s.servers.StartS3(ctx)
	}
	return s.realStore.Start(ctx)
}

func (s *stream) script(ctx context.Context, name string, args ...string) error {
	return s.tool(ctx, "kafka", name, args...)
}

// tool runs a script of tools/.
func (s *stream) tool(ctx context.Context, folder, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, filepath.Join(s.root, "tools", folder, name), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("tools/%s/%s: %w: %s", folder, name, err, out)
	}
	return nil
}

// stopGallery takes the gallery away. It stops the Milvus that tools/milvus/up.sh started, where MILVUS names its kind and
// MILVUS_DATA its folder as an absolute path; with any other gallery it lets every call fail.
func (s *stream) stopGallery(ctx context.Context) error {
	if s.ownsMilvus() {
		return s.tool(ctx, "milvus", "down.sh", os.Getenv("MILVUS"))
	}
	s.galleryDown.Store(true)
	return nil
}

func (s *stream) startGallery(ctx context.Context) error {
	if s.ownsMilvus() {
		return s.tool(ctx, "milvus", "up.sh", os.Getenv("MILVUS"))
	}
	s.galleryDown.Store(false)
	return nil
}

func (s *stream) ownsMilvus() bool {
	return s.cfg.Indexer.Gallery.Driver == config.DriverMilvus && os.Getenv("MILVUS") != "" && os.Getenv("MILVUS_DATA") != ""
}

func (s *stream) follow(ctx context.Context, topic events.Topic, keep func(events.Record) error) {
	from := map[int]int64{}
	for ctx.Err() == nil {
		s.client.ReadAll(ctx, topic, from, func(r events.Record) error {
			from[r.Partition] = r.Offset + 1
			if r.Time.Before(s.began.Truncate(time.Millisecond)) { // the precision of the topic
				return nil
			}
			return keep(r)
		}, func() {})
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *stream) keepResult(r events.Record) error {
	var v schema.Result
	if err := json.Unmarshal(r.Event.Data, &v); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results[v.RequestID] = append(s.results[v.RequestID], published{r.Event, v})
	s.arrived.Broadcast()
	return nil
}

func (s *stream) keepDeadLetter(r events.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = append(s.dead, r)
	s.arrived.Broadcast()
	return nil
}

// useStream returns the shared stream, or skips aloud.
func useStream(t testing.TB) *stream {
	t.Helper()
	if theStream == nil {
		t.Skip("SKIPPED: " + skipReason)
	}
	return theStream
}

// until waits, with the lock held, for cond.
func (s *stream) until(t testing.TB, patience time.Duration, what string, cond func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	timer := time.AfterFunc(patience, s.arrived.Broadcast)
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !cond() {
		if s.ended != nil {
			t.Fatalf("%s: %v", what, s.ended)
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		s.arrived.Wait()
	}
}

// end lets every wait for an outcome fail with err.
func (s *stream) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = err
	s.arrived.Broadcast()
}

// patience is how long a test waits for what must come: a minute, or a tenth of go test's limit where that is more. A slow machine
// needs only a longer -timeout.
var patience = time.Minute

// outcome waits for the result of id and validates it.
func (s *stream) outcome(t *testing.T, id schema.RequestID) schema.Result {
	t.Helper()
	s.until(t, patience, "an outcome of "+string(id), func() bool { return len(s.results[id]) > 0 })
	s.mu.Lock()
	p := s.results[id][0]
	s.mu.Unlock()
	schematest.ValidateOutcome(t, p.event.Data)
	return p.result
}

func (s *stream) put(t testing.TB, key string, data []byte, metadata map[string]string) schema.ObjectRef {
	t.Helper()
	for try := 1; ; try++ {
		ref, err := s.objects.Put(t.Context(), schema.ObjectRef{Bucket: s.cfg.S3.Bucket, Key: key}, data, "application/octet-stream", metadata)
		if err == nil {
			return ref
		}
		// The Versity S3 Gateway closes idle connections, now and then just as one is used again.
		if schema.ClassOf(err) != schema.ClassTransient || try == 3 {
			t.Fatal(err)
		}
	}
}

// send submits r and returns its outcome. Without an id r gets a new one; without a configuration, requests that enrol or look for
// drawn people get one that suits them.
func (s *stream) send(t *testing.T, r schema.Request) schema.Result {
	t.Helper()
	switch r.Operation {
	case schema.OpEnroll, schema.OpPredict, schema.OpVerify:
		if len(r.Config) == 0 {
			r.Config = forDrawn("")
		}
	}
	if r.ID == "" {
		r.ID = schema.RequestID(uuid.NewString())
	}
	if err := s.client.Submit(t.Context(), s.publisher, r); err != nil {
		t.Fatal(err)
	}
	return s.outcome(t, r.ID)
}

// notify writes a notification as an object store does for an object that was created.
func (s *stream) notify(t *testing.T, key string, size int64) {
	t.Helper()
	value := fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q,"size":%d,"eTag":"d41d8cd98f00b204e9800998ecf8427e"}}}]}`,
		s.cfg.S3.Bucket, url.QueryEscape(key), size)
	e := events.Event{ID: uuid.NewString(), Source: "test", Type: "test", Time: time.Now(), Data: []byte(value)}
	if err := s.publisher.Publish(t.Context(), events.Objects, e); err != nil {
		t.Fatal(err)
	}
}

// raw writes a record to the topic of requests as another client might.
func (s *stream) raw(t *testing.T, key, value string) {
	t.Helper()
	e := events.Event{ID: uuid.NewString(), Source: "test", Type: events.TypeRequest, Time: time.Now(), Key: key, Data: []byte(value)}
	if err := s.publisher.Publish(t.Context(), events.Requests, e); err != nil {
		t.Fatal(err)
	}
}

// deadLetter waits for a dead letter whose original bytes are value.
func (s *stream) deadLetter(t *testing.T, value string) events.Record {
	t.Helper()
	var found events.Record
	s.until(t, patience, "a dead letter", func() bool {
		for _, r := range s.dead {
			if string(r.Value) == value {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// forDrawn returns the configuration for drawn people, with the keys of config, a JSON object or "".
func forDrawn(config string) json.RawMessage {
	keys := strings.TrimSuffix(strings.TrimPrefix(config, "{"), "}")
	if keys != "" {
		keys = "," + keys
	}
	return json.RawMessage(strings.TrimSuffix(drawn.Config, "}") + keys + "}")
}

// portrait draws picture number shot of member i of the cast.
func portrait(t *testing.T, i, shot int) []byte {
	t.Helper()
	picture, err := drawn.JPEG(drawn.Cast()[i], shot, 400, 92)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// unique returns a name that no other test uses.
func unique(prefix string) string {
	return prefix + "-" + strings.ReplaceAll(uuid.NewString()[:13], "-", "")
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

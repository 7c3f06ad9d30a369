package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/rs/zerolog"
	"gopkg.in/yaml.v3"

	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/embedded"
	"facestream/internal/eval"
	"facestream/internal/gallery"
	"facestream/internal/gallery/drivers"
	"facestream/internal/gallery/reindex"
	"facestream/internal/gallery/verify"
	"facestream/internal/host"
	"facestream/internal/objects"
	"facestream/internal/provision"
	"facestream/internal/services/indexer"
	"facestream/internal/services/ingest"
	"facestream/internal/services/worker"
	"facestream/packs"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// otherPack is a folder with the starter pack's networks under other names, the embedding fed with other colours, so that
// its vectors are others, too.
func otherPack(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "other")
	if err := os.CopyFS(dir, packs.Files(packs.Starter)); err != nil {
		t.Fatal(err)
	}
	manifest, err := packs.Manifest(packs.Starter)
	if err != nil {
		t.Fatal(err)
	}
	text := string(manifest)
	for _, change := range [][2]string{
		{"name: starter\n", "name: other\n"}, {"starter_embedding", "other_embedding"}, {"mean: [0.5, 0.5, 0.5]", "mean: [0.4, 0.5, 0.6]"},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("the manifest has no %q", change[0])
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	text = regexp.MustCompile(`(?m)^( +)file:`).ReplaceAllString(text, "${1}source: https://example.org/none\n${0}")
	file := filepath.Join(dir, "pack.yaml")
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// flow is the services in this process, each with an end of its own, and the servers that they need.
type flow struct {
	t         *testing.T
	cfg       config.Config
	client    *events.Client
	store     *objects.Store
	publisher *events.Publisher
	gallery   drivers.Gallery // while the indexer runs
	stops     map[string]func()
}

func startFlow(t *testing.T) *flow {
	if _, _, err := onnx.FindLibrary(t.Context()); err != nil {
		t.Skipf("SKIPPED, nothing was reindexed: %v", err)
	}
	t.Chdir(".") // to come back: the embedded store changes the folder
	cfg, err := config.Load("", nil, nil)
	if os.Getenv("FACESTREAM_MILVUS") != "" { // the same test on the other gallery
		cfg, err = config.Load("", os.Environ(), nil)
		cfg.Indexer.Gallery.Driver = config.DriverMilvus
		cfg.Indexer.Gallery.Milvus.Prefix = "test" + strings.ReplaceAll(uuid.NewString()[:13], "-", "")
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cfg.SetDataDir(dir)
	cfg.Worker.Models = []string{packs.Starter}
	cfg.Telemetry.Listen, cfg.Kafka.SessionTimeout = "127.0.0.1:0", 2*time.Second
	route := config.Route{} // its uploads show drawn people
	if err := json.Unmarshal([]byte(drawn.Config), &route.Config); err != nil {
		t.Fatal(err)
	}
	cfg.Ingest.Routes = []config.Route{route}
	servers, err := embedded.Open(t.Context(), embedded.Options{
		Dir: dir, KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", Bucket: cfg.S3.Bucket, AccessKey: string(cfg.S3.AccessKey), SecretKey: cfg.S3.SecretKey,
		ObjectsTopic: string(events.Objects), ObjectsPartitions: cfg.Kafka.Partitions.Objects, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Kafka.Brokers, cfg.S3.Endpoint = []string{servers.KafkaAddr()}, servers.S3Addr()
	client, store, err := host.Clients(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := &flow{t: t, cfg: cfg, client: client, store: store, publisher: client.NewPublisher(events.PublisherConfig{Source: "test"}), stops: map[string]func(){}}
	t.Cleanup(func() {
		for name := range f.stops {
			f.stop(name)
		}
		f.publisher.Close()
		client.Close()
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// start starts a service. Each collection is served by all of the packs.
func (f *flow) start(name string, packs ...string) {
	f.t.Helper()
	cfg := f.cfg
	cfg.Worker.Models, cfg.Worker.Collections = packs, []config.CollectionModels{{Pattern: "*", Models: packs}}
	run := map[string]host.Service{"ingest": ingest.Run, "worker": worker.Run}[name]
	if name == "indexer" {
		g, err := drivers.Open(f.t.Context(), cfg.Indexer.Gallery)
		if err != nil {
			f.t.Fatal(err)
		}
		f.gallery, run = g, indexer.With(g, g.Ping)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- host.Serve(ctx, cfg, zerolog.Nop(), run) }()
	f.stops[name] = func() {
		cancel()
		err := <-ended
		if name == "indexer" {
			err = errors.Join(err, f.gallery.Close())
		}
		if err != nil {
			f.t.Errorf("%s: %v", name, err)
		}
	}
}

func (f *flow) stop(name string) {
	f.stops[name]()
	delete(f.stops, name)
}

// run runs facestream with args on the flow's servers.
func (f *flow) run(ctx context.Context, args ...string) (stdout string, err error) {
	f.t.Helper()
	c := root()
	c.SilenceUsage, c.SilenceErrors = true, true
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&bytes.Buffer{})
	g := f.cfg.Indexer.Gallery
	c.SetArgs(append(args, "--data-dir", f.cfg.DataDir, "--kafka-brokers", f.cfg.Kafka.Brokers[0], "--s3-endpoint", f.cfg.S3.Endpoint,
		"--indexer-gallery-driver", g.Driver, "--indexer-gallery-milvus-prefix", g.Milvus.Prefix))
	err = c.ExecuteContext(ctx)
	return out.String(), err
}

// reindex is `facestream reindex --json`.
func (f *flow) reindex(pack string, args ...string) (reindex.Report, error) {
	f.t.Helper()
	out, err := f.run(f.t.Context(), append([]string{"reindex", "--json", "--model", pack}, args...)...)
	var report reindex.Report
	if out != "" {
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			f.t.Fatalf("%v\n%s", err, out)
		}
	}
	return report, err
}

func (f *flow) picture(person, shot int) schema.ObjectRef {
	f.t.Helper()
	data, err := drawn.JPEG(drawn.Cast()[person], shot, 400, 92)
	if err != nil {
		f.t.Fatal(err)
	}
	ref, err := f.store.Put(f.t.Context(), schema.ObjectRef{Bucket: f.cfg.S3.Bucket, Key: "test/" + uuid.NewString() + ".jpg"}, data, "image/jpeg", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return ref
}

// send submits a request and returns its first result.
func (f *flow) send(r schema.Request) schema.Result {
	f.t.Helper()
	ctx := f.t.Context() // without a limit of its own, which a slow machine would exceed
	if len(r.Config) == 0 {
		r.Config = json.RawMessage(drawn.Config)
	}
	caller, err := f.client.OpenCaller(ctx, events.PublisherConfig{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer caller.Close()
	answer, err := caller.Call(ctx, r)
	if err != nil {
		f.t.Fatalf("%s: %v", r.Operation, err)
	}
	return answer.Result
}

func (f *flow) enroll(name schema.ExternalID, person int) (schema.Result, schema.ObjectRef) {
	f.t.Helper()
	image := f.picture(person, 0)
	r := f.send(schema.Request{Operation: schema.OpEnroll, Collection: "staff", ExternalID: name, Images: []schema.ObjectRef{image}})
	if r.Enroll == nil || !r.Enroll.EnrollPerformed {
		f.t.Fatalf("enroll: %+v", r.CallStatus)
	}
	return r, image
}

// predict is who is found in another picture of a person; "" for nobody.
func (f *flow) predict(person int) (guid string) {
	f.t.Helper()
	r := f.send(schema.Request{Operation: schema.OpPredict, Collection: "staff", Images: []schema.ObjectRef{f.picture(person, 1)}})
	if r.CallStatus.Reason == schema.ReasonNoMatch {
		return ""
	}
	if r.Predict == nil || r.Predict.Response == nil {
		f.t.Fatalf("predict: %+v", r.CallStatus)
	}
	return r.Predict.Response.GUID
}

// idle waits until the group of the service has done what is on the topic.
func (f *flow) idle(service string, topic events.Topic) {
	f.t.Helper()
	for ; ; time.Sleep(50 * time.Millisecond) {
		status, err := f.client.Describe(f.t.Context(), topic)
		if err == nil {
			i := slices.IndexFunc(status[0].Groups, func(g events.GroupLag) bool { return g.Group == "facestream-"+service })
			if i >= 0 && status[0].Groups[i].Lag == 0 {
				return
			}
		}
	}
}

func (f *flow) rows() (ids []string) {
	f.t.Helper()
	page, err := f.gallery.List(f.t.Context(), "staff", "", 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range page.Rows {
		ids = append(ids, r.ID)
	}
	return ids
}

func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v; want one that says %q", err, text)
		}
	}
}

// TestReindex takes a gallery that people are enrolled in, searched for and deleted from to another model.
func TestReindex(t *testing.T) {
	other := otherPack(t)
	f := startFlow(t)
	f.start("ingest")
	f.start("worker", packs.Starter)
	f.start("indexer")

	guids := map[schema.ExternalID]string{}
	images := map[schema.ExternalID]schema.ObjectRef{}
	for i, name := range []schema.ExternalID{"ann", "bob", "cid"} {
		r, image := f.enroll(name, i)
		guids[name], images[name] = r.Enroll.Response.GUID, image
	}
	// One image is gone, and one row is by an earlier version.
	if err := eraseObject(t, f, images["cid"]); err != nil {
		t.Fatal(err)
	}
	page, err := f.gallery.List(t.Context(), "staff", "", 1000)
	if err != nil || len(page.Rows) != 3 || page.Rows[0].Source == nil || page.Rows[0].Source.Image.ETag == "" {
		t.Fatalf("rows of the gallery: %d, %v", len(page.Rows), err)
	}
	probe := schema.Embedding{Model: "", Vector: make([]float32, 128)}
	kept, err := readCollections(t, f)
	if err != nil {
		t.Fatal(err)
	}
	probe.Model, probe.Vector = kept[0].Tie.Model, make([]float32, kept[0].Tie.Dimension)
	probe.Vector[0] = 1
	if err := f.gallery.Upsert(t.Context(), "staff", []gallery.Row{{ID: "by an earlier version", PUID: "planted-puid", ExternalID: "planted-name", Embedding: probe, Created: time.Now()}})[0]; err != nil {
		t.Fatal(err)
	}

	// The same gallery and store, as an evaluation reads them beside the services.
	out, err := f.run(t.Context(), "eval", "gallery", "-c", "staff", "--models", packs.Starter, "--json")
	var judged eval.Report
	if err = errors.Join(err, json.Unmarshal([]byte(out), &judged)); err != nil {
		t.Fatal(err)
	}
	if lost := judged.Figure("no face found"); judged.Data.People != 2 || lost.Count != 1 || lost.Of != 3 || judged.Figure("a stranger is taken for somebody").Of != 2 ||
		!strings.Contains(fmt.Sprint(judged.Failures), guids["cid"]) {
		t.Errorf("eval gallery: %+v", judged)
	}

	planned, err := f.reindex(other, "--dry-run")
	wantCode(t, err, exitOutcome)
	if len(planned.Collections) != 1 || planned.Collections[0].Rows != 4 || planned.Collections[0].Staged != 0 || len(planned.Lost) != 1 {
		t.Errorf("dry run: %+v", planned)
	}
	report, err := f.reindex(other)
	wantCode(t, err, exitOutcome)
	want := []reindex.Left{{Collection: "staff", GUID: "by an earlier version", Why: reindex.Unsourced}, {Collection: "staff", GUID: guids["cid"], Why: string(schema.ReasonImageNotFound)}}
	wantLost := func(r reindex.Report) {
		t.Helper()
		slices.SortFunc(r.Lost, func(a, b reindex.Left) int { return -cmp.Compare(a.Why, b.Why) })
		if diff := gocmp.Diff(want, r.Lost); diff != "" {
			t.Errorf("lost (-want +got):\n%s", diff)
		}
	}
	wantLost(report)
	if c := report.Collections[0]; c.Staged != 2 || c.Embedded != 2 || report.Switched {
		t.Errorf("built: %+v", report)
	}
	text, err := f.run(t.Context(), "reindex", "--model", other)
	wantCode(t, err, exitOutcome)
	if strings.Contains(text, "planted") || !strings.Contains(text, guids["cid"]) || !strings.Contains(text, "by an earlier version") || !strings.Contains(text, string(report.Model)) {
		t.Errorf("what is printed:\n%s", text)
	}

	// It serves and changes meanwhile.
	if got := f.predict(0); got != guids["ann"] {
		t.Errorf("ann is found as %q while the gallery is built, want %q", got, guids["ann"])
	}
	if r := f.send(schema.Request{Operation: schema.OpUserDelete, Collection: "staff", ExternalID: "bob"}); r.UserDelete == nil || r.UserDelete.Count != 1 {
		t.Fatalf("user_delete: %+v", r.CallStatus)
	}
	r, _ := f.enroll("dee", 3)
	guids["dee"] = r.Enroll.Response.GUID

	// It is not switched before everybody has stopped and everything is done.
	_, err = f.reindex(other, "--switch", "--drop-lost", "2")
	wantError(t, err, "workers run", "stop them")
	f.idle("worker", events.Jobs)
	f.stop("worker")
	f.idle("indexer", events.Analyses)
	_, err = f.reindex(other, "--switch", "--drop-lost", "2")
	wantError(t, err, "indexers run", "stop them")
	f.stop("indexer")
	undone := events.Event{ID: uuid.NewString(), Source: "test", Type: events.TypeAnalysis, Time: time.Now(), Key: "undone", Data: []byte("{}")}
	if err := f.publisher.Publish(t.Context(), events.Analyses, undone); err != nil {
		t.Fatal(err)
	}
	_, err = f.reindex(other, "--switch", "--drop-lost", "2")
	wantError(t, err, "1 analyses", "start the indexers")
	f.start("indexer")
	f.idle("indexer", events.Analyses)
	f.stop("indexer")

	// A request that comes now is answered under the new model.
	waiting := schema.RequestID(uuid.NewString())
	caller, err := f.client.OpenCaller(t.Context(), events.PublisherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	if err := f.client.Submit(t.Context(), f.publisher, schema.Request{ID: waiting, Operation: schema.OpPredict, Collection: "staff", Images: []schema.ObjectRef{f.picture(0, 1)}, Config: json.RawMessage(drawn.Config)}); err != nil {
		t.Fatal(err)
	}
	report, err = f.reindex(other, "--switch", "--drop-lost", "1")
	wantCode(t, err, exitOutcome)
	wantError(t, err, "2 rows cannot be rebuilt", "--drop-lost 2")
	wantLost(report)
	report, err = f.reindex(other, "--switch", "--drop-lost", "2")
	if err != nil || !report.Switched {
		t.Fatalf("switch: %+v, %v", report, err)
	}
	text, err = f.run(t.Context(), "reindex", "--model", other, "--switch")
	if err != nil || !strings.Contains(text, "Switched to "+string(report.Model)) {
		t.Errorf("the switch repeated: %v\n%s", err, text)
	}

	f.start("worker", other)
	f.start("indexer")
	if r, err := caller.Await(t.Context(), waiting); err != nil || r.Predict == nil || r.Predict.Response.GUID != guids["ann"] {
		t.Errorf("the request that waited: %+v, %v", r, err)
	}
	for name, person := range map[schema.ExternalID]int{"ann": 0, "dee": 3} {
		if got := f.predict(person); got != guids[name] {
			t.Errorf("%q is found as %q under the new model, want %q", string(name), got, guids[name])
		}
	}
	if got := f.predict(1); got != "" {
		t.Errorf("who was deleted is found as %q", got)
	}

	text, err = f.run(t.Context(), "gallery", "verify", "--json")
	wantCode(t, err, exitOutcome)
	var verified verify.Report
	if err := json.Unmarshal([]byte(text), &verified); err != nil || len(verified.Differences) != 1 || verified.Differences[0].Kind != verify.Missing || verified.Differences[0].GUID != guids["cid"] {
		t.Errorf("the gallery after the switch: %v\n%s", err, text)
	}

	// Every job once more: nothing is doubled, who was deleted stays so, and cid's image is not there to be enrolled again.
	rows := []string{guids["ann"], guids["dee"]}
	slices.Sort(rows)
	f.repeatJobs()
	if diff := gocmp.Diff(rows, f.rows()); diff != "" {
		t.Errorf("rows after repeats (-want +got):\n%s", diff)
	}

	// And back, with a new enrolment: the row of the new model has a source, too.
	f.enroll("eve", 4)
	if r, err := f.reindex(packs.Starter); err != nil || r.Collections[0].Staged != 3 {
		t.Errorf("back: %+v, %v", r, err)
	}
	if _, err := f.run(t.Context(), "reindex", "--model", packs.Starter, "--discard"); err != nil {
		t.Error(err)
	}
	if r, err := f.reindex(packs.Starter, "--dry-run"); err != nil || r.Collections[0].Staged != 0 {
		t.Errorf("after what was built is discarded: %+v, %v", r, err)
	}
	if got := f.predict(4); got == "" {
		t.Error("who was enrolled under the new model is not found")
	}
}

// TestReindexWhileServing takes a gallery to another model while workers that serve both answer requests without a pause. Only the
// indexer stops for the switch.
func TestReindexWhileServing(t *testing.T) {
	t.Run("starter", func(t *testing.T) { reindexWhileServing(t, packs.Starter, otherPack(t)) })
	t.Run("open", func(t *testing.T) {
		if _, err := models.Locate("open"); err != nil {
			t.Skipf("SKIPPED, no gallery was taken to the open pack: %v", err)
		}
		reindexWhileServing(t, mobileFaceNet(t), "open")
	})
}

// mobileFaceNet is the folder of a pack with the embedding network that the open pack had in its version 2; its other networks
// are the starter pack's.
func mobileFaceNet(t *testing.T) string {
	t.Helper()
	mirror := provision.DefaultMirror()
	if mirror == "" {
		mirror = "../../../shared/models"
	}
	network, err := os.ReadFile(filepath.Join(mirror, "embedding/mobilefacenet.onnx"))
	if err != nil {
		t.Skipf("SKIPPED, no gallery of MobileFaceNet was taken to the open pack: %v", err)
	}
	text, err := packs.Manifest(packs.Starter)
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]any
	if err := yaml.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["name"] = "former"
	networks := manifest["models"].(map[string]any)
	for _, filled := range networks {
		several, ok := filled.([]any)
		if !ok {
			several = []any{filled}
		}
		for _, m := range several {
			m.(map[string]any)["source"] = "https://example.org/none"
		}
	}
	const measured = "LFW pairs of the open pack, version 2"
	threshold := func(value float64) map[string]any {
		return map[string]any{"value": value, "evaluation": measured, "source": "facestream eval thresholds"}
	}
	networks["embedding"] = map[string]any{
		"name": "mobilefacenet", "file": "mobilefacenet.onnx", "sha256": fmt.Sprintf("%x", sha256.Sum256(network)), "bytes": len(network),
		"source": "https://example.org/none", "licence": "Apache-2.0", "architecture": "arcface", "batch": 1,
		"input":      map[string]any{"width": 112, "height": 112, "colour": "rgb", "scale": 1.0 / 255, "mean": []float64{0.485, 0.456, 0.406}, "std": []float64{0.229, 0.224, 0.225}},
		"thresholds": map[string]any{"min": threshold(0.243), "med": threshold(0.309), "max": threshold(0.404)},
	}
	dir := filepath.Join(t.TempDir(), "former")
	if err := os.CopyFS(dir, packs.Files(packs.Starter)); err != nil {
		t.Fatal(err)
	}
	if text, err = yaml.Marshal(manifest); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, models.ManifestFile)), os.WriteFile(filepath.Join(dir, models.ManifestFile), text, 0o600),
		os.WriteFile(filepath.Join(dir, "mobilefacenet.onnx"), network, 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func reindexWhileServing(t *testing.T, former, next string) {
	f := startFlow(t)
	f.start("ingest")
	f.start("worker", former)
	f.start("indexer")
	guids := map[int]string{}
	enroll := func(person int) {
		t.Helper()
		r, _ := f.enroll(schema.ExternalID(fmt.Sprint("person ", person)), person)
		guids[person] = r.Enroll.Response.GUID
	}
	enroll(0)
	enroll(1)
	if r := f.send(schema.Request{Operation: schema.OpEnroll, Collection: "visitors", ExternalID: "vic", Images: []schema.ObjectRef{f.picture(2, 0)}}); r.Enroll == nil || !r.Enroll.EnrollPerformed {
		t.Fatalf("enroll: %+v", r.CallStatus)
	}
	_, model, err := modelOf(next, models.RoleEmbedding)
	if err != nil {
		t.Fatal(err)
	}

	// From here on somebody asks all the time, and is answered.
	caller, err := f.client.OpenCaller(t.Context(), events.PublisherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	asking, stop := context.WithCancel(t.Context())
	image, first := f.picture(0, 1), guids[0]
	answers := map[string]int{}
	var asked sync.WaitGroup
	asked.Go(func() {
		for asking.Err() == nil {
			a, err := caller.Call(t.Context(), schema.Request{Operation: schema.OpPredict, Collection: "staff", Images: []schema.ObjectRef{image}, Config: json.RawMessage(drawn.Config)})
			switch {
			case err != nil:
				answers[err.Error()]++
			case a.Result.Predict == nil || a.Result.Predict.Response == nil || a.Result.Predict.Response.GUID != first:
				answers[fmt.Sprintf("%+v", a.Result.CallStatus)]++
			case slices.ContainsFunc(a.Result.Models, func(m schema.ModelRun) bool { return m.ID == model }):
				answers["next"]++
			default:
				answers["former"]++
			}
		}
	})
	defer asked.Wait()
	defer stop()

	settings := filepath.Join(t.TempDir(), "facestream.yaml")
	both := fmt.Sprintf("worker:\n  models: [%q, %q]\n  collections:\n  - {pattern: staff, models: [%[1]q, %[2]q]}\n  - {pattern: visitors, models: [%[2]q]}\n", next, former)
	if err := os.WriteFile(settings, []byte(both), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := f.reindex(next, "--config", settings)
	if err != nil || len(report.Collections) != 1 || report.Collections[0].Collection != "staff" || report.Collections[0].Staged != 2 {
		t.Fatalf("built: %+v, %v", report, err)
	}

	// An analysis by a worker of the former pack alone waits: nobody could answer it after the switch.
	_, err = f.reindex(next, "--config", settings, "--switch")
	wantError(t, err, "indexers run", "not the workers")
	f.stop("indexer")
	waitForLag(f)
	_, err = f.reindex(next, "--config", settings, "--switch")
	wantError(t, err, "analyses wait", "former model only", "start the indexers")
	f.stop("worker")
	f.start("worker", next, former)
	f.start("indexer")
	enroll(3) // in between: the collection has the former model
	f.stop("indexer")
	waitForLag(f)
	report, err = f.reindex(next, "--config", settings, "--switch")
	if err != nil || !report.Switched || report.Collections[0].Rows != 3 {
		t.Fatalf("switch: %+v, %v", report, err)
	}
	f.start("indexer")
	enroll(4)
	for person, guid := range guids {
		if got := f.predict(person); got != guid {
			t.Errorf("person %d is found as %q under the new model, want %q", person, got, guid)
		}
	}
	kept, err := readCollections(t, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kept {
		if (k.Name == "staff") != (k.Tie.Model == model) {
			t.Errorf("collection %q has the model %s", k.Name, k.Tie.Model)
		}
	}

	// The new pack alone serves it now, and does not the collection that did not move.
	f.stop("worker")
	f.start("worker", next)
	if got := f.predict(1); got != guids[1] {
		t.Errorf("by the new pack alone: %q, want %q", got, guids[1])
	}
	if r := f.send(schema.Request{Operation: schema.OpPredict, Collection: "visitors", Images: []schema.ObjectRef{f.picture(2, 1)}}); r.CallStatus.Reason != schema.ReasonModelMismatch {
		t.Errorf("the collection that did not move: %+v", r.CallStatus)
	}
	stop()
	asked.Wait()
	if answers["former"] == 0 || answers["next"] == 0 || len(answers) != 2 {
		t.Errorf("answers meanwhile, by model: %v; want those of both models and no other", answers)
	}
}

// waitForLag waits until an analysis waits for the indexer.
func waitForLag(f *flow) {
	f.t.Helper()
	for ; ; time.Sleep(20 * time.Millisecond) {
		status, err := f.client.Describe(f.t.Context(), events.Analyses)
		if err == nil && slices.ContainsFunc(status[0].Groups, func(g events.GroupLag) bool { return g.Group == host.Group("indexer") && g.Lag > 0 }) {
			return
		}
	}
}

func readCollections(t *testing.T, f *flow) ([]gallery.Kept, error) {
	r, err := drivers.OpenReader(t.Context(), f.cfg.Indexer.Gallery)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Collections(t.Context())
}

// eraseObject deletes a version of an object, as its owner may.
func eraseObject(t *testing.T, f *flow, ref schema.ObjectRef) error {
	c, err := minio.New(f.cfg.S3.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(string(f.cfg.S3.AccessKey), string(f.cfg.S3.SecretKey), ""), Region: f.cfg.S3.Region})
	if err != nil {
		return err
	}
	return c.RemoveObject(t.Context(), ref.Bucket, ref.Key, minio.RemoveObjectOptions{VersionID: ref.Version})
}

// repeatJobs has the worker do every job again, and waits until the indexer has done what comes of it.
func (f *flow) repeatJobs() {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	var jobs []events.Event
	err := f.client.ReadAll(ctx, events.Jobs, nil, func(r events.Record) error {
		jobs = append(jobs, r.Event)
		return nil
	}, cancel)
	if err != nil && ctx.Err() == nil {
		f.t.Fatal(err)
	}
	if len(jobs) < 8 {
		f.t.Fatalf("%d jobs to repeat", len(jobs))
	}
	if err := f.publisher.Publish(f.t.Context(), events.Jobs, jobs...); err != nil {
		f.t.Fatal(err)
	}
	f.idle("worker", events.Jobs)
	f.idle("indexer", events.Analyses)
}

func TestReindexUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--model", "starter", "--drop-lost", "1"},
		{"--model", "starter", "--switch", "--drop-lost", "-1"},
	} {
		c := root()
		c.SilenceUsage, c.SilenceErrors = true, true
		c.SetArgs(append([]string{"reindex"}, args...))
		wantCode(t, c.ExecuteContext(t.Context()), exitUsage)
	}
	for _, args := range [][]string{{}, {"--model", "starter", "--switch", "--dry-run"}, {"--model", "no-such-pack"}} {
		c := root()
		c.SilenceUsage, c.SilenceErrors = true, true
		c.SetArgs(append(append([]string{"reindex"}, args...), "--data-dir", t.TempDir()))
		if err := c.ExecuteContext(t.Context()); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
	c := root()
	c.SilenceUsage, c.SilenceErrors = true, true
	dir := t.TempDir()
	c.SetArgs([]string{"reindex", "--model", packs.Starter, "--discard", "--data-dir", dir})
	if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("without a gallery: %v; want an error that names its folder", err)
	}
}

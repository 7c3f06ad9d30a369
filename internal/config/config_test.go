package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"facestream/internal/routes"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/events"
)

// load runs Load on a file with the given text ("" means no file) and a parsed command line.
func load(t *testing.T, text string, environ []string, args ...string) (Config, error) {
	t.Helper()
	file := ""
	if text != "" {
		file = filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	BindFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, environ, fs)
	if err != nil && file != "" {
		var ps Problems
		if errors.As(err, &ps) {
			for i := range ps {
				ps[i].Name = strings.ReplaceAll(ps[i].Name, file, "f.yaml")
			}
		}
	}
	return c, err
}

func TestDefaultsAreUsable(t *testing.T) {
	c, err := Load("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Resolve()
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
	if got := []any{c.Kafka.Brokers[0], c.Kafka.SessionTimeout, c.Kafka.Retention.Results, c.Worker.MaxBytes, c.Worker.MaxPixels, string(c.S3.AccessKey), c.Indexer.Gallery.Dir, c.Worker.Device}; !reflect.DeepEqual(got,
		[]any{"127.0.0.1:9092", 6 * time.Second, 7 * 24 * time.Hour, Bytes(20_000_000), 50_000_000, "facestream", filepath.Join("data", "gallery"), "auto"}) {
		t.Error(got)
	}
}

func TestTheLaterSourceWins(t *testing.T) {
	const file = "data_dir: /file\nconsumer:\n  max_attempts: 3\n"
	tests := []struct {
		name string
		file string
		env  []string
		args []string
		get  func(Config) any
		want any
	}{
		{"default", "", nil, nil, func(c Config) any { return c.DataDir }, "data"},
		{"file", file, nil, nil, func(c Config) any { return c.DataDir }, "/file"},
		{"environment over file", file, []string{"FACESTREAM_DATA_DIR=/env"}, nil, func(c Config) any { return c.DataDir }, "/env"},
		{"flag over environment", file, []string{"FACESTREAM_DATA_DIR=/env"}, []string{"--data-dir=/flag"}, func(c Config) any { return c.DataDir }, "/flag"},
		{"file stays where others are silent", file, []string{"FACESTREAM_DATA_DIR=/env"}, nil, func(c Config) any { return c.Consumer.MaxAttempts }, 3},
		{"derived from what won", file, []string{"FACESTREAM_DATA_DIR=/env"}, nil, func(c Config) any { return c.Indexer.Gallery.Dir }, "/env/gallery"},
		{"short variable", "", []string{"FACESTREAM_KAFKA=a:1, b:2"}, nil, func(c Config) any { return c.Kafka.Brokers }, []string{"a:1", "b:2"}},
		{"long variable", "", []string{"FACESTREAM_KAFKA_BROKERS=a:1"}, nil, func(c Config) any { return c.Kafka.Brokers }, []string{"a:1"}},
		{"list in one line", "kafka: {brokers: 'a:1,b:2'}", nil, nil, func(c Config) any { return c.Kafka.Brokers }, []string{"a:1", "b:2"}},
		{"list in several lines", "kafka:\n  brokers:\n  - a:1\n  - b:2\n", nil, nil, func(c Config) any { return c.Kafka.Brokers }, []string{"a:1", "b:2"}},
		{"flag for a list", "", nil, []string{"--kafka-brokers", "a:1,b:2"}, func(c Config) any { return c.Kafka.Brokers }, []string{"a:1", "b:2"}},
		{"models", "", []string{"FACESTREAM_MODELS=/m"}, nil, func(c Config) any { return c.Worker.Models }, []string{"/m"}},
		{"several models", "worker: {collections: [{pattern: a, models: b}]}", []string{"FACESTREAM_MODELS=a,b"}, nil, func(c Config) any { return c.Worker.Models }, []string{"a", "b"}},
		{"models of a collection", "worker: {models: [a, b], collections: [{pattern: 'x-*', models: b}, {pattern: x-1, models: 'b, a'}, {pattern: y, models: [b, a]}]}", nil, nil,
			func(c Config) any {
				return [][]string{c.Worker.ModelsOf("x-1"), c.Worker.ModelsOf("y"), c.Worker.ModelsOf("yy"), c.Worker.ModelsOf("")}
			}, [][]string{{"b"}, {"b", "a"}, {"a"}, {"a"}}},
		{"runtime library", "", []string{"FACESTREAM_ORT_LIB=/l.so"}, nil, func(c Config) any { return c.Worker.ORTLib }, "/l.so"},
		{"access key", "", []string{"FACESTREAM_S3_ACCESS_KEY=ak"}, nil, func(c Config) any { return string(c.S3.AccessKey) }, "ak"},
		{"secret key", "", []string{"FACESTREAM_S3_SECRET_KEY= s k "}, nil, func(c Config) any { return string(c.S3.SecretKey) }, " s k "},
		{"endpoint", "", []string{"FACESTREAM_S3_ENDPOINT=h:1"}, nil, func(c Config) any { return c.S3.Endpoint }, "h:1"},
		{"days", "ingest: {ledger_retention: 30d12h}", nil, nil, func(c Config) any { return c.Ingest.LedgerRetention }, 30*24*time.Hour + 12*time.Hour},
		{"size", "worker: {max_bytes: 1MiB}", nil, nil, func(c Config) any { return c.Worker.MaxBytes }, Bytes(1 << 20)},
		{"decimal size", "worker: {max_bytes: 2.5 mb}", nil, nil, func(c Config) any { return c.Worker.MaxBytes }, Bytes(2_500_000)},
		{"size without a unit", "worker: {max_bytes: 4_096}", nil, nil, func(c Config) any { return c.Worker.MaxBytes }, Bytes(4096)},
		{"milvus", "", []string{"FACESTREAM_MILVUS=m:1"}, nil, func(c Config) any { return c.Indexer.Gallery.Milvus.Address }, "m:1"},
		{"digits in groups", "worker: {max_pixels: 1_000_000}", nil, nil, func(c Config) any { return c.Worker.MaxPixels }, 1_000_000},
		{"switch", "", nil, []string{"--telemetry-pprof"}, func(c Config) any { return c.Telemetry.Pprof }, true},
		{"switch off", "telemetry: {pprof: true}", nil, []string{"--telemetry-pprof=false"}, func(c Config) any { return c.Telemetry.Pprof }, false},
		{"an empty variable empties", "", []string{"FACESTREAM_TELEMETRY_LISTEN="}, nil, func(c Config) any { return c.Telemetry.Listen }, ""},
		{"an empty variable is absent elsewhere", "", []string{"FACESTREAM_KAFKA=", "FACESTREAM_CONSUMER_MAX_ATTEMPTS="}, nil, func(c Config) any { return c.Consumer.MaxAttempts }, 8},
		{"a key without value keeps the default", "worker:\n  models:\nkafka:\n", nil, nil, func(c Config) any { return c.Worker.Models }, []string{"starter"}},
		{"names of Kubernetes are no settings", "", []string{"FACESTREAM_WORKER_PORT=tcp://10.0.0.1:80", "FACESTREAM_KAFKA_PORT_9092_TCP_ADDR=10.0.0.1", "FACESTREAM_S3_SERVICE_HOST=10.0.0.1"}, nil, func(c Config) any { return c.DataDir }, "data"},
		{"routes", "ingest:\n  routes:\n  - prefix: door/\n    pattern: <collection>/<file>\n    operation: predict\n    config: {neighbors: 3}\n", nil, nil, func(c Config) any { return c.Ingest.Routes },
			[]Route{{Prefix: "door/", Pattern: "<collection>/<file>", Operation: "predict", Config: map[string]any{"neighbors": 3}}}},
		{"consent", "", nil, []string{"--ingest-consent-required=staff,*"}, func(c Config) any { return c.Ingest.Consent.Required }, []string{"staff", "*"}},
		{"alias", "s3: {bucket: &b photos, buckets: [*b]}", nil, nil, func(c Config) any { return c.S3.Buckets }, []string{"photos"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.file, tt.env, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, tt.get(c)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFileFromTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(file, []byte("data_dir: /here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load("", []string{"FACESTREAM_CONFIG=" + file}, nil)
	if err != nil || c.DataDir != "/here" {
		t.Errorf("data_dir %q, error %v", c.DataDir, err)
	}
}

// A pack that would serve nothing, or that is not loaded, is a mistake of the operator.
func TestModels(t *testing.T) {
	for settings, want := range map[string]string{
		"models: [a, b, a], collections: [{pattern: x, models: b}]": `worker.models (f.yaml:1): names "a" twice`,
		"models: [a, b]":                                          `worker.models (f.yaml:1): "b" serves no collection; assign some to it in worker.collections`,
		"collections: [{pattern: x, models: b}]":                  `worker.collections[0].models (f.yaml:1): "b" is not one of worker.models, starter`,
		"collections: [{pattern: x}]":                             `worker.collections[0].models: must not be empty`,
		"collections: [{models: starter}]":                        `worker.collections[0].pattern: must not be empty`,
		"collections: [{pattern: '[', models: starter}]":          `worker.collections[0].pattern (f.yaml:1): "[" cannot match a collection: 1-64 letters, digits, '_', '.', '-' or *`,
		"collections: [{pattern: x, models: [starter, starter]}]": `worker.collections[0].models (f.yaml:1): names "starter" twice`,
	} {
		_, err := load(t, "worker: {"+settings+"}", nil)
		if err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", settings, err, want)
		}
	}
}

// What the settings take for a device is what the engine takes for one.
func TestDevices(t *testing.T) {
	for _, text := range []string{"auto", "cpu", "cuda", "cuda:0", "cuda:99", "tensorrt", "tensorrt:1", "openvino", "coreml",
		"gpu", "CUDA", "cuda:", "cuda:01", "cuda:-1", "cuda:100", "cpu:0", "auto:1", "openvino:0", "cuda tensorrt", "cuda:1:2"} {
		_, known := onnx.ParseDevice(text)
		c, err := load(t, "worker: {device: '"+text+"'}", nil)
		if (err == nil) != (known == nil) || err == nil && c.Worker.Device != text {
			t.Errorf("%q: the settings say %v, the engine %v", text, err, known)
		}
		if err != nil && !strings.Contains(err.Error(), "worker.device (f.yaml:1): "+known.Error()) {
			t.Errorf("%q: the settings say %v, the engine %v", text, err, known)
		}
	}
	if _, err := load(t, "worker: {device: ''}", nil); err == nil || !strings.Contains(err.Error(), "must not be empty") {
		t.Errorf("no device: %v", err)
	}
}

// TestEveryProblemIsNamed holds that one Load reports all problems, each by what the operator typed.
func TestEveryProblemIsNamed(t *testing.T) {
	const file = `data_dir: ""
kafka:
  brokres: [a:1]
  session_timeout: 6
  session_timeout: 7s
  sasl: {mechanism: plain}
  tls: {ca_file: ca.pem}
  partitions: {jobs: 0}
s3:
  endpoint: http://localhost:9000
  buckets: [Images]
ingest:
  routes:
  - operation: compare
    pattern: <who>/<file>/<file>/x
    bucket: other
  - {operation: juggle, collection: "a b", colour: red, prefix: door}
  - enroll
  - pattern: <file>
  ledger_retention: 1h
worker: [1]
indexer: {gallery: {driver: sqlite, milvus: {prefix: face_stream, user: u, token: t, tls: {cert_file: c}}}}
embedded: {s3_addr: "0.0.0.0:9000"}
`
	_, err := load(t, file, []string{
		"FACESTREAM_MODELS=a", "FACESTREAM_WORKER_MODELS=b", "FACESTREAM_KAFAK=x", "FACESTREAM_KAFKA_BROKRES=x",
		"FACESTREAM_CONSUMER_MAX_ATTEMPTS=many", "FACESTREAM_TELEMETRY_LOG_LEVEL=loud", "FACESTREAM_S3_TLS_CA_FILE=ca.pem",
		"FACESTREAM_INGEST_CONSENT_REQUIRED=staff,a/b",
	}, "--consumer-max-in-flight=-1", "--worker-max-bytes=big", "--telemetry-listen=0.0.0.0:9000", "--telemetry-pprof=perhaps")
	var got Problems
	if !errors.As(err, &got) {
		t.Fatalf("error %v", err)
	}
	want := []string{
		`kafka.brokres (f.yaml:3): is not a setting (did you mean brokers?); here are brokers, client_id, tls, sasl, session_timeout, replication_factor, partitions, retention`,
		`kafka.session_timeout (f.yaml:4): "6" is not a duration; write it like 500ms, 10s, 6h or 7d`,
		`kafka.session_timeout (f.yaml:5): is given twice`,
		`ingest.routes[1].colour (f.yaml:17): is not a setting; here are bucket, prefix, pattern, operation, collection, result_object, config, metadata, floors`,
		`ingest.routes[2] (f.yaml:18): is one value; it must be a section with keys, such as bucket`,
		`worker (f.yaml:21): is a list; it must be a section with keys, such as concurrency`,
		`FACESTREAM_CONSUMER_MAX_ATTEMPTS: "many" is not a whole number`,
		`FACESTREAM_MODELS: contradicts FACESTREAM_WORKER_MODELS; set one of them`,
		`FACESTREAM_KAFKA_BROKRES: is not a setting (did you mean FACESTREAM_KAFKA_BROKERS?); docs/configuration.md lists them all`,
		`--worker-max-bytes: "big" is not a size; write it like 20MB or 512KiB`,
		`--telemetry-pprof: "perhaps" is neither true nor false`,
		`--consumer-max-in-flight: is -1; at least 1 is allowed`,
		`--telemetry-listen: is the address of embedded.s3_addr too`,
		`FACESTREAM_INGEST_CONSENT_REQUIRED: "a/b" must be 1-64 letters, digits, '_', '.' or '-', and begin with a letter or digit; * stands for every collection`,
		`FACESTREAM_TELEMETRY_LOG_LEVEL: "loud" is not one of trace, debug, info, warn, error`,
		`data_dir (f.yaml:1): must not be empty`,
		`embedded.s3_addr (f.yaml:23): is open to other machines; use a loopback address such as 127.0.0.1, or accept it with embedded.expose`,
		`embedded.s3_addr (f.yaml:23): is open to other machines, so s3.secret_key must not be the publicly known default`,
		`indexer.gallery.driver (f.yaml:22): "sqlite" is not one of local, milvus`,
		`indexer.gallery.milvus.prefix (f.yaml:22): "face_stream" is not 1-32 letters and digits, beginning with a letter`,
		`indexer.gallery.milvus.tls.cert_file (f.yaml:22): needs key_file beside it, and the other way round`,
		`indexer.gallery.milvus.tls.enabled: is false, but other settings of indexer.gallery.milvus.tls are given; set it to true or remove them`,
		`indexer.gallery.milvus.token (f.yaml:22): is given beside user; give one of them`,
		`indexer.gallery.milvus.user (f.yaml:22): needs password beside it, and the other way round`,
		`ingest.ledger_retention (f.yaml:20): must be longer than kafka.retention.objects`,
		`ingest.ledger_retention (f.yaml:20): must be longer than kafka.retention.requests`,
		`ingest.routes[0].bucket (f.yaml:16): is not a served bucket; add it to s3.buckets`,
		`ingest.routes[0].operation (f.yaml:14): compare takes 2 images, so one upload cannot ask for it; send a request`,
		`ingest.routes[0].pattern (f.yaml:15): has the part "<who>"; a part between slashes must be fixed text or one of <operation>, <collection>, <external_id>, <file>`,
		`ingest.routes[0].pattern (f.yaml:15): has <file> twice`,
		`ingest.routes[0].pattern (f.yaml:15): must end with <file>`,
		`ingest.routes[1].collection (f.yaml:17): must be 1-64 letters, digits, '_', '.' or '-', and begin with a letter or digit`,
		`ingest.routes[1].operation (f.yaml:17): "juggle" is not one of validate, enroll, predict, compare, verify, estimate_age, face_iso, anti_spoofing, doc_scan_face, user_delete, user_update, user_list, challenge, voice_compare, person_create, group_create, group_update, group_delete, group_list, voice_enroll, voice_predict, voice_verify`,
		`ingest.routes[1].prefix (f.yaml:17): must be fixed text that ends with a slash`,
		`ingest.routes[3].operation: is missing; the pattern has no <operation>`,
		`kafka.partitions.jobs (f.yaml:8): is 0; at least 1 is allowed`,
		`kafka.sasl.username: is missing; plain needs one`,
		`kafka.tls.enabled: is false, but other settings of kafka.tls are given; set it to true or remove them`,
		`s3.buckets (f.yaml:11): "Images" is not a bucket name: 3-63 lower-case letters, digits, '.' or '-'`,
		`s3.buckets (f.yaml:11): do not contain "images", which is s3.bucket; add it or change s3.bucket`,
		`s3.endpoint (f.yaml:10): "http://localhost:9000" has a scheme; write host:port alone`,
		`s3.tls.enabled: is false, but other settings of s3.tls are given; set it to true or remove them`,
	}
	var lines []string
	for _, p := range got {
		lines = append(lines, p.Name+": "+p.Message)
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
	for _, line := range lines {
		if !strings.Contains(err.Error(), line) {
			t.Errorf("the error text lacks %q", line)
		}
	}
}

// TestConfigOfAnyOperation: the configuration of a route is checked, too, where the operation comes from the key.
func TestConfigOfAnyOperation(t *testing.T) {
	_, err := load(t, "ingest: {routes: [{config: {neighbours: 3, face_too_dark: 2}}]}\n", nil)
	for _, want := range []string{"ingest.routes[0].config (f.yaml:1): neighbours is not a configuration key (did you mean neighbors?)", "face_too_dark is out of range"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0 B", "999": "999 B", "1KB": "1 KB", "1KiB": "1 KB", "1536": "1.5 KB", "20MB": "20 MB", "20 mb": "20 MB", "20M": "20 MB",
		"20MiB": "21 MB", "1GB": "1 GB", "2.25TB": "2.3 TB",
	} {
		if b, err := parseBytes(text); err != nil || b.String() != want {
			t.Errorf("%q: %v, %v; want %s", text, b, err, want)
		}
	}
	for _, text := range []string{"", "MB", "1XB", "-1MB", "1..5MB", "1KMB", "9999999999TB", "1 M B"} {
		if b, err := parseBytes(text); err == nil {
			t.Errorf("%q is taken for %v", text, b)
		}
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"not YAML":      {"a: [", "did not find"},
		"two documents": {"data_dir: a\n---\ndata_dir: b\n", "more than one YAML document"},
		"a list":        {"- a\n", "f.yaml: is a list; it must be a section with keys"},
		"tabs":          {"kafka:\n\tbrokers: a\n", "YAML is indented with spaces, not with tabs"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, tt.text, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := Load("/nonexistent.yaml", nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	for _, harmless := range []string{"# nothing\n", "---\n", "~\n"} {
		if _, err := load(t, harmless, nil); err != nil {
			t.Errorf("%q: %v", harmless, err)
		}
	}
}

func TestValidateUsesKeys(t *testing.T) {
	c := Default()
	c.Kafka.Brokers = nil
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "\n  kafka.brokers: must not be empty") {
		t.Errorf("error %v", err)
	}
}

// TestSecretNeverPrints plants values and looks for them in everything that can print a configuration.
func TestSecretNeverPrints(t *testing.T) {
	const planted = "planted-value"
	c, err := load(t, "", []string{"FACESTREAM_S3_ACCESS_KEY=" + planted, "FACESTREAM_S3_SECRET_KEY=" + planted,
		"FACESTREAM_INDEXER_GALLERY_MILVUS_USER=u", "FACESTREAM_INDEXER_GALLERY_MILVUS_PASSWORD=" + planted,
		"FACESTREAM_KAFKA_SASL_MECHANISM=plain", "FACESTREAM_KAFKA_SASL_USERNAME=u", "FACESTREAM_KAFKA_SASL_PASSWORD=" + planted})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	log := zerolog.New(&logged)
	log.Info().Interface("config", c).Any("secret", c.S3.SecretKey).Stringer("text", c.S3.SecretKey).Msgf("%v %s", c, c.S3.SecretKey)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Kafka.SASL.Mechanism = "x"
	c.Kafka.Brokers = nil
	outputs := map[string]string{"log": logged.String(), "json": string(asJSON), "yaml": string(asYAML), "problems": c.Validate().Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs["fmt "+verb] = fmt.Sprintf(verb, c)
		outputs["fmt of the secret "+verb] = fmt.Sprintf(verb, c.S3.SecretKey)
	}
	for name, out := range outputs {
		if strings.Contains(out, planted) || strings.Contains(out, fmt.Sprintf("%x", planted)) {
			t.Errorf("%s shows the secret: %s", name, out)
		}
		if name != "problems" && !strings.Contains(out, "***") {
			t.Errorf("%s has no ***: %s", name, out)
		}
	}
}

// TestTags holds the one source of truth to its form: every setting is documented, its tags parse, and no two settings share a name.
func TestTags(t *testing.T) {
	Default() // panics on a default that does not parse
	owner := map[string]string{}
	claim := func(name, key string) {
		if other, taken := owner[name]; taken {
			t.Errorf("%s belongs to %s and to %s", name, other, key)
		}
		owner[name] = key
	}
	for _, s := range settings() {
		if s.field.Tag.Get("doc") == "" || strings.HasSuffix(s.key, ".") {
			t.Errorf("%s lacks the tag doc or yaml", s.key)
		}
		for _, env := range s.envs {
			claim(env, s.key)
			if serviceLink.MatchString(env) {
				t.Errorf("%s looks like a name that Kubernetes sets", env)
			}
		}
		if s.flag != "" {
			claim("--"+s.flag, s.key)
		}
		for _, check := range s.checks() {
			if check != "" && check != "nonempty" && checkText(check, "%") == "" {
				t.Errorf("%s: check %q is unknown or takes everything", s.key, check)
			}
		}
	}
	for f := range fieldsOf(reflect.TypeFor[Route]()) {
		if f.Tag.Get("doc") == "" || f.Tag.Get("yaml") == "" {
			t.Errorf("Route.%s lacks the tag doc or yaml", f.Name)
		}
	}
	if f, _ := reflect.TypeFor[Route]().FieldByName("Pattern"); f.Tag.Get("default") != routes.DefaultPattern {
		t.Error("the documented pattern is not that of package routes")
	}
}

// TestTopicDefaults holds the defaults to those that package events gives reasons for.
func TestTopicDefaults(t *testing.T) {
	p, r := Default().Kafka.Partitions, Default().Kafka.Retention
	type topic struct {
		partitions int
		retention  time.Duration
	}
	want := map[events.Topic]topic{}
	for _, s := range events.DefaultSpecs() {
		want[s.Topic] = topic{s.Partitions, s.Retention}
	}
	got := map[events.Topic]topic{
		events.Objects: {p.Objects, r.Objects}, events.Requests: {p.Requests, r.Requests}, events.Jobs: {p.Jobs, r.Jobs},
		events.Analyses: {p.Analyses, r.Analyses}, events.Results: {p.Results, r.Results}, events.DeadLetters: {p.DeadLetters, r.DeadLetters},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(topic{})); d != "" {
		t.Error(d)
	}
}

func FuzzFile(f *testing.F) {
	f.Add("kafka: {brokers: [a:1]}")
	f.Add("ingest: {routes: [{config: {a: [1, {b: 2}]}}]}")
	f.Add("s3: {bucket: &b photos, buckets: [*b]}")
	f.Add("worker: {max_bytes: 1e30GB, max_pixels: -1}")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := load(t, text, nil)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("Load accepted what Validate refuses: %v", err)
		}
	})
}

// One image is analysed per processor that the process may use, which in a container is less than the machine has.
func TestConcurrencyFollowsTheLimit(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c, err := load(t, "", nil)
	if err != nil || c.Worker.Images(false) != 1 || c.Worker.Images(true) != 96 {
		t.Errorf("%d images at once, %d on a GPU, error %v", c.Worker.Images(false), c.Worker.Images(true), err)
	}
	c.Worker.Concurrency = 5
	if c.Worker.Images(false) != 5 || c.Worker.Images(true) != 5 {
		t.Errorf("%d images at once, %d on a GPU; the setting says 5", c.Worker.Images(false), c.Worker.Images(true))
	}
}

// The settings that deployments/ offers are accepted, each beside the secrets that its environment adds.
func TestDeploymentSettings(t *testing.T) {
	const dir = "../../deployments/"
	read := func(file string) []byte {
		text, err := os.ReadFile(dir + file)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var values struct{ Config yaml.Node }
	if err := yaml.Unmarshal(read("helm/facestream/values.yaml"), &values); err != nil {
		t.Fatal(err)
	}
	chart, err := yaml.Marshal(&values.Config)
	if err != nil {
		t.Fatal(err)
	}
	store := []string{"FACESTREAM_S3_ACCESS_KEY=a", "FACESTREAM_S3_SECRET_KEY=s"}
	broker := append(store, "FACESTREAM_KAFKA_SASL_USERNAME=u", "FACESTREAM_KAFKA_SASL_PASSWORD=p",
		"FACESTREAM_INDEXER_GALLERY_MILVUS_USER=u", "FACESTREAM_INDEXER_GALLERY_MILVUS_PASSWORD=p")
	for name, tt := range map[string]struct {
		text    []byte
		env     []string
		cluster bool // three brokers, TLS everywhere
	}{
		"facestream.yaml":             {read("facestream.yaml"), broker, true},
		"compose/facestream.yaml":     {read("compose/facestream.yaml"), store, false},
		"helm/facestream/values.yaml": {chart, broker, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := load(t, string(tt.text), tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if cluster := c.Kafka.ReplicationFactor == 3 && c.Kafka.TLS.Enabled && c.S3.TLS.Enabled; cluster != tt.cluster {
				t.Errorf("%+v", c)
			}
			if c.Indexer.Gallery.Driver != DriverMilvus || strings.HasPrefix(c.Indexer.Gallery.Milvus.Address, "127.") || c.Indexer.Gallery.Milvus.TLS.Enabled != tt.cluster {
				t.Errorf("the gallery is %+v, not in Milvus as in the owner's installation", c.Indexer.Gallery)
			}
			if c.DataDir != "/var/lib/facestream" || c.Telemetry.Listen != "0.0.0.0:9464" {
				t.Errorf("data_dir %s and telemetry.listen %s are not what the image and the probes expect", c.DataDir, c.Telemetry.Listen)
			}
		})
	}
}

func TestConsentRequires(t *testing.T) {
	for _, tt := range []struct {
		required []string
		want     bool
	}{{nil, false}, {[]string{"visitors"}, false}, {[]string{"visitors", "staff"}, true}, {[]string{"*"}, true}} {
		if got := (Consent{Required: tt.required}).Requires("staff"); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.required, got, tt.want)
		}
	}
}

// TestFloors: a floor that limits nothing, or that a route's own configuration undercuts, is refused when the settings are read.
func TestFloors(t *testing.T) {
	for _, tt := range []struct{ ingest, want string }{
		{`floors: [{config: {anti_spoofing_mode: 1}}]`, ""},
		{`floors: [{collections: [bank]}]`, "ingest.floors[0].config: is missing"},
		{`floors: [{collections: [a/b], config: {anti_spoofing_mode: 1}}]`, "ingest.floors[0].collections"},
		{`floors: [{config: {neighbours: 2}}]`, "neighbours"},
		{`floors: [{config: {neighbors: 2}}]`, "neighbors"}, // neither value is stricter than the other
		{`floors: [{config: {anti_spoofing_mode: 99}}]`, "anti_spoofing_mode"},
		{`floors: [{config: {anti_spoofing_mode: yes please}}]`, "anti_spoofing_mode"},
		{`routes: [{floors: {neighbours: 2}}]`, "ingest.routes[0].floors"},
		{`routes: [{config: {anti_spoofing_mode: 0}, floors: {anti_spoofing_mode: 1}}]`, "ingest.routes[0].config: anti_spoofing_mode is laxer"},
		{`floors: [{config: {anti_spoofing_mode: 1}}], routes: [{config: {anti_spoofing_mode: 0}}]`, "ingest.routes[0].config: anti_spoofing_mode is laxer"},
		{`floors: [{collections: [bank], config: {anti_spoofing_mode: 1}}], routes: [{config: {anti_spoofing_mode: 0}}]`, ""}, // unless it is about the bank
	} {
		_, err := load(t, "ingest: {"+tt.ingest+"}\n", nil)
		if got := fmt.Sprint(err); (tt.want == "") != (err == nil) || !strings.Contains(strings.ReplaceAll(got, " (f.yaml:1)", ""), tt.want) {
			t.Errorf("%s: %v, want %q", tt.ingest, err, tt.want)
		}
	}
}

// TestDefaultsOfCollections: what no request could have is refused when the settings are read.
func TestDefaultsOfCollections(t *testing.T) {
	for entry, want := range map[string]string{
		`config: {capture: surveillance}`:                        "",
		`config: {neighbours: 2}`:                                "ingest.defaults[0].config: neighbours: is not a configuration key",
		`config: {collection_name: yard}`:                        "ingest.defaults[0].config: collection_name is chosen by the request alone",
		`collections: [yard]`:                                    "ingest.defaults[0].config: is missing",
		`{collections: [a/b], config: {neighbors: 2}}`:           "ingest.defaults[0].collections",
		`{collections: [bank], config: {anti_spoofing_mode: 0}}`: "ingest.defaults[0].config: anti_spoofing_mode is laxer",
		`{collections: [yard], config: {anti_spoofing_mode: 0}}`: "",
	} {
		_, err := load(t, "ingest:\n  floors:\n  - {collections: [bank], config: {anti_spoofing_mode: 1}}\n  defaults:\n  - "+entry+"\n", nil)
		if got := fmt.Sprint(err); (want == "") != (err == nil) || !strings.Contains(strings.ReplaceAll(got, " (f.yaml:5)", ""), want) {
			t.Errorf("%s: %v, want %q", entry, err, want)
		}
	}
}

// TestExposed: what the settings open to other machines is listed with its address and its setting.
func TestExposed(t *testing.T) {
	c := Default()
	if got := c.Exposed(); len(got) > 0 {
		t.Errorf("the defaults expose %v", got)
	}
	c.Embedded = Embedded{KafkaAddr: "10.0.0.1:9092", S3Addr: "[::]:9000"}
	c.Telemetry.Listen, c.Telemetry.Pprof = "0.0.0.0:9464", true
	c.Kafka.Brokers, c.S3.Endpoint = []string{"kafka:9092", "127.0.0.1:9092"}, "s3:443"
	c.Indexer.Gallery.Driver, c.Indexer.Gallery.Milvus.Address = DriverMilvus, "milvus:19530"
	c.Indexer.Directory.Driver, c.Indexer.Directory.DSN = DirectoryPostgres, "postgres://u:p@db/people"
	var got []string
	for _, e := range c.Exposed() {
		got = append(got, e.Setting+" "+e.Address)
	}
	want := []string{"embedded.kafka_addr 10.0.0.1:9092", "embedded.s3_addr [::]:9000", "telemetry.listen 0.0.0.0:9464", "telemetry.pprof 0.0.0.0:9464",
		"kafka.tls.enabled kafka:9092", "s3.tls.enabled s3:443", "indexer.gallery.milvus.tls.enabled milvus:19530", "indexer.directory.dsn db:5432"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.Kafka.TLS.Enabled, c.S3.TLS.Enabled, c.Indexer.Gallery.Milvus.TLS.Enabled = true, true, true
	c.Indexer.Directory.DSN = "postgres://u:p@db/people?sslmode=verify-full"
	if got := c.Exposed(); len(got) != 4 {
		t.Errorf("with TLS: %v", got)
	}
}

// TestLeastExposure: nothing is open to other machines, and no password goes over the network in the clear, unless a setting
// says that this is meant.
func TestLeastExposure(t *testing.T) {
	plain := []string{"FACESTREAM_KAFKA_SASL_MECHANISM=plain", "FACESTREAM_KAFKA_SASL_USERNAME=u", "FACESTREAM_KAFKA_SASL_PASSWORD=p"}
	directory := []string{"FACESTREAM_INDEXER_DIRECTORY_DRIVER=postgres"}
	milvus := []string{"FACESTREAM_INDEXER_GALLERY_MILVUS_TOKEN=t"}
	with := func(more []string, env ...string) []string { return append(env, more...) }
	for name, tt := range map[string]struct {
		env     []string
		problem string // a part of it, or "" where the settings are accepted
	}{
		"the defaults":                   {nil, ""},
		"the broker on a LAN":            {[]string{"FACESTREAM_EMBEDDED_KAFKA_ADDR=192.168.1.7:9092"}, "embedded.expose"},
		"the broker on a name":           {[]string{"FACESTREAM_EMBEDDED_KAFKA_ADDR=lab:9092"}, "embedded.expose"},
		"the broker on a LAN, meant":     {[]string{"FACESTREAM_EMBEDDED_KAFKA_ADDR=192.168.1.7:9092", "FACESTREAM_EMBEDDED_EXPOSE=true"}, ""},
		"the store on every address":     {[]string{"FACESTREAM_EMBEDDED_S3_ADDR=:9000", "FACESTREAM_S3_SECRET_KEY=another-secret"}, "embedded.expose"},
		"the store's known key, meant":   {[]string{"FACESTREAM_EMBEDDED_S3_ADDR=0.0.0.0:9000", "FACESTREAM_EMBEDDED_EXPOSE=true"}, "publicly known"},
		"IPv6 loopback":                  {[]string{"FACESTREAM_EMBEDDED_KAFKA_ADDR=[::1]:9092"}, ""},
		"plain on this machine":          {plain, ""},
		"plain to another one":           {with(plain, "FACESTREAM_KAFKA=127.0.0.1:9092,kafka:9092"), "kafka.sasl.allow_unencrypted"},
		"plain with TLS":                 {with(plain, "FACESTREAM_KAFKA=kafka:9092", "FACESTREAM_KAFKA_TLS_ENABLED=true"), ""},
		"plain to another one, meant":    {with(plain, "FACESTREAM_KAFKA=kafka:9092", "FACESTREAM_KAFKA_SASL_ALLOW_UNENCRYPTED=true"), ""},
		"scram to another one":           {with(plain[1:], "FACESTREAM_KAFKA=kafka:9092", "FACESTREAM_KAFKA_SASL_MECHANISM=scram-sha-512"), ""},
		"a database on another one":      {with(directory, "FACESTREAM_INDEXER_DIRECTORY_DSN=postgres://u:p@db/people"), "_DIRECTORY_DSN"},
		"a database, perhaps with TLS":   {with(directory, "FACESTREAM_INDEXER_DIRECTORY_DSN=postgres://u:p@db/people?sslmode=prefer"), "_DIRECTORY_DSN"},
		"a database with TLS":            {with(directory, "FACESTREAM_INDEXER_DIRECTORY_DSN=postgres://u:p@db/people?sslmode=verify-full"), ""},
		"a database on this machine":     {with(directory, "FACESTREAM_INDEXER_DIRECTORY_DSN=postgres://u:p@127.0.0.1/people"), ""},
		"a database, meant":              {with(directory, "FACESTREAM_INDEXER_DIRECTORY_DSN=postgres://u:p@db/people", "FACESTREAM_INDEXER_DIRECTORY_ALLOW_UNENCRYPTED=true"), ""},
		"a database without an address":  {directory, "indexer.directory.dsn"},
		"no address of a database":       {with(directory, "FACESTREAM_INDEXER_DIRECTORY_DSN=db:5432"), "_DIRECTORY_DSN"},
		"a database that nothing uses":   {[]string{"FACESTREAM_INDEXER_DIRECTORY_DSN=postgres://db/people"}, "_DIRECTORY_DSN"},
		"Milvus's token to another one":  {with(milvus, "FACESTREAM_MILVUS=milvus:19530"), "indexer.gallery.milvus.allow_unencrypted"},
		"Milvus's token on this machine": {milvus, ""},
		"Milvus's token with TLS":        {with(milvus, "FACESTREAM_MILVUS=milvus:19530", "FACESTREAM_INDEXER_GALLERY_MILVUS_TLS_ENABLED=true"), ""},
		"Milvus's token, meant":          {with(milvus, "FACESTREAM_MILVUS=milvus:19530", "FACESTREAM_INDEXER_GALLERY_MILVUS_ALLOW_UNENCRYPTED=true"), ""},
	} {
		_, err := load(t, "", tt.env)
		if tt.problem == "" && err != nil || tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.problem)
		}
	}
}

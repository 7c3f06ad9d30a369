package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test . -count=1 -run ^TestDocumentation$ -update

var update = flag.Bool("update", false, "write docs/configuration.md instead of comparing it")

const docsFile = "../../docs/configuration.md"

// TestDocumentation holds docs/configuration.md to what the struct tags say.
func TestDocumentation(t *testing.T) {
	want := documentation()
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("docs/configuration.md is out of date; run `make generate`: %s", d)
	}
}

// TestDocumentedFiles loads every example file of the documentation.
func TestDocumentedFiles(t *testing.T) {
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(documentation(), -1)
	if len(examples) == 0 {
		t.Fatal("the documentation has no example")
	}
	for _, e := range examples {
		var environ []string
		if strings.Contains(e[1], "sasl:") {
			environ = []string{"FACESTREAM_KAFKA_SASL_PASSWORD=x"}
		}
		if _, err := load(t, e[1], environ); err != nil {
			t.Errorf("%s\n%v", e[1], err)
		}
	}
}

const introduction = "# Configuration\n\n" +
	"<!-- Made by `make generate` from the struct tags of internal/config; a test holds it up to date. -->\n\n" +
	"Nothing needs to be set for `facestream up`. Every setting has a key in a YAML file, a variable and, unless it is a secret, a flag.\n" +
	"A flag overrides the environment, which overrides the file, which overrides the default. `--config` or, without it, `FACESTREAM_CONFIG` names the file.\n\n" +
	"- All problems are reported at once, each by the name that was typed: a key with file and line, a variable, or a flag.\n" +
	"- An unknown key fails, and so does an unknown variable that begins like a section (`FACESTREAM_KAFKA_…`). The variables that Kubernetes\n" +
	"  adds for services (`…_SERVICE_HOST`, `…_PORT`) are ignored.\n" +
	"- An empty variable empties a setting that may be empty, and is ignored otherwise.\n" +
	"- A duration is written like `500ms`, `10s`, `6h`, `7d` or `1d12h`; a size like `20MB` (10⁶) or `20MiB` (2²⁰); a number may group its digits\n" +
	"  with `_`; a list is separated by commas, or a YAML list.\n" +
	"- Secrets print as `***`. They have no flag, because every user of a machine can read the arguments of its processes.\n\n" +
	"Two variables are not settings of a service. They tell `facestream models` where packs are: `FACESTREAM_MODELS_DIR`, the folder of pulled packs\n" +
	"(one sub-folder per pack; default: the user's cache folder), and `FACESTREAM_MODELS_MIRROR`, a folder that already has their files.\n\n" +
	"## Examples\n\n" +
	"A cluster of brokers with TLS and a password, and your own store. The secrets come from `FACESTREAM_KAFKA_SASL_PASSWORD`,\n" +
	"`FACESTREAM_S3_ACCESS_KEY` and `FACESTREAM_S3_SECRET_KEY`:\n\n" +
	"```yaml\n" +
	"data_dir: /var/lib/facestream\n" +
	"kafka:\n" +
	"  brokers: [kafka-0.example.org:9093, kafka-1.example.org:9093]\n" +
	"  tls: {enabled: true, ca_file: /etc/facestream/ca.pem}\n" +
	"  sasl: {mechanism: scram-sha-512, username: facestream}\n" +
	"  replication_factor: 3\n" +
	"s3:\n" +
	"  endpoint: s3.example.org:443\n" +
	"  tls: {enabled: true}\n" +
	"  bucket: faces\n" +
	"telemetry:\n" +
	"  log_format: json\n" +
	"  listen: 0.0.0.0:9464\n" +
	"```\n\n" +
	"Routes turn uploads into requests. In this example, people are searched for in the pictures of a camera's folder, and the default pattern applies to all other uploads:\n\n" +
	"```yaml\n" +
	"ingest:\n" +
	"  routes:\n" +
	"  - prefix: door/\n" +
	"    pattern: <collection>/<file>\n" +
	"    operation: predict\n" +
	"    result_object: true\n" +
	"  - pattern: <operation>/<collection>/<external_id>/<file>\n" +
	"```\n\n" +
	"Defaults suit the configuration to what a collection is for. Here the pictures of the yard come from a camera on a wall:\n\n" +
	"```yaml\n" +
	"ingest:\n" +
	"  defaults:\n" +
	"  - collections: [yard]\n" +
	"    config: {capture: surveillance, neighbors: 5}\n" +
	"```\n\n" +
	"Floors bind every request about a collection, whichever way it came. Here nobody is enrolled in the bank's collection, or verified against it,\n" +
	"with a laxer threshold or without liveness; the door's uploads may choose further keys themselves:\n\n" +
	"```yaml\n" +
	"ingest:\n" +
	"  floors:\n" +
	"  - collections: [bank]\n" +
	"    config: {face_thresholds_med: 0.4, anti_spoofing_mode: 1, liveness_calibration: REGULAR}\n" +
	"  routes:\n" +
	"  - prefix: door/\n" +
	"    pattern: <collection>/<file>\n" +
	"    operation: predict\n" +
	"    metadata: [operation-tag, deadline, config]\n" +
	"    floors: {blur_threshold_enroll_pred: 10}\n" +
	"  - pattern: <operation>/<collection>/<external_id>/<file>\n" +
	"```\n\n" +
	"A worker can serve several model packs. Here visitors are recognised by the fast pack, the staff's collection is about to move from the fast\n" +
	"pack to the accurate one (`facestream reindex`), and everybody else is recognised by the accurate one:\n\n" +
	"```yaml\n" +
	"worker:\n" +
	"  models: [open, fast]\n" +
	"  collections:\n" +
	"  - pattern: visitors-*\n" +
	"    models: fast\n" +
	"  - pattern: staff\n" +
	"    models: [open, fast]\n" +
	"```\n"

// documentation renders docs/configuration.md.
func documentation() string {
	var b strings.Builder
	b.WriteString(introduction)
	b.WriteString("\n## General\n\n")
	header := "| key, variable, flag | default | allowed | meaning |\n|---|---|---|---|\n"
	b.WriteString(header)
	section := ""
	for _, s := range settings() {
		top := reflect.TypeFor[Config]().Field(s.index[0])
		if key := top.Tag.Get("yaml"); len(s.index) > 1 && key != section {
			section = key
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s", key, top.Tag.Get("doc"), header)
		}
		names := []string{"`" + s.key + "`"}
		for _, env := range s.envs {
			names = append(names, "`"+env+"`")
		}
		if s.flag != "" {
			names = append(names, "`--"+s.flag+"`")
		}
		row(&b, strings.Join(names, "<br>"), s.field.Tag, s.typeName())
	}
	for _, entry := range []struct {
		title, list string
		keys        reflect.Type
	}{{"One route", "ingest.routes", reflect.TypeFor[Route]()}, {"One entry of defaults", "ingest.defaults", reflect.TypeFor[Defaults]()}, {"One floor", "ingest.floors", reflect.TypeFor[Floor]()},
		{"One assignment", "worker.collections", reflect.TypeFor[CollectionModels]()}, {"One key", "gateway.auth.api_keys", reflect.TypeFor[APIKey]()}} {
		fmt.Fprintf(&b, "\n## %s\n\nThe keys of an entry of `%s`.\n\n%s", entry.title, entry.list, strings.Replace(header, "key, variable, flag", "key", 1))
		for f := range fieldsOf(entry.keys) {
			row(&b, "`"+f.Tag.Get("yaml")+"`", f.Tag, setting{field: f}.typeName())
		}
	}
	return b.String()
}

func row(b *strings.Builder, names string, tag reflect.StructTag, typeName string) {
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	allowed := typeName
	lowest, highest := tag.Get("min"), tag.Get("max")
	switch {
	case tag.Get("oneof") != "":
		allowed = code(strings.ReplaceAll(tag.Get("oneof"), "|", "`, `"))
	case lowest != "" && highest != "":
		allowed = fmt.Sprintf("%s, `%s` to `%s`", typeName, lowest, highest)
	case lowest != "":
		allowed = fmt.Sprintf("%s, at least `%s`", typeName, lowest)
	}
	escaped := strings.NewReplacer("<", "&lt;", ">", "&gt;", "|", "\\|").Replace(tag.Get("doc"))
	fmt.Fprintf(b, "| %s | %s | %s | %s |\n", names, code(tag.Get("default")), allowed, escaped)
}

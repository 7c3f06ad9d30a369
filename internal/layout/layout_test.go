// Package layout_test checks that the packages import each other as docs/architecture.md describes.
package layout_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mayImport lists the packages of the project that each package may import, as docs/architecture.md describes. A
// package that is not listed may import none; "*" means all. Tests are exempt.
var mayImport = map[string][]string{
	"pkg/schema":                 {},
	"pkg/schema/schematest":      {"pkg/schema"},
	"pkg/retry":                  {"pkg/schema"},
	"pkg/groupcommit":            {},
	"pkg/mrz":                    {},
	"pkg/aamva":                  {},
	"pkg/events":                 {"pkg/schema", "pkg/retry"},
	"pkg/engine":                 {"pkg/schema", "pkg/engine/barcode", "pkg/engine/imaging", "pkg/engine/onnx", "pkg/engine/models", "pkg/engine/face", "pkg/engine/document", "pkg/engine/quality", "pkg/engine/voice"},
	"pkg/engine/imaging":         {"pkg/schema"},
	"pkg/engine/barcode":         {"pkg/schema", "pkg/engine/imaging"},
	"pkg/engine/onnx":            {"pkg/schema", "pkg/groupcommit"},
	"pkg/engine/models":          {"pkg/schema", "pkg/engine/models/registry", "packs"},
	"pkg/engine/models/registry": {"pkg/schema"},
	"pkg/engine/face":            {"pkg/schema", "pkg/engine/imaging", "pkg/engine/onnx", "pkg/engine/models"},
	"pkg/engine/document":        {"pkg/schema", "pkg/engine/imaging", "pkg/engine/onnx", "pkg/engine/models", "pkg/engine/face", "pkg/mrz"},
	"pkg/engine/quality":         {"pkg/schema", "pkg/engine/imaging", "pkg/engine/face"},
	"pkg/engine/voice":           {"pkg/schema", "pkg/engine/onnx", "pkg/engine/models"},
	"packs":                      {},

	"internal/objects":               {"pkg/schema"},
	"internal/notify":                {"pkg/schema"},
	"internal/gallery":               {"pkg/schema", "pkg/groupcommit"},
	"internal/gallery/local":         {"pkg/schema", "pkg/groupcommit", "internal/dbfault", "internal/dirlock", "internal/gallery", "internal/gallery/local/offheap", "internal/gallery/local/scan"},
	"internal/gallery/local/offheap": {},
	"internal/gallery/local/scan":    {"internal/gallery/local/offheap"},
	"internal/gallery/milvus":        {"pkg/schema", "internal/gallery"},
	"internal/directory":             {"pkg/schema", "internal/gallery"},
	"internal/directory/tables":      {"pkg/schema", "internal/directory"},
	"internal/directory/sqlite":      {"pkg/schema", "pkg/groupcommit", "internal/dbfault", "internal/directory", "internal/directory/tables", "internal/dirlock"},
	"internal/directory/postgres":    {"pkg/schema", "internal/directory", "internal/directory/tables"},
	"internal/directory/drivers":     {"pkg/schema", "internal/config", "internal/directory", "internal/directory/postgres", "internal/directory/sqlite"},
	"internal/ledger":                {"pkg/schema", "internal/dbfault"},
	"internal/routes":                {"pkg/schema"},
	"internal/outcome":               {"pkg/schema", "pkg/events", "internal/routes"},
	"internal/embedded":              {"pkg/schema", "pkg/retry", "internal/dirlock", "internal/objects"},
	"internal/config":                {"pkg/schema", "internal/routes"},
	"internal/telemetry":             {"pkg/schema", "pkg/events", "internal/config"},
	"internal/drawn":                 {},
	"internal/symbols":               {"pkg/engine/barcode"},
	"internal/benchmark":             {"internal/drawn"},
	"internal/dbfault":               {},
	"internal/dirlock":               {},
	"internal/memory":                {},
	"internal/provision":             {"pkg/schema", "pkg/retry", "pkg/engine/onnx", "internal/dirlock"},

	"internal/ingest":           {"pkg/schema", "pkg/events", "pkg/retry", "internal/objects", "internal/notify", "internal/ledger", "internal/outcome", "internal/routes"},
	"internal/apart":            {"pkg/schema", "pkg/events"},
	"internal/challenge":        {"pkg/schema"},
	"internal/verdict":          {"pkg/aamva", "pkg/engine/barcode", "pkg/schema", "pkg/mrz", "pkg/engine", "pkg/engine/document", "pkg/engine/face", "pkg/engine/imaging", "pkg/engine/models", "pkg/engine/quality", "pkg/engine/voice"},
	"internal/worker":           {"pkg/schema", "pkg/events", "pkg/engine", "pkg/engine/document", "pkg/engine/face", "internal/challenge", "internal/outcome", "internal/verdict"},
	"internal/indexer":          {"pkg/schema", "pkg/events", "internal/directory", "internal/gallery", "internal/outcome"},
	"internal/gallery/verify":   {"pkg/schema", "pkg/events", "internal/gallery"},
	"internal/gallery/reindex":  {"pkg/schema", "pkg/retry", "pkg/engine", "pkg/engine/face", "internal/gallery"},
	"internal/gallery/restore":  {"pkg/schema", "pkg/events", "pkg/retry", "internal/directory", "internal/gallery", "internal/gallery/verify", "internal/indexer", "internal/objects", "internal/outcome", "internal/routes"},
	"internal/gallery/transfer": {"pkg/schema", "pkg/retry", "internal/gallery"},

	"internal/eval": {"internal/benchmark", "internal/drawn", "internal/symbols", "pkg/aamva", "pkg/engine/barcode", "internal/verdict", "pkg/mrz", "pkg/schema", "pkg/engine", "pkg/engine/document", "pkg/engine/face", "pkg/engine/imaging", "pkg/engine/models", "pkg/engine/quality", "pkg/engine/voice"},
	"internal/demo": {"pkg/schema", "pkg/events", "pkg/mrz", "internal/objects", "internal/drawn"},

	"internal/gallery/drivers":  {"pkg/schema", "internal/config", "internal/gallery", "internal/gallery/local", "internal/gallery/milvus", "internal/gallery/transfer"},
	"internal/host":             {"pkg/events", "pkg/retry", "internal/config", "internal/objects", "internal/outcome", "internal/telemetry"},
	"internal/program":          {"internal/config", "internal/host", "internal/memory", "internal/telemetry"},
	"internal/services/ingest":  {"pkg/schema", "pkg/events", "internal/config", "internal/dirlock", "internal/host", "internal/ingest", "internal/ledger"},
	"internal/services/worker":  {"pkg/schema", "pkg/events", "pkg/engine", "pkg/engine/imaging", "pkg/engine/models", "pkg/engine/onnx", "internal/apart", "internal/challenge", "internal/config", "internal/host", "internal/memory", "internal/outcome", "internal/verdict", "internal/worker"},
	"internal/services/indexer": {"pkg/schema", "pkg/events", "pkg/retry", "internal/config", "internal/directory", "internal/directory/drivers", "internal/host", "internal/gallery", "internal/gallery/drivers", "internal/indexer", "internal/memory"},
	"internal/gateway/auth":     {"pkg/schema"},
	"internal/gateway/api":      {"pkg/schema", "pkg/events", "internal/gateway/auth"},
	"internal/gateway/console":  {},
	"internal/gateway/idenface": {"pkg/schema", "internal/gateway/api", "internal/gateway/auth"},
	"internal/gateway/perse":    {"pkg/schema", "internal/gateway/api"},
	"internal/gateway/regula":   {"pkg/schema", "internal/gateway/api"},
	"internal/services/gateway": {"pkg/schema", "pkg/events", "internal/config", "internal/gateway/api", "internal/gateway/auth", "internal/gateway/console", "internal/gateway/idenface", "internal/gateway/perse", "internal/gateway/regula", "internal/host", "internal/telemetry"},
	"internal/allinone":         {"pkg/schema", "pkg/events", "pkg/engine/models", "internal/gallery/drivers", "internal/config", "internal/demo", "internal/embedded", "internal/gateway/auth", "internal/host", "internal/services/gateway", "internal/services/ingest", "internal/services/worker", "internal/services/indexer"},
	"internal/sandbox":          {"pkg/schema", "pkg/events", "internal/allinone", "internal/config", "internal/host", "internal/objects"},
	"internal/cli":              {"*"},
}

func TestWhoImportsWhom(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("go", "list", "-json=ImportPath,Imports,Name", "./...")
	list.Dir = root
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "facestream/"
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for decoder.More() {
		var p struct {
			ImportPath, Name string
			Imports          []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		if p.Name == "main" || strings.HasSuffix(name, "test") && name != "pkg/schema/schematest" {
			continue // programs wire, and helpers of tests serve tests
		}
		allowed := mayImport[name]
		for _, i := range p.Imports {
			i, ours := strings.CutPrefix(i, module)
			if ours && !contains(allowed, i) {
				t.Errorf("%s imports %s, which docs/architecture.md does not allow", name, i)
			}
		}
	}
}

func contains(allowed []string, p string) bool {
	for _, a := range allowed {
		if a == "*" || a == p {
			return true
		}
	}
	return false
}

// TestDependenciesHaveAReason holds docs/dependencies.md to go.mod, and both to 40 lines.
func TestDependenciesHaveAReason(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "v") || fields[0] == "go" {
			continue // indirect requirements have a comment behind the version
		}
		n++
		if !strings.Contains(string(page), "| `"+fields[0]+"` |") {
			t.Errorf("docs/dependencies.md gives no reason for %s", fields[0])
		}
	}
	if n == 0 || n > 40 {
		t.Errorf("%d direct dependencies; at most 40 are allowed", n)
	}
}

func TestMainsAreTablesOfContents(t *testing.T) {
	mains, err := filepath.Glob("../../cmd/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no mains found: %v", err)
	}
	for _, m := range mains {
		data, err := os.ReadFile(m)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(data), "\n"); n > 40 {
			t.Errorf("%s has %d lines; a main has at most 40", m, n)
		}
	}
}

// TestFeaturesAreShown: every test that docs/features.md names is where it says.
func TestFeaturesAreShown(t *testing.T) {
	page, err := os.ReadFile("../../docs/features.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\[(Test\w+)\]\(\.\./([\w/]+_test\.go)\)`).FindAllStringSubmatch(string(page), -1)
	if len(links) < 20 {
		t.Errorf("docs/features.md names %d tests only", len(links))
	}
	for _, l := range links {
		source, err := os.ReadFile(filepath.Join("../..", l[2]))
		if err != nil || !strings.Contains(string(source), "func "+l[1]+"(") {
			t.Errorf("%s is not in %s: %v", l[1], l[2], err)
		}
	}
	if n := strings.Count(string(page), "_test.go)"); n != len(links) {
		t.Errorf("%d of %d links to tests have another form than the others", n-len(links), n)
	}
}

// TestCheckSharesNoCode: the program that judges the soak's histories has no code of what it judges.
func TestCheckSharesNoCode(t *testing.T) {
	const check = "facestream/tools/soak/check"
	out, err := exec.Command("go", "list", "-deps", check).Output()
	if err != nil {
		t.Fatal(err)
	}
	for p := range strings.Lines(string(out)) {
		if p = strings.TrimSpace(p); strings.HasPrefix(p, "facestream/") && p != check {
			t.Errorf("%s depends on %s", check, p)
		}
	}
}

package layout_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mayNotLink is what the program of each service must not link, by the beginnings of import paths, and why: it is what
// another program is for. A service that needs one of these links it through its own drivers, in the same commit as this list.
var mayNotLink = map[string][]string{
	"ingest":  append([]string{networks, "facestream/pkg/engine", "facestream/packs", "facestream/internal/gallery", "facestream/internal/directory", milvusClient, postgresClient}, operatorsOnly...),
	"worker":  append([]string{"facestream/internal/gallery", "facestream/internal/directory", milvusClient, postgresClient, database, "facestream/internal/ledger"}, operatorsOnly...),
	"gateway": append([]string{networks, "facestream/pkg/engine", "facestream/packs", "facestream/internal/gallery", milvusClient, database, "facestream/internal/ledger", "facestream/internal/worker", "facestream/internal/ingest", "facestream/internal/indexer"}, operatorsOnly...),
	"indexer": append([]string{networks, "facestream/pkg/engine", "facestream/packs", "facestream/internal/ledger"}, operatorsOnly...),
}

const (
	networks       = "github.com/yalue/onnxruntime_go"
	milvusClient   = "github.com/milvus-io/"
	database       = "modernc.org/sqlite"
	postgresClient = "github.com/jackc/"
)

// operatorsOnly belongs to `facestream` alone: its commands, the servers that it embeds, the evaluation and the demo.
var operatorsOnly = []string{
	"facestream/internal/cli", "facestream/internal/allinone", "facestream/internal/embedded", "facestream/internal/eval",
	"facestream/internal/demo", "facestream/internal/drawn", "facestream/internal/sandbox",
	"github.com/spf13/cobra", "github.com/schollz/progressbar", "github.com/versity/", "github.com/twmb/", "github.com/gofiber/", "github.com/aws/",
	"github.com/invopop/jsonschema", "github.com/santhosh-tekuri/jsonschema",
}

// TestProgramsLinkTheirPartsOnly holds the services to mayNotLink, and prints how many packages each program links and the
// size of its binary in bin/.
func TestProgramsLinkTheirPartsOnly(t *testing.T) {
	mains, err := filepath.Glob("../../cmd/*")
	if err != nil || len(mains) < 4 {
		t.Fatalf("programs %q, error %v", mains, err)
	}
	for _, m := range mains {
		name := filepath.Base(m)
		list := exec.Command("go", "list", "-deps", ".")
		list.Dir, list.Stderr = m, os.Stderr
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		linked := strings.Fields(string(out))
		size := "not built: `make build` builds it"
		if info, err := os.Stat(filepath.Join("../../bin", name)); err == nil {
			size = fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
		}
		t.Logf("%-10s %d packages, %s", name, len(linked), size)
		for _, p := range linked {
			for _, forbidden := range mayNotLink[name] {
				if strings.HasPrefix(p, forbidden) {
					t.Errorf("cmd/%s links %s, which is not its business; `go mod why` and `go list -deps` say through what", name, p)
				}
			}
		}
		if mayNotLink[name] == nil && name != "facestream" {
			t.Errorf("mayNotLink says nothing of cmd/%s", name)
		}
	}
}

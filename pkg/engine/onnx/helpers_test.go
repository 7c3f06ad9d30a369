package onnx

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facestream/packs"
)

// realLibrary is the ONNX Runtime of this machine.
func realLibrary(t *testing.T) string {
	t.Helper()
	path, _, err := FindLibrary(t.Context())
	if err != nil {
		t.Skipf("SKIPPED, networks are not run: %v", err)
	}
	return path
}

// openRuntime is an open Runtime that the end of the test closes.
func openRuntime(t *testing.T) *Runtime {
	t.Helper()
	r, err := Open(t.Context(), realLibrary(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// network is a file of the starter pack, or else of the open one.
func network(t *testing.T, name string) []byte {
	t.Helper()
	if file, err := fs.ReadFile(packs.Files(packs.Starter), name); err == nil {
		return file
	}
	mirror := os.Getenv("FACESTREAM_MODELS_MIRROR")
	if mirror == "" {
		mirror = filepath.Join("..", "..", "..", "..", "shared", "models")
	}
	file, err := os.ReadFile(filepath.Join(mirror, filepath.FromSlash(name)))
	if err != nil {
		t.Skipf("SKIPPED, a network is not run: FACESTREAM_MODELS_MIRROR has no %s: %v", name, err)
	}
	return file
}

// buildLibrary compiles a shared library at path that has ONNX Runtime's entry point and says that it is that release, with
// those execution providers.
func buildLibrary(t *testing.T, path, release string, providers ...string) {
	t.Helper()
	compile(t, path, fmt.Sprintf(`
static char *names[] = {%s 0};
static void *available(char ***out, int *n) { *out = names; *n = %d; return 0; }
static void *release(char **names, int n) { return 0; }
static const void *table[200];
static const void *get_api(unsigned version) { table[125] = available; table[126] = release; return table; }
static const char *get_version(void) { return "%s"; }
static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {get_api, get_version};
const void *OrtGetApiBase(void) { return &base; }
`, quoted(providers), len(providers), release))
}

// quoted writes texts as they begin a list in C.
func quoted(texts []string) string {
	var b strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&b, "%q, ", text)
	}
	return b.String()
}

// compile makes a shared library at path from the text in C.
func compile(t *testing.T, path, text string, arguments ...string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "library.c")
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", append([]string{"-shared", "-fPIC", "-o", path, source}, arguments...)...).CombinedOutput(); err != nil {
		t.Fatalf("cc, which cgo needs too: %v\n%s", err, out)
	}
}

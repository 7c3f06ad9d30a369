package provision

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

const (
	npmMember   = "package/bin/libonnxruntime.so.1"
	mavenMember = "ai/native/libonnxruntime.so"
)

func tgz(t *testing.T, member, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range []struct{ name, text string }{{"package/README.md", "read me"}, {member, text}} {
		if err := w.WriteHeader(&tar.Header{Name: h.name, Size: int64(len(h.text)), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, h.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jar(t *testing.T, member, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(member)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// clients puts programs npm and mvn, and nothing else, on the PATH. Each notes its arguments in calls and places the
// package that a test wrote beside it, or fails.
type clients struct{ dir string }

func newClients(t *testing.T) clients {
	t.Helper()
	c := clients{t.TempDir()}
	t.Setenv("PATH", c.dir)
	return c
}

func (c clients) add(t *testing.T, name, file string, content []byte) {
	t.Helper()
	script := "#!/bin/sh\necho " + name + " \"$@\" >> " + c.dir + "/calls\n"
	if content == nil {
		script += "echo " + name + " ERR no network >&2\nexit 7\n"
	} else {
		script += "/bin/cp " + c.dir + "/" + file + " .\n"
		if err := os.WriteFile(filepath.Join(c.dir, file), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (c clients) calls(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Fields(strings.ReplaceAll(string(text), " ", "_"))
}

// fakeSources are sources with the real ways to get a library and digests of texts.
func fakeSources(archive string) []source {
	return []source{
		library("archive", "linux/amd64", onnx.Version, sumOf("good"), fromArchive(archive, "libonnxruntime.so."+onnx.Version)),
		library("npm", "linux/amd64", onnx.Version, sumOf("good from npm"), fromNPM(npmMember)),
		library("Maven", "linux/amd64", onnx.Version, sumOf("good"), fromJar("onnxruntime", mavenMember)),
	}
}

func TestLibrary(t *testing.T) {
	npmFile, mavenFile := "onnxruntime-node-"+onnx.Version+".tgz", "onnxruntime-"+onnx.Version+".jar"
	member := "onnxruntime-linux-x64-" + onnx.Version + "/lib/libonnxruntime.so." + onnx.Version
	tests := []struct {
		name       string
		archive    []byte // nil: 404
		npm, maven []byte // nil: the client fails
		noClients  bool
		want       string
		failed     []string // parts of the error
		progress   []string
		calls      int
	}{
		{name: "archive", archive: tgz(t, member, "good"), want: "good", progress: []string{"archive …", "verified"}},
		{name: "archive refused, npm", archive: tgz(t, member, "evil"), npm: tgz(t, npmMember, "good from npm"),
			want: "good from npm", progress: []string{"archive failed: refused", sumOf("evil")}, calls: 1},
		{name: "npm", npm: tgz(t, npmMember, "good from npm"), want: "good from npm", progress: []string{"404", "npm …"}, calls: 1},
		{name: "npm refused, Maven", npm: tgz(t, npmMember, "good"), maven: jar(t, mavenMember, "good"), want: "good",
			progress: []string{"npm failed: refused"}, calls: 2},
		{name: "npm without the library, Maven", npm: tgz(t, "package/other", "good from npm"), maven: jar(t, mavenMember, "good"),
			want: "good", progress: []string{"npm failed: the archive has no library"}, calls: 2},
		{name: "npm fails, Maven", maven: jar(t, mavenMember, "good"), want: "good", progress: []string{"npm ERR no network"}, calls: 2},
		{name: "all refused", archive: tgz(t, member, "a"), npm: tgz(t, npmMember, "b"), maven: jar(t, mavenMember, "c"),
			failed: []string{"archive: refused", "npm: refused", "Maven: refused", onnx.EnvLibrary}, calls: 2},
		{name: "nothing there", noClients: true,
			failed: []string{"archive: ", "404", "npm is not installed", "mvn is not installed", onnx.EnvLibrary}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.archive == nil {
					http.NotFound(w, r)
					return
				}
				w.Write(test.archive)
			}))
			defer server.Close()
			c := newClients(t)
			if !test.noClients {
				c.add(t, "npm", npmFile, test.npm)
				c.add(t, "mvn", mavenFile, test.maven)
			}
			cache := t.TempDir()
			var progress strings.Builder
			path, err := fetch(t.Context(), &progress, cache, "linux/amd64", fakeSources(server.URL))
			if got := c.calls(t); len(got) != test.calls {
				t.Errorf("clients were called: %q, want %d calls", got, test.calls)
			}
			left, _ := filepath.Glob(filepath.Join(cache, "*", ".fetch-*"))
			if len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			for _, part := range test.progress {
				if !strings.Contains(progress.String(), part) {
					t.Errorf("progress does not say %q:\n%s", part, &progress)
				}
			}
			if test.failed != nil {
				if schema.ClassOf(err) != schema.ClassTransient {
					t.Fatalf("fetch: %q, %v; want a transient error", path, err)
				}
				for _, part := range test.failed {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error does not say %q: %v", part, err)
					}
				}
				if files, _ := filepath.Glob(filepath.Join(cache, "*", "libonnxruntime*")); len(files) > 0 {
					t.Errorf("a refused library is in the cache: %q", files)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != test.want {
				t.Errorf("the library: %q, %v; want %q", text, err, test.want)
			}
			// What is in the cache is taken as it is, whichever source it came from.
			if again, err := fetch(t.Context(), io.Discard, cache, "linux/amd64", fakeSources("http://127.0.0.1:0")); err != nil || again != path {
				t.Errorf("a second fetch: %q, %v", again, err)
			}
			if got := c.calls(t); len(got) != test.calls {
				t.Errorf("the second fetch called clients: %q", got)
			}
		})
	}
}

// The library for GPUs comes with what it loads from its folder, or not at all.
func TestLibraryOfSeveralFiles(t *testing.T) {
	const folder = onnx.Version + "-cuda"
	if d := (onnx.Device{Kind: onnx.TensorRT}); d.Folder(onnx.Version) != folder {
		t.Fatalf("the folder of %v is %s", d, d.Folder(onnx.Version))
	}
	gpu := func(provider string) []source {
		return []source{{"Maven", "linux/amd64", onnx.Version, folder, time.Minute, []file{{"libonnxruntime.so", sumOf("main")}, {"provider.so", provider}},
			fromMaven("onnxruntime_gpu", "native/libonnxruntime.so", "native/provider.so")}}
	}
	c := newClients(t)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{"native/libonnxruntime.so": "main", "native/provider.so": "cuda"} {
		if w, err := z.Create(name); err != nil {
			t.Fatal(err)
		} else if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	c.add(t, "mvn", "onnxruntime_gpu-"+onnx.Version+".jar", b.Bytes())
	cache := t.TempDir()
	if path, err := fetch(t.Context(), io.Discard, cache, "linux/amd64", gpu(sumOf("another"))); schema.ClassOf(err) != schema.ClassTransient || !strings.Contains(err.Error(), "provider.so") {
		t.Fatalf("a wrong provider: %q, %v", path, err)
	}
	if files, _ := os.ReadDir(filepath.Join(cache, folder)); len(files) > 0 {
		t.Errorf("it left %v", files)
	}
	path, err := fetch(t.Context(), io.Discard, cache, "linux/amd64", gpu(sumOf("cuda")))
	if err != nil || path != filepath.Join(cache, folder, "libonnxruntime.so") {
		t.Fatalf("fetch: %q, %v", path, err)
	}
	if text, err := os.ReadFile(filepath.Join(cache, folder, "provider.so")); err != nil || string(text) != "cuda" {
		t.Errorf("the provider: %q, %v", text, err)
	}
	// A file that is missing is noticed, whichever it is.
	before := len(c.calls(t))
	if err := os.Remove(filepath.Join(cache, folder, "provider.so")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := fetch(t.Context(), io.Discard, cache, "linux/amd64", gpu(sumOf("cuda"))); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(c.calls(t)) - before; got != 1 {
		t.Errorf("%d calls of mvn for one that is missing", got)
	}
}

// Each device has a source on the platforms that it is for.
func TestSourcesOfDevices(t *testing.T) {
	for kind, want := range map[onnx.Kind][]string{
		onnx.CPU: {"linux/amd64", "linux/arm64", "darwin/arm64"}, onnx.CoreML: {"linux/amd64", "linux/arm64", "darwin/arm64"},
		onnx.CUDA: {"linux/amd64"}, onnx.TensorRT: {"linux/amd64"}, onnx.OpenVINO: nil,
	} {
		var got []string
		for _, s := range sourcesFor(onnx.Device{Kind: kind}) {
			if !slices.Contains(got, s.platform) {
				got = append(got, s.platform)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: sources for %q, want %q", kind, got, want)
		}
	}
}

func TestLibraryReplacesDamage(t *testing.T) {
	c := newClients(t)
	c.add(t, "npm", "onnxruntime-node-"+onnx.Version+".tgz", tgz(t, npmMember, "good from npm"))
	cache := t.TempDir()
	path := filepath.Join(cache, onnx.Version, "libonnxruntime.so")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("half of"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := fetch(t.Context(), io.Discard, cache, "linux/amd64", fakeSources("http://127.0.0.1:0"))
	if err != nil || got != path {
		t.Fatalf("fetch: %q, %v", got, err)
	}
	if sum, err := fileSum(path); err != nil || sum != sumOf("good from npm") {
		t.Errorf("the damaged library was not replaced: %s, %v", sum, err)
	}
}

func TestLibraryTogether(t *testing.T) {
	c := newClients(t)
	c.add(t, "npm", "onnxruntime-node-"+onnx.Version+".tgz", tgz(t, npmMember, "good from npm"))
	cache := t.TempDir()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := fetch(t.Context(), io.Discard, cache, "linux/amd64", fakeSources("http://127.0.0.1:0")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if calls := c.calls(t); len(calls) != 1 {
		t.Errorf("four fetches at once called clients: %q, want one call", calls)
	}
}

func TestLibraryOtherEnds(t *testing.T) {
	_, err := fetch(t.Context(), io.Discard, t.TempDir(), "plan9/mips", fakeSources("http://127.0.0.1:0"))
	if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "plan9/mips") || !strings.Contains(err.Error(), onnx.EnvLibrary) {
		t.Errorf("a platform without a source: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = fetch(ctx, io.Discard, t.TempDir(), "linux/amd64", fakeSources("http://127.0.0.1:0"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled fetch: %v", err)
	}
}

// The pinned digests of the binding's own libraries, and the release that go.mod requires of it.
func TestGoModuleSource(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-json", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Fatal(err)
	}
	var module struct{ Path, Version, Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	if got := module.Path + "@" + module.Version; got != bindingModule {
		t.Fatalf("go.mod requires %s, and the pinned digests are those of %s", got, bindingModule)
	}
	for _, platform := range []string{"linux/arm64", "darwin/arm64"} {
		path, err := fetch(t.Context(), io.Discard, t.TempDir(), platform, sources())
		if err != nil || !strings.Contains(path, bindingModuleFiles) {
			t.Errorf("%s: %q, %v; want the library of the module", platform, path, err)
		}
	}
}

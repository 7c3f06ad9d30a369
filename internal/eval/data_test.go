package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLFW(t *testing.T) {
	folds, err := parseLFW("2 1\nAnn 1 12\nAnn 1 Bob 2\nBob\t1\t3\nBob\t2\tCid\t1\n", "d")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]pair{
		{{"d/Ann/Ann_0001.jpg", "d/Ann/Ann_0012.jpg", true}, {"d/Ann/Ann_0001.jpg", "d/Bob/Bob_0002.jpg", false}},
		{{"d/Bob/Bob_0001.jpg", "d/Bob/Bob_0003.jpg", true}, {"d/Bob/Bob_0002.jpg", "d/Cid/Cid_0001.jpg", false}},
	}
	if diff := cmp.Diff(want, folds, cmp.AllowUnexported(pair{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "line 1"},
		{"no header", "Ann 1 2\n", "line 1"},
		{"one fold has no others", "1 1\nAnn 1 2\nAnn 1 Bob 1\n", "at least 2"},
		{"cut off", "2 1\nAnn 1 2\nAnn 1 Bob 1\n", "line 4"},
		{"non-mates where mates belong", "2 1\nAnn 1 Bob 2\n", "line 2"},
		{"mates where non-mates belong", "2 1\nAnn 1 2\nAnn 1 2\n", "line 3"},
		{"longer than its header says", "2 1\nAnn 1 2\nAnn 1 Bob 1\nAnn 1 2\nAnn 1 Bob 1\nAnn 1 3\n", "line 6"},
		{"no number", "2 1\nAnn 1 x\n", "line 2"},
		{"out of the folder", "2 1\n../Ann 1 2\n", "line 2"},
	} {
		if _, err := parseLFW(test.text, "d"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want an error that names %q", test.name, err, test.want)
		}
	}
}

func TestReadPairs(t *testing.T) {
	for _, test := range []struct {
		name, text, want string // want: of the error
		pairs            int
	}{
		{"good", "file_x,file_y,Decision\na.jpg,b.jpg,Yes\na.jpg,c.jpg,no\n", "", 2},
		{"unknown label", "file_x,file_y,Decision\na.jpg,b.jpg,Maybe\n", "Maybe", 0},
		{"a column is missing", "file_x,file_y\na.jpg,b.jpg\n", "pairs.csv", 0},
		{"empty", "", "", 0},
	} {
		root := t.TempDir()
		write(t, test.text, root, "faces", "pairs", "pairs.csv")
		pairs, err := readPairs(root)
		if len(pairs) != test.pairs || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %d pairs, %v; want %d and an error with %q", test.name, len(pairs), err, test.pairs, test.want)
		}
	}
}

func TestReadPeopleAndImages(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"lfw/data/Bob/Bob_0002.jpg", "lfw/data/Bob/Bob_0001.jpg", "lfw/data/Ann/Ann_0001.jpg", "lfw/data/Ann/notes.txt",
		"lfw/data/README", "lfw/data/Cid/notes.txt", "faces/a.JPG", "faces/sub/b.png", "faces/sub/pairs.csv"} {
		write(t, "", root, filepath.FromSlash(name))
	}
	people, err := readPeople(root)
	if err != nil || len(people) != 2 || people[0].name != "Ann" || people[1].name != "Bob" || filepath.Base(people[1].images[0]) != "Bob_0001.jpg" {
		t.Errorf("people: %+v, %v", people, err)
	}
	_, files, err := readImages(root)
	if diff := cmp.Diff([]string{"a.JPG", filepath.Join("sub", "b.png")}, files); err != nil || diff != "" {
		t.Errorf("images: %v (-want +got):\n%s", err, diff)
	}
}

// Whoever has no data learns where it is looked for and how it must look.
func TestNoData(t *testing.T) {
	root := t.TempDir()
	for name, read := range map[string]func() error{
		"lfw":    func() error { _, err := readLFW(root); return err },
		"pairs":  func() error { _, err := readPairs(root); return err },
		"people": func() error { _, err := readPeople(root); return err },
		"images": func() error { _, _, err := readImages(root); return err },
	} {
		err := read()
		for _, part := range []string{root, "--data", EnvData, "docs/evaluation.md"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v; want an error that names %s", name, err, part)
			}
		}
	}
}

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A list of points is read whole, or refused.
func TestReadPoints(t *testing.T) {
	row := "a.jpg" + strings.Repeat(",3,4.5", 68)
	for name, c := range map[string]struct{ text, want string }{
		"one face":        {"titles" + strings.Repeat(",x,y", 68) + "\n" + row + "\n", ""},
		"no face":         {"titles" + strings.Repeat(",x,y", 68) + "\n", "names no photograph"},
		"a point too few": {"titles" + strings.Repeat(",x,y", 68) + "\n" + strings.TrimSuffix(row, ",3,4.5") + "\n", "wrong number of fields"},
		"no number":       {"titles" + strings.Repeat(",x,y", 68) + "\n" + strings.Replace(row, "4.5", "low", 1) + "\n", "face 1"},
	} {
		root := t.TempDir()
		folder := filepath.Join(root, "labelled", "landmarks68")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "points.csv"), []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, all, err := readPoints(root)
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case c.want == "" && (err != nil || len(all) != 1 || len(all[0].points) != 68 || all[0].points[67].Y != 4.5):
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
}

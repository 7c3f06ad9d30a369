package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The document and the table of attacks name the same attacks, and every test that the document names is there.
func TestDocumentedAttacks(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	var tests bytes.Buffer
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		tests.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`([A-Za-z0-9-]+)`").FindAllStringSubmatch(string(text), -1) {
		if regexp.MustCompile(`^(Test|Fuzz)[A-Z]`).MatchString(name[1]) && !bytes.Contains(tests.Bytes(), []byte("func "+name[1]+"(")) {
			t.Errorf("docs/security.md names the test %s, which is not there", name[1])
		}
		named[name[1]] = true
	}
	listed := map[string]bool{}
	for _, a := range table() {
		if listed[a.name] {
			t.Errorf("two attacks are named %s", a.name)
		}
		listed[a.name] = true
		if !named[a.name] {
			t.Errorf("docs/security.md does not name the attack %s", a.name)
		}
		ways := 0
		for _, has := range []bool{a.open != "", a.running != nil, a.alone != nil} {
			if has {
				ways++
			}
		}
		if ways != 1 || a.actor == "" || a.tried == "" {
			t.Errorf("%s has not exactly one way to be carried out, an actor, and what is tried", a.name)
		}
	}
	_, after, _ := strings.Cut(string(text), "## What does not hold yet\n")
	section, _, _ := strings.Cut(after, "\n## ")
	for name := range rest() {
		if !listed[name] || !strings.Contains(section, "`"+name+"`") {
			t.Errorf("docs/security.md does not say that %s does not hold yet, or no attack has this name", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if strings.Contains(name, "-") && !listed[name] {
			t.Errorf("docs/security.md names the attack %s, which is not in the table", name)
		}
	}
}

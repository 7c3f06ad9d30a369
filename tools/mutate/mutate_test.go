package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutationsFit: every edit has exactly one place in the source, and every test that should notice exists.
func TestMutationsFit(t *testing.T) {
	const root = "../.."
	names := map[string]bool{}
	sampled := 0
	for _, m := range all() {
		if names[m.name] {
			t.Errorf("two mutations are called %s", m.name)
		}
		names[m.name] = true
		if m.sample {
			sampled++
		}
		for _, e := range m.edits {
			data, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(data), e.old); n != 1 || e.old == e.new {
				t.Errorf("%s: %s has %d places like %q; adapt the mutation", m.name, e.file, n, e.old)
			}
		}
		if test, in, ok := strings.Cut(m.check, " "); ok {
			files, err := filepath.Glob(filepath.Join(root, in, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range files {
				data, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				found = found || strings.Contains(string(data), "func "+test+"(")
			}
			if !found {
				t.Errorf("%s: there is no test %s in %s", m.name, test, in)
			}
		} else if m.check != soak && m.check != many && m.check != power {
			t.Errorf("%s: there is no check %q", m.name, m.check)
		}
	}
	if len(names) < 25 || sampled < 3 {
		t.Errorf("%d mutations, %d of them in the sample", len(names), sampled)
	}
}

//go:build linux

package volatile

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPowerFails: what was written with fsync is there after a failure, and nothing else.
func TestPowerFails(t *testing.T) {
	base := t.TempDir()
	d, err := Mount(filepath.Join(base, "mount"), base)
	if err != nil {
		t.Skipf("SKIPPED: no FUSE on this machine: %v", err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	at := func(name string) string { return filepath.Join(base, "mount", name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string, sync bool) {
		t.Helper()
		f, err := os.OpenFile(at(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		must(err)
		_, err = f.WriteString(text)
		must(err)
		if sync {
			must(f.Sync())
		}
		must(f.Close())
	}
	must(os.Mkdir(at("folder"), 0o700))
	write("folder/synced", "one ", true)
	write("folder/synced", "two", false)
	write("created", "lost", false) // the next fsync keeps its name
	write("folder/old", "kept", true)
	must(os.Rename(at("folder/old"), at("new")))
	write("other", "x", true) // keeps the new name
	must(os.Truncate(at("other"), 0))
	must(os.Remove(at("folder/synced")))
	write("unsynced", "y", false)
	must(d.Fail())
	for name, want := range map[string]string{"folder/synced": "one ", "created": "", "new": "kept", "other": "x"} {
		if got, err := os.ReadFile(at(name)); err != nil || string(got) != want {
			t.Errorf("%s has %q (%v), want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"unsynced", "folder/old"} {
		if _, err := os.Stat(at(name)); !os.IsNotExist(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(os.WriteFile(at("after"), []byte("works"), 0o600))
}

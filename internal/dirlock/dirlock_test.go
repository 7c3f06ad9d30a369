package dirlock_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facestream/internal/dirlock"
)

const childDir = "FACESTREAM_TEST_DIRLOCK"

// TestMain runs the tests, or a process that owns a folder until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if _, err := dirlock.Acquire(dir, "test folder"); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("owned")
		select {}
	}
	os.Exit(m.Run())
}

func TestAcquire(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	lock, err := dirlock.Acquire(dir, "test folder")
	if err != nil {
		t.Fatal(err)
	}
	_, err = dirlock.Acquire(dir, "test folder")
	if !errors.Is(err, dirlock.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d;", os.Getpid())) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the second owner: %v", err)
	}
	for range 2 {
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if lock, err = dirlock.Acquire(dir, "test folder"); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	lock.Close()
}

// The lock of a process that was killed is gone with it.
func TestKilledOwner(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "owned\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	if _, err := dirlock.Acquire(dir, "test folder"); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d;", child.Process.Pid)) {
		t.Errorf("while the child owns it: %v", err)
	}
	child.Process.Kill()
	_ = child.Wait() // killed
	lock, err := dirlock.Acquire(dir, "test folder")
	if err != nil {
		t.Fatalf("after the child was killed: %v", err)
	}
	lock.Close()
}

// TestLockFileRemoved: the folder stays owned when somebody removes the lock file, or puts another one in its place.
func TestLockFileRemoved(t *testing.T) {
	dir := t.TempDir()
	lock, err := dirlock.Acquire(dir, "test folder")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(path string) error{os.Remove, func(path string) error { return os.WriteFile(path, []byte("1"), 0o600) }} {
		if err := change(filepath.Join(dir, dirlock.File)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if _, err := dirlock.Acquire(dir, "test folder"); !errors.Is(err, dirlock.ErrInUse) {
			t.Errorf("the second owner: %v", err)
		}
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if lock, err = dirlock.Acquire(dir, "test folder"); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	lock.Close()
}

// TestFolderIsPrivate: a folder that others may read or write, because somebody made it so, is the owner's alone from then on.
func TestFolderIsPrivate(t *testing.T) {
	for _, mode := range []os.FileMode{0o755, 0o777, 0o750, 0o700} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		lock, err := dirlock.Acquire(dir, "test folder")
		if err != nil {
			t.Fatal(err)
		}
		lock.Close()
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("a folder of mode %o has mode %v, %v", mode, info.Mode(), err)
		}
	}
}

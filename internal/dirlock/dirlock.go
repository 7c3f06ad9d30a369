// Package dirlock lets one process at a time own a folder.
package dirlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// File is the name of the lock file in the folder.
const File = "LOCK"

// ErrInUse is in the error of Acquire when another process, or another part of this one, owns the folder.
var ErrInUse = errors.New("in use")

// Lock is the ownership of a folder.
type Lock struct{ file *flock.Flock }

// Acquire takes dir for this process and creates it where it does not exist. It does not wait: where another process has
// the folder, the error is [ErrInUse] and names the folder and that process. what says in such texts which folder this is,
// for instance "data folder". The ownership ends with the process, however that ends.
func Acquire(dir, what string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the %s: %w", what, err)
	}
	path := filepath.Join(dir, File)
	file := flock.New(path, flock.SetPermissions(0o600))
	held, err := file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the %s %q: %w", what, dir, err)
	}
	if !held {
		return nil, fmt.Errorf("the %s %q is %w by process %s; stop that process or choose another folder", what, dir, ErrInUse, owner(path))
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write the process id into the lock of the %s %q: %w", what, dir, err), file.Close())
	}
	return &Lock{file}, nil
}

// owner returns the process id in a lock file. It is used for messages only; the lock itself decides.
func owner(path string) string {
	text, _ := os.ReadFile(path)
	if pid := strings.TrimSpace(string(text)); pid != "" {
		return pid
	}
	return "unknown" // between its lock and its write
}

// Close releases the lock. A second Close does nothing.
func (l *Lock) Close() error { return l.file.Close() }

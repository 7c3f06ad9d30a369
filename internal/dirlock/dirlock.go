// Package dirlock lets one process at a time own a folder.
package dirlock

import (
	"errors"
	"fmt"
	"io/fs"
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
type Lock struct {
	file *flock.Flock
	dir  *flock.Flock // nil where the file system locks no folders
}

// Acquire takes dir for this process and creates it where it does not exist. It does not wait: where another process has
// the folder, the error is [ErrInUse] and names the folder and that process. what says in such texts which folder this is,
// for instance "data folder". The ownership ends with the process, however that ends. It is of the folder itself: removing
// or replacing the lock file does not end it.
//
// Acquire takes from the folder the rights of other users than its owner. It is an error if other users may write there
// and this process cannot change that.
func Acquire(dir, what string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the %s: %w", what, err)
	}
	if err := private(dir); err != nil {
		return nil, fmt.Errorf("the %s %q: %w", what, dir, err)
	}
	path := filepath.Join(dir, File)
	l := &Lock{file: flock.New(path, flock.SetPermissions(0o600))}
	held, err := l.file.TryLock()
	if held && err == nil {
		held, err = l.lockFolder(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the %s %q: %w", what, dir, err), l.Close())
	}
	if !held {
		err := fmt.Errorf("the %s %q is %w by process %s; stop that process or choose another folder", what, dir, ErrInUse, owner(path))
		return nil, errors.Join(err, l.Close())
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write the process id into the lock of the %s %q: %w", what, dir, err), l.Close())
	}
	return l, nil
}

// lockFolder locks the folder itself. It succeeds without a lock where the system locks files only: network file systems,
// and Windows, where a lock file that is in use cannot be removed.
func (l *Lock) lockFolder(dir string) (bool, error) {
	folder := flock.New(dir, flock.SetFlag(os.O_RDONLY))
	held, err := folder.TryLock()
	if err != nil {
		return true, folder.Close()
	}
	if held {
		l.dir = folder
	}
	return held, nil
}

// private takes from dir the rights of everybody but its owner.
func private(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	others := info.Mode().Perm() & 0o077
	if others == 0 {
		return nil
	}
	err = os.Chmod(dir, info.Mode()&^0o077)
	if errors.Is(err, fs.ErrPermission) && others&0o002 == 0 {
		return nil // of another owner, who lets this process in by its group
	}
	if err != nil {
		return fmt.Errorf("other users may write there, and that cannot be changed (%w); run chmod 700 as its owner", err)
	}
	return nil
}

// owner returns the process id in a lock file. It is used for messages only; the lock itself decides.
func owner(path string) string {
	text, _ := os.ReadFile(path)
	if pid := strings.TrimSpace(string(text)); pid != "" {
		return pid
	}
	return "unknown" // between its lock and its write, or the file was removed
}

// Close releases the lock. A second Close does nothing.
func (l *Lock) Close() error {
	var err error
	if l.dir != nil {
		err = l.dir.Close()
	}
	return errors.Join(err, l.file.Close())
}

package embedded

import (
	"errors"
	"os"
	"syscall"
)

// keepSize lets a file have blocks behind its end (FALLOC_FL_KEEP_SIZE).
const keepSize = 1

// reserve sees to it that a file can grow by half of so many bytes at least, even if the disk is full by then. A file system that
// cannot promise that promises nothing.
func reserve(path string, bytes int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Blocks*512-info.Size() >= bytes/2 {
		return nil
	}
	err = syscall.Fallocate(int(f.Fd()), keepSize, 0, info.Size()+bytes)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return nil
}

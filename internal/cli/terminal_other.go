//go:build !unix

package cli

import "os"

// columnsOf returns that f is a terminal of unknown width, if it is one.
func columnsOf(f *os.File) (columns int, ok bool) {
	info, err := f.Stat()
	return 0, err == nil && info.Mode()&os.ModeCharDevice != 0
}

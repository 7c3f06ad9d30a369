//go:build !linux

package volatile

import "errors"

// Disk is a mounted file system.
type Disk struct{}

// Mount fails: this is for Linux.
func Mount(mount, dir string) (*Disk, error) { return nil, errors.New("this needs Linux") }

// Fail does nothing.
func (*Disk) Fail() error { return nil }

// Close does nothing.
func (*Disk) Close() error { return nil }

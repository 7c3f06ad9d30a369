//go:build linux

// Package volatile is a disk whose power can fail. It is a FUSE file system over two folders: live is what programs see, durable is
// what is left after a failure.
//
// It keeps as little as ext4 and XFS promise: fsync of a file writes that file's data, and before it all changes of names, sizes and
// attributes in their order, as one journal does. The data of other files stay in memory, so that a renamed or created file can
// be there and empty. Nothing is written without fsync, however long it takes.
package volatile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Disk is a mounted file system.
type Disk struct {
	mount, live, durable string
	server               *fuse.Server

	mu      sync.Mutex
	pending []func() error    // changes of names, sizes and attributes that durable lacks, in order
	dirty   map[uint64]extent // data that durable lacks, by inode
	err     error             // the first failure to change durable
}

// extent is a range of bytes of a file.
type extent struct{ from, to int64 }

// Mount mounts an empty disk on the folder mount, which it creates. It keeps its files in dir.
func Mount(mount, dir string) (*Disk, error) {
	d := &Disk{mount: mount, live: filepath.Join(dir, "live"), durable: filepath.Join(dir, "durable")}
	for _, folder := range []string{d.mount, d.live, d.durable} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	return d, d.up()
}

func (d *Disk) up() error {
	d.pending, d.dirty = nil, map[uint64]extent{}
	var st syscall.Stat_t
	if err := syscall.Stat(d.live, &st); err != nil {
		return err
	}
	root := &fs.LoopbackRoot{Path: d.live, Dev: uint64(st.Dev)}
	top := &node{LoopbackNode: fs.LoopbackNode{RootData: root}, disk: d}
	root.RootNode = top
	server, err := fs.Mount(d.mount, top, &fs.Options{NullPermissions: true, MountOptions: fuse.MountOptions{Name: "volatile", FsName: "volatile", DirectMount: true}})
	if err != nil {
		return fmt.Errorf("mount a FUSE file system: %w", err)
	}
	d.server = server
	return nil
}

// Fail takes the power away and gives it back: what was not written with fsync is gone. No process may have a file open.
func (d *Disk) Fail() error {
	if err := d.server.Unmount(); err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	d.server.Wait()
	err := errors.Join(d.err, os.RemoveAll(d.live))
	if err == nil {
		var out []byte
		if out, err = exec.Command("cp", "-a", d.durable, d.live).CombinedOutput(); err != nil {
			err = fmt.Errorf("cp: %w: %s", err, out)
		}
	}
	return errors.Join(err, d.up())
}

// Close unmounts the disk. Its files stay.
func (d *Disk) Close() error {
	err := d.server.Unmount()
	if err == nil {
		d.server.Wait()
	}
	return errors.Join(d.err, err)
}

// later notes a change that durable takes over with the next fsync.
func (d *Disk) later(change func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending = append(d.pending, change)
}

// wrote notes data that durable takes over with an fsync of the file.
func (d *Disk) wrote(inode uint64, from, to int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.dirty[inode]
	if ok {
		from, to = min(from, e.from), max(to, e.to)
	}
	d.dirty[inode] = extent{from, to}
}

// sync makes durable all changes of names, sizes and attributes, and the data of one file; path is "" for a folder.
func (d *Disk) sync(inode uint64, path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, change := range d.pending {
		if err := change(); err != nil && d.err == nil {
			d.err = fmt.Errorf("keep a change: %w", err)
		}
	}
	d.pending = nil
	e, ok := d.dirty[inode]
	if !ok || path == "" {
		return nil
	}
	delete(d.dirty, inode)
	err := copyRange(filepath.Join(d.live, path), filepath.Join(d.durable, path), e)
	if errors.Is(err, os.ErrNotExist) { // deleted, and still open
		return nil
	}
	return err
}

func copyRange(from, to string, e extent) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err = io.Copy(io.NewOffsetWriter(out, e.from), io.NewSectionReader(in, e.from, e.to-e.from)); err != nil {
		return err
	}
	info, err := in.Stat()
	if err != nil {
		return err
	}
	have, err := out.Stat()
	if err == nil && have.Size() != info.Size() && e.to >= info.Size() {
		err = out.Truncate(info.Size())
	}
	return err
}

// file is an open file whose data pass through this program: otherwise the kernel would write them to live by itself.
type file struct{ *fs.LoopbackFile }

// PassthroughFd implements fs.FilePassthroughFder.
func (file) PassthroughFd() (int, bool) { return 0, false }

func opened(f fs.FileHandle) fs.FileHandle {
	if l, ok := f.(*fs.LoopbackFile); ok {
		return file{l}
	}
	return f
}

// node is a file or folder.
type node struct {
	fs.LoopbackNode
	disk *Disk
}

// WrapChild implements fs.NodeWrapChilder: what is below a node of this disk is one, too.
func (n *node) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: fs.LoopbackNode{RootData: n.RootData}, disk: n.disk}
}

func (n *node) inode() uint64 { return n.StableAttr().Ino }

// path is relative to the root.
func (n *node) path() string { return n.Path(n.Root()) }

func (n *node) kept(name string) string { return filepath.Join(n.disk.durable, n.path(), name) }

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	child, f, fuseFlags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno == 0 {
		n.disk.mu.Lock()
		delete(n.disk.dirty, child.StableAttr().Ino) // of a file that had the number before
		n.disk.mu.Unlock()
		kept := n.kept(name)
		n.disk.later(func() error {
			f, err := os.OpenFile(kept, os.O_CREATE|os.O_WRONLY|int(flags)&os.O_TRUNC, os.FileMode(mode&0o777))
			if err != nil {
				return err
			}
			return f.Close()
		})
	}
	return child, opened(f), fuseFlags, errno
}

// Tmpfile makes programs create files under a name.
func (n *node) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	child, errno := n.LoopbackNode.Mkdir(ctx, name, mode, out)
	if kept := n.kept(name); errno == 0 {
		n.disk.later(func() error { return os.Mkdir(kept, os.FileMode(mode&0o777)) })
	}
	return child, errno
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	errno := n.LoopbackNode.Rmdir(ctx, name)
	if kept := n.kept(name); errno == 0 {
		n.disk.later(func() error { return syscall.Rmdir(kept) })
	}
	return errno
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	errno := n.LoopbackNode.Unlink(ctx, name)
	if kept := n.kept(name); errno == 0 {
		n.disk.later(func() error { return syscall.Unlink(kept) })
	}
	return errno
}

func (n *node) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, ok := parent.(*node)
	if !ok {
		return syscall.EXDEV
	}
	from, kept := n.kept(name), to.kept(newName)
	errno := n.LoopbackNode.Rename(ctx, name, &to.LoopbackNode, newName, flags)
	if errno == 0 {
		n.disk.later(func() error { return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, kept, uint(flags)) })
	}
	return errno
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	old, ok := target.(*node)
	if !ok {
		return nil, syscall.EXDEV
	}
	from, kept := old.kept(""), n.kept(name)
	child, errno := n.LoopbackNode.Link(ctx, target, name, out)
	if errno == 0 {
		n.disk.later(func() error { return os.Link(from, kept) })
	}
	return child, errno
}

func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	child, errno := n.LoopbackNode.Symlink(ctx, target, name, out)
	if kept := n.kept(name); errno == 0 {
		n.disk.later(func() error { return os.Symlink(target, kept) })
	}
	return child, errno
}

func (n *node) Setxattr(ctx context.Context, attr string, data []byte, flags uint32) syscall.Errno {
	errno := n.LoopbackNode.Setxattr(ctx, attr, data, flags)
	if errno == 0 {
		kept, data := n.kept(""), append([]byte(nil), data...)
		n.disk.later(func() error { return unix.Lsetxattr(kept, attr, data, 0) })
	}
	return errno
}

func (n *node) Removexattr(ctx context.Context, attr string) syscall.Errno {
	errno := n.LoopbackNode.Removexattr(ctx, attr)
	if kept := n.kept(""); errno == 0 {
		n.disk.later(func() error { return unix.Lremovexattr(kept, attr) })
	}
	return errno
}

func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	errno := n.LoopbackNode.Setattr(ctx, f, in, out)
	if errno != 0 {
		return errno
	}
	kept := n.kept("")
	if size, ok := in.GetSize(); ok {
		n.disk.mu.Lock()
		if e, ok := n.disk.dirty[n.inode()]; ok {
			if e.to = min(e.to, int64(size)); e.from >= e.to {
				delete(n.disk.dirty, n.inode())
			} else {
				n.disk.dirty[n.inode()] = e
			}
		}
		n.disk.mu.Unlock()
		n.disk.later(func() error { return ignoreGone(os.Truncate(kept, int64(size))) })
	}
	if mode, ok := in.GetMode(); ok {
		n.disk.later(func() error { return ignoreGone(os.Chmod(kept, os.FileMode(mode&0o777))) })
	}
	return 0
}

// ignoreGone ignores that a file was deleted while a program had it open.
func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno == 0 && int(flags)&os.O_TRUNC != 0 {
		kept := n.kept("")
		n.disk.later(func() error { return ignoreGone(os.Truncate(kept, 0)) })
	}
	return opened(f), fuseFlags, errno
}

func (n *node) Write(ctx context.Context, f fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	w, ok := f.(fs.FileWriter)
	if !ok {
		return 0, syscall.EBADF
	}
	count, errno := w.Write(ctx, data, off)
	if count > 0 {
		n.disk.wrote(n.inode(), off, off+int64(count))
	}
	return count, errno
}

// Allocate is not offered: programs write instead.
func (n *node) Allocate(context.Context, fs.FileHandle, uint64, uint64, uint32) syscall.Errno {
	return syscall.EOPNOTSUPP
}

// CopyFileRange is not offered: programs read and write instead.
func (n *node) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.EOPNOTSUPP
}

func (n *node) Fsync(_ context.Context, _ fs.FileHandle, _ uint32) syscall.Errno {
	path := ""
	if !n.IsDir() {
		path = n.path()
	}
	return fs.ToErrno(n.disk.sync(n.inode(), path))
}

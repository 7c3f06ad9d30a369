package offheap

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// huge is the size of a large page of memory. The system places mappings of a multiple of it so that they can have such pages, also
// after they moved.
const huge = 2 << 20

// remap returns at least size bytes that begin with old, and takes old back. As when the Go heap cannot grow, there is no way on without memory.
func remap(old []byte, size int) []byte {
	if size > huge {
		size = (size + huge - 1) / huge * huge
	}
	var bytes []byte
	var err error
	if old == nil {
		bytes, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	} else {
		bytes, err = unix.Mremap(old, size, unix.MREMAP_MAYMOVE)
	}
	if err != nil {
		panic(fmt.Sprintf("no memory for %d bytes of the gallery: %v", size, err))
	}
	_ = unix.Madvise(bytes, unix.MADV_HUGEPAGE) // fewer misses of the page tables; some kernels do not have it
	return bytes
}

// release gives memory back. The error could only say that it is no mapping.
func release(bytes []byte) { _ = unix.Munmap(bytes) }

package imaging

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"image"
	"io"
	"sync"
	"sync/atomic"
	_ "unsafe" // go:linkname

	_ "github.com/gen2brain/avif" // carries libavif
	_ "github.com/gen2brain/heic" // carries libheif
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// libheif with libde265, and libavif with libaom, compiled to WebAssembly. Only the bytes are taken from the packages that
// carry them: their own functions run them without a bound on memory or time, and prefer a library of the machine's where
// there is one. TestWASM fails where an update of the packages moves the bytes.
//
//go:linkname heifWasm github.com/gen2brain/heic.heifWasm
var heifWasm []byte

//go:linkname avifWasm github.com/gen2brain/avif.decodeWasm
var avifWasm []byte

var (
	libheif = wasmLibrary{bytes: &heifWasm}
	libavif = wasmLibrary{bytes: &avifWasm}
)

// maxAbandoned is how many instances may run on after their caller left. See [wasmLibrary.call].
const maxAbandoned = 2

// wasmLibrary is a C library in a sandbox: it sees its own memory, and neither files, network nor the environment.
type wasmLibrary struct {
	bytes     *[]byte // compressed with gzip
	fast      wasmCode
	stoppable wasmCode
	abandoned atomic.Int32 // instances that run on after their caller left
}

// wasmCode is a library compiled for this machine.
type wasmCode struct {
	once    sync.Once
	err     error
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

// compile takes up to a second, once in the life of the process. Stoppable code looks at each turn of a loop whether its
// context has ended.
func (c *wasmCode) compile(zipped []byte, stoppable bool) error {
	c.once.Do(func() {
		ctx := context.Background()
		unzip, err := gzip.NewReader(bytes.NewReader(zipped))
		if err != nil {
			c.err = fmt.Errorf("unpack the decoder: %w", err)
			return
		}
		code, err := io.ReadAll(unzip)
		if err != nil {
			c.err = fmt.Errorf("unpack the decoder: %w", err)
			return
		}
		c.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(stoppable))
		if _, c.err = wasi_snapshot_preview1.Instantiate(ctx, c.runtime); c.err == nil {
			c.module, c.err = c.runtime.CompileModule(ctx, code)
		}
	})
	return c.err
}

// call returns what use makes with a fresh instance, which has so many bytes of memory, or an error as soon as ctx has ended.
//
// Code that can be stopped is four times slower. So pictures are decoded by code that cannot, and an instance whose caller
// has left runs on until it is done, and counts in running. A file that keeps one busy for ever costs a core and its memory;
// after maxAbandoned of them every picture is decoded by code that can be stopped.
func (l *wasmLibrary) call(ctx context.Context, memory int, running *sync.WaitGroup, use func(*wasmCall) (image.Image, error)) (image.Image, error) {
	code, stoppable := &l.fast, l.abandoned.Load() >= maxAbandoned
	if stoppable {
		code = &l.stoppable
	}
	type result struct {
		m   image.Image
		err error
	}
	done := make(chan result, 1)
	running.Add(1)
	go func() {
		defer running.Done()
		m, err := code.run(ctx, *l.bytes, stoppable, memory, use)
		done <- result{m, err}
	}()
	select {
	case r := <-done:
		return r.m, r.err
	case <-ctx.Done():
	}
	l.abandoned.Add(1)
	go func() {
		<-done
		l.abandoned.Add(-1)
	}()
	return nil, ctx.Err()
}

// run is call on the goroutine of the instance.
func (c *wasmCode) run(ctx context.Context, zipped []byte, stoppable bool, memory int, use func(*wasmCall) (image.Image, error)) (m image.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, malformed("the decoder gave up: %v", p)
		}
	}()
	if err := c.compile(zipped, stoppable); err != nil {
		return nil, err
	}
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(func(uint64, uint64) experimental.LinearMemory {
		return make(linearMemory, 0, memory)
	}))
	module, err := c.runtime.InstantiateModule(ctx, c.module, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		return nil, fmt.Errorf("start the decoder: %w", err)
	}
	defer module.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is written
	return use(&wasmCall{ctx, module})
}

// wasmCall is one use of a library: an instance with a memory of its own.
type wasmCall struct {
	ctx    context.Context
	module api.Module
}

// linearMemory is an instance's memory. It has its full capacity from the beginning, because a memory that grows by copying takes
// twice as much; what is not touched costs no memory of the machine.
type linearMemory []byte

// Reallocate returns nil where the capacity does not allow the size: the library then sees that it is out of memory.
func (m linearMemory) Reallocate(size uint64) []byte {
	if size > uint64(cap(m)) {
		return nil
	}
	return m[:size]
}

// Free has nothing to do: the memory is garbage once nothing refers to it.
func (m linearMemory) Free() {}

var errWASM = malformed("the decoder ran out of memory or crashed")

// function calls an exported function that returns a number.
func (c *wasmCall) function(name string, args ...uint32) (uint32, error) {
	all := make([]uint64, len(args))
	for i, a := range args {
		all[i] = uint64(a)
	}
	result, err := c.module.ExportedFunction(name).Call(c.ctx, all...)
	if err != nil || len(result) == 0 {
		return 0, errWASM // the library's stack trace helps nobody who sends pictures
	}
	return uint32(result[0]), nil
}

// alloc reserves n bytes in the instance.
func (c *wasmCall) alloc(n int) (uint32, error) {
	at, err := c.function("malloc", uint32(n))
	if err != nil || at == 0 || uint64(at)+uint64(n) > uint64(c.module.Memory().Size()) {
		return 0, errWASM
	}
	return at, nil
}

// put copies data into the instance.
func (c *wasmCall) put(data []byte) (uint32, error) {
	at, err := c.alloc(len(data))
	if err == nil && !c.module.Memory().Write(at, data) {
		err = errWASM
	}
	return at, err
}

// get returns n bytes of the instance, which stay valid as long as they are referred to: an instance's memory is a Go slice
// of its own.
func (c *wasmCall) get(at uint32, n int) ([]byte, error) {
	b, ok := c.module.Memory().Read(at, uint32(n))
	if !ok {
		return nil, errWASM
	}
	return b, nil
}

// word returns the 32-bit number at the address.
func (c *wasmCall) word(at uint32) uint32 {
	v, _ := c.module.Memory().ReadUint32Le(at)
	return v
}

package onnx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"facestream/pkg/schema"
)

// environment is the one ONNX Runtime environment of this process. The C library allows a single one and the binding
// keeps it in package variables, so this package counts its users in one too.
var environment struct {
	sync.Mutex
	users   int
	library string // absolute path of the loaded library, "" while users == 0
}

// Runtime is a loaded ONNX Runtime library with the device on which its sessions run. It is safe for concurrent use.
type Runtime struct {
	// Release is the library's own version, for instance "1.24.2".
	Release string
	// Library is the path of the library.
	Library string
	// Device is what runs the networks; its Kind is never Auto.
	Device Device
	// GPU is the name of Device as its driver says it, for instance "NVIDIA H200"; "" where it is no GPU of NVIDIA.
	GPU string
	// Why says, where Auto was asked for, why it became Device; "" otherwise.
	Why string

	engines string // the folder for what TensorRT builds; "" for other devices

	mu       sync.Mutex
	closed   bool
	sessions map[*Session]struct{}
}

// Open is [OpenOn] the processor.
func Open(ctx context.Context, library string) (*Runtime, error) {
	return OpenOn(ctx, library, processor)
}

// OpenOn loads the ONNX Runtime shared library at the path library ("": the one that this process runs already, else the one
// that [FindLibraryFor] finds) to run networks
// on the device. Several Runtimes may be open at once when they use the same library. A library that is missing, damaged or
// older than the binding needs, and a device that cannot be used, are Fatal errors that say what is missing and how to get
// it. Auto takes the GPU that CUDA offers where the library, its parts and the driver are there, else the processor. It
// never takes TensorRT, whose first start takes minutes, nor OpenVINO or CoreML, whose answers differ more from the
// processor's.
func OpenOn(ctx context.Context, library string, device Device) (*Runtime, error) {
	const op = "onnx.open"
	if err := ctx.Err(); err != nil {
		return nil, schema.Transient(op, err)
	}
	device.Kind = cmp.Or(device.Kind, CPU)
	places, err := here(ctx)
	if err != nil {
		return nil, err
	}
	environment.Lock()
	loaded := environment.library
	environment.Unlock()
	c, err := machine{places, driverLibrary, loaded}.choose(ctx, device, library)
	if err != nil {
		return nil, err
	}
	r, err := open(c)
	if err == nil || device.Kind != Auto || c.device == processor {
		return r, err
	}
	return open(choice{library: c.library, device: processor, why: reasonOf(err)})
}

// open loads the library, and tries whether it takes the device.
func open(c choice) (*Runtime, error) {
	const op = "onnx.open"
	environment.Lock()
	defer environment.Unlock()
	library, err := filepath.Abs(c.library.path)
	if err != nil {
		return nil, schema.Fatal(op, err)
	}
	if environment.users > 0 && environment.library != library {
		return nil, schema.Fatal(op, fmt.Errorf("this process already runs %s and can load no second library, %s",
			environment.library, library))
	}
	if environment.users == 0 {
		ort.SetSharedLibraryPath(library)
		keepHandlers(func() { err = ort.InitializeEnvironment(ort.WithLogLevelError()) })
		if err != nil {
			return nil, schema.Fatal(op, fmt.Errorf("%s: %w; %s", library, err, wayOut(c.device)))
		}
	}
	r := &Runtime{Release: c.library.release, Library: library, Device: c.device, GPU: c.gpu, Why: c.why, sessions: map[*Session]struct{}{}}
	keepHandlers(func() { err = r.try(c) })
	if err != nil {
		if environment.users == 0 {
			err = errors.Join(err, ort.DestroyEnvironment())
		}
		return nil, schema.Fatal(op, fmt.Errorf("%s refuses the device %s: %w", library, c.device, err))
	}
	environment.users++
	environment.library = library
	return r, nil
}

// try appends the provider of the device to settings that nobody uses.
func (r *Runtime) try(c choice) error {
	if c.engines != "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		r.engines = filepath.Join(cache, "facestream", "tensorrt", c.engines)
	}
	o, err := ort.NewSessionOptions()
	if err != nil {
		return err
	}
	return errors.Join(r.provide(o, ""), o.Destroy())
}

// Close closes the sessions that are still open, waiting for the calls in them, and unloads the library when this was
// its last user. A second Close does nothing.
func (r *Runtime) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	var errs []error
	for s := range r.sessions {
		errs = append(errs, s.destroy())
	}
	environment.Lock()
	defer environment.Unlock()
	environment.users--
	if environment.users == 0 {
		environment.library = ""
		errs = append(errs, ort.DestroyEnvironment())
	}
	return errors.Join(errs...)
}

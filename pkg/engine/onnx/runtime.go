package onnx

import (
	"context"
	"errors"
	"fmt"
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
	library string // absolute path of the loaded library while users > 0
}

// Runtime is a loaded ONNX Runtime library. It is safe for concurrent use.
type Runtime struct {
	// Release is the library's own version, for instance "1.24.2".
	Release string

	mu       sync.Mutex
	closed   bool
	sessions map[*Session]struct{}
}

// Open loads the ONNX Runtime shared library at the path library, see [FindLibrary]. Several Runtimes may be
// open at once when they name the same library. A library that is missing, damaged or older than the binding needs is a
// Fatal error that says how to get the right one.
func Open(ctx context.Context, library string) (*Runtime, error) {
	const op = "onnx.open"
	if err := ctx.Err(); err != nil {
		return nil, schema.Transient(op, err)
	}
	library, err := filepath.Abs(library)
	if err != nil {
		return nil, schema.Fatal(op, err)
	}
	environment.Lock()
	defer environment.Unlock()
	if environment.users > 0 && environment.library != library {
		return nil, schema.Fatal(op, fmt.Errorf("this process already runs %s and can load no second library, %s",
			environment.library, library))
	}
	release, err := usable(library)
	if err != nil {
		return nil, schema.Fatal(op, fmt.Errorf("%s: %w; %s", library, err, wayOut))
	}
	if environment.users == 0 {
		ort.SetSharedLibraryPath(library)
		if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
			return nil, schema.Fatal(op, fmt.Errorf("%s: %w; %s", library, err, wayOut))
		}
		environment.library = library
	}
	environment.users++
	return &Runtime{Release: release, sessions: map[*Session]struct{}{}}, nil
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
		errs = append(errs, ort.DestroyEnvironment())
	}
	return errors.Join(errs...)
}

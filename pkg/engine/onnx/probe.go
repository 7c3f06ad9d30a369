package onnx

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The head of ONNX Runtime's C interface; its layout is the same in every version, so that any version can be asked
// which one it is.
typedef struct {
	const void *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} api_base;

// Where the functions of OrtApi lie that list the execution providers (onnxruntime_c_api.h). Functions are only ever added
// at its end.
enum { GET_AVAILABLE_PROVIDERS = 125, RELEASE_AVAILABLE_PROVIDERS = 126 };

// Writes the version of the library at path to version, the names of its execution providers, each with a line's end, to
// providers, and returns 0; or writes why not to version and returns 1. A library without version 1 of the interface has
// no providers.
static int probe(const char *path, char *version, size_t size, char *providers, size_t providers_size) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!library) {
		snprintf(version, size, "%s", dlerror());
		return 1;
	}
	const api_base *(*get_base)(void) = (const api_base *(*)(void))dlsym(library, "OrtGetApiBase");
	const api_base *base = get_base ? get_base() : 0;
	int failed = base == 0;
	snprintf(version, size, "%s", failed ? "it has no OrtGetApiBase" : base->get_version());
	providers[0] = 0;
	void *const *api = failed ? 0 : base->get_api(1);
	if (api) {
		char **names;
		int n;
		size_t at = 0;
		if (!((void *(*)(char ***, int *))api[GET_AVAILABLE_PROVIDERS])(&names, &n)) {
			for (int i = 0; i < n && at + strlen(names[i]) + 2 < providers_size; i++)
				at += snprintf(providers + at, providers_size - at, "%s\n", names[i]);
			((void *(*)(char **, int))api[RELEASE_AVAILABLE_PROVIDERS])(names, n);
		}
	}
	dlclose(library);
	return failed;
}

// Returns 0 where the loader finds the library, else writes what it says.
static int loadable(const char *name, char *why, size_t size) {
	void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
	if (!library) {
		snprintf(why, size, "%s", dlerror());
		return 1;
	}
	dlclose(library);
	return 0;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"
)

// Version is the release of ONNX Runtime that this package is tested with. It uses version 24 of the C interface, which all
// releases from 1.24.0 on have.
const Version = "1.24.2"

// minMinor is the oldest 1.x release that has the version of the C interface which the binding asks for.
const minMinor = 24

// library is what a shared library of ONNX Runtime says about itself.
type library struct {
	path      string
	release   string   // "1.24.2"
	providers []string // "CPUExecutionProvider", …
}

// describe asks the shared library at path. The binding is not asked, because it dereferences the version string of a
// library that it has already unloaded when the library is too old.
func describe(path string) (library, error) {
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var version [1024]C.char
	var providers [4096]C.char
	var failed C.int
	keepHandlers(func() {
		failed = C.probe(cPath, &version[0], C.size_t(len(version)), &providers[0], C.size_t(len(providers)))
	})
	if failed != 0 {
		return library{}, errors.New(C.GoString(&version[0]))
	}
	return library{path, C.GoString(&version[0]), strings.Fields(C.GoString(&providers[0]))}, nil
}

// usable describes the library at path, or returns an error that says why this package cannot use it.
func usable(path string) (library, error) {
	l, err := describe(path)
	if err != nil {
		return library{}, err
	}
	major, rest, _ := strings.Cut(l.release, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	if err != nil || major != "1" || n < minMinor {
		return library{}, fmt.Errorf("it is ONNX Runtime %s; 1.%d or a later 1.x is needed", l.release, minMinor)
	}
	return l, nil
}

// loadable says why the dynamic loader cannot load the library of that name or path, or nil.
func loadable(name string) error {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	var why [1024]C.char
	var failed C.int
	keepHandlers(func() { failed = C.loadable(cName, &why[0], C.size_t(len(why))) })
	if failed != 0 {
		return errors.New(C.GoString(&why[0]))
	}
	return nil
}

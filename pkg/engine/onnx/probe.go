package onnx

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// The head of ONNX Runtime's C interface; its layout is the same in every version, so that any version can be asked
// which one it is.
typedef struct {
	const void *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} api_base;

// Writes the version of the library at path to version and returns 0, or writes why not and returns 1.
static int probe(const char *path, char *version, size_t size) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!library) {
		snprintf(version, size, "%s", dlerror());
		return 1;
	}
	const api_base *(*get_base)(void) = (const api_base *(*)(void))dlsym(library, "OrtGetApiBase");
	const api_base *base = get_base ? get_base() : 0;
	int failed = base == 0;
	snprintf(version, size, "%s", failed ? "it has no OrtGetApiBase" : base->get_version());
	dlclose(library);
	return failed;
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

// libraryVersion returns the release of the shared library at path. The binding is not asked, because it dereferences
// the version string of a library that it has already unloaded when the library is too old.
func libraryVersion(path string) (string, error) {
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var text [1024]C.char
	if C.probe(cPath, &text[0], C.size_t(len(text))) != 0 {
		return "", errors.New(C.GoString(&text[0]))
	}
	return C.GoString(&text[0]), nil
}

// usable returns the release of the library at path, or an error that says why this package cannot use it.
func usable(path string) (string, error) {
	version, err := libraryVersion(path)
	if err != nil {
		return "", err
	}
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	if err != nil || major != "1" || n < minMinor {
		return "", fmt.Errorf("it is ONNX Runtime %s; 1.%d or a later 1.x is needed", version, minMinor)
	}
	return version, nil
}

package onnx

/*
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

// Writes the names of the GPUs, each with a line's end, and the newest version of CUDA that the driver has, 1000 times the
// major number and 10 times the minor one, and returns 0; or writes why not to names and returns 1, or 2 where there is no
// driver. The functions are those of cuda.h; CUresult 0 is success. The driver stays loaded: its threads may not lose it.
static int gpus(const char *driver, char *names, size_t size, int *version) {
	void *library = dlopen(driver, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		snprintf(names, size, "%s", dlerror());
		return 2;
	}
	int (*init)(unsigned) = (int (*)(unsigned))dlsym(library, "cuInit");
	int (*driver_version)(int *) = (int (*)(int *))dlsym(library, "cuDriverGetVersion");
	int (*count)(int *) = (int (*)(int *))dlsym(library, "cuDeviceGetCount");
	int (*get)(int *, int) = (int (*)(int *, int))dlsym(library, "cuDeviceGet");
	int (*name)(char *, int, int) = (int (*)(char *, int, int))dlsym(library, "cuDeviceGetName");
	int (*error)(int, const char **) = (int (*)(int, const char **))dlsym(library, "cuGetErrorString");
	if (!init || !driver_version || !count || !get || !name) {
		snprintf(names, size, "it has no cuInit, or no other function that is needed");
		return 1;
	}
	int n = 0, failed = init(0);
	if (!failed)
		failed = driver_version(version);
	if (!failed)
		failed = count(&n);
	names[0] = 0;
	for (int i = 0, at = 0; !failed && i < n && at < (int)size - 200; i++) {
		int device;
		char text[128] = "";
		failed = get(&device, i);
		if (!failed)
			failed = name(text, sizeof text - 1, device);
		at += snprintf(names + at, size - at, "%s\n", text);
	}
	if (failed) {
		const char *text = 0;
		if (error)
			error(failed, &text);
		snprintf(names, size, "CUDA error %d: %s", failed, text ? text : "unknown");
		return 1;
	}
	return 0;
}

// The version that a library of TensorRT says it has (NvInferRuntime.h), or 0.
static int infer_version(const char *path) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	int (*version)(void) = library ? (int (*)(void))dlsym(library, "getInferLibVersion") : 0;
	return version ? version() : 0;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

// driverLibrary is the library of NVIDIA's driver.
const driverLibrary = "libcuda.so.1"

// gpus are the GPUs that a driver offers.
type gpus struct {
	names []string // by index
	major int      // of the newest CUDA that the driver runs
}

// errNoDriver says that a machine has no driver of NVIDIA.
var errNoDriver = errors.New("there is no NVIDIA driver")

// findGPUs asks the driver with that library. A machine without a GPU is an error.
func findGPUs(driver string) (gpus, error) {
	cDriver := C.CString(driver)
	defer C.free(unsafe.Pointer(cDriver))
	var names [16384]C.char
	var version C.int
	var said C.int
	keepHandlers(func() { said = C.gpus(cDriver, &names[0], C.size_t(len(names)), &version) })
	text := C.GoString(&names[0])
	switch {
	case said == 2:
		return gpus{}, fmt.Errorf("%w (%s)", errNoDriver, text)
	case said != 0:
		return gpus{}, fmt.Errorf("the NVIDIA driver (%s) refuses: %s", driver, text)
	case text == "":
		return gpus{}, errors.New("the NVIDIA driver shows no GPU; CUDA_VISIBLE_DEVICES and a container's limits hide them")
	}
	return gpus{strings.Split(strings.TrimSuffix(text, "\n"), "\n"), int(version) / 1000}, nil
}

// inferVersion is the version of the TensorRT library of that name or path as it says it, 0 where it does not.
func inferVersion(library string) (version int) {
	cLibrary := C.CString(library)
	defer C.free(unsafe.Pointer(cLibrary))
	keepHandlers(func() { version = int(C.infer_version(cLibrary)) })
	return version
}

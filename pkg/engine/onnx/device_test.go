package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"facestream/pkg/schema"
)

func TestParseDevice(t *testing.T) {
	for text, want := range map[string]Device{
		"auto": {Kind: Auto}, "cpu": {Kind: CPU}, "cuda": {Kind: CUDA}, "cuda:0": {Kind: CUDA}, "cuda:12": {Kind: CUDA, Index: 12},
		"tensorrt": {Kind: TensorRT}, "tensorrt:3": {Kind: TensorRT, Index: 3}, "openvino": {Kind: OpenVINO}, "coreml": {Kind: CoreML},
	} {
		got, err := ParseDevice(text)
		if err != nil || got != want {
			t.Errorf("ParseDevice(%q) = %v, %v", text, got, err)
		}
		if again, err := ParseDevice(got.String()); err != nil || again != got {
			t.Errorf("ParseDevice(%q) = %v, %v; want %v", got.String(), again, err, got)
		}
	}
	for _, text := range []string{"", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:01", "cuda:+1", "cuda:100", "cpu:0", "auto:1", "openvino:0", " cuda"} {
		if got, err := ParseDevice(text); err == nil || !strings.Contains(err.Error(), "cuda:1") {
			t.Errorf("ParseDevice(%q) = %v, %v; want an error that says what to write", text, got, err)
		}
	}
	if got := (Device{}).String(); got != "cpu" {
		t.Errorf("the zero Device is %q", got)
	}
}

// buildDriver compiles a library with the functions of NVIDIA's driver that this package calls. result is what cuInit
// answers.
func buildDriver(t *testing.T, path string, result, version int, names ...string) {
	t.Helper()
	compile(t, path, fmt.Sprintf(`
#include <string.h>
static const char *names[] = {%s 0};
int cuInit(unsigned flags) { return %d; }
int cuDriverGetVersion(int *version) { *version = %d; return 0; }
int cuDeviceGetCount(int *n) { *n = %d; return 0; }
int cuDeviceGet(int *device, int i) { *device = 100 + i; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, names[device - 100], size); return 0; }
int cuGetErrorString(int error, const char **text) { *text = "no CUDA-capable device is detected"; return 0; }
`, quoted(names), result, version, len(names)))
}

// buildProvider compiles a provider's library that needs the others, beside it where they are to be found.
func buildProvider(t *testing.T, path string, found bool, needs ...string) {
	t.Helper()
	elsewhere := t.TempDir()
	var link []string
	for _, name := range needs {
		compile(t, filepath.Join(elsewhere, name), "int version_of_"+strings.NewReplacer(".", "_", "-", "_").Replace(name)+"(void) { return 0; }", "-Wl,-soname,"+name)
		link = append(link, filepath.Join(elsewhere, name))
		if found {
			if err := os.Rename(filepath.Join(elsewhere, name), filepath.Join(filepath.Dir(path), name)); err != nil {
				t.Fatal(err)
			}
			link[len(link)-1] = filepath.Join(filepath.Dir(path), name)
		}
	}
	if found {
		link = append(link, "-Wl,-rpath,$ORIGIN")
	}
	compile(t, path, "int nothing;", append([]string{"-Wl,--no-as-needed"}, link...)...)
}

// TestChoose: a device that was asked for is used, or the error says everything that is missing; auto says why.
func TestChoose(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: the providers' libraries are looked at as Linux has them")
	}
	dir := t.TempDir()
	withCUDA, partial, plain := filepath.Join(dir, "cuda", "libonnxruntime.so"), filepath.Join(dir, "partial", "libonnxruntime.so"), filepath.Join(dir, "plain", "libonnxruntime.so")
	buildLibrary(t, withCUDA, "1.24.2", "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
	buildLibrary(t, partial, "1.24.2", "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
	buildLibrary(t, plain, "1.24.2", "CPUExecutionProvider")
	buildProvider(t, filepath.Join(dir, "cuda", "libonnxruntime_providers_cuda.so"), true, "libcudart.so.12", "libcudnn.so.9")
	buildProvider(t, filepath.Join(dir, "cuda", "libonnxruntime_providers_tensorrt.so"), true, "libnvinfer.so.10")
	buildProvider(t, filepath.Join(dir, "partial", "libonnxruntime_providers_cuda.so"), false, "libcudart.so.12", "libcudnn.so.9", "libcublas.so.12")
	good, refuses, old, empty := filepath.Join(dir, "good.so"), filepath.Join(dir, "refuses.so"), filepath.Join(dir, "old.so"), filepath.Join(dir, "empty.so")
	buildDriver(t, good, 0, 12080, "NVIDIA H200", "NVIDIA T4")
	buildDriver(t, refuses, 100, 12080)
	buildDriver(t, old, 0, 11040, "Tesla K80")
	buildDriver(t, empty, 0, 12080)

	cuda := Device{Kind: CUDA}
	tests := []struct {
		name            string
		driver, library string // library: what the operator names
		cached          string // what the search finds
		want            Device
		chosen          Device
		gpu             string
		why             []string // parts
		fatal           []string // parts
	}{
		{name: "cuda", driver: good, library: withCUDA, want: Device{CUDA, 1}, chosen: Device{CUDA, 1}, gpu: "NVIDIA T4"},
		{name: "cuda that the search finds", driver: good, cached: withCUDA, want: cuda, chosen: cuda, gpu: "NVIDIA H200"},
		{name: "tensorrt", driver: good, library: withCUDA, want: Device{Kind: TensorRT}, chosen: Device{Kind: TensorRT}, gpu: "NVIDIA H200"},
		{name: "a library without the provider", driver: good, library: plain, want: cuda,
			fatal: []string{"plain/libonnxruntime.so: it was built without the CUDAExecutionProvider", "facestream models runtime --device cuda"}},
		{name: "a GPU that is not there", driver: good, library: withCUDA, want: Device{CUDA, 2}, fatal: []string{"cuda:2", "no GPU 2: the driver shows 2, from 0: NVIDIA H200, NVIDIA T4"}},
		{name: "no driver", driver: filepath.Join(dir, "libcuda.so.1"), library: withCUDA, want: cuda, fatal: []string{"cuda:0 cannot be used", "no NVIDIA driver", "libcuda.so.1", "choose the device cpu or auto"}},
		{name: "a driver that refuses", driver: refuses, library: withCUDA, want: cuda, fatal: []string{"CUDA error 100: no CUDA-capable device is detected"}},
		{name: "a driver that is too old", driver: old, library: withCUDA, want: cuda, fatal: []string{"runs CUDA 11 at most, and the library needs CUDA 12"}},
		{name: "a driver without a GPU", driver: empty, library: withCUDA, want: cuda, fatal: []string{"shows no GPU", "CUDA_VISIBLE_DEVICES"}},
		{name: "everything that is missing at once", driver: empty, library: partial, want: cuda,
			fatal: []string{"CUDA's runtime is not where the loader looks (LD_LIBRARY_PATH, ldconfig): libcudart.so.12, libcublas.so.12", "cuDNN is not", "libcudnn.so.9", "shows no GPU"}},
		{name: "no TensorRT", driver: good, library: partial, want: Device{Kind: TensorRT},
			fatal: []string{"its TensorrtExecutionProvider is not beside it", "partial/libonnxruntime_providers_tensorrt.so", "facestream models runtime --device tensorrt"}},

		{name: "cpu", driver: good, library: withCUDA, want: processor, chosen: processor},
		{name: "auto takes the GPU", driver: good, cached: withCUDA, want: Device{Kind: Auto}, chosen: cuda, gpu: "NVIDIA H200", why: []string{"the machine has NVIDIA H200"}},
		{name: "auto without a driver", driver: filepath.Join(dir, "libcuda.so.1"), cached: withCUDA, want: Device{Kind: Auto}, chosen: processor, why: []string{"cuda cannot be used: there is no NVIDIA driver"}},
		{name: "auto without the library", driver: good, cached: plain, want: Device{Kind: Auto}, chosen: processor,
			why: []string{"no usable ONNX Runtime library with the CUDAExecutionProvider", "facestream models runtime --device cuda"}},
		{name: "auto keeps the library that is named", driver: good, library: plain, cached: withCUDA, want: Device{Kind: Auto}, chosen: processor, why: []string{"built without"}},
		{name: "auto without cuDNN", driver: good, cached: partial, want: Device{Kind: Auto}, chosen: processor, why: []string{"cuDNN is not where the loader looks"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := machine{places{goos: "linux", cache: filepath.Join(dir, "no cache")}, test.driver, ""}
			if test.cached != "" {
				m.system = []string{filepath.Dir(test.cached)}
			}
			got, err := m.choose(t.Context(), test.want, test.library)
			if test.fatal != nil {
				if schema.ClassOf(err) != schema.ClassFatal {
					t.Fatalf("choose: %v, %v; want a fatal error", got, err)
				}
				for _, part := range test.fatal {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error does not say %q: %v", part, err)
					}
				}
				return
			}
			if err != nil || got.device != test.chosen || got.gpu != test.gpu {
				t.Fatalf("choose: %v on %q, %v; want %v on %q", got.device, got.gpu, err, test.chosen, test.gpu)
			}
			if (got.engines != "") != (test.chosen.Kind == TensorRT) || strings.ContainsAny(got.engines, "/ ") {
				t.Errorf("engines %q", got.engines)
			}
			if (got.why != "") != (test.want.Kind == Auto) {
				t.Errorf("why %q", got.why)
			}
			for _, part := range test.why {
				if !strings.Contains(got.why, part) {
					t.Errorf("why does not say %q: %s", part, got.why)
				}
			}
		})
	}
}

// The library of this machine, whatever it is, answers on the processor, and a device that it lacks is refused.
func TestOpenOn(t *testing.T) {
	real := realLibrary(t)
	l, err := usable(real)
	if err != nil || !slices.Contains(l.providers, "CPUExecutionProvider") {
		t.Fatalf("%s has the providers %q (%v)", real, l.providers, err)
	}
	r, err := OpenOn(t.Context(), real, Device{Kind: CPU})
	if err != nil {
		t.Fatal(err)
	}
	if r.Device != processor || r.Why != "" || r.Library != real {
		t.Errorf("%v with %s (%s)", r.Device, r.Library, r.Why)
	}
	if s := load(t, r, embedding, SessionOptions{}); s.Device() != processor || s.Shared() {
		t.Errorf("a network on %v, shared %t", s.Device(), s.Shared())
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []Kind{CUDA, TensorRT, OpenVINO, CoreML} {
		d := Device{Kind: kind}
		if _, err := usableOn(real, d); err == nil {
			continue
		}
		r, err := OpenOn(t.Context(), real, d)
		if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), d.provider()) {
			t.Errorf("%s: %v, %v; want a fatal error that names the provider", kind, r, err)
		}
	}
}

// Where this machine has a library with a provider, its device is either used or refused for what is missing, and auto and the
// processor answer with that library, too.
func TestProviders(t *testing.T) {
	plain, err := OpenOn(t.Context(), realLibrary(t), processor)
	if err != nil {
		t.Fatal(err)
	}
	rows := []Tensor{noise(1, 1, 112, 112), noise(2, 1, 112, 112)}
	want := load(t, plain, embedding, SessionOptions{}).Run(t.Context(), rows)
	if err := plain.Close(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []Kind{CUDA, TensorRT, OpenVINO, CoreML} {
		t.Run(string(kind), func(t *testing.T) {
			asked := Device{Kind: kind}
			path, _, err := FindLibraryFor(t.Context(), asked)
			if err != nil {
				t.Skipf("SKIPPED, %s is not tried, no runtime with its provider is here: %s", kind, wayOut(asked))
			}
			for _, d := range []Device{asked, {Kind: Auto}, processor} {
				r, err := OpenOn(t.Context(), path, d)
				if err != nil && d == asked {
					if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), d.String()+" cannot be used") {
						t.Errorf("%v: %v; want a fatal error that says what is missing", d, err)
					}
					t.Logf("refused: %v", err)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				s := load(t, r, embedding, SessionOptions{})
				t.Logf("%v: on %v %s, shared %t, because %s", d, s.Device(), r.GPU, s.Shared(), r.Why)
				most := 1e-5
				if r.Device != processor {
					most = 1e-3
				}
				for i, got := range s.Run(t.Context(), rows) {
					if diff := distance(t, got, want[i]); diff > most {
						t.Errorf("row %d on %v differs by %g from the processor", i, r.Device, diff)
					}
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A network that says so runs on the processor, whatever the device of the others is.
func TestOnCPU(t *testing.T) {
	r := openRuntime(t)
	r.Device = Device{Kind: CUDA} // nothing drives it with this library
	s := load(t, r, embedding, SessionOptions{OnCPU: true})
	if s.Device() != processor {
		t.Errorf("the network is on %v", s.Device())
	}
	if err := s.Run(t.Context(), []Tensor{noise(1, 1, 112, 112)})[0].Err; err != nil {
		t.Error(err)
	}
	if _, err := r.Load(embedding, network(t, embedding), SessionOptions{}); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "on cuda:0") {
		t.Errorf("a network on a device that is not there: %v", err)
	}
}

// The error of a network that the device does not run alone is known: a session without any device is such a one.
func TestCPUFallback(t *testing.T) {
	r := openRuntime(t)
	s := &Session{owner: r, device: processor, input: []int64{3, 112, 112}}
	settings, err := s.settings("", true)
	if err != nil {
		t.Fatal(err)
	}
	defer settings.Destroy()
	if session, err := ort.NewDynamicAdvancedSessionWithONNXData(network(t, embedding), []string{"x"}, []string{"y"}, settings); err == nil || !strings.Contains(err.Error(), cpuFallback) {
		t.Errorf("a session without a device that may not use the processor: %v, %v; want an error with %q", session, err, cpuFallback)
	}
}

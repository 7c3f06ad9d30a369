package onnx

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facestream/pkg/schema"
)

func TestFindLibraryOrder(t *testing.T) {
	built := t.TempDir()
	library := func(release string) string {
		path := filepath.Join(built, release+".so")
		if _, err := os.Stat(path); err != nil {
			version, providers, _ := strings.Cut(release, " ")
			buildLibrary(t, path, version, strings.Fields(providers)...)
		}
		return path
	}
	tests := []struct {
		name  string
		files map[string]string // path below the test's folder: release and providers, or "" for a file that is no library
		named string
		want  string
		tried []string // parts of the lines that say why something was not taken
		fatal []string // parts of the error

		device Device
	}{
		{
			name:  "the named one wins",
			files: map[string]string{"mine.so": "1.24.0", "sys/libonnxruntime.so": "1.24.2", "cache/1.24.2/libonnxruntime.so": "1.24.2"},
			named: "mine.so", want: "mine.so",
		},
		{
			name:  "a named one that is too old is not replaced",
			files: map[string]string{"mine.so": "1.17.3", "sys/libonnxruntime.so": "1.24.2"},
			named: "mine.so", fatal: []string{"FACESTREAM_ORT_LIB", "1.17.3", "1.24", "unset it"},
		},
		{
			name:  "a named one that is no library is not replaced",
			files: map[string]string{"mine.so": "", "sys/libonnxruntime.so": "1.24.2"},
			named: "mine.so", fatal: []string{"FACESTREAM_ORT_LIB", "mine.so"},
		},
		{
			name:  "the system before the cache, the first folder first",
			files: map[string]string{"sys/libonnxruntime.so.1": "1.25.0", "sys2/libonnxruntime.so": "1.24.2", "cache/1.24.2/libonnxruntime.so": "1.24.2"},
			want:  "sys/libonnxruntime.so.1",
		},
		{
			name:  "the system's is too old",
			files: map[string]string{"sys/libonnxruntime.so.1.17.3": "1.17.3", "cache/1.24.2/libonnxruntime.so": "1.24.2"},
			want:  "cache/1.24.2/libonnxruntime.so", tried: []string{"not set", "sys/libonnxruntime.so.1.17.3: it is ONNX Runtime 1.17.3", "sys2: no ONNX Runtime"},
		},
		{
			name:  "another release in the cache",
			files: map[string]string{"cache/1.24.1/libonnxruntime.so": "1.24.1"},
			want:  "cache/1.24.1/libonnxruntime.so",
		},
		{
			name:  "a damaged file in the cache",
			files: map[string]string{"cache/1.24.2/libonnxruntime.so": ""},
			fatal: []string{"cache/1.24.2/libonnxruntime.so", "facestream models runtime"},
		},
		{
			name: "a library without the provider is passed by",
			files: map[string]string{"sys/libonnxruntime.so": "1.24.2 CPUExecutionProvider", "cache/1.24.2/libonnxruntime.so": "1.24.2 CUDAExecutionProvider CPUExecutionProvider",
				"cache/1.24.2-cuda/libonnxruntime.so": "1.24.2 CUDAExecutionProvider CPUExecutionProvider", "cache/1.24.2-cuda/libonnxruntime_providers_cuda.so": ""},
			device: Device{Kind: CUDA, Index: 1}, want: "cache/1.24.2-cuda/libonnxruntime.so",
			tried: []string{"sys/libonnxruntime.so: it was built without the CUDAExecutionProvider; it has CPUExecutionProvider"},
		},
		{
			name: "TensorRT is in the library for CUDA",
			files: map[string]string{"sys/libonnxruntime.so": "1.24.2 TensorrtExecutionProvider", "sys/libonnxruntime_providers_cuda.so": "",
				"cache/1.24.2-cuda/libonnxruntime.so": "1.24.2 TensorrtExecutionProvider CUDAExecutionProvider", "cache/1.24.2-cuda/libonnxruntime_providers_cuda.so": "", "cache/1.24.2-cuda/libonnxruntime_providers_tensorrt.so": ""},
			device: Device{Kind: TensorRT}, want: "cache/1.24.2-cuda/libonnxruntime.so",
			tried: []string{"sys/libonnxruntime.so: its TensorrtExecutionProvider is not beside it"},
		},
		{
			name:  "the processor runs with a library for CUDA, too",
			files: map[string]string{"cache/1.24.2-cuda/libonnxruntime.so": "1.24.2 CUDAExecutionProvider CPUExecutionProvider"},
			want:  "cache/1.24.2-cuda/libonnxruntime.so",
		},
		{
			name:  "a named one without the provider is not replaced",
			files: map[string]string{"mine.so": "1.24.0", "cache/1.24.2-cuda/libonnxruntime.so": "1.24.2 CUDAExecutionProvider"},
			named: "mine.so", device: Device{Kind: CUDA}, fatal: []string{"FACESTREAM_ORT_LIB", "built without the CUDAExecutionProvider", "unset it"},
		},
		{
			name:  "no library with the provider",
			files: map[string]string{"sys/libonnxruntime.so": "1.24.2 CPUExecutionProvider"}, device: Device{Kind: CUDA},
			fatal: []string{"no usable ONNX Runtime library with the CUDAExecutionProvider", "cache/1.24.2-cuda: no", "facestream models runtime --device cuda"},
		},
		{
			name: "nobody publishes one with OpenVINO", device: Device{Kind: OpenVINO},
			fatal: []string{"with the OpenVINOExecutionProvider", "set FACESTREAM_ORT_LIB to"},
		},
		{
			name:  "nothing",
			fatal: []string{"FACESTREAM_ORT_LIB: not set", "sys: no", "sys2: no", "cache/1.24.2: no", "facestream models runtime"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, release := range test.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				text := []byte("not a library")
				if release != "" {
					var err error
					if text, err = os.ReadFile(library(release)); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(path, text, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			p := places{goos: "linux", cache: filepath.Join(dir, "cache"),
				system: []string{filepath.Join(dir, "sys"), filepath.Join(dir, "sys2")}}
			if test.named != "" {
				p.named = filepath.Join(dir, test.named)
			}
			found, tried, err := p.find(t.Context(), test.device)
			path := found.path
			if test.fatal != nil {
				if schema.ClassOf(err) != schema.ClassFatal {
					t.Fatalf("find: %q, %v; want a fatal error", path, err)
				}
				for _, part := range test.fatal {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error does not say %q: %v", part, err)
					}
				}
				return
			}
			if err != nil || path != filepath.Join(dir, test.want) {
				t.Fatalf("find: %q, %v; want %s", path, err, test.want)
			}
			for _, part := range test.tried {
				if !slices.ContainsFunc(tried, func(line string) bool { return strings.Contains(line, part) }) {
					t.Errorf("tried does not say %q: %q", part, tried)
				}
			}
		})
	}
}

func TestFindLibraryCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := places{goos: "linux", cache: t.TempDir()}.find(ctx, processor)
	if !errors.Is(err, context.Canceled) || schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("find with a canceled context: %v", err)
	}
}

func TestSystemDirsOfTheLoader(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\ncat <<'END'\n2 libs found in cache `/etc/ld.so.cache'\n" +
		"\tlibonnxruntime.so.1 (libc6,x86-64) => /opt/ort/lib/libonnxruntime.so.1\n" +
		"\tlibc.so.6 (libc6,x86-64) => /elsewhere/libc.so.6\nEND\n"
	if err := os.WriteFile(filepath.Join(bin, "ldconfig"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if got, want := loaderCacheDirs(t.Context()), []string{"/opt/ort/lib"}; !slices.Equal(got, want) {
		t.Errorf("loaderCacheDirs = %q, want %q", got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	old := filepath.Join(t.TempDir(), "libonnxruntime.so")
	buildLibrary(t, old, "1.23.2")
	for name, path := range map[string]string{"too old": old, "missing": filepath.Join(t.TempDir(), "libonnxruntime.so")} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), path)
			if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "facestream models runtime") {
				t.Errorf("Open: %v; want a fatal error with the way out", err)
			}
		})
	}
}

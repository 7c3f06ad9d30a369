package onnx

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"facestream/pkg/schema"
)

// EnvLibrary names the environment variable that says which shared library to use, as a path.
const EnvLibrary = "FACESTREAM_ORT_LIB"

// The ends of the messages about a library that is missing or cannot be used.
const (
	wanted = "the path of a libonnxruntime of release 1.24 or a later 1.x"
	wayOut = "run `facestream models runtime` to get release " + Version + ", or set " + EnvLibrary + " to " + wanted
)

// FindLibrary looks for a shared library that this package can use: the one that FACESTREAM_ORT_LIB names, else one in the
// system's folders for libraries, else one in [CacheDir]. tried says, in order, what it looked at and why it did not take
// it. Where FACESTREAM_ORT_LIB names a library that cannot be used, nothing else is looked for. err is Fatal when there is
// no library; it lists everything that was tried and says what to do.
func FindLibrary(ctx context.Context) (path string, tried []string, err error) {
	cache, err := CacheDir()
	if err != nil {
		return "", nil, schema.Fatal("onnx.find", err)
	}
	return places{
		named:  os.Getenv(EnvLibrary),
		system: systemDirs(ctx),
		cache:  cache,
		goos:   runtime.GOOS,
	}.find(ctx)
}

// places are where a library may lie.
type places struct {
	named  string   // a file; "" when the operator named none
	system []string // folders, the first one wins
	cache  string   // folder that has one folder a release
	goos   string
}

func (p places) find(ctx context.Context) (string, []string, error) {
	const op = "onnx.find"
	if p.named != "" {
		if _, err := usable(p.named); err != nil {
			tried := []string{fmt.Sprintf("%s=%s: %v", EnvLibrary, p.named, err)}
			return "", tried, schema.Fatal(op, fmt.Errorf("%s; unset it, or set it to %s", tried[0], wanted))
		}
		return p.named, nil, nil
	}
	tried := []string{EnvLibrary + ": not set"}
	for _, dir := range slices.Concat(p.system, p.releases()) {
		if err := ctx.Err(); err != nil {
			return "", tried, schema.Transient(op, err)
		}
		files := libraries(dir, p.goos)
		if len(files) == 0 {
			tried = append(tried, dir+": no ONNX Runtime in it")
		}
		for _, file := range files {
			if _, err := usable(file); err != nil {
				tried = append(tried, fmt.Sprintf("%s: %v", file, err))
				continue
			}
			return file, tried, nil
		}
	}
	return "", tried, schema.Fatal(op, fmt.Errorf("no usable ONNX Runtime library on this machine; tried:\n  %s\n%s",
		strings.Join(tried, "\n  "), wayOut))
}

// releases are the cache's folders, that of Version first. Version's is named even where it is missing, so that the
// message of a failed search shows the cache.
func (p places) releases() []string {
	current := filepath.Join(p.cache, Version)
	dirs := []string{current}
	entries, _ := os.ReadDir(p.cache) // a cache that is not there has no releases
	for _, e := range slices.Backward(entries) {
		if dir := filepath.Join(p.cache, e.Name()); e.IsDir() && dir != current {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// libraries are the files in dir whose names are those of ONNX Runtime, the unversioned name first.
func libraries(dir, goos string) []string {
	patterns := []string{"libonnxruntime.so", "libonnxruntime.so.*"}
	if goos == "darwin" {
		patterns = []string{"libonnxruntime.dylib", "libonnxruntime.*.dylib"}
	}
	var files []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(filepath.Join(dir, pattern)) // fails on a malformed pattern only
		files = append(files, found...)
	}
	return files
}

// CacheDir is the last folder in which FindLibrary looks: it has a folder for each release that somebody put there, for
// instance `facestream models runtime`.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "facestream", "onnxruntime"), nil
}

// systemDirs are the folders in which this system keeps shared libraries: the loader's own path, the folders of its cache
// that have an ONNX Runtime, the usual ones, Homebrew's.
func systemDirs(ctx context.Context) []string {
	variable := "LD_LIBRARY_PATH"
	if runtime.GOOS == "darwin" {
		variable = "DYLD_LIBRARY_PATH"
	}
	dirs := slices.DeleteFunc(filepath.SplitList(os.Getenv(variable)), func(dir string) bool { return dir == "" })
	dirs = append(dirs, loaderCacheDirs(ctx)...)
	if runtime.GOOS == "darwin" {
		return append(dirs, "/opt/homebrew/lib", "/usr/local/lib")
	}
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	return append(dirs, "/usr/local/lib", "/usr/lib", "/usr/lib64", filepath.Join("/usr/lib", triplet),
		"/home/linuxbrew/.linuxbrew/lib")
}

// loaderCacheDirs are the folders in which ldconfig has seen an ONNX Runtime. A system without ldconfig has none.
func loaderCacheDirs(ctx context.Context) []string {
	command, err := exec.LookPath("ldconfig")
	if err != nil {
		command = "/sbin/ldconfig" // not on the PATH of every user
	}
	out, err := exec.CommandContext(ctx, command, "-p").Output()
	if err != nil {
		return nil
	}
	var dirs []string
	for line := range strings.Lines(string(out)) {
		name, file, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if ok && strings.HasPrefix(name, "libonnxruntime.so") && !slices.Contains(dirs, filepath.Dir(file)) {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	return dirs
}

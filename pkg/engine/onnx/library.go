package onnx

import (
	"cmp"
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

// wanted and wayOut are the ends of the messages about a library that is missing or cannot be used for d.
func wanted(d Device) string {
	return "the path of a libonnxruntime of release 1.24 or a later 1.x" + d.with()
}

func wayOut(d Device) string {
	command := "facestream models runtime"
	switch {
	case d.gpu():
		command += " --device " + string(d.Kind)
	case d.Kind == OpenVINO:
		return "set " + EnvLibrary + " to " + wanted(d)
	}
	return "run `" + command + "` to get release " + Version + ", or set " + EnvLibrary + " to " + wanted(d)
}

// FindLibrary looks for a shared library that this package can use on a processor: the one that FACESTREAM_ORT_LIB names,
// else one in the system's folders for libraries, else one in [CacheDir]. tried says, in order, what it looked at and why it
// did not take it. Where FACESTREAM_ORT_LIB names a library that cannot be used, nothing else is looked for. err is Fatal when
// there is no library; it lists everything that was tried and says what to do.
func FindLibrary(ctx context.Context) (path string, tried []string, err error) {
	return FindLibraryFor(ctx, processor)
}

// FindLibraryFor is FindLibrary for a library that has the execution provider of d. Whether d can be used is not looked at;
// see [OpenOn]. Auto stands for the processor.
func FindLibraryFor(ctx context.Context, d Device) (path string, tried []string, err error) {
	places, err := here(ctx)
	if err != nil {
		return "", nil, err
	}
	found, tried, err := places.find(ctx, d)
	return found.path, tried, err
}

// places are where a library may lie.
type places struct {
	named  string   // a file; "" when the operator named none
	system []string // folders, the first one wins
	cache  string   // folder that has one folder a release
	goos   string
}

// here are the places of this machine.
func here(ctx context.Context) (places, error) {
	cache, err := CacheDir()
	if err != nil {
		return places{}, schema.Fatal("onnx.find", err)
	}
	return places{named: os.Getenv(EnvLibrary), system: systemDirs(ctx), cache: cache, goos: runtime.GOOS}, nil
}

func (p places) find(ctx context.Context, d Device) (library, []string, error) {
	const op = "onnx.find"
	if p.named != "" {
		l, err := usableOn(p.named, d)
		if err != nil {
			tried := []string{fmt.Sprintf("%s=%s: %v", EnvLibrary, p.named, err)}
			return library{}, tried, schema.Fatal(op, fmt.Errorf("%s; unset it, or set it to %s", tried[0], wanted(d)))
		}
		return l, nil, nil
	}
	tried := []string{EnvLibrary + ": not set"}
	for _, dir := range slices.Concat(p.system, p.releases(d)) {
		if err := ctx.Err(); err != nil {
			return library{}, tried, schema.Transient(op, err)
		}
		files := libraries(dir, p.goos)
		if len(files) == 0 {
			tried = append(tried, dir+": no ONNX Runtime in it")
		}
		for _, file := range files {
			l, err := usableOn(file, d)
			if err != nil {
				tried = append(tried, fmt.Sprintf("%s: %v", file, err))
				continue
			}
			return l, tried, nil
		}
	}
	return library{}, tried, schema.Fatal(op, fmt.Errorf("no usable ONNX Runtime library%s on this machine; tried:\n  %s\n%s",
		d.with(), strings.Join(tried, "\n  "), wayOut(d)))
}

// usableOn is usable for a library that must have the provider of d, with the files that hold it.
func usableOn(path string, d Device) (library, error) {
	l, err := usable(path)
	if err != nil || d.provider() == processor.provider() { // every library has that
		return l, err
	}
	if !slices.Contains(l.providers, d.provider()) {
		return library{}, fmt.Errorf("it was built without the %s; it has %s", d.provider(), cmp.Or(strings.Join(l.providers, ", "), "no other"))
	}
	dir, err := l.dir()
	if err != nil {
		return library{}, err
	}
	for _, name := range d.libraries() {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return library{}, fmt.Errorf("its %s is not beside it: there is no %s", d.provider(), filepath.Join(dir, name))
		}
	}
	return l, nil
}

// dir is where l looks for the files of its providers.
func (l library) dir() (string, error) {
	real, err := filepath.EvalSymlinks(l.path)
	return filepath.Dir(real), err
}

// with names, in the middle of a message, the provider that a library needs besides that of the processor.
func (d Device) with() string {
	if d.provider() == processor.provider() {
		return ""
	}
	return " with the " + d.provider()
}

// releases are the cache's folders, first that of Version for d. It is named even where it is missing, so that the message
// of a failed search shows the cache.
func (p places) releases(d Device) []string {
	current := filepath.Join(p.cache, d.Folder(Version))
	dirs := []string{current}
	entries, _ := os.ReadDir(p.cache) // a cache that is not there has no releases
	for _, e := range slices.Backward(entries) {
		if dir := filepath.Join(p.cache, e.Name()); e.IsDir() && dir != current {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// Folder is the name of the folder in [CacheDir] that has the library of that release for d.
func (d Device) Folder(release string) string {
	if d.gpu() {
		return release + "-" + string(CUDA)
	}
	return release
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

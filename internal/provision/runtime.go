package provision

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"facestream/internal/dirlock"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// source is one way to get the library of ONNX Runtime for one platform.
type source struct {
	name     string // as people read it
	platform string // GOOS/GOARCH
	release  string // of ONNX Runtime
	folder   string // in the cache
	limit    time.Duration
	files    []file // the library, and what it loads from its own folder
	// get leaves the files in the empty folder dir and returns their paths, in the order of files.
	get func(ctx context.Context, dir string) ([]string, error)
}

// file is one that a source has. sha256 is its own, not that of the package that carries it.
type file struct{ name, sha256 string }

// library is a source of the library for processors, a single file.
func library(name, platform, release, sha256 string, get func(ctx context.Context, dir string) (string, error)) source {
	return source{name, platform, release, onnx.Device{}.Folder(release), sourceTimeout, []file{{fileName(platform), sha256}},
		func(ctx context.Context, dir string) ([]string, error) {
			path, err := get(ctx, dir)
			return []string{path}, err
		}}
}

// bindingModule carries libraries for two platforms among its test data. Its release is the one that go.mod requires.
const bindingModule = "github.com/yalue/onnxruntime_go@v1.27.0"

// The digests of the libraries. npm's, Maven's and the Go module's were computed from packages that those clients
// delivered. Upstream's release archive has the same bytes as Maven's jar: several public projects that pin the archive
// publish this digest for the library inside, and a library with any other digest is refused.
const (
	sumLinuxAMD64      = "ffc84d48e845cf0b562ba4ea5ca32aaafc0d4069019fef4f63095b307d0270ad"
	sumLinuxAMD64NPM   = "828f6c7ba0488d63a4342d5bf43e011f023182e95da74df6a51b5f5480b4f87e"
	sumLinuxARM64      = "e18fe095919d8613ead3a31ff78212bde4fad929418a9b48f49d61c829ed5c82" // Maven's and npm's
	sumLinuxARM64Mod   = "7954e8bdedb497f830c6a679e818d98399b7f4d81ade1126c3e0be74d28111ab"
	sumDarwinARM64     = "534dfa5e82139a959c77af72008368c42342b1f74aeda66ca5439de0d9d9bdb3"
	sumDarwinARM64NPM  = "a7983030277170d6f086c0ed2d3b8bcbc5b72d4c727cd2ca00bc69aaa290be11"
	sumDarwinARM64Mod  = "9626bbdd201fbed7e3addcbd9fc7e97ec4954c03afcf40a9883af50498bffb06"
	bindingModuleFiles = "1.24.1" // release of the libraries in bindingModule
)

// sources are all ways to get the library for processors, in the order in which they are tried.
func sources() []source {
	const archive = "https://github.com/microsoft/onnxruntime/releases/download/v" + onnx.Version +
		"/onnxruntime-linux-x64-" + onnx.Version + ".tgz"
	return []source{
		library("upstream release archive (8 MB)", "linux/amd64", onnx.Version, sumLinuxAMD64,
			fromArchive(archive, "libonnxruntime.so."+onnx.Version)),
		library("npm onnxruntime-node (86 MB)", "linux/amd64", onnx.Version, sumLinuxAMD64NPM,
			fromNPM("package/bin/napi-v6/linux/x64/libonnxruntime.so.1")),
		library("Maven com.microsoft.onnxruntime (41 MB)", "linux/amd64", onnx.Version, sumLinuxAMD64,
			fromJar("onnxruntime", "ai/onnxruntime/native/linux-x64/libonnxruntime.so")),

		library("Go module "+bindingModule, "linux/arm64", bindingModuleFiles, sumLinuxARM64Mod,
			fromGoModule("test_data/onnxruntime_arm64.so")),
		library("npm onnxruntime-node (86 MB)", "linux/arm64", onnx.Version, sumLinuxARM64,
			fromNPM("package/bin/napi-v6/linux/arm64/libonnxruntime.so.1")),
		library("Maven com.microsoft.onnxruntime (41 MB)", "linux/arm64", onnx.Version, sumLinuxARM64,
			fromJar("onnxruntime", "ai/onnxruntime/native/linux-aarch64/libonnxruntime.so")),

		library("Go module "+bindingModule, "darwin/arm64", bindingModuleFiles, sumDarwinARM64Mod,
			fromGoModule("test_data/onnxruntime_arm64.dylib")),
		library("npm onnxruntime-node (86 MB)", "darwin/arm64", onnx.Version, sumDarwinARM64NPM,
			fromNPM("package/bin/napi-v6/darwin/arm64/libonnxruntime."+onnx.Version+".dylib")),
		library("Maven com.microsoft.onnxruntime (41 MB)", "darwin/arm64", onnx.Version, sumDarwinARM64,
			fromJar("onnxruntime", "ai/onnxruntime/native/osx-aarch64/libonnxruntime.dylib")),
	}
}

// gpuFiles are those of the library for GPUs of NVIDIA, with the providers of CUDA 12 and TensorRT 10. Their digests were
// computed from Maven's jar.
var gpuFiles = []file{
	{"libonnxruntime.so", "4f79ab81eda5f5ef3bf4b280cb4aed6eb96f30153ae9a5593735a4bddacab74e"},
	{"libonnxruntime_providers_shared.so", "c6a12593396095f5670160e284c35d1700b7708cf3037b7042e2a5200ccae772"},
	{"libonnxruntime_providers_cuda.so", "8c33e871b1fef336e07f5541fae538e6bbdc89c4a5685c956616c7dda3e0269d"},
	{"libonnxruntime_providers_tensorrt.so", "9451b8903ad0e0aa2f76ad69ac903bfcf9297c1a91c7e743d1082dcb0ba12780"},
}

// sourcesFor are all ways to get the library with the provider of a device, in the order in which they are tried.
func sourcesFor(d onnx.Device) []source {
	switch d.Kind {
	case onnx.CUDA, onnx.TensorRT:
		const gpuTimeout = 20 * time.Minute // for 370 MB
		var members []string
		for _, f := range gpuFiles {
			members = append(members, "ai/onnxruntime/native/linux-x64/"+f.name)
		}
		return []source{{"Maven com.microsoft.onnxruntime:onnxruntime_gpu (371 MB)", "linux/amd64", onnx.Version, d.Folder(onnx.Version), gpuTimeout, gpuFiles,
			fromMaven("onnxruntime_gpu", members...)}}
	case onnx.OpenVINO: // nobody publishes one for other programs than Python's
		return nil
	}
	return sources() // Apple's has CoreML
}

// Library puts the library of ONNX Runtime for a device into the cache folder, where onnx.FindLibraryFor finds it, and returns
// its path. It asks the upstream release archive, npm, Maven and the Go module cache in turn, as far as they have a library
// for this platform and device, through the clients' own settings, and accepts only files whose sha256 is known. progress
// gets a line per step. Two processes that fetch at once take turns, and the second finds the first one's files. The error is
// Transient when every source failed, and names each failure and the way out.
func Library(ctx context.Context, progress io.Writer, device onnx.Device) (string, error) {
	cache, err := onnx.CacheDir()
	if err != nil {
		return "", schema.Fatal("provision.library", err)
	}
	return fetch(ctx, progress, cache, runtime.GOOS+"/"+runtime.GOARCH, sourcesFor(device))
}

// sourceTimeout is for one source: the largest package, npm's 86 MB, takes this long at 300 KB/s.
const sourceTimeout = 5 * time.Minute

func fetch(ctx context.Context, progress io.Writer, cache, platform string, from []source) (string, error) {
	const op = "provision.library"
	if err := os.MkdirAll(cache, 0o755); err != nil { // readable for others, who may run what this user installed
		return "", schema.Fatal(op, err)
	}
	var lock *dirlock.Lock
	wait := retry.Policy{
		Least: 200 * time.Millisecond, Most: 200 * time.Millisecond,
		Stop: func(err error) bool { return !errors.Is(err, dirlock.ErrInUse) },
	}
	err := wait.Do(ctx, func() (err error) {
		lock, err = dirlock.Acquire(cache, "cache of ONNX Runtime")
		return err
	})
	switch {
	case errors.Is(err, dirlock.ErrInUse):
		return "", schema.Transient(op, fmt.Errorf("waiting for another fetch: %w", err))
	case err != nil:
		return "", schema.Fatal(op, err)
	}
	defer lock.Close()

	from = slices.DeleteFunc(slices.Clone(from), func(s source) bool { return s.platform != platform })
	for _, s := range from {
		if dir := filepath.Join(cache, s.folder); s.checkAll(func(i int) string { return filepath.Join(dir, s.files[i].name) }) == nil {
			return filepath.Join(dir, s.files[0].name), nil
		}
	}
	var failures []string
	for _, s := range from {
		fmt.Fprintf(progress, "ONNX Runtime %s: %s …\n", s.release, s.name)
		dir := filepath.Join(cache, s.folder)
		err := s.install(ctx, dir)
		if err == nil {
			path := filepath.Join(dir, s.files[0].name)
			fmt.Fprintf(progress, "ONNX Runtime %s: verified, %s\n", s.release, path)
			return path, nil
		}
		if ctx.Err() != nil {
			return "", schema.Transient(op, ctx.Err())
		}
		fmt.Fprintf(progress, "ONNX Runtime %s: %s failed: %v\n", s.release, s.name, err)
		failures = append(failures, fmt.Sprintf("%s: %v", s.name, err))
	}
	if failures == nil {
		return "", schema.Fatal(op, fmt.Errorf("no source has such a library for %s; set %s to the path of one that you have", platform, onnx.EnvLibrary))
	}
	return "", schema.Transient(op, fmt.Errorf("no source gave ONNX Runtime %s; tried:\n  %s\n"+
		"give this machine access to one of them, or set %s to the path of a library that you have",
		onnx.Version, strings.Join(failures, "\n  "), onnx.EnvLibrary))
}

// fileName is the library's unversioned name on the platform.
func fileName(platform string) string {
	if strings.HasPrefix(platform, "darwin/") {
		return "libonnxruntime.dylib"
	}
	return "libonnxruntime.so"
}

// install gets the files, checks their digests, and moves them to the folder target, the library last: where it is, the
// others are.
func (s source) install(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	// Beside the target, because a rename does not cross file systems.
	dir, err := os.MkdirTemp(target, ".fetch-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	paths, err := s.get(ctx, dir)
	if err != nil {
		return err
	}
	if err := s.checkAll(func(i int) string { return paths[i] }); err != nil {
		return err
	}
	for i, path := range slices.Backward(paths) {
		if err := os.Chmod(path, 0o755); err != nil {
			return err
		}
		if err := os.Rename(path, filepath.Join(target, s.files[i].name)); err != nil {
			return err
		}
	}
	return nil
}

// checkAll compares the files, the one of index i at path(i), with their digests.
func (s source) checkAll(path func(i int) string) error {
	for i, f := range s.files {
		sum, err := fileSum(path(i))
		if err != nil {
			return err
		}
		if sum != f.sha256 {
			return fmt.Errorf("refused: the sha256 of %s is %s, and %s is expected", f.name, sum, f.sha256)
		}
	}
	return nil
}

// fromArchive downloads the gzipped tar at url and takes the member whose file name is name.
func fromArchive(url, name string) func(context.Context, string) (string, error) {
	// An unreachable host must cost seconds, because two more sources wait.
	client := &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 4 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 10 * time.Second,
		DisableKeepAlives:     true,
	}}
	return func(ctx context.Context, dir string) (string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return "", fmt.Errorf("%s answers %s", url, response.Status)
		}
		return untar(response.Body, dir, func(member string) bool { return filepath.Base(member) == name })
	}
}

// fromNPM asks the npm client for the package onnxruntime-node and takes the member.
func fromNPM(member string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, dir string) (string, error) {
		_, err := runClient(ctx, dir, "npm", "pack", "onnxruntime-node@"+onnx.Version, "--fetch-retries=1")
		if err != nil {
			return "", err
		}
		archive, err := os.Open(filepath.Join(dir, "onnxruntime-node-"+onnx.Version+".tgz"))
		if err != nil {
			return "", err
		}
		defer archive.Close()
		return untar(archive, dir, func(name string) bool { return name == member })
	}
}

// fromJar is fromMaven for one member.
func fromJar(artifact, member string) func(context.Context, string) (string, error) {
	get := fromMaven(artifact, member)
	return func(ctx context.Context, dir string) (string, error) {
		paths, err := get(ctx, dir)
		if err != nil {
			return "", err
		}
		return paths[0], nil
	}
}

// fromMaven asks the mvn client for a jar of com.microsoft.onnxruntime and takes the members.
func fromMaven(artifact string, members ...string) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, dir string) ([]string, error) {
		_, err := runClient(ctx, dir, "mvn", "--batch-mode", "--quiet", "dependency:copy",
			"-Dartifact=com.microsoft.onnxruntime:"+artifact+":"+onnx.Version+":jar", "-DoutputDirectory="+dir,
			"-Daether.connector.connectTimeout=5000")
		if err != nil {
			return nil, err
		}
		jar, err := zip.OpenReader(filepath.Join(dir, artifact+"-"+onnx.Version+".jar"))
		if err != nil {
			return nil, err
		}
		defer jar.Close()
		var paths []string
		for _, member := range members {
			file, err := jar.Open(member)
			if err != nil {
				return nil, fmt.Errorf("the jar has no %s", member)
			}
			saved, err := save(file, filepath.Join(dir, path.Base(member)))
			if err := errors.Join(err, file.Close()); err != nil {
				return nil, err
			}
			paths = append(paths, saved)
		}
		return paths, nil
	}
}

// fromGoModule takes a file of the module that this program is built with.
func fromGoModule(name string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, dir string) (string, error) {
		out, err := runClient(ctx, dir, "go", "mod", "download", "-json", bindingModule)
		if err != nil {
			return "", err
		}
		var module struct{ Dir string }
		if err := json.Unmarshal(out, &module); err != nil {
			return "", fmt.Errorf("go mod download: %w", err)
		}
		file, err := os.Open(filepath.Join(module.Dir, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		defer file.Close()
		return save(file, filepath.Join(dir, "library"))
	}
}

// runClient runs a package client in dir with the user's own settings and returns its standard output.
func runClient(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	command.WaitDelay = 5 * time.Second // a client's own children may hold its output open
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%s is not installed", name)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s took too long: %w", name, ctx.Err())
	case err != nil:
		// mvn reports on its standard output.
		said := strings.TrimSpace(stderr.String() + stdout.String())
		if first, _, more := strings.Cut(said, "\n"); more {
			said = first
		}
		return nil, fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return stdout.Bytes(), nil
}

// untar saves the first regular member that wanted accepts.
func untar(r io.Reader, dir string, wanted func(member string) bool) (string, error) {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return "", err
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return "", errors.New("the archive has no library")
		}
		if err != nil {
			return "", err
		}
		if header.Typeflag == tar.TypeReg && wanted(header.Name) {
			return save(archive, filepath.Join(dir, "library"))
		}
	}
}

// maxLibrary bounds what is unpacked; the largest file, the provider of CUDA, has 316 MB.
const maxLibrary = 500 << 20

// save writes r to a new file at path, which it returns.
func save(r io.Reader, path string) (string, error) {
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	n, err := io.Copy(file, io.LimitReader(r, maxLibrary))
	if err == nil && n == maxLibrary {
		err = fmt.Errorf("the library has %d MB or more", maxLibrary>>20)
	}
	if err == nil {
		err = file.Sync()
	}
	return file.Name(), errors.Join(err, file.Close())
}

func fileSum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

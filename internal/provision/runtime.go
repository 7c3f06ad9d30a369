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
	sha256   string // of the library, not of the package that carries it
	// get leaves the library as a file in the empty folder dir and returns the file's path.
	get func(ctx context.Context, dir string) (string, error)
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

// sources are all ways to get a library, in the order in which they are tried.
func sources() []source {
	const archive = "https://github.com/microsoft/onnxruntime/releases/download/v" + onnx.Version +
		"/onnxruntime-linux-x64-" + onnx.Version + ".tgz"
	return []source{
		{"upstream release archive (8 MB)", "linux/amd64", onnx.Version, sumLinuxAMD64,
			fromArchive(archive, "libonnxruntime.so."+onnx.Version)},
		{"npm onnxruntime-node (86 MB)", "linux/amd64", onnx.Version, sumLinuxAMD64NPM,
			fromNPM("package/bin/napi-v6/linux/x64/libonnxruntime.so.1")},
		{"Maven com.microsoft.onnxruntime (41 MB)", "linux/amd64", onnx.Version, sumLinuxAMD64,
			fromMaven("ai/onnxruntime/native/linux-x64/libonnxruntime.so")},

		{"Go module " + bindingModule, "linux/arm64", bindingModuleFiles, sumLinuxARM64Mod,
			fromGoModule("test_data/onnxruntime_arm64.so")},
		{"npm onnxruntime-node (86 MB)", "linux/arm64", onnx.Version, sumLinuxARM64,
			fromNPM("package/bin/napi-v6/linux/arm64/libonnxruntime.so.1")},
		{"Maven com.microsoft.onnxruntime (41 MB)", "linux/arm64", onnx.Version, sumLinuxARM64,
			fromMaven("ai/onnxruntime/native/linux-aarch64/libonnxruntime.so")},

		{"Go module " + bindingModule, "darwin/arm64", bindingModuleFiles, sumDarwinARM64Mod,
			fromGoModule("test_data/onnxruntime_arm64.dylib")},
		{"npm onnxruntime-node (86 MB)", "darwin/arm64", onnx.Version, sumDarwinARM64NPM,
			fromNPM("package/bin/napi-v6/darwin/arm64/libonnxruntime." + onnx.Version + ".dylib")},
		{"Maven com.microsoft.onnxruntime (41 MB)", "darwin/arm64", onnx.Version, sumDarwinARM64,
			fromMaven("ai/onnxruntime/native/osx-aarch64/libonnxruntime.dylib")},
	}
}

// Library puts the library of ONNX Runtime into the cache folder, where onnx.FindLibrary finds it, and returns its path. It asks the
// upstream release archive, npm, Maven and the Go module cache in turn, as far as they have a library for this platform,
// through the clients' own settings, and accepts only a library whose sha256 is known. progress gets a line per step.
// Two processes that fetch at once take turns, and the second finds the first one's file. The error is Transient when
// every source failed, and names each failure and the way out.
func Library(ctx context.Context, progress io.Writer) (string, error) {
	cache, err := onnx.CacheDir()
	if err != nil {
		return "", schema.Fatal("provision.library", err)
	}
	return fetch(ctx, progress, cache, runtime.GOOS+"/"+runtime.GOARCH, sources())
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
	target := func(s source) string { return filepath.Join(cache, s.release, fileName(platform)) }
	for _, s := range from {
		if sum, err := fileSum(target(s)); err == nil && sum == s.sha256 {
			return target(s), nil
		}
	}
	var failures []string
	for _, s := range from {
		fmt.Fprintf(progress, "ONNX Runtime %s: %s …\n", s.release, s.name)
		err := s.install(ctx, target(s))
		if err == nil {
			fmt.Fprintf(progress, "ONNX Runtime %s: verified, %s\n", s.release, target(s))
			return target(s), nil
		}
		if ctx.Err() != nil {
			return "", schema.Transient(op, ctx.Err())
		}
		fmt.Fprintf(progress, "ONNX Runtime %s: %s failed: %v\n", s.release, s.name, err)
		failures = append(failures, fmt.Sprintf("%s: %v", s.name, err))
	}
	if failures == nil {
		return "", schema.Fatal(op, fmt.Errorf("no source has a library for %s; set %s to the path of one that you have", platform, onnx.EnvLibrary))
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

// install gets the library, checks its digest, and moves it to target in one step.
func (s source) install(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, sourceTimeout)
	defer cancel()
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	// Beside the target, because a rename does not cross file systems.
	dir, err := os.MkdirTemp(filepath.Dir(target), ".fetch-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, err := s.get(ctx, dir)
	if err != nil {
		return err
	}
	sum, err := fileSum(file)
	if err != nil {
		return err
	}
	if sum != s.sha256 {
		return fmt.Errorf("refused: the library's sha256 is %s, and %s is expected", sum, s.sha256)
	}
	if err := os.Chmod(file, 0o755); err != nil {
		return err
	}
	return os.Rename(file, target)
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

// fromMaven asks the mvn client for the jar onnxruntime and takes the member.
func fromMaven(member string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, dir string) (string, error) {
		_, err := runClient(ctx, dir, "mvn", "--batch-mode", "--quiet", "dependency:copy",
			"-Dartifact=com.microsoft.onnxruntime:onnxruntime:"+onnx.Version+":jar", "-DoutputDirectory="+dir,
			"-Daether.connector.connectTimeout=5000")
		if err != nil {
			return "", err
		}
		jar, err := zip.OpenReader(filepath.Join(dir, "onnxruntime-"+onnx.Version+".jar"))
		if err != nil {
			return "", err
		}
		defer jar.Close()
		file, err := jar.Open(member)
		if err != nil {
			return "", fmt.Errorf("the jar has no %s", member)
		}
		defer file.Close()
		return save(file, dir)
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
		return save(file, dir)
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
			return save(archive, dir)
		}
	}
}

// maxLibrary bounds what is unpacked; the largest library has 35 MB.
const maxLibrary = 200 << 20

// save writes r to a file in dir and returns its path.
func save(r io.Reader, dir string) (string, error) {
	file, err := os.Create(filepath.Join(dir, "library"))
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

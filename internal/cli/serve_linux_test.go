package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"facestream/internal/embedded"
	"facestream/internal/objects"
	"facestream/internal/program"
	"facestream/internal/sandbox"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// TestUpEndsWithItsServers: a command that runs embedded servers ends when one of them dies, says which, and exits with a
// failure.
func TestUpEndsWithItsServers(t *testing.T) {
	for _, command := range []string{"up", "servers"} {
		for name, says := range map[string]*regexp.Regexp{
			"broker": regexp.MustCompile(`Kafka +([\d.]+:\d+)`), "store": regexp.MustCompile(`S3 +http://([\d.]+:\d+)`),
		} {
			t.Run(command+" without its "+name, func(t *testing.T) {
				if _, _, err := onnx.FindLibrary(t.Context()); err != nil && command == "up" {
					t.Skipf("SKIPPED, the worker would not start: %v", err)
				}
				t.Chdir(".") // to come back: the embedded store changes the folder
				t.Setenv("FACESTREAM_CONFIG", "")
				health, err := sandbox.FreeAddr()
				if err != nil {
					t.Fatal(err)
				}
				var out shared
				c := root()
				c.SilenceUsage, c.SilenceErrors = true, true
				c.SetOut(&out)
				data := filepath.Join(t.TempDir(), "data")
				if err := os.Mkdir(data, 0o755); err != nil { // as an operator might
					t.Fatal(err)
				}
				c.SetArgs([]string{command, "--data-dir", data, "--embedded-kafka-addr=127.0.0.1:0", "--embedded-s3-addr=127.0.0.1:0",
					"--telemetry-listen=" + health, "--gateway-listen=127.0.0.1:0", "--telemetry-log-level=error"})
				ctx, stop := context.WithCancel(t.Context())
				var failure error
				code := make(chan int, 1)
				go func() {
					defer close(code)
					code <- program.Run(func(context.Context) error {
						failure = c.ExecuteContext(ctx)
						return failure
					})
				}()
				t.Cleanup(func() {
					stop()
					for range code { // it has ended
					}
				})
				addr := ""
				for ready := command == "servers"; addr == "" || !ready; { // until the command says where its servers are and works, or ends
					select {
					case <-code:
						t.Fatalf("it did not start: %v", failure)
					case <-time.After(10 * time.Millisecond):
					}
					if r, err := http.Get("http://" + health + "/readyz"); err == nil {
						r.Body.Close()
						ready = ready || r.StatusCode == http.StatusOK
					}
					if found := says.FindStringSubmatch(out.String()); found != nil {
						addr = found[1]
					}
				}
				endListening(t, addr)
				wantPrivate(t, data)
				if got := <-code; got != program.ExitFailed {
					t.Errorf("exit code %d", got)
				}
				if failure == nil || !strings.Contains(failure.Error(), "the embedded ") || !strings.Contains(failure.Error(), addr+" ended") {
					t.Errorf("the error %v does not say that the server on %s ended", failure, addr)
				}
			})
		}
	}
}

// wantPrivate fails if other users than the owner have rights on dir, or on anything in it.
func wantPrivate(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was there for a moment only
		} else if err != nil {
			return err
		}
		files++
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", strings.TrimPrefix(path, dir), info.Mode())
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) || files < 5 {
		t.Errorf("%d files in the data folder: %v", files, err)
	}
}

// endListening makes the socket of this process that listens on addr fail.
func endListening(t *testing.T, addr string) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for fd := range 4096 {
		listens, _ := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
		name, _ := syscall.Getsockname(fd)
		at, ok := name.(*syscall.SockaddrInet4)
		if listens != 0 && ok && strconv.Itoa(at.Port) == port {
			if err := syscall.Shutdown(fd, syscall.SHUT_RDWR); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("nothing in this process listens on %s", addr)
}

// shared is a buffer for several goroutines.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestServersCheck names the objects of the embedded store that are damaged, also while the store runs.
func TestServersCheck(t *testing.T) {
	t.Chdir(".") // to come back: the embedded store changes the folder
	t.Setenv("FACESTREAM_CONFIG", "")
	dir := t.TempDir()
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", AccessKey: "access", SecretKey: "secret-secret",
		Bucket: "images", ObjectsTopic: "facestream.objects", ObjectsPartitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	store, err := objects.New(objects.Config{Endpoint: s.S3Addr(), AccessKey: "access", SecretKey: "secret-secret", Region: embedded.Region})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a/sound", "a/damaged"} {
		if _, err := store.Put(t.Context(), schema.ObjectRef{Bucket: "images", Key: key}, []byte(key), "image/jpeg", nil); err != nil {
			t.Fatal(err)
		}
	}
	if out, said, code := facestream(t, "servers", "check", "--data-dir", dir); code != 0 || !strings.Contains(out, "every object is as it was uploaded") {
		t.Errorf("exit %d: %s%s", code, out, said)
	}
	const file = "s3/objects/images/a/damaged"
	if err := os.Truncate(filepath.Join(dir, file), 2); err != nil {
		t.Fatal(err)
	}
	if out, said, code := facestream(t, "servers", "check", "--data-dir", dir); code != exitOutcome || out != "damaged  "+file+"\n" || !strings.Contains(said, "1 objects") {
		t.Errorf("exit %d: %s%s", code, out, said)
	}
	if out, said, code := facestream(t, "servers", "check", "--data-dir", dir, "--json"); code != exitOutcome || !strings.Contains(out, `"`+file+`"`) {
		t.Errorf("exit %d: %s%s", code, out, said)
	}
}

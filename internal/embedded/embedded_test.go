package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"facestream/internal/objects"
	"facestream/pkg/schema"
)

const topic = "facestream.objects"

func options(t *testing.T, dir string) Options {
	return Options{
		Dir: dir, KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", AccessKey: "access", SecretKey: "secret-secret",
		Bucket: "images", ObjectsTopic: topic, ObjectsPartitions: 2, Log: zerolog.New(zerolog.NewTestWriter(t)),
	}
}

func open(t *testing.T, o Options) *Servers {
	t.Helper()
	begin := time.Now()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("both servers answered after %s", time.Since(begin).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func storeOf(t *testing.T, addr string) *objects.Store {
	t.Helper()
	store, err := objects.New(objects.Config{Endpoint: addr, AccessKey: "access", SecretKey: "secret-secret", Region: Region})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func put(t *testing.T, store *objects.Store, key, content string) schema.ObjectRef {
	t.Helper()
	ref, err := store.Put(t.Context(), schema.ObjectRef{Bucket: "images", Key: key}, []byte(content), "image/jpeg", map[string]string{"note": "Grüße"})
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func wantContent(t *testing.T, store *objects.Store, ref schema.ObjectRef, want string) {
	t.Helper()
	data, resolved, err := store.Get(t.Context(), ref, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(ref, resolved); diff != "" {
		t.Error(diff)
	}
	info, err := store.Stat(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"note": "Grüße"}, info.Metadata); diff != "" {
		t.Error(diff)
	}
}

// produce writes values to partition 0 of the objects topic; nil means the broker has them on disk.
func produce(ctx context.Context, addr string, values ...string) error {
	conn, err := kafka.DialLeader(ctx, "tcp", addr, topic, 0)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	for _, v := range values {
		if _, err := conn.WriteMessages(kafka.Message{Value: []byte(v)}); err != nil {
			return err
		}
	}
	return nil
}

// records returns what all partitions of the topic hold.
func records(t *testing.T, addr string) []string {
	t.Helper()
	var values []string
	for partition := range 2 {
		conn, err := kafka.DialLeader(t.Context(), "tcp", addr, topic, partition)
		if err != nil {
			t.Fatal(err)
		}
		last, err := conn.ReadLastOffset()
		if err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		for offset := int64(0); offset < last; offset++ {
			m, err := conn.ReadMessage(1 << 20)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, string(m.Value))
		}
		conn.Close()
	}
	return values
}

func count(values []string, part string) int {
	n := 0
	for _, v := range values {
		if strings.Contains(v, part) {
			n++
		}
	}
	return n
}

func TestDataSurviveARestart(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string)
	}{
		{"metadata as the file system allows", func(*testing.T, string) {}},
		{"metadata in files beside the objects", func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, "s3", "metadata"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.prepare(t, dir)
			o := options(t, dir)
			s := open(t, o)
			store := storeOf(t, s.S3Addr())
			first := put(t, store, "enroll/a/first one.jpg", "one")
			second := put(t, store, "enroll/a/first one.jpg", "two")
			if first.Version == "" || first.Version == second.Version {
				t.Fatalf("the bucket keeps no versions: %q, %q", first.Version, second.Version)
			}
			o.KafkaAddr, o.S3Addr = s.KafkaAddr(), s.S3Addr()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}

			s = open(t, o)
			if diff := cmp.Diff([]string{o.KafkaAddr, o.S3Addr}, []string{s.KafkaAddr(), s.S3Addr()}); diff != "" {
				t.Error(diff)
			}
			store = storeOf(t, s.S3Addr())
			wantContent(t, store, first, "one")
			wantContent(t, store, second, "two")
			if n := count(records(t, s.KafkaAddr()), "first+one.jpg"); n != 2 {
				t.Errorf("%d of the 2 notifications are there after the restart", n)
			}
		})
	}
}

// elsewhere runs servers on dir in another process: this test binary again, with this test alone. There it does not return. It
// returns the addresses of the broker and the store, and the process, which ends with the test at the latest.
func elsewhere(t *testing.T, dir string) (kafkaAddr, s3Addr string, process *os.Process) {
	t.Helper()
	const dirVariable = "EMBEDDED_TEST_SERVE"
	if dir := os.Getenv(dirVariable); dir != "" {
		s := open(t, options(t, dir))
		fmt.Fprintf(os.Stderr, "\n%s %s\n", s.KafkaAddr(), s.S3Addr())
		select {} // the parent kills
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), dirVariable+"="+dir)
	stderr, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		child.Process.Kill()
		child.Wait()
	})
	for lines := bufio.NewScanner(stderr); s3Addr == "" && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "127.0.0.1:%s 127.0.0.1:%s", &kafkaAddr, &s3Addr)
	}
	go io.Copy(io.Discard, stderr)
	if s3Addr == "" {
		t.Fatal("the serving process did not say its addresses")
	}
	return "127.0.0.1:" + kafkaAddr, "127.0.0.1:" + s3Addr, child.Process
}

// TestInvariant7SIGKILL kills a process that serves and opens its folder (invariant 7).
func TestInvariant7SIGKILL(t *testing.T) {
	dir := t.TempDir()
	kafkaAddr, s3Addr, process := elsewhere(t, dir)

	if _, err := Open(t.Context(), options(t, dir)); err == nil {
		t.Fatal("a second process opened the folder")
	} else if pid := fmt.Sprintf("process %d", process.Pid); !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), pid) {
		t.Errorf("%q does not name %q and %q", err, dir, pid)
	}

	acknowledged, first := make(chan int), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		n := 0
		for ctx.Err() == nil && produce(ctx, kafkaAddr, fmt.Sprintf("record %06d", n)) == nil {
			if n++; n == 1 {
				close(first)
			}
		}
		acknowledged <- n
	}()
	select {
	case <-first:
	case <-acknowledged:
		t.Fatal("the broker acknowledges nothing")
	}
	image := put(t, storeOf(t, s3Addr), "enroll/a/killed.jpg", "before")
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	n := <-acknowledged
	cancel()
	process.Wait()

	s := open(t, options(t, dir))
	wantContent(t, storeOf(t, s.S3Addr()), image, "before")
	values := records(t, s.KafkaAddr())
	if got := count(values, "record "); got < n || n == 0 {
		t.Errorf("%d of %d acknowledged records are left", got, n)
	} else {
		t.Logf("%d acknowledged records, %d found", n, got)
	}
	if got := count(values, "killed.jpg"); got != 1 {
		t.Errorf("%d notifications of the upload that was answered just before", got)
	}
}

func TestEachServerStopsAndStartsAlone(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	store := storeOf(t, s.S3Addr())
	ref := put(t, store, "enroll/a/x.jpg", "x")
	if n := count(records(t, s.KafkaAddr()), "x.jpg"); n != 1 {
		t.Errorf("%d notifications of an upload that was answered", n)
	}
	kafkaAddr, s3Addr := s.KafkaAddr(), s.S3Addr()

	if err := s.StopS3(); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, s3Addr)
	if err := produce(t.Context(), kafkaAddr, "while the store is away"); err != nil {
		t.Error(err)
	}
	if err := s.StopKafka(); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, kafkaAddr)
	if err := s.StartKafka(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.StartS3(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantContent(t, store, ref, "x")

	// The store takes uploads without the broker and notifies of them when it is back.
	if err := s.StopKafka(); err != nil {
		t.Fatal(err)
	}
	put(t, store, "enroll/a/y.jpg", "y")
	if err := s.StartKafka(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, store, "enroll/a/z.jpg", "z") // its answer comes after its notification, which comes after the first's
	values := records(t, kafkaAddr)
	for _, part := range []string{"x.jpg", "y.jpg", "z.jpg", "while the store is away"} {
		if n := count(values, part); n != 1 {
			t.Errorf("%d records of %s, want 1", n, part)
		}
	}
}

// TestEveryUploadIsNotifiedUnderItsOwnKey uploads over many connections at once, each used again and again.
func TestEveryUploadIsNotifiedUnderItsOwnKey(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	store := storeOf(t, s.S3Addr())
	const uploaders, each = 8, 25
	var group sync.WaitGroup
	begin := time.Now()
	for u := range uploaders {
		group.Go(func() {
			for i := range each {
				ref := schema.ObjectRef{Bucket: "images", Key: fmt.Sprintf("enroll/%d/%s-%02d.jpg", u, strings.Repeat("x", i), i)}
				if _, err := store.Put(t.Context(), ref, []byte(ref.Key), "image/jpeg", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d uploads in %s", uploaders*each, time.Since(begin).Round(time.Millisecond))
	want, got := map[string]int{}, map[string]int{}
	for u := range uploaders {
		for i := range each {
			want[fmt.Sprintf("enroll/%d/%s-%02d.jpg", u, strings.Repeat("x", i), i)] = 1
		}
	}
	for _, value := range records(t, s.KafkaAddr()) {
		var e event
		if err := json.Unmarshal([]byte(value), &e); err != nil || len(e.Records) != 1 {
			t.Fatalf("%v in %s", err, value)
		}
		key, err := url.QueryUnescape(e.Records[0].S3.Object.Key)
		if err != nil {
			t.Fatal(err)
		}
		got[key]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStoppedStoreLetsGo keeps a connection that has sent nothing open over a restart of the store. The stopped store
// answers on it once at most; whoever asks next reaches the one that runs.
func TestStoppedStoreLetsGo(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	conn, err := net.Dial("tcp", s.S3Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	put(t, storeOf(t, s.S3Addr()), "enroll/a/x.jpg", "x") // once this is answered, the earlier connection is accepted, too
	if err := s.StopS3(); err != nil {
		t.Fatal(err)
	}
	if err := s.StartS3(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /images HTTP/1.1\r\nHost: store\r\n\r\n"); err != nil {
		return // closed already, which is better still
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the store that was stopped keeps a connection open after an answer")
	}
}

func TestOneStoreAtATime(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	if second, err := Open(t.Context(), options(t, t.TempDir())); err == nil {
		second.Close()
		t.Error("a second store runs in the same process")
	} else if !strings.Contains(err.Error(), "another embedded store") {
		t.Error(err)
	}
	put(t, storeOf(t, s.S3Addr()), "enroll/a/x.jpg", "the first still works")
}

func wantRefused(t *testing.T, addr string) {
	t.Helper()
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Errorf("%s still answers", addr)
	}
}

func TestRunIsQuietAndLeavesNothingBehind(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	capture, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = capture
	defer func() { os.Stdout = stdout }()

	s, err := Open(t.Context(), options(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	put(t, storeOf(t, s.S3Addr()), "enroll/a/x.jpg", "x")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if os.Stdout != capture {
		t.Error("os.Stdout was not put back")
	}
	if said, err := os.ReadFile(capture.Name()); err != nil || len(said) > 0 {
		t.Errorf("standard output has %q (%v)", said, err)
	}
	if now, err := os.Getwd(); err != nil || now != dir {
		t.Errorf("the working directory is %s (%v), it was %s", now, err, dir)
	}
	// The gateway's HTTP server has a cleaner that sleeps for 10 s before it sees the end.
	goleak.VerifyNone(t, leaks, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

func TestOpenRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Options)
		want   []string
	}{
		{"nothing set", func(o *Options) { *o = Options{} }, []string{"data folder", "access key", "secret key", "bucket", "objects topic", "kafka address", "s3 address"}},
		{"an address that clients cannot reach", func(o *Options) { o.KafkaAddr = "0.0.0.0:9092" }, []string{"0.0.0.0:9092"}},
		{"a port that is none", func(o *Options) { o.S3Addr = "127.0.0.1:http" }, []string{"127.0.0.1:http"}},
		{"a taken s3 port", func(o *Options) { o.S3Addr = taken.Addr().String() }, []string{taken.Addr().String(), "--embedded-s3-addr"}},
		{"a taken kafka port", func(o *Options) { o.KafkaAddr = taken.Addr().String() }, []string{taken.Addr().String(), "--embedded-kafka-addr"}},
		{"a file as folder", func(o *Options) { o.Dir = file }, []string{file}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := options(t, t.TempDir())
			test.change(&o)
			s, err := Open(t.Context(), o)
			if err == nil {
				s.Close()
				t.Fatal("it opened")
			}
			if schema.ClassOf(err) != schema.ClassFatal {
				t.Errorf("%v is %v", err, schema.ClassOf(err))
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
			if s, err := Open(t.Context(), options(t, t.TempDir())); err != nil {
				t.Errorf("nothing can be opened after it: %v", err)
			} else if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

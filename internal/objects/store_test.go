package objects_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/rs/zerolog"

	"facestream/internal/embedded"
	"facestream/internal/objects"
	"facestream/internal/objects/objectstest"
	"facestream/pkg/schema"
)

// The store that the tests speak to: the embedded one, or the one of objectstest, which real says. Its bucket "images"
// keeps versions, "plain" keeps none.
var (
	theStore objects.Config
	servers  *embedded.Servers
	real     *objectstest.Store
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "objects")
	if err == nil {
		defer os.RemoveAll(dir)
		real, err = objectstest.Given()
	}
	if err == nil && real == nil {
		servers, err = embedded.Open(context.Background(), embedded.Options{
			Dir: dir, KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", AccessKey: "access", SecretKey: "secret-secret",
			Bucket: "images", ObjectsTopic: "facestream.objects", ObjectsPartitions: 1, Log: zerolog.New(os.Stderr).Level(zerolog.WarnLevel),
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if real != nil {
		theStore = real.Config
		return m.Run()
	}
	defer servers.Close()
	theStore = objects.Config{Endpoint: servers.S3Addr(), AccessKey: "access", SecretKey: "secret-secret"}
	return m.Run()
}

func stopStore(ctx context.Context) error {
	if real != nil {
		return real.Stop(ctx)
	}
	return servers.StopS3()
}

func startStore(ctx context.Context) error {
	if real != nil {
		return real.Start(ctx)
	}
	return servers.StartS3(ctx)
}

// owner is a client of whom the bucket belongs to.
func owner(t *testing.T, transport http.RoundTripper) *minio.Client {
	t.Helper()
	if transport == nil && theStore.TLS != nil {
		transport = &http.Transport{TLSClientConfig: theStore.TLS}
	}
	c, err := minio.New(theStore.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(theStore.AccessKey, string(theStore.SecretKey), ""), Secure: theStore.TLS != nil, Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func storeFor(t *testing.T, cfg objects.Config) *objects.Store {
	t.Helper()
	s, err := objects.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newStore(t *testing.T) *objects.Store {
	t.Helper()
	s := storeFor(t, theStore)
	if err := s.EnsureBucket(t.Context(), "images", true); err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureBucket(t.Context(), "plain", false); err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *objects.Store, bucket, key, content string) schema.ObjectRef {
	t.Helper()
	ref, err := s.Put(t.Context(), schema.ObjectRef{Bucket: bucket, Key: key}, []byte(content), "image/jpeg", nil)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// remove deletes the newest version of an object as its owner would; the store of the services removes all.
func remove(t *testing.T, bucket, key string) {
	t.Helper()
	if err := owner(t, nil).RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

// putFolder stores an empty folder's marker as its owner would, on a connection of its own: the gateway leaves the
// connection that brought one in disorder.
func putFolder(t *testing.T, bucket, key string) {
	t.Helper()
	c := owner(t, &http.Transport{DisableKeepAlives: true, TLSClientConfig: theStore.TLS})
	if _, err := c.PutObject(t.Context(), bucket, key, strings.NewReader(""), 0, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

// wantError checks class and reason and that the text names none of the keys (invariant 6).
func wantError(t *testing.T, err error, class schema.Class, reason schema.Reason, keys ...string) {
	t.Helper()
	if schema.ClassOf(err) != class || schema.ReasonOf(err) != reason {
		t.Errorf("%v is %v %q, want %v %q", err, schema.ClassOf(err), schema.ReasonOf(err), class, reason)
	}
	for _, key := range append(keys, "-secret") {
		for e := err; e != nil; e = errors.Unwrap(e) {
			for _, form := range []string{key, url.QueryEscape(key), url.PathEscape(key)} {
				if strings.TrimSpace(key) != "" && strings.Contains(e.Error(), form) {
					t.Errorf("%q holds %q", e.Error(), form)
				}
			}
		}
	}
}

func TestPutGetStat(t *testing.T) {
	s := newStore(t)
	keys := []string{
		"enroll/staff/u1/a.jpg", "with space.jpg", "plus+plus.jpg", "per%cent%20.jpg", "ünï/日本.jpg", "q?a=b&c=d#e;f.jpg",
		"quote\"'<>.jpg", "tab\tkey.jpg", "~!$*()=@:,.jpg", strings.Repeat("long/", 150) + "x.jpg",
	}
	for _, bucket := range []string{"images", "plain"} {
		for i, key := range keys {
			content := fmt.Sprintf("content %d", i)
			meta := map[string]string{"facestream-operation": "enroll", "name": "Zoë"}
			begin := time.Now().Add(-2 * time.Second)
			ref, err := s.Put(t.Context(), schema.ObjectRef{Bucket: bucket, Key: key}, []byte(content), "image/jpeg", meta)
			if err != nil {
				t.Fatalf("%q: %v", key, err)
			}
			if ref.Key != key || ref.ETag == "" || strings.Contains(ref.ETag, `"`) || (ref.Version != "") != (bucket == "images") {
				t.Errorf("put %q resolved to version %q, etag %q", key, ref.Version, ref.ETag)
			}
			for _, by := range []schema.ObjectRef{ref, {Bucket: bucket, Key: key}, {Bucket: bucket, Key: key, ETag: ref.ETag}} {
				data, resolved, err := s.Get(t.Context(), by, int64(len(content)))
				if err != nil {
					t.Fatalf("%q: %v", key, err)
				}
				if diff := cmp.Diff(content, string(data)); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(ref, resolved); diff != "" {
					t.Error(diff)
				}
				info, err := s.Stat(t.Context(), by)
				if err != nil {
					t.Fatalf("%q: %v", key, err)
				}
				want := objects.Info{Ref: ref, Size: int64(len(content)), Metadata: meta}
				if diff := cmp.Diff(want, info, cmpopts.IgnoreFields(objects.Info{}, "Modified")); diff != "" {
					t.Error(diff)
				}
				if info.Modified.Before(begin) || info.Modified.After(time.Now().Add(time.Second)) {
					t.Errorf("modified %s", info.Modified)
				}
			}
		}
	}
}

func TestOverwrittenMeansThatContentOrNone(t *testing.T) {
	s := newStore(t)
	const key = "enroll/staff/bob/face.jpg"
	const limit = 1 << 20
	versioned := [2]schema.ObjectRef{put(t, s, "images", key, "old"), put(t, s, "images", key, "new")}
	put(t, s, "images", key+".more", "old") // a longer key with the same content is another object
	plain := [2]schema.ObjectRef{put(t, s, "plain", key, "old"), put(t, s, "plain", key, "new")}
	byTag := func(r schema.ObjectRef) schema.ObjectRef { r.Version = ""; return r }

	tests := []struct {
		name   string
		ref    schema.ObjectRef
		want   string
		as     schema.ObjectRef
		reason schema.Reason
	}{
		{"the old version", versioned[0], "old", versioned[0], ""},
		{"the new version", versioned[1], "new", versioned[1], ""},
		{"the old etag, kept as a version", byTag(versioned[0]), "old", versioned[0], ""},
		{"the new etag", byTag(versioned[1]), "new", versioned[1], ""},
		{"an etag that never was, versions kept", schema.ObjectRef{Bucket: "images", Key: key, ETag: strings.Repeat("0", 32)}, "", schema.ObjectRef{}, schema.ReasonImageChanged},
		{"the old etag, no versions", plain[0], "", schema.ObjectRef{}, schema.ReasonImageChanged},
		{"the old etag of version null", schema.ObjectRef{Bucket: "plain", Key: key, Version: "null", ETag: plain[0].ETag}, "", schema.ObjectRef{}, schema.ReasonImageChanged},
		{"the new etag, no versions", plain[1], "new", plain[1], ""},
		{"whatever is there", schema.ObjectRef{Bucket: "plain", Key: key}, "new", plain[1], ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data, resolved, err := s.Get(t.Context(), test.ref, limit)
			info, statErr := s.Stat(t.Context(), test.ref)
			if test.reason != "" {
				wantError(t, err, schema.ClassPermanent, test.reason, key)
				wantError(t, statErr, schema.ClassPermanent, test.reason, key)
				return
			}
			if err != nil || statErr != nil {
				t.Fatal(err, statErr)
			}
			if diff := cmp.Diff(test.want, string(data)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]schema.ObjectRef{test.as, test.as}, []schema.ObjectRef{resolved, info.Ref}); diff != "" {
				t.Error(diff)
			}
		})
	}

	t.Run("deleted", func(t *testing.T) {
		remove(t, "images", key)
		remove(t, "plain", key)
		for _, ref := range []schema.ObjectRef{byTag(versioned[1]), plain[1], {Bucket: "images", Key: key}} {
			_, _, err := s.Get(t.Context(), ref, limit)
			wantError(t, err, schema.ClassPermanent, schema.ReasonImageNotFound, key)
			_, err = s.Stat(t.Context(), ref)
			wantError(t, err, schema.ClassPermanent, schema.ReasonImageNotFound, key)
		}
		if data, _, err := s.Get(t.Context(), versioned[1], limit); err != nil || string(data) != "new" {
			t.Errorf("a deleted object's version: %q, %v", data, err)
		}
	})
}

func TestRefusals(t *testing.T) {
	s := newStore(t)
	const key = "enroll/staff/bob smith/face+1.jpg"
	put(t, s, "images", key, "content")
	wrong := theStore
	wrong.SecretKey = "another-secret"
	unknown := theStore
	unknown.AccessKey = "nobody"
	tests := []struct {
		name   string
		store  *objects.Store
		ref    schema.ObjectRef
		limit  int64
		class  schema.Class
		reason schema.Reason
	}{
		{"no such object", s, schema.ObjectRef{Bucket: "images", Key: key + "x"}, 10, schema.ClassPermanent, schema.ReasonImageNotFound},
		{"no such version", s, schema.ObjectRef{Bucket: "images", Key: key, Version: "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, 10, schema.ClassPermanent, schema.ReasonImageNotFound},
		{"no version at all", s, schema.ObjectRef{Bucket: "images", Key: key, Version: "not a version"}, 10, schema.ClassPermanent, schema.ReasonImageNotFound},
		{"no such bucket", s, schema.ObjectRef{Bucket: "absent", Key: key}, 10, schema.ClassPermanent, schema.ReasonBucketNotAllowed},
		{"no bucket name", s, schema.ObjectRef{Bucket: "Not A Bucket", Key: key}, 10, schema.ClassPermanent, schema.ReasonBucketNotAllowed},
		{"no key", s, schema.ObjectRef{Bucket: "images", Key: " "}, 10, schema.ClassPermanent, schema.ReasonImageNotFound},
		{"no UTF-8", s, schema.ObjectRef{Bucket: "images", Key: "a\xffb"}, 10, schema.ClassPermanent, schema.ReasonImageNotFound},
		{"too large", s, schema.ObjectRef{Bucket: "images", Key: key}, 6, schema.ClassPermanent, schema.ReasonImageTooLarge},
		{"wrong secret", storeFor(t, wrong), schema.ObjectRef{Bucket: "images", Key: key}, 10, schema.ClassFatal, ""},
		{"wrong access key", storeFor(t, unknown), schema.ObjectRef{Bucket: "images", Key: key}, 10, schema.ClassFatal, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := test.store.Get(t.Context(), test.ref, test.limit)
			wantError(t, err, test.class, test.reason, test.ref.Key)
			if test.reason == schema.ReasonImageTooLarge {
				return
			}
			_, err = test.store.Stat(t.Context(), test.ref)
			wantError(t, err, test.class, test.reason, test.ref.Key)
		})
	}
	wantError(t, s.Ping(t.Context(), "absent"), schema.ClassPermanent, schema.ReasonBucketNotAllowed)
	wantError(t, storeFor(t, wrong).Ping(t.Context(), "images"), schema.ClassFatal, "")
	if err := s.Ping(t.Context(), "images"); err != nil {
		t.Error(err)
	}
}

func TestDownThenUp(t *testing.T) {
	s := newStore(t)
	const key = "enroll/staff/bob smith/face.jpg"
	ref := put(t, s, "images", key, "content")
	if real != nil && !real.Ours {
		t.Skip("SKIPPED: it stops the store; S3_DIR, the folder of tools/s3/up.sh as an absolute path, would allow that")
	}
	if err := stopStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	restart := func() {
		if err := startStore(context.Background()); err != nil {
			t.Error(err)
		}
	}
	defer restart()
	calls := map[string]func() error{
		"get":    func() error { _, _, err := s.Get(t.Context(), ref, 100); return err },
		"stat":   func() error { _, err := s.Stat(t.Context(), ref); return err },
		"put":    func() error { _, err := s.Put(t.Context(), ref, []byte("x"), "", nil); return err },
		"ping":   func() error { return s.Ping(t.Context(), "images") },
		"ensure": func() error { return s.EnsureBucket(t.Context(), "plain", false) },
		"list": func() error {
			for _, err := range s.List(t.Context(), "images", "enroll/staff/bob smith") {
				return err
			}
			return nil
		},
	}
	for name, call := range calls {
		begin := time.Now()
		err := call()
		wantError(t, err, schema.ClassTransient, "", "bob smith", key)
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("%s took %s to fail", name, took)
		} else {
			t.Logf("%s failed after %s: %v", name, took.Round(time.Millisecond), err)
		}
	}
	restart()
	if data, _, err := s.Get(t.Context(), ref, 100); err != nil || string(data) != "content" {
		t.Errorf("after the outage: %q, %v", data, err)
	}
}

// TestRemove: nothing is left of an object, and its neighbours stay.
func TestRemove(t *testing.T) {
	s := newStore(t)
	for _, bucket := range []string{"images", "plain"} {
		key := fmt.Sprint("removed/", time.Now().UnixNano())
		var versions []schema.ObjectRef
		for i := range 3 {
			versions = append(versions, put(t, s, bucket, key, fmt.Sprint(i)))
		}
		neighbour := put(t, s, bucket, key+".jpg", "stays")
		remove(t, bucket, key) // where there are versions, this leaves a mark
		put(t, s, bucket, key, "again")
		for range 2 { // what is not there is no error
			if err := s.Remove(t.Context(), schema.ObjectRef{Bucket: bucket, Key: key}); err != nil {
				t.Fatal(err)
			}
		}
		for _, ref := range append(versions, schema.ObjectRef{Bucket: bucket, Key: key}) {
			_, err := s.Stat(t.Context(), ref)
			if reason := schema.ReasonOf(err); reason != schema.ReasonImageNotFound && reason != schema.ReasonImageChanged {
				t.Errorf("%s, version %q: %v", bucket, ref.Version, err)
			}
		}
		if _, err := s.Stat(t.Context(), neighbour); err != nil {
			t.Errorf("%s: the neighbour: %v", bucket, err)
		}
	}
	wantError(t, s.Remove(t.Context(), schema.ObjectRef{Bucket: "not there", Key: "planted"}), schema.ClassPermanent, schema.ReasonBucketNotAllowed, "planted")
}

// TestAnswers holds what a store may say to everybody against what is made of it. The server is a plain HTTP one: the embedded store
// cannot be made to say these.
func TestAnswers(t *testing.T) {
	const key = "enroll/staff/bob smith/face.jpg"
	refusal := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>about %s</Message><Key>%s</Key></Error>", code, r.URL.Path, key)
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		class  schema.Class
		reason schema.Reason
	}{
		{"slow down", refusal(503, "SlowDown"), schema.ClassOutage, ""},
		{"internal error", refusal(500, "InternalError"), schema.ClassOutage, ""},
		{"throttled", refusal(429, "TooManyRequests"), schema.ClassOutage, ""},
		{"expired token", refusal(400, "ExpiredToken"), schema.ClassOutage, ""},
		{"clock skew", refusal(403, "RequestTimeTooSkewed"), schema.ClassOutage, ""},
		{"access denied", refusal(403, "AccessDenied"), schema.ClassOutage, ""},
		{"wrong region", refusal(400, "AuthorizationHeaderMalformed"), schema.ClassFatal, ""},
		{"archived", refusal(403, "InvalidObjectState"), schema.ClassPermanent, schema.ReasonImageUnreadable},
		{"a proxy's page", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "bad gateway to "+r.URL.Path, http.StatusBadGateway)
		}, schema.ClassOutage, ""},
		{"closed connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, schema.ClassTransient, ""},
		{"no answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, schema.ClassTransient, ""},
		{"cut off", func(w http.ResponseWriter, r *http.Request) {
			head(w, 10)
			w.Write([]byte("12345"))
			panic(http.ErrAbortHandler)
		}, schema.ClassTransient, ""},
		{"size unknown", func(w http.ResponseWriter, r *http.Request) {
			head(w, -1)
			w.Write([]byte("12345"))
			http.NewResponseController(w).Flush()
		}, schema.ClassTransient, ""},
		{"too large, and its body never comes", func(w http.ResponseWriter, r *http.Request) {
			head(w, 1<<40)
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, schema.ClassPermanent, schema.ReasonImageTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			cfg := objects.Config{Endpoint: server.Listener.Addr().String(), AccessKey: "access", SecretKey: "secret-secret", Region: "us-east-1"}
			if test.name == "no answer" {
				cfg.Timeout = 300 * time.Millisecond
			}
			s := storeFor(t, cfg)
			_, _, err := s.Get(t.Context(), schema.ObjectRef{Bucket: "images", Key: key}, 100)
			wantError(t, err, test.class, test.reason, key, "bob smith")
		})
	}
}

func head(w http.ResponseWriter, size int64) {
	w.Header().Set("ETag", `"0123"`)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	if size >= 0 {
		w.Header().Set("Content-Length", fmt.Sprint(size))
	}
}

func TestList(t *testing.T) {
	s := newStore(t)
	for _, versions := range []bool{true, false} {
		bucket := fmt.Sprintf("list-%x", rand.Uint64()) // of this run alone
		if err := s.EnsureBucket(t.Context(), bucket, versions); err != nil {
			t.Fatal(err)
		}
		if err := s.EnsureBucket(t.Context(), bucket, versions); err != nil {
			t.Errorf("the second EnsureBucket: %v", err)
		}
		old := put(t, s, bucket, "in/a b+c%20.jpg", "old")
		newer := put(t, s, bucket, "in/a b+c%20.jpg", "newer")
		other := put(t, s, bucket, "in/é/z.jpg", "other")
		put(t, s, bucket, "out/z.jpg", "not in the prefix")
		put(t, s, bucket, "in/gone.jpg", "gone")
		remove(t, bucket, "in/gone.jpg")
		putFolder(t, bucket, "in/folder/")
		want := []schema.ObjectRef{newer, other}
		if versions {
			want = []schema.ObjectRef{newer, old, other}
		}
		var got []schema.ObjectRef
		for info, err := range s.List(t.Context(), bucket, "in/") {
			if err != nil {
				t.Fatal(err)
			}
			if info.Ref.Key == "in/gone.jpg" {
				if !versions {
					t.Error("a deleted object is listed")
				}
				continue // its content is still there, as a version
			}
			if info.Size == 0 || info.Modified.IsZero() {
				t.Errorf("size %d, modified %s", info.Size, info.Modified)
			}
			got = append(got, info.Ref)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("versions %t: %s", versions, diff)
		}
		for range s.List(t.Context(), bucket, "") {
			break // ends the listing
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var last error
		for _, err := range s.List(ctx, bucket, "") {
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("a cancelled listing ended with %v", last)
		}
	}
	for _, err := range s.List(t.Context(), "absent", "in/") {
		wantError(t, err, schema.ClassPermanent, schema.ReasonBucketNotAllowed)
	}
}

// TestEnsureBucketNeedsNoRightForWhatIsThere meets a store that refuses every change.
func TestEnsureBucketNeedsNoRightForWhatIsThere(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		switch {
		case r.Method != http.MethodGet || !r.URL.Query().Has("versioning"):
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>AccessDenied</Code></Error>")
		case strings.Contains(r.URL.Path, "absent"):
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "<Error><Code>NoSuchBucket</Code></Error>")
		case strings.Contains(r.URL.Path, "plain"):
			fmt.Fprint(w, "<VersioningConfiguration></VersioningConfiguration>")
		default:
			fmt.Fprint(w, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
		}
	}))
	defer server.Close()
	s := storeFor(t, objects.Config{Endpoint: server.Listener.Addr().String(), AccessKey: "access", SecretKey: "secret-secret", Region: "us-east-1"})
	if err := s.EnsureBucket(t.Context(), "images", true); err != nil {
		t.Error(err)
	}
	for _, bucket := range []string{"absent", "plain"} {
		wantError(t, s.EnsureBucket(t.Context(), bucket, true), schema.ClassPermanent, schema.ReasonBucketNotAllowed)
	}
}

func TestNewRefuses(t *testing.T) {
	tests := map[string]struct {
		cfg  objects.Config
		want string
	}{
		"no endpoint":    {objects.Config{}, "endpoint"},
		"a scheme":       {objects.Config{Endpoint: "https://s3.example.com"}, "scheme"},
		"half a key":     {objects.Config{Endpoint: "s3.example.com", AccessKey: "a"}, "secret key"},
		"other half":     {objects.Config{Endpoint: "s3.example.com", SecretKey: "top-secret"}, "access key"},
		"no host at all": {objects.Config{Endpoint: "::::", AccessKey: "a", SecretKey: "top-secret"}, "endpoint"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := objects.New(test.cfg)
			wantError(t, err, schema.ClassFatal, "", "top-secret")
			if err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not name %q", err, test.want)
			}
		})
	}
}

func TestCredentialsFromTheEnvironment(t *testing.T) {
	newStore(t)
	cfg := theStore
	cfg.AccessKey, cfg.SecretKey = "", ""
	for _, names := range [][2]string{{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"}} {
		t.Run(names[0], func(t *testing.T) {
			t.Setenv(names[0], theStore.AccessKey)
			t.Setenv(names[1], string(theStore.SecretKey))
			if err := storeFor(t, cfg).Ping(t.Context(), "images"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCredentialsOfARole lets a pod's server of credentials answer only after a while: calls before are transient, so that
// nothing is given up for want of credentials, and later ones succeed. The keys change when they expire.
func TestCredentialsOfARole(t *testing.T) {
	newStore(t)
	const lifetime = 100 * time.Millisecond
	var away atomic.Bool
	var asked atomic.Int32
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if away.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{
			"AccessKeyId": theStore.AccessKey, "SecretAccessKey": string(theStore.SecretKey), "Expiration": time.Now().Add(lifetime),
		})
	}))
	defer role.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", role.URL)
	cfg := theStore
	cfg.AccessKey, cfg.SecretKey = "", ""
	s := storeFor(t, cfg)

	away.Store(true)
	err := s.Ping(t.Context(), "images")
	wantError(t, err, schema.ClassTransient, "")
	if !strings.Contains(err.Error(), "credentials") {
		t.Errorf("%q does not say that credentials are missing", err)
	}
	away.Store(false)
	before := asked.Load()
	for deadline := time.Now().Add(time.Minute); asked.Load() < before+2; {
		if err := s.Ping(t.Context(), "images"); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("keys were used after they expired: the role was asked %d times", asked.Load()-before)
		}
	}
}

// TestPrivateAuthority reaches the store through a proxy whose certificate an authority of one's own has signed.
func TestPrivateAuthority(t *testing.T) {
	newStore(t)
	backend := &url.URL{Scheme: "http", Host: theStore.Endpoint}
	through := http.DefaultTransport
	if theStore.TLS != nil {
		backend.Scheme, through = "https", &http.Transport{TLSClientConfig: theStore.TLS}
	}
	proxy := httptest.NewUnstartedServer(&httputil.ReverseProxy{Transport: through, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(backend)
		r.Out.Host = r.In.Host // it is signed
	}})
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0) // it sees that it is not trusted, which is meant
	proxy.StartTLS()
	defer proxy.Close()
	cfg := theStore
	cfg.Endpoint = proxy.Listener.Addr().String()
	cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	err := storeFor(t, cfg).Ping(t.Context(), "images")
	wantError(t, err, schema.ClassTransient, "")
	if !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("%q does not name the cause", err)
	}
	cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.TLS.RootCAs.AddCert(proxy.Certificate())
	s := storeFor(t, cfg)
	ref := put(t, s, "images", "private/a.jpg", "content")
	if data, _, err := s.Get(t.Context(), ref, 10); err != nil || string(data) != "content" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestVirtualHost addresses the bucket by the name of the host. Any name leads to the store here: no resolver knows its domain.
func TestVirtualHost(t *testing.T) {
	if real == nil || !real.Ours {
		t.Skip("SKIPPED: it needs a store with a virtual domain; `make test-real` has one")
	}
	newStore(t)
	cfg := theStore
	_, port, err := net.SplitHostPort(cfg.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Endpoint, cfg.VirtualHost = net.JoinHostPort(objectstest.Domain, port), true
	var hosts []string
	s, err := objects.NewDialing(cfg, func(ctx context.Context, network, addr string) (net.Conn, error) {
		hosts = append(hosts, addr)
		return new(net.Dialer).DialContext(ctx, network, theStore.Endpoint)
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := put(t, s, "images", "virtual/a b+ü.jpg", "content")
	if data, resolved, err := s.Get(t.Context(), ref, 10); err != nil || string(data) != "content" || resolved != ref {
		t.Errorf("%q, %v", data, err)
	}
	for info, err := range s.List(t.Context(), "images", "virtual/") {
		if err != nil || info.Ref.Key != ref.Key {
			t.Errorf("%v, %v", info, err)
		}
	}
	if want := net.JoinHostPort("images."+objectstest.Domain, port); len(hosts) == 0 || hosts[0] != want {
		t.Errorf("the store was called %q, want %q", hosts, want)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	cfg := objects.Config{SecretKey: "hunter2"}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), fmt.Sprintf("%q", cfg.SecretKey), fmt.Sprintf("%x", cfg.SecretKey), string(text)} {
		if strings.Contains(s, "hunter2") || strings.Contains(s, "68756e74657232") {
			t.Error(s)
		}
		if !strings.Contains(s, "***") && !strings.Contains(s, "2a2a2a") {
			t.Errorf("%s does not say that a secret is set", s)
		}
	}
}

package embedded

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/rs/zerolog"

	"facestream/internal/objects"
	"facestream/internal/objects/objectstest"
	"facestream/pkg/schema"
)

// ask sends a signed request whose path is target, as a client does that checks no names. A copy names its source. The signature is that of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
func ask(t *testing.T, addr, method, target, body, source string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	request.URL.Opaque, request.URL.RawQuery = path, query
	const payload = "UNSIGNED-PAYLOAD"
	now := time.Now().UTC().Format("20060102T150405Z")
	signed := "host:" + addr + "\nx-amz-content-sha256:" + payload + "\n"
	names := "host;x-amz-content-sha256;"
	if source != "" {
		request.Header.Set("X-Amz-Copy-Source", source)
		signed += "x-amz-copy-source:" + source + "\n"
		names += "x-amz-copy-source;"
	}
	signed += "x-amz-date:" + now + "\n"
	names += "x-amz-date"
	canonical := strings.Join([]string{method, path, query, signed, names, payload}, "\n")
	scope := now[:8] + "/" + Region + "/s3/aws4_request"
	sum := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4secret-secret")
	for _, part := range append(strings.Split(scope, "/"), "AWS4-HMAC-SHA256\n"+now+"\n"+scope+"\n"+hex.EncodeToString(sum[:])) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	request.Header.Set("X-Amz-Content-Sha256", payload)
	request.Header.Set("X-Amz-Date", now)
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=access/%s, SignedHeaders=%s, Signature=%x", scope, names, key))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(said)
}

func listed(t *testing.T, store *objects.Store) string {
	t.Helper()
	var keys []string
	for info, err := range store.List(t.Context(), "images", "") {
		if err != nil {
			t.Fatalf("the listing fails: %v", err)
		}
		keys = append(keys, info.Ref.Key)
	}
	return strings.Join(keys, " ")
}

// TestKeysThatCannotBeKept asks for each of them through every door. None comes in, none is taken for another, and the
// listing goes on.
func TestKeysThatCannotBeKept(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	store := storeOf(t, s.S3Addr())
	put(t, store, "enroll/c/bob/x.png", "bob")
	const good = "enroll/c/bob/x.png"
	for _, key := range []string{
		"enroll/c/%FF.png", "enroll/%C3%28/x.png", "enroll/c/alice/../bob/x.png", "enroll/c/./bob/x.png", "enroll/c//bob/x.png",
		"enroll/c/bob/x.png//", "enroll/c/a%00b.png", "enroll/c/a%01b.png", "a/.sgwtmp/b",
		"enroll/c/" + strings.Repeat("x", 256) + ".png",
	} {
		path := "/images/" + key
		for _, door := range []struct {
			name, method, target, source string
		}{
			{"upload", "PUT", path, ""},
			{"copy", "PUT", path, "images/" + good},
			{"parts", "POST", path + "?uploads=", ""},
		} {
			if status, said := ask(t, s.S3Addr(), door.method, door.target, "planted", door.source); status != http.StatusBadRequest || !strings.Contains(said, "<Message>") {
				t.Errorf("%s of %s: %d %s", door.name, key, status, said)
			}
		}
		for _, method := range []string{"GET", "HEAD", "DELETE"} {
			if status, said := ask(t, s.S3Addr(), method, path, "", ""); status != http.StatusNotFound && status != http.StatusBadRequest {
				t.Errorf("%s of %s: %d %s", method, key, status, said)
			}
		}
		if status, said := ask(t, s.S3Addr(), "PUT", "/images/copy.png", "", "images/"+key); status/100 != 4 {
			t.Errorf("copy from %s: %d %s", key, status, said)
		}
		name, err := url.PathUnescape(key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(name, "\x00\x01") || !strings.HasSuffix(name, ".png") {
			continue // the form's own format refuses these
		}
		cfg := objects.Config{Endpoint: s.S3Addr(), AccessKey: "access", SecretKey: "secret-secret", Region: Region}
		if err := objectstest.PostForm(t.Context(), cfg, "images", name, []byte("planted")); err == nil {
			t.Errorf("the form of %s was taken", key)
		}
	}
	client, err := minio.New(s.S3Addr(), &minio.Options{Creds: credentials.NewStaticV4("access", "secret-secret", ""), Region: Region})
	if err != nil {
		t.Fatal(err)
	}
	keys := make(chan minio.ObjectInfo, 1)
	keys <- minio.ObjectInfo{Key: "enroll/c//bob/x.png"}
	close(keys)
	refused := 0
	for range client.RemoveObjects(t.Context(), "images", keys, minio.RemoveObjectsOptions{}) {
		refused++
	}
	if refused != 1 {
		t.Errorf("the removal of several refused %d keys, want 1", refused)
	}
	if got := listed(t, store); got != good {
		t.Errorf("the bucket holds %q", got)
	}
	if values := records(t, s.KafkaAddr()); len(values) != 1 {
		t.Errorf("%d notifications of 1 object", len(values))
	}
	_, err = store.Put(t.Context(), schema.ObjectRef{Bucket: "images", Key: good + "/below"}, nil, "image/png", nil)
	if err == nil || !strings.Contains(err.Error(), "an object and a folder cannot have the same name") {
		t.Errorf("an object below another: %v", err)
	}
	for _, key := range []string{"enroll/c/Zo%C3%AB.png", "enroll/c/100%25.png", "enroll/c/...png", "enroll/c/.hidden", "enroll/c/folder/", "a%2Bb.png"} {
		if status, said := ask(t, s.S3Addr(), "PUT", "/images/"+key, "", ""); status != http.StatusOK {
			t.Errorf("upload of %s: %d %s", key, status, said)
		}
	}
}

// TestPoisonOfBeforeIsSetAside opens a folder in which an earlier version kept such names.
func TestPoisonOfBeforeIsSetAside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(t, dir))
	put(t, storeOf(t, s.S3Addr()), "enroll/c/bob/x.png", "bob")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "s3", "objects", "images", "enroll", "c")
	for _, name := range []string{"planted-\xff/x.png", "planted-\x01.png"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "s3", "objects.checked")); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	o := options(t, dir)
	o.Log = zerolog.New(&log)
	s = open(t, o)
	store := storeOf(t, s.S3Addr())
	if got := listed(t, store); got != "enroll/c/bob/x.png" {
		t.Errorf("the bucket lists %q", got)
	}
	if err := store.Ping(t.Context(), "images"); err != nil {
		t.Error(err)
	}
	if said := log.String(); !strings.Contains(said, `"count":2`) || strings.Contains(said, "planted") {
		t.Errorf("the log says %s", said)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "s3", "set-aside", "*", "object"))
	if err != nil || len(kept) != 2 {
		t.Errorf("%d of 2 objects are kept (%v)", len(kept), err)
	}
}

// TestErrorsOfTheFileSystemHideKeys makes the file system fail and looks at standard error and the log.
func TestErrorsOfTheFileSystemHideKeys(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	o := options(t, dir)
	o.Log = zerolog.New(&log)
	s := open(t, o)
	stderr := os.Stderr
	capture, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = capture
	defer func() { os.Stderr = stderr }()
	// A name that only a listing meets, put there beside the store.
	path := filepath.Join(dir, "s3", "objects", "images", "planted-\xff")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	err = storeOf(t, s.S3Addr()).Ping(t.Context(), "images")
	if schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("the listing ended with %v", err)
	}
	if said, err := os.ReadFile(capture.Name()); err != nil || len(said) > 0 {
		t.Errorf("standard error has %q (%v)", said, err)
	}
	if said := log.String(); strings.Contains(said, "planted") || !strings.Contains(said, "failed to answer") {
		t.Errorf("the log says %s", said)
	}
}

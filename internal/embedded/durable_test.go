package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/rs/zerolog"
	"github.com/versity/versitygw/s3response"

	"facestream/internal/objects"
	"facestream/pkg/schema"
	"facestream/tools/soak/volatile"
)

func clientOf(t *testing.T, s *Servers) *minio.Client {
	t.Helper()
	client, err := minio.New(s.S3Addr(), &minio.Options{Creds: credentials.NewStaticV4("access", "secret-secret", ""), Region: Region, MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// inParts uploads two parts of 5 MiB, the least that the protocol allows, and one byte.
func inParts(t *testing.T, s *Servers, key string) (content string) {
	t.Helper()
	data := bytes.Repeat([]byte("part "), 2<<20+1)[:10<<20+1]
	if _, err := clientOf(t, s).PutObject(t.Context(), "images", key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{PartSize: 5 << 20}); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func wantWhole(t *testing.T, store *objects.Store, ref schema.ObjectRef, want string) {
	t.Helper()
	data, _, err := store.Get(t.Context(), ref, 1<<30)
	if err != nil || string(data) != want {
		t.Errorf("%s has %d bytes (%v), want %d", ref.Key, len(data), err, len(want))
	}
}

// What the store answered survives a loss of power, and what it had not answered does no harm to what it had.
func TestStoreAfterALossOfPower(t *testing.T) {
	base := t.TempDir()
	o := options(t, filepath.Join(base, "data"))
	disk, err := volatile.Mount(filepath.Join(o.Dir, "s3"), filepath.Join(base, "disk"))
	if err != nil {
		t.Skipf("SKIPPED: no FUSE on this machine: %v", err)
	}
	t.Cleanup(func() { // after the store is closed
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
	s := open(t, o)
	fail := func() {
		t.Helper()
		if err := errors.Join(s.Close(), disk.Fail()); err != nil {
			t.Fatal(err)
		}
		s = open(t, o)
	}
	store := storeOf(t, s.S3Addr())
	first := put(t, store, "enroll/staff/alice/a.jpg", "first")
	second := put(t, store, "enroll/staff/alice/a.jpg", "second")
	deleted := put(t, store, "enroll/staff/bob/b.jpg", "of Bob")
	if err := clientOf(t, s).RemoveObject(t.Context(), "images", deleted.Key, minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	parts := inParts(t, s, "parts")
	fail()
	store = storeOf(t, s.S3Addr())
	wantWhole(t, store, first, "first")
	wantWhole(t, store, second, "second")
	wantWhole(t, store, deleted, "of Bob") // that version
	wantWhole(t, store, schema.ObjectRef{Bucket: "images", Key: "parts"}, parts)
	if _, err := store.Stat(t.Context(), schema.ObjectRef{Bucket: "images", Key: deleted.Key}); schema.ReasonOf(err) != schema.ReasonImageNotFound {
		t.Errorf("the deleted object: %v", err)
	}

	// The power fails before the answer, when the new content is in its place already.
	bucket, key := "images", first.Key
	length := int64(len("third"))
	if _, err := s.gateway.backend.Posix.PutObject(t.Context(), s3response.PutObjectInput{Bucket: &bucket, Key: &key, ContentLength: &length, Body: strings.NewReader("third")}); err != nil {
		t.Fatal(err)
	}
	put(t, store, "another", "another") // the disk's journal now has the new name
	fail()
	store = storeOf(t, s.S3Addr())
	wantWhole(t, store, first, "first")
	wantWhole(t, store, second, "second")
	newest, _, err := store.Get(t.Context(), schema.ObjectRef{Bucket: "images", Key: key}, 1<<20)
	if err != nil || string(newest) != "third" && string(newest) != "second" {
		t.Errorf("the newest content is %q (%v)", newest, err)
	}
	wantDamaged(t, o.Dir)
}

// wantDamaged compares the damaged objects of a data folder, as paths, with those that are wanted.
func wantDamaged(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	for path, err := range DamagedObjects(dir) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, path)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("damaged objects (-want +got):\n%s", diff)
	}
}

// An object that does not hold what was uploaded is not given out, and the log does not name it.
func TestDamagedObject(t *testing.T) {
	var log bytes.Buffer
	o := options(t, t.TempDir())
	o.Log = zerolog.New(&log)
	s := open(t, o)
	store := storeOf(t, s.S3Addr())
	older := put(t, store, "enroll/staff/alice/a.jpg", "the older content")
	newer := put(t, store, "enroll/staff/alice/a.jpg", "the newer content")
	sound := put(t, store, "enroll/staff/bob/b.jpg", "sound")
	cut := put(t, store, "cut", "cut short")
	inParts(t, s, "parts")
	wantDamaged(t, o.Dir)

	flip := func(path string, at int64) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		one := make([]byte, 1)
		if _, err := f.ReadAt(one, at); err != nil {
			t.Fatal(err)
		}
		one[0] ^= 1
		if _, err := f.WriteAt(one, at); err != nil {
			t.Fatal(err)
		}
	}
	objectFile := func(key string) string { return filepath.Join("s3", "objects", "images", key) }
	version := filepath.Join("s3", "versions", "images", versionFolder(older.Key), older.Version)
	flip(filepath.Join(o.Dir, version), 3)
	flip(filepath.Join(o.Dir, objectFile("parts")), 5<<20+3)
	if err := os.Truncate(filepath.Join(o.Dir, objectFile("cut")), 3); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []schema.ObjectRef{older, cut, {Bucket: "images", Key: "parts"}} {
		if data, _, err := store.Get(t.Context(), ref, 1<<30); schema.ClassOf(err) != schema.ClassPermanent || schema.ReasonOf(err) != schema.ReasonImageUnreadable {
			t.Errorf("%s: %d bytes, %v; want a permanent error, %s", ref.Key, len(data), err, schema.ReasonImageUnreadable)
		}
	}
	_, err := clientOf(t, s).CopyObject(t.Context(), minio.CopyDestOptions{Bucket: "images", Object: "copy"}, minio.CopySrcOptions{Bucket: "images", Object: "cut"})
	if answer := minio.ToErrorResponse(err); answer.Code != objects.DamagedCode || answer.StatusCode != 500 {
		t.Errorf("copying a damaged object: %v", err)
	}
	wantWhole(t, store, newer, "the newer content")
	wantWhole(t, store, sound, "sound")
	wantDamaged(t, o.Dir, objectFile("cut"), objectFile("parts"), version)
	if n := strings.Count(log.String(), "damaged"); n < 4 || strings.Contains(log.String(), "alice") || strings.Contains(log.String(), `"parts"`) {
		t.Errorf("the log has %d words of damage: %s", n, log.String())
	}
}

// Whatever the umask of the process, objects and folders are their owner's alone.
func TestStoreModes(t *testing.T) {
	before := syscall.Umask(0o022)
	defer syscall.Umask(before)
	o := options(t, t.TempDir())
	s := open(t, o)
	store := storeOf(t, s.S3Addr())
	for i := range 2 {
		put(t, store, "enroll/staff/alice/a.jpg", fmt.Sprint(i))
	}
	inParts(t, s, "in/parts")
	err := filepath.WalkDir(filepath.Join(o.Dir, "s3"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s %s", info.Mode(), path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// BenchmarkUpload uploads pictures of 100 kB, each to a folder of its own.
func BenchmarkUpload(b *testing.B) {
	s, err := Open(b.Context(), Options{
		Dir: b.TempDir(), KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", AccessKey: "access", SecretKey: "secret-secret",
		Bucket: "images", ObjectsTopic: topic, ObjectsPartitions: 2, Log: zerolog.Nop(),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	store, err := objects.New(objects.Config{Endpoint: s.S3Addr(), AccessKey: "access", SecretKey: "secret-secret", Region: Region})
	if err != nil {
		b.Fatal(err)
	}
	data := bytes.Repeat([]byte("x"), 100<<10)
	var next atomic.Int64
	for _, together := range []int{1, 8} {
		b.Run(fmt.Sprintf("%d-at-a-time", together), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			left := make(chan struct{}, b.N)
			for range b.N {
				left <- struct{}{}
			}
			close(left)
			var uploads sync.WaitGroup
			for range together {
				uploads.Go(func() {
					for range left {
						ref := schema.ObjectRef{Bucket: "images", Key: fmt.Sprintf("enroll/staff/%d/a.jpg", next.Add(1))}
						if _, err := store.Put(b.Context(), ref, data, "image/jpeg", nil); err != nil {
							b.Error(err)
						}
					}
				})
			}
			uploads.Wait()
		})
	}
}

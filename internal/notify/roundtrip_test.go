package notify_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"facestream/internal/embedded"
	"facestream/internal/notify"
	"facestream/internal/objects"
	"facestream/pkg/schema"
)

// oddKeys are what encodings go wrong on.
var oddKeys = []string{
	"enroll/staff/u1/a.jpg", "a b.jpg", "a+b.jpg", "a%20b.jpg", "a%2Bb.jpg", "100%.jpg", "%.jpg", "%zz.jpg", "ünï/日本.jpg",
	"q?a=b&c=d#e;f.jpg", "quote\"'<>.jpg", "back\\slash.jpg", "tab\tkey.jpg", "~!$*()=@:,.jpg", "e\u0301.jpg", "emoji-🙂.jpg",
}

// TestRoundTrip uploads over S3, reads what arrives on the Kafka topic and fetches by it exactly what was uploaded.
func TestRoundTrip(t *testing.T) {
	const topic = "facestream.objects"
	servers, err := embedded.Open(t.Context(), embedded.Options{
		Dir: t.TempDir(), KafkaAddr: "127.0.0.1:0", S3Addr: "127.0.0.1:0", AccessKey: "access", SecretKey: "secret-secret",
		Bucket: "images", ObjectsTopic: topic, ObjectsPartitions: 1, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	store, err := objects.New(objects.Config{Endpoint: servers.S3Addr(), AccessKey: "access", SecretKey: "secret-secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.EnsureBucket(t.Context(), "plain", false); err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(servers.S3Addr(), &minio.Options{Creds: credentials.NewStaticV4("access", "secret-secret", "")})
	if err != nil {
		t.Fatal(err)
	}

	uploaded := map[schema.ObjectRef]string{}
	upload := func(bucket, key, content string) {
		t.Helper()
		info, err := client.PutObject(t.Context(), bucket, key, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{ContentType: "image/jpeg"})
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		uploaded[schema.ObjectRef{Bucket: bucket, Key: key, Version: info.VersionID, ETag: info.ETag}] = content
	}
	for _, bucket := range []string{"images", "plain"} {
		for i, key := range oddKeys {
			upload(bucket, key, fmt.Sprintf("%s %d", bucket, i))
		}
	}
	upload("images", "enroll/staff/u2/twice.jpg", "first")
	upload("images", "enroll/staff/u2/twice.jpg", "second")
	copied, err := client.CopyObject(t.Context(), minio.CopyDestOptions{Bucket: "images", Object: "copy of +%41.jpg"}, minio.CopySrcOptions{Bucket: "plain", Object: "a+b.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	uploaded[schema.ObjectRef{Bucket: "images", Key: "copy of +%41.jpg", Version: copied.VersionID, ETag: copied.ETag}] = "plain 2"
	parts := bytes.Repeat([]byte("large"), 1200*1024) // 6 MB in two parts
	large, err := client.PutObject(t.Context(), "images", "in + parts%.jpg", bytes.NewReader(parts), int64(len(parts)), minio.PutObjectOptions{PartSize: 5 << 20})
	if err != nil {
		t.Fatal(err)
	}
	uploaded[schema.ObjectRef{Bucket: "images", Key: "in + parts%.jpg", Version: large.VersionID, ETag: large.ETag}] = string(parts)
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{servers.KafkaAddr()}, Topic: topic, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := map[schema.ObjectRef]string{}
	for len(got) < len(uploaded) {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			t.Fatalf("%d of %d uploads were notified: %v", len(got), len(uploaded), err)
		}
		notifications, err := notify.Parse(m.Value)
		if err != nil || len(notifications) != 1 {
			t.Fatalf("%d notifications, %v in %s", len(notifications), err, m.Value)
		}
		n := notifications[0]
		if !n.Created || n.Dialect != notify.DialectAWS {
			t.Errorf("created %t, dialect %q in %s", n.Created, n.Dialect, m.Value)
		}
		data, resolved, err := store.Get(t.Context(), n.Ref, 10<<20)
		if err != nil {
			t.Errorf("%v for %s", err, m.Value)
		}
		if diff := cmp.Diff(n.Ref, resolved); diff != "" {
			t.Error(diff)
		}
		if n.Size != int64(len(data)) && n.Event == "s3:ObjectCreated:Put" {
			t.Errorf("size %d of %d in %s", n.Size, len(data), m.Value)
		}
		got[n.Ref] = string(data)
	}
	if diff := cmp.Diff(uploaded, got); diff != "" {
		t.Error(diff)
	}
}

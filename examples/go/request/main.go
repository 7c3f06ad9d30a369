// Command request sends one image to facestream in both ways and prints what comes back.
//
//	go run ./request portrait.jpg
//
// It uses FACESTREAM_KAFKA, FACESTREAM_S3_ENDPOINT, FACESTREAM_S3_ACCESS_KEY, FACESTREAM_S3_SECRET_KEY and
// FACESTREAM_S3_BUCKET where they are set.
package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: request IMAGE")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "request:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	image, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	store, err := openStore()
	if err != nil {
		return err
	}
	client := events.NewClient(events.Config{
		Brokers: strings.Split(env("FACESTREAM_KAFKA", "127.0.0.1:9092"), ","), ClientID: "examples/go", Logger: slog.Default(),
	})
	defer client.Close()
	// The caller reads results from here on, so it misses none. One serves any number of requests at a time.
	caller, err := client.OpenCaller(ctx, events.PublisherConfig{Source: "examples/go"})
	if err != nil {
		return err
	}
	defer caller.Close()

	// A request: upload the image anywhere, then name it in an event.
	ref, err := store.put(ctx, "examples/"+uuid.NewString()+".jpg", image)
	if err != nil {
		return err
	}
	answer, err := caller.Call(ctx, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{ref}})
	if err != nil {
		return err
	}
	fmt.Printf("request: %s - %d face(s)\n", answer.CallStatus.ReturnMessage, len(answer.Faces))

	// An upload: the key says what to do with it, and the object gives the request its id.
	ref, err = store.put(ctx, "enroll/examples/person-"+uuid.NewString()+"/portrait.jpg", image)
	if err != nil {
		return err
	}
	if answer, err = caller.Await(ctx, schema.ObjectRequestID(ref)); err != nil {
		return err
	}
	enrolled := answer.Enroll != nil && answer.Enroll.EnrollPerformed
	fmt.Printf("upload:  %s - enrolled: %t\n", answer.CallStatus.ReturnMessage, enrolled)
	return nil
}

// store is a bucket of an S3-compatible store.
type store struct {
	client *minio.Client
	bucket string
}

func openStore() (*store, error) {
	keys := credentials.NewStaticV4(env("FACESTREAM_S3_ACCESS_KEY", "facestream"), env("FACESTREAM_S3_SECRET_KEY", "facestream-local"), "")
	client, err := minio.New(env("FACESTREAM_S3_ENDPOINT", "127.0.0.1:9000"), &minio.Options{Creds: keys, Region: "us-east-1"})
	return &store{client, env("FACESTREAM_S3_BUCKET", "images")}, err
}

// put uploads data and returns how a request names the object.
func (s *store) put(ctx context.Context, key string, data []byte) (schema.ObjectRef, error) {
	info, err := s.client.PutObject(ctx, s.bucket, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{})
	return schema.ObjectRef{Bucket: s.bucket, Key: key, Version: info.VersionID, ETag: info.ETag}, err
}

func env(name, fallback string) string { return cmp.Or(os.Getenv(name), fallback) }

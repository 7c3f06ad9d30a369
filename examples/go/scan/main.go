// Command scan finds an identity document in an image, and prints what it is, what its machine-readable zone says, and where the portrait
// on it lies.
//
//	go run ./scan card.jpg
//
// It uses FACESTREAM_KAFKA, FACESTREAM_S3_ENDPOINT, FACESTREAM_S3_ACCESS_KEY, FACESTREAM_S3_SECRET_KEY and
// FACESTREAM_S3_BUCKET where they are set. The zone needs a model pack that reads text (open); without one the answer says so.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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
		fmt.Fprintln(os.Stderr, "usage: scan IMAGE")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "scan:", err)
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
	caller, err := client.OpenCaller(ctx, events.PublisherConfig{Source: "examples/go"})
	if err != nil {
		return err
	}
	defer caller.Close()
	ref, err := store.put(ctx, "examples/"+uuid.NewString()+".jpg", image)
	if err != nil {
		return err
	}
	answer, err := caller.Call(ctx, schema.Request{
		Operation: schema.OpDocScanFace, Images: []schema.ObjectRef{ref}, Config: json.RawMessage(`{"detect_and_recognize_mrz_code":true}`),
	})
	if err != nil {
		return err
	}
	fmt.Printf("scan: %s\n", answer.CallStatus.ReturnMessage)
	if d := answer.Document.Found; d != nil {
		fmt.Println("document:", d.Detected.Type, strings.Join(d.Detected.TraitNames, " "))
		for _, line := range d.Detected.MRZ {
			fmt.Println("zone:    ", string(line)) // a Personal prints as [redacted], so that no log shows it by mistake
		}
	}
	for _, f := range answer.Faces {
		if f.Crop != nil {
			fmt.Printf("portrait: s3://%s/%s\n", f.Crop.Object.Bucket, f.Crop.Object.Key)
		}
	}
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

// Command s3 prepares what tools/s3/up.sh needs, at the addresses of facestream's own settings (FACESTREAM_…):
//
//	s3 topics        creates the topics, which a store that notifies looks for when it starts
//	s3 bucket [ARN]  creates the bucket with versions; its uploads are notified to ARN
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/notification"

	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/objects"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "s3:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	cfg, err := config.Load("", os.Environ(), nil)
	if err != nil {
		return err
	}
	client, store, err := host.Clients(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	switch {
	case len(args) == 1 && args[0] == "topics":
		_, err := client.EnsureTopics(ctx, events.DefaultSpecs())
		return err
	case len(args) == 1 && args[0] == "bucket":
		return bucket(ctx, store, cfg.S3.Bucket)
	case len(args) == 2 && args[0] == "bucket":
		if err := bucket(ctx, store, cfg.S3.Bucket); err != nil {
			return err
		}
		return notify(ctx, cfg.S3, args[1])
	}
	return errors.New("usage: s3 topics | s3 bucket [ARN]")
}

// bucket waits for a store that listens and does not serve yet.
func bucket(ctx context.Context, store *objects.Store, name string) error {
	for {
		err := store.EnsureBucket(ctx, name, true)
		if schema.ClassOf(err) != schema.ClassTransient || ctx.Err() != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// notify is what an operator does with the store's own tool.
func notify(ctx context.Context, cfg config.S3, target string) error {
	arn, err := notification.NewArnFromString(target)
	if err != nil {
		return err
	}
	client, err := minio.New(cfg.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(string(cfg.AccessKey), string(cfg.SecretKey), ""), Secure: cfg.TLS.Enabled, Region: cfg.Region,
	})
	if err != nil {
		return err
	}
	uploads := notification.NewConfig(arn)
	uploads.AddEvents(notification.ObjectCreatedAll)
	var out notification.Configuration
	out.AddQueue(uploads)
	return client.SetBucketNotification(ctx, cfg.Bucket, out)
}

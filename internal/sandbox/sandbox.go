// Package sandbox runs a whole facestream in a temporary folder and on free ports, for programs that measure it.
package sandbox

import (
	"context"
	"encoding/json"
	"net"
	"os"

	"github.com/rs/zerolog"

	"facestream/internal/allinone"
	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/objects"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Sandbox is a running facestream with a client's connections to it.
type Sandbox struct {
	Bucket  string
	Objects *objects.Store
	Results *events.Caller // sees every result from the start
}

// Run starts everything, calls f, stops everything, and removes what it left on the disk. cfg's folder and addresses are
// replaced. Warnings go to standard error.
func Run(ctx context.Context, cfg config.Config, f func(context.Context, *Sandbox) error) error {
	dir, err := os.MkdirTemp("", "facestream-sandbox-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cfg.DataDir, cfg.Indexer.Gallery.Dir = dir, ""
	cfg.Embedded.KafkaAddr, cfg.Embedded.S3Addr, cfg.Telemetry.Listen = "127.0.0.1:0", "127.0.0.1:0", ""
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return allinone.Up(ctx, cfg, zerolog.New(os.Stderr).Level(zerolog.WarnLevel), func(ctx context.Context, a allinone.Addresses) error {
		defer stop()
		cfg.Kafka.Brokers, cfg.S3.Endpoint = []string{a.Kafka}, a.S3
		client, store, err := host.Clients(cfg)
		if err != nil {
			return err
		}
		caller, err := client.OpenCaller(ctx, events.PublisherConfig{Source: "facestream/sandbox"})
		if err != nil {
			return err
		}
		defer caller.Close()
		return f(ctx, &Sandbox{Bucket: a.Bucket, Objects: store, Results: caller})
	})
}

// tolerant keeps traits and liveness from refusing a face: what is measured here is who is found, on pictures of drawn
// people or cut to their faces.
const tolerant = `{"anti_spoofing_mode":0,"face_validations_off":true}`

// Put uploads an image and returns it as a request names it. No trait of its face, nor its liveness, refuses it.
func (s *Sandbox) Put(ctx context.Context, key string, image []byte) (schema.ObjectRef, error) {
	return s.Objects.Put(ctx, schema.ObjectRef{Bucket: s.Bucket, Key: key}, image, "image/jpeg", map[string]string{"facestream-config": tolerant})
}

// Call sends a request under the configuration of Put, unless it has one of its own, and returns its result.
func (s *Sandbox) Call(ctx context.Context, r schema.Request) (events.Answer, error) {
	if len(r.Config) == 0 {
		r.Config = json.RawMessage(tolerant)
	}
	return s.Results.Call(ctx, r)
}

// FreeAddr is a loopback address that nobody listened on a moment ago, for servers in processes of their own.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Package sandbox runs a complete facestream in a temporary folder and on free ports, for measurements.
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
	Client  *events.Client
	Results *events.Caller // sees every result from the start
}

// Run starts all services and servers, calls f, stops them, and removes their files. It replaces the folder, the addresses
// and the routes of cfg. Warnings go to standard error.
func Run(ctx context.Context, cfg config.Config, f func(context.Context, *Sandbox) error) error {
	dir, err := os.MkdirTemp("", "facestream-sandbox-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cfg.SetDataDir(dir)
	route := config.Route{}
	if err := json.Unmarshal([]byte(tolerant), &route.Config); err != nil {
		return err
	}
	cfg.Ingest.Routes = []config.Route{route}
	cfg.Embedded.KafkaAddr, cfg.Embedded.S3Addr, cfg.Telemetry.Listen = "127.0.0.1:0", "127.0.0.1:0", ""
	cfg.Gateway.Listen = ""
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return allinone.Up(ctx, cfg, zerolog.New(os.Stderr).Level(zerolog.WarnLevel), func(ctx context.Context, a allinone.Addresses) error {
		defer stop()
		cfg.Kafka.Brokers, cfg.S3.Endpoint = []string{a.Kafka}, a.S3
		client, store, err := host.Clients(cfg)
		if err != nil {
			return err
		}
		defer client.Close()
		caller, err := client.OpenCaller(ctx, events.PublisherConfig{Source: "facestream/sandbox"})
		if err != nil {
			return err
		}
		defer caller.Close()
		return f(ctx, &Sandbox{Bucket: a.Bucket, Objects: store, Client: client, Results: caller})
	})
}

// tolerant is a configuration under which neither traits nor liveness refuse a face. The measurements are about
// recognition, on pictures of drawn people or cropped faces.
const tolerant = `{"anti_spoofing_mode":0,"face_validations_off":true}`

// Put uploads an image and returns its reference for a request. Neither traits nor liveness refuse its face.
func (s *Sandbox) Put(ctx context.Context, key string, image []byte) (schema.ObjectRef, error) {
	return s.Objects.Put(ctx, schema.ObjectRef{Bucket: s.Bucket, Key: key}, image, "image/jpeg", nil)
}

// Call sends a request and returns its result. A request without a configuration uses that of Put.
func (s *Sandbox) Call(ctx context.Context, r schema.Request) (events.Answer, error) {
	if len(r.Config) == 0 {
		r.Config = json.RawMessage(tolerant)
	}
	return s.Results.Call(ctx, r)
}

// FreeAddr returns a loopback address on which nobody listened a moment ago, for servers in separate processes.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Package allinone runs everything in one process: the embedded broker and object store, and the four services, which
// speak to them as they would to any other.
package allinone

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/embedded"
	"facestream/internal/gateway/auth"
	"facestream/internal/host"
	"facestream/internal/services/gateway"
	"facestream/internal/services/indexer"
	"facestream/internal/services/ingest"
	"facestream/internal/services/worker"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// sessionTimeout is the shortest that is sensible on one machine: the gap after a crash until a service takes over.
const sessionTimeout = 3 * time.Second

// Addresses is where a running facestream can be reached.
type Addresses struct {
	Kafka, S3, Bucket, Telemetry, DataDir string
	// HTTP is the address of the API, with its scheme, and Token lets its bearer do everything there for a day. Both are empty where no
	// gateway runs.
	HTTP  string
	Token string
	// Console is the address of the web console with the token behind it; empty where there is none.
	Console string
}

// Servers runs the embedded broker and object store until ctx ends. ready is called once when both answer.
func Servers(ctx context.Context, cfg config.Config, log zerolog.Logger, ready func(context.Context, Addresses) error) error {
	return withServers(ctx, cfg, log, func(ctx context.Context, cfg config.Config) error {
		if err := ready(ctx, addresses(cfg)); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
}

// Up runs the embedded servers and the services in one process until ctx ends. ready runs beside them from the
// moment when the servers answer; when it fails, everything stops.
func Up(ctx context.Context, cfg config.Config, log zerolog.Logger, ready func(context.Context, Addresses) error) error {
	return withServers(ctx, cfg, log, func(ctx context.Context, cfg config.Config) error {
		if err := ownKey(&cfg); err != nil {
			return err
		}
		if err := keepPack(ctx, &cfg, log); err != nil {
			return err
		}
		at, services := addresses(cfg), []host.Service{ingest.Run, worker.Run, indexer.Run}
		if cfg.Gateway.Listen != "" {
			run, err := openGateway(ctx, &cfg, &at)
			if err != nil {
				return err
			}
			services = append(services, run)
		}
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return host.Serve(ctx, cfg, log, services...) })
		g.Go(func() error { return ready(ctx, at) })
		return g.Wait()
	})
}

// ownKey makes sure that there is a key that signs challenges: without one in the settings, the data folder keeps one.
func ownKey(cfg *config.Config) error {
	if cfg.Worker.Challenge.Keys != "" {
		return nil
	}
	path := filepath.Join(cfg.DataDir, "challenge.key")
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = []byte(rand.Text() + rand.Text()) // more than 256 random bits
		err = os.WriteFile(path, key, 0o600)
	}
	cfg.Worker.Challenge.Keys = schema.Secret(key)
	return err
}

// openGateway opens the gateway's address, makes sure that there is a key that signs tokens, and enters both into at.
func openGateway(ctx context.Context, cfg *config.Config, at *Addresses) (host.Service, error) {
	if cfg.Gateway.Auth.SigningKey == "" {
		cfg.Gateway.Auth.SigningKey = OwnSigningKey(*cfg)
	}
	key, err := auth.EnsureSigningKey(cfg.Gateway.Auth.SigningKey)
	if err != nil {
		return nil, err
	}
	all := []string{"*"}
	at.Token, err = auth.Mint(key, cfg.Gateway.Auth.Audience, auth.Grant{Subject: "operator of this machine", TTL: 24 * time.Hour,
		Caller: auth.Caller{Operations: all, Collections: all, Objects: all, Operator: true}}, time.Now())
	if err != nil {
		return nil, err
	}
	listener, err := gateway.Listen(ctx, cfg.Gateway)
	if err != nil {
		return nil, err
	}
	at.HTTP = "http://" + listener.Addr().String()
	if cfg.Gateway.TLS.CertFile != "" {
		at.HTTP = "https://" + listener.Addr().String()
	}
	if cfg.Gateway.Console {
		at.Console = at.HTTP + "/#token=" + at.Token // what follows # stays in the browser
	}
	return gateway.On(listener), nil
}

// OwnSigningKey is the file with the key that signs tokens where the settings name none.
func OwnSigningKey(cfg config.Config) string { return filepath.Join(cfg.DataDir, "gateway.key") }

// withServers runs f while the embedded servers are up, with cfg pointing at them. They stop after f, so that services
// drain against servers that still answer. When one of them dies, f is ended and the error says why.
func withServers(ctx context.Context, cfg config.Config, log zerolog.Logger, f func(context.Context, config.Config) error) error {
	if err := absolute(&cfg); err != nil {
		return err
	}
	servers, err := embedded.Open(ctx, embedded.Options{
		Dir: cfg.DataDir, KafkaAddr: cfg.Embedded.KafkaAddr, S3Addr: cfg.Embedded.S3Addr,
		AccessKey: string(cfg.S3.AccessKey), SecretKey: cfg.S3.SecretKey, Bucket: cfg.S3.Bucket,
		ObjectsTopic: string(events.Objects), ObjectsPartitions: cfg.Kafka.Partitions.Objects, Log: log,
	})
	if err != nil {
		return err
	}
	defer servers.Close()
	cfg.Kafka.Brokers, cfg.S3.Endpoint = []string{servers.KafkaAddr()}, servers.S3Addr()
	cfg.S3.TLS, cfg.S3.VirtualHost = config.TLS{}, false
	cfg.Kafka.SessionTimeout = min(cfg.Kafka.SessionTimeout, sessionTimeout)
	return untilDeath(ctx, servers.Died(), func(ctx context.Context) error { return f(ctx, cfg) })
}

// untilDeath runs f. When one of the servers dies meanwhile, it ends f and returns why the server died.
func untilDeath(ctx context.Context, died <-chan error, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- f(ctx)
	}()
	select {
	case err := <-done:
		return err
	case death := <-died:
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			return errors.Join(death, err)
		}
		return death
	}
}

// absolute makes the paths of cfg independent of the working directory, which the embedded store changes.
func absolute(cfg *config.Config) error {
	for _, p := range []*string{&cfg.DataDir, &cfg.Worker.ORTLib, &cfg.Indexer.Gallery.Dir, &cfg.Indexer.Directory.Dir, &cfg.Kafka.TLS.CAFile, &cfg.Kafka.TLS.CertFile, &cfg.Kafka.TLS.KeyFile,
		&cfg.S3.TLS.CAFile, &cfg.S3.TLS.CertFile, &cfg.S3.TLS.KeyFile,
		&cfg.Gateway.Auth.SigningKey, &cfg.Gateway.TLS.CertFile, &cfg.Gateway.TLS.KeyFile, &cfg.Gateway.TLS.ClientCA,
		&cfg.Indexer.Gallery.Milvus.TLS.CAFile, &cfg.Indexer.Gallery.Milvus.TLS.CertFile, &cfg.Indexer.Gallery.Milvus.TLS.KeyFile} {
		if err := makeAbsolute(p); err != nil {
			return err
		}
	}
	if !strings.Contains(cfg.Gateway.Auth.JWKS, "://") {
		if err := makeAbsolute(&cfg.Gateway.Auth.JWKS); err != nil {
			return err
		}
	}
	cfg.Worker.Models = slices.Clone(cfg.Worker.Models)
	packs := []*[]string{&cfg.Worker.Models}
	cfg.Worker.Collections = slices.Clone(cfg.Worker.Collections)
	for i := range cfg.Worker.Collections {
		cfg.Worker.Collections[i].Models = slices.Clone(cfg.Worker.Collections[i].Models)
		packs = append(packs, &cfg.Worker.Collections[i].Models)
	}
	for _, list := range packs {
		for i, pack := range *list {
			if !strings.ContainsRune(pack, filepath.Separator) { // the name of a pack, not a folder
				continue
			}
			if err := makeAbsolute(&(*list)[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func makeAbsolute(path *string) error {
	if *path == "" {
		return nil
	}
	abs, err := filepath.Abs(*path)
	*path = abs
	return err
}

func addresses(cfg config.Config) Addresses {
	return Addresses{Kafka: cfg.Kafka.Brokers[0], S3: cfg.S3.Endpoint, Bucket: cfg.S3.Bucket, Telemetry: cfg.Telemetry.Listen, DataDir: cfg.DataDir}
}

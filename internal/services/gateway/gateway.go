// Package gateway wires the gateway service: HTTP requests become requests on their topic, and results become answers.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/gateway/api"
	"facestream/internal/gateway/auth"
	"facestream/internal/gateway/console"
	"facestream/internal/gateway/idenface"
	"facestream/internal/gateway/perse"
	"facestream/internal/gateway/regula"
	"facestream/internal/host"
	"facestream/internal/telemetry"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Run is the service on the address that the settings name.
func Run(ctx context.Context, a *host.App) error {
	listener, err := Listen(ctx, a.Config.Gateway)
	if err != nil {
		return err
	}
	return On(listener)(ctx, a)
}

// Listen opens the address that the settings name. An error is fatal.
func Listen(ctx context.Context, cfg config.Gateway) (net.Listener, error) {
	if cfg.Listen == "" {
		return nil, schema.Fatal("gateway.listen", errors.New("gateway.listen is empty: there is nothing to listen on"))
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("the address %s of gateway.listen is used by another process; stop that process, or choose another address with --gateway-listen: %w", cfg.Listen, err)
	}
	if err != nil {
		return nil, schema.Fatal("gateway.listen", err)
	}
	return listener, nil
}

// On is the service on a listener that is open. It closes it.
func On(listener net.Listener) host.Service {
	return func(ctx context.Context, a *host.App) error {
		defer listener.Close()
		return run(ctx, a, listener)
	}
}

func run(ctx context.Context, a *host.App, listener net.Listener) error {
	cfg := a.Config.Gateway
	guard, err := Guard(cfg.Auth)
	if err != nil {
		return schema.Fatal("gateway.auth", err)
	}
	encryption, err := cfg.TLS.Server("gateway.tls")
	if err != nil {
		return schema.Fatal("gateway.tls", err)
	}
	publisher := a.Publisher("gateway")
	defer publisher.Close()
	var results *events.Caller
	err = a.Eventually(ctx, "the topic of results", func(ctx context.Context) error {
		results, err = a.Client.OpenCaller(ctx, events.PublisherConfig{Source: "facestream/gateway"})
		return err
	})
	if err != nil {
		return err
	}
	defer results.Close()
	service := &api.Service{
		Options: options(a.Config), Guard: guard, Store: a.Objects, Client: a.Client, Publisher: publisher, Results: results, Log: a.Log,
		Observe: a.Metrics.Answered, Stage: a.Metrics.Stage("gateway"), Open: a.Metrics.Streams, Others: others(),
		Processes: processes(a),
	}
	if cfg.Console {
		service.Console = console.Serve
	}
	service.Prepare()

	// What follows the topics ends after the last answer.
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, following := errgroup.WithContext(following)
	caughtUp := make(chan struct{})
	g.Go(func() error { return service.Run(following, func() { close(caughtUp) }) })
	g.Go(func() error { return watch(following, a.Metrics, service) })
	g.Go(func() error {
		defer stop()
		select {
		case <-caughtUp:
		case <-ctx.Done():
			return nil
		case <-following.Done():
			return nil
		}
		a.Started("gateway", events.Requests, events.Results)
		a.Log.Info().Str("address", listener.Addr().String()).Bool("tls", encryption != nil).Msg("gateway is ready")
		server := &http.Server{
			Handler: service.Handler(), TLSConfig: encryption, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
			ErrorLog: log.New(quiet{a}, "", 0),
		}
		served := make(chan error, 1)
		go func() {
			if encryption != nil {
				served <- server.ServeTLS(listener, "", "")
			} else {
				served <- server.Serve(listener)
			}
		}()
		select {
		case err := <-served:
			return schema.Fatal("gateway.serve", err)
		case <-following.Done(): // it failed; Wait says why
		case <-ctx.Done():
		}
		service.Leave()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Config.Consumer.DrainTimeout)
		defer cancel()
		if server.Shutdown(end) != nil {
			server.Close()
		}
		<-served
		return nil
	})
	return g.Wait()
}

// others are the paths of the interfaces of other systems.
func others() []api.Path { return slices.Concat(idenface.Paths(), perse.Paths(), regula.Paths()) }

// watch tells the metrics how many ids are remembered.
func watch(ctx context.Context, m *telemetry.Metrics, s *api.Service) error {
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	for {
		m.Known(s.Known())
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// quiet logs what the HTTP server says, mostly about clients that speak no TLS, at a level that no client can fill a disk with.
type quiet struct{ a *host.App }

func (q quiet) Write(text []byte) (int, error) {
	q.a.Log.Debug().Msg(string(text))
	return len(text), nil
}

// options translates the settings.
func options(cfg config.Config) api.Options {
	g := cfg.Gateway
	return api.Options{
		Bucket: cfg.S3.Bucket, Prefix: g.Prefix, Wait: g.Wait, BodyTimeout: g.BodyTimeout, MaxBody: int64(g.MaxBody), MaxPixels: int64(g.MaxPixels),
		Memory: int64(g.Memory), Streams: g.Streams, Remember: g.Remember, Entries: g.Entries,
		Callers: api.Limits{Rate: g.Callers.Rate, InFlight: g.Callers.InFlight, Bytes: int64(g.Callers.Bytes), Streams: g.Callers.Streams},
	}
}

// Guard reads the keys that the settings name, and makes the one that signs tokens where it is missing. Without any, nobody could be let in, and everybody must not be: that is an error.
func Guard(cfg config.Auth) (*auth.Guard, error) {
	if !cfg.Configured() {
		return nil, errors.New("nothing says who may call; set gateway.auth.jwks, gateway.auth.signing_key or gateway.auth.api_keys")
	}
	guard := &auth.Guard{}
	if cfg.JWKS != "" || cfg.SigningKey != "" {
		guard.Tokens = &auth.Tokens{Issuer: cfg.Issuer, Audience: cfg.Audience}
	}
	if cfg.JWKS != "" {
		keys, err := auth.OpenKeys(cfg.JWKS)
		if err != nil {
			return nil, fmt.Errorf("gateway.auth.jwks: %w", err)
		}
		guard.Tokens.Keys = append(guard.Tokens.Keys, keys)
	}
	if cfg.SigningKey != "" {
		key, err := auth.EnsureSigningKey(cfg.SigningKey)
		if err != nil {
			return nil, fmt.Errorf("gateway.auth.signing_key: %w", err)
		}
		public := key.Public()
		guard.Tokens.Own = &public
		guard.Mint = func(g auth.Grant) (string, error) { return auth.Mint(key, cfg.Audience, g, time.Now()) }
	}
	for _, k := range cfg.APIKeys {
		sum, err := auth.ParseSHA256(k.SHA256)
		if err != nil {
			return nil, fmt.Errorf("gateway.auth.api_keys: the sha256 of %s %w", k.Name, err)
		}
		guard.Keys = append(guard.Keys, auth.Key{SHA256: sum, Caller: auth.Caller{Name: "key " + k.Name,
			Operations: k.Operations, Collections: k.Collections, Objects: k.Objects, Operator: k.Operator}})
	}
	return guard, nil
}

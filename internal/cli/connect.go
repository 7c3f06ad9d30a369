package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/objects"
	"facestream/internal/program"
	"facestream/pkg/events"
	"facestream/pkg/retry"
)

// connect loads the settings of c and prepares the connections that they name. It does no I/O with the servers.
func connect(c *cobra.Command) (config.Config, *events.Client, *objects.Store, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return cfg, nil, nil, err
	}
	client, store, err := clients(cfg)
	return cfg, client, store, err
}

func clients(cfg config.Config) (*events.Client, *objects.Store, error) {
	// Warnings alone: what a command waits for, such as a right that its user lacks.
	log := program.Logger(cfg, "facestream")
	return host.ClientsLogging(cfg, log.Level(max(log.GetLevel(), zerolog.WarnLevel)))
}

// reach prepares the connections that cfg names and returns when the broker answers, or says what to do when it does not.
func reach(ctx context.Context, cfg config.Config) (*events.Client, *objects.Store, error) {
	client, store, err := clients(cfg)
	if err != nil {
		return nil, nil, err
	}
	if err := answers(ctx, client, cfg); err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, store, nil
}

// withClient runs f with the connection that the command's settings name, once a broker answers.
func withClient(c *cobra.Command, f func(*events.Client) error) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	client, _, err := reach(c.Context(), cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	return f(client)
}

// A command waits a little for a broker that has just been started, and longer for one that is slow to answer.
const (
	startup = 3 * time.Second
	slow    = 15 * time.Second
)

func answers(ctx context.Context, client *events.Client, cfg config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, slow)
	defer cancel()
	began := time.Now()
	err := retry.Policy{Least: 200 * time.Millisecond, Most: 200 * time.Millisecond, Stop: func(err error) bool {
		return nobodyListens(err) && time.Since(began) > startup
	}}.Do(ctx, func() error { return client.Ping(ctx) })
	if err != nil {
		return brokerError(cfg, err)
	}
	return nil
}

func brokerError(cfg config.Config, err error) error {
	brokers := strings.Join(cfg.Kafka.Brokers, ", ")
	if nobodyListens(err) {
		return fmt.Errorf("no Kafka broker listens at %s. Is nothing running? Start `facestream up`, or name the broker with --kafka-brokers (FACESTREAM_KAFKA)", brokers)
	}
	return fmt.Errorf("the Kafka broker at %s does not answer: %w", brokers, err)
}

// storeError explains why the object store did not do what was asked of it.
func storeError(cfg config.Config, err error) error {
	if nobodyListens(err) {
		return fmt.Errorf("no object store listens at %s. Is nothing running? Start `facestream up`, or name the store with --s3-endpoint (FACESTREAM_S3_ENDPOINT)", cfg.S3.Endpoint)
	}
	return fmt.Errorf("the object store at %s: %w", cfg.S3.Endpoint, err)
}

func nobodyListens(err error) bool {
	var name *net.DNSError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &name) && name.IsNotFound
}

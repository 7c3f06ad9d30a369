package allinone

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/config"
	"facestream/internal/demo"
	"facestream/internal/host"
)

// Demo shows the flow on what [Up] runs, and writes what came of it to out; started is when the program began. Then it stops
// everything, or, where stay is not nil, calls it and stays up until ctx ends. An outcome that was not expected is an error.
func Demo(ctx context.Context, cfg config.Config, log zerolog.Logger, out io.Writer, started time.Time, stay func(Addresses)) error {
	route := config.Route{Prefix: demo.Prefix}
	if err := json.Unmarshal([]byte(demo.Config), &route.Config); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	cfg.Resolve() // so that the other routes stay
	cfg.Ingest.Routes = append([]config.Route{route}, cfg.Ingest.Routes...)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return Up(ctx, cfg, log, func(ctx context.Context, a Addresses) error {
		cfg.Kafka.Brokers, cfg.S3.Endpoint = []string{a.Kafka}, a.S3
		client, store, err := host.Clients(cfg)
		if err != nil {
			return err
		}
		defer client.Close()
		if err := demo.Run(ctx, demo.Options{Client: client, Objects: store, Bucket: a.Bucket, Out: out, Started: started}); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		if stay == nil {
			stop()
			return nil
		}
		stay(a)
		return nil
	})
}

package program

import (
	"context"
	"os"

	"facestream/internal/host"
)

// Service runs one service as a program of its own and returns its exit code.
func Service(name string, run host.Service) int {
	return Run(func(ctx context.Context) error {
		cfg, ok, err := parse(name, os.Args[1:], os.Stdout)
		if !ok {
			return err
		}
		Private()
		return host.Serve(ctx, cfg, Logger(cfg, name), run)
	})
}

package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"facestream/internal/allinone"
	"facestream/internal/demo"
	"facestream/internal/host"
	"facestream/internal/program"
)

func demoCommand() *cobra.Command {
	var stay bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Start everything and show the whole flow on people who do not exist",
		Long: "demo starts what `up` starts, draws people who do not exist, enrols, recognises, compares and deletes them, and\n" +
			"prints what happened. The exit code is 0 only when every outcome was the expected one. With --stay it then stays up.",
		Example: "  facestream demo\n  facestream demo --stay",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			started := time.Now()
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(c.Context())
			defer cancel()
			return allinone.Up(ctx, cfg, program.Logger(cfg, "demo"), func(ctx context.Context, a allinone.Addresses) error {
				cfg.Kafka.Brokers, cfg.S3.Endpoint = []string{a.Kafka}, a.S3
				kafka, store, err := host.Clients(cfg)
				if err != nil {
					return err
				}
				if err := demo.Run(ctx, demo.Options{Client: kafka, Objects: store, Bucket: a.Bucket, Out: c.OutOrStdout(), Started: started}); err != nil {
					return fmt.Errorf("demo: %w", err)
				}
				if !stay {
					cancel()
					return nil
				}
				fmt.Fprint(c.OutOrStdout(), banner(a))
				return nil
			})
		},
	}
	c.Flags().BoolVar(&stay, "stay", false, "stay up afterwards, until Ctrl-C")
	return c
}

package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"facestream/internal/allinone"
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
			var then func(allinone.Addresses)
			if stay {
				then = func(a allinone.Addresses) { fmt.Fprint(c.OutOrStdout(), banner(a)) }
			}
			return allinone.Demo(c.Context(), cfg, program.Logger(cfg, "demo"), c.OutOrStdout(), started, then)
		},
	}
	c.Flags().BoolVar(&stay, "stay", false, "stay up afterwards, until Ctrl-C")
	return c
}

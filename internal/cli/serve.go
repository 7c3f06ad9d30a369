package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"facestream/internal/allinone"
	"facestream/internal/config"
	"facestream/internal/embedded"
	"facestream/internal/program"
)

func upCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "up",
		Short:   "Run everything in one process: the broker, the object store, ingest, worker, indexer and gateway",
		Example: "  facestream up\n  facestream up --data-dir /var/lib/facestream --worker-models open",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			program.Private()
			log := program.Logger(cfg, "up")
			return allinone.Up(c.Context(), cfg, log, func(_ context.Context, a allinone.Addresses) error {
				fmt.Fprint(c.OutOrStdout(), banner(a))
				return nil
			})
		},
	}
}

func serversCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "servers",
		Short:   "Run only the embedded Kafka broker and object store, with their data on disk",
		Example: "  facestream servers --data-dir data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			program.Private()
			return allinone.Servers(c.Context(), cfg, program.Logger(cfg, "servers"), func(_ context.Context, a allinone.Addresses) error {
				fmt.Fprintf(c.OutOrStdout(), "Kafka   %s\nS3      http://%s\n", a.Kafka, a.S3)
				return nil
			})
		},
	}
	c.AddCommand(repairCommand(), checkCommand())
	return c
}

func repairCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "repair",
		Short: "Drop what cannot be read from the embedded broker's log, and keep the rest",
		Long: "repair is for a data folder whose broker does not start because acknowledged records cannot be read. It drops these\n" +
			"records, which loses what they asked for, keeps all others under their offsets, and keeps the damaged files in a folder\n" +
			"beside. Nothing may run on the data folder. On a sound log it does nothing.",
		Example: "  facestream servers repair --data-dir data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			losses, aside, err := embedded.Repair(cfg.DataDir)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), losses)
			}
			if len(losses) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "the broker's log is sound; nothing was changed")
				return nil
			}
			for _, l := range losses {
				fmt.Fprintf(c.OutOrStdout(), "dropped  %s\n", l)
			}
			fmt.Fprintf(c.OutOrStdout(), "The damaged files are in %s. Erase it when you do not need it any more.\n", aside)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

func checkCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Compare every object of the embedded store with its checksum",
		Long: "check reads every object in the data folder, older versions too, and names the files whose content is not what was\n" +
			"uploaded. The path of a newest version is that of bucket and key; it may name a person. check changes nothing, and\n" +
			"everything may run meanwhile. Exit code 3 says that objects are damaged.",
		Example: "  facestream servers check --data-dir data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			damaged := []string{}
			for path, err := range embedded.DamagedObjects(cfg.DataDir) {
				if err != nil {
					return err
				}
				damaged = append(damaged, path)
				if !asJSON {
					fmt.Fprintf(c.OutOrStdout(), "damaged  %s\n", path)
				}
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), damaged)
			}
			if err == nil && len(damaged) > 0 {
				err = &exitError{exitOutcome, fmt.Errorf("%d objects of the store are damaged; upload them again", len(damaged))}
			} else if err == nil && !asJSON {
				fmt.Fprintln(c.OutOrStdout(), "every object is as it was uploaded")
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

// banner says where everything is and what to try first.
func banner(a allinone.Addresses) string {
	return fmt.Sprintf(`
facestream is up. Ctrl-C stops it; its data stays in %s.

  Kafka     %s
  S3        http://%s, bucket %s
  metrics   http://%s/metrics, health under /readyz
%s
Try it with an image of your own:

%s  bin/facestream submit -o validate FILE --wait
  bin/facestream upload FILE --key enroll/employees/alice/portrait.jpg
  bin/facestream watch
%s
`, a.DataDir, a.Kafka, a.S3, a.Bucket, a.Telemetry, api(a), elsewhere(a), curl(a))
}

// api says where the HTTP API is, and with which token; "" where no gateway runs.
func api(a allinone.Addresses) string {
	if a.HTTP == "" {
		return ""
	}
	text := fmt.Sprintf("  HTTP      %s/v1, described by /v1/openapi.json\n  token     %s\n            (for a day; `facestream token issue` makes others)\n", a.HTTP, a.Token)
	if a.Console != "" {
		text += fmt.Sprintf("  console   %s\n            (open it in a browser; drop a picture there)\n", a.Console)
	}
	return text
}

func curl(a allinone.Addresses) string {
	if a.HTTP == "" {
		return ""
	}
	return fmt.Sprintf("  curl -H 'Authorization: Bearer TOKEN' -F image=@FILE %s/v1/validate\n", a.HTTP)
}

// elsewhere tells the other commands where the servers are; "" where they look by themselves.
func elsewhere(a allinone.Addresses) string {
	usual := config.Default()
	if a.Kafka == usual.Kafka.Brokers[0] && a.S3 == usual.S3.Endpoint {
		return ""
	}
	return fmt.Sprintf("  export FACESTREAM_KAFKA=%s FACESTREAM_S3_ENDPOINT=%s\n", a.Kafka, a.S3)
}

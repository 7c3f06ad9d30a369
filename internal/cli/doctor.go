package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// examination is what doctor found out about one dependency.
type examination struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

func doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check every dependency: is it there, which version, and how to mend it",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, client, store, err := connect(c)
			if err != nil {
				return err
			}
			look := func(name, fix string, f func(context.Context) (string, error)) examination {
				ctx, cancel := context.WithTimeout(c.Context(), 5*time.Second)
				defer cancel()
				detail, err := f(ctx)
				if err != nil {
					return examination{name, false, err.Error(), fix}
				}
				return examination{Name: name, OK: true, Detail: detail}
			}
			found := []examination{
				look("onnx runtime", "facestream models runtime", func(ctx context.Context) (string, error) {
					library := cfg.Worker.ORTLib
					if library == "" {
						var err error
						if library, _, err = onnx.FindLibrary(ctx); err != nil {
							return "", err
						}
					}
					rt, err := onnx.Open(ctx, library)
					if err != nil {
						return "", err
					}
					defer rt.Close()
					return rt.Release + " at " + library, nil
				}),
				look("model pack "+cfg.Worker.Models, "facestream models pull "+cfg.Worker.Models, func(ctx context.Context) (string, error) {
					pack, err := models.Locate(cfg.Worker.Models)
					if err != nil {
						return "", err
					}
					files, err := models.Verify(ctx, pack)
					if err != nil {
						return "", err
					}
					for _, f := range files {
						if f.State != models.StateOK {
							return "", fmt.Errorf("%s is %s", f.Model.File, f.State)
						}
					}
					return fmt.Sprintf("%d networks verified in %s", len(files), pack.Where()), nil
				}),
				look("broker", "start `facestream servers`, or set kafka.brokers (FACESTREAM_KAFKA)", func(ctx context.Context) (string, error) {
					return fmt.Sprint(cfg.Kafka.Brokers), client.Ping(ctx)
				}),
				look("topics", "start a service once: it creates them; on a broker with ACLs, grant Describe on topics that begin with facestream. to this user", func(ctx context.Context) (string, error) {
					topics, err := client.Describe(ctx)
					if err != nil {
						return "", err
					}
					for _, t := range topics {
						if !t.Exists {
							return "", fmt.Errorf("%s does not exist, or this user may not see it", t.Topic)
						}
					}
					return fmt.Sprintf("%d exist", len(topics)), nil
				}),
				look("object store", "start `facestream servers`, or set s3.endpoint, s3.access_key and s3.secret_key", func(ctx context.Context) (string, error) {
					return cfg.S3.Endpoint + " bucket " + cfg.S3.Bucket, store.Ping(ctx, cfg.S3.Bucket)
				}),
			}
			if asJSON {
				if err := printJSON(c.OutOrStdout(), found); err != nil {
					return err
				}
			}
			var bad int
			for _, f := range found {
				mark := "ok  "
				if !f.OK {
					mark = "FAIL"
					bad++
				}
				if asJSON {
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "%s  %-18s %s\n", mark, f.Name, f.Detail)
				if f.Fix != "" {
					fmt.Fprintf(c.OutOrStdout(), "      fix: %s\n", f.Fix)
				}
			}
			if bad > 0 {
				return &exitError{exitOutcome, fmt.Errorf("%d of %d dependencies need attention", bad, len(found))}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program and of what it was built with",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			version := "development"
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
				version = info.Main.Version
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "facestream %s, %s, %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"facestream/pkg/events"
)

func watchCommand() *cobra.Command {
	var operation, collection, reason string
	var fromStart, asJSON bool
	c := &cobra.Command{
		Use:   "watch",
		Short: "Show results as they are published, one line each",
		Example: `  facestream watch
  facestream watch --operation enroll --reason face_rejected --from-start
  facestream watch --json | jq .call_status`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := errors.Join(oneOf("--operation", operation, operationNames()), oneOf("--reason", reason, reasonNames())); err != nil {
				return &exitError{exitUsage, err}
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			client, _, err := reach(c.Context(), cfg)
			if err != nil {
				return err
			}
			defer client.Close()
			var options events.ResultsOptions
			if fromStart {
				options.From = events.Earliest()
			}
			stream := client.Results(c.Context(), options)
			defer stream.Close()
			out := screenOf(c.OutOrStdout())
			for {
				r, e, err := stream.Next(c.Context())
				if c.Context().Err() != nil {
					return nil
				} else if err != nil {
					return err
				}
				if operation != "" && string(r.Operation) != operation || collection != "" && string(r.Collection) != collection ||
					reason != "" && string(r.CallStatus.Reason) != reason {
					continue
				}
				if asJSON {
					fmt.Fprintln(out, string(e.Data))
					continue
				}
				summarize(&r).printLine(out, e.Time, &r)
			}
		},
	}
	f := c.Flags()
	f.StringVarP(&operation, "operation", "o", "", "only this operation")
	f.StringVarP(&collection, "collection", "c", "", "only this collection")
	f.StringVar(&reason, "reason", "", "only this reason (docs/reasons.md)")
	f.BoolVar(&fromStart, "from-start", false, "begin with the oldest result that is kept")
	f.BoolVar(&asJSON, "json", false, "whole results, one JSON document a line")
	completeFlag(c, "operation", operationNames())
	completeFlag(c, "reason", reasonNames())
	return c
}

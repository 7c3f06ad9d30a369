package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"facestream/pkg/events"
	"facestream/pkg/schema"
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
			var options events.ResultsOptions
			if fromStart {
				options.From = events.Earliest()
			}
			chosen := func(r *schema.Result) bool {
				return (operation == "" || string(r.Operation) == operation) && (collection == "" || string(r.Collection) == collection) &&
					(reason == "" || string(r.CallStatus.Reason) == reason)
			}
			out := screenOf(c.OutOrStdout())
			return withClient(c, func(client *events.Client) error {
				stream := client.Results(c.Context(), options)
				defer stream.Close()
				for {
					r, e, err := stream.Next(c.Context())
					switch {
					case c.Context().Err() != nil:
						return nil
					case err != nil:
						return err
					case !chosen(&r):
					case asJSON:
						fmt.Fprintln(out, string(e.Data))
					default:
						summarize(&r).printLine(out, e.Time, &r)
					}
				}
			})
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

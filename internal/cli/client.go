package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

func submitCommand() *cobra.Command {
	var (
		req                       schema.Request
		operation, collection, id string
		externalID, puid, config  string
		images                    []string
		wait                      bool
		timeout, deadline         time.Duration
	)
	c := &cobra.Command{
		Use:   "submit",
		Short: "Send one request, and wait for its result with --wait",
		Example: `  facestream submit --operation validate --image portrait.jpg --wait
  facestream submit --operation enroll --collection employees --external-id alice --image portrait.jpg --wait
  facestream submit --operation compare --image a.jpg --image s3://images/b.jpg --wait`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			cfg, client, store, err := connect(c)
			if err != nil {
				return err
			}
			publisher := client.NewPublisher(events.PublisherConfig{Source: "facestream/submit"})
			defer publisher.Close()
			if id == "" {
				id = uuid.NewString()
			}
			req.ID, req.Operation, req.Collection = schema.RequestID(id), schema.Operation(operation), schema.Collection(collection)
			req.ExternalID, req.PUID = schema.ExternalID(externalID), schema.PUID(puid)
			if config != "" {
				req.Config = json.RawMessage(config)
			}
			if deadline > 0 {
				at := time.Now().Add(deadline).UTC()
				req.Deadline = &at
			}
			for i, image := range images {
				ref, ok := parseS3(image)
				if !ok {
					data, err := os.ReadFile(image)
					if err != nil {
						return err
					}
					key := fmt.Sprintf("submitted/%s/%d%s", id, i, filepath.Ext(image))
					if ref, err = store.Put(ctx, schema.ObjectRef{Bucket: cfg.S3.Bucket, Key: key}, data, "application/octet-stream", nil); err != nil {
						return fmt.Errorf("uploading image %d to bucket %q: %w", i+1, cfg.S3.Bucket, err)
					}
				}
				req.Images = append(req.Images, ref)
			}
			if !wait {
				if err := client.Submit(ctx, publisher, req); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), req.ID)
				return nil
			}
			stream := client.Results(ctx, events.ResultsOptions{})
			defer stream.Close()
			if err := stream.Ready(ctx); err != nil {
				return err
			}
			if err := client.Submit(ctx, publisher, req); err != nil {
				return err
			}
			result, _, err := stream.Await(ctx, req.ID)
			if err != nil {
				return fmt.Errorf("request %s has no result within %v: %w", req.ID, timeout, err)
			}
			if err := printJSON(c.OutOrStdout(), result); err != nil {
				return err
			}
			if s := result.CallStatus; s.ReturnCode != schema.CodeNoError {
				return &exitError{exitOutcome, fmt.Errorf("%s: %s: %s", s.ReturnCode, s.Reason, s.ReturnMessage)}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&operation, "operation", "o", string(schema.OpValidate), "what to do: validate, enroll, predict, compare, user_delete")
	f.StringVarP(&collection, "collection", "c", "", "gallery (default \"default\")")
	f.StringVar(&externalID, "external-id", "", "your own name for the person")
	f.StringVar(&puid, "puid", "", "the person's puid, for user_delete")
	f.StringArrayVarP(&images, "image", "i", nil, "a file, or s3://bucket/key; twice for compare")
	f.StringVar(&config, "operation-config", "", "OperationConfig as JSON (docs/operation-config.md)")
	f.StringVar(&id, "id", "", "request id (default: a new UUID); a repeated id is the same request")
	f.StringVar(&req.Tag, "tag", "", "comes back in the result")
	f.BoolVar(&req.ResultObject, "result-object", false, "also write the result as JSON beside the image")
	f.DurationVar(&deadline, "deadline", 0, "answer expired instead of starting later than this from now")
	f.BoolVarP(&wait, "wait", "w", false, "wait for the result and print it; exit 3 when it is not API_NO_ERROR")
	f.DurationVar(&timeout, "timeout", time.Minute, "how long everything may take")
	return c
}

// parseS3 reads s3://bucket/key.
func parseS3(s string) (schema.ObjectRef, bool) {
	rest, ok := strings.CutPrefix(s, "s3://")
	if !ok {
		return schema.ObjectRef{}, false
	}
	bucket, key, _ := strings.Cut(rest, "/")
	return schema.ObjectRef{Bucket: bucket, Key: key}, true
}

func watchCommand() *cobra.Command {
	var operation, collection, reason string
	var fromStart, asJSON bool
	c := &cobra.Command{
		Use:   "watch",
		Short: "Show results as they are published",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, client, _, err := connect(c)
			if err != nil {
				return err
			}
			var options events.ResultsOptions
			if fromStart {
				options.From = events.Earliest()
			}
			stream := client.Results(c.Context(), options)
			defer stream.Close()
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
					fmt.Fprintln(c.OutOrStdout(), string(e.Data))
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "%s  %-12s %-16s %-24s faces %d  %s\n", e.Time.Local().Format("15:04:05.000"), r.Operation,
					r.Collection, cmp.Or(string(r.CallStatus.Reason), "ok"), len(r.Faces), r.RequestID)
			}
		},
	}
	f := c.Flags()
	f.StringVar(&operation, "operation", "", "only this operation")
	f.StringVar(&collection, "collection", "", "only this collection")
	f.StringVar(&reason, "reason", "", "only this reason")
	f.BoolVar(&fromStart, "from-start", false, "begin with the oldest result that is kept")
	f.BoolVar(&asJSON, "json", false, "whole results, one JSON document a line")
	return c
}

func uploadCommand() *cobra.Command {
	var key string
	var metadata map[string]string
	c := &cobra.Command{
		Use:     "upload FILE",
		Short:   "Upload an image; its key says what to do with it",
		Example: "  facestream upload portrait.jpg --key enroll/employees/alice/portrait.jpg",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, _, store, err := connect(c)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			ref, err := store.Put(c.Context(), schema.ObjectRef{Bucket: cfg.S3.Bucket, Key: key}, data, "application/octet-stream", metadata)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "uploaded to bucket %s; request id %s\n", ref.Bucket, schema.ObjectRequestID(ref))
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&key, "key", "k", "", "where to put it: <operation>/<collection>/<external id>/<file>")
	f.StringToStringVar(&metadata, "metadata", nil, "user metadata, for instance facestream-result-object=true")
	c.MarkFlagRequired("key")
	return c
}

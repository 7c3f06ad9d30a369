package cli

import (
	"os"

	"context"

	"github.com/spf13/cobra"

	"facestream/pkg/schema"
)

func uploadCommand() *cobra.Command {
	var key string
	var metadata map[string]string
	var answers answerFlags
	c := &cobra.Command{
		Use:   "upload FILE",
		Short: "Upload an image; its key says what to do with it",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), answers.timeout)
			defer cancel()
			client, store, err := reach(ctx, cfg)
			if err != nil {
				return err
			}
			defer client.Close()
			a, err := answers.listen(ctx, c, client)
			if err != nil {
				return err
			}
			defer a.close()
			ref, err := store.Put(ctx, schema.ObjectRef{Bucket: cfg.S3.Bucket, Key: key}, data, "application/octet-stream", metadata)
			if err != nil {
				return storeError(cfg, err)
			}
			return a.await(ctx, schema.ObjectRequestID(ref))
		},
	}
	f := c.Flags()
	f.StringVarP(&key, "key", "k", "", "where to put it: <operation>/<collection>/<external id>/<file>")
	f.StringToStringVar(&metadata, "metadata", nil, "user metadata, for instance facestream-result-object=true")
	answers.bind(f)
	c.MarkFlagRequired("key")
	return c
}

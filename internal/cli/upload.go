package cli

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"facestream/internal/config"
	"facestream/pkg/schema"
)

func uploadCommand() *cobra.Command {
	var u upload
	c := &cobra.Command{
		Use:   "upload FILE --key KEY",
		Short: "Upload an image whose key says what to do with it, and with --wait print what became of it",
		Long: "upload puts a file, or standard input (-), into the object store, as any S3 client can. The key names the request, in\n" +
			"the forms of the setting ingest.routes: by default <operation>/<collection>/<external id>/<file>. A key that no route\n" +
			"takes is refused here, because nothing would ever answer it. The other flags become metadata of the object\n" +
			"(x-amz-meta-facestream-…), and are refused here if the route of the key does not take them.\n\n" +
			"Without --wait upload prints the id of the request; `facestream submit --wait --id ID` waits for its result.\n\n" + exitCodesHelp,
		Example: `  facestream upload alice.jpg --key enroll/staff/alice/alice.jpg --consent form-17 --wait
  facestream upload door.jpg --key predict/staff/door-1/20260131.jpg`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return u.run(c, args[0]) },
	}
	f := c.Flags()
	f.StringVarP(&u.key, "key", "k", "", "where to put it, for instance enroll/staff/alice/alice.jpg")
	f.StringToStringVar(&u.metadata, "metadata", nil, "further metadata of the object, name=value")
	u.requestFlags.bind(f)
	u.answerFlags.bind(f)
	if err := c.MarkFlagRequired("key"); err != nil {
		panic(err) // the flag exists
	}
	return c
}

// upload is what the flags of upload say.
type upload struct {
	key      string
	metadata map[string]string
	requestFlags
	answerFlags
}

func (u *upload) run(c *cobra.Command, file string) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	metadata, err := u.check(cfg)
	if err != nil {
		return err
	}
	data, err := readImage(file, c.InOrStdin())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), u.timeout)
	defer cancel()
	client, store, err := reach(ctx, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	a, err := u.listen(ctx, c, client, "")
	if err != nil {
		return err
	}
	defer a.close()
	ref, err := store.Put(ctx, schema.ObjectRef{Bucket: cfg.S3.Bucket, Key: u.key}, data, "application/octet-stream", metadata)
	if err != nil {
		return storeError(cfg, err)
	}
	return a.await(ctx, schema.ObjectRequestID(ref))
}

// check returns the metadata of the upload, or says why it would be for nothing.
func (u *upload) check(cfg config.Config) (map[string]string, error) {
	metadata := u.objectMetadata()
	for name := range u.metadata {
		if _, twice := metadata[name]; twice {
			return nil, &exitError{exitUsage, fmt.Errorf("--metadata: %s is also given by a flag of its own", name)}
		}
	}
	maps.Copy(metadata, u.metadata)
	table, err := cfg.Ingest.Table()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	req, problems, err := table.Ask(cfg.S3.Buckets, cfg.S3.Bucket, u.key, metadata)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("--key: %w", err)}
	}
	if req.Operation.Enrolls() && req.Consent == nil && cfg.Ingest.Consent.Requires(req.Collection) {
		problems = append(problems, schema.Problem{Field: "consent", Message: "is missing; an enrolment in this collection needs it (ingest.consent.required)"})
	}
	if len(problems) > 0 {
		flags := map[string]string{"operation": "--key", "collection": "--key", "external_id": "--key", "images[0]": "--key"}
		for name, flag := range metadataFlags {
			if _, given := u.metadata[name]; !given {
				flags["x-amz-meta-"+name] = flag
			}
		}
		return nil, flagProblems(problems, flags)
	}
	return metadata, nil
}

// metadataFlags names the flag that each field of the metadata comes from.
var metadataFlags = map[string]string{
	"facestream-config": "--operation-config", "facestream-operation-tag": "--tag", "facestream-consent": "--consent",
	"facestream-result-object": "--result-object", "facestream-deadline": "--deadline",
}

// objectMetadata says in the metadata of an object what apply says in a request.
func (f *requestFlags) objectMetadata() map[string]string {
	out := map[string]string{}
	set := func(name, value string) {
		if value != "" {
			out["facestream-"+name] = value
		}
	}
	set("config", f.config)
	set("operation-tag", f.tag)
	set("consent", f.consent)
	if f.consent == "" && f.consentGiven {
		set("consent", "true")
	}
	if f.resultObject {
		set("result-object", "true")
	}
	if f.deadline > 0 {
		set("deadline", time.Now().Add(f.deadline).UTC().Format(time.RFC3339))
	}
	return out
}

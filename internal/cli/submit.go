package cli

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"facestream/internal/config"
	"facestream/internal/objects"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// submission is what the flags of submit say.
type submission struct {
	operation, collection, id string
	externalID, puid          string
	challenge                 string // the token of the challenge that the images answer
	images                    []string
	requestFlags
	answerFlags
}

func submitCommand() *cobra.Command {
	var s submission
	c := &cobra.Command{
		Use:   "submit [flags] [IMAGE...]",
		Short: "Send one request, and with --wait print what became of it",
		Long: "submit uploads the images that are files, sends the request, and prints its id. With --wait it prints the result:\n" +
			"what was decided, why, and what to do; with --json all of it.\n\n" +
			"A request is done once under its id. `submit --id ID --wait` without anything else waits for the result of a\n" +
			"request that was sent before, and prints it again if it is there.\n\n" + exitCodesHelp,
		Example: `  facestream submit -o validate portrait.jpg --wait
  facestream submit -o enroll --collection staff --external-id alice --consent form-17 alice.jpg --wait
  facestream submit -o predict --collection staff somebody.jpg --wait --json
  facestream submit -o compare a.jpg s3://images/b.jpg --wait
  facestream submit -o user_delete --collection staff --external-id alice --wait
  facestream submit -o challenge --wait`,
		RunE: func(c *cobra.Command, args []string) error {
			s.images = append(s.images, args...)
			return s.run(c)
		},
	}
	f := c.Flags()
	f.StringVarP(&s.operation, "operation", "o", string(schema.OpValidate), "what to do: "+strings.Join(operationNames(), ", "))
	f.StringVarP(&s.collection, "collection", "c", "", "gallery (default \"default\")")
	f.StringVar(&s.externalID, "external-id", "", "your own name for the person")
	f.StringVar(&s.puid, "puid", "", "the person's puid, as a result names it")
	f.StringVar(&s.challenge, "challenge", "", "token of the challenge that the images answer, in the order in which they were taken; with --id, which the challenge names")
	f.StringArrayVarP(&s.images, "image", "i", nil, "a file, - for standard input, or s3://bucket/key; the same as an argument")
	f.StringVar(&s.id, "id", "", "request id (default: a new UUID); a repeated id is the same request")
	s.requestFlags.bind(f)
	s.answerFlags.bind(f)
	completeFlag(c, "operation", operationNames())
	return c
}

func (s *submission) run(c *cobra.Command) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	// With an id alone there is nothing to send: the request was sent before.
	sent := s.id != "" && s.wait && len(s.images) == 0 && !c.Flags().Changed("operation")
	req := schema.Request{ID: schema.RequestID(s.id)}
	var files [][]byte // of the images; nil for one that is in a store
	if !sent {
		if req, files, err = s.request(cfg, c.InOrStdin()); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(c.Context(), s.timeout)
	defer cancel()
	client, store, err := reach(ctx, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	a, err := s.listen(ctx, c, client, schema.RequestID(s.id))
	if err != nil {
		return err
	}
	defer a.close()
	if r := a.answered(); r != nil {
		if err := sameRequest(c, r, req); err != nil {
			return err
		}
	} else if !sent {
		if err := s.send(ctx, cfg, client, store, req, files); err != nil {
			return err
		}
	}
	return a.await(ctx, req.ID)
}

// send uploads the images that are files and submits the request.
func (s *submission) send(ctx context.Context, cfg config.Config, client *events.Client, store *objects.Store, req schema.Request, files [][]byte) error {
	for i, data := range files {
		if data == nil {
			continue
		}
		var err error
		if req.Images[i], err = put(ctx, store, req.Images[i], data, s.id != ""); err != nil {
			return fmt.Errorf("image %d cannot be uploaded: %w", i+1, storeError(cfg, err))
		}
	}
	publisher := client.NewPublisher(events.PublisherConfig{Source: "facestream/submit"})
	err := client.Submit(ctx, publisher, req)
	return errors.Join(err, publisher.Close())
}

// sameRequest refuses to take r for the result of req where the flags that were given say otherwise: the id was used for
// another request.
func sameRequest(c *cobra.Command, r *schema.Result, req schema.Request) error {
	given := c.Flags().Changed
	req.Normalize() // as ingest did; a request that it refuses was refused before
	switch {
	case given("operation") && r.Operation != req.Operation:
	case given("collection") && r.Collection != req.Collection:
	case given("external-id") && r.ExternalID != req.ExternalID:
	default:
		return nil
	}
	return &exitError{exitUsage, fmt.Errorf("--id: %s is the id of another request (%s), which has its result; give this one an id of its own", req.ID, r.Operation)}
}

// request makes the request, and refuses one that ingest would refuse, before anything is uploaded. Of an image that is a
// file it knows where it will be.
func (s *submission) request(cfg config.Config, stdin io.Reader) (schema.Request, [][]byte, error) {
	id := s.id
	if id == "" {
		id = uuid.NewString()
	}
	req := schema.Request{
		ID: schema.RequestID(id), Operation: schema.Operation(s.operation), Collection: schema.Collection(s.collection),
		ExternalID: schema.ExternalID(s.externalID), PUID: schema.PUID(s.puid), Challenge: s.challenge,
	}
	s.requestFlags.apply(&req)
	var files [][]byte
	var unread []error
	for i, image := range s.images {
		ref, stored := parseS3(image)
		var data []byte
		if !stored {
			var err error
			if data, err = readImage(image, stdin); err != nil {
				unread = append(unread, fmt.Errorf("image %d: %w", i+1, err))
			}
			ref = schema.ObjectRef{Bucket: cfg.S3.Bucket, Key: fmt.Sprintf("submitted/%s/%d%s", folder(id), i, filepath.Ext(image))}
		}
		files, req.Images = append(files, data), append(req.Images, ref)
	}
	checked := req // Normalize fills in what ingest fills in
	if problems := checked.Normalize(); len(problems) > 0 {
		return req, nil, flagProblems(problems, map[string]string{
			"operation": "--operation", "collection": "--collection", "external_id": "--external-id", "puid": "--puid", "id": "--id", "challenge": "--challenge",
		})
	}
	return req, files, errors.Join(unread...)
}

// folder is where the images of a request lie: an id may hold what a key must not.
func folder(id string) string {
	if uuid.Validate(id) == nil {
		return id
	}
	return schema.EventID("submitted", schema.RequestID(id))
}

// readImage reads a file, or standard input where its name is -.
func readImage(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// put uploads data as ref. Where the request may have been sent before, what was uploaded for it then is taken again if it
// is the same: another version of an image would make it another request.
func put(ctx context.Context, store *objects.Store, ref schema.ObjectRef, data []byte, again bool) (schema.ObjectRef, error) {
	if again {
		same := ref
		same.ETag = fmt.Sprintf("%x", md5.Sum(data)) // where a store makes its ETags otherwise, nothing is found
		if info, err := store.Stat(ctx, same); err == nil {
			return info.Ref, nil
		}
	}
	return store.Put(ctx, ref, data, "application/octet-stream", nil)
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

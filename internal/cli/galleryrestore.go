package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"facestream/internal/config"
	directories "facestream/internal/directory/drivers"
	"facestream/internal/gallery/drivers"
	"facestream/internal/gallery/local"
	"facestream/internal/gallery/restore"
	"facestream/internal/ingest"
	published "facestream/internal/outcome"
	"facestream/internal/program"
	ingestservice "facestream/internal/services/ingest"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

func galleryRestoreCommand() *cobra.Command {
	var from string
	var empty, again, uploads, asJSON bool
	c := &cobra.Command{
		Use:   "restore",
		Short: "Build a damaged or lost gallery again: from its file, a copy, the topics, the images",
		Long: "restore has two steps.\n\n" +
			"Without --send-again it builds the local gallery again while the indexer is stopped: from the sound rows of the damaged\n" +
			"file, from a copy (--copy) or from nothing (--empty). It then repeats what the topic of analyses holds and deletes whom\n" +
			"the results call deleted. The former files are kept in a folder beside, until you erase it.\n\n" +
			"With --send-again, while everything runs, the workers carry out those enrolments again whose rows results name and the\n" +
			"gallery lacks, and with --uploads also enrolments by upload whose results are older than the topic. These need their\n" +
			"images. Exit code 3 says that rows are still missing.",
		Example: "  facestream gallery restore\n  facestream gallery restore --copy /backup/gallery\n" +
			"  facestream gallery restore --send-again --uploads",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case from != "" && empty:
				return errors.New("--copy and --empty exclude each other: the gallery begins with a copy or with nothing")
			case again && (from != "" || empty):
				return errors.New("--send-again is a step of its own, without --copy and --empty, for when the services run")
			case uploads && !again:
				return errors.New("--uploads goes with --send-again")
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			cfg.Resolve()
			if again {
				return sendAgain(c, cfg, uploads, asJSON)
			}
			return restoreFile(c, cfg, from, empty, asJSON)
		},
	}
	c.Flags().StringVar(&from, "copy", "", "begin with the gallery in this folder, which nobody has open")
	c.Flags().BoolVar(&empty, "empty", false, "begin with nothing")
	c.Flags().BoolVar(&again, "send-again", false, "let the services repeat enrolments whose rows are missing")
	c.Flags().BoolVar(&uploads, "uploads", false, "with --send-again: also uploads without a result")
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

// restored is what the first step did.
type restored struct {
	local.Salvaged
	restore.Filled
}

func restoreFile(c *cobra.Command, cfg config.Config, from string, empty, asJSON bool) error {
	client, _, err := reach(c.Context(), cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	var out restored
	out.Salvaged, err = drivers.Restore(c.Context(), cfg.Indexer.Gallery, from, empty, func(ctx context.Context, g *local.Gallery) (err error) {
		d, err := directories.Open(ctx, cfg.Indexer)
		if err != nil {
			return err
		}
		if d != nil {
			defer func() { err = errors.Join(err, d.Close()) }()
		}
		out.Filled, err = restore.FromTopics(ctx, client, g, d)
		return err
	})
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), out)
	}
	return printRestored(c.OutOrStdout(), out)
}

func printRestored(out io.Writer, r restored) error {
	for _, c := range slices.Sorted(maps.Keys(r.Faces)) {
		fmt.Fprintf(out, "%d enrolled images of collection %q were sound\n", r.Faces[c], c)
	}
	for _, c := range slices.Sorted(maps.Keys(r.Lost)) {
		fmt.Fprintf(out, "%d enrolled images of collection %q did not hold what was written and are lost\n", r.Lost[c], c)
	}
	if r.Unread {
		fmt.Fprintln(out, "some pages of the file could not be read; what they held is lost")
	}
	if r.Forgotten > 0 {
		fmt.Fprintf(out, "%d remembered deletions are lost: a late repeat of these enrolments would bring the person back\n", r.Forgotten)
	}
	fmt.Fprintf(out, "%d enrolments and deletions were repeated from the topic of analyses, %d people deleted whom results call deleted\n"+
		"%d rows that results name are still missing\n\nThe gallery is built. Start the indexer.", r.Analyses, r.Deleted, r.Missing)
	if r.Missing > 0 {
		fmt.Fprint(out, " Then run `facestream gallery restore --send-again`.")
	}
	_, err := fmt.Fprintf(out, " `facestream gallery verify` says whether\nsomething is missing.\n\n%s holds the former files with their templates. Erase it when you do not need it any more.\n", r.SetAside)
	return err
}

// resent is what the second step did.
type resent struct {
	restore.Sent
	Uploads *restore.Uploaded `json:"uploads,omitempty"`
}

func sendAgain(c *cobra.Command, cfg config.Config, uploads, asJSON bool) (err error) {
	ctx := c.Context()
	client, store, err := reach(ctx, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	g, err := drivers.OpenReader(ctx, cfg.Indexer.Gallery)
	if err != nil {
		return err
	}
	defer g.Close()
	publisher := client.NewPublisher(events.PublisherConfig{Source: "facestream/restore"})
	defer func() { err = errors.Join(err, publisher.Close()) }()
	var out resent
	if out.Sent, err = restore.SendAgain(ctx, client, publisher, g); err != nil {
		return err
	}
	if uploads {
		service, err := ingestservice.New(cfg)
		if err != nil {
			return err
		}
		found, missing, err := restore.Uploads(ctx, client, g, store, service.Routes, service.Buckets)
		if err != nil {
			return err
		}
		out.Uploads = &found
		service.Publisher, service.Broker, service.Objects, service.Ledger = publisher, client, store, only(missing)
		service.Results = &published.Sink{Service: "ingest", Publisher: publisher, Objects: store, Log: zerolog.Nop()}
		service.Ignored, service.Log = func(string) {}, program.Logger(cfg, "facestream").Level(zerolog.WarnLevel)
		r := ingest.Reconciler{Service: service, Window: math.MaxInt64}
		if _, err := r.Pass(ctx); err != nil {
			return err
		}
	}
	if asJSON {
		err = printJSON(c.OutOrStdout(), out)
	} else {
		err = printSent(c.OutOrStdout(), out)
	}
	if n := len(out.Left); err == nil && n > 0 {
		err = &exitError{exitOutcome, fmt.Errorf("%d rows cannot be restored from the topics: their jobs are gone", n)}
	}
	return err
}

func printSent(out io.Writer, r resent) error {
	fmt.Fprintf(out, "%d enrolments are carried out again\n", r.Sent.Sent)
	if u := r.Uploads; u != nil {
		fmt.Fprintf(out, "of %d enrolments by upload, %d had no row and are carried out again; %d were refused, the people of %d were deleted\n", u.Listed, u.Missing, u.Refused, u.Deleted)
	}
	for _, d := range r.Left {
		fmt.Fprintf(out, "missing  %s  %s  %s  enrolled %s\n", d.Collection, d.GUID, string(d.PUID), d.At.Local().Format(time.DateTime))
	}
	_, err := fmt.Fprintln(out, "\nWhen `facestream topics` shows no lag, `facestream gallery verify` says what is still missing.")
	return err
}

// only is a ledger that knows every request but those that are missing.
type only map[schema.RequestID]bool

// Seen implements [ingest.Ledger].
func (o only) Seen(_ context.Context, id schema.RequestID) (string, bool, error) {
	return "", !o[id], nil
}

// Record implements [ingest.Ledger].
func (only) Record(context.Context, schema.RequestID, string, time.Time) error { return nil }

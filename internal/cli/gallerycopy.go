package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"facestream/internal/gallery/drivers"
	"facestream/internal/gallery/transfer"
	"facestream/pkg/schema"
)

func galleryCopyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "copy",
		Short: "Copy the local gallery to Milvus",
		Long: "copy takes every enrolled image of the local gallery in indexer.gallery.dir, with its embedding and its consent, and the\n" +
			"memory of deletions to the Milvus server that the settings name (indexer.gallery.driver: milvus). The indexers must be\n" +
			"stopped. It compares both galleries at the end and marks the folder as copied, so that no indexer serves from it again.\n" +
			"If it was stopped, run it again: it copies what is missing. Exit code 3 says that rows differ afterwards.",
		Example: "  facestream gallery copy --indexer-gallery-driver milvus --indexer-gallery-milvus-address milvus:19530",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			bar := newProgress(c.ErrOrStderr(), count)
			report, err := drivers.Copy(c.Context(), cfg.Indexer.Gallery, func(name schema.Collection, done, total int) {
				bar.show(string(name), int64(done), int64(total))
			})
			bar.finish()
			if asJSON {
				err = errors.Join(err, printJSON(c.OutOrStdout(), report))
			} else {
				err = errors.Join(err, printCopy(c.OutOrStdout(), report))
			}
			switch n := report.Different(); {
			case errors.Is(err, context.Canceled):
				return fmt.Errorf("stopped; run the same command again to continue: %w", err)
			case err == nil && n > 0:
				return &exitError{exitOutcome, fmt.Errorf("%d rows differ in Milvus after the copy, because somebody changed or deleted them there; the local gallery is not marked as copied", n)}
			case err == nil && !asJSON:
				fmt.Fprintf(c.OutOrStdout(), "\nMilvus has the whole gallery. Start the indexers with these settings. %s still contains the embeddings, even of people who are\n"+
					"deleted later. Erase the folder once you will not go back.\n", cfg.Indexer.Gallery.Dir)
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

func printCopy(out io.Writer, r transfer.Report) error {
	if len(r.Collections) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COLLECTION\tROWS\tCOPIED NOW\tDIFFERENT\tMODEL")
	for _, t := range r.Collections {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\n", t.Collection, t.Rows, t.Copied, len(t.Different), t.Model)
	}
	for _, t := range r.Collections {
		for _, id := range t.Different {
			fmt.Fprintf(w, "different\t%s\t%s\n", t.Collection, id)
		}
	}
	return w.Flush()
}

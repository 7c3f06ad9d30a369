package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"facestream/internal/gallery/drivers"
	"facestream/internal/gallery/verify"
	"facestream/pkg/schema"
)

func galleryCommand() *cobra.Command {
	c := &cobra.Command{Use: "gallery", Short: "Show a person's entries, compare the gallery with the results, restore it, or copy it to Milvus"}
	c.AddCommand(galleryPersonCommand(), galleryVerifyCommand(), galleryRestoreCommand(), galleryCopyCommand())
	return c
}

func galleryVerifyCommand() *cobra.Command {
	var collection string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare the gallery with the results: missing rows, unexpected rows, and rows of deleted people",
		Long: "verify reads the results topic from its beginning and lists the gallery, while everything runs. It changes nothing.\n" +
			"It looks at the collections that results name. Rows whose results the topic no longer keeps cannot be compared and\n" +
			"are counted as older. Exit code 3 says that there are differences; they name people by puid.",
		Example: "  facestream gallery verify\n  facestream gallery verify -c staff --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, client, _, err := connect(c)
			if err != nil {
				return err
			}
			defer client.Close()
			g, err := drivers.OpenReader(c.Context(), cfg.Indexer.Gallery)
			if err != nil {
				return err
			}
			defer g.Close()
			report, err := verify.Run(c.Context(), client, g, schema.Collection(collection))
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), report)
			} else {
				err = printReport(c, report)
			}
			if n := len(report.Differences); err == nil && n > 0 {
				err = &exitError{exitOutcome, fmt.Errorf("the gallery and the results differ in %d rows", n)}
			}
			return err
		},
	}
	c.Flags().StringVarP(&collection, "collection", "c", "", "only this collection")
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

func printReport(c *cobra.Command, r verify.Report) error {
	since := "the beginning"
	if !r.Since.IsZero() {
		since = r.Since.Local().Format(time.DateTime) + "; older ones are no longer on the topic"
	}
	fmt.Fprintf(c.OutOrStdout(), "%d results since %s\n\n", r.Results, since)
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COLLECTION\tROWS\tENROLLED BY A RESULT\tOLDER")
	for _, t := range r.Collections {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", t.Collection, t.Rows, t.Enrolled, t.Older)
	}
	if len(r.Differences) > 0 {
		fmt.Fprintln(w, "\nDIFFERENCE\tCOLLECTION\tGUID\tPUID\tREQUEST\tAT")
	}
	for _, d := range r.Differences {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Kind, d.Collection, d.GUID, string(d.PUID), d.Request, d.At.Local().Format(time.DateTime))
	}
	return w.Flush()
}

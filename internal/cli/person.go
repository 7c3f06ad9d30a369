package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"facestream/internal/gallery"
	"facestream/internal/gallery/drivers"
	"facestream/pkg/schema"
)

func galleryPersonCommand() *cobra.Command {
	var collection, puid, externalID string
	var asJSON bool
	c := &cobra.Command{
		Use:   "person",
		Short: "Show what the gallery holds of a person: each image, when it was enrolled, and the consent",
		Long: "person lists the enrolled images of one person, named by --puid or by --external-id, without their embeddings. It\n" +
			"changes nothing and can run beside the services. Exit code 4 says that the collection has nobody with this name.\n" +
			"Its output is personal data.",
		Example: "  facestream gallery person -c staff --external-id alice\n  facestream gallery person -c staff --puid 7c9d1e0a-… --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			g, err := drivers.OpenReader(c.Context(), cfg.Indexer.Gallery)
			if err != nil {
				return err
			}
			defer g.Close()
			p, err := lookUp(c.Context(), g, schema.Request{Collection: schema.Collection(collection), PUID: schema.PUID(puid), ExternalID: schema.ExternalID(externalID)})
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), p)
			} else if len(p.Images) > 0 {
				err = printPerson(c.OutOrStdout(), p)
			}
			if err == nil && len(p.Images) == 0 {
				err = &exitError{exitNo, fmt.Errorf("nobody in collection %q has this name", collection)}
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVarP(&collection, "collection", "c", string(schema.DefaultCollection), "the collection")
	f.StringVar(&puid, "puid", "", "the person's puid, which the result of an enrolment names")
	f.StringVar(&externalID, "external-id", "", "your own name for the person")
	f.BoolVar(&asJSON, "json", false, "as one JSON document")
	c.MarkFlagsOneRequired("puid", "external-id")
	c.MarkFlagsMutuallyExclusive("puid", "external-id")
	return c
}

// personEntry is what the gallery holds of a person.
type personEntry struct {
	Collection schema.Collection `json:"collection"`
	Model      schema.ModelID    `json:"model,omitempty"` // of the embeddings
	Images     []imageEntry      `json:"images"`          // by guid
}

// imageEntry is one enrolled image.
type imageEntry struct {
	GUID       string            `json:"guid"`
	PUID       schema.PUID       `json:"puid"`
	ExternalID schema.ExternalID `json:"external_id,omitempty"`
	Enrolled   time.Time         `json:"enrolled"`
	Consent    *schema.Consent   `json:"consent"` // null where the enrolment declared none
	Source     *gallery.Source   `json:"source"`  // null where an earlier version enrolled it
}

// lookUp reads what g holds of the person whom a request would name.
func lookUp(ctx context.Context, g gallery.Reader, of schema.Request) (personEntry, error) {
	p := personEntry{Collection: of.Collection, Images: []imageEntry{}}
	collections, err := g.Collections(ctx)
	if err != nil {
		return p, err
	}
	for _, k := range collections {
		if k.Name == of.Collection {
			p.Model = k.Tie.Model
		}
	}
	for after := ""; ; {
		page, err := g.List(ctx, of.Collection, after, 1000, of.Persons()...)
		if err != nil {
			return p, err
		}
		for _, r := range page.Rows {
			p.Images = append(p.Images, imageEntry{r.ID, r.PUID, r.ExternalID, r.Created, r.Consent, r.Source})
		}
		if after = page.Next; after == "" {
			return p, nil
		}
	}
}

func printPerson(out io.Writer, p personEntry) error {
	fmt.Fprintf(out, "%d images in collection %s, embedded by %s\n\n", len(p.Images), p.Collection, p.Model)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENROLLED\tCONSENT\tEXTERNAL ID\tPUID\tGUID\tIMAGE")
	for _, i := range p.Images {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", i.Enrolled.Local().Format(time.DateTime), consentText(i.Consent),
			cmp.Or(string(i.ExternalID), "-"), string(i.PUID), i.GUID, imageText(i.Source))
	}
	return w.Flush()
}

func consentText(c *schema.Consent) string {
	if c == nil {
		return "none declared"
	}
	text := "refused"
	if c.Given {
		text = "given"
	}
	if c.At != nil {
		text += " " + c.At.Local().Format(time.DateTime)
	}
	if c.Reference != "" {
		text += " (" + c.Reference + ")"
	}
	return text
}

func imageText(s *gallery.Source) string {
	if s == nil {
		return "unknown"
	}
	text := "s3://" + s.Image.Bucket + "/" + s.Image.Key
	if s.Image.Version != "" {
		text += " version " + s.Image.Version
	}
	return text
}

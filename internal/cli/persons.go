package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"facestream/internal/config"
	"facestream/internal/directory"
	"facestream/internal/directory/drivers"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

func personsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "persons",
		Short: "List, show, edit and erase the people of a collection",
		Long: "list and show read the directory that the indexer keeps, also beside it. edit and erase send a request, as any program\n" +
			"would, and wait for its result. Their output is personal data.",
		Example: "  facestream persons list -c staff --group night-shift\n  facestream persons show -c staff --external-id alice\n" +
			"  facestream persons edit -c staff --external-id alice --name Alice --groups night-shift --ttl 365d\n  facestream persons erase -c staff --external-id alice --yes",
	}
	c.AddCommand(personsListCommand(), personsShowCommand(), personsEditCommand(), personsEraseCommand())
	return c
}

// collectionFlag binds the collection that a command is about.
func collectionFlag(c *cobra.Command, to *string) {
	c.Flags().StringVarP(to, "collection", "c", string(schema.DefaultCollection), "the collection")
}

// withDirectory runs f with the directory of the settings, open for reading beside the indexer.
func withDirectory(c *cobra.Command, f func(directory.Reader) error) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	d, err := drivers.OpenReader(c.Context(), cfg.Indexer)
	if err != nil {
		return err
	}
	if d == nil {
		return errors.New("this installation keeps no directory; set indexer.directory.driver")
	}
	defer d.Close()
	return f(d)
}

func personsListCommand() *cobra.Command {
	var metadata string
	var groups []string
	var list listFlags
	c := &cobra.Command{
		Use: "list", Short: "List people, by puid, a page at a time", Args: cobra.NoArgs,
		Example: "  facestream persons list -c staff\n  facestream persons list -c staff --group night-shift --metadata '{\"floor\":3}' --json",
		RunE: func(c *cobra.Command, _ []string) error {
			filter := schema.PersonFilter{Metadata: schema.Metadata(metadata)}
			for _, g := range groups {
				filter.Groups = append(filter.Groups, schema.GroupID(g))
			}
			return list.run(c, schema.Request{Operation: schema.OpUserList, Filter: &filter}, func(d directory.Reader, of schema.Collection) (any, string, func(io.Writer), error) {
				page, err := d.Persons(c.Context(), of, directory.Query{Filter: filter, After: list.after, Limit: list.limit})
				whole := schema.PersonList{Persons: append([]schema.Person{}, page.Persons...), Next: page.Next}
				return whole, page.Next, func(w io.Writer) { printPersons(w, page.Persons) }, err
			})
		},
	}
	list.bind(c)
	c.Flags().StringSliceVar(&groups, "group", nil, "only members of this group, or of one of several")
	c.Flags().StringVar(&metadata, "metadata", "", "only people with these values in their metadata, as JSON")
	return c
}

// listFlags are those of a command that lists a page of a collection's directory.
type listFlags struct {
	collection, after string
	limit             int
	json              bool
}

func (f *listFlags) bind(c *cobra.Command) {
	collectionFlag(c, &f.collection)
	c.Flags().IntVar(&f.limit, "limit", schema.DefaultPageSize, fmt.Sprintf("entries on the page, at most %d", schema.MaxPageSize))
	c.Flags().StringVar(&f.after, "after", "", "the page behind this one, as the page before names it")
	c.Flags().BoolVar(&f.json, "json", false, "as one JSON document")
}

// run prints the page that read reads: whole as JSON, or what table writes, cells between tabs, and where the next page begins. like is the
// request that would list the same; what is wrong with it is said.
func (f *listFlags) run(c *cobra.Command, like schema.Request, read func(directory.Reader, schema.Collection) (whole any, next string, table func(io.Writer), err error)) error {
	like.Collection, like.Page = schema.Collection(f.collection), &schema.PageQuery{Limit: f.limit, After: f.after}
	if err := checkFlags(like); err != nil {
		return err
	}
	return withDirectory(c, func(d directory.Reader) error {
		whole, next, table, err := read(d, like.Collection)
		switch {
		case err != nil:
			return err
		case f.json:
			return printJSON(c.OutOrStdout(), whole)
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		table(w)
		if err := w.Flush(); err != nil || next == "" {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "\nmore: --after %s\n", next)
		return err
	})
}

func printPersons(w io.Writer, persons []schema.Person) {
	fmt.Fprintln(w, "PUID\tEXTERNAL ID\tNAME\tGROUPS\tIMAGES\tUPDATED\tENDS")
	for _, p := range persons {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", string(p.PUID), or(string(p.ExternalID)), or(string(p.Name)), or(joined(p.Groups)), p.Images,
			p.Updated.Local().Format(time.DateTime), endText(p.Expires))
	}
}

// or is a text of somebody's choice, without what would move a cursor, or a dash for none.
func or(text string) string { return cmp.Or(plain(text), "-") }

func joined(groups []schema.GroupID) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = string(g)
	}
	return strings.Join(names, ", ")
}

func endText(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return at.Local().Format(time.DateTime)
}

// personFlags name a person.
type personFlags struct{ collection, puid, externalID string }

func (f *personFlags) bind(c *cobra.Command) {
	collectionFlag(c, &f.collection)
	c.Flags().StringVar(&f.puid, "puid", "", "the person's puid, which the result of an enrolment names")
	c.Flags().StringVar(&f.externalID, "external-id", "", "your own name for the person")
	c.MarkFlagsOneRequired("puid", "external-id")
	c.MarkFlagsMutuallyExclusive("puid", "external-id")
}

func (f *personFlags) request(op schema.Operation) schema.Request {
	return schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: op, Collection: schema.Collection(f.collection), PUID: schema.PUID(f.puid), ExternalID: schema.ExternalID(f.externalID)}
}

func personsShowCommand() *cobra.Command {
	var who personFlags
	var asJSON bool
	c := &cobra.Command{
		Use: "show", Short: "Show one person with the enrolled images", Args: cobra.NoArgs,
		Long:    "show prints what the directory holds of one person. Exit code 4 says that the collection has nobody with this name.",
		Example: "  facestream persons show -c staff --external-id alice",
		RunE: func(c *cobra.Command, _ []string) error {
			return withDirectory(c, func(d directory.Reader) error {
				shown, err := lookUpPerson(c.Context(), d, who.request(schema.OpUserList))
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(c.OutOrStdout(), shown)
				}
				return printOnePerson(c.OutOrStdout(), shown)
			})
		},
	}
	who.bind(c)
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

// shownPerson is what persons show prints with --json.
type shownPerson struct {
	schema.Person
	Enrolled []schema.PersonImage `json:"enrolled"` // by guid
}

// lookUpPerson reads the person whom a request names.
func lookUpPerson(ctx context.Context, d directory.Reader, of schema.Request) (*shownPerson, error) {
	if problems := of.Normalize(); len(problems) > 0 {
		return nil, flagProblems(problems, personFlagNames)
	}
	p, err := d.Person(ctx, of.Collection, of.Persons()...)
	if err == nil && p == nil {
		err = &exitError{exitNo, fmt.Errorf("nobody in collection %q has this name", of.Collection)}
	}
	if err != nil {
		return nil, err
	}
	shown := &shownPerson{Person: *p, Enrolled: []schema.PersonImage{}}
	for after := ""; ; {
		page, err := d.Images(ctx, of.Collection, p.PUID, after, schema.MaxPageSize)
		if err != nil {
			return nil, err
		}
		shown.Enrolled = append(shown.Enrolled, page.Images...)
		if after = page.Next; after == "" {
			return shown, nil
		}
	}
}

func printOnePerson(out io.Writer, p *shownPerson) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"puid", string(p.PUID)}, {"external id", or(string(p.ExternalID))}, {"name", or(string(p.Name))}, {"groups", or(joined(p.Groups))},
		{"metadata", or(string(p.Metadata))}, {"consent", consentText(p.Consent)}, {"created", p.Created.Local().Format(time.DateTime)},
		{"updated", p.Updated.Local().Format(time.DateTime)}, {"ends", endText(p.Expires)},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	fmt.Fprintln(w, "\nENROLLED\tGUID\tIMAGE")
	for _, i := range p.Enrolled {
		image := "unknown"
		if i.Object != nil {
			image = plain("s3://" + i.Object.Bucket + "/" + i.Object.Key)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", i.Created.Local().Format(time.DateTime), i.GUID, image)
	}
	return w.Flush()
}

func personsEditCommand() *cobra.Command {
	var who personFlags
	var name, metadata, ttl string
	var groups []string
	var create bool
	var answer answerFlags
	c := &cobra.Command{
		Use: "edit", Short: "Change a person's name, metadata, groups or end, or create the person", Args: cobra.NoArgs,
		Long:    "edit changes what its flags say and leaves the rest. An empty value removes what was there.",
		Example: "  facestream persons edit -c staff --external-id alice --groups night-shift,first-aid\n  facestream persons edit -c staff --external-id carol --create --name Carol --ttl 30d",
		RunE: func(c *cobra.Command, _ []string) error {
			req := who.request(schema.OpUserUpdate)
			if create {
				req.Operation = schema.OpPersonCreate
			}
			req.Fields = &schema.PersonFields{}
			given := c.Flags().Changed
			if given("name") {
				personal := schema.Personal(name)
				req.Fields.Name = &personal
			}
			if given("metadata") {
				req.Fields.Metadata = metadataOf(metadata)
			}
			if given("groups") {
				req.Fields.Groups = []schema.GroupID{}
				for _, g := range groups {
					req.Fields.Groups = append(req.Fields.Groups, schema.GroupID(g))
				}
			}
			if given("ttl") {
				seconds, err := ttlOf(ttl)
				if err != nil {
					return err
				}
				req.Fields.TTL = &seconds
			}
			return answer.carryOut(c, req)
		},
	}
	who.bind(c)
	f := c.Flags()
	f.StringVar(&name, "name", "", "a name for people to read")
	f.StringVar(&metadata, "metadata", "", "the whole metadata, as a JSON object")
	f.StringSliceVar(&groups, "groups", nil, "all groups of the person, separated by commas")
	f.StringVar(&ttl, "ttl", "", "how long the person is kept from now on, such as 365d; 0: without end")
	f.BoolVar(&create, "create", false, "create the person where nobody has this name")
	answer.bindOrder(c)
	c.MarkFlagsOneRequired("name", "metadata", "groups", "ttl", "create")
	return c
}

// metadataOf is metadata as a flag has it; nothing removes what is there.
func metadataOf(text string) schema.Metadata { return schema.Metadata(cmp.Or(text, "{}")) }

func ttlOf(text string) (seconds int64, err error) {
	if text == "" || text == "0" {
		return 0, nil
	}
	d, err := config.ParseDuration(text)
	if err == nil && d < time.Second {
		err = errors.New("is less than a second")
	}
	if err != nil {
		return 0, &exitError{exitUsage, fmt.Errorf("--ttl: %w", err)}
	}
	return int64(d / time.Second), nil
}

func personsEraseCommand() *cobra.Command {
	var who personFlags
	var yes bool
	var answer answerFlags
	c := &cobra.Command{
		Use: "erase", Short: "Erase a person: fields, embeddings, and the portraits that were made", Args: cobra.NoArgs,
		Long: "erase sends user_delete. What it does not reach, such as the uploaded images, is in docs/operations.md. It cannot be\n" +
			"undone, so it wants --yes.",
		Example: "  facestream persons erase -c staff --external-id alice --yes",
		RunE: func(c *cobra.Command, _ []string) error {
			if !yes {
				return &exitError{exitUsage, errors.New("the person cannot be brought back; say --yes if that is meant")}
			}
			return answer.carryOut(c, who.request(schema.OpUserDelete))
		},
	}
	who.bind(c)
	c.Flags().BoolVar(&yes, "yes", false, "erase the person")
	answer.bindOrder(c)
	return c
}

// personFlagNames are the flags by the fields of a request that they set.
var personFlagNames = map[string]string{
	"collection": "--collection", "external_id": "--external-id", "puid": "--puid", "person": "--name, --metadata, --groups or --ttl",
	"group": "--id, --name or --metadata", "filter": "--group or --metadata", "page": "--limit or --after",
}

// checkFlags refuses what ingest would refuse.
func checkFlags(req schema.Request) error {
	req.ID = "x"
	if problems := req.Normalize(); len(problems) > 0 {
		return flagProblems(problems, personFlagNames)
	}
	return nil
}

// bindOrder binds the flags of a command that always waits for its result.
func (f *answerFlags) bindOrder(c *cobra.Command) {
	f.wait = true
	c.Flags().BoolVar(&f.json, "json", false, "print the whole result as JSON")
	c.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "how long everything may take")
}

// carryOut sends a request without images and prints its result.
func (f *answerFlags) carryOut(c *cobra.Command, req schema.Request) error {
	if err := checkFlags(req); err != nil {
		return err
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), f.timeout)
	defer cancel()
	client, _, err := reach(ctx, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	a, err := f.listen(ctx, c, client, "")
	if err != nil {
		return err
	}
	defer a.close()
	publisher := client.NewPublisher(events.PublisherConfig{Source: "facestream/" + c.Name()})
	if err := errors.Join(client.Submit(ctx, publisher, req), publisher.Close()); err != nil {
		return err
	}
	return a.await(ctx, req.ID)
}

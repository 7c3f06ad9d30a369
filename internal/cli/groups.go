package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"facestream/internal/directory"
	"facestream/pkg/schema"
)

func groupsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "groups",
		Short:   "List, edit and erase the groups of a collection",
		Long:    "list reads the directory that the indexer keeps, also beside it. edit and erase send a request and wait for its result.",
		Example: "  facestream groups list -c staff\n  facestream groups edit -c staff --id night-shift --create --name Nights\n  facestream groups erase -c staff --id night-shift --yes",
	}
	c.AddCommand(groupsListCommand(), groupsEditCommand(), groupsEraseCommand())
	return c
}

func groupsListCommand() *cobra.Command {
	var list listFlags
	c := &cobra.Command{
		Use: "list", Short: "List groups, by id, a page at a time", Args: cobra.NoArgs,
		Example: "  facestream groups list -c staff --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return list.run(c, schema.Request{Operation: schema.OpGroupList}, func(d directory.Reader, of schema.Collection) (any, string, func(io.Writer), error) {
				page, err := d.Groups(c.Context(), of, list.after, list.limit)
				whole := schema.GroupList{Groups: append([]schema.Group{}, page.Groups...), Next: page.Next}
				return whole, page.Next, func(w io.Writer) { printGroups(w, page.Groups) }, err
			})
		},
	}
	list.bind(c)
	return c
}

func printGroups(w io.Writer, groups []schema.Group) {
	fmt.Fprintln(w, "ID\tNAME\tMETADATA\tUPDATED")
	for _, g := range groups {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", string(g.ID), or(string(g.Name)), or(string(g.Metadata)), g.Updated.Local().Format(time.DateTime))
	}
}

// groupRequest asks for op about a group.
func groupRequest(op schema.Operation, collection string, fields schema.GroupFields) schema.Request {
	return schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: op, Collection: schema.Collection(collection), Group: &fields}
}

func groupsEditCommand() *cobra.Command {
	var collection, id, name, metadata string
	var create bool
	var answer answerFlags
	c := &cobra.Command{
		Use: "edit", Short: "Change a group's name or metadata, or create the group", Args: cobra.NoArgs,
		Long:    "edit changes what its flags say and leaves the rest. An empty value removes what was there.",
		Example: "  facestream groups edit -c staff --id night-shift --create --name Nights --metadata '{\"floor\":3}'",
		RunE: func(c *cobra.Command, _ []string) error {
			fields := schema.GroupFields{ID: schema.GroupID(id)}
			given := c.Flags().Changed
			if given("name") {
				personal := schema.Personal(name)
				fields.Name = &personal
			}
			if given("metadata") {
				fields.Metadata = metadataOf(metadata)
			}
			op := schema.OpGroupUpdate
			if create {
				op = schema.OpGroupCreate
			}
			return answer.carryOut(c, groupRequest(op, collection, fields))
		},
	}
	f := c.Flags()
	collectionFlag(c, &collection)
	f.StringVar(&id, "id", "", "the group's id")
	f.StringVar(&name, "name", "", "a name for people to read")
	f.StringVar(&metadata, "metadata", "", "the whole metadata, as a JSON object")
	f.BoolVar(&create, "create", false, "create the group where there is none")
	answer.bindOrder(c)
	_ = c.MarkFlagRequired("id")
	c.MarkFlagsOneRequired("name", "metadata", "create")
	return c
}

func groupsEraseCommand() *cobra.Command {
	var collection, id string
	var yes bool
	var answer answerFlags
	c := &cobra.Command{
		Use: "erase", Short: "Erase a group; its members stay", Args: cobra.NoArgs,
		Example: "  facestream groups erase -c staff --id night-shift --yes",
		RunE: func(c *cobra.Command, _ []string) error {
			if !yes {
				return &exitError{exitUsage, errors.New("the group cannot be brought back; say --yes if that is meant")}
			}
			return answer.carryOut(c, groupRequest(schema.OpGroupDelete, collection, schema.GroupFields{ID: schema.GroupID(id)}))
		},
	}
	f := c.Flags()
	collectionFlag(c, &collection)
	f.StringVar(&id, "id", "", "the group's id")
	f.BoolVar(&yes, "yes", false, "erase the group")
	answer.bindOrder(c)
	_ = c.MarkFlagRequired("id")
	return c
}

package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func topicsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "topics",
		Short: "Show the topics: partitions, retention, records, and the lag of each group",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, client, _, err := connect(c)
			if err != nil {
				return err
			}
			topics, err := client.Describe(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), topics)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "TOPIC\tPARTITIONS\tRETENTION\tRECORDS\tGROUPS AND THEIR LAG")
			for _, t := range topics {
				if !t.Exists {
					fmt.Fprintf(w, "%s\tdoes not exist; a service creates it when it starts\n", t.Topic)
					continue
				}
				var records int64
				for _, p := range t.Partitions {
					records += p.Last - p.First
				}
				groups := ""
				for _, g := range t.Groups {
					groups += fmt.Sprintf("%s %d  ", g.Group, g.Lag)
				}
				fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", t.Topic, len(t.Partitions), t.Retention, records, groups)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

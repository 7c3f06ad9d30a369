package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"facestream/internal/host"
)

func topicsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "topics",
		Short:   "Show the topics: partitions, retention, records, and how far behind each service is",
		Example: "  facestream topics\n  facestream topics --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			client, _, err := reach(c.Context(), cfg)
			if err != nil {
				return err
			}
			defer client.Close()
			topics, err := client.Describe(c.Context())
			if err != nil {
				return err
			}
			// A broker does not list the groups that a user may not describe: it would look as if they had no lag.
			for _, group := range host.Groups() {
				if _, err := client.Members(c.Context(), group); err != nil {
					fmt.Fprintf(c.ErrOrStderr(), "the lag of %s is not shown: %v\n", group, err)
				}
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), topics)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "TOPIC\tPARTITIONS\tRETENTION\tRECORDS\tGROUPS AND THEIR LAG")
			for _, t := range topics {
				if !t.Exists {
					fmt.Fprintf(w, "%s\tdoes not exist (a service creates it when it starts), or this user lacks the right Describe on it\n", t.Topic)
					continue
				}
				var records int64
				for _, p := range t.Partitions {
					records += p.Last - p.First
				}
				var groups []string
				for _, g := range t.Groups {
					groups = append(groups, fmt.Sprintf("%s %d", g.Group, g.Lag))
				}
				fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", t.Topic, len(t.Partitions), retention(t.Retention), records, strings.Join(groups, ", "))
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

// retention writes how long a topic keeps its records: negative is for ever, and 0 is what the user may not know.
func retention(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "for ever"
	case d == 0:
		return "unknown"
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}

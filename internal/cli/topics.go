package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"facestream/internal/host"
	"facestream/pkg/events"
)

func topicsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "topics",
		Short:   "Show the topics: partitions, retention, records, and how far behind each service is",
		Example: "  facestream topics\n  facestream topics --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withClient(c, func(client *events.Client) error {
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
				return printTopics(c.OutOrStdout(), topics)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

func printTopics(out io.Writer, topics []events.TopicStatus) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOPIC\tPARTITIONS\tRETENTION\tRECORDS\tGROUPS AND THEIR LAG")
	for _, t := range topics {
		if !t.Exists {
			fmt.Fprintf(w, "%s\tdoes not exist (a service creates it when it starts), or this user lacks the right Describe on it\n", t.Topic)
			continue
		}
		var groups []string
		for _, g := range t.Groups {
			groups = append(groups, fmt.Sprintf("%s %d", g.Group, g.Lag))
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", t.Topic, len(t.Partitions), retention(t.Retention), t.Records(), strings.Join(groups, ", "))
	}
	return w.Flush()
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

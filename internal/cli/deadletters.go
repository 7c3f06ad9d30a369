package cli

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

func deadLettersCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dead-letters",
		Short: "List, show and replay the records that could be neither handled nor answered",
	}
	c.AddCommand(deadLettersList(), deadLettersShow(), deadLettersReplay())
	return c
}

// filterFlags let a command choose among the dead letters.
func filterFlags(c *cobra.Command) func() events.DeadLetterFilter {
	var origin, reason, service string
	var age time.Duration
	f := c.Flags()
	f.StringVar(&origin, "topic", "", "only of this topic")
	f.StringVar(&reason, "reason", "", "only with this reason (docs/reasons.md)")
	completeFlag(c, "reason", reasonNames())
	f.StringVar(&service, "service", "", "only of this service")
	f.DurationVar(&age, "since", 0, "only younger than this")
	return func() events.DeadLetterFilter {
		filter := events.DeadLetterFilter{Origin: events.Topic(origin), Reason: schema.Reason(reason), Service: service}
		if age > 0 {
			filter.Since = time.Now().Add(-age)
		}
		return filter
	}
}

// deadLetterLine is what a list says of a dead letter: nothing of its content.
type deadLetterLine struct {
	ID       string        `json:"id"`
	FailedAt time.Time     `json:"failed_at"`
	Service  string        `json:"service"`
	Topic    events.Topic  `json:"topic"`
	Reason   schema.Reason `json:"reason"`
	Attempts int           `json:"attempts"`
	Error    string        `json:"error"`
}

func lineOf(d events.DeadLetter) deadLetterLine {
	return deadLetterLine{d.ID.String(), d.FailedAt, d.Service, d.Origin, d.Reason, d.Attempts, d.Error}
}

func deadLettersList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "list", Example: "  facestream dead-letters list --since 24h\n  facestream dead-letters list --reason unparsable --json", Short: "List dead letters: which record failed, when, where and why", Args: cobra.NoArgs}
	filter := filterFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return withClient(c, func(client *events.Client) error {
			lines := []deadLetterLine{}
			for d, err := range client.DeadLetters(c.Context(), filter()) {
				if err != nil {
					return err
				}
				lines = append(lines, lineOf(d))
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), lines)
			}
			if len(lines) == 0 {
				_, err := fmt.Fprintln(c.OutOrStdout(), "no dead letters")
				return err
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tFAILED AT\tSERVICE\tTOPIC\tREASON\tTRIES\tERROR")
			for _, l := range lines {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%.80s\n", l.ID, l.FailedAt.Local().Format(time.DateTime), l.Service, l.Topic, l.Reason, l.Attempts, l.Error)
			}
			return w.Flush()
		})
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return c
}

func deadLettersShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show one dead letter as JSON, with its original bytes, which may hold personal data",
		Example: "  facestream dead-letters show 0/17",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := events.ParseDeadLetterID(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return withClient(c, func(client *events.Client) error {
				d, err := client.DeadLetter(c.Context(), id)
				if err != nil {
					return err
				}
				headers := map[string]string{}
				for _, h := range d.Headers {
					headers[h.Key] = string(h.Value)
				}
				return printJSON(c.OutOrStdout(), struct {
					deadLetterLine
					Class    string            `json:"class"`
					OriginID string            `json:"origin"`
					Replayed int               `json:"replayed"`
					Headers  map[string]string `json:"headers,omitempty"`
					Key      any               `json:"key"`
					Value    any               `json:"value"`
					Cut      *cutLine          `json:"cut,omitempty"`
				}{lineOf(d), d.Class, d.OriginID.String(), d.Replayed, headers, readable(d.Key), readable(d.Value), cutOf(d)})
			})
		},
	}
}

// cutLine says of what a dead letter is only a reference.
type cutLine struct {
	LastOffset int64  `json:"last_offset"`
	Size       int64  `json:"size"`
	SHA256     string `json:"sha256"`
}

func cutOf(d events.DeadLetter) *cutLine {
	if d.Cut == nil {
		return nil
	}
	return &cutLine{d.Cut.Last, d.Cut.Size, hex.EncodeToString(d.Cut.SHA256[:])}
}

// readable shows JSON as JSON, text as text, and other bytes as base64.
func readable(b []byte) any {
	switch {
	case json.Valid(b):
		return json.RawMessage(b)
	case utf8.Valid(b):
		return string(b)
	}
	return b
}

func deadLettersReplay() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:     "replay [ID...]",
		Short:   "Write the original records back to the topics where they failed",
		Example: "  facestream dead-letters replay 0/17 0/18\n  facestream dead-letters replay --all --reason internal_error",
		Long:    "Replay after the cause is fixed. A record that fails again becomes another dead letter.",
	}
	filter := filterFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if all == (len(args) > 0) {
			return &exitError{exitUsage, errors.New("name the ids of dead letters (`facestream dead-letters list` shows them), or give --all, with filters to select some")}
		}
		return withClient(c, func(client *events.Client) error {
			var letters []events.DeadLetter
			references := 0
			for _, arg := range args {
				id, err := events.ParseDeadLetterID(arg)
				if err != nil {
					return &exitError{exitUsage, err}
				}
				d, err := client.DeadLetter(c.Context(), id)
				if err != nil {
					return err
				}
				letters = append(letters, d)
			}
			if all {
				for d, err := range client.DeadLetters(c.Context(), filter()) {
					if err != nil {
						return err
					}
					if d.Cut != nil {
						references++
						continue
					}
					letters = append(letters, d)
				}
			}
			p := client.NewPublisher(events.PublisherConfig{Source: "facestream/dead-letters"})
			defer p.Close()
			for _, d := range letters {
				if err := client.Replay(c.Context(), p, d); err != nil {
					return err
				}
			}
			fmt.Fprintf(c.OutOrStdout(), "replayed %d\n", len(letters))
			if references > 0 {
				fmt.Fprintf(c.ErrOrStderr(), "left out %d that are only references to records which were too large or malformed\n", references)
			}
			return nil
		})
	}
	c.Flags().BoolVar(&all, "all", false, "replay every dead letter that the filters let through")
	return c
}

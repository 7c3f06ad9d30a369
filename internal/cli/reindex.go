package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"facestream/internal/gallery/reindex"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

func reindexCommand() *cobra.Command {
	var pack string
	var switches, dryRun, discard, voices, asJSON bool
	var dropLost int
	var only []string
	c := &cobra.Command{
		Use:   "reindex --model PACK",
		Short: "Rebuild the gallery for another embedding model from the enrolled images, and switch to it",
		Long: "reindex embeds every enrolled image, or with --voices every enrolled recording, with the networks of PACK and keeps the result\n" +
			"beside the gallery, which continues to serve. You can stop it and run it again: it continues with what is missing. Rows that cannot be rebuilt are named by their\n" +
			"guid; these people must enrol again. When it is done, stop the indexers, run it with --switch, and start them. The workers run on\n" +
			"if the settings let them serve the collections by both packs (worker.collections); else they stop before the indexers, and\n" +
			"start with the new pack (docs/operations.md, Another embedding model). Exit code 3 says that rows could not be rebuilt.",
		Example: "  facestream reindex --model open\n  facestream reindex --model open --voices\n  facestream reindex --model open --collections 'staff,visitors-*'\n  facestream reindex --model open --switch --drop-lost 2",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			role := models.RoleEmbedding
			if voices {
				role = models.RoleVoice
			}
			switch {
			case dropLost != 0 && !switches:
				return &exitError{exitUsage, errors.New("--drop-lost needs --switch")}
			case slices.ContainsFunc(only, func(pattern string) bool { _, err := path.Match(pattern, ""); return err != nil }):
				return &exitError{exitUsage, fmt.Errorf("--collections is %q; each must be the name of a collection, in which * stands for any characters", only)}
			case discard && only != nil:
				return &exitError{exitUsage, errors.New("--discard erases everything that was rebuilt; it takes no --collections")}
			case dropLost < 0:
				return &exitError{exitUsage, fmt.Errorf("--drop-lost is %d; it must be 0 or more", dropLost)}
			case discard:
				return discardStaged(c.Context(), cfg, pack, role)
			}
			bar := newProgress(c.ErrOrStderr(), count)
			show := func(name schema.Collection, done, total int) { bar.show(string(name), int64(done), int64(total)) }
			var report reindex.Report
			err = withReindexer(c.Context(), cfg, pack, role, only, show, func(r *reindex.Reindexer) error {
				var err error
				switch {
				case dryRun:
					report, err = r.Plan(c.Context())
				case switches:
					report, err = r.Switch(c.Context(), dropLost)
				default:
					report, err = r.Build(c.Context())
				}
				return err
			})
			bar.finish()
			if report.Model != "" {
				err = errors.Join(err, printReindex(c, report, asJSON))
			}
			if errors.Is(err, context.Canceled) {
				return fmt.Errorf("stopped; run the same command again to continue: %w", err)
			}
			if err != nil {
				return err
			}
			return reindexOutcome(report, switches, dropLost)
		},
	}
	f := c.Flags()
	f.StringVar(&pack, "model", "", "model pack with the new embedding network: its name, or a folder with its pack.yaml")
	f.StringSliceVar(&only, "collections", nil, "only these collections: names, in which * stands for any characters (default all but those that worker.collections assigns to other packs)")
	f.BoolVar(&voices, "voices", false, "move the collections of voices to the pack's model of voices; without it those of faces move")
	f.BoolVar(&switches, "switch", false, "rebuild what is missing, then switch; the indexers must be stopped")
	f.IntVar(&dropLost, "drop-lost", 0, "with --switch: drop rows that cannot be rebuilt, at most this many")
	f.BoolVar(&dryRun, "dry-run", false, "count what is missing, and change nothing")
	f.BoolVar(&discard, "discard", false, "erase what was rebuilt and is not in use yet")
	f.BoolVar(&asJSON, "json", false, "as one JSON document")
	c.MarkFlagRequired("model")
	c.MarkFlagsMutuallyExclusive("switch", "dry-run", "discard")
	return c
}

// named reports whether one of the patterns names c.
func named(patterns []string, c schema.Collection) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, string(c))
		return ok
	})
}

// reindexOutcome says what could not be done.
func reindexOutcome(r reindex.Report, switches bool, dropLost int) error {
	lost, unread := len(r.Lost), len(r.Unread)
	switch {
	case r.Switched:
		return nil
	case unread > 0:
		return &exitError{exitOutcome, fmt.Errorf("%d images could not be read; run the same command again", unread)}
	case lost > 0 && switches:
		return &exitError{exitOutcome, fmt.Errorf("not switched: %d rows cannot be rebuilt and --drop-lost allows %d. These people must enrol again: before the switch, or after it with --drop-lost %d", lost, dropLost, lost)}
	case lost > 0:
		return &exitError{exitOutcome, fmt.Errorf("%d rows cannot be rebuilt. These people must enrol again: now, or under the new model after --switch --drop-lost %d", lost, lost)}
	}
	return nil
}

func printReindex(c *cobra.Command, r reindex.Report, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), r)
	}
	out := c.OutOrStdout()
	switch {
	case r.Switched:
		fmt.Fprintf(out, "Switched to %s.\n", r.Model)
	case len(r.Collections) == 0:
		fmt.Fprintf(out, "No collection is left to move to %s.\n", r.Model)
	}
	if len(r.Collections) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "COLLECTION\tROWS\tBUILT\tOF THEM NOW\tREMOVED\tFROM\tTO\n")
	for _, t := range r.Collections {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", t.Collection, t.Rows, t.Staged, t.Embedded, t.Removed, t.From, r.Model)
	}
	if len(r.Lost)+len(r.Unread) > 0 {
		fmt.Fprintln(w, "\nLEFT\tCOLLECTION\tGUID\tWHY")
	}
	for _, l := range r.Lost {
		fmt.Fprintf(w, "lost\t%s\t%s\t%s\n", l.Collection, l.GUID, l.Why)
	}
	for _, l := range r.Unread {
		fmt.Fprintf(w, "unread\t%s\t%s\t%s\n", l.Collection, l.GUID, l.Why)
	}
	return w.Flush()
}

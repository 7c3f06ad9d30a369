package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"facestream/internal/config"
	"facestream/internal/gallery/drivers"
	"facestream/internal/gallery/transfer"
	"facestream/pkg/events"
	"facestream/pkg/retry"
)

// dumpGallery notes every row of the run's collections, with its vector.
func (l *load) dumpGallery(ctx context.Context, cfg config.Gallery) error {
	g, err := drivers.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer g.Close()
	whole, ok := g.(transfer.Exporter)
	if !ok {
		return fmt.Errorf("the driver %s does not export its vectors", cfg.Driver)
	}
	kept, err := whole.Collections(ctx)
	if err != nil {
		return err
	}
	for _, c := range kept {
		if !strings.HasPrefix(string(c.Name), l.run+"-") { // another run's
			continue
		}
		for after, first := "", true; first || after != ""; first = false {
			page, err := whole.Export(ctx, c.Name, after, 1000)
			if err != nil {
				return err
			}
			after = page.Next
			for _, r := range page.Rows {
				row := noteRow{
					Collection: string(c.Name), Model: string(r.Embedding.Model), ID: r.ID, PUID: string(r.PUID), ExternalID: string(r.ExternalID),
					Created: r.Created, Vector: r.Embedding.Vector,
				}
				if row.Consent, err = json.Marshal(r.Consent); err != nil {
					return err
				}
				if row.Source, err = json.Marshal(r.Source); err != nil {
					return err
				}
				l.history.note("row", row)
			}
		}
	}
	return nil
}

// dumpObjects notes the result objects.
func (l *load) dumpObjects(ctx context.Context) error {
	for id, ref := range l.objectOf {
		note := noteObject{Request: id}
		data, _, err := l.objects.Get(ctx, ref, 1<<20)
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			note.Error = err.Error()
		case !json.Valid(data):
			note.Error = "it is no JSON"
		default:
			note.Data = data
		}
		l.history.note("object", note)
	}
	return nil
}

// watchCommits notes the offsets that the groups of the services commit.
func watchCommits(ctx context.Context, client *events.Client, h *history) (looked int) {
	seen := map[noteCommit]bool{}
	for retry.Sleep(ctx, 500*time.Millisecond) {
		topics, err := client.Describe(ctx, events.Objects, events.Requests, events.Jobs, events.Analyses)
		if err != nil {
			continue // the broker is away
		}
		looked++
		now := map[noteCommit]bool{}
		for _, t := range topics {
			for _, g := range t.Groups {
				for partition, offset := range g.Committed {
					c := noteCommit{g.Group, string(t.Topic), partition, offset}
					if now[c] = true; !seen[c] {
						h.note("commit", c)
					}
				}
			}
		}
		seen = now
	}
	return looked
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"facestream/internal/config"
	"facestream/internal/gallery/drivers"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// verdict counts what was compared with the ledger.
type verdict struct {
	repeats, later, buried, rows, objects int
}

// checkOutcomes compares every result and dead letter with the ledger: each request must have exactly the expected
// outcome. A repeated search is answered from the gallery of its time, so the copies of its result may differ from the
// first one.
func (l *load) checkOutcomes(v *verdict) error {
	l.results.mu.Lock()
	defer l.results.mu.Unlock()
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for id := range l.ledger {
		if len(l.results.byID[id]) == 0 {
			wrong("request %s was lost", id)
		}
	}
	for id, copies := range l.results.byID {
		e, ok := l.ledger[id]
		if !ok {
			wrong("request %s was never sent, but has an outcome", id)
			continue
		}
		first := copies[0]
		if err := e.holds(first.result); err != nil {
			wrong("request %s: %w", id, err)
		}
		for _, c := range copies[1:] {
			v.repeats++
			switch {
			case c.event != first.event:
				wrong("request %s has two outcomes: %s and %s", id, first.event, c.event)
			case reflect.DeepEqual(c.result, first.result):
			case e.operation == schema.OpPredict:
				v.later++
			default:
				wrong("request %s (%s) was answered twice, and differently", id, e.operation)
			}
		}
	}
	for value := range l.dead {
		if l.results.dead[value] == 0 {
			wrong("%q is not a dead letter", value)
		}
	}
	for value := range l.results.dead {
		if !l.dead[value] {
			wrong("an unexpected dead letter: %.200s", value)
		}
		v.buried++
	}
	return errors.Join(problems...)
}

// checkObjects compares the result objects with the results.
func (l *load) checkObjects(ctx context.Context, v *verdict) error {
	var problems []error
	for id, e := range l.ledger {
		if e.object.Key == "" {
			continue
		}
		data, _, err := l.objects.Get(ctx, e.object, 1<<20)
		var r schema.Result
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err == nil && (r.RequestID != id || e.operation != schema.OpPredict && e.holds(r) != nil) {
			err = errors.New("it is another result")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("the result object of request %s: %w", id, err))
		}
		v.objects++
	}
	return errors.Join(problems...)
}

// checkGallery compares the rows of every collection with the enrolments and deletions.
func (l *load) checkGallery(ctx context.Context, cfg config.Gallery, v *verdict) error {
	g, err := drivers.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer g.Close()
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for c, want := range l.rows {
		have := map[string]bool{}
		for after, first := "", true; first || after != ""; first = false {
			page, err := g.List(ctx, c, after, 1000)
			if err != nil {
				return err
			}
			after = page.Next
			for _, row := range page.Rows {
				if have[row.ID] {
					wrong("collection %s: row %s is there twice", c, row.ID)
				}
				have[row.ID] = true
				if !want[row.ID] {
					wrong("collection %s: row %s of %s exists, but no result names it or it was deleted", c, row.ID, string(row.ExternalID))
				}
			}
		}
		for id := range want {
			if !have[id] {
				wrong("collection %s: row %s was lost", c, id)
			}
		}
		v.rows += len(have)
	}
	return errors.Join(problems...)
}

// fence watches the offsets that the groups of the services have committed. They must never go back: a process that was
// paused while another took over its work must not commit (invariant 1).
type fence struct {
	client *events.Client
	looked int
	back   []error
}

func (f *fence) watch(ctx context.Context) {
	type place struct {
		group     string
		topic     events.Topic
		partition int
	}
	highest := map[place]int64{}
	for retry.Sleep(ctx, 500*time.Millisecond) {
		topics, err := f.client.Describe(ctx, events.Objects, events.Requests, events.Jobs, events.Analyses)
		if err != nil {
			continue // the broker is away
		}
		f.looked++
		for _, t := range topics {
			for _, g := range t.Groups {
				for partition, offset := range g.Committed {
					at := place{g.Group, t.Topic, partition}
					if offset < highest[at] {
						f.back = append(f.back, fmt.Errorf("%s, partition %d of %s: the committed offset went back from %d to %d", g.Group, partition, t.Topic, highest[at], offset))
					}
					highest[at] = offset
				}
			}
		}
	}
}

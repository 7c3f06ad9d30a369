package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"facestream/internal/verdict"
	"facestream/pkg/engine"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// task is what the stream asks its engine to do for an operation, as a job that it wrote says, and what the bare engine finds then.
type task struct {
	params engine.Params
	found  map[string]finding // by the name of the picture
}

// finding is what is comparable of an analysis.
type finding struct {
	faces  []byte // JSON
	probes [][]float32
	models []schema.ModelRun
	steps  []string // sorted
}

// warmUp sends a picture each way, and lets the bare engine look at every picture once as the stream does.
func (b *bench) warmUp(ctx context.Context) (enroll, predict *task, err error) {
	from, err := b.ends(ctx)
	if err != nil {
		return nil, nil, err
	}
	id, err := b.upload(ctx, b.distinct[0].File)
	if err != nil {
		return nil, nil, err
	}
	if _, err := b.Results.Await(ctx, id); err != nil {
		return nil, nil, err
	}
	ref, err := b.Put(ctx, "bench/first.jpg", b.distinct[0].File)
	if err != nil {
		return nil, nil, err
	}
	if _, err := b.Call(ctx, schema.Request{Operation: schema.OpPredict, Collection: collection, Images: []schema.ObjectRef{ref}}); err != nil {
		return nil, nil, err
	}
	written, err := b.analyses(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	tasks := map[schema.Operation]*task{}
	for _, a := range written {
		if tasks[a[0].Operation], err = b.taskOf(ctx, &a[0].Job); err != nil {
			return nil, nil, err
		}
	}
	enroll, predict = tasks[schema.OpEnroll], tasks[schema.OpPredict]
	if enroll == nil || predict == nil {
		return nil, nil, fmt.Errorf("the stream did not analyse %s, with which it was to begin", b.distinct[0].Name)
	}
	return enroll, predict, nil
}

func (b *bench) taskOf(ctx context.Context, job *schema.Job) (*task, error) {
	judged, err := verdict.New(job, b.verdict)
	if err != nil {
		return nil, err
	}
	t := &task{params: judged.Params(), found: map[string]finding{}}
	for _, p := range b.distinct {
		a, err := b.engine.Analyze(ctx, p.File, t.params)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		f := finding{models: a.Models, steps: slices.Sorted(maps.Keys(a.Timings))}
		var faces []schema.FaceResult
		for i := range a.Faces {
			faces = append(faces, judged.Face(&a.Faces[i], 0, len(a.Faces)))
			if e := a.Faces[i].Embedding; e != nil {
				f.probes = append(f.probes, e.Vector)
			}
		}
		if f.faces, err = json.Marshal(faces); err != nil {
			return nil, err
		}
		t.found[p.Name] = f
	}
	return t, nil
}

// ends are the present ends of the partitions of facestream.analyses.
func (b *bench) ends(ctx context.Context) (map[int]int64, error) {
	all, err := b.Client.Ends(ctx, events.Analyses)
	from := map[int]int64{}
	for partition, end := range all[events.Analyses] {
		from[partition] = end
	}
	return from, err
}

// analyses reads what the stream's worker found, by the request; more than one analysis of a request is work done twice.
func (b *bench) analyses(ctx context.Context, from map[int]int64) (map[schema.RequestID][]*schema.Analysis, error) {
	found := map[schema.RequestID][]*schema.Analysis{}
	err := b.Client.ReadPresent(ctx, events.Analyses, from, func(r events.Record) error {
		var a schema.Analysis
		if err := json.Unmarshal(r.Event.Data, &a); err != nil {
			return err
		}
		found[a.ID] = append(found[a.ID], &a)
		return nil
	})
	return found, err
}

// compare fails unless the stream analysed each picture once, and asked the engine for, and got, the same as the bare side. ids are
// the requests for the pictures of a round.
func (b *bench) compare(ctx context.Context, t *task, from map[int]int64, ids []schema.RequestID, steps *steps) error {
	written, err := b.analyses(ctx, from)
	if err != nil {
		return err
	}
	var problems []error
	for i, id := range ids {
		picture := b.pictures[i]
		alone, seen := t.found[picture.Name], written[id]
		delete(written, id)
		if len(seen) == 0 && len(alone.probes) == 0 {
			continue // the worker itself answers that there is no face
		}
		if len(seen) != 1 {
			problems = append(problems, fmt.Errorf("%s: the stream analysed it %d times", picture.Name, len(seen)))
			continue
		}
		steps.stream(seen[0].Timings)
		judged, err := verdict.New(&seen[0].Job, b.verdict)
		if err != nil {
			return err
		}
		if why := differs(t.params, alone, judged.Params(), seen[0]); why != "" {
			problems = append(problems, fmt.Errorf("%s: %s", picture.Name, why))
		}
	}
	if len(written) > 0 {
		problems = append(problems, fmt.Errorf("the stream worked on %d requests that nobody sent", len(written)))
	}
	if len(problems) > 5 {
		problems = append(problems[:5], fmt.Errorf("and %d others", len(problems)-5))
	}
	return errors.Join(problems...)
}

// differs says in what the stream's work on a picture differs from that of the bare engine; "" in nothing.
func differs(asked engine.Params, alone finding, inStream engine.Params, seen *schema.Analysis) string {
	if !reflect.DeepEqual(asked, inStream) {
		return fmt.Sprintf("the stream asks the engine for %+v, and the bare side for %+v", inStream, asked)
	}
	if len(seen.Others) > 0 {
		return fmt.Sprintf("the stream looked at it with %d packs", 1+len(seen.Others))
	}
	if faces, err := json.Marshal(seen.Faces); err != nil || !bytes.Equal(faces, alone.faces) {
		return fmt.Sprintf("the stream found %d faces %s, and the bare engine %s", len(seen.Faces), faces, alone.faces)
	}
	probes := [][]float32(nil)
	for _, p := range seen.Probes {
		probes = append(probes, p.Vector)
	}
	if !reflect.DeepEqual(probes, alone.probes) {
		return "the embeddings differ"
	}
	if !reflect.DeepEqual(seen.Models, alone.models) {
		return fmt.Sprintf("the stream ran %v, and the bare engine %v", seen.Models, alone.models)
	}
	var steps []string
	for step := range seen.Timings {
		if step != "fetch" { // from the object store
			steps = append(steps, step)
		}
	}
	if slices.Sort(steps); !slices.Equal(steps, alone.steps) {
		return fmt.Sprintf("the stream took the steps %q, and the bare engine %q", steps, alone.steps)
	}
	return ""
}

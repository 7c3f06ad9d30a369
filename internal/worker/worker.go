// Package worker turns jobs into analyses. It fetches the images of a job, lets the engine analyse them, and publishes
// an analysis, or a result if the job does not need the gallery. Package verdict makes the decisions.
package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/outcome"
	"facestream/internal/verdict"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Objects fetches images and stores the images that are made from them. Get returns exactly the version that ref names,
// or a permanent error.
type Objects interface {
	Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error)
	outcome.Objects
}

// Engine analyses one image. It is safe for concurrent use.
type Engine interface {
	Analyze(ctx context.Context, image []byte, p engine.Params) (*engine.Analysis, error)
}

// Pack is a model pack that is loaded.
type Pack struct {
	Engine  Engine
	Verdict verdict.Pack // of the same pack
}

// Service handles the records of facestream.jobs. Set its fields before the first use.
type Service struct {
	Objects Objects
	// Packs returns the packs that serve a collection, "" for none: at least one.
	Packs     func(schema.Collection) []Pack
	Publisher outcome.Publisher
	Results   *outcome.Sink
	MaxBytes  int64
	Stage     func(stage string, took time.Duration) // records the time of a stage; may be nil
	Log       zerolog.Logger
}

// Handle processes one job. nil means that its analysis or its result is durable (invariant 1).
func (s *Service) Handle(ctx context.Context, r events.Record) error {
	var job schema.Job
	if err := json.Unmarshal(r.Event.Data, &job); err != nil || job.ID == "" {
		return schema.Permanent("worker.job", schema.ReasonUnparsable, fmt.Errorf("the record is not a job: %w", err))
	}
	trace := r.Event.TraceParent
	if job.Expired(time.Now()) {
		return s.Results.Publish(ctx, &job, schema.NewResult(&job, schema.ReasonExpired, "the deadline passed before the work began"), trace)
	}
	a, err := s.analyze(ctx, &job)
	if err == nil {
		err = s.keepPortraits(ctx, a)
	}
	if reason := schema.ReasonOf(err); reason != "" {
		return s.Results.Publish(ctx, &job, schema.NewResult(&job, reason, schema.MessageOf(err)), trace)
	} else if err != nil {
		return err
	}
	if result := a.verdict.Answer(a.found); result != nil {
		result.Work = a.Work
		return s.Results.Publish(ctx, &job, result, trace)
	}
	a.Faces, a.Probes, a.Feedback = a.found.Faces, a.found.Probes, a.verdict.Feedback(a.found, "")
	data, err := json.Marshal(&a.Analysis)
	if err != nil {
		return schema.Fatal("worker.analysis", err)
	}
	return s.Publisher.Publish(ctx, events.Analyses, s.Results.Event(events.TypeAnalysis, &job, data, trace))
}

// analysis is the state of a job in the worker: its wire form, its case, and what was found in its images.
type analysis struct {
	schema.Analysis
	verdict   *verdict.Case
	found     verdict.Found
	portraits map[int]*face.Portrait // by the index of the face in found
}

func (s *Service) analyze(ctx context.Context, job *schema.Job) (*analysis, error) {
	pack := s.Packs(job.Collection)[0]
	judged, err := verdict.New(job, pack.Verdict)
	if err != nil {
		return nil, err
	}
	a := &analysis{Analysis: schema.Analysis{Job: *job, Work: schema.Work{Timings: map[string]float64{}}}, verdict: judged, portraits: map[int]*face.Portrait{}}
	if job.Operation.Images() == 0 {
		return a, nil
	}
	a.found.Faces = []schema.FaceResult{} // none found yet
	thresholds := judged.Thresholds()
	a.Thresholds = &thresholds
	params := judged.Params()
	for i, ref := range job.Images {
		start := time.Now()
		image, _, err := s.Objects.Get(ctx, ref, s.MaxBytes)
		s.measure(a, "fetch", time.Since(start))
		if err != nil {
			return nil, aboutImage(i, err)
		}
		seen, err := pack.Engine.Analyze(ctx, image, params)
		if err != nil {
			return nil, aboutImage(i, err)
		}
		a.ran(seen.Models)
		if seen.Damage != "" {
			a.DamagedImages = append(a.DamagedImages, schema.DamagedImage{Image: i, Message: seen.Damage})
		}
		for stage, took := range seen.Timings {
			s.measure(a, stage, took)
		}
		if a.add(seen, i); judged.TooMany(a.found) {
			break
		}
	}
	return a, nil
}

// add takes over what an image shows.
func (a *analysis) add(seen *engine.Analysis, image int) {
	if d := seen.Document; d != nil {
		a.Documents = append(a.Documents, schema.DocumentOutline{Image: image, Corners: d.Corners, Confidence: d.Confidence})
	}
	for i := range seen.Faces {
		o := &seen.Faces[i]
		a.found.Faces = append(a.found.Faces, a.verdict.Face(o, image, len(seen.Faces)))
		if o.Embedding != nil {
			a.found.Probes = append(a.found.Probes, *o.Embedding)
		}
		if o.Unportrayed != nil {
			a.found.Unportrayed = aboutImage(image, o.Unportrayed)
		}
		if len(o.Portraits) > 0 {
			a.portraits[len(a.found.Faces)-1] = o.Portraits[0]
		}
	}
}

// ran adds the networks that ran for an image to those that ran for earlier images.
func (a *analysis) ran(runs []schema.ModelRun) {
	for _, m := range runs {
		if !slices.Contains(a.Models, m) {
			a.Models = append(a.Models, m)
		}
	}
}

// aboutImage adds to err which image of the request it concerns.
func aboutImage(i int, err error) error {
	if reason := schema.ReasonOf(err); reason != "" {
		return schema.Permanent("worker.image", reason, fmt.Errorf("images[%d]: %s", i, schema.MessageOf(err)))
	}
	return fmt.Errorf("images[%d]: %w", i, err)
}

func (s *Service) measure(a *analysis, stage string, took time.Duration) {
	a.Timings[stage] += float64(took.Microseconds()) / 1000
	if s.Stage != nil {
		s.Stage(stage, took)
	}
}

// Package worker turns jobs into analyses: it fetches the images of a job, runs the networks, and answers by itself what
// needs no gallery.
package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/outcome"
	"facestream/pkg/engine"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Objects fetches images. Get answers exactly the version that ref names, or a permanent error.
type Objects interface {
	Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error)
}

// Engine analyses one image. It is safe for concurrent use.
type Engine interface {
	Analyze(ctx context.Context, image []byte, p engine.Params) (*engine.Analysis, error)
}

// Service handles the records of facestream.jobs. Its fields are set once, before use.
type Service struct {
	Objects   Objects
	Engine    Engine
	Publisher outcome.Publisher
	Results   *outcome.Sink
	MaxBytes  int64
	// Thresholds are those of the model pack, for requests that set none.
	Thresholds schema.Thresholds
	// MinConfidence is the pack's; a request can ask for more, not for less, because below it noise has faces.
	MinConfidence float32
	Stage         func(stage string, took time.Duration) // measures a stage; may be nil
	Log           zerolog.Logger
}

// Handle does one job. nil means that its analysis or its result is durable (invariant 1).
func (s *Service) Handle(ctx context.Context, r events.Record) error {
	var job schema.Job
	if err := json.Unmarshal(r.Event.Data, &job); err != nil || job.ID == "" {
		return schema.Permanent("worker.job", schema.ReasonUnparsable, fmt.Errorf("the record is no job: %w", err))
	}
	trace := r.Event.TraceParent
	if job.Expired(time.Now()) {
		return s.Results.Publish(ctx, &job, schema.NewResult(&job, schema.ReasonExpired, "the deadline passed before the work began"), trace)
	}
	a, err := s.analyze(ctx, &job)
	if reason := schema.ReasonOf(err); reason != "" {
		return s.Results.Publish(ctx, &job, schema.NewResult(&job, reason, schema.MessageOf(err)), trace)
	} else if err != nil {
		return err
	}
	if result := s.answer(a); result != nil {
		return s.Results.Publish(ctx, &job, result, trace)
	}
	data, err := json.Marshal(&a.Analysis)
	if err != nil {
		return schema.Fatal("worker.analysis", err)
	}
	return s.Publisher.Publish(ctx, events.Analyses, s.Results.Event(events.TypeAnalysis, &job, data, trace))
}

// analysis is what the worker knows of a job: the wire form, and which of its faces came from which image.
type analysis struct {
	schema.Analysis
	perImage [][]int // indices into Faces
}

func (s *Service) analyze(ctx context.Context, job *schema.Job) (*analysis, error) {
	config, problems := schema.ResolveConfig(job.Operation, job.Config)
	if len(problems) > 0 {
		return nil, schema.Permanent("worker.config", problems.Reason(), problems)
	}
	a := &analysis{Analysis: schema.Analysis{Job: *job, Timings: map[string]float64{}}}
	if job.Operation.Images() == 0 {
		return a, nil
	}
	a.Thresholds = thresholds(config, s.Thresholds)
	params := engine.Params{
		MinConfidence: max(s.MinConfidence, config.MinConfidence(job.Operation)),
		Strategy:      engine.Strategy(config.FaceDetectionStrategy),
		Embed:         job.Operation != schema.OpValidate,
	}
	for i, ref := range job.Images {
		start := time.Now()
		image, _, err := s.Objects.Get(ctx, ref, s.MaxBytes)
		s.measure(a, "fetch", time.Since(start))
		if err != nil {
			return nil, aboutImage(i, err)
		}
		found, err := s.Engine.Analyze(ctx, image, params)
		if err != nil {
			return nil, aboutImage(i, err)
		}
		a.Models = found.Models
		for stage, took := range found.Timings {
			s.measure(a, stage, took)
		}
		var indices []int
		for _, f := range found.Faces {
			indices = append(indices, len(a.Faces))
			a.Faces = append(a.Faces, faceResult(f, i))
			if params.Embed {
				a.Probes = append(a.Probes, *f.Embedding)
			}
		}
		a.perImage = append(a.perImage, indices)
	}
	return a, nil
}

// aboutImage says which image of the request err is about.
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

// thresholds are the request's where it sets them, else the pack's, times fudge_factor.
func thresholds(config schema.OperationConfig, pack schema.Thresholds) *schema.Thresholds {
	pick := func(asked *float32, pack float32) float32 {
		if asked != nil {
			pack = *asked
		}
		return pack * config.FudgeFactor
	}
	return &schema.Thresholds{
		Min: pick(config.FaceThresholdsMin, pack.Min),
		Med: pick(config.FaceThresholdsMed, pack.Med),
		Max: pick(config.FaceThresholdsMax, pack.Max),
	}
}

func faceResult(f engine.Face, image int) schema.FaceResult {
	return schema.FaceResult{
		Geometry: schema.FaceGeometry{
			BoundingBox: f.Box, EyeLeft: f.Points[0], EyeRight: f.Points[1], Landmarks: f.Points[:], Confidence: f.Confidence,
		},
		SpoofStatus: schema.SpoofNotPerformed,
		Image:       image,
	}
}

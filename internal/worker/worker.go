// Package worker turns jobs into analyses: it fetches the images of a job, runs the networks, and answers by itself what
// needs no gallery.
package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/outcome"
	"facestream/internal/traits"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Objects fetches images and keeps those that are made of them. Get answers exactly the version that ref names, or a
// permanent error.
type Objects interface {
	Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error)
	outcome.Objects
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
	Pack      Pack
	Stage     func(stage string, took time.Duration) // measures a stage; may be nil
	Log       zerolog.Logger
}

// Pack is what the worker knows of the engine's model pack.
type Pack struct {
	Name string
	// Models are the networks that the engine has loaded.
	Models []schema.ModelRun
	// Thresholds are the cosines for requests that set none.
	Thresholds schema.Thresholds
	// MinConfidence is the least of a face; a request can ask for more, not for less, because below it noise has faces.
	MinConfidence float32
	// Liveness are the operating points of the liveness networks, Traits those of the networks and measures behind the traits.
	Liveness OperatingPoints
	Traits   traits.Calibration
}

// Has reports whether the pack has a network for role.
func (p Pack) Has(role models.Role) bool {
	return slices.ContainsFunc(p.Models, func(m schema.ModelRun) bool { return m.Role == string(role) })
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
	if err == nil {
		err = s.keepPortraits(ctx, a)
	}
	if reason := schema.ReasonOf(err); reason != "" {
		return s.Results.Publish(ctx, &job, schema.NewResult(&job, reason, schema.MessageOf(err)), trace)
	} else if err != nil {
		return err
	}
	if result := s.answer(a); result != nil {
		return s.Results.Publish(ctx, &job, result, trace)
	}
	a.Feedback = a.feedback("")
	data, err := json.Marshal(&a.Analysis)
	if err != nil {
		return schema.Fatal("worker.analysis", err)
	}
	return s.Publisher.Publish(ctx, events.Analyses, s.Results.Event(events.TypeAnalysis, &job, data, trace))
}

// analysis is what the worker knows of a job: the wire form, which of its faces came from which image, and the
// configuration that it was made under.
type analysis struct {
	schema.Analysis
	perImage  [][]int // indices into Faces
	config    schema.OperationConfig
	portraits map[int]*face.Portrait // of the one face of face_iso, or of those of the result by their indices
	kept      *schema.OutputImage    // where the portrait of face_iso lies in the store
	// unportrayed is why face_iso could make none.
	unportrayed error
}

func (s *Service) analyze(ctx context.Context, job *schema.Job) (*analysis, error) {
	config, problems := job.Configuration()
	if len(problems) > 0 {
		return nil, schema.Permanent("worker.config", problems.Reason(), problems)
	}
	a := &analysis{Analysis: schema.Analysis{Job: *job, Timings: map[string]float64{}}, config: config, portraits: map[int]*face.Portrait{}}
	if job.Operation.Images() == 0 {
		return a, nil
	}
	a.Faces = []schema.FaceResult{} // none found, so far
	if err := s.Pack.performs(job.Operation); err != nil {
		return nil, err
	}
	params := s.params(job.Operation, config)
	thresholds, problems := thresholds(config.Matching, s.Pack.Thresholds)
	if params.Embed && len(problems) > 0 {
		return nil, schema.Permanent("worker.thresholds", problems.Reason(), problems)
	}
	a.Thresholds = thresholds
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
		a.ran(found.Models)
		for stage, took := range found.Timings {
			s.measure(a, stage, took)
		}
		var indices []int
		for k := range found.Faces {
			f := &found.Faces[k]
			indices = append(indices, len(a.Faces))
			a.Faces = append(a.Faces, s.faceResult(f, len(found.Faces), i, job.Operation, config))
			if params.Embed {
				a.Probes = append(a.Probes, *f.Embedding)
			}
			if job.Operation == schema.OpFaceISO && len(found.Faces) > 1 {
				continue // the answer is that these are too many
			}
			if job.Operation == schema.OpFaceISO && f.Unportrayed != nil {
				if a.unportrayed = aboutImage(i, f.Unportrayed); schema.ReasonOf(a.unportrayed) == "" {
					return nil, a.unportrayed
				}
			}
			if len(f.Portraits) > 0 {
				a.portraits[len(a.Faces)-1] = f.Portraits[0]
			}
		}
		a.perImage = append(a.perImage, indices)
		if len(a.Faces) > schema.MaxCompareFaces && job.Operation == schema.OpCompare {
			break // the answer is that these are too many
		}
	}
	return a, nil
}

// ran adds the networks that ran for an image to those that ran before.
func (a *analysis) ran(runs []schema.ModelRun) {
	for _, m := range runs {
		if !slices.Contains(a.Models, m) {
			a.Models = append(a.Models, m)
		}
	}
}

// performs says which role op needs that p lacks: permanent with reason role_absent. Roles without which only a part of
// the answer is missing are not needed; the engine itself answers for the detector and the embedding.
func (p Pack) performs(op schema.Operation) error {
	role := map[schema.Operation]models.Role{schema.OpEstimateAge: models.RoleAge, schema.OpAntiSpoofing: models.RoleLiveness}[op]
	if role == "" || p.Has(role) {
		return nil
	}
	return schema.Permanent("worker.pack", schema.ReasonRoleAbsent, fmt.Errorf("the model pack %q has no %s network, which %s needs", p.Name, role, op))
}

// params says what the engine is asked for.
func (s *Service) params(op schema.Operation, config schema.OperationConfig) engine.Params {
	p := engine.Params{
		MinConfidence: max(s.Pack.MinConfidence, config.MinConfidence(op)),
		Strategy:      engine.Strategy(config.Detection.Strategy),
		Turn:          config.Detection.Turn,
		Attributes:    !config.Quality.ValidationsOff || config.Quality.Smile,
		Age:           op == schema.OpEstimateAge,
		Quality:       config.Quality.GroupNames(),
	}
	switch op {
	case schema.OpEnroll, schema.OpPredict, schema.OpCompare, schema.OpVerify:
		p.Embed = true
	}
	switch o := portraitOptions(config.Portrait); {
	case op == schema.OpFaceISO:
		p.Portraits = []face.PortraitOptions{o}
	case config.Portrait.CropFaces:
		o.Background = nil
		p.Portraits = []face.PortraitOptions{o}
	}
	switch op {
	case schema.OpValidate, schema.OpEnroll, schema.OpPredict, schema.OpVerify, schema.OpAntiSpoofing:
		if s.Pack.Has(models.RoleLiveness) {
			p.Liveness = int(config.Liveness.Mode)
		}
		// Who asks for it learns that the pack cannot: an attack that nobody looked for must not pass for none.
		p.Documents = config.Liveness.DetectDocument && config.Liveness.Mode != schema.LivenessOff
	}
	return p
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

// thresholds are the request's where it sets them, else the pack's, times fudge_factor. Thresholds that contradict each
// other are a problem: no score could be judged by them.
func thresholds(config schema.MatchingConfig, pack schema.Thresholds) (*schema.Thresholds, schema.Problems) {
	type threshold struct {
		key   string
		value float32
		asked bool
	}
	pick := func(key string, asked *float32, pack float32) threshold {
		if asked != nil {
			return threshold{key, *asked, true}
		}
		return threshold{key, pack, false}
	}
	inForce := []threshold{
		pick("face_thresholds_min", config.Min, pack.Min),
		pick("face_thresholds_med", config.Med, pack.Med),
		pick("face_thresholds_max", config.Max, pack.Max),
	}
	var problems schema.Problems
	for i, low := range inForce[:2] {
		high := inForce[i+1]
		if low.value <= high.value {
			continue
		}
		named, word, other := low, "exceeds", high
		if !low.asked {
			named, word, other = high, "is below", low
		}
		whose := "that of the request"
		if !other.asked {
			whose = "the model pack's; set it as well"
		}
		problems = append(problems, schema.Problem{Field: "config." + named.key, Reason: schema.ReasonInvalidConfiguration,
			Message: fmt.Sprintf("is %v and %s %s, which is %v, %s", named.value, word, other.key, other.value, whose)})
	}
	return &schema.Thresholds{
		Min: inForce[0].value * config.FudgeFactor,
		Med: inForce[1].value * config.FudgeFactor,
		Max: inForce[2].value * config.FudgeFactor,
	}, problems
}

// faceResult is o, one of faces faces of an image, as it goes into the result.
func (s *Service) faceResult(o *face.Observation, faces, image int, op schema.Operation, config schema.OperationConfig) schema.FaceResult {
	r := schema.FaceResult{
		Geometry: schema.FaceGeometry{
			BoundingBox: o.Box, EyeLeft: o.Points[0], EyeRight: o.Points[1], Landmarks: o.Points[:], Confidence: o.Confidence, Turned: o.Turned,
		},
		Image: image,
	}
	if o.Turned != 0 {
		box := o.Original()
		r.Geometry.OriginalBox = &box
	}
	scores := traits.Scores(o, s.Pack.Traits, config.Quality.Smile)
	r.Traits = traits.Of(o, s.Pack.Traits, scores, config, op)
	r.TraitNames = schema.TraitNames(r.Traits)
	if faces <= schema.MaxDetailedFaces {
		r.Quality = o.Quality
		r.Scores = scores
		if !slices.ContainsFunc(o.Landmarks, func(p schema.PointF) bool { return !traits.Finite(p.X) || !traits.Finite(p.Y) }) {
			r.Geometry.Outline = o.Landmarks
		}
	}
	if p := o.Pose; p != nil && traits.Finite(p.Yaw) && traits.Finite(p.Pitch) && traits.Finite(p.Roll) {
		r.Pose = &schema.PoseAngles{Yaw: p.Yaw, Pitch: p.Pitch, Roll: p.Roll}
	}
	r.SpoofStatus, r.Liveness = s.Pack.Liveness.judge(o, config)
	if a := o.Age; a != nil && traits.Finite(a.Years) && traits.Finite(a.Deviation) && traits.Finite(a.Confidence) {
		r.Age = &schema.AgeData{Confidence: a.Confidence, Estimated: a.Years, Deviation: a.Deviation}
		if config.Quality.LowerAge {
			r.Age.Estimated = max(a.Years-a.Deviation, 0)
		}
	}
	return r
}

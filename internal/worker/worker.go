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

	"facestream/internal/challenge"
	"facestream/internal/outcome"
	"facestream/internal/verdict"
	"facestream/pkg/engine"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Objects fetches images and stores the images that are made from them. Get returns exactly the version that ref names,
// or a permanent error. Remove removes an object with all its versions; one that is not there is no error.
type Objects interface {
	Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error)
	Remove(ctx context.Context, ref schema.ObjectRef) error
	outcome.Objects
}

// Engine analyses one image or one recording. It is safe for concurrent use.
type Engine interface {
	Analyze(ctx context.Context, image []byte, p engine.Params) (*engine.Analysis, error)
	Hear(ctx context.Context, recording []byte) (*engine.Heard, error)
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
	Files     *Files // what the files of all jobs take together; nil: any
	Challenge challenge.Issuer
	Stage     func(stage string, took time.Duration) // records the time of a stage; may be nil
	Log       zerolog.Logger
}

// Handle processes one job. nil means that its analysis or its result is durable (invariant 1).
func (s *Service) Handle(ctx context.Context, r events.Record) error {
	var job schema.Job
	if err := json.Unmarshal(r.Event.Data, &job); err != nil || job.ID == "" {
		return schema.Permanent("worker.job", schema.ReasonUnparsable, fmt.Errorf("the record is not a job: %w", schema.Unread(err)))
	}
	trace := r.Event.TraceParent
	if job.Expired(time.Now()) {
		return s.Results.Publish(ctx, &job, schema.NewResult(&job, schema.ReasonExpired, "the deadline passed before the work began"), trace)
	}
	if job.Operation == schema.OpChallenge {
		return s.challenge(ctx, &job, trace)
	}
	packs := s.Packs(job.Collection)
	if !job.Operation.NeedsGallery() || job.Operation.Images() == 0 { // no embedding is compared with those of the collection
		packs = packs[:1]
	} else if job.Operation.OnVoices() {
		packs = hearing(packs, job.Operation)
	}
	files := s.fetcher(&job)
	defer files.close()
	var found []schema.Finding
	var written []schema.ObjectRef // the portraits
	for i, pack := range packs {
		by := ""
		if i > 0 {
			by = pack.Verdict.Name
		}
		f, err := s.find(ctx, &job, pack, by, files, &written)
		if err != nil {
			return err
		}
		found = append(found, f)
	}
	answered := !slices.ContainsFunc(found, func(f schema.Finding) bool { return f.Answer == nil })
	if answered {
		found = found[:1]
	}
	if err := s.removeUnnamed(ctx, written, found); err != nil {
		return err
	}
	if answered {
		return s.Results.Publish(ctx, &job, found[0].Answer, trace)
	}
	data, err := json.Marshal(schema.NewAnalysis(job, found))
	if err != nil {
		return schema.Fatal("worker.analysis", err)
	}
	return s.Publisher.Publish(ctx, events.Analyses, s.Results.Event(events.TypeAnalysis, &job, data, trace))
}

// hearing returns the packs that can perform op, or the first one, which says what is missing. A pack that hears nothing has no say
// about voices.
func hearing(packs []Pack, op schema.Operation) []Pack {
	able := slices.DeleteFunc(slices.Clone(packs), func(p Pack) bool { return p.Verdict.Performs(op) != nil })
	if len(able) == 0 {
		return packs[:1]
	}
	return able
}

// Isolated returns the handler of jobs during which processes died. apart works on one where it harms nobody else. A job
// that cannot be worked on even there is answered with internal_error. The error of the handler then makes it a dead letter
// as well, with which the cause can be found.
func (s *Service) Isolated(apart events.Handler) events.Handler {
	return func(ctx context.Context, r events.Record) error {
		why := fmt.Errorf("%d processes died while they worked on the job", r.Deaths)
		if r.Deaths < events.MaxDeaths-1 {
			err := apart(ctx, r)
			if err == nil || ctx.Err() != nil || schema.ClassOf(err) != schema.ClassUnknown {
				return err
			}
			why = fmt.Errorf("%w; then it was worked on alone: %w", why, err)
		}
		var job schema.Job
		if err := json.Unmarshal(r.Event.Data, &job); err != nil || job.ID == "" {
			return schema.Permanent("worker.job", schema.ReasonUnparsable, fmt.Errorf("the record is not a job: %w", schema.Unread(err)))
		}
		result := schema.NewResult(&job, schema.ReasonInternal, "the process that worked on the request died, again and again; the request is not tried again")
		if err := s.Results.Publish(ctx, &job, result, r.Event.TraceParent); err != nil {
			return err
		}
		return schema.Permanent("worker.isolated", schema.ReasonInternal, why)
	}
}

// challenge issues the challenge that a job asks for.
func (s *Service) challenge(ctx context.Context, job *schema.Job, trace string) error {
	config, problems := job.Configuration()
	if len(problems) > 0 {
		return s.Results.Publish(ctx, job, schema.NewResult(job, problems.Reason(), problems.Error()), trace)
	}
	issued, err := s.Challenge.Issue(job, config.Challenge)
	if reason := schema.ReasonOf(err); reason != "" {
		return s.Results.Publish(ctx, job, schema.NewResult(job, reason, schema.MessageOf(err)), trace)
	} else if err != nil {
		return err
	}
	r := schema.NewResult(job, "", "")
	r.Challenge = issued
	return s.Results.Publish(ctx, job, r, trace)
}

// find returns what pack finds in the images of job. A permanent error is an answer.
func (s *Service) find(ctx context.Context, job *schema.Job, pack Pack, by string, files *fetcher, written *[]schema.ObjectRef) (schema.Finding, error) {
	a, err := s.analyze(ctx, job, pack, by, files, written)
	if reason := schema.ReasonOf(err); reason != "" {
		return schema.Finding{Answer: schema.NewResult(job, reason, schema.MessageOf(err))}, nil
	} else if err != nil {
		return schema.Finding{}, err
	}
	if result := a.verdict.Answer(a.found); result != nil {
		result.Work = a.Work
		return schema.Finding{Answer: result}, nil
	}
	return schema.Finding{Faces: a.found.Faces, Probes: a.found.Probes, Thresholds: a.thresholds, DocumentThresholds: a.documents, Work: a.Work, Feedback: a.verdict.Feedback(a.found, "")}, nil
}

// analysis is the state of a job under one pack: its case, and what was found in its images.
type analysis struct {
	schema.Job
	schema.Work
	thresholds *schema.Thresholds
	documents  *schema.Thresholds // for rows of the gallery that show a document; nil where they are the same
	by         string             // the name of the pack, unless it is the first of the collection
	verdict    *verdict.Case
	found      verdict.Found
	kept       map[int]*schema.OutputImage // the portraits that are stored, by the index of the face in found
	pixels     int                         // of kept
	scan       *schema.OutputImage         // the picture of the document that is stored
	codes      map[int]*schema.OutputImage // the pictures of the barcodes that are stored, by their index
	written    *[]schema.ObjectRef         // the pictures of all packs
}

func (s *Service) analyze(ctx context.Context, job *schema.Job, pack Pack, by string, files *fetcher, written *[]schema.ObjectRef) (*analysis, error) {
	judged, err := verdict.New(job, pack.Verdict)
	if err != nil {
		return nil, err
	}
	if job.Challenge != "" {
		actions, err := s.Challenge.Check(job)
		if err != nil {
			return nil, err
		}
		if err := judged.Challenge(actions); err != nil {
			return nil, err
		}
	}
	a := &analysis{Job: *job, Work: schema.Work{Timings: map[string]float64{}, Notes: judged.Notes()}, by: by, verdict: judged, kept: map[int]*schema.OutputImage{}, codes: map[int]*schema.OutputImage{}, written: written}
	if job.Operation.Images() == 0 {
		return a, nil
	}
	perceive := s.hear
	if !job.Operation.OnVoices() {
		perceive = s.see
		a.found.Faces = []schema.FaceResult{} // none found yet
	}
	thresholds, documents := judged.Thresholds()
	if a.thresholds = &thresholds; documents != thresholds {
		a.documents = &documents
	}
	for i := range job.Images {
		file, took, err := files.get(ctx, i)
		s.measure(a, "fetch", took)
		if err == nil {
			err = perceive(ctx, a, pack.Engine, file, i)
		}
		if err != nil {
			return nil, aboutImage(i, err)
		}
		if judged.TooMany(a.found) {
			break
		}
	}
	return a, nil
}

// see adds to a what the image of that index shows.
func (s *Service) see(ctx context.Context, a *analysis, e Engine, file []byte, image int) error {
	seen, err := e.Analyze(ctx, file, s.portraying(a, image, a.verdict.ParamsOf(image)))
	if err != nil {
		return err
	}
	s.ran(a, seen.Models, seen.Timings)
	if seen.Damage != "" {
		a.DamagedImages = append(a.DamagedImages, schema.DamagedImage{Image: image, Message: seen.Damage})
	}
	a.add(seen, image)
	return nil
}

// hear adds to a what the recording of that index among the images holds.
func (s *Service) hear(ctx context.Context, a *analysis, e Engine, file []byte, image int) error {
	heard, err := e.Hear(ctx, file)
	if err != nil {
		return err
	}
	s.ran(a, heard.Models, heard.Timings)
	v := verdict.VoiceOf(heard, image)
	a.found.Voices = append(a.found.Voices, v)
	if !a.Operation.NeedsGallery() {
		return nil
	}
	a.Recordings = append(a.Recordings, v.VoiceRecording)
	if v.Embedding != nil {
		a.found.Probes = append(a.found.Probes, *v.Embedding)
	}
	return nil
}

// add takes over what an image shows.
func (a *analysis) add(seen *engine.Analysis, image int) {
	if d := seen.Document; d != nil {
		a.Documents = append(a.Documents, schema.DocumentOutline{Image: image, Corners: d.Corners, Confidence: d.Confidence})
	}
	if a.verdict.Bare(image, seen.Documents) {
		a.found.Bare = append(a.found.Bare, image)
	}
	for i, code := range a.verdict.Barcodes(seen.Barcodes, image) {
		code.Crop = a.codes[i]
		a.found.Barcodes = append(a.found.Barcodes, code)
	}
	for _, d := range seen.Documents {
		a.Documents = append(a.Documents, schema.DocumentOutline{Image: image, Corners: d.Corners, Confidence: d.Confidence})
	}
	if len(seen.Documents) > 0 {
		a.found.Document = a.verdict.Document(seen)
		if a.found.Document.Cropped = a.scan; a.scan != nil {
			a.found.Document.CroppedInfo.Info = a.scan.Info
		}
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
		place := len(a.found.Faces) - 1
		if kept := a.kept[place]; a.Operation == schema.OpFaceISO {
			a.found.Portrait = kept
		} else {
			a.found.Faces[place].Crop = kept
		}
	}
}

// ran adds the networks that ran for an image, and the time of its stages, to those of earlier images.
func (s *Service) ran(a *analysis, runs []schema.ModelRun, stages map[string]time.Duration) {
	for _, m := range runs {
		if !slices.Contains(a.Models, m) {
			a.Models = append(a.Models, m)
		}
	}
	for stage, took := range stages {
		s.measure(a, stage, took)
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

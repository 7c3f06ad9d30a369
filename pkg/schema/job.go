package schema

import (
	"encoding/json"
	"slices"
	"time"
)

// Job is a validated request whose images are resolved to object versions. It is the value of the topic facestream.jobs.
type Job struct {
	Request
	// Digest is a sha256 (hex) of the request's content, or of the object if the request stands for an upload. It tells two
	// requests with the same id and different content apart.
	Digest     string    `json:"digest"`
	AcceptedAt time.Time `json:"accepted_at"`
	// ResolvedConfig is the request's config with every default filled in by ingest. All services use it, so defaults
	// cannot differ between them during a roll-out. An older ingest leaves this field out.
	ResolvedConfig json.RawMessage `json:"resolved_config,omitempty"`
	// Floors are the lowest matching thresholds that the operator allows, which the worker compares with those of its
	// model pack; nil where there are none.
	Floors *Thresholds `json:"floors,omitempty"`
	// Order orders what changes the gallery. Other operations have none, and an older ingest leaves it out.
	Order *Order `json:"order,omitempty"`
}

// Resolve completes j from its request: it normalises the request ([Request.Normalize]) and resolves its configuration.
// It returns every problem of the request; j is usable only when there is none.
func (j *Job) Resolve() Problems {
	config, ps := j.normalize()
	if len(ps) > 0 {
		return ps
	}
	resolved, err := json.Marshal(config)
	if err != nil {
		return Problems{{"config", err.Error(), ReasonInvalidConfiguration}}
	}
	j.ResolvedConfig = resolved
	return nil
}

// Default resolves the configuration of j, which is resolved ([Job.Resolve]), anew with the operator's defaults: JSON objects
// like a configuration, of which a later one replaces the keys of an earlier one. The keys of the request replace all of them.
func (j *Job) Default(defaults ...json.RawMessage) Problems {
	if len(defaults) == 0 {
		return nil
	}
	config, ps := resolveConfig(j.Operation, append(slices.Clone(defaults), j.Config)...)
	if len(ps) > 0 {
		return ps
	}
	var err error
	if j.ResolvedConfig, err = json.Marshal(config); err != nil {
		return Problems{{"config", err.Error(), ReasonInvalidConfiguration}}
	}
	return nil
}

// Configuration returns the configuration of j, as ingest resolved it. This version resolves the keys that ingest did
// not know. A key that this version does not know is ignored, unless the request names it: then it is a problem.
func (j *Job) Configuration() (OperationConfig, Problems) {
	config, ps := ResolveConfig(j.Operation, j.Config)
	if len(ps) == 0 && len(j.ResolvedConfig) > 0 {
		ps = config.apply("resolved_config", j.ResolvedConfig, false)
	}
	return config, ps
}

// Analysis is what the worker found, for operations that need the gallery. It is the value of the topic
// facestream.analyses. It carries embeddings, so keep the topic's retention short.
type Analysis struct {
	Job
	Faces      []FaceResult `json:"faces,omitempty"`
	Probes     []Embedding  `json:"probes,omitempty"` // one per entry of Faces, or of Recordings
	Thresholds *Thresholds  `json:"thresholds,omitempty"`
	// DocumentThresholds are those for enrolled images that show a document; nil: Thresholds. An older worker leaves them out.
	DocumentThresholds *Thresholds `json:"document_thresholds,omitempty"`
	Work
	Feedback string `json:"user_feedback_message,omitempty"` // what the person should do about traits that the operation allows
	// Answer is the result under the first model pack of the collection, if that needs no gallery; then the fields above
	// are empty, and Others has at least one entry without an Answer.
	Answer *Result `json:"answer,omitempty"`
	// Others are what the further packs of the collection found. The indexer takes the first finding whose model is the
	// collection's.
	Others []Finding `json:"others,omitempty"`
}

// Finding is what one model pack found in the images of a job.
type Finding struct {
	Faces              []FaceResult `json:"faces,omitempty"`
	Probes             []Embedding  `json:"probes,omitempty"` // one per entry of Faces, or of Recordings
	Thresholds         *Thresholds  `json:"thresholds,omitempty"`
	DocumentThresholds *Thresholds  `json:"document_thresholds,omitempty"` // as in [Analysis]
	Work
	Feedback string  `json:"user_feedback_message,omitempty"`
	Answer   *Result `json:"answer,omitempty"` // the result, if it needs no gallery; then the other fields are empty
}

// NewAnalysis returns the analysis of job by its packs, of which the first comes first.
func NewAnalysis(job Job, found []Finding) *Analysis {
	a := Analysis{Job: job, Others: found[1:]}
	return a.with(found[0])
}

// ByPack returns a as each pack alone would have made it, in order.
func (a *Analysis) ByPack() []*Analysis {
	first := *a
	first.Others = nil
	each := []*Analysis{&first}
	for _, f := range a.Others {
		each = append(each, (&Analysis{Job: a.Job}).with(f))
	}
	return each
}

func (a *Analysis) with(f Finding) *Analysis {
	a.Faces, a.Probes, a.Thresholds, a.DocumentThresholds = f.Faces, f.Probes, f.Thresholds, f.DocumentThresholds
	a.Work, a.Feedback, a.Answer = f.Work, f.Feedback, f.Answer
	return a
}

// ModelRun names a network that ran for a result.
type ModelRun struct {
	Role string  `json:"role"`
	ID   ModelID `json:"id"`
}

// Thresholds are the matching thresholds as cosines, -1..1. Each is that of the request's configuration or else of the
// model pack, multiplied by fudge_factor. Two images match (1:1) if their similarity reaches Med. In a search (1:N) a
// person is a candidate at Min and identified at Max. Identification needs more, because every person in the gallery is
// another chance of a false match.
type Thresholds struct {
	Min float32 `json:"min"`
	Med float32 `json:"med"`
	Max float32 `json:"max"`
}

// Level returns how many of the thresholds score reaches: 0 (none) to 3 (all).
func (t Thresholds) Level(score float32) int {
	level := 0
	for _, x := range []float32{t.Min, t.Med, t.Max} {
		if score >= x {
			level++
		}
	}
	return level
}

// Identifies reports whether score is high enough to identify a person in a search, that is, whether it reaches Max.
func (t Thresholds) Identifies(score float32) bool { return score >= t.Max }

// Matches reports whether score is high enough for two faces to count as the same person, that is, whether it reaches
// Med.
func (t Thresholds) Matches(score float32) bool { return score >= t.Med }

// Confidence maps score to 0..1: 0 at Min and below, 0.5 at Med, 1 at Max and above, linear in between. Where
// thresholds are equal, the highest of their values applies, so a score that matches has a confidence of at least 0.5.
func (t Thresholds) Confidence(score float32) float32 {
	switch {
	case score >= t.Max:
		return 1
	case score <= t.Min && score < t.Med:
		return 0
	case score < t.Med:
		return 0.5 * (score - t.Min) / (t.Med - t.Min)
	}
	return 0.5 + 0.5*(score-t.Med)/(t.Max-t.Med)
}

package schema

import (
	"encoding/json"
	"time"
)

// Job is a validated request whose images are resolved to object versions. It is the value of the topic facestream.jobs.
type Job struct {
	Request
	// Digest is the sha256 (hex) of the request's content: two requests with one id and different digests are not the same.
	Digest     string    `json:"digest"`
	AcceptedAt time.Time `json:"accepted_at"`
	// ResolvedConfig is the request's config with every default filled in, as ingest resolved it. All services work by it,
	// so that defaults cannot differ between them during a roll-out. An ingest older than this field leaves it out.
	ResolvedConfig json.RawMessage `json:"resolved_config,omitempty"`
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

// Configuration is how j is to be done: what ingest resolved. Keys that ingest did not know are as this version resolves
// them; those that this version does not know are left out, unless the request names them, which is a problem.
func (j *Job) Configuration() (OperationConfig, Problems) {
	config, ps := ResolveConfig(j.Operation, j.Config)
	if len(ps) == 0 && len(j.ResolvedConfig) > 0 {
		ps = config.apply("resolved_config", j.ResolvedConfig, false)
	}
	return config, ps
}

// Analysis is what the worker found, for operations that need the gallery. It is the value of the topic facestream.analyses
// and carries embeddings: keep its retention short.
type Analysis struct {
	Job
	Faces      []FaceResult       `json:"faces,omitempty"`
	Probes     []Embedding        `json:"probes,omitempty"` // one per entry of Faces
	Thresholds *Thresholds        `json:"thresholds,omitempty"`
	Documents  []DocumentOutline  `json:"documents,omitempty"`
	Models     []ModelRun         `json:"models,omitempty"`
	Timings    map[string]float64 `json:"timings_ms,omitempty"`
	Feedback   string             `json:"user_feedback_message,omitempty"` // what the person should do about traits that the operation allows

	DamagedImages []DamagedImage `json:"damaged_images,omitempty"`
}

// ModelRun names a network that ran for a result.
type ModelRun struct {
	Role string  `json:"role"`
	ID   ModelID `json:"id"`
}

// Thresholds are the cosines, -1..1, that a match is judged by: those of the request's configuration where it sets them,
// else those of the model pack, each multiplied by fudge_factor. Two images match (1:1) from Med on. In a search (1:N) a
// person is a candidate from Min on and identified from Max on: every person of the gallery is a further chance to be wrong.
type Thresholds struct {
	Min float32 `json:"min"`
	Med float32 `json:"med"`
	Max float32 `json:"max"`
}

// Level is how many of the thresholds score reaches: 0 (none) to 3 (all).
func (t Thresholds) Level(score float32) int {
	level := 0
	for _, x := range []float32{t.Min, t.Med, t.Max} {
		if score >= x {
			level++
		}
	}
	return level
}

// Identifies reports whether score is similar enough to say who somebody is among many: it reaches Max.
func (t Thresholds) Identifies(score float32) bool { return score >= t.Max }

// Matches reports whether score is similar enough to call two faces the same person: it reaches Med.
func (t Thresholds) Matches(score float32) bool { return score >= t.Med }

// Confidence maps score to 0..1: 0 at Min and below, 0.5 at Med, 1 at Max and above, linear in between. Where thresholds
// coincide, the highest of the values holds, so that a score that matches has 0.5 or more.
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

package schema

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConfigurationTravels: a job uses the configuration that ingest resolved, not the defaults of the service that
// does it.
func TestConfigurationTravels(t *testing.T) {
	request := func(config string) Request {
		return Request{ID: "r", Operation: OpPredict, Images: []ObjectRef{{Bucket: "b", Key: "k"}}, Config: json.RawMessage(config)}
	}
	job := Job{Request: request(`{"neighbors":3,"identifier":"anna","blur_threshold_doc":7}`)}
	if ps := job.Resolve(); ps != nil {
		t.Fatal(ps)
	}
	want, _ := ResolveConfig(OpPredict, job.Config)
	if got, ps := job.Configuration(); ps != nil || cmp.Diff(want, got) != "" {
		t.Errorf("%v\n%s", ps, cmp.Diff(want, got))
	}
	var keys map[string]any
	if err := json.Unmarshal(job.ResolvedConfig, &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range ConfigKeys() {
		_, there := keys[k.Name]
		if want := k.Effect != "" && k.Default != nil; there != want {
			t.Errorf("%s is in the resolved configuration: %v, want %v", k.Name, there, want)
		}
	}
	for _, tt := range []struct {
		name, config, resolved string
		neighbors              int
		tooFar                 float32
		problems               string
	}{
		{"other defaults in ingest", `{}`, `{"neighbors":7,"threshold_user_too_far":0.3}`, 7, 0.3, ""},
		{"an ingest without the field", `{"neighbors":2}`, ``, 2, 0.005, ""},
		{"an ingest that does not know a key", `{"neighbors":2}`, `{"neighbors":2}`, 2, 0.005, ""},
		{"an ingest that knows more keys", `{}`, `{"neighbors":7,"shoe_size":41,"threshold_user_too_far":0.3}`, 7, 0.3, ""},
		{"the request sets a key that only ingest knows", `{"shoe_size":41}`, `{"shoe_size":41}`, 0, 0, "config.shoe_size: is not a configuration key"},
		{"ingest resolved to a value that is not taken here", `{}`, `{"neighbors":101}`, 0, 0, "resolved_config.neighbors: is out of range; it must be an integer, 1..100"},
	} {
		j := Job{Request: request(tt.config), ResolvedConfig: json.RawMessage(tt.resolved)}
		c, ps := j.Configuration()
		if ps.Error() != tt.problems || tt.problems == "" && (c.Matching.Neighbors != tt.neighbors || c.Pose.TooFar != tt.tooFar) {
			t.Errorf("%s: neighbors %d, threshold_user_too_far %v, %v", tt.name, c.Matching.Neighbors, c.Pose.TooFar, ps)
		}
	}
}

// TestJobsBeforeResolvedConfig: a job without a resolved configuration, from an older ingest, uses the defaults of the
// service.
func TestJobsBeforeResolvedConfig(t *testing.T) {
	for _, file := range []string{"job_predict", "analysis_predict"} {
		data, err := os.ReadFile("testdata/golden/v1/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var j Analysis
		if err := json.Unmarshal(data, &j); err != nil {
			t.Fatal(err)
		}
		c, ps := j.Configuration()
		if j.ResolvedConfig != nil || ps != nil || c.Matching.Neighbors != 3 || c.Pose.TooFar != 0.005 {
			t.Errorf("%s: %+v, %v", file, c, ps)
		}
	}
}

// TestConfidenceAgreesWithMatches: under any ordered thresholds, two faces match exactly if the confidence is 0.5 or
// more, and a person is identified only if it is 1.
func TestConfidenceAgreesWithMatches(t *testing.T) {
	steps := []float32{-1, -0.25, 0, 0.25, 0.5, 0.75, 1}
	for _, low := range steps {
		for _, med := range steps {
			for _, high := range steps {
				if low > med || med > high {
					continue
				}
				in := Thresholds{low, med, high}
				for _, score := range steps {
					confidence := in.Confidence(score)
					if in.Matches(score) != (confidence >= 0.5) || in.Identifies(score) != (confidence == 1) || confidence < 0 || confidence > 1 {
						t.Errorf("%v under %+v: matches %v, identifies %v, confidence %v", score, in, in.Matches(score), in.Identifies(score), confidence)
					}
				}
			}
		}
	}
}

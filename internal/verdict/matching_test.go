package verdict

import (
	"testing"

	"facestream/pkg/schema"
)

// TestFloorsOfThresholds: the pack's thresholds are raised to the operator's floors, and a request that lowers its own or
// the pack's below them is refused.
func TestFloorsOfThresholds(t *testing.T) {
	pack, floors := schema.Thresholds{Min: 0.2, Med: 0.3, Max: 0.5}, schema.Thresholds{Min: 0.25, Med: 0.4, Max: 0.4}
	low, high := float32(0.35), float32(0.45)
	for _, c := range []struct {
		name    string
		config  schema.MatchingConfig
		floors  *schema.Thresholds
		want    schema.Thresholds
		problem string
	}{
		{"no floors", schema.MatchingConfig{FudgeFactor: 1}, nil, pack, ""},
		{"a laxer pack", schema.MatchingConfig{FudgeFactor: 1}, &floors, schema.Thresholds{Min: 0.25, Med: 0.4, Max: 0.5}, ""},
		{"a stricter request", schema.MatchingConfig{FudgeFactor: 1, Med: &high}, &floors, schema.Thresholds{Min: 0.25, Med: 0.45, Max: 0.5}, ""},
		{"a laxer request", schema.MatchingConfig{FudgeFactor: 1, Med: &low}, &floors, schema.Thresholds{}, "config.face_thresholds_med"},
		{"a factor that lowers the request's", schema.MatchingConfig{FudgeFactor: 0.8, Med: &high}, &floors, schema.Thresholds{}, "config.face_thresholds_med"},
		{"a factor that lowers the pack's", schema.MatchingConfig{FudgeFactor: 0.5}, &floors, schema.Thresholds{}, "config.fudge_factor"},
	} {
		got, problems := thresholds(c.config, pack, c.floors)
		switch {
		case c.problem == "" && (len(problems) > 0 || got != c.want):
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, problems, c.want)
		case c.problem != "" && (len(problems) == 0 || problems[0].Field != c.problem || problems.Reason() != schema.ReasonBelowFloor):
			t.Errorf("%s: %v, want %s", c.name, problems, c.problem)
		}
	}
}

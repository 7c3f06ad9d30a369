package verdict

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

func TestOf(t *testing.T) {
	thresholds := func(values map[string]float32) map[string]models.Threshold {
		out := map[string]models.Threshold{}
		for name, v := range values {
			out[name] = models.Threshold{Value: v}
		}
		return out
	}
	detector := models.Model{Role: models.RoleDetector, Name: "d", Thresholds: thresholds(map[string]float32{face.ThresholdConfidence: 0.25})}
	embedding := func(values map[string]float32) models.Model {
		return models.Model{Role: models.RoleEmbedding, Name: "e", Thresholds: thresholds(values)}
	}
	for _, tt := range []struct {
		name  string
		model models.Model
		err   string
	}{
		{"complete", embedding(map[string]float32{"min": 0.25, "med": 0.5, "max": 0.75}), ""},
		{"without max", embedding(map[string]float32{"min": 0.25, "med": 0.5}), `lacks the threshold "max"`},
		{"falling", embedding(map[string]float32{"min": 0.5, "med": 0.25, "max": 0.75}), "must be in ascending order"},
	} {
		got, err := Of(&models.Pack{Name: "p", Models: map[models.Role][]models.Model{models.RoleDetector: {detector}, models.RoleEmbedding: {tt.model}}}, nil)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
			}
			continue
		}
		want := Pack{Name: "p", Matching: schema.Thresholds{Min: 0.25, Med: 0.5, Max: 0.75}, MinConfidence: 0.25, Liveness: UnmeasuredLiveness, Traits: UnmeasuredTraits}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, diff)
		}
	}
	if _, err := Of(&models.Pack{Name: "p", Models: map[models.Role][]models.Model{models.RoleDetector: {detector}}}, nil); err != nil {
		t.Errorf("without an embedding network: %v", err)
	}
	speaker := models.Model{Role: models.RoleVoice, Name: "s"}
	hearing := &models.Pack{Name: "p", Models: map[models.Role][]models.Model{models.RoleVoice: {speaker}}}
	for missing, values := range map[string]map[string]float32{
		"candidate": {"match": 0.375, "identify": 0.5}, "match": {"candidate": 0.25, "identify": 0.5}, "identify": {"candidate": 0.25, "match": 0.375},
	} {
		hearing.Models[models.RoleVoice][0].Thresholds = thresholds(values)
		if _, err := Of(hearing, nil); err == nil || !strings.Contains(err.Error(), `lacks the threshold "`+missing+`"`) {
			t.Errorf("without the threshold %s of voices: %v", missing, err)
		}
	}
	hearing.Models[models.RoleVoice][0].Thresholds = thresholds(map[string]float32{"candidate": 0.5, "match": 0.375, "identify": 0.25})
	if _, err := Of(hearing, nil); err == nil || !strings.Contains(err.Error(), "candidate 0.5, match 0.375, identify 0.25 must be in ascending order") {
		t.Errorf("thresholds of voices that fall: %v", err)
	}
	hearing.Models[models.RoleVoice][0].Thresholds = thresholds(map[string]float32{"candidate": 0.25, "match": 0.375, "identify": 0.5})
	if got, err := Of(hearing, nil); err != nil || got.Voices != (schema.Thresholds{Min: 0.25, Med: 0.375, Max: 0.5}) {
		t.Errorf("with the thresholds of voices: %v, %v", got.Voices, err)
	}
}

// TestScale: the mapping of keys and answers never falls, and keeps its ends and its point.
func TestScale(t *testing.T) {
	for _, s := range []scale{{0.9, 0.5}, {0.9, 0.25}, {0.125, 0.8}, {0.5, 0.6}} {
		if s.at(0) != 0 || s.at(1) != 1 || s.at(s.from) != s.to {
			t.Errorf("%+v: %v, %v, %v", s, s.at(0), s.at(s.from), s.at(1))
		}
		last := float32(-1)
		for i := range 101 {
			if got := s.at(float32(i) / 100); got < last {
				t.Errorf("%+v falls at %d/100", s, i)
			} else {
				last = got
			}
		}
	}
}

// TestScalesOfTheSDK: the points of the CryptoNets SDK's scales are its defaults.
func TestScalesOfTheSDK(t *testing.T) {
	c := schema.DefaultConfig(schema.OpValidate)
	if c.Quality.Sharpness != sdkSharpness || c.Quality.EyesClosed != sdkEyesClosed || c.Quality.MouthOpen != sdkMouthOpen || c.Liveness.Threshold != sdkLive {
		t.Errorf("%+v, %+v", c.Quality, c.Liveness)
	}
}

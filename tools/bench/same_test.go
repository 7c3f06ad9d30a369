package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"facestream/pkg/engine"
	"facestream/pkg/schema"
)

// Work of the stream that is not that of the bare side is seen, whatever it is.
func TestDiffers(t *testing.T) {
	faces := []schema.FaceResult{{Geometry: schema.FaceGeometry{Confidence: 0.9}}}
	encoded, err := json.Marshal(faces)
	if err != nil {
		t.Fatal(err)
	}
	detector, embedding := schema.ModelRun{Role: "detector", ID: "d@1"}, schema.ModelRun{Role: "embedding", ID: "e@1"}
	asked := engine.Params{Strategy: engine.BestConfidence, Embed: true, Turn: true}
	alone := finding{faces: encoded, probes: [][]float32{{0.6, 0.8}}, models: []schema.ModelRun{detector, embedding}, steps: []string{"decode", "detect", "embed"}}
	for _, c := range []struct {
		name, want string
		change     func(*engine.Params, *schema.Analysis)
	}{
		{"nothing", "", func(*engine.Params, *schema.Analysis) {}},
		{"asks", "asks the engine for", func(p *engine.Params, _ *schema.Analysis) { p.Turn = false }},
		{"packs", "with 2 packs", func(_ *engine.Params, a *schema.Analysis) { a.Others = []schema.Finding{{}} }},
		{"no face", "found 0 faces", func(_ *engine.Params, a *schema.Analysis) { a.Faces = nil }},
		{"another face", "found 1 faces", func(_ *engine.Params, a *schema.Analysis) {
			a.Faces = []schema.FaceResult{{Geometry: schema.FaceGeometry{Confidence: 0.8}}}
		}},
		{"embedding", "embeddings differ", func(_ *engine.Params, a *schema.Analysis) { a.Probes[0].Vector[0] = 0.5 }},
		{"network", "the stream ran", func(_ *engine.Params, a *schema.Analysis) { a.Models = a.Models[:1] }},
		{"step", "took the steps", func(_ *engine.Params, a *schema.Analysis) { a.Timings["pose"] = 1 }},
	} {
		p, seen := asked, schema.Analysis{Faces: faces, Probes: []schema.Embedding{{Model: "e@1", Vector: []float32{0.6, 0.8}}}}
		seen.Models = []schema.ModelRun{detector, embedding}
		seen.Timings = map[string]float64{"fetch": 1, "decode": 2, "detect": 3, "embed": 4}
		c.change(&p, &seen)
		if got := differs(asked, alone, p, &seen); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestStepsAreMeansOfTheirSide(t *testing.T) {
	s := newSteps()
	s.alone(map[string]time.Duration{"decode": 10 * time.Millisecond})
	s.alone(map[string]time.Duration{"decode": 20 * time.Millisecond, "detect": 8 * time.Millisecond})
	s.stream(map[string]float64{"decode": 30, "fetch": 5})
	want := []stepTimes{{"decode", 15, 30}, {"detect", 4, 0}, {"fetch", 0, 5}}
	for i, got := range s.list() {
		if got != want[i] {
			t.Errorf("%+v, want %+v", got, want[i])
		}
	}
}

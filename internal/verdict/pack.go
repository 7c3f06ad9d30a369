package verdict

import (
	"fmt"
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Pack is what verdicts depend on in a model pack: which networks it has, and their operating points.
type Pack struct {
	Name   string
	Models []schema.ModelRun // the networks that the engine has loaded
	// Matching are the thresholds, cosines, for requests that set none.
	Matching schema.Thresholds
	// MinConfidence is the lowest of a face. A request can ask for more but not for less, because below it noise has faces.
	MinConfidence float32
	Liveness      LivenessPoints
	Traits        TraitPoints
}

// LivenessPoints are the lowest scores of a live face, 0..1, at the levels of liveness_calibration: the balances of the two
// errors that a pack measured. From Soft to Hardened fewer attacks pass (APCER) and more live people fail (BPCER).
type LivenessPoints struct {
	Soft, Regular, Hardened float32
}

// TraitPoints are the operating points behind the traits, on the scale of the pack's own answers ([face.Observation]).
type TraitPoints struct {
	Sharpness float32 // a face that is less sharp is blurred
	EyeOpen   float32 // an eye is open from here on
	MouthOpen float32 // a mouth is open from here on
	Glasses   float32 // glasses are worn from here on; no key sets it, nor the next
	Mask      float32
}

// The points of packs that measured none. Live has to be more probable than not, by little or by much.
var (
	UnmeasuredLiveness = LivenessPoints{Soft: 0.3, Regular: 0.5, Hardened: 0.7}
	UnmeasuredTraits   = TraitPoints{Sharpness: 20, EyeOpen: 0.5, MouthOpen: 0.125, Glasses: 0.5, Mask: 0.5}
)

// Of reads the operating points of pack, of which an engine has loaded networks. A pack whose embeddings nobody could be
// recognised by is an error: without all three matching thresholds, or with thresholds that fall.
func Of(pack *models.Pack, loaded []schema.ModelRun) (Pack, error) {
	named := face.Thresholds(pack)
	value := func(name string, otherwise float32) float32 {
		if t, ok := named[name]; ok {
			return t.Value
		}
		return otherwise
	}
	p := Pack{
		Name: pack.Name, Models: loaded,
		Liveness: LivenessPoints{
			Soft:     value(face.ThresholdLiveSoft, UnmeasuredLiveness.Soft),
			Regular:  value(face.ThresholdLive, UnmeasuredLiveness.Regular),
			Hardened: value(face.ThresholdLiveHardened, UnmeasuredLiveness.Hardened),
		},
		Traits: TraitPoints{
			Sharpness: value(face.ThresholdSharpness, UnmeasuredTraits.Sharpness),
			EyeOpen:   value(face.ThresholdEyeOpen, UnmeasuredTraits.EyeOpen),
			MouthOpen: value(face.ThresholdMouthOpen, UnmeasuredTraits.MouthOpen),
			Glasses:   value(face.ThresholdGlasses, UnmeasuredTraits.Glasses),
			Mask:      value(face.ThresholdMask, UnmeasuredTraits.Mask),
		},
	}
	if detector, ok := pack.Model(models.RoleDetector); ok {
		p.MinConfidence = detector.Thresholds[face.ThresholdConfidence].Value
	}
	embedding, ok := pack.Model(models.RoleEmbedding)
	if !ok {
		return p, nil
	}
	for name, to := range map[string]*float32{"min": &p.Matching.Min, "med": &p.Matching.Med, "max": &p.Matching.Max} {
		t, ok := embedding.Thresholds[name]
		if !ok {
			return p, schema.Fatal("verdict.pack", fmt.Errorf("%s: its manifest lacks the threshold %q", embedding.Name, name))
		}
		*to = t.Value
	}
	if m := p.Matching; m.Min > m.Med || m.Med > m.Max {
		return p, schema.Fatal("verdict.pack", fmt.Errorf("%s: its thresholds min %v, med %v, max %v must not fall", embedding.Name, m.Min, m.Med, m.Max))
	}
	return p, nil
}

func (p Pack) has(role models.Role) bool {
	return slices.ContainsFunc(p.Models, func(m schema.ModelRun) bool { return m.Role == string(role) })
}

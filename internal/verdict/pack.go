package verdict

import (
	"fmt"
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

// Pack is the part of a model pack on which verdicts depend: its networks and their operating points.
type Pack struct {
	Name   string
	Models []schema.ModelRun // the networks that the engine has loaded
	// Matching are the thresholds, as cosines, of requests that set none.
	Matching schema.Thresholds
	// Crossing is the threshold between a document and a person, in place of Matching.Med; 0 where the pack has none.
	Crossing float32
	// Voices are the thresholds of voices, as cosines. No request sets them.
	Voices schema.Thresholds
	// SeveralVoices is the cosine below which two parts of a recording are taken for two voices; 0 where the pack has none, and nobody
	// looks for a second voice.
	SeveralVoices float32
	// MinConfidence is the lowest confidence of a face. A request can raise it but not lower it, because below it the
	// detector finds faces in noise.
	MinConfidence float32
	Liveness      LivenessPoints
	Traits        TraitPoints
}

// LivenessPoints are the lowest scores of a live face, 0..1, at the levels of liveness_calibration. Each balances the
// two errors that the pack measured. With Soft the most attacks pass (APCER); with Hardened the most live people are
// refused (BPCER).
type LivenessPoints struct {
	Soft, Regular, Hardened float32
}

// TraitPoints are the operating points of the traits, on the scale of the pack's own answers ([face.Observation]).
type TraitPoints struct {
	Sharpness float32 // a face with a lower sharpness is blurred
	EyeOpen   float32 // lowest probability of an open eye
	MouthOpen float32 // lowest measure of an open mouth
	Glasses   float32 // lowest measure of glasses; no configuration key sets this or the next two
	Mask      float32
	Occluded  float32 // lowest probability of a covered eye, nose or mouth
}

// The points of packs that measured none: a live face must be more probable than an attack, by less (Soft) or by more
// (Hardened).
var (
	UnmeasuredLiveness = LivenessPoints{Soft: 0.3, Regular: 0.5, Hardened: 0.7}
	UnmeasuredTraits   = TraitPoints{Sharpness: 20, EyeOpen: 0.5, MouthOpen: 0.125, Glasses: 0.5, Mask: 0.5, Occluded: 0.5}
)

// thresholdCrossing is the name of Pack.Crossing in the manifest of the embedding network.
const thresholdCrossing = "document"

// Of reads the operating points of pack. loaded are its networks that the engine has loaded. It returns an error if one
// of the three thresholds of faces or of voices is missing, or if the three are not in ascending order, because nobody could be
// recognised.
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
			Occluded:  value(face.ThresholdOccluded, UnmeasuredTraits.Occluded),
		},
	}
	if detector, ok := pack.Model(models.RoleDetector); ok {
		p.MinConfidence = detector.Thresholds[face.ThresholdConfidence].Value
	}
	if speaker, ok := pack.Model(models.RoleVoice); ok {
		var err error
		if p.Voices, err = matching(speaker, voice.ThresholdCandidate, voice.ThresholdMatch, voice.ThresholdIdentify); err != nil {
			return p, err
		}
		p.SeveralVoices = speaker.Thresholds[voice.ThresholdSeveral].Value
	}
	embedding, ok := pack.Model(models.RoleEmbedding)
	if !ok {
		return p, nil
	}
	var err error
	p.Matching, err = matching(embedding, "min", "med", "max")
	p.Crossing = embedding.Thresholds[thresholdCrossing].Value
	return p, err
}

// matching reads the thresholds of m that have these names, in ascending order.
func matching(m models.Model, min, med, max string) (t schema.Thresholds, err error) {
	for name, to := range map[string]*float32{min: &t.Min, med: &t.Med, max: &t.Max} {
		found, ok := m.Thresholds[name]
		if !ok {
			return t, schema.Fatal("verdict.pack", fmt.Errorf("%s: its manifest lacks the threshold %q", m.Name, name))
		}
		*to = found.Value
	}
	if t.Min > t.Med || t.Med > t.Max {
		return t, schema.Fatal("verdict.pack", fmt.Errorf("%s: its thresholds %s %v, %s %v, %s %v must be in ascending order", m.Name, min, t.Min, med, t.Med, max, t.Max))
	}
	return t, nil
}

func (p Pack) has(role models.Role) bool {
	return slices.ContainsFunc(p.Models, func(m schema.ModelRun) bool { return m.Role == string(role) })
}

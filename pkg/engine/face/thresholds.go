package face

import "facestream/pkg/engine/models"

// The names of the thresholds that turn the numbers of an [Observation] into traits, grouped by the role of pack.yaml
// that has them.
const (
	// Attributes.
	ThresholdEyeOpen  = "eye_open" // lowest probability of an open eye
	ThresholdMask     = "mask"     // lowest probability of a mask
	ThresholdOccluded = "occluded" // lowest probability of a covered region
	// Landmarks; the latter two attributes where a network answers them.
	ThresholdSmile     = "smile"      // lowest measure of a smile
	ThresholdMouthOpen = "mouth_open" // lowest measure of an open mouth
	ThresholdGlasses   = "glasses"    // lowest measure of glasses
	// Detector.
	ThresholdSharpness = "sharpness" // below it a face is blurred
	ThresholdLight     = "light"     // below it, Light.Mean of a face is too dark
	// Liveness.
	ThresholdLiveSoft     = "live_soft"     // lowest score of a live face where few live people may be refused
	ThresholdLive         = "live"          // lowest score of a live face
	ThresholdLiveHardened = "live_hardened" // lowest score of a live face where few attacks may pass
	// Document.
	ThresholdDocument = "document" // lowest confidence of a document
)

// thresholdRoles has the role of each.
var thresholdRoles = map[string]models.Role{
	ThresholdEyeOpen: models.RoleAttributes, ThresholdMask: models.RoleAttributes, ThresholdOccluded: models.RoleAttributes,
	ThresholdSmile: models.RoleLandmarks, ThresholdMouthOpen: models.RoleLandmarks, ThresholdGlasses: models.RoleLandmarks,
	ThresholdSharpness: models.RoleDetector, ThresholdLight: models.RoleDetector,
	ThresholdLiveSoft: models.RoleLiveness, ThresholdLive: models.RoleLiveness, ThresholdLiveHardened: models.RoleLiveness,
	ThresholdDocument: models.RoleDocument,
}

// Thresholds are those of p's manifest by which findings become traits, by name: each that of the first network that has it, of
// the role under which it stands. What a network of face_attributes answers is held against its own, and so is what one of eyeglasses
// answers.
func Thresholds(p *models.Pack) map[string]models.Threshold {
	thresholds := map[string]models.Threshold{}
	for name, role := range thresholdRoles {
		if t, ok := p.Threshold(role, name); ok {
			thresholds[name] = t
		}
	}
	for _, answering := range []struct {
		architecture string
		names        []string
	}{{faceAttributes, allThresholds}, {eyeglasses, []string{ThresholdGlasses}}} {
		for _, m := range p.Models[models.RoleAttributes] {
			for _, name := range answering.names {
				if t, ok := m.Thresholds[name]; ok && m.Architecture == answering.architecture {
					thresholds[name] = t
				}
			}
		}
	}
	return thresholds
}

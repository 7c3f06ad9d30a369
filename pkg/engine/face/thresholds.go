package face

import (
	"slices"

	"facestream/pkg/engine/models"
)

// The names of the thresholds that pack.yaml gives with the networks of a role, by which numbers of an
// [Observation] become traits, by the role under which they stand.
const (
	// Attributes.
	ThresholdEyeOpen  = "eye_open" // from it on an eye is open
	ThresholdMask     = "mask"     // from it on a mask is worn
	ThresholdOccluded = "occluded" // from it on a region is covered
	// Landmarks; the latter two attributes where one network answers all of them.
	ThresholdSmile     = "smile"      // from it on a face smiles
	ThresholdMouthOpen = "mouth_open" // from it on the lips are apart
	ThresholdGlasses   = "glasses"    // from it on glasses are worn
	// Detector.
	ThresholdSharpness = "sharpness" // below it a face is blurred
	ThresholdLight     = "light"     // below it, Light.Mean of a face is too dark
	// Liveness.
	ThresholdLiveSoft     = "live_soft"     // from it on a face is live, where few living ones may be turned away
	ThresholdLive         = "live"          // from it on a face is live
	ThresholdLiveHardened = "live_hardened" // from it on a face is live, where few attacks may pass
	// Document.
	ThresholdDocument = "document" // from it on there is a document
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
// the role under which it stands. What a network of face_attributes answers is held against its own.
func Thresholds(p *models.Pack) map[string]models.Threshold {
	m, _ := p.Model(models.RoleAttributes)
	thresholds := map[string]models.Threshold{}
	for name, role := range thresholdRoles {
		if m.Architecture == faceAttributes && slices.Contains(allThresholds, name) {
			role = models.RoleAttributes
		}
		if t, ok := p.Threshold(role, name); ok {
			thresholds[name] = t
		}
	}
	return thresholds
}

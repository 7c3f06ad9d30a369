package worker

import (
	"fmt"

	"facestream/internal/traits"
	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// OperatingPoints are the least scores of a live face, 0..1, at the levels of liveness_calibration: a pack's measured
// balances of its two errors. From Soft to Hardened fewer attacks pass (APCER) and more live people fail (BPCER).
type OperatingPoints struct {
	Soft, Regular, Hardened float32
}

// UnmeasuredPoints are for packs that measured none: live has to be more probable than not, by little or by much.
var UnmeasuredPoints = OperatingPoints{Soft: 0.3, Regular: 0.5, Hardened: 0.7}

// seedDefault is the seed SDK's default of anti_spoofing_threshold.
const seedDefault = 0.9

// threshold lays asked, on the seed SDK's scale, onto that of the networks' score: two straight lines through 0, through the
// level's operating point at the seed's default, and through 1. It never falls where asked rises.
func (p OperatingPoints) threshold(level schema.LivenessCalibration, asked float32) float32 {
	point := p.Regular
	switch level {
	case schema.LivenessSoft:
		point = p.Soft
	case schema.LivenessHardened:
		point = p.Hardened
	}
	if asked <= seedDefault {
		return point * asked / seedDefault
	}
	return point + (1-point)*(asked-seedDefault)/(1-seedDefault)
}

// judge says whether o is live. A face that cannot be assessed never counts as live, and a face on a document is a picture
// of one, whatever the networks say of it.
func (p OperatingPoints) judge(o *face.Observation, config schema.OperationConfig) (schema.SpoofStatus, *schema.Liveness) {
	found := o.Liveness
	switch {
	case o.Document != nil:
		return schema.SpoofDetected, &schema.Liveness{Message: fmt.Sprintf("the face is on an identity document (confidence %.2f)", o.Document.Confidence)}
	case found == nil:
		return schema.SpoofNotPerformed, nil
	case !found.Assessable:
		return schema.SpoofInvalidFace, &schema.Liveness{Message: found.Why}
	case !traits.Finite(found.Score):
		return schema.SpoofGenericError, &schema.Liveness{Message: "the liveness networks gave no number"}
	}
	threshold := p.threshold(config.Liveness.Calibration, config.Liveness.Threshold)
	status := schema.SpoofNone
	if found.Score < threshold {
		status = schema.SpoofDetected
	}
	return status, &schema.Liveness{Score: &found.Score, Threshold: &threshold}
}

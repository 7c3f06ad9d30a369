package verdict

import "facestream/pkg/schema"

// scale maps between the scale of the CryptoNets SDK's networks, which a request's keys use, and the scale of a pack's
// own networks. It consists of two straight lines through (0, 0), (from, to) and (1, 1), and is monotone.
type scale struct{ from, to float32 }

func (s scale) at(x float32) float32 {
	if x <= s.from {
		return x * s.to / s.from
	}
	return s.to + (1-s.to)*(x-s.from)/(1-s.from)
}

// The points on the scales of the CryptoNets SDK that correspond to a pack's operating points: the SDK's defaults. They
// do not change if a default of facestream changes.
const (
	sdkSharpness  = 10
	sdkEyesClosed = 0.6
	sdkMouthOpen  = 0.8
	sdkLive       = 0.9
)

// eyesClosed maps a pack's probability of an open eye to the scale of eyes_blinking_threshold.
func (p TraitPoints) eyesClosed(open float32) float32 {
	return scale{1 - p.EyeOpen, sdkEyesClosed}.at(1 - open)
}

// mouthOpen maps a pack's answer to the scale of mouth_opened_threshold.
func (p TraitPoints) mouthOpen(open float32) float32 {
	return scale{p.MouthOpen, sdkMouthOpen}.at(open)
}

// sharpness maps a pack's measure to the scale of blur_threshold_enroll_pred. The scale has no upper end, so one
// straight line is enough.
func (p TraitPoints) sharpness(x float32) float32 { return x * sdkSharpness / p.Sharpness }

// threshold maps anti_spoofing_threshold to the lowest score of a live face on the scale of the pack's networks.
func (p LivenessPoints) threshold(config schema.LivenessConfig) float32 {
	point := p.Regular
	switch config.Calibration {
	case schema.LivenessSoft:
		point = p.Soft
	case schema.LivenessHardened:
		point = p.Hardened
	}
	return scale{sdkLive, point}.at(config.Threshold)
}

package verdict

import "facestream/pkg/schema"

// The keys of a request are on the scale of the CryptoNets SDK's networks, and a pack's operating points are on that of its
// own. scale joins the two: two straight lines through (0, 0), (from, to) and (1, 1). It never falls where x rises.
type scale struct{ from, to float32 }

func (s scale) at(x float32) float32 {
	if x <= s.from {
		return x * s.to / s.from
	}
	return s.to + (1-s.to)*(x-s.from)/(1-s.from)
}

// Where the scales of the CryptoNets SDK have the point that a pack's operating point stands for: at the SDK's defaults.
// They do not move when a default here does.
const (
	sdkSharpness  = 10
	sdkEyesClosed = 0.6
	sdkMouthOpen  = 0.8
	sdkLive       = 0.9
)

// eyesClosed is a pack's answer that an eye is open as a score of eyes_blinking_threshold.
func (p TraitPoints) eyesClosed(open float32) float32 {
	return scale{1 - p.EyeOpen, sdkEyesClosed}.at(1 - open)
}

// mouthOpen is a pack's answer as a score of mouth_opened_threshold.
func (p TraitPoints) mouthOpen(open float32) float32 {
	return scale{p.MouthOpen, sdkMouthOpen}.at(open)
}

// sharpness is a pack's measure as a score of blur_threshold_enroll_pred. It has no upper end, so one line does.
func (p TraitPoints) sharpness(x float32) float32 { return x * sdkSharpness / p.Sharpness }

// threshold is anti_spoofing_threshold as the lowest score of a live face, on the scale of the pack's networks.
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

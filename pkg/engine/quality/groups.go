package quality

import (
	"maps"
	"slices"

	"facestream/pkg/engine/face"
)

// The groups.
const (
	Default      = "default"       // what recognition needs
	ICAO         = "icao"          // portraits for travel documents
	VisaSchengen = "visa-schengen" // ICAO's as cut for a Schengen visa
	VisaUSA      = "visa-usa"      // ICAO's as cut for a visa of the USA
)

// Groups are the names of all groups, sorted.
func Groups() []string { return slices.Sorted(maps.Keys(tables)) }

// rule is what a group allows of a check: a range, or what the pack's threshold of that name says.
type rule struct {
	check     Check
	min, max  *float32
	threshold string
	atLeast   bool // the threshold is the least value, not the greatest
}

func between(c Check, low, high float32) rule { return rule{check: c, min: &low, max: &high} }
func atLeast(c Check, low float32) rule       { return rule{check: c, min: &low} }
func atMost(c Check, high float32) rule       { return rule{check: c, max: &high} }
func fromPack(c Check, threshold string) rule {
	return rule{check: c, threshold: threshold, atLeast: c == EyesOpen || c == Sharpness || c == LuminanceMean}
}

var tables = map[string][]rule{
	Default:      defaults,
	ICAO:         slices.Concat(portrait, icaoFrame),
	VisaSchengen: slices.Concat(portrait, schengenFrame),
	VisaUSA:      slices.Concat(portrait, usaFrame, []rule{fromPack(NoGlasses, face.ThresholdGlasses)}), // no glasses since 1 November 2016, travel.state.gov
}

// defaults are what the capture requirements of face recognition systems ask for: 60 pixels between the eyes, yaw and pitch of
// at most 30 degrees, roll of at most 45, a padding of 3 pixels, one face, none of it covered. The bounds of light and colour
// are this project's own: a face is spoilt where a quarter of it has no detail, and no error rate is claimed for them. What
// names a threshold of the pack has its evaluation in the manifest.
var defaults = []rule{
	fromPack(Sharpness, face.ThresholdSharpness),
	fromPack(LuminanceMean, face.ThresholdLight),
	atMost(UnderExposure, 0.25),
	atMost(OverExposure, 0.25),
	atLeast(DynamicRange, 5),
	atLeast(InterEyeDistance, 60),
	atLeast(Padding, 3),
	between(Yaw, -30, 30),
	between(Pitch, -30, 30),
	between(Roll, -45, 45),
	fromPack(EyesOpen, face.ThresholdEyeOpen),
	fromPack(EyesVisible, face.ThresholdOccluded),
	fromPack(NoseVisible, face.ThresholdOccluded),
	fromPack(MouthVisible, face.ThresholdOccluded),
	fromPack(NoMask, face.ThresholdMask),
	// Another face of a quarter of the area, half as wide, stands far behind.
	atMost(SingleFace, 0.25),
}

// poseError is the mean absolute error of FSA-Net in degrees on AFLW2000 (its authors): what the standard allows is widened by it,
// because the network cannot tell less.
const poseErrorYaw, poseErrorPitch = 4.64, 6.10

// PlainBackground is the greatest BackgroundUniformity of a plain background, a bound of this project: a plain wall with its
// noise has 5 to 30.
const PlainBackground = 60

// portrait is what ISO/IEC 39794-5:2019, annex D.1, and ICAO's technical report "Portrait Quality" (2018) ask of every portrait
// for a travel document. They forbid blur, loss of detail, uneven light, unnatural colours, artefacts of compression, an open
// mouth, a smile and covered eyes without giving numbers that could be measured here; where none is named below, the bound is
// this project's own: a scalar of a half by OFIQ's formula where there is one.
var portrait = []rule{
	fromPack(Sharpness, face.ThresholdSharpness),
	atMost(UnderExposure, 0.1), // own
	atMost(OverExposure, 0.01), // OFIQ's scalar 50
	between(LuminanceMean, 0.25, 0.8),
	atLeast(DynamicRange, 6),             // own: ISO/IEC 19794-5:2005, 7.4.2, asks for 128 levels on the face, whose entropy is 7 bits only where all are as frequent
	atMost(NaturalColour, 11),            // OFIQ's scalar 50
	atLeast(IlluminationUniformity, 0.1), // OFIQ's scalar 50
	atMost(BackgroundUniformity, PlainBackground),
	atMost(Compression, 2),                        // own: scalar 51
	atMost(Noise, 7),                              // own: scalar 50
	atLeast(InterEyeDistance, 90),                 // ISO/IEC 39794-5:2019, annex D.1
	between(Yaw, -5-poseErrorYaw, 5+poseErrorYaw), // 5 degrees: ISO/IEC 39794-5:2019, annex D.1
	between(Pitch, -5-poseErrorPitch, 5+poseErrorPitch),
	between(Roll, -8, 8), // ISO/IEC 39794-5:2019, annex D.1
	fromPack(EyesOpen, face.ThresholdEyeOpen),
	atMost(MouthClosed, 0.2), // OFIQ's scalar 50
	fromPack(ExpressionNeutrality, face.ThresholdSmile),
	fromPack(EyesVisible, face.ThresholdOccluded),
	fromPack(NoseVisible, face.ThresholdOccluded),
	fromPack(MouthVisible, face.ThresholdOccluded),
	fromPack(NoMask, face.ThresholdMask),
	atMost(SingleFace, 0.01), // one person; less is no face that anybody would see
}

// icaoFrame is the geometry of ISO/IEC 19794-5:2005, 8.3, which ICAO Doc 9303 refers to: the head's middle between 45 and 55 %
// of the width, the eyes 50 to 70 % of the height above the lower border, the head 60 to 90 % of the height, which is twice T,
// and 50 to 75 % of the width; a ratio of width to height from 0.74 to 0.80.
var icaoFrame = []rule{
	between(HeadX, 0.45, 0.55),
	between(HeadY, 0.3, 0.5),
	between(HeadSize, 0.3, 0.45),
	between(HeadWidth, 0.5, 0.75),
	between(ImageAspect, 0.74, 0.8),
}

// schengenFrame: 35 × 45 mm, and a head 70 to 80 % of it high (Regulation (EC) 810/2009 refers to ICAO Doc 9303, whose photograph
// guidelines have these numbers). At 300 dpi that is 413 × 531 pixels.
var schengenFrame = []rule{
	between(HeadX, 0.45, 0.55),
	between(HeadY, 0.3, 0.5),
	between(HeadSize, 0.35, 0.4),
	between(ImageAspect, 0.77, 0.79),
	atLeast(ImageWidth, 413),
	atLeast(ImageHeight, 531),
}

// usaFrame: a square of 600 to 1200 pixels, the head 50 to 69 % of it high, the eyes 56 to 69 % of it above its lower border (U.S.
// Department of State, digital image requirements and photo composition template).
var usaFrame = []rule{
	between(HeadX, 0.45, 0.55), // "centred": as ISO/IEC 19794-5
	between(HeadY, 0.31, 0.44),
	between(HeadSize, 0.25, 0.345),
	between(ImageAspect, 0.99, 1.01),
	between(ImageWidth, 600, 1200),
	between(ImageHeight, 600, 1200),
}

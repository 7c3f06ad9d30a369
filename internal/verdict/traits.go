package verdict

import (
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/quality"
	"facestream/pkg/schema"
)

// view is the input of the decisions.
type view struct {
	*Case
	*face.Observation
	scores map[string]float32
}

// below, above and reaches compare a score with a limit. They return false for a score that was not measured.
func (v *view) below(name string, limit float32) bool {
	x, ok := v.scores[name]
	return ok && x < limit
}

func (v *view) above(name string, limit float32) bool {
	x, ok := v.scores[name]
	return ok && x > limit
}

func (v *view) reaches(name string, limit float32) bool {
	x, ok := v.scores[name]
	return ok && x >= limit
}

// decisions holds all traits. Each is decided by its scores and the keys or the pack's points that limit them. A trait whose
// scores were not measured is not set.
var decisions = []struct {
	trait schema.FaceTraits
	holds func(*view) bool
}{
	{schema.FTFaceTooClose, func(v *view) bool { return v.above(schema.MetricFaceSize, v.config.Pose.TooClose) }},
	{schema.FTFaceTooFar, func(v *view) bool { return v.below(schema.MetricFaceSize, v.config.Pose.TooFar) }},
	{schema.FTFaceRight, func(v *view) bool { return extent(v.Observation).TopLeft.X < v.config.Pose.Right*float32(v.Width) }},
	{schema.FTFaceLeft, func(v *view) bool { return extent(v.Observation).BottomRight.X > v.config.Pose.Left*float32(v.Width) }},
	{schema.FTFaceUp, func(v *view) bool { return extent(v.Observation).TopLeft.Y < v.config.Pose.Up*float32(v.Height) }},
	{schema.FTFaceDown, func(v *view) bool { return extent(v.Observation).BottomRight.Y > v.config.Pose.Down*float32(v.Height) }},
	{schema.FTImageBlurr, func(v *view) bool { return v.below(schema.MetricSharpness, v.config.Quality.Sharpness) }},
	{schema.FTFaceWithGlass, func(v *view) bool { return v.reaches(schema.MetricGlasses, v.pack.Traits.Glasses) }},
	{schema.FTFaceWithMask, func(v *view) bool { return v.masked() }},
	{schema.FTLookingLeft, func(v *view) bool { return v.sideways() && v.Pose.Yaw > 0 }},
	{schema.FTLookingRight, func(v *view) bool { return v.sideways() && v.Pose.Yaw < 0 }},
	{schema.FTLookingHigh, func(v *view) bool {
		high, _ := v.config.VerticalGaze(v.job.Operation)
		return v.below(schema.MetricVerticalGaze, high)
	}},
	{schema.FTLookingDown, func(v *view) bool {
		_, down := v.config.VerticalGaze(v.job.Operation)
		return v.above(schema.MetricVerticalGaze, down)
	}},
	{schema.FTFaceTooDark, func(v *view) bool {
		return v.below(schema.MetricBrightness, v.config.Quality.TooDark) || v.above(schema.MetricUnderexposure, v.config.Quality.Underexposed)
	}},
	{schema.FTFaceTooBright, func(v *view) bool {
		return v.above(schema.MetricBrightness, v.config.Quality.TooBright) || v.above(schema.MetricOverexposure, v.config.Quality.Overexposed)
	}},
	{schema.FTFaceLowValConf, func(v *view) bool {
		return v.below(schema.MetricLandmarkConfidence, v.config.Detection.LandmarkConfidence)
	}},
	{schema.FTEyeBlink, func(v *view) bool { return v.reaches(schema.MetricEyesClosed, v.config.Quality.EyesClosed) }},
	{schema.FTMouthOpened, func(v *view) bool { return v.reaches(schema.MetricMouthOpen, v.config.Quality.MouthOpen) }},
	{schema.FTFaceRotatedRight, func(v *view) bool { return v.below(schema.MetricRotation, -v.config.Pose.RotationRight) }},
	{schema.FTFaceRotatedLeft, func(v *view) bool { return v.above(schema.MetricRotation, v.config.Pose.RotationLeft) }},
	{schema.FTFaceNotInOval, func(v *view) bool { return v.config.Pose.InOval && !v.inOval() }},
	{schema.FTInvalidFaceBackground, func(v *view) bool { return v.above(schema.MetricBackground, quality.PlainBackground) }},
	{schema.FTEyeCovered, func(v *view) bool {
		return v.covered(schema.MetricOcclusionLeftEye) || v.covered(schema.MetricOcclusionRightEye)
	}},
	{schema.FTNoseCovered, func(v *view) bool { return v.covered(schema.MetricOcclusionNose) && !v.masked() }},
	{schema.FTMouthCovered, func(v *view) bool { return v.covered(schema.MetricOcclusionMouth) && !v.masked() }},
	{schema.FTFaceTooSmall, func(v *view) bool { return v.below(schema.MetricInterEyeDistance, v.config.Pose.InterEye) }},
	{schema.FTFaceNoPadding, func(v *view) bool {
		return v.config.Pose.Padding > 0 && v.below(schema.MetricPadding, v.config.Pose.Padding)
	}},
}

func (v *view) covered(region string) bool { return v.reaches(region, v.pack.Traits.Occluded) }

func (v *view) masked() bool { return v.reaches(schema.MetricMask, v.pack.Traits.Mask) }

func (v *view) sideways() bool {
	return v.below(schema.MetricFrontality, v.config.LeastFrontality(v.job.Operation))
}

// inOval reports whether the ellipse in the face's box lies inside the oval in which a person should hold their face.
// The oval stands upright in the middle of the picture with an aspect ratio of 3:4. It is 90 % of the picture's height
// high or as wide as the picture, whichever is smaller.
func (v *view) inOval() bool {
	height := min(0.9*float32(v.Height), float32(v.Width)*4/3)
	a, b := height*3/8, height/2
	box := v.Box
	x, y := (box.TopLeft.X+box.BottomRight.X)/2, (box.TopLeft.Y+box.BottomRight.Y)/2
	for _, p := range []schema.PointF{{X: box.TopLeft.X, Y: y}, {X: box.BottomRight.X, Y: y}, {X: x, Y: box.TopLeft.Y}, {X: x, Y: box.BottomRight.Y}} {
		dx, dy := (p.X-float32(v.Width)/2)/a, (p.Y-float32(v.Height)/2)/b
		if dx*dx+dy*dy > 1 {
			return false
		}
	}
	return true
}

// traits returns the traits of a face with these scores. With face_validations_off there are none.
func (c *Case) traits(o *face.Observation, scores []schema.FaceMetric) schema.FaceTraits {
	if c.config.Quality.ValidationsOff {
		return 0
	}
	v := &view{Case: c, Observation: o, scores: map[string]float32{}}
	for _, m := range scores {
		v.scores[m.Name] = m.Value
	}
	var traits schema.FaceTraits
	for _, d := range decisions {
		if d.holds(v) {
			traits |= d.trait
		}
	}
	return traits
}

// Judged returns the traits that a face can get.
func Judged() (all schema.FaceTraits) {
	for _, d := range decisions {
		all |= d.trait
	}
	return all
}

// Rejecting returns the traits that fail op: those that the CryptoNets SDK lists for enroll and predict, whose
// context doc_scan_face has. Other operations report traits, but do not fail.
func Rejecting(op schema.Operation) schema.FaceTraits {
	const predict = schema.FTLookingRight | schema.FTLookingLeft | schema.FTLookingHigh | schema.FTLookingDown |
		schema.FTFaceRight | schema.FTFaceLeft | schema.FTFaceUp | schema.FTFaceDown | schema.FTImageBlurr |
		schema.FTFaceTooFar | schema.FTFaceTooClose | schema.FTFaceRotatedRight | schema.FTFaceRotatedLeft
	switch op {
	case schema.OpEnroll:
		return predict | schema.FTFaceWithGlass | schema.FTFaceWithMask | schema.FTMouthOpened
	case schema.OpPredict, schema.OpDocScanFace:
		return predict
	}
	return 0
}

// Rejecting returns those of traits that fail the operation under the configuration.
func (c *Case) Rejecting(traits schema.FaceTraits) schema.FaceTraits {
	fails := Rejecting(c.job.Operation)
	enrolls, searches := c.job.Operation == schema.OpEnroll, c.job.Operation == schema.OpPredict
	if enrolls && c.config.Quality.RefuseBadExposure {
		fails |= schema.FTFaceTooDark | schema.FTFaceTooBright
	}
	if enrolls && c.config.Quality.PlainBackground {
		fails |= schema.FTInvalidFaceBackground
	}
	if occlusion := c.config.Quality.RefuseOcclusion; enrolls && occlusion != schema.OcclusionNever || searches && occlusion == schema.OcclusionAlways {
		fails |= schema.CoveredFaceTraits
	}
	if enrolls || searches { // traits that a face gets where a key asks for them
		fails |= schema.FTFaceTooSmall | schema.FTFaceNoPadding
	}
	return traits & fails &^ c.config.Quality.AllowedTraits
}

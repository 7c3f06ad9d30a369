// Package traits decides which traits a face has: the seed SDK's FT_* flags, from where the face is in its picture, from
// what the networks and the pixels say of it, and from the limits of the operation's configuration.
//
// Each trait is one small decision on one score ([Scores]), both on the scale of the configuration key that sets the
// limit. What the model pack does not answer has no score, and a trait without a score is not set.
package traits

import (
	"math"
	"strings"

	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// Calibration are the operating points of a model pack, on the scale of its own answers ([face.Observation]): what the seed
// SDK's defaults, which belong to networks of its own, stand for here. A score is the pack's answer on two straight lines
// through 0, through this point at the seed's default, and through 1.
type Calibration struct {
	Sharpness float32 // a face that is less sharp is blurred; blur_threshold_enroll_pred 10
	EyeOpen   float32 // an eye is open from here on; eyes_blinking_threshold 0.6 for 1 less this
	MouthOpen float32 // a mouth is open from here on; mouth_opened_threshold 0.8
	Glasses   float32 // glasses are worn from here on; the seed has no key for it, nor for masks
	Mask      float32
}

// Uncalibrated is for packs that name no operating points.
var Uncalibrated = Calibration{Sharpness: 20, EyeOpen: 0.5, MouthOpen: 0.125, Glasses: 0.5, Mask: 0.5}

// The seed SDK's defaults.
const (
	seedBlur        = 10
	seedEyesClosed  = 0.6
	seedMouthOpened = 0.8
)

// bend is x, 0..1, on the lines through (0, 0), (point, seed) and (1, 1).
func bend(x, point, seed float32) float32 {
	if x <= point {
		return x * seed / point
	}
	return seed + (1-seed)*(x-point)/(1-point)
}

// How the engine's measures become scores on the scale of the seed SDK's keys. The seed says what each key is about and
// which way it is stricter, not how its own measures are made.
// noseDepth is how far the tip of the nose stands before the plane of eyes and mouth corners, as a share of the distance of
// these two lines: 130 of 320 units in the head model that OpenCV's example of pose estimation uses.
const noseDepth = 130.0 / 320

// Scores are what is measured of a face, in the order of [schema.Metrics]; smile only where it is asked for. What no network
// and no measure answered is left out.
func Scores(o *face.Observation, c Calibration, smile bool) []schema.FaceMetric {
	var out []schema.FaceMetric
	add := func(name string, value *float32) {
		if value != nil && Finite(*value) {
			out = append(out, schema.FaceMetric{Name: name, Value: *value})
		}
	}
	size, rotation := size(o), rotation(o)
	add(schema.MetricFaceSize, &size)
	add(schema.MetricRotation, &rotation)
	if o.Pose != nil {
		frontality, gaze := Frontality(*o.Pose), VerticalGaze(*o.Pose)
		add(schema.MetricFrontality, &frontality)
		add(schema.MetricVerticalGaze, &gaze)
	}
	add(schema.MetricLandmarkConfidence, o.LandmarkConfidence)
	if o.Sharpness != nil {
		sharpness := *o.Sharpness * seedBlur / c.Sharpness
		add(schema.MetricSharpness, &sharpness)
	}
	if o.Light != nil {
		add(schema.MetricBrightness, &o.Light.Mean)
		add(schema.MetricBrightnessLow, &o.Light.Low)
		add(schema.MetricBrightnessHigh, &o.Light.High)
	}
	add(schema.MetricEyeLeftOpen, o.LeftEyeOpen)
	add(schema.MetricEyeRightOpen, o.RightEyeOpen)
	if open := lessOpenEye(o); open != nil {
		closed := bend(1-*open, 1-c.EyeOpen, seedEyesClosed)
		add(schema.MetricEyesClosed, &closed)
	}
	if o.MouthOpen != nil {
		open := bend(*o.MouthOpen, c.MouthOpen, seedMouthOpened)
		add(schema.MetricMouthOpen, &open)
	}
	if smile {
		add(schema.MetricSmile, o.Smile)
	}
	add(schema.MetricGlasses, o.Glasses)
	add(schema.MetricMask, o.Mask)
	for _, region := range []string{"left_eye", "right_eye", "nose", "mouth"} {
		if p, ok := o.Occlusion[region]; ok {
			add("occlusion_"+region, &p)
		}
	}
	return out
}

// Frontality is the cosine of the yaw: 1 for a frontal face, 0 for a full profile. threshold_profile_enroll 0.7 lets a
// person look 45 degrees to the side, threshold_profile_predict 0.85 lets them look 32.
func Frontality(p face.Pose) float32 { return float32(math.Cos(radians(p.Yaw))) }

// VerticalGaze is how far the tip of the nose moves from its place in a frontal face, as a share of the distance between
// the line of the eyes and that of the mouth: negative, up, where the person looks up. The threshold_high_vertical_*
// (-0.1) let a person look 14 degrees up, threshold_down_vertical_enroll (0.15) 20 degrees down.
func VerticalGaze(p face.Pose) float32 {
	return float32(-noseDepth * math.Tan(max(min(radians(p.Pitch), 1.5), -1.5)))
}

// Finite reports whether x is a number that JSON can carry: networks can answer hostile pixels with anything.
func Finite(x float32) bool { return x-x == 0 }

func radians(degrees float32) float64 { return float64(degrees) * math.Pi / 180 }

// size is the square root of the box's area as a share of the picture's shorter side. A share of the area, as the seed
// calls its keys, would make one limit mean another distance in a portrait and in a landscape picture; and with boxes that
// end at forehead and chin, its default 0.2 would refuse two portraits of three.
func size(o *face.Observation) float32 {
	return float32(math.Sqrt(float64(o.Area()))) / float32(max(min(o.Width, o.Height), 1))
}

// beyond is how far a face reaches at least beyond the outermost of its five points on every side, as a share of the
// distance of the eyes. Boxes of frontal faces hold more than this.
const beyond = 0.3

// extent is the face's box, wider where its points say so: where a face is cut off, detectors fit the box into the picture.
func extent(o *face.Observation) schema.BoxF {
	box, p := o.Box, o.Points
	margin := beyond * float32(math.Hypot(float64(p[1].X-p[0].X), float64(p[1].Y-p[0].Y)))
	for _, q := range p {
		box.TopLeft.X, box.BottomRight.X = min(box.TopLeft.X, q.X-margin), max(box.BottomRight.X, q.X+margin)
		box.TopLeft.Y, box.BottomRight.Y = min(box.TopLeft.Y, q.Y-margin), max(box.BottomRight.Y, q.Y+margin)
	}
	return box
}

// rotation is by how many degrees the head leans to the picture's right, by its pose, else by the line of the eyes.
func rotation(o *face.Observation) float32 {
	if o.Pose != nil {
		return o.Pose.Roll
	}
	return o.Roll()
}

func lessOpenEye(o *face.Observation) *float32 {
	if o.LeftEyeOpen == nil || o.RightEyeOpen != nil && *o.RightEyeOpen < *o.LeftEyeOpen {
		return o.RightEyeOpen
	}
	return o.LeftEyeOpen
}

// view is what the decisions look at.
type view struct {
	*face.Observation
	Calibration
	scores map[string]float32
	config schema.OperationConfig
	op     schema.Operation
}

// below and above compare a score with a limit; what was not measured is neither.
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

// decisions are all traits but FT_INVALID_FACE_BACKGROUND, which nothing here can judge.
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
	{schema.FTFaceWithGlass, func(v *view) bool { return v.reaches(schema.MetricGlasses, v.Calibration.Glasses) }},
	{schema.FTFaceWithMask, func(v *view) bool { return v.reaches(schema.MetricMask, v.Calibration.Mask) }},
	{schema.FTLookingLeft, func(v *view) bool { return v.sideways() && v.Pose.Yaw > 0 }},
	{schema.FTLookingRight, func(v *view) bool { return v.sideways() && v.Pose.Yaw < 0 }},
	{schema.FTLookingHigh, func(v *view) bool {
		high, _ := v.config.VerticalGaze(v.op)
		return v.below(schema.MetricVerticalGaze, high)
	}},
	{schema.FTLookingDown, func(v *view) bool {
		_, down := v.config.VerticalGaze(v.op)
		return v.above(schema.MetricVerticalGaze, down)
	}},
	{schema.FTFaceTooDark, func(v *view) bool { return v.below(schema.MetricBrightness, v.config.Quality.TooDark) }},
	{schema.FTFaceTooBright, func(v *view) bool { return v.above(schema.MetricBrightness, v.config.Quality.TooBright) }},
	{schema.FTFaceLowValConf, func(v *view) bool {
		return v.below(schema.MetricLandmarkConfidence, v.config.Detection.LandmarkConfidence)
	}},
	{schema.FTEyeBlink, func(v *view) bool { return v.reaches(schema.MetricEyesClosed, v.config.Quality.EyesClosed) }},
	{schema.FTMouthOpened, func(v *view) bool { return v.reaches(schema.MetricMouthOpen, v.config.Quality.MouthOpen) }},
	{schema.FTFaceRotatedRight, func(v *view) bool { return v.below(schema.MetricRotation, -v.config.Pose.RotationRight) }},
	{schema.FTFaceRotatedLeft, func(v *view) bool { return v.above(schema.MetricRotation, v.config.Pose.RotationLeft) }},
	{schema.FTFaceNotInOval, func(v *view) bool { return v.config.Pose.InOval && !v.inOval() }},
}

func (v *view) sideways() bool {
	return v.below(schema.MetricFrontality, v.config.LeastFrontality(v.op))
}

// inOval reports whether the ellipse in the face's box lies inside the oval where a person is asked to hold their face:
// upright in the middle of the picture, 3:4 wide, 90 % of the height high or as wide as the picture, whichever is less.
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

// Of decides the traits of a face, whose scores are those of Scores, in op. face_validations_off leaves none.
func Of(o *face.Observation, c Calibration, scores []schema.FaceMetric, config schema.OperationConfig, op schema.Operation) schema.FaceTraits {
	if config.Quality.ValidationsOff {
		return 0
	}
	v := &view{Observation: o, Calibration: c, scores: map[string]float32{}, config: config, op: op}
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

// Rejecting are those of traits that fail op under config.
func Rejecting(traits schema.FaceTraits, config schema.OperationConfig, op schema.Operation) schema.FaceTraits {
	invalid := schema.InvalidFaceTraits(op)
	if op == schema.OpEnroll && config.Quality.RefuseBadExposure {
		invalid |= schema.FTFaceTooDark | schema.FTFaceTooBright
	}
	return traits & invalid &^ config.Quality.AllowedTraits
}

// advice is what a person can do about each trait, what spoils recognition most first.
var advice = []struct {
	trait schema.FaceTraits
	text  string
}{
	{schema.FTFaceWithMask, "Take off the mask."},
	{schema.FTFaceTooFar, "Come closer to the camera."},
	{schema.FTFaceTooClose, "Move away from the camera."},
	{schema.FTFaceRight, "Move to your left, until your whole face is in the picture."},
	{schema.FTFaceLeft, "Move to your right, until your whole face is in the picture."},
	{schema.FTFaceUp, "Lower your head or raise the camera, until your whole face is in the picture."},
	{schema.FTFaceDown, "Raise your head or lower the camera, until your whole face is in the picture."},
	{schema.FTFaceNotInOval, "Hold your face inside the oval."},
	{schema.FTLookingLeft, "Turn your head to your right, until you look straight into the camera."},
	{schema.FTLookingRight, "Turn your head to your left, until you look straight into the camera."},
	{schema.FTLookingHigh, "Look down a little, straight into the camera."},
	{schema.FTLookingDown, "Look up a little, straight into the camera."},
	{schema.FTFaceRotatedLeft, "Tilt your head to your right, until it is upright."},
	{schema.FTFaceRotatedRight, "Tilt your head to your left, until it is upright."},
	{schema.FTImageBlurr, "Hold still and clean the lens: the picture is blurred."},
	{schema.FTFaceTooDark, "Turn on a light or face the window: your face is too dark."},
	{schema.FTFaceTooBright, "Step out of the bright light: your face is too bright."},
	{schema.FTFaceWithGlass, "Take off your glasses."},
	{schema.FTMouthOpened, "Close your mouth."},
	{schema.FTEyeBlink, "Open your eyes."},
	{schema.FTFaceLowValConf, "Show your whole face, with nothing in front of it."},
	{schema.FTInvalidFaceBackground, "Stand in front of a plain wall."},
}

// Advice says what the person should do about traits, most important first; "" without traits.
func Advice(traits schema.FaceTraits) string {
	var out []string
	for _, a := range advice {
		if traits&a.trait != 0 {
			out = append(out, a.text)
		}
	}
	return strings.Join(out, " ")
}

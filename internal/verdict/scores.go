package verdict

import (
	"math"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/quality"
	"facestream/pkg/schema"
)

// noseDepth is the distance of the tip of the nose from the plane of eyes and mouth corners, as a share of the distance
// between the line of the eyes and that of the mouth: 130 of 320 units in the head model of OpenCV's example of pose
// estimation.
const noseDepth = 130.0 / 320

// scores returns the measurements of a face in the order of [schema.Metrics], each on the scale of the key that limits
// it. It leaves out what was not measured, and smile unless the request asks for it.
func (c *Case) scores(o *face.Observation) []schema.FaceMetric {
	var out []schema.FaceMetric
	add := func(name string, value *float32) {
		if value != nil && finite(*value) {
			out = append(out, schema.FaceMetric{Name: name, Value: *value})
		}
	}
	mapped := func(name string, onto func(float32) float32, value *float32) {
		if value != nil {
			score := onto(*value)
			add(name, &score)
		}
	}
	size, rotation := size(o), rotation(o)
	add(schema.MetricFaceSize, &size)
	eyes, padding := interEye(o), padding(o)
	add(schema.MetricInterEyeDistance, &eyes)
	add(schema.MetricPadding, &padding)
	add(schema.MetricRotation, &rotation)
	if o.Pose != nil {
		frontality, gaze := frontality(*o.Pose), verticalGaze(*o.Pose)
		add(schema.MetricFrontality, &frontality)
		add(schema.MetricVerticalGaze, &gaze)
	}
	add(schema.MetricLandmarkConfidence, o.LandmarkConfidence)
	points := c.pack.Traits
	mapped(schema.MetricSharpness, points.sharpness, o.Sharpness)
	if o.Light != nil {
		add(schema.MetricBrightness, &o.Light.Mean)
		add(schema.MetricBrightnessLow, &o.Light.Low)
		add(schema.MetricBrightnessHigh, &o.Light.High)
		add(schema.MetricUnderexposure, &o.Light.LostShadows)
		add(schema.MetricOverexposure, &o.Light.LostHighlights)
	}
	add(schema.MetricEyeLeftOpen, o.LeftEyeOpen)
	add(schema.MetricEyeRightOpen, o.RightEyeOpen)
	mapped(schema.MetricEyesClosed, points.eyesClosed, lessOpenEye(o))
	mapped(schema.MetricMouthOpen, points.mouthOpen, o.MouthOpen)
	if c.config.Quality.Smile {
		add(schema.MetricSmile, o.Smile)
	}
	add(schema.MetricGlasses, o.Glasses)
	add(schema.MetricMask, o.Mask)
	for _, region := range []string{"left_eye", "right_eye", "nose", "mouth"} {
		if p, ok := o.Occlusion[region]; ok {
			add("occlusion_"+region, &p)
		}
	}
	if c.config.Quality.PlainBackground && o.Quality != nil {
		if busy, _, ok := quality.Measured(o.Quality, quality.BackgroundUniformity); ok {
			add(schema.MetricBackground, &busy)
		}
	}
	return out
}

// interEye returns the distance of the eyes in pixels that a frontal face would have.
func interEye(o *face.Observation) float32 {
	left, right := face.EyeCentres(o.Face, o.Landmarks)
	d := math.Hypot(float64(right.X-left.X), float64(right.Y-left.Y))
	if o.Pose != nil {
		d /= max(math.Cos(radians(o.Pose.Yaw)), 0.1)
	}
	return float32(d)
}

// padding returns the distance in pixels between the extent of the face and the nearest border of the picture.
func padding(o *face.Observation) float32 {
	box := extent(o)
	return min(box.TopLeft.X, box.TopLeft.Y, float32(o.Width)-box.BottomRight.X, float32(o.Height)-box.BottomRight.Y)
}

// frontality returns the cosine of the yaw: 1 for a frontal face, 0 for a full profile. A limit of 0.7 allows a yaw of
// 45 degrees, and one of 0.85 allows 32.
func frontality(p face.Pose) float32 { return float32(math.Cos(radians(p.Yaw))) }

// verticalGaze returns how far the tip of the nose has moved from its place in a frontal face, as a share of the
// distance between the line of the eyes and that of the mouth. It is negative if the person looks up. A limit of 0.15
// allows a person to look 20 degrees down, and one of -0.15 the same up.
func verticalGaze(p face.Pose) float32 {
	return float32(-noseDepth * math.Tan(max(min(radians(p.Pitch), 1.5), -1.5)))
}

func radians(degrees float32) float64 { return float64(degrees) * math.Pi / 180 }

// size returns the area of the box as a share of the picture's, as the CryptoNets SDK documents its keys.
func size(o *face.Observation) float32 {
	return float32(float64(o.Area()) / float64(max(o.Width*o.Height, 1)))
}

// beyond is the least distance by which a face extends beyond the outermost of its five points on every side, as a
// share of the distance between the eyes. Boxes of frontal faces contain more than this.
const beyond = 0.3

// extent returns the face's box, enlarged if its points require it. Detectors clip the box of a face that is cut off to
// the picture.
func extent(o *face.Observation) schema.BoxF {
	box, p := o.Box, o.Points
	margin := beyond * float32(math.Hypot(float64(p[1].X-p[0].X), float64(p[1].Y-p[0].Y)))
	for _, q := range p {
		box.TopLeft.X, box.BottomRight.X = min(box.TopLeft.X, q.X-margin), max(box.BottomRight.X, q.X+margin)
		box.TopLeft.Y, box.BottomRight.Y = min(box.TopLeft.Y, q.Y-margin), max(box.BottomRight.Y, q.Y+margin)
	}
	return box
}

// rotation returns the roll of the head to the picture's right, in degrees. It is that of the pose, or of the line of
// the eyes if there is no pose.
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

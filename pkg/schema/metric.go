package schema

// FaceMetric is one measurement of a face, like the CryptoNets SDK's FaceMetric: a name, and a value on the scale of
// the configuration keys that limit it.
type FaceMetric struct {
	Name  string  `json:"name"`
	Value float32 `json:"value"`
}

// The names of the scores of a face. Left and right are sides of the image.
const (
	MetricFaceSize           = "face_size"
	MetricInterEyeDistance   = "inter_eye_distance"
	MetricPadding            = "padding"
	MetricRotation           = "rotation"
	MetricFrontality         = "frontality"
	MetricVerticalGaze       = "vertical_gaze"
	MetricLandmarkConfidence = "landmark_confidence"
	MetricSharpness          = "sharpness"
	MetricBrightness         = "brightness"
	MetricBrightnessLow      = "brightness_low"
	MetricBrightnessHigh     = "brightness_high"
	MetricUnderexposure      = "underexposure"
	MetricOverexposure       = "overexposure"
	MetricEyeLeftOpen        = "eye_left_open"
	MetricEyeRightOpen       = "eye_right_open"
	MetricEyesClosed         = "eyes_closed"
	MetricMouthOpen          = "mouth_open"
	MetricSmile              = "smile"
	MetricGlasses            = "glasses"
	MetricMask               = "mask"
	MetricOcclusionLeftEye   = "occlusion_left_eye"
	MetricOcclusionRightEye  = "occlusion_right_eye"
	MetricOcclusionNose      = "occlusion_nose"
	MetricOcclusionMouth     = "occlusion_mouth"
	MetricBackground         = "background_uniformity"
)

// MetricInfo documents one score.
type MetricInfo struct {
	Name, Meaning string
}

// Metrics lists every score, in the order of a face's scores. A face has only those that were measured.
func Metrics() []MetricInfo {
	return []MetricInfo{
		{MetricFaceSize, "the area of the box, as a share of the picture's"},
		{MetricInterEyeDistance, "pixels between the centres of the eyes, over the cosine of the pose's yaw"},
		{MetricPadding, "pixels from the extent of the face to the nearest border of the image; negative where the image cuts the face off"},
		{MetricRotation, "degrees by which the head leans to the image's right (the person's left), -180..180: the pose's roll, else the angle of the line through the eyes"},
		{MetricFrontality, "the cosine of the pose's yaw: 1 frontal, 0 a full profile"},
		{MetricVerticalGaze, "-0.406 times the tangent of the pose's pitch: how far the tip of the nose has moved towards the line of the eyes (negative: the person looks up) or that of the mouth, as a share of the distance between the two lines; ±0.15 is about 20 degrees"},
		{MetricLandmarkConfidence, "how certain the landmarks are, 0..1; only if the model pack's landmark network reports it"},
		{MetricSharpness, "the variance of the Laplacian of the face's grey values 0..255 at a width of 112 pixels, scaled so that 10 is the model pack's limit of a blurred face"},
		{MetricBrightness, "the mean luma of the face, 0 black .. 1 white"},
		{MetricBrightnessLow, "the 5th percentile of the luma"},
		{MetricBrightnessHigh, "the 95th percentile of the luma"},
		{MetricUnderexposure, "the share of the face's pixels, within the ellipse in its box, whose shadows are lost: a luma of 0..25 of 255"},
		{MetricOverexposure, "the share of them whose highlights are lost: a luma of 247..255"},
		{MetricEyeLeftOpen, "the probability that the eye on the image's left is open"},
		{MetricEyeRightOpen, "the probability that the eye on the image's right is open"},
		{MetricEyesClosed, "0 both open .. 1 an eye closed: 1 minus the smaller of the two probabilities, mapped so that 0.6 is the model pack's limit of an open eye"},
		{MetricMouthOpen, "0 closed lips .. 1 a wide open mouth, mapped so that 0.8 is the model pack's limit of an open mouth"},
		{MetricSmile, "0 none .. 1 a broad smile; with get_smile_intensity"},
		{MetricGlasses, "the probability of glasses; at or above the model pack's limit it sets FT_FACE_WITH_GLASS"},
		{MetricMask, "the probability of a mask; at or above the model pack's limit it sets FT_FACE_WITH_MASK"},
		{MetricOcclusionLeftEye, "the probability that something covers the eye on the image's left"},
		{MetricOcclusionRightEye, "the probability that something covers the eye on the image's right"},
		{MetricOcclusionNose, "the probability that something covers the nose"},
		{MetricOcclusionMouth, "the probability that something covers the mouth"},
		{MetricBackground, "how busy the background is: 0 a plain surface, 5..30 a plain wall; with refuse_busy_background"},
	}
}

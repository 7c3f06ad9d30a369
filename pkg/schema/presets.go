package schema

// Capture says how the pictures of a request are taken. It names a preset.
type Capture string

// The captures.
const (
	CaptureSelfie       Capture = "selfie"
	CapturePortrait     Capture = "portrait"
	CaptureSurveillance Capture = "surveillance"
	CaptureIDenFace     Capture = "idenface"
)

// Preset is the defaults that a value of the key capture stands for, where they differ from the general ones. A key that the
// request sets keeps the request's value, and the operator's floors bind both.
type Preset struct {
	Capture  Capture
	Meaning  string
	Defaults []Override // those of an Operation "" hold for every operation
}

// Presets lists the presets in the order of docs/operation-config.md.
func Presets() []Preset {
	const glasses, mouth = int64(FTFaceWithGlass), int64(FTMouthOpened)
	return []Preset{
		{CaptureSelfie, "a person in front of a webcam or with a phone in hand, who is told what to do", nil},
		{CapturePortrait, "a photograph that exists already: a file, the press, an identity card. Nobody can be asked to take it again, and it shows " +
			"nobody who is present", []Override{
			{"", "anti_spoofing_mode", int64(0)},
			{"", "liveness_not_assessable", string(AllowUnassessable)},
			{"", "allowed_face_traits_flags", glasses},
			{"", "threshold_profile_predict", 0.7},
			{"", "angle_rotation_left_threshold", 30.0},
			{"", "angle_rotation_right_threshold", 30.0},
			{"", "threshold_user_too_close", 1.0},
			{"", "threshold_user_too_far", 0.005},
			{OpPredict, "threshold_user_too_far", 0.002},
			{"", "threshold_user_right", 0.0},
			{"", "threshold_user_left", 1.0},
			{"", "threshold_user_up", 0.0},
			{"", "threshold_user_down", 1.0},
		}},
		{CaptureSurveillance, "a camera on a wall: small faces of people who do not look at it", []Override{
			{"", "anti_spoofing_mode", int64(0)},
			{"", "allowed_face_traits_flags", glasses | mouth},
			{"", "refuse_occlusion", string(OcclusionNever)},
			{"", "blur_threshold_enroll_pred", 5.0},
			{"", "threshold_profile_enroll", 0.5},
			{"", "threshold_profile_predict", 0.5},
			{"", "threshold_high_vertical_enroll", -0.25},
			{"", "threshold_high_vertical_predict", -0.25},
			{"", "threshold_down_vertical_enroll", 0.25},
			{"", "threshold_down_vertical_predict", 0.25},
			{"", "angle_rotation_left_threshold", 45.0},
			{"", "angle_rotation_right_threshold", 45.0},
			{"", "threshold_user_too_close", 1.0},
			{"", "threshold_user_too_far", 0.001},
			{OpPredict, "threshold_user_too_far", 0.0005},
			{"", "threshold_user_right", 0.0},
			{"", "threshold_user_left", 1.0},
			{"", "threshold_user_up", 0.0},
			{"", "threshold_user_down", 1.0},
		}},
		{CaptureIDenFace, "the requirements of image acquisition of iDenFace: one face of at least 15 % of the picture, with nothing over it, 60 pixels between the eyes, " +
			"3 pixels of padding, yaw and pitch within 30 degrees, roll within 45. A refusal names iDenFace's code", []Override{
			{"", "face_detection_strategy", int64(0)},
			{"", "refuse_occlusion", string(OcclusionAlways)},
			{"", "min_inter_eye_distance", 60.0},
			{"", "min_face_padding", 3.0},
			{"", "threshold_profile_enroll", 0.866},
			{"", "threshold_profile_predict", 0.866},
			{"", "threshold_high_vertical_enroll", -0.2345},
			{"", "threshold_high_vertical_predict", -0.2345},
			{"", "threshold_down_vertical_enroll", 0.2345},
			{"", "threshold_down_vertical_predict", 0.2345},
			{"", "angle_rotation_left_threshold", 45.0},
			{"", "angle_rotation_right_threshold", 45.0},
			{"", "threshold_user_too_far", 0.15},
		}},
	}
}

// defaults returns the defaults of c for op, and nil for the preset that changes none.
func (c Capture) defaults(op Operation) (out []Override) {
	for _, p := range Presets() {
		for _, o := range p.Defaults {
			if p.Capture == c && (o.Operation == "" || o.Operation == op) {
				out = append(out, o)
			}
		}
	}
	return out
}

func captureValues() (out []Value) {
	for _, p := range Presets() {
		out = append(out, Value{string(p.Capture), p.Meaning})
	}
	return out
}

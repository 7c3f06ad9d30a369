package schema

// The keys of [OperationConfig], one entry each, in the order of docs/operation-config.md. This table is the only source of
// the defaults, of the validation in [ResolveConfig], of the JSON Schema and of that page.
var configTable = []struct {
	group string
	keys  []ConfigKey
}{
	{"General", generalKeys},
	{"Finding faces", detectionKeys},
	{groupMatching, matchingKeys},
	{groupQuality, qualityKeys},
	{groupPose, poseKeys},
	{groupLiveness, livenessKeys},
	{"Challenges", challengeKeys},
	{"Documents", documentKeys},
	{"Output images", portraitKeys},
}

// The groups on whose keys the operator can set floors.
const (
	groupMatching = "Matching"
	groupQuality  = "Face quality"
	groupPose     = "Pose and position"
	groupLiveness = "Liveness"
)

// Why keys that belong together do nothing.
const (
	noDocuments        = "documents are not read by this version"
	noFrames           = "a request is about single images and never about the frames of a video, so there is no such step"
	packNamesLandmarks = "the model pack names the landmark network"
)

var generalKeys = []ConfigKey{
	{
		Name:    "input_image_format",
		Default: "rgb",
		Enum:    []Value{{Value: "rgb"}, {Value: "bgr"}, {Value: "rgba"}},
		Doc:     "Channel order of raw pixels.",
		Idle:    "images arrive as files, and a file states its own channel order",
	},
	{
		Name:    "context_string",
		Default: "enroll",
		Enum:    []Value{{Value: "enroll"}, {Value: "predict"}, {Value: "document", Meaning: "an addition; for validate"}},
		Doc:     "Which thresholds apply to an operation that is neither enroll nor predict.",
		Effect: "In operations other than enroll and predict, the keys that end in `_enroll` or those that end in `_predict` " +
			"apply. With \"document\", validate judges a document and the face on it, as doc_scan_face does and with its defaults, and makes no pictures.",
		field: func(c *OperationConfig) any { return &c.General.Context },
	},
	{
		Name:      "identifier",
		Default:   "",
		MaxLength: 256,
		Doc: "The caller's name for the user or the call. For a name that is kept and comes back, use the request's " +
			"external_id.",
		Idle: "the request's external_id and operation_tag are kept and come back",
	},
	{
		Name:    "capture",
		Default: string(CaptureSelfie),
		Enum:    captureValues(),
		Added:   true,
		Doc:     "How the pictures are taken.",
		Effect:  "Other keys have the defaults of [the preset](#presets). A key that the request sets keeps its value, and floors bind both.",
		field:   func(c *OperationConfig) any { return &c.General.Capture },
	},
	{
		Name:    "fetch_timeout_ms",
		Default: 5000,
		Range:   &Range{Min: 0, Max: 2147483647},
		Unit:    "ms",
		Doc:     "Time limit of one call to a backend.",
		Idle:    "no backend is called; the request's `deadline` limits the whole work",
	},
	{
		Name:    "https_verify_peer_cert",
		Default: false,
		Doc:     "Whether calls to a backend check its TLS certificate.",
		Idle:    "no backend is called; the operator's settings say how Kafka and the object store are reached",
	},
	{
		Name:      "collection_name",
		Default:   "",
		Pattern:   "^(" + collectionName + ")?$",
		MaxLength: 64,
		Doc:       "The gallery to work on.",
		Effect:    "Names the collection if the request's field `collection` is absent.",
		field:     func(c *OperationConfig) any { return &c.General.CollectionName },
	},
	{
		Name:    "send_original_images",
		Default: false,
		Doc:     "Whether the unprocessed image goes to the backend as well.",
		Idle:    "the image stays in the bucket that it was uploaded to",
	},
	{
		Name:    "use_predict_cache",
		Default: false,
		Doc:     "Whether a prediction may be answered from an earlier one.",
		Idle:    "every prediction searches the gallery, so that it sees the latest enrolment and deletion",
	},
	{
		Name:    "encrypt_compare_result",
		Default: false,
		Doc:     "Whether the answer of compare is encrypted.",
		Idle:    "results hold no embedding, and TLS protects them on their way through Kafka",
	},
}

var detectionKeys = []ConfigKey{
	{
		Name:    "face_detection_strategy",
		Default: 1,
		Enum: []Value{
			{Value: 0, Meaning: "every face"},
			{Value: 1, Meaning: "the most confident face"},
			{Value: 2, Meaning: "the largest face; on a document the main portrait: of those about as large the leftmost"},
			{Value: 3, Meaning: "the face with the largest area times confidence"},
		},
		Doc:    "Which face is used if the image shows several.",
		Effect: "Chooses among the faces that were found.",
		field:  func(c *OperationConfig) any { return &c.Detection.Strategy },
	},
	{
		Name:       "conf_score_thr_enroll",
		Strictness: Higher,
		Default:    0.5,
		Range:      &Range{Min: 0, Max: 1},
		Doc:        "Lowest confidence of a face that is enrolled.",
		Effect: "In enroll, and in other operations if `context_string` is \"enroll\", a detection with a lower confidence does " +
			"not count as a face. The model pack's own least confidence is the lower bound; the result's `notes` say so if a request asks for less.",
		field: func(c *OperationConfig) any { return &c.Detection.ConfidenceEnroll },
	},
	{
		Name:       "conf_score_thr_predict",
		Strictness: Higher,
		Default:    0.12,
		Range:      &Range{Min: 0, Max: 1},
		Doc:        "Lowest confidence of a face that is searched for.",
		Effect: "In predict, and in other operations if `context_string` is \"predict\", a detection with a lower confidence " +
			"does not count as a face. The model pack's own least confidence is the lower bound; the result's `notes` say so if a request asks for less.",
		field: func(c *OperationConfig) any { return &c.Detection.ConfidencePredict },
	},
	{
		Name:       "landmark_confidence_score_threshold",
		Strictness: Higher,
		Default:    0.5,
		Range:      &Range{Min: 0, Max: 1},
		Doc:        "Lowest confidence of the face landmarks.",
		Effect: "A face whose score `landmark_confidence` is lower gets FT_FACE_LOW_VAL_CONF. Only some model packs measure this " +
			"score.",
		field: func(c *OperationConfig) any { return &c.Detection.LandmarkConfidence },
	},
	{
		Name:    "base_landmarks_model_id",
		Default: 0,
		Enum:    []Value{{Value: 0, Meaning: "head pose"}, {Value: 22, Meaning: "YOLOv5"}},
		Doc:     "The landmark network, by its number in the CryptoNets SDK.",
		Idle:    packNamesLandmarks,
	},
	{
		Name:    "base_face_landmarks_model_id",
		Default: -1,
		Enum: []Value{
			{Value: -1, Meaning: "default"},
			{Value: 0, Meaning: "head pose"},
			{Value: 22, Meaning: "YOLOv5"},
		},
		Doc:  "The face landmark network, by its number in the CryptoNets SDK.",
		Idle: packNamesLandmarks,
	},
	{
		Name:    "automatic_turning",
		Default: true,
		Added:   true,
		Doc:     "Whether faces are also found in images that lie on their side or are upside down.",
		Effect: "An image without an upright face is also searched after turning it by 90, 180 and 270 degrees. The `turned` " +
			"of each face says by how much the image was turned for it. A head that leans by more than 45 degrees counts as a turned image.",
		field: func(c *OperationConfig) any { return &c.Detection.Turn },
	},
}

var matchingKeys = []ConfigKey{
	{
		Name:       "face_thresholds_min",
		Strictness: Higher,
		Type:       "number",
		Range:      &Range{Min: -1, Max: 1},
		Unit:       "cosine",
		Doc:        "Lower matching threshold. Default: the model pack's.",
		Effect:     "In predict, a person is a candidate at this cosine or above. In compare and verify, the confidence is 0 up to it.",
		field:      func(c *OperationConfig) any { return &c.Matching.Min },
	},
	{
		Name:       "face_thresholds_med",
		Strictness: Higher,
		Type:       "number",
		Range:      &Range{Min: -1, Max: 1},
		Unit:       "cosine",
		Doc:        "The matching threshold. Default: the model pack's.",
		Effect:     "compare and verify call two faces the same person at this cosine or above.",
		field:      func(c *OperationConfig) any { return &c.Matching.Med },
	},
	{
		Name:       "face_thresholds_max",
		Strictness: Higher,
		Type:       "number",
		Range:      &Range{Min: -1, Max: 1},
		Unit:       "cosine",
		Doc:        "Upper matching threshold. Default: the model pack's.",
		Effect:     "predict identifies a person at this cosine or above. In compare and verify, the confidence is then 1.",
		field:      func(c *OperationConfig) any { return &c.Matching.Max },
	},
	{
		Name:    "neighbors",
		Default: 1,
		Range:   &Range{Min: 1, Max: 100},
		Unit:    "people",
		Doc:     "How many of the most similar people are considered.",
		Effect:  "The largest number of candidates that predict lists.",
		field:   func(c *OperationConfig) any { return &c.Matching.Neighbors },
	},
	{
		Name:    "fudge_factor",
		Default: 1.0,
		Range:   &Range{Min: 0, Max: 10, OpenMin: true},
		Doc:     "Makes matching stricter (above 1) or laxer (below 1).",
		Effect:  "The three matching thresholds are multiplied by it.",
		field:   func(c *OperationConfig) any { return &c.Matching.FudgeFactor },
	},
}

var qualityKeys = []ConfigKey{
	{
		Name:       "blur_threshold_enroll_pred",
		Strictness: Higher,
		Default:    10.0,
		Range:      &Range{Min: 0, Max: 1000000},
		Unit:       "sharpness",
		Doc:        "Lowest sharpness of a face.",
		Effect:     "A face whose score `sharpness` is lower gets FT_IMAGE_BLURR.",
		field:      func(c *OperationConfig) any { return &c.Quality.Sharpness },
	},
	{
		Name:       "face_too_bright",
		Strictness: Lower,
		Default:    0.85,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of white",
		Doc:        "Brightness above which a face is too bright.",
		Effect:     "A face whose score `brightness` is higher gets FT_FACE_TOO_BRIGHT.",
		field:      func(c *OperationConfig) any { return &c.Quality.TooBright },
	},
	{
		Name:       "face_too_dark",
		Strictness: Higher,
		Default:    0.25,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of white",
		Doc:        "Brightness below which a face is too dark.",
		Effect:     "A face whose score `brightness` is lower gets FT_FACE_TOO_DARK.",
		field:      func(c *OperationConfig) any { return &c.Quality.TooDark },
	},
	{
		Name:       "face_validations_off",
		Strictness: Exactly,
		Default:    false,
		Doc:        "Switches off the traits of faces and every check on them.",
		Effect:     "Faces get no traits, so no trait rejects an enrolment or a prediction.",
		field:      func(c *OperationConfig) any { return &c.Quality.ValidationsOff },
	},
	{
		Name:       "eyes_blinking_threshold",
		Strictness: Lower,
		Default:    0.6,
		Range:      &Range{Min: 0, Max: 1},
		Doc:        "Score at which eyes count as closed.",
		Effect: "A face whose score `eyes_closed` reaches this value gets FT_EYE_BLINK. The score is that of the eye that is " +
			"closed further.",
		field: func(c *OperationConfig) any { return &c.Quality.EyesClosed },
	},
	{
		Name:       "mouth_opened_threshold",
		Strictness: Lower,
		Default:    0.8,
		Range:      &Range{Min: 0, Max: 1},
		Doc:        "Score at which a mouth counts as open.",
		Effect:     "A face whose score `mouth_open` reaches this value gets FT_MOUTH_OPENED.",
		field:      func(c *OperationConfig) any { return &c.Quality.MouthOpen },
	},
	{
		Name:    "get_smile_intensity",
		Default: false,
		Doc:     "Whether the strength of a smile is reported.",
		Effect:  "The face's scores include `smile`.",
		field:   func(c *OperationConfig) any { return &c.Quality.Smile },
	},
	{
		Name:       "allowed_face_traits_flags",
		Strictness: Subset,
		Default:    0,
		Range:      &Range{Min: 0, Max: float64(AllFaceTraits)},
		Unit:       "bits FT_*",
		Doc:        "Traits that are tolerated although they would reject an enrolment or a prediction.",
		Effect:     "These traits do not reject an enrolment or a prediction. The face keeps them.",
		field:      func(c *OperationConfig) any { return &c.Quality.AllowedTraits },
	},
	{
		Name:    "process_best_image_on_enroll",
		Default: false,
		Doc:     "Whether an enrolment of several images keeps the best one.",
		Idle:    "an enrolment takes one image",
	},
	{
		Name:       "refuse_bad_exposure",
		Strictness: Exactly,
		Default:    false,
		Added:      true,
		Doc:        "Whether an enrolment needs a face that is neither too dark nor too bright.",
		Effect: "A face with FT_FACE_TOO_DARK is refused with the reason `image_underexposed`, and one with FT_FACE_TOO_BRIGHT " +
			"with `image_overexposed`, unless `allowed_face_traits_flags` tolerates the trait. With false, neither trait " +
			"rejects an enrolment, as in the CryptoNets SDK.",
		field: func(c *OperationConfig) any { return &c.Quality.RefuseBadExposure },
	},
	{
		Name:       "underexposure_threshold",
		Strictness: Lower,
		Default:    0.3,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of the face",
		Added:      true,
		Doc:        "Share of a face whose shadows are lost above which it is too dark.",
		Effect:     "A face whose score `underexposure` is higher gets FT_FACE_TOO_DARK, however bright the rest of it is.",
		field:      func(c *OperationConfig) any { return &c.Quality.Underexposed },
	},
	{
		Name:       "overexposure_threshold",
		Strictness: Lower,
		Default:    0.1,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of the face",
		Added:      true,
		Doc:        "Share of a face whose highlights are lost above which it is too bright.",
		Effect:     "A face whose score `overexposure` is higher gets FT_FACE_TOO_BRIGHT, however dark the rest of it is.",
		field:      func(c *OperationConfig) any { return &c.Quality.Overexposed },
	},
	{
		Name:       "refuse_occlusion",
		Strictness: Higher,
		Default:    string(OcclusionEnroll),
		Enum:       []Value{{Value: string(OcclusionNever)}, {Value: string(OcclusionEnroll)}, {Value: string(OcclusionAlways), Meaning: "enroll and predict"}},
		Added:      true,
		Doc:        "Which operations need a face of which nothing is covered.",
		Effect: "There, a face with FT_EYE_COVERED, FT_NOSE_COVERED or FT_MOUTH_COVERED is refused with the reason `face_occluded`, unless " +
			"`allowed_face_traits_flags` tolerates the trait. A mask is FT_FACE_WITH_MASK and nothing else.",
		field: func(c *OperationConfig) any { return &c.Quality.RefuseOcclusion },
	},
	{
		Name:       "refuse_busy_background",
		Strictness: Exactly,
		Default:    false,
		Added:      true,
		Doc:        "Whether an enrolment needs a plain background.",
		Effect: "A face in front of a background whose score `background_uniformity` exceeds 60 gets FT_INVALID_FACE_BACKGROUND, and an " +
			"enrolment is refused with the reason `background_not_plain`. With false the background is not measured. It needs the role `segmentation` in the model " +
			"pack, else the answer is `role_absent`.",
		field: func(c *OperationConfig) any { return &c.Quality.PlainBackground },
	},
	{
		Name:    "use_age_stddev",
		Default: false,
		Doc:     "Whether an age estimate allows for its own uncertainty.",
		Effect:  "The estimated age is lowered by its standard deviation, so that in case of doubt a person counts as younger.",
		field:   func(c *OperationConfig) any { return &c.Quality.LowerAge },
	},
	{
		Name:      "quality_groups",
		Default:   "",
		Pattern:   "^((default|icao|visa-schengen|visa-usa)(,(default|icao|visa-schengen|visa-usa)){0,3})?$",
		MaxLength: 64,
		Added:     true,
		Doc: "The groups of requirements that the quality of a face is checked against, separated by commas: default " +
			"(recognition), icao (travel documents), visa-schengen, visa-usa.",
		Effect: "Each face of the result has its `quality`: what was measured, in the terms of ISO/IEC 29794-5, and whether each " +
			"of these groups allows it.",
		field: func(c *OperationConfig) any { return &c.Quality.Groups },
	},
	{
		Name:    "disable_enroll_mf",
		Default: false,
		Doc:     "Switches off the \"mf\" step of enroll in the CryptoNets SDK.",
		Idle:    noFrames,
	},
	{
		Name:    "disable_predict_mf",
		Default: false,
		Doc:     "Switches off the \"mf\" step of predict in the CryptoNets SDK.",
		Idle:    noFrames,
	},
	{
		Name:    "disable_validate_mf",
		Default: false,
		Doc:     "Switches off the \"mf\" step of validate in the CryptoNets SDK.",
		Idle:    noFrames,
	},
	{
		Name:    "disable_estimate_age_mf",
		Default: false,
		Doc:     "Switches off the \"mf\" step of estimate_age in the CryptoNets SDK.",
		Idle:    noFrames,
	},
}

var poseKeys = []ConfigKey{
	{
		Name:       "threshold_profile_enroll",
		Strictness: Higher,
		Default:    0.7,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "cosine of yaw",
		Doc:        "How frontal a face must be to be enrolled; higher is stricter.",
		Effect:     "A face to be enrolled whose score `frontality` is lower gets FT_LOOKING_LEFT or FT_LOOKING_RIGHT.",
		field:      func(c *OperationConfig) any { return &c.Pose.FrontalityEnroll },
	},
	{
		Name:       "threshold_profile_predict",
		Strictness: Higher,
		Default:    0.85,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "cosine of yaw",
		Doc:        "How frontal a face must be to be searched for; higher is stricter.",
		Effect:     "A face to be searched for whose score `frontality` is lower gets FT_LOOKING_LEFT or FT_LOOKING_RIGHT.",
		field:      func(c *OperationConfig) any { return &c.Pose.FrontalityPredict },
	},
	{
		Name:       "threshold_high_vertical_enroll",
		Strictness: Higher,
		Default:    -0.15,
		Range:      &Range{Min: -1, Max: 1},
		Unit:       "ratio",
		Doc:        "Below this vertical gaze a face to be enrolled looks up.",
		Effect:     "A face to be enrolled whose score `vertical_gaze` is lower gets FT_LOOKING_HIGH.",
		field:      func(c *OperationConfig) any { return &c.Pose.GazeUpEnroll },
	},
	{
		Name:       "threshold_high_vertical_predict",
		Strictness: Higher,
		Default:    -0.15,
		Range:      &Range{Min: -1, Max: 1},
		Unit:       "ratio",
		Doc:        "Below this vertical gaze a face to be searched for looks up.",
		Effect:     "A face to be searched for whose score `vertical_gaze` is lower gets FT_LOOKING_HIGH.",
		field:      func(c *OperationConfig) any { return &c.Pose.GazeUpPredict },
	},
	{
		Name:       "threshold_down_vertical_enroll",
		Strictness: Lower,
		Default:    0.15,
		Range:      &Range{Min: -1, Max: 1},
		Unit:       "ratio",
		Doc:        "Above this vertical gaze a face to be enrolled looks down.",
		Effect:     "A face to be enrolled whose score `vertical_gaze` is higher gets FT_LOOKING_DOWN.",
		field:      func(c *OperationConfig) any { return &c.Pose.GazeDownEnroll },
	},
	{
		Name:       "threshold_down_vertical_predict",
		Strictness: Lower,
		Default:    0.15,
		Range:      &Range{Min: -1, Max: 1},
		Unit:       "ratio",
		Doc:        "Above this vertical gaze a face to be searched for looks down.",
		Effect:     "A face to be searched for whose score `vertical_gaze` is higher gets FT_LOOKING_DOWN.",
		field:      func(c *OperationConfig) any { return &c.Pose.GazeDownPredict },
	},
	{
		Name:       "angle_rotation_left_threshold",
		Strictness: Lower,
		Default:    20.0,
		Range:      &Range{Min: 0, Max: 180},
		Unit:       "degrees",
		Doc:        "Largest roll of the head to the left.",
		Effect:     "A head that leans further to the person's left (score `rotation`) gets FT_FACE_ROTATED_LEFT.",
		field:      func(c *OperationConfig) any { return &c.Pose.RotationLeft },
	},
	{
		Name:       "angle_rotation_right_threshold",
		Strictness: Lower,
		Default:    20.0,
		Range:      &Range{Min: 0, Max: 180},
		Unit:       "degrees",
		Doc:        "Largest roll of the head to the right.",
		Effect:     "A head that leans further to the person's right (score `rotation`, negative) gets FT_FACE_ROTATED_RIGHT.",
		field:      func(c *OperationConfig) any { return &c.Pose.RotationRight },
	},
	{
		Name:       "threshold_user_right",
		Strictness: Higher,
		Default:    0.01,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of the width",
		Doc:        "Limit of the face's position on the person's right.",
		Effect:     "A face that reaches further to the left of the image, which is the person's right, gets FT_FACE_RIGHT.",
		field:      func(c *OperationConfig) any { return &c.Pose.Right },
	},
	{
		Name:       "threshold_user_left",
		Strictness: Lower,
		Default:    0.99,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of the width",
		Doc:        "Limit of the face's position on the person's left.",
		Effect:     "A face that reaches further to the right of the image, which is the person's left, gets FT_FACE_LEFT.",
		field:      func(c *OperationConfig) any { return &c.Pose.Left },
	},
	{
		Name:       "threshold_user_up",
		Strictness: Higher,
		Default:    0.01,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of the height",
		Doc:        "Limit of the face's position at the top.",
		Effect:     "A face that reaches further up gets FT_FACE_UP.",
		field:      func(c *OperationConfig) any { return &c.Pose.Up },
	},
	{
		Name:       "threshold_user_down",
		Strictness: Lower,
		Default:    0.99,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of the height",
		Doc:        "Limit of the face's position at the bottom.",
		Effect:     "A face that reaches further down gets FT_FACE_DOWN.",
		field:      func(c *OperationConfig) any { return &c.Pose.Down },
	},
	{
		Name:       "threshold_user_too_far",
		Strictness: Higher,
		Default:    0.02,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of the area",
		Doc:        "A face that covers less of the image is too far away.",
		Effect:     "A face whose score `face_size` is lower gets FT_FACE_TOO_FAR.",
		field:      func(c *OperationConfig) any { return &c.Pose.TooFar },
	},
	{
		Name:       "threshold_user_too_close",
		Strictness: Lower,
		Default:    0.7,
		Range:      &Range{Min: 0, Max: 1},
		Unit:       "of the area",
		Doc:        "A face that covers more of the image is too close.",
		Effect:     "A face whose score `face_size` is higher gets FT_FACE_TOO_CLOSE.",
		field:      func(c *OperationConfig) any { return &c.Pose.TooClose },
	},
	{
		Name:       "validate_face_position_oval",
		Strictness: Exactly,
		Default:    false,
		Doc:        "Whether a face must lie inside an oval in the middle of the image.",
		Effect: "A face that is not inside the oval gets FT_FACE_NOT_IN_OVAL. The oval stands upright in the middle of the " +
			"image. Its sides are 3:4, and it is 90 % of the image's height high or as wide as the image, whichever is " +
			"smaller.",
		field: func(c *OperationConfig) any { return &c.Pose.InOval },
	},
	{
		Name:       "min_inter_eye_distance",
		Strictness: Higher,
		Default:    0.0,
		Range:      &Range{Min: 0, Max: 10000},
		Unit:       "pixels",
		Added:      true,
		Doc:        "Least distance between the eyes; 0 asks for none.",
		Effect: "A face whose score `inter_eye_distance` is lower gets FT_FACE_TOO_SMALL, and enroll and predict refuse it with the reason " +
			"`face_too_small`.",
		field: func(c *OperationConfig) any { return &c.Pose.InterEye },
	},
	{
		Name:       "min_face_padding",
		Strictness: Higher,
		Default:    0.0,
		Range:      &Range{Min: 0, Max: 10000},
		Unit:       "pixels",
		Added:      true,
		Doc:        "Least distance of a face from the border of the image; 0 asks for none.",
		Effect: "A face whose score `padding` is lower gets FT_FACE_NO_PADDING, and enroll and predict refuse it with the reason " +
			"`face_not_padded`.",
		field: func(c *OperationConfig) any { return &c.Pose.Padding },
	},
}

var livenessKeys = []ConfigKey{
	{
		Name:       "anti_spoofing_mode",
		Strictness: Exactly,
		Default:    1,
		Enum: []Value{
			{Value: 0, Meaning: "off"},
			{Value: 1, Meaning: "XMS"},
			{Value: 2, Meaning: "JPD"},
			{Value: 3, Meaning: "Recognito"},
		},
		Doc: "The liveness method, by its number in the CryptoNets SDK.",
		Effect: "Chooses among the model pack's liveness networks, as its manifest says. A pack with one network may run it in " +
			"every mode. The result's `models` name what ran. With 0 nothing runs.",
		field: func(c *OperationConfig) any { return &c.Liveness.Mode },
	},
	{
		Name:       "anti_spoofing_threshold",
		Strictness: Higher,
		Default:    0.9,
		Range:      &Range{Min: 0, Max: 1},
		Doc:        "Lowest liveness score of a live person; higher is stricter.",
		Effect: "A face whose liveness score is lower is a spoof. The default stands for the model pack's own operating point at " +
			"`liveness_calibration`; 0 and 1 are the ends of the score's scale.",
		field: func(c *OperationConfig) any { return &c.Liveness.Threshold },
	},
	{
		Name:       "anti_spoofing_detect_document",
		Strictness: Exactly,
		Default:    false,
		Doc:        "Whether a face on a photographed document counts as a spoof.",
		Effect: "A face on an identity document is a spoof (`spoof_status` 4), whatever its liveness score, and " +
			"`faces[].liveness.message` says so. Where the pack has a network for it, `documents` has the corners of the " +
			"document in each image. It needs the role `document` in the model pack, else the answer is " +
			"`role_absent`, and an `anti_spoofing_mode` other than 0.",
		field: func(c *OperationConfig) any { return &c.Liveness.DetectDocument },
	},
	{
		Name:       "liveness_calibration",
		Strictness: Higher,
		Default:    "REGULAR",
		Enum: []Value{
			{Value: "SOFT", Meaning: "fewer live people taken for spoofs (lower BPCER)"},
			{Value: "REGULAR", Meaning: "fewer spoofs taken for live people (lower APCER)"},
			{Value: "HARDENED", Meaning: "fewer still, and more live people refused"},
		},
		Added:  true,
		Doc:    "The balance of the two errors of liveness.",
		Effect: "The model pack's operating point that the default of `anti_spoofing_threshold` stands for.",
		field:  func(c *OperationConfig) any { return &c.Liveness.Calibration },
	},
	{
		Name:       "liveness_not_assessable",
		Strictness: Higher,
		Default:    "REFUSE",
		Enum: []Value{
			{Value: "ALLOW", Meaning: "the operation goes on, and nobody looked for an attack: for portraits from files, whose origin is known"},
			{Value: "REFUSE", Meaning: "refused with the reason `liveness_unknown`"},
		},
		Added: true,
		Doc:   "What enroll, predict and verify do with a face whose liveness cannot be assessed.",
		Effect: "Applies to a face with `spoof_status` 3 and a code in `faces[].liveness.not_assessable`: cropped too tightly, without " +
			"colour, too small, blurred, dark or turned too far. A face that is assessed as a spoof is refused in any case.",
		field: func(c *OperationConfig) any { return &c.Liveness.Unassessable },
	},
}

var challengeKeys = []ConfigKey{
	{
		Name:      "challenge_actions",
		Default:   "turn_left,turn_right,look_up,blink,come_closer",
		Pattern:   "^(turn_left|turn_right|look_up|blink|come_closer)(,(turn_left|turn_right|look_up|blink|come_closer)){0,4}$",
		MaxLength: 64,
		Added:     true,
		Doc:       "The actions that a challenge may ask for, separated by commas.",
		Effect:    "challenge draws from these actions. One that is named twice counts once.",
		field:     func(c *OperationConfig) any { return &c.Challenge.Actions },
	},
	{
		Name:    "challenge_count",
		Default: 2,
		Range:   &Range{Min: 1, Max: 4},
		Unit:    "actions",
		Added:   true,
		Doc:     "How many actions one challenge asks for.",
		Effect:  "challenge asks for so many different actions, or for all of `challenge_actions` if there are fewer.",
		field:   func(c *OperationConfig) any { return &c.Challenge.Count },
	},
}

var documentKeys = []ConfigKey{
	{
		Name:       "document_images",
		Strictness: Higher,
		Default:    string(DocumentsNone),
		Enum: []Value{
			{Value: string(DocumentsAll), Meaning: "all images of the request"},
			{Value: string(DocumentsFirst), Meaning: "the first one: a card that is compared with selfies, or that somebody is enrolled, searched or verified by"},
			{Value: string(DocumentsNone), Meaning: "none: people who are present"},
		},
		Added: true,
		Doc:   "Which images of enroll, predict, verify and compare show an identity document.",
		Effect: "In such an image the document is found and straightened, and the face is that of its main portrait; without a document the answer is `no_document`. " +
			"Liveness is not assessed for it, because nobody is present. A document is matched with a selfie by the model pack's threshold `document`, if it has one, in place of its " +
			"`med`. An operator with a floor on liveness allows no documents unless there is a floor on this key as well.",
		field: func(c *OperationConfig) any { return &c.Document.Images },
	},
	{
		Name:    "conf_score_thr_doc",
		Default: 0.3,
		Range:   &Range{Min: 0, Max: 1},
		Doc:     "Lowest confidence of a document.",
		Effect:  "A document with a lower confidence gets DT_DOCUMENT_WITH_LOW_CONFIDENCE_SCORE. Below the model pack's own least confidence nothing counts as a document.",
		field:   func(c *OperationConfig) any { return &c.Document.Confidence },
	},
	{
		Name:    "blur_threshold_doc",
		Default: 1700.0,
		Range:   &Range{Min: 0, Max: 1000000},
		Doc:     "Lowest sharpness of a document; higher is stricter.",
		Unit:    "sharpness",
		Effect:  "A document whose score `sharpness` is lower gets DT_DOCUMENT_IS_BLURRY.",
		field:   func(c *OperationConfig) any { return &c.Document.Sharpness },
	},
	{
		Name:    "threshold_doc_too_close",
		Default: 0.99,
		Range:   &Range{Min: 0, Max: 1},
		Unit:    "of the area",
		Doc:     "A document that covers more of the image is too close.",
		Effect:  "A document whose score `area` is higher gets DT_DOCUMENT_IS_CLOSE.",
		field:   func(c *OperationConfig) any { return &c.Document.TooClose },
	},
	{
		Name:    "threshold_doc_too_far",
		Default: 0.3,
		Range:   &Range{Min: 0, Max: 1},
		Unit:    "of the area",
		Doc:     "A document that covers less of the image is too far away.",
		Effect:  "A document whose score `area` is lower gets DT_DOCUMENT_IS_FAR.",
		field:   func(c *OperationConfig) any { return &c.Document.TooFar },
	},
	{
		Name:    "threshold_doc_x",
		Default: 0.02,
		Range:   &Range{Min: 0, Max: 1},
		Unit:    "of the width",
		Doc:     "Least distance of the document from the left and right borders of the image.",
		Effect:  "A document that is closer to the left border of the image, and has more room on the other side, gets DT_DOCUMENT_IS_LEFT, and likewise DT_DOCUMENT_IS_RIGHT; one that fills the image gets neither, and one that the border cuts off gets it in any case.",
		field:   func(c *OperationConfig) any { return &c.Document.X },
	},
	{
		Name:    "threshold_doc_y",
		Default: 0.02,
		Range:   &Range{Min: 0, Max: 1},
		Unit:    "of the height",
		Doc:     "Least distance of the document from the upper and lower borders of the image.",
		Effect:  "As `threshold_doc_x`, with DT_DOCUMENT_IS_UP and DT_DOCUMENT_IS_DOWN.",
		field:   func(c *OperationConfig) any { return &c.Document.Y },
	},
	{
		Name:    "detect_document_only",
		Default: false,
		Doc:     "Finds the outline of the document, but not the face on it.",
		Effect:  "Nobody looks for a face, and `faces` stays empty.",
		field:   func(c *OperationConfig) any { return &c.Document.Only },
	},
	{
		Name:    "document_auto_rotation",
		Default: false,
		Doc:     "Tries the four orientations and keeps the one in which what is on the document stands upright.",
		Effect:  "The document is turned so that the faces on it stand upright, before it is cut out and the face is looked for. `document_box` then begins with the corner that is the top left one as the document is read.",
		field:   func(c *OperationConfig) any { return &c.Document.Rotate },
	},
	{
		Name:    "doc_validations_off",
		Default: false,
		Doc:     "Switches off the traits of documents and every check on them.",
		Effect:  "Documents get no traits, so every document that is found is accepted.",
		field:   func(c *OperationConfig) any { return &c.Document.ValidationsOff },
	},
	{
		Name:    "document_scan_barcode_only",
		Default: false,
		Doc:     "Looks for a barcode and for nothing else.",
		Idle:    noDocuments,
	},
	{
		Name:    "detect_barcode_without_parsing",
		Default: false,
		Doc:     "Reports that there is a barcode without reading it.",
		Idle:    noDocuments,
	},
	{
		Name:    "conf_score_thr_barcode",
		Default: 0.25,
		Range:   &Range{Min: 0, Max: 1},
		Doc:     "Lowest confidence of a barcode.",
		Idle:    noDocuments,
	},
	{
		Name:    "barcode_margin",
		Default: 0.1,
		Range:   &Range{Min: 0, Max: 1},
		Unit:    "ratio",
		Doc:     "Margin kept around a barcode.",
		Idle:    noDocuments,
	},
	{
		Name:    "detect_and_recognize_mrz_code",
		Default: false,
		Doc:     "Whether the machine-readable zone is found and read.",
		Effect:  "`detected_document` has the lines of the zone in `mrz_data`, and in `mrz` its fields with what the check digits prove of each. It needs the role `text` in the model pack, else the answer is `role_absent`.",
		field:   func(c *OperationConfig) any { return &c.Document.MRZ },
	},
	{
		Name:    "mrz_segmented_input",
		Default: false,
		Doc:     "Whether the image shows only the machine-readable zone.",
		Effect:  "The whole image is taken for a machine-readable zone, which is read. No document is looked for, and no face; there are no traits.",
		field:   func(c *OperationConfig) any { return &c.Document.Segmented },
	},
	{
		Name:    "calculate_age_from_ocr_text",
		Default: false,
		Doc:     "Whether the age follows from the date of birth that is read on the document.",
		Effect:  "The zone is read as for `detect_and_recognize_mrz_code`, and `ocr_age_data` has the date of birth and the age on the day of the request, unless the check digit of the date does not hold. Dates that are printed elsewhere on the document are not read.",
		field:   func(c *OperationConfig) any { return &c.Document.Age },
	},
	{
		Name:    "check_fingers_over_document",
		Default: false,
		Doc:     "Whether fingers over the document are looked for.",
		Effect:  "The scores of the document include `fingers`, and it can get DT_FINGERS_DETECTED.",
		field:   func(c *OperationConfig) any { return &c.Document.Fingers },
	},
	{
		Name:    "fingers_over_document_threshold",
		Default: 0.5,
		Range:   &Range{Min: 0, Max: 1},
		Doc:     "Score at which fingers count as covering the document.",
		Effect:  "With `check_fingers_over_document`, a document whose score `fingers` reaches this value gets DT_FINGERS_DETECTED.",
		field:   func(c *OperationConfig) any { return &c.Document.FingersFrom },
	},
}

var portraitKeys = []ConfigKey{
	{
		Name:    "background_color_rgb",
		Default: 15790320,
		Range:   &Range{Min: 0, Max: 16777215},
		Unit:    "0xRRGGBB",
		Doc:     "Background colour of output images, for instance ISO portraits.",
		Effect: "The background of the portrait that face_iso makes, and of the parts of any portrait that lie outside the " +
			"image.",
		field: func(c *OperationConfig) any { return &c.Portrait.BackgroundColor },
	},
	{
		Name:    "portrait_preset",
		Default: "face_iso",
		Enum: []Value{
			{Value: "face_iso"},
			{Value: "crop_3x4"},
			{Value: "crop_4x5"},
			{Value: "crop_2x3"},
			{Value: "crop_1x1"},
			{Value: "crop_7x9"},
		},
		Added: true,
		Doc: "Geometry of a portrait: the token frontal image of ISO/IEC 19794-5, or a usual format of passport and visa " +
			"photographs.",
		Effect: "Sets the aspect ratio and where the eyes lie in the portraits that face_iso and `crop_faces` make.",
		field:  func(c *OperationConfig) any { return &c.Portrait.Preset },
	},
	{
		Name:    "portrait_width",
		Default: 0,
		Range:   &Range{Min: 0, Max: 4096},
		Unit:    "pixels",
		Added:   true,
		Doc:     "Width of a portrait.",
		Effect: "Sets the width of the portraits that face_iso and `crop_faces` make; the height follows from the preset. With 0 " +
			"the preset sets both.",
		field: func(c *OperationConfig) any { return &c.Portrait.Width },
	},
	{
		Name:    "portrait_format",
		Default: "png",
		Enum:    []Value{{Value: "png"}, {Value: "jpeg"}},
		Added:   true,
		Doc:     "File format of a portrait.",
		Effect:  "Sets the format of the files that face_iso and `crop_faces` write.",
		field:   func(c *OperationConfig) any { return &c.Portrait.Format },
	},
	{
		Name:    "portrait_background",
		Default: "replace",
		Enum:    []Value{{Value: "replace"}, {Value: "keep"}},
		Added:   true,
		Doc:     "What happens to the background.",
		Effect:  "With \"keep\", face_iso leaves the background as it is and needs no segmentation network.",
		field:   func(c *OperationConfig) any { return &c.Portrait.Background },
	},
	{
		Name:    "crop_faces",
		Default: false,
		Added:   true,
		Doc:     "Whether each face is cut out of its image.",
		Effect: "Each face of the result gets a portrait of its own, which is written beside the image and named in " +
			"`faces[].cropped_image_info`. The eyes are level, `portrait_preset`, `portrait_width` and `portrait_format` " +
			"apply, and the background stays. There are no portraits for an image with more than 64 faces, or for a face " +
			"whose eyes coincide. It has no effect on face_iso, which makes a portrait anyway.",
		field: func(c *OperationConfig) any { return &c.Portrait.CropFaces },
	},
}

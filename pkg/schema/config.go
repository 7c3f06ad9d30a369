package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// OperationConfig is how an operation is to be done. Keys, types and defaults are those of the seed SDK, with two keys
// added; only the matching thresholds have no default of their own, because they belong to an embedding model and come
// from its pack.
//
// The struct tags are the one source of the key table, of the JSON Schema, of docs/operation-config.md and of the
// validation in [ResolveConfig]: default (absent: the key has none), range (an interval, "(" and ")" exclude the end),
// enum (value=meaning, separated by "|"), pattern, maxlen (bytes), unit, group (a heading; it holds until the next),
// effect (what the key does in this version) or none (why it does nothing), added (no key of the seed SDK) and doc.
type OperationConfig struct {
	InputImageFormat     string     `json:"input_image_format" group:"General" default:"rgb" enum:"rgb|bgr|rgba" none:"images arrive as files, which state their own channel order" doc:"Channel order of raw pixels. Images arrive as files, which state their own."`
	ContextString        string     `json:"context_string" default:"enroll" enum:"enroll|predict" effect:"For operations other than enroll and predict: which of the keys that end in enroll and in predict apply." doc:"Whose thresholds apply to an operation that is neither an enrolment nor a prediction."`
	Identifier           ExternalID `json:"identifier" default:"" maxlen:"256" none:"the request's external_id and operation_tag are kept and come back" doc:"The caller's name for the user or the call. For a name that is kept and comes back, use the request's external_id."`
	FetchTimeoutMS       int        `json:"fetch_timeout_ms" default:"5000" range:"[0,2147483647]" unit:"ms" none:"the stages speak to no backend; the request's deadline bounds the whole work" doc:"Time limit of one call to a backend."`
	HTTPSVerifyPeerCert  bool       `json:"https_verify_peer_cert" default:"false" none:"there is no backend to call; the operator's settings say how Kafka and the store are reached" doc:"Whether calls to a backend check its TLS certificate."`
	CollectionName       string     `json:"collection_name" default:"" maxlen:"64" pattern:"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$" effect:"Names the collection where the request's own field collection does not." doc:"The gallery to work on."`
	SendOriginalImages   bool       `json:"send_original_images" default:"false" none:"the image stays in the bucket that it was uploaded to" doc:"Whether the unprocessed image goes to the backend as well."`
	UsePredictCache      bool       `json:"use_predict_cache" default:"false" none:"every prediction searches, so that it knows of the last enrolment and deletion" doc:"Whether a prediction may be answered from an earlier one."`
	EncryptCompareResult bool       `json:"encrypt_compare_result" default:"false" none:"results hold no embedding; Kafka's TLS protects them on their way" doc:"Whether the answer of compare is encrypted."`

	FaceDetectionStrategy            int     `json:"face_detection_strategy" group:"Finding faces" default:"1" enum:"0=every face|1=the most confident face|2=the largest face|3=the face with the largest area times confidence" effect:"Chooses among the faces that were found." doc:"Which of several faces are used."`
	ConfScoreThrEnroll               float32 `json:"conf_score_thr_enroll" default:"0.5" range:"[0,1]" effect:"Less confident detections are no faces in enroll (never below the model pack's own least confidence) and, under context_string \"enroll\", in other operations." doc:"Least confidence of a face that is enrolled."`
	ConfScoreThrPredict              float32 `json:"conf_score_thr_predict" default:"0.12" range:"[0,1]" effect:"Less confident detections are no faces in predict (never below the model pack's own least confidence) and, under context_string \"predict\", in other operations." doc:"Least confidence of a face that is searched for."`
	LandmarkConfidenceScoreThreshold float32 `json:"landmark_confidence_score_threshold" default:"0.5" range:"[0,1]" effect:"A face whose landmarks are less certain (score landmark_confidence, which only some model packs have) has FT_FACE_LOW_VAL_CONF." doc:"Least confidence of the face landmarks."`
	BaseLandmarksModelID             int     `json:"base_landmarks_model_id" default:"0" enum:"0=head pose|22=YOLOv5" none:"the model pack names the landmark network" doc:"The landmark network by the seed's number; here the model pack names the networks."`
	BaseFaceLandmarksModelID         int     `json:"base_face_landmarks_model_id" default:"-1" enum:"-1=default|0=head pose|22=YOLOv5" none:"the model pack names the landmark network" doc:"The face landmark network by the seed's number; here the model pack names the networks."`

	AutomaticTurning bool `json:"automatic_turning" added:"true" default:"true" effect:"A picture without an upright face is searched turned by 90, 180 and 270 degrees as well; turned says by how much. A head that leans by more than 45 degrees counts as a turned picture." doc:"Whether faces are found in pictures that lie on their side or head."`

	FaceThresholdsMin *float32 `json:"face_thresholds_min,omitempty" group:"Matching" range:"[-1,1]" unit:"cosine" effect:"A person of the gallery is a candidate from here on; the confidence of compare and verify is 0 up to here." doc:"Lower matching threshold. Default: the model pack's."`
	FaceThresholdsMed *float32 `json:"face_thresholds_med,omitempty" range:"[-1,1]" unit:"cosine" effect:"compare and verify say that two faces are the same person from here on." doc:"The matching threshold. Default: the model pack's."`
	FaceThresholdsMax *float32 `json:"face_thresholds_max,omitempty" range:"[-1,1]" unit:"cosine" effect:"predict identifies a person from here on; compare and verify are certain (confidence 1) from here on." doc:"Upper matching threshold. Default: the model pack's."`
	Neighbors         int      `json:"neighbors" default:"1" range:"[1,100]" unit:"people" effect:"Most candidates that predict lists." doc:"How many of the most similar people are looked at."`
	FudgeFactor       float32  `json:"fudge_factor" default:"1" range:"(0,10]" effect:"The three matching thresholds are multiplied by it." doc:"Makes matching stricter (above 1) or laxer (below 1) as a whole."`

	BlurThresholdEnrollPred  float32 `json:"blur_threshold_enroll_pred" group:"Face quality" default:"10" range:"[0,1000000]" unit:"sharpness" effect:"A face whose score sharpness is lower has FT_IMAGE_BLURR." doc:"Least sharpness of a face."`
	FaceTooBright            float32 `json:"face_too_bright" default:"0.85" range:"[0,1]" unit:"of white" effect:"A face whose score brightness is above has FT_FACE_TOO_BRIGHT." doc:"Brightness above which a face is too bright."`
	FaceTooDark              float32 `json:"face_too_dark" default:"0.25" range:"[0,1]" unit:"of white" effect:"A face whose score brightness is below has FT_FACE_TOO_DARK." doc:"Brightness below which a face is too dark."`
	FaceValidationsOff       bool    `json:"face_validations_off" default:"false" effect:"No face has a trait, so that no trait rejects an enrolment or a prediction." doc:"Switches off the traits of faces and every check on them."`
	EyesBlinkingThreshold    float32 `json:"eyes_blinking_threshold" default:"0.6" range:"[0,1]" effect:"A face one of whose eyes is closed with at least this score (eyes_closed) has FT_EYE_BLINK." doc:"Score at which eyes count as closed."`
	MouthOpenedThreshold     float32 `json:"mouth_opened_threshold" default:"0.8" range:"[0,1]" effect:"A face whose score mouth_open is at least this has FT_MOUTH_OPENED." doc:"Score at which a mouth counts as open."`
	GetSmileIntensity        bool    `json:"get_smile_intensity" default:"false" effect:"The score smile is among the face's scores." doc:"Whether the strength of a smile is reported."`
	AllowedFaceTraitsFlags   uint32  `json:"allowed_face_traits_flags" default:"0" range:"[0,4194303]" unit:"bits FT_*" effect:"The traits in it do not reject an enrolment or a prediction; the face still has them." doc:"Traits that are tolerated although they would reject an enrolment or a prediction."`
	ProcessBestImageOnEnroll bool    `json:"process_best_image_on_enroll" default:"false" none:"an enrolment takes one image" doc:"Whether an enrolment of several images keeps the best one."`
	RefuseBadExposure        bool    `json:"refuse_bad_exposure" added:"true" default:"false" effect:"A face with FT_FACE_TOO_DARK is not enrolled, for the reason image_underexposed, nor one with FT_FACE_TOO_BRIGHT, for image_overexposed; allowed_face_traits_flags tolerates them. Without it neither rejects an enrolment, as in the seed SDK." doc:"Whether an enrolment needs a face that is neither too dark nor too bright."`
	UseAgeStddev             bool    `json:"use_age_stddev" default:"false" effect:"The estimated age is lowered by its standard deviation, so that in doubt a person is taken for the younger." doc:"Whether an age estimate allows for its own uncertainty."`
	QualityGroups            string  `json:"quality_groups" added:"true" default:"" maxlen:"64" pattern:"^((default|icao|visa-schengen|visa-usa)(,(default|icao|visa-schengen|visa-usa)){0,3})?$" effect:"Each face has its quality, measured in the vocabulary of ISO/IEC 29794-5, and whether these groups of requirements allow it." doc:"Groups of requirements that a face's quality is held against, with commas between them: default (recognition), icao (travel documents), visa-schengen, visa-usa."`
	DisableEnrollMF          bool    `json:"disable_enroll_mf" default:"false" none:"a request is about single images, never about the frames of a video, so there is no such step" doc:"Switches the seed SDK's \"mf\" step of enroll off."`
	DisablePredictMF         bool    `json:"disable_predict_mf" default:"false" none:"a request is about single images, never about the frames of a video, so there is no such step" doc:"Switches the seed SDK's \"mf\" step of predict off."`
	DisableValidateMF        bool    `json:"disable_validate_mf" default:"false" none:"a request is about single images, never about the frames of a video, so there is no such step" doc:"Switches the seed SDK's \"mf\" step of validate off."`
	DisableEstimateAgeMF     bool    `json:"disable_estimate_age_mf" default:"false" none:"a request is about single images, never about the frames of a video, so there is no such step" doc:"Switches the seed SDK's \"mf\" step of estimate_age off."`

	ThresholdProfileEnroll       float32 `json:"threshold_profile_enroll" group:"Pose and position" default:"0.7" range:"[0,1]" unit:"cosine of yaw" effect:"A face to be enrolled whose score frontality is lower has FT_LOOKING_LEFT or FT_LOOKING_RIGHT." doc:"How frontal a face must be to be enrolled; higher is stricter."`
	ThresholdProfilePredict      float32 `json:"threshold_profile_predict" default:"0.85" range:"[0,1]" unit:"cosine of yaw" effect:"A face to be searched for whose score frontality is lower has FT_LOOKING_LEFT or FT_LOOKING_RIGHT." doc:"How frontal a face must be to be searched for; higher is stricter."`
	ThresholdHighVerticalEnroll  float32 `json:"threshold_high_vertical_enroll" default:"-0.1" range:"[-1,1]" unit:"ratio" effect:"A face to be enrolled whose score vertical_gaze is lower has FT_LOOKING_HIGH." doc:"Below this vertical gaze a face to be enrolled looks up."`
	ThresholdHighVerticalPredict float32 `json:"threshold_high_vertical_predict" default:"-0.1" range:"[-1,1]" unit:"ratio" effect:"A face to be searched for whose score vertical_gaze is lower has FT_LOOKING_HIGH." doc:"Below this vertical gaze a face to be searched for looks up."`
	ThresholdDownVerticalEnroll  float32 `json:"threshold_down_vertical_enroll" default:"0.15" range:"[-1,1]" unit:"ratio" effect:"A face to be enrolled whose score vertical_gaze is higher has FT_LOOKING_DOWN." doc:"Above this vertical gaze a face to be enrolled looks down."`
	ThresholdDownVerticalPredict float32 `json:"threshold_down_vertical_predict" default:"0.1" range:"[-1,1]" unit:"ratio" effect:"A face to be searched for whose score vertical_gaze is higher has FT_LOOKING_DOWN." doc:"Above this vertical gaze a face to be searched for looks down."`
	AngleRotationLeftThreshold   float32 `json:"angle_rotation_left_threshold" default:"20" range:"[0,180]" unit:"degrees" effect:"A face that leans further to the person's left (score rotation) has FT_FACE_ROTATED_LEFT." doc:"Largest roll of the head to the left."`
	AngleRotationRightThreshold  float32 `json:"angle_rotation_right_threshold" default:"20" range:"[0,180]" unit:"degrees" effect:"A face that leans further to the person's right (score rotation, negative) has FT_FACE_ROTATED_RIGHT." doc:"Largest roll of the head to the right."`
	ThresholdUserRight           float32 `json:"threshold_user_right" default:"0.01" range:"[0,1]" unit:"of the width" effect:"A face that reaches further left in the picture, which is the person's right, has FT_FACE_RIGHT." doc:"Limit of the face's position on the person's right."`
	ThresholdUserLeft            float32 `json:"threshold_user_left" default:"0.99" range:"[0,1]" unit:"of the width" effect:"A face that reaches further right in the picture, which is the person's left, has FT_FACE_LEFT." doc:"Limit of the face's position on the person's left."`
	ThresholdUserUp              float32 `json:"threshold_user_up" default:"0.01" range:"[0,1]" unit:"of the height" effect:"A face that reaches further up has FT_FACE_UP." doc:"Limit of the face's position at the top."`
	ThresholdUserDown            float32 `json:"threshold_user_down" default:"0.99" range:"[0,1]" unit:"of the height" effect:"A face that reaches further down has FT_FACE_DOWN." doc:"Limit of the face's position at the bottom."`
	ThresholdUserTooFar          float32 `json:"threshold_user_too_far" default:"0.2" range:"[0,1]" unit:"of the shorter side" effect:"A face whose score face_size is lower has FT_FACE_TOO_FAR." doc:"A face that is smaller in the image is too far away."`
	ThresholdUserTooClose        float32 `json:"threshold_user_too_close" default:"0.8" range:"[0,1]" unit:"of the shorter side" effect:"A face whose score face_size is higher has FT_FACE_TOO_CLOSE." doc:"A face that is larger in the image is too close."`
	ValidateFacePositionOval     bool    `json:"validate_face_position_oval" default:"false" effect:"A face that is not inside the oval has FT_FACE_NOT_IN_OVAL. The oval stands upright in the middle of the picture, 90 % of its height high or as wide as it, whichever is less, and 3:4 wide." doc:"Whether a face must lie inside an oval in the middle of the image."`

	AntiSpoofingMode           int     `json:"anti_spoofing_mode" group:"Liveness" default:"1" enum:"0=off|1=XMS|2=JPD|3=Recognito" effect:"Which of the model pack's liveness networks run, as its manifest says; a pack with one network may run it in every mode. models of the result names what ran; 0: none." doc:"The liveness method by the seed's number; here the model pack names the networks."`
	AntiSpoofingThreshold      float32 `json:"anti_spoofing_threshold" default:"0.9" range:"[0,1]" effect:"A face whose liveness score is lower is a spoof. The default 0.9 is the pack's own operating point of liveness_calibration; 0 and 1 are the ends of the score's scale." doc:"Least liveness score of a live person; higher is stricter."`
	AntiSpoofingDetectDocument bool    `json:"anti_spoofing_detect_document" default:"false" effect:"A face on an identity document is a spoof (spoof_status 4), whatever its liveness score; faces[].liveness.message says so. It needs the role document of the model pack, without which the answer is role_absent, and an anti_spoofing_mode other than 0." doc:"Whether a face on a photographed document counts as a spoof."`

	LivenessCalibration string `json:"liveness_calibration" added:"true" default:"REGULAR" enum:"SOFT=fewer live people taken for spoofs (lower BPCER)|REGULAR=fewer spoofs taken for live people (lower APCER)|HARDENED=fewer still, and more live people refused" effect:"Which of the model pack's operating points the default of anti_spoofing_threshold stands for." doc:"The balance of the two errors of liveness."`

	ConfScoreThrDoc              float32 `json:"conf_score_thr_doc" group:"Documents" default:"0.3" range:"[0,1]" none:"documents are not read by this version" doc:"Least confidence of a document."`
	BlurThresholdDoc             float32 `json:"blur_threshold_doc" default:"1700" range:"[0,1000000]" none:"documents are not read by this version" doc:"Least sharpness of a document; higher is stricter."`
	ThresholdDocTooClose         float32 `json:"threshold_doc_too_close" default:"0.99" range:"[0,1]" unit:"of the area" none:"documents are not read by this version" doc:"A document that covers more of the image is too close."`
	ThresholdDocTooFar           float32 `json:"threshold_doc_too_far" default:"0.3" range:"[0,1]" unit:"of the area" none:"documents are not read by this version" doc:"A document that covers less of the image is too far away."`
	ThresholdDocX                float32 `json:"threshold_doc_x" default:"0.02" range:"[0,1]" unit:"of the width" none:"documents are not read by this version" doc:"Tolerance of the document's horizontal position."`
	ThresholdDocY                float32 `json:"threshold_doc_y" default:"0.02" range:"[0,1]" unit:"of the height" none:"documents are not read by this version" doc:"Tolerance of the document's vertical position."`
	DetectDocumentOnly           bool    `json:"detect_document_only" default:"false" none:"documents are not read by this version" doc:"Finds the document's outline and no face on it."`
	DocumentAutoRotation         bool    `json:"document_auto_rotation" default:"false" none:"documents are not read by this version" doc:"Tries the four orientations and keeps the one whose face is best."`
	DocValidationsOff            bool    `json:"doc_validations_off" default:"false" none:"documents are not read by this version" doc:"Switches off the traits of documents and every check on them."`
	DocumentScanBarcodeOnly      bool    `json:"document_scan_barcode_only" default:"false" none:"documents are not read by this version" doc:"Looks for a barcode and for nothing else."`
	DetectBarcodeWithoutParsing  bool    `json:"detect_barcode_without_parsing" default:"false" none:"documents are not read by this version" doc:"Reports that there is a barcode without reading it."`
	ConfScoreThrBarcode          float32 `json:"conf_score_thr_barcode" default:"0.25" range:"[0,1]" none:"documents are not read by this version" doc:"Least confidence of a barcode."`
	BarcodeMargin                float32 `json:"barcode_margin" default:"0.1" range:"[0,1]" unit:"ratio" none:"documents are not read by this version" doc:"Margin kept around a barcode."`
	DetectAndRecognizeMRZCode    bool    `json:"detect_and_recognize_mrz_code" default:"false" none:"documents are not read by this version" doc:"Whether the machine-readable zone is found and read."`
	MRZSegmentedInput            bool    `json:"mrz_segmented_input" default:"false" none:"documents are not read by this version" doc:"The image shows nothing but the machine-readable zone."`
	CalculateAgeFromOCRText      bool    `json:"calculate_age_from_ocr_text" default:"false" none:"documents are not read by this version" doc:"Whether the age follows from the date of birth that is read on the document."`
	CheckFingersOverDocument     bool    `json:"check_fingers_over_document" default:"false" none:"documents are not read by this version" doc:"Whether fingers over the document are looked for."`
	FingersOverDocumentThreshold float32 `json:"fingers_over_document_threshold" default:"0.5" range:"[0,1]" none:"documents are not read by this version" doc:"Score at which fingers count as covering the document."`

	BackgroundColorRGB uint32 `json:"background_color_rgb" group:"Output images" default:"15790320" range:"[0,16777215]" unit:"0xRRGGBB" effect:"The background of the portrait of face_iso, and the colour of portraits beyond the picture." doc:"Background of the images that are made, for instance ISO portraits."`
	PortraitPreset     string `json:"portrait_preset" added:"true" default:"face_iso" enum:"face_iso|crop_3x4|crop_4x5|crop_2x3|crop_1x1|crop_7x9" effect:"Where the eyes lie in the portrait of face_iso and in those of crop_faces, and their aspect ratio." doc:"Geometry of a portrait: the token frontal image of ISO/IEC 19794-5, or one of the usual sizes of passports and visas."`
	PortraitWidth      int    `json:"portrait_width" added:"true" default:"0" range:"[0,4096]" unit:"pixels" effect:"Width of the portrait of face_iso and of those of crop_faces; the height follows from the preset. 0: the preset's." doc:"Width of a portrait."`
	PortraitFormat     string `json:"portrait_format" added:"true" default:"png" enum:"png|jpeg" effect:"The files that face_iso and crop_faces write." doc:"File format of a portrait."`
	PortraitBackground string `json:"portrait_background" added:"true" default:"replace" enum:"replace|keep" effect:"keep leaves what is behind the person, for which face_iso needs no network for segmentation." doc:"What becomes of what is behind the person."`
	CropFaces          bool   `json:"crop_faces" added:"true" default:"false" effect:"Each face of the result has a portrait of its own, named in faces[].cropped_image_info and written beside its image as face_iso's is: eyes level, by portrait_preset, portrait_width and portrait_format, what is behind the person kept. An image with more than 64 faces has none, and a face whose eyes cannot be told apart. face_iso makes its portrait alone." doc:"Whether each face is cut out."`
}

// Predicts reports whether the keys *_predict apply to op instead of the keys *_enroll: in a prediction, and in operations
// other than enroll where context_string says so.
func (c OperationConfig) Predicts(op Operation) bool {
	return op == OpPredict || op != OpEnroll && c.ContextString == "predict"
}

// MinConfidence is the confidence from which on a detection counts as a face in op.
func (c OperationConfig) MinConfidence(op Operation) float32 {
	if c.Predicts(op) {
		return c.ConfScoreThrPredict
	}
	return c.ConfScoreThrEnroll
}

// LeastFrontality is the least cosine of the yaw of a face in op that does not look to the side.
func (c OperationConfig) LeastFrontality(op Operation) float32 {
	if c.Predicts(op) {
		return c.ThresholdProfilePredict
	}
	return c.ThresholdProfileEnroll
}

// VerticalGaze is the range of the score vertical_gaze of a face in op that looks neither up nor down.
func (c OperationConfig) VerticalGaze(op Operation) (high, down float32) {
	if c.Predicts(op) {
		return c.ThresholdHighVerticalPredict, c.ThresholdDownVerticalPredict
	}
	return c.ThresholdHighVerticalEnroll, c.ThresholdDownVerticalEnroll
}

// ConfigKey describes one key of [OperationConfig].
type ConfigKey struct {
	Name      string
	Type      string  // as in JSON Schema: "string", "integer", "number" or "boolean"
	Default   any     // string, int64, float64 or bool; nil where the key has none
	Range     *Range  // the values that a number may have; nil where Enum lists them
	Enum      []Value // the values allowed; nil where they are not listed
	Pattern   string  // a regular expression that a string must match; "" for none
	MaxLength int     // most bytes of a string; 0 for no limit
	Unit      string
	Group     string
	Effect    string // what the key does in this version; "" where Idle says why it does nothing
	Idle      string
	Added     bool // not a key of the seed SDK
	Doc       string

	index   int
	pattern *regexp.Regexp
}

// Range is an interval of numbers. Min belongs to it unless OpenMin is set; Max belongs to it.
type Range struct {
	Min, Max float64
	OpenMin  bool
}

// String writes the interval as "0..1", or as "above 0, up to 10".
func (r Range) String() string {
	if r.OpenMin {
		return fmt.Sprintf("above %s, up to %s", number(r.Min), number(r.Max))
	}
	return number(r.Min) + ".." + number(r.Max)
}

func (r Range) contains(x float64) bool {
	return x <= r.Max && (x > r.Min || x == r.Min && !r.OpenMin)
}

// Value is one allowed value, a string or an int64, and what it means ("" where it speaks for itself).
type Value struct {
	Value   any
	Meaning string
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// Allowed says in words which values the key takes: "a number, 0..1".
func (k ConfigKey) Allowed() string {
	article := map[string]string{"string": "a string", "integer": "an integer", "number": "a number", "boolean": "true or false"}[k.Type]
	var listed []string
	for _, v := range k.Enum {
		if s, ok := v.Value.(string); ok {
			listed = append(listed, strconv.Quote(s))
		} else {
			listed = append(listed, fmt.Sprint(v.Value))
		}
	}
	switch {
	case listed != nil:
		return "one of " + strings.Join(listed, ", ")
	case k.Range != nil:
		return article + ", " + k.Range.String()
	case k.Pattern != "":
		return article + " that matches " + k.Pattern
	case k.MaxLength > 0:
		return fmt.Sprintf("%s of at most %d bytes", article, k.MaxLength)
	}
	return article
}

// ConfigKeys lists every key in the order of docs/operation-config.md.
func ConfigKeys() []ConfigKey { return slices.Clone(configKeys()) }

var configKeys = sync.OnceValue(func() []ConfigKey {
	t := reflect.TypeFor[OperationConfig]()
	keys := make([]ConfigKey, t.NumField())
	group := ""
	for i := range keys {
		f := t.Field(i)
		if g := f.Tag.Get("group"); g != "" {
			group = g
		}
		k := ConfigKey{
			index: i, Group: group, Type: jsonType(f.Type), Pattern: f.Tag.Get("pattern"),
			Unit: f.Tag.Get("unit"), Effect: f.Tag.Get("effect"), Idle: f.Tag.Get("none"), Added: f.Tag.Get("added") == "true", Doc: f.Tag.Get("doc"),
		}
		k.Name, _, _ = strings.Cut(f.Tag.Get("json"), ",")
		if k.Pattern != "" {
			k.pattern = regexp.MustCompile(k.Pattern)
		}
		k.MaxLength, _ = strconv.Atoi(f.Tag.Get("maxlen"))
		if d, ok := f.Tag.Lookup("default"); ok {
			k.Default = parseScalar(k.Type, d)
		}
		if r := f.Tag.Get("range"); r != "" {
			low, high, _ := strings.Cut(r[1:len(r)-1], ",")
			k.Range = &Range{Min: parseScalar("number", low).(float64), Max: parseScalar("number", high).(float64), OpenMin: r[0] == '('}
		}
		if e := f.Tag.Get("enum"); e != "" {
			for _, item := range strings.Split(e, "|") {
				value, meaning, _ := strings.Cut(item, "=")
				k.Enum = append(k.Enum, Value{parseScalar(k.Type, value), meaning})
			}
		}
		keys[i] = k
	}
	return keys
})

func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return jsonType(t.Elem())
	case reflect.Bool:
		return "boolean"
	case reflect.Float32:
		return "number"
	case reflect.String:
		return "string"
	}
	return "integer"
}

// parseScalar reads a value of a struct tag. The tags are held by a test, so that a wrong one cannot leave this package.
func parseScalar(kind, s string) (v any) {
	var err error
	switch kind {
	case "boolean":
		v, err = strconv.ParseBool(s)
	case "number":
		v, err = strconv.ParseFloat(s, 64)
	case "integer":
		v, err = strconv.ParseInt(s, 10, 64)
	default:
		v = s
	}
	if err != nil {
		panic("schema: struct tag of OperationConfig: " + err.Error())
	}
	return v
}

// Override is a default that holds for one operation instead of the general one.
type Override struct {
	Operation Operation
	Key       string
	Default   any // as in ConfigKey
}

// Overrides lists the defaults that differ per operation, those of the seed SDK.
func Overrides() []Override {
	return []Override{
		{OpEnroll, "threshold_user_too_far", 0.2},
		{OpPredict, "threshold_user_too_far", 0.1},
		{OpPredict, "threshold_user_right", 0.01},
		{OpPredict, "threshold_user_left", 0.99},
		{OpDocScanFace, "context_string", "predict"},
		{OpDocScanFace, "blur_threshold_doc", 100.0},
		{OpDocScanFace, "conf_score_thr_doc", 0.8},
		{OpDocScanFace, "blur_threshold_enroll_pred", 50.0},
		{OpDocScanFace, "threshold_user_too_far", 0.01},
		{OpDocScanFace, "threshold_user_right", 0.01},
		{OpDocScanFace, "threshold_user_left", 0.99},
		{OpDocScanFace, "threshold_user_down", 0.99},
		{OpDocScanFace, "threshold_user_up", 0.01},
	}
}

// DefaultConfig is the configuration of op when a request says nothing.
func DefaultConfig(op Operation) OperationConfig {
	var c OperationConfig
	v := reflect.ValueOf(&c).Elem()
	for _, k := range configKeys() {
		if k.Default != nil {
			k.set(v, k.Default)
		}
	}
	for _, o := range Overrides() {
		if o.Operation == op {
			keyNamed(o.Key).set(v, o.Default)
		}
	}
	return c
}

func keyNamed(name string) *ConfigKey {
	keys := configKeys()
	if i := slices.IndexFunc(keys, func(k ConfigKey) bool { return k.Name == name }); i >= 0 {
		return &keys[i]
	}
	return nil
}

// set stores x, which has the key's type, in the key's field of config.
func (k *ConfigKey) set(config reflect.Value, x any) {
	f := config.Field(k.index)
	if f.Kind() == reflect.Pointer {
		f.Set(reflect.New(f.Type().Elem()))
		f = f.Elem()
	}
	f.Set(reflect.ValueOf(x).Convert(f.Type()))
}

// ResolveConfig is the configuration of one request: the defaults, the defaults of op, then the keys of raw, a JSON
// object (nil or empty: none). Every key that is unknown, repeated, null, of the wrong type or out of range is a
// problem; they come sorted by key. The configuration is usable only when there is none.
func ResolveConfig(op Operation, raw json.RawMessage) (OperationConfig, Problems) {
	c := DefaultConfig(op)
	var ps Problems
	add := func(key, format string, args ...any) {
		field := "config"
		if key != "" {
			field += "." + key
		}
		ps = append(ps, Problem{field, fmt.Sprintf(format, args...), ReasonInvalidConfiguration})
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return c, nil
	}
	members, err := objectMembers(raw)
	if err != nil {
		add("", "%v", err)
		return c, ps
	}
	v := reflect.ValueOf(&c).Elem()
	seen := map[string]bool{}
	for _, m := range members {
		k := keyNamed(m.name)
		switch {
		case seen[m.name]:
			add(clip(m.name), "is given more than once")
			continue
		case k == nil:
			add(clip(m.name), "is not a configuration key%s", suggest(m.name, configNames()))
		default:
			if x, problem := k.parse(m.value); problem != "" {
				add(k.Name, "%s", problem)
			} else {
				k.set(v, x)
			}
		}
		seen[m.name] = true
	}
	if len(ps) == 0 {
		ps = append(ps, orderedThresholds(c)...)
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
	return c, ps
}

// orderedThresholds checks the matching thresholds that the request sets against each other.
func orderedThresholds(c OperationConfig) (ps Problems) {
	below := func(lowName string, low *float32, highName string, high *float32) {
		if low != nil && high != nil && *low > *high {
			ps = append(ps, Problem{"config." + lowName, "must not exceed " + highName, ReasonInvalidConfiguration})
		}
	}
	below("face_thresholds_min", c.FaceThresholdsMin, "face_thresholds_med", c.FaceThresholdsMed)
	below("face_thresholds_med", c.FaceThresholdsMed, "face_thresholds_max", c.FaceThresholdsMax)
	if c.FaceThresholdsMed == nil {
		below("face_thresholds_min", c.FaceThresholdsMin, "face_thresholds_max", c.FaceThresholdsMax)
	}
	return ps
}

func configNames() []string {
	keys := configKeys()
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	return names
}

// parse reads a value of the key. It returns what is wrong with it, "" when nothing; the value itself is not repeated,
// because a string may name a person.
func (k *ConfigKey) parse(raw json.RawMessage) (x any, problem string) {
	wrong := func(what string) (any, string) { return nil, what + "; it must be " + k.Allowed() }
	if got := kindOf(raw); got == "null" {
		return nil, "is null; leave the key out to get its default"
	} else if got != k.Type && !(got == "number" && k.Type == "integer") {
		return wrong("is " + withArticle(got))
	}
	switch k.Type {
	case "boolean":
		return raw[0] == 't', ""
	case "string":
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return wrong("is no string")
		}
		if unpairedSurrogate(raw) {
			return nil, halfACharacter
		}
		if k.Enum != nil && !k.lists(s) || k.MaxLength > 0 && len(s) > k.MaxLength || k.pattern != nil && !k.pattern.MatchString(s) {
			return wrong("has a value that is not allowed")
		}
		return s, ""
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return wrong("is out of range")
	}
	if k.Type == "integer" {
		if f != math.Trunc(f) {
			return wrong("is " + number(f))
		}
		if math.Abs(f) > 1<<53 || k.Enum != nil && !k.lists(int64(f)) {
			return wrong("is not allowed")
		}
		x = int64(f)
	} else {
		f = float64(float32(f)) // what is kept is what is checked: 1e-99 would become a 0 that the range may exclude
		x = f
	}
	if k.Range != nil && !k.Range.contains(f) {
		return wrong("is out of range")
	}
	return x, ""
}

func (k *ConfigKey) lists(x any) bool {
	return slices.ContainsFunc(k.Enum, func(v Value) bool { return v.Value == x })
}

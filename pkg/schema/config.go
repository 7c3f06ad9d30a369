package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// OperationConfig is the configuration of one operation. Keys, types and defaults are those of the CryptoNets SDK, with
// some keys added ([ConfigKey]). The matching thresholds have no default here: they belong to an embedding model and
// come from its pack.
//
// In Go the keys are grouped by topic. In JSON they form one flat object. A key that does nothing in this version is
// checked and documented, but has no field.
type OperationConfig struct {
	General   GeneralConfig
	Detection DetectionConfig
	Matching  MatchingConfig
	Quality   QualityConfig
	Pose      PoseConfig
	Liveness  LivenessConfig
	Challenge ChallengeConfig
	Document  DocumentConfig
	Portrait  PortraitConfig
}

// GeneralConfig holds the keys that concern the operation as a whole.
type GeneralConfig struct {
	Context        ConfigContext
	CollectionName Collection
	Capture        Capture
}

// ConfigContext selects the keys (*_enroll or *_predict) that apply in an operation that is neither enroll nor predict.
type ConfigContext string

// The contexts. ContextDocument makes validate judge a document as doc_scan_face does.
const (
	ContextEnroll   ConfigContext = "enroll"
	ContextPredict  ConfigContext = "predict"
	ContextDocument ConfigContext = "document"
)

// DetectionConfig says which detections count as faces, and which of the faces are used.
type DetectionConfig struct {
	Strategy           Strategy
	ConfidenceEnroll   float32 // 0..1
	ConfidencePredict  float32
	LandmarkConfidence float32
	Turn               bool // also find faces in images that lie on their side or are upside down
}

// Strategy chooses among several faces.
type Strategy int

// The strategies.
const (
	EveryFace      Strategy = 0
	MostConfident  Strategy = 1
	LargestFace    Strategy = 2
	HybridStrategy Strategy = 3 // the largest product of area and confidence
)

// MatchingConfig says when two faces are the same person. Where a threshold is nil, the model pack's applies.
type MatchingConfig struct {
	Min, Med, Max *float32 // cosines, -1..1
	Neighbors     int      // the most candidates that predict lists
	FudgeFactor   float32  // multiplies the three thresholds
	Duplicates    DuplicatePolicy
}

// DuplicatePolicy says what enroll does with a face that the collection knows under another name, and with one that is not
// the face of the person under whose name it comes.
type DuplicatePolicy string

// The policies.
const (
	DuplicatesAllow  DuplicatePolicy = "allow"
	DuplicatesReport DuplicatePolicy = "report"
	DuplicatesRefuse DuplicatePolicy = "refuse"
)

// QualityConfig holds the requirements on a face other than its pose and position. The limits are on the scale of the
// scores ([Metrics]).
type QualityConfig struct {
	Sharpness         float32 // lower is blurred
	TooBright         float32 // brightness above is too bright, 0..1
	TooDark           float32
	ValidationsOff    bool    // no traits
	EyesClosed        float32 // score from which the eyes count as closed, 0..1
	MouthOpen         float32
	Smile             bool       // report the strength of the smile
	AllowedTraits     FaceTraits // traits that reject nothing
	RefuseBadExposure bool
	Underexposed      float32 // largest share of the face whose shadows are lost, 0..1
	Overexposed       float32 // the same of highlights
	RefuseOcclusion   Occlusion
	PlainBackground   bool   // refuse a busy background at enrolment
	LowerAge          bool   // lower the estimated age by its standard deviation
	Groups            string // names of groups of requirements, separated by commas
}

// Occlusion says which operations refuse a face of which something covers a part.
type Occlusion string

// The operations that refuse covered faces.
const (
	OcclusionNever  Occlusion = "never"
	OcclusionEnroll Occlusion = "enroll"
	OcclusionAlways Occlusion = "always" // enroll and predict
)

// GroupNames lists the groups of requirements that a face is checked against; nil without any.
func (c QualityConfig) GroupNames() []string {
	if c.Groups == "" {
		return nil
	}
	return strings.Split(c.Groups, ",")
}

// PoseConfig says how a head may be turned, and where in the image a face may be. Left and right are the person's own.
type PoseConfig struct {
	FrontalityEnroll, FrontalityPredict float32 // lowest cosine of the yaw
	GazeUpEnroll, GazeUpPredict         float32 // lowest vertical gaze
	GazeDownEnroll, GazeDownPredict     float32 // highest vertical gaze
	RotationLeft, RotationRight         float32 // largest roll in degrees
	Right, Left                         float32 // limits of the face as shares of the image's width
	Up, Down                            float32 // the same of its height
	TooFar, TooClose                    float32 // limits of the face's area as shares of the image's
	InOval                              bool    // whether a face must lie inside the oval in the middle
	InterEye                            float32 // least distance of the eyes in pixels
	Padding                             float32 // least distance of the face from the border in pixels
}

// LivenessConfig says how liveness is assessed.
type LivenessConfig struct {
	Mode           LivenessMode
	Threshold      float32 // lowest score of a live face, 0..1, on the scale of the CryptoNets SDK
	DetectDocument bool    // a face on an identity document is a spoof
	Calibration    LivenessCalibration
	Unassessable   UnassessablePolicy // what happens to a face that cannot be assessed
}

// LivenessMode chooses among the liveness networks of a model pack.
type LivenessMode int

// LivenessOff runs no liveness network. A pack's manifest maps the numbers of the other modes to its networks.
const LivenessOff LivenessMode = 0

// UnassessablePolicy says what enroll, predict and verify do with a face whose liveness cannot be assessed.
type UnassessablePolicy string

// The policies.
const (
	AllowUnassessable  UnassessablePolicy = "ALLOW"
	RefuseUnassessable UnassessablePolicy = "REFUSE"
)

// LivenessCalibration names one of a model pack's operating points of liveness.
type LivenessCalibration string

// The calibrations. Soft lets the most attacks pass. Hardened refuses the most live people.
const (
	LivenessSoft     LivenessCalibration = "SOFT"
	LivenessRegular  LivenessCalibration = "REGULAR"
	LivenessHardened LivenessCalibration = "HARDENED"
)

// ChallengeConfig says what a challenge may ask for.
type ChallengeConfig struct {
	Actions string // names, separated by commas
	Count   int    // how many of them one challenge asks for
}

// ActionNames lists the actions that a challenge may ask for.
func (c ChallengeConfig) ActionNames() []ChallengeAction {
	var out []ChallengeAction
	for name := range strings.SplitSeq(c.Actions, ",") {
		out = append(out, ChallengeAction(name))
	}
	return out
}

// DocumentConfig says which documents are accepted, and what is looked for on them. X and Y are the least distances of a document from
// the borders of the image, as shares of its width and height.
type DocumentConfig struct {
	Images           DocumentImages // those that enroll, predict, verify and compare take the face from
	Confidence       float32        // 0..1
	Sharpness        float32        // lower is blurred
	TooClose, TooFar float32        // limits of the document's area as shares of the image's
	X, Y             float32
	Rotate           bool    // turn the document upright
	MRZ              bool    // read the machine-readable zone
	Segmented        bool    // the image shows the zone alone
	Age              bool    // the age follows from the date of birth
	Text             bool    // read what is printed beside the zone
	Checks           bool    // compare what zone, print, barcode and face say
	Fingers          bool    // look for fingers over it
	FingersFrom      float32 // the score from which fingers cover it
	Only             bool    // do not look for a face
	ValidationsOff   bool    // no traits

	BarcodeOnly       bool    // look for barcodes and for nothing else
	Barcode           bool    // read barcodes beside everything else
	BarcodePresence   bool    // look for barcodes, and do not say what they say
	BarcodeConfidence float32 // 0..1
	BarcodeMargin     float32 // around a barcode, as a share of its sides
}

// DocumentImages says which images of a request show a document.
type DocumentImages string

// The images that show one.
const (
	DocumentsAll   DocumentImages = "all"
	DocumentsFirst DocumentImages = "first"
	DocumentsNone  DocumentImages = "none"
)

// Has reports whether the image of that index shows a document.
func (d DocumentImages) Has(image int) bool {
	return d == DocumentsAll || d == DocumentsFirst && image == 0
}

// PortraitConfig says how portraits are made.
type PortraitConfig struct {
	BackgroundColor uint32 // 0xRRGGBB
	Preset          PortraitPreset
	Width           int // pixels; 0 leaves it to the preset
	Format          PortraitFormat
	Background      PortraitBackground
	CropFaces       bool // make a portrait of each face of the result
}

// PortraitPreset names a geometry: the aspect ratio and the position of the eyes.
type PortraitPreset string

// PortraitFormat is a file format: "png" or "jpeg".
type PortraitFormat string

// PortraitBackground says what happens to the background of a portrait.
type PortraitBackground string

// The backgrounds.
const (
	BackgroundReplace PortraitBackground = "replace"
	BackgroundKeep    PortraitBackground = "keep"
)

// Predicts reports whether the keys *_predict apply to op instead of the keys *_enroll. They apply to a prediction, and
// to every operation other than enroll when context_string is "predict", and to the face on a document.
func (c OperationConfig) Predicts(op Operation) bool {
	return op == OpPredict || op != OpEnroll && (c.General.Context == ContextPredict || c.ScansDocument(op))
}

// ScansDocument reports whether op is about a document, and about the face on it.
func (c OperationConfig) ScansDocument(op Operation) bool {
	return op == OpDocScanFace || op == OpValidate && c.General.Context == ContextDocument
}

// MinConfidence returns the lowest confidence, 0..1, at which a detection counts as a face in op.
func (c OperationConfig) MinConfidence(op Operation) float32 {
	if c.Predicts(op) {
		return c.Detection.ConfidencePredict
	}
	return c.Detection.ConfidenceEnroll
}

// LeastFrontality returns the lowest cosine of the yaw at which a face in op does not count as looking to the side.
func (c OperationConfig) LeastFrontality(op Operation) float32 {
	if c.Predicts(op) {
		return c.Pose.FrontalityPredict
	}
	return c.Pose.FrontalityEnroll
}

// VerticalGaze returns the range of the score vertical_gaze in which a face in op counts as looking neither up nor
// down.
func (c OperationConfig) VerticalGaze(op Operation) (up, down float32) {
	if c.Predicts(op) {
		return c.Pose.GazeUpPredict, c.Pose.GazeDownPredict
	}
	return c.Pose.GazeUpEnroll, c.Pose.GazeDownEnroll
}

// Override is a default that one operation has instead of the general one.
type Override struct {
	Operation Operation
	Key       string
	Default   any // as in ConfigKey
}

// Overrides lists the defaults that differ per operation. Those that are not lengths, areas or angles are the CryptoNets
// SDK's, but for the face on a document: the largest one is the main portrait.
func Overrides() []Override {
	return []Override{
		{OpEnroll, "threshold_user_too_far", 0.02},
		{OpPredict, "threshold_user_too_far", 0.005},
		{OpPredict, "threshold_user_right", 0.01},
		{OpPredict, "threshold_user_left", 0.99},
		{OpDocScanFace, "face_detection_strategy", int64(LargestFace)},
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

// DefaultConfig returns the configuration of op when a request sets no key.
func DefaultConfig(op Operation) OperationConfig { return defaultConfig(op, CaptureSelfie) }

// defaultConfig returns the configuration of op when a request sets no key but capture.
func defaultConfig(op Operation, capture Capture) OperationConfig {
	var c OperationConfig
	for _, k := range configKeys() {
		if k.Default != nil {
			k.set(&c, k.Default)
		}
	}
	for _, o := range Overrides() {
		if o.Operation == op {
			keyNamed(o.Key).set(&c, o.Default)
		}
	}
	for _, o := range capture.defaults(op) {
		keyNamed(o.Key).set(&c, o.Default)
	}
	c.General.Capture = capture
	return c
}

// ResolveConfig returns the configuration of one request: the general defaults, replaced by the defaults of op (of doc_scan_face, if
// validate is about a document), replaced by
// those of the preset that capture names, replaced by the keys of raw. raw is a JSON object; nil or empty sets no key. Every
// key that is unknown, repeated, null, of the wrong type or out of range is a problem, up to one more than MaxProblems, and so is
// an object of more than MaxConfigBytes. The problems are sorted by key. The
// configuration is usable only without problems.
func ResolveConfig(op Operation, raw json.RawMessage) (OperationConfig, Problems) {
	return resolveConfig(op, raw)
}

// resolveConfig is ResolveConfig with several objects, of which a later one replaces the keys of an earlier one.
func resolveConfig(op Operation, raws ...json.RawMessage) (OperationConfig, Problems) {
	resolve := func(c OperationConfig) (OperationConfig, Problems) {
		var ps Problems
		for _, raw := range raws {
			ps = append(ps, c.apply("config", raw, true)...)
		}
		if len(ps) == 0 {
			ps = c.Matching.ordered()
		}
		slices.SortStableFunc(ps, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
		return c, ps
	}
	c, ps := resolve(DefaultConfig(op))
	as, capture := op, c.General.Capture
	if c.ScansDocument(op) {
		as = OpDocScanFace
	}
	if as != op || capture != CaptureSelfie {
		return resolve(defaultConfig(as, capture))
	}
	return c, ps
}

// apply sets the keys of raw, a JSON object; nothing sets none. An unknown key is a problem if strict, and ignored otherwise.
func (c *OperationConfig) apply(field string, raw json.RawMessage, strict bool) (ps Problems) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	add := func(key, format string, args ...any) {
		name := field
		if key != "" {
			name += "." + key
		}
		ps = append(ps, Problem{name, fmt.Sprintf(format, args...), ReasonInvalidConfiguration})
	}
	if len(raw) > MaxConfigBytes {
		add("", "has %d bytes; at most %d are allowed", len(raw), MaxConfigBytes)
		return ps
	}
	members, err := objectMembers(raw)
	if err != nil {
		add("", "%v", err)
		return ps
	}
	seen := map[string]bool{}
	for _, m := range members {
		if ps.enough() {
			break
		}
		k := keyNamed(m.name)
		switch {
		case seen[m.name]:
			add(clip(m.name), "is given more than once")
			continue
		case k == nil && strict:
			add(clip(m.name), "is not a configuration key%s", Suggest(m.name, configNames()))
		case k != nil:
			if x, problem := k.parse(m.value); problem != "" {
				add(k.Name, "%s", problem)
			} else {
				k.set(c, x)
			}
		}
		seen[m.name] = true
	}
	return ps
}

// ordered checks the thresholds that a request sets against each other. The worker, which
// knows the model pack, checks them against the pack's.
func (c MatchingConfig) ordered() (ps Problems) {
	below := func(lowName string, low *float32, highName string, high *float32) {
		if low != nil && high != nil && *low > *high {
			ps = append(ps, Problem{"config." + lowName, "must not exceed " + highName, ReasonInvalidConfiguration})
		}
	}
	below("face_thresholds_min", c.Min, "face_thresholds_med", c.Med)
	below("face_thresholds_med", c.Med, "face_thresholds_max", c.Max)
	if c.Med == nil {
		below("face_thresholds_min", c.Min, "face_thresholds_max", c.Max)
	}
	return ps
}

// MarshalJSON writes a flat object, like the config of a request, with every key that has an effect.
func (c OperationConfig) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, k := range configKeys() {
		x, ok := k.value(&c)
		if !ok {
			continue
		}
		value, err := json.Marshal(x)
		if err != nil {
			return nil, fmt.Errorf("config.%s: %w", k.Name, err)
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", k.Name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON sets the keys of a flat object and leaves the others unchanged. It ignores unknown keys, and fails on a
// value that its key does not allow.
func (c *OperationConfig) UnmarshalJSON(data []byte) error {
	if ps := c.apply("config", data, false); len(ps) > 0 {
		return ps
	}
	return nil
}

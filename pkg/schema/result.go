package schema

import (
	"hash/fnv"
	"image"
	"math"
	"slices"
)

// Result is the one outcome of a request. It is the value of the topic facestream.results. Field names and shapes are
// those of the CryptoNets SDK's CallResult; verify, user_list, user_change, group_list, group_change, challenge, challenge_answer, voice_compare, request_id, operation, collection, documents,
// models, timings_ms, images, damaged_images, recordings and notes are additions. As there, a result whose return code is not 0 carries no data: none of the fields from Faces to Feedback.
//
// Two results with the same CloudEvents id have the same content, except for timings_ms, which are measurements.
type Result struct {
	CallStatus CallStatus          `json:"call_status"`
	Faces      []FaceResult        `json:"faces,omitzero"` // empty where none was found, absent where none was looked for
	Compare    *CompareResult      `json:"compare,omitempty"`
	Verify     *VerifyResult       `json:"verify,omitempty"`
	Enroll     *EnrollData         `json:"enroll,omitempty"`
	Predict    *PredictData        `json:"predict,omitempty"`
	Document   DocumentAnswer      `json:"document,omitzero"` // null where none was found, absent where none was looked for
	Barcodes   []BarcodeResult     `json:"barcodes,omitzero"` // empty where none was found, absent where none was looked for
	ISOImage   *ISOImageResult     `json:"iso_image,omitempty"`
	UserDelete *UserDeleteResponse `json:"user_delete,omitempty"`
	Persons    *PersonList         `json:"user_list,omitempty"`
	Person     *PersonChange       `json:"user_change,omitempty"`
	Groups     *GroupList          `json:"group_list,omitempty"`
	Group      *GroupChange        `json:"group_change,omitempty"`
	Challenge  *Challenge          `json:"challenge,omitempty"`
	Answer     *ChallengeAnswer    `json:"challenge_answer,omitempty"`
	Voices     *VoiceComparison    `json:"voice_compare,omitempty"`
	Feedback   string              `json:"user_feedback_message,omitempty"`

	RequestID  RequestID  `json:"request_id"`
	Operation  Operation  `json:"operation"` // as the request spelled it, known or not
	Collection Collection `json:"collection,omitempty"`
	ExternalID ExternalID `json:"external_id,omitempty"`
	Work
	Images []ObjectRef `json:"images,omitempty"`
}

// Work is what the worker notes about a request's images and about its own work. It goes into the result as it is, through
// whichever service publishes it.
type Work struct {
	Models        []ModelRun         `json:"models,omitempty"` // those that ran
	Timings       map[string]float64 `json:"timings_ms,omitempty"`
	Documents     []DocumentOutline  `json:"documents,omitempty"`
	DamagedImages []DamagedImage     `json:"damaged_images,omitempty"` // those that were read in spite of it
	Recordings    []VoiceRecording   `json:"recordings,omitempty"`     // of voice_enroll, voice_predict and voice_verify; those of voice_compare stand there
	Notes         []string           `json:"notes,omitempty"`          // what was done differently from what the request asks, and why
}

// DamagedImage says what is wrong with the file of an image that was read in spite of it. Image is its index in images.
type DamagedImage struct {
	Image   int    `json:"image" jsonschema:"minimum=0"`
	Message string `json:"message"`
}

// CallStatus says how the operation ended. ReturnStatus and ReturnCode carry the same value: the CryptoNets SDK's schema has the
// first name, its text the second.
type CallStatus struct {
	ReturnStatus    ReturnCode `json:"return_status" jsonschema:"minimum=-7,maximum=0"`
	ReturnCode      ReturnCode `json:"return_code" jsonschema:"minimum=-7,maximum=0"`
	Reason          Reason     `json:"reason,omitempty"` // why the operation did not do what was asked; absent when it did
	ReturnMessage   string     `json:"return_message,omitempty"`
	OperationID     int32      `json:"operation_id" jsonschema:"minimum=0"`
	OperationTypeID int        `json:"operation_type_id" jsonschema:"minimum=0"`
	OperationTag    string     `json:"operation_tag,omitempty"`
}

// PointF is a point in pixels of the upright image; the origin is its top left corner, x to the right, y down.
type PointF struct {
	X float32 `json:"x"`
	Y float32 `json:"y"`
}

// Pixel returns the nearest pixel.
func (p PointF) Pixel() image.Point {
	return image.Pt(int(math.Round(float64(p.X))), int(math.Round(float64(p.Y))))
}

// BoxF is an axis-parallel box in pixels of the upright image.
type BoxF struct {
	TopLeft     PointF `json:"top_left"`
	BottomRight PointF `json:"bottom_right"`
}

// Pixels returns b with its corners at the nearest pixels.
func (b BoxF) Pixels() image.Rectangle {
	return image.Rectangle{Min: b.TopLeft.Pixel(), Max: b.BottomRight.Pixel()}
}

// FaceGeometry is the position of a face. EyeLeft is the eye on the left side of the image (the person's right eye).
type FaceGeometry struct {
	BoundingBox BoxF     `json:"bounding_box"`
	EyeLeft     PointF   `json:"eye_left"`
	EyeRight    PointF   `json:"eye_right"`
	Confidence  float32  `json:"face_confidence_score"`
	Landmarks   []PointF `json:"landmarks,omitempty"`      // five points: eye left, eye right, nose tip, mouth left, mouth right (image sides)
	Outline     []PointF `json:"face_landmarks,omitempty"` // the 68 points of 300-W, or 66 without the inner mouth corners; absent where the model pack has no landmark network
	// Positions on the face of a document (doc_scan_face) are in the straightened document, except OriginalBox.
	//
	// Turned is the clockwise rotation of the image, in degrees, under which the face was found: 90, 180 or 270. All
	// positions are in the turned image, except OriginalBox, which is the box in the image as it came.
	Turned      int   `json:"turned,omitempty" jsonschema:"enum=0,enum=90,enum=180,enum=270"`
	OriginalBox *BoxF `json:"original_bounding_box,omitempty"`
}

// PoseAngles is the pose of the head, in degrees. Yaw is positive when the person looks to the image's right (their own
// left), Pitch when they look up, Roll when the head leans to the image's right.
type PoseAngles struct {
	Yaw   float32 `json:"yaw"`
	Pitch float32 `json:"pitch"`
	Roll  float32 `json:"roll"`
}

// InPicture returns the face's box in the upright image, before any turning.
func (g FaceGeometry) InPicture() BoxF {
	if g.OriginalBox != nil {
		return *g.OriginalBox
	}
	return g.BoundingBox
}

// SpoofStatus is the outcome of the liveness check.
type SpoofStatus int

// The spoof statuses, with the CryptoNets SDK's values.
const (
	SpoofNone         SpoofStatus = 0 // AS_NO_SPOOF_DETECTED
	SpoofGenericError SpoofStatus = 1 // AS_GENERIC_ERROR
	SpoofNotPerformed SpoofStatus = 2 // AS_NOT_PERFORMED
	SpoofInvalidFace  SpoofStatus = 3 // AS_INVALID_FACE
	SpoofDetected     SpoofStatus = 4 // AS_SPOOF_DETECTED
)

// FaceID names the person as whom a face was enrolled or recognised.
type FaceID struct {
	PUID PUID   `json:"puid"`
	GUID string `json:"guid"` // the enrolled image: the id of its gallery row
}

// FaceResult is one face of an image. Image is the index, in the request, of the image that shows it.
type FaceResult struct {
	IDs         *FaceID      `json:"ids,omitempty"`
	Geometry    FaceGeometry `json:"geometry"`
	Pose        *PoseAngles  `json:"pose,omitempty"`
	Traits      FaceTraits   `json:"face_traits_flags"`     // the union of FT_* bits
	TraitNames  []string     `json:"face_traits,omitempty"` // the names of these bits, lowest first
	Scores      []FaceMetric `json:"scores,omitempty"`      // what was measured of the face, in the order of the reference page
	SpoofStatus SpoofStatus  `json:"spoof_status"`          // 0 no spoof, 1 error, 2 not performed, 3 invalid face, 4 spoof
	Liveness    *Liveness    `json:"liveness,omitempty"`    // absent where spoof_status is 2
	Age         *AgeData     `json:"age_data,omitempty"`
	Quality     *FaceQuality `json:"quality,omitempty"`        // where quality_groups asks for it
	Ghost       bool         `json:"ghost_portrait,omitempty"` // on a document: not the main portrait
	Image       int          `json:"image,omitempty"`
	// Crop is the portrait that crop_faces asks for.
	Crop *OutputImage `json:"cropped_image_info,omitempty"`
}

// Score returns the score of that name; nil where it was not measured.
func (f FaceResult) Score(name string) *float32 {
	for i := range f.Scores {
		if f.Scores[i].Name == name {
			return &f.Scores[i].Value
		}
	}
	return nil
}

// Measure returns the measure of quality of that check; nil where quality was not asked for.
func (f FaceResult) Measure(check string) *QualityMeasure {
	if f.Quality == nil {
		return nil
	}
	for i := range f.Quality.Measures {
		if f.Quality.Measures[i].Check == check {
			return &f.Quality.Measures[i]
		}
	}
	return nil
}

// Native returns the native value of that check; nil where it was not measured.
func (f FaceResult) Native(check string) *float32 {
	if m := f.Measure(check); m != nil {
		return m.Native
	}
	return nil
}

// FaceQuality is the quality of a face image: the measurements, and whether groups of requirements allow them.
type FaceQuality struct {
	Measures []QualityMeasure `json:"measures"`
	Groups   []QualityGroup   `json:"groups"`
}

// QualityMeasure is one check of a face, or of the whole image if its name begins with "image_". Native is in the unit
// of the check (go doc facestream/pkg/engine/quality.Check). Scalar is 0..100, 100 best. If the check could not be
// made, both are absent and Message says why.
type QualityMeasure struct {
	Check   string   `json:"check"`
	Native  *float32 `json:"native,omitempty"`
	Scalar  *float32 `json:"scalar,omitempty"`
	Message string   `json:"message,omitempty"`
}

// QualityGroup says whether a face meets a group of requirements. The group fails if one requirement fails, and passes
// if all pass.
type QualityGroup struct {
	Group        string        `json:"group"`
	Status       QualityStatus `json:"status"`
	Requirements []Requirement `json:"requirements"`
}

// Requirement is the range, ends included, that a group allows for the native value of a check. An absent bound does
// not limit it.
type Requirement struct {
	Check  string        `json:"check"`
	Status QualityStatus `json:"status"`
	Min    *float32      `json:"min,omitempty"`
	Max    *float32      `json:"max,omitempty"`
}

// QualityStatus is "pass", "fail" or "not_assessed".
type QualityStatus string

// Liveness explains the SpoofStatus. The face is live if Score reaches Threshold. Both are on the scale of the model
// pack's networks, 0..1. They are absent if the face could not be assessed or is on an identity document; Message then
// says which. If the face is neither live nor a spoof because it cannot be assessed (SpoofInvalidFace), Unassessable says
// why.
type Liveness struct {
	Score        *float32     `json:"score,omitempty"`
	Threshold    *float32     `json:"threshold,omitempty"`
	Unassessable Unassessable `json:"not_assessable,omitempty"`
	Message      string       `json:"message,omitempty"`
}

// Unassessable is the code of why the liveness of a face cannot be assessed.
type Unassessable string

// The codes. They keep their meaning; further ones may follow.
const (
	UnassessableSmall   Unassessable = "too_small"     // the face has too few pixels
	UnassessableCut     Unassessable = "cut_off"       // the face reaches beyond the picture
	UnassessableTight   Unassessable = "tight_crop"    // the picture shows too little around the face
	UnassessableSeveral Unassessable = "several_faces" // another face of about the size, and the request is about one
	UnassessableDark    Unassessable = "too_dark"
	UnassessableGrey    Unassessable = "no_colour" // greyscale or infrared
	UnassessableBlurred Unassessable = "too_blurred"
	UnassessableTurned  Unassessable = "turned_away" // the head is turned or leans too far
)

// AgeData is an estimate of a person's age. Estimated is in years. Deviation is its standard deviation in years, which
// use_age_stddev subtracts from it. Confidence is 0..1.
type AgeData struct {
	Confidence float32 `json:"age_confidence_score"`
	Estimated  float32 `json:"estimated_age"`
	Deviation  float32 `json:"age_deviation,omitempty"`
}

// MaxDetailedFaces is the largest number of faces in one image whose result carries scores and face_landmarks. If the
// image shows more, no face carries them. This keeps the result of a crowd within the size that a topic accepts.
const MaxDetailedFaces = 64

// MaxCompareFaces is the largest number of faces in all images of a comparison together.
const MaxCompareFaces = 64

// CompareResult is the similarity of the selected faces of several images. A result without a pair of faces has no
// CompareResult. Pairs holds all pairs of faces of different images. The other fields describe the first two images;
// the most similar pair of their faces decides. Distances are 1 - cosine, 0..2. They are equal if both images show one
// face. If one of the first two images has no face, the similarity is -1 and the distances are 2, as for the least
// similar faces. FaceThresholds are min, med, max as cosines.
type CompareResult struct {
	FaceDetectedA  bool       `json:"face_detected_a"`
	FaceDetectedB  bool       `json:"face_detected_b"`
	Similarity     float32    `json:"similarity_score"`
	IsMatch        bool       `json:"is_match"`
	Confidence     float32    `json:"confidence"`
	DistanceMax    float32    `json:"distance_max"`
	DistanceMean   float32    `json:"distance_mean"`
	DistanceMin    float32    `json:"distance_min"`
	FaceThresholds []float32  `json:"face_thresholds"`
	Pairs          []FacePair `json:"pairs,omitempty"`
}

// FacePair is the similarity of two faces of a comparison. ImageA and ImageB are indices into the request's images,
// FaceA and FaceB into the result's faces. Pairs are sorted by these indices. Similarity is the cosine, -1..1.
type FacePair struct {
	ImageA     int     `json:"image_a"`
	FaceA      int     `json:"face_a"`
	ImageB     int     `json:"image_b"`
	FaceB      int     `json:"face_b"`
	Similarity float32 `json:"similarity_score"`
	IsMatch    bool    `json:"is_match"`
	Confidence float32 `json:"confidence"`
}

// VerifyResult says whether a face, or a voice, is that of the person whom the request names. A result without a comparison has no
// VerifyResult. GUID names the most similar image or recording of that person, and Similarity is the cosine to it, -1..1.
// FaceThresholds or VoiceThresholds are min, med, max as cosines.
type VerifyResult struct {
	VerifyPerformed bool      `json:"verify_performed"`
	Message         string    `json:"message"`
	IsMatch         bool      `json:"is_match"`
	Similarity      float32   `json:"similarity_score"`
	Confidence      float32   `json:"confidence"`
	PUID            PUID      `json:"puid,omitempty"`
	GUID            string    `json:"guid,omitempty"`
	FaceThresholds  []float32 `json:"face_thresholds,omitempty"`
	VoiceThresholds []float32 `json:"voice_thresholds,omitempty"`
}

// VoiceComparison is the similarity of the speakers of two recordings. Score is the cosine of their embeddings, -1..1, and they are taken
// for one person if it reaches Threshold. Both are absent if one of the recordings has too little speech.
type VoiceComparison struct {
	Score      *float32         `json:"score,omitempty" jsonschema:"minimum=-1,maximum=1"`
	Threshold  *float32         `json:"threshold,omitempty" jsonschema:"minimum=-1,maximum=1"`
	IsMatch    bool             `json:"is_match"`
	Recordings []VoiceRecording `json:"recordings"`
}

// VoiceRecording is what was measured of the recording of that index in images. Seconds is its length, Speech how much of that
// somebody speaks. Level is the mean power of the speech in dB of full scale, at most 0. Clipped is the share of samples that the recorder
// cut off, 0..1. SNR estimates by how many dB the speech is louder than the pauses. Level and SNR are absent without speech, SNR also without pauses.
// Problems say what is bad of the recording; they refuse nothing.
type VoiceRecording struct {
	Image      int      `json:"image" jsonschema:"minimum=0"`
	Container  string   `json:"container" jsonschema:"enum=wav,enum=flac,enum=mp3,enum=opus,enum=ogg"`
	SampleRate int      `json:"sample_rate"` // of the file
	Channels   int      `json:"channels"`    // of the file
	Seconds    float32  `json:"seconds"`
	Speech     float32  `json:"speech_seconds"`
	Level      *float32 `json:"level_dbfs,omitempty"`
	Clipped    float32  `json:"clipped_share" jsonschema:"minimum=0,maximum=1"`
	SNR        *float32 `json:"snr_db,omitempty"`

	Problems []VoiceProblem `json:"problems,omitempty" jsonschema:"enum=clipped,enum=quiet,enum=noisy"`
}

// VoiceProblem names what makes the score of a recording lower than that of a good one.
type VoiceProblem string

// The problems of a recording, each with its operating point: the recorder cut off at least 1 % of the samples; the level of the speech is
// below -60 dB of full scale; the speech is less than 10 dB louder than the pauses.
const (
	VoiceClipped VoiceProblem = "clipped"
	VoiceQuiet   VoiceProblem = "quiet"
	VoiceNoisy   VoiceProblem = "noisy"
)

// ISOImageResult says whether a portrait was made, and names it.
type ISOImageResult struct {
	Success bool         `json:"success"`
	Image   *OutputImage `json:"image,omitempty"`
}

// DocumentOutline is where an identity document lies in the image of that index, in pixels of the upright image: its top left
// corner, top right, bottom right, bottom left. Confidence, 0..1, is that there is a document.
type DocumentOutline struct {
	Image      int       `json:"image" jsonschema:"minimum=0"`
	Corners    [4]PointF `json:"corners"`
	Confidence float32   `json:"confidence" jsonschema:"minimum=0,maximum=1"`
}

// OutputImage is an image that was made of an image of the request, and lies in the object store.
type OutputImage struct {
	Info ImageInfo `json:"info"`
	// Object has neither version nor ETag, because a repeated job writes the same image again.
	Object ObjectRef `json:"object"`
	// Corners are the corners of the image (top left, top right, bottom right, bottom left) in the image that it was
	// made from, in pixels after turning. They may lie outside it.
	Corners [4]PointF `json:"corners"`
}

// ImageInfo describes an image's pixels; Depth and Color are the CryptoNets SDK's numbers.
type ImageInfo struct {
	Width    int `json:"width" jsonschema:"minimum=0"`
	Height   int `json:"height" jsonschema:"minimum=0"`
	Channels int `json:"channels" jsonschema:"minimum=0"`
	Depth    int `json:"depth" jsonschema:"minimum=0,maximum=7"` // 0: 8 bits without sign
	Color    int `json:"color" jsonschema:"minimum=0,maximum=4"` // 2: RGB
}

// ColorRGB is the CryptoNets SDK's number for red, green, blue.
const ColorRGB = 2

// EnrollData says whether the face or the voice was enrolled. When EnrollPerformed is true, its embedding is searchable (invariant
// 4).
type EnrollData struct {
	EnrollPerformed bool            `json:"enroll_performed"`
	Message         string          `json:"message"`
	Response        *EnrollResponse `json:"api_response,omitempty"`
}

// EnrollResponse names the enrolled person and the image or recording. Duplicates and PersonScore come with the duplicate_policy report or
// refuse: other people of the collection who have the face, and its cosine to the most similar image of the person, absent if there is none.
type EnrollResponse struct {
	Status      int         `json:"status"` // 0: enrolled, 1: refused
	GUID        string      `json:"guid,omitempty"`
	PUID        PUID        `json:"puid,omitempty"`
	Message     string      `json:"message,omitempty"`
	Duplicates  []Candidate `json:"duplicates,omitempty"`
	PersonScore *float32    `json:"person_score,omitempty" jsonschema:"minimum=-1,maximum=1"`
}

// PredictData is the answer to a 1:N search.
type PredictData struct {
	PredictPerformed bool             `json:"predict_performed"`
	Message          string           `json:"message"`
	Response         *PredictResponse `json:"api_response,omitempty"`
}

// PredictResponse has the best candidate where one passed the threshold, and up to `neighbors` candidates, best first.
// FaceThresholds, or in a search for a voice VoiceThresholds, are min, med, max as cosines.
type PredictResponse struct {
	Status  int         `json:"status"` // 0: identified, 1: nobody passed face_thresholds_max
	GUID    string      `json:"guid,omitempty"`
	PUID    PUID        `json:"puid,omitempty"`
	Message string      `json:"message,omitempty"`
	Score   float32     `json:"score"`
	List    []Candidate `json:"PI_list,omitempty"`

	FaceThresholds  []float32 `json:"face_thresholds,omitempty"`
	VoiceThresholds []float32 `json:"voice_thresholds,omitempty"`
}

// Candidate is a person of the gallery. Score is the cosine of their most similar image or recording, Distance 1 - Score, absent where it is 0.
type Candidate struct {
	GUID       string     `json:"guid"`
	PUID       PUID       `json:"puid"`
	ExternalID ExternalID `json:"external_id,omitempty"`
	Score      float32    `json:"score"`
	Distance   float32    `json:"distance,omitempty" jsonschema:"minimum=0,maximum=2"`
	Level      int        `json:"enroll_level"` // 3, 2, 1: the score passed face_thresholds_max, _med, _min
}

// UserDeleteResponse says how many images of the person were deleted. They are no longer searchable (invariant 4).
type UserDeleteResponse struct {
	Status  int    `json:"status"` // 0: deleted; 1: kept, because the end of the person was moved
	Count   int    `json:"uuid_count"`
	Message string `json:"message,omitempty"`
}

// NewResult returns a result of job with the given reason and no data. message explains the reason to a person; it must
// not name anything private.
func NewResult(job *Job, reason Reason, message string) *Result {
	code := reason.Code()
	if message == "" && reason == "" {
		message = "ok"
	}
	r := job.repeated()
	return &Result{
		CallStatus: CallStatus{
			ReturnStatus: code, ReturnCode: code, Reason: reason, ReturnMessage: message,
			OperationID: operationID(job.ID), OperationTypeID: max(job.Operation.TypeID(), 0), OperationTag: r.Tag,
		},
		RequestID: job.ID, Operation: r.Operation, Collection: r.Collection, ExternalID: r.ExternalID, Images: r.Images,
	}
}

// repeated is the part of r that a result repeats. Values that are longer than a valid request has them are left out, so that the
// answer to a hostile request is not as large as the request.
func (r Request) repeated() Request {
	const most = MaxChallengeFrames // images of a request
	r.Images = r.Images[:min(len(r.Images), most)]
	for i, o := range r.Images {
		if len(o.Bucket) > 255 || len(o.Key) > 1024 || len(o.Version) > 1024 || len(o.ETag) > 255 {
			r.Images = slices.Clone(r.Images)
			r.Images[i] = ObjectRef{}
		}
	}
	if len(r.Tag) > 256 {
		r.Tag = ""
	}
	if len(r.Operation) > 64 {
		r.Operation = ""
	}
	if len(r.Collection) > 64 {
		r.Collection = ""
	}
	if len(r.ExternalID) > 256 {
		r.ExternalID = ""
	}
	return r
}

// operationID returns the SDK's serial number of a call. Here it is a hash of the request id, so a repeat has the same
// number.
func operationID(id RequestID) int32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return int32(h.Sum32() & 0x7fffffff)
}

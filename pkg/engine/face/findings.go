package face

import (
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Attributes are what is seen of a face beyond where it is. A pointer is nil where the pack has no network that answers.
type Attributes struct {
	// Landmarks are points of the outline, brows, nose, eyes and mouth, in pixels of the upright picture and in the order
	// of the 68 points of 300-W (I. Matthews and S. Baker's mark-up): 68, or 66 without the inner corners of the mouth.
	Landmarks []schema.PointF
	// LandmarkConfidence is how sure the network is of the points, 0..1; nil where it does not say.
	LandmarkConfidence *float32
	Pose               *Pose
	// LeftEyeOpen and RightEyeOpen are probabilities, 0..1. Left is the eye on the picture's left (the person's right).
	LeftEyeOpen, RightEyeOpen *float32
	// MouthOpen is 0 for closed lips to 1 for a wide open mouth: by the landmarks, or the probability that a network answers.
	MouthOpen *float32
	// Smile is 0 for none to 1 for a broad one.
	Smile *float32
	// Mask and Glasses are probabilities that the face wears one, 0..1.
	Mask, Glasses *float32
	// Occlusion is the probability, 0..1, that something covers a region: "left_eye", "right_eye", "nose", "mouth"
	// (the picture's left and right), for the regions that are assessed.
	Occlusion map[string]float32
	Light     Light
	// Sharpness is the variance of the Laplacian of the face's grey values 0..255, scaled to a face 112 pixels wide
	// (J. L. Pech-Pacheco et al., 2000); 0 for a flat area.
	Sharpness float32
}

// Pose is how the head is turned, in degrees, -90..90 (Roll -180..180). Yaw is positive when the person looks to the
// picture's right (their own left), Pitch when they look up, Roll when the head leans to the picture's right (clockwise).
type Pose struct {
	Yaw, Pitch, Roll float32
}

// Light is the brightness of a face: shares of its luma, ITU-R BT.601.
type Light struct {
	Mean float32 // 0 black .. 1 white
	Low  float32 // the 5th percentile, 0..1
	High float32 // the 95th percentile, 0..1
}

// Liveness is the answer of the networks that tell a living face from a picture of one.
type Liveness struct {
	// Assessable is false where the face is too small, or too near the picture's border, to be judged; Why says so to people.
	Assessable bool
	Why        string
	// Score is the probability that the face is live, 0..1: the mean of the networks that ran.
	Score float32
	// Scores are those of each network, in the order of the pack.
	Scores []float32
}

// Age is an estimate in years. Deviation is the standard deviation of the estimate under small shifts of the crop;
// Confidence is 0..1, 1 for none.
type Age struct {
	Years, Deviation, Confidence float32
}

// The names of the thresholds that pack.yaml gives with the networks of a role, by which numbers of [Attributes] and [Liveness]
// become traits, by the role under which they stand.
const (
	// Attributes.
	ThresholdEyeOpen  = "eye_open" // from it on an eye is open
	ThresholdMask     = "mask"     // from it on a mask is worn
	ThresholdOccluded = "occluded" // from it on a region is covered
	// Landmarks; the latter two attributes where one network answers all of them.
	ThresholdSmile     = "smile"      // from it on a face smiles
	ThresholdMouthOpen = "mouth_open" // from it on the lips are apart
	ThresholdGlasses   = "glasses"    // from it on glasses are worn
	// Detector.
	ThresholdSharpness = "sharpness" // below it a face is blurred
	ThresholdLight     = "light"     // below it, Light.Mean of a face is too dark
	// Liveness.
	ThresholdLiveSoft     = "live_soft"     // from it on a face is live, where few living ones may be turned away
	ThresholdLive         = "live"          // from it on a face is live
	ThresholdLiveHardened = "live_hardened" // from it on a face is live, where few attacks may pass
	// Document.
	ThresholdDocument = "document" // from it on there is a document
)

// thresholdRoles has the role of each.
var thresholdRoles = map[string]models.Role{
	ThresholdEyeOpen: models.RoleAttributes, ThresholdMask: models.RoleAttributes, ThresholdOccluded: models.RoleAttributes,
	ThresholdSmile: models.RoleLandmarks, ThresholdMouthOpen: models.RoleLandmarks, ThresholdGlasses: models.RoleLandmarks,
	ThresholdSharpness: models.RoleDetector, ThresholdLight: models.RoleDetector,
	ThresholdLiveSoft: models.RoleLiveness, ThresholdLive: models.RoleLiveness, ThresholdLiveHardened: models.RoleLiveness,
	ThresholdDocument: models.RoleDocument,
}

package face

import (
	"context"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// Observation holds everything that is known about one face. The detector sets the position, and each step of the
// engine adds what it finds. A field is nil if it was not requested or if the pack has no network for it.
//
// All positions are in pixels of the upright picture, which is the analysed picture turned clockwise by Turned.
type Observation struct {
	Face
	// Turned is the clockwise rotation, in degrees, that makes the face upright: 0, 90, 180 or 270.
	Turned int
	// Width and Height are the size of the turned picture.
	Width, Height int
	// Photographed is the box in the photograph of the straightened document that the picture is; nil for any other picture.
	Photographed *schema.BoxF

	// Ghost says that the face is on a document, but not its main portrait.
	Ghost bool

	// Pose is the pose of the head.
	Pose *Pose
	// Landmarks are points of the outline, brows, nose, eyes and mouth, in the order of the 68 points of 300-W (I. Matthews
	// and S. Baker's mark-up): 68, or 66 without the inner corners of the mouth.
	Landmarks []schema.PointF
	// LandmarkConfidence is the network's mean confidence in the landmarks, 0..1. It is nil if the network reports
	// none.
	LandmarkConfidence *float32

	// Light is the brightness of the face.
	Light *Light
	// Sharpness is the variance of the Laplacian of the face's grey values 0..255, scaled to a face 112 pixels wide
	// (J. L. Pech-Pacheco et al., 2000); 0 for a flat area.
	Sharpness *float32
	// LeftEyeOpen and RightEyeOpen are probabilities, 0..1. Left is the eye on the picture's left (the person's right).
	LeftEyeOpen, RightEyeOpen *float32
	// MouthOpen is 0 for closed lips to 1 for a wide open mouth, measured on the landmarks, or the probability from a
	// network.
	MouthOpen *float32
	// Smile is 0 for none to 1 for a broad one.
	Smile *float32
	// Mask and Glasses are probabilities that the face wears one, 0..1.
	Mask, Glasses *float32
	// Occlusion is the probability, 0..1, that something covers a region: "left_eye", "right_eye", "nose", "mouth"
	// (the picture's left and right), for the regions that are assessed.
	Occlusion map[string]float32

	// Liveness is the answer of the liveness networks.
	Liveness *Liveness
	// Document is the identity document on which the face is, or nil.
	Document *Document
	// Age is an estimate in years.
	Age *Age
	// Person is the mask of the person whose face it is. It is also nil if the eyes coincide, because the mask covers what a
	// portrait shows.
	Person *Mask
	// Quality holds the quality measures of picture and face, and the outcomes of the requested groups.
	Quality *schema.FaceQuality
	// Embedding is the vector by which the face is compared.
	Embedding *schema.Embedding
	// Portraits are pictures of the face, in the order of the request.
	Portraits []*Portrait
	// Unportrayed says why requested portraits are missing. It is permanent with the reason face_rejected.
	Unportrayed error
}

// An Observer adds what its networks find to each of faces, which stand upright in img. It answers each face by itself: errors[i]
// says why nothing was added to faces[i], or is nil.
type Observer interface {
	Observe(ctx context.Context, img *imaging.Image, faces []*Observation) (errors []error)
}

// Original returns the box in the picture before turning.
func (o *Observation) Original() schema.BoxF {
	return o.Face.Turned(4-o.Turned/90, o.Width, o.Height).Box
}

// leaning is by how many degrees the head leans clockwise: its pose's roll if that is known, else the direction of the line through
// the eyes. The detector's points are unreliable on heads that lean far, because it saw few of them in training.
func (o *Observation) leaning() float32 {
	if o.Pose != nil {
		return o.Pose.Roll
	}
	return o.Roll()
}

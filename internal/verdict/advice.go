package verdict

import (
	"strings"

	"facestream/pkg/schema"
)

// remedies say what a person can do about each trait. The traits that impair recognition most come first.
var remedies = []struct {
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
	{schema.FTEyeCovered, "Uncover your eyes."},
	{schema.FTNoseCovered, "Uncover your nose."},
	{schema.FTMouthCovered, "Uncover your mouth."},
	{schema.FTFaceTooSmall, "Come closer to the camera, or take the picture in a higher resolution."},
	{schema.FTFaceNoPadding, "Leave some room around your head."},
	{schema.FTFaceLowValConf, "Show your whole face, with nothing in front of it."},
	{schema.FTInvalidFaceBackground, "Stand in front of a plain wall."},
}

// advice returns what the person should do about traits, the most important first, or "" without traits.
func advice(traits schema.FaceTraits) string {
	var out []string
	for _, r := range remedies {
		if traits&r.trait != 0 {
			out = append(out, r.text)
		}
	}
	return strings.Join(out, " ")
}

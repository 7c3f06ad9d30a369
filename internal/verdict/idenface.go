package verdict

import "facestream/pkg/schema"

// idenfaceCodes are the status codes of iDenFace for the traits of a face, the most specific first.
var idenfaceCodes = []struct {
	traits schema.FaceTraits
	code   string
}{
	{covered | schema.FTFaceWithMask, "F11_0306 FACE_IS_OCCLUDED"},
	{schema.FTFaceRotatedLeft | schema.FTFaceRotatedRight, "F11_0303 FACE_ROLL_INVALID"},
	{schema.FTLookingLeft | schema.FTLookingRight | schema.FTLookingHigh | schema.FTLookingDown, "F11_0301 FACE_ANGLE_INVALID"},
	{schema.FTFaceNoPadding | schema.FTFaceTooSmall | schema.FTFaceTooFar | schema.FTFaceTooClose | schema.FTFaceLeft | schema.FTFaceRight |
		schema.FTFaceUp | schema.FTFaceDown, "F11_0302 LANDMARK_POSITION_INVALID"},
}

// idenface returns iDenFace's status code for a refusal, in parentheses after a space, or "" where it has none. rejecting are the
// traits that refuse the face.
func idenface(reason schema.Reason, rejecting schema.FaceTraits) string {
	switch reason {
	case schema.ReasonNoFace:
		return " (F11_0300 FACE_DETECT_FAILED)"
	case schema.ReasonSeveralFaces:
		return " (F11_0304 MULTIPLE_FACES_DETECTED)"
	case schema.ReasonFaceRejected, schema.ReasonFaceOccluded, schema.ReasonFaceTooSmall, schema.ReasonFaceNotPadded:
		for _, c := range idenfaceCodes {
			if rejecting&c.traits != 0 {
				return " (" + c.code + ")"
			}
		}
	}
	return ""
}

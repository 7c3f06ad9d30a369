package schema

// idenfaceCodes are the status codes of iDenFace for the traits of a face, the most specific first.
var idenfaceCodes = []struct {
	traits FaceTraits
	code   string
}{
	{CoveredFaceTraits | FTFaceWithMask, "F11_0306 FACE_IS_OCCLUDED"},
	{FTFaceRotatedLeft | FTFaceRotatedRight, "F11_0303 FACE_ROLL_INVALID"},
	{FTLookingLeft | FTLookingRight | FTLookingHigh | FTLookingDown, "F11_0301 FACE_ANGLE_INVALID"},
	{FTFaceNoPadding | FTFaceTooSmall | FTFaceTooFar | FTFaceTooClose | FTFaceLeft | FTFaceRight | FTFaceUp | FTFaceDown, "F11_0302 LANDMARK_POSITION_INVALID"},
}

// IDenFaceCode returns iDenFace's status code and its name for a refusal, or "" where it has none. rejecting are the traits that refuse the
// face.
func IDenFaceCode(reason Reason, rejecting FaceTraits) string {
	switch reason {
	case ReasonNoFace:
		return "F11_0300 FACE_DETECT_FAILED"
	case ReasonSeveralFaces:
		return "F11_0304 MULTIPLE_FACES_DETECTED"
	case ReasonFaceRejected, ReasonFaceOccluded, ReasonFaceTooSmall, ReasonFaceNotPadded:
		for _, c := range idenfaceCodes {
			if rejecting&c.traits != 0 {
				return c.code
			}
		}
	}
	return ""
}

package schema

// FaceTraits is a set of FT_* flags, as in face_traits_flags and allowed_face_traits_flags.
type FaceTraits uint32

// The face traits; those that the CryptoNets SDK has have its names and bits. Left and right are the person's own unless the name says otherwise.
const (
	FTFaceTooClose          FaceTraits = 1 << iota // FT_FACE_TOO_CLOSE
	FTFaceTooFar                                   // FT_FACE_TOO_FAR
	FTFaceRight                                    // FT_FACE_RIGHT
	FTFaceLeft                                     // FT_FACE_LEFT
	FTFaceUp                                       // FT_FACE_UP
	FTFaceDown                                     // FT_FACE_DOWN
	FTImageBlurr                                   // FT_IMAGE_BLURR
	FTFaceWithGlass                                // FT_FACE_WITH_GLASS
	FTFaceWithMask                                 // FT_FACE_WITH_MASK
	FTLookingLeft                                  // FT_LOOKING_LEFT
	FTLookingRight                                 // FT_LOOKING_RIGHT
	FTLookingHigh                                  // FT_LOOKING_HIGH
	FTLookingDown                                  // FT_LOOKING_DOWN
	FTFaceTooDark                                  // FT_FACE_TOO_DARK
	FTFaceTooBright                                // FT_FACE_TOO_BRIGHT
	FTFaceLowValConf                               // FT_FACE_LOW_VAL_CONF
	FTInvalidFaceBackground                        // FT_INVALID_FACE_BACKGROUND, where refuse_busy_background asks for it
	FTEyeBlink                                     // FT_EYE_BLINK
	FTMouthOpened                                  // FT_MOUTH_OPENED
	FTFaceRotatedRight                             // FT_FACE_ROTATED_RIGHT
	FTFaceRotatedLeft                              // FT_FACE_ROTATED_LEFT
	FTFaceNotInOval                                // FT_FACE_NOT_IN_OVAL
	// The traits that the CryptoNets SDK does not have.
	FTEyeCovered    // FT_EYE_COVERED, one or both
	FTNoseCovered   // FT_NOSE_COVERED, by something other than a mask
	FTMouthCovered  // FT_MOUTH_COVERED, by something other than a mask
	FTFaceTooSmall  // FT_FACE_TOO_SMALL: the eyes are closer to each other than min_inter_eye_distance
	FTFaceNoPadding // FT_FACE_NO_PADDING: the face is closer to the border than min_face_padding
)

var faceTraitNames = [...]string{
	"FT_FACE_TOO_CLOSE", "FT_FACE_TOO_FAR", "FT_FACE_RIGHT", "FT_FACE_LEFT", "FT_FACE_UP", "FT_FACE_DOWN",
	"FT_IMAGE_BLURR", "FT_FACE_WITH_GLASS", "FT_FACE_WITH_MASK", "FT_LOOKING_LEFT", "FT_LOOKING_RIGHT",
	"FT_LOOKING_HIGH", "FT_LOOKING_DOWN", "FT_FACE_TOO_DARK", "FT_FACE_TOO_BRIGHT", "FT_FACE_LOW_VAL_CONF",
	"FT_INVALID_FACE_BACKGROUND", "FT_EYE_BLINK", "FT_MOUTH_OPENED", "FT_FACE_ROTATED_RIGHT", "FT_FACE_ROTATED_LEFT",
	"FT_FACE_NOT_IN_OVAL", "FT_EYE_COVERED", "FT_NOSE_COVERED", "FT_MOUTH_COVERED", "FT_FACE_TOO_SMALL", "FT_FACE_NO_PADDING",
}

// CoveredFaceTraits are those of a face that something other than a mask covers.
const CoveredFaceTraits = FTEyeCovered | FTNoseCovered | FTMouthCovered

// AllFaceTraits is the set of every face trait.
const AllFaceTraits = FTFaceNoPadding<<1 - 1

// DocumentTraits is a set of DT_* flags, as in document_traits.
type DocumentTraits uint32

// The document traits, with the CryptoNets SDK's names and bits.
const (
	DTDocumentWithLowConfidenceScore DocumentTraits = 1 << iota // DT_DOCUMENT_WITH_LOW_CONFIDENCE_SCORE
	DTDocumentIsBlurry                                          // DT_DOCUMENT_IS_BLURRY
	DTDocumentIsClose                                           // DT_DOCUMENT_IS_CLOSE
	DTDocumentIsFar                                             // DT_DOCUMENT_IS_FAR
	DTDocumentIsLeft                                            // DT_DOCUMENT_IS_LEFT
	DTDocumentIsRight                                           // DT_DOCUMENT_IS_RIGHT
	DTDocumentIsUp                                              // DT_DOCUMENT_IS_UP
	DTDocumentIsDown                                            // DT_DOCUMENT_IS_DOWN
	DTFingersDetected                                           // DT_FINGERS_DETECTED
)

var documentTraitNames = [...]string{
	"DT_DOCUMENT_WITH_LOW_CONFIDENCE_SCORE", "DT_DOCUMENT_IS_BLURRY", "DT_DOCUMENT_IS_CLOSE", "DT_DOCUMENT_IS_FAR",
	"DT_DOCUMENT_IS_LEFT", "DT_DOCUMENT_IS_RIGHT", "DT_DOCUMENT_IS_UP", "DT_DOCUMENT_IS_DOWN", "DT_FINGERS_DETECTED",
}

// TraitNames lists the wire names of the flags in mask, lowest bit first. Bits without a name are left out.
func TraitNames[T FaceTraits | DocumentTraits](mask T) []string {
	var names []string
	switch any(mask).(type) {
	case FaceTraits:
		names = faceTraitNames[:]
	case DocumentTraits:
		names = documentTraitNames[:]
	}
	var out []string
	for i, name := range names {
		if mask&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"facestream/pkg/schema"
)

// Found is what was found in the images of one job.
type Found struct {
	Faces  []schema.FaceResult // of all images, in their order; those of [Case.Face]
	Probes []schema.Embedding  // one per face, where the operation compares faces; of a search among voices, that of the recording
	// Portrait is the portrait of face_iso in the store. If a face has none, Unportrayed is the error, with a reason.
	Portrait    *schema.OutputImage
	Unportrayed error
	// Document is the document that the image shows; nil where none was found or looked for.
	Document *schema.DocumentResult
	// Voices are the recordings, in the order of the images, where the operation is on voices.
	Voices []Voice
	// Barcodes are those of all images.
	Barcodes []schema.BarcodeResult
	// Bare are the images that are said to show a document, and show none.
	Bare []int
}

// shows reports whether an image has a face.
func (f Found) shows(image int) bool {
	return slices.ContainsFunc(f.Faces, func(r schema.FaceResult) bool { return r.Image == image })
}

// traits returns the traits of all faces together.
func (f Found) traits() (all schema.FaceTraits) {
	for _, face := range f.Faces {
		all |= face.Traits
	}
	return all
}

// TooMany reports whether f has more faces than the operation can answer about. The remaining images and the portraits
// are then irrelevant.
func (c *Case) TooMany(f Found) bool {
	switch c.job.Operation {
	case schema.OpCompare:
		return len(f.Faces) > schema.MaxCompareFaces
	case schema.OpFaceISO:
		return len(f.Faces) > 1
	}
	return false
}

// MostPortrayed returns how many faces of a further image may get portraits, beside those of f: with more, TooMany will hold.
// -1: none.
func (c *Case) MostPortrayed(f Found) int {
	most := schema.MaxDetailedFaces
	switch c.job.Operation {
	case schema.OpCompare:
		most = schema.MaxCompareFaces - len(f.Faces)
	case schema.OpFaceISO:
		most = 1 - len(f.Faces)
	}
	if most < 1 {
		return -1
	}
	return most
}

// Answer returns the result of the job if it does not need the gallery: because the operation never needs it, because f
// does not have the one face that the operation needs, or because that face is refused. nil means that the indexer must
// answer.
func (c *Case) Answer(f Found) *schema.Result {
	switch {
	case c.scans():
		return c.scanned(f)
	case len(f.Bare) > 0 && c.job.Operation != schema.OpCompare:
		return c.result(f, schema.ReasonNoDocument, "no document was found")
	}
	switch c.job.Operation {
	case schema.OpVoiceCompare:
		return c.comparedVoices(f)
	case schema.OpVoiceEnroll, schema.OpVoicePredict, schema.OpVoiceVerify:
		return c.voice(f)
	case schema.OpValidate, schema.OpEstimateAge, schema.OpAntiSpoofing:
		if c.actions != nil {
			return c.answered(f)
		}
		if len(f.Faces) == 0 {
			return c.result(f, schema.ReasonNoFace, "no face was found")
		}
		return c.result(f, "", "")
	case schema.OpCompare:
		return c.compared(f)
	case schema.OpFaceISO:
		if reason, message := c.notOne(f); reason != "" {
			return c.result(f, reason, message)
		}
		if f.Unportrayed != nil {
			return c.result(f, schema.ReasonOf(f.Unportrayed), schema.MessageOf(f.Unportrayed))
		}
		return c.result(f, "", "")
	case schema.OpEnroll, schema.OpPredict, schema.OpVerify:
		reason, message := c.notOne(f)
		if reason == "" {
			reason, message = c.refusal(f.Faces[0])
		}
		if reason != "" {
			return c.result(f, reason, message)
		}
	}
	return nil
}

// notOne says why f does not have exactly the one face that the operation needs. It returns "" if it does.
func (c *Case) notOne(f Found) (schema.Reason, string) {
	switch n := len(f.Faces); n {
	case 0:
		return schema.ReasonNoFace, "no face was found"
	case 1:
		return "", ""
	default:
		return schema.ReasonSeveralFaces, fmt.Sprintf("%d faces were found; %s takes one", n, c.job.Operation)
	}
}

// refusal says why a face must not be enrolled, searched for or verified. It returns no reason if the face may be used.
func (c *Case) refusal(f schema.FaceResult) (schema.Reason, string) {
	if f.SpoofStatus == schema.SpoofDetected {
		return schema.ReasonSpoofDetected, "the face is a presentation attack, not that of a person who is present"
	}
	if rejecting := c.Rejecting(f.Traits); rejecting != 0 {
		reason := schema.ReasonFaceRejected
		switch { // bad light comes first, because it impairs the judgement of the other traits
		case rejecting&schema.FTFaceTooDark != 0:
			reason = schema.ReasonImageUnderexposed
		case rejecting&schema.FTFaceTooBright != 0:
			reason = schema.ReasonImageOverexposed
		case rejecting&^(schema.CoveredFaceTraits|schema.FTFaceTooSmall|schema.FTFaceNoPadding|schema.FTInvalidFaceBackground) != 0:
		case rejecting&schema.CoveredFaceTraits != 0:
			reason = schema.ReasonFaceOccluded
		case rejecting&schema.FTFaceTooSmall != 0:
			reason = schema.ReasonFaceTooSmall
		case rejecting&schema.FTFaceNoPadding != 0:
			reason = schema.ReasonFaceNotPadded
		default:
			reason = schema.ReasonBackgroundNotPlain
		}
		return reason, fmt.Sprintf("the face has traits that %s does not allow: %s", c.job.Operation, strings.Join(schema.TraitNames(rejecting), ", "))
	}
	if f.SpoofStatus == schema.SpoofGenericError || f.SpoofStatus == schema.SpoofInvalidFace && c.config.Liveness.Unassessable == schema.RefuseUnassessable {
		return schema.ReasonLivenessUnknown, "the liveness of the face was not assessed: " + f.Liveness.Message
	}
	return "", ""
}

// compared answers a comparison.
func (c *Case) compared(f Found) *schema.Result {
	if c.TooMany(f) {
		return c.result(f, schema.ReasonSeveralFaces, fmt.Sprintf("the images show %d faces or more; compare takes %d", len(f.Faces), schema.MaxCompareFaces))
	}
	var without []string
	for i := range c.job.Images {
		if !f.shows(i) {
			without = append(without, fmt.Sprintf("images[%d]", i))
		}
	}
	r := c.result(f, "", "")
	if without != nil {
		r = c.result(f, schema.ReasonNoFace, "no face was found in "+strings.Join(without, ", "))
	}
	if len(f.Bare) > 0 {
		var bare []string
		for _, i := range f.Bare {
			bare = append(bare, fmt.Sprintf("images[%d]", i))
		}
		r = c.result(f, schema.ReasonNoDocument, "no document was found in "+strings.Join(bare, ", "))
	}
	r.Compare = c.compare(f)
	return r
}

// result returns a result of the job with what was found and with the block of its operation. A failure has neither.
func (c *Case) result(f Found, reason schema.Reason, message string) *schema.Result {
	if c.config.General.Capture == schema.CaptureIDenFace {
		if code := schema.IDenFaceCode(reason, c.Rejecting(f.traits())); code != "" {
			message += " (" + code + ")"
		}
	}
	r := schema.NewResult(c.job, reason, message)
	if reason.Code() != schema.CodeNoError {
		return r
	}
	r.Faces = f.Faces
	r.Document = schema.DocumentAnswer{Asked: c.scans(), Found: f.Document}
	if c.barcodes() != nil {
		r.Barcodes = append([]schema.BarcodeResult{}, f.Barcodes...)
	}
	if c.barcodesOnly() {
		r.Document = schema.DocumentAnswer{}
	}
	switch c.job.Operation {
	case schema.OpEnroll, schema.OpVoiceEnroll:
		r.Enroll = &schema.EnrollData{Message: message}
	case schema.OpPredict, schema.OpVoicePredict:
		r.Predict = &schema.PredictData{Message: message}
	case schema.OpFaceISO:
		r.ISOImage = &schema.ISOImageResult{Success: f.Portrait != nil, Image: f.Portrait}
	}
	r.Feedback = c.Feedback(f, reason)
	return r
}

// Feedback returns what the person should do after a result with this reason.
func (c *Case) Feedback(f Found, reason schema.Reason) string {
	all := f.traits()
	switch reason {
	case schema.ReasonNoDocument, schema.ReasonDocumentRejected:
		if f.Document == nil {
			return "Lay the document flat, with all four corners in the picture."
		}
		return documentAdvice(f.Document.Detected.Traits)
	case schema.ReasonNoFace:
		if c.scans() {
			return "Show the side of the document that has the portrait."
		}
		return "Look into the camera so that your whole face is visible."
	case schema.ReasonChallengeFailed:
		return "Look straight into the camera, then do what is asked, one action after the other."
	case schema.ReasonSpoofDetected:
		return "Show your face itself to the camera, not a picture of it."
	case schema.ReasonFaceRejected, schema.ReasonImageUnderexposed, schema.ReasonImageOverexposed, schema.ReasonFaceOccluded,
		schema.ReasonFaceTooSmall, schema.ReasonFaceNotPadded, schema.ReasonBackgroundNotPlain:
		return advice(c.Rejecting(all))
	case schema.ReasonLivenessUnknown:
		return cmp.Or(advice(all), "Come close to the camera, with your whole head in the picture.")
	}
	return advice(all)
}

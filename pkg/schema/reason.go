package schema

// Reason is the stable, machine-readable cause of an outcome. A name never changes its meaning. docs/reasons.md lists
// them all.
type Reason string

// The reasons. An empty reason means that the operation did what was asked.
const (
	ReasonInvalidRequest       Reason = "invalid_request"
	ReasonUnknownOperation     Reason = "unknown_operation"
	ReasonInvalidConfiguration Reason = "invalid_configuration"
	ReasonBelowFloor           Reason = "below_floor"
	ReasonOperationUnavailable Reason = "operation_unavailable"
	ReasonRoleAbsent           Reason = "role_absent"
	ReasonRequestIDReused      Reason = "request_id_reused"
	ReasonConsentMissing       Reason = "consent_missing"
	ReasonExpired              Reason = "expired"
	ReasonBucketNotAllowed     Reason = "bucket_not_allowed"
	ReasonImageNotFound        Reason = "image_not_found"
	ReasonImageUnreadable      Reason = "image_unreadable"
	ReasonImageTooLarge        Reason = "image_too_large"
	ReasonImageChanged         Reason = "image_changed"
	ReasonAudioUnreadable      Reason = "audio_unreadable"
	ReasonAudioTooLong         Reason = "audio_too_long"
	ReasonNoSpeech             Reason = "no_speech"
	ReasonTooLittleSpeech      Reason = "too_little_speech"
	ReasonSeveralVoices        Reason = "several_voices"
	ReasonNoFace               Reason = "no_face"
	ReasonNoDocument           Reason = "no_document"
	ReasonDocumentRejected     Reason = "document_rejected"
	ReasonSeveralFaces         Reason = "several_faces"
	ReasonFaceRejected         Reason = "face_rejected"
	ReasonImageUnderexposed    Reason = "image_underexposed"
	ReasonImageOverexposed     Reason = "image_overexposed"
	ReasonFaceOccluded         Reason = "face_occluded"
	ReasonFaceTooSmall         Reason = "face_too_small"
	ReasonFaceNotPadded        Reason = "face_not_padded"
	ReasonBackgroundNotPlain   Reason = "background_not_plain"
	ReasonSpoofDetected        Reason = "spoof_detected"
	ReasonLivenessUnknown      Reason = "liveness_unknown"
	ReasonUnknownCollection    Reason = "unknown_collection"
	ReasonUnknownPUID          Reason = "unknown_puid"
	ReasonUnknownGroup         Reason = "unknown_group"
	ReasonDuplicateFace        Reason = "duplicate_face"
	ReasonUnlikePerson         Reason = "unlike_person"
	ReasonDeletedMeanwhile     Reason = "deleted_meanwhile"
	ReasonModelMismatch        Reason = "model_mismatch"
	ReasonNoMatch              Reason = "no_match"
	ReasonChallengeInvalid     Reason = "challenge_invalid"
	ReasonChallengeFailed      Reason = "challenge_failed"
	ReasonUnparsable           Reason = "unparsable"
	ReasonInternal             Reason = "internal_error"
)

// ReasonInfo documents one reason: its return code, its meaning and a remedy.
type ReasonInfo struct {
	Reason  Reason
	Code    ReturnCode
	Meaning string
	Remedy  string
}

// Reasons returns every reason with its return code, in the order of docs/reasons.md.
func Reasons() []ReasonInfo {
	return []ReasonInfo{
		{ReasonInvalidRequest, CodeInvalidArgument, "The request is missing a field or holds one that is not allowed.", "The message names every problem; correct them and send a new request."},
		{ReasonUnknownOperation, CodeInvalidArgument, "The operation is not one that facestream knows.", "Use one of the operations in docs/operations-reference.md."},
		{ReasonInvalidConfiguration, CodeInvalidConfiguration, "A configuration key is unknown, has the wrong type, is out of range, contradicts another key or the model pack's threshold, or asks for portraits that have too many pixels together.", "The message names each key, and the values that it allows or the key or threshold that it contradicts."},
		{ReasonBelowFloor, CodeInvalidConfiguration, "The configuration of the request is laxer than the operator allows for its collection or route (`ingest.floors`, or `floors` of a route).", "The message names each key and what is allowed; leave the key out to take the operator's value."},
		{ReasonOperationUnavailable, CodeInvalidConfiguration, "The operation is known, but this version does not perform it.", "Use another operation or a newer version."},
		{ReasonRoleAbsent, CodeInvalidConfiguration, "The operation needs a network that the loaded model pack does not have; the message names its role.", "Load a pack that has the role (`facestream models list`)."},
		{ReasonRequestIDReused, CodeInvalidArgument, "Another request, with different content, already used this request id. It goes to the dead letters; the first request keeps its outcome.", "Give each request its own id."},
		{ReasonConsentMissing, CodeInvalidArgument, "The request says that the person did not agree to the enrolment, or says nothing in a collection for which the operator requires consent (`ingest.consent.required`).", "Ask the person, then send the request with `consent`, or the upload with `x-amz-meta-facestream-consent`."},
		{ReasonExpired, CodeGenericError, "The deadline of the request passed before processing began.", "Send it again with a later deadline."},
		{ReasonBucketNotAllowed, CodeAuthorizationError, "The image is in a bucket that this installation does not serve.", "Use a served bucket, or add the bucket to `s3.buckets`."},
		{ReasonImageNotFound, CodeInvalidArgument, "The bucket has no such object or no such version of it.", "Upload the image first; the name is case-sensitive."},
		{ReasonImageUnreadable, CodeInvalidArgument, "The bytes are not a complete image in a supported format, or decoding them takes longer than `worker.decode_time`.", "Send JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF; the message says what was wrong."},
		{ReasonImageTooLarge, CodeInvalidArgument, "The image exceeds the limit on bytes, pixels or side length, would take more memory than images may have (`worker.memory_budget`), or shows so much that its analysis takes longer than `worker.analysis_time`.", "The message names what it takes and the limit; scale the image down."},
		{ReasonImageChanged, CodeInvalidArgument, "The object was overwritten after the event. Its bucket keeps no versions, so the named content is gone.", "The newer content has its own event and outcome. Switch on versioning to keep both."},
		{ReasonAudioUnreadable, CodeInvalidArgument, "The bytes are not a complete recording in a supported format, or decoding them takes too long.", "Send WAV, FLAC, MP3 or Ogg (Opus, Vorbis) with one or two channels at 8 to 48 kHz; the message says what was wrong."},
		{ReasonAudioTooLong, CodeInvalidArgument, "The recording exceeds the limit on bytes or on its length.", "The message names the limit; send a shorter part of it."},
		{ReasonNoSpeech, CodeNoError, "Nobody speaks in a recording: it is silence, noise, music or a ring tone. This is a result, not a failure.", "Send a recording in which the person speaks."},
		{ReasonTooLittleSpeech, CodeNoError, "Somebody speaks, but for less time than a comparison needs. This is a result, not a failure.", "Send a recording of at least three seconds of speech."},
		{ReasonSeveralVoices, CodeNoError, "Several people speak in a recording, one after the other, so that its voice is nobody's. People who speak at the same time, or for less than some seconds each, or in noise, are not noticed. This is a result, not a failure.", "Send a recording of one person."},
		{ReasonNoFace, CodeNoError, "No face was found above the confidence threshold. This is a result, not a failure.", "Send an image with a visible face."},
		{ReasonNoDocument, CodeNoError, "No identity document was found where one was looked for. This is a result, not a failure.", "Send an image that shows the whole document, before a background that differs from it."},
		{ReasonDocumentRejected, CodeNoError, "A document was found, but it has traits that are not allowed, so nobody looked for a face on it.", "Follow `user_feedback_message`; `document.detected_document` has the traits. `doc_validations_off` switches them off."},
		{ReasonSeveralFaces, CodeNoError, "Several faces were found where one is needed, or more than a comparison allows.", "Crop to one face, or choose a `face_detection_strategy` that selects one."},
		{ReasonFaceRejected, CodeNoError, "A face was found, but its traits are not allowed for this operation.", "Follow `user_feedback_message`."},
		{ReasonImageUnderexposed, CodeNoError, "The face is too dark to be enrolled; `refuse_bad_exposure` asked for that.", "Follow `user_feedback_message`; `face_too_dark` sets the limit."},
		{ReasonImageOverexposed, CodeNoError, "The face is too bright to be enrolled; `refuse_bad_exposure` asked for that.", "Follow `user_feedback_message`; `face_too_bright` sets the limit."},
		{ReasonFaceOccluded, CodeNoError, "Something covers an eye, the nose or the mouth; `refuse_occlusion` asks for a face that nothing covers.", "Follow `user_feedback_message`."},
		{ReasonFaceTooSmall, CodeNoError, "The eyes are closer to each other than `min_inter_eye_distance` asks for.", "Come closer, or send the picture in a higher resolution."},
		{ReasonFaceNotPadded, CodeNoError, "The face is closer to the border of the picture than `min_face_padding` asks for.", "Leave room around the head, and send the picture uncropped."},
		{ReasonBackgroundNotPlain, CodeNoError, "The background is not plain; `refuse_busy_background` asks for a plain one.", "Take the picture in front of a plain wall."},
		{ReasonSpoofDetected, CodeNoError, "The liveness networks took the face for a presentation attack (print, screen, mask), or it is on an identity document.", "Take a new picture of the person; `anti_spoofing_threshold` and `liveness_calibration` balance the two kinds of error."},
		{ReasonLivenessUnknown, CodeNoError, "The liveness of the face could not be assessed (cropped too tightly, without colour, too small, dark, blurred or turned, beside another face), so it does not count as live.", "Follow `user_feedback_message`; `faces[].liveness.not_assessable` says why. `liveness_not_assessable` can allow it; `anti_spoofing_mode` 0 switches the check off."},
		{ReasonUnknownCollection, CodeInvalidArgument, "No one was ever enrolled in this collection.", "Enrol somebody first, or correct the name."},
		{ReasonUnknownPUID, CodeInvalidArgument, "The collection has no person with this puid or external id.", "Nothing is stored for this person; after a delete nothing needs to be done. To enrol a new person, leave `puid` out: the result contains the new one."},
		{ReasonUnknownGroup, CodeInvalidArgument, "The collection has no group with this id.", "Create the group first (`group_create`) and wait for the result, or correct the id."},
		{ReasonDuplicateFace, CodeNoError, "The collection knows this face under another name, and `duplicate_policy` refuses that. Nobody was enrolled. This is a result, not a failure.", "`enroll.api_response.duplicates` names the other puid: enrol the image under it, or delete the other person first."},
		{ReasonUnlikePerson, CodeNoError, "The face is not that of the person under whose name it was to be enrolled, and `duplicate_policy` refuses that. Nobody was enrolled. This is a result, not a failure.", "Compare `enroll.api_response.person_score` with the thresholds; enrol the face under its own name."},
		{ReasonDeletedMeanwhile, CodeInvalidArgument, "The person was deleted by a request that came after this enrolment and was done first, so nobody was enrolled. An enrolment that was sent before the result of the deletion, under another record key, can get this answer as well.", "Nothing is stored. To enrol the person again all the same, send a new request after the result of the deletion."},
		{ReasonModelMismatch, CodeInvalidConfiguration, "The collection holds embeddings of another model; vectors of different models are never compared.", "Let the workers serve the collection with a pack that has its model (`worker.models`, `worker.collections`), take the collection to the other model with `facestream reindex`, or use another collection."},
		{ReasonNoMatch, CodeNoError, "Predict found no person who is similar enough, or verify found that the person is not. This is a result, not a failure.", "None."},
		{ReasonChallengeInvalid, CodeInvalidArgument, "The token of a challenge was not issued here, was changed, has expired, or belongs to another request id.", "Ask for a new challenge, and answer it once, in time, under the id that it names."},
		{ReasonChallengeFailed, CodeNoError, "The frames do not show the actions of the challenge in order, or show several people or a flat picture. The message says which. This is a result, not a failure.", "Ask for a new challenge. Take the first frame looking straight into the camera, and one while each action is done."},
		{ReasonUnparsable, CodeInvalidArgument, "The record is not an event of a known type, is too large to be read (9 MiB, its batch 64 MiB, when decompressed), or is damaged. It goes to the dead letters.", "Compare it with the JSON Schemas in pkg/schema, and send less in one record."},
		{ReasonInternal, CodeGenericError, "Processing failed repeatedly for a cause outside the request, or ended the process that worked on it. The record goes to the dead letters.", "`facestream dead-letters show` prints the cause. Replay the record after the fix."},
	}
}

// Code returns the return code of a result with this reason.
func (r Reason) Code() ReturnCode {
	if r == "" {
		return CodeNoError
	}
	for _, i := range Reasons() {
		if i.Reason == r {
			return i.Code
		}
	}
	return CodeGenericError
}

// ReturnCode is the CryptoNets SDK's ReturnStatus, -7..0.
type ReturnCode int

// The return codes, with the CryptoNets SDK's names and values.
const (
	CodeNoError               ReturnCode = 0  // API_NO_ERROR
	CodeGenericError          ReturnCode = -1 // API_GENERIC_ERROR
	CodeInvalidSessionHandler ReturnCode = -2 // API_INVALID_SESSION_HANDLER
	CodeAuthorizationError    ReturnCode = -3 // API_AUTHORIZATION_ERROR
	CodeInvalidConfiguration  ReturnCode = -4 // API_INVALID_CONFIGURATION
	CodeInvalidArgument       ReturnCode = -5 // API_INVALID_ARGUMENT
	CodeNetworkError          ReturnCode = -6 // API_NETWORK_ERROR
	CodeMalformedResponse     ReturnCode = -7 // API_MAL_FORMED_AP_RESPONSE
)

// String returns the wire name, for instance "API_INVALID_ARGUMENT".
func (c ReturnCode) String() string {
	switch c {
	case CodeNoError:
		return "API_NO_ERROR"
	case CodeInvalidSessionHandler:
		return "API_INVALID_SESSION_HANDLER"
	case CodeAuthorizationError:
		return "API_AUTHORIZATION_ERROR"
	case CodeInvalidConfiguration:
		return "API_INVALID_CONFIGURATION"
	case CodeInvalidArgument:
		return "API_INVALID_ARGUMENT"
	case CodeNetworkError:
		return "API_NETWORK_ERROR"
	case CodeMalformedResponse:
		return "API_MAL_FORMED_AP_RESPONSE"
	}
	return "API_GENERIC_ERROR"
}

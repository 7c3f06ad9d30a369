package schema

import "slices"

// Operation is what a request asks for.
type Operation string

// The operations. The position of each in [Operations] is its wire value operation_type_id, which never changes.
const (
	OpValidate     Operation = "validate"
	OpEnroll       Operation = "enroll"
	OpPredict      Operation = "predict"
	OpCompare      Operation = "compare"
	OpVerify       Operation = "verify"
	OpEstimateAge  Operation = "estimate_age"
	OpFaceISO      Operation = "face_iso"
	OpAntiSpoofing Operation = "anti_spoofing"
	OpDocScanFace  Operation = "doc_scan_face"
	OpUserDelete   Operation = "user_delete"
	OpUserUpdate   Operation = "user_update"
	OpUserList     Operation = "user_list"
	OpChallenge    Operation = "challenge"
	OpVoiceCompare Operation = "voice_compare"
	OpPersonCreate Operation = "person_create"
	OpGroupCreate  Operation = "group_create"
	OpGroupUpdate  Operation = "group_update"
	OpGroupDelete  Operation = "group_delete"
	OpGroupList    Operation = "group_list"
	OpVoiceEnroll  Operation = "voice_enroll"
	OpVoicePredict Operation = "voice_predict"
	OpVoiceVerify  Operation = "voice_verify"
)

// Traits of an operation that routing and validation need.
type operationTraits struct {
	images     int  // how many images a request names, at least
	maxImages  int  // how many at most; 0: as many
	gallery    bool // the indexer answers it
	writes     bool // it changes the gallery or the directory, so its records are keyed by person or group
	performed  bool // this version performs it
	collection bool // it needs a collection
	voices     bool // its images are recordings
	fields     directoryFields
}

// directoryFields are the fields of a request about persons and groups that an operation takes.
type directoryFields struct{ person, group, filter, page bool }

var operations = []struct {
	Operation
	operationTraits
}{
	{OpValidate, operationTraits{images: 1, performed: true}},
	{OpEnroll, operationTraits{images: 1, gallery: true, writes: true, performed: true, collection: true, fields: directoryFields{person: true}}},
	{OpPredict, operationTraits{images: 1, gallery: true, performed: true, collection: true, fields: directoryFields{filter: true}}},
	{OpCompare, operationTraits{images: 2, maxImages: 8, performed: true}},
	{OpVerify, operationTraits{images: 1, gallery: true, performed: true, collection: true}},
	{OpEstimateAge, operationTraits{images: 1, performed: true}},
	{OpFaceISO, operationTraits{images: 1, performed: true}},
	{OpAntiSpoofing, operationTraits{images: 1, maxImages: MaxChallengeFrames, performed: true}},
	{OpDocScanFace, operationTraits{images: 1, performed: true}},
	{OpUserDelete, operationTraits{gallery: true, writes: true, performed: true, collection: true}},
	{OpUserUpdate, operationTraits{gallery: true, writes: true, performed: true, collection: true, fields: directoryFields{person: true}}},
	{OpUserList, operationTraits{gallery: true, performed: true, collection: true, fields: directoryFields{filter: true, page: true}}},
	{OpChallenge, operationTraits{performed: true}},
	{OpVoiceCompare, operationTraits{images: 2, performed: true, voices: true}},
	{OpPersonCreate, operationTraits{gallery: true, writes: true, performed: true, collection: true, fields: directoryFields{person: true}}},
	{OpGroupCreate, operationTraits{gallery: true, writes: true, performed: true, collection: true, fields: directoryFields{group: true}}},
	{OpGroupUpdate, operationTraits{gallery: true, writes: true, performed: true, collection: true, fields: directoryFields{group: true}}},
	{OpGroupDelete, operationTraits{gallery: true, writes: true, performed: true, collection: true, fields: directoryFields{group: true}}},
	{OpGroupList, operationTraits{gallery: true, performed: true, collection: true, fields: directoryFields{page: true}}},
	{OpVoiceEnroll, operationTraits{images: 1, gallery: true, writes: true, performed: true, collection: true, voices: true, fields: directoryFields{person: true}}},
	{OpVoicePredict, operationTraits{images: 1, gallery: true, performed: true, collection: true, voices: true}},
	{OpVoiceVerify, operationTraits{images: 1, gallery: true, performed: true, collection: true, voices: true}},
}

// Operations lists every operation in wire order.
func Operations() []Operation {
	out := make([]Operation, len(operations))
	for i, o := range operations {
		out[i] = o.Operation
	}
	return out
}

func (o Operation) index() int { return slices.Index(Operations(), o) }

func (o Operation) traits() operationTraits {
	if i := o.index(); i >= 0 {
		return operations[i].operationTraits
	}
	return operationTraits{}
}

// Known reports whether o is an operation of the wire format, performed by this version or not.
func (o Operation) Known() bool { return o.index() >= 0 }

// Performed reports whether this version performs o. A request for a known operation that it does not perform is
// answered with the reason operation_unavailable.
func (o Operation) Performed() bool { return o.traits().performed }

// TypeID returns the wire value operation_type_id, or -1 for an unknown operation.
func (o Operation) TypeID() int { return o.index() }

// Images returns the least number of images that a request for o must name.
func (o Operation) Images() int { return o.traits().images }

// MaxImages returns the largest number of images that a request for o may name.
func (o Operation) MaxImages() int { return max(o.traits().maxImages, o.traits().images) }

// NeedsPerson reports whether a request for o must name a person by puid or external_id.
func (o Operation) NeedsPerson() bool {
	return o == OpUserDelete || o == OpVerify || o == OpVoiceVerify || o == OpUserUpdate
}

// OnGroup reports whether a request for o is about one group.
func (o Operation) OnGroup() bool { return o.traits().fields.group }

// NeedsGallery reports whether the indexer, not the worker, answers o.
func (o Operation) NeedsGallery() bool { return o.traits().gallery }

// Enrolls reports whether o adds somebody's face or voice to a collection.
func (o Operation) Enrolls() bool { return o == OpEnroll || o == OpVoiceEnroll }

// WritesGallery reports whether o changes the gallery or the directory.
func (o Operation) WritesGallery() bool { return o.traits().writes }

// NeedsCollection reports whether o works on a collection.
func (o Operation) NeedsCollection() bool { return o.traits().collection }

// OnVoices reports whether the objects that a request for o names as its images are recordings of voices.
func (o Operation) OnVoices() bool { return o.traits().voices }

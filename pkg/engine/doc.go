// Package engine finds the faces in the bytes of an image file: the position of each, the confidence of the detector,
// and an embedding that can be compared. It is a library that needs a model pack and the ONNX Runtime library, but
// neither Kafka nor an object store.
//
// [Open] loads the pack's networks. [Engine.Analyze] decodes a file and takes the picture through these steps, of which it does
// those that [Params] ask for. Analysis.Timings has the time of each step under its name:
//
//	barcodes      the barcodes of the photograph
//	document      finds an identity document; the faces that are found then are those on it
//	mrz           the machine-readable zone of the document, and its other lines of text
//	further       the other documents in the picture: how they are shown, and what they say
//	orient        turns the document upright
//	rectify       a picture of the straightened document
//	detect        finds the faces, in whichever way they stand, selects, and turns the picture for them
//	corners       the outline of the identity document in the picture
//	pose          how each head is turned
//	landmarks     66 or 68 points of each face
//	attributes    light, sharpness, eyes, mouth, mask, glasses, what is covered
//	liveness      whether a living person is there, or a picture of one
//	documents     the identity document that a face is on
//	segmentation  where the person is, for the quality of the background
//	quality       measures of ISO/IEC 29794-5, and the groups of allowed ranges
//	age           an estimate in years
//	align         each face as embedding networks take it
//	embed         the vector of each face
//	portraits     pictures of each face
//
// [Engine.Hear] does with a recording:
//
//	activity      where somebody speaks
//	speaker       the vector of who speaks
//
// A [face.Observation] holds everything that the steps find out about a face. [Engine.Decode], [Engine.Detect],
// [Engine.Embed], [Engine.MRZ], [Engine.Lines] and [Engine.Person] are for callers who already have pixels or want to measure one network.
//
// An Engine is safe for concurrent use. Every call uses one thread. For full throughput, run as many calls at once as
// there are cores.
//
// Compare two embeddings with [schema.Cosine], and only if they name the same model (invariant 5). [Engine.Thresholds]
// returns the cosines above which two faces count as the same person, each with the evaluation that measured its error
// rate.
//
// Errors have a class ([schema.ClassOf]). A picture that cannot be read or is too large, and a role that the pack
// lacks, are permanent errors with a reason ([schema.ReasonOf]). A picture without a face is not an error.
package engine

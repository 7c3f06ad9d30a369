// Package engine turns the bytes of an image file into faces: where they are, how sure the detector is, and a vector for
// each that can be compared. It is a library: it needs a model pack and the ONNX Runtime library, and neither Kafka nor an
// object store.
//
// [Open] loads the pack's networks. [Engine.Analyze] decodes a file and takes the picture through these steps, of which it does
// those that [Params] ask for. Analysis.Timings has the time of each step under its name:
//
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
// What the steps find of a face is its [face.Observation]. [Engine.Decode], [Engine.Detect], [Engine.Embed] and [Engine.Person]
// are for those who have pixels already or want to measure one network.
//
// An Engine is safe for concurrent use. Every call works on one thread, and throughput comes from many calls at once: run as
// many as there are cores.
//
// Two embeddings are compared with [schema.Cosine], and only when they name the same model (invariant 5);
// [Engine.Thresholds] has the cosines from which they are taken for the same person, each with the evaluation that measured
// its error rate.
//
// Errors say what happens next ([schema.ClassOf]): a picture that cannot be read or is too large, and a role that the pack
// does not fill, are permanent and carry their reason ([schema.ReasonOf]). A picture without a face is no error.
package engine

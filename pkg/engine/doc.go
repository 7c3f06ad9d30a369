// Package engine turns the bytes of an image file into faces: where they are, how sure the detector is, and a vector for
// each that can be compared. It is a library: it needs a model pack and the ONNX Runtime library, and neither Kafka nor an
// object store.
//
// [Open] loads the pack's networks; [Engine.Analyze] does the whole chain: decode, detect, turn upright, select, then what
// [Params] ask for of each face: pose, landmarks and attributes, liveness, quality, age, alignment and embedding, portraits.
// The main stages are methods of their own for those who have pixels already or want to measure one:
//
//	image bytes ──Decode──► imaging.Image ──Detect──► []face.Face ──Embed──► []schema.Embedding
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

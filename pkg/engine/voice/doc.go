// Package voice turns recordings into embeddings of their speakers.
//
// [Decode] reads a file within limits: one channel, 16,000 samples a second. [Activity] finds the speech in it, [Measure] says how good
// the recording is, and [Speaker] makes the embedding of the speech, from the mel bins that [Fbank] computes.
//
// Two people who speak in one recording are not told apart: its embedding is then neither's. Nor is a replayed or synthetic voice
// told from a living one.
package voice

// Package voice turns recordings into embeddings of their speakers.
//
// [Decode] reads a file within limits: one channel, 16,000 samples a second. [Activity] finds the speech in it, [Measure] says how good
// the recording is, and [Speaker] makes the embedding of the speech, from the mel bins that [Fbank] computes.
//
// Two people who take turns in one recording, each for some seconds, are noticed ([Heard.Alike]); its embedding is neither's. Two who speak
// at the same time are not, and a replayed or synthetic voice is not told from a living one.
package voice

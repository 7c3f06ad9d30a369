// Package eval measures how well a model pack does on labelled images: `facestream eval`. Each evaluation is a function from
// [Options] to a [Report], which prints as a table and encodes as JSON. docs/evaluation.md says how the data must lie, what
// each protocol does and what its figures mean.
//
// The terms are those of ISO/IEC 19795-1: a comparison of two images of one person is one of mates, of two people one of
// non-mates. FMR (of pairs as LFW's also called FAR) is the share of non-mates that are accepted, FNMR the share of mates that
// are rejected (TAR is 1 − FNMR); in a search among enrolled people FPIR is the share of strangers who are taken for somebody
// enrolled, FNIR the share of enrolled people who are not found. A similarity is a cosine, -1..1, and a comparison is accepted
// when it is at or above the threshold.
package eval

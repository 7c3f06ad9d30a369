// Package eval measures how well a model pack does on labelled images: `facestream eval`. Each evaluation is a function
// from [Options] to a [Report], which prints as a table and encodes as JSON. docs/evaluation.md describes the layout of
// the data, the protocols and the figures.
//
// The terms are those of ISO/IEC 19795-1. Mates are two images of one person, non-mates are images of two people. FMR
// (called FAR in LFW) is the share of non-mates that are accepted. FNMR is the share of mates that are rejected; TAR is
// 1 − FNMR. In a search, FPIR is the share of strangers who are taken for an enrolled person, and FNIR the share of
// enrolled people who are not found. A similarity is a cosine, -1..1. A comparison is accepted if its similarity is at
// or above the threshold.
package eval

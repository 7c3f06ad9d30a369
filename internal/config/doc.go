// Package config holds every setting of facestream in one struct.
//
// The struct tags of [Config] are the one source of truth: the key in the file (yaml), the name in the environment
// (derived from the key; env adds a short one), the flag (derived from the key), the default, the allowed range (min, max, oneof,
// check) and the text for people (doc). File, environment, flags, validation and docs/configuration.md all follow from them.
//
// A value is taken from the default, then the file, then the environment, then the flags; the later one wins. [Load]
// reports every problem at once, each by the name that the operator typed.
package config

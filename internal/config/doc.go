// Package config holds every setting of facestream in one struct.
//
// The struct tags of [Config] define each setting: its key in the file (yaml), its name in the environment (derived
// from the key; env adds a short one), its flag (derived from the key), its default, its allowed range (min, max,
// oneof, check) and its description (doc). Loading, validation and docs/configuration.md follow from them.
//
// A value comes from the flags, else the environment, else the file, else the default. [Load] reports all problems at
// once, each by the name that the operator typed.
package config

//go:build !race

package imagingtest

// Race says that the race detector is on. Buffers that grow then allocate what they append, too.
const Race = false

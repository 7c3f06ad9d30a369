package ingest

import (
	"slices"

	"facestream/pkg/schema"
)

// Floors are the operator's limits on the configuration of requests, per collection.
type Floors []Floor

// Floor limits the requests about some collections, and every request if it names none.
type Floor struct {
	Collections []schema.Collection
	Config      schema.Floors
}

// of returns the floors of a request about collection c; "" is a request about none.
func (f Floors) of(c schema.Collection) (out schema.Floors) {
	for _, x := range f {
		if len(x.Collections) == 0 || slices.Contains(x.Collections, c) {
			out = append(out, x.Config...)
		}
	}
	return out
}

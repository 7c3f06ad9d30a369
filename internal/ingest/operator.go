package ingest

import (
	"encoding/json"
	"slices"

	"facestream/pkg/schema"
)

// Defaults are the operator's defaults of the configuration of requests, per collection.
type Defaults []Default

// Default is the keys that the requests about some collections have where they set none, and every request if it names no
// collection. Config is a JSON object like the configuration of a request.
type Default struct {
	Collections []schema.Collection
	Config      json.RawMessage
}

// of returns the defaults of a request about collection c; "" is a request about none.
func (d Defaults) of(c schema.Collection) (out []json.RawMessage) {
	for _, x := range d {
		if len(x.Collections) == 0 || slices.Contains(x.Collections, c) {
			out = append(out, x.Config)
		}
	}
	return out
}

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

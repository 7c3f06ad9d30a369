package ingest

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"facestream/pkg/schema"
)

// Route says which request an uploaded object stands for. Pattern is a key with placeholders in angle brackets, one per
// path segment: <operation>, <collection>, <external_id>, <file>; the last may span segments. Fixed fields of Request
// fill what the pattern does not.
type Route struct {
	Bucket  string // "" matches every bucket
	Pattern string
	Fixed   schema.Request
}

// DefaultPattern is the key pattern of unattended uploads.
const DefaultPattern = "<operation>/<collection>/<external_id>/<file>"

// Routes is the routing table; the first route that matches wins.
type Routes []Route

// Matched is an object on its route.
type Matched struct {
	route  Route
	fields map[string]string
}

// Match finds the route of an object.
func (rs Routes) Match(bucket, key string) (Matched, bool) {
	for _, r := range rs {
		if r.Bucket != "" && r.Bucket != bucket {
			continue
		}
		if fields, ok := matchPattern(r.Pattern, key); ok {
			return Matched{r, fields}, true
		}
	}
	return Matched{}, false
}

// Prefix is the longest fixed beginning of the route's keys, for listing.
func (r Route) Prefix() string {
	before, _, _ := strings.Cut(r.Pattern, "<")
	return before
}

// Validate reports a pattern that can match nothing or names an unknown placeholder.
func (r Route) Validate() error {
	segments := strings.Split(r.Pattern, "/")
	for _, s := range segments {
		if strings.ContainsAny(s, "<>") && !isPlaceholder(s) {
			return fmt.Errorf("route pattern %q: segment %q must be a fixed text or one of <operation>, <collection>, <external_id>, <file>", r.Pattern, s)
		}
	}
	if segments[len(segments)-1] != "<file>" {
		return fmt.Errorf("route pattern %q: must end with <file>", r.Pattern)
	}
	return nil
}

func isPlaceholder(s string) bool {
	switch s {
	case "<operation>", "<collection>", "<external_id>", "<file>":
		return true
	}
	return false
}

func matchPattern(pattern, key string) (map[string]string, bool) {
	want := strings.Split(pattern, "/")
	have := strings.SplitN(key, "/", len(want))
	if len(have) != len(want) {
		return nil, false
	}
	fields := map[string]string{}
	for i, w := range want {
		switch {
		case have[i] == "":
			return nil, false
		case isPlaceholder(w):
			fields[w] = have[i]
		case w != have[i]:
			return nil, false
		}
	}
	return fields, true
}

// Request is the request that the object ref stands for.
func (m Matched) Request(ref schema.ObjectRef) schema.Request {
	req := m.route.Fixed
	req.ID = schema.ObjectRequestID(ref)
	req.Images = []schema.ObjectRef{ref}
	if v := m.fields["<operation>"]; v != "" {
		req.Operation = schema.Operation(v)
	}
	if v := m.fields["<collection>"]; v != "" {
		req.Collection = schema.Collection(v)
	}
	if v := m.fields["<external_id>"]; v != "" {
		req.ExternalID = schema.ExternalID(v)
	}
	if req.Operation == schema.OpUserDelete { // an image never stands for a deletion
		req.Operation = schema.Operation(path.Join("upload", string(req.Operation)))
	}
	return req
}

// metadataPrefix begins the names of the user metadata that speaks to facestream: x-amz-meta-facestream-<field>.
const metadataPrefix = "facestream-"

// applyMetadata lets the object's user metadata set fields of its request: collection, external-id, operation-tag,
// deadline (RFC 3339), result-object (true|false), consent (a reference), config (JSON). An unknown field is a problem.
func applyMetadata(req *schema.Request, metadata map[string]string) schema.Problems {
	var ps schema.Problems
	for name, value := range metadata {
		field, ours := strings.CutPrefix(name, metadataPrefix)
		if !ours {
			continue
		}
		problem := func(message string) {
			ps = append(ps, schema.Problem{Field: "x-amz-meta-" + name, Message: message, Reason: schema.ReasonInvalidRequest})
		}
		switch field {
		case "collection":
			req.Collection = schema.Collection(value)
		case "external-id":
			req.ExternalID = schema.ExternalID(value)
		case "operation-tag":
			req.Tag = value
		case "consent":
			req.Consent = &schema.Consent{Given: true, Reference: value}
		case "config":
			if !json.Valid([]byte(value)) {
				problem("is not JSON")
				continue
			}
			req.Config = json.RawMessage(value)
		case "deadline":
			t, err := time.Parse(time.RFC3339, value)
			if err != nil {
				problem("is not an RFC 3339 time such as 2026-01-31T12:00:00Z")
				continue
			}
			req.Deadline = &t
		case "result-object":
			switch value {
			case "true", "false":
				req.ResultObject = value == "true"
			default:
				problem("must be true or false")
			}
		default:
			problem("is not one of collection, external-id, operation-tag, consent, config, deadline, result-object")
		}
	}
	return ps
}

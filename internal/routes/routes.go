// Package routes maps an uploaded object to a request, by the bucket and key of the object and by its user metadata. It
// does no I/O. The configuration uses it to validate routes, ingest to make requests, and the command-line client to
// check an upload beforehand.
package routes

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"facestream/pkg/schema"
)

// The placeholders of a pattern. Each is one part of a key between slashes. The last one, file, is the rest of the key.
const (
	operation  = "<operation>"
	collection = "<collection>"
	externalID = "<external_id>"
	file       = "<file>"
)

var placeholders = []string{operation, collection, externalID, file}

// DefaultPattern is the pattern of a route that names none.
const DefaultPattern = operation + "/" + collection + "/" + externalID + "/" + file

// Route turns the objects of a bucket whose keys follow a pattern into requests.
type Route struct {
	Bucket  string // "" means every served bucket
	Prefix  string // fixed text, ending with a slash, before the pattern; may be empty
	Pattern string // parts between slashes, each fixed text or a placeholder; "" means DefaultPattern
	// Fixed has the fields that the key does not set: operation, collection, result_object and config.
	Fixed schema.Request
}

func (r Route) pattern() string {
	if r.Pattern == "" {
		return r.Prefix + DefaultPattern
	}
	return r.Prefix + r.Pattern
}

// Listed returns the longest prefix that all keys of the route share.
func (r Route) Listed() string {
	before, _, _ := strings.Cut(r.pattern(), "<")
	return before
}

// Problems lists everything that is wrong with the route. Field is prefix, pattern, operation, collection or config.
func (r Route) Problems() schema.Problems {
	var ps schema.Problems
	add := func(field, format string, args ...any) {
		ps = append(ps, schema.Problem{Field: field, Message: fmt.Sprintf(format, args...), Reason: schema.ReasonInvalidConfiguration})
	}
	if r.Prefix != "" && (!strings.HasSuffix(r.Prefix, "/") || strings.ContainsAny(r.Prefix, "<>")) {
		add("prefix", "must be fixed text that ends with a slash")
	}
	parts := strings.Split(strings.TrimPrefix(r.pattern(), r.Prefix), "/")
	for i, part := range parts {
		switch {
		case strings.ContainsAny(part, "<>") && !slices.Contains(placeholders, part):
			add("pattern", "has the part %q; a part between slashes must be fixed text or one of %s", part, strings.Join(placeholders, ", "))
		case strings.ContainsAny(part, "<>") && slices.Contains(parts[:i], part):
			add("pattern", "has %s twice", part)
		}
	}
	if parts[len(parts)-1] != file {
		add("pattern", "must end with %s", file)
	}
	if c := r.Fixed.Collection; c != "" {
		if err := c.Validate(); err != nil {
			add("collection", "%v", err)
		}
	}
	op := r.Fixed.Operation
	switch {
	case op == "" && !slices.Contains(parts, operation):
		add("operation", "is missing; the pattern has no %s", operation)
	case op != "" && !op.Known():
		var names []string
		for _, o := range schema.Operations() {
			names = append(names, string(o))
		}
		add("operation", "%.40q is not one of %s%s", string(op), strings.Join(names, ", "), schema.Suggest(string(op), names))
		return ps
	case op != "" && op.Images() != 1:
		add("operation", "%s takes %d images, so one upload cannot ask for it; send a request", op, op.Images())
	}
	if op == "" {
		op = schema.OpValidate // for the configuration, whose keys are those of every operation
	}
	_, problems := schema.ResolveConfig(op, r.Fixed.Config)
	for _, p := range problems {
		add("config", "%s", strings.TrimPrefix(p.Field+" "+p.Message, "config."))
	}
	return ps
}

// Table is the routing table. The first route that matches an object applies.
type Table []Route

// Match is an object with its route.
type Match struct {
	route  Route
	fields map[string]string
}

// Match finds the route of an object.
func (t Table) Match(bucket, key string) (Match, bool) {
	for _, r := range t {
		if r.Bucket != "" && r.Bucket != bucket {
			continue
		}
		if fields, ok := match(r.pattern(), key); ok {
			return Match{r, fields}, true
		}
	}
	return Match{}, false
}

func match(pattern, key string) (map[string]string, bool) {
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
		case slices.Contains(placeholders, w):
			fields[w] = have[i]
		case w != have[i]:
			return nil, false
		}
	}
	return fields, true
}

// Request returns the request that the object ref stands for, and the problems of its key.
func (m Match) Request(ref schema.ObjectRef) (schema.Request, schema.Problems) {
	req := m.route.Fixed
	req.ID = schema.ObjectRequestID(ref)
	req.Images = []schema.ObjectRef{ref}
	if v := m.fields[operation]; v != "" {
		req.Operation = schema.Operation(v)
	}
	if v := m.fields[collection]; v != "" {
		req.Collection = schema.Collection(v)
	}
	if v := m.fields[externalID]; v != "" {
		req.ExternalID = schema.ExternalID(v)
	}
	if req.Operation == schema.OpUserDelete { // an upload cannot be a deletion
		req.Operation = schema.Operation(path.Join("upload", string(req.Operation)))
	}
	var problems schema.Problems
	if message := ambiguous(ref.Key); message != "" {
		problems = schema.Problems{{Field: "images[0].key", Message: message, Reason: schema.ReasonInvalidRequest}}
	}
	return req, problems
}

// ambiguous says why it is not certain what key names, or returns "". By its parts, enroll/staff/alice/../bob/x.jpg is
// alice's, but on a store that keeps objects as files it is bob's.
func ambiguous(key string) string {
	if !utf8.ValidString(key) {
		return "is not UTF-8; upload the object under a key in UTF-8"
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "." || part == ".." {
			return fmt.Sprintf("has %q between slashes, which some stores take for another folder; upload the object under a key without it", part)
		}
	}
	return ""
}

// IsFolder reports whether an object with this key stands for a folder and is not an upload.
func IsFolder(key string) bool { return strings.HasSuffix(key, "/") }

// Ask returns the request that an upload of key to bucket with this user metadata would make. An error says why the
// upload would never be answered, and what to do. Problems mean that it would be rejected.
func (t Table) Ask(served []string, bucket, key string, metadata map[string]string) (schema.Request, schema.Problems, error) {
	if !slices.Contains(served, bucket) {
		return schema.Request{}, nil, fmt.Errorf("the bucket %q is not served; served: %s", bucket, strings.Join(served, ", "))
	}
	if IsFolder(key) {
		return schema.Request{}, nil, errors.New("the key ends with a slash, so that the object stands for a folder; add a file name")
	}
	m, ok := t.Match(bucket, key)
	if !ok {
		var forms []string
		for _, r := range t {
			if r.Bucket == "" || r.Bucket == bucket {
				forms = append(forms, r.pattern())
			}
		}
		if len(forms) == 0 {
			return schema.Request{}, nil, fmt.Errorf("no route takes uploads to the bucket %q; add one to ingest.routes", bucket)
		}
		return schema.Request{}, nil, fmt.Errorf("no route takes this key; use the form %s, or add a route to ingest.routes", strings.Join(forms, " or "))
	}
	req, problems := m.Request(schema.ObjectRef{Bucket: bucket, Key: key})
	problems = append(problems, ApplyMetadata(&req, metadata)...)
	checked := req
	return req, append(problems, checked.Normalize()...), nil
}

// Prefix is a place from which a route takes objects.
type Prefix struct{ Bucket, Key string }

// Prefixes returns the places of all routes in the served buckets, without duplicates.
func (t Table) Prefixes(served []string) []Prefix {
	var out []Prefix
	for _, r := range t {
		for _, b := range served {
			at := Prefix{b, r.Listed()}
			if (r.Bucket == "" || r.Bucket == b) && !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// metadataPrefix is the prefix of the user metadata for facestream: x-amz-meta-facestream-<field>.
const metadataPrefix = "facestream-"

// OutputMark is the user metadata that facestream gives the objects that it writes itself. It sets no field.
const OutputMark = metadataPrefix + "output"

// ApplyMetadata lets the user metadata of an object set fields of its request: collection, external-id, operation-tag,
// deadline (RFC 3339), result-object (true|false), consent (a reference, or true|false), config (JSON). An unknown
// field is a problem. The problems are sorted by field.
func ApplyMetadata(req *schema.Request, metadata map[string]string) schema.Problems {
	var ps schema.Problems
	for name, value := range metadata {
		field, ours := strings.CutPrefix(name, metadataPrefix)
		if !ours || name == OutputMark {
			continue
		}
		problem := func(message string) {
			ps = append(ps, schema.Problem{Field: "x-amz-meta-" + name, Message: message, Reason: schema.ReasonInvalidRequest})
		}
		if !utf8.ValidString(value) {
			problem("is not UTF-8; send it as UTF-8, or encoded after RFC 2047")
			continue
		}
		switch field {
		case "collection":
			req.Collection = schema.Collection(value)
		case "external-id":
			req.ExternalID = schema.ExternalID(value)
		case "operation-tag":
			req.Tag = value
		case "consent":
			switch value {
			case "true", "false":
				req.Consent = &schema.Consent{Given: value == "true"}
			case "":
				problem("is empty; write true, false, or where the declaration can be found, which means true")
			default:
				req.Consent = &schema.Consent{Given: true, Reference: value}
			}
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
	slices.SortFunc(ps, func(a, b schema.Problem) int { return strings.Compare(a.Field, b.Field) })
	return ps
}

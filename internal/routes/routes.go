// Package routes maps an uploaded object to a request, by the bucket and key of the object and by its user metadata. It
// does no I/O. The configuration uses it to validate routes, ingest to make requests, and the command-line client to
// check an upload beforehand.
package routes

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	// Metadata lists the fields that the user metadata of an object may set; nil means DefaultMetadata.
	Metadata []string
	// Floors are the operator's limits on the configuration of uploads by this route.
	Floors schema.Floors
}

// The fields that user metadata can set, as x-amz-meta-facestream-<field>.
const (
	metaCollection   = "collection"
	metaExternalID   = "external-id"
	metaTag          = "operation-tag"
	metaConsent      = "consent"  // a reference, true or false
	metaConfig       = "config"   // JSON
	metaDeadline     = "deadline" // RFC 3339
	metaResultObject = "result-object"
)

var metadataFields = []string{metaCollection, metaExternalID, metaTag, metaConsent, metaConfig, metaDeadline, metaResultObject}

// DefaultMetadata lists the fields that a route takes if it lists none. They change neither who is meant nor how strictly a
// face is judged: whoever may write under a key must not become somebody else by a header.
var DefaultMetadata = []string{metaTag, metaConsent, metaDeadline, metaResultObject}

// takes lists the fields of metadata that the route takes.
func (r Route) takes() []string {
	if r.Metadata == nil {
		return DefaultMetadata
	}
	return r.Metadata
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

// Problems lists everything that is wrong with the route. Field is prefix, pattern, metadata, operation, collection or
// config.
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
	for _, field := range r.takes() {
		switch {
		case !slices.Contains(metadataFields, field):
			add("metadata", "%.40q is not one of %s%s", field, strings.Join(metadataFields, ", "), schema.Suggest(field, metadataFields))
		case field == metaCollection && (r.Fixed.Collection != "" || slices.Contains(parts, collection)),
			field == metaExternalID && slices.Contains(parts, externalID):
			add("metadata", "lists %s, but the route or its key says that already, and metadata never contradicts them", field)
		}
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

// Floors returns the limits of the route.
func (m Match) Floors() schema.Floors { return m.route.Floors }

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
	problems = append(problems, m.Apply(&req, metadata)...)
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

// Apply lets the user metadata of the object set fields of its request. A field that is unknown or that the route does not
// take is a problem, and so is a value that contradicts the key or the route. The problems are sorted by field.
func (m Match) Apply(req *schema.Request, metadata map[string]string) schema.Problems {
	var ps schema.Problems
	for name, value := range metadata {
		field, ours := strings.CutPrefix(name, metadataPrefix)
		if !ours || name == OutputMark {
			continue
		}
		message := m.refuses(field, value)
		if message == "" {
			message = m.set(req, field, value)
		}
		if message != "" {
			ps = append(ps, schema.Problem{Field: "x-amz-meta-" + name, Message: message, Reason: schema.ReasonInvalidRequest})
		}
	}
	slices.SortFunc(ps, func(a, b schema.Problem) int { return strings.Compare(a.Field, b.Field) })
	return ps
}

// refuses says why the route does not take this value of a field of the metadata, or returns "".
func (m Match) refuses(field, value string) string {
	takes := m.route.takes()
	said := cmp.Or(m.fields[collection], string(m.route.Fixed.Collection))
	switch {
	case !slices.Contains(metadataFields, field):
		return "is not a field; the route takes " + listed(takes)
	case !utf8.ValidString(value):
		return "is not UTF-8; send it as UTF-8, or encoded after RFC 2047"
	case field == metaCollection && said != "":
		if value != said {
			return "contradicts the key or its route, which name another collection; upload the object under a key of that collection"
		}
	case field == metaExternalID && m.fields[externalID] != "":
		if schema.ExternalID(value).Normal() != schema.ExternalID(m.fields[externalID]).Normal() {
			return "contradicts the key, which names another person; upload the object under a key of that person"
		}
	case !slices.Contains(takes, field):
		return fmt.Sprintf("is not taken by the route of this key, which takes %s; the operator can list it in ingest.routes[].metadata", listed(takes))
	}
	return ""
}

func listed(fields []string) string {
	if len(fields) == 0 {
		return "none"
	}
	return strings.Join(fields, ", ")
}

// set sets one field of the request, or says what is wrong with its value.
func (m Match) set(req *schema.Request, field, value string) (problem string) {
	switch field {
	case metaCollection:
		req.Collection = schema.Collection(value)
	case metaExternalID:
		req.ExternalID = schema.ExternalID(value)
	case metaTag:
		req.Tag = value
	case metaConsent:
		switch value {
		case "true", "false":
			req.Consent = &schema.Consent{Given: value == "true"}
		case "":
			return "is empty; write true, false, or where the declaration can be found, which means true"
		default:
			req.Consent = &schema.Consent{Given: true, Reference: value}
		}
	case metaConfig:
		return m.configure(req, value)
	case metaDeadline:
		t, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return "is not an RFC 3339 time such as 2026-01-31T12:00:00Z"
		}
		req.Deadline = &t
	case metaResultObject:
		switch {
		case value != "true" && value != "false":
			return "must be true or false"
		case value == "false" && m.route.Fixed.ResultObject:
			return "contradicts the route, which asks for the result object"
		}
		req.ResultObject = value == "true"
	}
	return ""
}

// configure adds the keys of value, a JSON object, to the configuration of the route. A key that the route sets is the
// operator's and stays as it is.
func (m Match) configure(req *schema.Request, value string) (problem string) {
	var asked, fixed map[string]json.RawMessage
	if !json.Valid([]byte(value)) {
		return "is not JSON"
	}
	if err := json.Unmarshal([]byte(value), &asked); err != nil || asked == nil {
		return "is not a JSON object"
	}
	if _, names := asked["collection_name"]; names && req.Collection == "" && !slices.Contains(m.route.takes(), metaCollection) {
		return "sets collection_name, but the route of this key takes no collection from metadata"
	}
	if len(m.route.Fixed.Config) > 0 {
		if err := json.Unmarshal(m.route.Fixed.Config, &fixed); err != nil {
			return "cannot be added to the configuration of the route, which is not JSON"
		}
	}
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		if _, ours := fixed[key]; ours {
			return fmt.Sprintf("sets %s, which the route of this key sets; leave it out", key)
		}
	}
	if len(fixed) == 0 {
		req.Config = json.RawMessage(value)
		return ""
	}
	if len(asked) == 0 {
		return ""
	}
	// The texts are joined, because a map would hide a key that is given twice.
	before := bytes.TrimSuffix(bytes.TrimSpace(m.route.Fixed.Config), []byte("}"))
	req.Config = slices.Concat(before, []byte(","), bytes.TrimPrefix(bytes.TrimSpace([]byte(value)), []byte("{")))
	return ""
}

package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// ObjectRef names one object in the store. Key is the raw key, not URL-encoded. Version is "" where the bucket keeps no
// versions; ETag (without quotes) then identifies the content. The key is redacted when an ObjectRef is printed. The
// maximum lengths are in bytes.
type ObjectRef struct {
	Bucket  string `json:"bucket" jsonschema:"minLength=1,maxLength=255"`
	Key     string `json:"key" jsonschema:"minLength=1,maxLength=1024"`
	Version string `json:"version,omitempty" jsonschema:"maxLength=1024"`
	ETag    string `json:"etag,omitempty" jsonschema:"maxLength=255"`
}

// Consent declares whether the person agreed to be enrolled. It is kept with the enrolment. If it was not given, the
// request is refused.
type Consent struct {
	Given     bool       `json:"given"`
	Reference string     `json:"reference,omitempty" jsonschema:"maxLength=256,description=Where the declaration can be found"`
	At        *time.Time `json:"at,omitempty"`
}

// Request asks for one operation. It is the value of the topic facestream.requests.
type Request struct {
	ID         RequestID       `json:"id" jsonschema:"minLength=1,maxLength=128,description=Chosen by the author; equal ids mean the same request"`
	Operation  Operation       `json:"operation"`
	Collection Collection      `json:"collection,omitempty" jsonschema:"maxLength=64,description=Default: config.collection_name\\, else \"default\""`
	ExternalID ExternalID      `json:"external_id,omitempty" jsonschema:"maxLength=256,description=The author's own name for the person"`
	PUID       PUID            `json:"puid,omitempty" jsonschema:"maxLength=64"`
	Challenge  string          `json:"challenge,omitempty" jsonschema:"maxLength=1024,description=The token of the challenge that the images of anti_spoofing answer"`
	Images     []ObjectRef     `json:"images,omitempty" jsonschema:"maxItems=16"`
	Config     json.RawMessage `json:"config,omitempty"`
	Consent    *Consent        `json:"consent,omitempty"`
	Deadline   *time.Time      `json:"deadline,omitempty" jsonschema:"description=Work that starts after this moment is answered expired"`
	Tag        string          `json:"operation_tag,omitempty" jsonschema:"maxLength=256,description=Comes back in the result"`
	// Fields are what enroll, person_create and user_update set of the person.
	Fields *PersonFields `json:"person,omitempty"`
	Group  *GroupFields  `json:"group,omitempty"`
	Filter *PersonFilter `json:"filter,omitempty"`
	Page   *PageQuery    `json:"page,omitempty"`
	// ResultObject asks for the result to be written also as JSON beside the (first) image, under its key +
	// ".result.json".
	ResultObject bool `json:"result_object,omitempty"`
}

// Problem is one thing that is wrong with a request. Field is the name that the author of the request typed.
type Problem struct {
	Field   string
	Message string
	Reason  Reason
}

// MaxProblems is how many problems an answer names. Once a check has found more, it looks for no further ones.
const MaxProblems = 20

// Problems holds the problems of one request. As an error it lists MaxProblems of them, and says whether there are more.
type Problems []Problem

// Error implements error.
func (p Problems) Error() string {
	var parts []string
	for _, x := range p[:min(len(p), MaxProblems)] {
		parts = append(parts, x.Field+": "+x.Message)
	}
	if len(p) > MaxProblems {
		parts = append(parts, fmt.Sprintf("and more; only %d problems are named", MaxProblems))
	}
	return strings.Join(parts, "; ")
}

// enough reports whether there are more problems than an answer names.
func (p Problems) enough() bool { return len(p) > MaxProblems }

// Reason returns the reason of the first problem, or "" without problems.
func (p Problems) Reason() Reason {
	if len(p) == 0 {
		return ""
	}
	return p[0].Reason
}

// DefaultCollection is the collection of a request that names none.
const DefaultCollection Collection = "default"

// Normalize fills in the default collection and removes the quotes around ETags. It returns every problem that it
// finds; the request is usable only without problems.
func (r *Request) Normalize() Problems {
	_, ps := r.normalize()
	return ps
}

// normalize does what Normalize does, and also returns the resolved configuration of the request.
func (r *Request) normalize() (config OperationConfig, ps Problems) {
	add := func(field, format string, args ...any) {
		ps = append(ps, Problem{field, fmt.Sprintf(format, args...), ReasonInvalidRequest})
	}
	atMost := func(field, value string, most int) {
		switch {
		case len(value) > most:
			add(field, "has %d bytes; at most %d are allowed", len(value), most)
		case !utf8.ValidString(value):
			add(field, "is not UTF-8")
		}
	}
	name := func(field, value string, most int) {
		if problem := nameProblem(value); problem != "" {
			add(field, "%s", problem)
		} else {
			atMost(field, value, most)
		}
	}
	if r.ID == "" {
		add("id", "is missing; choose one that is unique per request")
	}
	name("id", string(r.ID), MaxRequestID)
	if !r.Operation.Known() {
		return config, append(Problems{{"operation", unknownOperation(r.Operation), ReasonUnknownOperation}}, ps...)
	}
	if !r.Operation.Performed() {
		return config, append(Problems{{"operation", fmt.Sprintf("%q is not performed by this version", string(r.Operation)), ReasonOperationUnavailable}}, ps...)
	}
	config, problems := ResolveConfig(r.Operation, r.Config)
	ps = append(ps, problems...)
	if r.Operation.NeedsCollection() {
		named := config.General.CollectionName
		switch {
		case r.Collection == "" && named != "":
			r.Collection = named
		case r.Collection == "":
			r.Collection = DefaultCollection
		case named != "" && named != r.Collection:
			add("collection", "is %q, but config.collection_name is %q", r.Collection, named)
		}
	}
	if r.Operation.NeedsCollection() || r.Collection != "" { // the result repeats one that is not needed
		if err := r.Collection.Validate(); err != nil {
			add("collection", "%v", err)
		}
	}
	switch least, most, n := r.leastImages(), r.mostImages(), len(r.Images); {
	case least == most && n != least:
		add("images", "%s takes %d, the request names %d", r.asked(), least, n)
	case n < least || n > most:
		add("images", "%s takes %d to %d, the request names %d", r.asked(), least, most, n)
	}
	copied := false
	for i, o := range r.Images[:min(len(r.Images), r.mostImages())] {
		image := fmt.Sprintf("images[%d].", i)
		if o.Bucket == "" {
			add(image+"bucket", "is missing")
		}
		if o.Key == "" {
			add(image+"key", "is missing")
		}
		atMost(image+"bucket", o.Bucket, 255)
		atMost(image+"key", o.Key, 1024)
		atMost(image+"version", o.Version, 1024)
		atMost(image+"etag", o.ETag, 255)
		if bare := BareETag(o.ETag); bare != o.ETag {
			if !copied {
				r.Images, copied = slices.Clone(r.Images), true // the caller's own stay as they are
			}
			r.Images[i].ETag = bare
		}
	}
	kept, external := atMost, r.ExternalID // a person stored under a name that is no longer allowed stays reachable
	if r.Operation.Enrolls() || r.Operation == OpPersonCreate {
		kept, external = name, r.ExternalID.Normal() // what is stored
	}
	kept("external_id", string(external), 256)
	atMost("puid", string(r.PUID), 64)
	atMost("operation_tag", r.Tag, 256)
	atMost("challenge", r.Challenge, 1024)
	if r.Challenge != "" && r.Operation != OpAntiSpoofing {
		add("challenge", "is answered by anti_spoofing; %s takes none", r.Operation)
	}
	if (r.Operation.Enrolls() || r.Operation == OpPersonCreate) && r.Consent != nil && !r.Consent.Given {
		ps = append(ps, Problem{"consent.given", "is false; nobody is enrolled without consent", ReasonConsentMissing})
	}
	if r.Consent != nil {
		kept("consent.reference", r.Consent.Reference, 256)
	}
	if r.Operation.NeedsPerson() && r.PUID == "" && r.ExternalID == "" {
		add("puid", "is missing; %s needs puid or external_id", r.Operation)
	}
	r.directoryProblems(add)
	return config, ps
}

// leastImages and mostImages bound the number of images. Only the answer to a challenge takes several frames of one face.
func (r *Request) leastImages() int {
	if r.answersChallenge() {
		return MinChallengeFrames
	}
	return r.Operation.Images()
}

func (r *Request) mostImages() int {
	if r.Operation == OpAntiSpoofing && !r.answersChallenge() {
		return r.Operation.Images()
	}
	return r.Operation.MaxImages()
}

func (r *Request) answersChallenge() bool { return r.Operation == OpAntiSpoofing && r.Challenge != "" }

// asked names the operation, and what decides how many images it takes.
func (r *Request) asked() string {
	switch {
	case r.answersChallenge():
		return "anti_spoofing with a challenge"
	case r.Operation == OpAntiSpoofing:
		return "anti_spoofing without a challenge"
	}
	return string(r.Operation)
}

// unknownOperation returns the problem of an unknown operation, with a suggestion where one is close.
func unknownOperation(op Operation) string {
	var names []string
	for _, o := range Operations() {
		if o.Performed() {
			names = append(names, string(o))
		}
	}
	return fmt.Sprintf("%.40q is not one of %s%s", string(op), strings.Join(names, ", "), Suggest(string(op), names))
}

// Subject returns the person that the request changes, as far as the request alone says. Requests with one subject are
// processed in order (invariant 4).
func (r *Request) Subject() PUID {
	if !r.Operation.NeedsCollection() || !r.Operation.WritesGallery() || r.Operation.OnGroup() {
		return ""
	}
	return r.Person()
}

// Person returns the person that the request names by puid or external_id, else the person that its enrolment creates.
// Every spelling of an external_id names the same person.
func (r *Request) Person() PUID {
	if r.PUID != "" {
		return r.PUID
	}
	return DerivePUID(r.Collection, r.ExternalID, r.ID)
}

// Persons returns the puids under which the gallery may hold [Request.Person], the likeliest first. There is more than
// one only if external_id has several Unicode spellings: earlier versions made each spelling a person, and a stored
// puid never changes.
func (r *Request) Persons() []PUID {
	if r.PUID != "" || r.ExternalID == "" {
		return []PUID{r.Person()}
	}
	var out []PUID
	for _, s := range r.ExternalID.spellings() {
		out = append(out, derivePUID(r.Collection, s))
	}
	return out
}

// Digest is the sha256 of the request's JSON, in hex. It tells requests with one id apart. It is of the request as it came, before
// [Request.Normalize].
func (r *Request) Digest() string {
	data, err := json.Marshal(r)
	if err != nil { // a config that is no JSON: the raw bytes tell such requests apart as well
		data = append([]byte(r.ID), r.Config...)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Expired reports whether the deadline has passed at now.
func (r *Request) Expired(now time.Time) bool { return r.Deadline != nil && now.After(*r.Deadline) }

// RecordKey returns the Kafka key of the records about r that the worker and the indexer write. For writes to the
// gallery it is made of collection and subject, for changes of a group of collection and group, else it is the request id.
func (r *Request) RecordKey() string {
	if r.Operation.OnGroup() {
		return string(r.Collection) + "/group/" + string(r.GroupID())
	}
	if s := r.Subject(); s != "" {
		return string(r.Collection) + "/" + string(s)
	}
	return string(r.ID)
}

package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// The limits of what a request may say of persons and groups.
const (
	MaxMetadataBytes = 4096          // of the compact JSON of one metadata object
	MaxMetadataKeys  = 32            // of one object, at its top level
	MaxGroups        = 64            // of one person, and of one filter
	MaxFilterNames   = 100           // external ids or puids of one filter
	MaxPageSize      = 100           // persons, images or groups on one page
	DefaultPageSize  = 20            // of a request that says nothing
	MaxTTL           = 3_153_600_000 // seconds: a hundred years
	maxIndexedValue  = 256           // bytes of the JSON of a metadata value that filters find
)

// GroupID names a group of persons inside one collection. It has the form of a collection's name.
type GroupID string

// Validate returns an error if g cannot name a group.
func (g GroupID) Validate() error { return Collection(g).Validate() }

// Metadata is a JSON object that the caller keeps with a person or a group. It is redacted when it is printed.
type Metadata json.RawMessage

// MarshalJSON implements [json.Marshaler].
func (m Metadata) MarshalJSON() ([]byte, error) { return json.RawMessage(m).MarshalJSON() }

// UnmarshalJSON implements [json.Unmarshaler].
func (m *Metadata) UnmarshalJSON(data []byte) error {
	*m = append((*m)[:0], data...)
	return nil
}

// Compact returns m without the spaces between its tokens.
func (m Metadata) Compact() Metadata {
	var b bytes.Buffer
	if len(m) == 0 || json.Compact(&b, m) != nil {
		return nil
	}
	return b.Bytes()
}

// Indexed returns the values that filters find, by key: the canonical JSON of each text, number and boolean at the top level
// of m that has at most 256 bytes.
func (m Metadata) Indexed() map[string]string {
	out := map[string]string{}
	var members map[string]any
	if json.Unmarshal(m, &members) != nil {
		return out
	}
	for key, value := range members {
		switch value.(type) {
		case string, float64, bool:
			if text, err := json.Marshal(value); err == nil && len(text) <= maxIndexedValue && len(key) <= maxIndexedValue {
				out[key] = string(text)
			}
		}
	}
	return out
}

// problem says why m cannot be kept, or returns "".
func (m Metadata) problem() string {
	members, err := objectMembers(m)
	if err != nil {
		return err.Error()
	}
	if n := len(m.Compact()); n > MaxMetadataBytes {
		return fmt.Sprintf("has %d bytes; at most %d are allowed", n, MaxMetadataBytes)
	}
	if len(members) > MaxMetadataKeys {
		return fmt.Sprintf("has %d keys; at most %d are allowed", len(members), MaxMetadataKeys)
	}
	seen := map[string]bool{}
	for _, x := range members {
		if seen[x.name] {
			return "has a key more than once"
		}
		if problem := nameProblem(x.name); problem != "" || x.name == "" {
			return "has a key that is empty or cannot be kept; keys follow the rules for names"
		}
		if HalfCharacter(x.value) {
			return halfACharacter
		}
		seen[x.name] = true
	}
	return ""
}

// PersonFields is what a request says of a person. What is absent stays as it is.
type PersonFields struct {
	Name     *Personal `json:"name,omitempty" jsonschema:"maxLength=256,description=A name for people to read; an empty one removes it"`
	Metadata Metadata  `json:"metadata,omitempty" jsonschema:"description=Replaces the whole object; an empty one removes it"`
	Groups   []GroupID `json:"groups,omitzero" jsonschema:"maxItems=64,description=The groups of the person\\, which must exist; replaces all"`
	TTL      *int64    `json:"ttl_seconds,omitempty" jsonschema:"minimum=0,maximum=3153600000,description=How long the person is kept from this request on; 0 means without end"`
}

// GroupFields is what a request says of a group. What is absent stays as it is.
type GroupFields struct {
	ID       GroupID   `json:"id,omitempty" jsonschema:"maxLength=64,description=Chosen by the author; group_create makes one where it is absent"`
	Name     *Personal `json:"name,omitempty" jsonschema:"maxLength=256"`
	Metadata Metadata  `json:"metadata,omitempty" jsonschema:"description=Replaces the whole object; an empty one removes it"`
}

// PersonFilter chooses persons. Each field that is given must apply, and of a list one entry.
type PersonFilter struct {
	PUIDs       []PUID       `json:"puids,omitempty" jsonschema:"maxItems=100"`
	ExternalIDs []ExternalID `json:"external_ids,omitempty" jsonschema:"maxItems=100"`
	Groups      []GroupID    `json:"groups,omitempty" jsonschema:"maxItems=64"`
	Metadata    Metadata     `json:"metadata,omitempty" jsonschema:"description=Texts\\, numbers and booleans that the top level of the person's metadata must have"`
}

// PageQuery asks for one page of a list.
type PageQuery struct {
	Limit int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=100,default=20"`
	After string `json:"after,omitempty" jsonschema:"maxLength=256,description=The next of the page before; absent for the first one"`
}

// Person is one person of a collection's directory. Images counts the enrolled images.
type Person struct {
	PUID       PUID       `json:"puid"`
	ExternalID ExternalID `json:"external_id,omitempty"`
	Name       Personal   `json:"name,omitempty"`
	Metadata   Metadata   `json:"metadata,omitempty"`
	Groups     []GroupID  `json:"groups,omitempty"`
	Consent    *Consent   `json:"consent,omitempty"` // of the latest enrolment that declared one
	Created    time.Time  `json:"created_at"`
	Updated    time.Time  `json:"updated_at"`
	Expires    *time.Time `json:"expires_at,omitempty"` // when ttl_seconds ends
	Images     int        `json:"images" jsonschema:"minimum=0"`
}

// PersonImage is one enrolled image of a person.
type PersonImage struct {
	GUID    string     `json:"guid"` // the id of its gallery row
	PUID    PUID       `json:"puid"`
	Object  *ObjectRef `json:"object,omitempty"` // absent where an earlier version enrolled it
	Created time.Time  `json:"created_at"`
}

// PersonList is the answer to user_list: a page of persons, or, where the request names one, that person and a page of the
// images. Next is absent on the last page.
type PersonList struct {
	Persons []Person      `json:"persons"`
	Images  []PersonImage `json:"images,omitempty"`
	Next    string        `json:"next,omitempty"`
}

// Group is one group of persons.
type Group struct {
	ID       GroupID   `json:"id"`
	Name     Personal  `json:"name,omitempty"`
	Metadata Metadata  `json:"metadata,omitempty"`
	Created  time.Time `json:"created_at"`
	Updated  time.Time `json:"updated_at"`
}

// GroupList is the answer to group_list. Next is absent on the last page.
type GroupList struct {
	Groups []Group `json:"groups"`
	Next   string  `json:"next,omitempty"`
}

// PersonChange is the answer to person_create and user_update.
type PersonChange struct {
	PUID    PUID   `json:"puid"`
	Message string `json:"message"` // created or updated
}

// GroupChange is the answer to group_create, group_update and group_delete.
type GroupChange struct {
	ID      GroupID `json:"id"`
	Message string  `json:"message"` // created, updated or deleted
}

// GroupID returns the group that r, a request about one, names, or that its creation makes.
func (r *Request) GroupID() GroupID {
	switch {
	case r.Group != nil && r.Group.ID != "":
		return r.Group.ID
	case r.Operation == OpGroupCreate:
		return GroupID(derive(nsGroup, string(r.Collection), string(r.ID)))
	}
	return ""
}

// Limit returns how many entries the page of r has at most.
func (r *Request) Limit() int {
	if r.Page == nil || r.Page.Limit == 0 {
		return DefaultPageSize
	}
	return r.Page.Limit
}

// After returns where the page of r begins.
func (r *Request) After() string {
	if r.Page == nil {
		return ""
	}
	return r.Page.After
}

// directoryProblems finds what is wrong with the fields of r that are about persons and groups.
func (r *Request) directoryProblems(add func(field, format string, args ...any)) {
	takes := r.Operation.traits().fields
	for _, f := range []struct {
		name    string
		given   bool
		allowed bool
	}{
		{"person", r.Fields != nil, takes.person}, {"group", r.Group != nil, takes.group},
		{"filter", r.Filter != nil, takes.filter}, {"page", r.Page != nil, takes.page},
	} {
		if f.given && !f.allowed {
			add(f.name, "means nothing to %s", r.Operation)
		}
	}
	label := func(field string, name *Personal) {
		if name == nil {
			return
		}
		if problem := nameProblem(string(*name)); problem != "" {
			add(field, "%s", problem)
		} else if len(*name) > 256 {
			add(field, "has %d bytes; at most 256 are allowed", len(*name))
		}
	}
	metadata := func(field string, m Metadata) {
		if len(m) == 0 {
			return
		}
		if problem := m.problem(); problem != "" {
			add(field, "%s", problem)
		}
	}
	groups := func(field string, list []GroupID) {
		if len(list) > MaxGroups {
			add(field, "names %d groups; at most %d are allowed", len(list), MaxGroups)
			return
		}
		for i, g := range list {
			if err := g.Validate(); err != nil {
				add(fmt.Sprintf("%s[%d]", field, i), "%v", err)
			}
		}
	}
	if p := r.Fields; p != nil {
		label("person.name", p.Name)
		metadata("person.metadata", p.Metadata)
		groups("person.groups", p.Groups)
		if p.TTL != nil && (*p.TTL < 0 || *p.TTL > MaxTTL) {
			add("person.ttl_seconds", "is %d; it must be 0..%d", *p.TTL, MaxTTL)
		}
	} else if r.Operation == OpUserUpdate {
		add("person", "is missing; user_update changes what it has")
	}
	if g := r.Group; g != nil {
		label("group.name", g.Name)
		metadata("group.metadata", g.Metadata)
		if g.ID != "" {
			if err := g.ID.Validate(); err != nil {
				add("group.id", "%v", err)
			}
		}
	}
	if takes.group && r.GroupID() == "" {
		add("group.id", "is missing; %s needs it", r.Operation)
	}
	if f := r.Filter; f != nil {
		groups("filter.groups", f.Groups)
		metadata("filter.metadata", f.Metadata)
		if len(f.Metadata) > 0 && len(f.Metadata.Indexed()) != countMembers(f.Metadata) {
			add("filter.metadata", "has a value that no filter finds: it must be a text, a number or a boolean of at most %d bytes", maxIndexedValue)
		}
		for field, n := range map[string]int{"filter.puids": len(f.PUIDs), "filter.external_ids": len(f.ExternalIDs)} {
			if n > MaxFilterNames {
				add(field, "names %d; at most %d are allowed", n, MaxFilterNames)
			}
		}
	}
	if p := r.Page; p != nil {
		if p.Limit < 0 || p.Limit > MaxPageSize {
			add("page.limit", "is %s; it must be 1..%d", strconv.Itoa(p.Limit), MaxPageSize)
		}
		if len(p.After) > 256 {
			add("page.after", "has %d bytes; at most 256 are allowed", len(p.After))
		}
	}
	if r.Operation == OpPersonCreate && r.PUID != "" {
		add("puid", "is given; nobody but facestream gives puids, and person_create makes one")
	}
}

func countMembers(m Metadata) int {
	members, _ := objectMembers(m)
	return len(members)
}

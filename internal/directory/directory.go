// Package directory is the port of who is enrolled: persons with their names, metadata and groups, and which images they
// have. The gallery keeps the vectors. Its drivers (sqlite, postgres) pass one conformance suite, directorytest.
package directory

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"facestream/pkg/schema"
)

// Reader answers who is enrolled. Its methods are safe for concurrent use, also beside the process that writes. What a write
// answered nil for is seen by the next read of the same client.
//
// Errors are classified ([schema.ClassOf]). A permanent one is invalid_request, for a limit below 1; all others are transient,
// or fatal where the store is damaged. A collection that nobody is enrolled in is an empty one.
type Reader interface {
	// Person returns the first of puids that is in the directory, nil if none is.
	Person(ctx context.Context, c schema.Collection, puids ...schema.PUID) (*schema.Person, error)
	// Persons returns the persons that q chooses, by puid. Its cost depends on the page and on what the filter names, not on the
	// number of persons; of several conditions the first one that is given among metadata and groups is looked up, and the
	// others are checked for each person that it finds.
	Persons(ctx context.Context, c schema.Collection, q Query) (PersonPage, error)
	// Images returns the enrolled images of a person, by guid.
	Images(ctx context.Context, c schema.Collection, puid schema.PUID, after string, limit int) (ImagePage, error)
	// Groups returns groups by id: those that among names, or all.
	Groups(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.GroupID) (GroupPage, error)
}

// Query chooses up to Limit persons after the page token After; "" is the beginning.
type Query struct {
	Filter schema.PersonFilter
	After  string
	Limit  int
	Bare   bool // the puids are enough
}

// PersonPage is one page of persons. Next is "" on the last page.
type PersonPage struct {
	Persons []schema.Person
	Next    string
}

// ImagePage is one page of images.
type ImagePage struct {
	Images []schema.PersonImage
	Next   string
}

// GroupPage is one page of groups.
type GroupPage struct {
	Groups []schema.Group
	Next   string
}

// Writer changes the directory.
type Writer interface {
	// Apply makes changes, and answers each, in order. nil means durable. A change of a request that was answered before
	// changes nothing and has the same answer (invariant 3): its request is remembered by a hash. Changes of one person or group
	// must come in their order, one after the other; others may come at the same time. What was erased is overwritten in the
	// driver's files before nil is answered, where the driver owns them.
	//
	// Permanent errors are unknown_puid, unknown_group, deleted_meanwhile, duplicate_face and unlike_person, as the changes say.
	Apply(ctx context.Context, changes []Change) []schema.Outcome[Done]
}

// Keeper is what a directory is asked for by those who keep it in order.
type Keeper interface {
	// Expired returns up to limit persons who ended at or before a moment, the longest due first.
	Expired(ctx context.Context, at time.Time, limit int) ([]Due, error)
	// Filled returns whether the persons of a collection from the time before the directory were taken over.
	Filled(ctx context.Context, c schema.Collection) (bool, error)
	// Fill remembers that they were.
	Fill(ctx context.Context, c schema.Collection) error
}

// Directory is all of it.
type Directory interface {
	Reader
	Writer
	Keeper
}

// Due is a person whose time has ended.
type Due struct {
	Collection schema.Collection
	PUID       schema.PUID
	Expires    time.Time
}

// Change is one change on behalf of a request. Without a request it is not remembered.
type Change struct {
	Collection schema.Collection
	Request    schema.RequestID
	Order      *schema.Order
	At         time.Time // when ingest accepted the request
	Act        Act
}

// Done says what a change did.
type Done struct {
	Created   bool `json:"created,omitempty"` // the person or group was not there before
	Existed   bool `json:"existed,omitempty"` // Erase: somebody was there
	Judgement      // Judge: that of the first time, also with an error
}

// Act is one of Put, Enrol, Adopt, Erase, Judge, PutGroup and DropGroup.
type Act interface {
	// Key names what the act changes, so that acts on the same thing take turns.
	Key() string
}

// Put makes a person, or changes the one who is there. It is refused with deleted_meanwhile if a deletion outlived it, with
// unknown_group if it names a group that is not there, and, with Must, with unknown_puid if the person is not.
type Put struct {
	PUID       schema.PUID
	ExternalID schema.ExternalID
	Consent    *schema.Consent // nil leaves what is there
	Fields     schema.PersonFields
	Must       bool
}

// Enrol adds an image that the gallery holds to its person, and makes the person if there is none. The gallery has decided
// that no deletion outlived the image. A group that is not there is left out.
type Enrol struct {
	Put
	Image schema.PersonImage
}

// Adopt takes over images that the gallery holds, of one person. Nothing else of the person changes.
type Adopt struct {
	PUID       schema.PUID
	ExternalID schema.ExternalID
	Consent    *schema.Consent
	Images     []schema.PersonImage
}

// Erase removes a person with everything that is kept of them, and remembers the order of the deletion. Left are the images
// that the gallery still holds, because they are younger than the deletion; if there are any, the person stays with these, and
// keeps the other fields if they are known to be younger, too.
type Erase struct {
	PUID schema.PUID
	Left []schema.PersonImage
}

// Judge remembers what an enrolment under a name found, and whether it is refused for that. The answer is that of the first
// time.
type Judge struct {
	PUID    schema.PUID
	Refused schema.Reason // duplicate_face, unlike_person, or "" if it is not
	Judgement
}

// Judgement is what an enrolment found: rows of the gallery that show the face under other names, and the cosine to the most
// similar image of the person, nil if there is none.
type Judgement struct {
	Known []string `json:"known,omitempty"`
	Score *float32 `json:"score,omitempty"`
}

// PutGroup makes a group, or changes the one that is there; with Must it is refused with unknown_group if none is.
type PutGroup struct {
	Group schema.GroupFields
	Must  bool
}

// DropGroup removes a group. Its members stay. It is refused with unknown_group if there is none.
type DropGroup struct{ ID schema.GroupID }

// Key implements [Act].
func (a Put) Key() string { return "person " + string(a.PUID) }

// Key implements [Act].
func (a Adopt) Key() string { return "person " + string(a.PUID) }

// Key implements [Act].
func (a Erase) Key() string { return "person " + string(a.PUID) }

// Key implements [Act].
func (a Judge) Key() string { return "judgement " + string(a.PUID) }

// Key implements [Act].
func (a PutGroup) Key() string { return "group " + string(a.Group.ID) }

// Key implements [Act].
func (a DropGroup) Key() string { return "group " + string(a.ID) }

// Memory identifies what is remembered. It is a hash, so that no name outlives a deletion.
type Memory [sha256.Size]byte

// Remembered is the key of the answer to c. A request can erase several persons.
func (c Change) Remembered() Memory {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q", string(c.Collection), string(c.Request), c.Act.Key()))
}

// Tombstone is the key of the deletions of a person.
func (c Change) Tombstone() Memory {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q", string(c.Collection), c.Act.Key()))
}

// Package gallery is the port of 1:N search: who is enrolled, and who is most similar to a probe. Its drivers (local,
// milvus) pass one conformance suite, gallerytest.
package gallery

import (
	"context"
	"time"

	"facestream/pkg/schema"
)

// Row is one enrolled image or recording of one person. ID is deterministic ([schema.RowID]): writing a row again replaces it.
type Row struct {
	ID         string
	PUID       schema.PUID
	ExternalID schema.ExternalID
	Embedding  schema.Embedding
	Consent    *schema.Consent
	Created    time.Time
	Source     *Source       // nil if an earlier version enrolled it
	Order      *schema.Order // of the enrolment; nil if an earlier version accepted it
	// FormerID is the id that earlier versions gave the row, or "". It is not stored: Upsert uses it to look up whether the
	// row was deleted.
	FormerID string
	// Joins asks Upsert to refuse the row if its person has no other. A row that was deleted is not refused, because it can
	// only be a repeat. Joins is not stored.
	Joins bool
	// Also are further puids under which earlier versions may have stored the person. A deletion of one of them counts like
	// one of PUID. Also is not stored.
	Also []schema.PUID
}

// Source names the image and face, or the recording, that an embedding was made from, so that one can be made under another model.
type Source struct {
	Image schema.ObjectRef `json:"image"`
	Box   schema.BoxF      `json:"box,omitzero"` // of the enrolled face, in pixels of the upright image, before automatic turning
	// Document says that the image shows an identity document, not the person who is present.
	Document bool `json:"document,omitempty"`
	// Made are the pictures that facestream made of the image and wrote beside it. They are erased with the person.
	Made []schema.ObjectRef `json:"made,omitempty"`
	// Recording says that Image is a recording of the person's voice, and there is no box.
	Recording bool `json:"recording,omitempty"`
}

// Match is a row with its cosine similarity to a probe, -1..1.
type Match struct {
	Row      Row // without embedding, source and order
	Score    float32
	Document bool // that of the row's source
}

// Page is one page of a listing. Next is "" on the last page. Total counts the rows of all pages.
type Page struct {
	Rows  []Row // ordered by ID, with their sources and orders, and without their embeddings
	Next  string
	Total int
}

// Outcome is the answer to one item of a batch: a value or an error.
type Outcome[T any] = schema.Outcome[T]

// Deletion asks to erase one person on behalf of one request. Without an Order it erases all rows of the person, and the
// gallery does not remember when.
type Deletion struct {
	PUID    schema.PUID
	Request schema.RequestID
	Order   *schema.Order
}

// Gallery holds collections of rows. Its methods are safe for concurrent use and do not keep what they are given.
//
// A nil error means durable and visible, even if the process or the server crashes right after: the next Search from any
// client finds an upserted row and does not find a deleted one. A batch answers each item, in order; a bad item fails alone.
// If ctx ends during a write, the write may or may not be carried out.
//
// Errors are classified ([schema.ClassOf]). Permanent errors have one of these reasons; all others are transient:
//   - unknown_collection: the collection never had a row.
//   - model_mismatch: the vector is of another model. The first row of a collection ties it to its model for good.
//   - unknown_puid: a row joins a person who has none.
//   - deleted_meanwhile: a deletion outlived the row ([schema.Order.Outlived]).
//   - invalid_request: an item has no name, a vector has no direction or another dimension, k or limit is below 1.
type Gallery interface {
	// Upsert writes rows. The first row of a new collection creates it, unless the row joins somebody. A row that was
	// deleted stays deleted: because its id is deterministic, this can only be a late repeat of its enrolment (invariant 3).
	// The answer is nil, as it was the first time. A row that a deletion outlived is never written, not even for a moment: it
	// is refused with deleted_meanwhile, and so is every repeat of it. An upload that a listing found as well as a record
	// ([schema.Order.Listed]) has landed if its row is there: the answer is nil, and nothing changes.
	Upsert(ctx context.Context, c schema.Collection, rows []Row) []error
	// Search answers each probe with up to k persons, best first, and the most similar row of each. Exact ties are ordered
	// by row ID. If among names persons, only these are compared; the cost then depends on the number of their rows, not on
	// the size of the collection.
	Search(ctx context.Context, c schema.Collection, probes []schema.Embedding, k int, among ...schema.PUID) []Outcome[[]Match]
	// Delete removes the rows of each person, except those that are younger than the deletion ([schema.Order.Younger]), and
	// answers how many it removed. If there was nobody, that is 0 and not an error. The order of the deletion is remembered, also in a collection that nobody knows yet.
	// Deleting again for the same request answers the first count again, removes nothing more, and the first order stands
	// (invariant 3).
	Delete(ctx context.Context, c schema.Collection, deletions []Deletion) []Outcome[int]
	// List returns up to limit rows after the page token; "" is the beginning. If among names persons, it lists and counts
	// only their rows, at a cost like that of Search.
	List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (Page, error)
}

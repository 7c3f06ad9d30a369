// Package gallery is the port of 1:N search: who is enrolled, and who is most similar to a probe. Its drivers (local,
// milvus) pass one conformance suite, gallerytest.
package gallery

import (
	"context"
	"time"

	"facestream/pkg/schema"
)

// Row is one enrolled image of one person. ID is deterministic ([schema.RowID]): writing a row again replaces it.
type Row struct {
	ID         string
	PUID       schema.PUID
	ExternalID schema.ExternalID
	Embedding  schema.Embedding
	Consent    *schema.Consent
	Created    time.Time
	Source     *Source // nil where an earlier version enrolled it
	// FormerID is the id that earlier versions gave the row, "" for none. It is not kept: Upsert looks whether the row was
	// deleted under it.
	FormerID string
	// Joins asks Upsert to refuse the row where its person has none yet. A row that was deleted is not refused: that is a
	// repeat. It is not kept.
	Joins bool
}

// Source is what an embedding was made of, as far as it takes to make one under another model.
type Source struct {
	Image schema.ObjectRef `json:"image"`
	Box   schema.BoxF      `json:"box"` // of the enrolled face, in pixels of the upright image, before automatic turning
}

// Match is a row with its cosine similarity to a probe, -1..1.
type Match struct {
	Row   Row // without its embedding and its source
	Score float32
}

// Page is a part of a listing. Next is "" on the last page; Total counts the rows of all pages.
type Page struct {
	Rows  []Row // ordered by ID, without their embeddings, with their sources
	Next  string
	Total int
}

// Outcome answers one item of a batch: its value or its error.
type Outcome[T any] struct {
	Value T
	Err   error
}

// Deletion asks for the erasure of one person on behalf of one request.
type Deletion struct {
	PUID    schema.PUID
	Request schema.RequestID
}

// Gallery holds collections of rows. Methods are safe for concurrent use and take no ownership of what they are given.
//
// A nil error means durable and visible: an upserted row is found by the next Search from any client, a deleted one is
// not, through a crash of the process or the server. A batch answers per item, in order; one bad item fails alone.
//
// Errors are classified ([schema.ClassOf]): permanent with reason unknown_collection, model_mismatch (a collection takes
// the model of its first row, for good; another model's vector is refused on Upsert and Search alike), unknown_puid (a
// row joins a person who has none) or invalid_request (an item without a name, a vector without a direction or of another
// dimension, k or limit below 1), else transient.
// Where ctx ends during a write, the write may or may not be carried out.
type Gallery interface {
	// Upsert writes rows. The first row of a new collection, unless it joins somebody, creates it. A row that was deleted stays deleted: its id is
	// deterministic, so that this can only be a repeat of its enrolment that comes late (invariant 3). It is answered nil,
	// as it was the first time.
	Upsert(ctx context.Context, c schema.Collection, rows []Row) []error
	// Search answers each probe with up to k persons, best first: per person the most similar row. Exact ties are ordered
	// by row ID. Where among names persons, it looks at these alone, at a cost that grows with their rows and not with the
	// collection.
	Search(ctx context.Context, c schema.Collection, probes []schema.Embedding, k int, among ...schema.PUID) []Outcome[[]Match]
	// Delete removes every row of each person and answers how many there were; nobody is 0, not an error. Deleting again
	// for the same request answers the first count again and spares what was enrolled since (invariant 3).
	Delete(ctx context.Context, c schema.Collection, deletions []Deletion) []Outcome[int]
	// List returns up to limit rows after the page token; "" starts. Where among names persons, it lists and counts their
	// rows alone, at a cost as that of Search.
	List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (Page, error)
}

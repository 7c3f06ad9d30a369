package gallery

import (
	"context"

	"facestream/pkg/schema"
)

// Kept is a collection of a gallery, and what it is tied to.
type Kept struct {
	Name schema.Collection
	Tie  Tie
}

// Reader reads a gallery while indexers serve it. Errors are those of [Gallery].
type Reader interface {
	// Collections returns every collection that ever had a row, by name.
	Collections(ctx context.Context) ([]Kept, error)
	// List is that of Gallery.
	List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (Page, error)
	// Tombstones returns what is remembered of the deletions of people. Nobody who was never deleted is among them.
	Tombstones(ctx context.Context, c schema.Collection, people ...schema.PUID) (map[schema.PUID]schema.Tombstone, error)
}

// Staging builds a gallery under another model beside the one that serves. Its rows have the ids of the rows that they
// will replace. Nobody searches in it, and the serving gallery does not change until Switch. What is staged survives a
// crash, and the next process continues with it.
//
// A nil error means durable. Methods are safe for concurrent use, except Switch: nothing else may be called beside it.
// Errors are classified like those of [Gallery]. They are fatal when another process stages; a driver that cannot keep a
// second process away notices that at the latest when the other one has switched.
type Staging interface {
	// Upsert writes rows like that of Gallery. A row that was deleted from the serving gallery, or that a deletion outlived, may
	// be written or not; the answer is nil.
	Upsert(ctx context.Context, c schema.Collection, rows []Row) []error
	// Remove removes rows by id; unknown ids are not an error. A row that was removed can be written again.
	Remove(ctx context.Context, c schema.Collection, ids []string) error
	// List is that of Gallery, for all persons. A collection that nothing was ever staged for is unknown_collection.
	List(ctx context.Context, c schema.Collection, after string, limit int) (Page, error)
	// Switch replaces rows, model and dimension of each collection by what is staged, also if no row is staged, and erases
	// what served before. The memory of deletions stays. No indexer may run. After a crash each collection is as it was
	// before or after the switch, and a repeat completes the rest. At the end Switch erases what is left, staged or of
	// other models, of all collections that serve under the staged model.
	Switch(ctx context.Context, collections []schema.Collection) error
}

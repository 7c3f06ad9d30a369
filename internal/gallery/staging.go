package gallery

import (
	"context"

	"facestream/pkg/schema"
)

// Kept is a collection that a gallery has, and what it is tied to.
type Kept struct {
	Name schema.Collection
	Tie  Tie
}

// Reader reads a gallery beside the indexers that have it. Errors are those of [Gallery].
type Reader interface {
	// Collections returns every collection that ever had a row, by name.
	Collections(ctx context.Context) ([]Kept, error)
	// List is that of Gallery.
	List(ctx context.Context, c schema.Collection, after string, limit int, among ...schema.PUID) (Page, error)
}

// Staging is a gallery under another model that is built beside the one that serves. Its rows have the ids of those that
// they will replace. What is written stays through a crash, for the next process to go on with; nobody searches in it, and
// until Switch the serving gallery takes no notice of it.
//
// A nil error means durable. Methods are safe for concurrent use, except Switch, beside which nothing else is called.
// Errors are classified as those of [Gallery], and fatal where another process stages: where nothing keeps a second one
// away, at the latest when the other has switched.
type Staging interface {
	// Upsert writes rows as Gallery does. A row that was deleted from the serving gallery may come or stay away.
	Upsert(ctx context.Context, c schema.Collection, rows []Row) []error
	// Remove forgets rows by id; others are no error. A row that was removed can be written again.
	Remove(ctx context.Context, c schema.Collection, ids []string) error
	// List is that of Gallery, of all persons; a collection of which nothing was ever staged is unknown_collection.
	List(ctx context.Context, c schema.Collection, after string, limit int) (Page, error)
	// Switch puts what is staged of each collection in the place of what serves, which is erased: rows, model and
	// dimension, also where no row is staged. Memory of deletions stays. No indexer may have the gallery. After a crash
	// each collection is as before or as after; a repeat completes what is left. Of the collections that serve under the
	// staged model it then erases what was kept under others, and what was staged.
	Switch(ctx context.Context, collections []schema.Collection) error
}

package gallery

import (
	"crypto/sha256"
	"fmt"

	"facestream/pkg/schema"
)

// DeletionKey is what a deletion is remembered under: a hash, so that no name outlives it.
type DeletionKey [sha256.Size]byte

// RowKey is the key of a deleted row in the collection of a number.
func RowKey(collection int64, id string) DeletionKey {
	return sha256.Sum256(fmt.Appendf(nil, "%d %q", collection, id))
}

// Key is the key of a deletion in the collection of a number.
func (d Deletion) Key(collection int64) DeletionKey {
	return sha256.Sum256(fmt.Appendf(nil, "%d %q %q", collection, string(d.Request), string(d.PUID)))
}

// Deletions is what a local gallery remembers of deletions, to be taken to a gallery of another driver with its rows.
type Deletions struct {
	Numbers map[schema.Collection]int64 // which the keys stand for
	Counts  map[DeletionKey]int         // rows that a request deleted; 0 for a row
}

package gallery

import (
	"crypto/sha256"
	"fmt"

	"facestream/pkg/schema"
)

// DeletionKey identifies a deletion that is remembered. It is a hash, so that no name outlives the deletion.
type DeletionKey [sha256.Size]byte

// RowKey is the key of a deleted row. collection is the number of its collection in the local gallery.
func RowKey(collection int64, id string) DeletionKey {
	return sha256.Sum256(fmt.Appendf(nil, "%d %q", collection, id))
}

// Key is the key of d. collection is the number of its collection in the local gallery.
func (d Deletion) Key(collection int64) DeletionKey {
	return sha256.Sum256(fmt.Appendf(nil, "%d %q %q", collection, string(d.Request), string(d.PUID)))
}

// Deletions is the memory of deletions of a local gallery. It goes with the rows when these are copied to another driver.
type Deletions struct {
	Numbers map[schema.Collection]int64 // the number of each collection, which is part of the keys
	Counts  map[DeletionKey]int         // how many rows a request deleted; 0 for a deleted row
}

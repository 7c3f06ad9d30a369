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

// TombstoneKey is the key of what is remembered of the deletions of a person.
func TombstoneKey(c schema.Collection, puid schema.PUID) DeletionKey {
	return named("person", string(c), string(puid))
}

// TombstoneKeys are the keys of the person of r, under every puid that the person may have.
func (r Row) TombstoneKeys(c schema.Collection) []DeletionKey {
	keys := []DeletionKey{TombstoneKey(c, r.PUID)}
	for _, p := range r.Also {
		if p != r.PUID {
			keys = append(keys, TombstoneKey(c, p))
		}
	}
	return keys
}

// RefusedKey is the key of a row that was refused because its person was deleted meanwhile.
func RefusedKey(c schema.Collection, id string) DeletionKey { return named("refused", string(c), id) }

// NobodyKey is the key of a deletion in a collection that was unknown at the time.
func (d Deletion) NobodyKey(c schema.Collection) DeletionKey {
	return named("nobody", string(c), string(d.Request), string(d.PUID))
}

func named(parts ...string) DeletionKey { return sha256.Sum256(fmt.Appendf(nil, "%q", parts)) }

// Deletions is the memory of deletions of a local gallery. It goes with the rows when these are copied to another driver.
type Deletions struct {
	Numbers map[schema.Collection]int64 // the number of each collection, which is part of the keys of Counts
	Counts  map[DeletionKey]int         // how many rows a request deleted; 0 for a deleted row
	// Tombstones has the persons who were deleted, and nil for a row that was refused and a deletion in an unknown collection.
	Tombstones map[DeletionKey]schema.Tombstone
}

package local

import (
	"runtime"

	"facestream/internal/gallery/local/offheap"
)

// table finds numbers of rows by a hash of something that the rows hold. It is a hash table with open addressing and linear probing. The
// caller knows what is hashed: it passes the hash, and how to tell equal from merely equally hashed.
type table struct {
	slots *offheap.Slice[uint32] // a row's number and 1, or 0; their count is a power of two
	used  int
}

func newTable() table {
	t := table{slots: new(offheap.Slice[uint32])}
	t.slots.Resize(8)
	return t
}

// find returns the place of the row with that hash for which same is true.
func (t *table) find(hash uint64, same func(row uint32) bool) (slot int, ok bool) {
	slots := t.slots.All()
	for slot = int(hash) & (len(slots) - 1); slots[slot] != 0; slot = (slot + 1) & (len(slots) - 1) {
		if same(slots[slot] - 1) {
			return slot, true
		}
	}
	return slot, false
}

// row is the number at a place.
func (t *table) row(slot int) uint32 { return t.slots.All()[slot] - 1 }

// replace puts another number at a place. Both have the same hash.
func (t *table) replace(slot int, row uint32) { t.slots.All()[slot] = row + 1 }

// add adds a row that find did not find. hash tells that of any row; it is called when the table grows.
func (t *table) add(row uint32, hash func(row uint32) uint64) {
	if 4*(t.used+1) > 3*t.slots.Len() {
		t.double(hash)
	}
	t.put(row, hash(row))
	t.used++
}

func (t *table) put(row uint32, hash uint64) {
	slot, _ := t.find(hash, func(uint32) bool { return false })
	t.replace(slot, row)
}

func (t *table) double(hash func(row uint32) uint64) {
	old := t.slots
	t.slots = new(offheap.Slice[uint32])
	t.slots.Resize(2 * old.Len())
	for _, s := range old.All() {
		if s != 0 {
			t.put(s-1, hash(s-1))
		}
	}
	runtime.KeepAlive(old)
}

// remove empties a place, and moves what probing would no longer reach.
func (t *table) remove(slot int, hash func(row uint32) uint64) {
	slots := t.slots.All()
	mask := len(slots) - 1
	for i := (slot + 1) & mask; slots[i] != 0; i = (i + 1) & mask {
		// The row at i may move to the gap unless its search begins behind the gap.
		if home := int(hash(slots[i]-1)) & mask; (i-home)&mask >= (i-slot)&mask {
			slots[slot], slot = slots[i], i
		}
	}
	slots[slot] = 0
	t.used--
}

package local

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"iter"

	"facestream/internal/gallery/local/offheap"
	"facestream/pkg/schema"
)

// rows are the rows of a collection without their vectors, numbered from 0, outside of the Go heap: a row of a person whose ids are UUIDs
// takes about 100 bytes.
type rows struct {
	seed maphash.Seed

	records offheap.Slice[byte]   // one for each row, from a multiple of grain on
	at      offheap.Slice[uint32] // where the record of each row begins, in grains
	free    map[int][]uint32      // places of former records, by their size in grains

	byID, byPerson table
	next           offheap.Slice[uint32] // the number of the next row of the same person and 1, or 0; byPerson has the first of each
}

// grain is what the sizes and places of records are multiples of: 2³² grains are 64 GiB.
const grain = 16

func newRows() *rows {
	return &rows{seed: maphash.MakeSeed(), free: map[int][]uint32{}, byID: newTable(), byPerson: newTable()}
}

func (r *rows) len() int { return r.at.Len() }

// head is the size of what precedes the texts of a record: the time of creation, 8 bytes, and 1 if the row is of a document, else 0.
const head = 9

// The texts of a record.
const (
	idText = iota
	personText
	externalText
	consentText
	texts
)

// appendText appends a text as records have it: its length, doubled, and its bytes. The usual form of a UUID is 16 bytes, whose length is
// written doubled and one more. Equal texts have equal bytes.
func appendText(to []byte, text string) []byte {
	var uuid [16]byte
	if packUUID(text, &uuid) {
		return append(append(to, 16<<1|1), uuid[:]...)
	}
	return append(binary.AppendUvarint(to, uint64(len(text))<<1), text...)
}

// cutText divides a record's texts into the first, as appendText wrote it, and the others.
func cutText(all []byte) (text, rest []byte) {
	length, n := binary.Uvarint(all)
	end := n + int(length>>1)
	return all[:end], all[end:]
}

// readText undoes appendText.
func readText(text []byte) string {
	length, n := binary.Uvarint(text)
	if length&1 == 0 {
		return string(text[n:])
	}
	return unpackUUID([16]byte(text[n:]))
}

const hexDigits = "0123456789abcdef"

// packUUID reads the usual form of a UUID: 32 lower-case digits and four hyphens. It reports false for every other text.
func packUUID(text string, to *[16]byte) bool {
	if len(text) != 36 {
		return false
	}
	n := 0
	for i := range len(text) {
		c := text[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
			continue
		}
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return false
		}
		to[n/2] = to[n/2]<<4 | c
		n++
	}
	return true
}

func unpackUUID(uuid [16]byte) string {
	var text [36]byte
	n := 0
	for i := range text {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			text[i] = '-'
			continue
		}
		text[i] = hexDigits[uuid[n/2]>>(4*(1-n%2))&15]
		n++
	}
	return string(text[:])
}

// record is that of row i, with what follows it.
func (r *rows) record(i uint32) []byte { return r.records.All()[int(r.at.All()[i])*grain:] }

// text is one of the texts of row i, as appendText wrote it.
func (r *rows) text(i uint32, which int) []byte {
	text, rest := cutText(r.record(i)[head:])
	for range which {
		text, rest = cutText(rest)
	}
	return text
}

// face is what row i is.
func (r *rows) face(i int) face {
	record := r.record(uint32(i))
	f := face{created: int64(binary.LittleEndian.Uint64(record)), document: record[8] == 1}
	var read [texts]string
	var text []byte
	rest := record[head:]
	for n := range read {
		text, rest = cutText(rest)
		read[n] = readText(text)
	}
	f.id, f.puid, f.externalID, f.consent = read[idText], schema.PUID(read[personText]), schema.ExternalID(read[externalText]), read[consentText]
	return f
}

// id is the id of row i.
func (r *rows) id(i int) string { return readText(r.text(uint32(i), idText)) }

// person is the puid of row i in a form that is equal for equal puids.
func (r *rows) person(i int) string { return string(r.text(uint32(i), personText)) }

// find returns the number of the row with that id.
func (r *rows) find(id string) (int, bool) {
	slot, ok := r.lookup(&r.byID, idText, appendText(nil, id))
	if !ok {
		return 0, false
	}
	return int(r.byID.row(slot)), true
}

// lookup finds the place of a text in the table that has the rows by it.
func (r *rows) lookup(t *table, which int, text []byte) (slot int, ok bool) {
	return t.find(maphash.Bytes(r.seed, text), func(row uint32) bool { return bytes.Equal(r.text(row, which), text) })
}

// hash is that of one of the texts of any row.
func (r *rows) hash(which int) func(row uint32) uint64 {
	return func(row uint32) uint64 { return maphash.Bytes(r.seed, r.text(row, which)) }
}

// of yields the numbers of the rows of a person, in no order.
func (r *rows) of(p schema.PUID) iter.Seq[int] {
	return func(yield func(int) bool) {
		slot, ok := r.lookup(&r.byPerson, personText, appendText(nil, string(p)))
		if !ok {
			return
		}
		for n := r.byPerson.row(slot) + 1; n != 0; n = r.next.All()[n-1] {
			if !yield(int(n - 1)) {
				return
			}
		}
	}
}

// put writes a row in the place of the one with its id, or as the last one, and returns its number.
func (r *rows) put(f face) int {
	record := append(binary.LittleEndian.AppendUint64(nil, uint64(f.created)), 0)
	if f.document {
		record[8] = 1
	}
	for _, text := range []string{f.id, string(f.puid), string(f.externalID), f.consent} {
		record = appendText(record, text)
	}
	i, known := r.find(f.id)
	if known {
		r.disown(i)
		r.forget(i)
	} else {
		i = r.len()
		r.at.Resize(i + 1)
		r.next.Resize(i + 1)
	}
	r.at.All()[i] = r.place(record)
	if !known {
		r.byID.add(uint32(i), r.hash(idText))
	}
	r.own(i)
	return i
}

// place writes a record where one of its size was, or behind all others.
func (r *rows) place(record []byte) uint32 {
	size := (len(record) + grain - 1) / grain
	var at uint32
	if free := r.free[size]; len(free) > 0 {
		at, r.free[size] = free[len(free)-1], free[:len(free)-1]
	} else {
		at = uint32(r.records.Len() / grain)
		r.records.Resize((int(at) + size) * grain)
	}
	copy(r.records.All()[int(at)*grain:], record)
	return at
}

// forget erases the record of row i, whose place becomes free.
func (r *rows) forget(i int) {
	record := r.record(uint32(i))
	rest := record[head:]
	for range texts {
		_, rest = cutText(rest)
	}
	size := (len(record) - len(rest) + grain - 1) / grain
	clear(record[:size*grain])
	r.free[size] = append(r.free[size], r.at.All()[i])
}

// own gives row i to its person.
func (r *rows) own(i int) {
	slot, ok := r.lookup(&r.byPerson, personText, r.text(uint32(i), personText))
	if !ok {
		r.next.All()[i] = 0
		r.byPerson.add(uint32(i), r.hash(personText))
		return
	}
	r.next.All()[i] = r.byPerson.row(slot) + 1
	r.byPerson.replace(slot, uint32(i))
}

// disown takes row i away from its person.
func (r *rows) disown(i int) {
	next := r.next.All()[i]
	slot, before := r.reference(i)
	switch {
	case before != nil:
		*before = next
	case next != 0:
		r.byPerson.replace(slot, next-1)
	default:
		r.byPerson.remove(slot, r.hash(personText))
	}
}

// reference is what leads to row i among those of its person: the place of the first in byPerson or, if i is another one, what comes
// before it.
func (r *rows) reference(i int) (first int, before *uint32) {
	first, _ = r.lookup(&r.byPerson, personText, r.text(uint32(i), personText))
	next := r.next.All()
	for n := r.byPerson.row(first); n != uint32(i); n = next[n] - 1 {
		before = &next[n]
	}
	return first, before
}

// remove removes row i. The last row takes its number.
func (r *rows) remove(i int) {
	r.disown(i)
	slot, _ := r.lookup(&r.byID, idText, r.text(uint32(i), idText))
	r.byID.remove(slot, r.hash(idText))
	r.forget(i)
	last := r.len() - 1
	if i != last {
		slot, _ = r.lookup(&r.byID, idText, r.text(uint32(last), idText))
		r.byID.replace(slot, uint32(i))
		if first, before := r.reference(last); before != nil {
			*before = uint32(i) + 1
		} else {
			r.byPerson.replace(first, uint32(i))
		}
		r.at.All()[i], r.next.All()[i] = r.at.All()[last], r.next.All()[last]
	}
	r.at.Resize(last)
	r.next.Resize(last)
}

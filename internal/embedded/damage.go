package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"facestream/internal/dirlock"
	"facestream/pkg/schema"
)

// The broker (kfake) keeps each partition as segments: <base offset>.dat holds batches in the format of Kafka's wire, one
// after the other, and <base offset>.idx an entry of 15 bytes for each. It writes the batch, then the entry, syncs both, and
// acknowledges. When it opens them, it cuts a segment off at the first batch that it cannot read, with a warning only. So
// what it would cut is looked at before: the last batch, which a crash or a loss of power left unfinished and nobody was told of,
// may be cut; anything else is damage.
const (
	batchHeader = 61 // bytes before the records of a batch
	batchStart  = 12 // bytes before what the length of a batch counts
	indexEntry  = 15
	maxBatch    = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Loss is a part of the broker's log that does not hold what was written.
type Loss struct {
	Partition string `json:"partition,omitempty"` // topic-number; "" for what consumers committed, and for the list of producers
	File      string `json:"file"`
	Position  int    `json:"position"` // of the first byte in the file
	First     int64  `json:"first"`    // the first record that is lost
	Last      int64  `json:"last"`     // the last one; -1: unknown, up to the end of the partition
}

func (l Loss) String() string {
	if l.Partition == "" {
		return fmt.Sprintf("file %q at byte %d: notes about consumers or producers, so that some records may be worked on again", l.File, l.Position)
	}
	last := fmt.Sprint(l.Last)
	if l.Last < 0 {
		last = "the end"
	}
	return fmt.Sprintf("%s, file %q at byte %d: the records with offsets %d to %s", l.Partition, l.File, l.Position, l.First, last)
}

// segment is what a segment's file holds.
type segment struct {
	base    int64
	path    string   // without the extension
	batches [][]byte // that can be read, and empty ones in the place of the others
	losses  []Loss
	end     int64 // the offset after the last batch
}

// unknownTail is how many offsets are left out after a loss whose end is unknown. Readers have committed offsets behind it, and
// would not see other records under these.
const unknownTail = 1 << 16

// checkLog returns a fatal error if the broker's log below dir is damaged.
func checkLog(dir string) error {
	losses, err := damage(dir, nil)
	if err == nil {
		var more []Loss
		more, err = checkNotes(dir, nil)
		losses = append(losses, more...)
	}
	if err != nil || len(losses) == 0 {
		return err
	}
	const most = 20
	var text strings.Builder
	for i, l := range losses {
		if i == most {
			fmt.Fprintf(&text, "; and %d more", len(losses)-most)
			break
		}
		fmt.Fprintf(&text, "; %s", l)
	}
	return schema.Fatal("embedded.check_log", fmt.Errorf("acknowledged records of the embedded broker cannot be read%s; nothing was changed. Put a backup of the data folder back, or go on without these records with `facestream servers repair` (docs/operations.md, Damage)",
		strings.Replace(text.String(), "; ", ": ", 1)))
}

// Repair drops from the broker's log in the data folder dir what cannot be read, and returns what that was. It keeps every
// batch that can be read, and the damaged files in a folder that it names. No process may have the folder open.
func Repair(dir string) (losses []Loss, aside string, err error) {
	lock, err := dirlock.Acquire(dir, "data folder")
	if err != nil {
		return nil, "", schema.Fatal("embedded.repair", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	aside = filepath.Join(dir, "kafka-damaged-"+time.Now().UTC().Format("20060102T150405.000"))
	losses, err = damage(filepath.Join(dir, "kafka"), func(partition string, damaged []segment) error {
		to := filepath.Join(aside, filepath.Base(partition))
		if err := os.MkdirAll(to, 0o700); err != nil {
			return err
		}
		for _, s := range damaged {
			if err := s.rewrite(to); err != nil {
				return err
			}
		}
		// What a clean stop noted no longer holds.
		err := os.Rename(filepath.Join(partition, "snapshot.json"), filepath.Join(to, "snapshot.json"))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	if err == nil {
		var more []Loss
		more, err = checkNotes(filepath.Join(dir, "kafka"), func(path string, sound []byte) error {
			if err := os.MkdirAll(aside, 0o700); err != nil {
				return err
			}
			if err := os.Rename(path, filepath.Join(aside, filepath.Base(path))); err != nil {
				return err
			}
			return os.WriteFile(path, sound, 0o600)
		})
		losses = append(losses, more...)
	}
	if err != nil {
		return losses, aside, schema.Fatal("embedded.repair", err)
	}
	return losses, aside, nil
}

// damage looks at every partition below dir. repair, if not nil, is called for each damaged one with its segments that are.
func damage(dir string, repair func(partition string, damaged []segment) error) ([]Loss, error) {
	partitions, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Loss
	for _, p := range partitions {
		path := filepath.Join(dir, "partitions", p.Name())
		segments, err := readPartition(path)
		if err != nil {
			return all, err
		}
		var damaged []segment
		for _, s := range segments {
			if len(s.losses) > 0 {
				all, damaged = append(all, s.losses...), append(damaged, s)
			}
		}
		if len(damaged) > 0 && repair != nil {
			if err := repair(path, damaged); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// readPartition reads the segments of a partition, in order.
func readPartition(path string) ([]segment, error) {
	files, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	bases := map[int64]bool{}
	for _, f := range files {
		name, isData := strings.CutSuffix(f.Name(), ".dat")
		name, isIndex := strings.CutSuffix(name, ".idx")
		if base, err := strconv.ParseInt(name, 10, 64); err == nil && (isData || isIndex) {
			bases[base] = true
		}
	}
	var order []int64
	for base := range bases {
		order = append(order, base)
	}
	slices.Sort(order)
	var out []segment
	for i, base := range order {
		next := int64(-1)
		if i+1 < len(order) {
			next = order[i+1]
		} else if next, err = highWatermark(path); err != nil {
			return nil, err
		}
		s, err := readSegment(filepath.Join(path, strconv.FormatInt(base, 10)), base, next, i+1 == len(order))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// highWatermark is the offset that the partition reached at the last clean stop; -1 where there was none since.
func highWatermark(path string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(path, "snapshot.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	snapshot := struct {
		HighWatermark int64 `json:"high_watermark"`
	}{-1}
	if json.Unmarshal(text, &snapshot) != nil {
		return -1, nil // the broker leaves it alone, too
	}
	return snapshot.HighWatermark, nil
}

// readSegment reads a segment up to offset next, which it must reach; -1: unknown. last says that no segment follows.
func readSegment(path string, base, next int64, last bool) (segment, error) {
	s := segment{base: base, path: path, end: base}
	raw, err := os.ReadFile(path + ".dat")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	index, err := os.ReadFile(path + ".idx")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	loss := func(at int, last int64) {
		s.losses = append(s.losses, Loss{filepath.Base(filepath.Dir(path)), path + ".dat", at, s.end, last})
		if last < 0 {
			last = s.end + unknownTail
		}
		s.batches = append(s.batches, emptyBatch(s.end, last, s.latest()))
		s.end = last + 1
	}
	at := 0
	for at < len(raw) {
		if b := batchAt(raw[at:]); b != nil && firstOf(b) == s.end {
			s.batches, s.end, at = append(s.batches, b), lastOf(b)+1, at+len(b)
			continue
		}
		further := nextBatch(raw, at+1, s.end)
		if further < 0 {
			break
		}
		loss(at, firstOf(batchAt(raw[further:]))-1)
		at = further
	}
	switch rest := raw[at:]; {
	case s.end < next: // a later segment or a clean stop knows more records
		loss(at, next-1)
	case len(s.losses) == 0 && indexed(index, len(s.batches)) && (!unwritten(rest, at) || indexed(index, len(s.batches)+1)):
		loss(at, -1) // the batch was complete: its entry came after it, and one batch at a time is not synced yet
	case !last && len(rest) > 0:
		loss(at, -1)
	}
	return s, nil
}

// indexed reports whether the index has an entry about batch n. A full disk can leave part of an entry, which is none.
func indexed(index []byte, n int) bool {
	if len(index) < (n+1)*indexEntry {
		return false
	}
	e := index[n*indexEntry:][:indexEntry]
	return e[0] == 1 && e[1] == byte(crc32.Checksum(e[2:], castagnoli))
}

// unwritten reports whether rest, what the file holds from position at on, is what a loss of power can leave of a batch that was
// not synced. The file system writes sectors, and the index, in any order: the end may be missing, and sectors may be zeros. Else
// everything is there, and some of it was changed later.
func unwritten(rest []byte, at int) bool {
	if len(rest) < batchHeader {
		return true
	}
	if binary.BigEndian.Uint32(rest[17:]) == crc32.Checksum(rest[21:], castagnoli) {
		return false // whole but for what the checksum does not cover
	}
	size := batchStart + int64(binary.BigEndian.Uint32(rest[8:]))
	return size > int64(len(rest)) || hasBlankSector(rest, at)
}

// hasBlankSector reports whether rest, from position at of a file on, has a sector of zeros only.
func hasBlankSector(rest []byte, at int) bool {
	const (
		sector = 512
		least  = 64 // bytes of a sector that count: fewer may be zeros by themselves
	)
	for from := 0; from < len(rest); {
		to := min(from+sector-(at+from)%sector, len(rest))
		if to-from >= least && len(bytes.Trim(rest[from:to], "\x00")) == 0 {
			return true
		}
		from = to
	}
	return false
}

// batchAt returns the batch with which b begins, or nil.
func batchAt(b []byte) []byte {
	if len(b) < batchHeader || b[16] != 2 { // the version of the format
		return nil
	}
	size := batchStart + int64(binary.BigEndian.Uint32(b[8:]))
	if size < batchHeader || size > min(int64(len(b)), maxBatch) {
		return nil
	}
	b = b[:size:size]
	if binary.BigEndian.Uint32(b[17:]) != crc32.Checksum(b[21:], castagnoli) {
		return nil
	}
	return b
}

// emptyBatch has no records and takes the offsets first to last, as compaction leaves it.
func emptyBatch(first, last, timestamp int64) []byte {
	b := make([]byte, batchHeader)
	binary.BigEndian.PutUint64(b, uint64(first))
	binary.BigEndian.PutUint32(b[8:], batchHeader-batchStart)
	b[16] = 2
	binary.BigEndian.PutUint32(b[23:], uint32(last-first))
	binary.BigEndian.PutUint64(b[27:], uint64(timestamp))
	binary.BigEndian.PutUint64(b[35:], uint64(timestamp))
	for i := 43; i < 57; i++ {
		b[i] = 0xff // no producer, epoch, sequence
	}
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

// latest is the time of the last batch so far, in ms since 1970.
func (s *segment) latest() int64 {
	if len(s.batches) == 0 {
		return time.Now().UnixMilli()
	}
	return int64(binary.BigEndian.Uint64(s.batches[len(s.batches)-1][35:]))
}

func firstOf(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
func lastOf(b []byte) int64  { return firstOf(b) + int64(int32(binary.BigEndian.Uint32(b[23:]))) }

// nextBatch returns where in raw, from a position on, the next batch begins whose records follow offset; -1: nowhere.
func nextBatch(raw []byte, from int, offset int64) int {
	for at := from; at+batchHeader <= len(raw); at++ {
		if raw[at+16] != 2 {
			continue
		}
		if b := batchAt(raw[at:]); b != nil && firstOf(b) >= offset {
			return at
		}
	}
	return -1
}

// rewrite keeps the damaged files of s in the folder to and writes what can be read in their place.
func (s segment) rewrite(to string) error {
	var data, index []byte
	for _, b := range s.batches {
		data = append(data, b...)
		index = append(index, indexOf(b)...)
	}
	for _, f := range []struct {
		suffix string
		data   []byte
	}{{".dat", data}, {".idx", index}} {
		path := s.path + f.suffix
		if err := os.Rename(path, filepath.Join(to, filepath.Base(path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(s.batches) == 0 {
			continue
		}
		if err := writeSynced(path, f.data); err != nil {
			return err
		}
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// indexOf is the broker's entry about a batch: version, checksum, the leader's epoch, a time that it computes anew, and
// whether the batch belongs to a transaction.
func indexOf(b []byte) []byte {
	e := make([]byte, indexEntry)
	e[0] = 1
	binary.LittleEndian.PutUint32(e[2:], binary.BigEndian.Uint32(b[12:]))
	if attributes := binary.BigEndian.Uint16(b[21:]); attributes&0x10 != 0 && attributes&0x20 == 0 { // transactional, no marker
		e[14] = 1
	}
	e[1] = byte(crc32.Checksum(e[2:], castagnoli))
	return e
}

package events

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"sync"
	"time"

	"facestream/pkg/schema"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// A broker bounds a batch as it is compressed, and 200 kB on its disk can be a gigabyte in memory. So batches are
// decompressed here, piece by piece, and no size that a batch states about itself is believed: kafka-go would decompress
// a whole answer before it returns the first record.
const (
	// maxReadBytes is the largest record that is read whole. Everything that this package writes is smaller.
	maxReadBytes = maxRecordBytes + mib
	// maxBatchBytes is how much of a batch is decompressed. A batch is one producer's, so what lies behind is too.
	maxBatchBytes = 64 * mib
	// maxWindowBytes is the memory that a Zstandard frame may ask for (levels 1 to 19 ask for at most 8 MiB).
	maxWindowBytes = 8 * mib
	// headerCost is what a header takes in memory beside its bytes.
	headerCost = 64
	// cutHeadBytes is what is kept of a value that is too large.
	cutHeadBytes = 4096
	// cutOtherBytes bounds what is kept of such a record's key, and of its headers.
	cutOtherBytes = 8192
	// batchPrefix is the length of what precedes the records in a batch.
	batchPrefix = 61
)

// message is a record as it was read.
type message struct {
	kafka.Message
	cut *cut // nil when the record is whole
}

// last is the last offset that m stands for.
func (m message) last() int64 {
	if m.cut != nil {
		return m.cut.Last
	}
	return m.Offset
}

// cut says of what a message is only a part, and why. The message's value is then the beginning of it.
type cut struct {
	Cut
	cause error
}

func permanently(format string, args ...any) error {
	return schema.Permanent("events.read", schema.ReasonUnparsable, fmt.Errorf(format, args...))
}

// recordBatch is a batch of records in the format of Kafka 0.11 and later
// (https://kafka.apache.org/documentation/#recordbatch).
type recordBatch struct {
	base, last int64 // offsets; last is that of a record which compaction may have removed
	attributes protocol.Attributes
	first      int64 // timestamp, in ms
	producer   int64
	count      int32
	payload    []byte // the records, compressed as attributes says
}

// batches splits what a broker sends of a partition's log. The last batch may be cut off and is then left out. An error is a
// *damagedBatch, and ends the sequence.
func batches(log []byte) iter.Seq2[recordBatch, error] {
	return func(yield func(recordBatch, error) bool) {
		damaged := func(format string, args ...any) {
			yield(recordBatch{}, &damagedBatch{log, fmt.Errorf(format, args...)})
		}
		for first := true; len(log) > 0; first = false {
			if len(log) < batchPrefix || batchSize(log) > len(log) {
				if first { // which a broker sends whole, whatever its size
					damaged("the broker sends only %d bytes of a batch", len(log))
				}
				return
			}
			if magic := log[16]; magic != 2 {
				damaged("the broker sends records in the format of before Kafka 0.11 (%d), which is not supported", magic)
				return
			}
			size := batchSize(log)
			if size < batchPrefix {
				damaged("the broker sends a batch of %d bytes, which is too small for one", size)
				return
			}
			c := cursor{b: log[:size]}
			b := recordBatch{base: c.int64()}
			c.take(4 + 4 + 1) // length, leader's epoch, magic
			if sum := uint32(c.int32()); sum != crc32.Checksum(c.b, castagnoli) {
				damaged("the checksum of the batch at offset %d is wrong", b.base)
				return
			}
			log = log[size:]
			b.attributes = protocol.Attributes(c.int16())
			b.last = b.base + int64(c.int32())
			b.first = c.int64()
			c.take(8) // the last timestamp
			b.producer = c.int64()
			c.take(2 + 4) // producer's epoch, sequence
			b.count = c.int32()
			b.payload = c.b
			if !yield(b, nil) {
				return
			}
		}
	}
}

// batchSize is the length of the batch with which log begins, as its header says.
func batchSize(log []byte) int { return 12 + int(int32(binary.BigEndian.Uint32(log[8:]))) }

// damagedBatch is the error of a batch that does not hold what was written.
type damagedBatch struct {
	log   []byte // from the batch on, as far as the broker sent it
	cause error
}

func (d *damagedBatch) Error() string { return d.cause.Error() }

// claimed is the last offset of the batch as its header says, which may be what is damaged.
func (d *damagedBatch) claimed() int64 {
	if len(d.log) < batchPrefix || d.log[16] != 2 {
		return -1
	}
	return int64(binary.BigEndian.Uint64(d.log)) + int64(int32(binary.BigEndian.Uint32(d.log[23:])))
}

// whole is the batch without what follows.
func (d *damagedBatch) whole() []byte {
	if len(d.log) < batchPrefix {
		return d.log
	}
	if size := batchSize(d.log); size >= batchPrefix && size < len(d.log) {
		return d.log[:size]
	}
	return d.log
}

// last is the last offset of the batch, which is at or after from in a log up to end. No field of the header is believed alone:
// the batch that follows must be sound, or begin where this one says that it ends, or the log must end there.
func (d *damagedBatch) last(from, end int64) (last int64, known bool) {
	claimed := d.claimed()
	if rest := d.log[len(d.whole()):]; len(rest) > 0 {
		for next, err := range batches(rest) {
			if err == nil && next.base > from && next.base < end {
				return next.base - 1, true
			}
			break
		}
		if len(rest) >= 8 && int64(binary.BigEndian.Uint64(rest)) == claimed+1 && claimed >= from && claimed < end-1 {
			return claimed, true
		}
	}
	return claimed, claimed >= from && claimed == end-1
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readers are kept from batch to batch: most batches are one small record, and their buffers would be most of what reading them
// allocates. Nothing that a record keeps lies in them.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

// records yields the records of the batch in the order of their offsets. What cannot be read becomes a message that is
// cut: one for a record that is too large, and one for the rest of a batch that is too large or is not in the format.
func (b recordBatch) records(ctx context.Context) iter.Seq[message] {
	return func(yield func(message) bool) {
		next := b.base
		rest := func(cause error) {
			if next <= b.last {
				c := &cut{cause: cause, Cut: Cut{Last: b.last, Size: int64(len(b.payload)), SHA256: sha256.Sum256(b.payload)}}
				yield(message{cut: c, Message: kafka.Message{Offset: next, Time: time.UnixMilli(b.first), Value: bytes.Clone(head(b.payload))}})
			}
		}
		plain, err := b.decompress()
		if err != nil {
			rest(err)
			return
		}
		defer plain.Close()
		r := readers.Get().(*bufio.Reader)
		defer func() { r.Reset(nil); readers.Put(r) }()
		r.Reset(&bounded{ctx: ctx, from: plain, left: maxBatchBytes})
		for range b.count {
			m, err := b.record(r, next)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				rest(err)
				return
			}
			next = m.last() + 1
			if !yield(m) {
				return
			}
		}
	}
}

// record reads the next record. Its error says that neither this record nor the rest of the batch can be read.
func (b recordBatch) record(r *bufio.Reader, next int64) (message, error) {
	size, err := binary.ReadVarint(r)
	if err != nil || size < 0 {
		return message{}, broken(err)
	}
	if size > maxReadBytes {
		return b.large(r, size, next)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return message{}, broken(err)
	}
	c := cursor{b: body}
	m := message{}
	if m.Message, err = b.begin(&c, next); err != nil {
		return message{}, err
	}
	m.Key = c.varBytes()
	m.Value = c.varBytes()
	headers := c.varint()
	if c.bad || headers < 0 || headers > int64(len(c.b)) {
		return message{}, broken(nil)
	}
	if cost := size + headers*headerCost; cost > maxReadBytes {
		return cutShort(m.Message, tooLargeToRead(cost)), nil
	}
	m.Headers = make([]kafka.Header, headers)
	for i := range m.Headers {
		m.Headers[i] = kafka.Header{Key: string(c.varBytes()), Value: c.varBytes()}
	}
	if c.bad {
		return message{}, broken(nil)
	}
	return m, nil
}

// begin reads what precedes the key of a record.
func (b recordBatch) begin(c *cursor, next int64) (kafka.Message, error) {
	c.take(1) // attributes, of which there are none
	m := kafka.Message{Time: time.UnixMilli(b.first + c.varint()), Offset: b.base + c.varint()}
	if c.bad || m.Offset < next || m.Offset > b.last {
		return m, broken(nil)
	}
	return m, nil
}

// large reads past a record of more than maxReadBytes.
func (b recordBatch) large(r *bufio.Reader, size, next int64) (message, error) {
	prefix, err := r.Peek(r.Size())
	if err != nil && len(prefix) == 0 {
		return message{}, broken(err)
	}
	prefix = prefix[:min(int64(len(prefix)), size)]
	c := cursor{b: prefix}
	m := message{}
	if m.Message, err = b.begin(&c, next); err != nil {
		return m, err
	}
	start, value := len(prefix)-len(c.b), size // where the value begins in the record, and its length
	if key, n := c.varBytes(), c.varint(); !c.bad && len(key) <= cutOtherBytes {
		m.Key = bytes.Clone(key)
		start, value = len(prefix)-len(c.b), max(n, 0)
	} // else all from the key on counts as the value
	value = min(value, size-int64(start))
	m.Value = bytes.Clone(head(prefix[start:]))
	m.cut = &cut{Cut: Cut{Last: m.Offset}, cause: tooLargeToRead(size)}
	if _, err := r.Discard(start); err != nil {
		return message{}, broken(err)
	}
	hash := sha256.New()
	m.cut.Size, err = io.CopyN(hash, r, value)
	hash.Sum(m.cut.SHA256[:0])
	if err == nil {
		_, err = io.CopyN(io.Discard, r, size-int64(start)-value)
	}
	switch {
	case errors.Is(err, errBatchTooLarge):
		m.cut.Last, m.cut.cause = b.last, err
	case err != nil:
		return message{}, broken(err)
	}
	return m, nil
}

func tooLargeToRead(size int64) error {
	return permanently("the record takes %d bytes when decompressed, more than the %d that are read", size, maxReadBytes)
}

var errBatchTooLarge = permanently("the batch of records takes more than %d bytes when decompressed", maxBatchBytes)

// broken classifies why a batch cannot be read on.
func broken(err error) error {
	switch {
	case errors.Is(err, errBatchTooLarge):
		return err
	case err == nil:
		return permanently("the batch of records is malformed")
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return permanently("the batch of records is malformed: %w", err)
}

// cutShort keeps of m what a dead letter by reference holds.
func cutShort(m kafka.Message, cause error) message {
	out := message{Message: m, cut: &cut{cause: cause, Cut: Cut{Last: m.Offset, Size: int64(len(m.Value)), SHA256: sha256.Sum256(m.Value)}}}
	out.Value = bytes.Clone(head(m.Value))
	out.Key = bytes.Clone(m.Key)
	if len(m.Key) > cutOtherBytes {
		out.Key = nil
	}
	out.Headers = nil
	left := cutOtherBytes
	for _, h := range m.Headers {
		if left -= len(h.Key) + len(h.Value) + headerCost; left < 0 {
			break
		}
		out.Headers = append(out.Headers, h)
	}
	return out
}

func head(b []byte) []byte { return b[:min(len(b), cutHeadBytes)] }

// decompress returns the records as they were before compression. Its memory is bounded for every codec.
func (b recordBatch) decompress() (io.ReadCloser, error) {
	in := bytes.NewReader(b.payload)
	switch codec := b.attributes.Compression(); codec {
	case 0:
		return io.NopCloser(in), nil
	case kafka.Gzip, kafka.Lz4: // these two hold a window or block of a fixed size
		return codec.Codec().NewReader(in), nil
	case kafka.Snappy:
		return io.NopCloser(&snappyReader{in: b.payload}), nil
	case kafka.Zstd:
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindowBytes))
		if err != nil {
			return nil, broken(err)
		}
		return z.IOReadCloser(), nil
	default:
		return nil, permanently("the batch of records is compressed with an unknown codec (%d)", codec)
	}
}

// snappyReader reads Snappy blocks: one alone, or several with lengths after the header of Java's xerial library.
type snappyReader struct {
	in, out []byte
	framed  bool
	begun   bool
}

var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

func (s *snappyReader) Read(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		if s.framed = len(s.in) >= 16 && bytes.HasPrefix(s.in, xerialMagic); s.framed {
			s.in = s.in[16:] // magic and two versions
		}
	}
	for len(s.out) == 0 {
		if len(s.in) == 0 {
			return 0, io.EOF
		}
		block := s.in
		if s.framed {
			c := cursor{b: s.in}
			if block = c.take(int(c.int32())); c.bad {
				return 0, io.ErrUnexpectedEOF
			}
			s.in = c.b
		} else {
			s.in = nil
		}
		// A block states its length. Three bytes stand for at most 64, so what states much more does not hold it.
		n, err := snappy.DecodedLen(block)
		if err != nil {
			return 0, err
		}
		if n > 32*len(block) {
			return 0, snappy.ErrCorrupt
		}
		if n > maxBatchBytes {
			return 0, errBatchTooLarge
		}
		if s.out, err = snappy.Decode(nil, block); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// bounded reads at most left bytes and fails when there are more, or when ctx ends.
type bounded struct {
	ctx  context.Context
	from io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	p = p[:min(len(p), b.left+1)]
	n, err := b.from.Read(p)
	if n > b.left {
		return b.left, errBatchTooLarge
	}
	b.left -= n
	return n, err
}

// cursor reads the types of Kafka's protocol from b. It never fails at once: bad says at the end that b was too short.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) number(size int) (n uint64) {
	for _, x := range c.take(size) {
		n = n<<8 | uint64(x)
	}
	return n
}

func (c *cursor) int16() int16 { return int16(c.number(2)) }
func (c *cursor) int32() int32 { return int32(c.number(4)) }
func (c *cursor) int64() int64 { return int64(c.number(8)) }

func (c *cursor) varint() int64 {
	n, size := binary.Varint(c.b)
	if size <= 0 {
		c.take(-1)
		return 0
	}
	c.take(size)
	return n
}

// varBytes returns nil for a length of -1, which means null.
func (c *cursor) varBytes() []byte {
	n := c.varint()
	if n == -1 || n != int64(int(n)) {
		c.bad = c.bad || n != -1
		return nil
	}
	return c.take(int(n))
}

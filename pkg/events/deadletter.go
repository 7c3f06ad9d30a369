package events

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"facestream/pkg/schema"

	"github.com/segmentio/kafka-go"
)

// Headers of a dead letter, beside the original record's own.
const (
	headerPrefix          = "fs_"
	headerOriginTopic     = "fs_origin_topic"
	headerOriginPartition = "fs_origin_partition"
	headerOriginOffset    = "fs_origin_offset"
	headerFailedAt        = "fs_failed_at" // RFC 3339
	headerReason          = "fs_reason"    // schema.Reason
	headerError           = "fs_error"
	headerClass           = "fs_class" // schema.Class
	headerService         = "fs_service"
	headerAttempts        = "fs_attempts"
	headerReplayed        = "fs_replayed"  // how often the record was replayed; also on the replayed record
	headerForwarded       = "fs_forwarded" // on a record that was written again under another key
	// headerFirst is where the record lay before it was replayed or forwarded: "partition/offset" of its topic. It is on the
	// later record and on the dead letters that follow.
	headerFirst = "fs_first"
	// These three say that only a reference to the record is kept; see Cut.
	headerCutLast   = "fs_cut_last_offset"
	headerCutSize   = "fs_cut_size"
	headerCutSHA256 = "fs_cut_sha256" // hexadecimal

	maxErrorBytes = 1024
)

// DeadLetterID is where a dead letter lies: partition and offset of the topic facestream.dead-letters.
type DeadLetterID struct {
	Partition int
	Offset    int64
}

// String is the form "partition/offset".
func (id DeadLetterID) String() string { return fmt.Sprintf("%d/%d", id.Partition, id.Offset) }

// ParseDeadLetterID reads what String writes.
func ParseDeadLetterID(s string) (DeadLetterID, error) {
	p, o, ok := strings.Cut(s, "/")
	partition, err1 := strconv.Atoi(p)
	offset, err2 := strconv.ParseInt(o, 10, 64)
	if !ok || err1 != nil || err2 != nil || partition < 0 || offset < 0 {
		return DeadLetterID{}, fmt.Errorf("%q is not the id of a dead letter; ids look like 0/17 (`facestream dead-letters list`)", s)
	}
	return DeadLetterID{partition, offset}, nil
}

// Cut says that a dead letter is only a reference to what lies on its original topic, because the record is too large to
// be read or to be kept, or because a batch of records is malformed or damaged. The dead letter then holds the first 4 KiB of
// the value (of a batch: of its records, as they are stored), and key and headers if they are small. It cannot be replayed.
type Cut struct {
	Last   int64             // the dead letter stands for the records from its OriginID up to this offset
	Size   int64             // of what was read: the record's value, as far as it was decompressed, the batch's compressed records, or a damaged batch
	SHA256 [sha256.Size]byte // of the same bytes
}

// DeadLetter is a record that could be neither handled nor answered, with the original bytes.
type DeadLetter struct {
	ID DeadLetterID

	Origin   Topic        // the topic of the original record
	OriginID DeadLetterID // its partition and offset there
	FailedAt time.Time
	Reason   schema.Reason
	Class    string // a schema.Class by name
	Error    string
	Service  string
	Attempts int
	Replayed int          // how often it had been replayed before it failed this time
	First    DeadLetterID // where it lay in its topic before it was ever replayed

	Key     []byte
	Value   []byte   // the original bytes
	Headers []Header // the original headers
	Cut     *Cut     // nil when the record is whole
}

// deadLetterMessage keeps key, value and headers of m and adds where, when, why and who.
func deadLetterMessage(m message, service string, attempts int, cause error, now time.Time) kafka.Message {
	replayed, first := 0, DeadLetterID{m.Partition, m.Offset}
	headers := make([]kafka.Header, 0, len(m.Headers)+10)
	for _, h := range m.Headers {
		if h.Key == headerReplayed {
			replayed, _ = strconv.Atoi(string(h.Value))
		}
		if id, err := ParseDeadLetterID(string(h.Value)); h.Key == headerFirst && err == nil {
			first = id
		}
		if !strings.HasPrefix(h.Key, headerPrefix) {
			headers = append(headers, h)
		}
	}
	add := func(key, value string) { headers = append(headers, kafka.Header{Key: key, Value: []byte(value)}) }
	add(headerOriginTopic, m.Topic)
	add(headerOriginPartition, strconv.Itoa(m.Partition))
	add(headerOriginOffset, strconv.FormatInt(m.Offset, 10))
	add(headerFailedAt, now.UTC().Format(time.RFC3339Nano))
	add(headerReason, string(cmp.Or(schema.ReasonOf(cause), schema.ReasonInternal)))
	add(headerClass, schema.ClassOf(cause).String())
	add(headerError, shorten(cause.Error(), maxErrorBytes))
	add(headerService, service)
	add(headerAttempts, strconv.Itoa(attempts))
	if replayed > 0 {
		add(headerReplayed, strconv.Itoa(replayed))
	}
	if first != (DeadLetterID{m.Partition, m.Offset}) {
		add(headerFirst, first.String())
	}
	if m.cut != nil {
		add(headerCutLast, strconv.FormatInt(m.cut.Last, 10))
		add(headerCutSize, strconv.FormatInt(m.cut.Size, 10))
		add(headerCutSHA256, hex.EncodeToString(m.cut.SHA256[:]))
	}
	return kafka.Message{Topic: string(DeadLetters), Key: m.Key, Value: m.Value, Headers: headers}
}

// shorten cuts s to at most n bytes at a rune's edge.
func shorten(s string, n int) string {
	if len(s) <= n {
		return strings.ToValidUTF8(s, "�")
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.ToValidUTF8(s[:n], "�")
}

func parseDeadLetter(m kafka.Message) DeadLetter {
	d := DeadLetter{ID: DeadLetterID{m.Partition, m.Offset}, FailedAt: m.Time, Key: m.Key, Value: m.Value}
	var cut Cut
	first := DeadLetterID{Offset: -1} // not said
	for _, h := range m.Headers {
		v := string(h.Value)
		switch h.Key {
		case headerOriginTopic:
			d.Origin = Topic(v)
		case headerOriginPartition:
			d.OriginID.Partition, _ = strconv.Atoi(v)
		case headerOriginOffset:
			d.OriginID.Offset, _ = strconv.ParseInt(v, 10, 64)
		case headerFailedAt:
			if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
				d.FailedAt = at
			}
		case headerReason:
			d.Reason = schema.Reason(v)
		case headerClass:
			d.Class = v
		case headerError:
			d.Error = v
		case headerService:
			d.Service = v
		case headerAttempts:
			d.Attempts, _ = strconv.Atoi(v)
		case headerReplayed:
			d.Replayed, _ = strconv.Atoi(v)
		case headerFirst:
			if id, err := ParseDeadLetterID(v); err == nil {
				first = id
			}
		case headerCutLast:
			cut.Last, _ = strconv.ParseInt(v, 10, 64)
			d.Cut = &cut
		case headerCutSize:
			cut.Size, _ = strconv.ParseInt(v, 10, 64)
		case headerCutSHA256:
			hex.Decode(cut.SHA256[:], h.Value[:min(len(h.Value), 2*sha256.Size)])
		default:
			d.Headers = append(d.Headers, Header(h))
		}
	}
	if d.First = first; first.Offset < 0 {
		d.First = d.OriginID
	}
	return d
}

// DeadLetterFilter selects dead letters; the zero value selects all.
type DeadLetterFilter struct {
	Origin  Topic         // "": any
	Reason  schema.Reason // "": any
	Service string        // "": any
	Since   time.Time     // failed at or after; zero: any time
}

func (f DeadLetterFilter) match(d DeadLetter) bool {
	return (f.Origin == "" || f.Origin == d.Origin) && (f.Reason == "" || f.Reason == d.Reason) &&
		(f.Service == "" || f.Service == d.Service) && !d.FailedAt.Before(f.Since)
}

// DeadLetters yields the dead letters that match, oldest first in each partition, up to the end of the topic as it is
// at the call. An error (transient) ends the sequence.
func (c *Client) DeadLetters(ctx context.Context, filter DeadLetterFilter) iter.Seq2[DeadLetter, error] {
	const op = "events.dead_letters"
	return func(yield func(DeadLetter, error) bool) {
		fail := func(err error) { yield(DeadLetter{}, schema.Transient(op, err)) }
		ids, err := c.partitions(ctx, DeadLetters)
		if err != nil {
			fail(err)
			return
		}
		ranges, err := c.ranges(ctx, DeadLetters, ids)
		if err != nil {
			fail(err)
			return
		}
		for _, p := range ranges {
			wanted := true
			err := c.readRange(ctx, DeadLetters, p, func(m kafka.Message) bool {
				if d := parseDeadLetter(m); filter.match(d) {
					wanted = yield(d, nil)
				}
				return wanted
			})
			if !wanted {
				return
			}
			if err != nil {
				fail(err)
				return
			}
		}
	}
}

// DeadLetter returns one dead letter. The error is permanent when there is none with this id.
func (c *Client) DeadLetter(ctx context.Context, id DeadLetterID) (DeadLetter, error) {
	const op = "events.dead_letter"
	var found *DeadLetter
	ranges, err := c.ranges(ctx, DeadLetters, []int{id.Partition})
	if err == nil {
		r := ranges[0]
		r.First, r.Last = max(r.First, id.Offset), min(r.Last, id.Offset+1)
		err = c.readRange(ctx, DeadLetters, r, func(m kafka.Message) bool {
			if m.Offset == id.Offset {
				d := parseDeadLetter(m)
				found = &d
			}
			return false
		})
	}
	switch {
	case err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition):
		return DeadLetter{}, schema.Transient(op, err)
	case found == nil:
		return DeadLetter{}, schema.Permanent(op, schema.ReasonInvalidRequest, fmt.Errorf("there is no dead letter %s; `facestream dead-letters list` shows all", id))
	}
	return *found, nil
}

// readRange reads the records of [First, Last) of one partition until h returns false. A context that ends is an error.
func (c *Client) readRange(ctx context.Context, topic Topic, p PartitionStatus, h func(kafka.Message) bool) error {
	r := &partitionReader{client: c, topic: topic, partition: p.ID, next: p.First}
	r.deliver = func(m message) error {
		switch {
		case m.Offset >= p.Last:
			return errEnough
		case m.cut != nil:
			c.log.Warn("skipping what cannot be read", "topic", m.Topic, "partition", m.Partition, "offset", m.Offset, "last", m.last(), "error", m.cut.cause)
		case !h(m.Message):
			return errEnough
		}
		return nil
	}
	r.progress = func(next, _ int64) error {
		if next >= p.Last {
			return errEnough
		}
		return nil
	}
	if p.First >= p.Last {
		return nil
	}
	err := r.run(ctx)
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err == nil:
		return ctx.Err()
	}
	return err
}

// errEnough ends a bounded read.
var errEnough = errors.New("enough was read")

// Replay writes the original record of d to the topic where it failed, with the same key, bytes and headers, and a header
// fs_replayed that counts the replays. The record also says where it lay first ([Record.First]). nil means durable. The dead letter itself stays until retention removes it. To
// replay it twice does the work twice, with the same outcome (invariant 3). A dead letter that is only a reference ([Cut])
// cannot be replayed.
func (c *Client) Replay(ctx context.Context, p *Publisher, d DeadLetter) error {
	if d.Origin == "" {
		return schema.Permanent("events.replay", schema.ReasonInvalidRequest, fmt.Errorf("dead letter %s does not say which topic it comes from", d.ID))
	}
	if d.Cut != nil {
		return schema.Permanent("events.replay", schema.ReasonInvalidRequest, fmt.Errorf("dead letter %s is only a reference to the record at %s %s, which was too large, malformed or damaged", d.ID, d.Origin, d.OriginID))
	}
	headers := append(kafkaHeaders(d.Headers), kafka.Header{Key: headerReplayed, Value: []byte(strconv.Itoa(d.Replayed + 1))},
		kafka.Header{Key: headerFirst, Value: []byte(d.First.String())})
	return p.write(ctx, d.Origin, []kafka.Message{{Topic: string(d.Origin), Key: d.Key, Value: d.Value, Headers: headers}})
}

func kafkaHeaders(headers []Header) []kafka.Header {
	out := make([]kafka.Header, len(headers))
	for i, h := range headers {
		out[i] = kafka.Header(h)
	}
	return out
}

package events

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facestream/pkg/schema"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/klauspost/compress/snappy"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// writeBatch sends one batch as a foreign producer would.
func writeBatch(t *testing.T, ctx context.Context, c *Client, topic Topic, codec kafka.Compression, records ...kafka.Message) {
	t.Helper()
	w := &kafka.Writer{Addr: c.kafka.Addr, Transport: c.transport, Topic: string(topic), Compression: codec, RequiredAcks: kafka.RequireAll,
		BatchBytes: 1 << 30, BatchSize: len(records), BatchTimeout: time.Second}
	defer w.Close()
	if err := w.WriteMessages(ctx, records...); err != nil {
		t.Fatal(err)
	}
}

// What is small on the broker's disk and large in memory costs nobody else anything: it is kept by reference, and the
// consumer goes on, with the batch's other records and after a restart too.
func TestInvariant8DecompressedSize(t *testing.T) {
	for _, codec := range []kafka.Compression{kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			ctx, c, topic := setup(t, newBroker(t), 1)
			spaces := bytes.Repeat([]byte(" "), 19*mib/2)
			good := kafka.Message{Key: []byte("good"), Value: []byte(`{}`), Headers: kafkaHeaders(headers("ce_specversion", "1.0", "ce_id", "1", "ce_type", TypeJob, "ce_source", "test"))}
			want := []string{"0/1"} // the dead letters' origins
			writeBatch(t, ctx, c, topic, codec, good, kafka.Message{Key: []byte("large"), Value: spaces}, good)
			n := int64(3)
			if codec != kafka.Snappy { // which does not get 80 MiB below the topic's limit
				huge := kafka.Message{Key: []byte("huge"), Value: bytes.Repeat([]byte(" "), maxBatchBytes+16*mib)}
				writeBatch(t, ctx, c, topic, codec, good, huge, good)
				writeBatch(t, ctx, c, topic, codec, good)
				want, n = append(want, "0/4"), n+4
			}
			var handled atomic.Int64
			group := uuid.NewString()
			for range 2 { // again after a restart
				r := consume(t, ctx, c, ConsumerConfig{Group: group, Service: "tester", Topics: []Topic{topic}}, func(context.Context, Record) error {
					handled.Add(1)
					return nil
				})
				wantCommitted(t, ctx, c, group, topic, n)
				r.finish(t)
			}
			if got := handled.Load(); n == 3 && got != 2 || n == 7 && got != 4 {
				t.Errorf("%d records were handled", got)
			}
			var got []string
			dead := deadLetters(t, ctx, c, topic)
			for _, d := range dead {
				got = append(got, d.OriginID.String())
				if d.Reason != schema.ReasonUnparsable || d.Cut == nil || !bytes.Equal(d.Value, spaces[:cutHeadBytes]) || len(d.Key) == 0 {
					t.Fatalf("dead letter %s: reason %s, cut %+v, key %q, %d bytes", d.ID, d.Reason, d.Cut, d.Key, len(d.Value))
				}
				if err := c.Replay(ctx, publisher(t, c), d); schema.ClassOf(err) != schema.ClassPermanent {
					t.Errorf("replay of a reference: %v, want a permanent error", err)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("dead letters (-want +got):\n%s", diff)
			}
			if d := dead[0].Cut; d.Last != 1 || d.Size != int64(len(spaces)) || d.SHA256 != sha256.Sum256(spaces) {
				t.Errorf("the large record is cut as %+v", d)
			}
			if n == 7 {
				// It and the record behind it.
				d := dead[1].Cut
				if d.Last != 5 || d.Size > maxBatchBytes || d.Size < maxBatchBytes-mib || d.SHA256 != sha256.Sum256(bytes.Repeat([]byte(" "), int(d.Size))) {
					t.Errorf("the huge record is cut as %+v", d)
				}
			}
			var read int
			for range values(t, ctx, c, topic) { // without a group
				read++
			}
			if read != int(handled.Load()) {
				t.Errorf("ReadAll gave %d records, the consumer %d", read, handled.Load())
			}
		})
	}
}

// Records in flight take a bounded memory together, however many may be in flight.
func TestInvariant8InFlight(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	const n = 12
	for range n {
		writeBatch(t, ctx, c, topic, kafka.Gzip, kafka.Message{Value: bytes.Repeat([]byte(" "), 7*mib), Headers: kafkaHeaders(headers("ce_specversion", "1.0", "ce_id", "1", "ce_type", TypeJob, "ce_source", "test"))})
	}
	release, full := make(chan struct{}), make(chan struct{})
	var running, most, lag atomic.Int64
	group := uuid.NewString()
	consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}, Concurrency: n, Hooks: Hooks{
		InFlight: func(records int) { most.Store(max(most.Load(), int64(records))) },
		Lag: func(_ Topic, _ int, behind int64) {
			lag.Store(behind)
		},
	}}, func(context.Context, Record) error {
		if running.Add(1) == maxInFlightBytes/(7*mib) {
			close(full)
		}
		<-release
		return nil
	})
	select {
	case <-full:
	case <-ctx.Done():
		t.Fatal("the records do not come")
	}
	work(100 * time.Millisecond) // in which more would come
	if most.Load() != maxInFlightBytes/(7*mib) || lag.Load() == 0 {
		t.Errorf("%d records of 7 MiB were in flight, and %d were left", most.Load(), lag.Load())
	}
	close(release)
	wantCommitted(t, ctx, c, group, topic, n)
}

// A record that can be read and not be kept whole among the dead letters is kept by reference.
func TestDeadLetterTooLarge(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	poison := kafka.Message{Key: []byte("k"), Value: bytes.Repeat([]byte(" "), maxRecordBytes+1000),
		Headers: kafkaHeaders(headers("small", "s", "content-type", "application/cloudevents+json", "large", strings.Repeat("l", cutOtherBytes)))}
	writeBatch(t, ctx, c, topic, kafka.Gzip, poison)
	group := uuid.NewString()
	consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(context.Context, Record) error { return nil })
	wantCommitted(t, ctx, c, group, topic, 1)
	dead := deadLetters(t, ctx, c, topic)
	if len(dead) != 1 {
		t.Fatalf("%d dead letters, want 1", len(dead))
	}
	d := dead[0]
	if d.Cut == nil || d.Cut.Last != 0 || d.Cut.Size != int64(len(poison.Value)) || d.Cut.SHA256 != sha256.Sum256(poison.Value) ||
		!bytes.Equal(d.Value, poison.Value[:cutHeadBytes]) || string(d.Key) != "k" || len(d.Headers) != 2 || d.Headers[0].Key != "small" {
		t.Errorf("cut %+v, %d bytes, key %q, headers %v", d.Cut, len(d.Value), d.Key, d.Headers)
	}
}

// rawBatch renders a batch with payload, as a hostile producer may.
func rawBatch(codec kafka.Compression, count int32, payload []byte) []byte {
	b := make([]byte, batchPrefix, batchPrefix+len(payload))
	binary.BigEndian.PutUint64(b, 100)
	binary.BigEndian.PutUint32(b[8:], uint32(batchPrefix-12+len(payload)))
	b[16] = 2
	binary.BigEndian.PutUint16(b[21:], uint16(codec))
	binary.BigEndian.PutUint32(b[23:], uint32(count-1))
	binary.BigEndian.PutUint32(b[57:], uint32(count))
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

func varints(n ...int64) (out []byte) {
	for _, x := range n {
		out = binary.AppendVarint(out, x)
	}
	return out
}

// body renders a record: its length, no attributes, no time, and what follows.
func body(offset int64, rest ...byte) []byte {
	b := append([]byte{0}, varints(0, offset)...)
	b = append(b, rest...)
	return append(varints(int64(len(b))), b...)
}

// No size that a batch states about itself is believed: a lie costs neither memory nor the records before it.
func TestBatchThatLies(t *testing.T) {
	good := body(0, append(varints(-1, 2), append([]byte("{}"), varints(0)...)...)...)
	with := func(more ...[]byte) []byte { return append(bytes.Clone(good), bytes.Join(more, nil)...) }
	xerial := append(bytes.Clone(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1)
	const giga = 1 << 30
	for name, raw := range map[string][]byte{
		"2 billion records":        rawBatch(0, 1<<31-1, good),
		"a record of 1 GiB":        rawBatch(0, 2, with(varints(giga), []byte{0, 0, 2})),
		"a record of 8 MiB":        rawBatch(0, 2, with(varints(8*mib))),
		"a negative length":        rawBatch(0, 2, with(varints(-5))),
		"a key of 1 GiB":           rawBatch(0, 2, with(body(1, varints(giga)...))),
		"a value of 1 GiB":         rawBatch(0, 2, with(body(1, varints(-1, giga)...))),
		"a value of -2":            rawBatch(0, 2, with(body(1, varints(-1, -2, 0)...))),
		"1 billion headers":        rawBatch(0, 2, with(body(1, varints(-1, -1, giga)...))),
		"-1 headers":               rawBatch(0, 2, with(body(1, varints(-1, -1, -1)...))),
		"a header of 1 GiB":        rawBatch(0, 2, with(body(1, varints(-1, -1, 1, giga)...))),
		"the same offset twice":    rawBatch(0, 2, with(good)),
		"an offset behind the end": rawBatch(0, 2, with(body(2, varints(-1, -1, 0)...))),
		"an offset before it":      rawBatch(0, 2, with(body(-7, varints(-1, -1, 0)...))),
		"a Snappy block of 4 GiB":  rawBatch(kafka.Snappy, 1, append(binary.AppendUvarint(nil, 1<<32-1), 0)),
		"a Snappy block of 1 GiB":  rawBatch(kafka.Snappy, 1, append(xerial, append([]byte{0, 0, 0, 6}, append(binary.AppendUvarint(nil, giga), 0)...)...)),
		"a Snappy frame of 4 GiB":  rawBatch(kafka.Snappy, 1, append(xerial, 255, 255, 255, 255)),
		"a Zstandard window":       rawBatch(kafka.Zstd, 1, []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 19 << 3, 1, 0, 0}), // of 512 MiB
		"no gzip":                  rawBatch(kafka.Gzip, 1, []byte("no gzip")),
		"no LZ4":                   rawBatch(kafka.Lz4, 1, []byte("no LZ4")),
		"an unknown codec":         rawBatch(7, 1, good),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var got []message
			for b, err := range batches(raw) {
				if err != nil {
					t.Fatal(err)
				}
				for m := range b.records(t.Context()) {
					got = append(got, m)
				}
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > maxWindowBytes+8*mib {
				t.Errorf("%d bytes were allocated", used)
			}
			if len(got) == 0 || got[len(got)-1].cut == nil {
				t.Fatalf("messages %+v, want a last one that is cut", got)
			}
			first := raw[22]&7 == 0 // the good record comes first
			if first != (len(got) == 2) || first && (got[0].cut != nil || got[0].Offset != 100 || string(got[0].Value) != "{}") {
				t.Errorf("messages %+v", got)
			}
			end := got[len(got)-1]
			if last := 99 + int64(int32(binary.BigEndian.Uint32(raw[57:]))); end.last() != last || schema.ClassOf(end.cut.cause) != schema.ClassPermanent {
				t.Errorf("cut up to %d, want %d: %v", end.last(), last, end.cut.cause)
			}
		})
	}
}

// Many small headers take more memory than bytes.
func TestBatchOfHeaders(t *testing.T) {
	const n = 1_000_000
	rest := append(varints(-1, 2), append([]byte("{}"), varints(n)...)...)
	raw := rawBatch(0, 1, body(0, append(rest, make([]byte, 2*n)...)...))
	for b := range batches(raw) {
		for m := range b.records(t.Context()) {
			if m.cut == nil || string(m.Value) != "{}" || len(m.Headers) != 0 {
				t.Errorf("cut %v, value %q, %d headers", m.cut, m.Value, len(m.Headers))
			}
		}
	}
}

// Every codec, and both forms of Snappy, read what kafka-go writes.
func TestBatchCodecs(t *testing.T) {
	value := []byte(strings.Repeat("facestream ", 20_000))
	at := time.UnixMilli(1_800_000_000_123)
	for _, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		set := protocol.RecordSet{Version: 2, Attributes: protocol.Attributes(codec), Records: protocol.NewRecordReader(
			protocol.Record{Time: at, Key: protocol.NewBytes([]byte("k")), Value: protocol.NewBytes(value), Headers: []protocol.Header{{Key: "h", Value: []byte("v")}}},
			protocol.Record{Time: at, Value: protocol.NewBytes([]byte{})},
			protocol.Record{Time: at, Key: protocol.NewBytes([]byte{})},
		)}
		var raw bytes.Buffer
		if _, err := set.WriteTo(&raw); err != nil {
			t.Fatal(err)
		}
		var got []kafka.Message
		for b, err := range batches(raw.Bytes()[4:]) {
			if err != nil {
				t.Fatal(err)
			}
			for m := range b.records(t.Context()) {
				if m.cut != nil {
					t.Fatalf("%s: %v", codec, m.cut.cause)
				}
				got = append(got, m.Message)
			}
		}
		want := []kafka.Message{
			{Offset: 0, Time: at, Key: []byte("k"), Value: value, Headers: []kafka.Header{{Key: "h", Value: []byte("v")}}},
			{Offset: 1, Time: at, Value: []byte{}, Headers: []kafka.Header{}},
			{Offset: 2, Time: at, Key: []byte{}, Headers: []kafka.Header{}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%.2000s", codec, diff)
		}
	}
	plain := body(0, append(varints(-1, 2), append([]byte("{}"), varints(0)...)...)...)
	block := snappy.Encode(nil, plain)
	for name, payload := range map[string][]byte{
		"one block": block,
		"framed":    append(append(bytes.Clone(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, byte(len(block))), block...),
	} {
		for b := range batches(rawBatch(kafka.Snappy, 1, payload)) {
			for m := range b.records(t.Context()) {
				if m.cut != nil || string(m.Value) != "{}" {
					t.Errorf("Snappy, %s: %+v", name, m)
				}
			}
		}
	}
}

// A batch whose checksum is wrong may have been damaged on its way; it is asked for again.
func TestBatchChecksum(t *testing.T) {
	raw := rawBatch(0, 1, body(0, varints(-1, -1, 0)...))
	raw[len(raw)-1] ^= 1
	for _, err := range batches(raw) {
		if err == nil || !contains(err.Error(), "checksum") || schema.ClassOf(err) == schema.ClassPermanent {
			t.Errorf("error %v", err)
		}
	}
}

// A reader that is stopped does not decompress a batch to its end.
func TestBatchCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for b := range batches(rawBatch(0, 1, body(0, varints(-1, -1, 0)...))) {
		for m := range b.records(ctx) {
			t.Errorf("message %+v", m)
		}
	}
}

func FuzzBatch(f *testing.F) {
	plain := body(0, append(varints(1, 'k', 2), append([]byte("{}"), varints(1, 1, 'h', 1, 'v')...)...)...)
	for codec := range kafka.Compression(6) {
		payload := plain
		if codec > 0 && codec < 5 {
			var b bytes.Buffer
			w := codec.Codec().NewWriter(&b)
			w.Write(plain)
			w.Close()
			payload = b.Bytes()
		}
		f.Add(uint8(codec), int32(1), payload)
	}
	f.Fuzz(func(t *testing.T, codec uint8, count int32, payload []byte) {
		next := int64(100)
		for b, err := range batches(rawBatch(kafka.Compression(codec&7), max(count, 1), payload)) {
			if err != nil {
				t.Fatal(err)
			}
			for m := range b.records(t.Context()) {
				if m.Offset < next || m.last() < m.Offset || m.last() > b.last {
					t.Fatalf("offset %d to %d after %d in a batch that ends at %d", m.Offset, m.last(), next, b.last)
				}
				next = m.last() + 1
				if m.cut != nil && len(m.Value) > cutHeadBytes {
					t.Fatalf("%d bytes are kept of a record that is cut", len(m.Value))
				}
			}
			if next != b.last+1 {
				t.Fatalf("the batch ends at %d, its messages at %d", b.last, next-1)
			}
		}
	})
}

package events

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"facestream/pkg/schema"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// damagingConn changes what the broker sends.
type damagingConn struct {
	net.Conn
	damage func(sent []byte)
}

func (c *damagingConn) Write(b []byte) (int, error) {
	sent := bytes.Clone(b)
	c.damage(sent)
	return c.Conn.Write(sent)
}

type damagingListener struct {
	net.Listener
	damage func(sent []byte)
}

func (l *damagingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &damagingConn{c, l.damage}, err
}

const marked = "marked"

// damagingBroker lets damage change each batch of two records that holds the marked one, as often as the broker sends it. Dead
// letters are batches of one.
func damagingBroker(t *testing.T, damage func(batch []byte)) *broker {
	t.Helper()
	needFake(t, "it damages what the broker sends")
	var mu sync.Mutex
	return newFake(t, kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		return &damagingListener{l, func(sent []byte) {
			at := bytes.Index(sent, []byte(marked))
			for from := at - batchPrefix; at > 0 && from >= 0; from-- {
				b := sent[from:]
				if b[16] != 2 || b[60] != 2 || batchSize(b) < at-from || batchSize(b) > len(b) ||
					binary.BigEndian.Uint32(b[17:]) != crc32.Checksum(b[21:batchSize(b)], castagnoli) {
					continue
				}
				mu.Lock()
				damage(b[:batchSize(b)])
				mu.Unlock()
				return
			}
		}}, err
	}))
}

// writeMarked writes three batches of two records each. One record of the batch with that number, from 0, is marked.
func writeMarked(t *testing.T, ctx context.Context, c *Client, topic Topic, number int) {
	t.Helper()
	for i := range 3 {
		records := make([]kafka.Message, 2)
		for j := range records {
			records[j] = kafka.Message{Value: []byte(`{}`), Headers: kafkaHeaders(headers("ce_specversion", "1.0", "ce_id", "1", "ce_type", TypeJob, "ce_source", "test"))}
		}
		if i == number {
			records[1].Value = []byte(marked)
		}
		writeBatch(t, ctx, c, topic, 0, records...)
	}
}

// A batch that was damaged on its way comes whole another time, and nothing is given up.
func TestBatchDamagedOnItsWay(t *testing.T) {
	var sent atomic.Int64
	b := damagingBroker(t, func(batch []byte) {
		if sent.Add(1) <= 5 {
			batch[len(batch)-3] ^= 0x10
		}
	})
	ctx, c, topic := setup(t, b, 1)
	writeMarked(t, ctx, c, topic, 1)
	var handled atomic.Int64
	group := uuid.NewString()
	consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(context.Context, Record) error {
		handled.Add(1)
		return nil
	})
	wantCommitted(t, ctx, c, group, topic, 6)
	if dead := deadLetters(t, ctx, c, topic); handled.Load() != 6 || len(dead) != 0 || sent.Load() < 6 {
		t.Errorf("%d records were handled, %d are dead letters; the batch was sent %d times", handled.Load(), len(dead), sent.Load())
	}
}

// A batch that is damaged at the broker does not hold up the partition: it becomes a dead letter that says which records it
// stands for, whatever its header says about its end.
func TestBatchDamagedAtTheBroker(t *testing.T) {
	const lastDelta = 26 // the lowest byte of the distance from the first to the last offset
	for name, tt := range map[string]struct {
		number int
		damage func(batch []byte)
		what   string
	}{
		"a value":                       {0, func(b []byte) { b[len(b)-3] ^= 1 }, "checksum"},
		"the checksum":                  {1, func(b []byte) { b[17] ^= 1 }, "checksum"},
		"the number of records":         {1, func(b []byte) { b[60] ^= 1 }, "checksum"},
		"the last offset, less":         {1, func(b []byte) { b[lastDelta] = 0 }, "checksum"},
		"the last offset, much more":    {1, func(b []byte) { b[23] ^= 1 }, "checksum"},
		"the version":                   {1, func(b []byte) { b[16] = 0 }, "format"},
		"the length, more than is sent": {1, func(b []byte) { b[8] ^= 1 }, "bytes of a batch"},
		"the length, too little":        {1, func(b []byte) { copy(b[8:], []byte{0, 0, 0, 9}) }, "too small"},
		"the last batch":                {2, func(b []byte) { b[len(b)-3] ^= 1 }, "checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := damagingBroker(t, tt.damage)
			ctx, c, topic := setup(t, b, 1)
			writeMarked(t, ctx, c, topic, tt.number)
			var handled atomic.Int64
			group := uuid.NewString()
			for range 2 { // again after a restart
				r := consume(t, ctx, c, ConsumerConfig{Group: group, Service: "tester", Topics: []Topic{topic}}, func(context.Context, Record) error {
					handled.Add(1)
					return nil
				})
				wantCommitted(t, ctx, c, group, topic, 6)
				r.finish(t)
			}
			if handled.Load() != 4 {
				t.Errorf("%d records were handled, want 4", handled.Load())
			}
			dead := deadLetters(t, ctx, c, topic)
			if len(dead) != 1 {
				t.Fatalf("%d dead letters, want 1", len(dead))
			}
			d, first := dead[0], int64(2*tt.number)
			got := []int64{d.OriginID.Offset, d.Cut.Last}
			if diff := cmp.Diff([]int64{first, first + 1}, got); diff != "" || d.Reason != schema.ReasonUnparsable ||
				!strings.Contains(d.Error, tt.what) || d.Cut.Size < batchPrefix || len(d.Value) == 0 {
				t.Errorf("dead letter about %v: reason %s, error %q, %d bytes of %d (-want +got):\n%s", got, d.Reason, d.Error, len(d.Value), d.Cut.Size, diff)
			}
		})
	}
}

// A batch whose end nobody knows is not passed over: the consumer stops and says where.
func TestBatchDamagedWithoutAnEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		number int
		damage func(batch []byte)
	}{
		"the last batch ends too late":  {2, func(b []byte) { b[26]++ }},
		"the last batch ends too early": {2, func(b []byte) { b[26]-- }},
		"neither end nor length":        {1, func(b []byte) { b[8] ^= 1; b[26] ^= 4 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := damagingBroker(t, tt.damage)
			ctx, c, topic := setup(t, b, 1)
			writeMarked(t, ctx, c, topic, tt.number)
			group := uuid.NewString()
			r := consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(context.Context, Record) error { return nil })
			err := <-r.done
			if schema.ClassOf(err) != schema.ClassFatal || !contains(err.Error(), string(topic)) || !contains(err.Error(), "damaged") {
				t.Errorf("Run: %v, want a fatal error that says where", err)
			}
			if got, want := sum(committed(t, ctx, c, group, topic)), int64(2*tt.number); got > want || len(deadLetters(t, ctx, c, topic)) != 0 {
				t.Errorf("committed up to %d, though the batch at %d was not read; %d dead letters", got, want, len(deadLetters(t, ctx, c, topic)))
			}
		})
	}
}

package events

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	fetchapi "github.com/segmentio/kafka-go/protocol/fetch"
)

const (
	fetchBytes = mib // a single larger record still comes whole
	// fetchWait is how long the broker holds an empty answer back. kafka-go cannot abort a request that it has sent, so
	// it is also how long a stopped reader's connection is in use, unless the client is closed.
	fetchWait = 500 * time.Millisecond
)

// fetched is a broker's answer about one partition: its log from some offset on.
type fetched struct {
	errorCode int16 // of the request or the partition
	end       int64 // of the log
	stable    int64 // the first record of the oldest transaction that is still open; negative when the broker does not say
	aborted   abortedTransactions
	log       []byte // batches
}

// ApiKey makes fetched a message of kafka-go.
func (*fetched) ApiKey() protocol.ApiKey { return protocol.Fetch }

// readable is the end of what can be read.
func (f *fetched) readable() int64 {
	if f.stable >= 0 {
		return min(f.end, f.stable)
	}
	return f.end
}

// records calls yield for each committed record at from and after, with the offset that follows it, and with nil where
// the reading moves on to an offset without a record.
//
// Asking for committed records only makes the broker stop before open transactions; those that were aborted lie in the
// log among the other records, and leaving them out is up to the reader.
func (f *fetched) records(ctx context.Context, from int64, yield func(m *message, next int64) error) error {
	for batch, err := range batches(f.log) {
		if err != nil {
			return err
		}
		switch {
		case batch.last < from || f.aborted.hold(batch): // nothing to deliver
		case batch.attributes.Control():
			for m := range batch.records(ctx) {
				f.aborted.end(batch.producer, m.Message)
			}
		default:
			for m := range batch.records(ctx) {
				if m.last() < from { // a batch comes whole, also when it begins before what was asked for
					continue
				}
				m.Offset = max(m.Offset, from)
				m.HighWaterMark = f.end
				if err := yield(&m, m.last()+1); err != nil {
					return err
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if batch.last >= from {
			if err := yield(nil, batch.last+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetch asks for committed records at r.next and after.
func (r *partitionReader) fetch(ctx context.Context) (*fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := r.client.transport.RoundTrip(ctx, r.client.kafka.Addr, &rawFetch{clientID: r.client.cfg.ClientID, Request: &fetchapi.Request{
		ReplicaID: -1, SessionID: -1, SessionEpoch: -1, // a client, without a fetch session
		MinBytes: 1, MaxBytes: fetchBytes, MaxWaitTime: int32(fetchWait.Milliseconds()), IsolationLevel: int8(kafka.ReadCommitted),
		Topics: []fetchapi.RequestTopic{{Topic: string(r.topic), Partitions: []fetchapi.RequestPartition{{
			Partition: int32(r.partition), FetchOffset: r.next, PartitionMaxBytes: fetchBytes,
			CurrentLeaderEpoch: -1, LogStartOffset: -1, // unknown
		}}}},
	}})
	if err != nil {
		return nil, err
	}
	f := answer.(*fetched)
	if f.errorCode != 0 {
		return nil, kafka.Error(f.errorCode)
	}
	return f, nil
}

// rawFetch is a fetch of one partition whose answer is not decoded by kafka-go: that would decompress all of it, whatever
// it comes to, and would drop the list of aborted transactions.
type rawFetch struct {
	*fetchapi.Request
	clientID string
	version  int16
}

var (
	_ protocol.PreparedMessage = (*rawFetch)(nil)
	_ protocol.RawExchanger    = (*rawFetch)(nil)
)

// Prepare is told the version of the protocol.
func (f *rawFetch) Prepare(version int16) { f.version = version }

// Required says that RawExchange is to be called.
func (f *rawFetch) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange sends the request and reads the answer. The connection has the request's deadline.
func (f *rawFetch) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	const id = 1
	if err := protocol.WriteRequest(rw, f.version, id, f.clientID, f.Request); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, rw, int64(int32(binary.BigEndian.Uint32(size[:])))); err != nil {
		return nil, err
	}
	c := &cursor{b: body.Bytes()}
	if got := c.int32(); got != id {
		return nil, fmt.Errorf("the broker answers request %d instead of %d", got, id)
	}
	return f.parse(c)
}

// parse reads the body of the answer (https://kafka.apache.org/protocol#The_Messages_Fetch, versions 0 to 11).
func (f *rawFetch) parse(c *cursor) (*fetched, error) {
	since := func(version int16, size int) {
		if f.version >= version {
			c.take(size)
		}
	}
	out := &fetched{stable: -1}
	since(1, 4) // throttling
	if f.version >= 7 {
		if out.errorCode = c.int16(); out.errorCode != 0 {
			return out, nil
		}
		c.take(4) // session
	}
	topics := c.int32()
	c.take(int(c.int16())) // the topic's name
	if partitions := c.int32(); c.bad || topics != 1 || partitions != 1 {
		return nil, errors.New("the broker's answer to a fetch is not about the one partition that was asked for")
	}
	c.take(4) // the partition's number
	out.errorCode = c.int16()
	out.end = c.int64()
	if f.version >= 4 {
		out.stable = c.int64()
	}
	since(5, 8) // the start of the log
	out.aborted = abortedTransactions{}
	if f.version >= 4 {
		for range c.int32() {
			producer := c.int64()
			out.aborted.add(producer, c.int64())
			if c.bad {
				break
			}
		}
	}
	since(11, 4) // a replica that is nearer
	if n := c.int32(); n > 0 {
		out.log = c.take(int(n))
	}
	if c.bad {
		return nil, errors.New("the broker's answer to a fetch ends too soon")
	}
	return out, nil
}

// abortedTransactions says which batches of one fetch belong to aborted transactions. The broker names each aborted
// transaction by its producer and first offset; it lasts until the abort marker of that producer.
type abortedTransactions map[int64][]int64 // ascending first offsets by producer

func (a abortedTransactions) add(producer, first int64) {
	offsets := append(a[producer], first)
	slices.Sort(offsets)
	a[producer] = offsets
}

// hold tells whether the batch is part of an aborted transaction. A producer has one transaction at a time, and a batch
// is one producer's.
func (a abortedTransactions) hold(b recordBatch) bool {
	first := a[b.producer]
	return b.attributes.Transactional() && !b.attributes.Control() && len(first) > 0 && first[0] <= b.base
}

// end notes a control record. Its key is a version and a type, 16 bits each, big-endian; type 0 ends an aborted
// transaction (https://kafka.apache.org/documentation/#controlbatch). The broker also writes the mark of a transaction
// that wrote nothing here, and does not list it: such a mark stands before the transaction that comes next.
func (a abortedTransactions) end(producer int64, mark kafka.Message) {
	first := a[producer]
	if key := mark.Key; len(key) >= 4 && key[2] == 0 && key[3] == 0 && len(first) > 0 && first[0] < mark.Offset {
		a[producer] = first[1:]
	}
}

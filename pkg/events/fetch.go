package events

import (
	"cmp"
	"context"
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

// fetch returns the committed records at r.next and after, the offset that follows what was read, and the end of what
// can be read: the end of the log, or the first record of the oldest transaction that is still open.
//
// It sends the request itself because kafka.Client.Fetch drops the broker's list of aborted transactions. Asking for
// committed records only makes the broker stop before open transactions; those that were aborted lie in the log among
// the other records, and leaving them out is up to the reader.
func (r *partitionReader) fetch(ctx context.Context) (records []kafka.Message, next, end int64, err error) {
	partition, err := r.ask(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	next, end = r.next, partition.HighWatermark
	if partition.LastStableOffset >= 0 {
		end = min(end, partition.LastStableOffset)
	}
	if partition.RecordSet.Records == nil {
		return nil, next, end, nil
	}
	batches := []kafka.RecordReader{partition.RecordSet.Records}
	if stream, ok := partition.RecordSet.Records.(*protocol.RecordStream); ok {
		batches = stream.Records
	}
	aborted := newAbortedTransactions(partition.AbortedTransactions)
	for _, batch := range batches {
		control, isControl := batch.(*protocol.ControlBatch)
		skip := isControl || aborted.hold(batch)
		for {
			rec, err := batch.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, 0, 0, err
			}
			m, err := r.message(rec)
			if err != nil {
				return nil, 0, 0, err
			}
			if isControl {
				aborted.end(control.ProducerID, m)
			}
			if m.Offset < r.next { // a batch comes whole, also when it begins before what was asked for
				continue
			}
			next = m.Offset + 1
			if !skip {
				m.HighWaterMark = partition.HighWatermark
				records = append(records, m)
			}
		}
	}
	return records, next, end, nil
}

// ask sends the request for committed records at r.next and after.
func (r *partitionReader) ask(ctx context.Context) (*fetchapi.ResponsePartition, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := r.client.transport.RoundTrip(ctx, r.client.kafka.Addr, &fetchapi.Request{
		ReplicaID: -1, SessionID: -1, SessionEpoch: -1, // a client, without a fetch session
		MinBytes: 1, MaxBytes: fetchBytes, MaxWaitTime: int32(fetchWait.Milliseconds()), IsolationLevel: int8(kafka.ReadCommitted),
		Topics: []fetchapi.RequestTopic{{Topic: string(r.topic), Partitions: []fetchapi.RequestPartition{{
			Partition: int32(r.partition), FetchOffset: r.next, PartitionMaxBytes: fetchBytes,
			CurrentLeaderEpoch: -1, LogStartOffset: -1, // unknown
		}}}},
	})
	if err != nil {
		return nil, err
	}
	response := answer.(*fetchapi.Response)
	if response.ErrorCode != 0 {
		return nil, kafka.Error(response.ErrorCode)
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return nil, errors.New("the broker's answer to a fetch is not about the one partition that was asked for")
	}
	partition := &response.Topics[0].Partitions[0]
	if partition.ErrorCode != 0 {
		return nil, kafka.Error(partition.ErrorCode)
	}
	return partition, nil
}

// message copies a record out of kafka-go's pooled buffers.
func (r *partitionReader) message(rec *kafka.Record) (kafka.Message, error) {
	m := kafka.Message{Topic: string(r.topic), Partition: r.partition, Offset: rec.Offset, Headers: rec.Headers, Time: rec.Time}
	for _, x := range []struct {
		from kafka.Bytes
		to   *[]byte
	}{{rec.Key, &m.Key}, {rec.Value, &m.Value}} {
		if x.from == nil {
			continue
		}
		b, err := kafka.ReadAll(x.from)
		x.from.Close()
		if err != nil {
			return m, fmt.Errorf("offset %d: %w", rec.Offset, err)
		}
		*x.to = b
	}
	return m, nil
}

// abortedTransactions says which batches of one fetch belong to aborted transactions. The broker names each aborted
// transaction by its producer and first offset; it lasts until the abort marker of that producer.
type abortedTransactions map[int64][]int64 // ascending first offsets by producer

func newAbortedTransactions(list []fetchapi.ResponseTransaction) abortedTransactions {
	out := abortedTransactions{}
	for _, x := range list {
		out[x.ProducerID] = append(out[x.ProducerID], x.FirstOffset)
	}
	for _, offsets := range out {
		slices.SortFunc(offsets, cmp.Compare[int64])
	}
	return out
}

// hold tells whether the batch is part of an aborted transaction. A producer has one transaction at a time, and a batch
// is one producer's.
func (a abortedTransactions) hold(batch kafka.RecordReader) bool {
	b, ok := batch.(*protocol.RecordBatch)
	if !ok || !b.Attributes.Transactional() {
		return false
	}
	first := a[b.ProducerID]
	return len(first) > 0 && first[0] <= b.BaseOffset
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

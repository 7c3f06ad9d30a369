package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"facestream/pkg/events"
)

// rawBatch renders a record batch of version 2 (https://kafka.apache.org/documentation/#recordbatch) with any payload and a right
// checksum.
func rawBatch(codec kafka.Compression, count int32, payload []byte) []byte {
	const prefix = 61 // up to the records
	b := make([]byte, prefix, prefix+len(payload))
	binary.BigEndian.PutUint32(b[8:], uint32(prefix-12+len(payload)))
	binary.BigEndian.PutUint32(b[12:], 0xffffffff) // no leader epoch
	b[16] = 2
	binary.BigEndian.PutUint16(b[21:], uint16(codec))
	binary.BigEndian.PutUint32(b[23:], uint32(count-1))
	for i := 43; i < 57; i++ { // no producer
		b[i] = 0xff
	}
	binary.BigEndian.PutUint32(b[57:], uint32(count))
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func varints(n ...int64) (out []byte) {
	for _, x := range n {
		out = binary.AppendVarint(out, x)
	}
	return out
}

// rawRecord renders a record: its length, no attributes, no time, and what follows.
func rawRecord(offset int64, rest ...byte) []byte {
	b := append([]byte{0}, varints(0, offset)...)
	b = append(b, rest...)
	return append(varints(int64(len(b))), b...)
}

// spaces is a Zstandard payload of one record without a key, whose value is n spaces.
func spaces(n int64) ([]byte, error) {
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		return nil, err
	}
	head := append([]byte{0}, varints(0, 0, -1, n)...)
	z.Write(append(varints(int64(len(head))+n+1), head...))
	for block := bytes.Repeat([]byte(" "), 1<<20); n > 0; n -= int64(len(block)) {
		z.Write(block[:min(int64(len(block)), n)]) // into memory, which does not fail
	}
	z.Write(varints(0)) // headers
	return out.Bytes(), z.Close()
}

// produce sends a batch as it is and returns its offset. The error says that the broker refused it.
func (f *facestream) produce(ctx context.Context, topic events.Topic, partition int32, batch []byte) (offset int64, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(f.cfg.Kafka.Brokers...), kgo.MaxVersions(kversion.V2_8_0())) // whose requests name topics
	if err != nil {
		return 0, err
	}
	defer client.Close()
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 10_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = string(topic)
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	t.Partitions = append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	answer, err := request.RequestWith(ctx, pinned{client})
	if err != nil {
		return 0, err
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return 0, kafka.Error(p.ErrorCode)
			}
			offset = p.BaseOffset
		}
	}
	return offset, nil
}

// pinned sends a request to any broker: there is one.
type pinned struct{ *kgo.Client }

func (p pinned) Request(ctx context.Context, r kmsg.Request) (kmsg.Response, error) {
	return p.SeedBrokers()[0].Request(ctx, r)
}

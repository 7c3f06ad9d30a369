package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"facestream/pkg/schema"

	"github.com/segmentio/kafka-go"
)

const (
	// maxRecordBytes bounds one record (key, value and headers) on the side of the writer and is above every topic's
	// own limit but that of the dead letters.
	maxRecordBytes = 8 * mib
	// batchBytes bounds a batch. A topic's max.message.bytes (1 MiB by default) counts the batch, so it stays below.
	batchBytes = 900 << 10
)

// PublisherConfig says who writes.
type PublisherConfig struct {
	Source string // the CloudEvents source of events that have none, for instance "facestream/ingest"
	// Published is called after each successful Publish with the number of events and the time it took; may be nil.
	Published func(topic Topic, events int, took time.Duration)
	// Retried is called before each further try; may be nil.
	Retried func(topic Topic)
}

// Publisher writes events. It is safe for concurrent use; calls that overlap share batches.
type Publisher struct {
	client *Client
	cfg    PublisherConfig
	// small batches; large writes each record alone, so that big records neither fill nor break the batches of others.
	small, large *kafka.Writer

	mu      sync.Mutex
	failing int   // calls that are refused again and again
	cause   error // the latest refusal
}

// NewPublisher prepares a publisher. It does no I/O; Close it when done.
func (c *Client) NewPublisher(cfg PublisherConfig) *Publisher {
	writer := func(batch, bytes int) *kafka.Writer {
		return &kafka.Writer{
			Addr: c.kafka.Addr, Transport: c.transport,
			// As Java's default partitioner: keyed records of other clients land in the same partitions.
			Balancer:     kafka.Murmur2Balancer{},
			RequiredAcks: kafka.RequireAll,
			BatchTimeout: 5 * time.Millisecond, BatchSize: batch, BatchBytes: int64(bytes),
			WriteTimeout: requestTimeout, ReadTimeout: requestTimeout,
			MaxAttempts: 1, // Publish retries, and only what failed
		}
	}
	return &Publisher{client: c, cfg: cfg, small: writer(200, batchBytes), large: writer(1, maxRecordBytes+mib)}
}

// Close waits for writes that are under way (a few seconds at most when the broker is away) and releases the publisher.
func (p *Publisher) Close() error { return errors.Join(p.small.Close(), p.large.Close()) }

// stubborn is how many tries fail before the broker counts as one that takes no writes. Elections of a leader are over by
// then.
const stubborn = 4

// Failing returns why the broker takes no writes, while a Publish repeats what it refused several times; else nil.
func (p *Publisher) Failing() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing == 0 {
		return nil
	}
	return p.cause
}

// Publish writes events to topic. nil means durable: all in-sync replicas have acknowledged every event. Publish repeats
// what failed until ctx ends. Then the error is transient, and some of the events may be on the topic, or may still get
// there: publish them again under the same ids (invariant 3). An event that is too large, or that has no id or type, is a
// permanent error, which says nothing about the other events.
//
// Events with the same key keep their order, within a call and across calls that follow each other (invariant 4). Each of
// them waits until the one before it is durable, which takes about 5 ms. Events with different keys share batches.
func (p *Publisher) Publish(ctx context.Context, topic Topic, events ...Event) error {
	messages := make([]kafka.Message, len(events))
	for i, e := range events {
		if e.ID == "" || e.Type == "" {
			return schema.Permanent("events.publish", schema.ReasonInternal, errors.New("an event needs an id and a type"))
		}
		e.Source = cmp.Or(e.Source, p.cfg.Source, "facestream")
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		messages[i] = e.message(topic)
	}
	return p.write(ctx, topic, messages)
}

// Forward writes r to its topic once more, under another key and otherwise as it is. The copy says that it was forwarded
// ([Record.Forwarded]), and where r lay first. Forward fails like Publish.
func (p *Publisher) Forward(ctx context.Context, r Record, key string) error {
	headers := append(kafkaHeaders(r.Headers), kafka.Header{Key: headerForwarded, Value: []byte("1")})
	if !slices.ContainsFunc(r.Headers, func(h Header) bool { return h.Key == headerFirst }) {
		headers = append(headers, kafka.Header{Key: headerFirst, Value: []byte(DeadLetterID{r.Partition, r.Offset}.String())})
	}
	return p.write(ctx, r.Topic, []kafka.Message{{Topic: string(r.Topic), Key: []byte(key), Value: r.Value, Headers: headers}})
}

// Forwarded reports whether r was written by [Publisher.Forward].
func (r Record) Forwarded() bool {
	return slices.ContainsFunc(r.Headers, func(h Header) bool { return h.Key == headerForwarded })
}

// PartitionOf returns the partition of topic to which a [Publisher] writes the records with a key. The error is transient.
func (c *Client) PartitionOf(ctx context.Context, topic Topic, key string) (int, error) {
	ids, err := c.partitions(ctx, topic)
	if err != nil {
		return 0, schema.Transient("events.partition", err)
	}
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: []byte(key)}, ids...), nil
}

// write is Publish for messages of one topic that are already rendered.
func (p *Publisher) write(ctx context.Context, topic Topic, messages []kafka.Message) error {
	began := time.Now()
	for _, m := range messages {
		if size := messageSize(m); size > maxRecordBytes {
			return tooLarge(topic, size)
		}
	}
	for _, round := range rounds(messages) {
		if err := p.writeRound(ctx, topic, round); err != nil {
			return err
		}
	}
	if p.cfg.Published != nil {
		p.cfg.Published(topic, len(messages), time.Since(began))
	}
	return nil
}

// rounds splits messages so that no round has two with one key: kafka-go goes on with the next batch of a partition
// when one has failed, so what is under way together may change its order.
func rounds(messages []kafka.Message) (out [][]kafka.Message) {
	earlier := map[string]int{}
	for _, m := range messages {
		n := 0
		if len(m.Key) > 0 {
			n = earlier[string(m.Key)]
			earlier[string(m.Key)]++
		}
		if n == len(out) {
			out = append(out, nil)
		}
		out[n] = append(out[n], m)
	}
	return out
}

// writeRound writes messages and repeats what failed, until ctx ends.
func (p *Publisher) writeRound(ctx context.Context, topic Topic, messages []kafka.Message) error {
	const op = "events.publish"
	var small, large []kafka.Message
	for _, m := range messages {
		if messageSize(m) > batchBytes {
			large = append(large, m)
		} else {
			small = append(small, m)
		}
	}
	policy := again
	policy.Stop = func(err error) bool {
		return schema.ClassOf(err) == schema.ClassPermanent || errors.Is(err, io.ErrClosedPipe)
	}
	stuck := false
	defer func() {
		if stuck {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.failing--
		}
	}()
	policy.Failed = func(try int, err error) {
		if try >= stubborn {
			p.mu.Lock()
			if p.cause = schema.Outage(op, err); !stuck {
				stuck = true
				p.failing++
			}
			p.mu.Unlock()
		}
		if worthSaying(err, try) {
			p.client.log.Warn("writing fails; still trying", "topic", string(topic), "error", err)
		}
		if p.cfg.Retried != nil {
			p.cfg.Retried(topic)
		}
	}
	err := policy.Do(ctx, func() error {
		var err, errLarge error
		if small, err = failed(small, p.small.WriteMessages(ctx, small...)); errors.Is(err, kafka.MessageSizeTooLarge) {
			// The topic's limit is below ours and counts the batch: each record gets its chance alone.
			large, small, err = append(large, small...), nil, nil
		}
		if large, errLarge = failed(large, p.large.WriteMessages(ctx, large...)); errors.Is(errLarge, kafka.MessageSizeTooLarge) {
			return tooLarge(topic, messageSize(large[0]))
		}
		return naming(cmp.Or(err, errLarge), "Write", "topic "+string(topic))
	})
	switch {
	case errors.Is(err, io.ErrClosedPipe):
		return schema.Transient(op, errors.New("the publisher is closed"))
	case err != nil && schema.ClassOf(err) == schema.ClassUnknown:
		return schema.Transient(op, fmt.Errorf("topic %s: %w", topic, err))
	}
	return err
}

// failed returns the messages that err says were not written, in order, and one of the causes.
func failed(messages []kafka.Message, err error) ([]kafka.Message, error) {
	var each kafka.WriteErrors
	if !errors.As(err, &each) {
		if err == nil {
			return nil, nil
		}
		return messages, err
	}
	var again []kafka.Message
	var cause error
	for i, e := range each {
		if e != nil {
			again, cause = append(again, messages[i]), e
		}
	}
	return again, cause
}

func tooLarge(topic Topic, size int) error {
	return schema.Permanent("events.publish", schema.ReasonInternal,
		fmt.Errorf("a record of %d bytes is too large for topic %s; raise the topic's max.message.bytes (this writer's own limit is %d) or send less", size, topic, maxRecordBytes))
}

// messageSize is the record's size on the wire, rounded up.
func messageSize(m kafka.Message) int {
	n := len(m.Key) + len(m.Value) + 64
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value) + 10
	}
	return n
}

package events

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"facestream/pkg/retry"
	"facestream/pkg/schema"

	"github.com/segmentio/kafka-go"
)

// Record is one record of a topic.
type Record struct {
	Topic     Topic
	Partition int
	Offset    int64
	Time      time.Time // when it was written
	Key       []byte
	Value     []byte
	Headers   []Header
	Event     Event // as DecodeEvent read it
	Attempt   int   // 1 at the first try; 0 outside a Consumer
	Deaths    int   // how many processes died, or may have died, while they worked on the record; 0 outside a Consumer
}

// First returns where a record lay in its topic before it was replayed from the dead letters or forwarded, as its header
// says. moved is false if no header says so. The writer of the record chose the header.
func (r Record) First() (partition int, offset int64, moved bool) {
	for _, h := range r.Headers {
		if h.Key == headerFirst {
			id, err := ParseDeadLetterID(string(h.Value))
			return id.Partition, id.Offset, err == nil
		}
	}
	return 0, 0, false
}

// Header is a header of a record. A record may have several with one key.
type Header struct {
	Key   string
	Value []byte
}

// partitionReader reads one partition without a group, for ever, in the order of offsets.
//
// It fetches by itself rather than with kafka.Reader: every request has a deadline, an offset outside the log is seen
// instead of corrected silently, aborted transactions are left out, and nothing is read ahead of the consumer, so that
// its bound on memory holds.
type partitionReader struct {
	client    *Client
	topic     Topic
	partition int
	next      int64 // the offset to read next, or FirstOffset or LastOffset

	// deliver gets each record; its error ends run.
	deliver func(message) error
	// progress is told the next offset and the end of what can be read (-1: unknown) at the start, after each record and
	// after each fetch; its error ends run.
	progress func(next, end int64) error
	// rewound is called when the log ends before next, because the broker lost records or the topic was deleted and created
	// again. nil lets the reader begin again at the first record; an error ends run.
	rewound func(to int64) error
}

// run returns when ctx ends (nil) or a callback fails (its error).
func (r *partitionReader) run(ctx context.Context) error {
	log := r.client.log.With("topic", string(r.topic), "partition", r.partition)
	progressed := time.Now()
	failures := 0
	var damaged struct { // how often the batch at an offset came damaged
		at    int64
		times int
	}
	for ctx.Err() == nil {
		before := r.next
		if r.next < 0 {
			if err := r.resolve(ctx); err != nil {
				failures++
				r.pause(ctx, log, &progressed, failures, err)
				continue
			}
			if err := r.progress(r.next, -1); err != nil {
				return err
			}
		}
		answer, err := r.fetch(ctx)
		if errors.Is(err, kafka.OffsetOutOfRange) {
			var done bool
			if done, err = r.reposition(ctx, log); done {
				return err
			}
			if err == nil {
				continue
			}
		}
		if err != nil {
			failures++
			r.pause(ctx, log, &progressed, failures, err)
			continue
		}
		end := answer.readable()
		var stopped error // why a callback ended the reading
		var bad *damagedBatch
		err = answer.records(ctx, r.next, func(m *message, next int64) error {
			if m != nil {
				m.Topic, m.Partition = string(r.topic), r.partition
				stopped = r.deliver(*m)
			}
			if stopped == nil {
				r.next = next
				stopped = r.progress(next, end)
			}
			return stopped
		})
		switch {
		case stopped != nil:
			return stop(ctx, stopped)
		case errors.As(err, &bad):
			if damaged.at != r.next || damaged.times == 0 {
				damaged.at, damaged.times = r.next, 0
				log.Warn("a batch of records is damaged; reading it again", "offset", r.next, "error", err)
			}
			if damaged.times++; damaged.times <= damagedReads {
				failures++
				r.client.transport.CloseIdleConnections() // one of them may be what damages it
				r.pause(ctx, log, &progressed, failures, err)
				continue
			}
			damaged.times = 0
			if done, err := r.passDamaged(ctx, bad, end); done {
				return stop(ctx, err)
			} else if err != nil {
				failures++
				r.pause(ctx, log, &progressed, failures, err)
				continue
			}
			// What follows is fetched anew: the broker's list of aborted transactions was for what was asked for.
		case err != nil:
			failures++
			r.pause(ctx, log, &progressed, failures, err)
			continue
		}
		failures = 0
		if err := r.progress(r.next, end); err != nil {
			return err
		}
		if r.next != before || r.next >= end {
			progressed = time.Now()
		} else if retry.Sleep(ctx, 50*time.Millisecond) {
			r.renewIfStalled(log, &progressed, errors.New("the broker says that there is more, and sends nothing"))
		}
	}
	return nil
}

// damagedReads is how often a damaged batch is read again, before it counts as damaged at the broker. That takes some seconds.
const damagedReads = 8

// passDamaged delivers a reference to the batch at r.next and moves on behind it. done ends run: a callback failed, or nobody
// knows where the batch ends. Other errors mean that the broker could not be asked.
func (r *partitionReader) passDamaged(ctx context.Context, bad *damagedBatch, end int64) (done bool, err error) {
	last, known := bad.last(r.next, end)
	if !known && last >= r.next && last < end-1 { // ask what follows
		ahead := *r
		ahead.next = last + 1
		answer, err := ahead.fetch(ctx)
		if err != nil {
			return false, err
		}
		for b, err := range batches(answer.log) {
			if known = err == nil && b.base > last; known {
				last = b.base - 1
			}
			break
		}
	}
	if !known {
		return true, schema.Fatal("events.read", fmt.Errorf("the batch of records at offset %d of topic %s, partition %d, is damaged (%w), and its end is damaged, too, so that it cannot be passed over; nothing behind it is read. Restore the partition from a replica, or delete its records up to the first sound batch with kafka-delete-records",
			r.next, r.topic, r.partition, bad))
	}
	raw := bad.whole()
	m := message{Message: kafka.Message{Topic: string(r.topic), Partition: r.partition, Offset: r.next, HighWaterMark: end},
		cut: &cut{Cut: Cut{Last: last, Size: int64(len(raw)), SHA256: sha256.Sum256(raw)},
			cause: permanently("the batch of records is damaged, each of %d times that it was read: %w", damagedReads+1, bad)}}
	if len(raw) > batchPrefix {
		m.Value = bytes.Clone(head(raw[batchPrefix:]))
	}
	if err := r.deliver(m); err != nil {
		return true, err
	}
	r.next = last + 1
	err = r.progress(r.next, end)
	return err != nil, err
}

// stop tells the end of ctx from an error of a callback.
func stop(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// pause waits after a failed request and renews the connections when failures go on.
func (r *partitionReader) pause(ctx context.Context, log *slog.Logger, progressed *time.Time, failures int, err error) {
	if ctx.Err() != nil {
		return
	}
	err = naming(err, "Read", "topic "+string(r.topic))
	if worthSaying(err, failures) {
		log.Warn("reading fails; still trying", "error", err)
	}
	r.renewIfStalled(log, progressed, err)
	again.Pause(ctx, failures)
}

func (r *partitionReader) renewIfStalled(log *slog.Logger, progressed *time.Time, cause error) {
	if time.Since(*progressed) < r.client.stallAfter {
		return
	}
	*progressed = time.Now()
	log.Warn("no progress; renewing the connections", "error", cause, "after", r.client.stallAfter)
	r.client.transport.CloseIdleConnections()
}

// resolve turns FirstOffset and LastOffset into an offset.
func (r *partitionReader) resolve(ctx context.Context) error {
	ranges, err := r.client.ranges(ctx, r.topic, []int{r.partition})
	if err != nil {
		return err
	}
	if r.next == LastOffset {
		r.next = ranges[0].Last
	} else {
		r.next = ranges[0].First
	}
	return nil
}

// reposition follows an offset that is outside the log. done ends run.
func (r *partitionReader) reposition(ctx context.Context, log *slog.Logger) (done bool, err error) {
	// Up to the end of the log: an offset inside an open transaction is not outside the log.
	ranges, err := r.client.rangesAt(ctx, kafka.ReadUncommitted, r.topic, []int{r.partition})
	if err != nil {
		return false, err
	}
	first, last := ranges[0].First, ranges[0].Last
	switch {
	case r.next < first:
		log.Error("records were deleted by retention before they were read; going on with the oldest that is left. Raise the topic's retention, or bring readers back sooner",
			"from", r.next, "to", first, "records", first-r.next)
	case r.next > last:
		log.Error("the log ends before what was read already: the broker lost records, or the topic was deleted and created again; reading it from its start",
			"from", r.next, "to", first)
		if r.rewound != nil {
			if err := r.rewound(first); err != nil {
				return true, err
			}
		}
	default: // a new leader was catching up
		return false, kafka.OffsetOutOfRange
	}
	r.next = first
	if err := r.progress(first, last); err != nil {
		return true, err
	}
	return false, nil
}

func headersOf(m kafka.Message) []Header {
	out := make([]Header, len(m.Headers))
	for i, h := range m.Headers {
		out[i] = Header(h)
	}
	return out
}

// record decodes m; with an error the event holds the bare value.
func record(m kafka.Message) (Record, error) {
	headers := headersOf(m)
	e, err := DecodeEvent(m.Key, m.Value, headers)
	return Record{Topic: Topic(m.Topic), Partition: m.Partition, Offset: m.Offset, Time: m.Time, Key: m.Key, Value: m.Value, Headers: headers, Event: e}, err
}

// Places to begin at instead of an offset.
const (
	FirstOffset int64 = -2 // the oldest record that is kept
	LastOffset  int64 = -1 // what is written from the moment on at which reading begins
)

// ReadAll reads every partition of topic without a group and calls h for each record, until ctx ends (ReadAll then returns
// nil) or h fails (ReadAll returns that error). Calls of h do not overlap, and the records of a partition come in order. A
// record whose CloudEvents envelope cannot be read has its whole value as Event.Data and no type. A record that takes more
// than 9 MiB when decompressed, and a batch that comes damaged again and again, are skipped with a warning. A damaged batch whose
// end nobody can tell is a fatal error.
//
// from says at which offset each partition begins, which may be [FirstOffset] or [LastOffset]. Partitions that it does not
// name begin at their first record, and so do partitions that are added later. ReadAll waits for a topic that does not
// exist.
//
// caughtUp (may be nil) is called once, and not during h, when everything that was on the topic at the start has been
// handled.
func (c *Client) ReadAll(ctx context.Context, topic Topic, from map[int]int64, h func(Record) error, caughtUp func()) error {
	return c.NewFollower(topic, h).Run(ctx, from, caughtUp)
}

// ReadPresent is [Client.ReadAll] up to the end that the topic has at the call. It returns the error of h, or that of ctx.
func (c *Client) ReadPresent(ctx context.Context, topic Topic, from map[int]int64, h func(Record) error) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	return cmp.Or(c.ReadAll(reading, topic, from, h, stop), ctx.Err())
}

// Follower reads a topic as [Client.ReadAll] does, and can tell when it has read what is on the topic.
type Follower struct {
	client *Client
	topic  Topic
	handle func(Record) error

	mu    sync.Mutex    // held during handle and the calls of waiting
	next  map[int]int64 // by partition: what is below was handled
	ended bool
	waits []*wait
}

// wait is for the moment when every partition has come as far as its end was.
type wait struct {
	pending map[int]int64 // the partitions that have not
	reached func()
}

// NewFollower prepares to read topic. It does no I/O.
func (c *Client) NewFollower(topic Topic, h func(Record) error) *Follower {
	return &Follower{client: c, topic: topic, handle: h, next: map[int]int64{}}
}

// CatchUp returns when every record that was on the topic at the time of the call has been handled. Its error says that ctx
// ended first, or that Run did.
func (f *Follower) CatchUp(ctx context.Context) error {
	const op = "events.catch_up"
	ends, err := f.ends(ctx)
	if err != nil {
		return schema.Transient(op, err)
	}
	reached := make(chan struct{})
	f.await(ends, func() { close(reached) })
	select {
	case <-reached:
	case <-ctx.Done():
		return schema.Transient(op, context.Cause(ctx))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return schema.Transient(op, errors.New("the topic is no longer read"))
	}
	return nil
}

// await calls reached as soon as every partition has come as far as ends says, or Run has ended.
func (f *Follower) await(ends map[int]int64, reached func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &wait{pending: map[int]int64{}, reached: reached}
	for id, end := range ends {
		if next, read := f.next[id]; !read || next < end {
			w.pending[id] = end
		}
	}
	if len(w.pending) == 0 || f.ended {
		reached()
		return
	}
	f.waits = append(f.waits, w)
}

// Run is [Client.ReadAll]. It is called once.
func (f *Follower) Run(ctx context.Context, from map[int]int64, caughtUp func()) error {
	ends, err := f.ends(ctx)
	if err != nil {
		return stop(ctx, err)
	}
	if caughtUp != nil {
		f.await(ends, func() {
			if !f.ended {
				caughtUp()
			}
		})
	}
	start := map[int]int64{}
	for id := range ends {
		start[id] = FirstOffset
		if offset, ok := from[id]; ok {
			start[id] = offset
		}
	}
	defer f.end()
	return f.read(ctx, start)
}

// end lets go of everybody who waits.
func (f *Follower) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	for _, w := range f.waits {
		w.reached()
	}
	f.waits = nil
}

// ends waits for the topic and returns the end offset of each partition. Its error says that ctx ended.
func (f *Follower) ends(ctx context.Context) (map[int]int64, error) {
	ends := map[int]int64{}
	err := f.client.retry(ctx, "events.read", func() error {
		ids, err := f.client.partitions(ctx, f.topic)
		if err != nil {
			return err
		}
		ranges, err := f.client.ranges(ctx, f.topic, ids)
		for _, r := range ranges {
			ends[r.ID] = r.Last
		}
		return err
	})
	return ends, err
}

// growthInterval is how often a reader looks for partitions that were added to its topic.
const growthInterval = metadataTTL

// read reads from start until ctx ends or handle fails.
func (f *Follower) read(ctx context.Context, start map[int]int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var readers sync.WaitGroup
	defer readers.Wait()
	read := func(id int, from int64) {
		readers.Go(func() {
			r := &partitionReader{client: f.client, topic: f.topic, partition: id, next: from, deliver: f.deliver(ctx)}
			r.progress = func(next, end int64) error { return f.progress(id, next, end) }
			if err := r.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	known := map[int]bool{}
	for id, from := range start {
		known[id] = true
		read(id, from)
	}
	ticker := time.NewTicker(growthInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			readers.Wait()
			return stop(ctx, context.Cause(ctx))
		case <-ticker.C:
			ids, err := f.client.partitions(ctx, f.topic)
			if err != nil {
				continue // the readers report what is wrong
			}
			for _, id := range ids {
				if !known[id] {
					known[id] = true
					read(id, FirstOffset)
				}
			}
		}
	}
}

func (f *Follower) deliver(ctx context.Context) func(message) error {
	return func(m message) error {
		if m.cut != nil {
			f.client.log.Warn("skipping what cannot be read", "topic", m.Topic, "partition", m.Partition, "offset", m.Offset, "last", m.last(), "error", m.cut.cause)
			return nil
		}
		r, err := record(m.Message)
		if err != nil {
			f.client.log.Debug("not a CloudEvent; read as a bare value",
				"topic", m.Topic, "partition", m.Partition, "offset", m.Offset, "error", err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return f.handle(r)
	}
}

func (f *Follower) progress(id int, next, end int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next[id] = next
	f.waits = slices.DeleteFunc(f.waits, func(w *wait) bool {
		target, waiting := w.pending[id]
		// The log may have become shorter since.
		if !waiting || (next < target && (end < 0 || next < end)) {
			return false
		}
		delete(w.pending, id)
		if len(w.pending) > 0 {
			return false
		}
		w.reached()
		return true
	})
	return nil
}

// OffsetsSince returns where to begin reading the partitions of topic, so that every record is read that was written at or after a
// moment. The error is transient.
func (c *Client) OffsetsSince(ctx context.Context, topic Topic, at time.Time) (map[int]int64, error) {
	const op = "events.offsets"
	ids, err := c.partitions(ctx, topic)
	if err != nil {
		return nil, schema.Transient(op, err)
	}
	ends, err := c.ranges(ctx, topic, ids)
	if err != nil {
		return nil, schema.Transient(op, err)
	}
	out, err := c.positions(ctx, topic, ids, at)
	if err != nil {
		return nil, schema.Transient(op, err)
	}
	for _, end := range ends {
		if out[end.ID] < 0 { // nothing was written since: what comes from now on
			out[end.ID] = end.Last
		}
	}
	return out, nil
}

// RecordAt returns the record at an offset of topic. found is false when there is none any more, or not yet. The error is transient.
func (c *Client) RecordAt(ctx context.Context, topic Topic, partition int, offset int64) (r Record, found bool, err error) {
	const op = "events.record"
	ranges, err := c.ranges(ctx, topic, []int{partition})
	if err != nil {
		return Record{}, false, schema.Transient(op, err)
	}
	p := ranges[0]
	p.First, p.Last = max(p.First, offset), min(p.Last, offset+1)
	err = c.readRange(ctx, topic, p, func(m kafka.Message) bool {
		if m.Offset == offset {
			r, _ = record(m) // a bare value is a record, too
			found = true
		}
		return false
	})
	if err != nil {
		return Record{}, false, schema.Transient(op, err)
	}
	return r, found, nil
}

// positions returns the offsets of all partitions at a moment: the first record written at or after it.
func (c *Client) positions(ctx context.Context, topic Topic, ids []int, at time.Time) (map[int]int64, error) {
	asked := make([]kafka.OffsetRequest, len(ids))
	for i, id := range ids {
		asked[i] = kafka.TimeOffsetOf(id, at)
	}
	answers, err := c.listOffsets(ctx, kafka.ReadCommitted, topic, asked)
	if err != nil {
		return nil, err
	}
	out := map[int]int64{}
	for _, id := range ids {
		out[id] = LastOffset // nothing was written since
		for offset := range answers[id].Offsets {
			if offset >= 0 {
				out[id] = offset
			}
		}
	}
	return out, nil
}

package events

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"facestream/pkg/schema"

	"github.com/segmentio/kafka-go"
)

// Handler works on one record. It returns nil when everything derived from the record is durable downstream; only then may
// the record's offset be committed (invariant 1). What happens after an error depends on the error's class, see
// [Consumer]. Handlers of different keys run at the same time. A handler must return soon after ctx ends.
type Handler func(ctx context.Context, r Record) error

// ConsumerConfig configures a [Consumer]. Zero values mean the defaults.
type ConsumerConfig struct {
	Group  string  // consumer group; required
	Topics []Topic // required
	// Service is named in dead letters as the service that gave up. Default: Group.
	Service string

	// Concurrency is how many handlers run at once. Default 8.
	Concurrency int
	// MaxInFlight bounds the records that are fetched and not finished. When it is reached, or when these records take
	// 64 MiB, no record is taken in until another one is finished. Up to 1024 more wait for another try, or behind a record
	// of their key that does, so that records which keep failing do not hold up the others. Default 8 × Concurrency.
	MaxInFlight int

	// MaxAttempts bounds the tries of a record whose handler fails with a transient error while Ready returns nil. Default
	// 8, which with the default backoff takes about 10 seconds. After a record that used them up, the next one with its key
	// has half as many, and so on down to one, until a record succeeds: any number of them holds up its key for about
	// twice as long as one.
	MaxAttempts int
	// MaxUnknownAttempts is the same for errors without a class and for panics. Default 3.
	MaxUnknownAttempts int
	// The wait between tries doubles from BackoffMin to BackoffMax, less up to a half at random. Defaults 100 ms, 3 s.
	BackoffMin, BackoffMax time.Duration
	// Ready reports whether the handler's dependencies can be reached. It is called before each further try. While it
	// returns an error, records wait without using up their tries, so that an outage of any length loses nothing; it is
	// called again twice a second. Its context ends after 5 s. Default: they always can.
	Ready func(ctx context.Context) error

	// Prepare is called after partitions were assigned and before a record of theirs is handled. What the member before
	// committed happened before the call. It is repeated until it returns nil or the partitions are taken away again; its
	// context ends then. nil: nothing to prepare.
	Prepare func(ctx context.Context) error

	// SessionTimeout is how long the broker waits for a sign of life before it gives the partitions to other members. After
	// a crash nobody works on them for so long. The broker must allow the value (group.min.session.timeout.ms, 6 s by
	// default). Default 6 s.
	SessionTimeout time.Duration
	// DrainTimeout bounds how long Run waits for running handlers after its context ended. Default 20 s.
	DrainTimeout time.Duration

	// Isolated is called instead of the handler for a record during which two processes or more have died, while no other
	// handler of any consumer of the same client runs. It should work in a process of its own, which may die. nil: the
	// handler is called. Its errors mean the same.
	Isolated Handler

	// Publisher writes the dead letters. nil: Run makes one of its own.
	Publisher *Publisher
	Hooks     Hooks
}

// Hooks are called for metrics, if set. They must be quick and safe for concurrent use.
type Hooks struct {
	// Handled is called for each record that is finished or given up, with the number of tries and the time from its
	// first try to the end, waits included.
	Handled func(topic Topic, outcome Outcome, attempts int, took time.Duration)
	// Retried is called when a try failed and the record waits for another one.
	Retried func(topic Topic, class schema.Class)
	// InFlight gets the number of records that are fetched and not finished.
	InFlight func(n int)
	// Lag gets the number of offsets between what was fetched and the end of the partition.
	Lag func(topic Topic, partition int, lag int64)
	// Assigned gets the number of partitions that this member has; 0 while it is not part of the group.
	Assigned func(partitions int)
	// Isolated is called when a record during which processes died is about to be worked on alone.
	Isolated func(topic Topic)
	// Outage is told when Ready begins to fail, or writes begin to be refused, and when both are over.
	Outage func(down bool)
}

// Outcome is how the work on a record ended.
type Outcome string

// The outcomes.
const (
	OutcomeDone       Outcome = "done"        // the handler returned nil
	OutcomeDeadLetter Outcome = "dead_letter" // the record lies in the dead letters
	OutcomeAbandoned  Outcome = "abandoned"   // not finished; whoever has the partition next gets it again
)

const (
	heartbeatInterval = 500 * time.Millisecond // also how late a rebalance is noticed
	rebalanceTimeout  = 10 * time.Second
	joinBackoff       = 300 * time.Millisecond
	groupTimeout      = 5 * time.Second // of one request to the coordinator
	commitInterval    = 250 * time.Millisecond
	commitSpacing     = 50 * time.Millisecond // between commits of an idle consumer
	readyTimeout      = 5 * time.Second
	readyInterval     = 500 * time.Millisecond

	maxRetrying      = 1024     // records that wait for another try beside those in flight
	maxInFlightBytes = 64 * mib // more than any single record takes
)

func (c ConsumerConfig) withDefaults() ConsumerConfig {
	c.Service = cmp.Or(c.Service, c.Group)
	c.Concurrency = cmp.Or(c.Concurrency, 8)
	c.MaxInFlight = max(cmp.Or(c.MaxInFlight, 8*c.Concurrency), c.Concurrency)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, 8)
	c.MaxUnknownAttempts = cmp.Or(c.MaxUnknownAttempts, 3)
	c.BackoffMin = cmp.Or(c.BackoffMin, 100*time.Millisecond)
	c.BackoffMax = cmp.Or(c.BackoffMax, 3*time.Second)
	c.SessionTimeout = cmp.Or(c.SessionTimeout, 6*time.Second)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 20*time.Second)
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	h := &c.Hooks
	if h.Handled == nil {
		h.Handled = func(Topic, Outcome, int, time.Duration) {}
	}
	if h.Retried == nil {
		h.Retried = func(Topic, schema.Class) {}
	}
	if h.InFlight == nil {
		h.InFlight = func(int) {}
	}
	if h.Lag == nil {
		h.Lag = func(Topic, int, int64) {}
	}
	if h.Assigned == nil {
		h.Assigned = func(int) {}
	}
	if h.Isolated == nil {
		h.Isolated = func(Topic) {}
	}
	if h.Outage == nil {
		h.Outage = func(bool) {}
	}
	return c
}

// Consumer reads topics as a member of a group and hands each record to a [Handler] until the record is finished.
//
// Records of one partition with the same key are handled one at a time and in order (invariant 4); everything else in
// parallel, so that a slow key holds up only itself (until MaxInFlight is used up). Records without a key have no order.
//
// An error of the handler decides what happens by its class (schema.ClassOf):
//
//   - outage: the record waits until what it writes to takes writes again. One record at a time is tried to find that out,
//     about every BackoffMax. No try counts, and [Consumer.Outage] says why the records wait.
//   - transient: tried again in place, with backoff. While Ready fails the record waits, for as long as it takes.
//     Otherwise MaxAttempts bounds the tries; then the record becomes a dead letter.
//   - unknown, or a panic: the same with MaxUnknownAttempts.
//   - permanent, and a record whose CloudEvents envelope cannot be read: a dead letter at once. Services answer
//     what they can with a result of their own; a record that fails here cannot be answered.
//   - fatal: Run stops with the error. Neither this record nor any other is committed from then on.
//
// A batch of records whose checksum is wrong is read again, because it may have been damaged on its way. After eight more times it
// becomes one dead letter, a reference ([Cut]). If it cannot be told where it ends, Run stops with a fatal error.
//
// A process that dies while it works on records, by SIGKILL or for want of memory, finishes none of them. Deaths are counted
// for each record, with the group's offsets, so that the count outlives processes and machines. A record during which two
// processes have died is worked on alone, by [ConsumerConfig.Isolated]; after [MaxDeaths] it becomes a dead letter. An
// orderly end is no death.
//
// A record is finished when its handler succeeded or its dead letter is durable; only then may the group's offset pass
// it (invariants 1, 2). After a crash the group begins again at what was committed: records come again, none is lost
// (invariant 7).
type Consumer struct {
	client *Client
	cfg    ConsumerConfig
	handle Handler
	log    *slog.Logger
	outage outageState
	self   string // names this consumer among all that ever were
	// speechless says that the broker takes no text beside an offset.
	speechless atomic.Bool
}

// NewConsumer prepares a consumer. It does no I/O.
func (c *Client) NewConsumer(cfg ConsumerConfig, h Handler) *Consumer {
	cfg = cfg.withDefaults()
	return &Consumer{client: c, cfg: cfg, handle: h, log: c.log.With("group", cfg.Group), self: rand.Text()[:8]}
}

// Outage returns the error with which a dependency refuses what the handler writes, while records wait for the end of that;
// else nil. The service is not ready then, although it can reach its dependencies.
func (c *Consumer) Outage() error { return c.outage.get() }

// Run consumes until ctx ends or an error is fatal. When ctx ends it stops fetching, waits for the running handlers up
// to DrainTimeout (then it cancels them), commits, leaves the group and returns nil. An unreachable broker is no error:
// Run waits for it.
func (c *Consumer) Run(ctx context.Context) error {
	const op = "events.consume"
	topics := make([]string, len(c.cfg.Topics))
	for i, t := range c.cfg.Topics {
		topics[i] = string(t)
	}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: c.cfg.Group, Brokers: c.client.cfg.Brokers, Dialer: c.client.dialer, Topics: topics,
		StartOffset:       kafka.FirstOffset, // a new group owes an outcome to everything on the topic
		SessionTimeout:    c.cfg.SessionTimeout,
		HeartbeatInterval: heartbeatInterval,
		RebalanceTimeout:  rebalanceTimeout,
		JoinGroupBackoff:  joinBackoff,
		Timeout:           groupTimeout,
		ErrorLogger: kafka.LoggerFunc(func(format string, args ...any) {
			c.log.Debug(fmt.Sprintf(format, args...))
		}),
	})
	if err != nil {
		return schema.Fatal(op, err)
	}
	// Close leaves the group. A join that is under way is waited for: the broker answers it within the rebalance timeout.
	defer group.Close()
	publisher := c.cfg.Publisher
	if publisher == nil {
		publisher = c.client.NewPublisher(PublisherConfig{Source: c.cfg.Service})
		defer publisher.Close()
	}

	failures, layout := 0, c.layout(ctx)
	for {
		generation, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, kafka.InvalidSessionTimeout):
			return schema.Fatal(op, fmt.Errorf("session timeout %s: %w; set it between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms", c.cfg.SessionTimeout, err))
		case err != nil:
			// kafka-go joins again by itself. A coordinator that is not available yet is normal for a new group.
			err = naming(err, "Read", "group "+c.cfg.Group)
			if failures++; worthSaying(err, failures) {
				c.log.Warn("cannot join the consumer group; still trying", "error", err)
			}
			layout = c.layout(ctx)
			continue
		}
		failures = 0
		s := newSession(c, generation, publisher, layout)
		generation.Start(func(ended context.Context) { s.run(ctx, ended) })
		<-s.finished
		c.cfg.Hooks.Assigned(0)
		if s.fatal != nil {
			return s.fatal
		}
		if ctx.Err() != nil {
			return nil
		}
		layout = s.next
	}
}

// layout is the number of partitions of each topic that exists; nil when the broker does not answer at once.
//
// It is looked up before each join and compared later. A partition that was added in between may belong to no member, so
// the session joins again. kafka-go could watch for changes itself, but it ends one generation after the other while a
// topic is missing.
func (c *Consumer) layout(ctx context.Context) map[Topic]int {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), joinBackoff/2)
	defer cancel()
	meta, err := c.client.metadata(ctx)
	if err != nil {
		return nil
	}
	out := map[Topic]int{}
	for _, t := range c.cfg.Topics {
		if m, ok := meta[t]; ok {
			out[t] = len(m.Partitions)
		}
	}
	return out
}

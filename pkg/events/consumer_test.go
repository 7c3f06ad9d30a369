package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"facestream/pkg/retry"
	"facestream/pkg/schema"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Records of one key come one at a time and in order while other keys run beside them (invariant 4).
func TestInvariant4Order(t *testing.T) {
	const n, keys = 600, 20
	ctx, c, topic := setup(t, newBroker(t), 4)
	publish(t, ctx, c, topic, n, keys)
	got := newSeen()
	var mu sync.Mutex
	busy := map[string]bool{}
	running, most := 0, 0
	all := make(chan struct{}) // closed when as many run at once as may
	group := uuid.NewString()
	r := consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}, Concurrency: 8, MaxInFlight: n}, func(ctx context.Context, r Record) error {
		key := string(r.Key)
		mu.Lock()
		if busy[key] {
			t.Errorf("two records of key %s at once", key)
		}
		busy[key] = true
		running++
		if most = max(most, running); running == 8 {
			select {
			case <-all:
			default:
				close(all)
			}
		}
		mu.Unlock()
		select {
		case <-all:
		case <-ctx.Done():
		}
		got.add(r)
		mu.Lock()
		busy[key] = false
		running--
		mu.Unlock()
		return nil
	})
	wantCommitted(t, ctx, c, group, topic, n)
	r.finish(t)
	if most != 8 {
		t.Errorf("%d handlers ran at once, want 8", most)
	}
	for k := range keys {
		var want []string
		for i := k; i < n; i += keys {
			want = append(want, strconv.Itoa(i))
		}
		if diff := cmp.Diff(want, got.order["k"+strconv.Itoa(k)]); diff != "" {
			t.Errorf("order of key %d (-want +got):\n%s", k, diff)
		}
	}
}

// One slow record holds up its key and the commit of its partition, and nothing else; the commit never passes it.
func TestInvariant1CommitLast(t *testing.T) {
	const n = 100
	ctx, c, topic := setup(t, newBroker(t), 1)
	publish(t, ctx, c, topic, n, 10) // record 13 is the second one of key k3
	release := make(chan struct{})
	got := newSeen()
	group := uuid.NewString()
	var idle atomic.Int64 // fetches of nothing, each longer than the time between two commits
	r := consume(t, ctx, c, ConsumerConfig{
		Group: group, Topics: []Topic{topic}, Concurrency: 4, MaxInFlight: n,
		Hooks: Hooks{Lag: func(Topic, int, int64) { idle.Add(1) }},
	}, func(ctx context.Context, r Record) error {
		if string(r.Event.Data) == "13" {
			select {
			case <-release:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		got.add(r)
		return nil
	})
	// Nine keys of ten records, and the first of the blocked key.
	eventually(t, "all other keys are handled", func() bool { return got.count() == 91 })
	eventually(t, "the commit reaches the gap", func() bool { return sum(committed(t, ctx, c, group, topic)) == 13 })
	before := idle.Load()
	eventually(t, "there was time to commit again", func() bool { return idle.Load() >= before+3 })
	if at := sum(committed(t, ctx, c, group, topic)); at != 13 {
		t.Fatalf("the commit passed the unfinished record 13: %d", at)
	}
	close(release)
	wantCommitted(t, ctx, c, group, topic, n)
	r.finish(t)
	for data, times := range got.times {
		if times != 1 {
			t.Errorf("record %s was handled %d times", data, times)
		}
	}
}

// MaxInFlight bounds what is taken in while handlers are stuck.
func TestBackPressure(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 3)
	publish(t, ctx, c, topic, 300, 300)
	release := make(chan struct{})
	var most atomic.Int64
	group := uuid.NewString()
	consume(t, ctx, c, ConsumerConfig{
		Group: group, Topics: []Topic{topic}, Concurrency: 2, MaxInFlight: 10,
		Hooks: Hooks{InFlight: func(n int) { most.Store(max(most.Load(), int64(n))) }},
	}, func(ctx context.Context, r Record) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	eventually(t, "10 records are in flight", func() bool { return most.Load() == 10 })
	close(release)
	wantCommitted(t, ctx, c, group, topic, 300)
	if most.Load() != 10 {
		t.Errorf("%d records were in flight, the bound is 10", most.Load())
	}
}

// When its context ends, a consumer finishes what runs, leaves what waits, commits and leaves the group.
func TestInvariant7Drain(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	publish(t, ctx, c, topic, 50, 50)
	started, release := make(chan struct{}, 50), make(chan struct{})
	got := newSeen()
	group := uuid.NewString()
	var left, inFlight atomic.Int64
	cfg := ConsumerConfig{
		Group: group, Topics: []Topic{topic}, Concurrency: 3, MaxInFlight: 50, SessionTimeout: 20 * time.Second,
		Hooks: Hooks{
			InFlight: func(n int) { inFlight.Store(int64(n)) },
			Handled: func(_ Topic, o Outcome, _ int, _ time.Duration) {
				if o == OutcomeAbandoned {
					left.Add(1)
				}
			},
		},
	}
	r := consume(t, ctx, c, cfg, func(ctx context.Context, r Record) error {
		started <- struct{}{}
		<-release
		if ctx.Err() != nil {
			t.Error("the context of a running handler ended during the drain")
		}
		got.add(r)
		return nil
	})
	for range 3 {
		<-started
	}
	eventually(t, "all records are fetched", func() bool { return inFlight.Load() == 50 })
	r.stop()
	eventually(t, "the records that wait are left", func() bool { return left.Load() == 47 })
	close(release)
	began := time.Now()
	if err := r.wait(t, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 15*time.Second { // the drain timeout is 20 s
		t.Errorf("Run returned %s after its handlers did", took)
	}
	if got.count() != 3 {
		t.Errorf("%d records were handled, want the 3 that ran", got.count())
	}
	// Which records of the keys ran first is open; the commit covers the unbroken run of them.
	at, run := sum(committed(t, ctx, c, group, topic)), int64(0)
	for got.times[strconv.FormatInt(run, 10)] == 1 {
		run++
	}
	if at != run {
		t.Errorf("committed %d, want %d", at, run)
	}
	// The member has left: the next one need not wait for its session to end.
	began = time.Now()
	consume(t, ctx, c, cfg, func(_ context.Context, r Record) error { got.add(r); return nil })
	wantCommitted(t, ctx, c, group, topic, 50)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the next member needed %s; a session lasts 20 s", took)
	}
}

// A handler that does not finish within the drain timeout is cancelled, and its record is not committed.
func TestDrainTimeout(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	publish(t, ctx, c, topic, 1, 1)
	started := make(chan struct{})
	group := uuid.NewString()
	r := consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}, DrainTimeout: 300 * time.Millisecond}, func(ctx context.Context, r Record) error {
		close(started)
		<-ctx.Done()
		return nil // too late or not, it says that it is done
	})
	<-started
	began := time.Now()
	r.finish(t)
	if took := time.Since(began); took < 300*time.Millisecond || took > 15*time.Second { // the default is 20 s
		t.Errorf("the drain took %s, the limit is 300 ms", took)
	}
}

// A record that the end of the drain interrupts is not finished: whoever has the partition next gets it again.
func TestInterruptedRecordComesAgain(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	publish(t, ctx, c, topic, 1, 1)
	started, again := make(chan struct{}), make(chan struct{})
	cfg := ConsumerConfig{Group: uuid.NewString(), Topics: []Topic{topic}, DrainTimeout: 300 * time.Millisecond}
	r := consume(t, ctx, c, cfg, func(ctx context.Context, r Record) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	<-started
	r.finish(t)
	r = consume(t, ctx, c, cfg, func(ctx context.Context, r Record) error {
		close(again)
		return nil
	})
	select {
	case <-again:
	case <-time.After(time.Minute):
		t.Error("the record does not come again")
	}
	r.finish(t)
}

// Two members share the partitions, one joins late and one leaves: no record is lost and no commit goes back.
func TestRebalance(t *testing.T) {
	const n = 1200
	ctx, c, topic := setup(t, newBroker(t), 6)
	publish(t, ctx, c, topic, n, 200)
	got := newSeen()
	var second atomic.Int64
	group := uuid.NewString()
	cfg := ConsumerConfig{Group: group, Topics: []Topic{topic}, Concurrency: 4}
	slow := func(extra func()) Handler {
		return func(ctx context.Context, r Record) error {
			work(8 * time.Millisecond)
			got.add(r)
			extra()
			return nil
		}
	}
	watch, stopWatch := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		before := map[int]int64{}
		for watch.Err() == nil {
			res, err := c.committed(watch, group, map[string][]int{string(topic): {0, 1, 2, 3, 4, 5}})
			if err != nil {
				continue
			}
			for _, p := range res[string(topic)] {
				if o, ok := before[p.Partition]; ok && p.CommittedOffset < o {
					t.Errorf("partition %d: the committed offset went back from %d to %d", p.Partition, before[p.Partition], p.CommittedOffset)
				}
				before[p.Partition] = p.CommittedOffset
			}
			retry.Sleep(watch, 20*time.Millisecond)
		}
	})
	defer func() { stopWatch(); watching.Wait() }()

	a := consume(t, ctx, c, cfg, slow(func() {}))
	eventually(t, "the first member works", func() bool { return got.count() > n/8 })
	consume(t, ctx, b2(t, c), cfg, slow(func() { second.Add(1) }))
	eventually(t, "the second member works", func() bool { return second.Load() > 20 })
	a.finish(t)
	eventually(t, "every record is handled", func() bool { return got.count() == n })
	wantCommitted(t, ctx, c, group, topic, n)
	t.Logf("%d handled for %d records; the second member handled %d", total(got), n, second.Load())
	wantOrder(t, got)
}

// b2 is another process's client.
func b2(t *testing.T, c *Client) *Client { return (&broker{addrs: c.cfg.Brokers}).client(t) }

// While partitions are taken away a stuck handler is cancelled, and the next generation waits for it: no two handlers of
// a process ever have the same record.
func TestRevocationWaitsForHandlers(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 2)
	publish(t, ctx, c, topic, 1, 1)
	group := uuid.NewString()
	var at, most, tries atomic.Int64
	started := make(chan struct{}, 10)
	cfg := ConsumerConfig{Group: group, Topics: []Topic{topic}}
	h := func(ctx context.Context, r Record) error {
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		started <- struct{}{}
		if tries.Add(1) == 1 {
			<-ctx.Done() // stuck until it is cancelled
			work(100 * time.Millisecond)
			return ctx.Err()
		}
		return nil
	}
	consume(t, ctx, c, cfg, h)
	<-started
	consume(t, ctx, b2(t, c), cfg, h) // its join takes the partitions away
	eventually(t, "the record is handled in the next generation", func() bool { return tries.Load() >= 2 })
	wantCommitted(t, ctx, c, group, topic, 1)
	if most.Load() != 1 {
		t.Errorf("%d handlers had the record at once", most.Load())
	}
}

// A member that is cut off while its handler hangs finishes too late: the broker refuses its commit, which would take
// the group back behind what the new owner did (invariant 1).
func TestInvariant1NoCommitAfterRevocation(t *testing.T) {
	const n = 30
	ctx, c, topic := setup(t, newBroker(t), 1)
	publish(t, ctx, c, topic, n, n)
	group := uuid.NewString()
	hanging, release := make(chan struct{}), make(chan struct{})
	a := consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}, Concurrency: 1}, func(_ context.Context, r Record) error {
		close(hanging)
		<-release // deaf to its context
		return nil
	})
	<-hanging
	got := newSeen()
	consume(t, ctx, b2(t, c), ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(_ context.Context, r Record) error { got.add(r); return nil })
	wantCommitted(t, ctx, c, group, topic, n)
	a.stop()
	close(release)
	if err := a.wait(t, time.Minute); err != nil {
		t.Errorf("Run: %v", err)
	}
	if at := sum(committed(t, ctx, c, group, topic)); at != n {
		t.Errorf("the late member moved the group to %d", at)
	}
	if got.count() != n {
		t.Errorf("the new owner handled %d records, want all %d", got.count(), n)
	}
}

func TestRetry(t *testing.T) {
	transient := schema.Transient("test", errTest)
	tests := []struct {
		name     string
		fail     func(attempt int) error
		attempts int
		outcome  Outcome
		class    string
	}{
		{"transient, then good", func(n int) error {
			if n < 4 {
				return transient
			}
			return nil
		}, 4, OutcomeDone, ""},
		{"transient for ever", func(int) error { return transient }, 5, OutcomeDeadLetter, "transient"},
		{"unknown, then good", func(n int) error {
			if n < 2 {
				return errTest
			}
			return nil
		}, 2, OutcomeDone, ""},
		{"unknown for ever", func(int) error { return errTest }, 3, OutcomeDeadLetter, "unknown"},
		{"permanent", func(int) error { return schema.Permanent("test", schema.ReasonRequestIDReused, errTest) }, 1, OutcomeDeadLetter, "permanent"},
		{"panic", func(int) error { panic("planted-secret") }, 3, OutcomeDeadLetter, "unknown"},
		{"runtime panic", func(n int) error { _ = []int{}[n]; return nil }, 3, OutcomeDeadLetter, "unknown"},
	}
	b := newBroker(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, c, topic := setup(t, b, 1)
			publish(t, ctx, c, topic, 1, 1)
			type end struct {
				outcome  Outcome
				attempts int
			}
			ended := make(chan end, 10)
			group := uuid.NewString()
			consume(t, ctx, c, ConsumerConfig{
				Group: group, Topics: []Topic{topic}, MaxAttempts: 5, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond,
				Hooks: Hooks{Handled: func(_ Topic, o Outcome, n int, _ time.Duration) { ended <- end{o, n} }},
			}, func(_ context.Context, r Record) error { return tt.fail(r.Attempt) })
			if got, want := <-ended, (end{tt.outcome, tt.attempts}); got != want {
				t.Errorf("ended as %+v, want %+v", got, want)
			}
			wantCommitted(t, ctx, c, group, topic, 1)
			dead := deadLetters(t, ctx, c, topic)
			if tt.outcome == OutcomeDone {
				if len(dead) != 0 {
					t.Errorf("dead letters %+v", dead)
				}
				return
			}
			if len(dead) != 1 || dead[0].Class != tt.class || dead[0].Attempts != tt.attempts {
				t.Fatalf("dead letters %+v, want one of class %s after %d attempts", dead, tt.class, tt.attempts)
			}
			if cmp.Equal(dead[0].Error, "") || contains(dead[0].Error, "planted-secret") {
				t.Errorf("error text %q", dead[0].Error)
			}
		})
	}
}

// While Ready fails, nothing uses up its attempts: an outage much longer than they last loses nothing, and work goes on
// soon after it.
func TestOutage(t *testing.T) {
	const n = 40
	ctx, c, topic := setup(t, newBroker(t), 2)
	var down atomic.Bool
	var outages, asked atomic.Int64
	got := newSeen()
	group := uuid.NewString()
	consume(t, ctx, c, ConsumerConfig{
		Group: group, Topics: []Topic{topic}, MaxAttempts: 2, MaxUnknownAttempts: 2, BackoffMin: time.Millisecond, BackoffMax: 2 * time.Millisecond,
		Ready: func(context.Context) error {
			asked.Add(1)
			if down.Load() {
				return errTest
			}
			return nil
		},
		Hooks: Hooks{Outage: func(down bool) {
			if down {
				outages.Add(1)
			}
		}},
	}, func(_ context.Context, r Record) error {
		if down.Load() {
			if r.Offset%2 == 0 {
				return errTest // not every handler classifies
			}
			return schema.Transient("test", errTest)
		}
		got.add(r)
		return nil
	})
	down.Store(true)
	publish(t, ctx, c, topic, n, n)
	eventually(t, "the outage is noticed", func() bool { return outages.Load() == 1 })
	noticed, before := time.Now(), asked.Load()
	eventually(t, "Ready is asked again and again", func() bool { return asked.Load() >= before+4 })
	if got.count() != 0 || len(deadLetters(t, ctx, c, topic)) != 0 {
		t.Fatal("records were handled or given up during the outage")
	}
	// One record at a time asks, however many wait.
	if most := before + 2 + int64(time.Since(noticed)/readyInterval); asked.Load() > most {
		t.Errorf("Ready was asked %d times, want %d at most", asked.Load(), most)
	}
	down.Store(false)
	back := time.Now()
	eventually(t, "every record is handled", func() bool { return got.count() == n })
	if took := time.Since(back); took > 15*time.Second {
		t.Errorf("it took %s after the outage", took)
	}
	wantCommitted(t, ctx, c, group, topic, n)
	if outages.Load() != 1 || len(deadLetters(t, ctx, c, topic)) != 0 {
		t.Errorf("%d outages, dead letters %+v", outages.Load(), deadLetters(t, ctx, c, topic))
	}
}

// While a dependency answers and refuses writes, no try counts, one record at a time finds out whether that is over, and
// records that write nothing are handled. Only then is a record that fails by itself given up.
func TestRefusedWrites(t *testing.T) {
	const n = 40
	ctx, c, topic := setup(t, newBroker(t), 2)
	var full atomic.Bool
	var tries, trying, together atomic.Int64
	var changes []bool // guarded by mu
	var mu sync.Mutex
	got, read := newSeen(), newSeen()
	group := uuid.NewString()
	r := consume(t, ctx, c, ConsumerConfig{
		Group: group, Topics: []Topic{topic}, MaxAttempts: 2, MaxUnknownAttempts: 2, BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond,
		Hooks: Hooks{Outage: func(down bool) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, down)
		}},
	}, func(_ context.Context, r Record) error {
		switch {
		case r.Offset%10 == 9:
			read.add(r)
		case full.Load():
			if r.Attempt > 1 {
				together.Store(max(together.Load(), trying.Add(1)))
				defer trying.Add(-1)
				time.Sleep(20 * time.Millisecond)
				tries.Add(1)
			}
			return schema.Outage("test", errTest)
		case r.Offset%10 == 8:
			return schema.Transient("test", errTest)
		default:
			got.add(r)
		}
		return nil
	})
	full.Store(true)
	publish(t, ctx, c, topic, n, n)
	eventually(t, "further tries", func() bool { return tries.Load() >= 4 })
	if err := r.Outage(); !errors.Is(err, errTest) {
		t.Errorf("the state is %v, want the outage", err)
	}
	if got.count() != 0 || read.count() == 0 || len(deadLetters(t, ctx, c, topic)) != 0 {
		t.Errorf("%d were handled, %d that write nothing, dead letters %+v", got.count(), read.count(), deadLetters(t, ctx, c, topic))
	}
	full.Store(false)
	eventually(t, "every record is handled", func() bool { return got.count()+read.count()+len(deadLetters(t, ctx, c, topic)) == n })
	wantCommitted(t, ctx, c, group, topic, n)
	if err := r.Outage(); err != nil {
		t.Errorf("the state after the outage is %v", err)
	}
	if most := together.Load(); most != 1 {
		t.Errorf("%d records at once found out whether the outage is over, want 1", most)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(changes, []bool{true, false}) {
		t.Errorf("the hook was told %v", changes)
	}
	dead := deadLetters(t, ctx, c, topic)
	if len(dead) != n/10 {
		t.Errorf("%d dead letters, want %d", len(dead), n/10)
	}
	for _, d := range dead {
		if d.Class != "transient" {
			t.Errorf("a dead letter of class %s", d.Class)
		}
	}
}

// An outage does not hold up the end of Run.
func TestStopDuringOutage(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	publish(t, ctx, c, topic, 5, 5)
	group := uuid.NewString()
	var waiting atomic.Bool
	r := consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic},
		Ready: func(context.Context) error { waiting.Store(true); return errTest }},
		func(context.Context, Record) error { return schema.Transient("test", errTest) })
	eventually(t, "records wait", waiting.Load)
	began := time.Now()
	r.finish(t)
	if took := time.Since(began); took > 15*time.Second { // the drain timeout is 20 s
		t.Errorf("Run took %s to end", took)
	}
	if at := sum(committed(t, ctx, c, group, topic)); at != 0 {
		t.Errorf("%d unfinished records are committed", at)
	}
}

// A fatal error stops Run, with nothing committed from then on.
func TestFatal(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	publish(t, ctx, c, topic, 20, 20)
	group := uuid.NewString()
	fatal := schema.Fatal("test", errTest)
	r := consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}, Concurrency: 1}, func(_ context.Context, r Record) error {
		if r.Offset == 5 {
			return fatal
		}
		return nil
	})
	if err := r.wait(t, time.Minute); !errors.Is(err, errTest) || schema.ClassOf(err) != schema.ClassFatal {
		t.Fatalf("Run: %v, want the fatal error", err)
	}
	if at := sum(committed(t, ctx, c, group, topic)); at > 5 {
		t.Errorf("committed %d, past the record that was fatal", at)
	}
	if dead := deadLetters(t, ctx, c, topic); len(dead) != 0 {
		t.Errorf("dead letters %+v", dead)
	}
}

func TestSessionTimeoutRefused(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	r := consume(t, ctx, c, ConsumerConfig{Group: uuid.NewString(), Topics: []Topic{topic}, SessionTimeout: time.Millisecond}, nil)
	if err := r.wait(t, time.Minute); schema.ClassOf(err) != schema.ClassFatal || !contains(fmt.Sprint(err), "group.min.session.timeout.ms") {
		t.Errorf("Run: %v, want a fatal error that names the broker's setting", err)
	}
}

// A consumer that was away for longer than the retention goes on with the oldest record.
func TestRetentionPassed(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	publish(t, ctx, c, topic, 20, 20)
	group := uuid.NewString()
	commitAt(t, ctx, c, group, topic, 3)
	deleteBefore(t, ctx, c, topic, 12)
	got := newSeen()
	consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(_ context.Context, r Record) error { got.add(r); return nil })
	wantCommitted(t, ctx, c, group, topic, 20)
	if got.count() != 8 || got.times["12"] != 1 {
		t.Errorf("handled %v, want records 12 to 19", got.times)
	}
}

func deleteBefore(t *testing.T, ctx context.Context, c *Client, topic Topic, offset int64) {
	t.Helper()
	admin, err := kgo.NewClient(kgo.SeedBrokers(c.cfg.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	req := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = string(topic)
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	req.TimeoutMillis = 5000
	res, err := req.RequestWith(ctx, admin)
	if err != nil {
		t.Fatal(err)
	}
	if code := res.Topics[0].Partitions[0].ErrorCode; code != 0 {
		t.Fatalf("delete records: error code %d", code)
	}
}

// A topic that does not exist yet is waited for, and partitions that are added later are shared out.
func TestTopicGrows(t *testing.T) {
	ctx, c, topic := setup(t, newBroker(t), 1)
	got := newSeen()
	var partitions atomic.Int64
	var joined atomic.Bool
	late := Topic("test." + uuid.NewString())
	consume(t, ctx, c, ConsumerConfig{Group: uuid.NewString(), Topics: []Topic{topic, late},
		Hooks: Hooks{Assigned: func(n int) { joined.Store(true); partitions.Store(int64(n)) }}},
		func(_ context.Context, r Record) error { got.add(r); return nil })
	eventually(t, "the member joins without the topic", joined.Load)
	if _, err := c.EnsureTopics(ctx, []TopicSpec{{Topic: late, Partitions: 3, Retention: time.Hour, MaxBytes: mib}}); err != nil {
		t.Fatal(err)
	}
	publish(t, ctx, c, late, 10, 10)
	eventually(t, "the new topic is read", func() bool { return got.count() == 10 })
	if partitions.Load() != 4 {
		t.Errorf("%d partitions assigned, want 4", partitions.Load())
	}
}

// TestPrepare: no record of new partitions is handled before the consumer is prepared, and preparing is repeated until it
// succeeds. A member that takes over is prepared after the last commit of the one before.
func TestPrepare(t *testing.T) {
	const n = 20
	ctx, c, topic := setup(t, newBroker(t), 2)
	publish(t, ctx, c, topic, n, n)
	group := uuid.NewString()
	var handled atomic.Int64
	for range 2 {
		var prepared atomic.Bool
		before, tries := handled.Load(), 0
		cfg := ConsumerConfig{Group: group, Topics: []Topic{topic}, Prepare: func(context.Context) error {
			if handled.Load() != before {
				t.Error("records are handled before the consumer is prepared")
			}
			if before > 0 && sum(committed(t, ctx, c, group, topic)) != before {
				t.Error("the member before has not committed yet")
			}
			if tries++; tries < 3 {
				return errors.New("not yet")
			}
			prepared.Store(true)
			return nil
		}}
		r := consume(t, ctx, c, cfg, func(context.Context, Record) error {
			if !prepared.Load() {
				t.Error("a record is handled by a consumer that is not prepared")
			}
			handled.Add(1)
			return nil
		})
		wantCommitted(t, ctx, c, group, topic, before+n)
		r.finish(t)
		publish(t, ctx, c, topic, n, n)
	}
}

// TestRetriesDoNotBlockOthers: records that keep failing, with one key, with a key each or without a key, hold up their own
// keys only, and however many they are of one key, they are through soon.
func TestRetriesDoNotBlockOthers(t *testing.T) {
	const bad, tries = 200, 4
	for name, key := range map[string]func(i int) string{
		"one key":     func(int) string { return "bad" },
		"a key each":  func(i int) string { return "bad" + strconv.Itoa(i) },
		"without key": func(int) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, c, topic := setup(t, newBroker(t), 1)
			events := make([]Event, 0, bad+1)
			for i := range bad {
				events = append(events, Event{ID: strconv.Itoa(i), Type: TypeJob, Key: key(i), Data: []byte("bad")})
			}
			good := make(chan struct{})
			failing := errors.New("not this one")
			var done atomic.Int64
			group := uuid.NewString()
			p := publisher(t, c)
			if err := p.Publish(ctx, topic, events...); err != nil {
				t.Fatal(err)
			}
			if err := p.Publish(ctx, topic, Event{ID: "good", Type: TypeJob, Key: "good", Data: []byte("good")}); err != nil {
				t.Fatal(err)
			}
			// All tries of one record take about 2.5 s.
			consume(t, ctx, c, ConsumerConfig{
				Group: group, Topics: []Topic{topic}, Concurrency: 2, MaxInFlight: 16, MaxAttempts: tries, BackoffMin: 500 * time.Millisecond, BackoffMax: 3 * time.Second,
				Hooks: Hooks{Handled: func(Topic, Outcome, int, time.Duration) { done.Add(1) }},
			}, func(_ context.Context, r Record) error {
				if string(r.Event.Data) == "good" {
					close(good)
					return nil
				}
				return schema.Transient("test", failing)
			})
			select {
			case <-good:
				if n := done.Load(); n > 1 {
					t.Errorf("the good record came after %d others", n)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("the good record still waits after 30 s")
			}
			wantCommitted(t, ctx, c, group, topic, bad+1) // well before 200 × 2.5 s
		})
	}
}

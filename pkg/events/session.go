package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"facestream/pkg/retry"
	"facestream/pkg/schema"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"golang.org/x/sync/semaphore"
)

// session is one generation of group membership: the partitions are ours from its start to its end, and everything that
// works on them has returned before the next generation may begin.
type session struct {
	*Consumer
	generation *kafka.Generation
	publisher  *Publisher
	log        *slog.Logger
	gate       *gate
	layout     map[Topic]int // as it was before the group shared the partitions out

	finished chan struct{} // closed when everything has returned and the last commit is done
	fatal    error         // why Run must stop; read after finished
	next     map[Topic]int // the layout before the next join; read after finished

	admit context.Context // ends when the session begins to stop: no more fetching, waiting or starting of handlers
	stop  context.CancelCauseFunc
	work  context.Context // the handlers' context; outlives admit by the drain timeout
	kill  context.CancelFunc

	tokens   chan struct{}            // one per record in flight that does not wait for another try
	retrying chan struct{}            // one per record that does, or that waits behind one
	memory   *semaphore.Weighted      // the bytes of the records in flight
	slots    chan struct{}            // one per running handler
	idle     chan struct{}            // signalled when nothing is in flight
	trackers map[partitionID]*tracker // complete before the first fetch, then only read
	marks    map[partitionID]*marks   // likewise
	hurry    chan struct{}            // signalled when somebody waits for a commit

	mu       sync.Mutex
	passed   chan struct{} // closed, and replaced, when the broker knows more
	lanes    map[laneID]*lane
	inFlight int

	fetchers, lanesDone sync.WaitGroup
}

type partitionID struct {
	topic     Topic
	partition int
}

// laneID is the unit of order: a key inside a partition.
type laneID struct {
	partitionID
	key string
}

// lane is the queue of one key; a goroutine works it off while it lasts. A record without a key has one of its own.
type lane struct {
	waiting []*flight
	aside   bool // its first record waits for another try
	failed  int  // records in a row that used up their tries
}

// flight is a record that is not finished.
type flight struct {
	message
	place chan struct{} // tokens or retrying of the session: what it holds an element of
}

func newSession(c *Consumer, generation *kafka.Generation, publisher *Publisher, layout map[Topic]int) *session {
	s := &session{
		Consumer: c, generation: generation, publisher: publisher, layout: layout,
		log:      c.log.With("generation", generation.ID),
		finished: make(chan struct{}),
		tokens:   make(chan struct{}, c.cfg.MaxInFlight),
		retrying: make(chan struct{}, maxRetrying),
		memory:   semaphore.NewWeighted(maxInFlightBytes),
		slots:    make(chan struct{}, c.cfg.Concurrency),
		idle:     make(chan struct{}, 1),
		trackers: map[partitionID]*tracker{},
		marks:    map[partitionID]*marks{},
		hurry:    make(chan struct{}, 1),
		passed:   make(chan struct{}),
		lanes:    map[laneID]*lane{},
	}
	s.gate = newGate(c.cfg, &c.outage, s.log)
	return s
}

// errFenced says that the broker no longer takes commits of this generation.
var errFenced = errors.New("the partitions were given to another member")

// run works until ctx ends (drain), ended ends (the partitions were taken away) or an error is fatal.
func (s *session) run(ctx, ended context.Context) {
	s.work, s.kill = context.WithCancel(context.WithoutCancel(ctx))
	s.admit, s.stop = context.WithCancelCause(s.work)
	defer s.kill()

	if s.readMarks(ctx, ended) {
		for topic, assigned := range s.generation.Assignments {
			for _, a := range assigned {
				s.trackers[partitionID{Topic(topic), a.ID}] = newTracker(a.Offset)
			}
		}
		s.fetchers.Go(func() {
			if !s.prepare() {
				return
			}
			for topic, assigned := range s.generation.Assignments {
				for _, a := range assigned {
					s.fetch(partitionID{Topic(topic), a.ID}, a.Offset)
				}
			}
		})
	}
	s.cfg.Hooks.Assigned(len(s.trackers))
	s.log.Info("joined the consumer group", "partitions", len(s.trackers))

	err := s.loop(ctx, ended)
	s.stop(err)
	s.fetchers.Wait()
	s.drain(ended)
	s.outage.clear() // nothing of this session waits

	switch cause := context.Cause(s.admit); {
	case schema.ClassOf(cause) == schema.ClassFatal:
		s.fatal = cause
		// The process ends, and did not die of a record.
		if err := s.commit(lastInPlace); err != nil {
			s.log.Warn("the last commit failed; the records that were worked on count as if the process had died", "error", err)
		}
	case errors.Is(cause, errFenced): // the broker would refuse
	default:
		if err := s.commit(last); err != nil {
			s.log.Warn("the last commit failed; records since the one before will come again", "error", err)
		}
	}
	s.next = s.Consumer.layout(ctx)
	s.log.Info("gave the partitions back")
	close(s.finished)
	if s.fatal != nil || ctx.Err() != nil {
		// Run leaves the group now. To return earlier would make kafka-go join it once more.
		<-ended.Done()
	}
}

// prepare returns true when Prepare has succeeded, and false when the session stops before.
func (s *session) prepare() bool {
	if s.cfg.Prepare == nil {
		return true
	}
	policy := retry.Policy{Least: s.cfg.BackoffMin, Most: s.cfg.BackoffMax, Failed: func(failures int, err error) {
		if worthSaying(err, failures) {
			s.log.Warn("cannot begin with the partitions yet; still trying", "error", err)
		}
	}}
	err := policy.Do(s.admit, func() error { return s.cfg.Prepare(s.admit) })
	if err != nil && s.admit.Err() == nil { // permanent or fatal
		s.stop(schema.Fatal("events.prepare", err))
		s.kill()
	}
	return err == nil && s.admit.Err() == nil
}

// loop commits while the session lasts, and returns why it ends; nil when it was asked to.
func (s *session) loop(ctx, ended context.Context) error {
	ticker := time.NewTicker(commitInterval)
	defer ticker.Stop()
	grown := time.NewTicker(growthInterval)
	defer grown.Stop()
	var at time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ended.Done():
			return nil
		case <-s.admit.Done():
			return nil // with the cause that ended it
		case <-grown.C:
			if now := s.Consumer.layout(ctx); now != nil && !maps.Equal(s.layout, now) {
				s.log.Info("the topics have other partitions now; joining again to share them out")
				return nil
			}
			continue
		case <-ticker.C:
		case <-s.idle:
			if time.Since(at) < commitSpacing {
				continue // the ticker will do it
			}
		case <-s.hurry:
		}
		at = time.Now()
		if err := s.commit(ordinary); errors.Is(err, errFenced) {
			s.log.Warn("commit refused", "error", err)
			return err
		} else if err != nil {
			s.log.Debug("commit failed; trying again", "error", err)
		}
	}
}

// drain waits for running handlers: for DrainTimeout while the partitions are ours, and for half the session timeout
// once they are being taken away (later the broker would no longer take the commit). Then it cancels them and waits
// until they return, so that no two generations of this process ever work on one record at a time.
func (s *session) drain(ended context.Context) {
	done := make(chan struct{})
	go func() { s.lanesDone.Wait(); close(done) }()
	limit := time.NewTimer(s.cfg.DrainTimeout)
	defer limit.Stop()
	revoked := ended.Done()
	for waiting := true; waiting; {
		select {
		case <-done:
			return
		case <-s.work.Done():
			waiting = false
		case <-limit.C:
			waiting = false
		case <-revoked:
			revoked = nil
			limit.Reset(min(s.cfg.DrainTimeout, s.cfg.SessionTimeout/2))
		}
	}
	s.kill()
	select {
	case <-done:
	case <-time.After(rebalanceTimeout):
		s.log.Error("a handler does not return though its context ended; waiting for it")
		<-done
	}
}

// fetch starts to read a partition.
func (s *session) fetch(id partitionID, from int64) {
	t, marks := s.trackers[id], s.marks[id]
	delivered := false
	r := &partitionReader{client: s.client, topic: id.topic, partition: id.partition, next: from}
	r.deliver = func(m message) error {
		select {
		case s.tokens <- struct{}{}: // back-pressure
		case <-s.admit.Done():
			return s.admit.Err()
		}
		if err := s.memory.Acquire(s.admit, int64(messageSize(m.Message))); err != nil {
			return err
		}
		if !s.told(func() bool { return marks.reserve(m.Offset) }) {
			return s.admit.Err()
		}
		delivered = true
		t.deliver(m.Offset)
		s.dispatch(id, m)
		return nil
	}
	r.progress = func(next, end int64) error {
		t.skip(next)
		if end >= 0 {
			s.cfg.Hooks.Lag(id.topic, id.partition, max(0, end-next))
		}
		return nil
	}
	r.rewound = func(to int64) error {
		if delivered {
			return errors.New("begin again with nothing in flight")
		}
		t.rewind(to)
		marks.clear()
		return nil
	}
	s.fetchers.Go(func() {
		if err := r.run(s.admit); err != nil {
			s.stop(err)
		}
	})
}

// dispatch queues m, which holds a token, behind its key.
func (s *session) dispatch(id partitionID, m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight++
	s.cfg.Hooks.InFlight(s.inFlight)
	f := &flight{m, s.tokens}
	if len(m.Key) == 0 {
		s.lanesDone.Go(func() { s.process(id, f, &lane{}) })
		return
	}
	key := laneID{id, string(m.Key)}
	if l, ok := s.lanes[key]; ok {
		l.waiting = append(l.waiting, f)
		if l.aside {
			s.stepAside(f)
		}
		return
	}
	l := &lane{}
	s.lanes[key] = l
	s.lanesDone.Go(func() {
		for ok := true; ok; f, ok = s.following(key, l) {
			s.process(id, f, l)
		}
	})
}

// following returns the next record of the lane, or ends it.
func (s *session) following(key laneID, l *lane) (*flight, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.aside = false
	if len(l.waiting) == 0 {
		delete(s.lanes, key)
		return nil, false
	}
	f := l.waiting[0]
	l.waiting = l.waiting[1:]
	return f, true
}

// makeWay lets records of other keys pass f, which waits for another try, and what waits behind it.
func (s *session) makeWay(f *flight, l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.aside = true
	s.stepAside(f)
	for _, f := range l.waiting {
		s.stepAside(f)
	}
}

// stepAside returns the token of f, if there is room among the records that wait for another try. s.mu is held.
func (s *session) stepAside(f *flight) {
	if f.place == s.retrying {
		return
	}
	select {
	case s.retrying <- struct{}{}:
		<-f.place
		f.place = s.retrying
	default:
	}
}

// process brings one record to its end. A record that it abandons stays unfinished, so no commit passes it.
func (s *session) process(id partitionID, f *flight, l *lane) {
	began := time.Now()
	outcome, attempts := s.settle(f, l, s.marks[id])
	if outcome != OutcomeAbandoned {
		s.marks[id].finish(f.Offset)
		s.trackers[id].finish(f.Offset)
	}
	s.cfg.Hooks.Handled(id.topic, outcome, attempts, time.Since(began))
	s.mu.Lock()
	s.inFlight--
	n := s.inFlight
	s.cfg.Hooks.InFlight(n)
	place := f.place
	s.mu.Unlock()
	s.memory.Release(int64(messageSize(f.Message)))
	<-place
	if n == 0 {
		select {
		case s.idle <- struct{}{}:
		default:
		}
	}
}

// settle tries the handler until the record's outcome is known.
func (s *session) settle(f *flight, l *lane, marks *marks) (outcome Outcome, attempt int) {
	m := f.message
	if m.cut != nil {
		return s.deadLetter(m, 0, m.cut.cause), 0
	}
	r, err := record(m.Message)
	if err != nil {
		return s.deadLetter(m, 0, schema.Permanent("events.decode", schema.ReasonUnparsable, err)), 0
	}
	counted := 0     // attempts that count against the bound
	probing := false // this try finds out for all whether an outage is over
	defer func() {
		if probing {
			s.gate.probed(false)
		}
	}()
	for {
		select {
		case s.slots <- struct{}{}:
		case <-s.admit.Done():
		}
		if s.admit.Err() != nil {
			return OutcomeAbandoned, attempt
		}
		if r.Deaths = marks.deaths(m.Offset); r.Deaths >= MaxDeaths {
			<-s.slots
			return s.deadLetter(m, r.Deaths, schema.Permanent("events.consume", schema.ReasonInternal,
				fmt.Errorf("%d processes died while they worked on the record; it is not tried again", r.Deaths))), attempt
		}
		attempt++
		r.Attempt = attempt
		began, err := s.try(r, marks)
		failedAt := time.Now()
		<-s.slots
		if !began {
			return OutcomeAbandoned, attempt - 1
		}
		class, bound := schema.ClassOf(err), max(1, s.cfg.MaxAttempts>>min(l.failed, 30))
		if probing && s.work.Err() == nil {
			s.gate.probed(class != schema.ClassOutage)
			probing = false
		}
		switch {
		case err == nil:
			l.failed = 0
			return OutcomeDone, attempt
		case s.work.Err() != nil:
			return OutcomeAbandoned, attempt
		}
		switch class {
		case schema.ClassOutage:
			s.cfg.Hooks.Retried(r.Topic, class)
			var stopping error
			if probing, stopping = s.gate.refused(s.admit, failedAt, err); stopping != nil {
				return OutcomeAbandoned, attempt
			}
			counted = 0
			continue
		case schema.ClassFatal:
			s.stop(err)
			s.kill()
			return OutcomeAbandoned, attempt
		case schema.ClassPermanent:
			return s.deadLetter(m, r.Deaths+attempt, err), attempt
		case schema.ClassUnknown:
			bound = max(1, s.cfg.MaxUnknownAttempts>>min(l.failed, 30))
		}
		waited, stopping := s.gate.wait(s.admit, failedAt)
		if stopping != nil {
			return OutcomeAbandoned, attempt
		}
		if waited {
			counted = 0
		} else if counted++; counted >= bound {
			l.failed++
			return s.deadLetter(m, r.Deaths+attempt, err), attempt
		}
		if !waited {
			s.makeWay(f, l)
		}
		s.cfg.Hooks.Retried(r.Topic, class)
		s.log.Debug("the handler failed; trying again", "topic", m.Topic, "partition", m.Partition, "offset", m.Offset,
			"attempt", attempt, "class", class.String(), "error", err)
		if !(retry.Policy{Least: s.cfg.BackoffMin, Most: s.cfg.BackoffMax}).Pause(s.admit, counted) {
			return OutcomeAbandoned, attempt
		}
	}
}

// try calls the handler once the broker knows what it has to know about the record, and alone in this process where the
// record may be one that kills. It returns false when the session stops before.
func (s *session) try(r Record, marks *marks) (began bool, err error) {
	handle, share := s.handle, int64(1)
	if r.Deaths >= isolatedAfter {
		share = wholeProcess
		if s.cfg.Isolated != nil {
			handle = s.cfg.Isolated
		}
	}
	if s.client.handlers.Acquire(s.admit, share) != nil {
		return false, nil
	}
	defer s.client.handlers.Release(share)
	marks.begin(r.Offset)
	defer marks.end(r.Offset)
	if !s.told(func() bool { return marks.begun(r.Offset) }) {
		return false, nil
	}
	if r.Deaths >= isolatedAfter {
		s.cfg.Hooks.Isolated(r.Topic)
		s.log.Warn("processes died while they worked on this record; now it is worked on alone", "topic", string(r.Topic),
			"partition", r.Partition, "offset", r.Offset, "deaths", r.Deaths)
	}
	return true, s.call(handle, r)
}

// Panicked returns the unclassified error of a handler that panicked with a value. The value may be anything, so only that of
// the Go runtime is shown (invariant 6).
func Panicked(value any) error {
	what := fmt.Sprintf("%T", value)
	if e, ok := value.(runtime.Error); ok {
		what = e.Error()
	}
	return fmt.Errorf("the handler panicked: %s", what)
}

// call runs a handler and turns a panic into its error.
func (s *session) call(handle Handler, r Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Panicked(p)
			s.log.Error("panic", "topic", string(r.Topic), "partition", r.Partition, "offset", r.Offset, "error", err,
				"stack", string(debug.Stack()))
		}
	}()
	return handle(s.work, r)
}

// deadLetter writes m to the dead letters; the record is finished when they are durable (invariant 2). Where the topic
// does not take the whole record, a reference to it is kept.
func (s *session) deadLetter(m message, attempts int, cause error) Outcome {
	class := schema.ClassOf(cause)
	s.log.Warn("giving up; the record goes to the dead letters", "topic", m.Topic, "partition", m.Partition, "offset", m.Offset,
		"attempts", attempts, "class", class.String(), "reason", string(schema.ReasonOf(cause)), "error", cause)
	write := func() error {
		return s.publisher.write(s.work, DeadLetters, []kafka.Message{deadLetterMessage(m, s.cfg.Service, attempts, cause, time.Now())})
	}
	err := write()
	if schema.ClassOf(err) == schema.ClassPermanent && m.cut == nil {
		s.log.Warn("the dead letters do not take the whole record; keeping a reference to it", "topic", m.Topic, "partition", m.Partition,
			"offset", m.Offset, "error", err)
		m = cutShort(m.Message, cause)
		err = write()
	}
	if schema.ClassOf(err) == schema.ClassPermanent {
		m.Key, m.Value, m.Headers = nil, nil, nil
		err = write()
	}
	// No record is at fault when the topic does not take a few hundred bytes. The record waits until it does (invariant 2).
	for first := true; schema.ClassOf(err) == schema.ClassPermanent; first = false {
		s.outage.set(schema.Outage("events.dead_letter", err))
		if first {
			s.log.Error("the topic of dead letters takes not even a reference; records wait until it does. Raise its max.message.bytes",
				"topic", string(DeadLetters), "error", err)
		}
		if !retry.Sleep(s.admit, readyInterval) {
			return OutcomeAbandoned
		}
		if err = write(); err == nil {
			s.outage.clear()
		}
	}
	if err == nil {
		return OutcomeDeadLetter
	}
	if s.work.Err() == nil {
		s.stop(schema.Fatal("events.dead_letter", fmt.Errorf("a record can be neither handled nor kept as a dead letter: %w", err)))
		s.kill()
	}
	return OutcomeAbandoned
}

// readMarks reads what earlier members said about the records of the partitions. It returns false when the session ends
// first.
func (s *session) readMarks(ctx, ended context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ended, cancel)()
	asked := map[string][]int{}
	for topic, assigned := range s.generation.Assignments {
		for _, a := range assigned {
			asked[topic] = append(asked[topic], a.ID)
		}
	}
	if len(asked) == 0 {
		return true
	}
	var answers map[string][]kafka.OffsetFetchPartition
	policy := again
	policy.Stop = func(error) bool { return false }
	err := policy.Do(ctx, func() (err error) {
		answers, err = s.client.committed(ctx, s.cfg.Group, asked)
		for _, partitions := range answers {
			for _, p := range partitions {
				err = errors.Join(err, p.Error)
			}
		}
		return err
	})
	for topic, ids := range asked {
		for _, id := range ids {
			s.marks[partitionID{Topic(topic), id}] = newMarks(s.self, -1, "")
		}
		for _, p := range answers[topic] {
			s.marks[partitionID{Topic(topic), p.Partition}] = newMarks(s.self, p.CommittedOffset, p.Metadata)
		}
	}
	return err == nil
}

// told waits until ok says that the broker knows what it has to know: ok is called again after each commit. It returns
// false when the session stops first.
func (s *session) told(ok func() bool) bool {
	for {
		s.mu.Lock()
		passed := s.passed
		s.mu.Unlock()
		if ok() {
			return true
		}
		select {
		case s.hurry <- struct{}{}:
		default:
		}
		select {
		case <-passed:
		case <-s.admit.Done():
			return false
		}
	}
}

// commitKind says what a commit is about.
type commitKind int

const (
	ordinary    commitKind = iota
	last                   // nothing is worked on from here on
	lastInPlace            // the same, and the offsets stay where they are
)

// commit commits what every partition has finished without a gap (invariant 1), and its marks, under the generation that
// the work was done in: the broker refuses it once the partitions are another member's.
func (s *session) commit(kind commitKind) error {
	request := &offsetcommit.Request{
		GroupID: s.generation.GroupID, GenerationID: s.generation.ID, MemberID: s.generation.MemberID,
		RetentionTimeMs: -1, // the broker's default
	}
	place, after := map[string]int{}, map[partitionID]func(){}
	known := false
	for id, t := range s.trackers {
		m := s.marks[id]
		offset, due := t.due()
		if kind == lastInPlace {
			offset, due = t.acknowledged(), false
		}
		if offset < 0 || kind == ordinary && !due && !m.due() {
			continue
		}
		text, told := m.render(offset, kind != ordinary)
		if !due && text == m.told() { // an earlier session of this consumer may have said so
			told()
			known = true
			continue
		}
		if s.speechless.Load() {
			text = ""
		}
		i, ok := place[string(id.topic)]
		if !ok {
			i = len(request.Topics)
			place[string(id.topic)] = i
			request.Topics = append(request.Topics, offsetcommit.RequestTopic{Name: string(id.topic)})
		}
		request.Topics[i].Partitions = append(request.Topics[i].Partitions, offsetcommit.RequestPartition{
			PartitionIndex: int32(id.partition), CommittedOffset: offset, CommittedMetadata: text, CommittedLeaderEpoch: -1, // unknown
		})
		after[id] = func() { t.acknowledge(offset); told() }
	}
	if known {
		s.wake()
	}
	if len(after) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
	defer cancel()
	answer, err := s.client.transport.RoundTrip(ctx, s.client.kafka.Addr, request)
	if err != nil {
		return err
	}
	for _, topic := range answer.(*offsetcommit.Response).Topics {
		for _, p := range topic.Partitions {
			id := partitionID{Topic(topic.Name), int(p.PartitionIndex)}
			if p.ErrorCode == 0 && after[id] != nil {
				after[id]()
				delete(after, id)
				continue
			}
			switch refusal := kafka.Error(p.ErrorCode); refusal {
			case kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.RebalanceInProgress, kafka.FencedInstanceID:
				return fmt.Errorf("%w: %w", errFenced, refusal)
			case kafka.OffsetMetadataTooLarge:
				if !s.speechless.Swap(true) {
					s.log.Error("the broker keeps no text beside an offset, so crashes are not counted: a record that kills a process is tried again and again. Set offset.metadata.max.bytes to 4096", "error", refusal)
				}
				err = refusal
			default:
				err = refusal
			}
		}
	}
	if err == nil && len(after) > 0 {
		err = errors.New("the broker did not answer for all partitions")
	}
	if err != nil {
		return err
	}
	s.wake()
	return nil
}

// wake lets those look again who wait for what the broker knows.
func (s *session) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.passed)
	s.passed = make(chan struct{})
}

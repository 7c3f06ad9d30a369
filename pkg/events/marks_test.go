package events

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"facestream/pkg/schema"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lives plays one process after the other on the records of a partition: what a process tells the broker is what the next
// one reads.
type lives struct {
	*marks
	t    *testing.T
	at   int64 // committed
	n    int
	text string
}

func (l *lives) next() {
	l.n++
	l.marks = newMarks(fmt.Sprint("process", l.n), l.at, l.text)
}

func (l *lives) commit(leaving bool) {
	text, told := l.render(l.at, leaving)
	l.text = text
	told()
}

// hand hands out the records up to last and commits what that needs.
func (l *lives) hand(last int64) {
	if l.reserve(last) {
		l.t.Fatalf("record %d may be handed out before the broker knows", last)
	}
	l.commit(false)
	if !l.reserve(last) {
		l.t.Fatalf("record %d may not be handed out though the broker knows", last)
	}
}

func (l *lives) want(what string, deaths map[int64]int) {
	l.t.Helper()
	for offset, want := range deaths {
		if got := l.deaths(offset); got != want {
			l.t.Errorf("%s: record %d has %d deaths, want %d", what, offset, got, want)
		}
	}
}

func TestMarks(t *testing.T) {
	l := &lives{t: t, at: 1000}
	l.next()
	l.hand(1010)
	l.want("at first", map[int64]int{1000: 0, 1010: 0})
	if l.begin(1001); !l.begun(1001) {
		t.Error("work waits for the broker though nothing ever died")
	}
	l.next() // the first died; anything that was handed out may be the cause
	l.want("after a death", map[int64]int{1000: 1, 1001: 1, 1010: 1, 1010 + 2*reservedAhead: 0})
	l.hand(1010)
	l.begin(1002)
	l.begin(1003)
	l.begin(1004)
	if l.begun(1002) {
		t.Error("work does not wait for the broker though a process died")
	}
	l.commit(false)
	if !l.begun(1002) {
		t.Error("work waits for the broker though it was told")
	}
	l.end(1003) // failed, and waits for another try
	l.finish(1004)
	l.commit(false)
	l.next() // died while it worked on 1002
	l.want("after two deaths", map[int64]int{1001: 1, 1002: 2, 1003: 1, 1004: 1})
	l.hand(1010)
	l.begin(1002)
	l.commit(false)
	l.commit(true)
	l.next() // ended in order
	l.want("after an orderly end", map[int64]int{1001: 1, 1002: 2, 1003: 1})
	l.hand(1010)
	l.begin(1002)
	l.commit(false)
	l.marks = newMarks(l.who, l.at, l.text) // lost its partitions and got them back
	l.want("after a second joining", map[int64]int{1001: 1, 1002: 2})
	l.next()
	l.want("after three deaths", map[int64]int{1001: 1, 1002: 3})
	l.finish(1002)
	l.at = l.careful
	if l.commit(true); l.text != "" {
		t.Errorf("with all suspects finished, %q is left", l.text)
	}
	for _, text := range []string{"", "x", "fs1", "fs1 a 5 b", "fs2 a 5 5", "fs1 a 0 0 1=x* y=2 7", strings.Repeat("9", 4096)} {
		if got := newMarks("me", 0, text).deaths(0); got != 0 {
			t.Errorf("%q counts %d deaths", text, got)
		}
	}
}

// A broker takes 4096 bytes beside an offset. The records with the most deaths have precedence.
func TestMarksHaveALimit(t *testing.T) {
	l := &lives{t: t}
	l.next()
	l.hand(3000)
	l.next()
	l.hand(3000)
	l.begin(2500)
	l.commit(false)
	l.next()
	l.hand(3000)
	for i := range int64(2000) {
		l.begin(i)
	}
	l.commit(false)
	if len(l.text) > 4096 {
		t.Errorf("%d bytes", len(l.text))
	}
	if !l.begun(1999) {
		t.Error("a record waits for ever for its mark")
	}
	l.next()
	l.want("after a death among many", map[int64]int{0: 2, 1999: 1, 2500: 2})
}

// Environment of the consumer process that TestPoisonousRecord starts and that kills itself.
const (
	poisonedTopic = "FACESTREAM_TEST_POISONED_TOPIC"
	poisonedFile  = "FACESTREAM_TEST_POISONED_FILE"
)

// poisoned consumes until a record kills it. It notes each try in a file.
func poisoned() int {
	c := NewClient(Config{Brokers: strings.Split(os.Getenv(childBrokers), ",")})
	topic := Topic(os.Getenv(poisonedTopic))
	notes, err := os.OpenFile(os.Getenv(poisonedFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 1
	}
	var running atomic.Int64
	try := func(how string, r Record) {
		fmt.Fprintf(notes, "%s %s %d\n", how, r.Event.Data, running.Add(1))
		work(5 * time.Millisecond)
		running.Add(-1)
	}
	cfg := ConsumerConfig{Group: "g." + string(topic), Topics: []Topic{topic}, Concurrency: 4, SessionTimeout: time.Second}
	if os.Getenv(childOut) != "" {
		cfg.Isolated = func(_ context.Context, r Record) error {
			try("isolated", r)
			if string(r.Event.Data) == "13" {
				return schema.Permanent("test", schema.ReasonInternal, errTest)
			}
			return nil
		}
	}
	err = c.NewConsumer(cfg, func(_ context.Context, r Record) error {
		try("among", r)
		if string(r.Event.Data) == "13" {
			work(10 * time.Millisecond) // the others get on
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}).Run(context.Background())
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// A record that kills its process is tried twice among others and then alone, whichever process has it. All others
// are handled.
func TestPoisonousRecord(t *testing.T) {
	for name, tt := range map[string]struct {
		isolated bool
		tries    []string // of the poison
	}{
		"with a process of its own":    {true, []string{"among", "among", "isolated"}},
		"without a process of its own": {false, slices.Repeat([]string{"among"}, MaxDeaths)},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 40
			b := newBroker(t)
			ctx, c, topic := setup(t, b, 1)
			publish(t, ctx, c, topic, n, n)
			file := t.TempDir() + "/tries"
			env := append(os.Environ(), childBrokers+"="+strings.Join(b.addrs, ","), poisonedTopic+"="+string(topic), poisonedFile+"="+file)
			if tt.isolated {
				env = append(env, childOut+"=isolated")
			}
			done := func() bool { return sum(committed(t, ctx, c, "g."+string(topic), topic)) == n }
			for range len(tt.tries) + 2 {
				cmd := exec.Command(os.Args[0])
				cmd.Env, cmd.Stderr = env, os.Stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				dead := make(chan struct{})
				go func() { cmd.Wait(); close(dead) }()
				for waiting := true; waiting; {
					select {
					case <-dead:
						waiting = false
					case <-time.After(50 * time.Millisecond):
						waiting = !done()
					}
				}
				cmd.Process.Kill()
				<-dead
				if done() {
					break
				}
			}
			notes, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var tries []string
			handled := map[string]bool{}
			for _, line := range strings.Split(strings.TrimSpace(string(notes)), "\n") {
				f := strings.Fields(line)
				handled[f[1]] = true
				if f[1] == "13" {
					tries = append(tries, f[0])
				}
				if f[0] == "isolated" && f[2] != "1" || f[1] == "13" && len(tries) > 2 && f[2] != "1" {
					t.Errorf("%q: %s ran at once, want it alone", line, f[2])
				}
			}
			if strings.Join(tries, " ") != strings.Join(tt.tries, " ") {
				t.Errorf("the poison was tried %v, want %v", tries, tt.tries)
			}
			if len(handled) != n || !done() {
				t.Errorf("%d of %d records were handled; all committed: %v", len(handled), n, done())
			}
			letters := deadLetters(t, ctx, c, topic)
			if len(letters) != 1 || string(letters[0].Value) != "13" || letters[0].Attempts != len(tt.tries) || letters[0].Reason != schema.ReasonInternal {
				t.Errorf("dead letters: %+v", letters)
			}
		})
	}
}

// Nobody dies when a process is told to stop, gives partitions to another one, is fenced off or gives up.
func TestOrderlyEndIsNoDeath(t *testing.T) {
	needFake(t, "it makes the broker refuse commits")
	b := newBroker(t)
	ctx, c, topic := setup(t, b, 2)
	publish(t, ctx, c, topic, 4, 4)
	group := uuid.NewString()
	var deaths, begun atomic.Int64
	cfg := ConsumerConfig{Group: group, Topics: []Topic{topic}, DrainTimeout: 50 * time.Millisecond}
	stuck := func(ctx context.Context, r Record) error {
		deaths.Add(int64(r.Deaths))
		begun.Add(1)
		<-ctx.Done()
		return ctx.Err()
	}
	began := func(what string, n int64) {
		t.Helper()
		eventually(t, "work begins after "+what, func() bool { return begun.Load() >= n })
		begun.Store(0)
	}
	for range 3 {
		r := consume(t, ctx, c, cfg, stuck)
		began("a start", 4)
		r.finish(t)
	}
	for range 3 {
		r := consume(t, ctx, c, cfg, func(ctx context.Context, r Record) error {
			deaths.Add(int64(r.Deaths))
			return schema.Fatal("test", errTest)
		})
		if err := r.wait(t, 30*time.Second); schema.ClassOf(err) != schema.ClassFatal {
			t.Fatalf("Run: %v, want a fatal error", err)
		}
	}
	one := consume(t, ctx, c, cfg, stuck)
	began("a fatal error", 4)
	for range 2 {
		other := consume(t, ctx, b.client(t), cfg, stuck)
		began("another member came", 4)
		other.finish(t)
		began("another member left", 4)
	}
	for range 2 {
		var refused atomic.Bool
		b.fake.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
			b.fake.KeepControl()
			if refused.Swap(true) {
				return nil, nil, false
			}
			answer := req.ResponseKind().(*kmsg.HeartbeatResponse)
			answer.ErrorCode = 25 // UNKNOWN_MEMBER_ID
			return answer, nil, true
		})
		began("the member was fenced off", 4)
	}
	one.finish(t)
	if n := deaths.Load(); n != 0 {
		t.Errorf("the records count %d deaths", n)
	}
}

// A broker that takes no text beside an offset does not stop the work.
func TestBrokerWithoutRoomForMarks(t *testing.T) {
	needFake(t, "it makes the broker refuse texts")
	b := newBroker(t)
	ctx, c, topic := setup(t, b, 1)
	b.fake.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		commit := req.(*kmsg.OffsetCommitRequest)
		answer := commit.ResponseKind().(*kmsg.OffsetCommitResponse)
		refuse := false
		for _, topic := range commit.Topics {
			out := kmsg.OffsetCommitResponseTopic{Topic: topic.Topic}
			for _, p := range topic.Partitions {
				refuse = refuse || p.Metadata != nil && *p.Metadata != ""
				out.Partitions = append(out.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: 12}) // OFFSET_METADATA_TOO_LARGE
			}
			answer.Topics = append(answer.Topics, out)
		}
		return answer, nil, refuse
	})
	publish(t, ctx, c, topic, 20, 5)
	group := uuid.NewString()
	consume(t, ctx, c, ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(context.Context, Record) error { return nil })
	wantCommitted(t, ctx, c, group, topic, 20)
}

// TestMarksThatTheBrokerHas: a consumer whose session was lost finds at the broker just what it is about to say, and goes on.
func TestMarksThatTheBrokerHas(t *testing.T) {
	b := newBroker(t)
	ctx, c, topic := setup(t, b, 1)
	publish(t, ctx, c, topic, 1, 1)
	group := uuid.NewString()
	done := make(chan struct{})
	consumer := c.NewConsumer(ConsumerConfig{Group: group, Topics: []Topic{topic}}, func(context.Context, Record) error {
		close(done)
		return nil
	})
	_, err := c.transport.RoundTrip(ctx, c.kafka.Addr, &offsetcommit.Request{GroupID: group, GenerationID: -1, Topics: []offsetcommit.RequestTopic{{
		Name:       string(topic),
		Partitions: []offsetcommit.RequestPartition{{CommittedOffset: 0, CommittedMetadata: fmt.Sprintf("fs1 %s 0 %d", consumer.self, 1+reservedAhead)}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- consumer.Run(ctx) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("the record is not handed out")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

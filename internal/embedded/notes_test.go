package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"facestream/internal/dbfault/smalldisk"
	"facestream/pkg/schema"
)

// commit commits an offset of partition 0, with a text beside it, and returns nil if the broker took it.
func commit(ctx context.Context, addr, group string, offset int64, text string) error {
	client := kafka.Client{Addr: kafka.TCP(addr), Timeout: time.Minute, Transport: &kafka.Transport{}}
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	r, err := client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: offset, Metadata: text}}}})
	if err != nil {
		return err
	}
	return errors.Join(r.Topics[topic][0].Error)
}

func committed(t *testing.T, addr, group string) int64 {
	t.Helper()
	client := kafka.Client{Addr: kafka.TCP(addr), Timeout: time.Minute, Transport: &kafka.Transport{}}
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	r, err := client.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Topics[topic]) == 0 { // the broker does not know the group
		return -1
	}
	return r.Topics[topic][0].CommittedOffset
}

// killed returns options for what a kill of the servers of o would leave at this moment.
func killed(t *testing.T, o Options) Options {
	t.Helper()
	left := o
	left.Dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(left.Dir, "kafka"), os.DirFS(filepath.Join(o.Dir, "kafka"))); err != nil {
		t.Fatal(err)
	}
	return left
}

// TestCommitsOnAFullDisk: no commit goes back that the broker took, neither while its disk is full nor afterwards.
func TestCommitsOnAFullDisk(t *testing.T) {
	disk := smalldisk.New(t, 8<<20)
	o := options(t, filepath.Join(disk.Dir, "data"))
	s := open(t, o)
	taken, refused := int64(0), 0
	next := func() {
		if err := commit(t.Context(), s.KafkaAddr(), "readers", taken+1, strings.Repeat("x", 3000)); err != nil {
			refused++
		} else {
			taken++
		}
	}
	next()
	disk.Fill()
	for range 1000 {
		next()
	}
	full := killed(t, o)
	disk.Free()
	atFull := taken
	for range 3 {
		next()
	}
	if refused == 0 || taken != atFull+3 {
		t.Errorf("%d commits were taken and %d refused, then %d of 3 were taken", atFull, refused, taken-atFull)
	}
	freed := killed(t, o)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		left Options
		want int64
	}{{full, atFull}, {freed, taken}} {
		s = open(t, x.left)
		if got := committed(t, s.KafkaAddr(), "readers"); got != x.want {
			t.Errorf("after a restart the group is at %d, it had committed %d", got, x.want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamagedNotes: what groups have committed is not forgotten in silence.
func TestDamagedNotes(t *testing.T) {
	o := options(t, t.TempDir())
	s := open(t, o)
	for i := range 20 {
		if err := commit(t.Context(), s.KafkaAddr(), fmt.Sprint("group-", i), int64(i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	left := killed(t, o)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(left.Dir, "kafka", "groups.log"))
	if err != nil {
		t.Fatal(err)
	}
	middle := bytes.Index(whole, []byte(`"group-9"`))
	for name, test := range map[string]struct {
		spoil func(b []byte) []byte
		lost  bool // a note in the middle
	}{
		"one byte":               {func(b []byte) []byte { b[middle] ^= 1; return b }, true},
		"a block of zeros":       {func(b []byte) []byte { clear(b[middle : middle+300]); return b }, true},
		"cut short in between":   {func(b []byte) []byte { return slices.Delete(b, middle, middle+5) }, true},
		"the last note":          {func(b []byte) []byte { b[len(b)-2] ^= 1; return b }, true},
		"the last length":        {func(b []byte) []byte { b[bytes.LastIndex(b, []byte("{"))-noteHeader+1] ^= 1; return b }, true},
		"half-written":           {func(b []byte) []byte { return append(b, b[:30]...) }, false},
		"half-written and zeros": {func(b []byte) []byte { return append(b, make([]byte, 5000)...) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := killed(t, left)
			path := filepath.Join(o.Dir, "kafka", "groups.log")
			if err := os.WriteFile(path, test.spoil(slices.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			if test.lost {
				if _, err := Open(t.Context(), o); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), path) {
					t.Fatalf("opened with %v, want a fatal error that names the file", err)
				}
				losses, aside, err := Repair(o.Dir)
				if err != nil || len(losses) != 1 || losses[0].File != path {
					t.Fatalf("repaired with %v, %v", losses, err)
				}
				if _, err := os.Stat(filepath.Join(aside, "groups.log")); err != nil {
					t.Error(err)
				}
			}
			s := open(t, o)
			for _, i := range []int{0, 19} {
				want := int64(i)
				if i == 19 && strings.HasPrefix(name, "the last") {
					want = -1
				}
				if got := committed(t, s.KafkaAddr(), fmt.Sprint("group-", i)); got != want {
					t.Errorf("group %d is at %d", i, got)
				}
			}
			if err := commit(t.Context(), s.KafkaAddr(), "group-0", 100, "x"); err != nil {
				t.Fatal(err)
			}
			again := killed(t, o)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, again)
			if got := committed(t, s.KafkaAddr(), "group-0"); got != 100 {
				t.Errorf("after another restart group 0 is at %d, it had committed 100", got)
			}
		})
	}
}

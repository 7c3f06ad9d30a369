package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// TestBrokerDamage: what cannot be read of acknowledged records stops the broker and is named; only what a crash left
// half-written is cut off. After a repair everything else is there, under the same offsets, and the broker goes on.
func TestBrokerDamage(t *testing.T) {
	const n = 60
	sizes := func(b []byte) (starts []int) {
		for at := 0; at < len(b); {
			starts = append(starts, at)
			at += 12 + int(binary.BigEndian.Uint32(b[at+8:]))
		}
		return starts
	}
	for name, test := range map[string]struct {
		spoil func(b []byte, starts []int) []byte
		clean bool   // the broker was stopped, not killed
		lost  []int  // the records that are lost; nil: no damage
		text  string // in the error
	}{
		"one byte of a record": {func(b []byte, s []int) []byte { b[s[8]+70] ^= 1; return b }, false, []int{8}, "offsets 8 to 8"},
		"the first byte":       {func(b []byte, s []int) []byte { b[0] ^= 1; return b }, false, []int{0}, "offsets 0 to 0"},
		"a base offset":        {func(b []byte, s []int) []byte { b[s[8]+7] ^= 64; return b }, false, []int{8}, "offsets 8 to 8"},
		"a length":             {func(b []byte, s []int) []byte { b[s[8]+8] ^= 64; return b }, false, []int{8}, "offsets 8 to 8"},
		"a block of zeros":     {func(b []byte, s []int) []byte { clear(b[s[8]+30 : s[20]+30]); return b }, false, []int{8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, "offsets 8 to 20"},
		"the last record":      {func(b []byte, s []int) []byte { b[s[n-1]+70] ^= 1; return b }, false, []int{n - 1}, fmt.Sprintf("offsets %d to the end", n-1)},
		"cut short":            {func(b []byte, s []int) []byte { return b[:s[n-3]] }, false, []int{n - 3, n - 2, n - 1}, fmt.Sprintf("offsets %d to the end", n-3)},
		"cut short at rest":    {func(b []byte, s []int) []byte { return b[:s[n-3]] }, true, []int{n - 3, n - 2, n - 1}, fmt.Sprintf("offsets %d to %d", n-3, n-1)},
		"empty":                {func(b []byte, s []int) []byte { return nil }, true, nil, fmt.Sprintf("offsets 0 to %d", n-1)},
		"the last length":      {func(b []byte, s []int) []byte { b[s[n-1]+10] ^= 1; return b }, false, []int{n - 1}, fmt.Sprintf("offsets %d to the end", n-1)},
		"the last base offset": {func(b []byte, s []int) []byte { b[s[n-1]+7] ^= 64; return b }, false, []int{n - 1}, fmt.Sprintf("offsets %d to the end", n-1)},
		// The power fails while record n-1 is written: its entry in the index is on the disk, and of the batch what happened to be.
		"power, no batch":     {func(b []byte, s []int) []byte { return b[:s[n-1]] }, false, []int{n - 1}, ""},
		"power, half a batch": {func(b []byte, s []int) []byte { return b[:s[n-1]+90] }, false, []int{n - 1}, ""},
		"power, zeros":        {func(b []byte, s []int) []byte { clear(b[s[n-1]:]); return b }, false, []int{n - 1}, ""},
		"half-written":        {func(b []byte, s []int) []byte { return append(b, b[s[3]:s[3]+50]...) }, false, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, t.TempDir())
			s := open(t, o)
			var want []string
			for i := range n {
				v := fmt.Sprintf("record %d %s", i, strings.Repeat("x", 50))
				want = append(want, v)
			}
			if err := produce(t.Context(), s.KafkaAddr(), want...); err != nil { // one batch each
				t.Fatal(err)
			}
			dir := filepath.Join(o.Dir, "kafka", "partitions", topic+"-0")
			before := map[string][]byte{}
			for _, f := range []string{"0.dat", "0.idx"} {
				b, err := os.ReadFile(filepath.Join(dir, f))
				if err != nil {
					t.Fatal(err)
				}
				before[f] = b
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if !test.clean { // what a kill would have left
				for f, b := range before {
					if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Remove(filepath.Join(dir, "snapshot.json")); err != nil {
					t.Fatal(err)
				}
			}
			spoiled := test.spoil(slices.Clone(before["0.dat"]), sizes(before["0.dat"]))
			if err := os.WriteFile(filepath.Join(dir, "0.dat"), spoiled, 0o600); err != nil {
				t.Fatal(err)
			}
			if test.text != "" {
				_, err := Open(t.Context(), o)
				if schema.ClassOf(err) != schema.ClassFatal {
					t.Fatalf("got %v, want a fatal error", err)
				}
				for _, text := range []string{test.text, topic + "-0", "0.dat", "facestream servers repair"} {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("%q is missing in: %v", text, err)
					}
				}
				losses, aside, err := Repair(o.Dir)
				if err != nil || len(losses) != 1 {
					t.Fatalf("repair: %+v, %v", losses, err)
				}
				if kept, err := os.ReadFile(filepath.Join(aside, topic+"-0", "0.dat")); err != nil || string(kept) != string(spoiled) {
					t.Errorf("the damaged file is not kept: %v", err)
				}
			}
			s = open(t, o)
			if err := produce(t.Context(), s.KafkaAddr(), "afterwards"); err != nil {
				t.Fatal(err)
			}
			left := []string{}
			for i, v := range want {
				if !slices.Contains(test.lost, i) && name != "empty" {
					left = append(left, v)
				}
			}
			left = append(left, "afterwards")
			if got := all(t, s.KafkaAddr()); !slices.Equal(got, left) {
				t.Errorf("%d records are left, want %d: %.200q", len(got), len(left), got)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			open(t, o) // and is sound
		})
	}
}

// Sectors of a batch that were not written tell a loss of power from damage.
func TestUnwritten(t *testing.T) {
	batch := emptyBatch(7, 7, 1)
	for range 3000 {
		batch = append(batch, 'x')
	}
	binary.BigEndian.PutUint32(batch[8:], uint32(len(batch)-batchStart))
	binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], castagnoli))
	const at = 300 // in the file
	for name, tt := range map[string]struct {
		spoil func(b []byte) []byte
		want  bool
	}{
		"nothing of it":           {func([]byte) []byte { return nil }, true},
		"its beginning":           {func(b []byte) []byte { return b[:20] }, true},
		"all but the end":         {func(b []byte) []byte { return b[:len(b)-1] }, true},
		"a sector is missing":     {func(b []byte) []byte { clear(b[1024-at : 1536-at]); return b }, true},
		"the first one is":        {func(b []byte) []byte { clear(b[:512-at]); return b }, true},
		"the last one is":         {func(b []byte) []byte { clear(b[3072-at:]); return b }, true},
		"nothing is, a byte":      {func(b []byte) []byte { b[2000] ^= 1; return b }, false},
		"nothing is, the length":  {func(b []byte) []byte { b[9] ^= 1; return b }, false},
		"nothing is, the version": {func(b []byte) []byte { b[16] ^= 1; return b }, false},
		"part of a sector":        {func(b []byte) []byte { clear(b[1100-at : 1536-at]); return b }, false},
	} {
		if got := unwritten(tt.spoil(slices.Clone(batch)), at); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// all returns what a consumer of facestream reads from partition 0 of the topic.
func all(t *testing.T, addr string) (values []string) {
	t.Helper()
	client := events.NewClient(events.Config{Brokers: []string{addr}})
	defer client.Close()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	err := client.ReadAll(ctx, topic, nil, func(r events.Record) error {
		if r.Partition == 0 {
			values = append(values, string(r.Event.Data))
		}
		return nil
	}, stop)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

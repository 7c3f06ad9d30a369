package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// crashDir names the folder in which this test binary, started again, writes until it is killed.
const crashDir = "FACESTREAM_TEST_CRASH_GALLERY"

const crashCallers = 8

// crashRow is row i of a caller. Its content follows from its id.
func crashRow(id string) gallery.Row {
	h := fnv.New64a()
	h.Write([]byte(id))
	return testRow(id, schema.PUID("person of "+id), h.Sum64())
}

// writeUntilKilled upserts and deletes from several callers. Each prints a deletion ("- id") before it asks for it, and every
// acknowledgement ("+ id" written, "= id" deleted) after it. A line is one write, so none is cut.
func writeUntilKilled(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx := context.Background()
	g, err := Open(ctx, dir)
	if err != nil {
		fail(err)
	}
	round := os.Getenv(crashDir + "_ROUND")
	var wg sync.WaitGroup
	for caller := range crashCallers {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%05d", round, caller, i)
				if i%7 == 3 { // a repeat, as after a redelivery
					id = fmt.Sprintf("again-%d-%d", caller, i%4)
				}
				rows := []gallery.Row{crashRow(id), crashRow(id + "b")}
				if err := errors.Join(g.Upsert(ctx, visited, rows)...); err != nil {
					fail(err)
				}
				fmt.Printf("+ %s\n+ %sb\n", id, id)
				if i%5 == 4 && !strings.HasPrefix(id, "again") {
					fmt.Printf("- %s\n", id)
					o := g.Delete(ctx, visited, []gallery.Deletion{{PUID: rows[0].PUID, Request: schema.RequestID(id)}})[0]
					if o.Err != nil || o.Value != 1 {
						fail(fmt.Errorf("delete: %d, %w", o.Value, o.Err))
					}
					fmt.Printf("= %s\n", id)
				}
			}
		})
	}
	wg.Wait()
}

// TestInvariant7Crash kills a writing process at random moments (invariant 7). Afterwards each acknowledged row is listed once and
// found, and each acknowledged deletion holds.
func TestInvariant7Crash(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	state := map[string]byte{} // the last line about each id
	for round := range 8 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDir+"="+dir, fmt.Sprintf("%s_ROUND=%d", crashDir, round))
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		acknowledged := 0
		var kill *time.Timer
		for lines.Scan() {
			if kill == nil { // not before it is at work
				kill = time.AfterFunc(time.Duration(r.IntN(150))*time.Millisecond, func() { cmd.Process.Kill() })
			}
			state[lines.Text()[2:]] = lines.Text()[0]
			acknowledged++
		}
		cmd.Wait()
		if stderr.Len() > 0 || acknowledged == 0 {
			t.Fatalf("round %d: %d acknowledgements; %s", round, acknowledged, stderr.String())
		}
		checkAfterCrash(t, dir, state)
		t.Logf("round %d: killed after %d acknowledgements; %d ids so far", round, acknowledged, len(state))
	}
}

func checkAfterCrash(t *testing.T, dir string, state map[string]byte) {
	t.Helper()
	g, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	listed := map[string]int{}
	for after := ""; ; {
		page, err := g.List(t.Context(), visited, after, 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Rows {
			listed[row.ID]++
		}
		if after = page.Next; after == "" {
			if page.Total != len(listed) {
				t.Errorf("%d rows are counted and %d listed", page.Total, len(listed))
			}
			break
		}
	}
	for id, n := range listed {
		if n != 1 {
			t.Errorf("row %s is there %d times", id, n)
		}
	}
	for id, last := range state {
		o := g.Search(t.Context(), visited, []schema.Embedding{crashRow(id).Embedding}, 1)[0]
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		found := o.Value[0].Row.ID == id && o.Value[0].Score > 0.9999
		switch {
		case found != (listed[id] == 1):
			t.Errorf("row %s: listed %d times, found: %v", id, listed[id], found)
		case last == '+' && !found:
			t.Errorf("row %s was acknowledged and is lost", id)
		case last == '=' && found:
			t.Errorf("row %s was acknowledged as deleted and is back", id)
		}
	}
}

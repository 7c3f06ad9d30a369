package ledger

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"facestream/internal/dbfault/smalldisk"
	"facestream/pkg/schema"
)

// crashFile names the ledger that this test binary, started again, writes until it is killed.
const crashFile = "FACESTREAM_TEST_CRASH_LEDGER"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		writeUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, path string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

func wantSeen(t *testing.T, l *Ledger, id schema.RequestID, digest string, ok bool) {
	t.Helper()
	gotDigest, gotOK, err := l.Seen(t.Context(), id)
	if err != nil || gotDigest != digest || gotOK != ok {
		t.Errorf("Seen(%s) = %q, %v, %v; want %q, %v", id, gotDigest, gotOK, err, digest, ok)
	}
}

func TestDigests(t *testing.T) {
	type note struct {
		digest string
		at     time.Duration
	}
	for name, test := range map[string]struct {
		notes  []note
		digest string
		kept   bool // by a Prune of what was last heard of before noon
	}{
		"a job":                      {[]note{{"d1", 0}}, "d1", true},
		"the first digest stands":    {[]note{{"d1", 0}, {"d2", 0}}, "d1", true},
		"an outcome":                 {[]note{{"", 0}}, "", true},
		"an outcome, then its job":   {[]note{{"", 0}, {"d1", 0}, {"d2", 0}}, "d1", true},
		"a job, then its outcome":    {[]note{{"d1", 0}, {"", 0}}, "d1", true},
		"old":                        {[]note{{"d1", -time.Second}}, "d1", false},
		"heard of again":             {[]note{{"d1", -time.Hour}, {"", time.Second}}, "d1", true},
		"an older record comes last": {[]note{{"d1", time.Second}, {"", -time.Hour}}, "d1", true},
	} {
		t.Run(name, func(t *testing.T) {
			for way, store := range map[string]func(l *Ledger, n note) error{
				"record": func(l *Ledger, n note) error { return l.Record(t.Context(), "r1", n.digest, noon.Add(n.at)) },
				"apply": func(l *Ledger, n note) error {
					return l.Apply(t.Context(), "jobs", 0, 1, []Entry{{"r1", n.digest, noon.Add(n.at)}})
				},
			} {
				l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
				wantSeen(t, l, "r1", "", false)
				for _, n := range test.notes {
					if err := store(l, n); err != nil {
						t.Fatalf("%s: %v", way, err)
					}
				}
				wantSeen(t, l, "r1", test.digest, true)
				wantSeen(t, l, "R1", "", false)
				n, err := l.Prune(t.Context(), noon)
				if err != nil || (n == 0) != test.kept {
					t.Errorf("%s: Prune = %d, %v; kept: want %v", way, n, err, test.kept)
				}
				left := ""
				if test.kept {
					left = test.digest
				}
				wantSeen(t, l, "r1", left, test.kept)
			}
		})
	}
}

func TestApplyAndReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a new folder", "ledger #1, 100%?.db")
	l := open(t, path)
	apply := func(topic string, partition int, next int64, ids ...schema.RequestID) {
		t.Helper()
		var entries []Entry
		for _, id := range ids {
			entries = append(entries, Entry{id, "digest of " + string(id), noon})
		}
		if err := l.Apply(t.Context(), topic, partition, next, entries); err != nil {
			t.Fatal(err)
		}
	}
	apply("jobs", 0, 7, "a", "b")
	apply("jobs", 3, 1<<40, "c", "łódź \x00 東京")
	apply("results", 0, 5) // nothing of interest in those records
	apply("jobs", 0, 9, "d")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	l = open(t, path)
	for topic, want := range map[string]map[int]int64{"jobs": {0: 9, 3: 1 << 40}, "results": {0: 5}, "other": {}} {
		got, err := l.Offsets(t.Context(), topic)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("offsets of %s: %v (-want +got):\n%s", topic, err, diff)
		}
	}
	for _, id := range []schema.RequestID{"a", "b", "c", "d", "łódź \x00 東京"} {
		wantSeen(t, l, id, "digest of "+string(id), true)
	}
	apply("jobs", 0, 2) // the topic was created anew
	if got, err := l.Offsets(t.Context(), "jobs"); err != nil || got[0] != 2 {
		t.Errorf("offset after beginning again: %d, %v; want 2", got[0], err)
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	if err := l.Apply(t.Context(), "jobs", 0, 1, []Entry{{"a", "d", noon}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.db.Exec("CREATE TRIGGER full BEFORE INSERT ON requests WHEN NEW.id = 'poison' BEGIN SELECT RAISE(ABORT, 'disk full'); END"); err != nil {
		t.Fatal(err)
	}
	if err := l.Apply(t.Context(), "jobs", 0, 3, []Entry{{"b", "d", noon}, {"poison", "d", noon}}); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("got %v, want a transient error", err)
	}
	wantSeen(t, l, "b", "", false)
	if got, err := l.Offsets(t.Context(), "jobs"); err != nil || got[0] != 1 {
		t.Errorf("offset %d, %v; want 1", got[0], err)
	}
	if err := l.Apply(t.Context(), "jobs", 0, 2, []Entry{{"b", "d", noon}}); err != nil {
		t.Errorf("after a failure: %v", err)
	}
}

// TestLongIDs: an id that is too long for a request costs the ledger no more than others do.
func TestLongIDs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	long := func(i int) schema.RequestID { return schema.RequestID(fmt.Sprint(strings.Repeat("x", 1<<20), i)) }
	for i := range 8 {
		if err := errors.Join(l.Record(t.Context(), long(i), "d", noon), l.Apply(t.Context(), "jobs", 0, 1, []Entry{{long(i + 8), "d", noon}})); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 16 {
		wantSeen(t, l, long(i), "d", true)
	}
	wantSeen(t, l, long(16), "", false)
	for _, file := range []string{path, path + "-wal"} {
		if info, err := os.Stat(file); err != nil || info.Size() > 1<<20 {
			t.Errorf("%s: %v, %v", filepath.Base(file), info.Size(), err)
		}
	}
}

func TestPruneInSteps(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	const old, young = 2*pruneStep + 7, 5
	var entries []Entry
	for i := range old + young {
		at := noon.Add(-time.Hour)
		if i >= old {
			at = noon
		}
		entries = append(entries, Entry{schema.RequestID(fmt.Sprint("r", i)), "d", at})
	}
	if err := l.Apply(t.Context(), "jobs", 0, 1, entries); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{old, 0} {
		if n, err := l.Prune(t.Context(), noon); err != nil || n != want {
			t.Errorf("Prune = %d, %v; want %d", n, err, want)
		}
	}
	wantSeen(t, l, "r0", "", false)
	wantSeen(t, l, schema.RequestID(fmt.Sprint("r", old)), "d", true)
	if got, err := l.Offsets(t.Context(), "jobs"); err != nil || got[0] != 1 {
		t.Errorf("the offset went with the entries: %d, %v", got[0], err)
	}
}

func TestErrorsAreTransient(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, seen := l.Seen(ctx, "r")
	_, offsets := l.Offsets(ctx, "jobs")
	_, pruned := l.Prune(ctx, noon)
	for what, err := range map[string]error{
		"seen": seen, "offsets": offsets, "prune": pruned,
		"record": l.Record(ctx, "r", "d", noon), "apply": l.Apply(ctx, "jobs", 0, 1, nil),
	} {
		if schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, context.Canceled) {
			t.Errorf("%s on a cancelled context: got %v, want transient, context.Canceled", what, err)
		}
	}
	wantSeen(t, l, "r", "", false)
}

func TestUnusableFile(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.db")
	l := open(t, newer)
	if _, err := l.db.Exec("PRAGMA user_version = 3"); err != nil {
		t.Fatal(err)
	}
	l.Close()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{newer: "format 3", filepath.Join(text, "x.db"): "not a directory"} {
		if _, err := Open(t.Context(), path); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a fatal error with %q", err, want)
		}
	}
}

// A damaged ledger is set aside as it is, and the topics fill the one that takes its place.
func TestDamageIsSetAside(t *testing.T) {
	for name, damage := range map[string]func(b []byte){
		"no database": func(b []byte) { clear(b[:200]) },
		"a page of zeros": func(b []byte) {
			clear(b[len(b)/2/4096*4096:][:4096])
		},
		"random bytes": func(b []byte) {
			for i := 8192; i < len(b); i++ {
				b[i] = byte(i * 167)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			l := open(t, path)
			var entries []Entry
			for i := range 3000 {
				entries = append(entries, Entry{schema.RequestID(fmt.Sprintf("r%d", i)), "d", noon})
			}
			if err := l.Apply(t.Context(), "jobs", 0, 7, entries); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damage(b)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			l = open(t, path)
			aside, err := os.ReadFile(l.SetAside)
			if err != nil || !bytes.Equal(aside, b) {
				t.Errorf("the file that was set aside (%q) is not the damaged one: %v", l.SetAside, err)
			}
			wantSeen(t, l, "r0", "", false)
			if next, err := l.Offsets(t.Context(), "jobs"); err != nil || len(next) != 0 {
				t.Errorf("it goes on at %v (%v), want the beginning", next, err)
			}
			l.Close()
			if l = open(t, path); l.SetAside != "" {
				t.Errorf("a sound ledger was set aside: %q", l.SetAside)
			}
		})
	}
}

// Damage that leaves the structure of the file as it was is noticed by the row's checksum: at the opening, and when a row is read.
func TestDamagedRows(t *testing.T) {
	for name, change := range map[string]string{
		"an id":             "UPDATE requests SET id = 'r8' WHERE id = 'r7'",
		"a digest":          "UPDATE requests SET digest = 'e' WHERE id = 'r7'",
		"a time":            "UPDATE requests SET at = at + 64 WHERE id = 'r7'",
		"a checksum":        "UPDATE requests SET digest_sum = digest_sum + 1 WHERE id = 'r7'",
		"a digest of later": "UPDATE requests SET digest = 'e' WHERE id = 'later'",
		"an offset":         "UPDATE offsets SET next = 71",
		"a partition":       "UPDATE offsets SET partition = 1",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			l := open(t, path)
			if err := errors.Join(l.Apply(t.Context(), "jobs", 0, 6, []Entry{{"r7", "d", noon}, {"later", "", noon}}),
				l.Record(t.Context(), "later", "d", noon.Add(-time.Hour)), l.Record(t.Context(), "later", "", noon.Add(time.Hour)),
				l.Apply(t.Context(), "jobs", 0, 7, nil)); err != nil {
				t.Fatal(err)
			}
			l.Close()
			if l = open(t, path); l.SetAside != "" {
				t.Fatalf("a sound ledger was set aside: %q", l.SetAside)
			}
			if _, err := l.db.Exec(change); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "a digest") || name == "a checksum" {
				id := schema.RequestID("r7")
				if strings.HasSuffix(name, "later") {
					id = "later"
				}
				if _, _, err := l.Seen(t.Context(), id); schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), path) {
					t.Errorf("reading the row: %v, want a fatal error that names the file", err)
				}
			}
			l.Close()
			if l = open(t, path); l.SetAside == "" {
				t.Error("the damage was not noticed at the opening")
			}
		})
	}
}

// A ledger of format 1 goes on, and gets checksums with its next records.
func TestFormat1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE requests (id TEXT PRIMARY KEY, digest TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
		CREATE INDEX requests_by_age ON requests (at);
		CREATE TABLE offsets (topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) STRICT, WITHOUT ROWID;
		INSERT INTO requests VALUES ('old', 'd', 1), ('outcome', '', 1); INSERT INTO offsets VALUES ('jobs', 0, 5); PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l := open(t, path)
		if l.SetAside != "" {
			t.Fatalf("it was set aside: %q", l.SetAside)
		}
		wantSeen(t, l, "old", "d", true)
		if next, err := l.Offsets(t.Context(), "jobs"); err != nil || next[0] < 5 {
			t.Errorf("it goes on at %v (%v)", next, err)
		}
		if err := errors.Join(l.Record(t.Context(), "old", "", noon), l.Record(t.Context(), "outcome", "d2", noon), l.Apply(t.Context(), "jobs", 0, 6, []Entry{{"new", "d", noon}})); err != nil {
			t.Fatal(err)
		}
		wantSeen(t, l, "outcome", "d2", true)
		wantSeen(t, l, "new", "d", true)
		l.Close()
	}
}

// A full disk is an outage, of every call that writes, and passes.
func TestFullDiskIsAnOutage(t *testing.T) {
	disk := smalldisk.New(t, 1<<20)
	path := filepath.Join(disk.Dir, "ingest", "ledger.db")
	l := open(t, path)
	disk.Fill()
	for range 2 {
		for name, err := range map[string]error{
			"record": l.Record(t.Context(), "r", "d", noon),
			"apply":  l.Apply(t.Context(), "jobs", 0, 1, []Entry{{"r", "d", noon}}),
		} {
			if schema.ClassOf(err) != schema.ClassOutage || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v, want an outage that names the file", name, err)
			}
		}
	}
	if _, _, err := l.Seen(t.Context(), "r"); schema.ClassOf(err) != schema.ClassOutage {
		t.Errorf("seen: %v, want an outage, because nothing can be recorded about what is not known", err)
	}
	disk.Free()
	wantSeen(t, l, "r", "", false)
	if err := errors.Join(l.Record(t.Context(), "r", "d", noon), l.Apply(t.Context(), "jobs", 0, 1, nil)); err != nil {
		t.Error(err)
	}
	wantSeen(t, l, "r", "d", true)
}

func TestConcurrency(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := schema.RequestID(fmt.Sprint("r", i))
				err := errors.Join(
					l.Record(t.Context(), id, fmt.Sprint("digest ", worker), noon),
					l.Apply(t.Context(), "jobs", worker, int64(i), []Entry{{id, "", noon}, {schema.RequestID(fmt.Sprint(worker, " ", i)), "d", noon}}),
				)
				if digest, ok, seen := l.Seen(t.Context(), id); seen != nil || err != nil || !ok || !strings.HasPrefix(digest, "digest ") {
					t.Errorf("%s: %q, %v, %v, %v", id, digest, ok, seen, err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := l.Prune(t.Context(), noon.Add(time.Hour)); err != nil || n != 50+8*50 {
		t.Errorf("%d entries, %v; want %d", n, err, 50+8*50)
	}
}

// writeUntilKilled follows a topic: the record with offset n holds the request "f<n>". Beside it, it records requests
// and announces each after it returned.
func writeUntilKilled(path string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx := context.Background()
	l, err := Open(ctx, path)
	if err != nil {
		fail(err)
	}
	offsets, err := l.Offsets(ctx, "jobs")
	if err != nil {
		fail(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for next := offsets[0]; ; {
			var entries []Entry
			for range 1 + next%4 {
				entries = append(entries, Entry{schema.RequestID(fmt.Sprint("f", next)), "d", noon})
				next++
			}
			if err := l.Apply(ctx, "jobs", 0, next, entries); err != nil {
				fail(err)
			}
			fmt.Printf("f%d\n", next-1)
		}
	})
	for caller := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("r%d-%d-%d", os.Getpid(), caller, i)
				if err := l.Record(ctx, schema.RequestID(id), "d", noon); err != nil {
					fail(err)
				}
				fmt.Println(id)
			}
		})
	}
	wg.Wait()
}

// TestCrash kills a writing process at random moments: what was acknowledged is there, and entries and offset agree.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	var acknowledged []schema.RequestID
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashFile+"="+path)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := len(acknowledged)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if len(acknowledged) == before { // not before it is at work
				time.AfterFunc(time.Duration(r.IntN(150))*time.Millisecond, func() { cmd.Process.Kill() })
			}
			acknowledged = append(acknowledged, schema.RequestID(lines.Text()))
		}
		cmd.Wait()
		if stderr.Len() > 0 || len(acknowledged) == before {
			t.Fatalf("round %d: %d acknowledgements; %s", round, len(acknowledged)-before, stderr.String())
		}

		l, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range acknowledged {
			wantSeen(t, l, id, "d", true)
		}
		offsets, err := l.Offsets(t.Context(), "jobs")
		if err != nil {
			t.Fatal(err)
		}
		for n := range offsets[0] {
			wantSeen(t, l, schema.RequestID(fmt.Sprint("f", n)), "d", true)
		}
		for n := offsets[0]; n < offsets[0]+5; n++ {
			wantSeen(t, l, schema.RequestID(fmt.Sprint("f", n)), "", false)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: killed after %d acknowledgements, at offset %d", round, len(acknowledged)-before, offsets[0])
	}
}

func BenchmarkLedger(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("seen+record/callers=%d", callers), func(b *testing.B) {
			l := open(b, filepath.Join(b.TempDir(), "ledger.db"))
			var wg sync.WaitGroup
			b.ResetTimer()
			for c := range callers {
				wg.Go(func() {
					for i := c; i < b.N; i += callers {
						id := schema.RequestID(fmt.Sprintf("%x", uint64(i)*0x9e3779b97f4a7c15))
						if _, _, err := l.Seen(b.Context(), id); err != nil {
							b.Error(err)
						}
						if err := l.Record(b.Context(), id, "digest", noon); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
	b.Run("apply/entries=500", func(b *testing.B) {
		l := open(b, filepath.Join(b.TempDir(), "ledger.db"))
		entries := make([]Entry, 500)
		n := uint64(0)
		for b.Loop() {
			for i := range entries {
				n++
				entries[i] = Entry{schema.RequestID(fmt.Sprintf("%x", n*0x9e3779b97f4a7c15)), "digest", noon}
			}
			if err := l.Apply(b.Context(), "jobs", 0, int64(n), entries); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
	})
}

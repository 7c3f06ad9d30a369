package milvus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// Different collections and models always get different names in the server.
func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, s := range []string{"c", "C", "c.1", "c-1", "c_1", "c_5f1", "c__1", "0c", "net-a@11111111", "é", ""} {
		name := escape(s)
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are both %s", s, other, name)
		}
		seen[name] = s
		if strings.Contains(name, modelMark) {
			t.Errorf("%q is escaped as %s, which holds the mark before a model", s, name)
		}
		if back, err := unescape(name); err != nil || back != s {
			t.Errorf("%q comes back as %q, %v", s, back, err)
		}
	}
	for _, s := range []string{"a_", "a_4", "a_zz"} {
		if back, err := unescape(s); err == nil {
			t.Errorf("%q is read as %q", s, back)
		}
	}
}

// What a server refuses everybody is an outage; what it refuses of this call is tried a bounded number of times.
func TestRefusedWrites(t *testing.T) {
	for code, want := range map[int32]schema.Class{
		2: schema.ClassOutage, 3: schema.ClassOutage, 7: schema.ClassOutage, 8: schema.ClassOutage, 9: schema.ClassOutage,
		5: schema.ClassTransient, codeNotLoaded: schema.ClassTransient, 1100: schema.ClassTransient,
	} {
		err := transient("test", fmt.Errorf("upsert: %w", &refusal{code, "quota exceeded"}))
		if got := schema.ClassOf(err); got != want {
			t.Errorf("code %d: %s, want %s", code, got, want)
		}
	}
	if err := transient("test", errors.New("no answer")); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("%v, want a transient error", err)
	}
}

// proxy forwards to the server until it is cut: connections end and new ones are refused.
type proxy struct {
	t       *testing.T
	address string
	mu      sync.Mutex
	listen  net.Listener
	conns   []net.Conn
	wg      sync.WaitGroup
}

func newProxy(t *testing.T) *proxy {
	p := &proxy{t: t}
	p.restore("127.0.0.1:0")
	p.address = p.listen.Addr().String()
	t.Cleanup(func() {
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) restore(address string) {
	p.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.listen = l
	p.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", server.address)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				p.wg.Go(func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
				})
			}
		}
	})
}

func (p *proxy) cut() {
	p.listen.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// While the server is away, calls return a transient error within the time-out. The same gallery works again when it is back.
func TestServerAway(t *testing.T) {
	cfg := config(t, FLAT)
	p := newProxy(t)
	cfg.Address, cfg.Timeout = p.address, 3*time.Second
	g := open(t, cfg)
	upsert(t, g, testRow("a", "ann", 1))

	p.cut()
	for name, call := range map[string]func() error{
		"upsert": func() error { return g.Upsert(t.Context(), people, []gallery.Row{testRow("b", "bob", 2)})[0] },
		"search": func() error { return g.Search(t.Context(), people, []schema.Embedding{direction(1)}, 1)[0].Err },
		"delete": func() error {
			return g.Delete(t.Context(), people, []gallery.Deletion{{PUID: "ann", Request: "r"}})[0].Err
		},
		"list": func() error { _, err := g.List(t.Context(), people, "", 1); return err },
		"ping": func() error { return g.Ping(t.Context()) },
	} {
		start := time.Now()
		if err := call(); schema.ClassOf(err) != schema.ClassTransient {
			t.Errorf("%s without a server: got %v, want a transient error", name, err)
		}
		if took := time.Since(start); took > cfg.Timeout+time.Second {
			t.Errorf("%s without a server took %v", name, took)
		}
	}
	if _, err := Open(t.Context(), cfg); schema.ClassOf(err) != schema.ClassTransient || !strings.Contains(err.Error(), p.address) {
		t.Errorf("opening without a server: got %v, want a transient error that names it", err)
	}

	p.restore(p.address)
	for start := time.Now(); g.Ping(t.Context()) != nil; {
		if time.Since(start) > time.Minute {
			t.Fatal("the server is back and not found again")
		}
	}
	upsert(t, g, testRow("b", "bob", 2))
	if page, err := g.List(t.Context(), people, "", 10); err != nil || page.Total != 2 {
		t.Errorf("after the return: %d rows, %v; want 2", page.Total, err)
	}
}

// Wrong credentials are fatal, so that a service stops instead of trying for ever.
func TestWrongCredentials(t *testing.T) {
	cfg := config(t, FLAT)
	if cfg.User == "" {
		t.Skip("SKIPPED: the server asks nobody for a password")
	}
	cfg.Password += "x"
	if _, err := Open(t.Context(), cfg); schema.ClassOf(err) != schema.ClassFatal || strings.Contains(err.Error(), string(cfg.Password)) {
		t.Errorf("a wrong password: got %v, want a fatal error without it", err)
	}
	cfg = config(t, FLAT)
	if cfg.TLS == nil {
		t.Skip("SKIPPED: the server speaks no TLS")
	}
	cfg.TLS, cfg.Timeout = &tls.Config{}, 5*time.Second
	if _, err := Open(t.Context(), cfg); schema.ClassOf(err) != schema.ClassTransient || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: got %v, want an error that speaks of the certificate", err)
	}
}

// A listing of more rows than a query returns is complete and in order, whatever the order of the server's answers.
func TestPagesOfALargeCollection(t *testing.T) {
	g := open(t, config(t, FLAT))
	const n = 5000
	rows := make([]gallery.Row, n)
	for i, j := range rand.New(rand.NewPCG(1, 1)).Perm(n) {
		rows[i] = testRow(fmt.Sprintf("%05d", j), schema.PUID(fmt.Sprint(j)), uint64(j))
	}
	upsert(t, g, rows...)
	for _, limit := range []int{700, 4999, 100_000} {
		next := 0
		for after := ""; ; {
			page, err := g.List(t.Context(), people, after, limit)
			if err != nil || page.Total != n {
				t.Fatalf("%d in all, %v; want %d", page.Total, err, n)
			}
			for _, r := range page.Rows {
				if want := fmt.Sprintf("%05d", next); r.ID != want {
					t.Fatalf("limit %d: row %s where %s follows", limit, r.ID, want)
				}
				next++
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if next != n {
			t.Errorf("limit %d: %d rows, want %d", limit, next, n)
		}
	}
}

// A person with more images than a first search fetches does not hide the next persons.
func TestPersonWithManyImages(t *testing.T) {
	g := open(t, config(t, FLAT))
	probe := direction(1)
	var rows []gallery.Row
	for i := range 600 {
		r := testRow(fmt.Sprintf("ann %03d", i), "ann", 1)
		r.Embedding.Vector[i%32] += 0.001 * float32(i)
		rows = append(rows, r)
	}
	far := testRow("bob", "bob", 1)
	for i := range far.Embedding.Vector {
		far.Embedding.Vector[i] *= -1
	}
	upsert(t, g, append(rows, far)...)
	got := g.Search(t.Context(), people, []schema.Embedding{probe}, 2)[0]
	if got.Err != nil || len(got.Value) != 2 || got.Value[0].Row.PUID != "ann" || got.Value[1].Row.PUID != "bob" {
		t.Errorf("got %d persons, %v; want ann and bob", len(got.Value), got.Err)
	}
	if n := g.Delete(t.Context(), people, []gallery.Deletion{{PUID: "ann", Request: "r"}})[0]; n.Err != nil || n.Value != 600 {
		t.Errorf("ann had %d rows, %v; want 600", n.Value, n.Err)
	}
}

// The server has an index by person. Collections of earlier versions get it when the gallery is opened.
func TestPersonsAreIndexed(t *testing.T) {
	cfg := config(t, FLAT)
	g := open(t, cfg)
	upsert(t, g, testRow("a", "ann", 1))
	indexed := func(name string) bool {
		there, _ := g.client.DescribeIndex(t.Context(), name, puidField)
		return len(there) > 0
	}
	if !indexed(g.alias(people)) {
		t.Error("a new collection has no index by person")
	}
	former := g.alias(people) + modelMark + escape(string(foreign))
	if err := g.make(t.Context(), faces(former, 32), FLAT); err != nil {
		t.Fatal(err)
	}
	if indexed(former) {
		t.Fatal("the collection is not as earlier versions made it")
	}
	open(t, cfg)
	if !indexed(former) {
		t.Error("a collection of an earlier version has no index by person after Open")
	}
}

// The alias decides which model a collection is tied to, at once and for every process (invariant 5).
func TestAliasSwitch(t *testing.T) {
	cfg := config(t, FLAT)
	g, other := open(t, cfg), open(t, cfg)
	upsert(t, g, testRow("old", "ann", 1))
	name := g.alias(people) + modelMark + escape(string(foreign))
	if err := g.make(t.Context(), faces(name, 32), FLAT); err != nil {
		t.Fatal(err)
	}
	if err := g.client.AlterAlias(t.Context(), name, g.alias(people)); err != nil {
		t.Fatal(err)
	}
	next := testRow("new", "ann", 1)
	next.Embedding.Model = foreign
	upsert(t, g, next)
	if err := other.Upsert(t.Context(), people, []gallery.Row{testRow("late", "ann", 2)})[0]; schema.ReasonOf(err) != schema.ReasonModelMismatch {
		t.Errorf("a row of the former model: got %v, want model_mismatch", err)
	}
	if o := other.Search(t.Context(), people, []schema.Embedding{direction(1)}, 1)[0]; schema.ReasonOf(o.Err) != schema.ReasonModelMismatch {
		t.Errorf("a probe of the former model: got %v, want model_mismatch", o.Err)
	}
	if page, err := other.List(t.Context(), people, "", 10); err != nil || len(page.Rows) != 1 || page.Rows[0].ID != "new" {
		t.Errorf("listed %v, %v; want the new row alone", page.Rows, err)
	}
}

// A collection that is not in the server's memory, as after a restart, is loaded by the first read.
func TestReleasedCollection(t *testing.T) {
	g := open(t, config(t, HNSW))
	upsert(t, g, testRow("a", "ann", 1))
	for _, name := range []string{g.deletions(), g.alias(people)} {
		if err := g.client.ReleaseCollection(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if o := g.Search(t.Context(), people, []schema.Embedding{direction(1)}, 1)[0]; o.Err != nil || len(o.Value) != 1 {
		t.Errorf("search: %v, %v", o.Value, o.Err)
	}
	if o := g.Delete(t.Context(), people, []gallery.Deletion{{PUID: "ann", Request: "r"}})[0]; o.Err != nil || o.Value != 1 {
		t.Errorf("delete: %d, %v", o.Value, o.Err)
	}
}

// When the server quotes an expression in an error, the person in it is left out (invariant 6).
func TestErrorsNameNobody(t *testing.T) {
	g := open(t, config(t, FLAT))
	upsert(t, g, testRow("a", "ann", 1))
	col, err := g.resolve(t.Context(), "test", people)
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.query(t.Context(), col.name, `puid == "the person" and nonsense ==`, 1, idField)
	var r *refusal
	if !errors.As(err, &r) || r.reason == "" {
		t.Fatalf("a broken expression: got %v, want the server's refusal", err)
	}
	if strings.Contains(err.Error(), "person") {
		t.Errorf("the error names somebody: %v", err)
	}
}

// Rows that the server cannot store are refused for good, instead of being tried for ever.
func TestRowsThatDoNotFit(t *testing.T) {
	g := open(t, config(t, FLAT))
	for name, spoil := range map[string]func(*gallery.Row){
		"long id":             func(r *gallery.Row) { r.ID = strings.Repeat("x", maxID+1) },
		"long puid":           func(r *gallery.Row) { r.PUID = schema.PUID(strings.Repeat("x", maxID+1)) },
		"long external id":    func(r *gallery.Row) { r.ExternalID = schema.ExternalID(strings.Repeat("x", maxExternal+1)) },
		"not UTF-8":           func(r *gallery.Row) { r.ExternalID = "\xff" },
		"long model and name": func(r *gallery.Row) { r.Embedding.Model = schema.ModelID(strings.Repeat("m", maxName)) },
	} {
		r := testRow("a", "ann", 1)
		spoil(&r)
		if err := g.Upsert(t.Context(), people, []gallery.Row{r})[0]; schema.ReasonOf(err) != schema.ReasonInvalidRequest {
			t.Errorf("%s: got %v, want invalid_request", name, err)
		}
	}
	longest := testRow(strings.Repeat("é", maxID/2), "ann", 1)
	longest.ExternalID = schema.ExternalID(strings.Repeat("é", maxExternal/2))
	upsert(t, g, longest)
}

func TestCallSaysHowLongItWaited(t *testing.T) {
	g := &Gallery{cfg: Config{Address: "milvus:1"}}
	err := g.call(t.Context(), time.Millisecond, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err == nil || !strings.Contains(err.Error(), "milvus:1 within 1ms") {
		t.Errorf("got %v", err)
	}
}

// If two processes write the first rows of a collection at the same time with different models, one model wins. If two carry out
// the same deletion at the same time, both give the same answer (invariant 3).
func TestTwoProcesses(t *testing.T) {
	cfg := config(t, FLAT)
	processes := []*Gallery{open(t, cfg), open(t, cfg)}
	race := func(work func(i int)) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() { work(i) })
		}
		wg.Wait()
	}
	errs := make([]error, 8)
	race(func(i int) {
		r := testRow(fmt.Sprint(i), "ann", uint64(i))
		r.Embedding.Model = []schema.ModelID{model, foreign}[i%2]
		errs[i] = processes[i%2].Upsert(t.Context(), people, []gallery.Row{r})[0]
	})
	written := map[int]int{}
	for i, err := range errs {
		if err == nil {
			written[i%2]++
		} else if schema.ReasonOf(err) != schema.ReasonModelMismatch {
			t.Errorf("process %d: %v", i%2, err)
		}
	}
	if len(written) != 1 || written[0]+written[1] != 4 {
		t.Errorf("rows written by process: %v, want 4 of one", written)
	}
	race(func(i int) {
		o := processes[i%2].Delete(t.Context(), people, []gallery.Deletion{{PUID: "ann", Request: "r"}})[0]
		if o.Err != nil || o.Value != 4 {
			t.Errorf("process %d deleted %d, %v; want 4", i%2, o.Value, o.Err)
		}
	})
}

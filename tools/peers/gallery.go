package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"facestream/internal/benchmark"
	"facestream/internal/gallery"
	"facestream/internal/gallery/local"
	"facestream/internal/gallery/milvus"
	"facestream/pkg/schema"
)

// searching is a comparison of the local gallery with one index, on the same rows and probes. The times are of one call, in milliseconds.
type searching struct {
	Peer                    string
	Rows, Dimension, Probes int
	Ours, Theirs            searchCost
	Ratio                   benchmark.Figure // of our processor time to theirs; of the times where theirs is a server's
	Same                    float64          // share of the positions of the answers at which both have the same row
}

type searchCost struct{ Wall, CPU benchmark.Figure }

func (s *searchCost) add(wall, cpu time.Duration, calls int) {
	s.Wall.Add(wall.Seconds() * 1000 / float64(calls))
	s.CPU.Add(cpu.Seconds() * 1000 / float64(calls))
}

const (
	neighbours = 5
	// near is how far the scores of two rows may lie apart that two ways to add float32 order differently.
	near = 2e-6
	// singles is how many probes a round searches one by one, and together how many in one call.
	singles  = 4
	together = 64
)

// model is that of the embeddings, which no network made.
const model = schema.ModelID("random@1")

// vectors yields the rows of a gallery, which depend on their number and on the dimension alone: directions without a preferred one.
type vectors struct {
	random    *rand.Rand
	dimension int
}

func newVectors(dimension int, seed uint64) vectors {
	return vectors{rand.New(rand.NewPCG(seed, uint64(dimension))), dimension}
}

func (v vectors) next() []float32 {
	x := make([]float32, v.dimension)
	for i := range x {
		x[i] = float32(v.random.NormFloat64())
	}
	return unit(x)
}

func unit(v []float32) []float32 {
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(square))
	}
	return v
}

// probesOf returns probes: of every second one a row exists whose cosine to it is about 0.6, as of two pictures of a person; the
// others are of strangers.
func probesOf(rows, dimension, n int) [][]float32 {
	of := map[int]int{} // the probe by its row
	for i := 0; i < n; i += 2 {
		of[(i*7919+13)%rows] = i
	}
	probes := make([][]float32, n)
	strangers, mates := newVectors(dimension, 2), newVectors(dimension, 1)
	for i := range probes {
		probes[i] = strangers.next()
	}
	for row := 0; len(of) > 0; row++ {
		mate := mates.next()
		if i, ok := of[row]; ok {
			for j := range mate {
				probes[i][j] = 0.6*mate[j] + 0.8*probes[i][j]
			}
			unit(probes[i])
			delete(of, row)
		}
	}
	return probes
}

// answer has the rows and scores of the neighbours of each probe, best first.
type answer struct {
	positions [][]int
	scores    [][]float64
}

// same is the share of the positions at which both answers have the same row, or rows whose scores are too near to tell apart.
func (a answer) same(b answer) float64 {
	n, same := 0, 0
	for i := range a.positions {
		for j := range a.positions[i] {
			n++
			if j < len(b.positions[i]) && (a.positions[i][j] == b.positions[i][j] || math.Abs(a.scores[i][j]-b.scores[i][j]) < near) {
				same++
			}
		}
	}
	return float64(same) / float64(max(n, 1))
}

// found is the share of the rows of a that b has, at any position: the recall of b where a is exact.
func (a answer) found(b answer) float64 {
	n, found := 0, 0
	for i := range a.positions {
		has := map[int]bool{}
		for _, p := range b.positions[i] {
			has[p] = true
		}
		for _, p := range a.positions[i] {
			n++
			if has[p] {
				found++
			}
		}
	}
	return float64(found) / float64(max(n, 1))
}

// search asks a gallery in one call.
func search(ctx context.Context, g gallery.Gallery, c schema.Collection, probes [][]float32) (answer, benchmark.Cost, error) {
	asked := make([]schema.Embedding, len(probes))
	for i, p := range probes {
		asked[i] = schema.Embedding{Model: model, Vector: p}
	}
	var outcomes []gallery.Outcome[[]gallery.Match]
	cost, _ := benchmark.Measure(len(probes), func() error { outcomes = g.Search(ctx, c, asked, neighbours); return nil })
	var a answer
	for _, o := range outcomes {
		if o.Err != nil {
			return a, cost, o.Err
		}
		var positions []int
		var scores []float64
		for _, m := range o.Value {
			position, err := strconv.Atoi(m.Row.ID)
			if err != nil {
				return a, cost, err
			}
			positions, scores = append(positions, position), append(scores, float64(m.Score))
		}
		a.positions, a.scores = append(a.positions, positions), append(a.scores, scores)
	}
	return a, cost, nil
}

// fill writes rows into a collection of a gallery, unless it has them.
func fill(ctx context.Context, g gallery.Gallery, c schema.Collection, rows, dimension, batch int) error {
	if page, err := g.List(ctx, c, "", 1); err == nil && page.Total == rows {
		return nil
	}
	v := newVectors(dimension, 1)
	for begin := 0; begin < rows; begin += batch {
		var next []gallery.Row
		for i := begin; i < min(begin+batch, rows); i++ {
			id := fmt.Sprintf("%09d", i)
			next = append(next, gallery.Row{ID: id, PUID: schema.PUID(id), Embedding: schema.Embedding{Model: model, Vector: v.next()}, Created: time.Unix(0, 0)})
		}
		if err := errors.Join(g.Upsert(ctx, c, next)...); err != nil {
			return err
		}
	}
	return nil
}

// exact compares the local gallery with faiss and usearch.
func exact(ctx context.Context, o options, r *report) (err error) {
	graphRows := min(o.graphRows, o.rows)
	python, err := feedScript(o, filepath.Join(o.dir, "gallery.log"), "gallery.py", "--rows", fmt.Sprint(o.rows), "--dimension", fmt.Sprint(o.dimension), "--graph-rows", fmt.Sprint(graphRows))
	if err != nil {
		return err
	}
	defer python.stop()
	fmt.Printf("\nreading %d rows of %d components\n", o.rows, o.dimension)
	in, v := bufio.NewWriterSize(python.in, 1<<20), newVectors(o.dimension, 1)
	for range o.rows {
		if _, err := in.Write(schema.EncodeVector(v.next())); err != nil {
			return errors.Join(err, python.ready())
		}
	}
	if err := in.Flush(); err != nil {
		return err
	}
	if err := python.ready(); err != nil {
		return err
	}
	g, err := local.Open(ctx, filepath.Join(o.dir, "gallery"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	if err := fill(ctx, g, "all", o.rows, o.dimension, 10_000); err != nil {
		return err
	}
	if err := fill(ctx, g, "first", graphRows, o.dimension, 10_000); err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one thread each
	var all []game
	for _, peer := range []game{
		{searching: &searching{Peer: "faiss IndexFlatIP", Rows: o.rows}, collection: "all"},
		{searching: &searching{Peer: "usearch exact", Rows: o.rows}, collection: "all"},
		{searching: &searching{Peer: "faiss IndexHNSWFlat", Rows: graphRows}, collection: "first", approximate: true},
	} {
		probes := probesOf(peer.Rows, o.dimension, together)
		peer.Dimension, peer.Same = o.dimension, 1
		each, all64 := *peer.searching, *peer.searching
		each.Probes, all64.Probes = 1, together
		all = append(all, game{&each, peer.collection, slices.Collect(slices.Chunk(probes[:singles], 1)), peer.approximate},
			game{&all64, peer.collection, [][][]float32{probes}, peer.approximate})
	}
	for range o.rounds {
		for _, m := range all {
			if err := m.play(ctx, g, python); err != nil {
				return err
			}
		}
	}
	printSearchHead()
	for _, m := range all {
		m.print()
		r.Searches = append(r.Searches, m.searching)
	}
	return nil
}

// game is a comparison with an index of the script, and what both sides are asked in a round.
type game struct {
	*searching
	collection  schema.Collection
	calls       [][][]float32 // the probes of each
	approximate bool
}

// play is one round.
func (m game) play(ctx context.Context, g gallery.Gallery, python *script) error {
	var ours, theirs benchmark.Cost
	for _, probes := range m.calls {
		a, mine, err := search(ctx, g, m.collection, probes)
		if err != nil {
			return err
		}
		b, their, err := python.search(m.Peer, probes)
		if err != nil {
			return err
		}
		ours.Wall, ours.CPU, theirs.Wall, theirs.CPU = ours.Wall+mine.Wall, ours.CPU+mine.CPU, theirs.Wall+their.Wall, theirs.CPU+their.CPU
		if m.approximate {
			m.Same = min(m.Same, a.found(b))
		} else if m.Same = min(m.Same, a.same(b)); m.Same < 1 {
			return fmt.Errorf("%s and the local gallery should find the same neighbours: %v with %v, and %v with %v", m.Peer, b.positions, b.scores, a.positions, a.scores)
		}
	}
	m.Ours.add(ours.Wall, ours.CPU, len(m.calls))
	m.Theirs.add(theirs.Wall, theirs.CPU, len(m.calls))
	m.Ratio.Add(ours.CPU.Seconds() / theirs.CPU.Seconds())
	return nil
}

// search lets the script search, in one call.
func (s *script) search(index string, probes [][]float32) (answer, benchmark.Cost, error) {
	var raw []byte
	for _, p := range probes {
		raw = append(raw, schema.EncodeVector(p)...)
	}
	order, err := json.Marshal(map[string]any{"index": index, "k": neighbours, "probes": base64.StdEncoding.EncodeToString(raw)})
	if err != nil {
		return answer{}, benchmark.Cost{}, err
	}
	var said struct {
		Wall, CPU float64
		Positions [][]int
		Scores    [][]float64
	}
	err = s.ask(string(order), &said)
	return answer{said.Positions, said.Scores}, benchmark.Cost{Wall: seconds(said.Wall), CPU: seconds(said.CPU), Images: len(probes)}, err
}

func printSearchHead() {
	fmt.Printf("%-20s  %9s  %5s  %6s  %26s  %26s   %s\n", "against", "rows", "dim.", "probes", "ours: ms a call, of CPU", "theirs: ms, of CPU", "ratio (range); same rows")
}

func (s *searching) print() {
	theirs := "unknown"
	if cpu := s.Theirs.CPU.Median(); cpu > 0 {
		theirs = fmt.Sprintf("%.2f", cpu)
	}
	fmt.Printf("%-20s  %9d  %5d  %6d  %12.2f  %12.2f  %12.2f  %12s   %s; %.3f\n", s.Peer, s.Rows, s.Dimension, s.Probes,
		s.Ours.Wall.Median(), s.Ours.CPU.Median(), s.Theirs.Wall.Median(), theirs, s.Ratio, s.Same)
}

// milvusServer compares the local gallery with a Milvus server, both through the port of galleries. The processor time of the server is
// not seen, so the times count.
func milvusServer(ctx context.Context, o options, r *report) (err error) {
	if o.milvus == "" {
		fmt.Println("\nSKIPPED: Milvus; -milvus lite or -milvus standalone starts one")
		return nil
	}
	data := "MILVUS_DATA=" + filepath.Join(o.dir, "milvus")
	up := exec.CommandContext(ctx, "tools/milvus/up.sh", o.milvus)
	up.Env, up.Stderr = append(os.Environ(), data), os.Stderr
	address, err := up.Output()
	if err != nil {
		fmt.Printf("\nSKIPPED: Milvus does not start here: %v\n", err)
		return nil
	}
	defer func() {
		down := exec.Command("tools/milvus/down.sh", o.milvus)
		down.Env = append(os.Environ(), data)
		said, stopped := down.CombinedOutput()
		if stopped != nil {
			err = errors.Join(err, fmt.Errorf("stopping Milvus: %w: %s", stopped, said))
		}
	}()
	g, err := local.Open(ctx, filepath.Join(o.dir, "beside-milvus"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	if err := fill(ctx, g, "all", o.milvusRows, o.dimension, 10_000); err != nil {
		return err
	}
	probes := probesOf(o.milvusRows, o.dimension, together)
	fmt.Println()
	printSearchHead()
	for _, index := range []milvus.Index{milvus.FLAT, milvus.HNSW} {
		server, err := milvus.Open(ctx, milvus.Config{
			Address: strings.TrimSpace(string(address)), Prefix: "peers" + strings.ToLower(string(index)), Index: index, Timeout: time.Minute, LoadTimeout: 5 * time.Minute,
		})
		if err != nil {
			return err
		}
		defer server.Close()
		if err := fill(ctx, server, "all", o.milvusRows, o.dimension, 1000); err != nil {
			return err
		}
		for _, n := range []int{1, together} {
			s := &searching{Peer: fmt.Sprintf("Milvus %s, %s", o.milvus, index), Rows: o.milvusRows, Dimension: o.dimension, Probes: n, Same: 1}
			for range o.rounds {
				a, mine, err := search(ctx, g, "all", probes[:n])
				if err != nil {
					return err
				}
				b, their, err := search(ctx, server, "all", probes[:n])
				if err != nil {
					return err
				}
				s.Ours.add(mine.Wall, mine.CPU, 1)
				s.Theirs.Wall.Add(their.Wall.Seconds() * 1000)
				s.Ratio.Add(mine.Wall.Seconds() / their.Wall.Seconds())
				if s.Same = min(s.Same, a.found(b)); s.Same < 1 && index == milvus.FLAT {
					return fmt.Errorf("the local gallery and Milvus (FLAT) should find the same neighbours: %.3f are the same", s.Same)
				}
			}
			s.print()
			r.Searches = append(r.Searches, s)
		}
	}
	return nil
}

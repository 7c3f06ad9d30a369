package milvus

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

const (
	batchProbes = 64   // that share a call
	minFetch    = 64   // least number of rows that a search fetches first
	overFetch   = 4    // rows that a search fetches first for each person that is wanted
	growth      = 4    // how many times more it fetches the next time
	rowsPerCall = 4096 // with vectors of 512 components about 10 MB
	// rounding is the largest difference between a cosine of the server and ours.
	rounding = 1e-5
)

// probe is one search under way.
type probe struct {
	vector []float32
	out    *gallery.Outcome[[]gallery.Match]
}

// nearest answers each probe with the k best persons. It fetches more rows until k persons are better than the last row that
// was fetched: then no other row can change the answer.
func (g *Gallery) nearest(ctx context.Context, col collection, open []*probe, k int) error {
	for limit := min(max(overFetch*k, minFetch), window); len(open) > 0; limit = min(growth*limit, window) {
		var undecided []*probe
		for part := range slices.Chunk(open, max(rowsPerCall/limit, 1)) {
			found, err := g.candidates(ctx, col, part, limit)
			if err != nil {
				return err
			}
			rows, err := g.rows(ctx, col, slices.Concat(found...))
			if err != nil {
				return err
			}
			for i, p := range part {
				hits := rescore(found[i], rows, p.vector)
				best := persons(hits)
				all := len(found[i]) < limit || limit == window
				if all || len(best) >= k && best[k-1].Score > hits[len(hits)-1].Score+rounding {
					p.out.Value = best[:min(k, len(best))]
				} else {
					undecided = append(undecided, p)
				}
			}
		}
		open = undecided
	}
	return nil
}

// nearestOf answers each probe with the k best of the persons whom among names. It reads up to window rows of them.
func (g *Gallery) nearestOf(ctx context.Context, col collection, open []*probe, k int, among []schema.PUID) error {
	ids, err := g.ids(ctx, col, ofPersons(among))
	if err != nil {
		return err
	}
	rows, err := g.rows(ctx, col, slices.Clone(ids))
	if err != nil {
		return err
	}
	for _, p := range open {
		best := persons(rescore(ids, rows, p.vector))
		p.out.Value = best[:min(k, len(best))]
	}
	return nil
}

// candidates returns the ids of the limit rows that are nearest to each probe by the index. It does not ask for their fields:
// for vectors, servers read the rows a second time and fail if one changed in between.
func (g *Gallery) candidates(ctx context.Context, col collection, probes []*probe, limit int) ([][]string, error) {
	vectors := make([]entity.Vector, len(probes))
	for i, p := range probes {
		vectors[i] = entity.FloatVector(p.vector)
	}
	var results []client.SearchResult
	err := g.read(ctx, col.name, func(ctx context.Context) error {
		var err error
		results, err = g.client.Search(ctx, col.name, nil, "", nil, vectors, vectorField, entity.COSINE, limit, effort{limit},
			client.WithSearchQueryConsistencyLevel(entity.ClStrong))
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(results) != len(probes) {
		return nil, errors.New("the server did not answer every probe")
	}
	found := make([][]string, len(probes))
	for i, r := range results {
		if r.ResultCount == 0 { // before Err, which servers also set when nothing is found
			continue
		}
		ids, ok := r.IDs.(*entity.ColumnVarChar)
		if r.Err != nil || !ok {
			return nil, cmp.Or(r.Err, errors.New("the server's answer lacks the ids"))
		}
		found[i] = ids.Data()
	}
	return found, nil
}

// stored is a row with its vector.
type stored struct {
	row      gallery.Row
	document bool // of its source
	vector   []float32
}

// rows reads rows as they are now, without those that have been deleted. It overwrites ids.
func (g *Gallery) rows(ctx context.Context, col collection, ids []string) (map[string]stored, error) {
	rows := map[string]stored{}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	// Twice, because servers (seen with 2.3.5) can hide a row for a moment while it is written again.
	for range 2 {
		for part := range slices.Chunk(ids, rowsPerCall) {
			found, err := g.query(ctx, col.name, oneOf(idField, part), 0, append([]string{vectorField}, rowFields...)...)
			if err != nil {
				return nil, err
			}
			if found.Len() == 0 {
				continue
			}
			read, err := decode(found)
			if err != nil {
				return nil, err
			}
			vectors, ok := found.GetColumn(vectorField).(*entity.ColumnFloatVector)
			if !ok || vectors.Len() != len(read) || vectors.Dim() != col.tie.Dimension {
				return nil, errors.New("the server's answer lacks the vectors")
			}
			for i, r := range read {
				document := r.Source != nil && r.Source.Document
				r.Source, r.Order = nil, nil // a listing has them; no search needs them
				rows[r.ID] = stored{r, document, vectors.Data()[i]}
			}
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { _, ok := rows[id]; return ok })
	}
	return rows, nil
}

// rescore returns the rows of ids with their exact cosines, best first and ties by row id. It skips ids without a row.
func rescore(ids []string, rows map[string]stored, probe []float32) []gallery.Match {
	var hits []gallery.Match
	for _, id := range ids {
		if r, ok := rows[id]; ok {
			hits = append(hits, gallery.Match{Row: r.row, Score: min(max(schema.Cosine(probe, r.vector), -1), 1), Document: r.document}) // rounding can pass ±1
		}
	}
	slices.SortFunc(hits, func(a, b gallery.Match) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Row.ID, b.Row.ID))
	})
	return hits
}

// persons keeps the first row of each person, which is the best.
func persons(hits []gallery.Match) []gallery.Match {
	seen := map[schema.PUID]bool{}
	var best []gallery.Match
	for _, m := range hits {
		if !seen[m.Row.PUID] {
			seen[m.Row.PUID] = true
			best = append(best, m)
		}
	}
	return best
}

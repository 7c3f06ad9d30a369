package scan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// dot is the product as a search has it: a sum of float32 products.
func dot(a, b []float32) (s float32) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func unitOf(v []float32) []float32 {
	var n float64
	for _, x := range v {
		n += float64(x) * float64(x)
	}
	if n == 0 {
		v[0], n = 1, 1
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(n))
	}
	return v
}

// vectors of several kinds: spread out, near each other, with one great component, with few values.
func vector(r *rand.Rand, dimension int) []float32 {
	v := make([]float32, dimension)
	kind := r.IntN(4)
	for i := range v {
		switch kind {
		case 0:
			v[i] = float32(r.NormFloat64())
		case 1:
			v[i] = 1 + float32(r.NormFloat64())/10
		case 2:
			v[i] = float32(r.NormFloat64()) / 1000
		case 3:
			v[i] = float32(r.IntN(3) - 1)
		}
	}
	if kind == 2 {
		v[r.IntN(dimension)] = 1
	}
	return unitOf(v)
}

// check compares what Above says of every row with the product itself, and returns the share of rows that it names for nothing.
func check(t *testing.T, rows *Rows, kept [][]float32, probe []float32, from int, least float32) float64 {
	t.Helper()
	found := rows.Above(rows.Probe(probe), from, len(kept), least, nil)
	if !slices.IsSorted(found) || len(slices.Compact(slices.Clone(found))) != len(found) || len(found) > 0 && (int(found[0]) < from || int(found[len(found)-1]) >= len(kept)) {
		t.Fatalf("of rows %d to %d, these are named: %v", from, len(kept), found)
	}
	nothing := 0
	for i := from; i < len(kept); i++ {
		s := dot(probe, kept[i])
		_, named := slices.BinarySearch(found, int32(i))
		if s >= least && !named {
			t.Fatalf("row %d of %d is not named: cosine %g, asked for %g", i, len(kept), s, least)
		}
		if s < least && named {
			nothing++
		}
	}
	return float64(nothing) / float64(len(kept)-from)
}

// TestAbove: each kernel names every row that is similar enough, also at the very cosine of a row, and few others; whatever the
// dimension, and after rows have been replaced, moved and dropped.
func TestAbove(t *testing.T) {
	all := append(kernels(), nil)
	if len(all) == 1 {
		t.Log("SKIPPED, this processor has no kernel: only the comparison of all rows was tested")
	}
	for _, k := range all {
		name := "none"
		if k != nil {
			name = k.name
		}
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for _, dimension := range []int{1, 3, 4, 15, 16, 17, 128, 500, 512, 1024} {
				rows, kept := with(k, dimension), [][]float32{}
				for range 700 {
					v := vector(r, dimension)
					rows.Set(len(kept), v)
					kept = append(kept, v)
				}
				for range 100 {
					switch i := r.IntN(len(kept)); r.IntN(3) {
					case 0:
						kept[i] = vector(r, dimension)
						rows.Set(i, kept[i])
					case 1:
						last := len(kept) - 1
						rows.Move(i, last)
						rows.Truncate(last)
						kept[i] = kept[last]
						kept = kept[:last]
					}
				}
				for range 20 {
					probe := vector(r, dimension)
					check(t, rows, kept, probe, Block*r.IntN(4), dot(probe, kept[r.IntN(len(kept))]))
					check(t, rows, kept, kept[r.IntN(len(kept))], 0, 1)
					check(t, rows, kept, probe, 0, float32(math.Inf(-1)))
					check(t, rows, kept, probe, 0, -2)
				}
			}
		})
	}
}

// TestAboveIsSelective: of ordinary embeddings few are compared for nothing. Otherwise the answers would be right, and slow.
func TestAboveIsSelective(t *testing.T) {
	for _, k := range kernels() {
		t.Run(k.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			const dimension, n = 128, 20_000
			rows, kept := with(k, dimension), make([][]float32, n)
			for i := range kept {
				v := make([]float32, dimension)
				for j := range v {
					v[j] = float32(r.NormFloat64())
				}
				kept[i] = unitOf(v)
				rows.Set(i, kept[i])
			}
			if share := check(t, rows, kept, kept[7], 0, 0.35); share > 0.001 {
				t.Errorf("%.2f %% of the rows are named for nothing", 100*share)
			}
		})
	}
}

func FuzzAbove(f *testing.F) {
	f.Add(uint64(1), uint16(128), uint16(40), float32(0.3))
	f.Fuzz(func(t *testing.T, seed uint64, dimension, n uint16, least float32) {
		if math.IsNaN(float64(least)) {
			return
		}
		r := rand.New(rand.NewPCG(seed, seed))
		d, count := int(dimension)%600+1, int(n)%100+1
		for _, k := range kernels() {
			rows, kept := with(k, d), make([][]float32, count)
			for i := range kept {
				kept[i] = vector(r, d)
				rows.Set(i, kept[i])
			}
			probe := vector(r, d)
			check(t, rows, kept, probe, 0, least)
			check(t, rows, kept, probe, 0, dot(probe, kept[r.IntN(count)]))
		}
	})
}

// BenchmarkAbove measures each kernel over rows that the processor's caches do not hold.
func BenchmarkAbove(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, dimension := range []int{128, 512} {
		for _, k := range kernels() {
			rows, n := with(k, dimension), 250_000
			for i := range n {
				v := make([]float32, dimension)
				for j := range v {
					v[j] = r.Float32() - 0.5
				}
				rows.Set(i, unitOf(v))
			}
			probe := rows.Probe(vector(r, dimension))
			b.Run(fmt.Sprintf("%s/dimension=%d/rows=%d", k.name, dimension, n), func(b *testing.B) {
				b.SetBytes(int64(rows.codes.Len()))
				for b.Loop() {
					rows.Above(probe, 0, n, 0.9, nil)
				}
			})
		}
	}
}

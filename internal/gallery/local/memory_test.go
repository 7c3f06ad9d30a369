package local

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// BenchmarkMemory measures a search in memory, of one person (verify) and of everybody (predict), among a million rows of 128
// components with two rows for each person.
func BenchmarkMemory(b *testing.B) {
	const rows, dimension = 1_000_000, 128
	r := rand.New(rand.NewPCG(31, 32))
	random := func() []float32 {
		v := make([]float32, dimension)
		for i := range v {
			v[i] = float32(r.NormFloat64()) / 11.3
		}
		return v
	}
	c := newCollection()
	c.tie = gallery.Tie{Model: model, Dimension: dimension}
	for i := range rows {
		c.put(face{id: fmt.Sprintf("%08d", i), puid: schema.PUID(fmt.Sprintf("%08d", i/2))}, random())
	}
	probe := random()
	for name, among := range map[string][]schema.PUID{"verify": {"00250000"}, "predict": nil} {
		b.Run(fmt.Sprintf("%s/rows=%d", name, rows), func(b *testing.B) {
			for b.Loop() {
				if _, err := c.nearest(b.Context(), probe, 1, among); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

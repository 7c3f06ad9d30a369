package drawn

import "math/rand/v2"

// Genes is the number of independent parts of a person's seed.
const Genes = 10

// Alleles is the number of values that each part can have.
const Alleles = 64

// The parts of a person that a gene decides.
const (
	buildGene = iota
	skinGene
	skullGene
	eyesGene
	browsGene
	noseGene
	mouthGene
	hairGene
	beardGene
	wearGene
)

// spread is odd, so that multiplying by it permutes the seeds: near seeds make
// people with different genes. Its inverse modulo 2^64 leads back.
const (
	spread  = 0x9E3779B97F4A7C15
	collect = 0xF1DE83E19937733D
)

// geneAt is the position of a gene's six bits in the permuted seed.
func geneAt(gene int) int { return 4 + 6*gene }

// Sibling returns the person with one gene, 0 <= gene < [Genes], replaced by
// another allele, 0 <= allele < [Alleles]. A search for people with a property
// can proceed gene by gene.
func (p Person) Sibling(gene, allele int) Person {
	g := p.seed * spread
	g &^= (Alleles - 1) << geneAt(gene)
	g |= uint64(allele) << geneAt(gene)
	return New(g * collect)
}

// dice draws a person's or a shot's properties.
type dice struct{ *rand.Rand }

// roll is the dice of one gene of a person.
func roll(seed uint64, gene int) dice {
	allele := seed * spread >> geneAt(gene) % Alleles
	return dice{rand.New(rand.NewPCG(allele, uint64(gene)))}
}

func (d dice) in(a, b float64) float64   { return lerp(a, b, d.Float64()) }
func (d dice) chance(p float64) bool     { return d.Float64() < p }
func (d dice) n(n int) int               { return d.IntN(n) }
func pick[T any](d dice, options ...T) T { return options[d.n(len(options))] }

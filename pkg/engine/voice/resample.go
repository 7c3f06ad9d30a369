package voice

import "math"

// The low pass of the resampler: a sinc of that many zero crossings to each side in a Kaiser window. It passes what lies below 0.85 of the
// lower Nyquist frequency as it is; of what lies above that frequency it leaves less than a thousandth.
const (
	crossings = 27
	cutoff    = 0.925
	kaiser    = 6.8
)

// resample changes the rate of a signal by a polyphase filter. Its first sample stays at the same time.
func resample(in []float32, from, to int) []float32 {
	if from == to {
		return in
	}
	g := gcd(from, to)
	up, down := to/g, from/g
	// In samples of in: how far the filter reaches, and the frequency, of their Nyquist frequency, that it lets pass.
	pass := cutoff * min(1, float64(to)/float64(from))
	reach := int(math.Ceil(crossings / pass))
	taps := make([]float32, up*2*reach) // those of each phase one after the other
	for phase := range up {
		row, sum := taps[phase*2*reach:][:2*reach], 0.0
		for i := range row {
			x := float64(i-reach+1) - float64(phase)/float64(up)
			v := sinc(x*pass) * bessel(kaiser*math.Sqrt(max(0, 1-x*x/float64(reach*reach))))
			row[i], sum = float32(v), sum+v
		}
		for i := range row { // a constant stays what it is
			row[i] = float32(float64(row[i]) / sum)
		}
	}

	out := make([]float32, (len(in)*up+down-1)/down)
	for i := range out {
		at := i * down
		row, first := taps[at%up*2*reach:][:2*reach], at/up-reach+1
		begin, end := max(0, -first), min(2*reach, len(in)-first)
		out[i] = dot(in[first+begin:first+end], row[begin:end])
	}
	return out
}

// dot is the inner product of two slices of one length. Four sums do not wait for one another.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return s0 + s1 + s2 + s3
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel is the modified Bessel function of the first kind and order 0, by its series.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= x * x / (4 * k * k)
		sum += term
	}
	return sum
}

package voice

import "math"

// Bins is the number of mel bins of a frame.
const Bins = 80

// The front end of Kaldi as torchaudio.compliance.kaldi.fbank has it: frames of 25 ms every 10 ms, only whole ones.
const (
	frameLength = Rate * 25 / 1000
	frameShift  = Rate * 10 / 1000
	fftSize     = 512
	emphasis    = 0.97
	lowest      = 20.0 // Hz, where the first bin begins; the last one ends at Rate/2
	povey       = 0.85 // the power of a Hann window that is Povey's
	quietest    = 1.1920928955078125e-07
)

// Fbank returns the logarithms of the energies in the mel bins of each frame, [Bins] a frame, less their mean over all frames. It is
// empty if samples, -1..1 at [Rate] a second, are shorter than a frame.
func Fbank(samples []float32) []float32 {
	frames := Frames(len(samples))
	bins := make([]float32, frames*Bins)
	var mean [Bins]float64
	f := newFilters()
	for i := range frames {
		row := bins[i*Bins:][:Bins]
		f.apply(samples[i*frameShift:][:frameLength], row)
		for j, v := range row {
			mean[j] += float64(v) / float64(frames)
		}
	}
	for i := range bins {
		bins[i] -= float32(mean[i%Bins])
	}
	return bins
}

// Frames is the number of frames of that many samples.
func Frames(samples int) int {
	if samples < frameLength {
		return 0
	}
	return 1 + (samples-frameLength)/frameShift
}

// filters are the window, the transform and the mel bins of a frame.
type filters struct {
	window  [frameLength]float64
	twiddle [fftSize / 2]complex128
	first   [Bins]int       // of the spectrum, the first line of a bin that counts
	weights [Bins][]float64 // of the lines from there on
	lines   [fftSize]complex128
}

func newFilters() *filters {
	f := new(filters)
	for i := range f.window {
		hann := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/(frameLength-1))
		f.window[i] = math.Pow(hann, povey)
	}
	for i := range f.twiddle {
		sin, cos := math.Sincos(-2 * math.Pi * float64(i) / fftSize)
		f.twiddle[i] = complex(cos, sin)
	}
	begin, width := mel(lowest), (mel(Rate/2)-mel(lowest))/(Bins+1)
	for bin := range Bins {
		left := begin + float64(bin)*width
		for line := range fftSize / 2 {
			at := (mel(float64(line)*Rate/fftSize) - left) / width // 0 at the left end of the triangle, 1 at its top
			if w := min(at, 2-at); w > 0 {
				if f.weights[bin] == nil {
					f.first[bin] = line
				}
				f.weights[bin] = append(f.weights[bin], w)
			}
		}
	}
	return f
}

// mel is the mel scale of HTK and Kaldi.
func mel(hertz float64) float64 { return 1127 * math.Log(1+hertz/700) }

// apply fills row with the logarithms of the energies of a frame.
func (f *filters) apply(frame, row []float32) {
	var mean float64
	for _, v := range frame {
		mean += float64(v) / frameLength
	}
	clear(f.lines[:])
	before := float64(frame[0]) - mean // the sample before the first is taken to equal it
	for i, v := range frame {
		v := float64(v) - mean
		f.lines[i] = complex((v-emphasis*before)*f.window[i], 0)
		before = v
	}
	f.transform()
	for bin, weights := range f.weights {
		energy := 0.0
		for i, w := range weights {
			line := f.lines[f.first[bin]+i]
			energy += w * (real(line)*real(line) + imag(line)*imag(line))
		}
		row[bin] = float32(math.Log(max(energy, quietest)))
	}
}

// transform is the discrete Fourier transform of lines, in place (Cooley and Tukey, radix 2).
func (f *filters) transform() {
	x := &f.lines
	for i, j := 1, 0; i < fftSize; i++ {
		bit := fftSize >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		if j ^= bit; i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= fftSize; size <<= 1 {
		half, step := size/2, fftSize/size
		for start := 0; start < fftSize; start += size {
			for k := range half {
				a, b := x[start+k], x[start+half+k]*f.twiddle[k*step]
				x[start+k], x[start+half+k] = a+b, a-b
			}
		}
	}
}

package voice

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facestream/pkg/schema"
)

// glide is half a second of a tone that rises from 440 to 880 Hz: what the files of testdata hold.
func glide(rate int) []float32 {
	out := make([]float32, rate/2)
	for i := range out {
		at := float64(i) / float64(rate)
		out[i] = float32(0.5 * math.Sin(2*math.Pi*(440*at+440*at*at)))
	}
	return out
}

// wav is a WAV file with samples of one encoding, interleaved, that put appends.
func wav(encoding uint16, bits, channels, rate int, samples []float32, put func([]byte, float32) []byte) []byte {
	var body []byte
	for _, v := range samples {
		body = put(body, v)
	}
	le := binary.LittleEndian
	step := channels * bits / 8
	format := le.AppendUint16(nil, encoding)
	format = le.AppendUint16(format, uint16(channels))
	format = le.AppendUint32(format, uint32(rate))
	format = le.AppendUint32(format, uint32(rate*step))
	format = le.AppendUint16(format, uint16(step))
	format = le.AppendUint16(format, uint16(bits))
	if encoding == wavExtensible {
		format = append(format, 22, 0, byte(bits), 0, 0, 0, 0, 0, wavPCM, 0)
		format = append(format, make([]byte, 14)...)
	}
	file := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt "), le.AppendUint32(nil, uint32(len(format)))...)
	file = append(append(file, format...), "LIST\x03\x00\x00\x00abc\x00data"...)
	return append(le.AppendUint32(file, uint32(len(body))), body...)
}

func pcm16(b []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint16(b, uint16(int16(math.Round(float64(v)*32767))))
}

// wav16 is a WAV file of one channel with 16 bits.
func wav16(rate int, samples []float32) []byte { return wav(wavPCM, 16, 1, rate, samples, pcm16) }

func TestDecodeWAV(t *testing.T) {
	le := binary.LittleEndian
	integer := func(bits int) func([]byte, float32) []byte {
		return func(b []byte, v float32) []byte {
			n := uint32(int64(math.Round(float64(v) * (math.Ldexp(1, bits-1) - 1))))
			return append(b, le.AppendUint32(nil, n)[:bits/8]...)
		}
	}
	for _, c := range []struct {
		name     string
		encoding uint16
		bits     int
		put      func([]byte, float32) []byte
		off      float64 // at most, of a sample
	}{
		{"PCM 8", wavPCM, 8, func(b []byte, v float32) []byte { return append(b, byte(128+math.Round(float64(v)*127))) }, 0.008},
		{"PCM 16", wavPCM, 16, integer(16), 1e-4},
		{"PCM 24", wavPCM, 24, integer(24), 1e-6},
		{"PCM 32", wavPCM, 32, integer(32), 1e-6},
		{"extensible", wavExtensible, 24, integer(24), 1e-6},
		{"float 32", wavFloat, 32, func(b []byte, v float32) []byte { return le.AppendUint32(b, math.Float32bits(v)) }, 0},
		{"float 64", wavFloat, 64, func(b []byte, v float32) []byte { return le.AppendUint64(b, math.Float64bits(float64(v))) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := glide(Rate)
			r, err := Decode(t.Context(), wav(c.encoding, c.bits, 1, Rate, want, c.put), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Container != WAV || r.Channels != 1 || r.Rate != Rate || len(r.Samples) != len(want) || r.Duration() != time.Second/2 {
				t.Fatalf("%s, %d channels, %d Hz, %d samples, %v", r.Container, r.Channels, r.Rate, len(r.Samples), r.Duration())
			}
			for i, v := range r.Samples {
				if off := math.Abs(float64(v - want[i])); off > c.off {
					t.Fatalf("sample %d is %v, want %v", i, v, want[i])
				}
			}
		})
	}
}

// TestDecodeG711 holds A-law and µ-law to values of ITU-T G.711's tables: the quietest and the loudest of either sign.
func TestDecodeG711(t *testing.T) {
	for _, c := range []struct {
		encoding uint16
		code     byte
		want     int // of 16 bits
	}{
		{wavALaw, 0xd5, 8}, {wavALaw, 0x55, -8}, {wavALaw, 0xaa, 32256}, {wavALaw, 0x2a, -32256}, {wavALaw, 0x80, 5504},
		{wavMuLaw, 0xff, 0}, {wavMuLaw, 0x7f, 0}, {wavMuLaw, 0x80, 32124}, {wavMuLaw, 0x00, -32124}, {wavMuLaw, 0xf0, 120},
	} {
		if got := wavReader(c.encoding, 8)([]byte{c.code}); got != float32(c.want)/32768 {
			t.Errorf("encoding %d: %#x is %v, want %d", c.encoding, c.code, got*32768, c.want)
		}
	}
}

func TestDecodeStereo(t *testing.T) {
	left, both := glide(Rate), []float32(nil)
	for _, v := range left {
		both = append(both, v, v/2)
	}
	r, err := Decode(t.Context(), wav(wavPCM, 16, 2, Rate, both, pcm16), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range r.Samples {
		if math.Abs(float64(v-left[i]*0.75)) > 1e-4 {
			t.Fatalf("sample %d is %v; the mean of the channels is %v", i, v, left[i]*0.75)
		}
	}
}

// TestDecodeCompressed decodes files that libsndfile wrote, and looks for what was encoded in what comes out.
func TestDecodeCompressed(t *testing.T) {
	for _, c := range []struct {
		file     string
		want     Container
		channels int
		late     int     // samples that may come before the sound
		like     float64 // correlation with the sound, at least
	}{
		{"glide.flac", FLAC, 1, 0, 0.9999},
		{"glide.opus", Opus, 1, 0, 0.998},
		{"glide_stereo.opus", Opus, 2, 0, 0.998},
		{"glide.ogg", Vorbis, 1, 0, 0.998},
		{"glide_stereo.ogg", Vorbis, 2, 0, 0.998},
		{"glide.mp3", MP3, 2, 2000, 0.998}, // its encoder puts silence before the sound
	} {
		t.Run(c.file, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", c.file))
			if err != nil {
				t.Fatal(err)
			}
			r, err := Decode(t.Context(), data, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Container != c.want || r.Channels != c.channels {
				t.Errorf("%s with %d channels, want %s with %d", r.Container, r.Channels, c.want, c.channels)
			}
			want, best := glide(Rate), 0.0
			for late := range c.late + 1 {
				if late+len(want) <= len(r.Samples) {
					best = max(best, correlation(r.Samples[late:][:len(want)], want))
				}
			}
			if best < c.like {
				t.Errorf("%d samples correlate by %.5f with what was encoded, want %v", len(r.Samples), best, c.like)
			}
		})
	}
}

func correlation(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum / (rms(a) * rms(b) * float64(len(a)))
}

func TestDecodeClipped(t *testing.T) {
	loud := tone(440, Rate, Rate)
	for i := range loud {
		loud[i] = min(max(4*loud[i], -1), 1)
	}
	r, err := Decode(t.Context(), wav16(Rate, loud), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Clipped < 0.6 || r.Clipped > 0.7 { // a sine above half its height for two thirds of the time
		t.Errorf("%.3f of the samples are clipped, want two thirds", r.Clipped)
	}
	if r, err = Decode(t.Context(), wav16(Rate, tone(440, Rate, Rate)), Limits{}); err != nil || r.Clipped != 0 {
		t.Errorf("%.3f of the samples of a quiet tone are clipped (%v)", r.Clipped, err)
	}
}

// TestDecodeRefuses names files that are not read, and what the answer says.
func TestDecodeRefuses(t *testing.T) {
	file := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	second := wav16(Rate, glide(2*Rate))
	patched := func(data []byte, at int, with ...byte) []byte {
		data = bytes.Clone(data)
		copy(data[at:], with)
		return data
	}
	nan := wav(wavFloat, 32, 1, Rate, glide(Rate), func(b []byte, v float32) []byte {
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(math.NaN())))
	})
	for _, c := range []struct {
		name   string
		data   []byte
		limits Limits
		reason schema.Reason
		says   string
	}{
		{"empty", nil, Limits{}, schema.ReasonAudioUnreadable, "empty"},
		{"a video", []byte("\x00\x00\x00\x18ftypmp42"), Limits{}, schema.ReasonAudioUnreadable, "no recording in a format"},
		{"too many bytes", second, Limits{Bytes: 1000}, schema.ReasonAudioTooLong, "the limit is 1000"},
		{"too long by its header", second, Limits{Duration: time.Second / 2}, schema.ReasonAudioTooLong, "the limit is 500ms"},
		{"too long when decoded", file("glide.opus"), Limits{Duration: time.Second / 4}, schema.ReasonAudioTooLong, "more than 250ms"},
		{"too long when decoded", file("glide.mp3"), Limits{Duration: time.Second / 4}, schema.ReasonAudioTooLong, "more than 250ms"},
		{"too slow", file("glide.mp3"), Limits{Time: time.Nanosecond}, schema.ReasonAudioUnreadable, "takes longer than 1ns"},
		{"4 kHz", wav16(4000, glide(4000)), Limits{}, schema.ReasonAudioUnreadable, "4000 samples a second"},
		{"96 kHz", wav16(96000, glide(96000)), Limits{}, schema.ReasonAudioUnreadable, "96000 samples a second"},
		{"3 channels", wav(wavPCM, 16, 3, Rate, glide(6*Rate), pcm16), Limits{}, schema.ReasonAudioUnreadable, "3 channels"},
		{"6 channels of FLAC", patched(file("glide.flac"), 20, file("glide.flac")[20]|5<<1), Limits{}, schema.ReasonAudioUnreadable, "6 channels"},
		{"12 bits", wav(wavPCM, 12, 1, Rate, glide(Rate), pcm16), Limits{}, schema.ReasonAudioUnreadable, "encoding 1 of 12 bits"},
		{"no samples", wav16(Rate, nil), Limits{}, schema.ReasonAudioUnreadable, "no samples"},
		{"not a number", nan, Limits{}, schema.ReasonAudioUnreadable, "no numbers"},
		{"a header alone", second[:30], Limits{}, schema.ReasonAudioUnreadable, "without samples"},
		{"a damaged FLAC frame", patched(file("glide.flac"), 3000, 0xde, 0xad, 0xbe, 0xef), Limits{}, schema.ReasonAudioUnreadable, "damaged"},
		{"half an Ogg page", file("glide.opus")[:3000], Limits{}, schema.ReasonAudioUnreadable, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode(t.Context(), c.data, c.limits)
			if schema.ReasonOf(err) != c.reason || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("error %v, want %s and %q", err, c.reason, c.says)
			}
		})
	}
}

func TestDecodeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Decode(ctx, wav16(Rate, glide(Rate)), Limits{}); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("error %v, want a transient one", err)
	}
}

// FuzzDecode decodes whatever there is: it must end soon, with a recording that keeps to the limits or with a permanent error.
func FuzzDecode(f *testing.F) {
	seeds, err := filepath.Glob("testdata/glide*")
	if err != nil || len(seeds) < 5 {
		f.Fatalf("%d seeds, %v", len(seeds), err)
	}
	for _, seed := range seeds {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(wav16(8000, glide(8000)))
	f.Add(wav(wavExtensible, 24, 2, 44100, glide(44100), func(b []byte, v float32) []byte { return append(b, 0, 0, byte(int8(v*127))) }))
	f.Fuzz(decodesWithinLimits)
}

func decodesWithinLimits(t *testing.T, data []byte) {
	limits := Limits{Bytes: 1 << 16, Duration: 2 * time.Second, Time: 5 * time.Second}
	r, err := Decode(t.Context(), data, limits)
	if err != nil {
		if schema.ClassOf(err) != schema.ClassPermanent {
			t.Fatalf("no permanent error: %v", err)
		}
		return
	}
	if len(r.Samples) == 0 || r.Duration() > limits.Duration+time.Second/Rate {
		t.Fatalf("a recording of %v", r.Duration())
	}
	for _, v := range r.Samples {
		if !(v >= -3 && v <= 3) {
			t.Fatalf("a sample of %v", v)
		}
	}
}

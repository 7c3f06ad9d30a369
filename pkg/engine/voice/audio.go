package voice

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"facestream/pkg/schema"
)

// Rate is the number of samples a second of a decoded recording.
const Rate = 16000

// Limits bound the cost of a recording. A zero field takes its value from [DefaultLimits].
type Limits struct {
	Bytes    int           // of the file
	Duration time.Duration // of the sound
	Time     time.Duration // that decoding may take
}

// DefaultLimits admits two minutes of sound, which take 32 MB while they are decoded.
func DefaultLimits() Limits {
	return Limits{Bytes: 20e6, Duration: 2 * time.Minute, Time: 30 * time.Second}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{Bytes: cmp.Or(l.Bytes, d.Bytes), Duration: cmp.Or(l.Duration, d.Duration), Time: cmp.Or(l.Time, d.Time)}
}

// The sample rates and the number of channels that are read.
const (
	minRate, maxRate = 8000, 48000
	maxChannels      = 2
)

// Container names a file format by its usual extension.
type Container string

// The containers that Decode reads. WAV holds PCM of 8, 16, 24 and 32 bits, float of 32 and 64 bits, A-law or µ-law.
const (
	WAV  Container = "wav"
	FLAC Container = "flac"
	MP3  Container = "mp3"
	Opus Container = "opus" // in Ogg
	// Vorbis is in Ogg, too.
	Vorbis Container = "ogg"
)

// Recording is what Decode makes of a file.
type Recording struct {
	// Samples are the mean of the channels, Rate a second, -1..1. Those of a file with another rate may overshoot, three times at most.
	Samples []float32
	// Clipped is the share of the file's own samples that are at the end of their range, 0..1.
	Clipped   float32
	Container Container
	Rate      int // of the file, samples a second
	Channels  int // of the file, 1 or 2
}

// Duration is how long the recording is.
func (r *Recording) Duration() time.Duration { return seconds(len(r.Samples)) }

// seconds is how long so many samples are.
func seconds(samples int) time.Duration {
	return time.Duration(samples) * (time.Second / Rate)
}

// stream is a file whose header was read.
type stream struct {
	container Container
	rate      int
	channels  int
	frames    int64 // as the header says, -1: it does not say
	// next fills block with frames, one sample a channel, -1..1, and returns how many there are. The channel of a file with one channel
	// stands in both places. At the end it returns io.EOF, also beside the last frames.
	next func(block [][2]float32) (int, error)
}

const (
	opDecode  = "voice.decode"
	blockSize = 4096 // frames between two looks at the limits
)

func unreadable(format string, args ...any) error {
	return schema.Permanent(opDecode, schema.ReasonAudioUnreadable, fmt.Errorf(format, args...))
}

func tooLong(format string, args ...any) error {
	return schema.Permanent(opDecode, schema.ReasonAudioTooLong, fmt.Errorf(format, args...))
}

// Decode reads a recording, whose container it knows by its first bytes. What the file says of its size is checked before it is
// decoded, and what it holds while it is. Permanent errors have the reason audio_unreadable or audio_too_long. If ctx ends, the error
// is Transient.
func Decode(ctx context.Context, data []byte, limits Limits) (_ *Recording, err error) {
	limits = limits.withDefaults()
	if len(data) > limits.Bytes {
		return nil, tooLong("the file has %d bytes, the limit is %d", len(data), limits.Bytes)
	}
	// The decoders of others take any bytes for a file and may stumble.
	defer func() {
		if stumble := recover(); stumble != nil {
			err = unreadable("the file is damaged: its decoder failed")
		}
	}()
	s, err := open(data)
	if err != nil {
		return nil, err
	}
	most := int64(limits.Duration.Seconds() * float64(s.rate))
	switch {
	case s.rate < minRate || s.rate > maxRate:
		return nil, unreadable("the recording has %d samples a second; %d to %d are read", s.rate, minRate, maxRate)
	case s.channels < 1 || s.channels > maxChannels:
		return nil, unreadable("the recording has %d channels; 1 or %d are read", s.channels, maxChannels)
	case s.frames > most:
		return nil, tooLong("the recording takes %d s, the limit is %v", s.frames/int64(s.rate), limits.Duration)
	}

	r := &Recording{Container: s.container, Rate: s.rate, Channels: s.channels}
	ends, clipped := time.Now().Add(limits.Time), 0
	mono := make([]float32, 0, max(s.frames, 0))
	block := make([][2]float32, blockSize)
	for {
		n, err := s.next(block)
		for _, frame := range block[:n] {
			for i, v := range frame {
				if v-v != 0 { // NaN and the infinities
					return nil, unreadable("the recording has samples that are no numbers")
				}
				if v >= fullScale || v <= -fullScale {
					clipped++
				}
				frame[i] = min(max(v, -1), 1)
			}
			mono = append(mono, (frame[0]+frame[1])/2)
		}
		switch {
		case int64(len(mono)) > most:
			return nil, tooLong("the recording takes more than %v", limits.Duration)
		case ctx.Err() != nil:
			return nil, schema.Transient(opDecode, ctx.Err())
		case time.Now().After(ends):
			return nil, unreadable("decoding takes longer than %v", limits.Time)
		case errors.Is(err, io.EOF):
			if len(mono) == 0 {
				return nil, unreadable("the recording has no samples")
			}
			r.Clipped = float32(clipped) / float32(2*len(mono))
			r.Samples = resample(mono, s.rate, Rate)
			return r, nil
		case err != nil:
			return nil, unreadable("the file is damaged: %v", err)
		case n == 0:
			return nil, unreadable("the file is damaged: its decoder does not go on")
		}
	}
}

// fullScale is the least value of a sample that counts as clipped: the last but one of 8 bits, the last 255 of 16.
const fullScale = 0.992

// open reads the header of a file.
func open(data []byte) (*stream, error) {
	has := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case has("RIFF") && len(data) >= 12 && string(data[8:12]) == "WAVE":
		return openWAV(data)
	case has("fLaC"):
		return openFLAC(data)
	case has("OggS"):
		return openOgg(data)
	case has("ID3"), len(data) > 1 && data[0] == 0xff && data[1]&0xe6 == 0xe2: // a frame of layer III begins
		return openMP3(data)
	case len(data) == 0:
		return nil, unreadable("the file is empty")
	}
	return nil, unreadable("the file is no recording in a format that is read: WAV, FLAC, MP3, Opus and Vorbis in Ogg")
}

// float is v of a range of that many bits as -1..1.
func float(v int64, bits int) float32 { return float32(math.Ldexp(float64(v), 1-bits)) }

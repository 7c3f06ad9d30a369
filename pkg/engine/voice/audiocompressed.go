package voice

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/gopxl/beep/v2"
	"github.com/gopxl/beep/v2/flac"
	"github.com/gopxl/beep/v2/mp3"
	"github.com/pion/opus"
	"github.com/pion/opus/pkg/oggreader"
)

// reader hides that bytes can be sought. Decoders that may seek read the whole file first, or believe its tables.
type reader struct{ io.Reader }

func (reader) Close() error { return nil }

// openFLAC leaves the file to mewkiz/flac. Its header, STREAMINFO, is the first block of metadata.
func openFLAC(data []byte) (*stream, error) {
	const header = 8 + 18 // magic, type and length of the block, and what of it is read here
	if len(data) < header || data[4]&0x7f != 0 {
		return nil, unreadable("a FLAC file without its header")
	}
	// 20 bits of samples a second, 3 of channels less 1, 5 of bits a sample less 1, 36 of frames, 0: unknown
	info := binary.BigEndian.Uint64(data[18:])
	s := &stream{container: FLAC, rate: int(info >> 44), channels: int(info>>41&7) + 1, frames: int64(info & (1<<36 - 1))}
	if s.frames == 0 {
		s.frames = -1
	}
	if s.channels > maxChannels {
		return s, nil // refused by the caller
	}
	decoder, _, err := flac.Decode(reader{bytes.NewReader(data)})
	if err != nil {
		return nil, unreadable("a damaged FLAC file: %v", err)
	}
	s.next = streamed(decoder)
	return s, nil
}

// openMP3 leaves the file to hajimehoshi/go-mp3, which makes two channels of one.
func openMP3(data []byte) (*stream, error) {
	decoder, format, err := mp3.Decode(reader{bytes.NewReader(data)})
	if err != nil {
		return nil, unreadable("a damaged MP3 file: %v", err)
	}
	return &stream{container: MP3, rate: int(format.SampleRate), channels: format.NumChannels, frames: -1, next: streamed(decoder)}, nil
}

// streamed reads blocks of s.
func streamed(s beep.Streamer) func([][2]float32) (int, error) {
	var wide [blockSize][2]float64
	return func(block [][2]float32) (int, error) {
		n, ok := s.Stream(wide[:len(block)])
		for i, frame := range wide[:n] {
			block[i] = [2]float32{float32(frame[0]), float32(frame[1])}
		}
		switch {
		case s.Err() != nil:
			return n, s.Err()
		case !ok, n == 0:
			return n, io.EOF
		}
		return n, nil
	}
}

const (
	opusRate   = 48000             // of the clock of Ogg Opus, whatever was recorded
	opusPacket = opusRate * 3 / 25 // the most frames of a packet: 120 ms
)

// openOgg tells Vorbis from Opus, whose packets it leaves to pion/opus. RFC 7845 describes the container.
func openOgg(data []byte) (*stream, error) {
	if bytes.Contains(data[:min(len(data), 64)], []byte("\x01vorbis")) {
		return openVorbis(data)
	}
	pages, header, err := oggreader.NewWith(bytes.NewReader(data))
	if err != nil {
		return nil, unreadable("no sound Ogg file with Opus or Vorbis: %v", err)
	}
	s := &stream{container: Opus, rate: opusRate, channels: int(header.Channels), frames: -1}
	if s.channels < 1 || s.channels > maxChannels {
		return s, nil // refused by the caller
	}
	decoder, err := opus.NewDecoderWithOutput(opusRate, s.channels)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", opDecode, err)
	}
	skip := int(header.PreSkip) // frames before the sound begins
	left := []float32(nil)      // decoded, interleaved
	packet := make([]float32, opusPacket*s.channels)
	s.next = func(block [][2]float32) (int, error) {
		for len(left) == 0 {
			content, _, err := pages.ParseNextPacket()
			if err != nil {
				return 0, err
			}
			if bytes.HasPrefix(content, []byte("OpusTags")) {
				continue
			}
			frames, err := decoder.DecodeToFloat32(content, packet)
			if err != nil {
				return 0, err
			}
			dropped := min(skip, frames)
			skip -= dropped
			left = packet[dropped*s.channels : frames*s.channels]
		}
		n := min(len(block), len(left)/s.channels)
		for i := range n {
			frame := left[i*s.channels:]
			block[i] = [2]float32{frame[0], frame[s.channels-1]}
		}
		left = left[n*s.channels:]
		return n, nil
	}
	return s, nil
}

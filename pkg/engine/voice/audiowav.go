package voice

import (
	"encoding/binary"
	"io"
	"math"
)

// The encodings of samples in a WAV file, of Microsoft's registry.
const (
	wavPCM        = 1
	wavFloat      = 3
	wavALaw       = 6
	wavMuLaw      = 7
	wavExtensible = 0xfffe
)

// openWAV reads the chunks of a RIFF file up to its samples. Samples that the file lacks at its end are not missed.
func openWAV(data []byte) (*stream, error) {
	le := binary.LittleEndian
	s := &stream{container: WAV}
	var read func([]byte) float32
	width := 0 // bytes of a sample
	for at := 12; at+8 <= len(data); {
		id, size := string(data[at:at+4]), int64(le.Uint32(data[at+4:]))
		at += 8
		body := data[at:min(int64(at)+size, int64(len(data)))]
		switch {
		case id == "fmt " && len(body) >= 16:
			encoding, bits := le.Uint16(body), int(le.Uint16(body[14:]))
			if encoding == wavExtensible && len(body) >= 26 {
				encoding = le.Uint16(body[24:]) // the GUID begins with it
			}
			s.channels, s.rate = int(le.Uint16(body[2:])), int(le.Uint32(body[4:]))
			if read = wavReader(encoding, bits); read == nil {
				return nil, unreadable("a WAV file with encoding %d of %d bits; PCM of 8, 16, 24 and 32 bits, float of 32 and 64, A-law and µ-law are read", encoding, bits)
			}
			width = bits / 8
			if s.channels == 0 || int(le.Uint16(body[12:])) != width*s.channels {
				return nil, unreadable("a WAV file whose header contradicts itself")
			}
		case id == "data" && read != nil:
			step := width * s.channels
			s.frames = int64(len(body) / step)
			s.next = func(block [][2]float32) (int, error) {
				n := min(len(block), len(body)/step)
				for i := range n {
					frame := body[i*step:]
					block[i][0] = read(frame)
					block[i][1] = block[i][0]
					if s.channels > 1 {
						block[i][1] = read(frame[width:])
					}
				}
				if body = body[n*step:]; len(body) < step {
					return n, io.EOF
				}
				return n, nil
			}
			return s, nil
		}
		if size += size & 1; size > int64(len(data)-at) { // chunks begin at even places
			break
		}
		at += int(size)
	}
	return nil, unreadable("a WAV file without samples")
}

// wavReader reads a sample of that encoding at the beginning of its argument. It is nil if there is no such encoding.
func wavReader(encoding uint16, bits int) func([]byte) float32 {
	le := binary.LittleEndian
	switch [2]int{int(encoding), bits} {
	case [2]int{wavPCM, 8}:
		return func(b []byte) float32 { return float(int64(b[0])-128, 8) }
	case [2]int{wavPCM, 16}:
		return func(b []byte) float32 { return float(int64(int16(le.Uint16(b))), 16) }
	case [2]int{wavPCM, 24}:
		return func(b []byte) float32 {
			return float(int64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)), 32)
		}
	case [2]int{wavPCM, 32}:
		return func(b []byte) float32 { return float(int64(int32(le.Uint32(b))), 32) }
	case [2]int{wavFloat, 32}:
		return func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) }
	case [2]int{wavFloat, 64}:
		return func(b []byte) float32 { return float32(math.Float64frombits(le.Uint64(b))) }
	case [2]int{wavALaw, 8}:
		return func(b []byte) float32 { return aLaw(b[0]) }
	case [2]int{wavMuLaw, 8}:
		return func(b []byte) float32 { return muLaw(b[0]) }
	}
	return nil
}

// aLaw expands a sample of ITU-T G.711, A-law: a sign, three bits of a power of two, four of a mantissa; even bits are inverted.
func aLaw(b byte) float32 {
	b ^= 0x55
	v := int64(b&15)<<4 + 8
	if e := b >> 4 & 7; e > 0 {
		v = (v + 0x100) << (e - 1)
	}
	if b&0x80 == 0 {
		v = -v
	}
	return float(v, 16)
}

// muLaw expands a sample of ITU-T G.711, µ-law; all bits are inverted.
func muLaw(b byte) float32 {
	b = ^b
	v := (int64(b&15)<<3+0x84)<<(b>>4&7) - 0x84
	if b&0x80 != 0 {
		v = -v
	}
	return float(v, 16)
}

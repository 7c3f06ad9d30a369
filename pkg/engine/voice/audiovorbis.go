package voice

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"

	"github.com/gopxl/beep/v2/vorbis"
)

// The limits of a Vorbis file, several times what libvorbis writes at any quality.
const (
	vorbisPacket  = 1 << 18 // bytes; also of its comments, which may hold a picture
	vorbisEntries = 1 << 14 // of a codebook
	vorbisValues  = 1 << 20 // of all codebooks
	vorbisPoints  = 65      // of the curve of a floor, as the specification says
)

// openVorbis leaves the file to jfreymuth/vorbis. On a damaged file that decoder loops for ever, takes any amount of memory or takes
// damage for the end, so everything that leads to this is refused first.
func openVorbis(data []byte) (*stream, error) {
	s, err := checkVorbis(data)
	if err != nil {
		return nil, unreadable("a damaged Vorbis file: %v", err)
	}
	if s.channels < 1 || s.channels > maxChannels {
		return s, nil // refused by the caller
	}
	decoder, _, err := vorbis.Decode(reader{bytes.NewReader(data)})
	if err != nil {
		return nil, unreadable("a damaged Vorbis file: %v", err)
	}
	s.next = streamed(decoder)
	return s, nil
}

// checkVorbis looks at every page and packet of a file and returns what its first packet says.
func checkVorbis(data []byte) (*stream, error) {
	var s *stream
	packets := 0
	err := oggPackets(data, func(packet []byte) error {
		packets++
		if packets > 3 { // the sound
			if len(packet) > 0 && packet[0]&1 != 0 {
				return errors.New("a packet that is no sound among those of sound")
			}
			return nil
		}
		body, ok := bytes.CutPrefix(packet, []byte{byte(2*packets - 1), 'v', 'o', 'r', 'b', 'i', 's'})
		if !ok {
			return errors.New("one of its three headers is missing")
		}
		switch packets {
		case 1:
			if len(body) < 22 {
				return errors.New("its first header is too short")
			}
			s = &stream{container: Vorbis, rate: int(binary.LittleEndian.Uint32(body[5:])), channels: int(body[4]), frames: -1}
			if short, long := body[21]&15, body[21]>>4; short < 6 || short > long || long > 13 {
				return errors.New("its blocks have a size that is not allowed")
			}
		case 2:
			return checkVorbisComments(body)
		case 3:
			return checkVorbisSetup(body)
		}
		return nil
	})
	if err == nil && packets < 4 {
		err = errors.New("it has no sound")
	}
	return s, err
}

// checkVorbisComments refuses more comments than there are bytes for.
func checkVorbisComments(body []byte) error {
	vendor, ok := uint64(0), len(body) >= 8
	if ok {
		vendor = uint64(binary.LittleEndian.Uint32(body))
		ok = vendor+8 <= uint64(len(body))
	}
	if ok {
		left := body[vendor+4:]
		ok = uint64(binary.LittleEndian.Uint32(left)) <= uint64(len(left)/4-1)
	}
	if !ok {
		return errors.New("its comments do not fit into their packet")
	}
	return nil
}

// checkVorbisSetup reads the codebooks and the floors (Vorbis I, 3.2.1 and 7.2.2). The rest costs nothing, whatever it says.
func checkVorbisSetup(body []byte) error {
	r := &bitReader{data: body}
	values := 0
	for range r.read(8) + 1 {
		n, err := checkCodebook(r)
		if err != nil {
			return err
		}
		if values += n; values > vorbisValues {
			return errors.New("its codebooks are too large")
		}
	}
	r.skip(16 * (r.read(6) + 1)) // transforms, which there are none of
	for range r.read(6) + 1 {
		switch r.read(16) {
		case 0:
			return errors.New("it has a floor of type 0, as before 2002, which is not read")
		case 1:
			if err := checkFloor(r); err != nil {
				return err
			}
		default:
			return errors.New("it has a floor of an unknown type")
		}
	}
	return r.ended()
}

// checkCodebook returns how many values the codebook holds.
func checkCodebook(r *bitReader) (int, error) {
	if r.read(24) != 0x564342 {
		return 0, errors.New("a codebook does not begin as one")
	}
	dimensions, entries, used := r.read(16), r.read(24), 0
	if dimensions == 0 || entries < 2 || entries > vorbisEntries || dimensions*entries > vorbisValues {
		return 0, errors.New("a codebook has a size that is not read")
	}
	if ordered := r.read(1) == 1; ordered {
		length := r.read(5) + 1
		for ; used < entries && length <= 32; length++ {
			used += r.read(bits.Len(uint(entries - used)))
		}
		if used != entries {
			return 0, errors.New("a codebook has other entries than it says")
		}
	} else {
		sparse := r.read(1) == 1
		for range entries {
			if !sparse || r.read(1) == 1 {
				r.skip(5)
				used++
			}
		}
	}
	if used == 0 {
		return 0, errors.New("a codebook has no entry that is used")
	}
	kind, multiplicands := r.read(4), dimensions*entries
	switch kind {
	case 0:
		return 0, r.ended()
	case 1:
		multiplicands = int(math.Floor(math.Pow(float64(entries), 1/float64(dimensions))))
	case 2:
	default:
		return 0, errors.New("a codebook is of an unknown type")
	}
	r.skip(64)
	width := r.read(4) + 1
	r.skip(1 + multiplicands*width)
	return dimensions * entries, r.ended()
}

func checkFloor(r *bitReader) error {
	classes := make([]int, r.read(5))
	last := 0
	for i := range classes {
		classes[i] = r.read(4)
		last = max(last, classes[i])
	}
	dimensions := make([]int, last+1)
	for i := range dimensions {
		dimensions[i] = r.read(3) + 1
		subclasses := r.read(2)
		if subclasses > 0 {
			r.skip(8)
		}
		r.skip(8 << subclasses)
	}
	r.skip(2)
	width, points := r.read(4), 2
	for _, class := range classes {
		points += dimensions[class]
		r.skip(width * dimensions[class])
	}
	if points > vorbisPoints {
		return errors.New("a floor has more points than are allowed")
	}
	return r.ended()
}

// bitReader reads numbers as Vorbis packs them: the least significant bit first. Behind the end there are zeros.
type bitReader struct {
	data []byte
	at   int // bits
}

func (r *bitReader) read(width int) (v int) {
	for i := range width {
		if at := r.at + i; at < 8*len(r.data) {
			v |= int(r.data[at/8]>>(at%8)&1) << i
		}
	}
	r.at += width
	return v
}

func (r *bitReader) skip(width int) { r.at += width }

func (r *bitReader) ended() error {
	if r.at > 8*len(r.data) {
		return errors.New("its setup ends too early")
	}
	return nil
}

// oggPackets calls each with every packet of an Ogg file (RFC 3533) with one stream, all of whose pages are sound and in order.
func oggPackets(data []byte, each func([]byte) error) error {
	var packet []byte // what there is of one that a page does not end
	var serial []byte
	whole := true
	for number, last := uint32(0), false; len(data) > 0; number++ {
		const header = 27
		if len(data) < header || !bytes.HasPrefix(data, []byte("OggS\x00")) {
			return errors.New("a page does not begin as one")
		}
		flags, segments := data[5], int(data[26])
		if segments == 0 || len(data) < header+segments {
			return errors.New("a page has no content")
		}
		lacing := data[header:][:segments]
		size := header + segments
		for _, n := range lacing {
			size += int(n)
		}
		if len(data) < size {
			return errors.New("a page is cut off")
		}
		page, le := data[:size], binary.LittleEndian
		switch {
		case oggChecksum(page) != le.Uint32(page[22:]):
			return errors.New("a page has another checksum than it says")
		case number == 0:
			serial = page[14:18]
		case last, !bytes.Equal(page[14:18], serial):
			return errors.New("it holds several streams")
		}
		if le.Uint32(page[18:]) != number || (flags&1 == 0) != whole {
			return errors.New("a page is missing")
		}
		content := page[header+segments:]
		for _, n := range lacing {
			packet, content = append(packet, content[:n]...), content[n:]
			if whole = n < 255; whole {
				if err := each(packet); err != nil {
					return err
				}
				packet = packet[:0]
			} else if len(packet) > vorbisPacket {
				return errors.New("a packet is too large")
			}
		}
		data, last = data[size:], flags&4 != 0
	}
	if !whole {
		return errors.New("its last packet is cut off")
	}
	return nil
}

var oggTable = func() (table [256]uint32) {
	for i := range table {
		v := uint32(i) << 24
		for range 8 {
			v = v<<1 ^ v>>31*0x04c11db7
		}
		table[i] = v
	}
	return table
}()

// oggChecksum is the checksum of a page, whose own place counts as zeros.
func oggChecksum(page []byte) (sum uint32) {
	for i, b := range page {
		if i >= 22 && i < 26 {
			b = 0
		}
		sum = sum<<8 ^ oggTable[byte(sum>>24)^b]
	}
	return sum
}

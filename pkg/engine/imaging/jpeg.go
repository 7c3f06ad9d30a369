package imaging

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"sync"
)

// A scan of a JPEG may visit every block of the picture for a handful of bytes, so a small file could buy minutes of work. The
// scans of a picture may visit each of its blocks maxVisits times on average, and freeVisits blocks besides, which takes about
// two seconds. Encoders visit a block six times; a script of libjpeg for best compression ten times.
const (
	maxVisits  = 12
	freeVisits = 4_000_000
)

// Markers of ITU-T T.81, table B.1, as the byte that follows FF.
const (
	markerSOF0  = 0xc0
	markerSOF1  = 0xc1
	markerSOF2  = 0xc2
	markerDHT   = 0xc4
	markerRST0  = 0xd0
	markerRST7  = 0xd7
	markerSOI   = 0xd8
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerDQT   = 0xdb
	markerDRI   = 0xdd
	markerAPP0  = 0xe0
	markerAPP1  = 0xe1
	markerAPP14 = 0xee
)

// jpegFile is what a walk over the marker segments finds (T.81, annex B).
type jpegFile struct {
	data          []byte
	width, height int
	components    int
	orientation   int
	sofAt         int  // the offset of the second byte of the frame's marker
	sof           byte // that byte
	adobe         bool // there is an Adobe segment
	tables        [2][4]bool
	tableMissing  bool  // a scan uses one of the two usual Huffman tables, which nothing before it defines
	highTable     bool  // a table with the number 2 or 3 is used
	ended         bool  // there is an end marker
	visits        int64 // blocks that the scans go through

	// refined has, for each component (by its place in the frame) and coefficient, whether a scan brought its last bit.
	ids      [4]byte
	sampling [4]byte // horizontal and vertical factors, four bits each
	refined  [4][64]bool
}

// segments calls visit with the marker, its offset (that of its second byte) and the body of each segment, and tells
// whether it met an end marker. Entropy-coded data and fill bytes stand between segments: a marker is FF and a byte that is
// neither 00 nor FF.
func segments(data []byte, visit func(marker byte, at int, body []byte) error) (ended bool, err error) {
	for i := 2; i < len(data); {
		j := bytes.IndexByte(data[i:], 0xff)
		if j < 0 || i+j+1 >= len(data) {
			return false, nil
		}
		i += j + 1
		marker, at := data[i], i
		if marker == 0x00 || marker == 0xff || marker == 0x01 || markerRST0 <= marker && marker <= markerSOI {
			continue // stuffed byte, fill byte, or a marker that stands alone: TEM, RST0-7, SOI
		}
		if marker == markerEOI {
			return true, nil
		}
		i++
		if i+2 > len(data) {
			return false, nil
		}
		length := int(binary.BigEndian.Uint16(data[i:]))
		if length < 2 || i+length > len(data) {
			return false, nil // cut short: the decoder says so
		}
		if err := visit(marker, at, data[i+2:i+length]); err != nil {
			return false, err
		}
		i += length
	}
	return false, nil
}

// readJPEG walks the segments and refuses files whose decoding would lose information.
func readJPEG(data []byte) (*jpegFile, error) {
	f := &jpegFile{data: data}
	ended, err := segments(data, func(marker byte, at int, body []byte) error {
		switch {
		case marker == markerSOS:
			return f.scan(body)
		case marker == markerDHT:
			f.huffman(body)
		case marker == markerAPP14 && bytes.HasPrefix(body, []byte("Adobe")) && len(body) >= 12:
			f.adobe = true
		case marker == markerAPP1 && f.orientation == 0 && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
			f.orientation = exifOrientation(body[6:])
		case isSOF(marker):
			return f.frame(marker, at, body)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.ended, f.orientation = ended, max(f.orientation, 1)
	if f.sofAt == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return f, nil
}

// isSOF tells the start-of-frame markers from DHT (C4), JPG (C8) and DAC (CC) among them.
func isSOF(marker byte) bool {
	return 0xc0 <= marker && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}

// frame reads a frame header (T.81, B.2.2).
func (f *jpegFile) frame(marker byte, at int, body []byte) error {
	switch {
	case f.sofAt != 0:
		return errors.New("more than one frame header; save the picture again as JPEG")
	case marker == 0xc3:
		return errors.New("lossless JPEG, as some cameras and scanners keep raw data; save it as PNG or as usual JPEG")
	case marker >= 0xc9:
		return errors.New("arithmetic coding, which hardly any program reads; save it as usual (Huffman-coded) JPEG")
	case marker > markerSOF2:
		return errors.New("a hierarchical JPEG, which hardly any program reads; save it as usual JPEG")
	case len(body) < 6:
		return io.ErrUnexpectedEOF
	case body[0] != 8:
		return fmt.Errorf("%d bits a sample; only 8 can be read: save it with 8", body[0])
	}
	f.sofAt, f.sof = at, marker
	f.height, f.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	f.components = int(body[5])
	switch {
	case f.components != 1 && f.components != 3 && f.components != 4:
		return fmt.Errorf("%d colour components; only 1 (grey), 3 (colour) and 4 (CMYK) can be read: save it as RGB", f.components)
	case len(body) != 6+3*f.components:
		return malformed("the frame header has the wrong length")
	}
	for i := range f.components {
		f.ids[i], f.sampling[i] = body[6+3*i], body[7+3*i]
		if s := f.sampling[i]; s>>4 < 1 || s>>4 > 4 || s&15 < 1 || s&15 > 4 {
			return malformed("the frame header has the sampling factors %d and %d", s>>4, s&15)
		}
	}
	return nil
}

// huffman notes which tables a segment defines (T.81, B.2.4.2).
func (f *jpegFile) huffman(body []byte) {
	for len(body) >= 17 {
		class, id, n := body[0]>>4, body[0]&15, 17
		for _, codes := range body[1:17] {
			n += int(codes)
		}
		if class > 1 || id > 3 || n > len(body) {
			return // the decoder says what is wrong
		}
		f.tables[class][id] = true
		f.highTable = f.highTable || id > 1
		body = body[n:]
	}
}

// blocks is the number of blocks of each component, and of all together.
func (f *jpegFile) blocks() (each [4]int64, all int64) {
	var hmax, vmax int64
	sampling := f.sampling
	if f.components == 1 {
		sampling[0] = 0x11 // not interleaved, whatever its factors (T.81, A.2.2)
	}
	for _, s := range sampling[:f.components] {
		hmax, vmax = max(hmax, int64(s>>4)), max(vmax, int64(s&15))
	}
	if hmax == 0 {
		return each, 0 // no frame
	}
	mcus := ((int64(f.width) + 8*hmax - 1) / (8 * hmax)) * ((int64(f.height) + 8*vmax - 1) / (8 * vmax))
	for i, s := range sampling[:f.components] {
		each[i] = mcus * int64(s>>4) * int64(s&15)
		all += each[i]
	}
	return each, all
}

// scan notes what a scan header announces (T.81, B.2.3), and refuses more work than encoders make.
func (f *jpegFile) scan(body []byte) error {
	if len(body) < 1 || len(body) != 4+2*int(body[0]) {
		return nil // the decoder says what is wrong
	}
	each, all := f.blocks()
	n := int(body[0])
	first, last, high, low := body[1+2*n], body[2+2*n], body[3+2*n]>>4, body[3+2*n]&15
	if f.sof != markerSOF2 {
		first, last, high, low = 0, 63, 0, 0 // fixed there, whatever the file says
	}
	for i := range n {
		dc, ac := body[2+2*i]>>4&3, body[2+2*i]&3
		f.highTable = f.highTable || dc > 1 || ac > 1
		if first == 0 && high == 0 && dc < 2 && !f.tables[0][dc] || last > 0 && ac < 2 && !f.tables[1][ac] {
			f.tableMissing = true
		}
		for c := range f.components {
			if f.ids[c] != body[1+2*i] {
				continue
			}
			f.visits += each[c]
			if low != 0 {
				continue
			}
			for k := int(first); k <= int(last) && k < 64; k++ {
				f.refined[c][k] = true
			}
		}
	}
	if f.visits > maxVisits*all+freeVisits {
		return errors.New("a progressive JPEG of far more scans than any program writes; save it as usual JPEG")
	}
	return nil
}

// whole tells whether the scans bring every component and every bit: a progressive file that was cut between scans is a
// picture without its details.
func (f *jpegFile) whole() bool {
	for c := range f.components {
		for k := range 64 {
			if !f.refined[c][k] {
				return false
			}
		}
	}
	return true
}

func openJPEG(data []byte) (header, error) {
	f, err := readJPEG(data)
	if err != nil {
		return header{}, err
	}
	return header{width: f.width, height: f.height, orientation: f.orientation, memory: f.memory(), decode: f.decode}, nil
}

// memory is what the two decoders take. Both have the samples of whole MCUs, in a progressive picture beside coefficients of 4
// and 2 bytes. Go's decoder makes 4 bytes a pixel of RGB and CMYK; the lenient one makes 3 of every colour picture and then 4 of
// RGB and CMYK. Both read a repaired copy of the file.
func (f *jpegFile) memory() memory {
	pixels := int64(f.width) * int64(f.height)
	_, blocks := f.blocks()
	samples := 64 * blocks
	strict, lenient := samples, samples
	if f.sof == markerSOF2 {
		strict, lenient = 5*samples, 3*samples
	}
	decoded, made := samples, int64(0)
	switch f.components {
	case 1:
		lenient += pixels
	default:
		lenient += 3 * pixels
		if f.components == 4 || f.adobe || f.ids == [4]byte{'R', 'G', 'B'} {
			decoded, made = 4*pixels, 4*pixels
		} else {
			decoded = max(decoded, 3*pixels)
		}
	}
	return memory{during: max(strict+made, samples+made, lenient+made) + 2*int64(len(f.data)), decoded: decoded}
}

// jpegDecoder decodes data, a copy of the file that [jpegFile.repair] has put right. CMYK it returns as if the file held it inverted, as
// those of Adobe do. damage is that of [Info].
type jpegDecoder func(ctx context.Context, f *jpegFile, data []byte) (m image.Image, damage string, err error)

// decodeStrict is Go's decoder, which takes sound files alone.
func decodeStrict(ctx context.Context, _ *jpegFile, data []byte) (image.Image, string, error) {
	m, err := jpeg.Decode(&reader{ctx, bytes.NewReader(data)})
	return m, "", err
}

// decode tries the decoders one after the other: what a fast one refuses, a lenient one may read.
func (f *jpegFile) decode(ctx context.Context) (m image.Image, damage string, err error) {
	for _, by := range jpegDecoders {
		if m, damage, err = f.read(ctx, by); err == nil || ctx.Err() != nil {
			break
		}
	}
	return m, damage, err
}

// read reads the pixels with a decoder.
func (f *jpegFile) read(ctx context.Context, by jpegDecoder) (image.Image, string, error) {
	if !f.whole() {
		return nil, "", errors.New("the file was cut short: the details or the colours of the picture are missing; send the whole file")
	}
	repaired, damage := f.repair()
	m, lost, err := by(ctx, f, repaired)
	if err != nil {
		return nil, "", err
	}
	if cmyk, ok := m.(*image.CMYK); ok && !f.adobe {
		// Without Adobe's segment CMYK is what it says.
		for i, v := range cmyk.Pix {
			cmyk.Pix[i] = 0xff - v
		}
	}
	return m, cmp.Or(lost, damage), nil
}

// repair returns the file as Go's decoder takes it: a copy where something had to change.
func (f *jpegFile) repair() (data []byte, damage string) {
	data = f.data
	var front []byte // what comes right behind the start marker
	if f.tableMissing {
		// Frames of webcams leave out the tables that all of them use.
		front = append(front, standardHuffman()...)
	}
	if f.components == 4 && !f.adobe {
		front = append(front, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"...) // CMYK as it stands
	}
	sof := f.sof
	if f.highTable && sof == markerSOF0 {
		sof = markerSOF1 // extended sequential: the same with four tables of each kind
	}
	if len(front) > 0 || sof != f.sof || !f.ended {
		data = bytes.Join([][]byte{f.data[:2], front, f.data[2:f.sofAt], {sof}, f.data[f.sofAt+1:]}, nil)
	}
	if !f.ended {
		damage = "the end marker is missing"
		data = append(bytes.TrimSuffix(data, []byte{0xff}), 0xff, markerEOI)
	}
	return data, damage
}

// standardHuffman is a DHT segment with the tables of T.81, annex K.3, which are those that Go's encoder writes.
var standardHuffman = sync.OnceValue(func() (segment []byte) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 1, 1)), nil); err != nil {
		panic(err) // to memory
	}
	if _, err := segments(b.Bytes(), func(marker byte, at int, body []byte) error {
		if marker == markerDHT {
			segment = append(segment, b.Bytes()[at-1:at+3+len(body)]...)
		}
		return nil
	}); err != nil {
		panic(err)
	}
	return segment
})

package imaging

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"io"
	"slices"

	"golang.org/x/image/tiff"
)

// Tags of TIFF 6.0 and of what grew out of it.
const (
	tagNewSubfileType  = 254
	tagBitsPerSample   = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagStripOffsets    = 273
	tagOrientation     = 274
	tagSamplesPerPixel = 277
	tagRowsPerStrip    = 278
	tagStripByteCounts = 279
	tagPlanar          = 284
	tagT4Options       = 292
	tagPredictor       = 317
	tagTileWidth       = 322
	tagTileLength      = 323
	tagTileOffsets     = 324
	tagTileByteCounts  = 325
	tagSubIFDs         = 330
	tagExtraSamples    = 338
	tagSampleFormat    = 339
	tagDNGVersion      = 50706
)

func openTIFF(data []byte) (header, error) {
	d := readDirectory(data)
	if err := checkTIFF(data, d); err != nil {
		return header{}, err
	}
	if d.planar() {
		return openPlanarTIFF(data, d)
	}
	h, err := library(data, tiff.DecodeConfig, tiff.Decode)
	if err != nil {
		return header{}, err
	}
	h.orientation = exifOrientation(data)
	h.memory.during += d.block(h, len(data))
	decode := h.decode
	h.decode = func(ctx context.Context) (image.Image, string, error) {
		m, damage, err := decode(ctx)
		if err != nil {
			return nil, "", err
		}
		switch m := m.(type) {
		case *image.Paletted:
			widenPalette(m.Palette)
		case *image.Gray:
			// Fax compression codes ones as black. Go's decoder takes that for the colour, whatever one means here.
			if fax := d.first(tagCompression, 1); (fax == 3 || fax == 4) && d.first(tagPhotometric, 0) == 1 {
				for i, v := range m.Pix {
					m.Pix[i] = 0xff - v
				}
			}
		}
		return m, damage, nil
	}
	return h, nil
}

// checkTIFF refuses what the decoder would not read or would read wrongly without saying so, by its name.
func checkTIFF(data []byte, d directory) error {
	this := func(what string, args ...any) error {
		return fmt.Errorf("this is a TIFF "+what+"; save it as PNG, or as a TIFF of 8-bit RGB without layers or planes", args...)
	}
	raw := func(maker string) error {
		return fmt.Errorf("this is a camera's raw photograph (%s); export it as JPEG", maker)
	}
	bits := d.first(tagBitsPerSample, 1)
	compression, photometric, predictor := d.first(tagCompression, 1), d.first(tagPhotometric, 0), d.first(tagPredictor, 1)
	samples := d.first(tagSamplesPerPixel, 1)
	coded := compression == 5 || compression == 8 || compression == 32946 // LZW and deflate, which have a predictor
	switch {
	case len(data) > 10 && string(data[8:10]) == "CR":
		return raw("Canon CR2")
	case len(d[tagDNGVersion]) > 0:
		return raw("DNG")
	case d.first(tagNewSubfileType, 0)&1 != 0 && len(d[tagSubIFDs]) > 0:
		return raw("TIFF with a preview in front, such as NEF or ARW")
	case photometric == 32803:
		return raw("a colour filter array")
	case photometric == 5:
		return this("in CMYK, for printing")
	case photometric == 6:
		return this("in YCbCr")
	case photometric == 8 || photometric == 9 || photometric == 10:
		return this("in CIE L*a*b*")
	case photometric > 3:
		return this("with the photometric interpretation %d", photometric)
	case compression == 6 || compression == 7:
		return this("compressed as JPEG")
	case compression != 1 && compression != 3 && compression != 4 && compression != 32773 && !coded:
		return this("with the compression %d", compression)
	case compression == 3 && d.first(tagT4Options, 0)&1 != 0:
		return this("with two-dimensional fax compression (group 3)")
	case d.first(tagSampleFormat, 1) != 1:
		return this("of signed or floating-point numbers")
	case bits != 1 && bits != 8 && bits != 16 || photometric == 3 && bits == 16:
		return this("of %d bits a sample", bits)
	case slices.ContainsFunc(d[tagBitsPerSample], func(b uint32) bool { return b != bits }):
		return this("whose samples differ in their bits")
	case d.planar() && (photometric != 2 || samples != 3):
		return this("with planar configuration 2, where each colour lies by itself, that is not plain RGB")
	case int(samples) != max(len(d[tagBitsPerSample]), 1):
		return this("of %d samples a pixel that gives the bits of %d", samples, max(len(d[tagBitsPerSample]), 1))
	case photometric == 2 && samples == 4 && d.first(tagExtraSamples, 0) != 1 && d.first(tagExtraSamples, 0) != 2,
		photometric == 2 && (samples < 3 || samples > 4), photometric != 2 && samples != 1:
		return this("of %d samples a pixel, of which not all are colours or transparency", samples)
	case d.first(tagFillOrder, 1) != 1 && compression != 3 && compression != 4:
		return this("with reversed bits (fill order %d)", d.first(tagFillOrder, 1))
	case predictor > 2 || predictor == 2 && !coded:
		return this("with the predictor %d under the compression %d", predictor, compression)
	}
	return nil
}

// planar tells whether each colour lies by itself.
func (d directory) planar() bool {
	return d.first(tagSamplesPerPixel, 1) > 1 && d.first(tagPlanar, 1) != 1
}

// openPlanarTIFF opens a TIFF of three planes. Go's decoder would take the first for the whole picture. So it gets each plane
// as a grey picture of its own.
func openPlanarTIFF(data []byte, d directory) (header, error) {
	first, err := tiffPlane(data, int(d.first(tagSamplesPerPixel, 1)), 0)
	if err != nil {
		return header{}, err
	}
	h, err := library(first, tiff.DecodeConfig, tiff.Decode)
	if err != nil {
		return header{}, err
	}
	h.orientation = exifOrientation(data)
	plane := h.memory.decoded
	h.memory.decoded = 4 * h.pixels()
	h.memory.during = int64(len(data)) + plane + h.memory.decoded + d.block(h, len(data))
	h.decode = func(ctx context.Context) (image.Image, string, error) {
		out := image.NewNRGBA(image.Rect(0, 0, h.width, h.height))
		for i := 3; i < len(out.Pix); i += 4 {
			out.Pix[i] = 0xff
		}
		for c := range 3 { // checkTIFF takes no other number of planes
			plane, err := tiffPlane(data, 3, c)
			if err != nil {
				return nil, "", err
			}
			m, err := tiff.Decode(&reader{ctx, bytes.NewReader(plane)})
			if err != nil {
				return nil, "", damaged(err)
			}
			if m.Bounds() != out.Rect {
				return nil, "", malformed("the planes differ in size")
			}
			row, line := rowReader(m), make([]byte, 3*h.width)
			for y := range h.height {
				row(line, y)
				for x := range h.width {
					out.Pix[y*out.Stride+4*x+c] = line[3*x]
				}
			}
		}
		return out, "", nil
	}
	return h, nil
}

// tiffPlane returns the file with a first directory that has one of its planes alone, as grey. The strips or tiles of a plane
// follow each other in the lists of the whole (TIFF 6.0, section 8, StripOffsets).
func tiffPlane(data []byte, samples, plane int) ([]byte, error) {
	order := tiffOrder(data)
	offset := int(order.Uint32(data[4:]))
	count := int(order.Uint16(data[offset:]))
	entries := data[offset+2:]
	if len(entries) < 12*count {
		return nil, io.ErrUnexpectedEOF
	}
	file := append(make([]byte, 0, len(data)+1+2+12*count+4), data...)
	file = append(file, make([]byte, len(file)%2)...) // directories begin at even offsets
	order.PutUint32(file[4:], uint32(len(file)))
	start, kept := len(file), 0
	file = append(file, 0, 0)
	for i := range count {
		e := [12]byte(entries[12*i:])
		switch tag := order.Uint16(e[:]); tag {
		case tagPlanar, tagExtraSamples:
			continue
		case tagBitsPerSample, tagSampleFormat, tagPhotometric, tagSamplesPerPixel:
			value := map[uint16]uint16{tagBitsPerSample: uint16(readDirectory(data).first(tagBitsPerSample, 8)),
				tagSampleFormat: 1, tagPhotometric: 1, tagSamplesPerPixel: 1}[tag]
			order.PutUint16(e[2:], 3) // SHORT
			order.PutUint32(e[4:], 1)
			order.PutUint16(e[8:], value)
		case tagStripOffsets, tagStripByteCounts, tagTileOffsets, tagTileByteCounts:
			size, n := int(fieldSize[order.Uint16(e[2:])]), int(order.Uint32(e[4:]))
			if size == 0 || n%samples != 0 {
				return nil, malformed("its list of strips does not fit %d planes", samples)
			}
			own := n / samples
			order.PutUint32(e[4:], uint32(own))
			from, list := plane*own*size, e[8:]
			if n*size > 4 {
				at := int(order.Uint32(e[8:]))
				if at+n*size > len(data) {
					return nil, io.ErrUnexpectedEOF
				}
				list = data[at : at+n*size]
				order.PutUint32(e[8:], uint32(at+from))
			}
			if own*size <= 4 { // the values stand in the field itself
				values := bytes.Clone(list[from : from+own*size])
				clear(e[8:])
				copy(e[8:], values)
			}
		}
		file, kept = append(file, e[:]...), kept+1
	}
	order.PutUint16(file[start:], uint16(kept))
	return append(file, 0, 0, 0, 0), nil
}

// block is what the decoder takes for the largest strip or tile of the picture of h in a file of so many bytes: it accepts 8 bytes a
// pixel, however few the picture has, as far as the file can hold them.
func (d directory) block(h header, file int) int64 {
	width, height := int64(h.width), int64(h.height)
	if tile := int64(d.first(tagTileWidth, 0)); tile > 0 {
		const padding = 1024 // the decoder takes no larger tile than that beyond the picture
		width, height = min(tile, width+padding), min(int64(d.first(tagTileLength, 0)), height+padding)
	} else if rows := int64(d.first(tagRowsPerStrip, 0)); rows > 0 {
		height = min(rows, height)
	}
	most := 8 * width * height
	switch d.first(tagCompression, 1) {
	case 1:
		return grown(min(most, int64(file)))
	case 3, 4: // a bit a pixel
		return grown(most/64 + height)
	case 32773: // a run of 128 takes two bytes
		return grown(min(most, 64*int64(file)))
	}
	return grown(min(most, 2800*int64(file))) // the most that LZW can hold; deflate's is 1032
}

// directory is the first directory of a TIFF: the leading values of each field that holds small whole numbers.
type directory map[uint16][]uint32

// fieldSize is the size of a value by its type: BYTE, SHORT, LONG.
var fieldSize = map[uint16]uint64{1: 1, 3: 2, 4: 4}

func tiffOrder(data []byte) binary.ByteOrder {
	if data[0] == 'M' {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// first is a field's first value, or otherwise where there is no such field.
func (d directory) first(tag uint16, otherwise uint32) uint32 {
	if v := d[tag]; len(v) > 0 {
		return v[0]
	}
	return otherwise
}

// readDirectory reads a directory (TIFF 6.0, section 2). What is malformed is left out: the decoder says so.
func readDirectory(data []byte) directory {
	if len(data) < 8 {
		return nil
	}
	order := tiffOrder(data)
	offset := uint64(order.Uint32(data[4:]))
	if offset+2 > uint64(len(data)) {
		return nil
	}
	d := directory{}
	const mostValues = 16
	count := int(order.Uint16(data[offset:]))
	for entries := data[offset+2:]; count > 0 && len(entries) >= 12; count, entries = count-1, entries[12:] {
		size := fieldSize[order.Uint16(entries[2:])]
		n := uint64(order.Uint32(entries[4:]))
		values := entries[8:12]
		if n*size > 4 {
			at := uint64(order.Uint32(entries[8:]))
			if at > uint64(len(data)) {
				continue
			}
			values = data[at:]
		}
		var v []uint32
		for ; size > 0 && n > 0 && uint64(len(values)) >= size && len(v) < mostValues; n, values = n-1, values[size:] {
			switch size {
			case 1:
				v = append(v, uint32(values[0]))
			case 2:
				v = append(v, uint32(order.Uint16(values)))
			case 4:
				v = append(v, order.Uint32(values))
			}
		}
		d[order.Uint16(entries)] = v
	}
	return d
}

// widenPalette puts right the palettes of programs that wrote 8 bits where 16 belong; libtiff does the same.
func widenPalette(p color.Palette) {
	for _, c := range p {
		if c, ok := c.(color.RGBA64); !ok || max(c.R, c.G, c.B) > 0xff {
			return
		}
	}
	for i, c := range p {
		c := c.(color.RGBA64)
		p[i] = color.RGBA64{c.R * 0x101, c.G * 0x101, c.B * 0x101, 0xffff}
	}
}

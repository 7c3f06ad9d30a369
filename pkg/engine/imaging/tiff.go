package imaging

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"

	"golang.org/x/image/tiff"
)

// Tags of TIFF 6.0 and of what grew out of it.
const (
	tagNewSubfileType  = 254
	tagBitsPerSample   = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagOrientation     = 274
	tagSamplesPerPixel = 277
	tagPlanar          = 284
	tagT4Options       = 292
	tagPredictor       = 317
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
	h, err := library(data, tiff.DecodeConfig, tiff.Decode)
	if err != nil {
		return header{}, err
	}
	h.orientation = exifOrientation(data)
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
	case samples > 1 && d.first(tagPlanar, 1) != 1:
		return this("with planar configuration %d: each colour lies by itself", d.first(tagPlanar, 1))
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

// directory is the first directory of a TIFF: the leading values of each field that holds small whole numbers.
type directory map[uint16][]uint32

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
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	offset := uint64(order.Uint32(data[4:]))
	if offset+2 > uint64(len(data)) {
		return nil
	}
	d := directory{}
	const mostValues = 16
	count := int(order.Uint16(data[offset:]))
	for entries := data[offset+2:]; count > 0 && len(entries) >= 12; count, entries = count-1, entries[12:] {
		size := map[uint16]uint64{1: 1, 3: 2, 4: 4}[order.Uint16(entries[2:])] // BYTE, SHORT, LONG
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

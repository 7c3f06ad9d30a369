package imaging

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"

	"github.com/jsummers/gobmp"
)

func openBMP(data []byte) (header, error) {
	if len(data) < 26 {
		return header{}, io.ErrUnexpectedEOF
	}
	h := header{orientation: 1}
	if binary.LittleEndian.Uint32(data[14:]) == 12 { // the header of OS/2
		h.width, h.height = int(binary.LittleEndian.Uint16(data[18:])), int(binary.LittleEndian.Uint16(data[20:]))
	} else {
		h.width, h.height = int(int32(binary.LittleEndian.Uint32(data[18:]))), int(int32(binary.LittleEndian.Uint32(data[22:])))
		h.height = max(h.height, -h.height) // a negative height means that the top row comes first
	}
	h.memory = plain(4 * h.pixels())
	h.decode = func(ctx context.Context) (image.Image, string, error) {
		m, err := gobmp.Decode(&reader{ctx, bytes.NewReader(data)})
		if err != nil {
			return nil, "", bmpError(data, err)
		}
		if m, ok := m.(*image.NRGBA); ok {
			opaqueWhereEmpty(m)
		}
		return m, "", nil
	}
	return h, nil
}

// opaqueWhereEmpty makes a picture opaque that would be invisible: many programs announce an alpha channel and leave it
// zero. Browsers do the same.
func opaqueWhereEmpty(m *image.NRGBA) {
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] != 0 {
			return
		}
	}
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 0xff
	}
}

// bmpError names what kind of BMP it is that cannot be read.
func bmpError(data []byte, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || len(data) < 34 {
		return io.ErrUnexpectedEOF
	}
	bits, compression := binary.LittleEndian.Uint16(data[28:]), binary.LittleEndian.Uint32(data[30:])
	kind := fmt.Sprintf("of %d bits a pixel and compression %d", bits, compression)
	switch compression {
	case 4:
		kind = "that holds a JPEG"
	case 5:
		kind = "that holds a PNG"
	}
	return fmt.Errorf("this is a BMP %s (%w), which is not read; save it as PNG", kind, err)
}

package imaging

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"golang.org/x/image/webp"
)

// webpFrame is the picture of a WebP, or the first one of an animation: a still WebP of its own, and its place on the canvas.
type webpFrame struct {
	file  []byte
	place image.Point
	kind  string // of the chunk with the colours: "VP8 " or "VP8L"
	alpha bool   // there is a chunk with the transparency
}

// memory is what decoding takes. VP8 has planes of whole macroblocks. VP8L has 4 bytes a pixel, twice that where a palette is
// undone, pictures of a sixteenth of the pixels for its transforms, and prefix codes: up to 2600 groups of trees with 3136
// symbols, of 16 bytes each for at least half a bit of the file, and tables of 2.6 kB. Compressed transparency is a VP8L
// picture whose green is kept. The decoders copy the file.
func (f webpFrame) memory(width, height int) memory {
	pixels, file := int64(width)*int64(height), int64(len(f.file))
	const mostGroups = 2600                // x/image/vp8l, maxHuffImageSize
	groups := min(mostGroups, file*8/20+1) // of five codes of at least four bits
	lossless := 9*pixels + groups*2700 + min(256*file, groups*3136*16)
	if f.kind == "VP8L" {
		return memory{during: lossless + 2*file, decoded: 4 * pixels}
	}
	planes := int64(width+15) * int64(height+15) * 3 / 2
	m := memory{during: planes + 2*file + 16*pixels/256, decoded: planes}
	if f.alpha {
		m.during, m.decoded = max(lossless, planes)+pixels+2*file, planes+pixels
	}
	return m
}

// limited601 is how VP8 means its luma and colour differences (RFC 6386, section 9.2), which Go's decoder returns as they
// are: BT.601 in limited range.
var limited601 = newYCCMatrix(0.299, 0.114, false)

func openWebP(data []byte) (header, error) {
	h, frame, err := readWebP(data)
	if err != nil {
		return header{}, err
	}
	// The decoder must not be led beyond the size that the limits see.
	config, err := webp.DecodeConfig(bytes.NewReader(frame.file))
	if err != nil {
		return header{}, damaged(err)
	}
	size := image.Rect(0, 0, config.Width, config.Height).Add(frame.place)
	if h.width == 0 {
		h.width, h.height = config.Width, config.Height
	}
	if !size.In(image.Rect(0, 0, h.width, h.height)) {
		return header{}, malformed("a picture of %d × %d pixels lies outside the %d × %d of the header", config.Width, config.Height, h.width, h.height)
	}
	h.memory = frame.memory(config.Width, config.Height)
	h.decode = func(ctx context.Context) (image.Image, string, error) {
		m, err := webp.Decode(&reader{ctx, bytes.NewReader(frame.file)})
		if err != nil {
			return nil, "", damaged(err)
		}
		switch m := m.(type) {
		case *image.YCbCr:
			v := &video{NYCbCrA: image.NYCbCrA{YCbCr: *m}, matrix: limited601}
			v.Rect = v.Rect.Add(frame.place)
			return v, "", nil
		case *image.NYCbCrA:
			v := &video{NYCbCrA: *m, matrix: limited601}
			v.Rect = v.Rect.Add(frame.place)
			return v, "", nil
		case *image.NRGBA:
			m.Rect = m.Rect.Add(frame.place)
			return m, "", nil
		}
		return nil, "", fmt.Errorf("the decoder returned a %T", m)
	}
	return h, nil
}

// readWebP walks the chunks (RFC 9649, section 2.7). It holds them to the file's real length, because the decoder allocates
// what a chunk's header claims. The size of the header is that of the canvas, or 0 where the file has none.
func readWebP(data []byte) (header, webpFrame, error) {
	size := uint64(binary.LittleEndian.Uint32(data[4:])) + 8
	if size < 12 || size > uint64(len(data)) {
		return header{}, webpFrame{}, fmt.Errorf("the file was cut short: %d bytes of %d; send the whole file", len(data), size)
	}
	h := header{orientation: 1}
	var frame webpFrame
	var alpha, pixels []byte // whole chunks
	var width, height int    // of the frame; 0: the file does not say
	err := riffChunks(data[12:size], func(kind string, chunk, body []byte) error {
		switch {
		case kind == "VP8X" && len(body) >= 10:
			h.width, h.height = uint24(body[4:])+1, uint24(body[7:])+1
			width, height = h.width, h.height
		case kind == "EXIF":
			h.orientation = exifOrientation(bytes.TrimPrefix(body, []byte("Exif\x00\x00")))
		case kind == "ANMF" && len(body) >= 16 && pixels == nil:
			frame.place = image.Pt(2*uint24(body), 2*uint24(body[3:]))
			width, height = uint24(body[6:])+1, uint24(body[9:])+1
			return riffChunks(body[16:], func(kind string, chunk, _ []byte) error {
				switch {
				case kind == "ALPH" && pixels == nil:
					alpha = chunk
				case (kind == "VP8 " || kind == "VP8L") && pixels == nil:
					pixels = chunk
				}
				return nil
			})
		case kind == "ALPH" && pixels == nil:
			alpha = chunk
		case (kind == "VP8 " || kind == "VP8L") && pixels == nil:
			pixels = chunk
		}
		return nil
	})
	if err != nil {
		return header{}, webpFrame{}, err
	}
	if pixels == nil {
		return header{}, webpFrame{}, errors.New("there is no picture in the file; save it again")
	}
	frame.kind, frame.alpha = string(pixels[:4]), alpha != nil
	frame.file = stillWebP(width, height, alpha, pixels)
	return h, frame, nil
}

// riffChunks calls visit with each chunk, whole and without its header. Chunks are padded to even lengths.
func riffChunks(rest []byte, visit func(kind string, chunk, body []byte) error) error {
	for len(rest) >= 8 {
		length := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if length+8 > uint64(len(rest)) {
			return malformed("a chunk is longer than the file")
		}
		whole := rest[:min(8+length+length&1, uint64(len(rest)))]
		if err := visit(string(rest[:4]), whole, rest[8:8+length]); err != nil {
			return err
		}
		rest = rest[len(whole):]
	}
	return nil
}

// stillWebP is a file of one picture, with an extended header where it has alpha beside its colours.
func stillWebP(width, height int, alpha, pixels []byte) []byte {
	var head []byte
	if alpha != nil && string(pixels[:4]) == "VP8 " {
		const hasAlpha = 0x10
		head = []byte("VP8X\x0a\x00\x00\x00" + string([]byte{hasAlpha, 0, 0, 0}))
		for _, side := range []int{width - 1, height - 1} {
			head = append(head, byte(side), byte(side>>8), byte(side>>16))
		}
		head = append(head, alpha...)
	}
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(head)+len(pixels)))
	return append(append(append(out, "WEBP"...), head...), pixels...)
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

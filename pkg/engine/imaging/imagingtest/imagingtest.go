// Package imagingtest draws image files for tests, in memory: [Hostile] has the bad input that a service open to the
// world meets, each with the outcome it must have, and the encoders beneath it write what Go's own encoders do not.
package imagingtest

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"

	"facestream/pkg/schema"
)

// Case is one file. WantReason is the reason that reading it must fail with under the default limits; empty where it must
// be read.
type Case struct {
	Name       string
	Data       []byte
	WantReason schema.Reason
}

// Hostile returns the bad and the merely unusual input. No picture among them shows a face.
func Hostile() []Case {
	const (
		unreadable = schema.ReasonImageUnreadable
		tooLarge   = schema.ReasonImageTooLarge
		readable   = schema.Reason("")
	)
	photo := JPEG(Gradient(160, 120))
	cases := []Case{
		{"empty file", []byte{}, unreadable},
		{"text named .jpg", []byte("This is a shopping list and no picture.\n"), unreadable},
		{"web page named .jpg", []byte("<!DOCTYPE html><title>404</title>"), unreadable},
		{"JPEG start only", []byte("\xff\xd8\xff"), unreadable},
		{"PNG start only", []byte("\x89PNG\r\n\x1a\n"), unreadable},
		{"PNG cut in its pixels", cut(PNG(Gradient(160, 120)), 2, 3), unreadable},
		{"PNG header of 0 x 0", RawPNG(0, 0, 8, 2, nil), unreadable},
		{"PNG header of 100,000 x 100,000", RawPNG(100_000, 100_000, 8, 2, nil), tooLarge},
		{"PNG, 100 megapixels, real", RawPNG(10_000, 10_000, 1, 0, make([]byte, 10_000*(1+10_000/8))), tooLarge},
		{"GIF screen of 65,535 x 65,535", gifBomb(), tooLarge},
		{"TIFF header of 100,000 x 100,000", tiffBomb(), tooLarge},
		{"BMP header of 100,000 x 100,000", bmpBomb(), tooLarge},
		{"WebP header of 16,384 x 16,384", webpBomb(), tooLarge},
		{"JPEG header of 65,500 x 65,500", FlatJPEG(0xc0, 8, 65_500, 65_500, "", []int{0}), tooLarge},
		{"JPEG, 12 bits a sample", FlatJPEG(0xc1, 12, 64, 64, "", []int{100, 0, 0}), unreadable},
		{"JPEG, CMYK", FlatJPEG(0xc0, 8, 64, 64, adobe(0), []int{60, -20, -40, 100}), readable},
		{"JPEG, YCCK", FlatJPEG(0xc0, 8, 64, 64, adobe(2), []int{60, -20, 30, 100}), readable},
		{"JPEG, grey", FlatJPEG(0xc0, 8, 64, 64, "", []int{60}), readable},
		{"PNG, 16 bits a channel", PNG(deep(64, 48)), readable},
		{"PNG, palette", PNG(paletted(64, 48, 3)), readable},
		{"PNG, transparent", PNG(image.NewNRGBA(image.Rect(0, 0, 64, 48))), readable},
		{"PNG, 1 x 1", PNG(Gradient(1, 1)), readable},
		{"JPEG, 1 x 1", JPEG(Gradient(1, 1)), readable},
		{"GIF, animated", AnimatedGIF(64, 48, 5), readable},
	}
	for i := range 10 {
		cases = append(cases, Case{fmt.Sprintf("JPEG cut at %d of 10 places", i+1), cut(photo, 2*i+1, 20), unreadable})
	}
	return cases
}

func cut(data []byte, numerator, denominator int) []byte {
	return data[:len(data)*numerator/denominator]
}

// Gradient returns a colourful picture without a face: red grows to the right, green downwards, and blue is a texture.
func Gradient(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, color.NRGBA{uint8(255 * x / width), uint8(255 * y / height), uint8((x * y) % 97), 0xff})
		}
	}
	return m
}

func deep(width, height int) image.Image {
	m := image.NewNRGBA64(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA64(x, y, color.NRGBA64{uint16(65535 * x / width), uint16(65535 * y / height), 0x1234, 0xffff})
		}
	}
	return m
}

func paletted(width, height, shift int) *image.Paletted {
	m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{
		color.NRGBA{0xff, 0, 0, 0xff}, color.NRGBA{0, 0xff, 0, 0xff}, color.NRGBA{0, 0, 0xff, 0x80}, color.NRGBA{},
	})
	for i := range m.Pix {
		m.Pix[i] = uint8((i + shift) % 4)
	}
	return m
}

// must is for encoders that write to memory: they fail only when this package is wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// PNG encodes m.
func PNG(m image.Image) []byte {
	var b bytes.Buffer
	must(png.Encode(&b, m))
	return b.Bytes()
}

// JPEG encodes m with 4:2:0 chroma.
func JPEG(m image.Image) []byte {
	var b bytes.Buffer
	must(jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}))
	return b.Bytes()
}

// AnimatedGIF returns frames pictures; all but the first cover a part of the screen.
func AnimatedGIF(width, height, frames int) []byte {
	var g gif.GIF
	for i := range frames {
		w, h := width, height
		if i > 0 {
			w, h = (width+1)/2, (height+1)/2
		}
		g.Image = append(g.Image, paletted(w, h, i))
		g.Delay = append(g.Delay, 10)
	}
	var b bytes.Buffer
	must(gif.EncodeAll(&b, &g))
	return b.Bytes()
}

// RawPNG writes a PNG with any header; rows are the filtered scan lines, uncompressed. colour is the PNG colour type.
func RawPNG(width, height uint32, depth, colour byte, rows []byte) []byte {
	out := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, body []byte) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
		start := len(out)
		out = append(append(out, kind...), body...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start:]))
	}
	header := binary.BigEndian.AppendUint32(nil, width)
	header = binary.BigEndian.AppendUint32(header, height)
	chunk("IHDR", append(header, depth, colour, 0, 0, 0))
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, err := w.Write(rows)
	must(err)
	must(w.Close())
	chunk("IDAT", z.Bytes())
	chunk("IEND", nil)
	return out
}

// WithEXIF puts an EXIF segment with the given orientation (any value) into a JPEG.
func WithEXIF(jpeg []byte, orientation uint16) []byte {
	return insert(jpeg, segment(0xe1, "Exif\x00\x00"+string(EXIF(binary.LittleEndian, orientation))))
}

// EXIF returns a TIFF structure whose first directory has an unrelated entry and the orientation.
func EXIF(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("II*\x00")
	if order.String() == "BigEndian" {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	for _, e := range [][2]uint16{{0x0100, 640}, {0x0112, orientation}} { // ImageWidth, Orientation
		b = order.AppendUint16(b, e[0])
		b = order.AppendUint16(b, 3) // SHORT
		b = order.AppendUint32(b, 1)
		b = order.AppendUint16(b, e[1])
		b = order.AppendUint16(b, 0)
	}
	return order.AppendUint32(b, 0)
}

// insert puts a segment right after a JPEG's start marker.
func insert(jpeg []byte, segment string) []byte {
	return append(append(append([]byte{}, jpeg[:2]...), segment...), jpeg[2:]...)
}

func segment(marker byte, body string) string {
	return string(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2))) + body
}

// adobe is the APP14 segment that names the colour transform of a four-component JPEG: 0 CMYK, 2 YCCK.
func adobe(transform byte) string {
	return segment(0xee, "Adobe\x00\x64\x00\x00\x00\x00"+string([]byte{transform}))
}

// FlatJPEG writes a JPEG of one colour: levels has, for each component, the distance from mid-grey. sof is the marker's
// second byte (c0 baseline, c1 extended), precision the bits a sample, extra goes before the tables. Only the first block
// of each component has a coefficient; the rest repeat it, so a large picture compresses to 6 bits a block.
func FlatJPEG(sof, precision byte, width, height int, extra string, levels []int) []byte {
	// With every quantiser 8, a flat block's DC coefficient (8 × level by the DCT of T.81, A.3.3) is coded as the level.
	tables := segment(0xdb, "\x00"+string(bytes.Repeat([]byte{8}, 64)))
	frame := string([]byte{precision, byte(height >> 8), byte(height), byte(width >> 8), byte(width), byte(len(levels))})
	scan := string([]byte{byte(len(levels))})
	for i := range levels {
		frame += string([]byte{byte(i + 1), 0x11, 0})
		scan += string([]byte{byte(i + 1), 0})
	}
	// One Huffman table for DC with 4-bit codes for the categories 0..11, one for AC with the 1-bit code 0 for end of block.
	dc := "\x00" + "\x00\x00\x00\x0c" + string(make([]byte, 12)) + "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"
	ac := "\x10" + "\x01" + string(make([]byte, 15)) + "\x00"
	out := []byte("\xff\xd8" + extra + tables + segment(sof, frame) + segment(0xc4, dc) + segment(0xc4, ac) +
		segment(0xda, scan+"\x00\x3f\x00"))

	var bits bitWriter
	for block := range ((width + 7) / 8) * ((height + 7) / 8) {
		for _, level := range levels {
			if block > 0 {
				level = 0 // the difference to the block before
			}
			category, value := 0, level
			for v := max(level, -level); v > 0; v >>= 1 {
				category++
			}
			if value < 0 {
				value += 1<<category - 1 // T.81, F.1.2.1.1
			}
			bits.write(category, 4)
			bits.write(value, category)
			bits.write(0, 1)
		}
		if len(bits.out) > 1<<16 {
			break // a header with more blocks than anybody will read
		}
	}
	bits.write(0x7f, 7) // fill the last byte with ones
	return append(append(out, bits.out...), 0xff, 0xd9)
}

// ProgressiveJPEG writes a mid-grey progressive JPEG without subsampling, whose scans go through all blocks: one of all components
// for their means, one of each for the rest, and so many scans more that refine the first component and change nothing.
func ProgressiveJPEG(width, height, components, scans int) []byte {
	// One code of one bit in each table: for no difference to the block before, and for no coefficients in the next 16384 blocks and
	// those that 14 further bits count.
	table := func(class, symbol byte) string {
		return segment(0xc4, string([]byte{class << 4, 1})+string(make([]byte, 15))+string([]byte{symbol}))
	}
	blocks := ((width + 7) / 8) * ((height + 7) / 8)
	frame := string([]byte{8, byte(height >> 8), byte(height), byte(width >> 8), byte(width), byte(components)})
	means := string([]byte{byte(components)})
	for i := range components {
		frame += string([]byte{byte(i + 1), 0x11, 0})
		means += string([]byte{byte(i + 1), 0})
	}
	out := []byte("\xff\xd8" + segment(0xdb, "\x00"+string(bytes.Repeat([]byte{1}, 64))) + segment(0xc2, frame) + table(0, 0) + table(1, 0xe0))
	scan := func(header string, bits, value, times int) {
		var w bitWriter
		for range times {
			w.write(value, bits)
		}
		w.write(0x7f, 7) // fill the last byte with ones
		out = append(append(out, segment(0xda, header)...), w.out...)
	}
	scan(means+"\x00\x00\x00", 1, 0, blocks*components)
	const most = 1<<15 - 1
	for i := range components {
		scan(string([]byte{1, byte(i + 1), 0, 1, 63, 0}), 15, 1<<14-1, (blocks+most-1)/most)
	}
	for range scans {
		scan(string([]byte{1, 1, 0, 1, 63, 0x10}), 15, 1<<14-1, (blocks+most-1)/most)
	}
	return append(out, 0xff, 0xd9)
}

// DeepTIFF writes a black TIFF of RGBA with 16 bits a channel, compressed with deflate in one strip: less than a byte for a hundred
// pixels.
func DeepTIFF(width, height int) []byte {
	strip := bytes.NewBuffer([]byte{0x78, 0xda}) // zlib's header (RFC 1950)
	zeros := func(n int, last bool) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestCompression)
		must(err)
		_, err = w.Write(make([]byte, n))
		must(err)
		if must(w.Flush()); last {
			must(w.Close())
		}
		return b.Bytes()
	}
	const part = 1 << 20
	size := 8 * width * height
	for whole := zeros(part, false); size > part; size -= part {
		strip.Write(whole)
	}
	strip.Write(zeros(size, true))
	strip.Write(binary.BigEndian.AppendUint32(nil, uint32(8*width*height%65521)<<16|1)) // Adler-32 of zeros
	const entries = 10
	const values = 8 + 2 + 12*entries + 4 // where the four bits per sample are
	b := []byte("II*\x00\x08\x00\x00\x00")
	b = binary.LittleEndian.AppendUint16(b, entries)
	for _, e := range [entries][3]uint32{
		{256, 1, uint32(width)}, {257, 1, uint32(height)}, {258, 4, values}, {259, 1, 8}, {262, 1, 2}, {273, 1, values + 8},
		{277, 1, 4}, {278, 1, uint32(height)}, {279, 1, uint32(strip.Len())}, {338, 1, 2},
	} {
		kind := uint16(4) // LONG
		if e[0] == 258 {
			kind = 3 // SHORT
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, kind)
		b = binary.LittleEndian.AppendUint32(b, e[1])
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	b = binary.LittleEndian.AppendUint32(b, 0)
	for range 4 {
		b = binary.LittleEndian.AppendUint16(b, 16)
	}
	return append(b, strip.Bytes()...)
}

// bitWriter packs bits, most significant first, and stuffs a zero after each FF.
type bitWriter struct {
	out  []byte
	acc  uint32
	held int
}

func (w *bitWriter) write(value, bits int) {
	w.acc = w.acc<<bits | uint32(value)&(1<<bits-1)
	for w.held += bits; w.held >= 8; w.held -= 8 {
		b := byte(w.acc >> (w.held - 8))
		w.out = append(w.out, b)
		if b == 0xff {
			w.out = append(w.out, 0)
		}
	}
}

// gifBomb is a GIF whose one frame claims 4 gigapixels.
func gifBomb() []byte {
	return []byte("GIF89a\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02L\x01\x00;")
}

// tiffBomb is a TIFF directory that claims 10 gigapixels of grey in one strip.
func tiffBomb() []byte {
	b := []byte("II*\x00\x08\x00\x00\x00")
	entries := [][2]uint32{{0x100, 100_000}, {0x101, 100_000}, {0x102, 8}, {0x103, 1}, {0x106, 1}, {0x111, 0}, {0x116, 100_000}, {0x117, 8}}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(entries)))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, 4) // LONG
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = binary.LittleEndian.AppendUint32(b, e[1])
	}
	return binary.LittleEndian.AppendUint32(b, 0)
}

// bmpBomb is a BMP header that claims 10 gigapixels.
func bmpBomb() []byte {
	b := []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00")
	b = binary.LittleEndian.AppendUint32(b, 100_000)
	b = binary.LittleEndian.AppendUint32(b, 100_000)
	return append(b, append([]byte{1, 0, 24, 0}, make([]byte, 24)...)...)
}

// webpBomb is a lossless WebP header that claims the format's largest picture, 268 megapixels.
func webpBomb() []byte {
	return []byte("RIFF\x12\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xff\xff\xff\x0f\x00")
}

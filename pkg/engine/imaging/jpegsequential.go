package imaging

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math"
)

// maxLost is the largest share of a JPEG's blocks that may be missing from a picture that is still worth looking at.
const maxLost = 0.03

// sequential decodes Huffman-coded sequential JPEG (T.81, annex F) leniently: components may be sampled in any proportion,
// and where the coded data is broken it goes on at the next restart marker and counts what it lost. Go's image/jpeg gives up
// on both. It is for the few files that need it: clear rather than fast.
type sequential struct {
	ctx      context.Context
	data     []byte
	width    int
	height   int
	interval int // MCUs between restart markers; 0: there are none
	hmax     int
	vmax     int
	all      []*sequentialComponent
	quant    [4][64]int32 // in zig-zag order
	huffman  [2][4]*huffmanTable
	jfif     bool
	adobe    int // the transform of Adobe's segment; -1 where there is none

	markers       int // restart markers that were missing where they had to be
	lost, decoded int // blocks
	short         bool
}

type sequentialComponent struct {
	id, quant  byte
	h, v       int
	across     int // blocks in a row of pix, which covers whole MCUs
	down       int
	pix        []byte
	dc         int32
	dcTable    *huffmanTable
	acTable    *huffmanTable
	wasDecoded bool
}

// decodeSequential returns the picture, what was wrong with the file, and an error where more than [maxLost] of it is
// missing.
func decodeSequential(ctx context.Context, data []byte) (image.Image, string, error) {
	d := &sequential{ctx: ctx, data: data, adobe: -1}
	if _, err := segments(data, d.segment); err != nil {
		return nil, "", err
	}
	if len(d.all) == 0 {
		return nil, "", errors.New("there is no frame header before the pixels")
	}
	for _, c := range d.all {
		if !c.wasDecoded {
			d.short = true
			d.lost += c.across * c.down
			d.decoded += c.across * c.down
		}
	}
	share := float64(d.lost) / float64(max(d.decoded, 1))
	switch {
	case share > maxLost && d.short:
		return nil, "", fmt.Errorf("the file was cut short: %.0f %% of the picture is missing; send the whole file", math.Ceil(100*share))
	case share > maxLost:
		return nil, "", fmt.Errorf("the file is damaged: %.0f %% of the picture cannot be read; send the original again", math.Ceil(100*share))
	}
	var damage string
	switch {
	case d.lost > 0:
		damage = fmt.Sprintf("%d of %d blocks of the picture are lost", d.lost, d.decoded)
	case d.markers > 0:
		damage = "a restart marker is missing"
	}
	return d.picture(), damage, nil
}

func (d *sequential) segment(marker byte, at int, body []byte) error {
	bad := func(what string) error { return fmt.Errorf("the file is damaged (%s); send the original again", what) }
	switch marker {
	case markerDQT:
		for len(body) > 0 {
			id, size := body[0]&15, 1+int(body[0]>>4)
			if id > 3 || size > 2 || len(body) < 1+64*size {
				return bad("quantisation table")
			}
			for i := range 64 {
				if size == 1 {
					d.quant[id][i] = int32(body[1+i])
				} else {
					d.quant[id][i] = int32(binary.BigEndian.Uint16(body[1+2*i:]))
				}
			}
			body = body[1+64*size:]
		}
	case markerDHT:
		for len(body) > 0 {
			class, id := body[0]>>4, body[0]&15
			t, n := newHuffmanTable(body[1:])
			if class > 1 || id > 3 || t == nil {
				return bad("Huffman table")
			}
			d.huffman[class][id] = t
			body = body[1+n:]
		}
	case markerDRI:
		if len(body) != 2 {
			return bad("restart interval")
		}
		d.interval = int(binary.BigEndian.Uint16(body))
	case markerAPP0:
		d.jfif = d.jfif || len(body) >= 5 && string(body[:5]) == "JFIF\x00"
	case markerAPP14:
		if len(body) >= 12 && string(body[:5]) == "Adobe" {
			d.adobe = int(body[11])
		}
	case markerSOF0, markerSOF1:
		return d.frame(body)
	case markerSOS:
		return d.scan(at+3+len(body), body)
	}
	return nil
}

// frame reads the frame header, whose length and size openJPEG has looked at, and makes room for the samples.
func (d *sequential) frame(body []byte) error {
	d.height, d.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	for b := body[6:]; len(b) >= 3; b = b[3:] {
		c := &sequentialComponent{id: b[0], h: int(b[1] >> 4), v: int(b[1] & 15), quant: b[2]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return errors.New("the file is damaged (frame header); send the original again")
		}
		d.all = append(d.all, c)
	}
	if len(d.all) == 1 {
		d.all[0].h, d.all[0].v = 1, 1 // T.81, A.2.2: a single component is not interleaved, whatever its factors
	}
	for _, c := range d.all {
		d.hmax, d.vmax = max(d.hmax, c.h), max(d.vmax, c.v)
	}
	for _, c := range d.all {
		c.across, c.down = c.h*ceilDiv(d.width, 8*d.hmax), c.v*ceilDiv(d.height, 8*d.vmax)
		c.pix = make([]byte, 64*c.across*c.down)
		for i := range c.pix {
			c.pix[i] = 0x80 // what is lost stays grey
		}
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// scan decodes the entropy-coded data that starts at the offset.
func (d *sequential) scan(at int, body []byte) error {
	if len(d.all) == 0 || len(body) < 1 || len(body) != 4+2*int(body[0]) {
		return errors.New("the file is damaged (scan header); send the original again")
	}
	var in []*sequentialComponent
	for b := body[1 : len(body)-3]; len(b) > 0; b = b[2:] {
		for _, c := range d.all {
			if c.id != b[0] {
				continue
			}
			if c.wasDecoded {
				return errors.New("the file is damaged (a component has two scans); send the original again")
			}
			c.wasDecoded = true
			c.dcTable, c.acTable = d.huffman[0][b[1]>>4&3], d.huffman[1][b[1]&3]
			if c.dcTable == nil || c.acTable == nil {
				return errors.New("the file is damaged (a Huffman table is missing); send the original again")
			}
			in = append(in, c)
		}
	}
	if len(in) != int(body[0]) || len(in) == 0 {
		return errors.New("the file is damaged (scan header); send the original again")
	}
	// An MCU has h × v blocks of each component, or one block where there is one component (T.81, A.2).
	across, down := ceilDiv(d.width, 8*d.hmax), ceilDiv(d.height, 8*d.vmax)
	if len(in) == 1 {
		across = ceilDiv(ceilDiv(d.width*in[0].h, d.hmax), 8)
		down = ceilDiv(ceilDiv(d.height*in[0].v, d.vmax), 8)
	}
	blocks := 0 // in an MCU
	for _, c := range in {
		blocks += c.h * c.v
	}
	if len(in) == 1 {
		blocks = 1
	}
	total := across * down
	d.decoded += total * blocks
	interval := d.interval
	if interval == 0 {
		interval = total
	}
	bits := bitReader{data: d.data, at: at}
	whole := true // the interval before was read to its end
	for first, number := 0, 0; first < total; first, number = first+interval, number+1 {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		end := min(first+interval, total)
		readable := true
		if first > 0 && !bits.restart(byte(markerRST0+(number-1)%8)) {
			// Where nothing else is lost but the marker, the interval's data stands here.
			d.markers++
			readable = whole
		}
		for _, c := range in {
			c.dc = 0
		}
		done := first
		for readable && done < end && d.mcu(&bits, in, done, across) {
			done++
		}
		whole = done == end
		d.lost += (end - done) * blocks
		d.short = d.short || !whole && bits.ended && bits.marker() == markerEOI
	}
	return nil
}

// mcu decodes one minimum coded unit and tells whether the data was there.
func (d *sequential) mcu(bits *bitReader, in []*sequentialComponent, number, across int) bool {
	x, y := number%across, number/across
	for _, c := range in {
		h, v := c.h, c.v
		if len(in) == 1 {
			h, v = 1, 1
		}
		for j := range h * v {
			var block [64]int32
			if !c.block(bits, &block, &d.quant[c.quant]) {
				return false
			}
			stride := 8 * c.across
			inverseDCT(&block, c.pix[(8*(y*v+j/h))*stride+8*(x*h+j%h):], stride)
		}
	}
	return true
}

// zigzag is the place, row by row, of the coefficients in the order in which they are coded (T.81, figure A.6).
var zigzag = [64]int{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// block decodes the coefficients of a block (T.81, F.2.2) and tells whether the data was there.
func (c *sequentialComponent) block(bits *bitReader, block, quant *[64]int32) bool {
	size, ok := c.dcTable.read(bits)
	if !ok || size > 11 {
		return false
	}
	difference, ok := bits.extend(int(size))
	if !ok {
		return false
	}
	c.dc += difference
	block[0] = c.dc * quant[0]
	for k := 1; k < 64; k++ {
		symbol, ok := c.acTable.read(bits)
		if !ok {
			return false
		}
		run, size := int(symbol>>4), int(symbol&15)
		if size == 0 {
			if run < 15 {
				break
			}
			k += 15
			continue
		}
		k += run
		value, ok := bits.extend(size)
		if !ok || k > 63 {
			return false
		}
		block[zigzag[k]] = value * quant[k]
	}
	return true
}

// picture puts the components together at full size.
func (d *sequential) picture() image.Image {
	r := image.Rect(0, 0, d.width, d.height)
	sample := func(c *sequentialComponent, dst []byte, y, step int) {
		row := c.pix[8*c.across*(y*c.v/d.vmax):]
		for x := range d.width {
			dst[x*step] = row[x*c.h/d.hmax]
		}
	}
	if len(d.all) == 1 {
		m := image.NewGray(r)
		for y := range d.height {
			sample(d.all[0], m.Pix[y*m.Stride:], y, 1)
		}
		return m
	}
	ycc := image.NewYCbCr(r, image.YCbCrSubsampleRatio444)
	for y := range d.height {
		for i, plane := range [][]byte{ycc.Y, ycc.Cb, ycc.Cr} {
			sample(d.all[i], plane[y*ycc.YStride:], y, 1)
		}
	}
	rgb := !d.jfif && (d.adobe == 0 || d.all[0].id == 'R' && d.all[1].id == 'G' && d.all[2].id == 'B')
	if len(d.all) == 3 && !rgb {
		return ycc
	}
	// The same four planes are CMYK, inverted as Adobe keeps it, or YCCK where Adobe's segment says so.
	if len(d.all) == 4 {
		m := image.NewCMYK(r)
		line := make([]byte, 3*d.width)
		for y := range d.height {
			row := m.Pix[y*m.Stride:]
			sample(d.all[3], row[3:], y, 4)
			if d.adobe > 0 {
				ycbcrRow(line, ycc, y, &fullRange601)
			}
			for x := range d.width {
				i := ycc.YOffset(x, y)
				pixel := [3]byte{ycc.Y[i], ycc.Cb[i], ycc.Cr[i]}
				if d.adobe > 0 {
					copy(pixel[:], line[3*x:])
				} else {
					pixel = [3]byte{0xff - pixel[0], 0xff - pixel[1], 0xff - pixel[2]}
				}
				copy(row[4*x:], pixel[:])
				row[4*x+3] = 0xff - row[4*x+3]
			}
		}
		return m
	}
	m := image.NewNRGBA(r)
	for y := range d.height {
		for x := range d.width {
			i := ycc.YOffset(x, y)
			copy(m.Pix[y*m.Stride+4*x:], []byte{ycc.Y[i], ycc.Cb[i], ycc.Cr[i], 0xff})
		}
	}
	return m
}

// huffmanTable decodes by code length (T.81, F.2.2.3).
type huffmanTable struct {
	values []byte
	// For each length, the first code, the number of codes and the place of the first one's value.
	first, count, place [17]int
}

// newHuffmanTable reads the lengths and values of a DHT segment and returns how many bytes they take; nil where they make no
// table.
func newHuffmanTable(b []byte) (*huffmanTable, int) {
	if len(b) < 16 {
		return nil, 0
	}
	t := &huffmanTable{}
	code, place := 0, 0
	for length := 1; length <= 16; length++ {
		n := int(b[length-1])
		t.first[length], t.count[length], t.place[length] = code, n, place
		code, place = (code+n)<<1, place+n
	}
	if place > 256 || len(b) < 16+place {
		return nil, 0
	}
	t.values = b[16 : 16+place]
	return t, 16 + place
}

func (t *huffmanTable) read(bits *bitReader) (byte, bool) {
	code := 0
	for length := 1; length <= 16; length++ {
		bit, ok := bits.bit()
		if !ok {
			return 0, false
		}
		code = code<<1 | bit
		if i := code - t.first[length]; i >= 0 && i < t.count[length] {
			return t.values[t.place[length]+i], true
		}
	}
	return 0, false
}

// bitReader reads entropy-coded data up to a marker.
type bitReader struct {
	data []byte
	at   int
	byte byte
	left int // bits of byte that are unread

	ended bool // a bit was asked for where a marker stands
	next  int  // where the next marker is, where that is at or behind at
}

func (b *bitReader) bit() (int, bool) {
	if b.left == 0 {
		if b.at >= len(b.data) || b.data[b.at] == 0xff && (b.at+1 >= len(b.data) || b.data[b.at+1] != 0) {
			b.ended = true
			return 0, false
		}
		b.byte, b.left = b.data[b.at], 8
		if b.at++; b.byte == 0xff {
			b.at++ // the stuffed zero
		}
	}
	b.left--
	return int(b.byte>>b.left) & 1, true
}

// extend reads a value of so many bits (T.81, F.2.2.1, RECEIVE and EXTEND).
func (b *bitReader) extend(size int) (int32, bool) {
	v := int32(0)
	for range size {
		bit, ok := b.bit()
		if !ok {
			return 0, false
		}
		v = v<<1 | int32(bit)
	}
	if size > 0 && v < 1<<(size-1) {
		v -= 1<<size - 1
	}
	return v, true
}

// marker is the next marker, at next; EOI where there is none.
func (b *bitReader) marker() byte {
	if b.next < b.at || b.at == 0 {
		for b.next = b.at; b.next+1 < len(b.data); b.next++ {
			if b.data[b.next] == 0xff && b.data[b.next+1] != 0 && b.data[b.next+1] != 0xff {
				break
			}
		}
	}
	if b.next+1 >= len(b.data) {
		return markerEOI
	}
	return b.data[b.next+1]
}

// restart goes behind the given restart marker and tells whether it is there. It passes markers of up to three intervals
// before, and stops at any other: that of a later interval is left for it.
func (b *bitReader) restart(marker byte) bool {
	b.left, b.ended = 0, false
	for {
		found := b.marker()
		switch {
		case found == marker:
			b.at = b.next + 2
			return true
		case markerRST0 <= found && found <= markerRST7 && (marker-found)&7 <= 3:
			b.at = b.next + 2
		default:
			return false
		}
	}
}

// inverseDCT writes a dequantised block, row by row, as eight rows of samples (T.81, A.3.3), in single precision.
func inverseDCT(block *[64]int32, dst []byte, stride int) {
	var half [64]float32 // the sums over the coefficients of a row, for each column of samples
	for v := range 8 {
		row := block[8*v : 8*v+8]
		for x := range 8 {
			sum := float32(0)
			for u, c := range row {
				if c != 0 {
					sum += float32(c) * dctBasis[u][x]
				}
			}
			half[8*v+x] = sum
		}
	}
	for x := range 8 {
		for y := range 8 {
			sum := float32(128.5)
			for v := range 8 {
				sum += half[8*v+x] * dctBasis[v][y]
			}
			dst[y*stride+x] = byte(min(max(sum, 0), 255))
		}
	}
}

// dctBasis[u][x] is C(u)/2 · cos((2x+1)uπ/16).
var dctBasis = func() (basis [8][8]float32) {
	for u := range 8 {
		for x := range 8 {
			basis[u][x] = float32(math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) / 2)
			if u == 0 {
				basis[u][x] = float32(math.Sqrt(0.125))
			}
		}
	}
	return basis
}()

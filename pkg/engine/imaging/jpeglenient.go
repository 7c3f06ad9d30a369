package imaging

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"math"
)

// maxLost is the largest share of a JPEG's blocks that may be missing from a picture that is still worth looking at.
const maxLost = 0.03

// lenientJPEG decodes Huffman-coded JPEG (T.81, annexes F and G) leniently: components may be sampled in any proportion, and
// where the coded data is broken it goes on at the next restart marker and counts what it lost. Go's image/jpeg gives up on
// both, and on restart markers in scans of a single component. Few files need it, so it is written to be clear, not fast.
type lenientJPEG struct {
	ctx         context.Context
	data        []byte
	width       int
	height      int
	interval    int // MCUs between restart markers; 0: there are none
	hmax        int
	vmax        int
	all         []*lenientComponent
	quant       [4][64]int32 // in zig-zag order
	huffman     [2][4]*huffmanTable
	jfif        bool
	progressive bool
	adobe       int // the transform of Adobe's segment; -1 where there is none

	markers       int // restart markers that were missing where they had to be
	lost, decoded int // blocks
	short         bool
}

type lenientComponent struct {
	id, quant  byte
	h, v       int
	across     int // blocks in a row of pix, which covers whole MCUs
	down       int
	pix        []byte
	coded      []int16 // the coefficients of a progressive picture, 64 a block, row by row
	dc         int32
	dcTable    *huffmanTable
	acTable    *huffmanTable
	wasDecoded bool
}

// decodeLenient returns the picture, what was wrong with the file, and an error where more than [maxLost] of it is
// missing.
func decodeLenient(ctx context.Context, _ *jpegFile, data []byte) (image.Image, string, error) {
	d := &lenientJPEG{ctx: ctx, data: data, adobe: -1}
	if _, err := segments(data, d.segment); err != nil {
		return nil, "", err
	}
	if len(d.all) == 0 {
		return nil, "", malformed("there is no frame header before the pixels")
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
		return nil, "", malformed("%.0f %% of the picture cannot be read", math.Ceil(100*share))
	}
	var damage string
	switch {
	case d.lost > 0:
		damage = fmt.Sprintf("%d of %d blocks of the picture are lost", d.lost, d.decoded)
	case d.markers > 0:
		damage = "a restart marker is missing"
	}
	m := d.picture()
	return m, damage, d.ctx.Err()
}

func (d *lenientJPEG) segment(marker byte, at int, body []byte) error {
	switch marker {
	case markerDQT:
		for len(body) > 0 {
			id, size := body[0]&15, 1+int(body[0]>>4)
			if id > 3 || size > 2 || len(body) < 1+64*size {
				return malformed("quantisation table")
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
				return malformed("Huffman table")
			}
			d.huffman[class][id] = t
			body = body[1+n:]
		}
	case markerDRI:
		if len(body) != 2 {
			return malformed("restart interval")
		}
		d.interval = int(binary.BigEndian.Uint16(body))
	case markerAPP0:
		d.jfif = d.jfif || len(body) >= 5 && string(body[:5]) == "JFIF\x00"
	case markerAPP14:
		if len(body) >= 12 && string(body[:5]) == "Adobe" {
			d.adobe = int(body[11])
		}
	case markerSOF0, markerSOF1, markerSOF2:
		d.progressive = marker == markerSOF2
		return d.frame(body)
	case markerSOS:
		return d.scan(at+3+len(body), body)
	}
	return nil
}

// frame reads the frame header, whose length and size openJPEG has looked at, and makes room for the samples.
func (d *lenientJPEG) frame(body []byte) error {
	d.height, d.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	for b := body[6:]; len(b) >= 3; b = b[3:] {
		c := &lenientComponent{id: b[0], h: int(b[1] >> 4), v: int(b[1] & 15), quant: b[2]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return malformed("frame header")
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
		if d.progressive {
			c.coded = make([]int16, len(c.pix))
		}
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// scan decodes the entropy-coded data that starts at the offset.
func (d *lenientJPEG) scan(at int, body []byte) error {
	if len(d.all) == 0 || len(body) < 1 || len(body) != 4+2*int(body[0]) {
		return malformed("scan header")
	}
	pass := jpegPass{first: 0, last: 63}
	if d.progressive {
		tail := body[len(body)-3:]
		pass = jpegPass{first: int(tail[0]), last: int(tail[1]), high: int(tail[2] >> 4), low: int(tail[2] & 15)}
		if pass.first > pass.last || pass.last > 63 || pass.first == 0 && pass.last > 0 || pass.first > 0 && body[0] != 1 || pass.low > 13 {
			return malformed("scan header")
		}
	}
	var in []*lenientComponent
	for b := body[1 : len(body)-3]; len(b) > 0; b = b[2:] {
		for _, c := range d.all {
			if c.id != b[0] {
				continue
			}
			if c.wasDecoded && !d.progressive {
				return malformed("a component has two scans")
			}
			c.wasDecoded = true
			c.dcTable, c.acTable = d.huffman[0][b[1]>>4&3], d.huffman[1][b[1]&3]
			if c.dcTable == nil && pass.first == 0 && pass.high == 0 || c.acTable == nil && pass.last > 0 {
				return malformed("a Huffman table is missing")
			}
			in = append(in, c)
		}
	}
	if len(in) != int(body[0]) || len(in) == 0 {
		return malformed("scan header")
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
		pass.skip = 0
		done := first
		for readable && done < end && d.mcu(&bits, &pass, in, done, across) {
			if done++; done%1024 == 0 && d.ctx.Err() != nil {
				return d.ctx.Err()
			}
		}
		whole = done == end
		d.lost += (end - done) * blocks
		d.short = d.short || !whole && bits.ended && bits.marker() == markerEOI
	}
	return nil
}

// jpegPass is what a scan brings: the coefficients from first to last, of which all bits above high are there already, down to
// low. skip is the number of blocks to come that have none.
type jpegPass struct{ first, last, high, low, skip int }

// mcu decodes one minimum coded unit and tells whether the data was there.
func (d *lenientJPEG) mcu(bits *bitReader, pass *jpegPass, in []*lenientComponent, number, across int) bool {
	x, y := number%across, number/across
	for _, c := range in {
		h, v := c.h, c.v
		if len(in) == 1 {
			h, v = 1, 1
		}
		for j := range h * v {
			column, row := x*h+j%h, y*v+j/h
			if d.progressive {
				block := c.coded[64*(row*c.across+column):][:64]
				if !c.progress(bits, pass, block) {
					return false
				}
				continue
			}
			var block [64]int32
			if !c.block(bits, &block, &d.quant[c.quant]) {
				return false
			}
			c.show(&block, column, row)
		}
	}
	return true
}

// show writes the samples of a block.
func (c *lenientComponent) show(block *[64]int32, column, row int) {
	stride := 8 * c.across
	inverseDCT(block, c.pix[8*row*stride+8*column:], stride)
}

// zigzag is the place, row by row, of the coefficients in the order in which they are coded (T.81, figure A.6).
var zigzag = [64]int{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// block decodes the coefficients of a block (T.81, F.2.2) and tells whether the data was there.
func (c *lenientComponent) block(bits *bitReader, block, quant *[64]int32) bool {
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

// progress decodes what a scan brings of a block (T.81, G.1.2) and tells whether the data was there.
func (c *lenientComponent) progress(bits *bitReader, pass *jpegPass, block []int16) bool {
	switch {
	case pass.first == 0 && pass.high > 0: // another bit of the mean
		bit, ok := bits.bit()
		block[0] |= int16(bit << pass.low)
		return ok
	case pass.first == 0:
		size, ok := c.dcTable.read(bits)
		if !ok || size > 11 {
			return false
		}
		difference, ok := bits.extend(int(size))
		c.dc += difference
		block[0] = int16(c.dc << pass.low)
		return ok
	case pass.high > 0:
		return c.refine(bits, pass, block)
	}
	if pass.skip > 0 {
		pass.skip--
		return true
	}
	for k := pass.first; k <= pass.last; k++ {
		symbol, ok := c.acTable.read(bits)
		if !ok {
			return false
		}
		run, size := int(symbol>>4), int(symbol&15)
		if size == 0 {
			if run == 15 {
				k += 15
				continue
			}
			more, ok := bits.number(run)
			pass.skip = 1<<run + more - 1
			return ok
		}
		k += run
		value, ok := bits.extend(size)
		if !ok || k > pass.last {
			return false
		}
		block[zigzag[k]] = int16(value << pass.low)
	}
	return true
}

// refine brings another bit of each coefficient (T.81, G.1.2.3): those that are not zero already get theirs as they are
// passed, and the symbols say where new ones begin.
func (c *lenientComponent) refine(bits *bitReader, pass *jpegPass, block []int16) bool {
	bit := int16(1 << pass.low)
	// pass goes over coefficients, refining, until it has passed so many zeros, and stands on the next zero or behind last.
	advance := func(k, zeros int) (int, bool) {
		for ; k <= pass.last; k++ {
			v := &block[zigzag[k]]
			if *v == 0 {
				if zeros == 0 {
					return k, true
				}
				zeros--
				continue
			}
			add, ok := bits.bit()
			if !ok {
				return k, false
			}
			if add == 1 && *v&bit == 0 {
				if *v > 0 {
					*v += bit
				} else {
					*v -= bit
				}
			}
		}
		return k, true
	}
	k, ok := pass.first, true
	for pass.skip == 0 && k <= pass.last {
		var symbol byte
		if symbol, ok = c.acTable.read(bits); !ok {
			return false
		}
		run, size := int(symbol>>4), int(symbol&15)
		value := int16(0)
		switch {
		case size > 0:
			sign, ok := bits.bit()
			if !ok {
				return false
			}
			if value = bit; sign == 0 {
				value = -bit
			}
		case run < 15:
			more, ok := bits.number(run)
			if !ok {
				return false
			}
			pass.skip = 1<<run + more
			continue
		}
		if k, ok = advance(k, run); !ok {
			return false
		}
		if value != 0 && k <= pass.last {
			block[zigzag[k]] = value
		}
		k++
	}
	if pass.skip > 0 {
		pass.skip--
		_, ok = advance(k, 64)
	}
	return ok
}

// picture puts the components together at full size; nil if the context ended.
func (d *lenientJPEG) picture() image.Image {
	if d.progressive {
		for _, c := range d.all {
			for i := range c.across * c.down {
				if i%1024 == 0 && d.ctx.Err() != nil {
					return nil
				}
				var block [64]int32
				quant := &d.quant[c.quant]
				for k, at := range zigzag {
					block[at] = int32(c.coded[64*i+at]) * quant[k]
				}
				c.show(&block, i%c.across, i/c.across)
			}
		}
	}
	r := image.Rect(0, 0, d.width, d.height)
	sample := func(c *lenientComponent, dst []byte, y, step int) {
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

// number reads so many bits.
func (b *bitReader) number(size int) (v int, ok bool) {
	for range size {
		bit, ok := b.bit()
		if !ok {
			return 0, false
		}
		v = v<<1 | bit
	}
	return v, true
}

// extend reads a value of so many bits (T.81, F.2.2.1, RECEIVE and EXTEND).
func (b *bitReader) extend(size int) (int32, bool) {
	n, ok := b.number(size)
	if size > 0 && n < 1<<(size-1) {
		n -= 1<<size - 1
	}
	return int32(n), ok
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

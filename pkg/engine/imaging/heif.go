package imaging

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"sync"
)

// sniffHEIF knows HEIC and AVIF by the brands in front (ISO/IEC 14496-12, 4.3; ISO/IEC 23008-12, 10.2).
func sniffHEIF(data []byte) (format Format, ok bool) {
	kind, body, _, isBox := nextBox(data)
	if !isBox || kind != "ftyp" {
		return "", false
	}
	for brands := body; len(brands) >= 4; brands = brands[4:] {
		switch string(brands[:4]) {
		case "avif", "avis":
			return AVIF, true
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			format, ok = HEIC, true
		}
	}
	return format, ok
}

// heifFile is the container of HEIC and AVIF: a list of items with properties (ISO/IEC 14496-12, 8.11; ISO/IEC 23008-12).
type heifFile struct {
	primary    uint32
	kinds      map[uint32]string // of the items: hvc1, av01, grid, …
	properties []heifBox         // numbered from 1
	of         map[uint32][]int  // the numbers of an item's properties, in order
	references []heifReference
}

type heifBox struct {
	kind string
	body []byte
}

type heifReference struct {
	kind string
	from uint32
	to   []uint32
}

// nextBox splits off the first box (ISO/IEC 14496-12, 4.2).
func nextBox(data []byte) (kind string, body, rest []byte, ok bool) {
	if len(data) < 8 {
		return "", nil, nil, false
	}
	size, head := uint64(binary.BigEndian.Uint32(data)), uint64(8)
	switch {
	case size == 0: // to the end
		size = uint64(len(data))
	case size == 1 && len(data) >= 16:
		size, head = binary.BigEndian.Uint64(data[8:]), 16
	}
	if size < head || size > uint64(len(data)) {
		return "", nil, nil, false
	}
	return string(data[4:8]), data[head:size], data[size:], true
}

// boxes calls visit with each box.
func boxes(data []byte, visit func(kind string, body []byte)) {
	for {
		kind, body, rest, ok := nextBox(data)
		if !ok {
			return
		}
		visit(kind, body)
		data = rest
	}
}

// fields reads big-endian numbers from the front. After the end it reads zeros, and short is set.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) number(size int) uint32 {
	if len(f.b) < size {
		f.b, f.short = nil, true
		return 0
	}
	v := uint32(0)
	for _, b := range f.b[:size] {
		v = v<<8 | uint32(b)
	}
	f.b = f.b[size:]
	return v
}

// full reads what a full box begins with: version and flags.
func (f *fields) full() (version, flags uint32) {
	v := f.number(4)
	return v >> 24, v & 0xffffff
}

func readHEIF(data []byte) (*heifFile, error) {
	var meta []byte
	boxes(data, func(kind string, body []byte) {
		if kind == "meta" && meta == nil && len(body) >= 4 {
			meta = body[4:]
		}
	})
	if meta == nil {
		return nil, malformed("it has no directory of its pictures")
	}
	h := &heifFile{kinds: map[uint32]string{}, of: map[uint32][]int{}}
	boxes(meta, func(kind string, body []byte) {
		f := fields{b: body}
		switch kind {
		case "pitm":
			version, _ := f.full()
			h.primary = f.number(idSize(version))
		case "iinf":
			if version, _ := f.full(); version == 0 {
				f.number(2)
			} else {
				f.number(4)
			}
			boxes(f.b, h.item)
		case "iprp":
			boxes(body, func(kind string, body []byte) {
				switch kind {
				case "ipco":
					boxes(body, func(kind string, body []byte) { h.properties = append(h.properties, heifBox{kind, body}) })
				case "ipma":
					h.associations(body)
				}
			})
		case "iref":
			version, _ := f.full()
			boxes(f.b, func(kind string, body []byte) {
				f := fields{b: body}
				r := heifReference{kind: kind, from: f.number(idSize(version))}
				for n := f.number(2); n > 0 && !f.short; n-- {
					r.to = append(r.to, f.number(idSize(version)))
				}
				h.references = append(h.references, r)
			})
		}
	})
	if parts := len(h.kinds) + len(h.properties) + len(h.of) + len(h.references); parts > maxHEIFParts {
		return nil, fmt.Errorf("its directory has %d entries, and at most %d are read; save the picture as JPEG", parts, maxHEIFParts)
	}
	return h, nil
}

// maxHEIFParts is how many items, properties and references a file may have. A photograph has about a hundred, most of them tiles.
const maxHEIFParts = 20_000

// idSize is the size of an item's number in bytes.
func idSize(version uint32) int {
	if version == 0 {
		return 2
	}
	return 4
}

// item reads an infe box.
func (h *heifFile) item(kind string, body []byte) {
	f := fields{b: body}
	version, _ := f.full()
	if kind != "infe" || version < 2 {
		return
	}
	id := f.number(idSize(version - 2))
	f.number(2)
	if len(f.b) >= 4 {
		h.kinds[id] = string(f.b[:4])
	}
}

// associations reads an ipma box.
func (h *heifFile) associations(body []byte) {
	f := fields{b: body}
	version, flags := f.full()
	for n := f.number(4); n > 0 && !f.short; n-- {
		id := f.number(idSize(version))
		for k := f.number(1); k > 0 && !f.short; k-- {
			if flags&1 != 0 {
				h.of[id] = append(h.of[id], int(f.number(2)&0x7fff))
			} else {
				h.of[id] = append(h.of[id], int(f.number(1)&0x7f))
			}
		}
	}
}

// each calls visit with the properties of an item, in order.
func (h *heifFile) each(id uint32, visit func(kind string, f *fields)) {
	for _, n := range h.of[id] {
		if n >= 1 && n <= len(h.properties) {
			p := h.properties[n-1]
			visit(p.kind, &fields{b: p.body})
		}
	}
}

// coded is the item that holds coded pixels of the given one: itself, or the first tile of a grid.
func (h *heifFile) coded(id uint32) uint32 {
	for _, r := range h.references {
		if r.kind == "dimg" && r.from == id && len(r.to) > 0 {
			return r.to[0]
		}
	}
	return id
}

// transparent tells whether an auxiliary picture holds the transparency of the given item (ISO/IEC 23000-22, 7.3.5).
func (h *heifFile) transparent(id uint32) (found bool) {
	for _, r := range h.references {
		if r.kind != "auxl" || len(r.to) == 0 || r.to[0] != id {
			continue
		}
		h.each(r.from, func(kind string, f *fields) {
			found = found || kind == "auxC" && (bytes.Contains(f.b, []byte("urn:mpeg:hevc:2015:auxid:1\x00")) ||
				bytes.Contains(f.b, []byte("auxiliary:alpha")))
		})
	}
	return found
}

// heifPicture is what the properties of the picture say that a person sees.
type heifPicture struct {
	width, height int // as coded, of the whole picture
	shown         image.Point
	orientation   int // EXIF's, of the turns and mirrorings
	cropped       bool
	matrix        yccMatrix
}

func (h *heifFile) picture() (p heifPicture, err error) {
	p.orientation = 1
	described := false
	h.each(h.primary, func(kind string, f *fields) {
		switch kind {
		case "ispe":
			f.full()
			p.width, p.height = int(f.number(4)), int(f.number(4))
			p.shown = image.Pt(p.width, p.height)
		case "clap": // clean aperture: width and height as fractions
			w, wd, hh, hd := f.number(4), f.number(4), f.number(4), f.number(4)
			if wd > 0 && hd > 0 {
				p.shown, p.cropped = image.Pt(int(w/wd), int(hh/hd)), true
			}
		case "irot": // by so many quarter turns to the left
			quarters := f.number(1) & 3
			if quarters%2 == 1 {
				p.shown.X, p.shown.Y = p.shown.Y, p.shown.X
			}
			p.orientation = [4]int{1, 8, 3, 6}[quarters]
		case "imir": // 0: top and bottom change places; 1: left and right do. It comes behind the turn.
			p.orientation = map[int][2]int{1: {4, 2}, 8: {5, 7}, 3: {2, 4}, 6: {7, 5}}[p.orientation][f.number(1)&1]
		}
	})
	limited := newYCCMatrix(0.299, 0.114, false)
	p.matrix = limited
	description := func(id uint32) {
		h.each(id, func(kind string, f *fields) {
			if kind == "colr" && bytes.HasPrefix(f.b, []byte("nclx")) && !described {
				f.number(4)
				f.number(4) // primaries and transfer, which say nothing about RGB
				p.matrix, described = matrixOf(f.number(2), f.number(1)>>7 == 1), true
			}
		})
	}
	description(h.primary)
	coded := h.coded(h.primary)
	description(coded)
	h.each(coded, func(kind string, f *fields) {
		if kind == "hvcC" && !described {
			if m, full, ok := hevcColour(f.b); ok {
				p.matrix = matrixOf(m, full)
			}
		}
	})
	if p.width == 0 {
		return p, malformed("it does not give the size of its picture")
	}
	return p, nil
}

// matrixOf is the matrix of a matrix coefficients' number (ITU-T H.273, table 4).
func matrixOf(number uint32, full bool) yccMatrix {
	switch number {
	case 1:
		return newYCCMatrix(0.2126, 0.0722, full)
	case 4:
		return newYCCMatrix(0.30, 0.11, full)
	case 7:
		return newYCCMatrix(0.212, 0.087, full)
	case 9, 10:
		return newYCCMatrix(0.2627, 0.0593, full)
	}
	return newYCCMatrix(0.299, 0.114, full) // 5 and 6, and what is not specified
}

// openHEIF opens an AVIF or a HEIC.
func openHEIF(data []byte) (header, error) {
	h, err := readHEIF(data)
	if err != nil {
		return header{}, err
	}
	p, err := h.picture()
	if err != nil {
		return header{}, err
	}
	coded := h.coding(h.coded(h.primary))
	switch kind := h.kinds[h.coded(h.primary)]; kind {
	case "hvc1", "hev1":
		if h.transparent(h.primary) {
			return header{}, errors.New("this is a HEIC with transparency, which is not read; save it as PNG")
		}
		// libheif crops and turns by itself.
		h := header{width: p.shown.X, height: p.shown.Y, coded: image.Pt(p.width, p.height), orientation: 1, running: new(sync.WaitGroup)}
		memory := sandbox(p.width*p.height, len(data), coded.hevc())
		h.memory = plain(int64(memory))
		h.decode = func(ctx context.Context) (image.Image, string, error) {
			m, err := decodeHEIC(ctx, data, p, memory, h.running)
			return m, "", err
		}
		return h, nil
	case "av01":
		if p.cropped {
			return header{}, errors.New("this is an AVIF with a clean aperture, which is not read; save it as PNG or JPEG")
		}
		h := header{width: p.width, height: p.height, orientation: p.orientation, running: new(sync.WaitGroup)}
		memory := sandbox(p.width*p.height, len(data), coded.av1())
		h.memory = plain(int64(memory))
		h.decode = func(ctx context.Context) (image.Image, string, error) {
			m, err := decodeAVIF(ctx, data, p, memory, h.running)
			return m, "", err
		}
		return h, nil
	default:
		return header{}, fmt.Errorf("this is a HEIF whose picture is coded as %q, which is not read; save it as JPEG or PNG", kind)
	}
}

// coding is how an item's samples are coded, as its configuration says.
type coding struct {
	samples float64 // of all channels, a pixel
	deep    bool    // more than 8 bits a sample
	alpha   bool
}

// coding reads the decoder's configuration of an item. What it does not say is taken to be the most.
func (h *heifFile) coding(id uint32) coding {
	c := coding{samples: 3, deep: true, alpha: h.transparent(h.primary)}
	h.each(id, func(kind string, f *fields) {
		switch b := f.b; {
		case kind == "hvcC" && len(b) >= 19: // ISO/IEC 14496-15, 8.3.3.1.2
			c.samples = [4]float64{1, 1.5, 2, 3}[b[16]&3]
			c.deep = b[17]&7 > 0 || b[18]&7 > 0
		case kind == "av1C" && len(b) >= 4: // AV1 Codec ISO Media File Format Binding, 2.3.3
			c.deep = b[2]&0x40 != 0
			switch {
			case b[2]&0x10 != 0:
				c.samples = 1
			case b[2]&0x0c == 0x0c:
				c.samples = 1.5
			case b[2]&0x08 != 0:
				c.samples = 2
			}
		}
	})
	return c
}

// sandbox is the memory of an instance that decodes so many pixels of a file, of which a pixel takes so many bytes. A file
// that needs more is not what its header says, and the library then sees that it is out of memory.
func sandbox(pixels, file int, perPixel float64) int {
	const most = 4 << 30 // that WebAssembly can address
	return min(12<<20+int(perPixel*float64(pixels))+3*file, most)
}

// hevc is what a pixel takes at most in libheif. Pictures of 3 and 12 Mpx took 5.9 (grey), 7.9 (4:2:0), 10.1 (4:2:2) and 13.7 bytes
// (4:4:4), and with 10 bits 12.9 and 19.7; one that the library turns or crops has a copy of its samples more.
func (c coding) hevc() float64 {
	if c.deep {
		return 10 + 7*c.samples
	}
	return 6 + 5.5*c.samples
}

// av1 is what a pixel takes at most in libavif. Pictures of 3 and 12 Mpx took 21 to 24 bytes, and with 10 and 12 bits 31 to 36;
// transparency is a grey picture more.
func (c coding) av1() float64 {
	most, alpha := 28.0, 18.0
	if c.deep {
		most, alpha = 42, 28
	}
	if c.alpha {
		most += alpha
	}
	return most
}

// decodeHEIC decodes with libheif.
func decodeHEIC(ctx context.Context, data []byte, p heifPicture, memory int, running *sync.WaitGroup) (image.Image, error) {
	return libheif.call(ctx, memory, running, func(c *wasmCall) (image.Image, error) {
		file, err := c.put(data)
		if err != nil {
			return nil, err
		}
		// The library refuses files whose first brand is a general one.
		c.module.Memory().Write(file+8, []byte("heic"))
		out, err := c.alloc(20)
		if err != nil {
			return nil, err
		}
		decode := func(onlyHeader, pixels uint32) error {
			ok, err := c.function("decode", file, uint32(len(data)), onlyHeader, out, out+4, out+8, out+12, out+16, pixels)
			if err == nil && ok == 0 {
				err = errors.New("the file is damaged, or coded in a way that libheif does not read; send the original again, or save it as JPEG")
			}
			return err
		}
		if err := decode(1, 0); err != nil {
			return nil, err
		}
		w, h, space, chroma := int(c.word(out)), int(c.word(out+4)), c.word(out+8), c.word(out+12)
		if w != p.shown.X || h != p.shown.Y {
			return nil, malformed("the picture has %d × %d pixels, and the header says %d × %d", w, h, p.shown.X, p.shown.Y)
		}
		// Lines are at least 64 samples long and padded to 16 bytes.
		line := func(samples, size int) int { return (max(64, (samples+1)&^1)*size + 15) &^ 15 }
		r := image.Rect(0, 0, w, h)
		ycc := &video{matrix: p.matrix}
		ycc.Rect, ycc.YStride = r, line(w, 1)
		cw, ch := w, h
		size := 0
		const yCbCr, rgb, grey = 0, 1, 2
		switch {
		case space == yCbCr && chroma == 1:
			ycc.SubsampleRatio, cw, ch = image.YCbCrSubsampleRatio420, (w+1)/2, (h+1)/2
		case space == yCbCr && chroma == 2:
			ycc.SubsampleRatio, cw = image.YCbCrSubsampleRatio422, (w+1)/2
		case space == yCbCr && chroma == 3:
			ycc.SubsampleRatio = image.YCbCrSubsampleRatio444
		case space == grey:
			cw, ch = 0, 0
		case space == rgb:
			size = line(w, 4) * h
		default:
			return nil, fmt.Errorf("the picture has the colour space %d and the sampling %d, which are not read; save it as JPEG", space, chroma)
		}
		if space != rgb {
			ycc.CStride = line(cw, 1)
			size = ycc.YStride*h + 2*ycc.CStride*ch
		}
		at, err := c.alloc(size)
		if err != nil {
			return nil, err
		}
		if err := decode(0, at); err != nil {
			return nil, err
		}
		pix, err := c.get(at, size)
		if err != nil {
			return nil, err
		}
		switch space {
		case rgb:
			return &image.NRGBA{Pix: pix, Stride: line(w, 4), Rect: r}, nil
		case grey:
			return greyOf(pix, ycc.YStride, r, p.matrix), nil
		}
		n, k := ycc.YStride*h, ycc.CStride*ch
		ycc.Y, ycc.Cb, ycc.Cr = pix[:n], pix[n:n+k], pix[n+k:]
		return ycc, nil
	})
}

// greyOf is a picture of luma alone.
func greyOf(luma []byte, stride int, r image.Rectangle, matrix yccMatrix) *image.Gray {
	for i, v := range luma {
		luma[i] = clamp(((int32(v)-matrix.black)*matrix.scale + 1<<15) >> 16)
	}
	return &image.Gray{Pix: luma, Stride: stride, Rect: r}
}

// decodeAVIF decodes the first picture with libavif, which returns RGB multiplied by its alpha.
func decodeAVIF(ctx context.Context, data []byte, p heifPicture, memory int, running *sync.WaitGroup) (image.Image, error) {
	return libavif.call(ctx, memory, running, func(c *wasmCall) (image.Image, error) {
		file, err := c.put(data)
		if err != nil {
			return nil, err
		}
		out, err := c.alloc(24) // width, height, depth, count; the duration of the frame
		if err != nil {
			return nil, err
		}
		noPicture := malformed("libavif finds no picture")
		decode := func(onlyHeader, pixels uint32) error {
			ok, err := c.function("decode", file, uint32(len(data)), onlyHeader, 0, out, out+4, out+8, out+12, out+16, pixels)
			if err == nil && ok == 0 {
				err = noPicture
			}
			return err
		}
		if err := decode(1, 0); err != nil {
			return nil, err
		}
		w, h, depth := int(c.word(out)), int(c.word(out+4)), c.word(out+8)
		if w != p.width || h != p.height {
			return nil, malformed("the picture has %d × %d pixels, and the header says %d × %d", w, h, p.width, p.height)
		}
		size := 1
		if depth > 8 {
			size = 2
		}
		at, err := c.alloc(4 * size * w * h)
		if err != nil {
			return nil, err
		}
		// The duration is written behind the pixels. Where it is not, there are none, whatever the function returns.
		const nothing = 0xfff7a11e
		c.module.Memory().WriteUint32Le(out+20, nothing)
		if err := decode(0, at); err != nil {
			return nil, err
		}
		if c.word(out+20) == nothing {
			return nil, noPicture
		}
		pix, err := c.get(at, 4*size*w*h)
		if err != nil {
			return nil, err
		}
		if size == 2 {
			for i := range 4 * w * h {
				pix[i] = pix[2*i+1] // the upper half of a little-endian number
			}
			pix = pix[:4*w*h]
		}
		return &image.RGBA{Pix: pix, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}, nil
	})
}

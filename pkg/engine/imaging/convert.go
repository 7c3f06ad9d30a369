package imaging

import (
	"image"
	"image/color"
	"math"
)

// fromGo copies m, which lies within width × height, over a white picture of that size. The types that the decoders return
// have their own loops; At costs an allocation a pixel.
func fromGo(m image.Image, width, height int) *Image {
	if p, ok := m.(packed); ok {
		return p.Image
	}
	out := unset(width, height)
	b := m.Bounds()
	if b != image.Rect(0, 0, width, height) { // a GIF frame may be smaller than its screen
		for i := range out.Pix {
			out.Pix[i] = 0xff
		}
	}
	row := rowReader(m)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		at := 3 * (y*width + b.Min.X)
		row(out.Pix[at:at+3*b.Dx()], y)
	}
	return out
}

// packed is what a decoder returns that makes an [Image] itself.
type packed struct{ *Image }

// ColorModel implements image.Image.
func (packed) ColorModel() color.Model { return color.NRGBAModel }

// Bounds implements image.Image.
func (p packed) Bounds() image.Rectangle { return image.Rect(0, 0, p.Width, p.Height) }

// At implements image.Image.
func (p packed) At(x, y int) color.Color {
	at := 3 * (y*p.Width + x)
	return color.NRGBA{p.Pix[at], p.Pix[at+1], p.Pix[at+2], 0xff}
}

// rowReader returns a function that writes row y of m, from its left bound to its right, to dst as packed RGB over white.
func rowReader(m image.Image) func(dst []byte, y int) {
	b := m.Bounds()
	switch m := m.(type) {
	case *image.YCbCr:
		return func(dst []byte, y int) { ycbcrRow(dst, m, y, &fullRange601) }
	case *image.NYCbCrA:
		return func(dst []byte, y int) {
			ycbcrRow(dst, &m.YCbCr, y, &fullRange601)
			alphaRow(dst, m, y)
		}
	case *video:
		if len(m.A) == 0 {
			return func(dst []byte, y int) { ycbcrRow(dst, &m.YCbCr, y, &m.matrix) }
		}
		return func(dst []byte, y int) {
			ycbcrRow(dst, &m.YCbCr, y, &m.matrix)
			alphaRow(dst, &m.NYCbCrA, y)
		}
	case *image.Gray:
		return func(dst []byte, y int) {
			src := m.Pix[m.PixOffset(b.Min.X, y):]
			for i := 0; i < len(dst); i += 3 {
				v := src[i/3]
				dst[i], dst[i+1], dst[i+2] = v, v, v
			}
		}
	case *image.Gray16:
		return func(dst []byte, y int) {
			src := m.Pix[m.PixOffset(b.Min.X, y):]
			for i := 0; i < len(dst); i += 3 {
				v := src[2*(i/3)]
				dst[i], dst[i+1], dst[i+2] = v, v, v
			}
		}
	case *image.NRGBA:
		return func(dst []byte, y int) { straightRow(dst, m.Pix[m.PixOffset(b.Min.X, y):], 1) }
	case *image.NRGBA64:
		return func(dst []byte, y int) { straightRow(dst, m.Pix[m.PixOffset(b.Min.X, y):], 2) }
	case *image.RGBA:
		return func(dst []byte, y int) { premultipliedRow(dst, m.Pix[m.PixOffset(b.Min.X, y):], 1) }
	case *image.RGBA64:
		return func(dst []byte, y int) { premultipliedRow(dst, m.Pix[m.PixOffset(b.Min.X, y):], 2) }
	case *image.CMYK:
		return func(dst []byte, y int) {
			src := m.Pix[m.PixOffset(b.Min.X, y):]
			for i, j := 0, 0; i < len(dst); i, j = i+3, j+4 {
				dst[i], dst[i+1], dst[i+2] = color.CMYKToRGB(src[j], src[j+1], src[j+2], src[j+3])
			}
		}
	case *image.Paletted:
		var rgb [256][3]byte
		for i, c := range m.Palette {
			rgb[i] = colourOverWhite(c)
		}
		return func(dst []byte, y int) {
			src := m.Pix[m.PixOffset(b.Min.X, y):]
			for i := 0; i < len(dst); i += 3 {
				copy(dst[i:i+3], rgb[src[i/3]][:])
			}
		}
	}
	return func(dst []byte, y int) {
		for i := 0; i < len(dst); i += 3 {
			c := colourOverWhite(m.At(b.Min.X+i/3, y))
			copy(dst[i:i+3], c[:])
		}
	}
}

// yccMatrix makes RGB of luma and colour differences, in 16.16 fixed point: each channel is (Y - black)·scale plus the
// differences from 128 times their factors.
type yccMatrix struct{ black, scale, crToR, cbToG, crToG, cbToB int32 }

// fullRange601 is JFIF's: BT.601 in full range (ITU-T T.871, section 7).
var fullRange601 = newYCCMatrix(0.299, 0.114, true)

// newYCCMatrix makes the matrix of the luma coefficients of red and blue (ITU-T H.273, 8.3). Without full, luma spans
// 16..235 and colour differences 16..240.
func newYCCMatrix(kr, kb float64, full bool) yccMatrix {
	black, y, c := int32(0), 65536.0, 65536.0
	if !full {
		black, y, c = 16, y*255/219, c*255/224
	}
	kg := 1 - kr - kb
	fixed := func(v float64) int32 { return int32(math.Round(v)) }
	return yccMatrix{black, fixed(y), fixed(c * 2 * (1 - kr)), fixed(c * 2 * (1 - kb) * kb / kg), fixed(c * 2 * (1 - kr) * kr / kg), fixed(c * 2 * (1 - kb))}
}

// video is a picture whose luma and colour differences have another meaning than those of JPEG, which is what Go's types
// stand for. A is empty where it is opaque.
type video struct {
	image.NYCbCrA
	matrix yccMatrix
}

// ycbcrRow converts a row. A chroma sample covers a whole block of pixels, as in color.YCbCr.
func ycbcrRow(dst []byte, m *image.YCbCr, y int, by *yccMatrix) {
	b := m.Rect
	luma := m.Y[m.YOffset(b.Min.X, y):]
	base := m.COffset(b.Min.X, y)
	shift := 0 // log2 of the luma samples a chroma sample covers along a row
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
		shift = 1
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		shift = 2
	}
	first, width := b.Min.X>>shift, len(dst)/3
	cbRow, crRow := m.Cb[base:], m.Cr[base:]
	black, scale, crToR, cbToG, crToG, cbToB := by.black, by.scale, by.crToR, by.cbToG, by.crToG, by.cbToB
	pixel := func(p []byte, y byte, r, g, b int32) {
		yy := (int32(y) - black) * scale
		r, g, b = yy+r, yy+g, yy+b
		if uint32(r|g|b) < 1<<24 { // all are within 0..255, as most are
			p[0], p[1], p[2] = byte(r>>16), byte(g>>16), byte(b>>16)
			return
		}
		p[0], p[1], p[2] = clamp(r>>16), clamp(g>>16), clamp(b>>16)
	}
	for x := 0; x < width; {
		c := (b.Min.X+x)>>shift - first
		cb, cr := int32(cbRow[c])-128, int32(crRow[c])-128
		r, g, blue := crToR*cr+1<<15, 1<<15-cbToG*cb-crToG*cr, cbToB*cb+1<<15
		end := min((c+first+1)<<shift-b.Min.X, width) // of the pixels that share the sample
		if end == x+2 {
			p, l := dst[3*x:3*x+6:3*x+6], luma[x:x+2:x+2]
			pixel(p[:3], l[0], r, g, blue)
			pixel(p[3:], l[1], r, g, blue)
			x = end
			continue
		}
		for ; x < end; x++ {
			pixel(dst[3*x:3*x+3:3*x+3], luma[x], r, g, blue)
		}
	}
}

// alphaRow lays a row of colours over white.
func alphaRow(dst []byte, m *image.NYCbCrA, y int) {
	alpha := m.A[m.AOffset(m.Rect.Min.X, y):]
	for i := 0; i < len(dst); i += 3 {
		if a := uint32(alpha[i/3]); a != 0xff {
			for c := range 3 {
				dst[i+c] = overWhite(uint32(dst[i+c]), a)
			}
		}
	}
}

func clamp(v int32) byte {
	if uint32(v) > 0xff {
		return byte(^(v >> 31)) // 0 below, 255 above
	}
	return byte(v)
}

// straightRow reads R, G, B, A that are not multiplied by A, size bytes each, most significant first.
func straightRow(dst, src []byte, size int) {
	for i, j := 0, 0; i < len(dst); i, j = i+3, j+4*size {
		r, g, b, a := src[j], src[j+size], src[j+2*size], uint32(src[j+3*size])
		if a != 0xff {
			r, g, b = overWhite(uint32(r), a), overWhite(uint32(g), a), overWhite(uint32(b), a)
		}
		dst[i], dst[i+1], dst[i+2] = r, g, b
	}
}

// premultipliedRow is straightRow for colours that are multiplied by A: over white, the rest of the light is white.
func premultipliedRow(dst, src []byte, size int) {
	for i, j := 0, 0; i < len(dst); i, j = i+3, j+4*size {
		rest := 0xff - uint32(src[j+3*size])
		for c := range 3 {
			dst[i+c] = byte(min(uint32(src[j+c*size])+rest, 0xff)) // a malformed file may have a colour above its alpha
		}
	}
}

// overWhite lays one channel with alpha a, 0..255, over white.
func overWhite(v, a uint32) byte { return byte((v*a + 0xff*(0xff-a) + 0x7f) / 0xff) }

func colourOverWhite(c color.Color) (rgb [3]byte) {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	straightRow(rgb[:], []byte{n.R, n.G, n.B, n.A}, 1)
	return rgb
}

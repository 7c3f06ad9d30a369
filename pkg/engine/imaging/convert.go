package imaging

import (
	"image"
	"image/color"
)

// fromGo copies m, which lies within width × height, over a white picture of that size. The types that the decoders return
// have their own loops; At costs an allocation a pixel.
func fromGo(m image.Image, width, height int) *Image {
	out := New(width, height)
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

// rowReader returns a function that writes row y of m, from its left bound to its right, to dst as packed RGB over white.
func rowReader(m image.Image) func(dst []byte, y int) {
	b := m.Bounds()
	switch m := m.(type) {
	case *image.YCbCr:
		return func(dst []byte, y int) { ycbcrRow(dst, m, y) }
	case *image.NYCbCrA:
		return func(dst []byte, y int) {
			ycbcrRow(dst, &m.YCbCr, y)
			alpha := m.A[m.AOffset(b.Min.X, y):]
			for i := 0; i < len(dst); i += 3 {
				if a := uint32(alpha[i/3]); a != 0xff {
					for c := range 3 {
						dst[i+c] = overWhite(uint32(dst[i+c]), a)
					}
				}
			}
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

// ycbcrRow converts by JFIF's BT.601 full-range matrix in 16.16 fixed point (ITU-T T.871, section 7). A chroma sample
// covers a whole block of pixels, as in color.YCbCr.
func ycbcrRow(dst []byte, m *image.YCbCr, y int) {
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
	first := b.Min.X >> shift
	for i, x := 0, b.Min.X; i < len(dst); i, x = i+3, x+1 {
		c := base + x>>shift - first
		yy := int32(luma[i/3])<<16 + 1<<15
		cb, cr := int32(m.Cb[c])-128, int32(m.Cr[c])-128
		dst[i] = clamp((yy + 91881*cr) >> 16)              // 1.402
		dst[i+1] = clamp((yy - 22554*cb - 46802*cr) >> 16) // 0.344136, 0.714136
		dst[i+2] = clamp((yy + 116130*cb) >> 16)           // 1.772
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

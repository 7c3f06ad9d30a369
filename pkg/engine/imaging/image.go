// Package imaging decodes untrusted image files into upright RGB pixels, and turns pixels into the inputs of networks:
// scaled copies, aligned crops and float planes.
//
// Input is hostile (invariant 8). [Decode] trusts no file name, checks all limits on the header before it decodes
// pixels, and returns an error for malformed data. It returns the picture that a person would see. Tests compare each
// format with other decoders (testdata/corpus.py). A kind of file that cannot be decoded correctly is refused by name.
package imaging

import "fmt"

// Image is a picture of Width × Height pixels: packed RGB, 8 bits a channel, row after row, 3·Width bytes a row. The
// origin is the top left corner of the upright picture, x to the right, y down.
type Image struct {
	Width, Height int
	Pix           []byte
}

// New returns a black image.
func New(width, height int) *Image {
	return &Image{Width: width, Height: height, Pix: make([]byte, 3*width*height)}
}

// String names the size and hides the pixels (invariant 6).
func (m *Image) String() string { return fmt.Sprintf("image %d×%d", m.Width, m.Height) }

// GoString hides the pixels from %#v.
func (m *Image) GoString() string { return m.String() }

// RGB is a colour: red, green, blue.
type RGB [3]byte

// Fill makes every pixel c.
func (m *Image) Fill(c RGB) {
	for i := 0; i < len(m.Pix); i += 3 {
		copy(m.Pix[i:i+3], c[:])
	}
}

// Luma returns the luma of each pixel, 0..255, by ITU-R BT.601, row after row.
func (m *Image) Luma() []float32 {
	luma := make([]float32, m.Width*m.Height)
	for i := range luma {
		p := m.Pix[3*i : 3*i+3]
		luma[i] = 0.299*float32(p[0]) + 0.587*float32(p[1]) + 0.114*float32(p[2])
	}
	return luma
}

// Normalisation maps a pixel's channel, 0..255, to a network's input: (pixel·Scale − Mean) / Std, one plane per
// channel. Mean and Std are in the order of the planes: red, green, blue, or blue, green, red where BGR is set.
type Normalisation struct {
	BGR       bool
	Scale     float32
	Mean, Std [3]float32
}

// Planes fills dst, three planes of width × height float32 in row-major order, with m at the top left and with what a black
// pixel becomes elsewhere. m must not be larger than width × height, and dst must hold 3·width·height values.
func (m *Image) Planes(dst []float32, width, height int, n Normalisation) {
	for plane := range 3 {
		channel := plane
		if n.BGR {
			channel = 2 - plane
		}
		var value [256]float32
		for v := range value {
			value[v] = (float32(v)*n.Scale - n.Mean[plane]) / n.Std[plane]
		}
		out := dst[plane*width*height : (plane+1)*width*height]
		for y := range height {
			row := out[y*width : (y+1)*width]
			filled := 0
			if y < m.Height {
				src := m.Pix[3*y*m.Width+channel : 3*(y+1)*m.Width]
				for x := range m.Width {
					row[x] = value[src[3*x]]
				}
				filled = m.Width
			}
			for x := filled; x < width; x++ {
				row[x] = value[0]
			}
		}
	}
}

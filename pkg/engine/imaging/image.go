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
	buffer        *[]byte // that Release gives back; nil for none
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

// values are what each value of a pixel's channel, 0..255, becomes in each plane, and channels that channel: 0 is red.
func (n *Normalisation) values() (values [3][256]float32, channels [3]int) {
	for plane := range values {
		channels[plane] = plane
		if n.BGR {
			channels[plane] = 2 - plane
		}
		for v := range values[plane] {
			values[plane][v] = (float32(v)*n.Scale - n.Mean[plane]) / n.Std[plane]
		}
	}
	return values, channels
}

// Planes fills dst, three planes of width × height float32 in row-major order, with m at the top left and with what a black
// pixel becomes elsewhere. m must not be larger than width × height, and dst must hold 3·width·height values.
func (m *Image) Planes(dst []float32, width, height int, n Normalisation) {
	values, channels := n.values()
	size := width * height
	for y := range height {
		var row [3][]float32
		for plane := range row {
			row[plane] = dst[plane*size+y*width : plane*size+(y+1)*width]
		}
		filled := 0
		if y < m.Height {
			filled = m.Width
			src := m.Pix[3*y*filled : 3*(y+1)*filled]
			a, b, c := row[0][:filled], row[1][:filled], row[2][:filled]
			first, last := channels[0], channels[2]
			for x := range a {
				p := src[3*x : 3*x+3 : 3*x+3]
				a[x], b[x], c[x] = values[0][p[first]], values[1][p[1]], values[2][p[last]]
			}
		}
		for plane := range row {
			for x := filled; x < width; x++ {
				row[plane][x] = values[plane][0]
			}
		}
	}
}

// Triples fills dst with three values for each pixel of m, row after row; it must hold as many.
func (m *Image) Triples(dst []float32, n Normalisation) {
	values, channels := n.values()
	for i := 0; i < len(m.Pix); i += 3 {
		p, to := m.Pix[i:i+3:i+3], dst[i:i+3:i+3]
		to[0], to[1], to[2] = values[0][p[channels[0]]], values[1][p[1]], values[2][p[channels[2]]]
	}
}

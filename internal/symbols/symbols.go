// Package symbols draws barcodes, for tests, evaluations and the demo. It needs zxing-cpp, as the package barcode does.
package symbols

import "facestream/pkg/engine/barcode"

// Symbol is a barcode of Width × Height modules without its quiet zone, row after row: 1 for dark, 0 for light.
type Symbol struct {
	Width, Height int
	Dark          []byte
}

// Draw makes a barcode that says text, which has no NUL. correction is the level of error correction of a PDF417, 0 to 8, and of an
// Aztec or QR code as the library counts it; -1 leaves it to the library. The error is [barcode.ErrAbsent] where the program has no
// library.
func Draw(format barcode.Format, text string, correction int) (*Symbol, error) {
	return draw(format, text, correction)
}

// Paint draws s in black on luma, a white picture of so many pixels a row, with its top left corner at x, y, and modules of size × size
// pixels.
func (s *Symbol) Paint(luma []byte, stride, x, y, size int) {
	for j := range s.Height * size {
		row := luma[(y+j)*stride+x:]
		for i := range s.Width * size {
			if s.Dark[j/size*s.Width+i/size] != 0 {
				row[i] = 0
			}
		}
	}
}

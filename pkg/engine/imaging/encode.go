package imaging

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"facestream/pkg/schema"
)

// encodeQuality is the quality of JPEG files, 1..100, at which no blocks are visible.
const encodeQuality = 95

// Encode returns m as a file: PNG, which loses nothing, or JPEG. Another format is a permanent error, as is an image without
// pixels.
func (m *Image) Encode(format Format) ([]byte, error) {
	out := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for i := range m.Width * m.Height {
		copy(out.Pix[4*i:], m.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 0xff
	}
	var b bytes.Buffer
	var err error
	switch format {
	case PNG:
		e := png.Encoder{CompressionLevel: png.BestSpeed}
		err = e.Encode(&b, out)
	case JPEG:
		err = jpeg.Encode(&b, out, &jpeg.Options{Quality: encodeQuality})
	default:
		err = fmt.Errorf("%q cannot be written; the formats are %q and %q", format, PNG, JPEG)
	}
	if err != nil {
		return nil, schema.Permanent("imaging.encode", schema.ReasonInvalidConfiguration, err)
	}
	return b.Bytes(), nil
}

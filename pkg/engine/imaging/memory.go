package imaging

import (
	"image/color"
)

// memory is what decoding a picture takes, in bytes: the decoder's own buffers by their sizes in its source, where a buffer
// that grows by copying counts with its copy. TestMemory holds it to what is really taken.
type memory struct {
	during  int64 // the most while the decoder runs, with what it returns
	decoded int64 // of what it returns
}

// plain is the memory of a decoder that fills one picture.
func plain(decoded int64) memory { return memory{during: decoded, decoded: decoded} }

// pixels is the number of pixels of the picture.
func (h header) pixels() int64 { return int64(h.width) * int64(h.height) }

// smallBuffers is what decoders take whatever the size of the picture: windows, tables, rows.
const smallBuffers = 1 << 20

// peak is the most memory that reading the picture takes: while the decoder runs, while its picture becomes RGB, or while that
// is turned upright.
func (h header) peak() int64 {
	rgb := 3 * h.pixels()
	turned := rgb
	if h.orientation > 1 {
		turned += rgb
	}
	return max(h.memory.during, h.memory.decoded+rgb, turned) + smallBuffers
}

// perPixel is how many bytes a pixel of this model takes in Go's pictures.
func perPixel(m color.Model) int64 {
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	switch m {
	case color.GrayModel:
		return 1
	case color.Gray16Model:
		return 2
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	}
	return 4
}

// grown is the most that a buffer takes that doubles until size bytes fit in it: while it is copied for the last time.
func grown(size int64) int64 { return 3 * size }

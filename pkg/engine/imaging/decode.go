package imaging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/png"
	"io"

	"facestream/pkg/schema"
)

// Limits bound the cost of an image. A zero field takes its value from [DefaultLimits].
type Limits struct {
	Bytes  int // of the file
	Pixels int // width × height
	Side   int // pixels of the longer side
}

// DefaultLimits admits what cameras make. An image of 50 Mpx costs up to 600 MB while it is decoded (a progressive JPEG
// without chroma subsampling; a usual HEIC takes as much, a usual AVIF 1.2 GB, and both at most 1.8 GB) and 150 MB after.
func DefaultLimits() Limits { return Limits{Bytes: 20e6, Pixels: 50e6, Side: 16384} }

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.Bytes == 0 {
		l.Bytes = d.Bytes
	}
	if l.Pixels == 0 {
		l.Pixels = d.Pixels
	}
	if l.Side == 0 {
		l.Side = d.Side
	}
	return l
}

// Format names a file format by its usual extension.
type Format string

// The formats that Decode reads.
const (
	JPEG Format = "jpeg"
	PNG  Format = "png"
	WebP Format = "webp"
	GIF  Format = "gif"
	BMP  Format = "bmp"
	TIFF Format = "tiff"
	HEIC Format = "heic"
	AVIF Format = "avif"
)

// Info describes a decoded file.
type Info struct {
	Format Format

	// Orientation is the EXIF value, 1..8, that Decode undid; 1 where there is none.
	Orientation int

	// Damage describes the damage of a file that could still be decoded. It is empty for a sound file.
	Damage string
}

// header is what a file says before its pixels are paid for.
type header struct {
	width, height int
	coded         image.Point // the size before a crop that the decoder makes; zero where it makes none
	orientation   int         // EXIF, 1..8

	// decode reads the pixels, which lie within width × height. damage is that of [Info].
	decode func(ctx context.Context) (m image.Image, damage string, err error)
}

// codec reads one format. open looks at the container without paying for pixels: it refuses what the decoder would waste
// memory or time on, or would decode to the wrong pixels without saying so.
type codec struct {
	format Format
	open   func(data []byte) (header, error)
}

// sniff knows a format by its first bytes, whatever the file was called.
func sniff(data []byte) (codec, bool) {
	has := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case has("\xff\xd8\xff"):
		return codec{JPEG, openJPEG}, true
	case has("\x89PNG\r\n\x1a\n"):
		return codec{PNG, openPNG}, true
	case has("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return codec{WebP, openWebP}, true
	case has("GIF87a"), has("GIF89a"):
		return codec{GIF, openGIF}, true
	case has("II*\x00"), has("MM\x00*"):
		return codec{TIFF, openTIFF}, true
	case has("BM"):
		return codec{BMP, openBMP}, true
	}
	if format, ok := sniffHEIF(data); ok {
		return codec{format, openHEIF}, true
	}
	return codec{}, false
}

const opDecode = "imaging.decode"

func unreadable(format string, args ...any) error {
	return schema.Permanent(opDecode, schema.ReasonImageUnreadable, fmt.Errorf(format, args...))
}

func tooLarge(format string, args ...any) error {
	return schema.Permanent(opDecode, schema.ReasonImageTooLarge, fmt.Errorf(format, args...))
}

// Decode reads a JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF, known by its first bytes, and returns it upright with
// transparency laid over white and 16-bit channels cut to 8. Of an animation it reads the first picture. It is as
// lenient as browsers with files from cameras, and reports damage in [Info.Damage].
//
// Errors are permanent, except that an error is transient if ctx ended. image_too_large means that the header exceeds
// limits. image_unreadable means that the file is not a complete picture, for instance a truncated JPEG, or that it
// would be decoded to wrong pixels.
func Decode(ctx context.Context, data []byte, limits Limits) (img *Image, info Info, err error) {
	limits = limits.withDefaults()
	switch {
	case len(data) == 0:
		return nil, Info{}, unreadable("the file is empty")
	case len(data) > limits.Bytes:
		return nil, Info{}, tooLarge("the file has %d bytes, the limit is %d", len(data), limits.Bytes)
	}
	c, ok := sniff(data)
	if !ok {
		return nil, Info{}, unreadable("%s", unsupported(data))
	}
	defer func() {
		// Most decoders are third-party code. A file that makes one of them panic is malformed.
		if p := recover(); p != nil {
			img, info, err = nil, Info{}, unreadable("%s: %w", c.format, malformed("the decoder gave up: %v", p))
		}
	}()
	h, err := c.open(data)
	if err != nil {
		return nil, Info{}, decoderError(ctx, c.format, err)
	}
	if h.coded == (image.Point{}) {
		h.coded = image.Pt(h.width, h.height)
	}
	for _, size := range []image.Point{h.coded, {h.width, h.height}} {
		switch {
		case size.X < 1 || size.Y < 1:
			return nil, Info{}, unreadable("%s: %w", c.format, malformed("the header says %d × %d pixels", size.X, size.Y))
		case size.X > limits.Side || size.Y > limits.Side:
			return nil, Info{}, tooLarge("the header says %d × %d pixels, the limit is %d a side", size.X, size.Y, limits.Side)
		case size.X > limits.Pixels/size.Y:
			return nil, Info{}, tooLarge("the header says %d × %d pixels, the limit is %d in all", size.X, size.Y, limits.Pixels)
		}
	}
	m, damage, err := h.decode(ctx)
	if err != nil {
		return nil, Info{}, decoderError(ctx, c.format, err)
	}
	if !m.Bounds().In(image.Rect(0, 0, h.width, h.height)) {
		return nil, Info{}, unreadable("%s: %w", c.format, malformed("the pixels reach beyond the %d × %d of the header", h.width, h.height))
	}
	if err := ctx.Err(); err != nil {
		return nil, Info{}, schema.Transient(opDecode, err)
	}
	return orient(fromGo(m, h.width, h.height), h.orientation), Info{c.format, h.orientation, damage}, nil
}

// decoderError distinguishes a file that cannot be read from a caller who stopped waiting.
func decoderError(ctx context.Context, f Format, err error) error {
	if ctx.Err() != nil {
		return schema.Transient(opDecode, ctx.Err())
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return unreadable("%s: the file was cut short; send the whole file", f)
	}
	return unreadable("%s: %w", f, err)
}

// malformed returns an error that says what is wrong with a file and what to do.
func malformed(format string, args ...any) error {
	return fmt.Errorf("the file is damaged ("+format+"); send the original again", args...)
}

// damaged says what the error of a decoder from elsewhere means, and the way out.
func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	return malformed("%w", err)
}

// library makes a header of the two functions that Go's image packages have.
func library(data []byte, config func(io.Reader) (image.Config, error), decode func(io.Reader) (image.Image, error)) (header, error) {
	c, err := config(bytes.NewReader(data))
	if err != nil {
		return header{}, damaged(err)
	}
	return header{width: c.Width, height: c.Height, orientation: 1, decode: func(ctx context.Context) (image.Image, string, error) {
		m, err := decode(&reader{ctx, bytes.NewReader(data)})
		if err != nil {
			return nil, "", damaged(err)
		}
		return m, "", nil
	}}, nil
}

func openGIF(data []byte) (header, error) { return library(data, gif.DecodeConfig, gif.Decode) }

func openPNG(data []byte) (header, error) {
	h, err := library(data, png.DecodeConfig, png.Decode)
	h.orientation = pngOrientation(data)
	return h, err
}

// reader fails once ctx has ended, so that a decoder stops within a few kilobytes of its input.
type reader struct {
	ctx context.Context
	r   *bytes.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// ReadAt spares the TIFF decoder a copy of the file.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.ReadAt(p, off)
}

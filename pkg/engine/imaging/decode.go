package imaging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"facestream/pkg/schema"
)

// Limits bound what an image may cost. A field that is zero takes its value from [DefaultLimits].
type Limits struct {
	Bytes  int // of the file
	Pixels int // width × height
	Side   int // pixels of the longer side
}

// DefaultLimits admits what cameras make. An image of 50 Mpx costs up to 600 MB while it is decoded (a progressive JPEG
// without chroma subsampling) and 150 MB after.
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
)

// Info is what the file says of itself. Orientation is the EXIF value, 1..8, that Decode undid; 1 where there is none.
type Info struct {
	Format      Format
	Orientation int
}

// codec reads one format. inspect is this package's own look at the container: it refuses what the decoder would waste
// memory or time on, and returns the EXIF orientation.
type codec struct {
	format  Format
	config  func(io.Reader) (image.Config, error)
	decode  func(io.Reader) (image.Image, error)
	inspect func([]byte) (orientation int, err error)
}

// sniff knows a format by its first bytes, whatever the file was called.
func sniff(data []byte) (codec, bool) {
	has := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	plain := func([]byte) (int, error) { return 1, nil }
	switch {
	case has("\xff\xd8\xff"):
		return codec{JPEG, jpeg.DecodeConfig, jpeg.Decode, inspectJPEG}, true
	case has("\x89PNG\r\n\x1a\n"):
		return codec{PNG, png.DecodeConfig, png.Decode, inspectPNG}, true
	case has("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return codec{WebP, webp.DecodeConfig, webp.Decode, inspectWebP}, true
	case has("GIF87a"), has("GIF89a"):
		return codec{GIF, gif.DecodeConfig, gif.Decode, plain}, true
	case has("II*\x00"), has("MM\x00*"):
		return codec{TIFF, tiff.DecodeConfig, tiff.Decode, inspectTIFF}, true
	case has("BM"):
		return codec{BMP, bmp.DecodeConfig, bmp.Decode, plain}, true
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

// Decode reads a JPEG, PNG, WebP, GIF (its first frame), BMP or TIFF, known by its first bytes, and returns it upright
// with transparency laid over white and 16-bit channels cut to 8.
//
// The errors are permanent: image_too_large for what exceeds limits, judged by the header alone; image_unreadable for
// everything else that is no complete picture, such as a JPEG that was cut short. The one other error is transient: ctx
// ended.
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
		return nil, Info{}, unreadable("the content is no JPEG, PNG, WebP, GIF, BMP or TIFF")
	}
	defer func() {
		// The decoders are not ours; a file that makes one of them panic is malformed.
		if p := recover(); p != nil {
			img, info, err = nil, Info{}, unreadable("%s: the decoder gave up: %v", c.format, p)
		}
	}()
	info = Info{Format: c.format, Orientation: 1}
	if info.Orientation, err = c.inspect(data); err != nil {
		return nil, Info{}, unreadable("%s: %w", c.format, err)
	}
	config, err := c.config(&reader{ctx, bytes.NewReader(data)})
	if err != nil {
		return nil, Info{}, decoderError(ctx, c.format, err)
	}
	w, h := config.Width, config.Height
	switch {
	case w < 1 || h < 1:
		return nil, Info{}, unreadable("%s: the header says %d × %d pixels", c.format, w, h)
	case w > limits.Side || h > limits.Side:
		return nil, Info{}, tooLarge("the header says %d × %d pixels, the limit is %d a side", w, h, limits.Side)
	case w > limits.Pixels/h:
		return nil, Info{}, tooLarge("the header says %d × %d pixels, the limit is %d in all", w, h, limits.Pixels)
	}
	m, err := c.decode(&reader{ctx, bytes.NewReader(data)})
	if err != nil {
		return nil, Info{}, decoderError(ctx, c.format, err)
	}
	if !m.Bounds().In(image.Rect(0, 0, w, h)) {
		return nil, Info{}, unreadable("%s: the pixels reach beyond the %d × %d of the header", c.format, w, h)
	}
	if err := ctx.Err(); err != nil {
		return nil, Info{}, schema.Transient(opDecode, err)
	}
	return orient(fromGo(m, w, h), info.Orientation), info, nil
}

// decoderError tells a file that cannot be read from a caller who stopped waiting.
func decoderError(ctx context.Context, f Format, err error) error {
	if ctx.Err() != nil {
		return schema.Transient(opDecode, ctx.Err())
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return unreadable("%s: the file was cut short: %w", f, err)
	}
	return unreadable("%s: %w", f, err)
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

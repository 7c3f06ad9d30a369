package imaging

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/png"
	"io"
	"sync"
	"time"

	"facestream/pkg/schema"
)

// Limits bound the cost of an image. A zero field takes its value from [DefaultLimits].
type Limits struct {
	Bytes  int // of the file
	Pixels int // width × height
	Side   int // pixels of the longer side
	// Time is how long a decoder may run.
	Time time.Duration
}

// DefaultLimits admits what cameras make. [File.Memory] says what an image costs while it is decoded: one of 50 Mpx up to
// 800 MB as a progressive JPEG without chroma subsampling. Its pixels take 150 MB afterwards.
func DefaultLimits() Limits {
	return Limits{Bytes: 20e6, Pixels: 50e6, Side: 16384, Time: 30 * time.Second}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{Bytes: cmp.Or(l.Bytes, d.Bytes), Pixels: cmp.Or(l.Pixels, d.Pixels), Side: cmp.Or(l.Side, d.Side), Time: cmp.Or(l.Time, d.Time)}
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
	memory        memory
	running       *sync.WaitGroup // instances of the decoder that may outlive a call of decode; nil where none do

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

// File is an image file whose header keeps to the limits. Its pixels were not decoded.
type File struct {
	format Format
	header header
	time   time.Duration // that decoding may take
}

// Open reads the header of an image file, known by its first bytes. The errors are those of [Decode]. data must not change
// while the File is in use.
func Open(data []byte, limits Limits) (f *File, err error) {
	limits = limits.withDefaults()
	switch {
	case len(data) == 0:
		return nil, unreadable("the file is empty")
	case len(data) > limits.Bytes:
		return nil, tooLarge("the file has %d bytes, the limit is %d", len(data), limits.Bytes)
	}
	c, ok := sniff(data)
	if !ok {
		return nil, unreadable("%s", unsupported(data))
	}
	defer recovered(c.format, &err)
	h, err := c.open(data)
	if err != nil {
		return nil, decoderError(context.Background(), c.format, err)
	}
	if h.coded == (image.Point{}) {
		h.coded = image.Pt(h.width, h.height)
	}
	for _, size := range []image.Point{h.coded, {h.width, h.height}} {
		switch {
		case size.X < 1 || size.Y < 1:
			return nil, unreadable("%s: %w", c.format, malformed("the header says %d × %d pixels", size.X, size.Y))
		case size.X > limits.Side || size.Y > limits.Side:
			return nil, tooLarge("the header says %d × %d pixels, the limit is %d a side", size.X, size.Y, limits.Side)
		case size.X > limits.Pixels/size.Y:
			return nil, tooLarge("the header says %d × %d pixels, the limit is %d in all", size.X, size.Y, limits.Pixels)
		}
	}
	return &File{c.format, h, limits.Time}, nil
}

// Size is the width and height in pixels of the picture that Decode returns.
func (f *File) Size() (width, height int) {
	if f.header.orientation >= 5 {
		return f.header.height, f.header.width
	}
	return f.header.width, f.header.height
}

// Memory is the most bytes that Decode takes at any time, the picture that it returns included and the file excluded. It
// follows from the header. Garbage that the collector has not freed comes on top.
func (f *File) Memory() int64 { return f.header.peak() }

// recovered makes an error of the panic of a decoder. Most decoders are third-party code. A file that makes one of them
// panic is malformed.
func recovered(format Format, err *error) {
	if p := recover(); p != nil {
		*err = unreadable("%s: %w", format, malformed("the decoder gave up: %v", p))
	}
}

// Decode reads the pixels. It is [Decode] without the header.
func (f *File) Decode(ctx context.Context) (*Image, Info, error) {
	m, damage, err := f.stored(ctx)
	if err != nil {
		return nil, Info{}, err
	}
	upright := orient(m, f.header.orientation)
	if upright != m {
		m.Release()
	}
	return upright, Info{f.format, f.header.orientation, damage}, nil
}

// stored returns the picture as the file stores it. What the decoder made is garbage then.
func (f *File) stored(ctx context.Context) (*Image, string, error) {
	h := f.header
	m, damage, err := f.pixels(ctx)
	if err != nil {
		return nil, "", err
	}
	if !m.Bounds().In(image.Rect(0, 0, h.width, h.height)) {
		return nil, "", unreadable("%s: %w", f.format, malformed("the pixels reach beyond the %d × %d of the header", h.width, h.height))
	}
	if err := ctx.Err(); err != nil {
		return nil, "", schema.Transient(opDecode, err)
	}
	return fromGo(m, h.width, h.height), damage, nil
}

// pixels runs the decoder.
func (f *File) pixels(ctx context.Context) (m image.Image, damage string, err error) {
	defer recovered(f.format, &err)
	limited, cancel := context.WithTimeout(ctx, f.time)
	defer cancel()
	m, damage, err = f.header.decode(limited)
	switch {
	case err == nil:
		return m, damage, nil
	case ctx.Err() == nil && limited.Err() != nil:
		return nil, "", unreadable("%s: decoding it takes longer than %v, the limit; save it again, without progressive scans and not larger than it has to be", f.format, f.time)
	}
	return nil, "", decoderError(ctx, f.format, err)
}

// Wait returns once nothing that Decode began is running. HEIC and AVIF may be decoded on for some time after Decode returned an
// error because ctx or the time ended, and hold memory until then.
func (f *File) Wait() {
	if f.header.running != nil {
		f.header.running.Wait()
	}
}

// Decode reads a JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF, known by its first bytes, and returns it upright with
// transparency laid over white and 16-bit channels cut to 8. Of an animation it reads the first picture. It is as
// lenient as browsers with files from cameras, and reports damage in [Info.Damage].
//
// Errors are permanent, except that an error is transient if ctx ended. image_too_large means that the header exceeds
// limits. image_unreadable means that the file is not a complete picture, for instance a truncated JPEG, or that it
// would be decoded to wrong pixels.
func Decode(ctx context.Context, data []byte, limits Limits) (*Image, Info, error) {
	f, err := Open(data, limits)
	if err != nil {
		return nil, Info{}, err
	}
	return f.Decode(ctx)
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
	h := header{width: c.Width, height: c.Height, orientation: 1}
	h.memory = plain(h.pixels() * perPixel(c.ColorModel))
	h.decode = func(ctx context.Context) (image.Image, string, error) {
		m, err := decode(&reader{ctx, bytes.NewReader(data)})
		if err != nil {
			return nil, "", damaged(err)
		}
		return m, "", nil
	}
	return h, nil
}

func openGIF(data []byte) (header, error) {
	h, err := library(data, gif.DecodeConfig, gif.Decode)
	h.memory = memory{during: 2 * h.pixels(), decoded: h.pixels()} // an interlaced picture is copied into order
	return h, err
}

// openPNG knows that the decoder keeps a pass of an interlaced picture, which is at most half of it, beside the whole.
func openPNG(data []byte) (header, error) {
	h, err := library(data, png.DecodeConfig, png.Decode)
	if err != nil {
		return h, err
	}
	const (
		interlace  = 28 // offsets in the file: IHDR comes first
		colourType = 25
	)
	decoded := h.memory.decoded
	h.orientation = 1
	pngChunks(data, func(kind string, body []byte) bool {
		switch kind {
		case "eXIf":
			h.orientation = exifOrientation(body)
			return false
		case "tRNS": // makes RGBA of grey
			if data[colourType] == 0 {
				decoded *= 4
			}
		}
		return true
	})
	h.memory = plain(decoded)
	if data[interlace] != 0 {
		h.memory.during += decoded / 2
	}
	return h, nil
}

// mostRead is how many bytes a decoder gets at once. A scan of a large JPEG can take 55 bytes of the file and a third of a second.
const mostRead = 512

// reader fails once ctx has ended, so that a decoder stops within mostRead bytes of its input.
type reader struct {
	ctx context.Context
	r   *bytes.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p[:min(len(p), mostRead)])
}

// ReadAt spares the TIFF decoder a copy of the file.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.ReadAt(p, off)
}

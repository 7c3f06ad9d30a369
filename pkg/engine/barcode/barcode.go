// Package barcode finds and reads barcodes in a picture: PDF417, as on the back of driving licences, QR, Data Matrix, Aztec and Code 128.
//
// The library zxing-cpp reads them, where the program is built with the tag zxing (tools/goflags.sh); elsewhere [Read] answers
// [ErrAbsent]. Each picture is read in a process of its own, which has nothing but its memory, its time and a pipe, and which is ended
// when the time is over (docs/adr/0022-barcodes-in-a-process-of-their-own.md).
package barcode

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// Format is a kind of barcode.
type Format string

// The formats that are read.
const (
	PDF417     Format = "pdf417"
	Code128    Format = "code_128"
	DataMatrix Format = "data_matrix"
	Aztec      Format = "aztec"
	QR         Format = "qr_code"
)

// formats are in the order of all in reader.cpp.
var formats = []Format{PDF417, Code128, DataMatrix, Aztec, QR}

// Formats returns the formats that are read.
func Formats() []Format { return slices.Clone(formats) }

// Options are what Read looks for, and what that may cost. The zero value reads all formats within the limits below.
type Options struct {
	// Formats are the formats to look for; none: all.
	Formats []Format
	// Unread says that codes are answered too that were located but cannot be read: PDF417 with zxing-cpp 1, all formats with later ones.
	Unread bool
	// Most is the largest number of codes of a format, 1 to 64; 0 means 8.
	Most int
	// Time is how long reading may take; 0 means 3 s.
	Time time.Duration
}

// Found is a barcode.
type Found struct {
	Format Format
	// Read says that the content is known: its error correction or check digit holds.
	Read bool
	// Text is the content as UTF-8, and Bytes as the code has it. Both are empty for a code that cannot be read.
	Text  string
	Bytes []byte
	// Quad are the corners of the symbol, in pixels of the picture: the code's own top left, top right, bottom right, bottom left. Those
	// of a Code 128 may lie on one line.
	Quad [4]schema.PointF
	// Confidence is 1 for a code that was read, and at most 0.9 for one that was only located.
	Confidence float32
}

// String names the format and hides the content (invariant 6).
func (f Found) String() string { return fmt.Sprintf("%s, read %t", f.Format, f.Read) }

// GoString hides the content from %#v.
func (f Found) GoString() string { return f.String() }

// MaxPixels is the size of the largest picture that is read as it is. A larger one is scaled down to it: the letters of a page that
// it shows whole are then still 40 pixels high, and the modules of a licence's PDF417 4 pixels.
const MaxPixels = 6_000_000

// ErrAbsent says that this program has no reader of barcodes.
var ErrAbsent = errors.New("built without zxing-cpp (make toolchain)")

// ErrStopped says that reading was ended, because it took too long or too much memory. What was found until then is answered with it.
var ErrStopped = errors.New("the search for barcodes was ended")

// Available says why barcodes cannot be read, or nil.
func Available() error {
	if !linked {
		return ErrAbsent
	}
	return nil
}

const (
	usualMost   = 8
	largestMost = 64
	usualTime   = 3 * time.Second
	// mostText is more than any format holds.
	mostText = 1 << 16
)

// Memory is the most bytes that reading a picture of this size takes, in this process and in the one that reads.
func Memory(width, height int) int64 {
	width, height = size(width, height)
	pixels := int64(width) * int64(height)
	return readerMemory(pixels) + 6*pixels // scaled down, as luma, straightened
}

// readerMemory is what the process that reads may have beside its program.
func readerMemory(pixels int64) int64 { return 48<<20 + 24*pixels }

// size is that of the picture which is read.
func size(width, height int) (int, int) {
	if s := math.Sqrt(MaxPixels / (float64(width) * float64(height))); s < 1 {
		return max(int(s*float64(width)), 1), max(int(s*float64(height)), 1)
	}
	return width, height
}

// Read finds the barcodes of m, from top to bottom and then from left to right, by their centres. It is safe for concurrent use.
// A picture without one is an answer; ErrAbsent and ErrStopped are the errors of what this package promises, another one says that
// the process cannot be started.
func Read(ctx context.Context, m *imaging.Image, o Options) ([]Found, error) {
	if !linked {
		return nil, ErrAbsent
	}
	if o.Time <= 0 {
		o.Time = usualTime
	}
	if o.Most == 0 {
		o.Most = usualMost
	}
	if m.Width < 1 || m.Height < 1 || o.Most < 1 || o.Most > largestMost {
		return nil, fmt.Errorf("barcode: up to %d codes of %v", o.Most, m)
	}
	ask := request{Most: uint32(o.Most), Seconds: uint32(o.Time/time.Second) + 1}
	for i, f := range formats {
		if len(o.Formats) == 0 || slices.Contains(o.Formats, f) {
			ask.Formats |= 1 << i
		}
	}
	if o.Unread {
		ask.Unread = 1
	}
	width, height := size(m.Width, m.Height)
	ask.Width, ask.Height, ask.Memory = uint32(width), uint32(height), uint64(readerMemory(int64(width)*int64(height)))
	within, cancel := context.WithTimeout(ctx, o.Time)
	defer cancel()
	plane := luma(m, width, height)
	said, err := run(within, ask, plane)
	found, whole := parse(said)
	if ask.Formats&1 != 0 { // of PDF417s that do not lie straight, zxing-cpp reads few
		for _, l := range locate(plane, width, height, o.Most) {
			if !slices.ContainsFunc(found, func(f Found) bool { return f.covers(l.centre()) }) {
				found = append(found, readStraightened(within, ask, plane, l)...)
			}
			if o.Unread {
				found = append(found, l.Found)
			}
		}
	}
	x, y := float32(m.Width)/float32(width), float32(m.Height)/float32(height)
	for i := range found {
		for j, p := range found[i].Quad {
			found[i].Quad[j] = schema.PointF{X: x * p.X, Y: y * p.Y}
		}
	}
	found = distinct(found, o.Most)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case whole:
		return found, nil
	case within.Err() != nil:
		return found, fmt.Errorf("%w: it takes longer than %v", ErrStopped, o.Time)
	case errors.As(err, new(*exec.ExitError)):
		return found, fmt.Errorf("%w: %w", ErrStopped, err)
	}
	return nil, fmt.Errorf("barcode: the process that reads: %w", err)
}

// readStraightened reads a PDF417 of a plane of luma once more, lying straight.
func readStraightened(ctx context.Context, ask request, plane []byte, l located) []Found {
	straight, width, height := straighten(plane, int(ask.Width), l.Quad, l.module)
	if straight == nil || ctx.Err() != nil {
		return nil
	}
	ask.Width, ask.Height, ask.Memory = uint32(width), uint32(height), uint64(readerMemory(int64(width)*int64(height)))
	ask.Formats, ask.Most, ask.Unread = 1, 1, 0
	said, _ := run(ctx, ask, straight) // what cannot be read is no error
	found, _ := parse(said)
	for i := range found {
		found[i].Quad = l.Quad
	}
	return found
}

// request is Request of reader.cpp.
type request struct {
	Width, Height, Formats, Unread, Most, Seconds uint32
	Memory                                        uint64
}

// answer is Answer of reader.cpp.
type answer struct {
	Format, Read uint32
	Corners      [8]int32
	Text, Bytes  uint32
}

const ended = math.MaxUint32

// luma is m scaled to width × height, one byte a pixel.
func luma(m *imaging.Image, width, height int) []byte {
	if width != m.Width || height != m.Height {
		m = m.Resize(width, height)
		defer m.Release()
	}
	out := make([]byte, width*height)
	for i := range out {
		p := m.Pix[3*i : 3*i+3]
		out[i] = byte((77*int(p[0]) + 150*int(p[1]) + 29*int(p[2])) >> 8)
	}
	return out
}

// run has a process of its own read a picture, and returns what it said, also if it was ended.
func run(ctx context.Context, ask request, luma []byte) ([]byte, error) {
	self := "/proc/self/exe" // also when the file was replaced
	if runtime.GOOS != "linux" {
		var err error
		if self, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	head, err := binary.Append(nil, binary.NativeEndian, ask)
	if err != nil {
		return nil, err
	}
	said := &limited{left: 2 * len(formats) * int(ask.Most) * mostText}
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = []string{"facestream-barcodes"}
	cmd.Env = []string{"FACESTREAM_READ_BARCODES=1", "LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(append(head, luma...))
	cmd.Stdout = said
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	return said.Bytes(), err
}

// limited takes so many bytes and no more.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("more than any picture holds")
	}
	return l.Buffer.Write(p)
}

// parse reads what the process said, and reports whether it came to its end.
func parse(said []byte) (found []Found, whole bool) {
	for {
		var a answer
		n, err := binary.Decode(said, binary.NativeEndian, &a)
		if err != nil || a.Format == ended {
			return found, err == nil
		}
		said = said[n:]
		if int(a.Format) >= len(formats) || a.Text > mostText || a.Bytes > mostText || int(a.Text+a.Bytes) > len(said) {
			return found, false
		}
		f := Found{Format: formats[a.Format], Read: a.Read != 0, Confidence: 0.5}
		if f.Read {
			f.Confidence = 1
			f.Text, f.Bytes = string(said[:a.Text]), slices.Clone(said[a.Text:a.Text+a.Bytes])
		}
		said = said[a.Text+a.Bytes:]
		for i := range f.Quad {
			f.Quad[i] = schema.PointF{X: float32(a.Corners[2*i]), Y: float32(a.Corners[2*i+1])}
		}
		found = append(found, f)
	}
}

// distinct leaves each code once, read ones first, up to most of a format, and orders what is left.
func distinct(found []Found, most int) []Found {
	slices.SortStableFunc(found, func(a, b Found) int { return cmp.Compare(b.Confidence, a.Confidence) })
	var out []Found
	count := map[Format]int{}
	for _, f := range found {
		twice := slices.ContainsFunc(out, func(o Found) bool { return o.covers(f.centre()) || f.covers(o.centre()) })
		if twice || count[f.Format] == most {
			continue
		}
		count[f.Format]++
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Found) int {
		p, q := a.centre(), b.centre()
		return cmp.Or(cmp.Compare(p.Y, q.Y), cmp.Compare(p.X, q.X))
	})
	return out
}

func (f Found) centre() (c schema.PointF) {
	for _, p := range f.Quad {
		c.X, c.Y = c.X+p.X/4, c.Y+p.Y/4
	}
	return c
}

// Widened are the corners of the symbol, each moved away from its neighbours by that share of the side between them.
func (f Found) Widened(share float32) (out [4]schema.PointF) {
	q := f.Quad
	for i, p := range q {
		a, b := q[(i+1)%4], q[(i+3)%4]
		out[i] = schema.PointF{X: p.X + share*(2*p.X-a.X-b.X), Y: p.Y + share*(2*p.Y-a.Y-b.Y)}
	}
	return out
}

// covers reports whether p is within the upright box around f.
func (f Found) covers(p schema.PointF) bool {
	low, high := f.Box()
	return p.X >= low.X && p.X <= high.X && p.Y >= low.Y && p.Y <= high.Y
}

// Box returns the corners of the upright box around f.
func (f Found) Box() (topLeft, bottomRight schema.PointF) {
	topLeft, bottomRight = f.Quad[0], f.Quad[0]
	for _, p := range f.Quad[1:] {
		topLeft = schema.PointF{X: min(topLeft.X, p.X), Y: min(topLeft.Y, p.Y)}
		bottomRight = schema.PointF{X: max(bottomRight.X, p.X), Y: max(bottomRight.Y, p.Y)}
	}
	return topLeft, bottomRight
}

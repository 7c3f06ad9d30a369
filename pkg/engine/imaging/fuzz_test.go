package imaging

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/schema"
)

// fuzzDecoder lets one decoder read what follows magic, however damaged. The pictures are small, so that a minute is hundreds of
// thousands of files.
func fuzzDecoder(f *testing.F, magic string, repair func([]byte) []byte, seeds ...[]byte) {
	limits := Limits{Bytes: 1 << 14, Pixels: 1 << 12, Side: 1 << 8, Time: 5 * time.Second}
	for _, s := range seeds {
		f.Add(bytes.TrimPrefix(s, []byte(magic)))
	}
	f.Fuzz(func(t *testing.T, rest []byte) {
		data := append([]byte(magic), rest...)
		if repair != nil {
			data = repair(data)
		}
		file, err := Open(data, limits)
		if err == nil {
			if file.Memory() < 1 || file.Memory() > 1<<31 {
				t.Fatalf("a picture of at most %d pixels takes %d bytes", limits.Pixels, file.Memory())
			}
			var m *Image
			if m, _, err = file.Decode(t.Context()); err == nil {
				if w, h := file.Size(); m.Width != w || m.Height != h || w*h > limits.Pixels || len(m.Pix) != 3*w*h {
					t.Fatalf("%v with %d bytes, and the header says %d × %d", m, len(m.Pix), w, h)
				}
				return
			}
		}
		if schema.ReasonOf(err) == "" || schema.ClassOf(err) != schema.ClassPermanent {
			t.Fatalf("%v has no reason", err)
		}
	})
}

func FuzzDecodeJPEG(f *testing.F) {
	fuzzDecoder(f, "\xff\xd8\xff", nil, imagingtest.JPEG(imagingtest.Gradient(9, 9)), imagingtest.ProgressiveJPEG(9, 9, 3, 1),
		imagingtest.FlatJPEG(0xc0, 8, 9, 9, "", []int{60, -20, -40, 100}))
}

func FuzzDecodePNG(f *testing.F) {
	fuzzDecoder(f, "\x89PNG\r\n\x1a\n", withSums, imagingtest.PNG(imagingtest.Gradient(5, 4)), interlaced(imagingtest.PNG(imagingtest.Gradient(5, 4))))
}

func FuzzDecodeGIF(f *testing.F) { fuzzDecoder(f, "GIF89a", nil, imagingtest.AnimatedGIF(5, 4, 2)) }

func FuzzDecodeBMP(f *testing.F) {
	fuzzDecoder(f, "BM", nil, corpusFile(f, "bmp-rle8.bmp"), corpusFile(f, "bmp-16.bmp"))
}

func FuzzDecodeTIFF(f *testing.F) {
	fuzzDecoder(f, "II*\x00", nil, imagingtest.DeepTIFF(3, 2), corpusFile(f, "tiff-palette-of-8-bit-le.tif"))
}

func FuzzDecodeWebP(f *testing.F) {
	fuzzDecoder(f, "RIFF", nil, webpRed(), corpusFile(f, "webp-lossy-alpha.webp"))
}

// FuzzDecodeHEIC and FuzzDecodeAVIF run the libraries in their sandbox, which takes milliseconds. FuzzHEIF only reads the
// container.
func FuzzDecodeHEIC(f *testing.F) { fuzzDecoder(f, "", nil, corpusFile(f, "heic-420.heic")) }
func FuzzDecodeAVIF(f *testing.F) { fuzzDecoder(f, "", nil, corpusFile(f, "avif-420-limited.avif")) }

func FuzzHEIF(f *testing.F) {
	for _, name := range []string{"heic-420.heic", "heic-709-full-in-stream.heic", "heic-orientation-6.heic", "avif-420-limited.avif"} {
		f.Add(corpusFile(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := openHEIF(data)
		if err != nil {
			return
		}
		if h.orientation < 1 || h.orientation > 8 || h.memory.during < 1 && h.width > 0 && h.height > 0 && h.width < 1<<15 && h.height < 1<<15 {
			t.Fatalf("%+v", h)
		}
	})
}

// FuzzHEVC reads parameter sets.
func FuzzHEVC(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0x42, 0, 3}, 20))
	f.Fuzz(func(t *testing.T, data []byte) {
		hevcColour(data)
		spsColour(data)
	})
}

// withSums puts the check sums of a PNG's chunks right, which a damaged file would fail before anything else.
func withSums(data []byte) []byte {
	for rest := data[min(8, len(data)):]; len(rest) >= 12; {
		n := uint64(binary.BigEndian.Uint32(rest))
		if n+12 > uint64(len(rest)) {
			break
		}
		binary.BigEndian.PutUint32(rest[8+n:], crc32.ChecksumIEEE(rest[4:8+n]))
		rest = rest[12+n:]
	}
	return data
}

package imaging

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/gif"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"facestream/pkg/engine/imaging/imagingtest"
)

// TestMemory decodes pictures that take their decoders the most memory, and holds the most that was in use to what the header
// promised. Whether they can be read does not matter. It runs in a process of its own, whose collector stops the world: else what
// is already garbage counts where a collection began before.
func TestMemory(t *testing.T) {
	if !imagingtest.Exact(t) {
		return
	}
	const width, height = 1000, 700
	colours := imagingtest.Gradient(width, height)
	encoded := func(encode func(*bytes.Buffer) error) []byte {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	claim := func(name string, w, h uint32) []byte {
		data := corpusFile(t, name)
		at := bytes.Index(data, []byte("ispe")) + 8
		binary.BigEndian.PutUint32(data[at:], w)
		binary.BigEndian.PutUint32(data[at+4:], h)
		return data
	}
	for name, data := range map[string][]byte{
		"jpeg":                  imagingtest.JPEG(colours),
		"jpeg, upside down":     imagingtest.WithEXIF(imagingtest.JPEG(colours), 6),
		"jpeg, grey":            imagingtest.FlatJPEG(0xc0, 8, width, height, "", []int{0}),
		"jpeg, cmyk":            imagingtest.FlatJPEG(0xc0, 8, 1000, 600, "", []int{0, 0, 0, 0}),
		"jpeg, progressive":     imagingtest.ProgressiveJPEG(width, height, 3, 3),
		"jpeg, lenient":         restarting(imagingtest.ProgressiveJPEG(width, height, 3, 3)),
		"jpeg, four channels":   imagingtest.ProgressiveJPEG(width, height, 4, 3),
		"png, 16 bits":          imagingtest.PNG(image.NewNRGBA64(image.Rect(0, 0, width, height))),
		"png, 8 bits":           imagingtest.PNG(colours),
		"png, interlaced":       interlaced(imagingtest.PNG(image.NewNRGBA64(image.Rect(0, 0, width, height)))),
		"gif":                   encoded(func(b *bytes.Buffer) error { return gif.Encode(b, colours, nil) }),
		"bmp":                   encoded(func(b *bytes.Buffer) error { return bmp.Encode(b, colours) }),
		"tiff, 16 bits":         imagingtest.DeepTIFF(2*width, height),
		"tiff, deflate":         encoded(func(b *bytes.Buffer) error { return tiff.Encode(b, colours, &tiff.Options{Compression: tiff.Deflate}) }),
		"tiff, uncompressed":    encoded(func(b *bytes.Buffer) error { return tiff.Encode(b, colours, nil) }),
		"tiff, three planes":    corpusFile(t, "tiff-planar-lzw-be.tif"),
		"webp, lossless":        losslessWebP(width, height),
		"webp, lossy":           corpusFile(t, "webp-lossy.webp"),
		"webp, lossy and alpha": corpusFile(t, "webp-lossy-alpha.webp"),
		"heic":                  claim("heic-420.heic", width, height),
		"heic, 4:4:4":           claim("heic-709-limited.heic", width, height),
		"avif":                  claim("avif-420-limited.avif", width, height),
	} {
		if imagingtest.Race && (strings.HasPrefix(name, "heic") || strings.HasPrefix(name, "avif")) {
			continue // the detector makes compiling the libraries slow, and their memory is what was promised
		}
		f, err := Open(data, Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.header.running != nil { // the library is compiled once
			if _, _, err := Decode(t.Context(), corpusFile(t, "heic-420.heic"), Limits{}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := Decode(t.Context(), corpusFile(t, "avif-420-limited.avif"), Limits{}); err != nil {
				t.Fatal(err)
			}
		}
		promised := f.Memory()
		taken, allocated := imagingtest.Peak(func() {
			_, _, err = f.Decode(t.Context())
			f.Wait()
		})
		taken = min(taken, allocated) // what is more was not taken by this
		if err != nil {
			t.Logf("%s: %v", name, err)
		}
		t.Logf("%-22s %5d kB took %7.1f MB of %7.1f promised, and allocated %7.1f", name, len(data)/1000, float64(taken)/1e6, float64(promised)/1e6, float64(allocated)/1e6)
		if promised > 2*allocated+3e6 {
			t.Errorf("%s: the header promised %d bytes, and no more than %d were allocated", name, promised, allocated)
		}
		if imagingtest.Race { // under which the collector finds less
			promised += promised / 5
		}
		if imagingtest.Race && strings.HasPrefix(name, "tiff") {
			promised += promised / 2
		}
		if taken > promised {
			t.Errorf("%s took %d bytes, and the header promised at most %d", name, taken, promised)
		}
	}
}

// interlaced marks a PNG as interlaced. Its first passes can be read, as its pixels are all the same.
func interlaced(data []byte) []byte {
	return withIHDR(data, 28, 1)
}

// losslessWebP is a lossless WebP of one colour, which takes no bits a pixel.
func losslessWebP(width, height int) []byte {
	data := webpRed()
	size := uint32(width-1) | uint32(height-1)<<14
	at := bytes.Index(data, []byte("VP8L")) + 9
	for i := range 28 {
		bit := byte(size >> i & 1)
		data[at+i/8] = data[at+i/8]&^(1<<(i%8)) | bit<<(i%8)
	}
	return data
}

// withIHDR changes a byte of a PNG's header and its sum.
func withIHDR(data []byte, at int, value byte) []byte {
	data = bytes.Clone(data)
	data[at] = value
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

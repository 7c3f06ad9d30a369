package imaging

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/schema"
)

func TestDecodeHostile(t *testing.T) {
	for _, c := range imagingtest.Hostile() {
		t.Run(c.Name, func(t *testing.T) {
			start := time.Now()
			m, info, err := Decode(t.Context(), c.Data, Limits{})
			if got := schema.ReasonOf(err); got != c.WantReason {
				t.Fatalf("reason %q (%v), want %q", got, err, c.WantReason)
			}
			if c.WantReason != "" {
				if m != nil || schema.ClassOf(err) != schema.ClassPermanent {
					t.Fatalf("image %v, class %v beside the error", m, schema.ClassOf(err))
				}
				if d := time.Since(start); d > time.Second {
					t.Errorf("refused after %v: the pixels were paid for", d)
				}
				return
			}
			if len(m.Pix) != 3*m.Width*m.Height || m.Width < 1 || info.Format == "" {
				t.Fatalf("%v with %d bytes, %+v", m, len(m.Pix), info)
			}
		})
	}
}

func TestDecodeRefusesEveryCutJPEG(t *testing.T) {
	whole := imagingtest.JPEG(imagingtest.Gradient(20, 20))
	for n := range len(whole) - 2 { // the last two bytes are the end marker, without which nothing is lost
		if m, _, err := Decode(t.Context(), whole[:n], Limits{}); schema.ReasonOf(err) != schema.ReasonImageUnreadable {
			t.Fatalf("cut at %d of %d bytes: %v, %v", n, len(whole), m, err)
		}
	}
}

// TestDecodeNamesEncryptedFiles: who encrypts a picture learns that it is the encryption that is not supported.
func TestDecodeNamesEncryptedFiles(t *testing.T) {
	behind := string(imagingtest.JPEG(imagingtest.Gradient(20, 20))) // never looked for
	for _, head := range []string{
		"age-encryption.org/v1\n-> X25519 ", "age-encryption.org/v1\n-> mlkem768x25519 ", "-----BEGIN AGE ENCRYPTED FILE-----\n", "-----BEGIN PGP MESSAGE-----\n\n",
		"Salted__\x00\x01\x02\x03\x04\x05\x06\x07",
	} {
		for _, data := range []string{head, head + behind} {
			m, _, err := Decode(t.Context(), []byte(data), Limits{})
			if m != nil || schema.ReasonOf(err) != schema.ReasonImageUnreadable || schema.ClassOf(err) != schema.ClassPermanent || !strings.Contains(err.Error(), "encrypted") {
				t.Errorf("%q, %d bytes: got %v, %v; want a permanent image_unreadable that says the file is encrypted", head, len(data), m, err)
			}
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	data := imagingtest.PNG(imagingtest.Gradient(40, 30))
	for _, c := range []struct {
		name   string
		limits Limits
		want   schema.Reason
	}{
		{"exactly", Limits{Bytes: len(data), Pixels: 1200, Side: 40}, ""},
		{"bytes", Limits{Bytes: len(data) - 1}, schema.ReasonImageTooLarge},
		{"pixels", Limits{Pixels: 1199}, schema.ReasonImageTooLarge},
		{"side", Limits{Side: 39}, schema.ReasonImageTooLarge},
	} {
		if _, _, err := Decode(t.Context(), data, c.limits); schema.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want reason %q", c.name, err, c.want)
		}
	}
}

// TestDecodeManyScans: a small file with scans for minutes of work is refused by its header, one with as many as encoders write
// is read, and so is a small picture with many.
func TestDecodeManyScans(t *testing.T) {
	for _, c := range []struct {
		width, height, scans int
		want                 schema.Reason
	}{
		{4000, 4000, 100, schema.ReasonImageUnreadable},
		{4000, 4000, 30, schema.ReasonImageUnreadable},
		{1200, 900, 10, ""},
		{400, 300, 400, ""},
	} {
		data := imagingtest.ProgressiveJPEG(c.width, c.height, 1, c.scans)
		start := time.Now()
		_, _, err := Decode(t.Context(), data, Limits{})
		if schema.ReasonOf(err) != c.want || err != nil && !strings.Contains(err.Error(), "scans") {
			t.Errorf("%d × %d, %d scans: %v, want %q", c.width, c.height, c.scans, err, c.want)
		}
		if d := time.Since(start); c.want != "" && d > 5*time.Second { // decoding takes longer
			t.Errorf("%d × %d, %d scans: refused after %v", c.width, c.height, c.scans, d)
		}
	}
}

// TestDecodeStops: decoding ends soon after its time, with an answer, whatever the format. The files are those that keep the
// decoders busy longest.
func TestDecodeStops(t *testing.T) {
	for name, data := range map[string][]byte{
		"progressive": imagingtest.ProgressiveJPEG(3000, 3000, 1, 6),
		"lenient":     restarting(imagingtest.ProgressiveJPEG(1500, 1500, 3, 1)),
		"png":         imagingtest.PNG(image.NewNRGBA64(image.Rect(0, 0, 1500, 1500))),
		"tiff":        imagingtest.DeepTIFF(2500, 2500),
		"gif":         imagingtest.AnimatedGIF(2500, 2500, 1),
		"heic":        corpusFile(t, "heic-420.heic"),
		"avif":        corpusFile(t, "avif-420-limited.avif"),
	} {
		limit := time.Millisecond
		if name == "heic" || name == "avif" {
			limit = time.Nanosecond // they are small
		}
		f, err := Open(data, Limits{Time: limit})
		if err != nil {
			t.Fatal(name, err)
		}
		start := time.Now()
		_, _, err = f.Decode(t.Context())
		if schema.ReasonOf(err) != schema.ReasonImageUnreadable || !strings.Contains(err.Error(), "takes longer than") {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, time.Since(start))
		if d := time.Since(start); d > 10*time.Second { // a thousandth of it where nothing else runs
			t.Errorf("%s: stopped after %v", name, d)
		}
		f.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		if _, _, err := Decode(ctx, data, Limits{}); schema.ClassOf(err) != schema.ClassTransient {
			t.Errorf("%s, where the caller left: %v", name, err)
		}
		cancel()
	}
}

// corpusFile reads a file of testdata/corpus.
func corpusFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/corpus", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// restarting puts a restart interval into a JPEG that has no restart markers, which only the lenient decoder reads.
func restarting(jpeg []byte) []byte {
	return append(append(append([]byte{}, jpeg[:2]...), "\xff\xdd\x00\x04\xff\xff"...), jpeg[2:]...)
}

func TestDecodeTwelveBitsSaysTheWayOut(t *testing.T) {
	_, _, err := Decode(t.Context(), imagingtest.FlatJPEG(0xc1, 12, 8, 8, "", []int{0}), Limits{})
	if err == nil || !strings.Contains(err.Error(), "12 bits") {
		t.Errorf("%v does not name the cause", err)
	}
}

// TestMessages: whatever is wrong with a file, the message says what to do.
func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			broken := bytes.Clone(data)
			if random.IntN(2) == 0 {
				broken = broken[:random.IntN(len(broken))]
			} else {
				for range 8 {
					broken[random.IntN(len(broken))] = byte(random.Uint32())
				}
			}
			_, _, err := Decode(t.Context(), broken, Limits{Pixels: 1e5})
			if err == nil || schema.ReasonOf(err) == schema.ReasonImageTooLarge || len(broken) == 0 {
				continue
			}
			if m := schema.MessageOf(err); !slices.ContainsFunc([]string{"send", "save", "export", "formats that are read", "decode its"}, func(way string) bool { return strings.Contains(m, way) }) {
				t.Errorf("%s: %s", file, m)
			}
		}
	}
}

func TestDecodeCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := Decode(ctx, imagingtest.PNG(imagingtest.Gradient(4, 4)), Limits{})
	if schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want a transient error", err)
	}
}

// The formats and pixel types must agree with the standard library's slow way: At, over white.
func TestDecodePixels(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(m image.Image, pix []byte) image.Image {
		for i := range pix {
			pix[i] = byte(random.Uint32())
		}
		return m
	}
	r := image.Rect(0, 0, 13, 7)
	images := map[string]image.Image{}
	gray, gray16 := image.NewGray(r), image.NewGray16(r)
	nrgba, nrgba64 := image.NewNRGBA(r), image.NewNRGBA64(r)
	cmyk := image.NewCMYK(r)
	images["gray"], images["gray16"] = noise(gray, gray.Pix), noise(gray16, gray16.Pix)
	images["nrgba"], images["nrgba64"], images["cmyk"] = noise(nrgba, nrgba.Pix), noise(nrgba64, nrgba64.Pix), noise(cmyk, cmyk.Pix)
	rgba, rgba64 := image.NewRGBA(r), image.NewRGBA64(r)
	for y := range r.Dy() {
		for x := range r.Dx() {
			rgba.Set(x, y, nrgba.At(x, y))
			rgba64.Set(x, y, nrgba64.At(x, y))
		}
	}
	images["rgba"], images["rgba64"] = rgba, rgba64
	palette := image.NewPaletted(r, color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{200, 100, 50, 128}, color.NRGBA{}})
	for i := range palette.Pix {
		palette.Pix[i] = uint8(i % 3)
	}
	images["paletted"] = palette
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	} {
		m := image.NewNYCbCrA(r, ratio)
		noise(m, m.Y)
		noise(m, m.Cb)
		noise(m, m.Cr)
		noise(m, m.A)
		images["ycbcr "+ratio.String()], images["ycbcra "+ratio.String()] = &m.YCbCr, m
		// A part of a picture starts inside a chroma block.
		images["part of ycbcr "+ratio.String()] = m.YCbCr.SubImage(image.Rect(3, 1, 12, 6))
	}
	images["any other"] = struct{ image.Image }{nrgba}
	for name, m := range images {
		got := fromGo(m, 13, 7)
		for y := range 7 {
			for x := range 13 {
				want := [3]byte{255, 255, 255}
				if image.Pt(x, y).In(m.Bounds()) {
					r, g, b, a := m.At(x, y).RGBA()
					for c, v := range []uint32{r, g, b} {
						want[c] = byte((v + 0xffff - a) >> 8)
					}
				}
				for c := range 3 {
					if d := int(got.Pix[3*(13*y+x)+c]) - int(want[c]); d < -1 || d > 1 {
						t.Errorf("%s at (%d,%d): %v, want %v within 1", name, x, y, got.Pix[3*(13*y+x):][:3], want)
						break
					}
				}
			}
		}
	}
}

func TestDecodeFormats(t *testing.T) {
	m := imagingtest.Gradient(20, 10)
	want := fromGo(m, 20, 10)
	var b, tf bytes.Buffer
	if err := errors.Join(bmp.Encode(&b, m), tiff.Encode(&tf, m, &tiff.Options{Compression: tiff.Deflate, Predictor: true})); err != nil {
		t.Fatal(err)
	}
	for format, data := range map[Format][]byte{PNG: imagingtest.PNG(m), BMP: b.Bytes(), TIFF: tf.Bytes()} {
		got, info, err := Decode(t.Context(), data, Limits{})
		if err != nil || info.Format != format || !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("%s: %v %+v %v", format, got, info, err)
		}
	}
	// 1 × 1 lossless WebP of opaque red (no encoder is at hand): a VP8L image whose five prefix codes have one symbol each.
	got, info, err := Decode(t.Context(), webpRed(), Limits{})
	if err != nil || info.Format != WebP || !bytes.Equal(got.Pix, []byte{255, 0, 0}) {
		t.Errorf("webp: %v %+v %v", got, info, err)
	}
}

// webpRed packs the bits of RFC 9649, section 3: signature, 14 + 14 bits of size, alpha and version, no transform, no
// colour cache, no meta codes, then simple codes for green 0, red 255, blue 0, alpha 255, distance 0.
func webpRed() []byte {
	bits := "00000000000000" + "00000000000000" + "0" + "000" + "0" + "0" + "0" +
		"1" + "0" + "0" + "0" + // green: simple, one symbol, of one bit, 0
		"1" + "0" + "1" + "11111111" + // red: simple, one symbol, of eight bits, 255
		"1" + "0" + "0" + "0" + // blue
		"1" + "0" + "1" + "11111111" + // alpha
		"1" + "0" + "0" + "0" // distance
	body := []byte{0x2f}
	for len(bits) > 0 {
		n := min(8, len(bits))
		var v byte
		for i, c := range bits[:n] {
			v |= byte(c-'0') << i
		}
		body, bits = append(body, v), bits[n:]
	}
	return riff("VP8L", body)
}

func riff(kind string, body []byte) []byte {
	size := len(body)
	if size%2 == 1 {
		body = append(body, 0)
	}
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(12+len(body)))
	out = binary.LittleEndian.AppendUint32(append(out, "WEBP"+kind...), uint32(size))
	return append(out, body...)
}

func TestDecodeWebPBeyondTheFile(t *testing.T) {
	data := webpRed()
	binary.LittleEndian.PutUint32(data[4:], 1<<31-16)
	binary.LittleEndian.PutUint32(data[16:], 1<<31-64)
	if _, _, err := Decode(t.Context(), data, Limits{}); schema.ReasonOf(err) != schema.ReasonImageUnreadable {
		t.Errorf("%v, want image_unreadable", err)
	}
}

func TestDecodeFlatColours(t *testing.T) {
	// FlatJPEG's levels are distances from 128; Adobe stores CMYK inverted.
	for _, c := range []struct {
		name   string
		levels []int
		want   [3]byte
	}{
		{"JPEG, grey", []int{60}, [3]byte{188, 188, 188}},
		{"JPEG, CMYK", []int{60, -20, -40, 100}, [3]byte{188 * 228 / 255, 108 * 228 / 255, 88 * 228 / 255}},
	} {
		for _, h := range imagingtest.Hostile() {
			if h.Name != c.name {
				continue
			}
			m, _, err := Decode(t.Context(), h.Data, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range m.Pix {
				if d := int(v) - int(c.want[i%3]); d < -1 || d > 1 {
					t.Fatalf("%s: %v, want %v", c.name, m.Pix[:3], c.want)
				}
			}
		}
	}
}

func TestDecodeOrientation(t *testing.T) {
	// Quarters of red, green, blue and white, as large as JPEG blocks so that they keep their colours.
	stored := image.NewNRGBA(image.Rect(0, 0, 64, 32))
	for y := range 32 {
		for x := range 64 {
			stored.Set(x, y, [2][2]color.Color{
				{color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}},
				{color.NRGBA{0, 0, 255, 255}, color.NRGBA{255, 255, 255, 255}},
			}[y/16][x/32])
		}
	}
	// The four corners of the upright picture, row by row.
	want := map[uint16]string{
		0: "RGBW", 1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB", 9: "RGBW",
	}
	for orientation, corners := range want {
		exif := imagingtest.EXIF(binary.BigEndian, orientation)
		png := imagingtest.PNG(stored)
		chunk := binary.BigEndian.AppendUint32(nil, uint32(len(exif)))
		chunk = append(append(chunk, "eXIf"...), exif...)
		chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
		for name, data := range map[string][]byte{
			"jpeg": imagingtest.WithEXIF(imagingtest.JPEG(stored), orientation),
			"png":  append(append(append([]byte{}, png[:33]...), chunk...), png[33:]...),
		} {
			m, info, err := Decode(t.Context(), data, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if turned := orientation >= 5 && orientation <= 8; turned != (m.Width == 32) {
				t.Errorf("%s, orientation %d: %v", name, orientation, m)
			}
			got := ""
			for _, y := range []int{2, m.Height - 3} {
				for _, x := range []int{2, m.Width - 3} {
					p := m.Pix[3*(y*m.Width+x):]
					switch {
					case p[0] > 200 && p[1] > 200:
						got += "W"
					case p[0] > 200:
						got += "R"
					case p[1] > 200:
						got += "G"
					default:
						got += "B"
					}
				}
			}
			if diff := cmp.Diff(corners, got); diff != "" || info.Orientation < 1 || info.Orientation > 8 {
				t.Errorf("%s, orientation %d: %s", name, orientation, diff)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range imagingtest.Hostile() {
		if len(c.Data) < 1<<14 {
			f.Add(c.Data)
		}
	}
	f.Add(webpRed())
	var b, tf bytes.Buffer
	if err := errors.Join(bmp.Encode(&b, imagingtest.Gradient(5, 4)), tiff.Encode(&tf, imagingtest.Gradient(5, 4), &tiff.Options{Compression: tiff.Deflate})); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(tf.Bytes())
	f.Add(imagingtest.WithEXIF(imagingtest.JPEG(imagingtest.Gradient(16, 16)), 6))
	files, err := filepath.Glob("testdata/corpus/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	limits := Limits{Bytes: 1 << 16, Pixels: 1 << 16, Side: 1 << 10}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, _, err := Decode(t.Context(), data, limits)
		if err != nil {
			if m != nil || schema.ReasonOf(err) == "" {
				t.Fatalf("%v beside %v", m, err)
			}
			return
		}
		if m.Width < 1 || m.Height < 1 || m.Width*m.Height > limits.Pixels || len(m.Pix) != 3*m.Width*m.Height {
			t.Fatalf("%v with %d bytes", m, len(m.Pix))
		}
	})
}

func FuzzEXIFOrientation(f *testing.F) {
	f.Add(imagingtest.EXIF(binary.LittleEndian, 6))
	f.Add(imagingtest.EXIF(binary.BigEndian, 8))
	f.Add([]byte("II*\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o := exifOrientation(b); o < 1 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"jpeg-1600x1200", imagingtest.JPEG(imagingtest.Gradient(1600, 1200))},
		{"png-1600x1200", imagingtest.PNG(imagingtest.Gradient(1600, 1200))},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(1600 * 1200 * 3)
			for b.Loop() {
				if _, _, err := Decode(b.Context(), c.data, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

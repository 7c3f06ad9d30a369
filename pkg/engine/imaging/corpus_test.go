package imaging

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facestream/pkg/schema"
)

// corpusCase is an entry of the cases.json that testdata/corpus.py writes, which says what the fields mean.
type corpusCase struct {
	File, Expected, Refused string
	Mean                    float64
	Max                     int
	Damaged                 bool
}

// TestCorpus decodes drawn pictures in every format and compares them with what other decoders make of them.
func TestCorpus(t *testing.T) { testCorpus(t, "testdata/corpus") }

// TestWholeCorpus is TestCorpus with hundreds of pictures, which need Python to be made.
func TestWholeCorpus(t *testing.T) {
	folder := os.Getenv("FACESTREAM_IMAGES")
	if folder == "" {
		t.Skip("SKIPPED: FACESTREAM_IMAGES names no folder; `make test-imaging` makes one")
	}
	testCorpus(t, folder)
}

func testCorpus(t *testing.T, folder string) {
	list, err := os.ReadFile(filepath.Join(folder, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []corpusCase
	if err := json.Unmarshal(list, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, c := range cases {
		t.Run(c.File, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(folder, c.File))
			if err != nil {
				t.Fatal(err)
			}
			m, info, err := Decode(t.Context(), data, Limits{})
			if c.Refused != "" {
				if schema.ReasonOf(err) != schema.ReasonImageUnreadable || !strings.Contains(err.Error(), c.Refused) {
					t.Fatalf("%v, %v; want it refused with %q", m, err, c.Refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Damaged != (info.Damage != "") {
				t.Errorf("damage %q, want some: %v", info.Damage, c.Damaged)
			}
			want := readExpected(t, filepath.Join(folder, c.Expected))
			c.compare(t, m, want)
			if info.Format == JPEG {
				c.compareEach(t, data, want)
			}
		})
	}
}

// compare holds m to what is expected.
func (c corpusCase) compare(t *testing.T, m, want *Image) {
	t.Helper()
	if m.Width != want.Width || m.Height != want.Height {
		t.Fatalf("%v, want %v", m, want)
	}
	sum, most := 0, 0
	for i, v := range m.Pix {
		d := max(int(v)-int(want.Pix[i]), int(want.Pix[i])-int(v))
		sum, most = sum+d, max(most, d)
	}
	if mean := float64(sum) / float64(len(m.Pix)); mean > c.Mean || most > c.Max {
		t.Errorf("the mean difference is %.2f and the largest %d, of 255; at most %.2f and %d are allowed", mean, most, c.Mean, c.Max)
	}
}

// compareEach holds each decoder that takes the JPEG to what is expected, also those that are asked only where another refuses. The
// lenient one takes all.
func (c corpusCase) compareEach(t *testing.T, data []byte, want *Image) {
	t.Helper()
	f, err := readJPEG(data)
	if err != nil {
		t.Fatal(err)
	}
	for n, by := range jpegDecoders {
		m, _, err := f.read(t.Context(), by)
		if err == nil {
			c.compare(t, orient(fromGo(m, f.width, f.height), f.orientation), want)
		} else if n == len(jpegDecoders)-1 {
			t.Fatal(err)
		}
	}
}

// readExpected reads a PNG of 8-bit RGB without this package's code.
func readExpected(t *testing.T, path string) *Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	rgba, ok := m.(*image.RGBA)
	if !ok {
		t.Fatalf("%s is a %T", path, m)
	}
	out := New(m.Bounds().Dx(), m.Bounds().Dy())
	for i := range out.Width * out.Height {
		copy(out.Pix[3*i:3*i+3], rgba.Pix[4*i:])
	}
	return out
}

// TestCases decodes the files that strangers found faults with, and looks at each for what a person would see.
func TestCases(t *testing.T) {
	const folder = "../../../../shared/cases"
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("SKIPPED: %v; testdata/corpus has a smaller picture of each kind", err)
	}
	decode := func(name string) (*Image, Info, error) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return Decode(t.Context(), data, Limits{})
	}
	// The same person, before the same background, is in all but the last two.
	sound, _, err := decode("jpeg-huffman-table-2.jpg")
	if err != nil {
		t.Fatal(err)
	}
	exposed, _, err := decode("overexposed.png")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		want    *Image
		mean    float64
		damaged bool
	}{
		"jpeg-mjpeg-frame-without-dht.jpg":           {sound, 0, false},
		"jpeg-one-rst-lost.jpg":                      {sound, 0.1, true},
		"jpeg-sampling-2x2-1x1-1x2.jpg":              {sound, 1, false},
		"jpeg-cmyk-without-adobe.jpg":                {sound, 2, false},
		"jpeg-without-eoi.jpg":                       {sound, 0, true},
		"bmp32-v5-unused-byte-0.bmp":                 {sound, 3, false},
		"planar-separate-tiled.tif":                  {sound, 3, false},
		"overexposed.webp":                           {exposed, 2, false},
		"closeup-2.jpg":                              {nil, 0, false},
		"closeup-2-small.jpg":                        {nil, 0, false},
		"sideways-picture-beside-upright-person.jpg": {nil, 0, false},
	} {
		m, info, err := decode(name)
		if err != nil || c.damaged != (info.Damage != "") {
			t.Errorf("%s: damage %q, %v", name, info.Damage, err)
			continue
		}
		if c.want == nil {
			continue
		}
		want := c.want.Resize(m.Width, m.Height)
		sum := 0
		for i, v := range m.Pix {
			sum += max(int(v)-int(want.Pix[i]), int(want.Pix[i])-int(v))
		}
		if mean := float64(sum) / float64(len(m.Pix)); mean > c.mean {
			t.Errorf("%s: the mean difference is %.2f of 255, at most %.1f is allowed", name, mean, c.mean)
		}
	}
}

package eval

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/mrz"
)

// drawnPage is a picture of a document that nobody has.
type drawnPage struct {
	lines   []string // of its zone
	picture *imaging.Image
}

// pageScale is the resolution at which pages are drawn, in pixels for a millimetre.
const pageScale = 12.

// The print of a zone: the characters' distance, 10 to an inch, and that of the lines, in millimetres (ICAO Doc 9303-3 section 4.4).
const (
	zonePitch   = 2.54
	zoneLeading = 6.35
)

// readFont reads an OpenType file of OCR-B. Of fonts-ocr-b it is OCRBS.otf: the Go library cannot draw all characters of the others.
func readFont(path string) (*opentype.Font, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w; Debian's package fonts-ocr-b has one", err)
	}
	f, err := opentype.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// drawPage draws the document of a seed and photographs it: aslant, small or large, out of focus, noisy, compressed. The formats take
// turns.
func drawPage(seed uint64, f *opentype.Font) (*drawnPage, error) {
	d := zoneDice{rand.New(rand.NewPCG(seed, 0x3A2))}
	format := mrz.TD1 + mrz.Format(seed%5)
	lines, err := mrz.Generate(d.document(format))
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", seed, err)
	}
	width, height := 125., 88. // mm
	switch format {
	case mrz.TD1:
		width, height = 85.6, 53.98
	case mrz.TD2, mrz.MRVB:
		width, height = 105, 74
	}
	w, h := int(width*pageScale), int(height*pageScale)
	page := image.NewRGBA(image.Rect(0, 0, w, h))
	d.paper(page)
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: 100, DPI: 72})
	if err != nil {
		return nil, err
	}
	for _, c := range strings.Join(lines, "") {
		if _, _, ok := face.GlyphBounds(c); !ok {
			return nil, fmt.Errorf("the character %q of the font cannot be drawn", c)
		}
	}
	advance, _ := face.GlyphAdvance('0')
	if face, err = opentype.NewFace(f, &opentype.FaceOptions{Size: 100 * zonePitch * pageScale / (float64(advance) / 64), DPI: 72}); err != nil {
		return nil, err
	}
	ink := uint8(d.IntN(70))
	write := func(text string, left, base float64) {
		drawer := font.Drawer{Dst: page, Src: image.NewUniform(color.RGBA{ink, ink, ink, 255}), Face: face}
		for i, r := range text { // each character stands by itself, as printers set them
			drawer.Dot = fixed.Point26_6{X: fixed.Int26_6((left + float64(i)*zonePitch) * pageScale * 64), Y: fixed.Int26_6(base * pageScale * 64)}
			drawer.DrawString(string(r))
		}
	}
	left := (width - zonePitch*float64(len(lines[0]))) / 2
	for i, line := range lines {
		write(line, left, height-5-zoneLeading*float64(len(lines)-1-i))
	}
	for row := range 3 { // of the visual zone
		write(strings.ReplaceAll(d.words(12), "<", " "), 0.4*width, 9+float64(row)*9)
	}
	return &drawnPage{lines: lines, picture: d.photograph(imageOf(page), width)}, nil
}

func imageOf(m *image.RGBA) *imaging.Image {
	out := imaging.New(m.Rect.Dx(), m.Rect.Dy())
	for i := range out.Width * out.Height {
		copy(out.Pix[3*i:3*i+3], m.Pix[4*i:4*i+3])
	}
	return out
}

// zoneDice draws what documents say and how they are photographed.
type zoneDice struct{ *rand.Rand }

func (d zoneDice) in(a, b float64) float64 { return a + (b-a)*d.Float64() }

func (d zoneDice) text(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[d.IntN(len(alphabet))]
	}
	return string(b)
}

// words are letters with single spaces, at most so many.
func (d zoneDice) words(most int) string {
	text := d.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 2+d.IntN(7))
	for d.IntN(2) == 0 {
		text += " " + d.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 2+d.IntN(7))
	}
	return strings.TrimSpace(text[:min(len(text), most)])
}

func (d zoneDice) document(format mrz.Format) mrz.Document {
	const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	states := []mrz.State{"UTO", "D", "FRA", "BRA", "IND", "JPN", "NOR", "ZAF", "XOM", "CHE", "NZL", "GBR"}
	doc := mrz.Document{
		Format: format, Code: map[mrz.Format]string{mrz.TD1: "I", mrz.TD2: "ID", mrz.TD3: "P", mrz.MRVA: "V", mrz.MRVB: "V"}[format],
		Issuer: states[d.IntN(len(states))], Nationality: states[d.IntN(len(states))], Number: d.text(alphanumeric, 6+d.IntN(4)),
		Name:  mrz.Name{Primary: d.words(12), Secondary: d.words(12)},
		Birth: mrz.Date{Year: 1940 + d.IntN(80), Month: 1 + d.IntN(12), Day: 1 + d.IntN(28)}, Expiry: mrz.Date{Year: 2020 + d.IntN(20), Month: 1 + d.IntN(12), Day: 1 + d.IntN(28)},
		Sex: []mrz.Sex{mrz.SexFemale, mrz.SexMale, mrz.SexUnspecified}[d.IntN(3)],
	}
	if d.IntN(2) == 0 {
		doc.Optional = d.text(alphanumeric, 1+d.IntN(7))
	}
	return doc
}

// paper fills a page with a tint and fine lines that swing.
func (d zoneDice) paper(m *image.RGBA) {
	tint := [3]float64{d.in(170, 250), d.in(170, 250), d.in(170, 250)}
	depth, pitch, waves := d.in(0, 40), d.in(8, 30), d.in(20, 90)
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			dark := depth * max(math.Sin((float64(y)+waves*math.Sin(float64(x)/waves))/pitch*2*math.Pi), 0)
			m.SetRGBA(x, y, color.RGBA{uint8(tint[0] - dark), uint8(tint[1] - dark), uint8(tint[2] - dark/2), 255})
		}
	}
}

// photograph shows a page whose width is that many millimetres: its characters are 9 to 20 pixels apart.
func (d zoneDice) photograph(page *imaging.Image, width float64) *imaging.Image {
	across := d.in(9, 20) / zonePitch * width // pixels
	down := across * float64(page.Height) / float64(page.Width)
	margin := d.in(0.03, 0.2) * across
	turn := d.in(-0.26, 0.26)
	sin, cos := math.Sincos(turn)
	side := math.Hypot(across, down)/2 + margin
	corners := [4][2]float64{}
	for i, c := range [4][2]float64{{-1, -1}, {1, -1}, {1, 1}, {-1, 1}} {
		x, y := c[0]*across/2+d.in(-0.03, 0.03)*across, c[1]*down/2+d.in(-0.03, 0.03)*across
		corners[i] = [2]float64{side + x*cos - y*sin, side + x*sin + y*cos}
	}
	w, h := float64(page.Width), float64(page.Height)
	onto, _ := imaging.NewProjective(corners, [4][2]float64{{0, 0}, {w, 0}, {w, h}, {0, h}})
	table := imaging.RGB{uint8(d.IntN(160)), uint8(d.IntN(160)), uint8(d.IntN(160))}
	m := page.WarpProjective(onto, int(2*side), int(2*side), table)
	if deviation := d.in(-0.3, 1.2); deviation > 0.2 {
		m = blurred(m, deviation)
	}
	return compressed(noisy(m, d.in(0, 12)), d.in(40, 95))
}

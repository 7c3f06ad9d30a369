package drawn

import (
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Specimen is what a document of a drawn person says. The document has the word SPECIMEN across it, and no state issues it.
type Specimen struct {
	Passport bool     // a passport's page of 125 × 88 mm, else a card of 85.6 × 53.98 mm
	Title    string   // the heading
	Lines    []string // beside the portrait, up to 6
	Zone     []string // the machine-readable zone; nil: none
}

// The print of a zone: the characters' distance, 10 to an inch, and that of the lines, in millimetres (ICAO Doc 9303-3 section 4.4).
const (
	zonePitch   = 2.54
	zoneLeading = 6.35
)

// Page returns the document of p with that portrait, upright and cut out, at 8 pixels a millimetre.
func (p Person) Page(portrait Shot, s Specimen) (*image.RGBA, error) {
	d := dice{rand.New(rand.NewPCG(uint64(len(s.Title)), 0x5BEC))}
	page := d.blank(s.Passport)
	w, h := float64(page.Rect.Dx()), float64(page.Rect.Dy())
	ink, pale := image.NewUniform(color.RGBA{30, 34, 52, 255}), image.NewUniform(color.RGBA{170, 60, 70, 255})
	put := &printer{page: page}
	size := 0.44 * h
	left, top := 0.05*w, 0.17*h
	picture := Render(p, portrait, int(size))
	draw.Draw(page, image.Rect(int(left), int(top), int(left+0.8*size), int(top+size)), picture, image.Pt(int(size/10), 0), draw.Src)
	put.text(gobold.TTF, s.Title, left, 0.11*h, 0.06*h, ink)
	put.text(gobold.TTF, "SPECIMEN", 0.55*w, 0.11*h, 0.075*h, pale)
	for i, line := range s.Lines {
		put.text(goregular.TTF, line, left+0.9*size, top+size*(float64(i)+0.7)/6, size/9, ink)
	}
	for i, line := range s.Zone {
		base := h - (4.5+zoneLeading*float64(len(s.Zone)-1-i))*paperPixels
		start := (w - zonePitch*paperPixels*float64(len(line))) / 2
		for k, c := range line { // each character stands by itself, as printers set them
			put.text(gomono.TTF, string(c), start+zonePitch*paperPixels*float64(k), base, zonePitch*paperPixels/0.6, ink)
		}
	}
	return page, put.err
}

// blank is an empty page with fine lines that swing.
func (d dice) blank(passport bool) *image.RGBA {
	p := newPaper(passport)
	d.print(p.pixels, d.tone(0.8, 0.95), d.tone(0.8, 0.95), d.tone(0.7, 0.85))
	return p.pixels
}

// printer writes on a page; err is the first error.
type printer struct {
	page *image.RGBA
	err  error
}

// text writes from x on, on a base line at y, in letters of that size in pixels.
func (p *printer) text(file []byte, text string, x, y, size float64, ink image.Image) {
	if p.err != nil {
		return
	}
	parsed, err := opentype.Parse(file)
	if err != nil {
		p.err = err
		return
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72})
	if err != nil {
		p.err = err
		return
	}
	(&font.Drawer{Dst: p.page, Src: ink, Face: face, Dot: fixed.Point26_6{X: fixed.Int26_6(x * 64), Y: fixed.Int26_6(y * 64)}}).DrawString(text)
}

// Photograph shows a page ([Person.Page]) as it lies on a table before a camera that is held a little aslant. The longer side of the
// picture has that many pixels.
func Photograph(page *image.RGBA, seed uint64, pixels int) Scene {
	d := dice{rand.New(rand.NewPCG(seed, 0xD0C))}
	width, height := float64(pixels), float64(pixels*3/4)
	t := d.table(width, height)
	passport := float64(page.Rect.Dx()) > cardWidth*paperPixels
	p := placedDocument{paper: newPaper(passport)}
	p.pixels = page
	p.lie(d.in(-0.12, 0.12), d.in(-0.12, 0.12), d.in(-0.08, 0.08), width, height)
	scene := Scene{Picture: image.NewRGBA(image.Rect(0, 0, int(width), int(height))), Documents: [][4][2]float64{p.corners()}, Passport: []bool{passport}}
	scene.photograph(seed, t, []placedDocument{p}, nil, d.light(width, height), d.in(0, 3), 0.3)
	return scene
}

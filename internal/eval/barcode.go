package eval

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"

	"facestream/internal/symbols"
	"facestream/pkg/aamva"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

const (
	// barcodesEach is how many barcodes of each kind are drawn, and barcodeSeed the first of their seeds: those below served development.
	barcodesEach = 300
	barcodeSeed  = 10_000
	// barcodeModule is how many pixels a module is wide.
	barcodeModule = 3
)

// Barcode measures the reading of PDF417s that say what driving licences of invented people say, drawn as it runs: as they are, as a
// worn print that was scanned in black and white, and as cards that were photographed.
func Barcode(ctx context.Context, o Options) (*Report, error) {
	if err := barcode.Available(); err != nil {
		return nil, schema.Permanent("eval.barcode", schema.ReasonRoleAbsent, fmt.Errorf("barcodes are not read: %w", err))
	}
	r := &Report{
		Evaluation: "barcode", What: fmt.Sprintf("PDF417s of driving licences of invented people, %d pixels a module", barcodeModule),
		Pack: o.Subject.describe(), Data: Data{Folder: "drawn as it runs", Images: 3 * barcodesEach},
	}
	for _, kind := range []struct {
		name string
		show func(*rand.Rand, *symbols.Symbol) (*imaging.Image, error)
	}{{"drawn", drawnBarcode}, {"printed", printedBarcode}, {"photographed", photographedBarcode}} {
		said := make([]string, barcodesEach)
		err := o.forEach(ctx, kind.name, barcodesEach, func(ctx context.Context, i int) (err error) {
			said[i], err = readBarcode(ctx, barcodeSeed+uint64(i), kind.show)
			return err
		})
		if err != nil {
			return nil, err
		}
		read, misread := Rate{Of: barcodesEach}, Rate{Of: barcodesEach}
		for i, what := range said {
			switch what {
			case barcodeRead:
				read.Count++
			case barcodeMisread:
				misread.Count++
			}
			if what != barcodeRead {
				r.fail(fmt.Sprintf("seed %d", barcodeSeed+i), "%s: %s", kind.name, what)
			}
		}
		r.addRate(kind.name+": read", read)
		r.addRate(kind.name+": misread", misread)
	}
	return r, nil
}

// What becomes of a barcode.
const (
	barcodeRead    = "read"
	barcodeUnread  = "not read"
	barcodeMisread = "read as something else"
)

// readBarcode draws the barcode of a seed, shows it, and compares what is read with what it says, byte by byte and as a card.
func readBarcode(ctx context.Context, seed uint64, show func(*rand.Rand, *symbols.Symbol) (*imaging.Image, error)) (string, error) {
	dice := rand.New(rand.NewPCG(seed, 417))
	card := drawnCard(dice)
	payload, err := aamva.Generate(card)
	if err != nil {
		return "", err
	}
	symbol, err := symbols.Draw(barcode.PDF417, string(payload), 3+dice.IntN(3))
	if err != nil {
		return "", err
	}
	m, err := show(dice, symbol)
	if err != nil {
		return "", err
	}
	defer m.Release()
	found, err := barcode.Read(ctx, m, barcode.Options{})
	if err != nil {
		return "", err
	}
	out := barcodeUnread
	for _, f := range found {
		if f.Format != barcode.PDF417 || !bytes.Equal(f.Bytes, payload) {
			return barcodeMisread, nil
		}
		got, err := aamva.Parse(f.Bytes)
		if err != nil || got.Number != card.Number || got.Birth != card.Birth || got.Name != card.Name || len(got.Problems) > 0 {
			return "", fmt.Errorf("seed %d is read as another card: %v", seed, err)
		}
		out = barcodeRead
	}
	return out, nil
}

// drawnCard draws what a licence of an invented person says.
func drawnCard(dice *rand.Rand) aamva.Card {
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('A' + dice.IntN(26))
		}
		return string(b)
	}
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + dice.IntN(10))
		}
		return string(b)
	}
	day := func(from, years int) aamva.Date {
		return aamva.Date{Year: from + dice.IntN(years), Month: 1 + dice.IntN(12), Day: 1 + dice.IntN(28)}
	}
	pick := func(of ...string) string { return of[dice.IntN(len(of))] }
	return aamva.Card{
		Issuer: "636" + digits(3), Version: 8 + dice.IntN(3), JurisdictionVersion: dice.IntN(5), Kind: aamva.Kind(pick("DL", "ID")),
		Number: letters(1) + digits(8+dice.IntN(5)), Discriminator: digits(12) + letters(2) + digits(8), Audit: digits(10), InventoryControl: digits(16),
		Country: aamva.USA, Compliance: aamva.Compliance(pick("F", "N")), Class: pick("A", "B", "C", "D"),
		Name: aamva.Name{Family: letters(3 + dice.IntN(10)), First: letters(3 + dice.IntN(8)), Middle: letters(1 + dice.IntN(8)),
			FamilyCut: aamva.NotTruncated, FirstCut: aamva.NotTruncated, MiddleCut: aamva.NotTruncated},
		Birth: day(1935, 70), Issue: day(2018, 6), Expiry: day(2027, 8), Revision: day(2010, 8),
		Sex: aamva.Sex(pick("M", "F", "X")), Eyes: pick("BLU", "BRO", "GRN", "HAZ"), Hair: pick("BLK", "BRO", "BLN", "GRY"),
		Height:  aamva.Height{Value: 58 + dice.IntN(20), Unit: aamva.Inches},
		Address: aamva.Address{Street: digits(4) + " " + letters(4+dice.IntN(10)) + " STREET", City: letters(4 + dice.IntN(10)), Jurisdiction: letters(2), PostalCode: digits(5)},
	}
}

// light is a plane of luma of linear values, 0 black and 1 white.
type light struct {
	width, height int
	at            []float64
}

func newLight(width, height int, value func(x, y float64) float64) light {
	l := light{width, height, make([]float64, width*height)}
	for i := range l.at {
		l.at[i] = value(float64(i%width)+0.5, float64(i/width)+0.5)
	}
	return l
}

// fine is the mean of value over a pixel, on 4 × 4 places.
func fine(value func(x, y float64) float64) func(x, y float64) float64 {
	return func(x, y float64) (sum float64) {
		for i := range 16 {
			sum += value(x-0.375+float64(i%4)/4, y-0.375+float64(i/4)/4) / 16
		}
		return sum
	}
}

// paper is a symbol on white paper, in modules: its top left corner is the origin.
func paper(s *symbols.Symbol) func(x, y float64) float64 {
	return func(x, y float64) float64 {
		i, j := int(math.Floor(x)), int(math.Floor(y))
		if i >= 0 && j >= 0 && i < s.Width && j < s.Height && s.Dark[j*s.Width+i] != 0 {
			return 0
		}
		return 1
	}
}

// blur is a Gauss filter.
func (l light) blur(sigma float64) light {
	reach := int(math.Ceil(3 * sigma))
	kernel, sum := make([]float64, 2*reach+1), 0.0
	for i := range kernel {
		d := float64(i - reach)
		kernel[i] = math.Exp(-d * d / (2 * sigma * sigma))
		sum += kernel[i]
	}
	pass := func(in []float64, step, length, other, otherStep int) []float64 {
		out := make([]float64, len(in))
		for j := range other {
			for i := range length {
				for k, w := range kernel {
					at := min(max(i+k-reach, 0), length-1)
					out[j*otherStep+i*step] += w / sum * in[j*otherStep+at*step]
				}
			}
		}
		return out
	}
	l.at = pass(pass(l.at, 1, l.width, l.height, l.width), l.width, l.height, l.width, 1)
	return l
}

func (l light) noise(dice *rand.Rand, sigma float64) light {
	for i := range l.at {
		l.at[i] += sigma * dice.NormFloat64()
	}
	return l
}

func (l light) image() *imaging.Image {
	m := imaging.New(l.width, l.height)
	for i, v := range l.at {
		b := byte(min(max(255*v, 0), 255))
		m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2] = b, b, b
	}
	return m
}

// quiet is how many modules of paper are around a symbol; the standard asks for two.
const quiet = 6

// drawnBarcode is the symbol itself.
func drawnBarcode(_ *rand.Rand, s *symbols.Symbol) (*imaging.Image, error) {
	onto := paper(s)
	return newLight((s.Width+2*quiet)*barcodeModule, (s.Height+2*quiet)*barcodeModule, func(x, y float64) float64 {
		return onto(x/barcodeModule-quiet, y/barcodeModule-quiet)
	}).image(), nil
}

// printedBarcode is a print whose ink ran or is thin, turned by up to 3 degrees, scanned with noise, in black and white.
func printedBarcode(dice *rand.Rand, s *symbols.Symbol) (*imaging.Image, error) {
	onto := paper(s)
	sin, cos := math.Sincos((6*dice.Float64() - 3) * math.Pi / 180)
	w, h := float64(s.Width), float64(s.Height)
	width, height := int((w+h*math.Abs(sin)+2*quiet)*barcodeModule), int((h+w*math.Abs(sin)+2*quiet)*barcodeModule)
	l := newLight(width, height, fine(func(x, y float64) float64 {
		x, y = (x-float64(width)/2)/barcodeModule, (y-float64(height)/2)/barcodeModule
		return onto(cos*x+sin*y+w/2, cos*y-sin*x+h/2)
	}))
	l = l.blur(0.5+0.5*dice.Float64()).noise(dice, 0.04+0.06*dice.Float64())
	threshold := 0.42 + 0.16*dice.Float64()
	for i, v := range l.at {
		l.at[i] = 0
		if v > threshold {
			l.at[i] = 1
		}
	}
	return l.image(), nil
}

// photographedBarcode is the back of a card on a table, seen from a side and turned by up to 10 degrees, in uneven light, out of focus
// by up to 0.9 pixels, with noise, as a JPEG. A module is three pixels wide in the middle of the card.
func photographedBarcode(dice *rand.Rand, s *symbols.Symbol) (*imaging.Image, error) {
	// The card in modules, the code within it, lines of print above.
	width := float64(s.Width) + 2*quiet + 20*dice.Float64()
	height := max(width/1.586, float64(s.Height)+40)
	left, top := (width-float64(s.Width))/2, height-float64(s.Height)-quiet-8*dice.Float64()
	onto, print := paper(s), make([]bool, 4096)
	for i := range print {
		print[i] = dice.IntN(3) == 0
	}
	ground, table := 0.75+0.2*dice.Float64(), 0.2+0.3*dice.Float64()
	ink := 0.02 + 0.15*dice.Float64()
	card := func(x, y float64) float64 {
		switch {
		case x < 0 || y < 0 || x >= width || y >= height:
			return table
		case y < top-quiet && y > 4 && x > 4 && x < width-4:
			if int(y)%8 < 4 && print[(int(x)+61*int(y/8))%len(print)] {
				return 0.3
			}
			return ground
		}
		return ink + (ground-ink)*onto(x-left, y-top)
	}
	// A camera above the middle, at three widths of the card; the card is tilted about both axes and turned.
	tilt := func() float64 { return (2*dice.Float64() - 1) * 25 * math.Pi / 180 }
	a, b, c := tilt(), tilt(), tilt()*10/25
	const margin = 1.25
	distance := 3 * width
	corners := [4][2]float64{{0, 0}, {width, 0}, {width, height}, {0, height}}
	w, h := int(margin*width*barcodeModule), int(margin*max(height, width*0.7)*barcodeModule)
	var seen [4][2]float64
	for i, p := range corners {
		x, y := p[0]-width/2, p[1]-height/2
		x, y = x*math.Cos(c)-y*math.Sin(c), x*math.Sin(c)+y*math.Cos(c)
		z := x*math.Sin(a) + y*math.Sin(b)
		x, y = x*math.Cos(a), y*math.Cos(b)
		k := distance / (distance + z) * barcodeModule
		seen[i] = [2]float64{float64(w)/2 + k*x, float64(h)/2 + k*y}
	}
	back, ok := imaging.NewProjective(seen, corners)
	if !ok {
		return nil, fmt.Errorf("no view of a card of %v × %v modules", width, height)
	}
	l := newLight(w, h, fine(func(x, y float64) float64 { return card(back.Apply(x, y)) }))
	l = l.blur(0.4 + 0.5*dice.Float64())
	bright, dx, dy := 0.6+0.4*dice.Float64(), 0.5*(2*dice.Float64()-1), 0.5*(2*dice.Float64()-1)
	for i := range l.at {
		l.at[i] *= bright * (1 + dx*(float64(i%w)/float64(w)-0.5) + dy*(float64(i/w)/float64(h)-0.5))
	}
	l = l.noise(dice, 0.005+0.02*dice.Float64())
	m := l.image()
	grey := image.NewGray(image.Rect(0, 0, w, h))
	for i := range grey.Pix {
		grey.Pix[i] = m.Pix[3*i]
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, grey, &jpeg.Options{Quality: 60 + dice.IntN(35)}); err != nil {
		return nil, err
	}
	out, _, err := imaging.Decode(context.Background(), file.Bytes(), imaging.Limits{})
	return out, err
}

package barcode_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"facestream/internal/symbols"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

func needed(t testing.TB) {
	t.Helper()
	if err := barcode.Available(); err != nil {
		t.Skip("SKIPPED: barcodes are not read here:", err)
	}
}

// plane is a grey picture.
type plane struct {
	width, height int
	luma          []byte
}

func white(width, height int) plane {
	return plane{width, height, bytes.Repeat([]byte{255}, width*height)}
}

// each makes every pixel what value says.
func (p plane) each(value func(x, y int) byte) plane {
	for i := range p.luma {
		p.luma[i] = value(i%p.width, i/p.width)
	}
	return p
}

func (p plane) image() *imaging.Image {
	m := imaging.New(p.width, p.height)
	for i, v := range p.luma {
		m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2] = v, v, v
	}
	return m
}

const module = 3

// page is a white picture with the symbols under each other, in modules of 3 pixels.
func page(each ...*symbols.Symbol) plane {
	width, height := 0, 10*module
	for _, s := range each {
		width, height = max(width, (s.Width+40)*module), height+(s.Height+10)*module
	}
	p := white(width, height)
	y := 10 * module
	for _, s := range each {
		s.Paint(p.luma, width, 20*module, y, module)
		y += (s.Height + 10) * module
	}
	return p
}

func symbol(t testing.TB, f barcode.Format, text string) *symbols.Symbol {
	t.Helper()
	s, err := symbols.Draw(f, text, -1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t testing.TB, m *imaging.Image, o barcode.Options) []barcode.Found {
	t.Helper()
	found, err := barcode.Read(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRead(t *testing.T) {
	needed(t)
	for _, f := range barcode.Formats() {
		t.Run(string(f), func(t *testing.T) {
			const text = "SPECIMEN 0123456789 specimen"
			drawn := symbol(t, f, text)
			m := page(drawn).image()
			for quarters := range 4 {
				found := read(t, m.Turned(quarters), barcode.Options{})
				if len(found) != 1 || found[0].Format != f || !found[0].Read || found[0].Text != text || string(found[0].Bytes) != text || found[0].Confidence != 1 {
					t.Fatalf("%d quarters: %#v", quarters, found)
				}
				if printed := found[0].String() + found[0].GoString(); strings.Contains(printed, "SPEC") {
					t.Errorf("a code prints its content: %s", printed)
				}
				if quarters > 0 {
					continue
				}
				right, bottom := float32(20+drawn.Width)*module, float32(10+drawn.Height)*module
				want := [4]schema.PointF{{X: 20 * module, Y: 10 * module}, {X: right, Y: 10 * module}, {X: right, Y: bottom}, {X: 20 * module, Y: bottom}}
				for i, p := range found[0].Quad {
					if d := max(p.X-want[i].X, want[i].X-p.X, p.Y-want[i].Y, want[i].Y-p.Y); d > 2*module {
						t.Errorf("corner %d is %v, want %v", i, p, want[i])
					}
				}
			}
			other := barcode.QR
			if f == barcode.QR {
				other = barcode.Aztec
			}
			if found := read(t, m, barcode.Options{Formats: []barcode.Format{other}}); len(found) != 0 {
				t.Errorf("asked for %s alone: %v", other, found)
			}
		})
	}
}

func TestOrderAndNumber(t *testing.T) {
	needed(t)
	texts := []string{"first", "second", "third", "fourth"}
	var each []*symbols.Symbol
	for i, text := range texts {
		each = append(each, symbol(t, []barcode.Format{barcode.QR, barcode.PDF417, barcode.DataMatrix, barcode.QR}[i], text))
	}
	m := page(each...).image()
	var got []string
	for _, f := range read(t, m, barcode.Options{}) {
		got = append(got, f.Text)
	}
	if !slices.Equal(got, texts) {
		t.Errorf("%q, want them from top to bottom: %q", got, texts)
	}
	if found := read(t, m, barcode.Options{Most: 1}); len(found) != 3 {
		t.Errorf("%v, want one of each format", found)
	}
}

// TestLarge reads a code in a picture that is scaled down first, and expects the corners in the picture's own pixels.
func TestLarge(t *testing.T) {
	needed(t)
	p := white(4800, 3600)
	s := symbol(t, barcode.PDF417, "a large picture")
	s.Paint(p.luma, p.width, 2400, 1800, 8)
	found := read(t, p.image(), barcode.Options{Formats: []barcode.Format{barcode.PDF417}})
	if len(found) != 1 || found[0].Text != "a large picture" {
		t.Fatalf("%v", found)
	}
	if q := found[0].Quad[0]; q.X < 2390 || q.X > 2410 || q.Y < 1790 || q.Y > 1810 {
		t.Errorf("its top left corner is %v, want 2400, 1800", q)
	}
}

// TestUnread: a code whose middle is destroyed is located, and answered if that is asked for.
func TestUnread(t *testing.T) {
	needed(t)
	r := rand.New(rand.NewPCG(1, 2))
	s := symbol(t, barcode.PDF417, strings.Repeat("a code that nobody can read ", 8))
	p := page(s)
	for y := 10 * module; y < (10+s.Height)*module; y++ {
		for x := (20 + 34) * module; x < (20+s.Width-35)*module; x++ {
			p.luma[y*p.width+x] = byte(r.IntN(2) * 255)
		}
	}
	if found := read(t, p.image(), barcode.Options{}); len(found) != 0 {
		t.Errorf("%#v was read", found)
	}
	for quarters := range 4 {
		m := p.image().Turned(quarters)
		found := read(t, m, barcode.Options{Unread: true})
		if len(found) != 1 || found[0].Read || found[0].Format != barcode.PDF417 || found[0].Text != "" || found[0].Confidence < 0.7 || found[0].Confidence == 1 {
			t.Fatalf("%d quarters: %#v, want an unread PDF417", quarters, found)
		}
		low, high := found[0].Box()
		if w, h := high.X-low.X, high.Y-low.Y; max(w, h) < float32(s.Width*module-12) || min(w, h) < float32(s.Height*module-12) {
			t.Errorf("%d quarters: %v", quarters, found[0].Quad)
		}
		corners := [4]schema.PointF{low, {X: high.X, Y: low.Y}, high, {X: low.X, Y: high.Y}}
		if got, want := found[0].Quad[0], corners[quarters]; max(got.X-want.X, want.X-got.X, got.Y-want.Y, want.Y-got.Y) > 12 {
			t.Errorf("%d quarters: its own top left is %v, want %v", quarters, got, want)
		}
	}
	if found := read(t, page(symbol(t, barcode.PDF417, "whole")).image(), barcode.Options{Unread: true}); len(found) != 1 || !found[0].Read {
		t.Errorf("%#v, want the read one alone", found)
	}
}

// hostile are pictures that keep a reader busy, of the largest size that is read as it is.
func hostile(t testing.TB) map[string]plane {
	const width, height = 3000, barcode.MaxPixels / 3000
	r := rand.New(rand.NewPCG(1, 1))
	all := map[string]plane{
		"noise": white(width, height).each(func(int, int) byte { return byte(r.Uint32()) }),
		"corners of QR codes": white(width, height).each(func(x, y int) byte {
			ring := func(v int) int { return max(v/2%8-3, 3-v/2%8) }
			if d := max(ring(x), ring(y)); d == 2 || d == 4 {
				return 255
			}
			return 0
		}),
	}
	for _, f := range barcode.Formats() {
		p, s := white(width, height), symbol(t, f, "A")
		for y := 0; y+2*s.Height < height; y += 2*s.Height + 8 {
			for x := 0; x+2*s.Width < width; x += 2*s.Width + 8 {
				s.Paint(p.luma, width, x, y, 2)
			}
		}
		all["many of "+string(f)] = p
	}
	return all
}

// TestHostile: reading ends in time and answers what was found before. Nothing is read where nothing is.
func TestHostile(t *testing.T) {
	needed(t)
	const most = 5 * time.Second
	for name, p := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			s := symbol(t, barcode.PDF417, "among many")
			m := p.image()
			if name != "noise" {
				clear := imaging.New((s.Width+20)*module, (s.Height+20)*module)
				clear.Fill(imaging.RGB{255, 255, 255})
				for y := range clear.Height {
					copy(m.Pix[3*y*m.Width:], clear.Pix[3*y*clear.Width:3*(y+1)*clear.Width])
				}
				q := white(clear.Width, clear.Height)
				s.Paint(q.luma, q.width, 10*module, 10*module, module)
				for i, v := range q.luma {
					at := 3 * (i/q.width*m.Width + i%q.width)
					m.Pix[at], m.Pix[at+1], m.Pix[at+2] = v, v, v
				}
			}
			began := time.Now()
			found, err := barcode.Read(t.Context(), m, barcode.Options{Time: most})
			took := time.Since(began)
			t.Logf("%v for %d codes, error %v", took.Round(time.Millisecond), len(found), err)
			if took > most+3*time.Second { // WaitDelay, and a busy machine
				t.Errorf("took %v, the limit is %v", took, most)
			}
			if err != nil && !errors.Is(err, barcode.ErrStopped) {
				t.Error(err)
			}
			if name == "noise" && len(found) > 0 {
				t.Errorf("%v in noise", found)
			}
			if strings.HasPrefix(name, "corners") && !slices.ContainsFunc(found, func(f barcode.Found) bool { return f.Text == "among many" }) {
				t.Error("the PDF417 in the corner was not read")
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	needed(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := barcode.Read(ctx, white(100, 100).image(), barcode.Options{}); !errors.Is(err, context.Canceled) || found != nil {
		t.Errorf("%v, error %v", found, err)
	}
}

func TestAbsent(t *testing.T) {
	if barcode.Available() == nil {
		t.Skip("barcodes are read here")
	}
	if found, err := barcode.Read(t.Context(), white(8, 8).image(), barcode.Options{}); !errors.Is(err, barcode.ErrAbsent) || found != nil {
		t.Errorf("%v, error %v", found, err)
	}
}

func BenchmarkEmpty(b *testing.B) {
	needed(b)
	m := white(64, 64).image()
	for b.Loop() {
		read(b, m, barcode.Options{})
	}
}

package allinone_test

import (
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/engine/models"
	"facestream/pkg/mrz"
	"facestream/pkg/schema"
)

// TestBadDocuments: each picture that is no document, or not a good one, has one outcome, and what a zone says is never made up.
func TestBadDocuments(t *testing.T) {
	s := useStream(t)
	if !s.has(t, models.RoleDocument) || !s.has(t, models.RoleText) {
		return // TestDocumentTraits
	}
	const reading = `{"detect_and_recognize_mrz_code":true,"document_auto_rotation":true,"face_validations_off":true`
	zone := func(change func([]string)) drawn.Specimen {
		lines, err := mrz.Generate(holder)
		if err != nil {
			t.Fatal(err)
		}
		change(lines)
		return drawn.Specimen{Passport: true, Title: "PASSPORT", Zone: lines}
	}
	sound := photographed(t, 14, zone(func([]string) {}))
	// said is whether a zone was read, and whether its check digits hold.
	said := func(r schema.Result) (read, clean bool) {
		d := r.Document.Found
		return d != nil && d.Detected.Zone != nil, d != nil && d.Detected.Zone != nil && d.Detected.Zone.Clean
	}
	none := func(t *testing.T, r schema.Result) {
		if read, _ := said(r); read || len(r.Faces) > 0 {
			t.Errorf("something was read or a face found: %+v", r.CallStatus)
		}
	}
	// truthful is what holds of any picture of the passport: what is said to be sound is what was printed.
	truthful := func(t *testing.T, r schema.Result) {
		if _, clean := said(r); clean && !strings.Contains(string(r.Document.Found.Detected.MRZ[1]), holder.Number) {
			t.Errorf("a wrong number with sound check digits: %+v", r.CallStatus)
		}
	}
	readsAll := func(t *testing.T, r schema.Result) {
		if _, clean := said(r); !clean {
			t.Errorf("the zone was not read: %+v", r.CallStatus)
		}
		truthful(t, r)
	}
	broken := func(t *testing.T, r schema.Result) {
		if read, clean := said(r); !read || clean {
			t.Errorf("a broken check digit: read %v, clean %v, %+v", read, clean, r.CallStatus)
		}
	}
	for _, c := range []struct {
		name    string
		picture image.Image
		off     bool // doc_validations_off
		check   func(*testing.T, schema.Result)
	}{
		{"a blank page", sheet(900, 650, color.RGBA{250, 250, 250, 255}), true, none},
		{"a newspaper", newspaper(), true, none},
		{"a credit card", onTable(creditCard(), 900, 650, 107, 109), true, none},
		{"cut by the frame", sound.SubImage(image.Rect(0, 0, 560, 750)), true, truthful},
		{"a hand over half", covered(sound, image.Rect(0, 300, 1000, 750)), true, truthful},
		{"upside down", upsideDown(sound), true, readsAll},
		{"a photocopy", photocopy(sound), true, readsAll},
		{"a screen with moiré", moire(sound), true, truthful},
		{"a thumbnail of 300 pixels", smaller(sound, 300), true, truthful},
		{"a broken check digit", photographed(t, 14, zone(func(l []string) { l[1] = l[1][:9] + string('0'+(l[1][9]-'0'+1)%10) + l[1][10:] })), true, broken},
		{"a zone in lower case", photographed(t, 14, zone(func(l []string) { l[0], l[1] = strings.ToLower(l[0]), strings.ToLower(l[1]) })), true, truthful},
		{"upright", sound, false, readsAll},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := reading + `}`
			if c.off {
				config = reading + `,"doc_validations_off":true}`
			}
			r := s.ask(t, schema.OpDocScanFace, config, imagingtest.PNG(c.picture))
			if code := r.CallStatus.ReturnCode; code != schema.CodeNoError {
				t.Errorf("%+v", r.CallStatus)
			}
			c.check(t, r)
		})
	}
	for file, script := range map[string]string{"100_pass-chn.jpg": "Chinese", "43_pass-twn.jpg": "Chinese"} {
		data, err := os.ReadFile(filepath.Join(photographs(s), "documents", file))
		if err != nil {
			t.Skipf("SKIPPED: no photograph of a document: %v", err)
		}
		if r := s.ask(t, schema.OpDocScanFace, reading+`,"doc_validations_off":true}`, data); r.CallStatus.ReturnCode != schema.CodeNoError || r.Document.Found == nil {
			t.Errorf("%s, a page with %s: %+v", file, script, r.CallStatus)
		}
	}
}

func sheet(width, height int, c color.RGBA) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	fill(m, m.Bounds(), c)
	return m
}

// newspaper is a page full of columns of strokes.
func newspaper() *image.RGBA {
	m := sheet(900, 1200, color.RGBA{232, 230, 222, 255})
	for y := 40; y < 1160; y += 14 {
		for x := 30; x < 870; x += 7 {
			if x%210 < 190 && (x*31+y*17)%11 != 0 {
				fill(m, image.Rect(x, y, x+5, y+4+(x*7+y)%6), color.RGBA{50, 50, 50, 255})
			}
		}
	}
	return m
}

// creditCard has the size of an identity card, a chip and a number in large digits, and no portrait.
func creditCard() *image.RGBA {
	m := sheet(685, 432, color.RGBA{40, 60, 120, 255})
	fill(m, image.Rect(60, 130, 150, 200), color.RGBA{200, 180, 100, 255})
	for group := range 4 {
		for digit := range 4 {
			x := 60 + 150*group + 30*digit
			fill(m, image.Rect(x, 250, x+20, 285), color.RGBA{220, 220, 220, 255})
		}
	}
	return m
}

func covered(m *image.RGBA, r image.Rectangle) *image.RGBA {
	out := image.NewRGBA(m.Bounds())
	draw.Draw(out, out.Bounds(), m, image.Point{}, draw.Src)
	fill(out, r, color.RGBA{215, 165, 135, 255})
	return out
}

func photocopy(m *image.RGBA) *image.Gray {
	out := image.NewGray(m.Bounds())
	draw.Draw(out, out.Bounds(), m, image.Point{}, draw.Src)
	return out
}

// moire is m with the stripes of a screen that is photographed.
func moire(m *image.RGBA) *image.RGBA {
	out := image.NewRGBA(m.Bounds())
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			c := m.RGBAAt(x, y)
			if k := (3*x + 2*y) % 23; k < 8 {
				c.R, c.G = c.R-c.R/6, c.G-c.G/8
			}
			out.SetRGBA(x, y, c)
		}
	}
	return out
}

// smaller is m with that width: each pixel is the nearest one.
func smaller(m *image.RGBA, width int) *image.RGBA {
	height := m.Rect.Dy() * width / m.Rect.Dx()
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			out.SetRGBA(x, y, m.RGBAAt(x*m.Rect.Dx()/width, y*m.Rect.Dy()/height))
		}
	}
	return out
}

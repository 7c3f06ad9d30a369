package document

import (
	"math"
	"testing"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// sheet is grey with a chequered part, whose squares have so many pixels.
func sheet(width, height, squares int) *imaging.Image {
	m := imaging.New(width, height)
	m.Fill(imaging.RGB{200, 200, 200})
	for y := height / 4; y < 3*height/4; y++ {
		for x := width / 4; x < 3*width/4; x++ {
			if (x/squares+y/squares)%2 == 0 {
				copy(m.Pix[3*(y*width+x):], []byte{40, 40, 40})
			}
		}
	}
	return m
}

func at(left, top, right, bottom float32) [4]schema.PointF {
	return [4]schema.PointF{{X: left, Y: top}, {X: right, Y: top}, {X: right, Y: bottom}, {X: left, Y: bottom}}
}

func judged(img *imaging.Image, corners [4]schema.PointF) *Measures {
	o := Observation{Outline: Outline{Corners: corners}}
	var shape float64
	o.Type, shape = TypeOf(corners, img.Width, img.Height)
	o.Straight = Straighten(img, corners, shape, 10_000_000)
	return Judge(img, o)
}

func TestJudgePlace(t *testing.T) {
	img := sheet(1000, 1000, 4)
	for name, test := range map[string]struct {
		corners               [4]schema.PointF
		share                 float64
		left, right, up, down bool
	}{
		"in the middle":        {at(100, 250, 900, 755), 0.404, false, false, false, false},
		"the whole picture":    {at(0, 0, 1000, 1000), 1, false, false, false, false},
		"at the left":          {at(5, 250, 805, 755), 0.404, true, false, false, false},
		"cut at the right":     {at(300, 250, 1100, 755), 0.3535, false, true, false, false},
		"cut above":            {at(100, -50, 900, 455), 0.364, false, false, true, false},
		"at the bottom":        {at(100, 490, 900, 995), 0.404, false, false, false, true},
		"cut left and right":   {at(-200, 250, 1200, 950), 0.7, true, true, false, false},
		"from side to side":    {at(3, 250, 998, 880), 0.627, false, false, false, false},
		"in the corner, small": {at(0, 0, 100, 63), 0.0063, true, false, true, false},
	} {
		m := judged(img, test.corners)
		if math.Abs(float64(m.Share)-test.share) > 1e-3 {
			t.Errorf("%s: share %v, want %v", name, m.Share, test.share)
		}
		if l, r, u, d := m.Off(0.02, 0.02); l != test.left || r != test.right || u != test.up || d != test.down {
			t.Errorf("%s: left %v, right %v, up %v, down %v: %+v", name, l, r, u, d, m)
		}
	}
	// A card that is 800 pixels wide has 800 / 3.37 inches.
	if m := judged(img, at(100, 250, 900, 754.5)); math.Abs(float64(m.DPI)-800/(85.6/25.4)) > 1 {
		t.Errorf("%v dpi", m.DPI)
	}
	if m := judged(img, at(100, 100, 900, 900)); m.DPI != 0 {
		t.Errorf("a square has %v dpi", m.DPI)
	}
}

func TestJudgeSharpness(t *testing.T) {
	const w, h = 856, 540
	fine := sheet(w, h, 2)
	all := at(0, 0, w, h)
	sharp := judged(fine, all).Sharpness
	soft := judged(fine.Resize(w/4, h/4).Resize(w, h), all).Sharpness
	large := judged(fine.Resize(3*w, 3*h), at(0, 0, 3*w, 3*h)).Sharpness
	even := imaging.New(w, h)
	if none := judged(even, all).Sharpness; sharp < 1700 || soft > sharp/20 || none != 0 || large < sharp/20 || large > sharp {
		t.Errorf("sharp %v, soft %v, at three times the size %v, even %v", sharp, soft, large, none)
	}
}

func TestJudgeGlare(t *testing.T) {
	m := sheet(856, 540, 4)
	all := at(0, 0, 856, 540)
	if g := judged(m, all).Glare; g != 0 {
		t.Errorf("glare %v where there is none", g)
	}
	for y := 100; y < 300; y++ {
		for x := 100; x < 300; x++ {
			copy(m.Pix[3*(y*m.Width+x):], []byte{255, 255, 252})
		}
	}
	if g := judged(m, all).Glare; math.Abs(float64(g)-200*200./(856*540)) > 0.012 {
		t.Errorf("glare %v on %v", g, 200*200./(856*540))
	}
	paper := imaging.New(856, 540)
	paper.Fill(imaging.RGB{255, 255, 255})
	if g := judged(paper, all).Glare; g != 0 {
		t.Errorf("white paper has glare %v", g)
	}
}

package document

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

func fromDrawing(m *image.RGBA) *imaging.Image {
	out := imaging.New(m.Rect.Dx(), m.Rect.Dy())
	for i := range out.Width * out.Height {
		copy(out.Pix[3*i:3*i+3], m.Pix[4*i:4*i+3])
	}
	return out
}

// glance is a network that answers these corners to its first question, and nothing to others.
func glance(t *testing.T, img *imaging.Image, corners quad) *Finder {
	t.Helper()
	s := cornerStage(nil, 0)
	asked := 0
	s.Net = &answers{names: []string{"score_logit", "coords"}, run: func() onnx.RowResult {
		asked++
		coords, logit := make([]float32, 8), float32(-5)
		if asked == 1 {
			logit = 5
			for i, p := range corners.scaled(1/float64(img.Width), 1/float64(img.Height)) {
				coords[2*i], coords[2*i+1] = float32(p.x), float32(p.y)
			}
		}
		return onnx.RowResult{Value: []onnx.Tensor{{Data: []float32{logit}}, {Data: coords}}}
	}}
	f, err := NewFinder(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func quadOfPairs(p [4][2]float64) (q quad) {
	for i, c := range p {
		q[i] = point{c[0], c[1]}
	}
	return q
}

// farthest is the largest distance of a corner from where it should be, in shares of the picture's diagonal.
func farthest(got [4]schema.PointF, want quad, img *imaging.Image) (worst float64) {
	for i, p := range quadOf(got) {
		worst = max(worst, p.minus(want[i]).length()/math.Hypot(float64(img.Width), float64(img.Height)))
	}
	return worst
}

// TestFinderSettlesOnTheEdges: corners that the network sees up to 3 % of the picture beside the document's are found to a quarter per cent.
func TestFinderSettlesOnTheEdges(t *testing.T) {
	dice := rand.New(rand.NewPCG(14, 4))
	for seed := range uint64(8) {
		scene := drawn.NewScene(9_000_000+seed, drawn.Spread{Documents: 1})
		img, want := fromDrawing(scene.Picture), quadOfPairs(scene.Documents[0])
		seen := want
		for i := range seen {
			seen[i] = seen[i].plus(point{60 * (dice.Float64() - 0.5), 60 * (dice.Float64() - 0.5)})
		}
		found, err := glance(t, img, seen).Find(t.Context(), img)
		if err != nil || len(found) != 1 {
			t.Fatalf("scene %d: %v, %v", seed, found, err)
		}
		before, after := farthest(seen.corners(), want, img), farthest(found[0].Corners, want, img)
		if after > 0.0025 {
			t.Errorf("scene %d: corners are off by %.2f %%, before by %.2f %%", seed, 100*after, 100*before)
		}
	}
}

// print scatters strokes inside of the middle nine tenths of q, which is upright.
func print(m *imaging.Image, q quad) {
	dice := rand.New(rand.NewPCG(14, 5))
	w, h := q.side(0).length(), q.side(1).length()
	for range 900 {
		left, top := int(q[0].x+w*(0.05+0.88*dice.Float64())), int(q[0].y+h*(0.05+0.86*dice.Float64()))
		for y := top; y < top+2+dice.IntN(6); y++ {
			for x := left; x < left+2+dice.IntN(6); x++ {
				copy(m.Pix[3*(y*m.Width+x):], []byte{30, 30, 40})
			}
		}
	}
}

func TestFinderAnswers(t *testing.T) {
	card := imaging.New(640, 480)
	card.Fill(imaging.RGB{60, 50, 40})
	sheet := imaging.New(400, 252)
	sheet.Fill(imaging.RGB{220, 225, 230})
	for y := range sheet.Height {
		copy(card.Pix[3*((y+100)*640+100):], sheet.Pix[3*y*400:3*(y+1)*400])
	}
	want := quad{{100, 100}, {500, 100}, {500, 352}, {100, 352}}
	print(card, want)
	even, filled := imaging.New(640, 480), imaging.New(640, 480)
	for _, m := range []*imaging.Image{even, filled} {
		m.Fill(imaging.RGB{90, 90, 90})
	}
	print(filled, frame(640, 480))
	for name, test := range map[string]struct {
		img  *imaging.Image
		seen quad
		want []Outline
	}{
		"a card":                          {card, quad{{110, 95}, {495, 108}, {490, 350}, {95, 340}}, []Outline{{want.corners(), 0.9933}}},
		"the same, four times as large":   {card.Resize(2560, 1920), quad{{440, 380}, {1980, 432}, {1960, 1400}, {380, 1360}}, []Outline{{want.scaled(4, 4).corners(), 0.9933}}},
		"a sheet with nothing on it":      {even, want, nil},
		"one that fills the picture":      {filled, quad{{5, 8}, {630, 5}, {632, 470}, {8, 475}}, []Outline{{frame(640, 480).corners(), 0.894}}},
		"a strip":                         {filled, quad{{100, 100}, {500, 100}, {500, 180}, {100, 180}}, nil},
		"a square":                        {filled, quad{{100, 100}, {400, 100}, {400, 400}, {100, 400}}, nil},
		"acute corners":                   {filled, quad{{100, 100}, {400, 100}, {600, 300}, {300, 300}}, nil},
		"corners that have changed sides": {card, quad{{495, 108}, {110, 95}, {95, 340}, {490, 350}}, nil},
	} {
		got, err := glance(t, test.img, test.seen).Find(t.Context(), test.img)
		if err != nil || len(got) != len(test.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, test.want)
			continue
		}
		for i, o := range got {
			if off := farthest(o.Corners, quadOf(test.want[i].Corners), test.img); off > 0.002 || math.Abs(float64(o.Confidence-test.want[i].Confidence)) > 0.01 {
				t.Errorf("%s: %v, want %v", name, o, test.want[i])
			}
		}
	}
	failing := cornerStage(nil, 0)
	f, err := NewFinder(failing)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Find(t.Context(), card); err == nil || got != nil {
		t.Errorf("a network that fails: %v", got)
	}
}

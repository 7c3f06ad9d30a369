package document

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"facestream/pkg/engine/imaging"
)

// TestRegions finds lines in a map of probabilities, however they are turned, as large as they are before the network's shrinking.
func TestRegions(t *testing.T) {
	const width, height, stride = 400, 300, 416
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		w := imaging.Window{X: 180 + 40*random.Float64(), Y: 130 + 40*random.Float64(), Width: 120 + 80*random.Float64(), Height: 12 + 10*random.Float64(),
			Turn: (2*random.Float64() - 1) * math.Pi}
		sin, cos := math.Sincos(w.Turn)
		probabilities := make([]float32, stride*height)
		for y := range height {
			for x := range width {
				dx, dy := float64(x)+0.5-w.X, float64(y)+0.5-w.Y
				if math.Abs(dx*cos+dy*sin) < w.Width/2 && math.Abs(dy*cos-dx*sin) < w.Height/2 {
					probabilities[y*stride+x] = 0.9
				}
			}
		}
		found := regions(probabilities, stride, width, height)
		if len(found) != 1 {
			t.Fatalf("%+v: %d lines", w, len(found))
		}
		b := found[0]
		grown := w.Width * w.Height * unclipRatio / (w.Width + w.Height)
		if math.Hypot(b.X-w.X, b.Y-w.Y) > 1 || math.Abs(b.Width-w.Width-grown) > 4 || math.Abs(b.Height-w.Height-grown) > 4 ||
			math.Abs(math.Remainder(b.Turn-w.Turn, math.Pi)) > 0.02 {
			t.Errorf("%+v is found as %+v", w, b.Window)
		}
		if b.Turn > 3*math.Pi/4 || b.Turn <= -math.Pi/4 || b.score < 0.7 {
			t.Errorf("%+v: turned by %.2f, with %.2f", w, b.Turn, b.score)
		}
	}
	if found := regions(make([]float32, stride*height), stride, width, height); len(found) != 0 {
		t.Errorf("%d lines where there are none", len(found))
	}
}

// TestComponents: parts that touch by a corner are one, and parts that meet further down are one.
func TestComponents(t *testing.T) {
	for drawn, want := range map[string]int{
		"#.#.": 2, "#...|.#..": 1, "#..#|#..#|####": 1, "#..#|#..#|.##.": 1, "####|....|####": 2, "....": 0, "#.#|...|#.#": 4,
	} {
		rows := strings.Split(drawn, "|")
		var m []float32
		for _, c := range strings.Join(rows, "") {
			m = append(m, map[rune]float32{'#': 1}[c])
		}
		if got := components(m, len(rows[0]), len(rows[0]), len(rows)); len(got) != want {
			t.Errorf("%s: %d parts, want %d", drawn, len(got), want)
		}
	}
}

// TestReadingOrder reads rows from top to bottom and each from left to right, on a page that is turned anyhow.
func TestReadingOrder(t *testing.T) {
	var page []box
	for row := range 4 {
		for column := range 3 {
			page = append(page, box{Window: imaging.Window{X: float64(100 * column), Y: float64(30*row + 4*column), Width: 80, Height: 20}, score: float32(3*row + column)})
		}
	}
	for _, turn := range []float64{0, 0.3, math.Pi / 2, math.Pi, -math.Pi / 2} {
		sin, cos := math.Sincos(turn)
		turned := slices.Clone(page)
		for i, b := range turned {
			turned[i].X, turned[i].Y, turned[i].Turn = b.X*cos-b.Y*sin, b.X*sin+b.Y*cos, turn
		}
		rand.Shuffle(len(turned), func(i, j int) { turned[i], turned[j] = turned[j], turned[i] })
		for i, b := range inOrder(turned) {
			if int(b.score) != i {
				t.Errorf("turned by %.2f: line %d comes as number %d", turn, int(b.score), i)
			}
		}
	}
}

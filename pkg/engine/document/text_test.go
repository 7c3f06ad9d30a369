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

// TestColumns reads a column to its end before the next one, up to what reaches across both, and the parts of a line one after the other.
func TestColumns(t *testing.T) {
	at := func(x, y, width float64) box {
		return box{Window: imaging.Window{X: x + width/2, Y: y, Width: width, Height: 20}}
	}
	for name, c := range map[string][]box{
		"columns":                {at(0, 0, 100), at(0, 30, 80), at(0, 60, 90), at(200, 2, 100), at(200, 32, 60)},
		"a heading":              {at(0, 0, 300), at(0, 40, 100), at(0, 70, 80), at(200, 40, 100), at(200, 70, 100)},
		"a line across":          {at(0, 0, 100), at(200, 0, 100), at(0, 40, 300), at(0, 80, 100), at(0, 110, 100), at(200, 80, 100)},
		"parts of lines":         {at(0, 0, 100), at(110, 2, 100), at(0, 30, 60), at(65, 30, 60), at(300, 0, 90)},
		"labels above values":    {at(0, 0, 40), at(0, 25, 60), at(150, 0, 50), at(150, 25, 70)},
		"nothing":                {},
		"one line and a far one": {at(0, 0, 50), at(400, 300, 50)},
	} {
		for i := range c {
			c[i].score = float32(i)
		}
		shuffled := slices.Clone(c)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		got := inOrder(shuffled)
		if len(got) != len(c) {
			t.Errorf("%s: %d of %d lines", name, len(got), len(c))
		}
		for i, b := range got {
			if int(b.score) != i {
				t.Errorf("%s: line %d comes as number %d", name, int(b.score), i)
			}
		}
	}
}

// TestScript names the script of most letters.
func TestScript(t *testing.T) {
	for text, want := range map[string]string{
		"ERIKSSON": "Latn", "Čeština 12": "Latn", "ПАСПОРТ": "Cyrl", "中華民國": "Hani", "姓名/ Name": "Latn", "12.08.1974": "", "": "", "جواز سفر": "Arab",
	} {
		if got := (Line{Text: text}).Script(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

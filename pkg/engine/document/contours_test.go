package document

import (
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/engine/imaging"
)

// TestContourFinder finds most documents without a network, exactly where they are, and none on tables.
func TestContourFinder(t *testing.T) {
	f := NewContourFinder()
	const scenes = 20
	right := 0
	for seed := range uint64(scenes) {
		scene := drawn.NewScene(9_100_000+seed, drawn.Spread{Documents: 1})
		img := fromDrawing(scene.Picture)
		found, err := f.Find(t.Context(), img)
		if err != nil || len(found) > 1 {
			t.Fatalf("scene %d: %v, %v", seed, found, err)
		}
		if len(found) == 1 && farthest(found[0].Corners, quadOfPairs(scene.Documents[0]), img) < 0.01 {
			right++
		}
		empty := fromDrawing(drawn.NewScene(9_100_000+seed, drawn.Spread{}).Picture)
		if found, err := f.Find(t.Context(), empty); err != nil || len(found) > 0 {
			t.Errorf("table %d: %v, %v", seed, found, err)
		}
	}
	if right < scenes*3/4 {
		t.Errorf("%d of %d documents are found", right, scenes)
	}
}

// TestFramedByThePicture: a picture of a document's shape that is full of print is a document which fills it, and not a certain one.
func TestFramedByThePicture(t *testing.T) {
	for name, c := range map[string]struct {
		width, height int
		printed       bool
		found         int
	}{
		"a card": {856, 540, true, 1}, "a card on its side": {540, 856, true, 1}, "a page of a passport": {625, 440, true, 1},
		"a blank sheet": {856, 540, false, 0}, "another shape": {800, 600, true, 0}, "too small": {4, 3, false, 0},
	} {
		img := imaging.New(c.width, c.height)
		img.Fill(imaging.RGB{200, 205, 210})
		if c.printed {
			print(img, frame(c.width, c.height))
		}
		found, err := NewContourFinder().Find(t.Context(), img)
		if err != nil || len(found) != c.found {
			t.Errorf("%s: %v, %v", name, found, err)
			continue
		}
		if c.found == 1 && (found[0].Confidence > 0.75 || found[0].Corners != frame(c.width, c.height).corners()) {
			t.Errorf("%s: %+v", name, found[0])
		}
	}
}

// TestCutOff: a document of which the picture shows a part is found up to the picture's border, and its measures say how much of its outline
// that hides.
func TestCutOff(t *testing.T) {
	img := imaging.New(640, 480)
	img.Fill(imaging.RGB{60, 50, 40})
	part := quad{{0, 100}, {250, 100}, {250, 352}, {0, 352}}
	for y := 100; y < 352; y++ {
		for x := range 250 {
			copy(img.Pix[3*(y*640+x):], []byte{220, 225, 230})
		}
	}
	print(img, part)
	found, err := glance(t, img, quad{{4, 95}, {255, 104}, {247, 355}, {6, 348}}).Find(t.Context(), img)
	if err != nil || len(found) != 1 || farthest(found[0].Corners, part, img) > 0.002 {
		t.Fatalf("%v, %v", found, err)
	}
	for name, c := range map[string]struct {
		outline quad
		kind    Type
		least   float32
		most    float32
	}{
		"the part that can be seen":      {quadOf(found[0].Corners), Unknown, 0.2, 0.3},
		"a card that fills the picture":  {frame(640, 480), ID1, 0, 0},
		"a card in the picture":          {quad{{100, 100}, {500, 100}, {500, 352}, {100, 352}}, ID1, 0, 0},
		"a card with a corner beyond it": {quad{{-100, 100}, {300, 100}, {300, 352}, {-100, 352}}, ID1, 0.3, 0.5},
	} {
		if got := c.outline.cutOff(640, 480, c.kind); got < c.least || got > c.most {
			t.Errorf("%s: %.3f", name, got)
		}
	}
}

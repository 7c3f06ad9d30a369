package eval

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/engine"
	"facestream/pkg/engine/document"
	"facestream/pkg/schema"
)

// TestPublicCorners: the truth names each public document once, clockwise and convex.
func TestPublicCorners(t *testing.T) {
	pages, err := parseCorners(publicCorners)
	if err != nil {
		t.Fatal(err)
	}
	documents := 0
	named := map[string]bool{}
	for _, p := range pages {
		named[p.file] = true
		for _, d := range p.documents {
			documents++
			for i, c := range d {
				b, e := d[(i+1)%4], d[(i+2)%4]
				if (b.X-c.X)*(e.Y-b.Y)-(b.Y-c.Y)*(e.X-b.X) <= 0 {
					t.Errorf("%s: %v does not run clockwise", p.file, d)
				}
			}
		}
	}
	if len(named) != len(pages) || documents != 19 {
		t.Errorf("%d photographs in %d groups, %d documents", len(named), len(pages), documents)
	}
	for _, broken := range []string{"a,b\n", "file,x0,y0,x1,y1,x2,y2,x3,y3\na,1,2,3,4,5,6,7,east\n"} {
		if _, err := parseCorners([]byte(broken)); err == nil {
			t.Errorf("%q is read", broken)
		}
	}
}

// TestPublicCornersAreThose: each photograph of a document has its truth, and no other.
func TestPublicCornersAreThose(t *testing.T) {
	data := DefaultData()
	if os.Getenv(EnvData) == "" {
		data = filepath.Join("..", "..", data)
	}
	files, err := filepath.Glob(filepath.Join(data, "documents", "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("SKIPPED: no photographs of documents below " + data)
	}
	pages, err := parseCorners(publicCorners)
	if err != nil {
		t.Fatal(err)
	}
	var names, named []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	for _, p := range pages {
		named = append(named, p.file)
	}
	slices.Sort(named)
	if diff := cmp.Diff(names, named); diff != "" {
		t.Errorf("photographs (-there +with a truth):\n%s", diff)
	}
}

// TestVisible: corners beyond the picture are moved along their sides to its border.
func TestVisible(t *testing.T) {
	got := visible([4][2]float64{{-50, 10}, {50, 20}, {50, 80}, {-50, 110}}, 100, 100)
	if want := [4]schema.PointF{{X: 0, Y: 15}, {X: 50, Y: 20}, {X: 50, Y: 80}, {X: 0, Y: 95}}; got != want {
		t.Errorf("%v, want %v", got, want)
	}
	whole := [4][2]float64{{10, 10}, {90, 10}, {90, 60}, {10, 60}}
	for i, p := range visible(whole, 100, 100) {
		if float64(p.X) != whole[i][0] || float64(p.Y) != whole[i][1] {
			t.Errorf("corner %d of a document that can be seen: %v", i, p)
		}
	}
}

func TestCornerErrors(t *testing.T) {
	at := func(x, y float32) [4]schema.PointF {
		return [4]schema.PointF{{X: x, Y: y}, {X: x + 100, Y: y}, {X: x + 100, Y: y + 60}, {X: x, Y: y + 60}}
	}
	found := func(corners ...[4]schema.PointF) *engine.Analysis {
		a := &engine.Analysis{Width: 300, Height: 400}
		for _, c := range corners {
			a.Documents = append(a.Documents, document.Observation{Outline: document.Outline{Corners: c}})
		}
		return a
	}
	turned := at(10, 0)
	turned = [4]schema.PointF{turned[2], turned[3], turned[0], turned[1]}
	for name, c := range map[string]struct {
		a     *engine.Analysis
		truth [][4]schema.PointF
		errs  []float64
		extra int
	}{
		"none":                       {found(), [][4]schema.PointF{at(0, 0)}, []float64{1}, 0},
		"where nothing is":           {found(at(0, 0)), nil, nil, 1},
		"beside it":                  {found(at(5, 0)), [][4]schema.PointF{at(0, 0)}, []float64{0.01}, 0},
		"upside down":                {found(turned), [][4]schema.PointF{at(0, 0)}, []float64{0.02}, 0},
		"one of two, another beside": {found(at(0, 0), at(150, 300)), [][4]schema.PointF{at(0, 0), at(150, 100)}, []float64{0, 0.4}, 1},
	} {
		errs, extra := cornerErrors(c.a, c.truth)
		if len(errs) != len(c.errs) || extra != c.extra {
			t.Errorf("%s: %v and %d more, want %v and %d", name, errs, extra, c.errs, c.extra)
			continue
		}
		for i, e := range errs {
			if math.Abs(e-c.errs[i]) > 1e-6 {
				t.Errorf("%s: %v, want %v", name, errs, c.errs)
			}
		}
	}
}

package engine

import (
	"math"
	"slices"
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// TestPeopleOfSeveralOrientations: a small picture that lies on its side beside a person, a magazine for instance, does not cost
// the person. Each of both is found as it stands.
func TestPeopleOfSeveralOrientations(t *testing.T) {
	cast := drawn.Cast()
	for name, e := range packsToTest(t) {
		both := 0
		for i := range 5 {
			for quarters := 1; quarters < 4; quarters++ {
				const border = 720 // between the two
				m := imaging.New(1040, 760)
				m.Fill(imaging.RGB{170, 175, 180})
				paste(m, picture(cast[i], i, 700), 10, 30)
				paste(m, picture(cast[i+10], 0, 300).Turned(quarters), 725, 400)
				a, err := e.Analyze(t.Context(), encoded(t, m), Params{Turn: true, Embed: true, Attributes: true, Liveness: 1, Quality: []string{"default"}})
				if err != nil {
					t.Fatal(err)
				}
				persons, pictures := 0, 0
				for k := range a.Faces {
					o := &a.Faces[k]
					box := o.Original()
					left := (box.TopLeft.X+box.BottomRight.X)/2 < border
					if o.Embedding == nil || o.Sharpness == nil || o.Liveness == nil || o.Quality == nil {
						t.Errorf("%s, person %d beside %d quarters: face %d was not asked everything", name, i, quarters, k)
					}
					if k > 0 && o.Confidence > a.Faces[k-1].Confidence {
						t.Errorf("%s, person %d beside %d quarters: face %d is surer than the one before it", name, i, quarters, k)
					}
					switch {
					case left && o.Turned == 0 && o.Width == m.Width && o.Height == m.Height:
						persons++
					case !left && (o.Turned+90*quarters)%360 == 0:
						pictures++
						if box.TopLeft.Y < 390 {
							t.Errorf("%s, person %d beside %d quarters: the picture's face is at %+v", name, i, quarters, box)
						}
					case left:
						t.Errorf("%s, person %d beside %d quarters: the person turned by %d°", name, i, quarters, o.Turned)
					}
				}
				if persons != 1 || pictures > 1 {
					t.Errorf("%s, person %d beside %d quarters: found %d times, and the picture's face %d times", name, i, quarters, persons, pictures)
				}
				both += pictures
			}
		}
		if name == "open" && both < 10 { // where it is certain of the person it does not look further
			t.Errorf("%s finds both of 15 in %d", name, both)
		}
	}
}

// TestTurnedFaceIsTheSame: a face beside another one is described in the picture that was turned for it, as if it was alone there.
func TestTurnedFaceIsTheSame(t *testing.T) {
	e := starter(t, Options{})
	cast := people()
	small := picture(cast[3], 0, 300)
	alone, err := e.Analyze(t.Context(), encoded(t, small), Params{Strategy: BestConfidence, Embed: true})
	if err != nil || len(alone.Faces) != 1 {
		t.Fatal(alone, err)
	}
	m := imaging.New(700, 500)
	m.Fill(imaging.RGB{170, 175, 180})
	paste(m, small.Turned(1), 380, 100)
	paste(m, small.Resize(200, 200), 20, 20)
	f := &frame{params: Params{Turn: true, Embed: true}, picture: m}
	// Both orientations, however certain the engine is of the upright one.
	scene := e.detector.Scene(m)
	var all []candidate
	for quarters := range 4 {
		found, err := e.findTurned(t.Context(), f, scene, quarters)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.examine(t.Context(), f, found, examined); err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	f.found = merged(all, probableAlone)
	if len(f.found) != 2 {
		t.Fatalf("%d faces: %+v", len(f.found), f.found)
	}
	for _, c := range f.found {
		o := &face.Observation{Face: c.Face, Turned: 90 * c.quarters, Width: m.Width, Height: m.Height}
		if c.quarters%2 != 0 {
			o.Width, o.Height = o.Height, o.Width
		}
		f.faces = append(f.faces, o)
	}
	err = f.upright(func(g *frame) error {
		if len(g.faces) != 1 || len(g.all) != 2 || g.picture.Width != g.faces[0].Width {
			t.Errorf("%d faces of %d in a picture %d pixels wide, want %d", len(g.faces), len(g.all), g.picture.Width, g.faces[0].Width)
		}
		aligned, err := face.Align(g.picture, g.faces[0].Points)
		if err != nil {
			return err
		}
		embeddings, err := e.Embed(t.Context(), []*imaging.Image{aligned})
		if err != nil {
			return err
		}
		if c := schema.Cosine(embeddings[0].Vector, alone.Faces[0].Embedding.Vector); c < 0.9 {
			t.Errorf("turned by %d°: cosine %.3f to the same face alone", g.faces[0].Turned, c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSidewaysPictureBesidePerson is the composition as it was reported.
func TestSidewaysPictureBesidePerson(t *testing.T) {
	file := read(t, place(t, "FACESTREAM_CASES", "../shared/cases"), "sideways-picture-beside-upright-person.jpg")
	for name, e := range packsToTest(t) {
		a, err := e.Analyze(t.Context(), file, Params{Strategy: BiggestFace, Turn: true})
		if err != nil || len(a.Faces) != 1 || a.Faces[0].Turned != 0 {
			t.Errorf("%s: %+v, %v; want the person, upright", name, a, err)
		}
	}
}

// TestTurningIsCheap: a picture without a face is looked for in four orientations, and none of them copies it.
func TestTurningIsCheap(t *testing.T) {
	e := starter(t, Options{})
	m := imaging.New(4000, 3000)
	m.Fill(imaging.RGB{90, 120, 90})
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := e.find(b.Context(), &frame{params: Params{Turn: true}, picture: m}); err != nil {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if size := int64(len(m.Pix)); allocated > size {
		t.Errorf("looking at a picture of %d bytes in all orientations takes %d bytes", size, allocated)
	}
}

// TestMerged: candidates of several orientations become the faces behind them.
func TestMerged(t *testing.T) {
	at := func(quarters int, x, uprightness, confidence float32) candidate {
		f := face.Face{Confidence: confidence, Box: schema.BoxF{TopLeft: schema.PointF{X: x}, BottomRight: schema.PointF{X: x + 100, Y: 100}}}
		return candidate{Face: f, original: f, quarters: quarters, uprightness: uprightness}
	}
	leaning := func(quarters int, degrees float64, uprightness float32) candidate {
		c := at(quarters, 0, uprightness, 0.9)
		sin, cos := math.Sincos(degrees * math.Pi / 180)
		c.Points[1] = schema.PointF{X: float32(40 * cos), Y: float32(40 * sin)}
		return c
	}
	for name, c := range map[string]struct {
		candidates []candidate
		want       [][2]float32 // quarters and place, best confidence first
	}{
		"nobody":                              {nil, nil},
		"an upright face":                     {[]candidate{at(0, 0, 0.7, 0.9), at(1, 10, 0.4, 0.8), at(2, 20, 0.5, 0.95)}, [][2]float32{{0, 0}}},
		"a lying face":                        {[]candidate{at(0, 0, 0.3, 0.9), at(3, 10, 0.7, 0.8)}, [][2]float32{{3, 10}}},
		"both":                                {[]candidate{at(0, 0, 0.65, 0.8), at(3, 10, 0.4, 0.7), at(0, 500, 0.3, 0.5), at(3, 510, 0.8, 0.9)}, [][2]float32{{3, 510}, {0, 0}}},
		"an unsure upright one":               {[]candidate{at(0, 0, 0.2, 0.8), at(3, 500, 0.8, 0.9)}, [][2]float32{{3, 500}, {0, 0}}},
		"an unsure one in a third":            {[]candidate{at(2, 0, 0.5, 0.8), at(3, 500, 0.8, 0.9)}, [][2]float32{{3, 500}}},
		"a sure one in a third":               {[]candidate{at(2, 0, 0.7, 0.8), at(3, 500, 0.8, 0.9)}, [][2]float32{{3, 500}, {2, 0}}},
		"equal ones stand upright":            {[]candidate{at(0, 0, 0.5, 0.8), at(1, 0, 0.5, 0.8)}, [][2]float32{{0, 0}}},
		"neighbours of one orientation":       {[]candidate{at(0, 0, 0.7, 0.9), at(0, 50, 0.7, 0.8)}, [][2]float32{{0, 0}, {0, 50}}},
		"one reading, leaning less":           {[]candidate{leaning(3, -56, 0.72), leaning(0, 34, 0.7)}, [][2]float32{{0, 0}}},
		"one reading, leaning more":           {[]candidate{leaning(0, -56, 0.72), leaning(1, 34, 0.7)}, [][2]float32{{1, 0}}},
		"one reading, not upright at all":     {[]candidate{leaning(0, 50, 0.7), leaning(3, -40, 0)}, [][2]float32{{0, 0}}},
		"two readings, the surer one":         {[]candidate{leaning(0, 34, 0.7), leaning(3, 34, 0.72)}, [][2]float32{{3, 0}}},
		"a crowd lies as its surest one does": {[]candidate{at(0, 0, 0.3, 0.9), at(1, 0, 0.7, 0.8), at(1, 300, 0.4, 0.7)}, [][2]float32{{1, 0}, {1, 300}}},
	} {
		var got [][2]float32
		for _, m := range merged(c.candidates, probable) {
			got = append(got, [2]float32{float32(m.quarters), m.original.Box.TopLeft.X})
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestTiltedHeads: a head that leans by any angle has the points, the roll and the embedding of the same head upright.
func TestTiltedHeads(t *testing.T) {
	cast := drawn.Cast()
	for name, e := range packsToTest(t) {
		for i := range 3 {
			m := picture(cast[i], 0, 400)
			params := Params{Turn: true, Embed: true, Attributes: true, Strategy: BestConfidence}
			upright, err := e.Analyze(t.Context(), encoded(t, m), params)
			if err != nil || len(upright.Faces) != 1 {
				t.Fatal(name, upright, err)
			}
			u := &upright.Faces[0]
			for _, degrees := range []float64{-150, -60, -45, -30, 30, 45, 60, 120, 135} {
				// The same pixels, turned about the middle of a picture that has room for them.
				const side = 600
				w := imaging.Window{X: 200, Y: 200, Width: side, Height: side, Turn: -degrees * math.Pi / 180}
				a, err := e.Analyze(t.Context(), encoded(t, m.CutOver(w, side, side, imaging.RGB{128, 128, 128})), params)
				if err != nil || len(a.Faces) != 1 {
					t.Errorf("%s, person %d turned by %.0f°: %v, %v", name, i, degrees, a, err)
					continue
				}
				o := &a.Faces[0]
				off := func(lean, was float32) float64 {
					return math.Abs(math.Remainder(float64(lean-was)-float64(o.Turned)-degrees, 360))
				}
				if d := off(o.Roll(), u.Roll()); d > 15 {
					t.Errorf("%s, person %d turned by %.0f°: the eyes lean by %.1f° too far", name, i, degrees, d)
				}
				if d := off(o.Pose.Roll, u.Pose.Roll); d > 8 {
					t.Errorf("%s, person %d turned by %.0f°: the pose is off by %.1f°", name, i, degrees, d)
				}
				if c := schema.Cosine(o.Embedding.Vector, u.Embedding.Vector); c < 0.7 {
					t.Errorf("%s, person %d turned by %.0f°: cosine %.3f", name, i, degrees, c)
				}
				if r := o.Area() / u.Area(); r < 0.75 || r > 1.33 {
					t.Errorf("%s, person %d turned by %.0f°: the box has %.2f times the area", name, i, degrees, r)
				}
			}
		}
	}
}
